"""The viewer of a request: the rights of the user or the token that it authenticates with."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    CTE,
    ColumnElement,
    Select,
    Text,
    and_,
    bindparam,
    case,
    cast,
    exists,
    literal,
    not_,
    null,
    or_,
    select,
)
from sqlmodel import col

from models.queries.arrays import VALUE_COLUMN, ArrayAggregate
from models.queries.rights import (
    ALL_RIGHTS,
    ROLES,
    SCOPE_RIGHTS,
    TOKEN,
    Access,
    Permission,
    Rights,
    TextToUuid,
)
from models.queries.subselects import InSubquery
from models.tables.access import (
    API_TOKEN,
    RESERVED_PREFIX,
    ContentType,
    Group,
    GroupParentage,
    GroupRole,
    RoleModelPermission,
    RoleObjectPermission,
    Token,
    TokenFlow,
    User,
    UserGroup,
    UserRole,
)
from models.tables.access import Permission as PermissionRow
from models.tables.columns import TEXT, TIMESTAMP
from models.tables.flow import Flow
from models.tables.metadata import METADATA

# A user of this type without access gets an empty list instead of an error.
INTERNAL_SERVICE_ACCOUNT = "internal_service_account"
SEPARATOR = ":"
LAST_TIME = datetime(9999, 1, 1, tzinfo=UTC)
TOKEN_TABLE = METADATA.tables[Token.__tablename__]


@dataclass(frozen=True, slots=True)
class Viewer:
    """The authenticated viewer. A forbidden viewer gets an error for every request.

    `parameters` are the values that the conditions of `rights` need. `username` is for display: that
    of the user, or the name of the token if it has a user of its own. The token is invalid after
    `expires`. `access` is a digest of what the viewer may see, equal for viewers who see the same.
    """

    rights: Rights
    parameters: Mapping[str, Any]
    is_forbidden: bool = False
    username: str = ""
    expires: datetime | None = None
    access: bytes = b""

    @property
    def token(self) -> str:
        """The primary key of the token."""
        return self.parameters[TOKEN]

    @property
    def has_flows(self) -> bool:
        """False if the viewer may see no flow, and therefore nothing, since all is below flows."""
        return self.rights.view_flow is not Access.NONE


class ViewerRow(NamedTuple):
    """A row of ViewerByKey.

    The permissions, for all objects of a type and for single objects, are strings of codename, ID
    and content type. `has_granted_flow` is true if one of the existing flows is granted singly.
    `scope` are the flows in the scope of the token; without them, it has no scope.
    """

    token: str
    username: str
    user_type: str
    expires: datetime | None
    is_superuser: bool
    roles: Sequence[str]
    model_permissions: Sequence[str]
    object_permissions: Sequence[str]
    has_granted_flow: bool
    scope: Sequence[str] | None


def build_viewer(row: ViewerRow) -> Viewer:
    """Build the viewer of a row."""
    rights = _build_rights(row)
    parameters = {ROLES: row.roles, TOKEN: row.token, **_build_parameters(row.object_permissions)}
    is_forbidden = rights.view_flow is Access.NONE and row.user_type != INTERNAL_SERVICE_ACCOUNT
    access = _digest_access(rights, parameters, row.scope or ())
    return Viewer(rights, parameters, is_forbidden, row.username, row.expires, access)


def _digest_access(rights: Rights, parameters: Mapping[str, Any], scope: Iterable[str]) -> bytes:
    # Only permissions for some objects depend on the roles.
    has_grants = Access.SOME in rights
    grants = {name: value for name, value in parameters.items() if has_grants and name != TOKEN}
    roles = sorted(grants.pop(ROLES, None) or ())
    access = (rights, roles, sorted(grants.items()), sorted(scope))
    return hashlib.sha256(repr(access).encode()).digest()


def _build_rights(row: ViewerRow) -> Rights:
    if row.is_superuser:
        return ALL_RIGHTS
    if row.scope:
        return SCOPE_RIGHTS
    some = dict.fromkeys(_codenames(row.object_permissions), Access.SOME)
    if not row.has_granted_flow:
        # As in authentik, permissions for flows that do not exist do not count.
        some.pop(Permission.VIEW_FLOW.codename, None)
    return Rights(**some | dict.fromkeys(_codenames(row.model_permissions), Access.ALL))


def _codenames(permissions: Iterable[str]) -> Iterator[str]:
    return (permission.partition(SEPARATOR)[0] for permission in permissions)


def _build_parameters(permissions: Iterable[str]) -> dict[str, int]:
    """Return the IDs of each permission and of its content type by the names of parameters."""
    names = {permission.codename: permission.parameters for permission in Permission}
    parameters: dict[str, int] = {}
    for permission in permissions:
        codename, *ids = permission.split(SEPARATOR)
        parameters |= zip(names[codename], map(int, ids), strict=True)
    return parameters


@dataclass(frozen=True, slots=True)
class ViewerByKey:
    """SELECT the viewer of a valid token, at most one ViewerRow.

    Only FlowQL's own tokens have scopes. `reads_view` selects tokens from the view API_TOKEN.
    Parameters: `key`, the token key as stored, and `now`.
    """

    has_scopes: bool
    reads_view: bool

    def select(self) -> Select[*tuple[Any, ...]]:
        """Return the SELECT with the columns of ViewerRow."""
        viewer = self._select_token_user().cte("viewer")
        groups = _select_groups(select(viewer.c.user_id))
        roles = _select_roles(select(viewer.c.user_id), groups)
        superuser_groups = select(col(Group.group_uuid)).where(
            col(Group.group_uuid).in_(select(groups.c.group_id)), col(Group.is_superuser)
        )
        # exists() alone would render SELECT *, which needs SELECT on every column.
        is_superuser = exists(superuser_groups)
        rights: Sequence[ColumnElement[Any]] = (
            ArrayAggregate(select(cast(roles.c.role_id, Text).label(VALUE_COLUMN))),
            _select_permissions(RoleModelPermission, roles),
            _select_permissions(RoleObjectPermission, roles),
            exists(_select_granted_flows(roles)),
            _select_scope(viewer) if self.has_scopes else null(),
        )
        return select(
            cast(viewer.c.token_uuid, Text),
            viewer.c.username,
            viewer.c.type,
            viewer.c.expires,
            is_superuser,
            # A superuser needs none of these, and they take most of the time.
            *(case((not_(is_superuser), right)) for right in rights),
        )

    def _select_token_user(self) -> Select[*tuple[Any, ...]]:
        tokens = API_TOKEN if self.reads_view else TOKEN_TABLE
        username = _build_display_name() if self.has_scopes else col(User.username)
        # PostgreSQL has later times than Python.
        is_near = tokens.c.expires < literal(LAST_TIME, TIMESTAMP)
        is_valid = or_(
            not_(tokens.c.expiring),
            tokens.c.expires.is_(None),
            tokens.c.expires >= bindparam("now", type_=TIMESTAMP),
        )
        user = (
            select(
                tokens.c.token_uuid,
                tokens.c.user_id,
                username.label("username"),
                col(User.type),
                case((and_(tokens.c.expiring, is_near), tokens.c.expires)).label("expires"),
            )
            .join_from(tokens, User, tokens.c.user_id == col(User.id))
            .where(tokens.c.key == bindparam("key", type_=TEXT), is_valid, col(User.is_active))
            .order_by(tokens.c.token_uuid)
            .limit(1)
        )
        return user if self.reads_view else user.where(TOKEN_TABLE.c.intent == "api")


def _build_display_name() -> ColumnElement[str]:
    """Return the name of the token if its user has a reserved username, or else the username."""
    is_reserved = col(User.username).startswith(RESERVED_PREFIX)
    return case((is_reserved, TOKEN_TABLE.c.identifier), else_=col(User.username))


def _select_groups(user: Select[Any]) -> CTE:
    """Return the groups of a user and all their ancestors. UNION ends cycles of groups."""
    groups = (
        select(col(UserGroup.group_id))
        .where(col(UserGroup.user_id).in_(user))
        .cte("groups", recursive=True)
    )
    return groups.union(
        select(col(GroupParentage.parent_id)).where(
            col(GroupParentage.child_id) == groups.c.group_id
        )
    )


def _select_roles(user: Select[Any], groups: CTE) -> CTE:
    user_roles = select(col(UserRole.role_id)).where(col(UserRole.user_id).in_(user))
    group_roles = select(col(GroupRole.role_id)).where(
        col(GroupRole.group_id).in_(select(groups.c.group_id))
    )
    return user_roles.union(group_roles).cte("roles")


Grant = type[RoleModelPermission | RoleObjectPermission]


def _select_permissions(grant: Grant, roles: CTE) -> ColumnElement[Sequence[str]]:
    """SELECT the permissions that roles have by grants of one kind, with their IDs."""
    ids = (cast(col(PermissionRow.id), TEXT), cast(col(PermissionRow.content_type_id), TEXT))
    label = col(PermissionRow.codename) + literal(SEPARATOR) + ids[0] + literal(SEPARATOR) + ids[1]
    grants = select(col(grant.id)).where(_is_grant(grant, roles)).correlate_except(grant)
    return ArrayAggregate(
        select(label.label(VALUE_COLUMN))
        .join_from(PermissionRow, ContentType, _has_content_type())
        .where(or_(*map(_is_permission, Permission)), exists(grants))
    )


def _select_granted_flows(roles: CTE) -> Select[Any]:
    """SELECT the flows that roles may view by grants for single objects."""
    keys = (
        select(TextToUuid(col(RoleObjectPermission.object_pk)))
        .join_from(RoleObjectPermission, PermissionRow, _is_grant(RoleObjectPermission, roles))
        .join(ContentType, _has_content_type())
        .where(_is_permission(Permission.VIEW_FLOW))
    )
    return select(col(Flow.flow_uuid)).where(InSubquery(col(Flow.flow_uuid), keys))


def _is_grant(grant: Grant, roles: CTE) -> ColumnElement[bool]:
    """Return the condition that a row grants a permission to one of the roles."""
    return and_(
        col(grant.permission_id) == col(PermissionRow.id),
        col(grant.content_type_id) == col(PermissionRow.content_type_id),
        col(grant.role_id).in_(select(roles.c.role_id)),
    )


def _has_content_type() -> ColumnElement[bool]:
    return col(PermissionRow.content_type_id) == col(ContentType.id)


def _is_permission(permission: Permission) -> ColumnElement[bool]:
    app_label, model, codename = permission.value
    return and_(
        col(PermissionRow.codename) == codename,
        col(ContentType.app_label) == app_label,
        col(ContentType.model) == model,
    )


def _select_scope(viewer: CTE) -> ColumnElement[Sequence[str]]:
    """SELECT the flows in the scope of the viewer's token."""
    flow = cast(col(TokenFlow.flow_id), Text).label(VALUE_COLUMN)
    is_of_token = col(TokenFlow.token_id).in_(select(viewer.c.token_uuid))
    return ArrayAggregate(select(flow).where(is_of_token))
