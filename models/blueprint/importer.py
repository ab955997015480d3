"""Blueprint entries become rows of FlowQL's own database: all of a run, or none."""

import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, and_, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from models.blueprint import document
from models.blueprint.document import Entry, OtherTag
from models.blueprint.kinds import PARENT_FIELD, PHASES, REQUIRED, Field, Kind, kind_of
from models.blueprint.references import MissingReaderError, References
from models.blueprint.values import ValueProblemError, pk
from models.columns import Table
from models.database import Database
from models.flow import Flow, FlowStageBinding, PolicyBindingModel
from models.policy import Policy, PolicyBinding

Values = Mapping[str, Any]


@dataclass(slots=True)
class Report:
    """What a run did: entries by what became of them, and models it does not store."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    skipped: Counter[str] = field(default_factory=Counter[str])
    left_out: list[str] = field(default_factory=list[str])


async def import_blueprints(database: Database, paths: Sequence[Path]) -> Report:
    """Import files and folders in one transaction; raises BlueprintError, and writes nothing."""
    entries = [entry for path in document.files(paths) for entry in document.read(path)]
    async with database.transaction() as connection:
        return await connection.run_sync(_import, entries)


def _import(connection: Connection, entries: Sequence[Entry]) -> Report:
    report = Report()
    with Session(connection) as session:
        run = _Run(session, References(session), report)
        for phase in PHASES:
            for entry, kind in _stored(entries):
                if kind.table in phase:
                    run.take(entry, kind)
        session.flush()
    report.skipped.update(entry.model for entry in entries if kind_of(entry.model) is None)
    return report


def _stored(entries: Sequence[Entry]) -> Iterator[tuple[Entry, Kind]]:
    for entry in entries:
        kind = kind_of(entry.model)
        if kind:
            yield entry, kind


@dataclass(frozen=True, slots=True)
class _Run:
    session: Session
    references: References
    report: Report

    def take(self, entry: Entry, kind: Kind) -> None:
        """Store one entry; whatever is wrong with it is told with its place."""
        try:
            if _applies(entry):
                self._store(entry, kind)
            else:
                self.report.skipped[entry.model] += 1
        except ValueProblemError as problem:
            raise entry.error(str(problem)) from None
        except MissingReaderError as missing:
            self.report.left_out.append(str(entry.error(f"left out, since {missing}")))
        except IntegrityError:
            raise entry.error(
                "another row has the same key, slug or name, or the same place"
            ) from None

    def _store(self, entry: Entry, kind: Kind) -> None:
        given = self._values(entry, kind, {**entry.attrs, **entry.identifiers})
        row = self._existing(entry, kind, given)
        if row is None:
            row = self._create(entry, kind, given)
            self.report.created += 1
        elif self._update(entry, row, given):
            self.report.updated += 1
        else:
            self.report.unchanged += 1
        self._check_binding(row)
        self.session.flush()
        self.references.remember(entry, row)

    def _values(self, entry: Entry, kind: Kind, given: Values) -> Values:
        """The given fields that are stored, by column, checked and with references resolved."""
        found: dict[str, Any] = {}
        for name, known in _fields(kind).items():
            if name in given:
                found[known.column] = self._value(entry, name, known, given[name])
        return found

    def _value(self, entry: Entry, name: str, known: Field, value: Any) -> Any:
        try:
            if known.target:
                return self.references.resolve(entry, value, known.target)
            return known.check(value)
        except ValueProblemError as problem:
            raise ValueProblemError(f"{name} {problem}") from None

    def _existing(self, entry: Entry, kind: Kind, given: Values) -> Table | None:
        """The row that the identifiers name: by primary key, or by all the others together."""
        table = kind.table
        named = [_fields(kind)[name].column for name in entry.identifiers if name in kind.fields]
        ways = (
            [and_(*(getattr(table, column) == given[column] for column in named))] if named else []
        )
        if "pk" in entry.identifiers:
            ways.append(getattr(table, kind.pk) == pk(entry.identifiers["pk"]))
        if not ways:
            raise ValueProblemError("has no identifiers that tell which one it is")
        rows = self.session.scalars(select(table).where(or_(*ways)).limit(2)).all()
        if len(rows) > 1:
            raise ValueProblemError("has identifiers that name several rows")
        return rows[0] if rows else None

    def _create(self, entry: Entry, kind: Kind, given: Values) -> Table:
        key = pk(entry.identifiers["pk"]) if "pk" in entry.identifiers else str(uuid.uuid4())
        columns: dict[str, Any] = {kind.pk: key, **_complete(kind, given)}
        if kind.has_parent:
            parent = PolicyBindingModel(
                pbm_uuid=str(uuid.uuid4()), policy_engine_mode=columns.pop(PARENT_FIELD.column)
            )
            self.session.add(parent)
            self.session.flush()
            columns["policybindingmodel_ptr_id"] = parent.pbm_uuid
        if kind.table is Policy:
            columns["created"] = columns["last_updated"] = datetime.now(UTC)
        if kind.table is PolicyBinding:
            columns["expiring"] = False
        table: type[Table] = kind.table
        row = table(**columns)
        self.session.add(row)
        self.session.flush()
        if kind.type_table:
            self.session.add(kind.type_table(ptr_id=key, model=entry.model))
        return row

    def _update(self, entry: Entry, row: Table, given: Values) -> bool:
        """Change what differs; tells whether anything did."""
        kind = kind_of(entry.model)
        if kind and kind.type_table:
            self._check_type(entry, kind, getattr(row, kind.pk))
        changed = False
        for column, value in given.items():
            holder: Any = self._parent(row) if column == PARENT_FIELD.column else row
            if getattr(holder, column) != value:
                setattr(holder, column, value)
                changed = True
        if changed and isinstance(row, Policy):
            row.last_updated = datetime.now(UTC)
        return changed

    def _check_type(self, entry: Entry, kind: Kind, key: str) -> None:
        stored = self.session.get(kind.type_table, key) if kind.type_table else None
        if stored and stored.model != entry.model:
            raise ValueProblemError(f"has the name of a {stored.model}")

    def _parent(self, row: Table) -> PolicyBindingModel | None:
        if isinstance(row, Flow | FlowStageBinding):
            return self.session.get(PolicyBindingModel, row.policybindingmodel_ptr_id)
        return None

    def _check_binding(self, row: Table) -> None:
        if isinstance(row, PolicyBinding):
            bound = [row.policy_id, row.group_id, row.user_id]
            if sum(value is not None for value in bound) != 1:
                raise ValueProblemError("binds not exactly one of policy, group and user")


def _applies(entry: Entry) -> bool:
    """Whether an entry is to be stored, by its state and its conditions."""
    if entry.state != "present":
        raise ValueProblemError(f"has the state {entry.state!r}; only 'present' is supported")
    if any(isinstance(condition, OtherTag) for condition in entry.conditions):
        raise ValueProblemError("has conditions with tags, which are not supported")
    return all(entry.conditions)


def _fields(kind: Kind) -> Mapping[str, Field]:
    return {**kind.fields, PARENT_FIELD.column: PARENT_FIELD} if kind.has_parent else kind.fields


def _complete(kind: Kind, given: Values) -> dict[str, Any]:
    """The columns of a new row, with defaults for what is not given."""
    columns = dict(given)
    for name, known in _fields(kind).items():
        if columns.setdefault(known.column, known.default) is REQUIRED:
            raise ValueProblemError(f"has no {name}")
    return columns
