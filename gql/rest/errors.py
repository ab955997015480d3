"""Errors of the REST endpoints, with Django REST framework's statuses and messages."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from starlette.exceptions import HTTPException

NOT_FOUND = "Not found."


class RestError(Exception):
    """An error with the status and the JSON body of its response."""

    def __init__(self, status: int, body: object) -> None:
        super().__init__(status)
        self.status = status
        self.body = body


class InvalidParametersError(RestError):
    """Invalid query parameters. `messages` is the body of the response."""

    def __init__(self, messages: object) -> None:
        super().__init__(400, messages)


class NotFoundError(RestError):
    """The path, the format or the flow does not exist."""

    def __init__(self, detail: str = NOT_FOUND) -> None:
        super().__init__(404, build_error_body(detail))


class PageNotFoundError(NotFoundError):
    """The list has no page of this number."""

    def __init__(self) -> None:
        super().__init__("Invalid page.")


class MethodNotAllowedError(RestError):
    """The method is not GET, HEAD or OPTIONS."""

    def __init__(self, method: str) -> None:
        super().__init__(405, build_error_body(f'Method "{method}" not allowed.'))


class NotAcceptableError(RestError):
    """The Accept header admits none of the media types of the response."""

    def __init__(self) -> None:
        super().__init__(406, build_error_body("Could not satisfy the request Accept header."))


def build_unavailable_body(detail: str, code: str) -> Mapping[str, Any]:
    """Return the body of an error that authentik does not have; `code` is the code in GraphQL."""
    return {"detail": detail, "code": code.lower()}


def build_error_body(detail: str) -> Mapping[str, Any]:
    """Return the body of an error with one message."""
    return {"detail": detail}


def build_http_error_body(error: HTTPException) -> Mapping[str, Any]:
    """Return the body of an error that Starlette raises, such as for an unknown path."""
    is_not_found = error.status_code == HTTPStatus.NOT_FOUND
    return build_error_body(NOT_FOUND if is_not_found else f"{error.detail}.")


def build_internal_error_body(request_id: str) -> Mapping[str, Any]:
    """Return the body that the client receives in place of an unexpected error."""
    return {"detail": "Internal server error.", "request_id": request_id}
