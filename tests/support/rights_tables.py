"""Names and keys of the tables that tests of rights write."""

from collections.abc import Mapping, Sequence
from typing import Any

Row = dict[str, Any]
# Rows by the name of their table.
Rows = Mapping[str, Sequence[Row]]

TARGETS = "authentik_policies_policybindingmodel"
FLOWS = "authentik_flows_flow"
STAGES = "authentik_flows_stage"
STAGE_TYPES = "flowql_stagetype"
STAGE_BINDINGS = "authentik_flows_flowstagebinding"
POLICIES = "authentik_policies_policy"
POLICY_TYPES = "flowql_policytype"
POLICY_BINDINGS = "authentik_policies_policybinding"
CACHE_ENTRIES = "django_postgres_cache_cacheentry"
USERS = "authentik_core_user"
GROUPS = "authentik_core_group"
TOKENS = "authentik_core_token"
SCOPES = "flowql_tokenflow"
USER_GROUPS = "authentik_core_user_groups"
GROUP_PARENTS = "authentik_core_groupparentage"
ROLES = "authentik_rbac_role"
USER_ROLES = "authentik_core_user_roles"
GROUP_ROLES = "authentik_core_group_roles"
CONTENT_TYPES = "django_content_type"
PERMISSIONS = "auth_permission"
MODEL_GRANTS = "guardian_rolemodelpermission"
OBJECT_GRANTS = "guardian_roleobjectpermission"

# The primary keys.
KEYS: Mapping[str, tuple[str, ...]] = {
    TARGETS: ("pbm_uuid",),
    FLOWS: ("flow_uuid",),
    STAGES: ("stage_uuid",),
    STAGE_TYPES: ("ptr_id",),
    STAGE_BINDINGS: ("fsb_uuid",),
    POLICIES: ("policy_uuid",),
    POLICY_TYPES: ("ptr_id",),
    POLICY_BINDINGS: ("policy_binding_uuid",),
    CACHE_ENTRIES: ("cache_key",),
    USERS: ("id",),
    GROUPS: ("group_uuid",),
    TOKENS: ("token_uuid",),
    SCOPES: ("token_id", "flow_id"),
    USER_GROUPS: ("id",),
    GROUP_PARENTS: ("uuid",),
    ROLES: ("uuid",),
    USER_ROLES: ("id",),
    GROUP_ROLES: ("id",),
    CONTENT_TYPES: ("id",),
    PERMISSIONS: ("id",),
    MODEL_GRANTS: ("id",),
    OBJECT_GRANTS: ("id",),
}


def merge_rows(*parts: Rows) -> dict[str, list[Row]]:
    """Return the rows of all parts by table."""
    tables = dict.fromkeys(table for part in parts for table in part)
    return {table: [row for part in parts for row in part.get(table, ())] for table in tables}
