"""A small content for tests of rights: a few flows with every kind of binding."""

from collections.abc import Iterable, Mapping, Sequence

from support.edge_case_data import identifier
from support.rights_tables import (
    CACHE_ENTRIES,
    FLOWS,
    GROUPS,
    POLICIES,
    POLICY_BINDINGS,
    POLICY_TYPES,
    STAGE_BINDINGS,
    STAGE_TYPES,
    STAGES,
    TARGETS,
    USERS,
    Row,
    Rows,
)

TIME = "2024-05-06 07:08:09.000000+00:00"
PLANNER = "public::1:goauthentik.io/flows/planner/"

# The flows by slug: name, designation and policy engine mode.
FLOW_VALUES: Mapping[str, tuple[str, str, str]] = {
    "login": ("Welcome!", "authentication", "any"),
    "enroll": ("Sign up", "enrollment", "all"),
    "recover": ("Recover", "recovery", "any"),
    "consent": ("Welcome!", "authorization", "all"),
    "guarded": ("Only policies", "authorization", "all"),
    "blank": ("Nothing bound", "invalidation", "any"),
}
# The types of stages and policies by name. None is unknown.
STAGE_MODELS: Mapping[str, str | None] = {
    "password": "authentik_stages_password.passwordstage",
    "code": "authentik_stages_authenticator_totp.authenticatortotpstage",
    "notice": None,
    "form": "authentik_stages_prompt.promptstage",
    "mail": "authentik_stages_email.emailstage",
    "agree": None,
    "unbound": "authentik_stages_deny.denystage",
}
POLICY_MODELS: Mapping[str, str | None] = {
    "on-flow": "authentik_policies_geoip.geoippolicy",
    "on-binding": "authentik_policies_dummy.dummypolicy",
    "on-both": None,
    "on-many": "authentik_policies_expression.expressionpolicy",
    "on-application": "authentik_policies_dummy.dummypolicy",
    "unbound": "authentik_policies_event_matcher.eventmatcherpolicy",
}
# Flow, stage and order. A stage is bound twice to a flow, and some orders are equal.
BOUND_STAGES = (
    ("login", "password", 10),
    ("login", "code", 20),
    ("login", "code", 30),
    ("login", "notice", 20),
    ("enroll", "form", 0),
    ("enroll", "password", 10),
    ("recover", "mail", 10),
    ("recover", "form", 10),
    ("consent", "agree", 0),
    ("consent", "notice", -10),
)
# FlowQL ignores what is bound to applications.
APPLICATION = "application"
# Target, subject, order, and the values that differ from the default. A target is a flow, the
# number of a stage binding, or the application.
BOUND_POLICIES: Sequence[tuple[str | int, str, int, Row]] = (
    ("login", "on-flow", 0, {}),
    ("login", "on-both", 10, {"negate": True}),
    ("login", "group staff", 10, {}),
    ("login", "user alice", 20, {"timeout": 0}),
    ("login", "on-flow", 30, {"enabled": False}),
    ("recover", "on-many", 10, {"failure_result": True}),
    ("recover", "group auditors", 10, {"negate": True}),
    ("guarded", "on-many", 10, {}),
    ("guarded", "on-both", 10, {}),
    ("guarded", "nothing", 10, {}),
    (0, "on-binding", 0, {}),
    (0, "group staff", 10, {}),
    (1, "on-both", 0, {}),
    (1, "user bob", 0, {"negate": True}),
    (2, "on-binding", 0, {"enabled": False}),
    (4, "on-both", 0, {}),
    (6, "on-many", 0, {}),
    (6, "user alice", 10, {"enabled": False}),
    (8, "on-many", 10, {"negate": True}),
    (8, "on-binding", 10, {}),
    (APPLICATION, "on-application", 0, {}),
    (APPLICATION, "on-flow", 10, {}),
)
CONTENT_GROUPS = ("staff", "auditors")
CONTENT_USERS = {"alice": 1, "bob": 2}
# The last value is unknown to the schema.
ACTIONS = ("retry", "restart", "restart_with_context", "skip")


def flow_pk(slug: str) -> str:
    """Return the primary key of a flow."""
    return identifier("rights flow", slug)


def stage_pk(name: str) -> str:
    """Return the primary key of a stage."""
    return identifier("rights stage", name)


def policy_pk(name: str) -> str:
    """Return the primary key of a policy."""
    return identifier("rights policy", name)


def target_pk(target: str | int) -> str:
    """Return the key of a policy target: a flow, a stage binding or the application."""
    return identifier("rights target", target)


def build_content() -> Rows:
    """Build the rows of the flows and of everything that is bound to them."""
    return {
        TARGETS: _build_targets(),
        FLOWS: [_build_flow(number, slug) for number, slug in enumerate(FLOW_VALUES)],
        STAGES: [{"stage_uuid": stage_pk(name), "name": name} for name in STAGE_MODELS],
        STAGE_TYPES: _build_types(STAGE_MODELS, map(stage_pk, STAGE_MODELS)),
        STAGE_BINDINGS: [_build_stage_binding(n, *row) for n, row in enumerate(BOUND_STAGES)],
        POLICIES: [_build_policy(number, name) for number, name in enumerate(POLICY_MODELS)],
        POLICY_TYPES: _build_types(POLICY_MODELS, map(policy_pk, POLICY_MODELS)),
        USERS: [build_user(number, name) for name, number in CONTENT_USERS.items()],
        GROUPS: [build_group(identifier("rights group", name), name) for name in CONTENT_GROUPS],
        POLICY_BINDINGS: [_build_policy_binding(n, *row) for n, row in enumerate(BOUND_POLICIES)],
        CACHE_ENTRIES: _build_cache_entries(),
    }


def build_user(number: int, name: str, type_: str = "internal") -> Row:
    """Build a user. The username differs from the name."""
    return {
        "id": number,
        "password": "!",
        "last_login": None,
        "username": f"{name}@example.com",
        "first_name": "",
        "last_name": "",
        "email": "",
        "is_active": True,
        "date_joined": TIME,
        "uuid": identifier("rights user", number),
        "name": name,
        "path": "users",
        "type": type_,
        "attributes": {},
        "password_change_date": TIME,
        "last_updated": TIME,
    }


def build_group(pk: str, name: str, *, is_superuser: bool = False) -> Row:
    """Build a group."""
    return {"group_uuid": pk, "name": name, "is_superuser": is_superuser, "attributes": {}}


def _build_targets() -> list[Row]:
    flows = {slug: mode for slug, (_, _, mode) in FLOW_VALUES.items()}
    bindings = {number: ("all", "any")[number % 2] for number in range(len(BOUND_STAGES))}
    modes: Mapping[str | int, str] = {**flows, **bindings, APPLICATION: "any"}
    return [
        {"pbm_uuid": target_pk(target), "policy_engine_mode": mode}
        for target, mode in modes.items()
    ]


def _build_flow(number: int, slug: str) -> Row:
    name, designation, _ = FLOW_VALUES[slug]
    return {
        "policybindingmodel_ptr_id": target_pk(slug),
        "flow_uuid": flow_pk(slug),
        "name": name,
        "slug": slug,
        "title": "" if number % 2 else f"{name} %(app)s",
        "layout": ("stacked", "content_left")[number % 2],
        "designation": designation,
        "background": ("https://example.com/back.png", "/static/back.svg")[number % 2],
        "compatibility_mode": number % 3 == 0,
        "denied_action": ("message_continue", "message", "continue")[number % 3],
        "authentication": ("none", "require_superuser")[number % 2],
    }


def _build_stage_binding(number: int, flow: str, stage: str, order: int) -> Row:
    return {
        "policybindingmodel_ptr_id": target_pk(number),
        "fsb_uuid": identifier("rights stage binding", number),
        "evaluate_on_plan": number % 2 == 0,
        "re_evaluate_policies": number % 3 == 0,
        "invalid_response_action": ACTIONS[number % len(ACTIONS)],
        "order": order,
        "stage_id": stage_pk(stage),
        "target_id": flow_pk(flow),
    }


def _build_policy(number: int, name: str) -> Row:
    return {
        "created": TIME,
        "last_updated": TIME,
        "policy_uuid": policy_pk(name),
        "name": name,
        "execution_logging": number % 2 == 0,
    }


def _build_policy_binding(
    number: int, target: str | int, subject: str, order: int, values: Row
) -> Row:
    kind, _, name = subject.rpartition(" ")
    return {
        "policy_binding_uuid": identifier("rights policy binding", number),
        "enabled": True,
        "negate": False,
        "timeout": 30 + number,
        "failure_result": False,
        "order": order,
        "expires": None,
        "expiring": False,
        "policy_id": policy_pk(name) if name in POLICY_MODELS else None,
        "group_id": identifier("rights group", name) if kind == "group" else None,
        "user_id": CONTENT_USERS[name] if kind == "user" else None,
        "target_id": target_pk(target),
        **values,
    }


def _build_types(models: Mapping[str, str | None], pks: Iterable[str]) -> list[Row]:
    pairs = zip(pks, models.values(), strict=True)
    return [{"ptr_id": pk, "model": model} for pk, model in pairs if model]


def _build_cache_entries() -> list[Row]:
    return [
        {"cache_key": f"{PLANNER}{flow_pk(slug)}#{plan}", "value": "", "expires": TIME}
        for number, slug in enumerate(FLOW_VALUES)
        for plan in range(number % 3)
    ]
