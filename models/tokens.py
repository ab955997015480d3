"""Tokens of FlowQL's own database: created, listed, revoked."""

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

# As much entropy as authentik's own keys have.
KEY_LENGTH = 60
ALPHABET = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
SUPERUSERS = "flowql superusers"
MAX_NAME = 150


@dataclass(frozen=True, slots=True)
class TokenScope:
    """What a token lets its bearer see: every flow, as a superuser or not, or some."""

    superuser: bool = False
    flow_slugs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TokenSummary:
    """A token without its key, which nobody knows any more."""

    name: str
    expires: datetime | None
    is_superuser: bool
    sees_all: bool
    flow_slugs: tuple[str, ...]


async def create_token(
    database: Database, name: str, rights: TokenScope, expires: datetime | None
) -> str:
    """Create a token and give its key, which is stored as a digest alone; raises TokenError."""
    if not name.strip() or len(name) > MAX_NAME or "\0" in name:
        raise TokenError(f"a token's name has 1 to {MAX_NAME} characters")
    key = "".join(secrets.choice(ALPHABET) for _ in range(KEY_LENGTH))
    try:
        async with database.transaction() as connection:
            await connection.run_sync(
                _create, name, database.stored_token_key(key), rights, expires
            )
    except IntegrityError:
        raise TokenError(f"there is a token or a user called {name!r} already") from None
    return key


async def list_tokens(database: Database) -> Sequence[TokenSummary]:
    """All tokens that open the API, by name."""
    async with database.transaction() as connection:
        return await connection.run_sync(_list)


async def revoke_token(database: Database, name: str) -> None:
    """Delete a token, and the user that stood behind it; raises TokenError."""
    async with database.transaction() as connection:
        await connection.run_sync(_revoke, name)


def _create(
    connection: Connection, name: str, stored: str, rights: TokenScope, expires: datetime | None
) -> None:
    with Session(connection) as session:
        user = _user(name)
        session.add(user)
        session.flush()
        session.add(
            Token(
                token_uuid=str(uuid.uuid4()),
                identifier=name,
                key=stored,
                intent="api",
                description="",
                expires=expires,
                expiring=expires is not None,
                user_id=user.id or 0,
            )
        )
        if rights.superuser:
            session.add(UserGroup(user_id=user.id or 0, group_id=_superusers(session)))
        else:
            _grant(session, user, rights.flow_slugs)
        session.flush()


def _user(name: str) -> User:
    now = datetime.now(UTC)
    return User(
        # Django's mark of a password that never matches.
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


def _superusers(session: Session) -> str:
    """The group that makes its members superusers."""
    group = session.scalars(select(Group).where(col(Group.name) == SUPERUSERS)).first()
    if group is None:
        group = Group(
            group_uuid=str(uuid.uuid4()), name=SUPERUSERS, is_superuser=True, attributes={}
        )
        session.add(group)
        session.flush()
    return group.group_uuid


def _grant(session: Session, user: User, slugs: Sequence[str]) -> None:
    """Give the user a role of its own, which may view these flows, or all where none is named."""
    role = Role(uuid=str(uuid.uuid4()), name=_role_name(user.username))
    session.add(role)
    session.flush()
    session.add(UserRole(user_id=user.id or 0, role_id=role.uuid))
    content_type, permission = _view_flow(session)
    given: dict[str, Any] = {
        "content_type_id": content_type,
        "permission_id": permission,
        "role_id": role.uuid,
    }
    if not slugs:
        session.add(RoleModelPermission(**given))
    for slug in dict.fromkeys(slugs):
        pk = session.scalars(select(col(Flow.flow_uuid)).where(col(Flow.slug) == slug)).first()
        if pk is None:
            raise TokenError(f"there is no flow {slug!r}")
        session.add(RoleObjectPermission(object_pk=pk, **given))


def _role_name(username: str) -> str:
    return f"flowql token {username}"


def _view_flow(session: Session) -> tuple[int, int]:
    """The content type of flows, and the permission to view them; migrations made both."""
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
        return [_summary(session, token, user) for token, user in tokens]


def _summary(session: Session, token: Token, user: User) -> TokenSummary:
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
        sees_all=session.execute(every_flow).first() is not None,
        flow_slugs=tuple(session.scalars(slugs)),
    )


def _revoke(connection: Connection, name: str) -> None:
    with Session(connection) as session:
        token = session.scalars(select(Token).where(col(Token.identifier) == name)).first()
        if token is None:
            raise TokenError(f"there is no token {name!r}")
        roles = select(col(Role.uuid)).where(col(Role.name) == _role_name(name))
        for statement in (
            delete(RoleModelPermission).where(col(RoleModelPermission.role_id).in_(roles)),
            delete(RoleObjectPermission).where(col(RoleObjectPermission.role_id).in_(roles)),
            delete(UserRole).where(col(UserRole.user_id) == token.user_id),
            delete(UserGroup).where(col(UserGroup.user_id) == token.user_id),
            delete(Role).where(col(Role.name) == _role_name(name)),
            delete(Token).where(col(Token.identifier) == name),
            delete(User).where(col(User.id) == token.user_id),
        ):
            session.execute(statement)
