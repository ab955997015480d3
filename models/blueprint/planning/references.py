"""References of entries: to other entries, and to rows of the database."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any, cast

from models.blueprint.authentik.kinds import (
    FLOW,
    GROUP,
    KINDS,
    STAGE_BINDING,
    USER,
    EntryField,
    Kind,
    find_kind,
)
from models.blueprint.authentik.values import is_uuid
from models.blueprint.format.entry import Entry, InvalidValueError, Position
from models.blueprint.planning.keys import (
    ANY_KIND,
    Key,
    id_key,
    kind_key,
    normalize_pk,
    pk_key,
    unique_key,
    unkeyed,
)
from models.blueprint.planning.matching import build_matcher, split_lookup
from models.blueprint.planning.schedule import Schedule, UnresolvedError
from models.blueprint.rows.working_set import Row, WorkingSet

MAX_FOUND = 10_000
NOT_FOUND = (None, None)
# The table of flows and stage bindings in common, to which policies are bound.
PARENT_MODEL = "authentik_policies.policybindingmodel"
# A comparison takes some microseconds.
MAX_COMPARISONS = 5_000_000
Conditions = Sequence[tuple[str, Any]]


@dataclass(frozen=True, slots=True)
class UnstoredObject:
    """An object that FlowQL does not store: `!Find` without a match, or an object of another model.

    It is false in conditions, unless an entry declares it (`is_declared`).
    """

    model: str
    conditions: Conditions = ()
    is_declared: bool = False

    def __bool__(self) -> bool:
        return self.is_declared

    def __str__(self) -> str:
        return str(None)


@dataclass(frozen=True, slots=True)
class Absence:
    """An entry that declares nothing, because it is skipped or invalid."""

    entry: Entry
    is_invalid: bool


class DependencyError(Exception):
    """An entry refers to an invalid entry."""

    def __init__(self, entry: Entry) -> None:
        super().__init__()
        self.entry = entry


class UnknownFieldError(InvalidValueError):
    """A reference names a field that objects of its kind do not have.

    The message does not quote the name, which can come from a tag and be secret.
    """

    def __init__(self, kind: Kind, name: str, position: Position | None = None) -> None:
        super().__init__(f"uses a field that a {kind.name} does not have", position)
        self.kind = kind
        self.name = name

    @property
    def quoted(self) -> str:
        """The message with the name."""
        return f"uses the field {self.name!r}, which a {self.kind.name} does not have"


@dataclass(frozen=True, slots=True)
class _Query:
    """The conditions of `!Find`: equal columns, and predicates of rows. None matches nothing."""

    columns: Mapping[str, Any]
    predicates: Sequence[Callable[[Row], bool]]


@dataclass(slots=True)
class References:
    """Resolves references to planned and stored rows.

    A reference to what a later entry may declare raises UnresolvedError. A row may have another
    primary key than its entry, if it matches by name. `note` gets the entries that refer to rows.
    With `ignores_models`, the name of a stage or policy is enough to identify it.
    """

    rows: WorkingSet
    schedule: Schedule
    note: Callable[[Entry, Row], None]
    ignores_models: bool = False
    _comparisons: int = 0
    _found: dict[Any, tuple[Row, Any]] = field(default_factory=dict[Any, tuple[Row, Any]])
    _pks: dict[tuple[str, str], Row] = field(default_factory=dict[tuple[str, str], Row])
    _other_pks: dict[str, str] = field(default_factory=dict[str, str])
    _invalid_pks: dict[tuple[str, str], Entry] = field(default_factory=dict[tuple[str, str], Entry])

    def add_pk(self, kind: Kind, pk: str, row: Row) -> None:
        """Register a row under the primary key in its entry."""
        self._pks[kind.name, normalize_pk(pk) or pk] = row

    def add_other(self, pk: str, model: str) -> None:
        """Register the primary key of an entry whose model FlowQL does not store."""
        self._other_pks[normalize_pk(pk) or pk] = model

    def add_invalid(self, kind: Kind, pk: str, entry: Entry) -> None:
        """Register the primary key of an invalid entry."""
        self._invalid_pks[kind.name, normalize_pk(pk) or pk] = entry

    def find_entry(
        self, entry: Entry, ids: Mapping[str, Row | UnstoredObject | Absence], identifier: str
    ) -> Row | UnstoredObject:
        """Return what the entry with an id in the same file declares."""
        declared = ids.get(identifier)
        if declared is None or isinstance(declared, Absence):
            self._await(entry, [id_key(entry.file, identifier), ANY_KIND])
            self._await_bindings(entry)
        if declared is None:
            raise InvalidValueError(self._describe_missing_entry(entry, identifier))
        if isinstance(declared, Absence):
            if declared.is_invalid:
                raise DependencyError(declared.entry)
            raise InvalidValueError(
                f"refers to !KeyOf {identifier}, but this entry is skipped or absent"
            )
        if isinstance(declared, Row) and declared.is_deleted:
            raise InvalidValueError(f"refers to !KeyOf {identifier}, which is deleted")
        return declared

    def find(self, entry: Entry, model: str, conditions: Conditions) -> Row | UnstoredObject:
        """Return the first row that matches the conditions of `!Find`."""
        # Many bindings refer to the same stages by name.
        key = (model, tuple(conditions))
        row = self._find_again(key)
        if row is None:
            reference = self._find(entry, model.lower(), conditions)
            if isinstance(reference, UnstoredObject):
                return reference
            row = reference
            self._remember(key, row)
        return self._use(entry, row)

    def _find_again(self, key: Hashable) -> Row | None:
        """Return the row that was found by a unique key before, unless it was changed since."""
        try:
            row, values = self._found.get(key, NOT_FOUND)
        except TypeError:
            # A condition can have a list.
            return None
        return row if row and row.values is values and not row.is_deleted else None

    def _remember(self, key: Any, row: Row) -> None:
        names = tuple(name for name, _ in key[1])
        if names == row.kind.unique and len(self._found) < MAX_FOUND:
            self._found[key] = row, row.values

    def _find(self, entry: Entry, model: str, conditions: Conditions) -> Row | UnstoredObject:
        if model == PARENT_MODEL:
            return self._find_parent(entry, conditions)
        kind = find_kind(model)
        rows: Sequence[Row] = self._select(entry, kind, model, conditions) if kind else ()
        return rows[0] if rows else UnstoredObject(model, conditions)

    def _find_parent(self, entry: Entry, conditions: Conditions) -> Row | UnstoredObject:
        """Return the flow or stage binding with a key of the table that both have in common."""
        reference: Row | UnstoredObject | None = None
        match conditions:
            case [("pk" | "pbm_uuid", Row() as row)]:
                reference = row
            case [("pk" | "pbm_uuid", str(key))]:
                reference = self.find_by_pk(entry, [FLOW, STAGE_BINDING], key)
            case _:
                pass
        return reference or UnstoredObject(PARENT_MODEL, conditions)

    def find_by_pk(
        self, entry: Entry, kinds: Iterable[Kind], value: Any
    ) -> Row | UnstoredObject | None:
        """Return the object with a primary key, or None if there is none.

        The primary keys of users are numbers, which differ between installations: only entries
        declare them.
        """
        key = normalize_pk(value)
        if key is None:
            raise InvalidValueError("must be a reference or a primary key")
        kinds = list(kinds)
        row = self.find_row_by_pk(kinds, key)
        if row:
            return self._use(entry, row)
        for kind in kinds:
            if (kind.name, key) in self._invalid_pks:
                raise DependencyError(self._invalid_pks[kind.name, key])
        if key in self._other_pks:
            return UnstoredObject(self._other_pks[key], is_declared=True)
        self._await(entry, [pk_key(key), *map(unkeyed, kinds), ANY_KIND])
        return None

    def _use(self, entry: Entry, row: Row) -> Row:
        """Return a row, unless an earlier entry waits that may delete or change it."""
        if len(self.schedule):
            keys = [pk_key(str(row.pk)), unique_key(row.kind, str(row.get(row.kind.unique[0])))]
            earlier = self.schedule.find_earlier(keys, entry)
            if earlier:
                raise UnresolvedError(earlier)
        self.note(entry, row)
        return row

    def find_row_by_pk(self, kinds: Sequence[Kind], pk: str) -> Row | None:
        """Return the row with a primary key, without waiting for entries."""
        key = normalize_pk(pk) or pk
        for kind in kinds:
            row = self._pks.get((kind.name, key))
            if row is None and kind is not USER and is_uuid(key):
                row = self.rows.get(kind, key)
            if row and not row.is_deleted:
                return row
        return self.rows.find_parent(key) if len(kinds) > 1 and is_uuid(key) else None

    def find_stored_pk(self, entry: Entry, pk: str) -> str | int:
        """Return the primary key of the row of the entry with a primary key, or the argument."""
        if not is_uuid(pk.lower()):
            return pk
        key = normalize_pk(pk) or pk
        row = next((row for kind in KINDS if (row := self._pks.get((kind, key)))), None)
        if row is None and key not in self._other_pks:
            self._await(entry, [pk_key(key)])
        if row:
            self.note(entry, row)
        return row.pk if row else pk

    def describe(self, row: Row) -> Mapping[str, Any]:
        """Return the fields and settings of a row by name, as authentik's serializers do."""
        fields = {name: row.get(item.column) for name, item in row.kind.fields.items()}
        parent = {"policybindingmodel_ptr_id": row.parent} if row.kind.has_parent else {}
        return {"pk": row.pk, **(row.settings or {}), **fields, **parent}

    def _describe_missing_entry(self, entry: Entry, identifier: str) -> str:
        reference = f"refers to !KeyOf {identifier}"
        if self.schedule.has_key(id_key(entry.file, identifier)):
            return f"{reference}, which needs this entry first"
        return f"{reference}, but this file has no such entry"

    def select(
        self, kind: Kind, model: str, columns: Mapping[str, Any], others: Conditions
    ) -> list[Row]:
        """Return the rows with these identifiers, in the order of their primary keys.

        A stage or a policy whose type is not known has any model, and one without a setting any
        value of it.
        """
        is_named = any(name in columns for name in kind.unique)
        build = self._build_lenient_predicate if is_named else self._build_predicate
        for name, _ in others:
            path, _ = split_lookup(name)
            if not _has_field(kind, path):
                raise UnknownFieldError(kind, name)
        # authentik compares a mapping that identifies an object by what it contains.
        predicates = [
            build(kind, f"{name}__contains" if isinstance(value, Mapping) else name, value)
            for name, value in others
        ]
        rows = self.rows.find(kind, columns)
        models = (row for row in rows if row.model in (None, model))
        return self._filter(rows if is_named and self.ignores_models else models, predicates)

    def _select(
        self, entry: Entry, kind: Kind, model: str, conditions: Conditions
    ) -> Sequence[Row]:
        query = self._build_query(entry, kind, conditions)
        if query is None:
            return []
        if kind is STAGE_BINDING:
            self._await_bindings(entry)
        key = [query.columns[name] for name in kind.unique if name in query.columns]
        is_unique = len(key) == len(kind.unique)
        if not is_unique:
            self._await(entry, [kind_key(kind), ANY_KIND])
        rows = self._match(kind, model, query)
        if not rows and is_unique:
            keys = [unique_key(kind, key[0]), unkeyed(kind), ANY_KIND]
            self._await(entry, keys if len(key) == 1 else [kind_key(kind), ANY_KIND])
        return rows

    def _match(self, kind: Kind, model: str, query: _Query) -> Sequence[Row]:
        rows = self.rows.find(kind, query.columns)
        is_base = model == kind.model
        return self._filter(
            (row for row in rows if is_base or row.model == model), query.predicates
        )

    def _filter(
        self, rows: Iterable[Row], predicates: Sequence[Callable[[Row], bool]]
    ) -> list[Row]:
        matches = [row for row in rows if self._matches(row, predicates)]
        if len(matches) > 1 and matches[0].kind is STAGE_BINDING:
            # authentik's order of stage bindings; that of others is the primary key.
            matches.sort(key=lambda row: (row.get("target_id"), row.get("order"), row.pk))
        return matches

    def _matches(self, row: Row, predicates: Sequence[Callable[[Row], bool]]) -> bool:
        # Rows without predicates count as well: a column can have the same value in all of them.
        self._comparisons += 1
        if self._comparisons > MAX_COMPARISONS:
            raise InvalidValueError(
                f"needs more than {MAX_COMPARISONS} comparisons of all references together:"
                " find objects by their slugs and names"
            )
        return all(predicate(row) for predicate in predicates)

    def _build_query(self, entry: Entry, kind: Kind, conditions: Conditions) -> _Query | None:
        columns: dict[str, Any] = {}
        predicates: list[Callable[[Row], bool]] = []
        for name, value in conditions:
            path, lookup = split_lookup(name)
            definition = kind.fields.get(path[0])
            if path == ("pk",) and lookup == "exact":
                row = self._find_pk(entry, kind, value)
                if row is None:
                    return None
                predicates.append(lambda other, row=row: other is row)
                columns[kind.unique[0]] = row.get(kind.unique[0])
            elif definition and lookup == "exact" and len(path) <= len(("field", "target_field")):
                try:
                    column = self._find_value(entry, definition, path[1:], value)
                except InvalidValueError:
                    return None
                if column is None and value is not None:
                    return None
                columns[definition.column] = column
            else:
                predicates.append(self._build_predicate(kind, name, value))
        return _Query(columns, predicates)

    def _find_pk(self, entry: Entry, kind: Kind, value: Any) -> Row | None:
        if isinstance(value, Row | UnstoredObject | None):
            return value if isinstance(value, Row) and value.kind is kind else None
        row = self.find_by_pk(entry, [kind], value)
        return row if isinstance(row, Row) else None

    def _find_value(
        self, entry: Entry, definition: EntryField, rest: Sequence[str], value: Any
    ) -> Any:
        """Return the value of a column that a condition requires."""
        if not definition.targets:
            return None if value is None else definition.check(value)
        kinds = [KINDS[name] for name in definition.targets]
        if rest:
            row: Any = self.find(entry, kinds[0].model, [("__".join(rest), value)])
        elif isinstance(value, Row | UnstoredObject | None):
            row = value
        else:
            row = self.find_by_pk(entry, kinds, value)
        if not isinstance(row, Row):
            return None
        return row.parent if len(kinds) > 1 else row.pk

    def _build_lenient_predicate(self, kind: Kind, name: str, value: Any) -> Callable[[Row], bool]:
        predicate = self._build_predicate(kind, name, value)
        setting = name.partition("__")[0]
        return lambda row: setting not in (row.settings or {}) or predicate(row)

    def _build_predicate(self, kind: Kind, name: str, value: Any) -> Callable[[Row], bool]:
        path, lookup = split_lookup(name)
        is_field = _has_field(kind, path)
        if not is_field and kind not in (GROUP, USER):
            raise UnknownFieldError(kind, path[0])
        match = build_matcher(lookup, value)
        return lambda row: bool(is_field) and match(self._read(row, path))

    def _read(self, row: Row, path: Sequence[str]) -> Any:
        """Return a value of a row, of a row that it refers to, or of its settings."""
        name, *rest = path
        definition = row.kind.fields.get(name)
        if definition is None:
            value = row.pk if name == "pk" else (row.settings or {}).get(name)
        else:
            value = row.get(definition.column)
        if definition and definition.targets and rest:
            target = self._follow(definition, value)
            return self._read(target, rest) if target else None
        return reduce(_read_key, rest, value)

    def _follow(self, definition: EntryField, key: Any) -> Row | None:
        [kind, *others] = [KINDS[name] for name in definition.targets]
        if others:
            return self.rows.find_parent(key)
        return key and self.rows.get(kind, key)

    def _await(self, entry: Entry, keys: Sequence[Key]) -> None:
        """Raise UnresolvedError if an entry that is not planned yet may declare one of these keys."""
        if not self.schedule.is_closed:
            raise UnresolvedError
        candidate = self.schedule.find(keys, entry)
        if candidate:
            raise UnresolvedError(candidate)

    def _await_bindings(self, entry: Entry) -> None:
        if self.schedule.has_bindings and entry is not self.schedule.forced:
            raise UnresolvedError


def _has_field(kind: Kind, path: Sequence[str]) -> bool:
    """Return whether a path of fields can have a value. Settings can have any."""
    definition = kind.fields.get(path[0])
    if definition is None:
        return path == ("pk",) or kind.type_table is not None
    return len(path) == 1 or bool(definition.targets)


def _read_key(value: Any, key: str) -> Any:
    return cast(Mapping[str, Any], value).get(key) if isinstance(value, Mapping) else None


@dataclass(frozen=True, slots=True)
class EntryLookup:
    """The references of one entry, for the evaluation of its tags."""

    references: References
    entry: Entry
    ids: Mapping[str, Row | UnstoredObject | Absence]

    def find_entry(self, identifier: str, position: Position) -> Row | UnstoredObject:
        """Return what `!KeyOf` refers to; raises InvalidValueError."""
        try:
            return self.references.find_entry(self.entry, self.ids, identifier)
        except InvalidValueError as error:
            raise InvalidValueError(str(error), position) from None

    def find(self, model: str, conditions: Conditions, position: Position) -> Row | UnstoredObject:
        """Return what `!Find` refers to."""
        try:
            return self.references.find(self.entry, model, conditions)
        except UnknownFieldError as error:
            raise UnknownFieldError(error.kind, error.name, position) from None
        except InvalidValueError as error:
            raise InvalidValueError(str(error), position) from None

    def describe(
        self, model: str, conditions: Conditions, position: Position
    ) -> Mapping[str, Any] | None:
        """Return the object that `!FindObject` refers to, as all files make it."""
        if not self.references.schedule.is_closed:
            raise UnresolvedError
        row = self.find(model, conditions, position)
        return self.references.describe(row) if isinstance(row, Row) else None
