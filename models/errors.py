"""Errors for operators, each with a message of one line."""


class OperatorError(Exception):
    """A command cannot be executed; the message says why.

    OperatorError
    ├── DatabaseError     the database is unreachable or has an unexpected schema
    ├── BlueprintError    a blueprint file cannot be imported
    └── TokenError        a token cannot be created or revoked

    The package `gql` adds SettingsError, ServerError and TrustedDocumentError.
    """


class DatabaseError(OperatorError):
    """The database is unreachable or has an unexpected schema."""


class BlueprintError(OperatorError):
    """A blueprint file cannot be imported; the message has the file, the line and the reason."""


class TokenError(OperatorError):
    """A token cannot be created or revoked."""
