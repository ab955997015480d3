"""What alembic runs: on the connection it is handed, else on the SQLite that -x database= names."""

from alembic import context
from sqlalchemy import Connection, create_engine

from models.tables.metadata import METADATA


def run(connection: Connection) -> None:
    """Run the migrations that are asked for."""
    context.configure(connection=connection, target_metadata=METADATA, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()


handed: Connection | None = context.config.attributes.get("connection")
if handed is not None:
    run(handed)
else:
    with create_engine(context.get_x_argument(as_dictionary=True)["database"]).begin() as opened:
        run(opened)
