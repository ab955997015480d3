"""The types of the graph; nothing is generated from the tables, so no column appears by itself."""

import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any, NewType, TypeVar, cast

import strawberry

from gql import presentation, resolvers
from gql.errors import BadUserInputError, UnknownEnumValueError
from gql.resolvers import FlowRecord
from models.database import Database
from models.flow import (
    FlowAuthentication,
    FlowDeniedAction,
    FlowDesignation,
    FlowLayout,
    PolicyEngineMode,
)
from models.viewer import Viewer

E = TypeVar("E", bound=Enum)

UUID = NewType("UUID", str)


@dataclass(frozen=True, slots=True)
class Context:
    """What resolvers know of a request."""

    database: Database
    viewer: Viewer


Info = strawberry.Info[Context, None]


def parse_uuid(value: object) -> str:
    """Any spelling that Python's uuid.UUID takes, as 36 lower-case characters."""
    try:
        return str(uuid.UUID(cast(str, value)))
    except (AttributeError, TypeError, ValueError):
        raise BadUserInputError("a UUID is a text of 32 hexadecimal digits") from None


UUID_SCALAR = strawberry.scalar(
    name="UUID",
    description="A universally unique identifier, 36 lower-case characters with dashes.",
    specified_by_url="https://www.rfc-editor.org/rfc/rfc9562",
    serialize=str,
    parse_value=parse_uuid,
)


def describe(enum: type[E], description: str, values: Mapping[E, str]) -> None:
    """Make one of authentik's enums a GraphQL enum, with a description for each value."""
    described = cast(Any, strawberry.enum(enum, description=description))
    for value in described.__strawberry_definition__.values:
        value.description = values[enum[value.name]]


describe(
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
describe(
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
describe(
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
describe(
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
describe(
    PolicyEngineMode,
    "How the results of several policies make one.",
    {
        PolicyEngineMode.ALL: "All policies must pass.",
        PolicyEngineMode.ANY: "Any policy must pass.",
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


describe(
    FlowOrdering,
    "What flows are sorted by, as it is stored; the slug always breaks the last tie.",
    {
        term: f"By `{term.value}`, ascending."
        if term.name.endswith("_ASC")
        else f"By `{term.value[1:]}`, descending."
        for term in FlowOrdering
    },
)


@strawberry.type(description="Where a page lies among all; pages and indexes count from 1.")
class Pagination:
    """Where a page lies among all."""

    next: int = strawberry.field(description="The next page's number, 0 where there is none.")
    previous: int = strawberry.field(
        description="The previous page's number, 0 where there is none."
    )
    count: int = strawberry.field(description="How many flows there are on all pages.")
    current: int = strawberry.field(description="This page's number.")
    total_pages: int = strawberry.field(description="How many pages there are, at least 1.")
    start_index: int = strawberry.field(
        description="The place of this page's first flow among all, 0 where there is none."
    )
    end_index: int = strawberry.field(
        description="The place of this page's last flow among all, 0 where there is none."
    )

    @classmethod
    def of(cls, pagination: resolvers.Pagination) -> "Pagination":
        """The GraphQL object of a resolver's answer."""
        return cls(**asdict(pagination))


@strawberry.type(
    description="A row of stages that a person walks through to log in, enroll or recover."
)
class Flow:
    """A flow, told from its stored row."""

    record: strawberry.Private[FlowRecord]

    @strawberry.field(description="The primary key.")
    def pk(self) -> UUID:
        return UUID(self.record.row.pk)

    @strawberry.field(description="The key that policies are bound to; differs from `pk`.")
    def policybindingmodel_ptr_id(self) -> UUID:
        return UUID(self.record.row.policybindingmodel_ptr_id)

    @strawberry.field(description="The name that administrators see.")
    def name(self) -> str:
        return self.record.row.name

    @strawberry.field(description="The name in URLs: letters, digits, `-` and `_`; unique.")
    def slug(self) -> str:
        return self.record.row.slug

    @strawberry.field(description="The heading that the person sees.")
    def title(self) -> str:
        return self.record.row.title

    @strawberry.field(description="What the flow is for; null with an error where unknown.")
    def designation(self) -> FlowDesignation | None:
        return _known(FlowDesignation, self.record.row.designation)

    @strawberry.field(description="The URL of the picture behind the flow.")
    def background(self, info: Info) -> str:
        schema = info.context.database.schema
        return presentation.background_url(self.record.row.background, schema)

    @strawberry.field(
        description="The stages' primary keys in the order they run; one bound twice is here twice."
    )
    def stages(self) -> list[UUID]:
        return [UUID(pk) for pk in self.record.stages]

    @strawberry.field(
        description="The primary keys of the policies bound to the flow, disabled ones too, in order."
    )
    def policies(self) -> list[UUID]:
        return [UUID(pk) for pk in self.record.policies]

    @strawberry.field(description="How many plans of the flow are cached.")
    def cache_count(self) -> int:
        return self.record.cache_count

    @strawberry.field(
        description="Whether all or any policies must pass; null with an error where unknown."
    )
    def policy_engine_mode(self) -> PolicyEngineMode | None:
        return _known(PolicyEngineMode, self.record.row.policy_engine_mode)

    @strawberry.field(description="Whether pages are rendered for old password managers.")
    def compatibility_mode(self) -> bool:
        return self.record.row.compatibility_mode

    @strawberry.field(description="The path that exports the flow as a blueprint.")
    def export_url(self) -> str:
        return presentation.export_url(self.record.row.slug)

    @strawberry.field(description="How pages are laid out; null with an error where unknown.")
    def layout(self) -> FlowLayout | None:
        return _known(FlowLayout, self.record.row.layout)

    @strawberry.field(
        description="What happens when a policy denies access; null with an error where unknown."
    )
    def denied_action(self) -> FlowDeniedAction | None:
        return _known(FlowDeniedAction, self.record.row.denied_action)

    @strawberry.field(description="Who may start the flow; null with an error where unknown.")
    def authentication(self) -> FlowAuthentication | None:
        return _known(FlowAuthentication, self.record.row.authentication)


@strawberry.type(description="A page of flows.")
class FlowPage:
    """A page of flows."""

    pagination: Pagination = strawberry.field(description="Where this page lies among all.")
    results: list[Flow] = strawberry.field(description="The flows of this page.")


def _known(enum: type[E], value: str) -> E:
    try:
        return enum(value)
    except ValueError:
        raise UnknownEnumValueError(enum.__name__, value) from None
