"""The column types of authentik's tables, said once for SQLite and PostgreSQL."""

from collections.abc import Mapping
from typing import Any, ClassVar

from sqlalchemy import CHAR, JSON, ForeignKey, Identity, Integer, MetaData, Text
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine
from sqlmodel import Field, SQLModel
from sqlmodel.sql.sqltypes import UTCDateTime

# A uuid is text everywhere in FlowQL: 36 lower-case characters, as the REST API writes it.
UUID: TypeEngine[Any] = CHAR(36).with_variant(postgresql.UUID(as_uuid=False), "postgresql")
TEXT: TypeEngine[Any] = Text()
TIMESTAMP: TypeEngine[Any] = UTCDateTime()
JSON_OBJECT: TypeEngine[Any] = JSON().with_variant(postgresql.JSONB(), "postgresql")

# A column that FlowQL never selects: a role that only reads needs no right to it.
UNREAD: Mapping[str, Any] = {"info": {"unread": True}}


class Table(SQLModel):
    """A table that is called what authentik calls it, its indexes likewise."""

    metadata = MetaData(naming_convention={"ix": "%(table_name)s_%(column_0_name)s"})
    # SQLModel declares more here than the plain name that it takes.
    __tablename__: ClassVar[Any]


def serial() -> Any:
    """The integer primary key that the database counts up."""
    return Field(
        default=None, primary_key=True, sa_type=Integer, sa_column_args=[Identity(always=False)]
    )


def reference(target: str, kind: TypeEngine[Any] = UUID, **options: Any) -> Any:
    """A column that refers to `table.column`, checked when the transaction ends, as Django does."""
    key = ForeignKey(target, deferrable=True, initially="DEFERRED")
    return Field(sa_type=kind, sa_column_args=[key], **options)
