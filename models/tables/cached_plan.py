"""Flow plans that authentik keeps in its cache."""

from datetime import datetime
from enum import Enum, auto

from sqlmodel import Field

from models.tables.columns import TEXT, TIMESTAMP, UNREAD, Table


class CacheEntry(Table, table=True):
    """An entry of authentik's cache. The key of a flow plan starts with `plan_prefix`."""

    __tablename__ = "django_postgres_cache_cacheentry"

    cache_key: str = Field(sa_type=TEXT, primary_key=True)
    value: str = Field(sa_type=TEXT, sa_column_kwargs=UNREAD)
    expires: datetime = Field(sa_type=TIMESTAMP, index=True, sa_column_kwargs=UNREAD)


class PlanKeys(Enum):
    """The access path to the cache keys with a common prefix."""

    # The database has no cache table.
    ABSENT = auto()
    # A range scan of the primary key's index, which compares bytes.
    IN_KEY_INDEX = auto()
    # A range scan of a text_pattern_ops index, with any collation.
    IN_PATTERN_INDEX = auto()
    # A range scan of the primary key's index, which sorts as the database's language does.
    IN_LINGUISTIC_INDEX = auto()
    # A scan of the whole table.
    UNINDEXED = auto()


def plan_prefix(schema: str) -> str:
    """Return the prefix of the cache keys of flow plans. The flow's primary key follows it."""
    return f"{schema}::1:goauthentik.io/flows/planner/"
