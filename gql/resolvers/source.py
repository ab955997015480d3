"""The source of the data: where it is from, and how old it is."""

from datetime import datetime
from enum import Enum, auto
from typing import NamedTuple

from models.database import Session
from models.queries.source import SourceQuery, SourceRow
from models.tables.source import SyncSource


class SourceKind(Enum):
    """The kind of the source of the data."""

    AUTHENTIK_DATABASE = auto()
    AUTHENTIK_API = auto()
    BLUEPRINTS = auto()


class SourceData(NamedTuple):
    """The source of the data. `url` has no user information and no parameters."""

    kind: SourceKind
    url: str
    version: str | None = None
    synced_at: datetime | None = None


async def load_source(session: Session) -> SourceData:
    """Return the source of the data."""
    if not session.is_flowql:
        return SourceData(SourceKind.AUTHENTIK_DATABASE, session.url)
    row = await _read_row(session)
    if row is None or row.synced_at is None:
        return SourceData(SourceKind.BLUEPRINTS, session.url)
    return SourceData(SourceKind.AUTHENTIK_API, row.url, row.version, row.synced_at)


async def _read_row(session: Session) -> SourceRow | None:
    """Return the source of the last sync, None if there was none."""
    # Older versions of FlowQL do not create the table.
    if SyncSource.__tablename__ not in session.catalog.tables:
        return None
    rows = await session.read(SourceQuery())
    return SourceRow(*rows[0]) if rows else None
