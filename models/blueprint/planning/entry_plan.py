"""The plan of one entry: its conditions, its row and the state that it requires."""

from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from typing import Any, cast

from models.authentik import known_models
from models.blueprint.authentik.kinds import (
    FLOW,
    GROUP,
    POLICY,
    POLICY_BINDING,
    REQUIRED,
    STAGE,
    STAGE_BINDING,
    USER,
    Kind,
    find_kind,
)
from models.blueprint.format.entry import META_MODEL, Entry, InvalidValueError, Position, find_tag
from models.blueprint.planning.entry_values import (
    RESERVED_NAME_PREFIX,
    EntryError,
    EntryValues,
    Identity,
    InvalidEntryError,
    OmittedEntryError,
    OtherTargetError,
)
from models.blueprint.planning.keys import find_static_kind, list_identities
from models.blueprint.planning.plan import (
    AppliedFile,
    Declared,
    FileScope,
    Plan,
    RequiredAbsence,
    complete_columns,
)
from models.blueprint.planning.references import (
    Absence,
    DependencyError,
    UnknownFieldError,
    UnstoredObject,
)
from models.blueprint.planning.schedule import UnresolvedError
from models.blueprint.rows.working_set import Row

# The common tables of stages and policies, which only references name.
BASE_MODELS = {STAGE.model, POLICY.model}
# The name under which a comparison finds the model of a stage or policy.
MODEL_FIELD = ".model"
BOUND_FIELDS = ("policy", "group", "user")
BOUND_COLUMNS = tuple(POLICY_BINDING.fields[name].column for name in BOUND_FIELDS)
# What FlowQL leaves out of groups and users, and counts.
IGNORED_FIELDS: Mapping[str, tuple[str, ...]] = {
    GROUP.name: ("is_superuser", "parent", "parents", "roles", "users"),
    USER.name: ("groups", "is_superuser", "roles", "tokens"),
}


class State(Enum):
    """The state that an entry requires of its object."""

    PRESENT = "present"
    CREATED = "created"
    MUST_CREATED = "must_created"
    ABSENT = "absent"


STATES = {state.value: state for state in State}


class EntryPlan:
    """Plans one entry."""

    def __init__(self, plan: Plan, entry: Entry, scope: FileScope) -> None:
        self.plan = plan
        self.entry = entry
        self.ids = scope.ids
        self.values = EntryValues(plan, entry, scope)
        self.id: str | None = None
        self.model = ""

    def run(self) -> None:
        """Plan the entry, or report why it is invalid.

        Raises UnresolvedError, without an effect, if it has to wait for another entry.
        """
        try:
            declared = self._plan()
        except EntryError as error:
            declared = self._fail([error])
        except InvalidEntryError as error:
            declared = self._fail(error.errors)
        except InvalidValueError as error:
            position = error.position or self.entry.position
            declared = self._fail([EntryError(position, f"the entry {error}")])
        except DependencyError as error:
            self.plan.fail_dependency(self.entry, error.entry)
            declared = self._invalidate()
        if self.id is not None and not isinstance(self.ids.get(self.id), Row):
            self.ids[self.id] = declared

    def _fail(self, errors: Sequence[EntryError]) -> Absence:
        for error in errors:
            self.plan.fail(self.entry, error.position, str(error))
        return self._invalidate()

    def _invalidate(self) -> Absence:
        """Register that the entry is invalid, so that those that refer to it are not judged."""
        kind, pk = find_static_kind(self.entry), self.entry.identifiers.get("pk")
        if kind and isinstance(pk, str):
            self.plan.references.add_invalid(kind, pk, self.entry)
        return Absence(self.entry, is_invalid=True)

    def _plan(self) -> Declared:
        self._wait_for_earlier_entries()
        identifier = self.values.evaluate(".id", self.entry.id)
        self.id = None if identifier is None else str(identifier)
        self.model = str(self.values.evaluate(".model", self.entry.model)).lower()
        if self.model == META_MODEL:
            return self._apply_file()
        kind = None if self.model in BASE_MODELS else find_kind(self.model)
        if kind is None:
            return self._skip_other_model()
        if not self._has_true_conditions():
            return self._skip()
        return self._apply(kind, self._read_state())

    def _wait_for_earlier_entries(self) -> None:
        """Raise UnresolvedError if an earlier entry for the same object waits."""
        schedule = self.plan.schedule
        if len(schedule):
            earlier = schedule.find_earlier(list(list_identities(self.entry)), self.entry)
            if earlier:
                raise UnresolvedError(earlier)

    def _has_true_conditions(self) -> bool:
        return all(self.values.evaluate(".conditions", item) for item in self.entry.conditions)

    def _read_state(self) -> State:
        value = self.values.evaluate(".state", self.entry.state)
        state = STATES.get(value) if isinstance(value, str) else None
        if state is None:
            raise self.values.build_error(".state", f"must be one of {', '.join(STATES)}")
        return state

    def _apply(self, kind: Kind, state: State) -> Declared:
        if state is State.ABSENT:
            return self._delete(kind)
        try:
            return self._store(kind, state)
        except OmittedEntryError as error:
            self.plan.omit(self.entry, str(error))
            return Absence(self.entry, is_invalid=False)
        except OtherTargetError:
            return self._skip()

    def _skip(self) -> Declared:
        self.plan.report.skipped[self.model] += 1
        return Absence(self.entry, is_invalid=False)

    def _skip_other_model(self) -> Declared:
        self._warn_of_model()
        self.plan.report.skipped[self.model] += 1
        pk = self.entry.identifiers.get("pk")
        if isinstance(pk, str):
            self.plan.references.add_other(pk, self.model)
        conditions = [
            (name, value) for name, value in self.entry.identifiers.items() if not find_tag(value)
        ]
        return UnstoredObject(self.model, conditions, is_declared=True)

    def _apply_file(self) -> Declared:
        """Note that the entry applies another file, whose entries are planned before."""
        if self._has_true_conditions():
            attrs = self.entry.attrs
            identifiers = self.values.evaluate("identifiers", attrs.get("identifiers"))
            name = None
            if isinstance(identifiers, dict):
                name = cast(dict[Any, Any], identifiers).get("name")
            is_required = self.values.evaluate("required", attrs.get("required", True))
            if isinstance(name, str):
                self.plan.applied_files.append(AppliedFile(self.entry, name, bool(is_required)))
        return Absence(self.entry, is_invalid=False)

    def _delete(self, kind: Kind) -> Declared:
        """Delete the row, if there is one. Identifiers that refer to nothing match nothing."""
        if kind not in (STAGE_BINDING, POLICY_BINDING):
            self._wait_to_delete()
        try:
            row = self._find_row(kind, self.values.read_identity(kind, self.model))
            if row and row.model not in (None, self.model):
                row = None
        except (EntryError, DependencyError, OmittedEntryError, OtherTargetError):
            row = None
        if self.plan.is_comparison:
            columns = self._read_unique(kind)
            self.plan.absences.append(RequiredAbsence(kind, self.model, row, columns))
        if row is None:
            self.plan.report.unchanged += 1
        else:
            self._check_name(row.kind, row.get(kind.unique[0]))
            self.plan.rows.delete(row)
            self.plan.deleted.append(row)
        return Absence(self.entry, is_invalid=False)

    def _read_unique(self, kind: Kind) -> Mapping[str, Any]:
        """Return the identifiers that are names, without those that are references."""
        identifiers = self.entry.identifiers
        names = [name for name in kind.unique if name in identifiers and name in kind.fields]
        return {name: self.values.evaluate(name, identifiers[name]) for name in names}

    def _wait_to_delete(self) -> None:
        """Raise UnresolvedError if entries wait that may refer to the object.

        They come earlier in the files, or their order does not matter.
        """
        schedule = self.plan.schedule
        is_awaited = schedule.has_bindings or (len(schedule) > 0 and not schedule.is_closed)
        if is_awaited and self.entry is not schedule.forced:
            raise UnresolvedError

    def _store(self, kind: Kind, state: State) -> Row:
        identity = self.values.read_identity(kind, self.model)
        row = self._find_named_row(kind, identity) or self._find_row(kind, identity)
        if row and state is State.MUST_CREATED and not self.plan.is_comparison:
            message = (
                f"the {kind.name} already exists, which the state 'must_created' does not allow"
            )
            raise self._build_error(message, ".state")
        if row and state is not State.PRESENT:
            self.plan.report.unchanged += 1
        else:
            row = self._write(kind, identity, row)
        self.plan.note_mention(row, self._list_names(kind) if state is State.PRESENT else ())
        if identity.pk is not None:
            self.plan.references.add_pk(kind, identity.pk, row)
        return row

    def _list_names(self, kind: Kind) -> Iterator[str]:
        """Yield the names of the fields and settings that the entry sets."""
        for name in (*self.entry.attrs, *self.entry.identifiers):
            is_setting = kind.type_table and not known_models.is_read_only(self.model, name)
            if name in kind.fields or (is_setting and name != "pk"):
                yield name
        if kind.type_table:
            yield MODEL_FIELD

    def _find_named_row(self, kind: Kind, identity: Identity) -> Row | None:
        """Return the row with the unique key of an entry of a comparison."""
        if not self.plan.is_comparison:
            return None
        key = self.values.read_unique(kind, identity)
        is_complete = len(key) == len(kind.unique) and None not in key.values()
        return next(iter(self.plan.rows.find(kind, key)), None) if is_complete else None

    def _find_row(self, kind: Kind, identity: Identity) -> Row | None:
        """Return the row with the primary key, or the first one with all other identifiers."""
        if not (identity.pk or identity.columns or identity.others):
            raise self._build_error("'identifiers' must contain at least one field, such as 'pk'")
        references = self.plan.references
        by_pk = references.find_row_by_pk([kind], identity.pk) if identity.pk else None
        if not (identity.columns or identity.others):
            return self._check_model(by_pk)
        others = self._select(kind, identity)
        if by_pk and others and by_pk not in others and not self.plan.is_comparison:
            raise self._build_error("'identifiers' match two rows: one by 'pk', one by the others")
        return self._check_model(by_pk or next(iter(others), None))

    def _select(self, kind: Kind, identity: Identity) -> list[Row]:
        try:
            return self.plan.references.select(kind, self.model, identity.columns, identity.others)
        except UnknownFieldError as error:
            # Names of identifiers are no tags.
            raise self._build_error(f"an identifier {error.quoted}", error.name) from None

    def _check_model(self, row: Row | None) -> Row | None:
        if row and row.model and row.model != self.model and not self.plan.is_comparison:
            raise self._build_error(
                f"this {row.kind.name} already has the model {row.model}", ".model"
            )
        return row

    def _write(self, kind: Kind, identity: Identity, row: Row | None) -> Row:
        columns = self.values.read_columns(kind, identity)
        settings = self.values.read_settings(kind, self.model)
        self._check_errors(kind, columns, row)
        if kind is POLICY_BINDING:
            self._check_bound_objects(columns, row)
        elif kind is STAGE_BINDING:
            self._warn_of_evaluation(columns)
        if row or kind.type_table or identity.others or identity.columns.keys() != set(kind.unique):
            self._check_key(kind, columns, row)
        self._report_names(kind)
        if row is None:
            row = self._create(kind, identity, columns, settings)
        elif self.plan.rows.change(row, columns, self._find_type(kind), settings):
            self.plan.updated.append(row)
        else:
            self.plan.report.unchanged += 1
        if kind is FLOW:
            self.plan.note_slug(self.entry, row.get("slug"))
        return row

    def _check_errors(self, kind: Kind, columns: Mapping[str, Any], row: Row | None) -> None:
        """Raise all errors of values, and of those that a new row lacks."""
        errors = self.values.errors
        if row is None and not self.plan.is_comparison:
            written = {**self.entry.attrs, **self.entry.identifiers}
            errors += [
                self._build_error(f"{name!r} is required")
                for column, name in kind.required.items()
                if column not in columns and name not in written
            ]
        if errors:
            raise InvalidEntryError(errors)

    def _find_type(self, kind: Kind) -> str | None:
        return self.model if kind.type_table else None

    def _create(
        self,
        kind: Kind,
        identity: Identity,
        values: dict[str, Any],
        settings: dict[str, Any] | None,
    ) -> Row:
        columns = {**kind.defaults, **values}
        if self.plan.is_comparison:
            columns = complete_columns(kind, values, identity.pk or self.id or "")
        self._check_name(kind, columns[kind.unique[0]])
        pk = None if kind is USER else identity.pk
        row = self.plan.rows.create(kind, pk, columns, self._find_type(kind), settings)
        self.plan.created.append(row)
        self.plan.note_origin(self.entry, row)
        return row

    def _check_key(self, kind: Kind, columns: Mapping[str, Any], row: Row | None) -> None:
        """Check that no other row has the same unique key."""
        key = {name: _get(columns, row, name) for name in kind.unique}
        if row and all(row.get(name) == value for name, value in key.items()):
            return
        if REQUIRED in key.values() or None in key.values():
            return
        others = [other for other in self.plan.rows.find(kind, key) if other is not row]
        if others:
            self._check_model(others[0])
            names = [name for name, item in kind.fields.items() if item.column in kind.unique]
            message = f"duplicate: another {kind.name} has the same {', '.join(names)}"
            raise self._build_error(message, names[-1])
        if row:
            self._check_name(kind, row.get(kind.unique[0]))
            self._check_name(kind, key[kind.unique[0]])

    def _check_bound_objects(self, columns: Mapping[str, Any], row: Row | None) -> None:
        count = sum(columns.get(name) is not None for name in BOUND_COLUMNS)
        is_given = any(name in columns for name in BOUND_COLUMNS)
        if count > 1 or (count == 0 and (row is None or is_given)):
            raise self._build_error("exactly one of 'policy', 'group' and 'user' is required")

    def _warn_of_evaluation(self, columns: Mapping[str, Any]) -> None:
        """Warn of values that authentik refuses: those of the entry, or else the defaults."""
        names = ("evaluate_on_plan", "re_evaluate_policies")
        if not any(columns.get(name, STAGE_BINDING.defaults[name]) for name in names):
            message = "authentik requires 'evaluate_on_plan' or 're_evaluate_policies' to be true"
            self.plan.warn(self.entry, self._find_position(names[1]), message)

    def _check_name(self, kind: Kind, name: Any) -> None:
        is_reserved = isinstance(name, str) and name.lower().startswith(RESERVED_NAME_PREFIX)
        if kind in (GROUP, USER) and is_reserved:
            raise self._build_error(
                f"names of a {kind.name} that start with {RESERVED_NAME_PREFIX!r} are reserved"
            )

    def _warn_of_model(self) -> None:
        warning = self.plan.can_warn and known_models.check_model(self.model)
        if warning:
            self.plan.warn(self.entry, self._find_position(".model"), f"{self.model!r} {warning}")

    def _report_names(self, kind: Kind) -> None:
        self._warn_of_model()
        names = [*self.entry.attrs, *self.entry.identifiers] if self.plan.can_warn else []
        for name, message in known_models.check_names(self.model, names):
            self.plan.warn(self.entry, self._find_position(name), f"{name!r} {message}")
        if ".permissions" in self.entry.positions:
            self.plan.report.ignored[f"{self.model} permissions"] += 1
        for name in IGNORED_FIELDS.get(kind.name, ()):
            if self.entry.attrs.get(name):
                self.plan.report.ignored[f"{self.model} {name}"] += 1

    def _build_error(self, message: str, field: str = "") -> EntryError:
        return EntryError(self._find_position(field), message)

    def _find_position(self, field: str) -> Position:
        """Return the position of a field, or of the entry if it does not have this field."""
        return self.entry.positions.get(field, self.entry.position)


def _get(columns: Mapping[str, Any], row: Row | None, name: str) -> Any:
    if name in columns:
        return columns[name]
    return row.get(name) if row else REQUIRED
