"""Flow plans that authentik keeps in its cache."""

from datetime import datetime

from sqlmodel import Field

from models.columns import TEXT, TIMESTAMP, UNREAD, Table


class CacheEntry(Table, table=True):
    """Anything authentik caches; a flow's plans are the keys that start with its prefix."""

    __tablename__ = "django_postgres_cache_cacheentry"

    cache_key: str = Field(sa_type=TEXT, primary_key=True)
    value: str = Field(sa_type=TEXT, sa_column_kwargs=UNREAD)
    expires: datetime = Field(sa_type=TIMESTAMP, index=True, sa_column_kwargs=UNREAD)
