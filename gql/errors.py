"""What a client is told when a question cannot be answered: a small tree."""

from typing import ClassVar

FORBIDDEN = "You do not have permission to perform this action."


class FlowQLError(Exception):
    """A question that cannot be answered, for a reason that the client may know.

    FlowQLError
    ├── UnauthenticatedError         nobody is logged in, or the token is no token
    ├── ForbiddenError               somebody is, and may see no flow
    │   └── UntrustedDocumentError   or asks what only trusted documents may ask
    ├── BadUserInputError            a request or an argument cannot be used
    │   └── InvalidPageError         there is no such page
    ├── LimitExceededError           a request asks for more than is allowed
    ├── PersistedQueryNotFoundError  no document is known by an id
    └── UnknownEnumValueError        a stored value is none that this version knows

    `code` is what GraphQL's clients find in an error's `extensions`.
    """

    code: ClassVar[str]

    @property
    def extensions(self) -> dict[str, object]:
        """What graphql-core adds to an error that this one caused."""
        return {"code": self.code}


class UnauthenticatedError(FlowQLError):
    """Nobody is logged in, or the token is no token."""

    code = "UNAUTHENTICATED"


class ForbiddenError(FlowQLError):
    """Somebody is logged in, and may see no flow."""

    code = "FORBIDDEN"

    def __init__(self, message: str = FORBIDDEN) -> None:
        super().__init__(message)


class UntrustedDocumentError(ForbiddenError):
    """A document is none of those that may be asked alone."""

    def __init__(self) -> None:
        super().__init__("Only trusted documents are executed here, and this is none of them.")


class BadUserInputError(FlowQLError):
    """A request or an argument cannot be used, for the reason in the text."""

    code = "BAD_USER_INPUT"


class InvalidPageError(BadUserInputError):
    """There is no page of this number."""

    def __init__(self, page: int, total_pages: int) -> None:
        last = "only page is 1" if total_pages == 1 else f"last page is {total_pages}"
        super().__init__(f"page {page} does not exist: the {last}.")


class LimitExceededError(FlowQLError):
    """A request asks for more than a limit allows, which the text names."""

    code = "LIMIT_EXCEEDED"


class PersistedQueryNotFoundError(FlowQLError):
    """No document is known by the id that was given; Apollo's clients go by the text."""

    code = "PERSISTED_QUERY_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("PersistedQueryNotFound")


class UnknownEnumValueError(FlowQLError):
    """A stored value is none that this version knows."""

    code = "UNKNOWN_ENUM_VALUE"

    def __init__(self, enum: str, value: str) -> None:
        super().__init__(f"{enum} has no value for {value!r}.")
