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
class EntryField:
    """A field of an entry: its column, its default and the check of its value.

    A field with a `target` is a reference to a row of that table, and `check` does not apply.
    """

    column: str
    default: Any = REQUIRED
    check: Check = values.check_string
    target: type[Table] | None = None


PARENT_FIELD = EntryField("policy_engine_mode", "any", values.build_choice_check(PolicyEngineMode))


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of entry: its table, and its fields by their names in blueprints.

    Rows that policies can be bound to have a parent row with their policy engine mode. The model
    of a stage or a policy is stored in `type_table`.
    """

    table: type[Table]
    pk: str
    fields: Mapping[str, EntryField]
    has_parent: bool = False
    type_table: type[StageType] | type[PolicyType] | None = None

    @property
    def all_fields(self) -> Mapping[str, EntryField]:
        """The fields, including the field of the parent row."""
        parents = {PARENT_FIELD.column: PARENT_FIELD} if self.has_parent else {}
        return {**self.fields, **parents}


FLOW = Kind(
    Flow,
    "flow_uuid",
    {
        "name": EntryField("name", check=values.check_not_empty),
        "slug": EntryField("slug", check=values.check_slug),
        "title": EntryField("title", check=values.check_not_empty),
        "designation": EntryField("designation", check=values.build_choice_check(FlowDesignation)),
        "background": EntryField("background", ""),
        "layout": EntryField("layout", "stacked", values.build_choice_check(FlowLayout)),
        "denied_action": EntryField(
            "denied_action", "message_continue", values.build_choice_check(FlowDeniedAction)
        ),
        "authentication": EntryField(
            "authentication", "none", values.build_choice_check(FlowAuthentication)
        ),
        "compatibility_mode": EntryField(
            "compatibility_mode", default=False, check=values.check_boolean
        ),
    },
    has_parent=True,
)
STAGE = Kind(
    Stage,
    "stage_uuid",
    {"name": EntryField("name", check=values.check_not_empty)},
    type_table=StageType,
)
POLICY = Kind(
    Policy,
    "policy_uuid",
    {
        "name": EntryField("name", check=values.check_not_empty),
        "execution_logging": EntryField(
            "execution_logging", default=False, check=values.check_boolean
        ),
    },
    type_table=PolicyType,
)
STAGE_BINDING = Kind(
    FlowStageBinding,
    "fsb_uuid",
    {
        "target": EntryField("target_id", target=Flow),
        "stage": EntryField("stage_id", target=Stage),
        "order": EntryField("order", check=values.check_integer),
        "evaluate_on_plan": EntryField(
            "evaluate_on_plan", default=False, check=values.check_boolean
        ),
        "re_evaluate_policies": EntryField(
            "re_evaluate_policies", default=True, check=values.check_boolean
        ),
        "invalid_response_action": EntryField(
            "invalid_response_action", "retry", values.build_choice_check(InvalidResponseAction)
        ),
    },
    has_parent=True,
)
POLICY_BINDING = Kind(
    PolicyBinding,
    "policy_binding_uuid",
    {
        "target": EntryField("target_id", target=PolicyBindingModel),
        "policy": EntryField("policy_id", None, target=Policy),
        "group": EntryField("group_id", None, target=Group),
        "user": EntryField("user_id", None, target=User),
        "order": EntryField("order", check=values.check_integer),
        "enabled": EntryField("enabled", default=True, check=values.check_boolean),
        "negate": EntryField("negate", default=False, check=values.check_boolean),
        "timeout": EntryField("timeout", 30, values.check_seconds),
        "failure_result": EntryField("failure_result", default=False, check=values.check_boolean),
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
