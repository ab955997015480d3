# ruff: noqa: S608 - the statements consist of constants
"""Content that tests of reuse change: every value says which transaction wrote it.

A writer owns the rows of one component. It writes its transactions in order, and stores the number of
each in all rows that it changes: `A0000012` is of the 12th transaction of component A. The
transactions of the components `P` and `R` also insert and delete rows, by their numbers modulo the
number of phases.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from support.edge_case_data import (
    BELOW_FLOWS,
    CONTENT_TYPES,
    MODEL_PERMISSION,
    PERMISSIONS,
    PLANNER,
)
from support.edge_case_data import identifier as edge_case_identifier
from support.rights_content import TIME
from support.rights_tables import (
    CONTENT_TYPES as TYPE_TABLE,
)
from support.rights_tables import (
    FLOWS,
    GROUPS,
    MODEL_GRANTS,
    OBJECT_GRANTS,
    POLICIES,
    POLICY_BINDINGS,
    ROLES,
    SCOPES,
    STAGE_BINDINGS,
    STAGES,
    TARGETS,
    TOKENS,
    USER_GROUPS,
    USER_ROLES,
    USERS,
    Row,
)
from support.rights_tables import (
    PERMISSIONS as PERMISSION_TABLE,
)

FLOW_NUMBERS = range(7)
# Exists in some phases only.
TOGGLED_FLOW = 7
# A stage, a policy and two flows whose keys no other writer updates. PostgreSQL locks the row that a
# new foreign key refers to, which could be a deadlock.
OWN_STAGE, OWN_POLICY, OWN_FLOWS = 3, 3, (1, 6)
PHASES = 4
RIGHTS_PHASES = 3
# A number that is never committed.
ROLLED_BACK = 9_999_999

SUPERUSER, SOME, TOGGLED, LIMITED = range(1, 5)
BOUND_USER = 5
# Tokens by user. `toggled` loses its user and its rights in turn; `limited` has a scope in FlowQL's own
# database, and the role of a group in authentik's.
KEYS: Mapping[str, str] = {
    name: f"reuse-{name}" for name in ("superuser", "some", "toggled", "limited")
}

Script = Sequence[str]


def identifier(kind: str, name: object) -> str:
    """Return the UUID of a row by its kind and number, in 36 characters."""
    return edge_case_identifier(f"reuse {kind}", name)


def build_rows(*, has_scopes: bool) -> dict[str, list[Row]]:
    """Return the rows before the first transaction, without those of phases."""
    return {
        TARGETS: [_target(f"flow {n}") for n in FLOW_NUMBERS]
        + [_target(f"binding {n}") for n in FLOW_NUMBERS],
        FLOWS: [_flow(number) for number in FLOW_NUMBERS],
        STAGES: [{"stage_uuid": identifier("stage", n), "name": f"stage {n}"} for n in range(4)],
        STAGE_BINDINGS: [_stage_binding(number) for number in FLOW_NUMBERS],
        POLICIES: [_policy(number) for number in range(4)],
        USERS: [_user(number) for number in range(1, 6)],
        GROUPS: [_group("admins", is_superuser=True), _group("bound"), _group("readers")],
        POLICY_BINDINGS: _policy_bindings(),
        TOKENS: [_token(number, name) for number, name in enumerate(KEYS, 1)],
        USER_GROUPS: [
            {"id": 1, "user_id": SUPERUSER, "group_id": identifier("group", "admins")},
        ],
        ROLES: [
            {"uuid": identifier("role", name), "name": name, "managed": None}
            for name in ("some", "toggled", "limited")
        ],
        USER_ROLES: _user_roles(has_scopes=has_scopes),
        TYPE_TABLE: [
            {"id": number, "app_label": label, "model": model}
            for number, (label, model) in CONTENT_TYPES.items()
        ],
        PERMISSION_TABLE: [
            {"id": number, "name": "any", "content_type_id": type_, "codename": codename}
            for number, (type_, codename) in PERMISSIONS.items()
        ],
        MODEL_GRANTS: _model_grants(),
        OBJECT_GRANTS: [
            _object_grant(number, role, flow)
            for number, (role, flow) in enumerate(
                [("some", 0), ("some", 1), ("some", 5), ("toggled", 1), ("limited", 2)], 1
            )
        ],
    } | ({SCOPES: [_scope(0), _scope(6)]} if has_scopes else {})


def _target(name: str) -> Row:
    return {"pbm_uuid": identifier("target", name), "policy_engine_mode": "any"}


def _flow(number: int) -> Row:
    return {
        "policybindingmodel_ptr_id": identifier("target", f"flow {number}"),
        "flow_uuid": identifier("flow", number),
        "name": f"flow {number}",
        "slug": f"flow-{number}",
        "title": "",
        "layout": "stacked",
        "designation": ("authentication", "recovery")[number % 2],
        "background": "",
        "compatibility_mode": False,
        "denied_action": "message",
        "authentication": "none",
    }


def _stage_binding(number: int) -> Row:
    return {
        "policybindingmodel_ptr_id": identifier("target", f"binding {number}"),
        "fsb_uuid": identifier("binding", number),
        "evaluate_on_plan": True,
        "re_evaluate_policies": False,
        "invalid_response_action": "retry",
        "order": number,
        "stage_id": identifier("stage", number % 3),
        "target_id": identifier("flow", number),
    }


def _policy(number: int) -> Row:
    return {
        "created": TIME,
        "last_updated": TIME,
        "policy_uuid": identifier("policy", number),
        "name": f"policy {number}",
        "execution_logging": False,
    }


def _user(number: int) -> Row:
    return {
        "id": number,
        "password": "!",
        "last_login": None,
        "username": f"user {number}",
        "first_name": "",
        "last_name": "",
        "email": "",
        "is_active": True,
        "date_joined": TIME,
        "uuid": identifier("user", number),
        "name": f"user {number}",
        "path": "users",
        "type": "internal",
        "attributes": {},
        "password_change_date": TIME,
        "last_updated": TIME,
    }


def _group(name: str, *, is_superuser: bool = False) -> Row:
    return {
        "group_uuid": identifier("group", name),
        "name": name,
        "is_superuser": is_superuser,
        "attributes": {},
    }


def _policy_bindings() -> list[Row]:
    subjects: Sequence[tuple[int, Row]] = (
        (0, {"policy_id": identifier("policy", 0)}),
        (1, {"policy_id": identifier("policy", 1)}),
        (1, {"group_id": identifier("group", "bound")}),
        (1, {"user_id": BOUND_USER}),
        (4, {"policy_id": identifier("policy", 2)}),
    )
    return [_policy_binding(number, *subject) for number, subject in enumerate(subjects)]


def _policy_binding(number: int, flow: int, subject: Row) -> Row:
    row: Row = {
        "policy_binding_uuid": identifier("policy binding", number),
        "enabled": True,
        "negate": False,
        "timeout": 30,
        "failure_result": False,
        "order": number,
        "expires": None,
        "expiring": False,
        "policy_id": None,
        "group_id": None,
        "user_id": None,
        "target_id": identifier("target", f"flow {flow}"),
    }
    return row | subject


def _token(user: int, name: str) -> Row:
    return {
        "token_uuid": identifier("token", name),
        "identifier": name,
        "key": KEYS[name],
        "intent": "api",
        "description": "",
        "expires": None,
        "expiring": False,
        "managed": None,
        "user_id": user,
    }


def _user_roles(*, has_scopes: bool) -> list[Row]:
    users = [(SOME, "some"), (TOGGLED, "toggled")]
    users += [] if has_scopes else [(LIMITED, "limited")]
    return [
        {"id": number, "user_id": user, "role_id": identifier("role", role)}
        for number, (user, role) in enumerate(users, 1)
    ]


def _model_grants() -> list[Row]:
    granted = [(role, right) for role in ("some", "toggled", "limited") for right in BELOW_FLOWS]
    return [
        {
            "id": number,
            "content_type_id": PERMISSIONS[right][0],
            "permission_id": right,
            "role_id": identifier("role", role),
        }
        for number, (role, right) in enumerate(granted, 1)
    ]


def _object_grant(number: int, role: str, flow: int) -> Row:
    return {
        "id": number,
        "object_pk": identifier("flow", flow),
        "content_type_id": PERMISSIONS[MODEL_PERMISSION][0],
        "permission_id": MODEL_PERMISSION,
        "role_id": identifier("role", role),
    }


def _scope(flow: int) -> Row:
    return {
        "token_id": identifier("token", "limited"),
        "flow_id": identifier("flow", flow),
    }


# Transactions ------------------------------------------------------------------------------------


def mark(component: str, number: int) -> str:
    """Return the string that stands for a transaction in the data."""
    return f"{component}{number:07}"


def _write_first_flows(number: int) -> Script:
    return [_update_flows("A", number, (0, 1, 2))]


def _write_last_flows(number: int) -> Script:
    return [_update_flows("B", number, (3, 4, 5))]


def _update_flows(component: str, number: int, flows: Sequence[int]) -> str:
    """Rename flows; the slug of the last one changes as well."""
    value, last = mark(component, number), flows[-1]
    keys = _quote_all("flow", flows)
    return (
        f"UPDATE {FLOWS} SET name = '{value}', title = 'title {value}',"
        f" slug = CASE WHEN flow_uuid = '{identifier('flow', last)}' THEN 'flow-{last}-{value}'"
        f" ELSE slug END WHERE flow_uuid IN ({keys})"
    )


def _write_stages(number: int) -> Script:
    keys = _quote_all("stage", range(3))
    value = mark("C", number)
    return [
        f"UPDATE {STAGES} SET name = 'stage {value} ' || stage_uuid WHERE stage_uuid IN ({keys})"
    ]


def _write_policies(number: int) -> Script:
    value, keys = mark("D", number), _quote_all("policy", range(3))
    group = identifier("group", "bound")
    return [
        f"UPDATE {POLICIES} SET name = 'policy {value} ' || policy_uuid WHERE policy_uuid IN ({keys})",
        f"UPDATE {GROUPS} SET name = 'group {value}' WHERE group_uuid = '{group}'",
        f"UPDATE {USERS} SET name = 'user {value}' WHERE id = {BOUND_USER}",
    ]


def _write_phase(number: int, *, has_scopes: bool) -> Script:
    """Insert and delete flows, bindings, cached plans and grants of single flows."""
    phase = number % PHASES
    flow, title = identifier("flow", 6), f"title {mark('P', number)}"
    script = [
        f"UPDATE {FLOWS} SET title = '{title}' WHERE flow_uuid = '{flow}'",
        *_delete_phase(has_scopes=has_scopes),
    ]
    if phase & 1:
        script += _insert_bindings()
    if phase & 2:
        script += _insert_grants(has_scopes=has_scopes)
    return script


def _delete_phase(*, has_scopes: bool) -> Script:
    bindings = _quote_all("phase binding", OWN_FLOWS)
    policy_bindings = _quote_all("phase policy binding", OWN_FLOWS)
    flow, target = identifier("flow", TOGGLED_FLOW), identifier("target", f"flow {TOGGLED_FLOW}")
    targets = _quote_all("phase target", OWN_FLOWS)
    scope = f"DELETE FROM {SCOPES} WHERE flow_id = '{identifier('flow', 4)}'"
    return [
        f"DELETE FROM {POLICY_BINDINGS} WHERE policy_binding_uuid IN ({policy_bindings})",
        f"DELETE FROM {STAGE_BINDINGS} WHERE fsb_uuid IN ({bindings})",
        f"DELETE FROM {FLOWS} WHERE flow_uuid = '{flow}'",
        f"DELETE FROM {TARGETS} WHERE pbm_uuid IN ('{target}', {targets})",
        f"DELETE FROM {OBJECT_GRANTS} WHERE id > 100",
        "DELETE FROM django_postgres_cache_cacheentry",
        *([scope] if has_scopes else []),
    ]


def _insert_bindings() -> Script:
    rows: list[tuple[str, Row]] = [
        (TARGETS, _target(f"flow {TOGGLED_FLOW}")),
        (FLOWS, _flow(TOGGLED_FLOW)),
    ]
    for flow in OWN_FLOWS:
        target = identifier("phase target", flow)
        stage_binding = _stage_binding(flow) | {
            "policybindingmodel_ptr_id": target,
            "fsb_uuid": identifier("phase binding", flow),
            "order": 50,
            "stage_id": identifier("stage", OWN_STAGE),
        }
        policy_binding = _policy_binding(50, flow, {"policy_id": identifier("policy", OWN_POLICY)})
        policy_binding["policy_binding_uuid"] = identifier("phase policy binding", flow)
        rows += [
            (TARGETS, {"pbm_uuid": target, "policy_engine_mode": "all"}),
            (STAGE_BINDINGS, stage_binding),
            (POLICY_BINDINGS, policy_binding),
        ]
    return [_insert(table, row) for table, row in rows]


def _insert_grants(*, has_scopes: bool) -> Script:
    grants = [_object_grant(101 + n, role, 4) for n, role in enumerate(("some", "limited"))]
    plans: list[Row] = [
        {"cache_key": f"{PLANNER}{identifier('flow', flow)}#1", "value": "x", "expires": TIME}
        for flow in (0, 4, 6)
    ]
    scopes = [_insert(SCOPES, _scope(4))] if has_scopes else []
    return [
        *(_insert(OBJECT_GRANTS, row) for row in grants),
        *(_insert("django_postgres_cache_cacheentry", row) for row in plans),
        *scopes,
    ]


def _write_rights(number: int) -> Script:
    """Let the user of `toggled` see all flows, be inactive, and see some flows, in turn."""
    phase = number % RIGHTS_PHASES
    grant: Row = {
        "id": 1000,
        "content_type_id": PERMISSIONS[MODEL_PERMISSION][0],
        "permission_id": MODEL_PERMISSION,
        "role_id": identifier("role", "toggled"),
    }
    is_active = "true" if phase != 1 else "false"
    return [
        f"UPDATE {USERS} SET is_active = {is_active} WHERE id = {TOGGLED}",
        f"DELETE FROM {MODEL_GRANTS} WHERE id = 1000",
        *([_insert(MODEL_GRANTS, grant)] if phase == 0 else []),
    ]


def build_components(*, has_scopes: bool) -> Mapping[str, Callable[[int], Script]]:
    """Return the statements of a transaction by component and number."""
    return {
        "A": _write_first_flows,
        "B": _write_last_flows,
        "C": _write_stages,
        "D": _write_policies,
        "P": partial(_write_phase, has_scopes=has_scopes),
        "R": _write_rights,
    }


def _quote_all(kind: str, names: Sequence[int]) -> str:
    return ", ".join(f"'{identifier(kind, name)}'" for name in names)


def _insert(table: str, row: Row) -> str:
    columns = ", ".join(f'"{name}"' for name in row)
    values = ", ".join(map(_render, row.values()))
    return f"INSERT INTO {table} ({columns}) VALUES ({values})"


def _render(value: object) -> str:
    if isinstance(value, bool | int):
        return str(value).lower()
    return "NULL" if value is None else f"'{value}'"
