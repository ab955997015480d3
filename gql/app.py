"""The one place where everything meets: settings, the database, and the routes."""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, cast

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from gql import schema
from gql.auth import Authenticator
from gql.endpoint import endpoint
from gql.endpoint.endpoint import GraphQLEndpoint
from gql.endpoint.persisted import PersistedDocuments, load_trusted
from gql.execution.executor import Executor
from gql.explorer import front, graphiql
from gql.explorer.files import read_files
from gql.explorer.pages import Pages
from gql.http.internal_errors import InternalErrorMiddleware
from gql.http.root_path import RootPathMiddleware
from gql.rest import endpoint as rest
from gql.rest import openapi
from gql.settings import Settings
from models.database import CONNECTION_ERRORS, Database, open_database
from models.database.statement import RawSQL

READY_SECONDS = 2
# For how long a browser believes what it was told before it asks.
PREFLIGHT_SECONDS = 3600
LIVE, READY = "/-/health/live/", "/-/health/ready/"
SDL = "/schema.graphql"
PING = RawSQL("SELECT 1")
# What a browser calls the machine that it runs on.
LOCAL_HOSTS = ("127.0.0.1", "localhost")


def create_app(settings: Settings, token: str | None = None) -> Starlette:
    """The ASGI application; it opens its database when it starts, and closes it when it ends.

    It then reads the trusted documents too, and raises TrustedDocumentError. With a token, whoever
    opens a page is signed in.
    """
    graph = schema.build_schema()
    executor = Executor(
        graph,
        settings.limits,
        hides_suggestions=not settings.suggestions,
        forbids_introspection=not settings.introspection,
    )
    pages = Pages(settings.root_path, read_files(), _links(settings), token)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncGenerator[None]:
        documents = _load_documents(settings, executor)
        database = await open_database(settings.database_url, settings.schema_name)
        viewers = Authenticator(database, settings.viewer_ttl)
        page = graphiql.page(pages) if settings.graphiql else None
        answering = GraphQLEndpoint(executor, viewers, documents, settings.limits, page)
        app.router.routes[:] = [
            *endpoint.build_routes(answering),
            *rest.build_routes(viewers),
            *openapi.build_routes(settings.root_path),
            *front.build_routes(viewers, pages),
            *(_sdl(graph) if settings.introspection else ()),
            *_health(database),
        ]
        try:
            yield
        finally:
            await database.close()

    app = Starlette(
        lifespan=lifespan,
        middleware=[
            *_host_middleware(token),
            *_root_path_middleware(settings),
            *_cors_middleware(settings),
            Middleware(InternalErrorMiddleware, body=_internal_error),
        ],
        exception_handlers={HTTPException: _handle_http_exception},
    )
    # A path without its last slash is no address of authentik's, and a redirect loses a POST.
    app.router.redirect_slashes = False
    return app


def _load_documents(settings: Settings, executor: Executor) -> PersistedDocuments:
    if settings.trusted_documents is None:
        return PersistedDocuments()
    trusted = load_trusted(settings.trusted_documents, executor.first_error)
    return PersistedDocuments(trusted, settings.trusted_only)


def _links(settings: Settings) -> Mapping[str, str]:
    """What there is, and where."""
    there = {
        "graphql": "/graphql",
        **({"graphiql": "/graphql"} if settings.graphiql else {}),
        **({"schema": SDL} if settings.introspection else {}),
        "rest": "/flows/instances/",
        "rest_v3": "/api/v3/flows/instances/",
        "openapi": "/api/v3/schema/",
        "openapi_documented": "/schema/",
        "live": LIVE,
        "ready": READY,
    }
    return {name: f"{settings.root_path}{path}" for name, path in there.items()}


def _host_middleware(token: str | None) -> Iterator[Middleware]:
    """What keeps a token in pages from sites that let their name lead to this machine."""
    if token:
        yield Middleware(TrustedHostMiddleware, allowed_hosts=LOCAL_HOSTS)


def _root_path_middleware(settings: Settings) -> Iterator[Middleware]:
    if settings.root_path:
        yield Middleware(RootPathMiddleware, root=settings.root_path)


def _cors_middleware(settings: Settings) -> Iterator[Middleware]:
    """What lets browsers ask for other sites: outermost, so that they may read refusals too."""
    if settings.cors_origins:
        yield Middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=("GET", "POST"),
            allow_headers=("*",),
            expose_headers=("X-Request-ID",),
            max_age=PREFLIGHT_SECONDS,
        )


def _sdl(described: schema.Schema) -> Iterator[Route]:
    text = schema.print_schema(described)

    async def sdl(_request: Request) -> Response:
        return PlainTextResponse(text)

    yield Route(SDL, sdl, middleware=[Middleware(GZipMiddleware)])


def _health(database: Database) -> Iterator[Route]:
    async def live(_request: Request) -> Response:
        return PlainTextResponse("live")

    async def ready(_request: Request) -> Response:
        try:
            async with asyncio.timeout(READY_SECONDS):
                await database.read(PING)
        except CONNECTION_ERRORS:
            return PlainTextResponse("the database does not answer", 503)
        return PlainTextResponse("ready")

    yield Route(LIVE, live)
    yield Route(READY, ready)


async def _handle_http_exception(_request: Request, error: Exception) -> Response:
    """Starlette's own refusals, worded as Django REST framework words them."""
    refused = cast(HTTPException, error)
    detail = "Not found." if refused.status_code == HTTPStatus.NOT_FOUND else f"{refused.detail}."
    body = orjson.dumps({"detail": detail})
    return Response(body, refused.status_code, refused.headers, "application/json")


def _internal_error(request_id: str) -> Mapping[str, Any]:
    return {"detail": "Internal server error.", "request_id": request_id}
