"""The types of the graph; nothing is generated from the tables, so no column appears by itself."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from itertools import starmap
from typing import Annotated, Any, NewType, TypeVar, cast

import strawberry

from gql.context import Context
from gql.diagram import loading, mermaid
from gql.diagram.flow import FlowSummary
from gql.errors import BadUserInputError
from gql.execution.declarations import (
    METADATA_KEY,
    EnumConverter,
    LoadRelation,
    Relation,
    RowObject,
)
from gql.execution.fallback.loaders import load_relation
from gql.execution.fallback.selection import selected_columns
from gql.execution.fields import column_field, computed_field, joined_field, relation_field
from gql.resolvers import bindings
from gql.resolvers import urls as presentation
from gql.schema.node_ids import GlobalId
from models.batch import Grouped
from models.queries.components import Component
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


class Info(strawberry.Info[Context, None]):
    """What resolvers know of a request, and of what is selected."""

    def selected(self, *path: str) -> tuple[str, ...] | None:
        """The columns that the fields selected below a path are told from; None if it is not."""
        return selected_columns(self, *path)


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


@strawberry.type(description="Where a page lies among all; pages and indexes count from 1.")
class Pagination(RowObject):
    """Where a page lies among all."""

    next: int = column_field("next", "The next page's number, 0 where there is none.")
    previous: int = column_field("previous", "The previous page's number, 0 where there is none.")
    count: int = column_field("count", "How many flows there are on all pages.")
    current: int = column_field("current", "This page's number.")
    total_pages: int = column_field("total_pages", "How many pages there are, at least 1.")
    start_index: int = column_field(
        "start_index", "The place of this page's first flow among all, 0 where there is none."
    )
    end_index: int = column_field(
        "end_index", "The place of this page's last flow among all, 0 where there is none."
    )


def background_url(background: str, context: Context) -> str:
    """Where the picture behind a flow is."""
    return presentation.background_url(background, context.database.schema)


def for_viewer(load: Callable[..., Any], *given: Any) -> LoadRelation:
    """A resolver, asked for many parents as who asks."""

    async def found(
        context: Context, keys: Sequence[Any], columns: tuple[str, ...], **arguments: Any
    ) -> Grouped:
        return await load(*given, context.database, context.viewer, keys, columns, **arguments)

    return found


async def render_diagrams(context: Context, rows: Sequence[tuple[Any, ...]]) -> Sequence[str]:
    """Flows, of which such rows tell, as pictures."""
    flows = list(starmap(FlowSummary, rows))
    found = await loading.build_diagrams(context.database, context.viewer, flows)
    return list(map(mermaid.render, found))


def id_field(type_: str) -> Any:
    """The field `id` of a type of nodes."""
    return column_field("pk", "The id that `node` takes, opaque.", GlobalId(type_))


def flows_field(part: Component, description: str) -> Any:
    """The field `flows` of a stage or a policy."""
    relation = Relation("pk", lambda: Flow, for_viewer(bindings.list_flows_using, part))

    async def flows(
        root: RowObject,
        info: Info,
        first: Annotated[
            int, strawberry.argument(description="How many flows at most, from 0 to 100.")
        ] = 20,
    ) -> Any:
        return await load_relation(relation, root, info, {"first": first})

    return strawberry.field(
        cast(Any, flows), description=description, metadata={METADATA_KEY: relation}
    )


@strawberry.interface(description="What has an id, by which it can be asked for again.")
class Node(RowObject):
    """What has an id."""

    id: strawberry.ID = column_field("pk", "The id that `node` takes, opaque.")


@strawberry.type(
    description="A row of stages that a person walks through to log in, enroll or recover."
)
class Flow(Node):
    """A flow, told from its stored row."""

    id: strawberry.ID = id_field("Flow")
    pk: UUID = column_field("pk", "The primary key.")
    policybindingmodel_ptr_id: UUID = column_field(
        "policybindingmodel_ptr_id", "The key that policies are bound to; differs from `pk`."
    )
    name: str = column_field("name", "The name that administrators see.")
    slug: str = column_field("slug", "The name in URLs: letters, digits, `-` and `_`; unique.")
    title: str = column_field("title", "The heading that the person sees.")
    designation: FlowDesignation | None = column_field(
        "designation",
        "What the flow is for; null with an error where unknown.",
        EnumConverter(FlowDesignation),
    )
    background: str = column_field(
        "background", "The URL of the picture behind the flow.", background_url
    )
    stages: list[UUID] = column_field(
        "stages",
        "The stages' primary keys in the order they run; one bound twice is here twice.",
    )
    policies: list[UUID] = column_field(
        "policies",
        "The primary keys of the policies bound to the flow, disabled ones too, in order.",
    )
    cache_count: int = column_field("cache_count", "How many plans of the flow are cached.")
    policy_engine_mode: PolicyEngineMode | None = column_field(
        "policy_engine_mode",
        "Whether all or any policies must pass; null with an error where unknown.",
        EnumConverter(PolicyEngineMode),
    )
    compatibility_mode: bool = column_field(
        "compatibility_mode", "Whether pages are rendered for old password managers."
    )
    export_url: str = column_field(
        "slug", "The path that exports the flow as a blueprint.", presentation.export_url
    )
    layout: FlowLayout | None = column_field(
        "layout",
        "How pages are laid out; null with an error where unknown.",
        EnumConverter(FlowLayout),
    )
    denied_action: FlowDeniedAction | None = column_field(
        "denied_action",
        "What happens when a policy denies access; null with an error where unknown.",
        EnumConverter(FlowDeniedAction),
    )
    authentication: FlowAuthentication | None = column_field(
        "authentication",
        "Who may start the flow; null with an error where unknown.",
        EnumConverter(FlowAuthentication),
    )
    stage_bindings: list["FlowStageBinding"] = relation_field(
        "pk",
        lambda: FlowStageBinding,
        for_viewer(bindings.list_stage_bindings),
        "How the flow is put together, in the order it runs.",
    )
    policy_bindings: list["PolicyBinding"] = relation_field(
        "policybindingmodel_ptr_id",
        lambda: PolicyBinding,
        for_viewer(bindings.list_policy_bindings),
        "What decides who may walk through the flow, in order.",
    )
    diagram: str = computed_field(
        FlowSummary._fields,
        render_diagrams,
        "The flow as a picture, the text of a Mermaid flowchart: its stages in the order they run, and"
        " on the way the policies, groups and users that decide.",
    )


@strawberry.type(description="A stage's place in a flow.")
class FlowStageBinding(Node):
    """A stage's place in a flow."""

    id: strawberry.ID = id_field("FlowStageBinding")
    pk: UUID = column_field("pk", "The primary key.")
    order: int = column_field("order", "What the bindings of a flow are sorted by, lowest first.")
    evaluate_on_plan: bool = column_field(
        "evaluate_on_plan", "Whether its policies are asked when the flow is planned."
    )
    re_evaluate_policies: bool = column_field(
        "re_evaluate_policies", "Whether its policies are asked when the stage is about to run."
    )
    invalid_response_action: InvalidResponseAction | None = column_field(
        "invalid_response_action",
        "What the flow does when the stage is answered wrongly; null with an error where unknown.",
        EnumConverter(InvalidResponseAction),
    )
    stage: "Stage" = joined_field("stage", lambda: Stage, "The stage.")
    flow: Flow = joined_field("flow", lambda: Flow, "The flow.")
    policy_bindings: list["PolicyBinding"] = relation_field(
        "policybindingmodel_ptr_id",
        lambda: PolicyBinding,
        for_viewer(bindings.list_policy_bindings),
        "What decides whether the stage is shown, in order.",
    )


@strawberry.type(description="One step, which any number of flows can use.")
class Stage(Node):
    """One step."""

    id: strawberry.ID = id_field("Stage")
    pk: UUID = column_field("pk", "The primary key.")
    name: str = column_field("name", "The name that administrators see; unique.")
    type: str | None = column_field(
        "type",
        "The blueprint model, such as `authentik_stages_password.passwordstage`; null where unknown.",
    )
    flows: list[Flow] = flows_field(
        Component.STAGE, "The flows that use the stage, by slug, each once; those that you may see."
    )


@strawberry.type(description="A rule that lets somebody pass, or not.")
class Policy(Node):
    """A rule."""

    id: strawberry.ID = id_field("Policy")
    pk: UUID = column_field("pk", "The primary key.")
    name: str = column_field("name", "The name that administrators see; unique.")
    type: str | None = column_field(
        "type",
        "The blueprint model, such as `authentik_policies_expression.expressionpolicy`; null where"
        " unknown.",
    )
    execution_logging: bool = column_field(
        "execution_logging", "Whether each of its decisions is logged."
    )
    flows: list[Flow] = flows_field(
        Component.POLICY,
        "The flows that use the policy, bound to themselves or to one of their stage bindings, by"
        " slug, each once; those that you may see.",
    )


@strawberry.type(description="Users with the same rights.")
class Group(RowObject):
    """Users with the same rights."""

    pk: UUID = column_field("pk", "The primary key.")
    name: str = column_field("name", "The name; unique.")


@strawberry.type(description="Somebody, or some program, that has an account.")
class User(RowObject):
    """Who has an account."""

    pk: int = column_field("pk", "The primary key.")
    name: str = column_field("name", "The name that is displayed.")


@strawberry.type(
    description="What decides on a flow, or on a stage in it: a policy, a group or a user."
)
class PolicyBinding(Node):
    """What decides."""

    id: strawberry.ID = id_field("PolicyBinding")
    pk: UUID = column_field("pk", "The primary key.")
    order: int = column_field("order", "What the bindings of a target are sorted by, lowest first.")
    enabled: bool = column_field("enabled", "Whether it is asked at all.")
    negate: bool = column_field("negate", "Whether its result is turned round.")
    timeout: int = column_field("timeout", "Seconds after which a policy is given up.")
    failure_result: bool = column_field("failure_result", "The result where a policy fails.")
    policy: Policy | None = joined_field("policy", lambda: Policy, "The policy, if it is one.")
    group: Group | None = joined_field(
        "group", lambda: Group, "The group whose members pass, if it is one."
    )
    user: User | None = joined_field("user", lambda: User, "The user who passes, if it is one.")


@strawberry.type(description="A page of flows.")
class FlowPage(RowObject):
    """A page of flows."""

    pagination: Pagination = column_field("pagination", "Where this page lies among all.")
    results: list[Flow] = column_field("results", "The flows of this page.")


@strawberry.type(description="A flow's place in a connection.")
class FlowEdge(RowObject):
    """A flow's place in a connection."""

    cursor: str = column_field("cursor", "What `after` and `before` take, opaque.")
    node: Flow = joined_field("node", lambda: Flow, "The flow.")


@strawberry.type(description="Where a page of a connection lies.")
class PageInfo(RowObject):
    """Where a page lies."""

    has_next_page: bool = column_field("has_next_page", "Whether there are flows behind this page.")
    has_previous_page: bool = column_field(
        "has_previous_page", "Whether there are flows before this page."
    )
    start_cursor: str | None = column_field(
        "start_cursor", "The cursor of the page's first flow, null where there is none."
    )
    end_cursor: str | None = column_field(
        "end_cursor", "The cursor of the page's last flow, null where there is none."
    )


@strawberry.type(description="A page of flows between cursors.")
class FlowConnection(RowObject):
    """A page of flows between cursors."""

    edges: list[FlowEdge] = column_field("edges", "The flows of this page, with their cursors.")
    nodes: list[Flow] = column_field("nodes", "The flows of this page.")
    page_info: PageInfo = column_field("page_info", "Where this page lies.")
    total_count: int = column_field(
        "total_count", "How many flows there are that `where` admits; costs a count."
    )
