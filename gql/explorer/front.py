"""The front page: the endpoints, and for signed-in viewers the flows."""

from dataclasses import dataclass
from importlib.metadata import metadata
from typing import NamedTuple

import orjson
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gql import background
from gql.auth import Authenticator, require_access
from gql.context import Context, Identity
from gql.errors import ExecutionTimeoutError, ForbiddenError, UnauthenticatedError
from gql.explorer.drift_view import DriftView, load_drift_view
from gql.explorer.files import STATIC_PATH
from gql.explorer.flow_details import FlowDetails, FlowReader
from gql.explorer.flow_list import DESIGNATIONS, FlowList, FlowListRequest, load_flow_list
from gql.explorer.pages import VIEWER_HEADERS, Pages
from gql.http.negotiation import negotiate_graphql
from gql.limits import Limits
from gql.reading import ReadRunner
from models.errors import UnavailableError


class PageSession(NamedTuple):
    """The identity of the visitor, or the reason why the token is rejected; without a token, neither."""

    identity: Identity | None = None
    error: str | None = None


class PageContext(NamedTuple):
    """The values in the template of the front page.

    `error` replaces the flows. The errors of the list and of the selected flow are parts of them.
    `is_rejected` is true if the error is that the token is not accepted. `drift` is None without a
    baseline.
    """

    error: str | None = None
    is_rejected: bool = False
    listing: FlowList | None = None
    selected: FlowDetails | None = None
    drift: DriftView | None = None

    @property
    def status(self) -> int:
        """The status of the response."""
        statuses = [part.status for part in (self.listing, self.selected) if part]
        return max(statuses, default=200)


@dataclass(frozen=True, slots=True)
class FrontPage:
    """The front page of one database."""

    authenticator: Authenticator
    pages: Pages
    runner: ReadRunner
    limits: Limits
    flow_reader: FlowReader

    async def respond(self, request: Request) -> Response:
        """Return HTML to browsers and JSON to other clients; both say whether a token is valid."""
        is_page = negotiate_graphql(request.headers).is_page
        try:
            session = await self._open_session(request)
            if not is_page:
                return self._render_index(session)
            with self.runner.limit_time():
                return await self._respond_with_flows(session, request)
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
        viewer = {"viewer": session.identity.viewer.username} if session.identity else {}
        detail = {"detail": session.error} if session.error else {}
        index = {
            "name": "FlowQL",
            "version": distribution["Version"],
            "description": distribution["Summary"],
            **self.pages.links,
            "authenticated": session.identity is not None,
            **viewer,
            **detail,
        }
        return Response(orjson.dumps(index), 200, VIEWER_HEADERS, "application/json")

    def _render_failure(self, error: Exception, *, is_page: bool) -> Response:
        headers = {"Retry-After": str(getattr(error, "retry_after", 1))}
        if is_page:
            response = self._render_page(PageContext(error=str(error)), 503)
        else:
            body = orjson.dumps({"detail": str(error)})
            response = Response(body, 503, VIEWER_HEADERS, "application/json")
        response.headers.update(headers)
        return response

    def _render_page(self, context: PageContext, status: int = 200) -> Response:
        values = context._asdict()
        return self.pages.render("front.html", status, designations=DESIGNATIONS, **values)

    async def _respond_with_flows(self, session: PageSession, request: Request) -> Response:
        if session.identity is None:
            context = PageContext(error=session.error, is_rejected=session.error is not None)
            return self._render_page(context)
        list_request = FlowListRequest.parse(request.query_params, self.limits)
        slug = request.query_params.get("flow")

        async def read(context: Context) -> PageContext:
            drift = await load_drift_view(context)
            listing = await load_flow_list(context, list_request)
            if slug is None:
                return PageContext(listing=listing, drift=drift)
            selected = await self.flow_reader.read(context, slug, drift)
            return PageContext(listing=listing, selected=selected, drift=drift)

        page = await self.runner.run(read, session.identity, is_snapshot=slug is not None)
        is_long = page.selected is not None and page.selected.is_large
        return await background.call(self._render_page, page, page.status, is_long=is_long)


def build_routes(
    authenticator: Authenticator,
    pages: Pages,
    runner: ReadRunner,
    limits: Limits,
    reader: FlowReader,
) -> list[Route]:
    """Return the routes of the front page and of the static files of all pages."""
    front_page = FrontPage(authenticator, pages, runner, limits, reader)
    return [
        Route("/", front_page.respond, middleware=[Middleware(GZipMiddleware)]),
        Route(f"{STATIC_PATH}/{{url_name}}", pages.files.respond),
    ]
