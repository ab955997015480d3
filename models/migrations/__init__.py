"""The migrations of FlowQL's own tables. authentik's database is never migrated.

Old processes go on reading while a newer FlowQL migrates, if the table `flowql_schema` contains one
of their versions. A migration that removes or changes what they read sets it to its own version.
"""

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from models.errors import DatabaseError

NEWER_MESSAGE = "the database schema was created by a newer FlowQL: upgrade FlowQL"


def upgrade(connection: Connection) -> bool:
    """Upgrade the tables in the transaction of the connection; return False if they are up to date.

    Raises DatabaseError if a newer FlowQL created them.
    """
    versions = set(MigrationContext.configure(connection).get_current_heads())
    if versions == {find_head()}:
        return False
    if not versions <= find_revisions():
        raise DatabaseError(NEWER_MESSAGE)
    config = _build_config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    return True


@cache
def find_head() -> str:
    """Return the newest version."""
    return ScriptDirectory.from_config(_build_config()).get_current_head() or ""


@cache
def find_revisions() -> frozenset[str]:
    """Return all versions."""
    scripts = ScriptDirectory.from_config(_build_config()).walk_revisions()
    return frozenset(script.revision for script in scripts)


def _build_config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return config
