"""The system that FlowQL's own database mirrors."""

from datetime import datetime

from sqlalchemy import CheckConstraint
from sqlmodel import Field

from models.tables.columns import TEXT, TIMESTAMP, Table


class SyncSource(Table, table=True):
    """The authentik that the last sync read, and the result of the last rounds: at most one row.

    `url` has no user information, query or fragment. `failed_at` and `error` are null unless the
    last round failed; `error` is one line without hosts and secrets. `version` and `synced_at` are
    those of the last successful round.
    """

    __tablename__ = "flowql_source"
    __table_args__ = (CheckConstraint("id = 1", name="flowql_source_id_check"),)

    id: int = Field(default=1, primary_key=True, sa_column_kwargs={"autoincrement": False})
    url: str = Field(sa_type=TEXT)
    version: str | None = Field(default=None, sa_type=TEXT)
    synced_at: datetime | None = Field(default=None, sa_type=TIMESTAMP)
    failed_at: datetime | None = Field(default=None, sa_type=TIMESTAMP)
    error: str | None = Field(default=None, sa_type=TEXT)
