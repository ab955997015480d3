"""Column types of authentik's tables for SQLite and PostgreSQL."""

from collections.abc import Mapping
from typing import Any, ClassVar

from sqlalchemy import CHAR, JSON, ForeignKey, Identity, Integer, MetaData, Text
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine
from sqlmodel import Field, SQLModel
from sqlmodel.sql.sqltypes import UTCDateTime

# FlowQL represents a UUID as a string of 36 lower-case characters, like the REST API.
UUID: TypeEngine[Any] = CHAR(36).with_variant(postgresql.UUID(as_uuid=False), "postgresql")
TEXT: TypeEngine[Any] = Text()
TIMESTAMP: TypeEngine[Any] = UTCDateTime()
JSON_OBJECT: TypeEngine[Any] = JSON().with_variant(postgresql.JSONB(), "postgresql")

# FlowQL never selects these columns, so its role needs no SELECT privilege on them.
UNREAD: Mapping[str, Any] = {"info": {"unread": True}}


class Table(SQLModel):
    """The base of all tables. Tables and indexes have authentik's names."""

    metadata = MetaData(naming_convention={"ix": "%(table_name)s_%(column_0_name)s"})
    # SQLModel declares a type that excludes a plain string.
    __tablename__: ClassVar[Any]


def serial_key() -> Any:
    """Return an integer primary key that the database generates."""
    return Field(
        default=None, primary_key=True, sa_type=Integer, sa_column_args=[Identity(always=False)]
    )


def foreign_key(
    target: str, kind: TypeEngine[Any] = UUID, on_delete: str | None = None, **options: Any
) -> Any:
    """Return a foreign key to `table.column`, checked at the end of the transaction as in Django."""
    constraint = ForeignKey(target, deferrable=True, initially="DEFERRED", ondelete=on_delete)
    return Field(sa_type=kind, sa_column_args=[constraint], **options)
