"""The `errors` of a GraphQL response."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from graphql import GraphQLError

from gql.errors import BadUserInputError, FlowQLError
from gql.http.internal_errors import log_failure
from models.errors import UnavailableError

TOO_DEEP = "The document is nested too deeply."


def format_errors(errors: Sequence[GraphQLError]) -> list[Mapping[str, Any]]:
    """Return the errors of an execution as the response contains them, sorted by path.

    Unexpected errors are logged under one request ID and masked.
    """
    # Fields complete in any order. Path segments of one level have one type, and can be compared.
    errors = sorted(errors, key=_path_of)
    causes = [cause for error in errors if (cause := _unexpected_cause(error))]
    request_id = log_failure(*causes) if causes else ""
    return list(_format_errors(errors, request_id))


def format_error(error: FlowQLError) -> Mapping[str, Any]:
    """Return the error of a request that is not executed."""
    return {"message": str(error), "extensions": error.extensions}


def format_unavailable(error: UnavailableError) -> Mapping[str, Any]:
    """Return the error of a request that the client can repeat."""
    return {"message": str(error), "extensions": {"code": error.code}}


def internal_error(request_id: str) -> Mapping[str, Any]:
    """Return the error that the client receives in place of an unexpected one."""
    extensions = {"code": "INTERNAL_SERVER_ERROR", "requestId": request_id}
    return {"message": "Internal server error.", "extensions": extensions}


def _format_errors(errors: Sequence[GraphQLError], request_id: str) -> Iterator[Mapping[str, Any]]:
    for error in errors:
        if _unexpected_cause(error):
            yield {**error.formatted, **internal_error(request_id)}
        elif isinstance(error.original_error, RecursionError):
            yield format_error(BadUserInputError(TOO_DEEP))
        else:
            yield _with_code(error.formatted)


def _path_of(error: GraphQLError) -> Any:
    return error.path or []


def _with_code(error: Mapping[str, Any]) -> Mapping[str, Any]:
    """Add a code, which errors of graphql-core lack."""
    extensions = {"code": BadUserInputError.code, **error.get("extensions", {})}
    return {**error, "extensions": extensions}


def _unexpected_cause(error: GraphQLError) -> Exception | None:
    cause = error.original_error
    return None if isinstance(cause, FlowQLError | GraphQLError | RecursionError) else cause
