"""The script that alembic runs.

It runs on the connection in the configuration, or on the SQLite database of `-x database=URL`.
"""

from alembic import context
from sqlalchemy import Connection, create_engine

from models.tables.metadata import METADATA


def run(connection: Connection) -> None:
    """Run the migrations of the alembic command on the connection."""
    context.configure(connection=connection, target_metadata=METADATA, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()


connection: Connection | None = context.config.attributes.get("connection")
if connection is not None:
    run(connection)
else:
    url = context.get_x_argument(as_dictionary=True)["database"]
    with create_engine(url).begin() as connection:
        run(connection)
