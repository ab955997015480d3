"""The tokens of FlowQL's own database."""

import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from sqlalchemy import Connection, Text, delete, select
from sqlalchemy import cast as sql_cast
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from sqlmodel import col

from models.database import Database
from models.errors import TokenError
from models.tables.access import (
    ContentType,
    Group,
    Permission,
    Role,
    RoleModelPermission,
    RoleObjectPermission,
    Token,
    User,
    UserGroup,
    UserRole,
)
from models.tables.flow import Flow

# As long as authentik's keys.
KEY_LENGTH = 60
ALPHABET = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
SUPERUSERS = "flowql superusers"
MAX_NAME = 150


@dataclass(frozen=True, slots=True)
class TokenScope:
    """The flows that a token can view: all without slugs. A superuser's token has no slugs."""

    is_superuser: bool = False
    flow_slugs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TokenSummary:
    """A token without its key, of which the database stores only a digest."""

    name: str
    expires: datetime | None
    is_superuser: bool
    can_view_all: bool
    flow_slugs: tuple[str, ...]


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
        raise TokenError(f"a token or user named {name!r} already exists") from None
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
        user = _build_user(name)
        session.add(user)
        session.flush()
        session.add(
            Token(
                token_uuid=str(uuid.uuid4()),
                identifier=name,
                key=stored_token_key,
                intent="api",
                description="",
                expires=expires,
                expiring=expires is not None,
                user_id=user.id or 0,
            )
        )
        if scope.is_superuser:
            group_id = _find_or_create_superuser_group(session)
            session.add(UserGroup(user_id=user.id or 0, group_id=group_id))
        else:
            _grant_view(session, user, scope.flow_slugs)
        session.flush()


def _build_user(name: str) -> User:
    now = datetime.now(UTC)
    return User(
        # Django's format of an unusable password.
        password=f"!{secrets.token_urlsafe(30)}",
        username=name,
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
        session.flush()
    return group.group_uuid


def _grant_view(session: Session, user: User, slugs: Sequence[str]) -> None:
    """Create a role for the user that can view the flows with these slugs, or all without slugs."""
    role = Role(uuid=str(uuid.uuid4()), name=_build_role_name(user.username))
    session.add(role)
    session.flush()
    session.add(UserRole(user_id=user.id or 0, role_id=role.uuid))
    content_type, permission = _select_view_permission(session)
    grant: dict[str, Any] = {
        "content_type_id": content_type,
        "permission_id": permission,
        "role_id": role.uuid,
    }
    if not slugs:
        session.add(RoleModelPermission(**grant))
    for slug in dict.fromkeys(slugs):
        pk = session.scalars(select(col(Flow.flow_uuid)).where(col(Flow.slug) == slug)).first()
        if pk is None:
            raise TokenError(f"unknown flow {slug!r}")
        session.add(RoleObjectPermission(object_pk=pk, **grant))


def _build_role_name(username: str) -> str:
    return f"flowql token {username}"


def _select_view_permission(session: Session) -> tuple[int, int]:
    """SELECT the content type of flows and the permission to view them, created by migrations."""
    row = session.execute(
        select(col(ContentType.id), col(Permission.id))
        .join_from(ContentType, Permission, col(Permission.content_type_id) == col(ContentType.id))
        .where(col(ContentType.app_label) == "authentik_flows", col(ContentType.model) == "flow")
        .where(col(Permission.codename) == "view_flow")
    ).one()
    return cast(int, row[0]), cast(int, row[1])


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
    superuser = (
        select(col(UserGroup.id))
        .join_from(UserGroup, Group, col(UserGroup.group_id) == col(Group.group_uuid))
        .where(col(UserGroup.user_id) == user.id, col(Group.is_superuser))
    )
    roles = select(col(UserRole.role_id)).where(col(UserRole.user_id) == user.id)
    every_flow = select(col(RoleModelPermission.id)).where(
        col(RoleModelPermission.role_id).in_(roles)
    )
    key = sql_cast(col(Flow.flow_uuid), Text)
    slugs = (
        select(col(Flow.slug))
        .join(RoleObjectPermission, col(RoleObjectPermission.object_pk) == key)
        .where(col(RoleObjectPermission.role_id).in_(roles))
        .order_by(col(Flow.slug))
    )
    return TokenSummary(
        token.identifier,
        token.expires,
        is_superuser=session.execute(superuser).first() is not None,
        can_view_all=session.execute(every_flow).first() is not None,
        flow_slugs=tuple(session.scalars(slugs)),
    )


def _revoke(connection: Connection, name: str) -> None:
    with Session(connection) as session:
        token = session.scalars(select(Token).where(col(Token.identifier) == name)).first()
        if token is None:
            raise TokenError(f"unknown token {name!r}")
        roles = select(col(Role.uuid)).where(col(Role.name) == _build_role_name(name))
        for statement in (
            delete(RoleModelPermission).where(col(RoleModelPermission.role_id).in_(roles)),
            delete(RoleObjectPermission).where(col(RoleObjectPermission.role_id).in_(roles)),
            delete(UserRole).where(col(UserRole.user_id) == token.user_id),
            delete(UserGroup).where(col(UserGroup.user_id) == token.user_id),
            delete(Role).where(col(Role.name) == _build_role_name(name)),
            delete(Token).where(col(Token.identifier) == name),
            delete(User).where(col(User.id) == token.user_id),
        ):
            session.execute(statement)
