"""SELECT the system that FlowQL's own database mirrors."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Select, select
from sqlmodel import col

from models.tables.source import SyncSource


class SourceRow(NamedTuple):
    """The row of SourceQuery. The times are those of the last successful and failed round."""

    url: str
    version: str | None
    synced_at: datetime | None
    failed_at: datetime | None
    error: str | None


@dataclass(frozen=True, slots=True)
class SourceQuery:
    """SELECT the source of the last sync, at most one SourceRow."""

    def select(self) -> Select[*tuple[Any, ...]]:
        """Return the SELECT with the columns of SourceRow."""
        return select(
            col(SyncSource.url),
            col(SyncSource.version),
            col(SyncSource.synced_at),
            col(SyncSource.failed_at),
            col(SyncSource.error),
        )
