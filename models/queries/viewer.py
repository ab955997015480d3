"""The viewer, and the flows that the viewer may see."""

from dataclasses import dataclass
from enum import Enum, auto
from functools import cache
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    Integer,
    Select,
    and_,
    bindparam,
    exists,
    not_,
    or_,
    select,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlmodel import col

from models.queries.arrays import InSubquery
from models.tables.access import (
    ContentType,
    Group,
    GroupParentage,
    GroupRole,
    Permission,
    RoleModelPermission,
    RoleObjectPermission,
    Token,
    User,
    UserGroup,
    UserRole,
)
from models.tables.columns import TEXT, TIMESTAMP, UUID
from models.tables.flow import Flow

# A user of this type without access gets an empty list instead of an error.
INTERNAL_SERVICE_ACCOUNT = "internal_service_account"


class TextToUuid(FunctionElement[str]):
    """A string as a UUID; for an invalid UUID it is NULL in PostgreSQL, unchanged in SQLite."""

    type = UUID
    inherit_cache = True


@compiles(TextToUuid, "sqlite")
def _sqlite_text_to_uuid(element: TextToUuid, compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(element.clauses, **options)


@compiles(TextToUuid, "postgresql")
def _postgresql_text_to_uuid(element: TextToUuid, compiler: SQLCompiler, **options: Any) -> str:
    # A uuid can use the index of the flows. Only the canonical form matches a primary key.
    text = compiler.process(element.clauses, **options)
    has_dashes = f"{text} LIKE '________-____-____-____-____________'"
    is_hexadecimal = f"translate({text}, '0123456789abcdef', '') = '----'"
    return f"CASE WHEN {has_dashes} AND {is_hexadecimal} THEN CAST({text} AS uuid) END"


class FlowAccess(Enum):
    """The flows that a viewer may see: all, some or none."""

    ALL = auto()
    SOME = auto()
    NONE = auto()


@dataclass(frozen=True, slots=True)
class Viewer:
    """The authenticated user. A forbidden viewer gets an error for every request."""

    user_id: int
    access: FlowAccess
    is_forbidden: bool = False

    @property
    def is_restricted(self) -> bool:
        """True if the viewer may see only flows with an object permission."""
        return self.access is FlowAccess.SOME


def build_viewer(row: Any) -> Viewer:
    """Build the viewer of a row of ViewerByKey."""
    user_id, user_type, is_superuser, can_view_all, can_view_some = row
    if is_superuser or can_view_all:
        return Viewer(user_id, FlowAccess.ALL)
    if can_view_some:
        return Viewer(user_id, FlowAccess.SOME)
    return Viewer(user_id, FlowAccess.NONE, is_forbidden=user_type != INTERNAL_SERVICE_ACCOUNT)


@dataclass(frozen=True, slots=True)
class ViewerByKey:
    """SELECT the viewer of a valid token, at most one row for `build_viewer`.

    Parameters: `key`, the token key as stored, and `now`.
    """

    def select(self) -> Select[int, str, bool, bool, bool]:
        """Return (id, type, is superuser, may see all flows, may see some flows) of the user."""
        viewer = _select_token_user().cte("viewer")
        groups = _select_groups(select(viewer.c.user_id))
        roles = _select_roles(select(viewer.c.user_id), groups)
        superuser_groups = select(col(Group.group_uuid)).where(
            col(Group.group_uuid).in_(select(groups.c.group_id)), col(Group.is_superuser)
        )
        granted_flows = select(col(Flow.flow_uuid)).where(
            InSubquery(col(Flow.flow_uuid), _select_granted_objects(roles))
        )
        # exists() alone would render SELECT *, which needs SELECT on every column.
        return select(
            viewer.c.user_id,
            viewer.c.type,
            exists(superuser_groups),
            exists(_select_model_permissions(roles)),
            exists(granted_flows),
        )


@cache
def is_granted() -> ColumnElement[bool]:
    """Return the condition on `Flow` that the user `user_id` has the permission to view this flow.

    The result is cached, because a statement renders the same CTE object only once.
    """
    user = select(bindparam("user_id", type_=Integer))
    roles = _select_roles(user, _select_groups(user))
    return InSubquery(col(Flow.flow_uuid), _select_granted_objects(roles))


def _select_token_user() -> Select[int, str]:
    is_valid = or_(
        not_(col(Token.expiring)),
        col(Token.expires).is_(None),
        col(Token.expires) >= bindparam("now", type_=TIMESTAMP),
    )
    return (
        select(col(Token.user_id), col(User.type))
        .join_from(Token, User, col(Token.user_id) == col(User.id))
        .where(col(Token.key) == bindparam("key", type_=TEXT), is_valid)
        .where(col(Token.intent) == "api", col(User.is_active))
        .order_by(col(Token.token_uuid))
        .limit(1)
    )


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


def _select_roles(user: Select[Any], groups: CTE) -> Select[Any]:
    user_roles = select(col(UserRole.role_id)).where(col(UserRole.user_id).in_(user))
    group_roles = select(col(GroupRole.role_id)).where(
        col(GroupRole.group_id).in_(select(groups.c.group_id))
    )
    return select(user_roles.union(group_roles).cte("roles").c.role_id)


def _select_model_permissions(roles: Select[Any]) -> Select[Any]:
    return (
        select(col(RoleModelPermission.id))
        .join(Permission, col(RoleModelPermission.permission_id) == col(Permission.id))
        .join(ContentType, col(Permission.content_type_id) == col(ContentType.id))
        .where(_is_view_flow(RoleModelPermission), col(RoleModelPermission.role_id).in_(roles))
    )


def _select_granted_objects(roles: Select[Any]) -> Select[Any]:
    return (
        select(TextToUuid(col(RoleObjectPermission.object_pk)))
        .join(Permission, col(RoleObjectPermission.permission_id) == col(Permission.id))
        .join(ContentType, col(Permission.content_type_id) == col(ContentType.id))
        .where(_is_view_flow(RoleObjectPermission), col(RoleObjectPermission.role_id).in_(roles))
    )


def _is_view_flow(
    grant: type[RoleModelPermission | RoleObjectPermission],
) -> ColumnElement[bool]:
    """Return the condition that a grant is the permission `view_flow` on flows."""
    return and_(
        col(grant.content_type_id) == col(ContentType.id),
        col(Permission.codename) == "view_flow",
        col(ContentType.app_label) == "authentik_flows",
        col(ContentType.model) == "flow",
    )
