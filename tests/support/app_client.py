"""An in-process client of the whole application on a real database."""

import json
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, ExitStack
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import unquote_to_bytes

from anyio.from_thread import BlockingPortal, start_blocking_portal
from starlette.types import Message

from gql.app import create_app
from gql.settings import Settings

JSON_HEADERS = {"content-type": "application/json"}


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP response; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The parsed JSON body."""
        return json.loads(self.body)


def bearer_headers(key: str | None) -> dict[str, str]:
    """Return the Authorization header for a token's key, or no header for None."""
    return {} if key is None else {"authorization": f"Bearer {key}"}


class AppClient:
    """An application that runs in its own thread from `with` to its end."""

    def __init__(
        self, database_url: str, schema: str = "public", token: str | None = None, **others: Any
    ) -> None:
        settings = Settings(database_url=database_url, schema_name=schema, **others)
        self.app = create_app(settings, token)
        self._stack = ExitStack()
        self._portal: BlockingPortal

    def __enter__(self) -> Self:
        self._portal = self._stack.enter_context(start_blocking_portal())
        lifespan: AbstractAsyncContextManager[object] = self.app.router.lifespan_context(self.app)
        self._stack.enter_context(self._portal.wrap_async_context_manager(lifespan))
        return self

    def __exit__(self, *_error: object) -> None:
        self._stack.close()

    def request(
        self, method: str, target: str, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> Response:
        """Send a request without escaping or normalizing anything.

        In the target's query, a lone surrogate stands for a byte that is not valid UTF-8.
        """
        return self._portal.call(self._send, method, target, headers or {}, body)

    def get(self, target: str, key: str | None = None) -> Response:
        """Send a GET request with a token."""
        return self.request("GET", target, bearer_headers(key))

    def graphql(
        self, query: str, key: str | None = None, variables: Mapping[str, Any] | None = None
    ) -> Response:
        """Send a GraphQL operation by POST with a token."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        return self.request("POST", "/graphql", bearer_headers(key) | JSON_HEADERS, body)

    async def _send(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> Response:
        path, _, query = target.partition("?")
        messages: list[Message] = []
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": unquote_to_bytes(path).decode(errors="replace"),
            "raw_path": path.encode(),
            "query_string": query.encode(errors="surrogateescape"),
            "root_path": "",
            "headers": [
                (name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()
            ],
            "server": ("127.0.0.1", 8000),
            "client": ("127.0.0.1", 50000),
        }

        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            messages.append(message)

        await self.app(scope, receive, send)
        start, *parts = messages
        return Response(
            start["status"],
            {name.decode().lower(): value.decode("latin-1") for name, value in start["headers"]},
            b"".join(part.get("body", b"") for part in parts),
        )
