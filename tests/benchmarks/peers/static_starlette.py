"""Starlette on uvicorn with a fixed response, which is the upper limit.

python static_starlette.py <port> <file>
"""

import sys
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from under_uvicorn import serve


def create_app(body: bytes) -> Starlette:
    """Return an application that reads the request and always returns the same body."""

    async def respond(request: Request) -> Response:
        await request.body()
        return Response(body, media_type="application/json")

    return Starlette(routes=[Route("/graphql", respond, methods=["POST"])])


if __name__ == "__main__":
    serve(create_app(Path(sys.argv[2]).read_bytes()), int(sys.argv[1]))
