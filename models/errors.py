"""What an operator is told when something cannot be done: one clear line each."""


class OperatorError(Exception):
    """What was asked for cannot be done, for the reason that the text gives.

    RefusedError
    ├── DatabaseError     the database cannot be reached, or is not what it should be
    ├── BlueprintError    a blueprint file cannot be imported
    └── TokenError        a token cannot be created or found
    """


class DatabaseError(OperatorError):
    """The database cannot be reached, or is not what it should be."""


class BlueprintError(OperatorError):
    """A blueprint file cannot be imported; names the file, the line and the reason."""


class TokenError(OperatorError):
    """A token cannot be created or found."""
