"""Many hidden flows that use one stage and one policy, and viewers of other flows."""

from collections.abc import Iterator, Mapping, Sequence

from support.edge_case_data import identifier
from support.rights_content import build_user, flow_pk, policy_pk, stage_pk
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
    POLICY_BINDINGS,
    ROLES,
    STAGE_BINDINGS,
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
VISIBLE_FLOWS = [flow_pk(slug) for slug in ("login", "recover", "guarded")]
# The keys of the objects that a viewer has each permission for. None stands for all objects.
Grants = Mapping[str, Sequence[str] | None]


def _visible_keys(codename: str) -> Sequence[str]:
    if GRANTABLES[codename].keys == GRANTABLES["view_flow"].keys:
        return VISIBLE_FLOWS
    return [key for key in GRANTABLES[codename].keys if key not in HIDDEN]


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


def build_hidden_uses() -> Rows:
    """Build the content, the hidden flows and the viewers."""
    viewers = [_build_viewer(number, name) for number, name in enumerate(VIEWERS, 1)]
    return merge_rows(CONTENT, COMMON_ROWS, _build_hidden_flows(), *viewers)


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
        rows[TARGETS] += [
            {"pbm_uuid": key, "policy_engine_mode": "any"} for key in (target, binding_target)
        ]
        rows[FLOWS].append(
            {
                **flow,
                "policybindingmodel_ptr_id": target,
                "flow_uuid": pk,
                "slug": f"hidden-{number}",
            }
        )
        rows[STAGE_BINDINGS].append(
            {
                **stage_binding,
                "policybindingmodel_ptr_id": binding_target,
                "fsb_uuid": identifier("hidden stage binding", number),
                "stage_id": HIDDEN_STAGE,
                "target_id": pk,
            }
        )
        for key in (target, binding_target):
            rows[POLICY_BINDINGS].append(
                {
                    **policy_binding,
                    "policy_binding_uuid": identifier("hidden policy binding", key),
                    "policy_id": HIDDEN_POLICY,
                    "target_id": key,
                }
            )
    return rows


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
    for codename, keys in VIEWERS[name].items():
        grant = build_grant(REAL[codename], role)
        if keys is None:
            yield grant
        else:
            yield from ({**grant, "object_pk": key} for key in keys)


def _with_ids(number: int, grants: Sequence[Row]) -> Sequence[Row]:
    return [{"id": number * 1000 + index, **grant} for index, grant in enumerate(grants)]
