"""GraphQL over HTTP: a request becomes an operation, and its result a response."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from graphql import ExecutionResult, GraphQLError
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from gql.auth import Viewers, permit
from gql.endpoint.persisted import PersistedDocuments
from gql.endpoint.request import RefusedRequestError, check_reads, read
from gql.errors import BadUserInputError, FlowQLError, ForbiddenError, UnauthenticatedError
from gql.execution.documents import NoOperationError
from gql.execution.executor import Asked, Executor
from gql.http import negotiation
from gql.http.internal_errors import UnexpectedErrors, report
from gql.http.negotiation import Wanted, wanted
from gql.limits import Limits
from gql.schema.types import Context

ALLOW = {"Allow": "GET, POST"}
# A browser that brings one of these did not come to look.
QUESTIONS = ("query", "documentId", "extensions")
# An answer is for who has the token, and as long as it lasts; so it need not vary by Accept either.
UNSHARED = {"Cache-Control": "no-store"}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The ASGI application that answers GraphQL requests from one schema and one database.

    A browser that comes to look gets the page, if there is one.
    """

    executor: Executor
    viewers: Viewers
    documents: PersistedDocuments
    limits: Limits
    page: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; whatever is wrong with it is told as GraphQL tells errors."""
        request = Request(scope, receive)
        accepted = wanted(request.headers)
        media_type = accepted.media_type or negotiation.JSON
        try:
            response = await self._answer(request, accepted)
        except RefusedRequestError as refused:
            response = _refusal(refused.status, refused.error, media_type, refused.headers)
        except UnauthenticatedError as error:
            response = _refusal(401, error, media_type, {"WWW-Authenticate": "Bearer"})
        except ForbiddenError as error:
            response = _refusal(403, error, media_type)
        except FlowQLError as error:
            response = _refusal(_status(media_type), error, media_type)
        await response(scope, receive, send)

    async def _answer(self, request: Request, accepted: Wanted) -> ASGIApp:
        """The answer, or the error of the first check that fails."""
        if request.method == "OPTIONS":
            return Response(None, 204, ALLOW)
        if request.method not in ("GET", "POST"):
            refused = f"{request.method} is not allowed: GraphQL is asked by GET or POST."
            raise RefusedRequestError(405, refused, ALLOW)
        if self.page and accepted.is_page and _looks(request):
            return self.page
        if accepted.media_type is None:
            refused = f"Answers are {negotiation.GRAPHQL} or {negotiation.JSON}."
            raise RefusedRequestError(406, refused)
        viewer = await self.viewers.authenticate(request.headers)
        permit(viewer)
        asked = await self._asked(request)
        body = _body(await self._execute(asked, Context(self.viewers.database, viewer)))
        status = 200 if "data" in body else _status(accepted.media_type)
        return _json(status, body, accepted.media_type)

    async def _asked(self, request: Request) -> Asked:
        given = await read(request, self.limits.body)
        text = self.documents.text(given)
        if request.method == "GET":
            check_reads(text, given.operation_name, self.limits.tokens)
        return Asked(text, given.variables, given.operation_name)

    async def _execute(self, asked: Asked, context: Context) -> ExecutionResult:
        try:
            return await self.executor.execute(asked, context)
        except NoOperationError:
            name = asked.operation_name
            missing = f"named {name!r} " if name else ""
            raise BadUserInputError(
                f"The document has no operation {missing}to execute, or several."
            ) from None


def routes(endpoint: Endpoint) -> list[Route]:
    """Where GraphQL is asked: with and without a last slash, since a redirect loses a POST."""
    guard = Middleware(
        UnexpectedErrors,
        body=lambda request_id: {"errors": [masked(request_id)]},
        media_type=_in_utf8(negotiation.JSON),
    )
    return [Route(path, endpoint, middleware=[guard]) for path in ("/graphql", "/graphql/")]


def _looks(request: Request) -> bool:
    """Whether a request comes to look, rather than with a question."""
    return request.method == "GET" and not any(name in request.query_params for name in QUESTIONS)


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
            yield _told(BadUserInputError("The document is nested too deeply."))
        else:
            yield _coded(error.formatted)


def _coded(error: Mapping[str, Any]) -> Mapping[str, Any]:
    """An error with a code; what graphql-core itself finds wrong has none yet."""
    extensions = {"code": BadUserInputError.code, **error.get("extensions", {})}
    return {**error, "extensions": extensions}


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
    status: int, error: FlowQLError, media_type: str, headers: Mapping[str, str] | None = None
) -> Response:
    return _json(status, {"errors": [_told(error)]}, media_type, headers)


def _json(
    status: int,
    body: Mapping[str, Any],
    media_type: str,
    headers: Mapping[str, str] | None = None,
) -> Response:
    told = UNSHARED if headers is None else {**UNSHARED, **headers}
    return Response(orjson.dumps(body), status, told, _in_utf8(media_type))


def _in_utf8(media_type: str) -> str:
    return f"{media_type}; charset=utf-8"
