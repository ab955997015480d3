"""The tokens of FlowQL's own database."""

import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Select, delete, exists, not_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from sqlmodel import col

from models.database import Database
from models.errors import TokenError
from models.queries.rights import Permission
from models.tables.access import (
    RESERVED_PREFIX,
    SUPERUSERS,
    ContentType,
    Group,
    Role,
    RoleModelPermission,
    RoleObjectPermission,
    Token,
    TokenFlow,
    User,
    UserGroup,
    UserRole,
)
from models.tables.access import Permission as PermissionRow
from models.tables.flow import Flow
from models.tables.policy import PolicyBinding

# As long as authentik's keys.
KEY_LENGTH = 60
ALPHABET = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
FLOWS_ONLY = (Permission.VIEW_FLOW,)
MAX_NAME = 150


@dataclass(frozen=True, slots=True)
class TokenScope:
    """The access of a token: at most one of these, or all flows with everything below them.

    `flow_slugs` are the flows that the token can access, with everything below them.
    `is_flows_only` is true for all flows without anything below them.
    """

    is_superuser: bool = False
    flow_slugs: tuple[str, ...] = ()
    is_flows_only: bool = False


@dataclass(frozen=True, slots=True)
class TokenSummary:
    """A token without its key, of which the database stores only a digest.

    `scope` is None if the token gives no access.
    """

    name: str
    created: datetime
    expires: datetime | None
    scope: TokenScope | None


async def create_token(
    database: Database, name: str, scope: TokenScope, expires: datetime | None
) -> str:
    """Create a token and return its key; raises TokenError.

    The database stores a digest of the key.
    """
    if not name.strip() or len(name) > MAX_NAME or "\0" in name:
        raise TokenError(
            f"invalid token name: expected 1 to {MAX_NAME} characters, none of them NUL"
        )
    key = "".join(secrets.choice(ALPHABET) for _ in range(KEY_LENGTH))
    try:
        async with database.transaction() as connection:
            await connection.run_sync(_create, name, database.stored_token_key(key), scope, expires)
    except IntegrityError:
        raise TokenError(f"a token named {name!r} already exists") from None
    return key


async def list_tokens(database: Database) -> Sequence[TokenSummary]:
    """Return the tokens with the intent API, ordered by name."""
    async with database.transaction() as connection:
        return await connection.run_sync(_list)


async def revoke_token(database: Database, name: str) -> None:
    """Delete a token and its user; raises TokenError."""
    async with database.transaction() as connection:
        await connection.run_sync(_revoke, name)


def _create(
    connection: Connection,
    name: str,
    stored_token_key: str,
    scope: TokenScope,
    expires: datetime | None,
) -> None:
    with Session(connection) as session:
        token_uuid = str(uuid.uuid4())
        user = _build_user(f"{RESERVED_PREFIX}{token_uuid}", name)
        session.add(user)
        session.flush()
        token = Token(
            token_uuid=token_uuid,
            identifier=name,
            key=stored_token_key,
            intent="api",
            description="",
            expires=expires,
            expiring=expires is not None,
            user_id=user.id or 0,
        )
        session.add(token)
        session.flush()
        if scope.is_superuser:
            group_id = _find_or_create_superuser_group(session)
            session.add(UserGroup(user_id=user.id or 0, group_id=group_id))
        elif scope.flow_slugs:
            _add_flows(session, token, scope.flow_slugs)
        else:
            permissions = FLOWS_ONLY if scope.is_flows_only else tuple(Permission)
            _grant(session, token, permissions)
        session.flush()


def _build_user(username: str, name: str) -> User:
    now = datetime.now(UTC)
    return User(
        # Django's format of an unusable password.
        password=f"!{secrets.token_urlsafe(30)}",
        username=username,
        first_name="",
        last_name="",
        email="",
        is_active=True,
        date_joined=now,
        uuid=str(uuid.uuid4()),
        name=name,
        path="users",
        type="service_account",
        attributes={},
        password_change_date=now,
        last_updated=now,
    )


def _find_or_create_superuser_group(session: Session) -> str:
    group = session.scalars(select(Group).where(col(Group.name) == SUPERUSERS)).first()
    if group is None:
        group = Group(
            group_uuid=str(uuid.uuid4()), name=SUPERUSERS, is_superuser=True, attributes={}
        )
        session.add(group)
    # A blueprint can have created the group, without superusers.
    group.is_superuser = True
    session.flush()
    return group.group_uuid


def _add_flows(session: Session, token: Token, slugs: Sequence[str]) -> None:
    """Limit the token to the flows with these slugs."""
    for slug in dict.fromkeys(slugs):
        pk = session.scalars(select(col(Flow.flow_uuid)).where(col(Flow.slug) == slug)).first()
        if pk is None:
            raise TokenError(f"unknown flow {slug!r}")
        session.add(TokenFlow(token_id=token.token_uuid, flow_id=pk))


def _grant(session: Session, token: Token, permissions: Sequence[Permission]) -> None:
    """Create a role for the token's user that has these permissions for all objects."""
    role = Role(uuid=str(uuid.uuid4()), name=_build_role_name(token.identifier))
    session.add(role)
    session.flush()
    session.add(UserRole(user_id=token.user_id, role_id=role.uuid))
    for permission in permissions:
        content_type_id, permission_id = _find_or_create_permission(session, permission)
        session.add(
            RoleModelPermission(
                content_type_id=content_type_id, permission_id=permission_id, role_id=role.uuid
            )
        )


def _build_role_name(name: str) -> str:
    return f"flowql token {name}"


def _find_or_create_permission(session: Session, permission: Permission) -> tuple[int, int]:
    """Return the IDs of the content type and of a permission, which migrations created.

    Rows of authentik can have replaced them, which do not contain FlowQL's own permission.
    """
    row = session.execute(_select_permission(permission)).first()
    if row:
        return row[0], row[1]
    app_label, model, codename = permission.value
    type_ = ContentType(app_label=app_label, model=model)
    session.add(type_)
    session.flush()
    stored = PermissionRow(
        name=f"Can {codename.replace('_', ' ')}", content_type_id=type_.id or 0, codename=codename
    )
    session.add(stored)
    session.flush()
    return type_.id or 0, stored.id or 0


def _select_permission(permission: Permission) -> Select[Any, Any]:
    """SELECT the content type and the ID of a permission."""
    app_label, model, codename = permission.value
    columns: tuple[Any, Any] = (col(ContentType.id), col(PermissionRow.id))
    return (
        select(*columns)
        .join_from(
            ContentType, PermissionRow, col(PermissionRow.content_type_id) == col(ContentType.id)
        )
        .where(col(ContentType.app_label) == app_label, col(ContentType.model) == model)
        .where(col(PermissionRow.codename) == codename)
    )


def _list(connection: Connection) -> Sequence[TokenSummary]:
    with Session(connection) as session:
        tokens = session.execute(
            select(Token, User)
            .join_from(Token, User, col(Token.user_id) == col(User.id))
            .where(col(Token.intent) == "api")
            .order_by(col(Token.identifier))
        ).all()
        return [_summarize(session, token, user) for token, user in tokens]


def _summarize(session: Session, token: Token, user: User) -> TokenSummary:
    scope = _read_scope(session, token, user)
    expires = token.expires if token.expiring else None
    # Each token has a user of its own, which is created with it.
    return TokenSummary(token.identifier, user.date_joined, expires, scope)


def _read_scope(session: Session, token: Token, user: User) -> TokenScope | None:
    superuser = (
        select(col(UserGroup.id))
        .join_from(UserGroup, Group, col(UserGroup.group_id) == col(Group.group_uuid))
        .where(col(UserGroup.user_id) == user.id, col(Group.is_superuser))
    )
    if session.execute(superuser).first():
        return TokenScope(is_superuser=True)
    slugs = session.scalars(
        select(col(Flow.slug))
        .join(TokenFlow, col(TokenFlow.flow_id) == col(Flow.flow_uuid))
        .where(col(TokenFlow.token_id) == token.token_uuid)
        .order_by(col(Flow.slug))
    ).all()
    if slugs:
        return TokenScope(flow_slugs=tuple(slugs))
    codenames = session.scalars(
        select(col(PermissionRow.codename))
        .join(RoleModelPermission, col(RoleModelPermission.permission_id) == col(PermissionRow.id))
        .join(UserRole, col(UserRole.role_id) == col(RoleModelPermission.role_id))
        .where(col(UserRole.user_id) == user.id)
    ).all()
    if Permission.VIEW_FLOW.codename not in codenames:
        return None
    return TokenScope(is_flows_only=len(codenames) == len(FLOWS_ONLY))


def _revoke(connection: Connection, name: str) -> None:
    with Session(connection) as session:
        token = session.scalars(select(Token).where(col(Token.identifier) == name)).first()
        if token is None:
            raise TokenError(f"unknown token {name!r}")
        roles = select(col(Role.uuid)).where(col(Role.name) == _build_role_name(name))
        bindings = select(PolicyBinding).where(col(PolicyBinding.user_id) == token.user_id)
        for statement in (
            delete(TokenFlow).where(col(TokenFlow.token_id) == token.token_uuid),
            delete(RoleModelPermission).where(col(RoleModelPermission.role_id).in_(roles)),
            delete(RoleObjectPermission).where(col(RoleObjectPermission.role_id).in_(roles)),
            delete(UserRole).where(col(UserRole.user_id) == token.user_id),
            delete(UserGroup).where(col(UserGroup.user_id) == token.user_id),
            delete(Role).where(col(Role.name) == _build_role_name(name)),
            delete(Token).where(col(Token.identifier) == name),
            # No blueprint can bind the user, but its bindings must not keep the token valid.
            delete(User).where(col(User.id) == token.user_id, not_(exists(bindings))),
        ):
            session.execute(statement)
