"""The graph: its questions, and the schema whose text is schema.graphql."""

from typing import Annotated, Any, cast

import strawberry
from graphql import GraphQLError, GraphQLInputObjectType, GraphQLObjectType
from strawberry.schema.config import StrawberryConfig
from strawberry.types.execution import ExecutionContext

from gql import resolvers
from gql.errors import BadUserInputError
from gql.execution.fields import Objects, graph_of
from gql.execution.walk import EveryRoot
from gql.resolvers import Selection
from gql.types import (
    UUID,
    UUID_SCALAR,
    Flow,
    FlowOrdering,
    FlowPage,
    Info,
    Pagination,
)
from models.flow import FlowDeniedAction, FlowDesignation
from models.listing import BY_SLUG, MAX_PAGE_SIZE, FlowQuery, Ordering
from models.search import terms


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
            ordering=tuple(Ordering.of(term.value) for term in ordering or ()) or (BY_SLUG,),
            page=page,
            page_size=page_size,
        )
        wanted = Selection(
            columns=info.selected("results"), pagination=info.selected("pagination") is not None
        )
        context = info.context
        found = await resolvers.list_flows(context.database, context.viewer, query, wanted)
        pagination = Pagination(row=found.pagination) if found.pagination else None
        return FlowPage(row={"pagination": pagination, "results": Objects(Flow, found.flows)})

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
        return next(iter(Objects(Flow, found)), None)


class Schema(strawberry.Schema):
    """Strawberry's schema, which leaves the logging of errors to who knows the request."""

    def process_errors(
        self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None
    ) -> None:
        """Log nothing here."""


def build() -> Schema:
    """The schema of the graph."""
    config = StrawberryConfig(scalar_map={UUID: UUID_SCALAR}, info_class=Info)
    built = Schema(query=Query, config=config, execution_context_class=EveryRoot)
    described = cast(GraphQLObjectType, graph_of(built).type_map["__Type"])
    # Strawberry's own fails on a list and on what is not null.
    described.fields["isOneOf"].resolve = _is_one_of
    return built


def printed(schema: Schema) -> str:
    """The schema in GraphQL's own language: what schema.graphql says."""
    return schema.as_str() + "\n"


def _is_one_of(kind: Any, _info: Any) -> bool | None:
    return kind.is_one_of if isinstance(kind, GraphQLInputObjectType) else None


def _text(argument: str, value: str | None) -> str | None:
    if value and "\0" in value:
        raise BadUserInputError(f"{argument} has a NUL character, which no text in a database has.")
    # A Strawberry argument that is not given is UNSET, which is falsy and no str.
    return value if isinstance(value, str) else None
