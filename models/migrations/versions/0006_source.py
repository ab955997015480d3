"""Create the table that says which authentik the database mirrors, and how old its data is."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.types import TypeEngine

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

TEXT: TypeEngine[str] = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
TIMESTAMP: TypeEngine[Any] = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Apply the migration."""
    op.create_table(
        "flowql_source",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("url", TEXT, nullable=False),
        sa.Column("version", TEXT, nullable=True),
        sa.Column("synced_at", TIMESTAMP, nullable=True),
        sa.Column("failed_at", TIMESTAMP, nullable=True),
        sa.Column("error", TEXT, nullable=True),
        sa.CheckConstraint("id = 1", name="flowql_source_id_check"),
        sa.PrimaryKeyConstraint("id"),
    )


def downgrade() -> None:
    """Revert the migration."""
    op.drop_table("flowql_source")
