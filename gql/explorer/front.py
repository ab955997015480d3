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

from gql import background
from gql.auth import Authenticator, require_access
from gql.context import Context, Identity
from gql.diagram import loading, mermaid, svg
from gql.diagram.flow import Diagram
from gql.errors import (
    ExecutionTimeoutError,
    ForbiddenError,
    InvalidPageError,
    UnauthenticatedError,
)
from gql.explorer.files import STATIC_PATH
from gql.explorer.pages import NO_STORE, Pages
from gql.http.negotiation import negotiate_graphql
from gql.reading import ReadRunner
from gql.resolvers import flows as resolvers
from gql.resolvers.flows import FlowPageData, FlowSelection, PaginationData
from models.batch import Batch
from models.errors import UnavailableError
from models.queries.flows import BY_SLUG, MAX_PAGE_SIZE, FlowQuery, Ordering
from models.tables.flow import SLUG

LISTED_FIELDS = FlowSelection(("slug", "name", "designation", "stages"))
BY_DESIGNATION = (Ordering("designation"), BY_SLUG)
FLOW_NOT_FOUND = "Flow {!r} not found. It does not exist, or you do not have permission to view it."
INVALID_PAGE_NUMBER = 0


class PageSession(NamedTuple):
    """Who visits the page, or the reason why the token is rejected; without a token, neither."""

    identity: Identity | None = None
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
    runner: ReadRunner

    async def respond(self, request: Request) -> Response:
        """Return HTML to browsers and JSON to other clients; both say whether a token is valid."""
        is_page = negotiate_graphql(request.headers).is_page
        try:
            session = await self._open_session(request)
            if not is_page:
                return self._render_index(session)
            with self.runner.limit_time():
                return await self._respond_with_flows(session, request)
        except FrontPageError as error:
            return self._render_page(PageContext(is_signed_in=True, error=str(error)), 404)
        except (UnavailableError, ExecutionTimeoutError) as error:
            return self._render_failure(error, is_page=is_page)

    async def _open_session(self, request: Request) -> PageSession:
        if "authorization" not in request.headers:
            return PageSession()
        try:
            identity = await self.authenticator.authenticate(request.headers)
            require_access(identity.viewer)
        except (UnauthenticatedError, ForbiddenError) as error:
            return PageSession(None, str(error))
        return PageSession(identity)

    def _render_index(self, session: PageSession) -> Response:
        distribution = metadata("flowql")
        detail = {"detail": session.error} if session.error else {}
        index = {
            "name": "FlowQL",
            "version": distribution["Version"],
            "description": distribution["Summary"],
            **self.pages.links,
            "authenticated": session.identity is not None,
            **detail,
        }
        return Response(orjson.dumps(index), 200, NO_STORE, "application/json")

    def _render_failure(self, error: Exception, *, is_page: bool) -> Response:
        headers = {"Retry-After": str(getattr(error, "retry_after", 1))}
        if is_page:
            response = self._render_page(PageContext(is_signed_in=False, error=str(error)), 503)
        else:
            body = orjson.dumps({"detail": str(error)})
            response = Response(body, 503, NO_STORE, "application/json")
        response.headers.update(headers)
        return response

    def _render_page(self, context: PageContext, status: int = 200) -> Response:
        return self.pages.render("front.html", status, **context._asdict())

    async def _respond_with_flows(self, session: PageSession, request: Request) -> Response:
        """Return the page of flows with the selected flow; raises FrontPageError."""
        if session.identity is None:
            return self._render_page(PageContext(is_signed_in=False, error=session.error))
        number, slug = request.query_params.get("page", "1"), request.query_params.get("flow")
        page, diagram = await self.runner.run(
            lambda context: _load(context, number, slug),
            session.identity,
            is_snapshot=slug is not None,
        )
        return await background.call(
            self._render_flows,
            page,
            slug,
            diagram,
            is_long=diagram is not None and diagram.is_large,
        )

    def _render_flows(
        self, page: FlowPageData, slug: str | None, diagram: Diagram | None
    ) -> Response:
        listing = FlowList(page.pagination, list(_group_by_designation(page.flows)))
        selected = _render_flow(slug, diagram) if slug and diagram else None
        return self._render_page(PageContext(is_signed_in=True, listing=listing, selected=selected))


def build_routes(authenticator: Authenticator, pages: Pages, runner: ReadRunner) -> list[Route]:
    """Return the routes of the front page and of the static files of all pages."""
    front_page = FrontPage(authenticator, pages, runner)
    return [
        Route("/", front_page.respond, middleware=[Middleware(GZipMiddleware)]),
        Route(f"{STATIC_PATH}/{{url_name}}", pages.files.respond),
    ]


async def _load(
    context: Context, number: str, slug: str | None
) -> tuple[FlowPageData, Diagram | None]:
    page = await _load_page(context, number)
    return page, await _load_diagram(context, slug) if slug else None


async def _load_page(context: Context, number: str) -> FlowPageData:
    query = FlowQuery(
        ordering=BY_DESIGNATION, page=_parse_page_number(number), page_size=MAX_PAGE_SIZE
    )
    try:
        return await resolvers.list_flows(context.session, context.viewer, query, LISTED_FIELDS)
    except InvalidPageError as error:
        raise FrontPageError(str(error)) from None


async def _load_diagram(context: Context, slug: str) -> Diagram:
    session, viewer, query = context.session, context.viewer, FlowQuery(slug=slug)
    is_valid = SLUG.fullmatch(slug)
    diagram = await loading.find_diagram(session, viewer, query) if is_valid else None
    if diagram is None:
        raise FrontPageError(FLOW_NOT_FOUND.format(slug))
    return diagram


def _render_flow(slug: str, diagram: Diagram) -> SelectedFlow:
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
