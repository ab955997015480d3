"""The root query type."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Annotated, Any, TypeVar, cast

import strawberry

from gql.context import Context
from gql.errors import FlowQLError, InvalidSizeError, ListTooLongError
from gql.execution.completion import gather
from gql.execution.declarations import MixedList, RowList, RowObject, TypedRows
from gql.resolvers import bindings, connections
from gql.resolvers import drift as drift_resolvers
from gql.resolvers import flows as flow_resolvers
from gql.resolvers import source as source_resolvers
from gql.resolvers.connections import ConnectionData, ConnectionQuery, ConnectionSelection
from gql.resolvers.drift import DriftData, build_batch
from gql.resolvers.flows import FlowSelection
from gql.resolvers.rights import require_rights
from gql.schema.arguments import require_no_nul, unset_to_none
from gql.schema.enums import FlowDeniedAction, FlowDesignation, FlowOrdering
from gql.schema.filters import (
    FlowWhere,
    PolicyWhere,
    StageWhere,
    parse_component_where,
    parse_where,
)
from gql.schema.node_ids import decode_node_id
from gql.schema.types import (
    UUID,
    Change,
    Drift,
    Flow,
    FlowConnection,
    FlowEdge,
    FlowPage,
    FlowStageBinding,
    Info,
    Node,
    PageInfo,
    Pagination,
    Policy,
    PolicyBinding,
    PolicyConnection,
    PolicyEdge,
    Source,
    Stage,
    StageConnection,
    StageEdge,
)
from models.batch import NO_ROWS, Batch, GroupedRows
from models.database import Session
from models.queries.components import Component
from models.queries.flows import BY_SLUG, DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE, FlowQuery, Ordering
from models.queries.viewer import Viewer
from models.search_terms import split_terms

N = TypeVar("N", bound=Node)

# The prefix of the columns of an edge's flow.
NODE_PREFIX = "node."
# The fields of PageInfo that need cursors.
PAGE_INFO_CURSORS = {"start_cursor", "end_cursor"}

# The arguments of a connection.
First = Annotated[
    int | None,
    strawberry.argument(
        description=f"The number of nodes to return, from the first one: 0 to {MAX_PAGE_SIZE}."
    ),
]
After = Annotated[
    str | None, strawberry.argument(description="Returns the nodes that come after this cursor.")
]
Last = Annotated[
    int | None,
    strawberry.argument(
        description=f"The number of nodes to return, from the last one: 0 to {MAX_PAGE_SIZE}."
        " Cannot be combined with `first`."
    ),
]
Before = Annotated[
    str | None,
    strawberry.argument(
        description="Returns the nodes that come before this cursor. Requires `last` or `first`."
    ),
]


@strawberry.type(description="The root query type.")
class Query:
    @strawberry.field(
        description="A page of flows by number, with the filters, search and pagination of"
        " authentik's `flows_instances_list`. All filters must match; null or omitted filters match"
        " every flow. Null, with an error, if an argument is invalid."
    )
    async def flows(  # noqa: PLR0913, PLR0917 - the arguments are the API
        self,
        info: Info,
        designation: Annotated[
            FlowDesignation | None,
            strawberry.argument(description="Matches flows with this purpose."),
        ] = strawberry.UNSET,
        search: Annotated[
            str | None,
            strawberry.argument(
                description="Matches flows that contain all of these terms in their name, slug,"
                " designation, title or denied action, ignoring case. Quotes enclose a phrase; an"
                " empty string matches every flow."
            ),
        ] = strawberry.UNSET,
        ordering: Annotated[
            list[FlowOrdering] | None,
            strawberry.argument(
                description="The sort terms, most significant first. Sorts by slug by default."
            ),
        ] = strawberry.UNSET,
        page: Annotated[
            int, strawberry.argument(description="The number of the page, starting at 1.")
        ] = 1,
        page_size: Annotated[
            int,
            strawberry.argument(
                description=f"The number of flows per page, from 1 to {MAX_PAGE_SIZE}."
            ),
        ] = DEFAULT_PAGE_SIZE,
        denied_action: Annotated[
            FlowDeniedAction | None,
            strawberry.argument(description="Matches flows with this denied action."),
        ] = strawberry.UNSET,
        name: Annotated[
            str | None, strawberry.argument(description="Matches flows with exactly this name.")
        ] = strawberry.UNSET,
        slug: Annotated[
            str | None, strawberry.argument(description="Matches the flow with exactly this slug.")
        ] = strawberry.UNSET,
        pk: Annotated[
            UUID | None, strawberry.argument(description="Matches the flow with this primary key.")
        ] = strawberry.UNSET,
    ) -> FlowPage | None:
        if not 1 <= page_size <= MAX_PAGE_SIZE:
            raise InvalidSizeError("pageSize", page_size, minimum=1, maximum=MAX_PAGE_SIZE)
        query = FlowQuery(
            pk=pk or None,
            name=_parse_text("name", name),
            slug=_parse_text("slug", slug),
            designation=designation.value if designation else None,
            denied_action=denied_action.value if denied_action else None,
            search=split_terms(_parse_text("search", search) or ""),
            ordering=_parse_ordering(ordering),
            page=page,
            page_size=page_size,
        )
        selection = FlowSelection(
            columns=info.selected_columns("results"),
            pagination=info.selected_columns("pagination") is not None,
        )
        context = info.context
        data = await flow_resolvers.list_flows(context.session, context.viewer, query, selection)
        pagination = Pagination(row=data.pagination) if data.pagination else None
        return FlowPage(row={"pagination": pagination, "results": RowList(Flow, data.flows)})

    @strawberry.field(
        description="A page of flows by cursor. The cost of a page does not depend on its position,"
        " and flows that are created or deleted between requests cause no duplicates or gaps."
        f" Returns the first {DEFAULT_PAGE_SIZE} flows by default. Null, with an error, if an"
        " argument is invalid or its conditions require permissions that you lack."
    )
    async def flow_connection(  # noqa: PLR0913, PLR0917 - the arguments are the API
        self,
        info: Info,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
        where: Annotated[
            FlowWhere | None, strawberry.argument(description="The conditions on the flows.")
        ] = strawberry.UNSET,
        order_by: Annotated[
            list[FlowOrdering] | None,
            strawberry.argument(
                description="The sort terms, most significant first. Sorts by slug by default."
            ),
        ] = strawberry.UNSET,
    ) -> FlowConnection | None:
        context = info.context
        query = _parse_page(first, after, last, before)._replace(
            where=parse_where("where", where or None, context), ordering=_parse_ordering(order_by)
        )
        data = await connections.load_flow_connection(
            context.session, context.viewer, query, _select_connection(info)
        )
        return FlowConnection(row=_build_connection_row(data, FlowEdge, Flow))

    @strawberry.field(
        description="A page of stages by cursor: those that you may see and that a flow that you"
        f" may see uses, sorted by name. Returns the first {DEFAULT_PAGE_SIZE} stages by default."
        " Requires `view_stage`, at least for single objects. Null, with an error, without it or if"
        " an argument is invalid."
    )
    async def stages(  # noqa: PLR0913, PLR0917 - the arguments are the API
        self,
        info: Info,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
        where: Annotated[
            StageWhere | None, strawberry.argument(description="The conditions on the stages.")
        ] = strawberry.UNSET,
    ) -> StageConnection | None:
        require_rights(info.context.viewer, "Query.stages")
        page = _parse_page(first, after, last, before)
        data = await _load_components(Component.STAGE, info, page, where)
        return StageConnection(row=_build_connection_row(data, StageEdge, Stage))

    @strawberry.field(
        description="A page of policies by cursor: those that you may see and that a flow that you"
        " may see uses, directly or in a stage binding, sorted by name. Returns the first"
        f" {DEFAULT_PAGE_SIZE} policies by default. Requires `view_policy`, at least for single"
        " objects. Null, with an error, without it or if an argument is invalid."
    )
    async def policies(  # noqa: PLR0913, PLR0917 - the arguments are the API
        self,
        info: Info,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
        where: Annotated[
            PolicyWhere | None, strawberry.argument(description="The conditions on the policies.")
        ] = strawberry.UNSET,
    ) -> PolicyConnection | None:
        require_rights(info.context.viewer, "Query.policies")
        page = _parse_page(first, after, last, before)
        data = await _load_components(Component.POLICY, info, page, where)
        return PolicyConnection(row=_build_connection_row(data, PolicyEdge, Policy))

    @strawberry.field(
        description="The stage with this primary key. Null if it does not exist, if you may not see"
        " it, or if no flow that you may see uses it. Requires `view_stage`, at least for single"
        " objects; null, with an error, without it."
    )
    async def stage(
        self,
        info: Info,
        pk: Annotated[UUID, strawberry.argument(description="The primary key of the stage.")],
    ) -> Stage | None:
        require_rights(info.context.viewer, "Query.stage")
        return await _find_node(Stage, info.context, pk, info.selected_columns())

    @strawberry.field(
        description="The policy with this primary key. Null if it does not exist, if you may not"
        " see it, or if no flow that you may see uses it. Requires `view_policy`, at least for"
        " single objects; null, with an error, without it."
    )
    async def policy(
        self,
        info: Info,
        pk: Annotated[UUID, strawberry.argument(description="The primary key of the policy.")],
    ) -> Policy | None:
        require_rights(info.context.viewer, "Query.policy")
        return await _find_node(Policy, info.context, pk, info.selected_columns())

    @strawberry.field(
        description="The object with this ID: a flow, a stage binding, a policy binding, or a stage"
        " or policy that a visible flow uses. Null if it does not exist or you may not see it; with"
        " an error if you lack the permission for objects of its type."
    )
    async def node(
        self,
        info: Info,
        id_: Annotated[
            strawberry.ID, strawberry.argument(name="id", description="The ID of the object.")
        ],
    ) -> Node | None:
        name, pk = _decode_id("id", id_, info.context.viewer, "Query.node")
        return await _find_node(NODE_TYPES[name], info.context, pk, info.selected_columns(name))

    @strawberry.field(
        description="The objects with these IDs, in the order of the IDs, as `node` returns each of"
        f" them: at most {MAX_PAGE_SIZE}. Null for an object that does not exist or that you may not"
        " see; with an error at this index if the ID is invalid or if you lack the permission for"
        " objects of its type. The list is null, with an error, if there are too many IDs."
    )
    async def nodes(
        self,
        info: Info,
        ids: Annotated[
            list[strawberry.ID],
            strawberry.argument(description="The IDs of the objects. They may repeat."),
        ],
    ) -> list[Node | None] | None:
        if len(ids) > MAX_PAGE_SIZE:
            raise ListTooLongError("ids", len(ids), maximum=MAX_PAGE_SIZE)
        keys, errors = _decode_ids(ids, info.context.viewer)
        parts = await gather(_find_nodes(name, info, pks) for name, pks in keys.items())
        # Strawberry knows no list of other classes.
        return cast(Any, MixedList(len(ids), parts, errors))

    @strawberry.field(
        description="The flow with this slug. Null if it does not exist or you may not see it."
    )
    async def flow(
        self,
        info: Info,
        slug: Annotated[str, strawberry.argument(description="The slug of the flow.")],
    ) -> Flow | None:
        query = FlowQuery(slug=_parse_text("slug", slug))
        columns = info.selected_columns() or ()
        context = info.context
        batch = await flow_resolvers.find_flow(context.session, context.viewer, query, columns)
        return next(iter(RowList(Flow, batch)), None)

    @strawberry.field(
        description="The origin and the age of the data. Requires the permission to view all"
        " flows; null, with an error, without it."
    )
    async def source(self, info: Info) -> Source | None:
        require_rights(info.context.viewer, "Query.source")
        data = await source_resolvers.load_source(info.context.session)
        return Source(row=data._asdict())

    @strawberry.field(
        description="The difference between the baseline of `flowql serve --baseline` and the data."
        " Contains only changes of objects that you may see. Viewers of all flows also see objects"
        " that only the baseline has. Null without a baseline; null, with an error, if the baseline"
        " cannot be read, or if an argument is invalid or its conditions require permissions that you"
        " lack."
    )
    async def drift(
        self,
        info: Info,
        where: Annotated[
            FlowWhere | None,
            strawberry.argument(
                description="The conditions on the flows. With conditions, only changes of matching"
                " flows and of what belongs to them or is used by them are included."
            ),
        ] = strawberry.UNSET,
    ) -> Drift | None:
        context = info.context
        clause = parse_where("where", where or None, context)
        data = await drift_resolvers.load_drift(context, clause)
        return _build_drift(data, info.selected_columns("changes")) if data else None


def _build_drift(data: DriftData, columns: tuple[str, ...] | None) -> Drift:
    batch = NO_ROWS if columns is None else build_batch(data.changes)
    row = {"baseline": data.baseline, "count": data.count, "changes": RowList(Change, batch)}
    return Drift(row=row)


def _select_connection(info: Info) -> ConnectionSelection:
    columns, page_info = info.selected_columns() or (), info.selected_columns("page_info") or ()
    nodes, edges = info.selected_columns("nodes"), info.selected_columns("edges")
    edge_nodes = [
        name.removeprefix(NODE_PREFIX) for name in edges or () if name.startswith(NODE_PREFIX)
    ]
    return ConnectionSelection(
        columns=None if nodes is edges is None else (*(nodes or ()), *edge_nodes),
        needs_cursors="cursor" in (edges or ()) or not PAGE_INFO_CURSORS.isdisjoint(page_info),
        needs_next="has_next_page" in page_info,
        needs_previous="has_previous_page" in page_info,
        needs_total_count="total_count" in columns,
    )


def _parse_page(
    first: int | None, after: str | None, last: int | None, before: str | None
) -> ConnectionQuery:
    return ConnectionQuery(
        first=unset_to_none(first),
        after=unset_to_none(after),
        last=unset_to_none(last),
        before=unset_to_none(before),
    )


async def _load_components(
    component: Component, info: Info, page: ConnectionQuery, where: StageWhere | PolicyWhere | None
) -> ConnectionData:
    context = info.context
    query = page._replace(where=parse_component_where("where", where or None, context))
    return await connections.load_component_connection(
        component, context.session, context.viewer, query, _select_connection(info)
    )


def _build_connection_row(
    data: ConnectionData, edge_type: type[RowObject], node_type: type[Node]
) -> Mapping[str, Any]:
    rows, cursors = data.rows, data.cursors or [""] * data.rows.size
    edges = {f"{NODE_PREFIX}{name}": values for name, values in rows.columns.items()}
    page_info = {
        "has_next_page": data.has_next,
        "has_previous_page": data.has_previous,
        "start_cursor": cursors[0] if cursors else None,
        "end_cursor": cursors[-1] if cursors else None,
    }
    return {
        "edges": RowList(edge_type, Batch({**edges, "cursor": cursors}, rows.size)),
        "nodes": RowList(node_type, rows),
        "page_info": PageInfo(row=page_info),
        "total_count": data.total_count,
    }


FindNodes = Callable[[Session, Viewer, Sequence[str], tuple[str, ...]], Awaitable[GroupedRows]]
NODE_FINDERS: Mapping[type[Node], FindNodes] = {
    Flow: flow_resolvers.find_flows,
    FlowStageBinding: bindings.find_stage_bindings,
    Stage: partial(bindings.find_components, Component.STAGE),
    Policy: partial(bindings.find_components, Component.POLICY),
    PolicyBinding: bindings.find_policy_bindings,
}
NODE_TYPES: Mapping[str, type[Node]] = {type_.__name__: type_ for type_ in NODE_FINDERS}


async def _find_node(
    type_: type[N], context: Context, pk: str, columns: tuple[str, ...] | None
) -> N | None:
    groups = await NODE_FINDERS[type_](context.session, context.viewer, [pk], columns or ())
    return next(iter(RowList(type_, groups.batch)), None)


async def _find_nodes(name: str, info: Info, pks: Mapping[int, str]) -> TypedRows[Node]:
    """Return the objects of one type with primary keys by position in the list."""
    type_, context = NODE_TYPES[name], info.context
    columns, distinct_pks = info.selected_columns(name) or (), list(dict.fromkeys(pks.values()))
    groups = await NODE_FINDERS[type_](context.session, context.viewer, distinct_pks, columns)
    positions = [position for position, pk in pks.items() if pk in groups.spans]
    rows = groups.batch.take([groups.span(pks[position])[0] for position in positions])
    return TypedRows(RowList(type_, rows), positions)


def _decode_ids(
    ids: Sequence[str], viewer: Viewer
) -> tuple[Mapping[str, Mapping[int, str]], Mapping[int, FlowQLError]]:
    """Return primary keys by type and position in the list, and errors by position."""
    keys: defaultdict[str, dict[int, str]] = defaultdict(dict)
    errors: dict[int, FlowQLError] = {}
    for position, id_ in enumerate(ids):
        try:
            name, pk = _decode_id(f"ids.{position}", id_, viewer, "Query.nodes")
            keys[name][position] = pk
        except FlowQLError as error:
            errors[position] = error
    return keys, errors


def _decode_id(argument: str, id_: str, viewer: Viewer, field: str) -> tuple[str, str]:
    """Return the type and the primary key of an ID.

    Raises BadUserInputError if it is invalid, and MissingPermissionError if the viewer lacks the
    permission for objects of its type.
    """
    name, pk = decode_node_id(argument, id_, NODE_TYPES)
    # Like `flow`, a flow is null for a viewer who may see no flows.
    if name != Flow.__name__:
        require_rights(viewer, f"Query.node({name})", f"{field}({name})")
    return name, pk


def _parse_ordering(terms: Sequence[FlowOrdering] | None) -> tuple[Ordering, ...]:
    return tuple(Ordering.parse(term.value) for term in terms or ()) or (BY_SLUG,)


def _parse_text(argument: str, value: str | None) -> str | None:
    text = unset_to_none(value)
    if text:
        require_no_nul(argument, text)
    return text
