"""The root query type."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Annotated, TypeVar

import strawberry

from gql.context import Context
from gql.errors import InvalidSizeError
from gql.execution.declarations import RowList
from gql.resolvers import bindings, connections
from gql.resolvers import flows as flow_resolvers
from gql.resolvers.connections import ConnectionQuery, ConnectionSelection, FlowConnectionData
from gql.resolvers.flows import FlowSelection
from gql.resolvers.rights import require_rights
from gql.schema.arguments import require_no_nul, unset_to_none
from gql.schema.enums import FlowDeniedAction, FlowDesignation, FlowOrdering
from gql.schema.filters import FlowWhere, parse_where
from gql.schema.node_ids import decode_node_id
from gql.schema.types import (
    UUID,
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
    Stage,
)
from models.batch import Batch
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
        first: Annotated[
            int | None,
            strawberry.argument(
                description="The number of flows to return, from the first one: 0 to"
                f" {MAX_PAGE_SIZE}."
            ),
        ] = strawberry.UNSET,
        after: Annotated[
            str | None,
            strawberry.argument(description="Returns the flows that come after this cursor."),
        ] = strawberry.UNSET,
        last: Annotated[
            int | None,
            strawberry.argument(
                description="The number of flows to return, from the last one: 0 to"
                f" {MAX_PAGE_SIZE}. Cannot be combined with `first`."
            ),
        ] = strawberry.UNSET,
        before: Annotated[
            str | None,
            strawberry.argument(
                description="Returns the flows that come before this cursor. Requires `last` or"
                " `first`."
            ),
        ] = strawberry.UNSET,
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
        query = ConnectionQuery(
            where=parse_where("where", where or None, context),
            ordering=_parse_ordering(order_by),
            first=unset_to_none(first),
            after=unset_to_none(after),
            last=unset_to_none(last),
            before=unset_to_none(before),
        )
        data = await connections.load_connection(
            context.session, context.viewer, query, _select_connection(info)
        )
        return _build_connection(data)

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
        name, pk = decode_node_id(id_, NODE_TYPES)
        # Like `flow`, a flow is null for a viewer who may see no flows.
        if name != Flow.__name__:
            require_rights(info.context.viewer, f"Query.node({name})")
        return await _find_node(NODE_TYPES[name], info.context, pk, info.selected_columns(name))

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


def _build_connection(data: FlowConnectionData) -> FlowConnection:
    flows, cursors = data.flows, data.cursors or [""] * data.flows.size
    edges = {f"{NODE_PREFIX}{name}": values for name, values in flows.columns.items()}
    page_info = {
        "has_next_page": data.has_next,
        "has_previous_page": data.has_previous,
        "start_cursor": cursors[0] if cursors else None,
        "end_cursor": cursors[-1] if cursors else None,
    }
    row = {
        "edges": RowList(FlowEdge, Batch({**edges, "cursor": cursors}, flows.size)),
        "nodes": RowList(Flow, flows),
        "page_info": PageInfo(row=page_info),
        "total_count": data.total_count,
    }
    return FlowConnection(row=row)


FindNode = Callable[[Session, Viewer, str, tuple[str, ...]], Awaitable[Batch]]
NODE_FINDERS: Mapping[type[Node], FindNode] = {
    Flow: flow_resolvers.find_flow_by_pk,
    FlowStageBinding: bindings.find_stage_binding,
    Stage: partial(bindings.find_component, Component.STAGE),
    Policy: partial(bindings.find_component, Component.POLICY),
    PolicyBinding: bindings.find_policy_binding,
}
NODE_TYPES: Mapping[str, type[Node]] = {type_.__name__: type_ for type_ in NODE_FINDERS}


async def _find_node(
    type_: type[N], context: Context, pk: str, columns: tuple[str, ...] | None
) -> N | None:
    batch = await NODE_FINDERS[type_](context.session, context.viewer, pk, columns or ())
    return next(iter(RowList(type_, batch)), None)


def _parse_ordering(terms: Sequence[FlowOrdering] | None) -> tuple[Ordering, ...]:
    return tuple(Ordering.parse(term.value) for term in terms or ()) or (BY_SLUG,)


def _parse_text(argument: str, value: str | None) -> str | None:
    text = unset_to_none(value)
    if text:
        require_no_nul(argument, text)
    return text
