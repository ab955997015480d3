"""GraphQL over HTTP: a request becomes an operation, and its result a response."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from graphql import ExecutionResult, GraphQLError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send
from strawberry.http.ides import get_graphql_ide_html

from gql.auth import Viewers, permit
from gql.errors import FlowQLError, ForbiddenError, UnauthenticatedError
from gql.execution.documents import NoOperationError
from gql.execution.executor import Asked, Executor
from gql.types import Context
from gql.unexpected import UnexpectedErrors, report

ALLOWED = "GET, POST"


class RefusedRequestError(Exception):
    """A request that holds no operation; `status` is HTTP's."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The ASGI application that answers GraphQL requests from one schema and one database."""

    executor: Executor
    viewers: Viewers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; whatever is wrong with it is told as GraphQL tells errors."""
        request = Request(scope, receive)
        try:
            response = await self._answer(request)
        except RefusedRequestError as error:
            response = _refusal(error.status, {"message": str(error)}, error.headers)
        except UnauthenticatedError as error:
            response = _refusal(401, _told(error), {"WWW-Authenticate": "Bearer"})
        except ForbiddenError as error:
            response = _refusal(403, _told(error))
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        if request.method not in ("GET", "POST"):
            refused = f"{request.method} is not allowed: GraphQL is asked by GET or POST."
            raise RefusedRequestError(405, refused, {"Allow": ALLOWED})
        if _wants_a_page(request):
            return HTMLResponse(get_graphql_ide_html())
        viewer = await self.viewers.authenticate(request.headers)
        permit(viewer)
        asked = await _asked(request)
        result = await self._execute(asked, Context(self.viewers.database, viewer))
        return _json(200, _body(result))

    async def _execute(self, asked: Asked, context: Context) -> ExecutionResult:
        try:
            return await self.executor.execute(asked, context)
        except NoOperationError:
            name = asked.operation_name
            missing = f"named {name!r} " if name else ""
            raise RefusedRequestError(
                400, f"The document has no operation {missing}to execute, or several."
            ) from None


def routes(endpoint: Endpoint) -> list[Route]:
    """Where GraphQL is asked: with and without a last slash, since a redirect loses a POST."""
    guard = Middleware(UnexpectedErrors, body=lambda request_id: {"errors": [masked(request_id)]})
    return [Route(path, endpoint, middleware=[guard]) for path in ("/graphql", "/graphql/")]


def _wants_a_page(request: Request) -> bool:
    """Whether a browser came to look, rather than a program that takes anything."""
    looks = request.method == "GET" and "query" not in request.query_params
    return looks and "text/html" in request.headers.get("accept", "")


async def _asked(request: Request) -> Asked:
    if request.method == "GET":
        given: dict[str, Any] = dict(request.query_params)
        given["variables"] = _parsed(given.get("variables") or "null", "The variables are")
    else:
        media_type = request.headers.get("content-type", "").partition(";")[0]
        if media_type.strip().lower() != "application/json":
            raise RefusedRequestError(415, "The body of a POST is application/json.")
        given = _object(_parsed(await _body_of(request), "The body is"), "The body is")
    return _checked(given)


async def _body_of(request: Request) -> bytes:
    try:
        return await request.body()
    except HTTPException as error:
        raise RefusedRequestError(error.status_code, "The body is too large.") from None


def _parsed(text: str | bytes, what: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        raise RefusedRequestError(400, f"{what} not JSON.") from None


def _object(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise RefusedRequestError(400, f"{what} not a JSON object.")
    return value  # pyright: ignore[reportUnknownVariableType] - JSON has string keys


def _checked(given: Mapping[str, Any]) -> Asked:
    query, name = given.get("query"), given.get("operationName")
    if not isinstance(query, str) or not query:
        raise RefusedRequestError(400, "There is no query, which is a text.")
    if not isinstance(name, str | None):
        raise RefusedRequestError(400, "The operationName is not a text.")
    variables = given.get("variables")
    checked = {} if variables is None else _object(variables, "The variables are")
    return Asked(query, checked, name or None)


def _body(result: ExecutionResult) -> Mapping[str, Any]:
    """GraphQL's answer; without `data` if nothing was executed, which an error's path tells."""
    errors = result.errors or []
    if not errors:
        return {"data": result.data}
    executed = result.data is not None or any(error.path for error in errors)
    data = {"data": result.data} if executed else {}
    return data | {"errors": list(_formatted(sorted(errors, key=_place)))}


def _place(error: GraphQLError) -> Any:
    """What sorts errors by path, whatever finished first; those of one level are of one type."""
    return error.path or []


def _formatted(errors: list[GraphQLError]) -> Iterator[Mapping[str, Any]]:
    failures = [failure for error in errors if (failure := _unforeseen(error))]
    request_id = report(*failures) if failures else ""
    for error in errors:
        if _unforeseen(error):
            yield {**error.formatted, **masked(request_id)}
        elif isinstance(error.original_error, RecursionError):
            yield {"message": "The document is nested too deeply."}
        else:
            yield error.formatted


def _unforeseen(error: GraphQLError) -> Exception | None:
    cause = error.original_error
    return None if isinstance(cause, FlowQLError | GraphQLError | RecursionError) else cause


def masked(request_id: str) -> Mapping[str, Any]:
    """What a client may know of an error that nobody foresaw."""
    extensions = {"code": "INTERNAL_SERVER_ERROR", "requestId": request_id}
    return {"message": "Internal server error.", "extensions": extensions}


def _told(error: FlowQLError) -> Mapping[str, Any]:
    return {"message": str(error), "extensions": error.extensions}


def _refusal(
    status: int, error: Mapping[str, Any], headers: Mapping[str, str] | None = None
) -> Response:
    return _json(status, {"errors": [error]}, headers)


def _json(
    status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None
) -> Response:
    return Response(orjson.dumps(body), status, headers, "application/json")
