"""The import of blueprints into FlowQL's own database, in one transaction."""

import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from models.blueprint import document
from models.blueprint.document import Entry, Tag
from models.blueprint.kinds import PARENT_FIELD, PHASES, REQUIRED, EntryField, Kind, find_kind
from models.blueprint.references import OmittedEntryError, References, map_models
from models.blueprint.values import InvalidValueError, check_uuid
from models.database import Database
from models.tables.columns import Table
from models.tables.flow import Flow, FlowStageBinding, PolicyBindingModel
from models.tables.policy import Policy, PolicyBinding

Values = Mapping[str, Any]


@dataclass(slots=True)
class ImportReport:
    """The result of an import.

    `created`, `updated` and `unchanged` count entries. `skipped` counts the entries that are not
    stored, by model. `omissions` are messages about bindings that are omitted, one line each.
    """

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    skipped: Counter[str] = field(default_factory=Counter[str])
    omissions: list[str] = field(default_factory=list[str])


async def import_blueprints(database: Database, paths: Sequence[Path]) -> ImportReport:
    """Import files and folders in one transaction; raises BlueprintError and writes nothing."""
    entries = [
        entry for path in document.find_files(paths) for entry in document.read_entries(path)
    ]
    return await database.write(lambda connection: _import(connection, entries))


def _import(connection: Connection, entries: Sequence[Entry]) -> ImportReport:
    unsupported = [entry for entry in entries if find_kind(entry.model) is None]
    report = ImportReport(skipped=Counter(entry.model for entry in unsupported))
    with Session(connection) as session:
        run = _ImportRun(session, References(session, map_models(unsupported)), report)
        for phase in PHASES:
            for entry, kind in _select_supported(entries):
                if kind.table in phase:
                    run.import_entry(entry, kind)
    return report


def _select_supported(entries: Sequence[Entry]) -> Iterator[tuple[Entry, Kind]]:
    for entry in entries:
        kind = find_kind(entry.model)
        if kind:
            yield entry, kind


@dataclass(frozen=True, slots=True)
class _ImportRun:
    session: Session
    references: References
    report: ImportReport

    def import_entry(self, entry: Entry, kind: Kind) -> None:
        """Store an entry; raises BlueprintError with its file and line."""
        try:
            if _applies(entry):
                self._store(entry, kind)
            else:
                self.report.skipped[entry.model] += 1
        except InvalidValueError as error:
            raise entry.build_error(str(error)) from None
        except OmittedEntryError as reason:
            self.report.omissions.append(str(entry.build_error(f"omitted: {reason}")))
        except IntegrityError:
            raise entry.build_error(
                "duplicate: another row has the same key, slug or name, or binds the same objects"
                " in the same order"
            ) from None

    def _store(self, entry: Entry, kind: Kind) -> None:
        columns = self._read_columns(entry, kind)
        row = self._find_row(entry, kind, columns)
        if row is None:
            row = self._create(entry, kind, columns)
            self.report.created += 1
        elif self._update(entry, kind, row, columns):
            self.report.updated += 1
        else:
            self.report.unchanged += 1
        _check_binding(row)
        self.session.flush()
        self.references.add(entry, row)

    def _read_columns(self, entry: Entry, kind: Kind) -> Values:
        """Return the checked and resolved values of the entry by column."""
        entry_values = {**entry.attrs, **entry.identifiers}
        return {
            definition.column: self._read_value(entry, name, definition, entry_values[name])
            for name, definition in kind.all_fields.items()
            if name in entry_values
        }

    def _read_value(self, entry: Entry, name: str, definition: EntryField, value: Any) -> Any:
        try:
            return self._check_or_resolve(entry, definition, value)
        except InvalidValueError as error:
            raise InvalidValueError(f"'{name}' {error}") from None

    def _check_or_resolve(self, entry: Entry, definition: EntryField, value: Any) -> Any:
        if definition.target is None:
            return definition.check(value)
        if value is None and definition.default is REQUIRED:
            raise InvalidValueError("must not be null")
        return self.references.resolve(entry, value, definition.target)

    def _find_row(self, entry: Entry, kind: Kind, columns: Values) -> Table | None:
        """Return the row with the entry's primary key, or with all its other identifiers."""
        alternatives = list(_identify(entry, kind, columns))
        if not alternatives:
            names = ", ".join(f"'{name}'" for name in ("pk", *kind.fields))
            raise InvalidValueError(f"'identifiers' must contain at least one of {names}")
        statement = select(kind.table).where(or_(*alternatives)).limit(2)
        rows = self.session.scalars(statement).all()
        if len(rows) > 1:
            raise InvalidValueError("'identifiers' match several rows; expected one row")
        return rows[0] if rows else None

    def _create(self, entry: Entry, kind: Kind, values: Values) -> Table:
        columns = {**_add_defaults(kind, values), **_build_unread_columns(kind)}
        columns[kind.pk] = _read_pk(entry) or str(uuid.uuid4())
        if kind.has_parent:
            parent = PolicyBindingModel(
                pbm_uuid=str(uuid.uuid4()), policy_engine_mode=columns.pop(PARENT_FIELD.column)
            )
            self.session.add(parent)
            columns["policybindingmodel_ptr_id"] = parent.pbm_uuid
        row = kind.table(**columns)
        self.session.add(row)
        self._store_type(entry, kind, row)
        return row

    def _update(self, entry: Entry, kind: Kind, row: Table, columns: Values) -> bool:
        """Update the columns that differ, and return whether any did."""
        is_changed = self._store_type(entry, kind, row)
        for column, value in columns.items():
            owner: Any = self._find_parent(row) if column == PARENT_FIELD.column else row
            if getattr(owner, column) != value:
                setattr(owner, column, value)
                is_changed = True
        if is_changed and isinstance(row, Policy):
            row.last_updated = datetime.now(UTC)
        return is_changed

    def _store_type(self, entry: Entry, kind: Kind, row: Table) -> bool:
        """Store the model of a row without one, and return whether it had none."""
        if kind.type_table is None:
            return False
        key = getattr(row, kind.pk)
        type_row = self.session.get(kind.type_table, key)
        if type_row and type_row.model != entry.model:
            raise InvalidValueError(f"this row already has the model {type_row.model}")
        if type_row is None:
            self.session.add(kind.type_table(ptr_id=key, model=entry.model))
        return type_row is None

    def _find_parent(self, row: Table) -> PolicyBindingModel | None:
        if isinstance(row, Flow | FlowStageBinding):
            return self.session.get(PolicyBindingModel, row.policybindingmodel_ptr_id)
        return None


def _applies(entry: Entry) -> bool:
    """Return whether the conditions of an entry hold; raises InvalidValueError."""
    if entry.state != "present":
        raise InvalidValueError(f"state {entry.state!r} is not supported; expected 'present'")
    if any(isinstance(condition, Tag) for condition in entry.conditions):
        raise InvalidValueError("'conditions' use tags, which are not supported")
    return all(entry.conditions)


def _identify(entry: Entry, kind: Kind, values: Values) -> Iterator[ColumnElement[bool]]:
    """Yield the conditions of which one is enough to identify the entry's row."""
    columns = [kind.fields[name].column for name in entry.identifiers if name in kind.fields]
    if columns:
        yield and_(*(getattr(kind.table, column) == values[column] for column in columns))
    key = _read_pk(entry)
    if key is not None:
        yield getattr(kind.table, kind.pk) == key


def _read_pk(entry: Entry) -> str | None:
    if "pk" not in entry.identifiers:
        return None
    try:
        return check_uuid(entry.identifiers["pk"])
    except InvalidValueError as error:
        raise InvalidValueError(f"'pk' {error}") from None


def _add_defaults(kind: Kind, values: Values) -> dict[str, Any]:
    """Return the columns of a new row; raises InvalidValueError if a required one is missing."""
    columns = dict(values)
    for name, definition in kind.all_fields.items():
        if columns.setdefault(definition.column, definition.default) is REQUIRED:
            raise InvalidValueError(f"'{name}' is required")
    return columns


def _build_unread_columns(kind: Kind) -> Values:
    """Return the columns that authentik requires and FlowQL never reads."""
    now = datetime.now(UTC)
    columns: Mapping[type[Table], Values] = {
        Policy: {"created": now, "last_updated": now},
        PolicyBinding: {"expiring": False},
    }
    return columns.get(kind.table, {})


def _check_binding(row: Table) -> None:
    if isinstance(row, PolicyBinding):
        bound_keys = [row.policy_id, row.group_id, row.user_id]
        if sum(value is not None for value in bound_keys) != 1:
            raise InvalidValueError("exactly one of 'policy', 'group' and 'user' is required")
