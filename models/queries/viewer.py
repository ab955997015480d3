"""Who asks, and which flows they may see."""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
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

# The one kind of user that may see nothing and is told so with an empty list.
INTERNAL_SERVICE_ACCOUNT = "internal_service_account"


class FlowKey(FunctionElement[str]):
    """A text that may be a flow's primary key, as one; NULL or any text else, and no error."""

    type = UUID
    inherit_cache = True


@compiles(FlowKey, "sqlite")
def _text(element: FlowKey, compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(element.clauses, **options)


@compiles(FlowKey, "postgresql")
def _uuid(element: FlowKey, compiler: SQLCompiler, **options: Any) -> str:
    # As a uuid it finds a flow by the index; only a canonical text was ever equal to one.
    text = compiler.process(element.clauses, **options)
    has_dashes = f"{text} LIKE '________-____-____-____-____________'"
    is_else_hexadecimal = f"translate({text}, '0123456789abcdef', '') = '----'"
    return f"CASE WHEN {has_dashes} AND {is_else_hexadecimal} THEN CAST({text} AS uuid) END"


class FlowAccess(Enum):
    """How much of all flows somebody may see."""

    ALL = auto()
    SOME = auto()
    NONE = auto()


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who asks, and how much they may see; somebody who is refused may not even ask."""

    user_id: int
    access: FlowAccess
    is_forbidden: bool = False

    @property
    def is_restricted(self) -> bool:
        """Whether rights to single flows decide."""
        return self.access is FlowAccess.SOME


def build_viewer(row: Any) -> Viewer:
    """The viewer that a row of `by_key` tells of."""
    user_id, user_type, is_superuser, sees_all, sees_some = row
    if is_superuser or sees_all:
        return Viewer(user_id, FlowAccess.ALL)
    if sees_some:
        return Viewer(user_id, FlowAccess.SOME)
    return Viewer(user_id, FlowAccess.NONE, is_forbidden=user_type != INTERNAL_SERVICE_ACCOUNT)


@dataclass(frozen=True, slots=True)
class ViewerByKey:
    """The user that a stored `key` stands for `now`: at most one row for `viewer_of`."""

    def select(self) -> Select[int, str, bool, bool, bool]:
        """User, type, whether superuser, and whether the user may see all flows, or some."""
        reader = _reader().cte("reader")
        groups = _groups(select(reader.c.user_id))
        roles = _roles(select(reader.c.user_id), groups)
        superusers = select(col(Group.group_uuid)).where(
            col(Group.group_uuid).in_(select(groups.c.group_id)), col(Group.is_superuser)
        )
        some = select(col(Flow.flow_uuid)).where(
            InSubquery(col(Flow.flow_uuid), _granted_objects(roles))
        )
        # Not exists() alone: its SELECT * asks for a right to every column.
        return select(
            reader.c.user_id,
            reader.c.type,
            exists(superusers),
            exists(_granted_models(roles)),
            exists(some),
        )


def is_granted(user_id: ColumnElement[int]) -> ColumnElement[bool]:
    """The condition on `Flow` that a user may see it, by a right to this one."""
    user = select(user_id)
    return InSubquery(col(Flow.flow_uuid), _granted_objects(_roles(user, _groups(user))))


def _reader() -> Select[int, str]:
    lasts = or_(
        not_(col(Token.expiring)),
        col(Token.expires).is_(None),
        col(Token.expires) >= bindparam("now", type_=TIMESTAMP),
    )
    return (
        select(col(Token.user_id), col(User.type))
        .join_from(Token, User, col(Token.user_id) == col(User.id))
        .where(col(Token.key) == bindparam("key", type_=TEXT), lasts)
        .where(col(Token.intent) == "api", col(User.is_active))
        .order_by(col(Token.token_uuid))
        .limit(1)
    )


def _groups(user: Select[Any]) -> CTE:
    """The user's groups and all their ancestors; UNION ends where parentage goes in a circle."""
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


def _roles(user: Select[Any], groups: CTE) -> Select[Any]:
    own = select(col(UserRole.role_id)).where(col(UserRole.user_id).in_(user))
    shared = select(col(GroupRole.role_id)).where(
        col(GroupRole.group_id).in_(select(groups.c.group_id))
    )
    return select(own.union(shared).cte("roles").c.role_id)


def _granted_models(roles: Select[Any]) -> Select[Any]:
    return (
        select(col(RoleModelPermission.id))
        .join(Permission, col(RoleModelPermission.permission_id) == col(Permission.id))
        .join(ContentType, col(Permission.content_type_id) == col(ContentType.id))
        .where(_lets_view_flows(RoleModelPermission), col(RoleModelPermission.role_id).in_(roles))
    )


def _granted_objects(roles: Select[Any]) -> Select[Any]:
    return (
        select(FlowKey(col(RoleObjectPermission.object_pk)))
        .join(Permission, col(RoleObjectPermission.permission_id) == col(Permission.id))
        .join(ContentType, col(Permission.content_type_id) == col(ContentType.id))
        .where(_lets_view_flows(RoleObjectPermission), col(RoleObjectPermission.role_id).in_(roles))
    )


def _lets_view_flows(
    given: type[RoleModelPermission | RoleObjectPermission],
) -> ColumnElement[bool]:
    """What is given is the right to view, and both it and its permission are about flows."""
    return and_(
        col(given.content_type_id) == col(ContentType.id),
        col(Permission.codename) == "view_flow",
        col(ContentType.app_label) == "authentik_flows",
        col(ContentType.model) == "flow",
    )
