"""Internal errors: logged under a request ID, which is all that the client receives."""

import asyncio
import logging
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

log = logging.getLogger("flowql")


def log_failure(*errors: Exception) -> str:
    """Log the errors of one request with their tracebacks; return the request ID."""
    request_id = uuid.uuid4().hex
    failure = errors[0] if len(errors) == 1 else ExceptionGroup("several fields failed", errors)
    log.error("request %s failed", request_id, exc_info=failure)
    return request_id


@dataclass(frozen=True, slots=True)
class InternalErrorMiddleware:
    """Returns 500 with `body(request_id)` if the application raises an unexpected error.

    FlowQL sends every response in one piece: none has started when an error arrives here.
    """

    app: ASGIApp
    body: Callable[[str], Mapping[str, Any]]
    media_type: str = "application/json"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self.app(scope, receive, send)
        except ClientDisconnect:
            return
        except asyncio.CancelledError:
            # At shutdown, uvicorn cancels requests that exceed the grace period.
            await PlainTextResponse("shutting down", 503)(scope, receive, send)
        except Exception as error:  # noqa: BLE001 - the last handler of every request
            request_id = log_failure(error)
            body = orjson.dumps(self.body(request_id))
            headers = {"X-Request-ID": request_id}
            await Response(body, 500, headers, self.media_type)(scope, receive, send)
