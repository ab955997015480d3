"""The root query type."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Annotated, TypeVar

import strawberry

from gql.context import Context
from gql.errors import BadUserInputError
from gql.execution.declarations import RowList
from gql.resolvers import bindings, connections
from gql.resolvers import flows as resolvers
from gql.resolvers.connections import ConnectionQuery, ConnectionSelection
from gql.resolvers.flows import FlowSelection
from gql.schema import node_ids as identifiers
from gql.schema.enums import FlowDeniedAction, FlowDesignation, FlowOrdering
from gql.schema.filters import FlowWhere
from gql.schema.filters import parse_where as where_of
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
from models.database import Database
from models.queries.components import Component
from models.queries.flows import BY_SLUG, MAX_PAGE_SIZE, FlowQuery, Ordering
from models.queries.viewer import Viewer
from models.search_terms import terms

T = TypeVar("T")
N = TypeVar("N", bound=Node)


@strawberry.type(description="What can be asked.")
class Query:
    """What can be asked."""

    @strawberry.field(
        description="A page of flows: the filters, the search and the pages of authentik's"
        " `flows_instances_list`. All filters hold together; null or none is no filter."
    )
    async def flows(  # noqa: PLR0913, PLR0917 - the arguments are the API
        self,
        info: Info,
        designation: Annotated[
            FlowDesignation | None, strawberry.argument(description="Flows for this use.")
        ] = strawberry.UNSET,
        search: Annotated[
            str | None,
            strawberry.argument(
                description="Flows with all of these terms in name, slug, designation, title or"
                " denied action, whatever their case. Quotes keep a phrase together; an empty"
                " text is no filter."
            ),
        ] = strawberry.UNSET,
        ordering: Annotated[
            list[FlowOrdering] | None,
            strawberry.argument(description="What to sort by, first things first; else the slug."),
        ] = strawberry.UNSET,
        page: Annotated[
            int, strawberry.argument(description="The page's number, from 1 to the last.")
        ] = 1,
        page_size: Annotated[
            int, strawberry.argument(description="How many flows a page has, from 1 to 100.")
        ] = 20,
        denied_action: Annotated[
            FlowDeniedAction | None, strawberry.argument(description="Flows that deny so.")
        ] = strawberry.UNSET,
        name: Annotated[
            str | None, strawberry.argument(description="Flows of exactly this name.")
        ] = strawberry.UNSET,
        slug: Annotated[
            str | None, strawberry.argument(description="The flow of exactly this slug.")
        ] = strawberry.UNSET,
        pk: Annotated[
            UUID | None, strawberry.argument(description="The flow of this primary key.")
        ] = strawberry.UNSET,
    ) -> FlowPage:
        """A page of flows."""
        if not 1 <= page_size <= MAX_PAGE_SIZE:
            raise BadUserInputError(f"pageSize is {page_size}, not from 1 to {MAX_PAGE_SIZE}.")
        query = FlowQuery(
            pk=pk or None,
            name=_text("name", name),
            slug=_text("slug", slug),
            designation=designation.value if designation else None,
            denied_action=denied_action.value if denied_action else None,
            search=terms(_text("search", search) or ""),
            ordering=_ordering(ordering),
            page=page,
            page_size=page_size,
        )
        wanted = FlowSelection(
            columns=info.selected("results"), pagination=info.selected("pagination") is not None
        )
        context = info.context
        found = await resolvers.list_flows(context.database, context.viewer, query, wanted)
        pagination = Pagination(row=found.pagination) if found.pagination else None
        return FlowPage(row={"pagination": pagination, "results": RowList(Flow, found.flows)})

    @strawberry.field(
        description="Flows between cursors: a page costs the same however deep it lies, and flows that"
        " come or go meanwhile are neither repeated nor left out. The first 20, if nothing is said."
    )
    async def flow_connection(  # noqa: PLR0913, PLR0917 - the arguments are the API
        self,
        info: Info,
        first: Annotated[
            int | None,
            strawberry.argument(description="How many flows from the start, from 0 to 100."),
        ] = strawberry.UNSET,
        after: Annotated[
            str | None, strawberry.argument(description="Only flows behind this cursor.")
        ] = strawberry.UNSET,
        last: Annotated[
            int | None,
            strawberry.argument(
                description="How many flows from the end, from 0 to 100; in place of `first`."
            ),
        ] = strawberry.UNSET,
        before: Annotated[
            str | None,
            strawberry.argument(
                description="Only flows before this cursor; wants `last` or `first`."
            ),
        ] = strawberry.UNSET,
        where: Annotated[
            FlowWhere | None, strawberry.argument(description="What must hold for the flows.")
        ] = strawberry.UNSET,
        order_by: Annotated[
            list[FlowOrdering] | None,
            strawberry.argument(description="What to sort by, first things first; else the slug."),
        ] = strawberry.UNSET,
    ) -> FlowConnection:
        """Flows between cursors."""
        context = info.context
        query = ConnectionQuery(
            where=where_of("where", where or None, context.database),
            ordering=_ordering(order_by),
            first=_given_or_none(first),
            after=_given_or_none(after),
            last=_given_or_none(last),
            before=_given_or_none(before),
        )
        wanted = _connection_selection(info)
        found = await connections.connect_flows(context.database, context.viewer, query, wanted)
        return _flow_connection(found)

    @strawberry.field(
        description="The stage of this primary key; null where there is none, or none that a flow"
        " uses which you may see."
    )
    async def stage(
        self,
        info: Info,
        pk: Annotated[UUID, strawberry.argument(description="The stage's primary key.")],
    ) -> Stage | None:
        """The stage of this primary key."""
        return await _find_node(Stage, info.context, pk, info.selected())

    @strawberry.field(
        description="The policy of this primary key; null where there is none, or none that a flow"
        " uses which you may see."
    )
    async def policy(
        self,
        info: Info,
        pk: Annotated[UUID, strawberry.argument(description="The policy's primary key.")],
    ) -> Policy | None:
        """The policy of this primary key."""
        return await _find_node(Policy, info.context, pk, info.selected())

    @strawberry.field(
        description="What has this id; null where there is none, or none that you may see."
    )
    async def node(
        self,
        info: Info,
        id_: Annotated[
            strawberry.ID, strawberry.argument(name="id", description="The id of a node.")
        ],
    ) -> Node | None:
        """What has this id."""
        name, pk = identifiers.decode_node_id(id_, NODE_TYPES)
        return await _find_node(NODE_TYPES[name], info.context, pk, info.selected(name))

    @strawberry.field(
        description="The flow of this slug; null where there is none, or none that you may see."
    )
    async def flow(
        self,
        info: Info,
        slug: Annotated[str, strawberry.argument(description="The flow's slug.")],
    ) -> Flow | None:
        """The flow of this slug."""
        query = FlowQuery(slug=_text("slug", slug))
        columns = info.selected() or ()
        context = info.context
        found = await resolvers.find_flow(context.database, context.viewer, query, columns)
        return next(iter(RowList(Flow, found)), None)


# What the columns of an edge's flow begin with.
NODE = "node."
# The cursors that a page's place is told with.
ENDS = {"start_cursor", "end_cursor"}


def _connection_selection(info: Info) -> ConnectionSelection:
    """What is selected of a connection."""
    selected, place = info.selected() or (), info.selected("page_info") or ()
    nodes, edges = info.selected("nodes"), info.selected("edges")
    of_edges = [name.removeprefix(NODE) for name in edges or () if name.startswith(NODE)]
    return ConnectionSelection(
        columns=None if nodes is edges is None else (*(nodes or ()), *of_edges),
        cursors="cursor" in (edges or ()) or not ENDS.isdisjoint(place),
        has_next="has_next_page" in place,
        has_previous="has_previous_page" in place,
        total_count="total_count" in selected,
    )


def _flow_connection(found: connections.FlowConnectionData) -> FlowConnection:
    """The connection that was found."""
    flows, cursors = found.flows, found.cursors or [""] * found.flows.size
    edges = {f"{NODE}{name}": values for name, values in flows.columns.items()}
    place = PageInfo(
        row={
            "has_next_page": found.has_next,
            "has_previous_page": found.has_previous,
            "start_cursor": cursors[0] if cursors else None,
            "end_cursor": cursors[-1] if cursors else None,
        }
    )
    row = {
        "edges": RowList(FlowEdge, Batch({**edges, "cursor": cursors}, flows.size)),
        "nodes": RowList(Flow, flows),
        "page_info": place,
        "total_count": found.total_count,
    }
    return FlowConnection(row=row)


FindNode = Callable[[Database, Viewer, str, tuple[str, ...]], Awaitable[Batch]]
NODE_FINDERS: Mapping[type[Node], FindNode] = {
    Flow: resolvers.find_flow_by_pk,
    FlowStageBinding: bindings.find_stage_binding,
    Stage: partial(bindings.find_component, Component.STAGE),
    Policy: partial(bindings.find_component, Component.POLICY),
    PolicyBinding: bindings.find_policy_binding,
}
NODE_TYPES: Mapping[str, type[Node]] = {kind.__name__: kind for kind in NODE_FINDERS}


async def _find_node(
    kind: type[N], context: Context, pk: str, columns: tuple[str, ...] | None
) -> N | None:
    """The object of a type and a primary key, None where the viewer may see none such."""
    found = await NODE_FINDERS[kind](context.database, context.viewer, pk, columns or ())
    return next(iter(RowList(kind, found)), None)


def _given_or_none(value: T | None) -> T | None:
    """An argument's value; what is not given is None too."""
    return None if value is strawberry.UNSET else value


def _ordering(terms: Sequence[FlowOrdering] | None) -> tuple[Ordering, ...]:
    return tuple(Ordering.parse(term.value) for term in terms or ()) or (BY_SLUG,)


def _text(argument: str, value: str | None) -> str | None:
    if value and "\0" in value:
        raise BadUserInputError(f"{argument} has a NUL character, which no text in a database has.")
    # A Strawberry argument that is not given is UNSET, which is falsy and no str.
    return value if isinstance(value, str) else None
