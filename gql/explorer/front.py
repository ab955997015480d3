"""The front page: what there is, and for who is signed in, the flows and a picture of one."""

from collections.abc import Iterator, Mapping
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
from gql.diagram import loading, mermaid, svg
from gql.diagram.flow import Diagram
from gql.errors import ForbiddenError, InvalidPageError, UnauthenticatedError
from gql.explorer.files import STATIC_PATH
from gql.explorer.pages import NO_STORE, Pages
from gql.http.negotiation import negotiate_graphql
from gql.resolvers import flows as resolvers
from gql.resolvers.flows import FlowPageData, FlowSelection
from models.batch import Batch
from models.queries.flows import BY_SLUG, MAX_PAGE_SIZE, FlowQuery, Ordering
from models.queries.viewer import Viewer
from models.tables.flow import SLUG

LISTED = FlowSelection(("slug", "name", "designation", "stages"))
BY_DESIGNATION = (Ordering("designation"), BY_SLUG)
# What somebody sees who is not signed in.
NOTHING: Mapping[str, Any] = {"groups": None, "chosen": None}
NO_FLOW = "There is no flow {!r}, or none that you may see."


class PageSession(NamedTuple):
    """Who asks; None, and why, where nobody does who may see a flow."""

    viewer: Viewer | None = None
    refusal: str | None = None


class MissingError(Exception):
    """There is no such page or no such flow, for the reason in the text."""


@dataclass(frozen=True, slots=True)
class Front:
    """The front page over one database."""

    authenticator: Authenticator
    pages: Pages

    async def answer(self, request: Request) -> Response:
        """A page for people and JSON for programs, which both tell whether a token is good."""
        asking = await self._open_session(request)
        if not negotiate_graphql(request.headers).is_page:
            return self._index(asking)
        status, seen = 200, NOTHING
        try:
            if asking.viewer:
                seen = await self._page_context(asking.viewer, request)
        except MissingError as missing:
            status, seen = 404, {**NOTHING, "refusal": str(missing)}
        told = {**asking._asdict(), **seen}
        return self.pages.render("front.html", status, **told)

    async def _open_session(self, request: Request) -> PageSession:
        if "authorization" not in request.headers:
            return PageSession()
        try:
            viewer = await self.authenticator.authenticate(request.headers)
            require_access(viewer)
        except (UnauthenticatedError, ForbiddenError) as error:
            return PageSession(None, str(error))
        return PageSession(viewer)

    def _index(self, asking: PageSession) -> Response:
        about = metadata("flowql")
        refusal = {"detail": asking.refusal} if asking.refusal else {}
        index = {
            "name": "FlowQL",
            "version": about["Version"],
            "description": about["Summary"],
            **self.pages.links,
            "authenticated": asking.viewer is not None,
            **refusal,
        }
        return Response(orjson.dumps(index), 200, NO_STORE, "application/json")

    async def _page_context(self, viewer: Viewer, request: Request) -> Mapping[str, Any]:
        """What a viewer sees: a page of flows, and the one that is chosen."""
        page = await self._page(viewer, request.query_params.get("page", "1"))
        slug = request.query_params.get("flow")
        chosen = await self._chosen(viewer, slug) if slug else None
        return {
            "pagination": page.pagination,
            "groups": list(_groups(page.flows)),
            "slug": slug,
            "chosen": chosen,
            **(_drawn(chosen) if chosen else {}),
        }

    async def _page(self, viewer: Viewer, number: str) -> FlowPageData:
        query = FlowQuery(ordering=BY_DESIGNATION, page=_whole(number), page_size=MAX_PAGE_SIZE)
        try:
            return await resolvers.list_flows(self.authenticator.database, viewer, query, LISTED)
        except InvalidPageError as error:
            raise MissingError(str(error)) from None

    async def _chosen(self, viewer: Viewer, slug: str) -> Diagram:
        query = FlowQuery(slug=slug)
        is_slug = SLUG.fullmatch(slug)
        found = (
            await loading.find_diagram(self.authenticator.database, viewer, query)
            if is_slug
            else None
        )
        if found is None:
            raise MissingError(NO_FLOW.format(slug))
        return found


def build_routes(viewers: Authenticator, pages: Pages) -> list[Route]:
    """The front page, and the files that all pages need."""
    front = Front(viewers, pages)
    return [
        Route("/", front.answer, middleware=[Middleware(GZipMiddleware)]),
        Route(f"{STATIC_PATH}/{{address}}", pages.files.answer),
    ]


def _groups(flows: Batch) -> Iterator[tuple[str, list[Mapping[str, Any]]]]:
    """The flows of each designation, in people's words."""
    for designation, same in groupby(flows.rows(), itemgetter("designation")):
        yield str(designation).replace("_", " ").capitalize(), list(same)


def _drawn(chosen: Diagram) -> Mapping[str, str]:
    return {"picture": Markup(svg.render(chosen)), "mermaid": mermaid.render(chosen)}  # noqa: S704 - svg escapes


def _whole(number: str) -> int:
    """The number of a page; 0, which is none, for what is no number."""
    try:
        return int(number)
    except ValueError:
        return 0
