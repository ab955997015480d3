"""An independent implementation of the rights of a viewer, on rows.

It states which rows a viewer may see. It shares no code with FlowQL.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import NamedTuple

from support.rights_tables import (
    CONTENT_TYPES,
    FLOWS,
    GROUP_PARENTS,
    GROUP_ROLES,
    GROUPS,
    KEYS,
    MODEL_GRANTS,
    OBJECT_GRANTS,
    PERMISSIONS,
    POLICIES,
    POLICY_BINDINGS,
    SCOPES,
    STAGE_BINDINGS,
    STAGES,
    TOKENS,
    USER_GROUPS,
    USER_ROLES,
    USERS,
    Row,
    Rows,
)

# The content types of the permissions, as application and model.
CONTENT_TYPES_BY_CODENAME: Mapping[str, tuple[str, str]] = {
    "view_flow": ("authentik_flows", "flow"),
    "export_flow": ("authentik_flows", "flow"),
    "view_flowstagebinding": ("authentik_flows", "flowstagebinding"),
    "view_stage": ("authentik_flows", "stage"),
    "view_policybinding": ("authentik_policies", "policybinding"),
    "view_policy": ("authentik_policies", "policy"),
    "view_prompt": ("authentik_stages_prompt", "prompt"),
}
# An export requires these for all objects.
EXPORTED = (
    *("view_flow", "view_flowstagebinding", "view_stage", "view_policy", "view_policybinding"),
    "view_prompt",
)


class Access(Enum):
    """The objects that a viewer has a permission for."""

    ALL = "all"
    SOME = "some"
    NONE = "none"


class Holding(NamedTuple):
    """A permission as a viewer has it, with the keys of the objects if the access is SOME."""

    access: Access
    keys: Collection[str] = ()

    def includes(self, key: str) -> bool:
        """Return whether the viewer has the permission for an object."""
        return self.access is Access.ALL or (self.access is Access.SOME and key in self.keys)


@dataclass(frozen=True, slots=True)
class Rights:
    """The permissions of a viewer by codename, and whether the token has a scope."""

    user_type: str
    holdings: Mapping[str, Holding]
    has_scope: bool = False

    def access(self, codename: str) -> Access:
        """Return the access by a permission."""
        return self.holdings[codename].access

    def has_any(self, *codenames: str) -> bool:
        """Return whether the viewer has each permission for some object at least."""
        return all(self.access(codename) is not Access.NONE for codename in codenames)

    def has_all(self, *codenames: str) -> bool:
        """Return whether the viewer has each permission for all objects."""
        return all(self.access(codename) is Access.ALL for codename in codenames)

    def holds(self, codename: str, key: str) -> bool:
        """Return whether the viewer has a permission for an object."""
        return self.holdings[codename].includes(key)

    @property
    def is_forbidden(self) -> bool:
        """True if every request is forbidden."""
        return not self.has_any("view_flow") and self.user_type != "internal_service_account"

    @property
    def may_export(self) -> bool:
        """True if the viewer may export the flows for which the viewer has `export_flow`."""
        required = EXPORTED[1:] if self.has_scope else EXPORTED
        return self.has_all(*required)


def find_rights(rows: Rows, token_pk: str) -> Rights:
    """Return the rights of the bearer of a token."""
    token = _find(rows[TOKENS], "token_uuid", token_pk)
    user = _find(rows[USERS], "id", token["user_id"])
    groups = _find_groups(rows, user["id"])
    everything = dict.fromkeys(CONTENT_TYPES_BY_CODENAME, Holding(Access.ALL))
    if any(row["is_superuser"] for row in rows[GROUPS] if row["group_uuid"] in groups):
        return Rights(user["type"], everything)
    scope = {row["flow_id"] for row in rows[SCOPES] if row["token_id"] == token_pk}
    if scope:
        holdings = everything | {"view_flow": Holding(Access.SOME, scope)}
        return Rights(user["type"], holdings, has_scope=True)
    return Rights(user["type"], _find_holdings(rows, _find_roles(rows, user["id"], groups)))


def _find(rows: Iterable[Row], column: str, value: object) -> Row:
    return next(row for row in rows if row[column] == value)


def _find_groups(rows: Rows, user: int) -> set[str]:
    """Return the groups of a user and all their ancestors."""
    groups: set[str] = set()
    added = {row["group_id"] for row in rows[USER_GROUPS] if row["user_id"] == user}
    while added:
        groups |= added
        parents = {row["parent_id"] for row in rows[GROUP_PARENTS] if row["child_id"] in added}
        added = parents - groups
    return groups


def _find_roles(rows: Rows, user: int, groups: Collection[str]) -> set[str]:
    own = {row["role_id"] for row in rows[USER_ROLES] if row["user_id"] == user}
    return own | {row["role_id"] for row in rows[GROUP_ROLES] if row["group_id"] in groups}


def _find_holdings(rows: Rows, roles: Collection[str]) -> Mapping[str, Holding]:
    model_grants, object_grants = (
        [row for row in rows[table] if row["role_id"] in roles]
        for table in (MODEL_GRANTS, OBJECT_GRANTS)
    )
    flows = {row["flow_uuid"] for row in rows[FLOWS]}
    holdings: dict[str, Holding] = {}
    for codename in CONTENT_TYPES_BY_CODENAME:
        grant = _find_grant(rows, codename)
        keys = {row["object_pk"] for row in object_grants if _is_grant(row, grant)}
        if codename == "view_flow":
            keys &= flows
        is_global = any(_is_grant(row, grant) for row in model_grants)
        access = Access.ALL if is_global else Access.SOME if keys else Access.NONE
        holdings[codename] = Holding(access, keys)
    return holdings


def _find_grant(rows: Rows, codename: str) -> Row:
    """Return the columns that the grants of a permission have in common."""
    application, model = CONTENT_TYPES_BY_CODENAME[codename]
    models = (row for row in rows[CONTENT_TYPES] if row["app_label"] == application)
    content_type = _find(models, "model", model)["id"]
    permissions = (row for row in rows[PERMISSIONS] if row["content_type_id"] == content_type)
    permission = _find(permissions, "codename", codename)["id"]
    return {"content_type_id": content_type, "permission_id": permission}


def _is_grant(row: Row, grant: Row) -> bool:
    return all(row[column] == value for column, value in grant.items())


class View:
    """The rows that a viewer may see."""

    def __init__(self, rows: Rows, rights: Rights) -> None:
        self.rows = rows
        self.rights = rights

    @cached_property
    def flows(self) -> Sequence[Row]:
        """The visible flows, sorted by slug."""
        flows = (row for row in self.rows[FLOWS] if self.holds("view_flow", row["flow_uuid"]))
        return sorted(flows, key=lambda row: row["slug"])

    @cached_property
    def stage_bindings(self) -> Sequence[Row]:
        """The visible stage bindings, in order."""
        flows = {row["flow_uuid"] for row in self.flows}
        return [
            row
            for row in sort_bindings(self.rows[STAGE_BINDINGS], "fsb_uuid")
            if row["target_id"] in flows and self.holds("view_flowstagebinding", row["fsb_uuid"])
        ]

    @cached_property
    def policy_bindings(self) -> Sequence[Row]:
        """The visible policy bindings, in order."""
        targets = {row["policybindingmodel_ptr_id"] for row in (*self.flows, *self.stage_bindings)}
        return [
            row
            for row in sort_bindings(self.rows[POLICY_BINDINGS], "policy_binding_uuid")
            if row["target_id"] in targets
            and self.holds("view_policybinding", row["policy_binding_uuid"])
        ]

    @property
    def may_hide_bindings(self) -> bool:
        """True if stage bindings or policy bindings of a visible flow may be hidden."""
        return not self.rights.has_all("view_flowstagebinding", "view_policybinding")

    @property
    def may_hide_policy_bindings(self) -> bool:
        """True if policy bindings of a visible flow or stage binding may be hidden."""
        return not self.rights.has_all("view_policybinding")

    def holds(self, codename: str, key: str) -> bool:
        """Return whether the viewer has a permission for an object."""
        return self.rights.holds(codename, key)

    def find(self, table: str, key: object) -> Row:
        """Return the row of a table with a primary key."""
        return _find(self.rows[table], KEYS[table][0], key)

    def find_model(self, table: str, key: str) -> str | None:
        """Return the type of a stage or a policy, None if it is unknown."""
        return next((row["model"] for row in self.rows[table] if row["ptr_id"] == key), None)

    def find_flow(self, slug: str) -> Row | None:
        """Return the visible flow with a slug."""
        return next((row for row in self.flows if row["slug"] == slug), None)

    def list_stage_bindings(self, flow: Row) -> Sequence[Row]:
        """Return the visible stage bindings of a visible flow, in order."""
        return [row for row in self.stage_bindings if row["target_id"] == flow["flow_uuid"]]

    def list_policy_bindings(self, target: Row) -> Sequence[Row]:
        """Return the visible policy bindings of a visible flow or stage binding, in order."""
        key = target["policybindingmodel_ptr_id"]
        return [row for row in self.policy_bindings if row["target_id"] == key]

    def list_stage_keys(self, flow: Row) -> Sequence[str]:
        """Return the keys of all stages that are bound to a visible flow, in order."""
        bindings = sort_bindings(self.rows[STAGE_BINDINGS], "fsb_uuid")
        return [row["stage_id"] for row in bindings if row["target_id"] == flow["flow_uuid"]]

    def list_policy_keys(self, flow: Row) -> Sequence[str]:
        """Return the keys of all policies that are bound to a visible flow itself, in order."""
        bindings = sort_bindings(self.rows[POLICY_BINDINGS], "policy_binding_uuid")
        target = flow["policybindingmodel_ptr_id"]
        keys = (row["policy_id"] for row in bindings if row["target_id"] == target)
        return [key for key in keys if key]

    def list_flows_with_stage(self, stage: str) -> Sequence[Row]:
        """Return the visible flows that use a stage, sorted by slug."""
        return [flow for flow in self.flows if stage in self.list_stage_keys(flow)]

    def list_flows_with_policy(self, policy: str) -> Sequence[Row]:
        """Return the visible flows that use a policy, sorted by slug."""
        return [
            flow
            for flow in self.flows
            if policy in self.list_policy_keys(flow)
            or any(row["policy_id"] == policy for row in self._list_bindings_below(flow))
        ]

    def list_visible_stages(self, flow: Row) -> Sequence[Row]:
        """Return the stages of a visible flow that `where` can match."""
        keys = {row["stage_id"] for row in self.list_stage_bindings(flow)}
        return [row for row in self.stages if row["stage_uuid"] in keys]

    def list_visible_policies(self, flow: Row) -> Sequence[Row]:
        """Return the policies of a visible flow that `where` can match."""
        bindings = (*self.list_policy_bindings(flow), *self._list_bindings_below(flow))
        keys = {row["policy_id"] for row in bindings}
        return [row for row in self.policies if row["policy_uuid"] in keys]

    @cached_property
    def stages(self) -> Sequence[Row]:
        """The stages that the viewer has the permission for, whether or not they are used."""
        return [row for row in self.rows[STAGES] if self.holds("view_stage", row["stage_uuid"])]

    @cached_property
    def policies(self) -> Sequence[Row]:
        """The policies that the viewer has the permission for, whether or not they are used."""
        return [row for row in self.rows[POLICIES] if self.holds("view_policy", row["policy_uuid"])]

    def _list_bindings_below(self, flow: Row) -> Sequence[Row]:
        """Return the visible policy bindings on the visible stage bindings of a visible flow."""
        bindings = self.list_stage_bindings(flow)
        return [row for binding in bindings for row in self.list_policy_bindings(binding)]


def sort_bindings(rows: Iterable[Row], key: str) -> list[Row]:
    """Return bindings by their order, and by their primary key among equals."""
    return sorted(rows, key=lambda row: (row["order"], row[key]))
