"""The schema in GraphQL's schema definition language (SDL), for tools to download."""

from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

SDL_PATH = "/schema.graphql"


def build_route(sdl: str) -> Route:
    """Return the route of the schema, which needs no token."""

    async def download(_request: Request) -> Response:
        return PlainTextResponse(sdl)

    return Route(SDL_PATH, download, middleware=[Middleware(GZipMiddleware)])
