"""The REST shim: authentik's flow endpoints over the resolvers that GraphQL asks."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from gql import presentation, resolvers
from gql.auth import authenticate, permit
from gql.errors import ForbiddenError, InvalidPageError, UnauthenticatedError
from gql.negotiation import admits_json
from gql.parameters import InvalidParametersError, Parameters
from gql.resolvers import FlowRecord
from models.database import Database
from models.flow import SLUG
from models.listing import ORDERINGS, FlowQuery
from models.viewer import Viewer

ALLOWED = {"Allow": "GET, HEAD, OPTIONS"}
NO_FLOW = "No Flow matches the given query."


class View(Enum):
    """What an address shows; the value is the name that OPTIONS tells, and a description."""

    LIST = ("Flow List", "Flow Viewset")
    INSTANCE = ("Flow Instance", "Flow Viewset")
    EXPORT = ("Export", "Export flow to .yaml file")


@dataclass(frozen=True, slots=True)
class Dialect:
    """One generation of authentik's API: where it is, and what its answers look like."""

    prefix: str
    orderings: frozenset[str]
    backgrounds: Callable[[str, str], Mapping[str, Any]]
    extra: Mapping[str, Any]

    def flow(self, record: FlowRecord, schema: str) -> Mapping[str, Any]:
        """A flow as this dialect has it, key by key."""
        row = record.row
        return {
            "pk": row.pk,
            "policybindingmodel_ptr_id": row.policybindingmodel_ptr_id,
            "name": row.name,
            "slug": row.slug,
            "title": row.title,
            "designation": row.designation,
            **self.backgrounds(row.background, schema),
            "stages": record.stages,
            "policies": record.policies,
            "cache_count": record.cache_count,
            "policy_engine_mode": row.policy_engine_mode,
            "compatibility_mode": row.compatibility_mode,
            "export_url": presentation.export_url(row.slug),
            "layout": row.layout,
            "denied_action": row.denied_action,
            "authentication": row.authentication,
        }


def _documented_background(background: str, schema: str) -> Mapping[str, Any]:
    return {"background": presentation.background_url(background, schema)}


def _current_backgrounds(background: str, schema: str) -> Mapping[str, Any]:
    return {
        "background": background,
        "background_url": presentation.background_url(background, schema),
        "background_themed_urls": presentation.background_themed_urls(background, schema),
    }


DIALECTS = (
    Dialect("/flows/instances", frozenset(ORDERINGS) - {"background"}, _documented_background, {}),
    Dialect(
        "/api/v3/flows/instances",
        frozenset(ORDERINGS),
        _current_backgrounds,
        {"autocomplete": {}},
    ),
)


class RefusalError(Exception):
    """A request that is answered with a status, and a body that says why."""

    def __init__(self, status: int, body: object) -> None:
        super().__init__(status)
        self.status = status
        self.body = body


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The ASGI application of one view in one dialect."""

    database: Database
    dialect: Dialect
    view: View

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        response = await self._respond(Request(scope, receive))
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        try:
            return await self._answer(request)
        except RefusalError as refusal:
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
        parameters = Parameters.of(request.scope["query_string"])
        self._negotiate(request, parameters)
        viewer = await authenticate(self.database, request.headers)
        if request.method == "OPTIONS":
            return _json(self._metadata())
        if request.method not in ("GET", "HEAD"):
            raise RefusalError(405, {"detail": f'Method "{request.method}" not allowed.'})
        search = parameters.search()
        permit(viewer)
        query = parameters.query(search, self.dialect.orderings)
        if self.view is View.LIST:
            return await self._list(viewer, query)
        return await self._one(viewer, query, request.path_params["slug"])

    def _route(self, request: Request) -> None:
        """Refuse what Starlette's patterns let pass: odd slugs, and a line break at the end."""
        slug = request.path_params.get("slug", "-")
        if not (SLUG.fullmatch(slug) and request.scope["path"].endswith("/")):
            raise RefusalError(404, {"detail": "Not found."})

    def _negotiate(self, request: Request, parameters: Parameters) -> None:
        if parameters.get("format") not in ("", "json"):
            raise RefusalError(404, {"detail": "Not found."})
        if self.view is not View.EXPORT and not admits_json(request.headers):
            raise RefusalError(406, {"detail": "Could not satisfy the request Accept header."})

    def _metadata(self) -> Mapping[str, Any]:
        name, description = self.view.value
        media_types = ["application/json"]
        return {
            "name": name,
            "description": description,
            "renders": media_types,
            "parses": media_types,
        }

    async def _list(self, viewer: Viewer, query: FlowQuery) -> Response:
        page = await resolvers.list_flows(self.database, viewer, query)
        flows = [self.dialect.flow(record, self.database.schema) for record in page.results]
        return _json({"pagination": page.pagination, "results": flows, **self.dialect.extra})

    async def _one(self, viewer: Viewer, query: FlowQuery, slug: str) -> Response:
        if query.slug not in (None, slug):
            raise RefusalError(404, {"detail": NO_FLOW})
        wanted = replace(query, slug=slug)
        if self.view is View.EXPORT:
            return await self._export(viewer, wanted)
        record = await resolvers.find_flow(self.database, viewer, wanted)
        if record is None:
            raise RefusalError(404, {"detail": NO_FLOW})
        return _json(self.dialect.flow(record, self.database.schema))

    async def _export(self, viewer: Viewer, query: FlowQuery) -> Response:
        blueprint = await resolvers.export_flow(self.database, viewer, query)
        if blueprint is None:
            raise RefusalError(404, {"detail": NO_FLOW})
        disposition = f'attachment; filename="{query.slug}.yaml"'
        headers = {**ALLOWED, "Content-Disposition": disposition}
        return Response(blueprint, 200, headers, "application/yaml")


def routes(database: Database) -> list[Route]:
    """All views in all dialects."""
    suffixes = {
        View.LIST: "/",
        View.INSTANCE: "/{slug}/",
        View.EXPORT: "/{slug}/export/",
    }
    return [
        Route(dialect.prefix + suffix, Endpoint(database, dialect, view))
        for dialect in DIALECTS
        for view, suffix in suffixes.items()
    ]


def _json(body: object, status: int = 200) -> Response:
    return Response(orjson.dumps(body), status, ALLOWED, "application/json")
