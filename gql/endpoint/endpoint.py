"""The GraphQL endpoint: executes the operation of an HTTP request."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from graphql import ExecutionResult
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from gql.auth import Authenticator, require_access
from gql.context import Identity
from gql.endpoint.format_error import (
    format_error,
    format_errors,
    format_unavailable,
    internal_error,
)
from gql.endpoint.parsed_requests import ParsedRequest, ParsedRequests, RequestContent
from gql.endpoint.persisted import PersistedDocuments
from gql.endpoint.request import (
    HttpRequestError,
    parse_body,
    parse_query_string,
    read_body,
)
from gql.errors import BadUserInputError, FlowQLError, ForbiddenError, UnauthenticatedError
from gql.execution.documents import NotAQueryError, UnknownOperationError
from gql.execution.executor import Execution, Executor
from gql.execution.request import GraphQLRequest
from gql.http import negotiation
from gql.http.internal_errors import InternalErrorMiddleware
from gql.http.negotiation import Negotiation, negotiate_graphql
from gql.http.representation import NO_STORE, Representation, respond, respond_to_get
from gql.limits import Limits
from gql.reuse import PendingResponse, Reuse
from models.errors import UnavailableError

PATH = "/graphql"
# A redirect to the path with a trailing slash would lose a POST.
PATHS = (PATH, f"{PATH}/")
ALLOW = {"Allow": "GET, POST"}
# A GET without a query but with one of these parameters is a GraphQL request, not a page visit:
# the page cannot show a document that the link only names.
DOCUMENT_NAMES = ("documentId", "extensions")


@dataclass(frozen=True, slots=True)
class GraphQLEndpoint:
    """The ASGI application of the GraphQL endpoint. Serves `page`, if any, to browsers."""

    executor: Executor
    authenticator: Authenticator
    documents: PersistedDocuments
    limits: Limits
    reuse: Reuse
    page: ASGIApp | None = None
    parsed_requests: ParsedRequests = field(default_factory=ParsedRequests)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        negotiation_result = negotiate_graphql(request.headers)
        media_type = negotiation_result.media_type or negotiation.JSON
        try:
            response = await self._respond(request, negotiation_result)
        except HttpRequestError as error:
            response = _error_response(error.status, error.error, media_type, error.headers)
        except UnauthenticatedError as error:
            response = _error_response(401, error, media_type, {"WWW-Authenticate": "Bearer"})
        except ForbiddenError as error:
            response = _error_response(403, error, media_type)
        except FlowQLError as error:
            response = _error_response(_request_error_status(media_type), error, media_type)
        except UnavailableError as error:
            headers = {"Retry-After": str(error.retry_after)}
            body = {"errors": [format_unavailable(error)]}
            response = _json_response(503, body, media_type, headers)
        await response(scope, receive, send)

    async def _respond(self, request: Request, negotiation_result: Negotiation) -> ASGIApp:
        """Return the response. Raises the error of the first check that fails."""
        if request.method == "OPTIONS":
            return Response(None, 204, ALLOW)
        if request.method not in ("GET", "POST"):
            message = f"Method {request.method} is not allowed. Use GET or POST."
            raise HttpRequestError(405, message, ALLOW)
        if self.page and negotiation_result.is_page and _is_page_visit(request):
            return self.page
        if negotiation_result.media_type is None:
            message = f"Not acceptable. Accept {negotiation.GRAPHQL} or {negotiation.JSON}."
            raise HttpRequestError(406, message)
        identity, content = await self._identify(request)
        require_access(identity.viewer)
        is_get = request.method == "GET"
        result = await self._find_or_execute(
            RequestContent(content, is_get, negotiation_result.media_type), identity
        )
        if isinstance(result, Response):
            return result
        return respond_to_get(result, request.headers) if is_get else respond(result)

    async def _identify(self, request: Request) -> tuple[Identity, bytes]:
        """Return the viewer and the content of a request, which has arrived."""
        if request.method == "GET":
            identity = await self.authenticator.authenticate(request.headers)
            return identity, request.scope["query_string"]
        admission = await self.authenticator.admit(request.headers)
        body = await read_body(request, self.limits.body)
        return await self.authenticator.confirm(admission), body

    async def _find_or_execute(
        self, content: RequestContent, identity: Identity
    ) -> Representation | Response:
        parsed = self.parsed_requests.find(content)
        kept = parsed and self.reuse.find(parsed.key, identity)
        return kept or await self._execute(content, parsed, identity)

    async def _execute(
        self, content: RequestContent, parsed: ParsedRequest | None, identity: Identity
    ) -> Representation | Response:
        graphql_request = parsed.request if parsed else self._parse(content)
        prepared = self._prepare(graphql_request, queries_only=content.is_get)
        if isinstance(prepared, ExecutionResult):
            return _build_response(prepared, content.media_type)
        key = (parsed or self.parsed_requests.add(content, graphql_request)).key
        # It may be kept for a request with other bytes.
        kept = None if parsed else self.reuse.find(key, identity)
        pending = _build_pending_response(prepared, content)
        return kept or await self.reuse.execute(key, identity, pending)

    def _parse(self, content: RequestContent) -> GraphQLRequest:
        parse = parse_query_string if content.is_get else parse_body
        return self.documents.resolve(parse(content.content))

    def _prepare(
        self, graphql_request: GraphQLRequest, *, queries_only: bool
    ) -> Execution | ExecutionResult:
        try:
            return self.executor.prepare(graphql_request, queries_only=queries_only)
        except NotAQueryError as error:
            message = f"Cannot execute a {error.type.value} by GET. Use POST."
            raise HttpRequestError(405, message, {"Allow": "POST"}) from None
        except UnknownOperationError as error:
            raise BadUserInputError(str(error)) from None


def build_routes(endpoint: GraphQLEndpoint) -> list[Route]:
    """Return the routes of the GraphQL endpoint."""
    middleware = Middleware(
        InternalErrorMiddleware,
        body=lambda request_id: {"errors": [internal_error(request_id)]},
        media_type=_content_type(negotiation.JSON),
    )
    return [Route(path, endpoint, middleware=[middleware]) for path in PATHS]


def _is_page_visit(request: Request) -> bool:
    parameters = request.query_params
    is_named = any(name in parameters for name in DOCUMENT_NAMES)
    return request.method == "GET" and ("query" in parameters or not is_named)


def _request_error_status(media_type: str) -> int:
    """Return the status of a valid HTTP request whose operation is not executed."""
    return 400 if media_type == negotiation.GRAPHQL else 200


def _build_pending_response(
    prepared: Execution, content: RequestContent
) -> PendingResponse[ExecutionResult, Representation | Response]:
    async def complete(result: ExecutionResult) -> Representation | Response:
        return _build_response(result, content.media_type)

    return PendingResponse(
        prepared.execute,
        complete,
        is_snapshot=not prepared.has_one_read,
        is_expensive=prepared.is_expensive,
    )


def _build_response(result: ExecutionResult, media_type: str) -> Representation | Response:
    """Return the response to an operation, without `data` if nothing is executed.

    An error with a path proves an execution.
    """
    errors = result.errors or []
    if not errors:
        body = orjson.dumps({"data": result.data})
        return Representation(body, _content_type(media_type), {})
    is_executed = result.data is not None or any(error.path for error in errors)
    data = {"data": result.data} if is_executed else {}
    status = 200 if is_executed else _request_error_status(media_type)
    return _json_response(status, data | {"errors": format_errors(errors)}, media_type)


def _error_response(
    status: int, error: FlowQLError, media_type: str, headers: Mapping[str, str] | None = None
) -> Response:
    return _json_response(status, {"errors": [format_error(error)]}, media_type, headers)


def _json_response(
    status: int,
    body: Mapping[str, Any],
    media_type: str,
    headers: Mapping[str, str] | None = None,
) -> Response:
    all_headers = NO_STORE if headers is None else {**NO_STORE, **headers}
    return Response(orjson.dumps(body), status, all_headers, _content_type(media_type))


def _content_type(media_type: str) -> str:
    return f"{media_type}; charset=utf-8"
