"""The kinds of entries that FlowQL stores, with their tables and fields."""

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
    """A field of an entry: its column, its default and the check of its value.

    A field with a `target` is a reference to a row of that table, and `check` does not apply.
    """

    column: str
    default: Any = REQUIRED
    check: Check = values.check_string
    target: type[Table] | None = None


PARENT_FIELD = Field("policy_engine_mode", "any", values.build_choice_check(PolicyEngineMode))


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of entry: its table, and its fields by their names in blueprints.

    Rows that policies can be bound to have a parent row with their policy engine mode. The model
    of a stage or a policy is stored in `type_table`.
    """

    table: type[Table]
    pk: str
    fields: Mapping[str, Field]
    has_parent: bool = False
    type_table: type[StageType] | type[PolicyType] | None = None

    @property
    def all_fields(self) -> Mapping[str, Field]:
        """The fields, including the field of the parent row."""
        parents = {PARENT_FIELD.column: PARENT_FIELD} if self.has_parent else {}
        return {**self.fields, **parents}


FLOW = Kind(
    Flow,
    "flow_uuid",
    {
        "name": Field("name", check=values.check_not_empty),
        "slug": Field("slug", check=values.check_slug),
        "title": Field("title", check=values.check_not_empty),
        "designation": Field("designation", check=values.build_choice_check(FlowDesignation)),
        "background": Field("background", ""),
        "layout": Field("layout", "stacked", values.build_choice_check(FlowLayout)),
        "denied_action": Field(
            "denied_action", "message_continue", values.build_choice_check(FlowDeniedAction)
        ),
        "authentication": Field(
            "authentication", "none", values.build_choice_check(FlowAuthentication)
        ),
        "compatibility_mode": Field(
            "compatibility_mode", default=False, check=values.check_boolean
        ),
    },
    has_parent=True,
)
STAGE = Kind(
    Stage, "stage_uuid", {"name": Field("name", check=values.check_not_empty)}, type_table=StageType
)
POLICY = Kind(
    Policy,
    "policy_uuid",
    {
        "name": Field("name", check=values.check_not_empty),
        "execution_logging": Field("execution_logging", default=False, check=values.check_boolean),
    },
    type_table=PolicyType,
)
STAGE_BINDING = Kind(
    FlowStageBinding,
    "fsb_uuid",
    {
        "target": Field("target_id", target=Flow),
        "stage": Field("stage_id", target=Stage),
        "order": Field("order", check=values.check_integer),
        "evaluate_on_plan": Field("evaluate_on_plan", default=False, check=values.check_boolean),
        "re_evaluate_policies": Field(
            "re_evaluate_policies", default=True, check=values.check_boolean
        ),
        "invalid_response_action": Field(
            "invalid_response_action", "retry", values.build_choice_check(InvalidResponseAction)
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
        "order": Field("order", check=values.check_integer),
        "enabled": Field("enabled", default=True, check=values.check_boolean),
        "negate": Field("negate", default=False, check=values.check_boolean),
        "timeout": Field("timeout", 30, values.check_seconds),
        "failure_result": Field("failure_result", default=False, check=values.check_boolean),
    },
)
# References point to earlier phases: stage bindings refer to flows and stages, and policy bindings
# to flows, stage bindings and policies.
PHASES = (
    frozenset({Flow, Stage, Policy}),
    frozenset({FlowStageBinding}),
    frozenset({PolicyBinding}),
)


def find_kind(model: str) -> Kind | None:
    """Return the kind of a blueprint model, or None if FlowQL does not store the model."""
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
