"""The version of FlowQL's own schema that programs must know to read it."""

from sqlalchemy import String
from sqlmodel import Field

from models.tables.columns import Table


class MinimumVersion(Table, table=True):
    """The oldest migration whose FlowQL can still read the tables: one row, which migrations set."""

    __tablename__ = "flowql_schema"

    minimum_version: str = Field(sa_type=String(32), primary_key=True)
