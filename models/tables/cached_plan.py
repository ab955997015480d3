"""Flow plans that authentik keeps in its cache."""

from datetime import datetime
from enum import Enum, auto

from sqlmodel import Field

from models.tables.columns import TEXT, TIMESTAMP, UNREAD, Table


class CacheEntry(Table, table=True):
    """Anything authentik caches; a flow's plans are the keys that start with its prefix."""

    __tablename__ = "django_postgres_cache_cacheentry"

    cache_key: str = Field(sa_type=TEXT, primary_key=True)
    value: str = Field(sa_type=TEXT, sa_column_kwargs=UNREAD)
    expires: datetime = Field(sa_type=TIMESTAMP, index=True, sa_column_kwargs=UNREAD)


class PlanKeys(Enum):
    """How the cache's keys that start alike can be found in a database."""

    ABSENT = auto()
    # They follow each other in the primary key's index, which compares bytes.
    IN_KEY_INDEX = auto()
    # They follow each other in an index of text_pattern_ops, whatever the collation.
    IN_PATTERN_INDEX = auto()
    # All keys have to be looked at.
    ANYWHERE = auto()


def plan_prefix(schema: str) -> str:
    """What the key of a plan starts with; the flow's primary key comes next."""
    return f"{schema}::1:goauthentik.io/flows/planner/"
