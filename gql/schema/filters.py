"""The `where` argument: its input types, and their translation to a condition tree."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Generic, TypeVar, cast

import strawberry

from gql.context import Context
from gql.resolvers.rights import require_rights
from gql.schema.arguments import require_no_nul, unset_to_none
from gql.schema.enums import (
    FlowAuthentication,
    FlowDeniedAction,
    FlowDesignation,
    FlowLayout,
    PolicyEngineMode,
)
from gql.schema.types import UUID
from models.database import Session
from models.queries.components import Component
from models.queries.conditions import (
    NO_CONDITION,
    And,
    Comparison,
    Condition,
    Not,
    Operator,
    Or,
    UsesComponent,
    WhereClause,
)
from models.queries.viewer import Viewer

T = TypeVar("T")

# The attributes and operators of match inputs, by GraphQL name.
OPERATORS = {
    "equals": ("equals", Operator.EQUALS),
    "in": ("in_", Operator.IN),
    "contains": ("contains", Operator.CONTAINS),
    "containsInsensitive": ("contains_insensitive", Operator.CONTAINS_INSENSITIVE),
    "startsWith": ("starts_with", Operator.STARTS_WITH),
    "endsWith": ("ends_with", Operator.ENDS_WITH),
}
# The GraphQL names of the fields that match a column. The attribute has the name of the column.
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

EQUALS = "Matches this value."
IN = "Matches any of these values; an empty list matches nothing."


def _optional_field(description: str, name: str | None = None) -> Any:
    return strawberry.field(default=strawberry.UNSET, name=name, description=description)


@strawberry.input(description="Conditions on a value. All of them must hold.")
class Match(Generic[T]):
    """Conditions on a UUID or an enum value; each type argument is a GraphQL type of its own."""

    equals: T | None = _optional_field(EQUALS)
    in_: list[T] | None = _optional_field(IN, "in")


@strawberry.input(description="Conditions on a boolean. All of them must hold.")
class BooleanMatch:
    equals: bool | None = _optional_field(EQUALS)
    in_: list[bool] | None = _optional_field(IN, "in")


@strawberry.input(
    description="Conditions on a string. All of them must hold. No character is a wildcard. Only"
    " `containsInsensitive` ignores case."
)
class TextMatch:
    equals: str | None = _optional_field(EQUALS)
    in_: list[str] | None = _optional_field(IN, "in")
    contains: str | None = _optional_field(
        "Matches strings that contain this one; an empty string matches every string."
    )
    contains_insensitive: str | None = _optional_field(
        "Matches strings that contain this one, ignoring case as `search` does; an empty string"
        " matches every string."
    )
    starts_with: str | None = _optional_field(
        "Matches strings that start with this one; an empty string matches every string."
    )
    ends_with: str | None = _optional_field(
        "Matches strings that end with this one; an empty string matches every string."
    )


@strawberry.input(description="Conditions on a stage. All of them must hold.")
class StageWhere:
    pk: Match[UUID] | None = _optional_field("The primary key.")
    name: TextMatch | None = _optional_field("The name.")
    type: TextMatch | None = _optional_field(
        "The type, such as `authentik_stages_password.passwordstage`. Stages of unknown type never"
        " match."
    )


@strawberry.input(description="Conditions on a policy. All of them must hold.")
class PolicyWhere:
    pk: Match[UUID] | None = _optional_field("The primary key.")
    name: TextMatch | None = _optional_field("The name.")
    type: TextMatch | None = _optional_field(
        "The type, such as `authentik_policies_dummy.dummypolicy`. Policies of unknown type never"
        " match."
    )


@strawberry.input(
    description="Conditions on a flow. All of them must hold; null or omitted fields match every"
    " flow."
)
class FlowWhere:
    and_: list["FlowWhere"] | None = _optional_field(
        "Matches if all of these conditions hold; an empty list matches every flow.", "and"
    )
    or_: list["FlowWhere"] | None = _optional_field(
        "Matches if any of these conditions holds; an empty list matches nothing.", "or"
    )
    not_: "FlowWhere | None" = _optional_field("Matches if this condition does not hold.", "not")
    pk: Match[UUID] | None = _optional_field("The primary key.")
    slug: TextMatch | None = _optional_field("The slug.")
    name: TextMatch | None = _optional_field("The name.")
    title: TextMatch | None = _optional_field("The title.")
    designation: Match[FlowDesignation] | None = _optional_field("The purpose of the flow.")
    layout: Match[FlowLayout] | None = _optional_field("The layout of the flow's pages.")
    denied_action: Match[FlowDeniedAction] | None = _optional_field(
        "The response to a user whom a policy denies access."
    )
    authentication: Match[FlowAuthentication] | None = _optional_field(
        "The authentication that the flow requires."
    )
    policy_engine_mode: Match[PolicyEngineMode] | None = _optional_field(
        "The rule that combines the results of the flow's policies."
    )
    compatibility_mode: BooleanMatch | None = _optional_field(
        "Indicates whether the pages are compatible with password managers on mobile devices."
    )
    stage: StageWhere | None = _optional_field(
        "Matches if one of the flow's stage bindings binds such a stage; an empty object matches"
        " any stage. Requires `view_flowstagebinding` and `view_stage`; stage bindings and stages"
        " that you may not see do not match."
    )
    policy: PolicyWhere | None = _optional_field(
        "Matches if such a policy is bound to the flow or to one of its stage bindings; an empty"
        " object matches any policy. Disabled bindings count. Requires `view_policybinding` and"
        " `view_policy`; bindings and policies that you may not see do not match."
    )


def parse_where(argument: str, where: FlowWhere | None, context: Context) -> WhereClause:
    """Return the condition of a `where` argument, with its parameter values.

    Raises BadUserInputError if a string is invalid, and MissingPermissionError if the viewer lacks
    the rights of a condition. Both name the path from `argument`.
    """
    if not where:
        return NO_CONDITION
    parser = _WhereParser(context.session, context.viewer)
    return parser.build_clause(parser.parse_flow(where, argument))


def parse_component_where(
    argument: str, where: StageWhere | PolicyWhere | None, context: Context
) -> WhereClause:
    """Return the condition of a `where` argument on stages or policies, as `parse_where` does."""
    if not where:
        return NO_CONDITION
    parser = _WhereParser(context.session, context.viewer)
    return parser.build_clause(parser.parse_component(where, argument))


@dataclass(frozen=True, slots=True)
class _WhereParser:
    """Parser of one argument. `values` collects the parameter values of the conditions."""

    session: Session
    viewer: Viewer
    values: dict[str, Any] = field(default_factory=dict[str, Any])

    def build_clause(self, condition: Condition) -> WhereClause:
        """Return the condition with the collected values; no condition if it is always true."""
        return NO_CONDITION if condition == And(()) else WhereClause(condition, self.values)

    def parse_flow(self, where: FlowWhere, path: str) -> Condition:
        return _combine_all(
            *self._parse_combinators(where, path),
            *self._parse_matches(where, FLOW_FIELDS, path),
            *self._parse_components(where, path),
        )

    def _parse_combinators(self, where: FlowWhere, path: str) -> Iterator[Condition]:
        if (and_ := unset_to_none(where.and_)) is not None:
            yield _combine_all(*self._parse_flows(and_, f"{path}.and"))
        if (or_ := unset_to_none(where.or_)) is not None:
            yield Or(tuple(self._parse_flows(or_, f"{path}.or")))
        if not_ := unset_to_none(where.not_):
            yield Not(self.parse_flow(not_, f"{path}.not"))

    def _parse_flows(self, wheres: Sequence[FlowWhere], path: str) -> Iterator[Condition]:
        return (self.parse_flow(where, f"{path}.{index}") for index, where in enumerate(wheres))

    def _parse_components(self, where: FlowWhere, path: str) -> Iterator[Condition]:
        if stage := unset_to_none(where.stage):
            require_rights(self.viewer, "FlowWhere.stage", f"{path}.stage")
            yield self._parse_use(Component.STAGE, stage, f"{path}.stage")
        if policy := unset_to_none(where.policy):
            require_rights(self.viewer, "FlowWhere.policy", f"{path}.policy")
            yield self._parse_use(Component.POLICY, policy, f"{path}.policy")

    def parse_component(self, where: StageWhere | PolicyWhere, path: str) -> Condition:
        return _combine_all(*self._parse_matches(where, COMPONENT_FIELDS, path))

    def _parse_use(
        self, component: Component, where: StageWhere | PolicyWhere, path: str
    ) -> Condition:
        needs_types = unset_to_none(where.type) and not self.session.is_flowql
        child_tables = self.session.catalog.child_tables(component.value) if needs_types else None
        condition = self.parse_component(where, path)
        return UsesComponent(component, condition, child_tables, self.viewer.rights)

    def _parse_matches(
        self, where: object, fields: Mapping[str, str], path: str
    ) -> Iterator[Condition]:
        for column, name in fields.items():
            if match := unset_to_none(getattr(where, column)):
                yield from self._parse_match(column, match, f"{path}.{name}")

    def _parse_match(self, column: str, match: object, path: str) -> Iterator[Condition]:
        for name, (attribute, operator) in OPERATORS.items():
            value = unset_to_none(getattr(match, attribute, None))
            if value is not None:
                yield self._compare(column, operator, _convert_value(value, f"{path}.{name}"))

    def _compare(self, column: str, operator: Operator, value: Any) -> Condition:
        # SQLite and PostgreSQL share no array parameter of booleans.
        if column == "compatibility_mode" and operator is Operator.IN:
            return Or(tuple(self._add_match(column, Operator.EQUALS, item) for item in set(value)))
        return self._add_match(column, operator, value)

    def _add_match(self, column: str, operator: Operator, value: Any) -> Condition:
        parameter = f"w{len(self.values)}"
        self.values[parameter] = value
        return Comparison(column, operator, parameter)


def _combine_all(*conditions: Condition) -> Condition:
    return conditions[0] if len(conditions) == 1 else And(conditions)


def _convert_value(value: object, path: str) -> Any:
    """Return the value as authentik stores it."""
    if isinstance(value, list):
        items = enumerate(cast(list[object], value))
        return [_convert_value(item, f"{path}.{index}") for index, item in items]
    if isinstance(value, str):
        require_no_nul(path, value)
    return value.value if isinstance(value, Enum) else value
