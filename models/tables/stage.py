"""The tables of stages."""

from typing import Any

from sqlmodel import Field

from models.tables.columns import JSON_OBJECT, TEXT, UNREAD, UUID, Table, foreign_key


class Stage(Table, table=True):
    """A step of any number of flows."""

    __tablename__ = "authentik_flows_stage"

    stage_uuid: str = Field(sa_type=UUID, primary_key=True)
    name: str = Field(sa_type=TEXT, unique=True)


class StageType(Table, table=True):
    """The blueprint model of a stage in FlowQL's own database, which has no child tables.

    `settings` are the other attributes of its blueprint entry.
    """

    __tablename__ = "flowql_stagetype"

    ptr_id: str = foreign_key("authentik_flows_stage.stage_uuid", primary_key=True)
    model: str = Field(sa_type=TEXT)
    settings: dict[str, Any] = Field(sa_type=JSON_OBJECT, sa_column_kwargs=UNREAD)
