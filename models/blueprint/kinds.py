"""The kinds of entries that FlowQL stores, and the fields that each has."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from models.blueprint import values
from models.blueprint.values import Check
from models.tables.access import Group, User
from models.tables.columns import Table
from models.tables.flow import (
    Flow,
    FlowAuthentication,
    FlowDeniedAction,
    FlowDesignation,
    FlowLayout,
    FlowStageBinding,
    InvalidResponseAction,
    PolicyBindingModel,
    PolicyEngineMode,
)
from models.tables.policy import Policy, PolicyBinding, PolicyType
from models.tables.stage import Stage, StageType

REQUIRED = object()


@dataclass(frozen=True, slots=True)
class Field:
    """A field's column, what it may be, and what it is where it is not given.

    One with a `target` refers to a row of that table instead.
    """

    column: str
    default: Any = REQUIRED
    check: Check = values.text
    target: type[Table] | None = None


PARENT_FIELD = Field("policy_engine_mode", "any", values.choice(PolicyEngineMode))


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of entry: its table and its fields by their names in blueprints.

    One that policies can be bound to has a parent row, and so a policy engine mode; one of
    several types has a table that keeps them.
    """

    table: type[Table]
    pk: str
    fields: Mapping[str, Field]
    has_parent: bool = False
    type_table: type[StageType] | type[PolicyType] | None = None

    @property
    def all_fields(self) -> Mapping[str, Field]:
        """The fields, with the parent row's where there is one."""
        parents = {PARENT_FIELD.column: PARENT_FIELD} if self.has_parent else {}
        return {**self.fields, **parents}


FLOW = Kind(
    Flow,
    "flow_uuid",
    {
        "name": Field("name", check=values.filled),
        "slug": Field("slug", check=values.slug),
        "title": Field("title", check=values.filled),
        "designation": Field("designation", check=values.choice(FlowDesignation)),
        "background": Field("background", ""),
        "layout": Field("layout", "stacked", values.choice(FlowLayout)),
        "denied_action": Field(
            "denied_action", "message_continue", values.choice(FlowDeniedAction)
        ),
        "authentication": Field("authentication", "none", values.choice(FlowAuthentication)),
        "compatibility_mode": Field("compatibility_mode", default=False, check=values.boolean),
    },
    has_parent=True,
)
STAGE = Kind(
    Stage, "stage_uuid", {"name": Field("name", check=values.filled)}, type_table=StageType
)
POLICY = Kind(
    Policy,
    "policy_uuid",
    {
        "name": Field("name", check=values.filled),
        "execution_logging": Field("execution_logging", default=False, check=values.boolean),
    },
    type_table=PolicyType,
)
STAGE_BINDING = Kind(
    FlowStageBinding,
    "fsb_uuid",
    {
        "target": Field("target_id", target=Flow),
        "stage": Field("stage_id", target=Stage),
        "order": Field("order", check=values.integer),
        "evaluate_on_plan": Field("evaluate_on_plan", default=False, check=values.boolean),
        "re_evaluate_policies": Field("re_evaluate_policies", default=True, check=values.boolean),
        "invalid_response_action": Field(
            "invalid_response_action", "retry", values.choice(InvalidResponseAction)
        ),
    },
    has_parent=True,
)
POLICY_BINDING = Kind(
    PolicyBinding,
    "policy_binding_uuid",
    {
        "target": Field("target_id", target=PolicyBindingModel),
        "policy": Field("policy_id", None, target=Policy),
        "group": Field("group_id", None, target=Group),
        "user": Field("user_id", None, target=User),
        "order": Field("order", check=values.integer),
        "enabled": Field("enabled", default=True, check=values.boolean),
        "negate": Field("negate", default=False, check=values.boolean),
        "timeout": Field("timeout", 30, values.seconds),
        "failure_result": Field("failure_result", default=False, check=values.boolean),
    },
)
# In the order of their references: bindings refer to flows, stages and policies, which refer to
# nothing that is stored, and policies are bound to stage bindings.
PHASES = (
    frozenset({Flow, Stage, Policy}),
    frozenset({FlowStageBinding}),
    frozenset({PolicyBinding}),
)


def kind_of(model: str) -> Kind | None:
    """The kind of a blueprint model, None for one that FlowQL does not store."""
    application, _, name = model.partition(".")
    if application.startswith("authentik_policies_") and name.endswith("policy"):
        return POLICY
    if application.startswith("authentik_") and name.endswith("stage") and name != "stage":
        return STAGE
    return {
        "authentik_flows.flow": FLOW,
        "authentik_flows.flowstagebinding": STAGE_BINDING,
        "authentik_policies.policybinding": POLICY_BINDING,
    }.get(model)
