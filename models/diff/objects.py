"""The objects of one side of a comparison, with their attributes."""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from models.authentik import known_models, secrets
from models.authentik.attributes import ATTRIBUTES, Attribute, AttributeType
from models.authentik.natural_keys import FIXED_MODELS
from models.authentik.secrets import SECRET_JSON
from models.blueprint.authentik.kinds import (
    FLOW,
    GROUP,
    KINDS,
    POLICY,
    POLICY_BINDING,
    PROMPT,
    STAGE,
    STAGE_BINDING,
    USER,
    EntryField,
    Kind,
    find_kind,
)
from models.blueprint.authentik.values import is_uuid
from models.blueprint.planning.entry_plan import MODEL_FIELD
from models.blueprint.rows.row import Row
from models.blueprint.rows.working_set import WorkingSet
from models.diff.references import HIDDEN, UNRESOLVED, Reference, Token, is_secret
from models.systems.content import ALL_SETTINGS, Origin
from models.tables.flow import DEFAULT_BACKGROUND

# The kinds that are compared, those with names first.
NAMED_KINDS = (PROMPT, POLICY, STAGE, FLOW)
COMPARED_KINDS = (*NAMED_KINDS, STAGE_BINDING, POLICY_BINDING)
REFERABLE_KINDS = (FLOW, STAGE, POLICY, PROMPT, GROUP)
BOUND_COLUMNS = ("policy_id", "group_id", "user_id")
MODEL = "model"
UUID_LENGTH = 36
Settings = Mapping[str, Any]


@dataclass(slots=True, eq=False)
class ComparedObject:
    """An object of one side. Compared by identity.

    `token` is equal to that of its partner on the other side. `mentioned` are the names of the
    attributes that a blueprint sets, None for all.
    """

    row: Row
    token: Token
    mentioned: Collection[str] | None = None
    partner: "ComparedObject | None" = None

    @property
    def kind(self) -> Kind:
        """The kind of the object."""
        return self.row.kind

    @property
    def name(self) -> str:
        """The slug of a flow, and the name of a stage, a policy, a prompt, a group or a user."""
        return self.row.get(self.kind.unique[0])

    def mentions(self, name: str) -> bool:
        """Return whether the attribute is compared."""
        return self.mentioned is None or name in self.mentioned


@dataclass(slots=True)
class Objects:
    """All objects of one side.

    `is_partial` is set for blueprints, which describe a part of a system. `compared` has the objects
    to compare by the names of their kinds: of a blueprint, those that it mentions. `unknown` has the
    settings that could not be read, as pairs of a model and a name.
    """

    rows: WorkingSet
    origin: Origin
    is_partial: bool = False
    is_snapshot: bool = False
    unknown: Collection[tuple[str, str]] = ()
    compared: dict[str, list[ComparedObject]] = field(
        default_factory=dict[str, list[ComparedObject]]
    )
    _objects: dict[Row, ComparedObject] = field(default_factory=dict[Row, ComparedObject])
    _by_pk: dict[tuple[str, Any], Row] = field(default_factory=dict[tuple[str, Any], Row])
    _by_parent: dict[Any, Row] = field(default_factory=dict[Any, Row])
    _values: dict[Row, dict[str, Any]] = field(default_factory=dict[Row, dict[str, Any]])

    def index(self) -> None:
        """Create the objects of all rows, which have been read or planned."""
        for name, table in self.rows.tables.items():
            for row in table:
                self._by_pk[name, row.pk] = row
                if row.parent is not None:
                    self._by_parent[row.parent] = row
        for row in self._by_pk.values():
            self.find_object(row)

    def find_object(self, row: Row) -> ComparedObject:
        """Return the object of a row."""
        item = self._objects.get(row)
        if item is None:
            item = self._objects[row] = ComparedObject(row, self._build_token(row))
        return item

    def list_all(self) -> Iterator[ComparedObject]:
        """Yield the objects of all rows."""
        return iter(self._objects.values())

    def find_by_pk(self, kind: Kind, pk: Any) -> ComparedObject | None:
        """Return the object with a primary key."""
        row = self._by_pk.get((kind.name, pk))
        return self.find_object(row) if row else None

    def find_target(self, binding: Row) -> ComparedObject | None:
        """Return the flow of a stage binding, or the flow or stage binding of a policy binding."""
        if binding.kind is STAGE_BINDING:
            return self.find_by_pk(FLOW, binding.get("target_id"))
        row = self._by_parent.get(binding.get("target_id"))
        return self.find_object(row) if row else None

    def find_bound(self, binding: Row) -> ComparedObject | None:
        """Return what a binding binds: a stage, or a policy, a group or a user."""
        if binding.kind is STAGE_BINDING:
            return self.find_by_pk(STAGE, binding.get("stage_id"))
        for kind, column in zip((POLICY, GROUP, USER), BOUND_COLUMNS, strict=True):
            pk = binding.get(column)
            if pk is not None:
                return self.find_by_pk(kind, pk)
        return None

    def find_flow(self, item: ComparedObject) -> ComparedObject | None:
        """Return the flow of a binding, directly or through a stage binding."""
        target: ComparedObject | None = item
        while target and target.kind is not FLOW:
            target = self.find_target(target.row)
        return target

    def list_values(self, item: ComparedObject) -> Mapping[str, Any]:
        """Return the attributes of an object as they are compared, by their names in blueprints.

        References have the tokens of their objects at the first call: `forget_values` follows a
        change of tokens.
        """
        values = self._values.get(item.row)
        if values is None:
            values = self._values[item.row] = dict(self._list_values(item.row))
        return values

    def forget_values(self) -> None:
        """Build references again, after tokens have changed."""
        self._values.clear()

    def forget_values_of(self, item: ComparedObject) -> None:
        """Build the references of an object again."""
        self._values.pop(item.row, None)

    def list_names(self, item: ComparedObject) -> Iterator[str]:
        """Yield the names of attributes that are compared, those of settings included."""
        for name in item.kind.fields:
            if item.mentions(name):
                yield name
        if item.kind.type_table and item.row.model and item.mentions(MODEL_FIELD):
            yield MODEL
        for name in item.row.settings or ():
            if item.mentions(name) and not self.is_unknown(item.row.model, name):
                yield name

    def is_unknown(self, model: str | None, name: str) -> bool:
        """Return whether a setting is secret, read-only or not readable."""
        return (
            model is None
            or (model, name) in self.unknown
            or (model, ALL_SETTINGS) in self.unknown
            or secrets.is_secret(model, name)
            or known_models.is_read_only(model, name)
        )

    # Values --------------------------------------------------------------------------------------

    def _build_token(self, row: Row) -> Token:
        kind = row.kind
        if kind is STAGE_BINDING or kind is POLICY_BINDING:
            return (kind.name, row.pk, id(self))
        return (kind.name, row.get(kind.unique[0]))

    def _list_values(self, row: Row) -> Iterator[tuple[str, Any]]:
        for name, definition in row.kind.fields.items():
            value = row.get(definition.column)
            yield name, self._build_value(row, name, definition, value)
        if row.model:
            yield MODEL, row.model
            for name, value in (row.settings or {}).items():
                # A setting can have the name of a field in no model of authentik.
                yield name, self._build_setting(row.model, name, value)

    def _build_value(self, row: Row, name: str, definition: EntryField, value: Any) -> Any:
        if row.kind is FLOW and name == "background":
            return "" if value == DEFAULT_BACKGROUND else value
        if not definition.targets or value is None:
            return value
        if name == "target":
            target = self.find_target(row)
            return self._refer(target, self.describe_target(target)) if target else UNRESOLVED
        target = self.find_by_pk(KINDS[definition.targets[0]], value)
        return self._refer(target, target.name) if target else UNRESOLVED

    def describe_target(self, target: ComparedObject) -> str:
        """Return the slug of a flow, or the path of a stage binding below it."""
        if target.kind is FLOW:
            return target.name
        flow, stage = self.find_target(target.row), self.find_bound(target.row)
        names = [flow.name if flow else "?", "stage", str(target.row.get("order"))]
        return "/".join((*names, stage.name if stage else "?"))

    def _refer(self, item: ComparedObject, name: str) -> Reference:
        return Reference(item.token, name, item.kind.name, item.row.pk)

    def _build_setting(self, model: str, name: str, value: Any) -> Any:
        attribute = ATTRIBUTES.get(model, {}).get(name)
        if attribute and attribute.type is AttributeType.LIST:
            item = attribute.items
            built = self._build_json(value, item)
            if item and item.type is AttributeType.REFERENCE and isinstance(built, list):
                return sorted(cast(list[Any], built), key=_order)
            return built
        return self._build_json(value, attribute)

    def _build_json(self, value: Any, attribute: Attribute | None) -> Any:
        if isinstance(value, str):
            return self._build_string(value, attribute) if len(value) == UUID_LENGTH else value
        if isinstance(value, list):
            return [self._build_json(item, attribute) for item in cast(list[Any], value)]
        if isinstance(value, dict):
            return self._build_mapping(cast(dict[str, Any], value))
        return value

    def _build_string(self, value: str, attribute: Attribute | None) -> Any:
        if not is_uuid(value) or (attribute and attribute.target in FIXED_MODELS):
            return value
        for kind in REFERABLE_KINDS:
            target = self.find_by_pk(kind, value)
            if target:
                return self._refer(target, target.name)
        return value if attribute and not attribute.target else UNRESOLVED

    def _build_mapping(self, value: Mapping[str, Any]) -> Any:
        if is_secret(value):
            return HIDDEN
        match value:
            case {"$find": [str(model), *conditions]} if len(value) == 1:
                return self._build_found(model, conditions)
            case _:
                return {key: self._build_json(item, None) for key, item in value.items()}

    def _build_found(self, model: str, conditions: Sequence[Any]) -> Any:
        """Return the reference to an object by its attributes. Models can be more or less special."""
        kind = find_kind(model.lower())
        match conditions:
            case [[str(field_), str(value)]] if kind and kind.unique == (field_,):
                return Reference((kind.name, value), value)
            case [[str(field_), str(value)]]:
                return Reference((field_, value), value, fields=(field_,))
            case _ if SECRET_JSON in json.dumps(conditions):
                return HIDDEN
            case _:
                text = json.dumps(conditions, sort_keys=True, default=str)
                lists = cast(Iterable[list[Any]], filter(_is_list, conditions))
                fields = sorted(str(item[0]) for item in lists if item)
                return Reference((text,), text, fields=tuple(fields))


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


def _order(value: Any) -> str:
    return repr(value.token) if isinstance(value, Reference) else repr(value)


def list_rows(rows: WorkingSet, kinds: Iterable[Kind]) -> Iterator[Row]:
    """Yield the rows of these kinds."""
    for kind in kinds:
        yield from rows.tables[kind.name]
