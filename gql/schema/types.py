"""The types of the graph; nothing is generated from the tables, so no column appears by itself."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import starmap
from typing import Annotated, Any, NewType, TypeVar, cast

import strawberry

from gql.diagram import loading, mermaid
from gql.diagram.flow import Head
from gql.errors import BadUserInputError
from gql.execution.declarations import (
    METADATA,
    Known,
    Load,
    Object,
    Relation,
    column,
    embedded,
    loaded,
    made,
    related,
)
from gql.execution.selection import selected
from gql.resolvers import bindings
from gql.resolvers import urls as presentation
from gql.schema.node_ids import GlobalId
from models.batch import Grouped
from models.database.database import Database
from models.queries.components import Part
from models.queries.viewer import Viewer
from models.tables.flow import (
    FlowAuthentication,
    FlowDeniedAction,
    FlowDesignation,
    FlowLayout,
    InvalidResponseAction,
    PolicyEngineMode,
)

E = TypeVar("E", bound=Enum)

UUID = NewType("UUID", str)


@dataclass(frozen=True, slots=True)
class Context:
    """What resolvers know of a request."""

    database: Database
    viewer: Viewer
    # What loads for graphql-core; a plan needs none.
    loaders: dict[Any, Any] = field(default_factory=dict[Any, Any])


class Info(strawberry.Info[Context, None]):
    """What resolvers know of a request, and of what is selected."""

    def selected(self, *path: str) -> tuple[str, ...] | None:
        """The columns that the fields selected below a path are told from; None if it is not."""
        return selected(self, *path)


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


describe(
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
class Pagination(Object):
    """Where a page lies among all."""

    next: int = column("next", "The next page's number, 0 where there is none.")
    previous: int = column("previous", "The previous page's number, 0 where there is none.")
    count: int = column("count", "How many flows there are on all pages.")
    current: int = column("current", "This page's number.")
    total_pages: int = column("total_pages", "How many pages there are, at least 1.")
    start_index: int = column(
        "start_index", "The place of this page's first flow among all, 0 where there is none."
    )
    end_index: int = column(
        "end_index", "The place of this page's last flow among all, 0 where there is none."
    )


def background_url(background: str, context: Context) -> str:
    """Where the picture behind a flow is."""
    return presentation.background_url(background, context.database.schema)


def of_viewer(load: Callable[..., Any], *given: Any) -> Load:
    """A resolver, asked for many parents as who asks."""

    async def found(
        context: Context, keys: Sequence[Any], columns: tuple[str, ...], **arguments: Any
    ) -> Grouped:
        return await load(*given, context.database, context.viewer, keys, columns, **arguments)

    return found


async def diagrams(context: Context, rows: Sequence[tuple[Any, ...]]) -> Sequence[str]:
    """Flows, of which such rows tell, as pictures."""
    flows = list(starmap(Head, rows))
    found = await loading.of_flows(context.database, context.viewer, flows)
    return list(map(mermaid.written, found))


def identified(type_: str) -> Any:
    """The field `id` of a type of nodes."""
    return column("pk", "The id that `node` takes, opaque.", GlobalId(type_))


def flows_using(part: Part, description: str) -> Any:
    """The field `flows` of a stage or a policy."""
    relation = Relation("pk", lambda: Flow, of_viewer(bindings.flows_using, part))

    async def flows(
        root: Object,
        info: Info,
        first: Annotated[
            int, strawberry.argument(description="How many flows at most, from 0 to 100.")
        ] = 20,
    ) -> Any:
        return await loaded(relation, root, info, {"first": first})

    return strawberry.field(
        cast(Any, flows), description=description, metadata={METADATA: relation}
    )


@strawberry.interface(description="What has an id, by which it can be asked for again.")
class Node(Object):
    """What has an id."""

    id: strawberry.ID = column("pk", "The id that `node` takes, opaque.")


@strawberry.type(
    description="A row of stages that a person walks through to log in, enroll or recover."
)
class Flow(Node):
    """A flow, told from its stored row."""

    id: strawberry.ID = identified("Flow")
    pk: UUID = column("pk", "The primary key.")
    policybindingmodel_ptr_id: UUID = column(
        "policybindingmodel_ptr_id", "The key that policies are bound to; differs from `pk`."
    )
    name: str = column("name", "The name that administrators see.")
    slug: str = column("slug", "The name in URLs: letters, digits, `-` and `_`; unique.")
    title: str = column("title", "The heading that the person sees.")
    designation: FlowDesignation | None = column(
        "designation",
        "What the flow is for; null with an error where unknown.",
        Known(FlowDesignation),
    )
    background: str = column(
        "background", "The URL of the picture behind the flow.", background_url
    )
    stages: list[UUID] = column(
        "stages",
        "The stages' primary keys in the order they run; one bound twice is here twice.",
    )
    policies: list[UUID] = column(
        "policies",
        "The primary keys of the policies bound to the flow, disabled ones too, in order.",
    )
    cache_count: int = column("cache_count", "How many plans of the flow are cached.")
    policy_engine_mode: PolicyEngineMode | None = column(
        "policy_engine_mode",
        "Whether all or any policies must pass; null with an error where unknown.",
        Known(PolicyEngineMode),
    )
    compatibility_mode: bool = column(
        "compatibility_mode", "Whether pages are rendered for old password managers."
    )
    export_url: str = column(
        "slug", "The path that exports the flow as a blueprint.", presentation.export_url
    )
    layout: FlowLayout | None = column(
        "layout", "How pages are laid out; null with an error where unknown.", Known(FlowLayout)
    )
    denied_action: FlowDeniedAction | None = column(
        "denied_action",
        "What happens when a policy denies access; null with an error where unknown.",
        Known(FlowDeniedAction),
    )
    authentication: FlowAuthentication | None = column(
        "authentication",
        "Who may start the flow; null with an error where unknown.",
        Known(FlowAuthentication),
    )
    stage_bindings: list["FlowStageBinding"] = related(
        "pk",
        lambda: FlowStageBinding,
        of_viewer(bindings.stage_bindings),
        "How the flow is put together, in the order it runs.",
    )
    policy_bindings: list["PolicyBinding"] = related(
        "policybindingmodel_ptr_id",
        lambda: PolicyBinding,
        of_viewer(bindings.policy_bindings),
        "What decides who may walk through the flow, in order.",
    )
    diagram: str = made(
        Head._fields,
        diagrams,
        "The flow as a picture, the text of a Mermaid flowchart: its stages in the order they run, and"
        " on the way the policies, groups and users that decide.",
    )


@strawberry.type(description="A stage's place in a flow.")
class FlowStageBinding(Node):
    """A stage's place in a flow."""

    id: strawberry.ID = identified("FlowStageBinding")
    pk: UUID = column("pk", "The primary key.")
    order: int = column("order", "What the bindings of a flow are sorted by, lowest first.")
    evaluate_on_plan: bool = column(
        "evaluate_on_plan", "Whether its policies are asked when the flow is planned."
    )
    re_evaluate_policies: bool = column(
        "re_evaluate_policies", "Whether its policies are asked when the stage is about to run."
    )
    invalid_response_action: InvalidResponseAction | None = column(
        "invalid_response_action",
        "What the flow does when the stage is answered wrongly; null with an error where unknown.",
        Known(InvalidResponseAction),
    )
    stage: "Stage" = embedded("stage", lambda: Stage, "The stage.")
    flow: Flow = embedded("flow", lambda: Flow, "The flow.")
    policy_bindings: list["PolicyBinding"] = related(
        "policybindingmodel_ptr_id",
        lambda: PolicyBinding,
        of_viewer(bindings.policy_bindings),
        "What decides whether the stage is shown, in order.",
    )


@strawberry.type(description="One step, which any number of flows can use.")
class Stage(Node):
    """One step."""

    id: strawberry.ID = identified("Stage")
    pk: UUID = column("pk", "The primary key.")
    name: str = column("name", "The name that administrators see; unique.")
    type: str | None = column(
        "type",
        "The blueprint model, such as `authentik_stages_password.passwordstage`; null where unknown.",
    )
    flows: list[Flow] = flows_using(
        Part.STAGE, "The flows that use the stage, by slug, each once; those that you may see."
    )


@strawberry.type(description="A rule that lets somebody pass, or not.")
class Policy(Node):
    """A rule."""

    id: strawberry.ID = identified("Policy")
    pk: UUID = column("pk", "The primary key.")
    name: str = column("name", "The name that administrators see; unique.")
    type: str | None = column(
        "type",
        "The blueprint model, such as `authentik_policies_expression.expressionpolicy`; null where"
        " unknown.",
    )
    execution_logging: bool = column(
        "execution_logging", "Whether each of its decisions is logged."
    )
    flows: list[Flow] = flows_using(
        Part.POLICY,
        "The flows that use the policy, bound to themselves or to one of their stage bindings, by"
        " slug, each once; those that you may see.",
    )


@strawberry.type(description="Users with the same rights.")
class Group(Object):
    """Users with the same rights."""

    pk: UUID = column("pk", "The primary key.")
    name: str = column("name", "The name; unique.")


@strawberry.type(description="Somebody, or some program, that has an account.")
class User(Object):
    """Who has an account."""

    pk: int = column("pk", "The primary key.")
    name: str = column("name", "The name that is displayed.")


@strawberry.type(
    description="What decides on a flow, or on a stage in it: a policy, a group or a user."
)
class PolicyBinding(Node):
    """What decides."""

    id: strawberry.ID = identified("PolicyBinding")
    pk: UUID = column("pk", "The primary key.")
    order: int = column("order", "What the bindings of a target are sorted by, lowest first.")
    enabled: bool = column("enabled", "Whether it is asked at all.")
    negate: bool = column("negate", "Whether its result is turned round.")
    timeout: int = column("timeout", "Seconds after which a policy is given up.")
    failure_result: bool = column("failure_result", "The result where a policy fails.")
    policy: Policy | None = embedded("policy", lambda: Policy, "The policy, if it is one.")
    group: Group | None = embedded(
        "group", lambda: Group, "The group whose members pass, if it is one."
    )
    user: User | None = embedded("user", lambda: User, "The user who passes, if it is one.")


@strawberry.type(description="A page of flows.")
class FlowPage(Object):
    """A page of flows."""

    pagination: Pagination = column("pagination", "Where this page lies among all.")
    results: list[Flow] = column("results", "The flows of this page.")


@strawberry.type(description="A flow's place in a connection.")
class FlowEdge(Object):
    """A flow's place in a connection."""

    cursor: str = column("cursor", "What `after` and `before` take, opaque.")
    node: Flow = embedded("node", lambda: Flow, "The flow.")


@strawberry.type(description="Where a page of a connection lies.")
class PageInfo(Object):
    """Where a page lies."""

    has_next_page: bool = column("has_next_page", "Whether there are flows behind this page.")
    has_previous_page: bool = column(
        "has_previous_page", "Whether there are flows before this page."
    )
    start_cursor: str | None = column(
        "start_cursor", "The cursor of the page's first flow, null where there is none."
    )
    end_cursor: str | None = column(
        "end_cursor", "The cursor of the page's last flow, null where there is none."
    )


@strawberry.type(description="A page of flows between cursors.")
class FlowConnection(Object):
    """A page of flows between cursors."""

    edges: list[FlowEdge] = column("edges", "The flows of this page, with their cursors.")
    nodes: list[Flow] = column("nodes", "The flows of this page.")
    page_info: PageInfo = column("page_info", "Where this page lies.")
    total_count: int = column(
        "total_count", "How many flows there are that `where` admits; costs a count."
    )
