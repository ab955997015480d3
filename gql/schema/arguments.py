"""Checks of the values of arguments and input fields."""

from typing import TypeVar

import strawberry

from gql.errors import BadUserInputError

T = TypeVar("T")


def unset_to_none(value: T | None) -> T | None:
    """Return the value of an optional argument or input field, None if it is omitted."""
    return None if value is strawberry.UNSET else value


def require_no_nul(path: str, text: str) -> None:
    """Raise BadUserInputError, naming the path, if a string has a NUL. PostgreSQL rejects NULs."""
    if "\0" in text:
        raise BadUserInputError(f"'{path}' must not contain NUL characters.")
