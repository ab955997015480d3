"""The one place where everything meets: settings, the database, and the routes."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import orjson
from sqlalchemy import text
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from gql import endpoint, rest, schema
from gql.settings import Settings, read_settings
from gql.unexpected import UnexpectedErrors
from models.database import CONNECTION_ERRORS, Database, open_database


def create_app(settings: Settings) -> Starlette:
    """The ASGI application; it opens its database when it starts, and closes it when it ends."""
    graph = schema.build()

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncGenerator[None]:
        database = await open_database(settings.database_url, settings.schema_name)
        app.router.routes[:] = _routes(graph, database)
        try:
            yield
        finally:
            await database.close()

    app = Starlette(
        lifespan=lifespan,
        middleware=[Middleware(UnexpectedErrors, body=_internal_error)],
        exception_handlers={HTTPException: _refused},
    )
    # A path without its last slash is no address of authentik's, and a redirect loses a POST.
    app.router.redirect_slashes = False
    return app


def from_environment() -> Starlette:
    """The application with the environment's settings, for servers that start it by name."""
    return create_app(read_settings())


def _routes(graph: schema.Schema, database: Database) -> list[BaseRoute]:
    async def sdl(_request: Request) -> Response:
        return PlainTextResponse(schema.printed(graph))

    async def live(_request: Request) -> Response:
        return PlainTextResponse("live")

    async def ready(_request: Request) -> Response:
        try:
            await database.read(text("SELECT 1"))
        except CONNECTION_ERRORS:
            return PlainTextResponse("the database does not answer", 503)
        return PlainTextResponse("ready")

    return [
        *endpoint.routes(endpoint.Endpoint(graph, database)),
        *rest.routes(database),
        Route("/schema.graphql", sdl),
        Route("/-/health/live/", live),
        Route("/-/health/ready/", ready),
    ]


async def _refused(_request: Request, error: Exception) -> Response:
    """Starlette's own refusals, worded as Django REST framework words them."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    detail = {404: "Not found."}.get(status, "Method not allowed.")
    headers = error.headers if isinstance(error, HTTPException) else None
    return Response(orjson.dumps({"detail": detail}), status, headers, "application/json")


def _internal_error(request_id: str) -> Mapping[str, Any]:
    return {"detail": "Internal server error.", "request_id": request_id}
