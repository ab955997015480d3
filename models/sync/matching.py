"""The plan of a mirror: which rows stand for which objects, and how they change."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from models.blueprint.authentik.kinds import FLOW, GROUP, KINDS, POLICY_BINDING, USER, Kind
from models.blueprint.rows.row import Row, State, is_equal
from models.blueprint.rows.working_set import TARGETS, Changes
from models.errors import SyncError
from models.sync.keys import PARENT, KeyChanges
from models.sync.options import SyncOptions
from models.sync.users import assign_ids
from models.systems.content import ALL_SETTINGS, Record, SystemContent
from models.tables.access import SUPERUSERS

# A round may delete a third of the flows.
DELETABLE_PART = 3
# The columns that identify a policy binding that binds no policy.
BOUND_COLUMNS = ("target_id", "group_id", "user_id", "order")


@dataclass(frozen=True, slots=True)
class Stored:
    """The rows of FlowQL's own database by kind, without the users of its tokens.

    `token_users` are the IDs of these users, and `owners` those of all users with tokens.
    """

    rows: Mapping[str, Sequence[Row]]
    token_users: Collection[int] = ()
    owners: Collection[int] = ()


@dataclass(frozen=True, slots=True)
class MirrorPlan:
    """The changes of a round; keys change after the deletions and before the other changes."""

    changes: Changes
    keys: KeyChanges
    updated: int
    unchanged: int


def plan_mirror(stored: Stored, content: SystemContent, options: SyncOptions) -> MirrorPlan:
    """Plan the changes that make the rows equal to the content; raises SyncError.

    A row with the primary key of an object stands for it, or else one with an equal identity, which
    takes the primary key. FlowQL's own group of superusers, and the users of its tokens, do not
    change. Without deletions, a row is only deleted if an object takes its identity.
    """
    plan = _Planner(stored, content, options)
    for kind in KINDS.values():
        plan.add_kind(kind)
    plan.update_kept_settings()
    _check_deletions(plan)
    return plan.build()


@dataclass(slots=True)
class _Planner:
    stored: Stored
    content: SystemContent
    options: SyncOptions
    keys: KeyChanges = field(default_factory=KeyChanges)
    created: list[Row] = field(default_factory=list[Row])
    changed: list[Row] = field(default_factory=list[Row])
    deleted: list[Row] = field(default_factory=list[Row])
    kept: list[Row] = field(default_factory=list[Row])
    moved: set[Row] = field(default_factory=set[Row])
    # The primary keys in FlowQL's own database by those in authentik, where they differ.
    own_keys: dict[tuple[str, Any], Any] = field(default_factory=dict[tuple[str, Any], Any])
    matched: int = 0

    def add_kind(self, kind: Kind) -> None:
        """Plan the changes of a kind, after those to which its rows refer."""
        rows = [self._follow_keys(row) for row in self.stored.rows[kind.name]]
        records = self.content.records.get(kind.name, ())
        if kind is GROUP:
            rows, records = self._reserve_superusers(rows, records)
        if kind is USER:
            records = self._assign_ids(rows, records)
        records = [self._use_own_keys(kind, record) for record in records]
        pairs, others = _match(kind, rows, records)
        for record, row in pairs:
            self._create(kind, record) if row is None else self._change(row, record)
        self._drop(kind, others, {_find_unique(kind, record) for record in records} - {None})

    def update_kept_settings(self) -> None:
        """Let the settings of rows that authentik no longer has refer to the new keys."""
        for row in self.kept:
            settings = self.keys.replace_in(row.settings)
            if not is_equal(settings, row.settings):
                self._replace(row, State(row.values, row.model, settings))

    def build(self) -> MirrorPlan:
        """Return the plan."""
        changes = Changes(self.created, self.changed, self.deleted)
        updated = len(self.moved.union(self.changed))
        return MirrorPlan(changes, self.keys, updated, self.matched + len(self.kept) - updated)

    def _follow_keys(self, row: Row) -> Row:
        """Return a row whose references have the new keys."""
        if not self.keys.new:
            return row
        values = tuple(
            self._follow_key(row.kind, column, value)
            for column, value in zip(row.kind.columns, row.values, strict=True)
        )
        return replace(row, values=values) if values != row.values else row

    def _follow_key(self, kind: Kind, column: str, value: Any) -> Any:
        if kind is POLICY_BINDING and column == "target_id":
            return self.keys.find(PARENT, value)
        targets = TARGETS.get((kind.name, column))
        return self.keys.find(targets[0].name, value) if targets else value

    def _reserve_superusers(
        self, rows: Sequence[Row], records: Sequence[Record]
    ) -> tuple[list[Row], list[Record]]:
        """Return the other groups. Bindings use FlowQL's own group if authentik has one like it."""
        own = next((row for row in rows if row.get("name") == SUPERUSERS), None)
        if own is None:
            return list(rows), list(records)
        is_own = partial(_has_name, SUPERUSERS)
        self.own_keys |= {(GROUP.name, record.pk): own.pk for record in records if is_own(record)}
        return (
            [row for row in rows if row is not own],
            [record for record in records if not is_own(record)],
        )

    def _assign_ids(self, rows: Sequence[Row], records: Sequence[Record]) -> Sequence[Record]:
        """Return the users with the primary keys that they have in FlowQL's own database."""
        names = {record.values[0] for record in records}
        others = {row.pk for row in rows if row.get("username") not in names}
        kept = others if self.options.no_delete else others.intersection(self.stored.owners)
        current = {row.get("username"): int(row.pk) for row in rows}
        ids = assign_ids(records, current, {*self.stored.token_users, *map(int, kept)})
        self.own_keys |= {(USER.name, pk): own for pk, own in ids.items()}
        return [record._replace(pk=ids[int(record.pk)]) for record in records]

    def _use_own_keys(self, kind: Kind, record: Record) -> Record:
        if kind is not POLICY_BINDING:
            return record
        values = zip(kind.columns, record.values, strict=True)
        return record._replace(
            values=tuple(
                self.own_keys.get((column.removesuffix("_id"), value), value)
                for column, value in values
            )
        )

    def _create(self, kind: Kind, record: Record) -> None:
        settings = (record.settings or {}) if record.model else None
        self.created.append(
            Row(kind, record.pk, record.parent, record.values, record.model, settings)
        )

    def _change(self, row: Row, record: Record) -> None:
        self.matched += 1
        self._move(row, record)
        state = State(record.values, record.model or row.model, self._find_settings(row, record))
        if not is_equal(state, row.state):
            self._replace(row, state)

    def _move(self, row: Row, record: Record) -> None:
        """Give a row the keys of an object."""
        if (row.pk, row.parent) != (record.pk, record.parent):
            self.keys.add(row.kind.name, row.pk, record.pk)
            self.keys.add(PARENT, row.parent, record.parent)
            row.pk, row.parent = record.pk, record.parent
            self.moved.add(row)

    def _find_settings(self, row: Row, record: Record) -> Mapping[str, Any] | None:
        """Return the settings of an object, those of its row if they are unknown."""
        is_unknown = (record.model, ALL_SETTINGS) in self.content.unknown
        if record.model is None or (is_unknown and row.model == record.model):
            return row.settings
        return record.settings or {}

    def _replace(self, row: Row, state: State) -> None:
        row.replace(state)
        self.changed.append(row)

    def _drop(self, kind: Kind, rows: Iterable[Row], taken: Collection[Any]) -> None:
        """Delete the rows for which there is no object, or keep them."""
        gone = {(row.kind.name, key) for row in self.deleted for key in (row.pk, row.parent) if key}
        for row in rows:
            is_needed = kind is USER and row.pk in self.stored.owners
            is_replaced = _find_unique(kind, row) in taken or any(
                reference in gone for reference in _list_references(row)
            )
            is_kept = is_needed or (self.options.no_delete and not is_replaced)
            (self.kept if is_kept else self.deleted).append(row)


def _match(
    kind: Kind, rows: Iterable[Row], records: Iterable[Record]
) -> tuple[Sequence[tuple[Record, Row | None]], Iterable[Row]]:
    """Return each record with its row, None for a new one, and the other rows."""
    others = {row.pk: row for row in rows}
    # The numbers of users mean other users in other systems.
    numbered = () if kind is USER else records
    by_pk = {record.pk: others.pop(record.pk) for record in numbered if record.pk in others}
    by_identity: defaultdict[Any, list[Row]] = defaultdict(list)
    for row in sorted(others.values(), key=lambda row: str(row.pk), reverse=True):
        by_identity[_find_identity(kind, row)].append(row)
    pairs: list[tuple[Record, Row | None]] = []
    for record in records:
        row = by_pk.get(record.pk)
        candidates = by_identity.get(_find_identity(kind, record)) if row is None else None
        if candidates:
            row = candidates.pop()
            del others[row.pk]
        pairs.append((record, row))
    return pairs, others.values()


def _find_unique(kind: Kind, item: Row | Record) -> Any:
    """Return the values of the unique key, None if they can occur several times."""
    values = tuple(_get(kind, item, column) for column in kind.unique)
    return None if None in values else values


def _find_identity(kind: Kind, item: Row | Record) -> Any:
    unique = _find_unique(kind, item)
    return unique or tuple(_get(kind, item, column) for column in BOUND_COLUMNS)


def _get(kind: Kind, item: Row | Record, column: str) -> Any:
    return item.values[kind.columns.index(column)]


def _has_name(name: str, record: Record) -> bool:
    return record.values[0] == name


def _list_references(row: Row) -> Iterator[tuple[str, Any]]:
    """Yield the references of a binding, as pairs of a kind and a key."""
    for column, value in zip(row.kind.columns, row.values, strict=True):
        yield from ((target.name, value) for target in TARGETS.get((row.kind.name, column), ()))


def _check_deletions(plan: _Planner) -> None:
    flows = len(plan.stored.rows[FLOW.name])
    deleted = sum(row.kind is FLOW for row in plan.deleted)
    if deleted * DELETABLE_PART > flows and not plan.options.force:
        raise SyncError(
            f"{deleted} of {flows} flows would be deleted, since authentik no longer has them or the"
            " token may not view them: nothing was changed. Use --force if this is right, or"
            " --no-delete to keep them"
        )
