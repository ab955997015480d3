"""The migrations of FlowQL's own tables. authentik's database is never migrated."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection


def upgrade(connection: Connection) -> None:
    """Upgrade the tables to the newest version in the transaction of the connection."""
    config = _build_config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def find_head() -> str:
    """Return the newest version."""
    return ScriptDirectory.from_config(_build_config()).get_current_head() or ""


def find_revisions() -> set[str]:
    """Return all versions."""
    return {
        script.revision for script in ScriptDirectory.from_config(_build_config()).walk_revisions()
    }


def _build_config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return config
