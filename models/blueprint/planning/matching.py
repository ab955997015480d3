"""Comparison of stored values with those of `!Find` and identifiers, like lookups of Django."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NoReturn, cast

from models.blueprint.format.entry import InvalidValueError

Matcher = Callable[[Any], bool]
MAX_COMPARISONS = 1_000_000
BOOLEANS = {"t": True, "true": True, "1": True, "f": False, "false": False, "0": False}


def split_lookup(key: str) -> tuple[tuple[str, ...], str]:
    """Return the path of fields and the lookup: `flow__slug__in` is `flow`, `slug` and `in`."""
    *path, last = key.split("__")
    if path and (last in LOOKUPS or last in BUILDERS):
        return tuple(path), last
    return (*path, last), "exact"


def build_matcher(lookup: str, expected: Any) -> Matcher:
    """Return a function that compares stored values with an expected one.

    It converts the expected value to the type of the stored one, and raises InvalidValueError if it
    cannot. A stored null matches only a lookup for null.
    """
    if expected is None and lookup in ("exact", "iexact"):
        return _is_null
    if expected is None:
        _fail(f"compares by {lookup} with null")
    if lookup in BUILDERS:
        return BUILDERS[lookup](expected)
    compare = LOOKUPS[lookup]
    return lambda value: value is not None and compare(value, expected)


def _fail(message: str) -> NoReturn:
    raise InvalidValueError(message)


def _is_null(value: Any) -> bool:
    return value is None


def _build_isnull(expected: Any) -> Matcher:
    if not isinstance(expected, bool):
        _fail("compares by isnull with a value that is not true or false")
    return lambda value: (value is None) is expected


def _build_in(expected: Any) -> Matcher:
    items = [item for item in _list_items("in", expected) if item is not None]
    by_type: dict[type, Any] = {}

    def compare(value: Any) -> bool:
        if type(value) not in by_type:
            by_type[type(value)] = _convert_all(value, items)
        return value in by_type[type(value)]

    return compare


def _convert_all(value: Any, items: Iterable[Any]) -> Any:
    """Return the items as values of the same type as a stored value."""
    if value is None:
        return ()
    converted = (_convert(value, item) for item in items)
    return list(converted) if isinstance(value, dict | list) else frozenset(converted)


def _build_range(expected: Any) -> Matcher:
    bounds = list(_list_items("range", expected))
    if len(bounds) != len(("first", "last")):
        _fail("compares by range without a first and a last value")
    is_after, is_before = build_matcher("gte", bounds[0]), build_matcher("lte", bounds[1])
    return lambda value: is_after(value) and is_before(value)


def _refuse_regular_expression(_expected: Any) -> NoReturn:
    # Their run time is unbounded.
    _fail("compares with a regular expression, which is not supported")


def _list_items(lookup: str, expected: Any) -> Iterable[Any]:
    if not isinstance(expected, Iterable):
        _fail(f"compares by {lookup} with a value that is not a list")
    return cast(Iterable[Any], expected)


def _convert(value: Any, expected: Any) -> Any:
    """Return the expected value as one of the type of the stored value."""
    if isinstance(value, bool):
        return _convert_boolean(expected)
    if isinstance(value, int | float):
        return _convert_number(type(value), expected)
    return str(expected) if isinstance(value, str) else expected


def _convert_boolean(expected: Any) -> bool:
    boolean = BOOLEANS.get(str(expected).lower())
    return _fail("compares a boolean with another type of value") if boolean is None else boolean


def _convert_number(kind: type[int] | type[float], expected: Any) -> int | float:
    if isinstance(expected, int | float):
        return expected
    try:
        return kind(str(expected))
    except ValueError:
        _fail("compares a number with another type of value")


def _to_text(value: Any) -> str:
    """Return a stored value as the databases convert it to text."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _equals(value: Any, expected: Any) -> bool:
    return value == _convert(value, expected)


def _build_order(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def compare_converted(value: Any, expected: Any) -> bool:
        if not isinstance(value, str | int | float):
            _fail("compares the order of lists or mappings")
        return compare(value, _convert(value, expected))

    return compare_converted


def _build_text(compare: Callable[[str, str], bool]) -> Callable[[Any, Any], bool]:
    return lambda value, expected: compare(_to_text(value), str(expected))


def _build_folded_text(compare: Callable[[str, str], bool]) -> Callable[[Any, Any], bool]:
    return lambda value, expected: compare(_to_text(value).lower(), str(expected).lower())


def _contains_text(value: str, expected: str) -> bool:
    return expected in value


def _contains(value: Any, expected: Any) -> bool:
    if isinstance(value, dict | list):
        # The operator @> also finds a single value in a list, but only at the top.
        is_item = isinstance(value, list) and not isinstance(expected, dict | list)
        wanted = cast(Any, [expected] if is_item else expected)
        return _contains_json(value, wanted, iter(range(MAX_COMPARISONS)))
    return str(expected) in _to_text(value)


def _contains_json(value: Any, expected: Any, comparisons: Iterator[int]) -> bool:
    """Return whether JSON contains JSON, as the operator @> of PostgreSQL."""
    if next(comparisons, None) is None:
        _fail("compares values that are too large")
    if isinstance(value, dict) and isinstance(expected, dict):
        return _contains_items(
            cast(dict[Any, Any], value), cast(dict[Any, Any], expected), comparisons
        )
    if isinstance(value, list) and isinstance(expected, list):
        return all(
            any(_contains_json(item, wanted, comparisons) for item in cast(list[Any], value))
            for wanted in cast(list[Any], expected)
        )
    return isinstance(value, bool) is isinstance(expected, bool) and value == expected


def _contains_items(
    value: Mapping[Any, Any], expected: Mapping[Any, Any], comparisons: Iterator[int]
) -> bool:
    return all(
        key in value and _contains_json(value[key], item, comparisons)
        for key, item in expected.items()
    )


BUILDERS: Mapping[str, Callable[[Any], Matcher]] = {
    "in": _build_in,
    "iregex": _refuse_regular_expression,
    "isnull": _build_isnull,
    "range": _build_range,
    "regex": _refuse_regular_expression,
}
LOOKUPS: Mapping[str, Callable[[Any, Any], bool]] = {
    "contains": _contains,
    "endswith": _build_text(str.endswith),
    "exact": _equals,
    "gt": _build_order(lambda value, expected: value > expected),
    "gte": _build_order(lambda value, expected: value >= expected),
    "icontains": _build_folded_text(_contains_text),
    "iendswith": _build_folded_text(str.endswith),
    "iexact": _build_folded_text(str.__eq__),
    "istartswith": _build_folded_text(str.startswith),
    "lt": _build_order(lambda value, expected: value < expected),
    "lte": _build_order(lambda value, expected: value <= expected),
    "startswith": _build_text(str.startswith),
}
