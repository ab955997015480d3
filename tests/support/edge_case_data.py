# ruff: noqa: RUF001 - this file contains ambiguous characters on purpose
"""Rows of edge cases that authentik's database can contain, the same in every run."""

import random
from collections.abc import Iterable
from datetime import UTC, datetime
from uuid import NAMESPACE_URL, uuid5

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

Row = dict[str, object]

FLOW_COUNT = 160
PAST = datetime(2021, 2, 3, 4, 5, 6, 789000, tzinfo=UTC)
FUTURE = datetime(2999, 12, 31, 23, 59, 59, tzinfo=UTC)

DESIGNATIONS = (
    "authentication",
    "authorization",
    "invalidation",
    "enrollment",
    "unenrollment",
    "recovery",
    "stage_configuration",
)
DENIED_ACTIONS = ("message_continue", "message", "continue")
LAYOUTS = (
    "stacked",
    "content_left",
    "content_right",
    "sidebar_left",
    "sidebar_right",
    "sidebar_left_frame_background",
    "sidebar_right_frame_background",
)
AUTHENTICATIONS = (
    "none",
    "require_authenticated",
    "require_unauthenticated",
    "require_superuser",
    "require_redirect",
    "require_outpost",
    "require_token",
)
ACTIONS = ("retry", "restart", "restart_with_context")

# Neighbors differ only in a property that an incorrect comparison or sort would ignore.
NAMES = (
    "Welcome to authentik!",
    "Logout",
    "logout",
    "LOGOUT",
    "über uns",
    "ÜBER UNS",
    "Straße",
    "STRASSE",
    "strasse",
    "GROẞE STRAẞE",
    "ıspanak",
    "İstanbul",
    "istanbul",
    "ISTANBUL",
    "Ὀδυσσεύς",
    "ΟΔΥΣΣΕΥΣ",
    "οδυσσεύσ",
    "Вход",
    "ВХОД",
    "вход",
    "ﬁne print",
    "fine print",
    "FINE PRINT",
    "Ǆ caps",
    "ǅ title",
    "ǆ small",
    "🚀 launch",
    "👩‍💻 at work",
    "cafe\u0301",
    "café",
    "CAFÉ",
    "it's",
    "O'Brien's \"flow\"",
    'say "hello world"',
    '"',
    "'",
    "100%",
    "100 percent",
    "%s and %(theme)s",
    "a_b",
    "axb",
    "a\\b",
    "a\\\\b",
    "\\",
    "_",
    "%",
    "one,two",
    "one, two",
    "one two",
    ",",
    "tab\there",
    "line\nbreak",
    "carriage\rreturn",
    " padded ",
    "padded",
    "no\u00a0break",
    "line\u2028separator",
    "<script>alert(1)</script>",
    "&amp; & <b>bold</b>",
    "'; DROP TABLE authentik_flows_flow; --",
    "日本語の名前",
    "שלום",
    "\u202eright to left",
    "\ufeffbyte order mark",
    "\u0001control\u001f",
    "ŉ apostrophe n",
    "µ micro",
    "μ mu",
    "\u212a kelvin",
    "k kelvin",
    "ſ long s",
    "ᾳ iota",
    "ᾼ iota",
    "𐐨 deseret",
    "𐐀 DESERET",
    "",
    "A",
    "a",
    "B",
    "b",
    "10",
    "9",
    "enrollment",
    "a message to all",
    "x" * 300,
)
TITLES = (
    "Welcome to authentik!",
    "Redirecting to %(app)s",
    "You've logged out of %(app)s.",
    "Willkommen, größer geht’s nicht",
    "Καλώς ήρθατε, φίλος",
    "Добро пожаловать",
    "<h1>Hello</h1>",
    'A "quoted phrase" inside',
    "It's a trap, isn't it?",
    "back\\slash and 50% off_now",
    "two\nlines",
    "ﬂag and ﬁsh",
    "İzmir ılık",
    "",
    "Update your info",
)
BACKGROUNDS = (
    "",
    "https://example.com/back ground.jpg?a=1&b=2",
    "http://example.com/%(theme)s/back.png",
    "/static/dist/assets/images/flow_background.jpg",
    "/static/custom-%(theme)s.svg",
    "flow-backgrounds/über.png",
    "flow-backgrounds/%(theme)s/%(theme)s.jpg",
    "httpdocs.png",
    "/media/public/absolute.png",
    "static/relative.png",
    "HTTPS://EXAMPLE.COM/upper.png",
    "50%.png",
    "%(theme)",
    "fa://fa-cube",
)
SLUGS = (
    "A-flow",
    "a-flow",
    "a_flow",
    "A_flow",
    "aflow",
    "Aflow",
    "AFLOW",
    "-",
    "--",
    "_",
    "__",
    "-a",
    "_a",
    "0",
    "00",
    "1-flow",
    "2-flow",
    "10-flow",
    "Z",
    "z",
    "Zz",
    "zZ",
    "export",
    "last",
    "instances",
    "default-authentication-flow",
    "default-invalidation-flow",
    "default-source-enrollment",
    "Default-Source-Enrollment",
    "default_source_enrollment",
    "unenrollment-message",
    "l" * 50,
    "m" * 200,
)
SLUG_STEMS = ("flow", "Flow", "FLOW", "flow_", "f", "9", "recovery", "uber", "Message")
STAGES = (
    "default-authentication-login",
    "Default-Authentication-Login",
    "change-your-password",
    "Stufe für Größe",
    "stage, with comma",
    "stage 'quoted' \"twice\"",
    "стадия",
    "100%_\\",
    "🪪",
    "line\nbreak",
    "a",
    "A",
    "",
    "never bound",
)
POLICIES = ("if-sso", "if-username", "Größe", "50%_\\", "it's", "", "🛂", "bound to no flow")

# Values that authentik's enums do not contain, by the number of the row.
UNKNOWN_ENUMS = {
    5: {"designation": "device_code", "denied_action": "redirect"},
    6: {"layout": "sidebar_top"},
    17: {"authentication": "require_passkey"},
    29: {"designation": "", "layout": "", "denied_action": "", "authentication": ""},
    41: {"designation": "Recovery"},
    53: {"denied_action": "MESSAGE"},
}
UNKNOWN_ENGINE_MODES = {11: "most", 29: "", 60: "none"}
UNKNOWN_ACTIONS = {2: "", 60: "Retry", 61: "skip", 150: "restart_later"}
# The content types by ID: application and model. One has the model of flows, but not their
# application.
CONTENT_TYPES = {
    7: ("authentik_flows", "flow"),
    8: ("authentik_flows", "flowstagebinding"),
    9: ("somebody_elses", "flow"),
    10: ("authentik_flows", "stage"),
    11: ("authentik_policies", "policybinding"),
    12: ("authentik_policies", "policy"),
    13: ("authentik_stages_prompt", "prompt"),
    14: ("authentik_stages_authenticator_validate", "authenticatorvalidatestage"),
}
# The last one, whose table has a name that Django shortens.
LONG_TYPE = "authentik_stages_authenticator_validate.authenticatorvalidatestage"
LONG_TABLE = "authentik_stages_authenticator_validate_authenticatorvalida499c"
# The permissions by ID: content type and codename. Three of them resemble the one to view flows.
MODEL_PERMISSION, CHANGE_PERMISSION, BINDING_PERMISSION, FOREIGN_PERMISSION = 21, 22, 23, 24
PERMISSIONS = {
    MODEL_PERMISSION: (7, "view_flow"),
    CHANGE_PERMISSION: (7, "change_flow"),
    BINDING_PERMISSION: (8, "view_flow"),
    FOREIGN_PERMISSION: (9, "view_flow"),
    25: (7, "export_flow"),
    26: (8, "view_flowstagebinding"),
    27: (10, "view_stage"),
    28: (11, "view_policybinding"),
    29: (12, "view_policy"),
    30: (13, "view_prompt"),
}
PERMISSION_IDS = {
    codename: permission
    for permission, (_, codename) in PERMISSIONS.items()
    if permission not in (BINDING_PERMISSION, FOREIGN_PERMISSION)
}
# The permissions that open everything below a visible flow.
BELOW_FLOWS = (25, 26, 27, 28, 29, 30)
PLANNER = "public::1:goauthentik.io/flows/planner/"


def identifier(kind: str, name: object) -> str:
    """Return the UUID of a row by its kind and its name or number, in 36 characters."""
    return str(uuid5(NAMESPACE_URL, f"https://flowql.invalid/{kind}/{name}"))


# The target of an application's policy bindings.
APPLICATION = identifier("application target", 0)
READING_GROUP = identifier("group", "readers")


def flow_uuid(number: int) -> str:
    """Return the UUID of a flow by its number, from 0."""
    return identifier("flow", number)


def _slug(number: int) -> str:
    if number < len(SLUGS):
        return SLUGS[number]
    return f"{SLUG_STEMS[number % len(SLUG_STEMS)]}-{number}"


def _flow(number: int) -> Row:
    row: Row = {
        "policybindingmodel_ptr_id": identifier("flow target", number),
        "flow_uuid": flow_uuid(number),
        "name": NAMES[number % len(NAMES)],
        "slug": _slug(number),
        "title": TITLES[number * 7 % len(TITLES)],
        "layout": LAYOUTS[number * 3 % len(LAYOUTS)],
        "designation": DESIGNATIONS[number * 5 % len(DESIGNATIONS)],
        "background": BACKGROUNDS[number * 5 % len(BACKGROUNDS)],
        "compatibility_mode": number % 4 == 1,
        "denied_action": DENIED_ACTIONS[number // 2 % len(DENIED_ACTIONS)],
        "authentication": AUTHENTICATIONS[number // 3 % len(AUTHENTICATIONS)],
    }
    return row | UNKNOWN_ENUMS.get(number, {})


def _engine_mode(number: int) -> str:
    return UNKNOWN_ENGINE_MODES.get(number, "all" if number % 3 == 0 else "any")


def _stages() -> list[Row]:
    return [{"stage_uuid": identifier("stage", name), "name": name} for name in STAGES]


def _stages_of(number: int, rng: random.Random) -> Iterable[tuple[str, int]]:
    """Return the distinct pairs of stage name and order of a flow's bindings."""
    bindable = STAGES[:-1]
    if number == 0:
        return [(name, order) for name in bindable for order in (30, -1, 30000)]
    if number == 1:
        # One stage is bound twice, and three of the orders are equal.
        return [(bindable[0], 10), (bindable[0], 20), (bindable[1], 10), (bindable[2], 10)]
    if number == 2:
        return [(bindable[3], 2147483647), (bindable[4], -2147483648), (bindable[5], 0)]
    count = (0, 1, 2, 3, 5)[number % 5]
    pairs = [(rng.choice(bindable), rng.choice((0, 0, 10, 20, 100))) for _ in range(count)]
    return dict.fromkeys(pairs)


def _stage_binding(number: int, flow: int, stage: str, order: int) -> Row:
    return {
        "policybindingmodel_ptr_id": identifier("stage binding target", number),
        "fsb_uuid": identifier("stage binding", number),
        "evaluate_on_plan": number % 3 == 0,
        "re_evaluate_policies": number % 5 != 0,
        "invalid_response_action": UNKNOWN_ACTIONS.get(number, ACTIONS[number % 3]),
        "order": order,
        "stage_id": identifier("stage", stage),
        "target_id": flow_uuid(flow),
    }


def _stage_bindings() -> list[Row]:
    rng = random.Random("stage bindings")
    bindings = [
        (flow, stage, order) for flow in range(FLOW_COUNT) for stage, order in _stages_of(flow, rng)
    ]
    return [_stage_binding(number, *binding) for number, binding in enumerate(bindings)]


def _policies() -> list[Row]:
    return [
        {
            "created": PAST,
            "last_updated": PAST,
            "policy_uuid": identifier("policy", name),
            "name": name,
            "execution_logging": number % 2 == 0,
        }
        for number, name in enumerate(POLICIES)
    ]


def _policy_binding(number: int, target: str, order: int, **subject: object) -> Row:
    return {
        "policy_binding_uuid": identifier("policy binding", number),
        "enabled": number % 4 != 0,
        "negate": number % 7 == 0,
        "timeout": 30 + number % 4,
        "failure_result": number % 3 == 0,
        "order": order,
        "expires": PAST if number % 5 == 0 else None,
        "expiring": number % 5 == 0,
        "policy_id": subject.get("policy_id"),
        "group_id": subject.get("group_id"),
        "user_id": subject.get("user_id"),
        "target_id": target,
    }


def _policies_of(number: int, rng: random.Random) -> Iterable[tuple[str, int]]:
    bindable = POLICIES[:-1]
    if number == 1:
        return [(name, order) for name in bindable for order in (5, 0)]
    count = (0, 2, 0, 1, 0, 0, 3)[number % 7]
    pairs = [(rng.choice(bindable), rng.choice((0, 0, 1, -5))) for _ in range(count)]
    return dict.fromkeys(pairs)


def _policy_bindings(stage_bindings: list[Row]) -> list[Row]:
    rng = random.Random("policy bindings")
    bindings: list[tuple[str, int, Row]] = []
    for flow in range(FLOW_COUNT):
        target = identifier("flow target", flow)
        for policy, order in _policies_of(flow, rng):
            bindings.append((target, order, {"policy_id": identifier("policy", policy)}))
        if flow % 6 == 0:
            bindings.append((target, 0, {"group_id": identifier("group", "authentik Admins")}))
        if flow % 9 == 0:
            bindings.append((target, 0, {"user_id": 1}))
    for number, binding in enumerate(stage_bindings[::4]):
        target = str(binding["policybindingmodel_ptr_id"])
        policy = POLICIES[number % (len(POLICIES) - 1)]
        bindings.append((target, number % 3, {"policy_id": identifier("policy", policy)}))
    # FlowQL ignores policies that are bound to applications.
    bindings.extend(
        (APPLICATION, 0, {"policy_id": identifier("policy", name)}) for name in POLICIES
    )
    for number, binding in enumerate(stage_bindings[50::9]):
        target = str(binding["policybindingmodel_ptr_id"])
        subject: Row = {"user_id": 2 + number % 3} if number % 2 else {"group_id": READING_GROUP}
        bindings.append((target, 1, subject))
    return [
        _policy_binding(number, target, order, **subject)
        for number, (target, order, subject) in enumerate(bindings)
    ]


def _policy_targets(stage_bindings: list[Row]) -> list[Row]:
    flow_targets: list[Row] = [
        {"pbm_uuid": identifier("flow target", number), "policy_engine_mode": _engine_mode(number)}
        for number in range(FLOW_COUNT)
    ]
    binding_targets: list[Row] = [
        {"pbm_uuid": row["policybindingmodel_ptr_id"], "policy_engine_mode": _engine_mode(number)}
        for number, row in enumerate(stage_bindings)
    ]
    application_target: Row = {"pbm_uuid": APPLICATION, "policy_engine_mode": "any"}
    return [*flow_targets, *binding_targets, application_target]


# Users by name: their type, their groups and their own roles.
USERS: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    "superuser": ("internal", ("authentik Admins",), ()),
    "superuser_by_ancestor": ("external", ("below below admins",), ()),
    "model_role": ("service_account", (), ("flow reader",)),
    "model_role_by_group": ("internal", ("readers", "plain"), ()),
    "model_role_by_ancestor": ("internal", ("below below readers",), ()),
    "object_role": ("internal", (), ("some flows", "more flows", "dangling")),
    "object_role_by_group": ("external", ("of few flows",), ()),
    "object_role_by_ancestor": ("external", ("cycle a",), ()),
    # A parent group of superusers and cyclic groups, none of which grants a permission.
    "none": ("internal", ("above admins", "plain", "cycle c", "its own parent"), ("no rights",)),
    "no_groups": ("external", (), ()),
    "dangling": ("internal", (), ("dangling",)),
    "wrong_permission": ("internal", (), ("wrong permission",)),
    "internal_service_account_none": ("internal_service_account", ("plain",), ()),
    "internal_service_account_object": ("internal_service_account", (), ("more flows",)),
    "internal_service_account_superuser": (
        "internal_service_account",
        ("authentik Admins",),
        (),
    ),
    "inactive": ("internal", ("authentik Admins",), ("flow reader",)),
}
# Tokens of the superuser, who sees everything, hence only the token itself can deny access.
SPECIAL_TOKENS: dict[str, Row] = {
    "expired": {"expires": PAST, "expiring": True},
    "past_not_expiring": {"expires": PAST, "expiring": False},
    "never_expires": {"expires": None, "expiring": True},
    "expires_later": {"expires": FUTURE, "expiring": True},
    "intent_app_password": {"intent": "app_password"},
    "intent_recovery": {"intent": "recovery"},
    "intent_verification": {"intent": "verification"},
}
GROUPS = {
    "authentik Admins": True,
    "below admins": False,
    "below below admins": False,
    "above admins": False,
    "readers": False,
    "below readers": False,
    "below below readers": False,
    "of few flows": False,
    "cycle a": False,
    "cycle b": False,
    "cycle c": False,
    "cycle d": False,
    "its own parent": False,
    "plain": False,
}
PARENTS = (
    ("below admins", "authentik Admins"),
    ("below below admins", "plain"),
    ("below below admins", "below admins"),
    ("authentik Admins", "above admins"),
    ("below readers", "readers"),
    ("below below readers", "below readers"),
    ("cycle a", "cycle b"),
    ("cycle b", "cycle a"),
    ("cycle b", "of few flows"),
    ("cycle c", "cycle d"),
    ("cycle d", "cycle c"),
    ("its own parent", "its own parent"),
)
ROLES = (
    "flow reader",
    "some flows",
    "more flows",
    "few flows",
    "dangling",
    "wrong permission",
    "no rights",
)
GROUP_ROLES = (("readers", "flow reader"), ("of few flows", "few flows"), ("plain", "no rights"))
VISIBLE_FLOWS_BY_ROLE: dict[str, tuple[int, ...]] = {
    "some flows": tuple(range(0, FLOW_COUNT, 6)),
    "more flows": (6, 7, 11, 20, 29, 41),
    "few flows": (1, 2, 12, 61, 97),
}

KEYS = {kind: f"key-of-{kind}" for kind in (*USERS, *SPECIAL_TOKENS)} | {"unknown": "key-of-nobody"}
# Tokens whose valid requests return 200 and at least one flow.
AUTHORIZED_KEYS = (
    "superuser",
    "superuser_by_ancestor",
    "model_role",
    "model_role_by_group",
    "model_role_by_ancestor",
    "object_role",
    "object_role_by_group",
    "object_role_by_ancestor",
    "internal_service_account_object",
    "internal_service_account_superuser",
    "past_not_expiring",
    "never_expires",
    "expires_later",
)


def _user(number: int, username: str, kind: str) -> Row:
    return {
        "id": number,
        "password": "!",
        "last_login": None if number % 2 else PAST,
        "username": username,
        "first_name": "",
        "last_name": "",
        "email": f"{username}@example.com",
        "is_active": username != "inactive",
        "date_joined": PAST,
        "uuid": identifier("user", username),
        "name": f"{username}, by name",
        "path": "users",
        "type": kind,
        "attributes": {},
        "password_change_date": PAST,
        "last_updated": PAST,
    }


def _token(name: str, user: str, **special: object) -> Row:
    token: Row = {
        "token_uuid": identifier("token", name),
        "identifier": f"token-{name}",
        "key": KEYS[name],
        "intent": "api",
        "description": "",
        "expires": PAST,
        "expiring": False,
        "managed": None,
        "user_id": _number(USERS, user),
    }
    return token | special


def _number(names: Iterable[str], name: str) -> int:
    return list(names).index(name) + 1


def _tokens() -> list[Row]:
    of_users = [_token(name, name) for name in USERS]
    return of_users + [
        _token(name, "superuser", **special) for name, special in SPECIAL_TOKENS.items()
    ]


def _groups() -> list[Row]:
    return [
        {
            "group_uuid": identifier("group", name),
            "name": name,
            "is_superuser": is_superuser,
            "attributes": {},
        }
        for name, is_superuser in GROUPS.items()
    ]


def _group_parents() -> list[Row]:
    return [
        {
            "uuid": identifier("parentage", f"{child}/{parent}"),
            "child_id": identifier("group", child),
            "parent_id": identifier("group", parent),
        }
        for child, parent in PARENTS
    ]


def _with_ids(rows: Iterable[Row]) -> list[Row]:
    return [{"id": number} | row for number, row in enumerate(rows, start=1)]


def _user_groups() -> list[Row]:
    return _with_ids(
        {"user_id": _number(USERS, user), "group_id": identifier("group", group)}
        for user, (_, groups, _) in USERS.items()
        for group in groups
    )


def _user_roles() -> list[Row]:
    return _with_ids(
        {"user_id": _number(USERS, user), "role_id": identifier("role", role)}
        for user, (_, _, roles) in USERS.items()
        for role in roles
    )


def _group_roles() -> list[Row]:
    return _with_ids(
        {"group_id": identifier("group", group), "role_id": identifier("role", role)}
        for group, role in GROUP_ROLES
    )


def _content_types() -> list[Row]:
    return [
        {"id": number, "app_label": app_label, "model": model}
        for number, (app_label, model) in CONTENT_TYPES.items()
    ]


def _permissions() -> list[Row]:
    return [
        {
            "id": permission,
            "name": "Can do something",
            "content_type_id": content_type,
            "codename": codename,
        }
        for permission, (content_type, codename) in PERMISSIONS.items()
    ]


def _model_permissions() -> list[Row]:
    granted = [("flow reader", MODEL_PERMISSION)]
    granted += [
        (role, permission)
        for role in ("flow reader", *VISIBLE_FLOWS_BY_ROLE)
        for permission in BELOW_FLOWS
    ]
    granted += [
        ("wrong permission", permission)
        for permission in (CHANGE_PERMISSION, BINDING_PERMISSION, FOREIGN_PERMISSION)
    ]
    return _with_ids(
        {
            "content_type_id": PERMISSIONS[permission][0],
            "permission_id": permission,
            "role_id": identifier("role", role),
        }
        for role, permission in granted
    )


def _object_permissions() -> list[Row]:
    granted = [
        (role, MODEL_PERMISSION, flow_uuid(number))
        for role, numbers in VISIBLE_FLOWS_BY_ROLE.items()
        for number in numbers
    ]
    granted.append(("dangling", MODEL_PERMISSION, flow_uuid(FLOW_COUNT + 1)))
    granted += [("wrong permission", CHANGE_PERMISSION, flow_uuid(n)) for n in range(9)]
    granted += [("wrong permission", BINDING_PERMISSION, flow_uuid(n)) for n in range(9, 15)]
    granted += [("wrong permission", FOREIGN_PERMISSION, flow_uuid(n)) for n in range(15, 20)]
    # A permission to change a flow does not include the permission to view it.
    granted += [("few flows", CHANGE_PERMISSION, flow_uuid(n)) for n in range(30, 35)]
    return _with_ids(
        {
            "object_pk": flow,
            "content_type_id": PERMISSIONS[permission][0],
            "permission_id": permission,
            "role_id": identifier("role", role),
        }
        for role, permission, flow in granted
    )


def _cache_keys() -> Iterable[str]:
    for number in range(0, FLOW_COUNT, 3):
        for user in range(number % 4 + 1):
            yield f"{PLANNER}{flow_uuid(number)}#{user}"
    # These keys count: any characters, or none, may follow the UUID.
    yield f"{PLANNER}{flow_uuid(4)}"
    yield f"{PLANNER}{flow_uuid(4)}-and-more#1"
    yield f"{PLANNER}{flow_uuid(4)}#ü%_\\"
    # These keys do not count.
    yield f"{PLANNER}{flow_uuid(4).upper()}#1"
    yield f"{PLANNER}{flow_uuid(4).replace('-', '')}#1"
    yield f"{PLANNER}{flow_uuid(4)[:-1]}#1"
    yield f"{PLANNER} {flow_uuid(4)}#1"
    yield f"{PLANNER}{flow_uuid(FLOW_COUNT + 1)}#1"
    for prefix in ("tenant::1:", "public::2:", "Public::1:", "publicx::1:", "x_public::1:", ""):
        yield f"{prefix}goauthentik.io/flows/planner/{flow_uuid(4)}#1"
    yield f"public::1:goauthentik_io/flows/planner/{flow_uuid(4)}#1"
    yield f"public::1:goauthentik.io/flows/planner{flow_uuid(4)}#1"
    yield f"public::1:goauthentik.io/flows/plannerx/{flow_uuid(4)}#1"
    yield f"public::1:goauthentik.io/policies/{flow_uuid(4)}#1"
    yield "public::1:unrelated"
    yield ""


def _cache_entries() -> list[Row]:
    return [
        {"cache_key": key, "value": "gASVAAAA", "expires": (FUTURE, PAST)[number % 2]}
        for number, key in enumerate(_cache_keys())
    ]


def _rows() -> dict[str, list[Row]]:
    stage_bindings = _stage_bindings()
    users = [_user(n, name, kind) for n, (name, (kind, _, _)) in enumerate(USERS.items(), 1)]
    roles: list[Row] = [
        {"uuid": identifier("role", name), "name": name, "managed": None} for name in ROLES
    ]
    return {
        "authentik_policies_policybindingmodel": _policy_targets(stage_bindings),
        "authentik_flows_flow": [_flow(number) for number in range(FLOW_COUNT)],
        "authentik_flows_stage": _stages(),
        "authentik_flows_flowstagebinding": stage_bindings,
        "authentik_policies_policy": _policies(),
        "authentik_core_user": users,
        "authentik_core_group": _groups(),
        "authentik_policies_policybinding": _policy_bindings(stage_bindings),
        "authentik_core_token": _tokens(),
        "authentik_core_user_groups": _user_groups(),
        "authentik_core_groupparentage": _group_parents(),
        "authentik_rbac_role": roles,
        "authentik_core_user_roles": _user_roles(),
        "authentik_core_group_roles": _group_roles(),
        "django_content_type": _content_types(),
        "auth_permission": _permissions(),
        "guardian_rolemodelpermission": _model_permissions(),
        "guardian_roleobjectpermission": _object_permissions(),
        "django_postgres_cache_cacheentry": _cache_entries(),
    }


ROWS = _rows()


def insert_postgres(dsn: str, schema: str = "public") -> None:
    """Insert all rows into the empty tables of a schema, referenced tables first."""
    with psycopg.connect(dsn) as connection, connection.cursor() as cursor:
        for table, rows in ROWS.items():
            cursor.executemany(_insert(schema, table, rows[0]), [_parameters(row) for row in rows])


def _insert(schema: str, table: str, row: Row) -> sql.Composed:
    return sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
        sql.Identifier(schema, table),
        sql.SQL(", ").join(map(sql.Identifier, row)),
        sql.SQL(", ").join(sql.Placeholder() * len(row)),
    )


def _parameters(row: Row) -> list[object]:
    return [Jsonb(value) if isinstance(value, dict) else value for value in row.values()]
