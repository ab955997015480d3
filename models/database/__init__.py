"""Access to FlowQL's own database and to authentik's."""

from models.database.database import (
    CONNECTION_ERRORS,
    READ_ONLY_MESSAGE,
    Database,
    list_grants,
    migrate,
    open_database,
)
from models.database.reads import Reads
from models.database.session import Session, SnapshotRequiredError
from models.database.slots import Caller
from models.database.versions import Version

__all__ = [
    "CONNECTION_ERRORS",
    "READ_ONLY_MESSAGE",
    "Caller",
    "Database",
    "Reads",
    "Session",
    "SnapshotRequiredError",
    "Version",
    "list_grants",
    "migrate",
    "open_database",
]
