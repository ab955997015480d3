"""The enums of the schema."""

from collections.abc import Mapping
from enum import Enum
from typing import Any, TypeVar, cast

import strawberry

from models.tables.flow import (
    FlowAuthentication,
    FlowDeniedAction,
    FlowDesignation,
    FlowLayout,
    InvalidResponseAction,
    PolicyEngineMode,
)

__all__ = [
    "FlowAuthentication",
    "FlowDeniedAction",
    "FlowDesignation",
    "FlowLayout",
    "FlowOrdering",
    "InvalidResponseAction",
    "PolicyEngineMode",
]

E = TypeVar("E", bound=Enum)


def register_enum(enum: type[E], description: str, values: Mapping[E, str]) -> None:
    """Make one of authentik's enums a GraphQL enum, with a description for each value."""
    described = cast(Any, strawberry.enum(enum, description=description))
    for value in described.__strawberry_definition__.values:
        value.description = values[enum[value.name]]


register_enum(
    FlowDesignation,
    "What a flow is for.",
    {
        FlowDesignation.AUTHENTICATION: "Logs somebody in.",
        FlowDesignation.AUTHORIZATION: "Lets somebody use an application.",
        FlowDesignation.INVALIDATION: "Logs somebody out.",
        FlowDesignation.ENROLLMENT: "Signs somebody up.",
        FlowDesignation.UNENROLLMENT: "Removes somebody's account.",
        FlowDesignation.RECOVERY: "Gives somebody who forgot a password a new one.",
        FlowDesignation.STAGE_CONFIGURATION: "Changes what somebody has set up.",
    },
)
register_enum(
    FlowLayout,
    "How a flow's pages are laid out.",
    {
        FlowLayout.STACKED: "In the middle of the page.",
        FlowLayout.CONTENT_LEFT: "On the left, with the content beside it.",
        FlowLayout.CONTENT_RIGHT: "On the right, with the content beside it.",
        FlowLayout.SIDEBAR_LEFT: "In a bar on the left.",
        FlowLayout.SIDEBAR_RIGHT: "In a bar on the right.",
        FlowLayout.SIDEBAR_LEFT_FRAME_BACKGROUND: "In a bar on the left, the background framed.",
        FlowLayout.SIDEBAR_RIGHT_FRAME_BACKGROUND: (
            "In a bar on the right, the background framed."
        ),
    },
)
register_enum(
    FlowDeniedAction,
    "What happens when a policy denies somebody a flow.",
    {
        FlowDeniedAction.MESSAGE_CONTINUE: (
            "Goes on to where the person came from, else shows a message."
        ),
        FlowDeniedAction.MESSAGE: "Shows a message.",
        FlowDeniedAction.CONTINUE: "Goes on to where the person came from.",
    },
)
register_enum(
    FlowAuthentication,
    "Who may start a flow.",
    {
        FlowAuthentication.NONE: "Anybody.",
        FlowAuthentication.REQUIRE_AUTHENTICATED: "Only who is logged in.",
        FlowAuthentication.REQUIRE_UNAUTHENTICATED: "Only who is not logged in.",
        FlowAuthentication.REQUIRE_SUPERUSER: "Only superusers.",
        FlowAuthentication.REQUIRE_REDIRECT: "Only who comes from another flow.",
        FlowAuthentication.REQUIRE_OUTPOST: "Only outposts.",
        FlowAuthentication.REQUIRE_TOKEN: "Only who brings a token for the flow.",
    },
)
register_enum(
    PolicyEngineMode,
    "How the results of several policies make one.",
    {
        PolicyEngineMode.ALL: "All policies must pass.",
        PolicyEngineMode.ANY: "Any policy must pass.",
    },
)


register_enum(
    InvalidResponseAction,
    "What a flow does when a stage is answered wrongly.",
    {
        InvalidResponseAction.RETRY: "Asks the stage again.",
        InvalidResponseAction.RESTART: "Begins anew.",
        InvalidResponseAction.RESTART_WITH_CONTEXT: "Begins anew, and keeps what was answered.",
    },
)


class FlowOrdering(Enum):
    """What flows are sorted by: a name of REST's, with a dash in front for the descending order."""

    PK_ASC = "pk"
    PK_DESC = "-pk"
    POLICYBINDINGMODEL_PTR_ID_ASC = "policybindingmodel_ptr_id"
    POLICYBINDINGMODEL_PTR_ID_DESC = "-policybindingmodel_ptr_id"
    NAME_ASC = "name"
    NAME_DESC = "-name"
    SLUG_ASC = "slug"
    SLUG_DESC = "-slug"
    TITLE_ASC = "title"
    TITLE_DESC = "-title"
    DESIGNATION_ASC = "designation"
    DESIGNATION_DESC = "-designation"
    POLICY_ENGINE_MODE_ASC = "policy_engine_mode"
    POLICY_ENGINE_MODE_DESC = "-policy_engine_mode"
    COMPATIBILITY_MODE_ASC = "compatibility_mode"
    COMPATIBILITY_MODE_DESC = "-compatibility_mode"
    LAYOUT_ASC = "layout"
    LAYOUT_DESC = "-layout"
    DENIED_ACTION_ASC = "denied_action"
    DENIED_ACTION_DESC = "-denied_action"
    AUTHENTICATION_ASC = "authentication"
    AUTHENTICATION_DESC = "-authentication"
    BACKGROUND_ASC = "background"
    BACKGROUND_DESC = "-background"


register_enum(
    FlowOrdering,
    "What flows are sorted by, as it is stored; the slug always breaks the last tie.",
    {
        term: f"By `{term.value}`, ascending."
        if term.name.endswith("_ASC")
        else f"By `{term.value[1:]}`, descending."
        for term in FlowOrdering
    },
)
