"""The kinds of objects that FlowQL stores, with their tables and fields."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from models.authentik.attributes import ATTRIBUTES
from models.blueprint.authentik import values
from models.blueprint.authentik.values import Check
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
    PolicyEngineMode,
)
from models.tables.policy import Policy, PolicyBinding, PolicyType
from models.tables.prompt import Prompt
from models.tables.stage import Stage, StageType

REQUIRED = object()
# PostgreSQL's indexes take 2,704 bytes: four for each character, and a flow's slug of one each.
MAX_INDEXED_LENGTH = 500
MODE_COLUMN = "policy_engine_mode"


@dataclass(frozen=True, slots=True)
class EntryField:
    """A field of an entry: its column, its default and the check of its value.

    A field with `targets` is a reference to a row of one of these kinds, by name, and `check` does
    not apply.
    """

    column: str
    default: Any = REQUIRED
    check: Check = values.check_string
    targets: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Kind:
    """A kind of object: its table, and its fields by their names in blueprints.

    Kinds are compared by identity. `name` is for messages, and `model` the blueprint model, for
    stages and policies that of their common table. `unique` are the columns of the key by which
    blueprints identify a row; other rows can have an equal one if it contains null.
    Rows that policies can be bound to have a parent row with their policy engine mode. The type of
    a stage or a policy is stored in `type_table`, with its settings.
    """

    name: str
    model: str
    table: type[Table]
    pk: str
    unique: tuple[str, ...]
    fields: Mapping[str, EntryField]
    has_parent: bool = False
    type_table: type[StageType] | type[PolicyType] | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the fields, in order. The policy engine mode is in the parent row."""
        return tuple(definition.column for definition in self.fields.values())

    @cached_property
    def defaults(self) -> Mapping[str, Any]:
        """The defaults by column, REQUIRED for those without one."""
        return {definition.column: definition.default for definition in self.fields.values()}

    @cached_property
    def required(self) -> Mapping[str, str]:
        """The columns of the fields without a default, with the names of these fields."""
        return {
            definition.column: name
            for name, definition in self.fields.items()
            if definition.default is REQUIRED
        }


MODE = EntryField(MODE_COLUMN, "any", values.build_choice_check(PolicyEngineMode))
CHECK_NAME = values.limit_length(values.check_not_empty, MAX_INDEXED_LENGTH)
NAME = EntryField("name", check=CHECK_NAME)
PROMPT_TYPES = ATTRIBUTES["authentik_stages_prompt.prompt"]["type"].choices

FLOW = Kind(
    "flow",
    "authentik_flows.flow",
    Flow,
    "flow_uuid",
    ("slug",),
    {
        "name": NAME,
        "slug": EntryField(
            "slug", check=values.limit_length(values.check_slug, MAX_INDEXED_LENGTH)
        ),
        "title": EntryField("title", check=CHECK_NAME),
        "designation": EntryField("designation", check=values.build_choice_check(FlowDesignation)),
        "background": EntryField(
            "background", "", values.limit_length(values.check_string_or_null, MAX_INDEXED_LENGTH)
        ),
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
        MODE_COLUMN: MODE,
    },
    has_parent=True,
)
STAGE = Kind(
    "stage",
    "authentik_flows.stage",
    Stage,
    "stage_uuid",
    ("name",),
    {"name": NAME},
    type_table=StageType,
)
POLICY = Kind(
    "policy",
    "authentik_policies.policy",
    Policy,
    "policy_uuid",
    ("name",),
    {
        "name": NAME,
        "execution_logging": EntryField(
            "execution_logging", default=False, check=values.check_boolean
        ),
    },
    type_table=PolicyType,
)
PROMPT = Kind(
    "prompt",
    "authentik_stages_prompt.prompt",
    Prompt,
    "prompt_uuid",
    ("name",),
    {
        "name": NAME,
        "field_key": EntryField("field_key", check=values.check_not_empty),
        "label": EntryField("label", check=values.check_not_empty),
        "type": EntryField("type", check=values.build_choice_check(PROMPT_TYPES)),
        "required": EntryField("required", default=True, check=values.check_boolean),
        "placeholder": EntryField("placeholder", "", values.check_string),
        "initial_value": EntryField("initial_value", "", values.check_string),
        "order": EntryField("order", 0, values.check_integer),
        "sub_text": EntryField("sub_text", "", values.check_string),
        "placeholder_expression": EntryField(
            "placeholder_expression", default=False, check=values.check_boolean
        ),
        "initial_value_expression": EntryField(
            "initial_value_expression", default=False, check=values.check_boolean
        ),
    },
)
GROUP = Kind("group", "authentik_core.group", Group, "group_uuid", ("name",), {"name": NAME})
USER = Kind(
    "user",
    "authentik_core.user",
    User,
    "id",
    ("username",),
    {
        "username": EntryField("username", check=values.limit_length(values.check_not_empty, 150)),
        "name": EntryField("name", "", values.check_string),
    },
)
STAGE_BINDING = Kind(
    "stage binding",
    "authentik_flows.flowstagebinding",
    FlowStageBinding,
    "fsb_uuid",
    ("target_id", "stage_id", "order"),
    {
        "target": EntryField("target_id", targets=("flow",)),
        "stage": EntryField("stage_id", targets=("stage",)),
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
        MODE_COLUMN: MODE,
    },
    has_parent=True,
)
POLICY_BINDING = Kind(
    "policy binding",
    "authentik_policies.policybinding",
    PolicyBinding,
    "policy_binding_uuid",
    ("target_id", "policy_id", "order"),
    {
        "target": EntryField("target_id", targets=("flow", "stage binding")),
        "policy": EntryField("policy_id", None, targets=("policy",)),
        "group": EntryField("group_id", None, targets=("group",)),
        "user": EntryField("user_id", None, targets=("user",)),
        "order": EntryField("order", check=values.check_integer),
        "enabled": EntryField("enabled", default=True, check=values.check_boolean),
        "negate": EntryField("negate", default=False, check=values.check_boolean),
        "timeout": EntryField("timeout", 30, values.check_seconds),
        "failure_result": EntryField("failure_result", default=False, check=values.check_boolean),
    },
)
KINDS = {
    kind.name: kind
    for kind in (FLOW, STAGE, POLICY, PROMPT, GROUP, USER, STAGE_BINDING, POLICY_BINDING)
}
_BY_MODEL = {kind.model: kind for kind in KINDS.values()}


@lru_cache(maxsize=1024)
def find_kind(model: str) -> Kind | None:
    """Return the kind of a blueprint model in lower case, or None if FlowQL does not store it.

    The models of stages and policies include `authentik_flows.stage` and
    `authentik_policies.policy`, which only references use.
    """
    application, _, name = model.partition(".")
    if application.startswith("authentik_policies_") and name.endswith("policy"):
        return POLICY
    if application.startswith("authentik_") and name.endswith("stage") and name != "stage":
        return STAGE
    return _BY_MODEL.get(model)
