"""Create prompts and the settings of stages and policies, and reserve the users of tokens.

Before, the user of a token had its name, and a blueprint could bind a policy to it. It gets a
reserved username. Its policy bindings go to a new inactive user, which has the name.
"""

import secrets
import uuid
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TEXT: TypeEngine[str] = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
UUID: TypeEngine[str] = sa.CHAR(36).with_variant(postgresql.UUID(as_uuid=False), "postgresql")
JSON_OBJECT: TypeEngine[Any] = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
TYPE_TABLES = ("flowql_stagetype", "flowql_policytype")
RESERVED_PREFIX = "flowql token "

TOKEN = sa.table(
    "authentik_core_token",
    sa.column("token_uuid", UUID),
    sa.column("identifier", TEXT),
    sa.column("user_id", sa.Integer()),
)
USER = sa.table(
    "authentik_core_user",
    sa.column("id", sa.Integer()),
    sa.column("password", TEXT),
    sa.column("username", TEXT),
    sa.column("first_name", TEXT),
    sa.column("last_name", TEXT),
    sa.column("email", TEXT),
    sa.column("is_active", sa.Boolean()),
    sa.column("date_joined", sa.DateTime(timezone=True)),
    sa.column("uuid", UUID),
    sa.column("name", TEXT),
    sa.column("path", TEXT),
    sa.column("type", TEXT),
    sa.column("attributes", JSON_OBJECT),
    sa.column("password_change_date", sa.DateTime(timezone=True)),
    sa.column("last_updated", sa.DateTime(timezone=True)),
)
BINDING = sa.table("authentik_policies_policybinding", sa.column("user_id", sa.Integer()))


def upgrade() -> None:
    """Apply the migration."""
    for table in TYPE_TABLES:
        op.add_column(
            table,
            sa.Column("settings", JSON_OBJECT, nullable=False, server_default=sa.text("'{}'")),
        )
    op.create_table(
        "authentik_stages_prompt_prompt",
        sa.Column("prompt_uuid", UUID, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("field_key", TEXT, nullable=False),
        sa.Column("label", TEXT, nullable=False),
        sa.Column("type", TEXT, nullable=False),
        sa.Column("required", sa.Boolean(), nullable=False),
        sa.Column("placeholder", TEXT, nullable=False),
        sa.Column("initial_value", TEXT, nullable=False),
        sa.Column("order", sa.Integer(), nullable=False),
        sa.Column("sub_text", TEXT, nullable=False),
        sa.Column("placeholder_expression", sa.Boolean(), nullable=False),
        sa.Column("initial_value_expression", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("prompt_uuid"),
        sa.UniqueConstraint("name"),
    )
    for token_id, _, user_id in _list_tokens():
        _reserve_user(user_id, f"{RESERVED_PREFIX}{token_id}")
    _check_constraints()


def downgrade() -> None:
    """Revert the migration. Users, groups and their bindings stay; tokens need the usernames."""
    for _, name, user_id in _list_tokens():
        _release_user(user_id, name)
    _check_constraints()
    op.drop_table("authentik_stages_prompt_prompt")
    for table in TYPE_TABLES:
        op.drop_column(table, "settings")


def _list_tokens() -> list[tuple[str, str, int]]:
    """Return the key, the name and the user of each token; a user can have several."""
    statement = sa.select(TOKEN.c.token_uuid, TOKEN.c.identifier, TOKEN.c.user_id)
    rows = op.get_bind().execute(statement.order_by(TOKEN.c.token_uuid.desc())).all()
    return [tuple(row) for row in rows]


def _reserve_user(user_id: int, reserved: str) -> None:
    """Rename the user of a token, and move its policy bindings to a user with the old name."""
    connection = op.get_bind()
    is_user = USER.c.id == user_id
    username = connection.execute(sa.select(USER.c.username).where(is_user)).scalar_one()
    connection.execute(sa.update(USER).where(is_user).values(username=reserved))
    if _is_bound(user_id):
        _move_bindings(user_id, _create_user(username))


def _release_user(user_id: int, username: str) -> None:
    """Give the user of a token its name, and the bindings of the user that has it."""
    connection = op.get_bind()
    owner = sa.select(USER.c.id).where(USER.c.username == username, USER.c.id != user_id)
    owner_id = connection.execute(owner).scalar()
    if owner_id is not None:
        _move_bindings(owner_id, user_id)
        connection.execute(sa.delete(USER).where(USER.c.id == owner_id))
    connection.execute(sa.update(USER).where(USER.c.id == user_id).values(username=username))


def _is_bound(user_id: int) -> bool:
    statement = sa.select(BINDING.c.user_id).where(BINDING.c.user_id == user_id).limit(1)
    return op.get_bind().execute(statement).first() is not None


def _move_bindings(user_id: int, new_id: int) -> None:
    statement = sa.update(BINDING).where(BINDING.c.user_id == user_id).values(user_id=new_id)
    op.get_bind().execute(statement)


def _create_user(username: str) -> int:
    """Create an inactive user without rights, and return its ID."""
    now = datetime.now(UTC)
    texts = dict.fromkeys(("first_name", "last_name", "email"), "")
    times = dict.fromkeys(("date_joined", "password_change_date", "last_updated"), now)
    values: dict[str, Any] = {
        # Django's format of an unusable password.
        "password": f"!{secrets.token_urlsafe(30)}",
        "username": username,
        "is_active": False,
        "uuid": str(uuid.uuid4()),
        "name": username,
        "path": "users",
        "type": "internal",
        "attributes": {},
        **texts,
        **times,
    }
    insert = sa.insert(USER).values(values).returning(USER.c.id)
    return op.get_bind().execute(insert).scalar_one()


def _check_constraints() -> None:
    # PostgreSQL does not alter or drop a table whose deferred constraints are unchecked.
    if op.get_bind().dialect.name == "postgresql":
        op.execute("SET CONSTRAINTS ALL IMMEDIATE")
        op.execute("SET CONSTRAINTS ALL DEFERRED")
