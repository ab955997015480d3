"""The tables of access control: users, groups, roles, tokens and permissions."""

from datetime import datetime
from typing import Any

from sqlalchemy import Boolean, Integer, String, UniqueConstraint, column, table
from sqlmodel import Field

from models.tables.columns import (
    JSON_OBJECT,
    TEXT,
    TIMESTAMP,
    UNREAD,
    UUID,
    Table,
    foreign_key,
    serial_key,
)

# The usernames of the users of FlowQL's own tokens start with this.
RESERVED_PREFIX = "flowql token "
# The group of FlowQL's own tokens of superusers.
SUPERUSERS = "flowql superusers"


class User(Table, table=True):
    """A user, the owner of tokens."""

    __tablename__ = "authentik_core_user"

    id: int | None = serial_key()
    password: str = Field(sa_type=String(128), sa_column_kwargs=UNREAD)
    last_login: datetime | None = Field(
        sa_type=TIMESTAMP, default=None, nullable=True, sa_column_kwargs=UNREAD
    )
    username: str = Field(sa_type=String(150), unique=True)
    first_name: str = Field(sa_type=String(150), sa_column_kwargs=UNREAD)
    last_name: str = Field(sa_type=String(150), sa_column_kwargs=UNREAD)
    email: str = Field(sa_type=String(254), sa_column_kwargs=UNREAD)
    is_active: bool
    date_joined: datetime = Field(sa_type=TIMESTAMP, sa_column_kwargs=UNREAD)
    uuid: str = Field(sa_type=UUID, unique=True, sa_column_kwargs=UNREAD)
    name: str = Field(sa_type=TEXT)
    path: str = Field(sa_type=TEXT, sa_column_kwargs=UNREAD)
    type: str = Field(sa_type=TEXT)
    attributes: dict[str, Any] = Field(sa_type=JSON_OBJECT, sa_column_kwargs=UNREAD)
    password_change_date: datetime = Field(sa_type=TIMESTAMP, sa_column_kwargs=UNREAD)
    last_updated: datetime = Field(sa_type=TIMESTAMP, sa_column_kwargs=UNREAD)


class Group(Table, table=True):
    """A group of users with the same roles."""

    __tablename__ = "authentik_core_group"

    group_uuid: str = Field(sa_type=UUID, primary_key=True)
    name: str = Field(sa_type=TEXT, unique=True)
    is_superuser: bool
    attributes: dict[str, Any] = Field(sa_type=JSON_OBJECT, sa_column_kwargs=UNREAD)


class Token(Table, table=True):
    """An API token of a user."""

    __tablename__ = "authentik_core_token"

    token_uuid: str = Field(sa_type=UUID, primary_key=True)
    identifier: str = Field(sa_type=String(255), unique=True)
    key: str = Field(sa_type=TEXT, index=True)
    intent: str = Field(sa_type=TEXT)
    description: str = Field(sa_type=TEXT, sa_column_kwargs=UNREAD)
    expires: datetime | None = Field(sa_type=TIMESTAMP, default=None, nullable=True)
    expiring: bool
    managed: str | None = Field(
        sa_type=TEXT, default=None, nullable=True, unique=True, sa_column_kwargs=UNREAD
    )
    user_id: int = foreign_key("authentik_core_user.id", kind=Integer(), index=True)


# A view of the tokens whose intent is `api`. authentik's operator may create it, and grant SELECT on
# it instead of on the table.
API_TOKEN = table(
    "flowql_token",
    column("token_uuid", UUID),
    column("key", TEXT),
    column("expires", TIMESTAMP),
    column("expiring", Boolean),
    column("user_id", Integer),
)


class TokenFlow(Table, table=True):
    """A flow in the scope of a token of FlowQL's own database.

    A token with a scope gives access to these flows, and to everything below them.
    """

    __tablename__ = "flowql_tokenflow"

    token_id: str = foreign_key(
        "authentik_core_token.token_uuid", on_delete="CASCADE", primary_key=True
    )
    flow_id: str = foreign_key(
        "authentik_flows_flow.flow_uuid", on_delete="CASCADE", primary_key=True, index=True
    )


class UserGroup(Table, table=True):
    """The membership of a user in a group."""

    __tablename__ = "authentik_core_user_groups"
    __table_args__ = (UniqueConstraint("user_id", "group_id"),)

    id: int | None = serial_key()
    user_id: int = foreign_key("authentik_core_user.id", kind=Integer())
    group_id: str = foreign_key("authentik_core_group.group_uuid")


class GroupParentage(Table, table=True):
    """The parent of a group. A group inherits the roles of its parents."""

    __tablename__ = "authentik_core_groupparentage"

    uuid: str = Field(sa_type=UUID, primary_key=True)
    child_id: str = foreign_key("authentik_core_group.group_uuid", index=True)
    parent_id: str = foreign_key("authentik_core_group.group_uuid", index=True)


class Role(Table, table=True):
    """A set of permissions, assigned to users and groups."""

    __tablename__ = "authentik_rbac_role"

    uuid: str = Field(sa_type=UUID, primary_key=True)
    name: str = Field(sa_type=TEXT, unique=True)
    managed: str | None = Field(sa_type=TEXT, default=None, nullable=True, unique=True)


class UserRole(Table, table=True):
    """A role assigned directly to a user."""

    __tablename__ = "authentik_core_user_roles"
    __table_args__ = (UniqueConstraint("user_id", "role_id"),)

    id: int | None = serial_key()
    user_id: int = foreign_key("authentik_core_user.id", kind=Integer())
    role_id: str = foreign_key("authentik_rbac_role.uuid")


class GroupRole(Table, table=True):
    """A role assigned to a group."""

    __tablename__ = "authentik_core_group_roles"
    __table_args__ = (UniqueConstraint("group_id", "role_id"),)

    id: int | None = serial_key()
    group_id: str = foreign_key("authentik_core_group.group_uuid")
    role_id: str = foreign_key("authentik_rbac_role.uuid")


class ContentType(Table, table=True):
    """A Django model, by application and name: `authentik_flows`, `flow`."""

    __tablename__ = "django_content_type"
    __table_args__ = (UniqueConstraint("app_label", "model"),)

    id: int | None = serial_key()
    app_label: str = Field(sa_type=String(100))
    model: str = Field(sa_type=String(100))


class Permission(Table, table=True):
    """An action on a model: `view_flow`."""

    __tablename__ = "auth_permission"
    __table_args__ = (UniqueConstraint("content_type_id", "codename"),)

    id: int | None = serial_key()
    name: str = Field(sa_type=String(255))
    content_type_id: int = foreign_key("django_content_type.id", kind=Integer())
    codename: str = Field(sa_type=String(100))


class RoleModelPermission(Table, table=True):
    """A permission of a role for every object of a model."""

    __tablename__ = "guardian_rolemodelpermission"
    __table_args__ = (UniqueConstraint("role_id", "permission_id"),)

    id: int | None = serial_key()
    content_type_id: int = foreign_key("django_content_type.id", kind=Integer())
    permission_id: int = foreign_key("auth_permission.id", kind=Integer())
    role_id: str = foreign_key("authentik_rbac_role.uuid")


class RoleObjectPermission(Table, table=True):
    """A permission of a role for one object, identified by its primary key as a string."""

    __tablename__ = "guardian_roleobjectpermission"
    __table_args__ = (UniqueConstraint("role_id", "permission_id", "object_pk"),)

    id: int | None = serial_key()
    object_pk: str = Field(sa_type=String(255))
    content_type_id: int = foreign_key("django_content_type.id", kind=Integer())
    permission_id: int = foreign_key("auth_permission.id", kind=Integer())
    role_id: str = foreign_key("authentik_rbac_role.uuid")
