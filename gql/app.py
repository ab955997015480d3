"""The one place where everything meets: settings, the database, and the routes."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, cast

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from gql import endpoint, rest, schema
from gql.auth import Viewers
from gql.endpoint import Endpoint
from gql.execution.executor import Executor
from gql.settings import Settings
from gql.unexpected import UnexpectedErrors
from models.database import CONNECTION_ERRORS, open_database
from models.statement import Plain

# A GraphQL operation is all that anybody sends.
MAX_BODY_BYTES = 100_000
READY_SECONDS = 2
ALIVE = Plain("SELECT 1")


def create_app(settings: Settings) -> Starlette:
    """The ASGI application; it opens its database when it starts, and closes it when it ends."""
    graph = schema.build()
    executor = Executor(graph)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncGenerator[None]:
        database = await open_database(settings.database_url, settings.schema_name)
        viewers = Viewers(database, settings.viewer_ttl)
        app.router.routes[:] = _routes(graph, executor, viewers)
        try:
            yield
        finally:
            await database.close()

    app = Starlette(
        lifespan=lifespan,
        middleware=[Middleware(UnexpectedErrors, body=_internal_error)],
        exception_handlers={HTTPException: _refused},
        max_body_size=MAX_BODY_BYTES,
    )
    # A path without its last slash is no address of authentik's, and a redirect loses a POST.
    app.router.redirect_slashes = False
    return app


def _routes(graph: schema.Schema, executor: Executor, viewers: Viewers) -> list[BaseRoute]:
    text_of_schema = schema.printed(graph)

    async def sdl(_request: Request) -> Response:
        return PlainTextResponse(text_of_schema)

    async def live(_request: Request) -> Response:
        return PlainTextResponse("live")

    async def ready(_request: Request) -> Response:
        try:
            async with asyncio.timeout(READY_SECONDS):
                await viewers.database.read(ALIVE)
        except CONNECTION_ERRORS:
            return PlainTextResponse("the database does not answer", 503)
        return PlainTextResponse("ready")

    return [
        *endpoint.routes(Endpoint(executor, viewers)),
        *rest.routes(viewers),
        Route("/schema.graphql", sdl),
        Route("/-/health/live/", live),
        Route("/-/health/ready/", ready),
    ]


async def _refused(_request: Request, error: Exception) -> Response:
    """Starlette's own refusals, worded as Django REST framework words them."""
    refused = cast(HTTPException, error)
    detail = "Not found." if refused.status_code == HTTPStatus.NOT_FOUND else f"{refused.detail}."
    body = orjson.dumps({"detail": detail})
    return Response(body, refused.status_code, refused.headers, "application/json")


def _internal_error(request_id: str) -> Mapping[str, Any]:
    return {"detail": "Internal server error.", "request_id": request_id}
