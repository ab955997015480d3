"""Policies, and what they are bound to."""

from datetime import datetime

from sqlalchemy import CheckConstraint, Index, Integer, UniqueConstraint
from sqlmodel import Field

from models.tables.columns import TEXT, TIMESTAMP, UNREAD, UUID, Table, reference


class Policy(Table, table=True):
    """A rule that lets somebody pass, or not."""

    __tablename__ = "authentik_policies_policy"

    created: datetime = Field(sa_type=TIMESTAMP, sa_column_kwargs=UNREAD)
    last_updated: datetime = Field(sa_type=TIMESTAMP, sa_column_kwargs=UNREAD)
    policy_uuid: str = Field(sa_type=UUID, primary_key=True)
    name: str = Field(sa_type=TEXT, unique=True)
    execution_logging: bool


class PolicyBinding(Table, table=True):
    """A policy, a group or a user, bound to a flow or to a stage binding."""

    __tablename__ = "authentik_policies_policybinding"
    __table_args__ = (
        UniqueConstraint("policy_id", "target_id", "order"),
        Index(
            "flowql_policies_of_target", "target_id", "order", "policy_binding_uuid", "policy_id"
        ),
        CheckConstraint("timeout >= 0", name="authentik_policies_policybinding_timeout_check"),
    )

    policy_binding_uuid: str = Field(sa_type=UUID, primary_key=True)
    enabled: bool
    negate: bool
    timeout: int
    failure_result: bool
    order: int
    expires: datetime | None = Field(
        sa_type=TIMESTAMP, default=None, nullable=True, sa_column_kwargs=UNREAD
    )
    expiring: bool = Field(sa_column_kwargs=UNREAD)
    policy_id: str | None = reference(
        "authentik_policies_policy.policy_uuid", default=None, nullable=True, index=True
    )
    group_id: str | None = reference("authentik_core_group.group_uuid", default=None, nullable=True)
    user_id: int | None = reference(
        "authentik_core_user.id", kind=Integer(), default=None, nullable=True
    )
    target_id: str = reference("authentik_policies_policybindingmodel.pbm_uuid", index=True)


class PolicyType(Table, table=True):
    """The blueprint model of a policy, where authentik would have a child table for it."""

    __tablename__ = "flowql_policytype"

    ptr_id: str = reference("authentik_policies_policy.policy_uuid", primary_key=True)
    model: str = Field(sa_type=TEXT)
