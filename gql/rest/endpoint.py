"""The REST shim: authentik's flow endpoints over the resolvers that GraphQL asks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from gql.auth import Authenticator, require_access
from gql.context import Context
from gql.diagram import loading, mermaid, svg
from gql.errors import ForbiddenError, InvalidPageError, UnauthenticatedError
from gql.execution.completion import (
    ConvertedLeafField,
    Field,
    FieldInfo,
    LeafField,
    PlanRun,
    SelectionSet,
)
from gql.execution.declarations import FieldConverter
from gql.http.negotiation import JSON, SVG, accepts_json, best_match
from gql.resolvers import flows as resolvers
from gql.resolvers import urls as presentation
from gql.rest.parameters import InvalidParametersError, Parameters
from gql.schema.types import background_url
from models.batch import Batch
from models.queries.flows import ORDERINGS, FlowQuery
from models.queries.viewer import Viewer
from models.tables.flow import SLUG

# A flow's fields up to its background, those up to its export, and all behind that.
BEFORE = ("pk", "policybindingmodel_ptr_id", "name", "slug", "title", "designation")
BETWEEN = ("stages", "policies", "cache_count", "policy_engine_mode", "compatibility_mode")
BEHIND = ("layout", "denied_action", "authentication")
ALLOWED = {"Allow": "GET, HEAD, OPTIONS"}
NO_FLOW = "No Flow matches the given query."
# What `format` makes of the media types of a diagram.
FORMATS = {"": (JSON, SVG), "json": (JSON,), "svg": (SVG,)}
# A picture is a page of its own for who opens it, and may do nothing there.
OF_SVG = {
    "Content-Security-Policy": f"default-src 'none'; style-src {svg.STYLE_SOURCE}",
    "X-Content-Type-Options": "nosniff",
}


class View(Enum):
    """What an address shows; the value is the name that OPTIONS tells, and a description."""

    LIST = ("Flow List", "Flow Viewset")
    INSTANCE = ("Flow Instance", "Flow Viewset")
    EXPORT = ("Export", "Export flow to .yaml file")
    DIAGRAM = (
        "Diagram",
        "Return diagram for flow with slug `slug`, in the format used by flowchart.js",
    )

    @property
    def renders(self) -> Sequence[str]:
        """The media types that OPTIONS tells."""
        return FORMATS[""] if self is View.DIAGRAM else (JSON,)


@dataclass(frozen=True, slots=True)
class Dialect:
    """One generation of authentik's API: where it is, and what its answers look like."""

    prefix: str
    orderings: frozenset[str]
    flow: SelectionSet
    extra: Mapping[str, Any]

    def flows(self, batch: Batch, context: Context) -> list[dict[str, Any]]:
        """Flows as this dialect has them, key by key."""
        return self.flow.complete(batch, _nowhere, PlanRun(context))


def _nowhere(_index: int) -> Sequence[str]:
    return ()


def _stored(column: str) -> LeafField:
    return LeafField(column, FieldInfo(column, column, [], is_nullable=False))


def _made(column: str, make: FieldConverter, *, is_nullable: bool = False) -> ConvertedLeafField:
    """A field that something is made for."""
    return ConvertedLeafField(column, FieldInfo(column, column, [], is_nullable), make)


def _flow(**backgrounds: Field) -> SelectionSet:
    """A flow's fields in their order, with those for its background."""
    fields: dict[str, Field] = {
        **{name: _stored(name) for name in BEFORE},
        **backgrounds,
        **{name: _stored(name) for name in BETWEEN},
        "export_url": _made("slug", presentation.export_url),
        **{name: _stored(name) for name in BEHIND},
    }
    return SelectionSet(tuple(fields), tuple(fields.values()), {})


def _themed_urls(background: str, context: Context) -> Mapping[str, str] | None:
    return presentation.background_themed_urls(background, context.database.schema)


DIALECTS = (
    Dialect(
        "/flows/instances",
        frozenset(ORDERINGS) - {"background"},
        _flow(background=_made("background", background_url)),
        {},
    ),
    Dialect(
        "/api/v3/flows/instances",
        frozenset(ORDERINGS),
        _flow(
            background=_stored("background"),
            background_url=_made("background", background_url),
            background_themed_urls=_made("background", _themed_urls, is_nullable=True),
        ),
        {"autocomplete": {}},
    ),
)


class RestError(Exception):
    """A request that is answered with a status, and a body that says why."""

    def __init__(self, status: int, body: object) -> None:
        super().__init__(status)
        self.status = status
        self.body = body


@dataclass(frozen=True, slots=True)
class RestEndpoint:
    """The ASGI application of one view in one dialect."""

    authenticator: Authenticator
    dialect: Dialect
    view: View

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        response = await self._respond(Request(scope, receive))
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        try:
            return await self._answer(request)
        except RestError as refusal:
            return _json(refusal.body, refusal.status)
        except (UnauthenticatedError, ForbiddenError) as error:
            return _json({"detail": str(error)}, 403)
        except InvalidParametersError as error:
            return _json(error.problems, 400)
        except InvalidPageError:
            return _json({"detail": "Invalid page."}, 404)

    async def _answer(self, request: Request) -> Response:
        """The answer, or the error of the first check that fails: their order is the contract."""
        self._route(request)
        parameters = Parameters.parse(request.scope["query_string"])
        media_type = self._negotiate(request, parameters)
        viewer = await self.authenticator.authenticate(request.headers)
        if request.method == "OPTIONS":
            return _json(self._metadata())
        if request.method not in ("GET", "HEAD"):
            raise RestError(405, {"detail": f'Method "{request.method}" not allowed.'})
        search = parameters.search()
        require_access(viewer)
        query = parameters.query(search, self.dialect.orderings)
        if self.view is View.LIST:
            return await self._list(viewer, query)
        return await self._one(viewer, query, request.path_params["slug"], media_type)

    def _route(self, request: Request) -> None:
        """Refuse what Starlette's patterns let pass: odd slugs, and a line break at the end."""
        slug = request.path_params.get("slug", "-")
        if not (SLUG.fullmatch(slug) and request.scope["path"].endswith("/")):
            raise RestError(404, {"detail": "Not found."})

    def _negotiate(self, request: Request, parameters: Parameters) -> str:
        """The media type of what is found."""
        wanted = parameters.get("format")
        if wanted not in (FORMATS if self.view is View.DIAGRAM else ("", "json")):
            raise RestError(404, {"detail": "Not found."})
        if self.view is View.EXPORT:
            return JSON
        if self.view is View.DIAGRAM:
            found = best_match(request.headers, FORMATS[wanted])
        else:
            found = JSON if accepts_json(request.headers) else None
        if found is None:
            raise RestError(406, {"detail": "Could not satisfy the request Accept header."})
        return found

    def _metadata(self) -> Mapping[str, Any]:
        name, description = self.view.value
        return {
            "name": name,
            "description": description,
            "renders": self.view.renders,
            "parses": [JSON],
        }

    async def _list(self, viewer: Viewer, query: FlowQuery) -> Response:
        context = Context(self.authenticator.database, viewer)
        page = await resolvers.list_flows(context.database, viewer, query)
        flows = self.dialect.flows(page.flows, context)
        return _json({"pagination": page.pagination, "results": flows, **self.dialect.extra})

    async def _one(self, viewer: Viewer, query: FlowQuery, slug: str, media_type: str) -> Response:
        if query.slug not in (None, slug):
            raise RestError(404, {"detail": NO_FLOW})
        wanted = query._replace(slug=slug)
        if self.view is View.EXPORT:
            return await self._export(viewer, wanted)
        if self.view is View.DIAGRAM:
            return await self._diagram(viewer, wanted, media_type)
        context = Context(self.authenticator.database, viewer)
        found = await resolvers.find_flow(context.database, viewer, wanted)
        for flow in self.dialect.flows(found, context):
            return _json(flow)
        raise RestError(404, {"detail": NO_FLOW})

    async def _export(self, viewer: Viewer, query: FlowQuery) -> Response:
        blueprint = await resolvers.export_flow(self.authenticator.database, viewer, query)
        if blueprint is None:
            raise RestError(404, {"detail": NO_FLOW})
        disposition = f'attachment; filename="{query.slug}.yaml"'
        headers = {**ALLOWED, "Content-Disposition": disposition}
        return Response(blueprint, 200, headers, "application/yaml")

    async def _diagram(self, viewer: Viewer, query: FlowQuery, media_type: str) -> Response:
        diagram = await loading.find_diagram(self.authenticator.database, viewer, query)
        if diagram is None:
            raise RestError(404, {"detail": NO_FLOW})
        if media_type == SVG:
            response = Response(svg.render(diagram), 200, {**ALLOWED, **OF_SVG}, SVG)
        else:
            response = _json({"diagram": mermaid.render(diagram)})
        response.headers["Vary"] = "Accept"
        return response


def build_routes(viewers: Authenticator) -> list[Route]:
    """All views in all dialects."""
    suffixes = {
        View.LIST: "/",
        View.INSTANCE: "/{slug}/",
        View.EXPORT: "/{slug}/export/",
        View.DIAGRAM: "/{slug}/diagram/",
    }
    return [
        Route(dialect.prefix + suffix, RestEndpoint(viewers, dialect, view))
        for dialect in DIALECTS
        for view, suffix in suffixes.items()
    ]


def _json(body: object, status: int = 200) -> Response:
    return Response(orjson.dumps(body), status, ALLOWED, "application/json")
