"""Many hidden flows, stages, policies and bindings, and viewers of other objects."""

from collections.abc import Iterator, Mapping, Sequence

from support.edge_case_data import identifier
from support.rights_content import (
    POLICY_MODELS,
    STAGE_MODELS,
    build_user,
    flow_pk,
    policy_pk,
    stage_pk,
)
from support.rights_data import (
    CODENAMES,
    COMMON_ROWS,
    CONTENT,
    GRANTABLES,
    REAL,
    RIGHTS_TABLES,
    build_grant,
    build_token,
)
from support.rights_tables import (
    FLOWS,
    MODEL_GRANTS,
    OBJECT_GRANTS,
    POLICIES,
    POLICY_BINDINGS,
    POLICY_TYPES,
    ROLES,
    STAGE_BINDINGS,
    STAGE_TYPES,
    STAGES,
    TARGETS,
    TOKENS,
    USER_ROLES,
    USERS,
    Row,
    Rows,
    merge_rows,
)

HIDDEN_FLOWS = 300
HIDDEN_SLUG = "hidden-0"
# Only hidden flows use these.
HIDDEN_STAGE = stage_pk("unbound")
HIDDEN_POLICY = policy_pk("unbound")
HIDDEN = {HIDDEN_STAGE, HIDDEN_POLICY}
# Hidden flows use these, each by one binding. The names start with HIDDEN_NAME.
HIDDEN_NAME = "hidden-"
HIDDEN_TYPES = {STAGES: STAGE_MODELS["unbound"], POLICIES: POLICY_MODELS["unbound"]}
# Only hidden bindings of stages use this.
BOUND_POLICY = identifier("hidden uses", "bound policy")
HIDDEN_STAGE_BINDING = identifier("hidden stage binding", 0)
HIDDEN_POLICY_BINDING = identifier("hidden policy binding", identifier("hidden target", 0))
HIDDEN_FLOW = identifier("hidden flow", 0)
VISIBLE_FLOWS = [flow_pk(slug) for slug in ("login", "recover", "guarded")]
# The keys of the objects that a viewer has each permission for. None stands for all objects.
Grants = Mapping[str, Sequence[str] | None]


def _visible_keys(codename: str) -> Sequence[str]:
    if GRANTABLES[codename].keys == GRANTABLES["view_flow"].keys:
        return VISIBLE_FLOWS
    return [key for key in GRANTABLES[codename].keys if key not in HIDDEN]


def _grant_all_except(*codenames: str) -> Grants:
    """Grant the other permissions for all objects, and these for the visible ones."""
    return dict.fromkeys(CODENAMES) | {name: _visible_keys(name) for name in codenames}


FLOW_GRANTS: Grants = {"view_flow": VISIBLE_FLOWS}
# The viewers of some flows, by the name of their token.
VIEWERS: Mapping[str, Grants] = {
    # Grants for single objects, not for the hidden stage and policy.
    "objects": {codename: _visible_keys(codename) for codename in CODENAMES},
    # The same with the hidden stage and policy.
    "hidden objects": {codename: GRANTABLES[codename].keys for codename in CODENAMES} | FLOW_GRANTS,
    # Grants for all objects below the flows.
    "types": dict.fromkeys(CODENAMES) | FLOW_GRANTS,
}
# Grants for all objects except bindings.
BINDING_VIEWERS: Mapping[str, Grants] = {
    "policy bindings": _grant_all_except("view_policybinding"),
    "stage bindings": _grant_all_except("view_flowstagebinding"),
    "bindings": _grant_all_except("view_policybinding", "view_flowstagebinding"),
}
# Grants for all flows and bindings, but for single stages and policies.
COMPONENT_VIEWERS: Mapping[str, Grants] = {
    "components": _grant_all_except("view_stage", "view_policy")
}
ALL_VIEWERS = {**VIEWERS, **BINDING_VIEWERS, **COMPONENT_VIEWERS}


def build_hidden_uses() -> Rows:
    """Build the content, the hidden flows and the viewers."""
    viewers = [_build_viewer(number, name) for number, name in enumerate(ALL_VIEWERS, 1)]
    return merge_rows(
        CONTENT, COMMON_ROWS, _build_hidden_flows(), _build_hidden_components(), *viewers
    )


def _build_hidden_flows() -> Rows:
    flow, stage_binding, policy_binding = (
        CONTENT[table][0] for table in (FLOWS, STAGE_BINDINGS, POLICY_BINDINGS)
    )
    rows: dict[str, list[Row]] = {
        TARGETS: [],
        FLOWS: [],
        STAGE_BINDINGS: [],
        POLICY_BINDINGS: [],
    }
    for number in range(HIDDEN_FLOWS):
        target, pk = (identifier(f"hidden {kind}", number) for kind in ("target", "flow"))
        binding_target = identifier("hidden binding target", number)
        unbound_target = identifier("hidden unbound target", number)
        rows[TARGETS] += [
            {"pbm_uuid": key, "policy_engine_mode": "any"}
            for key in (target, binding_target, unbound_target)
        ]
        rows[FLOWS].append(
            {
                **flow,
                "policybindingmodel_ptr_id": target,
                "flow_uuid": pk,
                "slug": f"hidden-{number}",
            }
        )
        rows[STAGE_BINDINGS] += [
            {
                **stage_binding,
                "policybindingmodel_ptr_id": key,
                "fsb_uuid": identifier("hidden stage binding", name),
                "stage_id": stage,
                "target_id": pk,
            }
            for key, name, stage in (
                (binding_target, number, HIDDEN_STAGE),
                (unbound_target, f"second {number}", identifier(STAGES, number)),
            )
        ]
        for policy, key in (
            (HIDDEN_POLICY, target),
            (HIDDEN_POLICY, binding_target),
            (BOUND_POLICY, binding_target),
            (identifier(POLICIES, number), target),
        ):
            name = key if policy == HIDDEN_POLICY else f"{policy} {key}"
            rows[POLICY_BINDINGS].append(
                {
                    **policy_binding,
                    "policy_binding_uuid": identifier("hidden policy binding", name),
                    "policy_id": policy,
                    "target_id": key,
                }
            )
    return rows


def _build_hidden_components() -> Rows:
    stage, policy = (CONTENT[table][0] for table in (STAGES, POLICIES))
    stages, policies = (
        {identifier(table, number): f"{HIDDEN_NAME}{number}" for number in range(HIDDEN_FLOWS)}
        for table in (STAGES, POLICIES)
    )
    policies[BOUND_POLICY] = "bound"
    return {
        **dict.fromkeys(RIGHTS_TABLES, ()),
        STAGES: [{**stage, "stage_uuid": key, "name": name} for key, name in stages.items()],
        POLICIES: [{**policy, "policy_uuid": key, "name": name} for key, name in policies.items()],
        STAGE_TYPES: [{"ptr_id": key, "model": HIDDEN_TYPES[STAGES]} for key in stages],
        POLICY_TYPES: [{"ptr_id": key, "model": HIDDEN_TYPES[POLICIES]} for key in policies],
    }


def _build_viewer(number: int, name: str) -> Rows:
    """Build a user with a token and one role. The name is also the key of the token."""
    user, role = number + len(CONTENT[USERS]), identifier("viewer role", name)
    grants = list(_build_grants(name, role))
    return {
        **dict.fromkeys(RIGHTS_TABLES, ()),
        USERS: [build_user(user, name)],
        TOKENS: [build_token(identifier("viewer token", name), name, user)],
        ROLES: [{"uuid": role, "name": name, "managed": None}],
        USER_ROLES: [{"id": number, "user_id": user, "role_id": role}],
        MODEL_GRANTS: _with_ids(number, [row for row in grants if "object_pk" not in row]),
        OBJECT_GRANTS: _with_ids(number, [row for row in grants if "object_pk" in row]),
    }


def _build_grants(name: str, role: str) -> Iterator[Row]:
    for codename, keys in ALL_VIEWERS[name].items():
        grant = build_grant(REAL[codename], role)
        if keys is None:
            yield grant
        else:
            yield from ({**grant, "object_pk": key} for key in keys)


def _with_ids(number: int, grants: Sequence[Row]) -> Sequence[Row]:
    return [{"id": number * 1000 + index, **grant} for index, grant in enumerate(grants)]
