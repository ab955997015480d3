"""The REST endpoints: one ASGI application for each of authentik's flow views in each dialect."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, NamedTuple

import orjson
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from gql import background
from gql.auth import Authenticator, require_access
from gql.context import Context, Identity
from gql.diagram import graph, loading, mermaid, svg
from gql.diagram.flow import Diagram
from gql.errors import (
    FORBIDDEN,
    ExecutionTimeoutError,
    ForbiddenError,
    InvalidPageError,
    UnauthenticatedError,
)
from gql.http.negotiation import FLOW_GRAPH, JSON, SVG, accepts_json, best_match
from gql.http.representation import PRIVATE, Representation, respond_to_get
from gql.limits import Limits
from gql.resolvers import exports
from gql.resolvers import flows as resolvers
from gql.resolvers.flows import FlowPageData
from gql.rest.dialects import Dialect
from gql.rest.errors import (
    MethodNotAllowedError,
    NotAcceptableError,
    NotFoundError,
    PageNotFoundError,
    RestError,
    build_error_body,
    build_unavailable_body,
)
from gql.rest.parameters import Parameters
from gql.rest.serializer import UrlBase
from gql.reuse import PendingResponse, Reuse
from models.batch import Batch
from models.errors import UnavailableError
from models.queries.flows import FlowQuery
from models.tables.flow import SLUG

ALLOW = {"Allow": "GET, HEAD, OPTIONS"}
HEADERS = {**ALLOW, **PRIVATE}
NO_FLOW = "No Flow matches the given query."
# A browser renders an SVG as a page, so it must not load or run anything.
SVG_HEADERS = {
    "Content-Security-Policy": f"default-src 'none'; style-src {svg.STYLE_SOURCE}",
    "X-Content-Type-Options": "nosniff",
}


class FlowRequest(NamedTuple):
    """A valid GET request. If the path has a slug, the query filters by it."""

    identity: Identity
    query: FlowQuery
    format: str
    media_type: str


@dataclass(frozen=True, slots=True)
class FlowEndpoint(ABC):
    """The ASGI application of one view in one dialect.

    `path` is relative to the list of flows. OPTIONS returns `name` and `description`. `formats` maps
    the values of `format` to media types.
    """

    path: ClassVar[str]
    name: ClassVar[str]
    description: ClassVar[str]
    formats: ClassVar[Mapping[str, Sequence[str]]] = {"": (JSON,), "json": (JSON,)}

    # True if `read` executes several statements.
    has_several_reads: ClassVar[bool] = False

    authenticator: Authenticator
    limits: Limits
    reuse: Reuse
    root_path: str
    dialect: Dialect

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to one request."""
        response = await self._respond(Request(scope, receive))
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> ASGIApp:
        try:
            return await self._handle(request)
        except RestError as error:
            return json_response(error.body, error.status)
        except UnauthenticatedError as error:
            return json_response(build_error_body(str(error)), 403)
        except ForbiddenError:
            return json_response(build_error_body(FORBIDDEN), 403)
        except ExecutionTimeoutError as error:
            return json_response(build_unavailable_body(str(error), error.code), 503)
        except UnavailableError as error:
            headers = {**HEADERS, "Retry-After": str(error.retry_after)}
            return json_response(build_unavailable_body(str(error), error.code), 503, headers)

    async def _handle(self, request: Request) -> ASGIApp:
        """Return the response, or raise the error of the first failed check.

        The order of the checks is part of the contract.
        """
        _check_path(request)
        parameters = Parameters.parse(request.scope["query_string"])
        format_ = parameters.get("format")
        media_type = self._negotiate(request.headers, format_)
        identity = await self.authenticator.authenticate(request.headers)
        if request.method == "OPTIONS":
            return json_response(self._build_metadata())
        check_method(request)
        parameters.check_search()
        require_access(identity.viewer)
        query = _add_slug(parameters.build_query(self.dialect.orderings, self.limits), request)
        flow_request = FlowRequest(identity, query, format_, media_type)
        key = self._build_key(request.scope["query_string"], flow_request)
        representation = self.reuse.find(key, identity)
        if representation is None:
            pending = self._build_pending_response(flow_request)
            representation = await self.reuse.execute(key, identity, pending)
        return respond_to_get(representation, request.headers)

    def _build_key(self, query_string: bytes, request: FlowRequest) -> bytes:
        view = (self.dialect.flows_path, self.path, request.query.slug, request.media_type)
        return hashlib.sha256(b"%r\0%b" % (view, query_string)).digest()

    def _build_pending_response(self, request: FlowRequest) -> PendingResponse[Any, Representation]:
        async def read(context: Context) -> Any:
            return await self.read(context, request.query)

        return PendingResponse(
            read,
            partial(self.build_representation, request),
            is_snapshot=self.has_several_reads or request.query.offset is None,
            is_expensive=self.has_several_reads,
        )

    def _negotiate(self, headers: Headers, format_: str) -> str:
        if format_ not in self.formats:
            raise NotFoundError
        media_type = self.select_media_type(headers, self.formats[format_])
        if media_type is None:
            raise NotAcceptableError
        return media_type

    def select_media_type(self, headers: Headers, media_types: Sequence[str], /) -> str | None:
        """Return the media type of the response, or None if the Accept header admits none."""
        return media_types[0] if accepts_json(headers) else None

    def _build_metadata(self) -> Mapping[str, Any]:
        return {
            "name": self.name,
            "description": self.description,
            "renders": self.formats[""],
            "parses": [JSON],
        }

    @abstractmethod
    async def read(self, context: Context, query: FlowQuery) -> Any:
        """Read what the response contains."""

    @abstractmethod
    async def build_representation(self, request: FlowRequest, result: Any) -> Representation:
        """Return the representation with the result of `read`."""

    def serialize(self, flows: Batch, request: FlowRequest) -> list[dict[str, Any]]:
        """Return flows as objects of the dialect."""
        base = UrlBase(self.root_path, request.identity.database.schema)
        return self.dialect.flow.serialize(flows, base)


class FlowListEndpoint(FlowEndpoint):
    """The list of flows, page by page."""

    path = ""
    name = "Flow List"
    description = "Flow Viewset"

    async def read(self, context: Context, query: FlowQuery) -> FlowPageData:
        try:
            return await resolvers.list_flows(context.session, context.viewer, query)
        except InvalidPageError:
            raise PageNotFoundError from None

    async def build_representation(
        self, request: FlowRequest, result: FlowPageData
    ) -> Representation:
        results = self.serialize(result.flows, request)
        return _represent_json(
            {"pagination": result.pagination, "results": results, **self.dialect.extra}
        )


class FlowInstanceEndpoint(FlowEndpoint):
    """One flow."""

    path = "{slug}/"
    name = "Flow Instance"
    description = "Flow Viewset"

    async def read(self, context: Context, query: FlowQuery) -> Batch:
        return await resolvers.find_flow(context.session, context.viewer, query)

    async def build_representation(self, request: FlowRequest, result: Batch) -> Representation:
        for flow in self.serialize(result, request):
            return _represent_json(flow)
        raise NotFoundError(NO_FLOW)


class FlowExportEndpoint(FlowEndpoint):
    """One flow as a blueprint, regardless of the Accept header."""

    path = "{slug}/export/"
    name = "Export"
    description = "Export flow to .yaml file"
    has_several_reads = True

    def select_media_type(self, _headers: Headers, media_types: Sequence[str], /) -> str | None:
        return media_types[0]

    async def read(self, context: Context, query: FlowQuery) -> str:
        blueprint = await exports.export_flow(context.session, context.viewer, query)
        if blueprint is None:
            raise NotFoundError(NO_FLOW)
        return blueprint

    async def build_representation(self, request: FlowRequest, result: str) -> Representation:
        disposition = f'attachment; filename="{request.query.slug}.yaml"'
        headers = {**ALLOW, "Content-Disposition": disposition}
        return Representation(result.encode(), "application/yaml", headers)


class FlowDiagramEndpoint(FlowEndpoint):
    """One flow as a diagram: Mermaid in a JSON object, SVG, or a graph in JSON."""

    path = "{slug}/diagram/"
    name = "Diagram"
    description = "Return diagram for flow with slug `slug`, in the format used by flowchart.js"
    has_several_reads = True
    formats: ClassVar[Mapping[str, Sequence[str]]] = {
        "": (JSON, SVG, FLOW_GRAPH),
        "json": (JSON,),
        "svg": (SVG,),
        "graph": (JSON, FLOW_GRAPH),
    }

    def select_media_type(self, headers: Headers, media_types: Sequence[str], /) -> str | None:
        return best_match(headers, media_types)

    async def read(self, context: Context, query: FlowQuery) -> Diagram:
        diagram = await loading.find_diagram(context.session, context.viewer, query)
        if diagram is None:
            raise NotFoundError(NO_FLOW)
        return diagram

    async def build_representation(self, request: FlowRequest, result: Diagram) -> Representation:
        render, headers = self._choose_rendering(request)
        content = await background.call(render, result, is_long=result.is_large)
        return Representation(content, request.media_type, headers)

    def _choose_rendering(
        self, request: FlowRequest
    ) -> tuple[Callable[[Diagram], bytes], Mapping[str, str]]:
        if request.media_type == SVG:
            return _render_svg, {**ALLOW, **SVG_HEADERS}
        if request.format == "graph" or request.media_type == FLOW_GRAPH:
            return _dump_graph, ALLOW
        return _dump_mermaid, ALLOW


ENDPOINTS: Sequence[type[FlowEndpoint]] = (
    FlowListEndpoint,
    FlowInstanceEndpoint,
    FlowExportEndpoint,
    FlowDiagramEndpoint,
)


def build_routes(
    authenticator: Authenticator,
    limits: Limits,
    reuse: Reuse,
    root_path: str,
    dialects: Iterable[Dialect],
) -> list[Route]:
    """Return the routes of all views in these dialects."""
    return [
        Route(
            f"{dialect.flows_path}{endpoint.path}",
            endpoint(authenticator, limits, reuse, root_path, dialect),
        )
        for dialect in dialects
        for endpoint in ENDPOINTS
    ]


def check_method(request: Request) -> None:
    """Raise MethodNotAllowedError unless the method is GET or HEAD."""
    if request.method not in ("GET", "HEAD"):
        raise MethodNotAllowedError(request.method)


def _check_path(request: Request) -> None:
    """Raise NotFoundError for paths that Starlette matches but Django does not.

    These have other characters in the slug, or a line break at the end.
    """
    slug = request.path_params.get("slug", "-")
    if not (SLUG.fullmatch(slug) and request.scope["path"].endswith("/")):
        raise NotFoundError


def _add_slug(query: FlowQuery, request: Request) -> FlowQuery:
    """Return the query with the slug of the path, if it has one, as a filter.

    Raises NotFoundError if the query filters by another slug.
    """
    slug = request.path_params.get("slug", query.slug)
    if query.slug not in (None, slug):
        raise NotFoundError(NO_FLOW)
    return query._replace(slug=slug)


def _render_svg(diagram: Diagram) -> bytes:
    return svg.render(diagram).encode()


def _dump_mermaid(diagram: Diagram) -> bytes:
    return orjson.dumps({"diagram": mermaid.render(diagram)})


def _dump_graph(diagram: Diagram) -> bytes:
    return orjson.dumps(graph.build_document(diagram))


def _represent_json(body: object) -> Representation:
    return Representation(orjson.dumps(body), JSON, ALLOW)


def json_response(
    body: object, status: int = 200, headers: Mapping[str, str] = HEADERS
) -> Response:
    """Return a response with a JSON body."""
    return Response(orjson.dumps(body), status, headers, JSON)
