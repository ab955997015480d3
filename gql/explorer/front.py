"""The front page: the endpoints, and for signed-in viewers the flows with their diagrams."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import metadata
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

import orjson
from markupsafe import Markup
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gql.auth import Authenticator, require_access
from gql.context import Context
from gql.diagram import loading, mermaid, svg
from gql.errors import ForbiddenError, InvalidPageError, UnauthenticatedError
from gql.explorer.files import STATIC_PATH
from gql.explorer.pages import NO_STORE, Pages
from gql.http.negotiation import negotiate_graphql
from gql.resolvers import flows as resolvers
from gql.resolvers.flows import FlowPageData, FlowSelection, PaginationData
from models.batch import Batch
from models.queries.flows import BY_SLUG, MAX_PAGE_SIZE, FlowQuery, Ordering
from models.tables.flow import SLUG

LISTED_FIELDS = FlowSelection(("slug", "name", "designation", "stages"))
BY_DESIGNATION = (Ordering("designation"), BY_SLUG)
FLOW_NOT_FOUND = "Flow {!r} not found. It does not exist, or you do not have permission to view it."
INVALID_PAGE_NUMBER = 0


class PageSession(NamedTuple):
    """The context of the page, or the reason why the token is rejected; without a token, neither."""

    context: Context | None = None
    error: str | None = None


class FlowGroup(NamedTuple):
    """The flows of one designation."""

    designation: str
    flows: Sequence[Mapping[str, Any]]


class FlowList(NamedTuple):
    """A page of flows, grouped by designation."""

    pagination: PaginationData | None
    groups: Sequence[FlowGroup]


class SelectedFlow(NamedTuple):
    """The flow that the page shows in full, with its diagram as SVG and as Mermaid source."""

    slug: str
    name: str
    diagram: Markup
    mermaid: str


class PageContext(NamedTuple):
    """The values in the template of the front page."""

    is_signed_in: bool
    error: str | None = None
    listing: FlowList | None = None
    selected: SelectedFlow | None = None


class FrontPageError(Exception):
    """The requested page of flows, or the requested flow, does not exist."""


@dataclass(frozen=True, slots=True)
class FrontPage:
    """The front page of one database."""

    authenticator: Authenticator
    pages: Pages

    async def respond(self, request: Request) -> Response:
        """Return HTML to browsers and JSON to other clients; both say whether a token is valid."""
        session = await self._open_session(request)
        if not negotiate_graphql(request.headers).is_page:
            return self._render_index(session)
        try:
            context = await self._load_context(session, request)
        except FrontPageError as error:
            context = PageContext(is_signed_in=True, error=str(error))
            return self._render_page(context, 404)
        return self._render_page(context)

    async def _open_session(self, request: Request) -> PageSession:
        if "authorization" not in request.headers:
            return PageSession()
        try:
            context = await self.authenticator.authenticate(request.headers)
            require_access(context.viewer)
        except (UnauthenticatedError, ForbiddenError) as error:
            return PageSession(None, str(error))
        return PageSession(context)

    def _render_index(self, session: PageSession) -> Response:
        distribution = metadata("flowql")
        detail = {"detail": session.error} if session.error else {}
        index = {
            "name": "FlowQL",
            "version": distribution["Version"],
            "description": distribution["Summary"],
            **self.pages.links,
            "authenticated": session.context is not None,
            **detail,
        }
        return Response(orjson.dumps(index), 200, NO_STORE, "application/json")

    def _render_page(self, context: PageContext, status: int = 200) -> Response:
        return self.pages.render("front.html", status, **context._asdict())

    async def _load_context(self, session: PageSession, request: Request) -> PageContext:
        """Load the page of flows and the selected flow; raises FrontPageError."""
        if session.context is None:
            return PageContext(is_signed_in=False, error=session.error)
        page = await _load_page(session.context, request.query_params.get("page", "1"))
        listing = FlowList(page.pagination, list(_group_by_designation(page.flows)))
        slug = request.query_params.get("flow")
        selected = await _load_flow(session.context, slug) if slug else None
        return PageContext(is_signed_in=True, listing=listing, selected=selected)


def build_routes(authenticator: Authenticator, pages: Pages) -> list[Route]:
    """Return the routes of the front page and of the static files of all pages."""
    front_page = FrontPage(authenticator, pages)
    return [
        Route("/", front_page.respond, middleware=[Middleware(GZipMiddleware)]),
        Route(f"{STATIC_PATH}/{{url_name}}", pages.files.respond),
    ]


async def _load_page(context: Context, number: str) -> FlowPageData:
    query = FlowQuery(
        ordering=BY_DESIGNATION, page=_parse_page_number(number), page_size=MAX_PAGE_SIZE
    )
    try:
        return await resolvers.list_flows(context.database, context.viewer, query, LISTED_FIELDS)
    except InvalidPageError as error:
        raise FrontPageError(str(error)) from None


async def _load_flow(context: Context, slug: str) -> SelectedFlow:
    database, viewer, query = context.database, context.viewer, FlowQuery(slug=slug)
    is_valid = SLUG.fullmatch(slug)
    diagram = await loading.find_diagram(database, viewer, query) if is_valid else None
    if diagram is None:
        raise FrontPageError(FLOW_NOT_FOUND.format(slug))
    image = Markup(svg.render(diagram))  # noqa: S704 - the SVG is already escaped
    return SelectedFlow(slug, diagram.name, image, mermaid.render(diagram))


def _group_by_designation(flows: Batch) -> Iterator[FlowGroup]:
    for designation, rows in groupby(flows.rows(), itemgetter("designation")):
        yield FlowGroup(str(designation).replace("_", " ").capitalize(), list(rows))


def _parse_page_number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        return INVALID_PAGE_NUMBER
