"""The tables of policies and policy bindings."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Index, Integer, UniqueConstraint
from sqlmodel import Field

from models.tables.columns import JSON_OBJECT, TEXT, TIMESTAMP, UNREAD, UUID, Table, foreign_key


class Policy(Table, table=True):
    """A rule that grants or denies access."""

    __tablename__ = "authentik_policies_policy"

    created: datetime = Field(sa_type=TIMESTAMP, sa_column_kwargs=UNREAD)
    last_updated: datetime = Field(sa_type=TIMESTAMP, sa_column_kwargs=UNREAD)
    policy_uuid: str = Field(sa_type=UUID, primary_key=True)
    name: str = Field(sa_type=TEXT, unique=True)
    execution_logging: bool


class PolicyBinding(Table, table=True):
    """A binding of a policy, a group or a user to a flow or a stage binding."""

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
    policy_id: str | None = foreign_key(
        "authentik_policies_policy.policy_uuid", default=None, nullable=True, index=True
    )
    group_id: str | None = foreign_key(
        "authentik_core_group.group_uuid", default=None, nullable=True
    )
    user_id: int | None = foreign_key(
        "authentik_core_user.id", kind=Integer(), default=None, nullable=True
    )
    target_id: str = foreign_key("authentik_policies_policybindingmodel.pbm_uuid", index=True)


class PolicyType(Table, table=True):
    """The blueprint model of a policy in FlowQL's own database, which has no child tables.

    `settings` are the other attributes of its blueprint entry.
    """

    __tablename__ = "flowql_policytype"

    ptr_id: str = foreign_key("authentik_policies_policy.policy_uuid", primary_key=True)
    model: str = Field(sa_type=TEXT)
    settings: dict[str, Any] = Field(sa_type=JSON_OBJECT, sa_column_kwargs=UNREAD)
