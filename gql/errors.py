"""The errors that a client may see: a small tree."""

from collections.abc import Sequence
from typing import ClassVar

FORBIDDEN = "You do not have permission to perform this action."


class FlowQLError(Exception):
    """Base class of the errors whose message is sent to the client.

    FlowQLError
    ├── UnauthenticatedError         the token is missing or invalid
    ├── ForbiddenError               the viewer may not see any flow
    │   ├── MissingPermissionError   the viewer lacks a permission that a field requires
    │   └── UntrustedDocumentError   the server executes only trusted documents
    ├── BadUserInputError            a request or an argument is invalid
    │   ├── InvalidSizeError         a page size is out of range
    │   ├── ListTooLongError         a list has too many items
    │   └── InvalidPageError         the page does not exist
    ├── LimitExceededError           the request exceeds a limit
    │   └── ExecutionTimeoutError    the execution takes too long
    ├── PersistedQueryNotFoundError  the document ID or hash is unknown
    ├── DriftUnavailableError        the baseline or the data cannot be compared at present
    └── UnknownEnumValueError        a stored value is not in the enum

    `code` is the `extensions.code` of the error in a GraphQL response.
    """

    code: ClassVar[str]

    @property
    def extensions(self) -> dict[str, object]:
        """The extensions that graphql-core copies to the error that it raises from this one."""
        return {"code": self.code}


class UnauthenticatedError(FlowQLError):
    """The token is missing or invalid."""

    code = "UNAUTHENTICATED"


class ForbiddenError(FlowQLError):
    """The viewer is authenticated, but lacks a permission."""

    code = "FORBIDDEN"

    def __init__(self, message: str = FORBIDDEN) -> None:
        super().__init__(message)


class MissingPermissionError(ForbiddenError):
    """The viewer lacks permissions that a field, an argument or an endpoint requires."""

    def __init__(self, subject: str, permissions: Sequence[str]) -> None:
        noun = "permission" if len(permissions) == 1 else "permissions"
        super().__init__(f"'{subject}' requires the {noun} {' and '.join(permissions)}.")


class UntrustedDocumentError(ForbiddenError):
    """The document is not trusted, and the server executes only trusted documents."""

    def __init__(self) -> None:
        super().__init__(
            "This server executes only trusted documents. Send the documentId of a trusted document."
        )


class BadUserInputError(FlowQLError):
    """A request or an argument is invalid."""

    code = "BAD_USER_INPUT"


class InvalidSizeError(BadUserInputError):
    """An argument sets a page size out of range."""

    def __init__(self, argument: str, size: int, *, minimum: int, maximum: int) -> None:
        super().__init__(f"'{argument}' must be between {minimum} and {maximum}, not {size}.")


class ListTooLongError(BadUserInputError):
    """The list in an argument has too many items."""

    def __init__(self, argument: str, size: int, *, maximum: int) -> None:
        super().__init__(f"'{argument}' must have at most {maximum} items, not {size}.")


class InvalidPageError(BadUserInputError):
    """The list has no page of this number."""

    def __init__(self, page: int, total_pages: int) -> None:
        last = "only page is 1" if total_pages == 1 else f"last page is {total_pages}"
        super().__init__(f"Page {page} does not exist. The {last}.")


class LimitExceededError(FlowQLError):
    """A request exceeds the limit that the message names."""

    code = "LIMIT_EXCEEDED"


class ExecutionTimeoutError(LimitExceededError):
    """The execution of a request takes longer than the limit in seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"Execution exceeded the limit of {seconds:g} seconds.")


class PersistedQueryNotFoundError(FlowQLError):
    """The server has no document of this ID or hash. Apollo's clients parse the message."""

    code = "PERSISTED_QUERY_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("PersistedQueryNotFound")


class DriftUnavailableError(FlowQLError):
    """The data cannot be compared with the baseline at present. The log has the reason."""

    code = "DRIFT_UNAVAILABLE"

    def __init__(self, subject: str) -> None:
        super().__init__(
            f"The drift is unavailable, because {subject} cannot be read. The server's log has the"
            " reason."
        )


class UnknownEnumValueError(FlowQLError):
    """A stored value is not in the enum of this version."""

    code = "UNKNOWN_ENUM_VALUE"

    def __init__(self, enum: str, value: str) -> None:
        super().__init__(f"The database contains an unknown {enum} value: {value!r}.")
