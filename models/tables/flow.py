"""The tables of flows, stage bindings and policy targets."""

import re
from enum import Enum

from sqlalchemy import Index, String, UniqueConstraint
from sqlmodel import Field

from models.tables.columns import TEXT, UUID, Table, foreign_key

# The URL of a flow without a background.
DEFAULT_BACKGROUND = "/static/dist/assets/images/flow_background.jpg"
SLUG = re.compile(r"[-a-zA-Z0-9_]+")


class FlowDesignation(Enum):
    """The purpose of a flow."""

    AUTHENTICATION = "authentication"
    AUTHORIZATION = "authorization"
    INVALIDATION = "invalidation"
    ENROLLMENT = "enrollment"
    UNENROLLMENT = "unenrollment"
    RECOVERY = "recovery"
    STAGE_CONFIGURATION = "stage_configuration"


class FlowLayout(Enum):
    """The page layout of a flow."""

    STACKED = "stacked"
    CONTENT_LEFT = "content_left"
    CONTENT_RIGHT = "content_right"
    SIDEBAR_LEFT = "sidebar_left"
    SIDEBAR_RIGHT = "sidebar_right"
    SIDEBAR_LEFT_FRAME_BACKGROUND = "sidebar_left_frame_background"
    SIDEBAR_RIGHT_FRAME_BACKGROUND = "sidebar_right_frame_background"


class FlowDeniedAction(Enum):
    """The reaction to a policy that denies access to a flow."""

    MESSAGE_CONTINUE = "message_continue"
    MESSAGE = "message"
    CONTINUE = "continue"


class FlowAuthentication(Enum):
    """The authentication required to start a flow."""

    NONE = "none"
    REQUIRE_AUTHENTICATED = "require_authenticated"
    REQUIRE_UNAUTHENTICATED = "require_unauthenticated"
    REQUIRE_SUPERUSER = "require_superuser"
    REQUIRE_REDIRECT = "require_redirect"
    REQUIRE_OUTPOST = "require_outpost"
    REQUIRE_TOKEN = "require_token"  # noqa: S105 - an authentication requirement, not a secret


class PolicyEngineMode(Enum):
    """The number of bound policies that must pass: all or any."""

    ALL = "all"
    ANY = "any"


class InvalidResponseAction(Enum):
    """The reaction of a flow to an invalid response to a stage."""

    RETRY = "retry"
    RESTART = "restart"
    RESTART_WITH_CONTEXT = "restart_with_context"


class PolicyBindingModel(Table, table=True):
    """The parent row of a policy target: a flow or a stage binding."""

    __tablename__ = "authentik_policies_policybindingmodel"
    __table_args__ = (Index("flowql_mode_of_target", "pbm_uuid", "policy_engine_mode"),)

    pbm_uuid: str = Field(sa_type=UUID, primary_key=True)
    policy_engine_mode: str = Field(sa_type=TEXT)


class Flow(Table, table=True):
    """A sequence of stages that a user goes through to log in, enroll or recover."""

    __tablename__ = "authentik_flows_flow"
    # Only FlowQL's own database has these indexes. Each ends with slug, the tie-breaker.
    __table_args__ = (
        Index("flowql_flow_by_name", "name", "slug"),
        Index("flowql_flow_by_title", "title", "slug"),
        Index("flowql_flow_by_designation", "designation", "slug"),
        Index("flowql_flow_by_background", "background", "slug"),
        Index("flowql_flow_by_compatibility_mode", "compatibility_mode", "slug"),
        Index("flowql_flow_by_layout", "layout", "slug"),
        Index("flowql_flow_by_denied_action", "denied_action", "slug"),
        Index("flowql_flow_by_authentication", "authentication", "slug"),
    )

    policybindingmodel_ptr_id: str = foreign_key(
        "authentik_policies_policybindingmodel.pbm_uuid", unique=True
    )
    flow_uuid: str = Field(sa_type=UUID, primary_key=True)
    name: str = Field(sa_type=TEXT)
    slug: str = Field(sa_type=TEXT, unique=True)
    title: str = Field(sa_type=TEXT)
    layout: str = Field(sa_type=TEXT)
    designation: str = Field(sa_type=String(100))
    background: str = Field(sa_type=TEXT)
    compatibility_mode: bool
    denied_action: str = Field(sa_type=TEXT)
    authentication: str = Field(sa_type=TEXT)


class FlowStageBinding(Table, table=True):
    """A stage binding: the position of a stage in a flow."""

    __tablename__ = "authentik_flows_flowstagebinding"
    __table_args__ = (
        UniqueConstraint("target_id", "stage_id", "order"),
        Index("flowql_stages_of_flow", "target_id", "order", "fsb_uuid", "stage_id"),
    )

    policybindingmodel_ptr_id: str = foreign_key(
        "authentik_policies_policybindingmodel.pbm_uuid", unique=True
    )
    fsb_uuid: str = Field(sa_type=UUID, primary_key=True)
    evaluate_on_plan: bool
    re_evaluate_policies: bool
    invalid_response_action: str = Field(sa_type=TEXT)
    order: int
    stage_id: str = foreign_key("authentik_flows_stage.stage_uuid", index=True)
    target_id: str = foreign_key("authentik_flows_flow.flow_uuid", index=True)
