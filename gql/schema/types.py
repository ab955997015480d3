"""The output types of the schema.

Fields are listed explicitly, so a new column of a table does not become public by itself.
"""

import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import starmap
from typing import Annotated, Any, NewType, Optional, cast

import orjson
import strawberry

from gql import background
from gql.context import Context
from gql.diagram import graph, loading, mermaid
from gql.diagram.flow import Diagram, FlowSummary
from gql.errors import BadUserInputError
from gql.execution.declarations import (
    METADATA_KEY,
    EnumConverter,
    LoadRelation,
    Relation,
    RowList,
    RowObject,
)
from gql.execution.fallback.loaders import load_relation
from gql.execution.fallback.selection import selected_columns
from gql.execution.fields import column_field, computed_field, joined_field, relation_field
from gql.execution.graphql_core import make_field
from gql.resolvers import bindings, exports, prompts, settings, urls
from gql.resolvers.rights import build_object_error, require_rights
from gql.schema.enums import (
    ChangeKind,
    FlowAuthentication,
    FlowDeniedAction,
    FlowDesignation,
    FlowDiagramEdgeType,
    FlowDiagramNodeType,
    FlowLayout,
    InvalidResponseAction,
    PolicyEngineMode,
    SourceKind,
)
from gql.schema.node_ids import NodeIdEncoder
from models.batch import GroupedRows
from models.queries.components import Component
from models.queries.flows import DEFAULT_PAGE_SIZE, FLOW_ROW, MAX_PAGE_SIZE, FlowRow

UUID = NewType("UUID", str)
JSON = NewType("JSON", str)

INVALID_UUID = "Invalid UUID: expected 32 hexadecimal digits, with or without hyphens."
PRIMARY_KEY = "The primary key."
NODE_ID = "The global ID, an opaque string for the `node` and `nodes` queries."
UNKNOWN_VALUE = "Null, with an error, if the stored value is unknown."
CURSOR = "The cursor, an opaque string for `after` and `before`."
# The descriptions of connections and edges, and of their fields, for nodes of any type.
CONNECTION = "A page of {} by cursor."
CONNECTION_FIELDS = {
    "edges": "The {} on this page, with their cursors.",
    "nodes": "The {} on this page.",
    "page_info": "Information about this page.",
    "total_count": "The total number of {} that match `where`. Counting them takes additional time.",
}
EDGE = "A {} in a connection, with its cursor."
REQUIRES_STAGE_BINDINGS = "Requires `view_flowstagebinding`, at least for single objects; null, with an error, without it."
REQUIRES_POLICY_BINDINGS = (
    "Requires `view_policybinding`, at least for single objects; null, with an error, without it."
)
SETTINGS = (
    "keys and values as in authentik's API and blueprints. References are primary keys, and"
    ' `{"$find": [model, [field, value]]}` if only a blueprint names the object. `{"$secret": true}`'
    " replaces secrets. Null if the type is unknown. Requires authentik's permission to view the type"
)
REQUIRES_PROMPT = (
    "Requires `view_prompt`, at least for single objects; null, with an error, without it."
)
REQUIRES_POLICY = "Requires `view_policy` for the policy; null, with an error, without it."


class Info(strawberry.Info[Context, None]):
    """Information about the field that a resolver is called for."""

    def selected_columns(self, *path: str) -> tuple[str, ...] | None:
        """Return the columns of the fields selected below the path.

        Returns None if the path itself is not selected.
        """
        return selected_columns(self, *path)


def parse_uuid(value: object) -> str:
    """Return a UUID in its canonical form of 36 lower-case characters.

    Raises BadUserInputError if Python's `uuid.UUID` does not accept the value.
    """
    try:
        return str(uuid.UUID(cast(str, value)))
    except (AttributeError, TypeError, ValueError):
        raise BadUserInputError(INVALID_UUID) from None


UUID_SCALAR = strawberry.scalar(
    name="UUID",
    description="A universally unique identifier. Serialized as 36 lower-case characters with"
    " hyphens.",
    specified_by_url="https://www.rfc-editor.org/rfc/rfc9562",
    serialize=str,
    parse_value=parse_uuid,
)

# The values are JSON texts until the response is serialized.
JSON_SCALAR = strawberry.scalar(
    name="JSON",
    description="A JSON value.",
    specified_by_url="https://www.rfc-editor.org/rfc/rfc8259",
    serialize=orjson.Fragment,
)


def _render_datetime(value: datetime) -> str:
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


DATETIME_SCALAR = strawberry.scalar(
    name="DateTime",
    description="A date and time in UTC, such as `2026-11-24T12:30:00Z`.",
    specified_by_url="https://www.rfc-editor.org/rfc/rfc3339",
    serialize=_render_datetime,
)


def _convert_background(background: str, context: Context) -> str:
    """Convert a stored background to its URL."""
    return urls.background_url(background, context.session.schema)


def _convert_export_url(slug: str, context: Context) -> str:
    return urls.export_url(slug, context.root_path)


def _may_hide_bindings(_pk: str, context: Context) -> bool:
    return context.viewer.rights.may_hide_bindings


def _may_hide_policy_bindings(_pk: str, context: Context) -> bool:
    return context.viewer.rights.may_hide_policy_bindings


def _require_execution_logging(stored: Any, _context: Context) -> Any:
    if stored is None:
        raise build_object_error("Policy.executionLogging")
    return stored


def _none_if_empty(text: str, _context: Context) -> str | None:
    return text or None


async def _render_diagrams(
    render: Callable[[Diagram], Any], context: Context, rows: Sequence[tuple[Any, ...]]
) -> Sequence[Any]:
    flows = list(starmap(FlowSummary, rows))
    diagrams = await loading.build_diagrams(context.session, context.viewer, flows)
    is_long = any(diagram.is_large for diagram in diagrams)
    return await background.call(lambda: list(map(render, diagrams)), is_long=is_long)


def _build_graph(diagram: Diagram) -> "FlowDiagramGraph":
    return FlowDiagramGraph(
        row={
            "nodes": RowList(FlowDiagramNode, graph.build_nodes(diagram)),
            "edges": RowList(FlowDiagramEdge, graph.build_edges(diagram)),
            "notice": graph.find_notice(diagram),
        }
    )


def _load_for_viewer(coordinate: str, resolve: Callable[..., Any], *leading: Any) -> LoadRelation:
    """Adapt a resolver to a relation: its database and viewer come from the context.

    The viewer needs the rights of the field with this schema coordinate.
    """

    async def load(
        context: Context, keys: Sequence[Any], columns: tuple[str, ...], **arguments: Any
    ) -> GroupedRows:
        require_rights(context.viewer, coordinate)
        return await resolve(*leading, context.session, context.viewer, keys, columns, **arguments)

    return load


async def _load_settings(
    component: Component, context: Context, rows: Sequence[tuple[Any, ...]]
) -> Sequence[Any]:
    pks = [pk for (pk,) in rows]
    return await settings.render_settings(component, context.session, context.viewer, pks)


async def _export_flows(context: Context, rows: Sequence[tuple[Any, ...]]) -> Sequence[Any]:
    flows = list(starmap(FlowRow, rows))
    return await exports.render_flows(context.session, context.viewer, flows)


def _settings_field(component: Component, description: str) -> Any:
    load = partial(_load_settings, component)
    return computed_field(("pk",), load, description, is_json=True)


def _id_field(type_: str) -> Any:
    return column_field("pk", NODE_ID, NodeIdEncoder(type_))


def _enum_field(name: str, description: str, converter: EnumConverter) -> Any:
    return column_field(name, f"{description} {UNKNOWN_VALUE}", converter)


def _connection_field(column: str, nodes: str) -> Any:
    """Declare a field of a connection; `nodes` is the plural of the nodes' type."""
    return column_field(column, CONNECTION_FIELDS[column].format(nodes))


def _flows_field(coordinate: str, component: Component, description: str) -> Any:
    """Declare the field `flows` of a stage or a policy."""
    load = _load_for_viewer(coordinate, bindings.list_flows_using, component)
    build_error = partial(build_object_error, coordinate)
    relation = Relation("visible_pk", lambda: Flow, load, build_error)

    async def flows(
        root: RowObject,
        info: Info,
        first: Annotated[
            int,
            strawberry.argument(
                description="The number of flows to return, from the first one: 0 to"
                f" {MAX_PAGE_SIZE}."
            ),
        ] = DEFAULT_PAGE_SIZE,
    ) -> Any:
        return await load_relation(relation, root, info, {"first": first})

    return make_field(flows, description, {METADATA_KEY: relation})


@strawberry.interface(description="An object with a global ID.")
class Node(RowObject):
    id: strawberry.ID = column_field("pk", NODE_ID)


@strawberry.type(
    description="A sequence of stages that a user goes through to log in, enroll or recover."
)
class Flow(Node):
    id: strawberry.ID = _id_field("Flow")
    pk: UUID = column_field("pk", PRIMARY_KEY)
    policybindingmodel_ptr_id: UUID = column_field(
        "policybindingmodel_ptr_id",
        "The key that policy bindings refer to. It differs from `pk`.",
    )
    name: str = column_field("name", "The name, shown to administrators.")
    slug: str = column_field(
        "slug",
        "The slug: the flow's name in URLs. Letters, digits, `-` and `_`; unique.",
    )
    title: str = column_field("title", "The title, shown to users.")
    designation: FlowDesignation | None = _enum_field(
        "designation", "The purpose of the flow.", EnumConverter(FlowDesignation)
    )
    background: str = column_field(
        "background", "The URL of the background image.", _convert_background
    )
    stages: list[UUID] = column_field(
        "stages",
        "The primary keys of the stages, in execution order. A stage that is bound twice appears"
        " twice.",
    )
    policies: list[UUID] = column_field(
        "policies",
        "The primary keys of the policies bound to the flow, in order. Includes policies whose"
        " binding is disabled.",
    )
    cache_count: int = column_field("cache_count", "The number of cached plans of the flow.")
    policy_engine_mode: PolicyEngineMode | None = _enum_field(
        "policy_engine_mode",
        "The rule that combines the results of the flow's policies.",
        EnumConverter(PolicyEngineMode),
    )
    compatibility_mode: bool = column_field(
        "compatibility_mode",
        "Indicates whether the pages are compatible with password managers on mobile devices.",
    )
    export_url: str = column_field(
        "slug", "The path that exports the flow as a blueprint.", _convert_export_url
    )
    layout: FlowLayout | None = _enum_field(
        "layout", "The layout of the flow's pages.", EnumConverter(FlowLayout)
    )
    denied_action: FlowDeniedAction | None = _enum_field(
        "denied_action",
        "The response to a user whom a policy denies access.",
        EnumConverter(FlowDeniedAction),
    )
    authentication: FlowAuthentication | None = _enum_field(
        "authentication",
        "The authentication that the flow requires.",
        EnumConverter(FlowAuthentication),
    )
    stage_bindings: list["FlowStageBinding"] | None = relation_field(
        "pk",
        lambda: FlowStageBinding,
        _load_for_viewer("Flow.stageBindings", bindings.list_stage_bindings),
        f"The stage bindings that you may see, in execution order. {REQUIRES_STAGE_BINDINGS}",
    )
    policy_bindings: list["PolicyBinding"] | None = relation_field(
        "policybindingmodel_ptr_id",
        lambda: PolicyBinding,
        _load_for_viewer("Flow.policyBindings", bindings.list_policy_bindings),
        "The policy bindings that control access to the flow and that you may see, in order."
        f" {REQUIRES_POLICY_BINDINGS}",
    )
    bindings_may_be_hidden: bool = column_field(
        "pk",
        "Indicates whether the flow may have stage bindings or policy bindings that you may not"
        " see. Depends on your permissions only, not on the flow.",
        _may_hide_bindings,
    )
    diagram: str = computed_field(
        FlowSummary._fields,
        partial(_render_diagrams, mermaid.render),
        "The flow as a Mermaid flowchart: the stages in execution order, with the policies, groups"
        " and users that control access. Contains only bindings that you may see, and a note if"
        " bindings may be hidden.",
    )
    diagram_graph: Optional["FlowDiagramGraph"] = computed_field(
        FlowSummary._fields,
        partial(_render_diagrams, _build_graph),
        "The nodes and edges of `diagram`. Contains only bindings that you may see, and a notice if"
        " bindings may be hidden.",
    )
    blueprint: str | None = computed_field(
        FLOW_ROW,
        _export_flows,
        "The flow as a blueprint in YAML, as `exportUrl` returns it. Requires the permissions of an"
        " export; null, with an error, without them.",
    )


@strawberry.type(description="A diagram of a flow as a graph.")
class FlowDiagramGraph(RowObject):
    nodes: list["FlowDiagramNode"] = column_field("nodes", "The nodes, in execution order.")
    edges: list["FlowDiagramEdge"] = column_field("edges", "The edges, sorted by source.")
    notice: str | None = column_field(
        "notice",
        "A notice that bindings may be hidden. Null if you may see all of them.",
        _none_if_empty,
    )


@strawberry.type(description="A node of a diagram.")
class FlowDiagramNode(RowObject):
    id: strawberry.ID = column_field(
        "id", "The identifier, unique among all diagrams. No global ID for the `node` query."
    )
    type: FlowDiagramNodeType = column_field(
        "type", "The type.", EnumConverter(FlowDiagramNodeType)
    )
    label: str = column_field(
        "name", "The label: the title of the flow, or the name of what is bound to it."
    )
    verbose_name: str | None = column_field(
        "verbose_name",
        "The label of the type of the stage or policy, or of the flow's designation. Null if there"
        " is none.",
        _none_if_empty,
    )
    caption: str | None = column_field(
        "caption",
        "The requirement of the flow, or the action on an invalid response or on denial. Null if"
        " there is none.",
        _none_if_empty,
    )
    model: str | None = column_field(
        "model",
        "The blueprint model of the bound object, such as `authentik_stages_password.passwordstage`."
        " Null if unknown, or if nothing is bound.",
        _none_if_empty,
    )
    pk: str | None = column_field(
        "pk", "The primary key of the bound object. Null if nothing is bound.", _none_if_empty
    )
    binding_model: str | None = column_field(
        "binding_model",
        "The blueprint model of the binding. Null if the node has no binding.",
        _none_if_empty,
    )
    binding_pk: str | None = column_field(
        "binding_pk",
        "The primary key of the binding. Null if the node has no binding.",
        _none_if_empty,
    )
    binding_order: int | None = column_field(
        "binding_order", "The sort key of the binding. Null if the node has no binding."
    )


@strawberry.type(description="An edge of a diagram.")
class FlowDiagramEdge(RowObject):
    source: strawberry.ID = column_field("source_id", "The `id` of the node that the edge leaves.")
    target: strawberry.ID = column_field("target_id", "The `id` of the node that the edge enters.")
    type: FlowDiagramEdgeType = column_field(
        "type", "The type.", EnumConverter(FlowDiagramEdgeType)
    )
    label: str | None = column_field(
        "label",
        "The outcome of the policy, before negation. Null if the edge leaves no policy.",
        _none_if_empty,
    )


@strawberry.type(description="The binding of a stage to a flow.")
class FlowStageBinding(Node):
    id: strawberry.ID = _id_field("FlowStageBinding")
    pk: UUID = column_field("pk", PRIMARY_KEY)
    order: int = column_field("order", "The sort key among the stage bindings of the flow.")
    evaluate_on_plan: bool = column_field(
        "evaluate_on_plan", "Indicates whether policies are evaluated when the flow is planned."
    )
    re_evaluate_policies: bool = column_field(
        "re_evaluate_policies",
        "Indicates whether policies are evaluated before the stage is executed.",
    )
    policy_engine_mode: PolicyEngineMode | None = _enum_field(
        "policy_engine_mode",
        "The rule that combines the results of the stage binding's policies.",
        EnumConverter(PolicyEngineMode),
    )
    invalid_response_action: InvalidResponseAction | None = _enum_field(
        "invalid_response_action",
        "The reaction to an invalid response to the stage.",
        EnumConverter(InvalidResponseAction),
    )
    stage: "Stage" = joined_field("stage", lambda: Stage, "The stage.")
    flow: Flow = joined_field("flow", lambda: Flow, "The flow.")
    policy_bindings: list["PolicyBinding"] | None = relation_field(
        "policybindingmodel_ptr_id",
        lambda: PolicyBinding,
        _load_for_viewer("FlowStageBinding.policyBindings", bindings.list_policy_bindings),
        "The policy bindings that decide whether the stage is executed and that you may see, in"
        f" order. {REQUIRES_POLICY_BINDINGS}",
    )
    bindings_may_be_hidden: bool = column_field(
        "pk",
        "Indicates whether the stage binding may have policy bindings that you may not see. Depends"
        " on your permissions only, not on the stage binding.",
        _may_hide_policy_bindings,
    )


@strawberry.type(description="A step of a flow. Any number of flows can use the same stage.")
class Stage(Node):
    id: strawberry.ID = _id_field("Stage")
    pk: UUID = column_field("pk", PRIMARY_KEY)
    name: str = column_field("name", "The name, shown to administrators; unique.")
    type: str | None = column_field(
        "type",
        "The blueprint model, such as `authentik_stages_password.passwordstage`. Null if unknown.",
    )
    flows: list[Flow] | None = _flows_field(
        "Stage.flows",
        Component.STAGE,
        "The flows that use the stage, sorted by slug. Includes only flows that you may see."
        " Requires `view_stage` for the stage; null, with an error, without it.",
    )
    settings: JSON | None = _settings_field(
        Component.STAGE,
        f"The settings of the stage: {SETTINGS}, such as"
        " `authentik_stages_password.view_passwordstage`; null, with an error, without it.",
    )
    prompts: list["Prompt"] | None = relation_field(
        "pk",
        lambda: Prompt,
        _load_for_viewer("Stage.prompts", prompts.list_prompts),
        "The prompts that a prompt stage shows and that you may see, in order; empty for other"
        f" stages. {REQUIRES_PROMPT}",
    )


@strawberry.type(description="A field of the form that a prompt stage shows.")
class Prompt(RowObject):
    pk: UUID = column_field("pk", PRIMARY_KEY)
    name: str = column_field("name", "The name, shown to administrators; unique.")
    field_key: str = column_field(
        "field_key", "The key of the value in the context of the flow, such as `username`."
    )
    label: str = column_field("label", "The label, shown to users.")
    type: str = column_field("type", "The type of the field, such as `text` or `password`.")
    required: bool = column_field("required", "Indicates whether the user must enter a value.")
    placeholder: str = column_field(
        "placeholder", "The placeholder, or the expression that computes it."
    )
    initial_value: str = column_field(
        "initial_value", "The initial value, or the expression that computes it."
    )
    order: int = column_field("order", "The sort key among the prompts of a stage.")
    sub_text: str = column_field("sub_text", "The text below the field.")
    placeholder_expression: bool = column_field(
        "placeholder_expression", "Indicates whether `placeholder` is an expression."
    )
    initial_value_expression: bool = column_field(
        "initial_value_expression", "Indicates whether `initialValue` is an expression."
    )


@strawberry.type(description="A rule that grants or denies access.")
class Policy(Node):
    id: strawberry.ID = _id_field("Policy")
    pk: UUID = column_field("pk", PRIMARY_KEY)
    name: str = column_field("name", "The name, shown to administrators; unique.")
    type: str | None = column_field(
        "type",
        "The blueprint model, such as `authentik_policies_expression.expressionpolicy`. Null if"
        " unknown.",
    )
    execution_logging: bool | None = column_field(
        "execution_logging",
        f"Indicates whether each execution is logged. {REQUIRES_POLICY}",
        _require_execution_logging,
    )
    flows: list[Flow] | None = _flows_field(
        "Policy.flows",
        Component.POLICY,
        "The flows that use the policy, directly or in a stage binding, sorted by slug. Includes"
        f" only flows and bindings that you may see. {REQUIRES_POLICY}",
    )
    settings: JSON | None = _settings_field(
        Component.POLICY,
        f"The settings of the policy: {SETTINGS}, such as"
        " `authentik_policies_expression.view_expressionpolicy`; null, with an error, without it.",
    )


@strawberry.type(description="A group of users with the same permissions.")
class Group(RowObject):
    pk: UUID = column_field("pk", PRIMARY_KEY)
    name: str = column_field("name", "The name; unique.")


@strawberry.type(description="The account of a person or a program.")
class User(RowObject):
    pk: int = column_field("pk", PRIMARY_KEY)
    name: str = column_field("name", "The display name.")


@strawberry.type(
    description="The binding of a policy, a group or a user to a flow or a stage binding."
)
class PolicyBinding(Node):
    id: strawberry.ID = _id_field("PolicyBinding")
    pk: UUID = column_field("pk", PRIMARY_KEY)
    order: int = column_field("order", "The sort key among the policy bindings of the target.")
    enabled: bool = column_field("enabled", "Indicates whether the binding is evaluated.")
    negate: bool = column_field("negate", "Indicates whether the result is negated.")
    timeout: int = column_field("timeout", "The time limit for the policy in seconds.")
    failure_result: bool = column_field(
        "failure_result", "The result if the execution of the policy fails."
    )
    policy: Policy | None = joined_field(
        "policy", lambda: Policy, "The policy. Null if none is bound."
    )
    group: Group | None = joined_field(
        "group", lambda: Group, "The group whose members pass. Null if none is bound."
    )
    user: User | None = joined_field(
        "user", lambda: User, "The user who passes. Null if none is bound."
    )


@strawberry.type(description="The position of a page. Pages and indexes count from 1.")
class Pagination(RowObject):
    next: int = column_field("next", "The number of the next page, or 0 if this is the last one.")
    previous: int = column_field(
        "previous", "The number of the previous page, or 0 if this is the first one."
    )
    count: int = column_field("count", "The total number of flows on all pages.")
    current: int = column_field("current", "The number of this page.")
    total_pages: int = column_field("total_pages", "The total number of pages, at least 1.")
    start_index: int = column_field(
        "start_index", "The index of the first flow on this page, or 0 if there are no flows."
    )
    end_index: int = column_field(
        "end_index", "The index of the last flow on this page, or 0 if there are no flows."
    )


@strawberry.type(description="A page of flows by number.")
class FlowPage(RowObject):
    pagination: Pagination = column_field("pagination", "The position of this page.")
    results: list[Flow] = column_field("results", "The flows on this page.")


@strawberry.type(description=EDGE.format("flow"))
class FlowEdge(RowObject):
    cursor: str = column_field("cursor", CURSOR)
    node: Flow = joined_field("node", lambda: Flow, "The flow.")


@strawberry.type(description=EDGE.format("stage"))
class StageEdge(RowObject):
    cursor: str = column_field("cursor", CURSOR)
    node: Stage = joined_field("node", lambda: Stage, "The stage.")


@strawberry.type(description=EDGE.format("policy"))
class PolicyEdge(RowObject):
    cursor: str = column_field("cursor", CURSOR)
    node: Policy = joined_field("node", lambda: Policy, "The policy.")


@strawberry.type(description="Information about pagination in a connection.")
class PageInfo(RowObject):
    has_next_page: bool = column_field(
        "has_next_page", "Indicates whether there are nodes after this page."
    )
    has_previous_page: bool = column_field(
        "has_previous_page", "Indicates whether there are nodes before this page."
    )
    start_cursor: str | None = column_field(
        "start_cursor", "The cursor of the first node on this page. Null if the page is empty."
    )
    end_cursor: str | None = column_field(
        "end_cursor", "The cursor of the last node on this page. Null if the page is empty."
    )


@strawberry.type(description=CONNECTION.format("flows"))
class FlowConnection(RowObject):
    edges: list[FlowEdge] = _connection_field("edges", "flows")
    nodes: list[Flow] = _connection_field("nodes", "flows")
    page_info: PageInfo = _connection_field("page_info", "flows")
    total_count: int = _connection_field("total_count", "flows")


@strawberry.type(description=CONNECTION.format("stages"))
class StageConnection(RowObject):
    edges: list[StageEdge] = _connection_field("edges", "stages")
    nodes: list[Stage] = _connection_field("nodes", "stages")
    page_info: PageInfo = _connection_field("page_info", "stages")
    total_count: int = _connection_field("total_count", "stages")


@strawberry.type(description=CONNECTION.format("policies"))
class PolicyConnection(RowObject):
    edges: list[PolicyEdge] = _connection_field("edges", "policies")
    nodes: list[Policy] = _connection_field("nodes", "policies")
    page_info: PageInfo = _connection_field("page_info", "policies")
    total_count: int = _connection_field("total_count", "policies")


@strawberry.type(description="The source of the data.")
class Source(RowObject):
    kind: SourceKind = column_field("kind", "The kind.", EnumConverter(SourceKind))
    url: str | None = column_field(
        "url", "The URL of authentik or of the database, without user information and parameters."
    )
    version: str | None = column_field(
        "version", "The version of authentik at the last sync. Null if unknown."
    )
    synced_at: datetime | None = column_field(
        "synced_at", "The time of the last successful sync. Null if there was none."
    )


@strawberry.type(description="The difference between a baseline and the data.")
class Drift(RowObject):
    baseline: str | None = column_field(
        "baseline",
        "The baseline: a path, or a URL without user information and parameters. Null unless you may"
        " view all flows.",
    )
    count: int = column_field(
        "count", "The number of changes that you may see, without those of the kind `EXTRA`."
    )
    changes: list["Change"] = column_field(
        "changes", "The changes that you may see, sorted by path, with those of the kind `EXTRA`."
    )


@strawberry.type(description="A difference between the baseline and the data, of one object.")
class Change(RowObject):
    path: str = column_field(
        "path", "The object and its attribute, such as `flow/default-login.title`."
    )
    kind: ChangeKind = column_field("kind", "The kind.", EnumConverter(ChangeKind))
    object_kind: str = column_field(
        "object_kind",
        "The kind of the object: `flow`, `stage`, `policy`, `prompt`, `stage binding` or `policy"
        " binding`.",
    )
    object: str = column_field("object", "The path of the object.")
    attribute: str | None = column_field(
        "attribute",
        "The attribute that differs, by its name in blueprints. Null for a whole object.",
    )
    before: JSON | None = column_field(
        "before",
        "The value in the baseline, or the attributes of an object that only the baseline has. Other"
        " objects are named. Null if there is none.",
    )
    after: JSON | None = column_field(
        "after",
        "The value in the data, or the attributes of an object that the baseline lacks. Other objects"
        " are named. Null if there is none.",
    )
    is_redacted: bool = column_field(
        "is_redacted",
        "Indicates whether `before` or `after` lacks a value that you may not see.",
    )
    flows: list[str] = column_field(
        "flows", "The slugs of the flows that the object belongs to or is used by, sorted."
    )
