"""Access to FlowQL's own database and to authentik's."""

from models.database.database import (
    CONNECTION_ERRORS,
    READ_ONLY_MESSAGE,
    Database,
    migrate,
    open_database,
)

__all__ = ["CONNECTION_ERRORS", "READ_ONLY_MESSAGE", "Database", "migrate", "open_database"]
