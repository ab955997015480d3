"""Errors for operators, each with a message of one line, and errors that pass with time."""

from collections.abc import Sequence
from typing import ClassVar


class OperatorError(Exception):
    """A command cannot be executed; the message says why, in one line.

    SQL statements that remove the cause follow the message, each on lines of its own.

    OperatorError
    ├── DatabaseError     the database is unreachable or has an unexpected schema
    ├── BlueprintError    blueprint files cannot be imported; it has a line per error
    ├── ExportError       flows cannot be exported
    ├── SyncError         authentik's API cannot be read, or what it returns cannot be stored
    └── TokenError        a token cannot be created or revoked

    The package `gql` adds SettingsError, ServerError and TrustedDocumentError.
    """

    def __init__(self, message: str, statements: Sequence[str] = ()) -> None:
        super().__init__(message, statements)
        self._message = message
        self._statements = statements

    def __str__(self) -> str:
        return "\n".join([" ".join(self._message.split()), *self._statements])


class DatabaseError(OperatorError):
    """The database is unreachable or has an unexpected schema."""


class BlueprintError(OperatorError):
    """Blueprint files cannot be imported.

    `messages` contains all errors, one line each, with the file, the place and the reason.
    """

    def __init__(self, messages: Sequence[str]) -> None:
        super().__init__("\n".join(messages))
        self.messages = messages

    def __str__(self) -> str:
        return "\n".join(self.messages)


class ExportError(OperatorError):
    """Flows cannot be exported."""


class SyncError(OperatorError):
    """authentik's API cannot be read, or what it returns cannot be stored.

    The message names neither the host nor a secret. `public` is what the health endpoint shows: the
    message, or another one if the message names a local file.
    """

    def __init__(self, message: str, statements: Sequence[str] = (), *, public: str = "") -> None:
        super().__init__(message, statements)
        self.public = public or str(self)


class TokenError(OperatorError):
    """A token cannot be created or revoked."""


class UnavailableError(Exception):
    """A request cannot be served at present; the client can repeat it.

    The message and `code` are sent to the client, and `retry_after`, in seconds, in a header.
    """

    code: ClassVar[str]
    retry_after: ClassVar[int]


class DatabaseUnavailableError(UnavailableError):
    """The database cannot be read. The log has the reason."""

    code = "DATABASE_UNAVAILABLE"
    retry_after = 5

    def __init__(self) -> None:
        super().__init__("The database is unavailable. Retry later.")


class OverloadedError(UnavailableError):
    """Too many requests wait for the database."""

    code = "OVERLOADED"
    retry_after = 1

    def __init__(self) -> None:
        super().__init__("The server is overloaded. Retry later.")


class DiffError(OperatorError):
    """Two sides cannot be compared."""
