"""The application: settings, services, routes and middleware, composed."""

from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
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
from gql.drift.calculator import DriftCalculator, build_calculator
from gql.endpoint import endpoint, sdl
from gql.endpoint.endpoint import GraphQLEndpoint
from gql.endpoint.persisted import PersistedDocuments
from gql.execution.executor import Executor
from gql.execution.graphql_core import core_schema
from gql.execution.introspection import find_minimum_limits
from gql.explorer import front, graphiql, rest_page
from gql.explorer.files import read_files
from gql.explorer.flow_details import FlowReader
from gql.explorer.pages import Pages
from gql.http.internal_errors import InternalErrorMiddleware
from gql.http.negotiation import JSON, negotiate_graphql
from gql.http.root_path import RootPathMiddleware
from gql.reading import ReadRunner
from gql.rest import endpoint as rest
from gql.rest import openapi
from gql.rest.dialects import CURRENT, DOCUMENTED, build_dialects
from gql.rest.errors import build_http_error_body, build_internal_error_body
from gql.reuse import Reuse
from gql.schema import Schema, build_schema, print_schema
from gql.settings import LOOPBACK_HOST, Settings, SettingsError, name_setting
from models.diff.options import SideOptions

# Browsers cache the response to a preflight request for this long.
PREFLIGHT_MAX_AGE_SECONDS = 3600
LOW_LIMIT = (
    "{limit} is {value}, but the introspection query of GraphQL tools requires {minimum}: raise it,"
    " or turn introspection off with --no-introspection"
)
LOCAL_HOSTS = (LOOPBACK_HOST, "[::1]", "localhost")


@dataclass(frozen=True, slots=True)
class Services:
    """The objects that routes share; the lifespan of the application makes them ready."""

    schema: Schema
    executor: Executor
    documents: PersistedDocuments
    database: DatabaseHandle
    drift: DriftCalculator | None


def create_app(
    settings: Settings, token: str | None = None, hosts: Sequence[str] = ()
) -> Starlette:
    """Return the ASGI application; `state.warnings` are warnings about its settings.

    Raises SettingsError if introspection is on, but its limit is too low. The lifespan reads the
    trusted documents, opens the database and compares it with the baseline; it raises
    TrustedDocumentError, DatabaseError, or an error of the baseline. With a token, visitors of the
    pages are signed in, and requests for other hosts than these and the local ones are rejected.
    """
    services = _build_services(settings)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncGenerator[None]:
        if settings.trusted_documents is not None:
            services.documents.load_trusted(
                settings.trusted_documents, services.executor.first_error
            )
        address = settings.database_url, settings.schema_name
        async with AsyncExitStack() as stack:
            opened = services.database.open(*address, settings.pool_limits)
            await stack.enter_async_context(opened)
            if services.drift:
                seconds = settings.baseline_every.total_seconds()
                compared = services.drift.open(services.database, *address, seconds)
                await stack.enter_async_context(compared)
            yield

    pages = Pages(
        settings.root_path,
        read_files(),
        _build_links(settings),
        token,
        # Operations of the pages are not trusted documents.
        opens_operations=not settings.trusted_only,
    )
    app = Starlette(
        routes=list(_build_routes(settings, services, pages)),
        middleware=list(_build_middleware(settings, token, hosts)),
        exception_handlers={HTTPException: partial(_handle_http_exception, pages)},
        lifespan=lifespan,
    )
    # A path without its trailing slash does not exist in authentik, and a redirect loses a POST.
    app.router.redirect_slashes = False
    app.state.warnings = _check_limits(settings, services.schema)
    return app


def _build_services(settings: Settings) -> Services:
    schema = build_schema()
    executor = Executor(
        schema,
        settings.limits,
        hides_suggestions=not settings.suggestions,
        forbids_introspection=not settings.introspection,
    )
    documents = PersistedDocuments(settings.trusted_only)
    return Services(schema, executor, documents, DatabaseHandle(), _build_drift(settings))


def _build_drift(settings: Settings) -> DriftCalculator | None:
    """Return the calculator of the drift, None without a baseline. Raises OperatorError."""
    if settings.baseline is None:
        return None
    options = SideOptions(
        token=settings.baseline_token,
        ca_file=settings.baseline_ca_file,
        schema=settings.schema_name,
    )
    return build_calculator(settings.baseline, options)


def _check_limits(settings: Settings, schema: Schema) -> Sequence[str]:
    """Return the warnings about limits that reject the introspection query of tools.

    Raises SettingsError if the limit that has no other purpose rejects it.
    """
    low_limits = _find_low_limits(settings, schema)
    if "introspection_cost" in low_limits:
        raise SettingsError(low_limits["introspection_cost"])
    # With trusted documents only, tools cannot introspect anyway.
    return () if settings.trusted_only else tuple(low_limits.values())


def _find_low_limits(settings: Settings, schema: Schema) -> Mapping[str, str]:
    """Return a message for each limit that rejects the introspection query of tools, by its name."""
    if not settings.introspection:
        return {}
    return {
        name: LOW_LIMIT.format(limit=name_setting(f"max_{name}"), value=value, minimum=minimum)
        for name, minimum in find_minimum_limits(core_schema(schema)).items()
        if (value := getattr(settings.limits, name)) < minimum
    }


def _build_routes(settings: Settings, services: Services, pages: Pages) -> Iterator[Route]:
    authenticator = Authenticator(
        services.database, settings.viewer_ttl, reads_versions=settings.reuse_bytes > 0
    )
    runner = ReadRunner(settings.limits, settings.root_path, services.drift)
    reuse = Reuse(runner, settings.reuse_bytes)
    dialects = build_dialects(settings.dialect)
    graphql = GraphQLEndpoint(
        services.executor,
        authenticator,
        services.documents,
        settings.limits,
        reuse,
        graphiql.build_page(pages) if settings.graphiql else None,
    )
    yield from endpoint.build_routes(graphql)
    yield from rest.build_routes(
        authenticator, settings.limits, reuse, settings.root_path, dialects
    )
    yield from openapi.build_routes(settings.root_path, dialects)
    flow_reader = FlowReader(Executor(services.schema))
    yield from front.build_routes(authenticator, pages, runner, settings.limits, flow_reader)
    yield rest_page.build_route(pages, dialects)
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
        "rest_api": rest_page.PATH,
        "rest": DOCUMENTED.flows_path,
        "rest_v3": CURRENT.flows_path,
        "openapi": CURRENT.openapi_path,
        "openapi_documented": DOCUMENTED.openapi_path,
        "live": health.LIVE_PATH,
        "ready": health.READY_PATH,
    }
    return {name: f"{settings.root_path}{path}" for name, path in paths.items()}


async def _handle_http_exception(pages: Pages, request: Request, error: Exception) -> Response:
    """Return Starlette's own errors as JSON, in the wording of Django REST framework.

    A browser gets a page if nothing is at the address.
    """
    exception = cast(HTTPException, error)
    is_page = negotiate_graphql(request.headers).is_page
    if is_page and exception.status_code == HTTPStatus.NOT_FOUND:
        return pages.render("not-found.html", HTTPStatus.NOT_FOUND, path=request.url.path)
    body = orjson.dumps(build_http_error_body(exception))
    return Response(body, exception.status_code, exception.headers, JSON)
