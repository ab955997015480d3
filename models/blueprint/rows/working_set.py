"""The working set of an import: rows of the database, with the changes that it plans."""

import itertools
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy
from sqlalchemy import Select

from models.blueprint.authentik.kinds import KINDS, POLICY_BINDING, USER, Kind
from models.blueprint.rows.row import PARENT, Row, State, is_equal
from models.blueprint.rows.row_table import RowTable

Fetch = Callable[[Select[Any]], Sequence[sqlalchemy.Row[Any]]]
Values = Mapping[str, Any]

# The number of values in one SELECT.
BATCH_SIZE = 500
NO_SETTINGS: Values = {}
# The kinds to which a column refers, by kind and column.
TARGETS = {
    (kind.name, field.column): tuple(KINDS[target] for target in field.targets)
    for kind in KINDS.values()
    for field in kind.fields.values()
    if field.targets
}


@dataclass(frozen=True, slots=True)
class Changes:
    """The rows to insert, update and delete, each in the order in which this was planned."""

    created: Sequence[Row]
    changed: Sequence[Row]
    deleted: Sequence[Row]


class WorkingSet:
    """Rows of the database as an import reads them, and the changes that it plans.

    `fetch` executes a SELECT. `tables` have the rows of each kind, by its name. The users of tokens
    are invisible.
    """

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self.tables = {name: RowTable(kind) for name, kind in KINDS.items()}
        # UUIDs of version 7 in increasing order, so that indexes grow at their end.
        self._uuid_prefix = _build_uuid_prefix()
        self._uuids = (
            f"{self._uuid_prefix}{number:012x}" for number in itertools.count(secrets.randbits(47))
        )
        self._user_ids = itertools.count(-1, -1)
        self._changed: dict[Row, None] = {}
        self._deleted: list[Row] = []

    @property
    def is_complete(self) -> bool:
        """True if all rows of the database are known."""
        return all(table.is_complete for table in self.tables.values())

    def load(self, kind: Kind, column: str, keys: Iterable[Any]) -> None:
        """Read the rows with one of these values of a column, unless they have been read.

        Null, and values that the column cannot have, are ignored. `column` can be the primary key,
        and `parent` for the key of the parent row.
        """
        table = self.tables[kind.name]
        storable = (key for key in keys if key is not None and table.accepts(column, key))
        unknown = [key for key in dict.fromkeys(storable) if self._is_unknown(table, column, key)]
        for start in range(0, len(unknown), BATCH_SIZE):
            batch = unknown[start : start + BATCH_SIZE]
            table.add_some(column, batch, self._fetch(table.select_by(column, batch)))

    def get(self, kind: Kind, pk: Any) -> Row | None:
        """Return the row with a primary key, unless it is deleted."""
        return next(iter(self.find(kind, {kind.pk: pk})), None)

    def find_parent(self, key: Any) -> Row | None:
        """Return the flow or stage binding with this key of its parent row."""
        rows = (self.find(kind, {PARENT: key}) for kind in KINDS.values() if kind.has_parent)
        return next(itertools.chain.from_iterable(rows), None)

    def find(self, kind: Kind, conditions: Values) -> list[Row]:
        """Return the rows with equal values, ordered by primary key.

        No row matches a value that its column cannot have.
        """
        table = self.tables[kind.name]
        if not all(itertools.starmap(table.accepts, conditions.items())):
            return []
        self._load_candidates(table, conditions)
        rows = list(table.find(conditions) if conditions else table)
        return rows if len(rows) < 2 else sorted(rows, key=_get_pk)  # noqa: PLR2004 - nothing to sort

    def create(
        self,
        kind: Kind,
        pk: str | None,
        values: Values,
        model: str | None = None,
        settings: Values | None = None,
    ) -> Row:
        """Plan a row with values of all columns, and return it.

        Generates the primary key if it is None. That of a user is provisional.
        """
        table = self.tables[kind.name]
        key = next(self._user_ids if kind is USER else self._uuids)
        row = Row(
            kind,
            key if pk is None else pk,
            # The parent row is in a table of its own: an equal key is as good, and saves memory.
            str(key) if kind.has_parent else None,
            tuple(map(values.__getitem__, table.columns)),
            model,
            settings or (NO_SETTINGS if kind.type_table else None),
        )
        table.add(row)
        return row

    def change(
        self,
        row: Row,
        values: Values,
        model: str | None = None,
        settings: Values | None = None,
    ) -> bool:
        """Plan new values of a row, and return whether any differs.

        Columns and settings that are not given do not change.
        """
        table = self.tables[row.kind.name]
        state = State(
            tuple(map(values.get, table.columns, row.values)),
            model or row.model,
            _merge(row, settings or NO_SETTINGS),
        )
        is_changed = not is_equal(state, row.state)
        if is_changed:
            table.update(row, values, state)
            self._changed.setdefault(row)
        return is_changed

    def delete(self, row: Row) -> None:
        """Plan the deletion of a row, and of the bindings that authentik deletes with it."""
        self.tables[row.kind.name].remove(row)
        self._deleted.append(row)
        for binding in self._find_bindings(row):
            self.delete(binding)

    def changes(self) -> Changes:
        """Return the planned changes."""
        return Changes(
            [row for table in self.tables.values() for row in table if row.is_new],
            [row for row in self._changed if row.is_changed and not row.is_deleted],
            [row for row in self._deleted if not row.is_new],
        )

    def _is_unknown(self, table: RowTable, column: str, key: Any) -> bool:
        """Return whether the database can contain rows with this value that were not read.

        It contains no row that refers to a new one.
        """
        if isinstance(key, str) and key.startswith(self._uuid_prefix):
            return False
        return not table.is_known(column, key)

    def _load_candidates(self, table: RowTable, conditions: Values) -> None:
        """Read the rows with one of the values if an index of the database has them, else all."""
        column = next((name for name in table.indexed if conditions.get(name) is not None), None)
        if column is not None:
            if self._is_unknown(table, column, conditions[column]):
                self.load(table.kind, column, [conditions[column]])
        elif not table.is_complete:
            table.add_all(self._fetch(table.select()))

    def _find_bindings(self, row: Row) -> Iterator[Row]:
        for (name, column), targets in TARGETS.items():
            if row.kind in targets:
                key = row.get(_name_key(KINDS[name], row.kind))
                self.load(KINDS[name], column, [key])
                yield from tuple(self.tables[name].find({column: key}))


def _name_key(kind: Kind, target: Kind) -> str:
    """Return the column of the target to which rows of a kind refer."""
    return PARENT if kind is POLICY_BINDING and target.has_parent else target.pk


def _merge(row: Row, settings: Values) -> Values | None:
    return {**(row.settings or NO_SETTINGS), **settings} if row.kind.type_table else None


def _get_pk(row: Row) -> Any:
    return row.pk


def _build_uuid_prefix() -> str:
    """Return all but the last part of a UUID of version 7, with the time and random digits."""
    milliseconds = f"{time.time_ns() // 1_000_000:012x}"
    version, variant = f"7{secrets.randbits(12):03x}", f"{0x8000 | secrets.randbits(14):04x}"
    return f"{milliseconds[:8]}-{milliseconds[8:]}-{version}-{variant}-"
