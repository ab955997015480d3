"""The planned changes of rows, described for the reader."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from models.blueprint.authentik.kinds import KINDS, POLICY_BINDING, STAGE_BINDING, Kind
from models.blueprint.report import PlannedChange
from models.blueprint.rows.row import Row, State, is_equal
from models.blueprint.rows.working_set import WorkingSet

KIND_NAMES = list(KINDS)


def describe_changes(rows: WorkingSet) -> Sequence[PlannedChange]:
    """Return what a plan makes of the rows, sorted by kind and name."""
    describer = _Describer(rows)
    changes = rows.changes()
    described = [
        *map(describer.describe_deletion, changes.deleted),
        *map(describer.describe_change, changes.changed),
        *map(describer.describe_creation, changes.created),
    ]
    return sorted(described, key=lambda change: (KIND_NAMES.index(change.kind), change.name))


class _Describer:
    def __init__(self, rows: WorkingSet) -> None:
        self._rows = rows
        # Rows are not found any more after their deletion.
        deleted = rows.changes().deleted
        self._deleted = {(row.kind.name, key): row for row in deleted for key in _list_keys(row)}

    def describe_deletion(self, row: Row) -> PlannedChange:
        return PlannedChange("delete", row.kind.name, self._name(row))

    def describe_creation(self, row: Row) -> PlannedChange:
        fields = {name: (None, value) for name, value in self._read(row, row.state)}
        return PlannedChange("create", row.kind.name, self._name(row), fields)

    def describe_change(self, row: Row) -> PlannedChange:
        old = dict(self._read(row, row.original or row.state))
        new = dict(self._read(row, row.state))
        fields = {
            name: (old.get(name), new.get(name))
            for name in dict.fromkeys([*old, *new])
            if not is_equal(old.get(name), new.get(name))
        }
        return PlannedChange("change", row.kind.name, self._name(row), fields)

    def _read(self, row: Row, state: State) -> Iterator[tuple[str, Any]]:
        """Yield the names and values of a row's fields, with names in place of keys."""
        if row.kind.type_table:
            yield "type", state.model
        for (name, definition), value in zip(row.kind.fields.items(), state.values, strict=True):
            yield name, self._name_key(definition.targets, value)
        yield from (state.settings or {}).items()

    def _name_key(self, targets: Sequence[str], value: Any) -> Any:
        if not targets or value is None:
            return value
        row = self._find(targets, value)
        return self._name(row) if row else value

    def _name(self, row: Row) -> str:
        """Return a name of a row: that of a binding contains those of what it binds."""
        if row.kind not in (STAGE_BINDING, POLICY_BINDING):
            return str(row.get(row.kind.unique[0]))
        names = (
            str(self._name_key(definition.targets, row.get(definition.column)))
            for definition in row.kind.fields.values()
            if definition.targets and row.get(definition.column) is not None
        )
        return f"{' → '.join(names)} ({row.get('order')})"

    def _find(self, targets: Sequence[str], key: Any) -> Row | None:
        row = self._find_stored([KINDS[name] for name in targets], key)
        deleted = (self._deleted.get((name, key)) for name in targets)
        return row or next((row for row in deleted if row), None)

    def _find_stored(self, kinds: Sequence[Kind], key: Any) -> Row | None:
        return self._rows.find_parent(key) if len(kinds) > 1 else self._rows.get(kinds[0], key)


def _list_keys(row: Row) -> Mapping[Any, None]:
    return dict.fromkeys([row.pk, row.parent])
