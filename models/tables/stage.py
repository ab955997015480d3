"""Stages: the steps that flows are made of."""

from sqlmodel import Field

from models.tables.columns import TEXT, UUID, Table, reference


class Stage(Table, table=True):
    """One step, used by any number of flows."""

    __tablename__ = "authentik_flows_stage"

    stage_uuid: str = Field(sa_type=UUID, primary_key=True)
    name: str = Field(sa_type=TEXT, unique=True)


class StageType(Table, table=True):
    """The blueprint model of a stage, where authentik would have a child table for it."""

    __tablename__ = "flowql_stagetype"

    ptr_id: str = reference("authentik_flows_stage.stage_uuid", primary_key=True)
    model: str = Field(sa_type=TEXT)
