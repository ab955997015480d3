"""What the values of an entry may be; whatever is not is a ValueProblemError that says so."""

import uuid
from collections.abc import Callable
from enum import Enum
from typing import Any

from models.blueprint.document import OtherTag
from models.tables.flow import SLUG

Check = Callable[[Any], Any]
INTEGERS = range(-(2**31), 2**31)


class ValueProblemError(Exception):
    """A value that cannot be stored, for the reason in the text."""


def text(value: Any) -> str:
    """Text; a number becomes the text that Python has for it, as in authentik."""
    if isinstance(value, OtherTag):
        raise ValueProblemError(f"has the tag {value.name}, which is not supported")
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueProblemError("is not a text")
    found = str(value)
    if "\0" in found or any("\ud800" <= character <= "\udfff" for character in found):
        raise ValueProblemError("has a character that no database stores")
    return found


def filled(value: Any) -> str:
    """Text that is not empty."""
    found = text(value)
    if not found.strip():
        raise ValueProblemError("is empty")
    return found


def slug(value: Any) -> str:
    """Letters, digits, `-` and `_`."""
    found = text(value)
    if not SLUG.fullmatch(found):
        raise ValueProblemError(f"is {found!r}, not a slug of letters, digits, '-' and '_'")
    return found


def boolean(value: Any) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise ValueProblemError("is neither true nor false")
    return value


def integer(value: Any) -> int:
    """A whole number that PostgreSQL's integer holds."""
    if isinstance(value, bool) or not isinstance(value, int) or value not in INTEGERS:
        raise ValueProblemError("is not a whole number")
    return value


def seconds(value: Any) -> int:
    """A whole number that is not negative."""
    found = integer(value)
    if found < 0:
        raise ValueProblemError("is negative")
    return found


def choice(enum: type[Enum]) -> Check:
    """One of an enum's values."""

    def check(value: Any) -> str:
        found = text(value)
        if found not in {member.value for member in enum}:
            known = ", ".join(str(member.value) for member in enum)
            raise ValueProblemError(f"is {found!r}, none of {known}")
        return found

    return check


def pk(value: Any) -> str:
    """A uuid, as 36 lower-case characters."""
    try:
        return str(uuid.UUID(text(value)))
    except ValueError:
        raise ValueProblemError(f"is {value!r}, not a uuid") from None
