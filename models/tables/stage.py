"""The tables of stages."""

from sqlmodel import Field

from models.tables.columns import TEXT, UUID, Table, foreign_key


class Stage(Table, table=True):
    """A step of any number of flows."""

    __tablename__ = "authentik_flows_stage"

    stage_uuid: str = Field(sa_type=UUID, primary_key=True)
    name: str = Field(sa_type=TEXT, unique=True)


class StageType(Table, table=True):
    """The blueprint model of a stage in FlowQL's own database, which has no child tables."""

    __tablename__ = "flowql_stagetype"

    ptr_id: str = foreign_key("authentik_flows_stage.stage_uuid", primary_key=True)
    model: str = Field(sa_type=TEXT)
