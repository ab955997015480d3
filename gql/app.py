"""The application: settings, services, routes and middleware, composed."""

from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import cast

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gql import health
from gql.auth import Authenticator
from gql.database_handle import DatabaseHandle
from gql.endpoint import endpoint, sdl
from gql.endpoint.endpoint import GraphQLEndpoint
from gql.endpoint.persisted import PersistedDocuments
from gql.execution.executor import Executor
from gql.explorer import front, graphiql
from gql.explorer.files import read_files
from gql.explorer.pages import Pages
from gql.http.internal_errors import InternalErrorMiddleware
from gql.http.negotiation import JSON
from gql.http.root_path import RootPathMiddleware
from gql.reading import ReadRunner
from gql.rest import endpoint as rest
from gql.rest import openapi
from gql.rest.dialects import CURRENT, DOCUMENTED
from gql.rest.errors import build_http_error_body, build_internal_error_body
from gql.schema import Schema, build_schema, print_schema
from gql.settings import LOOPBACK_HOST, Settings

# Browsers cache the response to a preflight request for this long.
PREFLIGHT_MAX_AGE_SECONDS = 3600
LOCAL_HOSTS = (LOOPBACK_HOST, "[::1]", "localhost")


@dataclass(frozen=True, slots=True)
class Services:
    """The objects that routes share; the lifespan of the application makes them ready."""

    schema: Schema
    executor: Executor
    documents: PersistedDocuments
    database: DatabaseHandle


def create_app(
    settings: Settings, token: str | None = None, hosts: Sequence[str] = ()
) -> Starlette:
    """Return the ASGI application.

    Its lifespan reads the trusted documents and opens the database; it raises TrustedDocumentError
    or DatabaseError. With a token, visitors of the pages are signed in, and requests for other hosts
    than these and the local ones are rejected.
    """
    services = _build_services(settings)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncGenerator[None]:
        if settings.trusted_documents is not None:
            services.documents.load_trusted(
                settings.trusted_documents, services.executor.first_error
            )
        url, schema = settings.database_url, settings.schema_name
        async with services.database.open(url, schema, settings.pool_limits):
            yield

    pages = Pages(settings.root_path, read_files(), _build_links(settings), token)
    app = Starlette(
        routes=list(_build_routes(settings, services, pages)),
        middleware=list(_build_middleware(settings, token, hosts)),
        exception_handlers={HTTPException: _handle_http_exception},
        lifespan=lifespan,
    )
    # A path without its trailing slash does not exist in authentik, and a redirect loses a POST.
    app.router.redirect_slashes = False
    return app


def _build_services(settings: Settings) -> Services:
    schema = build_schema()
    executor = Executor(
        schema,
        settings.limits,
        hides_suggestions=not settings.suggestions,
        forbids_introspection=not settings.introspection,
    )
    return Services(schema, executor, PersistedDocuments(settings.trusted_only), DatabaseHandle())


def _build_routes(settings: Settings, services: Services, pages: Pages) -> Iterator[Route]:
    authenticator = Authenticator(services.database, settings.viewer_ttl)
    runner = ReadRunner(settings.limits)
    graphql = GraphQLEndpoint(
        services.executor,
        authenticator,
        services.documents,
        settings.limits,
        runner,
        graphiql.build_page(pages) if settings.graphiql else None,
    )
    yield from endpoint.build_routes(graphql)
    yield from rest.build_routes(authenticator, settings.limits, runner)
    yield from openapi.build_routes(settings.root_path)
    yield from front.build_routes(authenticator, pages, runner)
    if settings.introspection:
        yield sdl.build_route(print_schema(services.schema))
    yield from health.build_routes(services.database)


def _build_middleware(
    settings: Settings, token: str | None, hosts: Sequence[str]
) -> Iterator[Middleware]:
    """Yield the middleware, outermost first."""
    if token:
        # Pages contain the token: DNS rebinding must not make them readable for other sites.
        yield Middleware(TrustedHostMiddleware, allowed_hosts=(*LOCAL_HOSTS, *hosts))
    if settings.root_path:
        yield Middleware(RootPathMiddleware, root=settings.root_path)
    if settings.cors_origins:
        yield _build_cors_middleware(settings.cors_origins)
    yield Middleware(InternalErrorMiddleware, body=build_internal_error_body)


def _build_cors_middleware(origins: tuple[str, ...]) -> Middleware:
    return Middleware(
        CORSMiddleware,
        allow_origins=origins,
        allow_methods=("GET", "POST"),
        allow_headers=("*",),
        expose_headers=("X-Request-ID",),
        max_age=PREFLIGHT_MAX_AGE_SECONDS,
    )


def _build_links(settings: Settings) -> Mapping[str, str]:
    """Return the URL paths of the resources, by name."""
    paths = {
        "graphql": endpoint.PATH,
        **({"graphiql": endpoint.PATH} if settings.graphiql else {}),
        **({"schema": sdl.SDL_PATH} if settings.introspection else {}),
        "rest": DOCUMENTED.flows_path,
        "rest_v3": CURRENT.flows_path,
        "openapi": CURRENT.openapi_path,
        "openapi_documented": DOCUMENTED.openapi_path,
        "live": health.LIVE_PATH,
        "ready": health.READY_PATH,
    }
    return {name: f"{settings.root_path}{path}" for name, path in paths.items()}


async def _handle_http_exception(_request: Request, error: Exception) -> Response:
    """Return Starlette's own errors as JSON, in the wording of Django REST framework."""
    exception = cast(HTTPException, error)
    body = orjson.dumps(build_http_error_body(exception))
    return Response(body, exception.status_code, exception.headers, JSON)
