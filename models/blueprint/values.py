"""Checks of the values in an entry. Each returns the value to store or raises InvalidValueError."""

import uuid
from collections.abc import Callable
from enum import Enum
from typing import Any

from models.blueprint.entry import InvalidValueError
from models.tables.flow import SLUG

Check = Callable[[Any], Any]
# PostgreSQL's type integer.
INTEGERS = range(-(2**31), 2**31)


def check_string(value: Any) -> str:
    """Accept a string, or a number, which is converted as in authentik."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise InvalidValueError("must be a string")
    string = str(value)
    if "\0" in string or any("\ud800" <= character <= "\udfff" for character in string):
        raise InvalidValueError("must not contain NUL characters or surrogates")
    return string


def check_not_empty(value: Any) -> str:
    """Accept a string that is not empty or blank."""
    string = check_string(value)
    if not string.strip():
        raise InvalidValueError("must not be empty")
    return string


def check_slug(value: Any) -> str:
    """Accept a string of letters, digits, `-` and `_`."""
    string = check_string(value)
    if not SLUG.fullmatch(string):
        raise InvalidValueError(f"is {string!r}; expected letters, digits, '-' and '_'")
    return string


def check_boolean(value: Any) -> bool:
    """Accept true or false."""
    if not isinstance(value, bool):
        raise InvalidValueError("must be true or false")
    return value


def check_integer(value: Any) -> int:
    """Accept a 32-bit integer."""
    if isinstance(value, bool) or not isinstance(value, int) or value not in INTEGERS:
        raise InvalidValueError("must be a 32-bit integer")
    return value


def check_seconds(value: Any) -> int:
    """Accept a 32-bit integer that is not negative."""
    number = check_integer(value)
    if number < 0:
        raise InvalidValueError("must not be negative")
    return number


def build_choice_check(enum: type[Enum]) -> Check:
    """Return a check that accepts the values of an enum."""
    choices = [str(member.value) for member in enum]

    def check(value: Any) -> str:
        string = check_string(value)
        if string not in choices:
            raise InvalidValueError(f"is {string!r}; expected one of {', '.join(choices)}")
        return string

    return check


def check_uuid(value: Any) -> str:
    """Accept a UUID, and return it as 36 lower-case characters."""
    try:
        return str(uuid.UUID(check_string(value)))
    except ValueError:
        raise InvalidValueError(f"is {value!r}; expected a UUID") from None
