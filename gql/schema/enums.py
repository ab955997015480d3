"""GraphQL enums.

Importing an enum from this module ensures that Strawberry knows it, with its descriptions.
"""

from collections.abc import Mapping
from enum import Enum
from typing import TypeVar

import strawberry

from gql.diagram.graph import FlowDiagramEdgeType, FlowDiagramNodeType
from gql.execution.graphql_core import enum_values_of
from gql.resolvers.source import SourceKind
from models.diff.changes import ChangeKind
from models.tables.flow import (
    FlowAuthentication,
    FlowDeniedAction,
    FlowDesignation,
    FlowLayout,
    InvalidResponseAction,
    PolicyEngineMode,
)

__all__ = [
    "ChangeKind",
    "FlowAuthentication",
    "FlowDeniedAction",
    "FlowDesignation",
    "FlowDiagramEdgeType",
    "FlowDiagramNodeType",
    "FlowLayout",
    "FlowOrdering",
    "InvalidResponseAction",
    "PolicyEngineMode",
    "SourceKind",
]

E = TypeVar("E", bound=Enum)


class FlowOrdering(Enum):
    """Sort terms for flows. A value is an `ordering` term of the REST API; `-` means descending."""

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


def _register_enum(enum: type[E], description: str, values: Mapping[E, str]) -> None:
    strawberry.enum(enum, description=description)
    for value in enum_values_of(enum):
        value.description = values[enum[value.name]]


def _describe_ordering(term: FlowOrdering) -> str:
    column = term.value.removeprefix("-")
    direction = "ascending" if column == term.value else "descending"
    return f"By `{column}`, {direction}."


_register_enum(
    FlowDesignation,
    "The purpose of a flow.",
    {
        FlowDesignation.AUTHENTICATION: "Logs a user in.",
        FlowDesignation.AUTHORIZATION: "Authorizes a user to access an application.",
        FlowDesignation.INVALIDATION: "Logs a user out.",
        FlowDesignation.ENROLLMENT: "Creates an account.",
        FlowDesignation.UNENROLLMENT: "Deletes the user's account.",
        FlowDesignation.RECOVERY: "Resets a forgotten password.",
        FlowDesignation.STAGE_CONFIGURATION: (
            "Changes a user's settings, such as the password or an authenticator."
        ),
    },
)
_register_enum(
    FlowLayout,
    "The layout of a flow's pages.",
    {
        FlowLayout.STACKED: "The form in the center of the page.",
        FlowLayout.CONTENT_LEFT: "The form on the left, next to the content.",
        FlowLayout.CONTENT_RIGHT: "The form on the right, next to the content.",
        FlowLayout.SIDEBAR_LEFT: "The form in a sidebar on the left.",
        FlowLayout.SIDEBAR_RIGHT: "The form in a sidebar on the right.",
        FlowLayout.SIDEBAR_LEFT_FRAME_BACKGROUND: (
            "The form in a sidebar on the left, with the background in a frame."
        ),
        FlowLayout.SIDEBAR_RIGHT_FRAME_BACKGROUND: (
            "The form in a sidebar on the right, with the background in a frame."
        ),
    },
)
_register_enum(
    FlowDeniedAction,
    "The response to a user whom a policy denies access to a flow.",
    {
        FlowDeniedAction.MESSAGE_CONTINUE: (
            "Redirects to the page that the user came from, or shows a message if there is none."
        ),
        FlowDeniedAction.MESSAGE: "Shows a message.",
        FlowDeniedAction.CONTINUE: "Redirects to the page that the user came from.",
    },
)
_register_enum(
    FlowAuthentication,
    "The authentication that a flow requires.",
    {
        FlowAuthentication.NONE: "Requires no authentication.",
        FlowAuthentication.REQUIRE_AUTHENTICATED: "Requires a logged-in user.",
        FlowAuthentication.REQUIRE_UNAUTHENTICATED: "Requires a user who is not logged in.",
        FlowAuthentication.REQUIRE_SUPERUSER: "Requires a superuser.",
        FlowAuthentication.REQUIRE_REDIRECT: "Requires a redirect from another flow.",
        FlowAuthentication.REQUIRE_OUTPOST: "Requires an outpost.",
        FlowAuthentication.REQUIRE_TOKEN: "Requires a flow token.",
    },
)
_register_enum(
    PolicyEngineMode,
    "The rule that combines the results of several policies.",
    {
        PolicyEngineMode.ALL: "All policies must pass.",
        PolicyEngineMode.ANY: "At least one policy must pass.",
    },
)
_register_enum(
    InvalidResponseAction,
    "The reaction to an invalid response to a stage.",
    {
        InvalidResponseAction.RETRY: "Shows the stage again.",
        InvalidResponseAction.RESTART: "Restarts the flow.",
        InvalidResponseAction.RESTART_WITH_CONTEXT: (
            "Restarts the flow and keeps the data collected so far."
        ),
    },
)
_register_enum(
    FlowDiagramNodeType,
    "The type of a node of a diagram.",
    {
        FlowDiagramNodeType.FLOW_START: "The start of the flow.",
        FlowDiagramNodeType.STAGE: "A stage.",
        FlowDiagramNodeType.POLICY: "A policy, group or user that decides how the flow continues.",
        FlowDiagramNodeType.FLOW_END: "The end of the flow, regular or by denial.",
    },
)
_register_enum(
    FlowDiagramEdgeType,
    "The type of an edge of a diagram.",
    {
        FlowDiagramEdgeType.PROCEED: "Leads on without a condition.",
        FlowDiagramEdgeType.POLICY_PASSED: (
            "Leads on if the policy passes, or the user is the bound one or a member of the group."
        ),
        FlowDiagramEdgeType.POLICY_DENIED: "Leads on otherwise.",
    },
)
_register_enum(
    SourceKind,
    "The kind of the source of the data.",
    {
        SourceKind.AUTHENTIK_DATABASE: "authentik's database, which is read directly.",
        SourceKind.AUTHENTIK_API: "authentik's API, which `flowql sync` has read.",
        SourceKind.BLUEPRINTS: "FlowQL's own database, filled by imports of blueprints.",
    },
)
_register_enum(
    ChangeKind,
    "The kind of a difference from the baseline.",
    {
        ChangeKind.ADDED: "The baseline lacks the object.",
        ChangeKind.REMOVED: "Only the baseline has the object.",
        ChangeKind.CHANGED: "An attribute has another value.",
        ChangeKind.MOVED: "A binding has another target or order.",
        ChangeKind.RENAMED: "An object has another name or slug, and is equal otherwise.",
        ChangeKind.EXTRA: "The blueprints of the baseline do not mention the object, which does not"
        " count as a change.",
    },
)
_register_enum(
    FlowOrdering,
    "The sort terms for flows. Stored values are compared; `slug` breaks ties.",
    {term: _describe_ordering(term) for term in FlowOrdering},
)
