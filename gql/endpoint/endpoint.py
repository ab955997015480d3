"""GraphQL over HTTP: a request becomes an operation, and its result a response."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from graphql import ExecutionResult, GraphQLError, OperationType
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from gql.auth import Authenticator, require_access
from gql.context import Context
from gql.endpoint.persisted import PersistedDocuments
from gql.endpoint.request import HttpRequestError, read_request
from gql.errors import BadUserInputError, FlowQLError, ForbiddenError, UnauthenticatedError
from gql.execution.documents import UnknownOperationError
from gql.execution.executor import Executor
from gql.execution.request import GraphQLRequest
from gql.http import negotiation
from gql.http.internal_errors import InternalErrorMiddleware, log_failure
from gql.http.negotiation import Negotiation, negotiate_graphql
from gql.limits import Limits

ALLOW = {"Allow": "GET, POST"}
# A browser that brings one of these did not come to look.
REQUEST_PARAMETERS = ("query", "documentId", "extensions")
# An answer is for who has the token, and as long as it lasts; so it need not vary by Accept either.
NO_STORE = {"Cache-Control": "no-store"}


@dataclass(frozen=True, slots=True)
class GraphQLEndpoint:
    """The ASGI application that answers GraphQL requests from one schema and one database.

    A browser that comes to look gets the page, if there is one.
    """

    executor: Executor
    authenticator: Authenticator
    documents: PersistedDocuments
    limits: Limits
    page: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; whatever is wrong with it is told as GraphQL tells errors."""
        request = Request(scope, receive)
        accepted = negotiate_graphql(request.headers)
        media_type = accepted.media_type or negotiation.JSON
        try:
            response = await self._respond(request, accepted)
        except HttpRequestError as refused:
            response = _error_response(refused.status, refused.error, media_type, refused.headers)
        except UnauthenticatedError as error:
            response = _error_response(401, error, media_type, {"WWW-Authenticate": "Bearer"})
        except ForbiddenError as error:
            response = _error_response(403, error, media_type)
        except FlowQLError as error:
            response = _error_response(_status(media_type), error, media_type)
        await response(scope, receive, send)

    async def _respond(self, request: Request, accepted: Negotiation) -> ASGIApp:
        """The answer, or the error of the first check that fails."""
        if request.method == "OPTIONS":
            return Response(None, 204, ALLOW)
        if request.method not in ("GET", "POST"):
            refused = f"{request.method} is not allowed: GraphQL is asked by GET or POST."
            raise HttpRequestError(405, refused, ALLOW)
        if self.page and accepted.is_page and _is_page_visit(request):
            return self.page
        if accepted.media_type is None:
            refused = f"Answers are {negotiation.GRAPHQL} or {negotiation.JSON}."
            raise HttpRequestError(406, refused)
        viewer = await self.authenticator.authenticate(request.headers)
        require_access(viewer)
        operation = await self._read_operation(request)
        context = Context(self.authenticator.database, viewer)
        body = _body(await self._execute(operation, context))
        status = 200 if "data" in body else _status(accepted.media_type)
        return _json_response(status, body, accepted.media_type)

    async def _read_operation(self, request: Request) -> GraphQLRequest:
        operation = self.documents.resolve(await read_request(request, self.limits.body))
        type_ = self.executor.operation_type(operation) if request.method == "GET" else None
        if type_ not in (None, OperationType.QUERY):
            refused = f"A {type_.value} is not executed by GET."
            raise HttpRequestError(405, refused, {"Allow": "POST"})
        return operation

    async def _execute(self, operation: GraphQLRequest, context: Context) -> ExecutionResult:
        try:
            return await self.executor.execute(operation, context)
        except UnknownOperationError:
            name = operation.operation_name
            missing = f"named {name!r} " if name else ""
            raise BadUserInputError(
                f"The document has no operation {missing}to execute, or several."
            ) from None


def build_routes(endpoint: GraphQLEndpoint) -> list[Route]:
    """Where GraphQL is asked: with and without a last slash, since a redirect loses a POST."""
    guard = Middleware(
        InternalErrorMiddleware,
        body=lambda request_id: {"errors": [internal_error(request_id)]},
        media_type=_content_type(negotiation.JSON),
    )
    return [Route(path, endpoint, middleware=[guard]) for path in ("/graphql", "/graphql/")]


def _is_page_visit(request: Request) -> bool:
    """Whether a request comes to look, rather than with a question."""
    return request.method == "GET" and not any(
        name in request.query_params for name in REQUEST_PARAMETERS
    )


def _status(media_type: str) -> int:
    """The status of a request of which nothing was executed, though it was one."""
    return 400 if media_type == negotiation.GRAPHQL else 200


def _body(result: ExecutionResult) -> Mapping[str, Any]:
    """GraphQL's answer; without `data` if nothing was executed, which an error's path tells."""
    errors = result.errors or []
    if not errors:
        return {"data": result.data}
    executed = result.data is not None or any(error.path for error in errors)
    data = {"data": result.data} if executed else {}
    return data | {"errors": list(_format_errors(sorted(errors, key=_error_path)))}


def _error_path(error: GraphQLError) -> Any:
    """What sorts errors by path, whatever finished first; those of one level are of one type."""
    return error.path or []


def _format_errors(errors: list[GraphQLError]) -> Iterator[Mapping[str, Any]]:
    failures = [failure for error in errors if (failure := _unexpected_cause(error))]
    request_id = log_failure(*failures) if failures else ""
    for error in errors:
        if _unexpected_cause(error):
            yield {**error.formatted, **internal_error(request_id)}
        elif isinstance(error.original_error, RecursionError):
            yield _format_error(BadUserInputError("The document is nested too deeply."))
        else:
            yield _with_code(error.formatted)


def _with_code(error: Mapping[str, Any]) -> Mapping[str, Any]:
    """An error with a code; what graphql-core itself finds wrong has none yet."""
    extensions = {"code": BadUserInputError.code, **error.get("extensions", {})}
    return {**error, "extensions": extensions}


def _unexpected_cause(error: GraphQLError) -> Exception | None:
    cause = error.original_error
    return None if isinstance(cause, FlowQLError | GraphQLError | RecursionError) else cause


def internal_error(request_id: str) -> Mapping[str, Any]:
    """What a client may know of an error that nobody foresaw."""
    extensions = {"code": "INTERNAL_SERVER_ERROR", "requestId": request_id}
    return {"message": "Internal server error.", "extensions": extensions}


def _format_error(error: FlowQLError) -> Mapping[str, Any]:
    return {"message": str(error), "extensions": error.extensions}


def _error_response(
    status: int, error: FlowQLError, media_type: str, headers: Mapping[str, str] | None = None
) -> Response:
    return _json_response(status, {"errors": [_format_error(error)]}, media_type, headers)


def _json_response(
    status: int,
    body: Mapping[str, Any],
    media_type: str,
    headers: Mapping[str, str] | None = None,
) -> Response:
    told = NO_STORE if headers is None else {**NO_STORE, **headers}
    return Response(orjson.dumps(body), status, told, _content_type(media_type))


def _content_type(media_type: str) -> str:
    return f"{media_type}; charset=utf-8"
