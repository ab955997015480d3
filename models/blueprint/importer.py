"""Blueprint entries become rows of FlowQL's own database: all of a run, or none."""

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
from models.blueprint.kinds import PARENT_FIELD, PHASES, REQUIRED, Field, Kind, kind_of
from models.blueprint.references import References, SkippedEntryError, foreign_models
from models.blueprint.values import ValueProblemError, pk
from models.database import Database
from models.tables.columns import Table
from models.tables.flow import Flow, FlowStageBinding, PolicyBindingModel
from models.tables.policy import Policy, PolicyBinding

Values = Mapping[str, Any]


@dataclass(slots=True)
class ImportReport:
    """What a run did: entries by what became of them, and models it does not store."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    skipped: Counter[str] = field(default_factory=Counter[str])
    left_out: list[str] = field(default_factory=list[str])


async def import_blueprints(database: Database, paths: Sequence[Path]) -> ImportReport:
    """Import files and folders in one transaction; raises BlueprintError, and writes nothing."""
    entries = [
        entry for path in document.find_files(paths) for entry in document.read_entries(path)
    ]
    async with database.transaction() as connection:
        return await connection.run_sync(_import, entries)


def _import(connection: Connection, entries: Sequence[Entry]) -> ImportReport:
    foreign = [entry for entry in entries if kind_of(entry.model) is None]
    report = ImportReport(skipped=Counter(entry.model for entry in foreign))
    with Session(connection) as session:
        run = _ImportRun(session, References(session, foreign_models(foreign)), report)
        for phase in PHASES:
            for entry, kind in _stored(entries):
                if kind.table in phase:
                    run.take(entry, kind)
    return report


def _stored(entries: Sequence[Entry]) -> Iterator[tuple[Entry, Kind]]:
    for entry in entries:
        kind = kind_of(entry.model)
        if kind:
            yield entry, kind


@dataclass(frozen=True, slots=True)
class _ImportRun:
    session: Session
    references: References
    report: ImportReport

    def take(self, entry: Entry, kind: Kind) -> None:
        """Store one entry; whatever is wrong with it is told with its place."""
        try:
            if _applies(entry):
                self._store(entry, kind)
            else:
                self.report.skipped[entry.model] += 1
        except ValueProblemError as problem:
            raise entry.error(str(problem)) from None
        except SkippedEntryError as reason:
            self.report.left_out.append(str(entry.error(f"left out, since {reason}")))
        except IntegrityError:
            raise entry.error(
                "another row has the same key, slug or name, or the same place"
            ) from None

    def _store(self, entry: Entry, kind: Kind) -> None:
        given = self._values(entry, kind)
        row = self._existing(entry, kind, given)
        if row is None:
            row = self._create(entry, kind, given)
            self.report.created += 1
        elif self._update(entry, kind, row, given):
            self.report.updated += 1
        else:
            self.report.unchanged += 1
        _check_binding(row)
        self.session.flush()
        self.references.remember(entry, row)

    def _values(self, entry: Entry, kind: Kind) -> Values:
        """The given fields that are stored, by column, checked and with references resolved."""
        given = {**entry.attrs, **entry.identifiers}
        return {
            known.column: self._value(entry, name, known, given[name])
            for name, known in kind.all_fields.items()
            if name in given
        }

    def _value(self, entry: Entry, name: str, known: Field, value: Any) -> Any:
        try:
            return self._checked(entry, known, value)
        except ValueProblemError as problem:
            raise ValueProblemError(f"{name} {problem}") from None

    def _checked(self, entry: Entry, known: Field, value: Any) -> Any:
        if known.target is None:
            return known.check(value)
        if value is None and known.default is REQUIRED:
            raise ValueProblemError("refers to nothing")
        return self.references.resolve(entry, value, known.target)

    def _existing(self, entry: Entry, kind: Kind, given: Values) -> Table | None:
        """The row that the identifiers name: by primary key, or by all the others together."""
        ways = list(_identified(entry, kind, given))
        if not ways:
            raise ValueProblemError("has no identifiers that tell which one it is")
        rows = self.session.scalars(select(kind.table).where(or_(*ways)).limit(2)).all()
        if len(rows) > 1:
            raise ValueProblemError("has identifiers that name several rows")
        return rows[0] if rows else None

    def _create(self, entry: Entry, kind: Kind, given: Values) -> Table:
        columns = {**_complete(kind, given), **_unread(kind)}
        columns[kind.pk] = _given_pk(entry) or str(uuid.uuid4())
        if kind.has_parent:
            parent = PolicyBindingModel(
                pbm_uuid=str(uuid.uuid4()), policy_engine_mode=columns.pop(PARENT_FIELD.column)
            )
            self.session.add(parent)
            columns["policybindingmodel_ptr_id"] = parent.pbm_uuid
        row = kind.table(**columns)
        self.session.add(row)
        self._keep_type(entry, kind, row)
        return row

    def _update(self, entry: Entry, kind: Kind, row: Table, given: Values) -> bool:
        """Change what differs; tells whether anything did."""
        changed = self._keep_type(entry, kind, row)
        for column, value in given.items():
            holder: Any = self._parent(row) if column == PARENT_FIELD.column else row
            if getattr(holder, column) != value:
                setattr(holder, column, value)
                changed = True
        if changed and isinstance(row, Policy):
            row.last_updated = datetime.now(UTC)
        return changed

    def _keep_type(self, entry: Entry, kind: Kind, row: Table) -> bool:
        """Store the type of a row that has none yet; tells whether it did."""
        if kind.type_table is None:
            return False
        key = getattr(row, kind.pk)
        stored = self.session.get(kind.type_table, key)
        if stored and stored.model != entry.model:
            raise ValueProblemError(f"is a {stored.model} already")
        if stored is None:
            self.session.add(kind.type_table(ptr_id=key, model=entry.model))
        return stored is None

    def _parent(self, row: Table) -> PolicyBindingModel | None:
        if isinstance(row, Flow | FlowStageBinding):
            return self.session.get(PolicyBindingModel, row.policybindingmodel_ptr_id)
        return None


def _applies(entry: Entry) -> bool:
    """Whether an entry is to be stored, by its state and its conditions."""
    if entry.state != "present":
        raise ValueProblemError(f"has the state {entry.state!r}; only 'present' is supported")
    if any(isinstance(condition, Tag) for condition in entry.conditions):
        raise ValueProblemError("has conditions with tags, which are not supported")
    return all(entry.conditions)


def _identified(entry: Entry, kind: Kind, given: Values) -> Iterator[ColumnElement[bool]]:
    """The conditions of which any makes a row the entry's own."""
    columns = [kind.fields[name].column for name in entry.identifiers if name in kind.fields]
    if columns:
        yield and_(*(getattr(kind.table, column) == given[column] for column in columns))
    key = _given_pk(entry)
    if key is not None:
        yield getattr(kind.table, kind.pk) == key


def _given_pk(entry: Entry) -> str | None:
    if "pk" not in entry.identifiers:
        return None
    try:
        return pk(entry.identifiers["pk"])
    except ValueProblemError as problem:
        raise ValueProblemError(f"pk {problem}") from None


def _complete(kind: Kind, given: Values) -> dict[str, Any]:
    """The columns of a new row, with defaults for what is not given."""
    columns = dict(given)
    for name, known in kind.all_fields.items():
        if columns.setdefault(known.column, known.default) is REQUIRED:
            raise ValueProblemError(f"has no {name}")
    return columns


def _unread(kind: Kind) -> Values:
    """The columns that authentik has and FlowQL never reads."""
    now = datetime.now(UTC)
    unread: Mapping[type[Table], Values] = {
        Policy: {"created": now, "last_updated": now},
        PolicyBinding: {"expiring": False},
    }
    return unread.get(kind.table, {})


def _check_binding(row: Table) -> None:
    if isinstance(row, PolicyBinding):
        bound = [row.policy_id, row.group_id, row.user_id]
        if sum(value is not None for value in bound) != 1:
            raise ValueProblemError("binds not exactly one of policy, group and user")
