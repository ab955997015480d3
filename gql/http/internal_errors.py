"""Errors that nobody foresaw: logged once under an id, which is all that a client is told."""

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
    """Log what failed in a request, with tracebacks; gives the id that it is logged under."""
    request_id = uuid.uuid4().hex
    failure = errors[0] if len(errors) == 1 else ExceptionGroup("several fields failed", errors)
    log.error("request %s failed", request_id, exc_info=failure)
    return request_id


@dataclass(frozen=True, slots=True)
class InternalErrorMiddleware:
    """Middleware that answers 500 with `body(request id)` where the application fails.

    All of FlowQL's answers are sent whole, so none has begun when an error comes here.
    """

    app: ASGIApp
    body: Callable[[str], Mapping[str, Any]]
    media_type: str = "application/json"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the application answer, or answer for it."""
        try:
            await self.app(scope, receive, send)
        except ClientDisconnect:
            return
        except asyncio.CancelledError:
            # uvicorn cancels what is not answered in time when it ends.
            await PlainTextResponse("the server is ending", 503)(scope, receive, send)
        except Exception as error:  # noqa: BLE001 - this is where all others end
            request_id = log_failure(error)
            body = orjson.dumps(self.body(request_id))
            headers = {"X-Request-ID": request_id}
            await Response(body, 500, headers, self.media_type)(scope, receive, send)
