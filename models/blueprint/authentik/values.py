"""Conversions of the values in an entry, as in authentik's serializers.

authentik uses Django REST framework: templates can write numbers and booleans as strings. Each
conversion returns the value to store or raises InvalidValueError.
"""

import math
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from enum import Enum
from functools import cache
from typing import Any, cast

from models.authentik.attributes import ATTRIBUTES, Attribute, AttributeType
from models.authentik.secrets import SECRET, is_secret
from models.blueprint.format.entry import InvalidValueError
from models.tables.flow import SLUG

Check = Callable[[Any], Any]
SCALARS = (str, int, float)
# PostgreSQL's type integer.
MINIMUM, MAXIMUM = -(2**31), 2**31 - 1
TRUE_WORDS = frozenset(["t", "y", "yes", "true", "on", "1", 1, True])
FALSE_WORDS = frozenset(["f", "n", "no", "false", "off", "0", 0, False])
MAX_NUMBER_LENGTH = 1000
# Python's json does not write integers of more than 4,300 digits.
MAX_JSON_INTEGER = 10**4000
MAX_QUOTE_LENGTH = 60
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ZERO_DECIMALS = re.compile(r"\.0*\s*$")
# PostgreSQL cannot store them.
_FORBIDDEN_CHARACTERS = re.compile("[\0\ud800-\udfff]")


class UnexpectedValueError(InvalidValueError):
    """A value is not what its field expects.

    The message does not quote the value, which can be secret. `quoted` is the message that does.
    """

    def __init__(self, message: str, value: str) -> None:
        super().__init__(message)
        self.value = value

    @property
    def quoted(self) -> str:
        """The message with the value, which is shortened."""
        return f"{self}, not {self.value}"


def check_string(value: Any) -> str:
    """Accept a string or a number, and strip it. It can be empty."""
    if isinstance(value, str):
        return _check_characters(value.strip())
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _build_error("a string", value)
    return _to_string(value)


def check_string_or_null(value: Any) -> str:
    """Accept a string. Null becomes an empty one."""
    return "" if value is None else check_string(value)


def check_not_empty(value: Any) -> str:
    """Accept a string that is not empty or blank."""
    string = check_string(value)
    if not string:
        raise InvalidValueError("must not be empty")
    return string


def check_slug(value: Any) -> str:
    """Accept a string of letters, digits, `-` and `_`."""
    string = check_not_empty(value)
    if not SLUG.fullmatch(string):
        raise _build_error("a slug of letters, digits, '-' and '_'", string)
    return string


def check_boolean(value: Any) -> bool:
    """Accept true, false, and the words and numbers for them."""
    if isinstance(value, bool):
        return value
    if isinstance(value, SCALARS):
        word = value.lower() if isinstance(value, str) else value
        if word in TRUE_WORDS:
            return True
        if word in FALSE_WORDS:
            return False
    raise _build_error("true or false", value)


def build_integer_check(minimum: int = MINIMUM, maximum: int = MAXIMUM) -> Check:
    """Return a check that accepts integers, also as strings or with zero decimals."""
    expected = f"an integer from {minimum} to {maximum}"
    if (minimum, maximum) == (MINIMUM, MAXIMUM):
        expected = "a 32-bit integer"

    def check(value: Any) -> int:
        number = value if type(value) is int else _to_integer(value)
        if number is None or not minimum <= number <= maximum:
            raise _build_error(expected, value)
        return number

    return check


check_integer = build_integer_check()
check_seconds = build_integer_check(minimum=0)


def check_number(value: Any) -> float:
    """Accept a finite number, also as a string."""
    number = _to_number(value)
    if not math.isfinite(number):
        raise _build_error("a number", value)
    return number


def build_choice_check(choices: type[Enum] | Sequence[str | int]) -> Check:
    """Return a check that accepts choices, or the values of an enum, written in any type."""
    values = [item.value if isinstance(item, Enum) else item for item in choices]
    by_string = {str(value): value for value in values}
    expected = f"one of {', '.join(by_string)}"

    def check(value: Any) -> str | int:
        is_scalar = isinstance(value, SCALARS)
        choice = by_string.get(_to_string(value)) if is_scalar else None
        if choice is None:
            raise _build_error(expected, value)
        return choice

    return check


def is_uuid(value: str) -> bool:
    """Return whether a string is a UUID as `check_uuid` returns it."""
    return UUID.fullmatch(value) is not None


def check_uuid(value: Any) -> str:
    """Accept a UUID as a string or a number, and return it as 36 lower-case characters."""
    try:
        if isinstance(value, str):
            return str(uuid.UUID(value))
        if type(value) is int:
            return str(uuid.UUID(int=value))
    except ValueError:
        pass
    raise _build_error("a UUID", value)


def build_list_check(check_item: Check, *, can_be_empty: bool = True) -> Check:
    """Return a check of lists and of their items."""

    def check(value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise _build_error("a list", value)
        items = cast(list[Any], value)
        if not items and not can_be_empty:
            raise InvalidValueError("must not be empty")
        return [_check_item(check_item, number, item) for number, item in enumerate(items, 1)]

    return check


def check_mapping(value: Any) -> dict[str, Any]:
    """Accept a mapping of JSON values."""
    if not isinstance(value, dict):
        raise _build_error("a mapping", value)
    return check_json(value)


def check_json(value: Any) -> Any:
    """Accept what JSON can express, and dates, which become strings.

    Objects of other classes, such as references, stay as they are.
    """
    match value:
        case str():
            return _check_characters(value)
        case float() if not math.isfinite(value):
            raise _build_error("a finite number", value)
        case int() if abs(value) >= MAX_JSON_INTEGER:
            raise _build_error("a shorter number", value)
        case dict():
            items = cast(dict[Any, Any], value).items()
            return {_check_key(key): check_json(item) for key, item in items}
        case list():
            return [check_json(item) for item in cast(list[Any], value)]
        case date():
            return value.isoformat()
        case bytes() | set():
            raise InvalidValueError("must not contain binary data or sets")
        case _:
            return value


def allow_null(check: Check) -> Check:
    """Return a check that also accepts null."""
    return lambda value: None if value is None else check(value)


def limit_length(check: Check, max_length: int) -> Check:
    """Return a check that also limits the length of strings."""

    def check_length(value: Any) -> str:
        string = check(value)
        if len(string) > max_length:
            raise InvalidValueError(f"must not be longer than {max_length} characters")
        return string

    return check_length


def convert_setting(model: str, attribute: str, value: Any) -> Any:
    """Return the value of an attribute of a stage or a policy, converted to its type if known.

    References stay as they are.
    """
    # Only known models become keys of the cache.
    if model not in ATTRIBUTES:
        return check_json(value)
    return _build_checks(model).get(attribute, check_json)(value)


@cache
def _build_checks(model: str) -> Mapping[str, Check]:
    checks = {name: _build_check(attribute) for name, attribute in ATTRIBUTES[model].items()}
    return {
        name: _allow_secret(check) if _can_be_secret(model, name) else check
        for name, check in checks.items()
    }


def _can_be_secret(model: str, name: str) -> bool:
    """Return whether a secret can be replaced: private keys are in all strings."""
    return is_secret(model, name) or ATTRIBUTES[model][name].type is AttributeType.STRING


def _build_check(attribute: Attribute) -> Check:
    check = _BUILDERS[attribute.type](attribute)
    return allow_null(check) if attribute.is_nullable else check


def _build_string_check(attribute: Attribute) -> Check:
    check = check_string if attribute.can_be_empty else check_not_empty
    return limit_length(check, attribute.max_length) if attribute.max_length else check


def _build_list_check(attribute: Attribute) -> Check:
    check_item = _build_check(attribute.items) if attribute.items else check_json
    return build_list_check(check_item, can_be_empty=attribute.can_be_empty)


_BUILDERS: Mapping[AttributeType, Callable[[Attribute], Check]] = {
    AttributeType.BOOLEAN: lambda _: check_boolean,
    AttributeType.INTEGER: lambda item: build_integer_check(item.minimum, item.maximum),
    AttributeType.NUMBER: lambda _: check_number,
    AttributeType.STRING: _build_string_check,
    AttributeType.CHOICE: lambda item: build_choice_check(item.choices),
    AttributeType.MAPPING: lambda _: check_mapping,
    AttributeType.LIST: _build_list_check,
    AttributeType.REFERENCE: lambda _: check_json,
    AttributeType.READ_ONLY: lambda _: check_json,
}


def _allow_secret(check: Check) -> Check:
    """Return a check that also accepts what replaces a secret in an exported blueprint."""
    return lambda value: value if value == SECRET else check(value)


def _check_item(check: Check, number: int, item: Any) -> Any:
    try:
        return check(item)
    except UnexpectedValueError as error:
        raise UnexpectedValueError(f"item {number} {error}", error.value) from None
    except InvalidValueError as error:
        raise InvalidValueError(f"item {number} {error}") from None


def _check_characters(string: str) -> str:
    if _FORBIDDEN_CHARACTERS.search(string):
        raise InvalidValueError("must not contain NUL characters or surrogates")
    return string


def _check_key(key: Any) -> str:
    """Return the key of a mapping as JSON writes it."""
    if isinstance(key, str):
        return _check_characters(key)
    if key is None or isinstance(key, bool):
        return {None: "null", True: "true", False: "false"}[key]
    return _to_string(key)


def _to_string(value: Any) -> str:
    try:
        return str(value)
    except ValueError:
        # Python limits the number of digits.
        raise _build_error("a shorter number", value) from None


def _to_integer(value: Any) -> int | None:
    if isinstance(value, str | float) and not _is_too_long(value):
        try:
            return int(_ZERO_DECIMALS.sub("", str(value)))
        except ValueError:
            pass
    return None


def _to_number(value: Any) -> float:
    if isinstance(value, SCALARS) and not _is_too_long(value):
        try:
            return float(value)
        except (ValueError, OverflowError):
            pass
    return math.nan


def _is_too_long(value: str | float) -> bool:
    return isinstance(value, str) and len(value) > MAX_NUMBER_LENGTH


def _build_error(expected: str, value: Any) -> InvalidValueError:
    if value is None:
        return InvalidValueError("must not be null")
    return UnexpectedValueError(f"must be {expected}", _quote(value))


def _quote(value: Any) -> str:
    """Return a scalar value, shortened, or the type of another value."""
    if isinstance(value, bool | float | date):
        return str(value).lower()
    if isinstance(value, str):
        return repr(value) if len(value) <= MAX_QUOTE_LENGTH else f"{value[:MAX_QUOTE_LENGTH]!r}…"
    if isinstance(value, int):
        return str(value) if abs(value) < 10**MAX_QUOTE_LENGTH else "a longer number"
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    return "an object"
