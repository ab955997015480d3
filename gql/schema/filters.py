"""What must hold for flows: the inputs that ask for it, and the tree that they become."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Generic, TypeVar, cast

import strawberry

from gql.errors import BadUserInputError
from gql.schema.enums import (
    FlowAuthentication,
    FlowDeniedAction,
    FlowDesignation,
    FlowLayout,
    PolicyEngineMode,
)
from gql.schema.types import UUID
from models.database import Database
from models.queries.components import Component
from models.queries.conditions import (
    NO_CONDITION,
    And,
    Condition,
    Matches,
    Not,
    Operator,
    Or,
    Uses,
    Where,
)

T = TypeVar("T")

# What a match may ask for, and what it is called here.
OPERATORS = {
    "equals": ("equals", Operator.EQUALS),
    "in": ("in_", Operator.IN),
    "contains": ("contains", Operator.CONTAINS),
    "startsWith": ("starts_with", Operator.STARTS_WITH),
}
# The fields that match a column, by the column; the attributes are called as that is.
FLOW_FIELDS = {
    "pk": "pk",
    "slug": "slug",
    "name": "name",
    "title": "title",
    "designation": "designation",
    "layout": "layout",
    "denied_action": "deniedAction",
    "authentication": "authentication",
    "policy_engine_mode": "policyEngineMode",
    "compatibility_mode": "compatibilityMode",
}
COMPONENT_FIELDS = {"pk": "pk", "name": "name", "type": "type"}


def _optional(description: str, name: str | None = None) -> Any:
    """A field that may be left out, or null, and is no condition then."""
    return strawberry.field(default=strawberry.UNSET, name=name, description=description)


@strawberry.input(description="What a value must be; all that is given holds together.")
class Match(Generic[T]):
    """What a value must be: UUIDMatch for a UUID, and one for each of authentik's enums."""

    equals: T | None = _optional("It is this one.")
    in_: list[T] | None = _optional("It is one of these; an empty list has none.", "in")


@strawberry.input(description="What a boolean must be; all that is given holds together.")
class BooleanMatch:
    """What a boolean must be."""

    equals: bool | None = _optional("It is this one.")
    in_: list[bool] | None = _optional("It is one of these; an empty list has none.", "in")


@strawberry.input(
    description="What a text must be, letter by letter as it is stored: case counts, and no"
    " character stands for another. All that is given holds together."
)
class TextMatch:
    """What a text must be."""

    equals: str | None = _optional("It is this one.")
    in_: list[str] | None = _optional("It is one of these; an empty list has none.", "in")
    contains: str | None = _optional("It has this in it, as every text has an empty one.")
    starts_with: str | None = _optional(
        "It starts with this, as every text does with an empty one."
    )


@strawberry.input(description="What a stage must be; all that is given holds together.")
class StageWhere:
    """What a stage must be."""

    pk: Match[UUID] | None = _optional("Its primary key.")
    name: TextMatch | None = _optional("Its name.")
    type: TextMatch | None = _optional(
        "Its type, as `authentik_stages_password.passwordstage`; an unknown type is none of any name."
    )


@strawberry.input(description="What a policy must be; all that is given holds together.")
class PolicyWhere:
    """What a policy must be."""

    pk: Match[UUID] | None = _optional("Its primary key.")
    name: TextMatch | None = _optional("Its name.")
    type: TextMatch | None = _optional(
        "Its type, as `authentik_policies_dummy.dummypolicy`; an unknown type is none of any name."
    )


@strawberry.input(
    description="What must hold for a flow. All that is given holds together; null or nothing is no"
    " condition."
)
class FlowWhere:
    """What must hold for a flow."""

    and_: list["FlowWhere"] | None = _optional("All of these hold.", "and")
    or_: list["FlowWhere"] | None = _optional(
        "Any of these holds; of an empty list none does.", "or"
    )
    not_: "FlowWhere | None" = _optional("This does not hold.", "not")
    pk: Match[UUID] | None = _optional("The primary key.")
    slug: TextMatch | None = _optional("The slug.")
    name: TextMatch | None = _optional("The name.")
    title: TextMatch | None = _optional("The title.")
    designation: Match[FlowDesignation] | None = _optional("What the flow is for.")
    layout: Match[FlowLayout] | None = _optional("How its pages are laid out.")
    denied_action: Match[FlowDeniedAction] | None = _optional(
        "What happens when a policy denies access."
    )
    authentication: Match[FlowAuthentication] | None = _optional("Who may start it.")
    policy_engine_mode: Match[PolicyEngineMode] | None = _optional(
        "Whether all or any of its policies must pass."
    )
    compatibility_mode: BooleanMatch | None = _optional(
        "Whether its pages are rendered for old password managers."
    )
    stage: StageWhere | None = _optional(
        "One of its stage bindings binds such a stage; any stage, where nothing is said of it."
    )
    policy: PolicyWhere | None = _optional(
        "Such a policy is bound to it, or to one of its stage bindings; any policy, where nothing is"
        " said of it. Disabled bindings count."
    )


def parse_where(argument: str, where: FlowWhere | None, database: Database) -> Where:
    """The tree that an argument asks for, with its values; raises BadUserInputError."""
    if not where:
        return NO_CONDITION
    reading = _WhereParser(database)
    condition = reading.flow(where, argument)
    return NO_CONDITION if condition == And(()) else Where(condition, reading.values)


@dataclass(frozen=True, slots=True)
class _WhereParser:
    """One argument that is read, and the values found so far."""

    database: Database
    values: dict[str, Any] = field(default_factory=dict[str, Any])

    def flow(self, where: FlowWhere, path: str) -> Condition:
        """What must hold for a flow."""
        return _all(
            *self._combinators(where, path),
            *self._matches(where, FLOW_FIELDS, path),
            *self._uses(where, path),
        )

    def _combinators(self, where: FlowWhere, path: str) -> Iterator[Condition]:
        if (all_ := _given_or_none(where.and_)) is not None:
            yield _all(*self._flows(all_, f"{path}.and"))
        if (any_ := _given_or_none(where.or_)) is not None:
            yield Or(tuple(self._flows(any_, f"{path}.or")))
        if denied := _given_or_none(where.not_):
            yield Not(self.flow(denied, f"{path}.not"))

    def _flows(self, wheres: Sequence[FlowWhere], path: str) -> Iterator[Condition]:
        return (self.flow(where, f"{path}.{index}") for index, where in enumerate(wheres))

    def _uses(self, where: FlowWhere, path: str) -> Iterator[Condition]:
        if stage := _given_or_none(where.stage):
            yield self._used(Component.STAGE, stage, f"{path}.stage")
        if policy := _given_or_none(where.policy):
            yield self._used(Component.POLICY, policy, f"{path}.policy")

    def _used(self, part: Component, where: StageWhere | PolicyWhere, path: str) -> Condition:
        is_typed = _given_or_none(where.type) and not self.database.is_flowql
        children = self.database.catalog.child_tables(part.value) if is_typed else None
        return Uses(part, _all(*self._matches(where, COMPONENT_FIELDS, path)), children)

    def _matches(self, where: object, fields: Mapping[str, str], path: str) -> Iterator[Condition]:
        for column, name in fields.items():
            if match := _given_or_none(getattr(where, column)):
                yield from self._match(column, match, f"{path}.{name}")

    def _match(self, column: str, match: object, path: str) -> Iterator[Condition]:
        for name, (attribute, operator) in OPERATORS.items():
            value = _given_or_none(getattr(match, attribute, None))
            if value is not None:
                yield self._compared(column, operator, _stored(value, f"{path}.{name}"))

    def _compared(self, column: str, operator: Operator, value: Any) -> Condition:
        # There are two booleans, and no database has a list of them that both understand.
        if column == "compatibility_mode" and operator is Operator.IN:
            return Or(tuple(self._leaf(column, Operator.EQUALS, one) for one in set(value)))
        return self._leaf(column, operator, value)

    def _leaf(self, column: str, operator: Operator, value: Any) -> Condition:
        parameter = f"w{len(self.values)}"
        self.values[parameter] = value
        return Matches(column, operator, parameter)


def _given_or_none(value: T | None) -> T | None:
    return None if value is strawberry.UNSET else value


def _all(*conditions: Condition) -> Condition:
    return conditions[0] if len(conditions) == 1 else And(conditions)


def _stored(value: object, path: str) -> Any:
    """What is given, as it would be stored; raises BadUserInputError."""
    if isinstance(value, list):
        values = enumerate(cast(list[object], value))
        return [_stored(one, f"{path}.{index}") for index, one in values]
    if isinstance(value, str) and "\0" in value:
        raise BadUserInputError(f"{path} has a NUL character, which no text in a database has.")
    return value.value if isinstance(value, Enum) else value
