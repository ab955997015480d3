"""The evaluated and converted values of one entry."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

from models.authentik import known_models, secrets
from models.blueprint.authentik.kinds import (
    GROUP,
    KINDS,
    POLICY_BINDING,
    REQUIRED,
    USER,
    EntryField,
    Kind,
    find_kind,
)
from models.blueprint.authentik.values import UnexpectedValueError, check_uuid, convert_setting
from models.blueprint.format.entry import Entry, InvalidValueError, Position, Tag
from models.blueprint.format.evaluation import Evaluation, merge_context
from models.blueprint.planning.plan import FileScope, Plan
from models.blueprint.planning.references import (
    PARENT_MODEL,
    EntryLookup,
    UnknownFieldError,
    UnstoredObject,
)
from models.blueprint.planning.settings import render_setting
from models.blueprint.rows.working_set import Row

PLAIN_TYPES = frozenset({str, int, bool, type(None)})
# Names of groups and users that FlowQL uses itself.
RESERVED_NAME_PREFIX = "flowql "


class EntryError(Exception):
    """An entry is invalid."""

    def __init__(self, position: Position, message: str) -> None:
        super().__init__(message)
        self.position = position


class InvalidEntryError(Exception):
    """An entry has several errors."""

    def __init__(self, errors: Sequence[EntryError]) -> None:
        super().__init__()
        self.errors = errors


class OmittedEntryError(Exception):
    """A binding is left out, because FlowQL cannot store what it binds."""


class OtherTargetError(Exception):
    """A binding is skipped, because its target is not part of the graph."""


@dataclass(slots=True)
class Identity:
    """The evaluated identifiers of an entry: the primary key, columns, and other attributes."""

    pk: str | None = None
    columns: dict[str, Any] = field(default_factory=dict[str, Any])
    others: list[tuple[str, Any]] = field(default_factory=list[tuple[str, Any]])


class EntryValues:
    """Evaluates the values of an entry when they are needed.

    An invalid value raises EntryError, and a reference that may be resolved later UnresolvedError.
    `errors` has those of attributes, so that an entry reports all of them.
    """

    def __init__(self, plan: Plan, entry: Entry, scope: FileScope) -> None:
        self.plan = plan
        self.entry = entry
        self.errors: list[EntryError] = []
        self._lookup = EntryLookup(plan.references, entry, scope.ids)
        self._evaluation = Evaluation(
            entry.file, scope.context, self._lookup, partial(plan.warn_of_tag, entry), plan.budget
        )

    def evaluate(self, name: str, value: Any) -> Any:
        """Return the value of a field without tags. References are rows or `UnstoredObject`."""
        if type(value) in PLAIN_TYPES:
            return value
        try:
            return self._evaluation.evaluate(value)
        except UnknownFieldError as error:
            message = error.quoted if _contains(value, error.name) else str(error)
            raise self.build_error(name, message, error.position) from None
        except InvalidValueError as error:
            raise self.build_error(name, str(error), error.position) from None

    def build_error(self, name: str, reason: str, position: Position | None = None) -> EntryError:
        """Return an error about a field. The entry's own fields start with a dot."""
        place = position or self.entry.positions.get(name, self.entry.position)
        return EntryError(place, f"{name.removeprefix('.')!r} {reason}")

    def read_identity(self, kind: Kind, model: str) -> Identity:
        """Return the identifiers, except for secrets, which are not stored."""
        identity = Identity()
        self._check_target(kind)
        for name in sorted(self.entry.identifiers, key="target".__ne__):
            value = self.entry.identifiers[name]
            if name == "pk":
                identity.pk = self._read_pk(kind, value)
            elif name in kind.fields:
                identity.columns[kind.fields[name].column] = self._read_field(kind, name, value)
            elif not self._is_unstored(kind, model, name):
                identity.others.append((name, self._read_other(name, value)))
        if self.entry.identifiers and identity == Identity():
            self._identify_by_name(kind, identity)
        return identity

    def _identify_by_name(self, kind: Kind, identity: Identity) -> None:
        """Identify a user or group by the name, if its identifiers are not stored."""
        for name in kind.unique:
            if name in self.entry.attrs and name in kind.fields:
                identity.columns[name] = self._read_field(kind, name, self.entry.attrs[name])

    def _check_target(self, kind: Kind) -> None:
        """Raise OtherTargetError for a target in the attributes before identifiers are judged."""
        attrs = self.entry.attrs
        if kind is POLICY_BINDING and "target" in attrs and "target" not in self.entry.identifiers:
            self._read_field(kind, "target", attrs["target"])

    def _is_unstored(self, kind: Kind, model: str, name: str) -> bool:
        """Return whether an identifier is a secret, or an attribute of users and groups."""
        if kind in (GROUP, USER):
            return name in (known_models.find_attributes(model) or ())
        return secrets.is_secret(model, name)

    def read_columns(self, kind: Kind, identity: Identity) -> dict[str, Any]:
        """Return the values of the entry's fields by column; identifiers override attributes."""
        attrs = self.entry.attrs
        columns: dict[str, Any] = {}
        for name, definition in kind.fields.items():
            if name in attrs and definition.column not in identity.columns:
                try:
                    columns[definition.column] = self._read_field(kind, name, attrs[name])
                except EntryError as error:
                    self.errors.append(error)
        return {**columns, **identity.columns}

    def read_unique(self, kind: Kind, identity: Identity) -> Mapping[str, Any]:
        """Return the columns of the unique key that identifiers or attributes contain."""
        columns = {name: identity.columns[name] for name in kind.unique if name in identity.columns}
        for name, definition in kind.fields.items():
            is_unique = definition.column in kind.unique and definition.column not in columns
            if is_unique and name in self.entry.attrs:
                columns[definition.column] = self._read_field(kind, name, self.entry.attrs[name])
        return columns

    def read_settings(self, kind: Kind, model: str) -> dict[str, Any] | None:
        """Return the other attributes of a stage or a policy as JSON, with secrets replaced."""
        if kind.type_table is None:
            return None
        settings: dict[str, Any] = {}
        for name in {**self.entry.attrs, **self.entry.identifiers}:
            if name in kind.fields or name == "pk" or known_models.is_read_only(model, name):
                continue
            try:
                settings[name] = self._read_setting(model, name)
            except EntryError as error:
                self.errors.append(error)
        return settings

    def _read_pk(self, kind: Kind, value: Any) -> str | None:
        pk = self.evaluate("pk", value)
        if kind is USER or pk is None:
            return None if pk is None else str(pk)
        return self._convert("pk", value, lambda: check_uuid(str(pk)))

    def _read_other(self, name: str, value: Any) -> Any:
        result = self.evaluate(name, value)
        return result.pk if isinstance(result, Row) else result

    def _read_field(self, kind: Kind, name: str, value: Any) -> Any:
        definition = kind.fields[name]
        result = self.evaluate(name, value)
        if definition.targets:
            return self._convert(name, value, lambda: self._read_reference(kind, name, result))
        return self._convert(name, value, lambda: definition.check(result))

    def _convert(self, name: str, value: Any, convert: Callable[[], Any]) -> Any:
        """Return what a function makes of the value of a field, as written in `value`."""
        try:
            return convert()
        except UnexpectedValueError as error:
            # Values of tags can be secret.
            message = error.quoted if type(value) in PLAIN_TYPES else str(error)
            raise self.build_error(name, message) from None
        except InvalidValueError as error:
            raise self.build_error(name, str(error), error.position) from None

    def _read_reference(self, kind: Kind, name: str, value: Any) -> str | int | None:
        definition = kind.fields[name]
        if isinstance(value, Mapping):
            value = cast(Mapping[str, Any], value).get("pk")
        row = self._find_row(name, definition, value)
        if row is None and definition.default is not REQUIRED:
            return None
        if row is None:
            raise InvalidValueError("must not be null")
        if row.kind.name not in definition.targets:
            expected = " or a ".join(definition.targets)
            raise InvalidValueError(f"refers to a {row.kind.name}; expected a {expected}")
        return row.parent if definition.column == "target_id" and kind is POLICY_BINDING else row.pk

    def _find_row(self, name: str, definition: EntryField, value: Any) -> Row | None:
        if value is None or isinstance(value, Row):
            return value
        kinds = [KINDS[name] for name in definition.targets]
        reference = value
        if not isinstance(value, UnstoredObject):
            reference = self.plan.references.find_by_pk(self.entry, kinds, value)
        if isinstance(reference, Row):
            return reference
        if reference is None:
            reference = UnstoredObject(kinds[0].model, [("pk", value)])
        return self._replace(name, kinds, reference)

    def _replace(self, name: str, kinds: list[Kind], reference: UnstoredObject) -> Row:
        """Return a placeholder for a group or user, or raise an error for other references."""
        is_target, is_other = len(kinds) > 1, find_kind(reference.model) is None
        if is_target and reference.model == PARENT_MODEL:
            raise OmittedEntryError(f"its target {self._describe_missing(name)}")
        if is_target and is_other:
            raise OtherTargetError
        if kinds[0] in (GROUP, USER) and not is_other:
            return self._create_placeholder(kinds[0], reference)
        missing = self._create_missing(kinds, reference)
        if missing:
            return missing
        if is_other:
            raise InvalidValueError(f"refers to {reference.model}, which FlowQL does not store")
        raise InvalidValueError(self._describe_missing(name))

    def _create_missing(self, kinds: Sequence[Kind], reference: UnstoredObject) -> Row | None:
        """Return an object that a comparison knows by name only."""
        kind = find_kind(reference.model)
        if not self.plan.is_comparison or kind not in kinds:
            return None
        match reference.conditions:
            case [(name, str(value))] if kind and kind.unique == (name,):
                model = None if reference.model == kind.model else reference.model
                return self.plan.create_missing(kind, model, value)
            case _:
                return None

    def _describe_missing(self, name: str) -> str:
        """Describe the reference in a field, which refers to nothing, as it is written."""
        # A setting that refers to a group has another name.
        return _describe_reference({**self.entry.attrs, **self.entry.identifiers}.get(name))

    def _create_placeholder(self, kind: Kind, reference: UnstoredObject) -> Row:
        [column] = kind.unique
        match reference.conditions:
            case [(name, value)] if name == column:
                unique = kind.fields[column].check(value)
            case _:
                raise OmittedEntryError(f"its {kind.name} {self._describe_missing(kind.name)}")
        if unique.lower().startswith(RESERVED_NAME_PREFIX):
            raise OmittedEntryError(f"the name of its {kind.name} is reserved")
        return self.plan.create_placeholder(kind, unique)

    def _keep_group(self, reference: UnstoredObject) -> Row | None:
        """Return a placeholder for the group of a setting, None if its name is not known."""
        try:
            return self._create_placeholder(GROUP, reference)
        except (InvalidValueError, OmittedEntryError):
            return None

    def _read_setting(self, model: str, name: str) -> Any:
        values = [
            fields[name] for fields in (self.entry.attrs, self.entry.identifiers) if name in fields
        ]
        if secrets.is_secret(model, name) and values[-1] not in (None, ""):
            return secrets.SECRET
        # Mappings merge, and lists append; other identifiers override attributes.
        merged = merge_context(*({name: self.evaluate(name, value)} for value in values))
        result = self._replace_keys(self._render(merged[name]))
        try:
            return secrets.mask(model, name, convert_setting(model, name, result))
        except InvalidValueError as error:
            raise self.build_error(name, str(error)) from None

    def _render(self, value: Any) -> Any:
        return render_setting(value, self._keep_group, keeps_missing=self.plan.keeps_missing)

    def _replace_keys(self, value: Any) -> Any:
        """Return the value with the primary keys of the stored rows in place of the entries'."""
        if isinstance(value, str):
            return self.plan.references.find_stored_pk(self.entry, value)
        if isinstance(value, list):
            return [self._replace_keys(item) for item in cast(list[Any], value)]
        return value


def _describe_reference(value: Any) -> str:
    """Describe a reference as it is written. Values of tags can be secret."""
    if isinstance(value, str | int):
        return f"refers to {str(value)!r}, which is not in this database"
    match value:
        case Tag(name="!Find" | "!FindObject", value=[model, *conditions]):
            terms = " and ".join(map(_describe_condition, conditions))
            return f"matches no {_describe_literal(model)} with {terms}"
        case _:
            return "refers to an object that is not in this database"


def _contains(value: Any, name: str) -> bool:
    """Return whether a value contains the name of a field as it is written."""
    if isinstance(value, Tag):
        return _contains(value.value, name)
    if isinstance(value, list):
        return any(_contains(item, name) for item in cast(list[Any], value))
    return isinstance(value, str) and value.partition("__")[0] == name


def _describe_condition(condition: Any) -> str:
    match condition:
        case [name, value, *_]:
            return f"{_describe_literal(name)} = {_describe_literal(value)}"
        case _:
            return "…"


def _describe_literal(value: Any) -> str:
    return str(value) if isinstance(value, str | int) else "…"
