"""Stored values are compared as by the lookups of Django."""

import time
from typing import Any

import pytest

from models.blueprint.format.entry import InvalidValueError
from models.blueprint.planning.matching import build_matcher, split_lookup

MATCHES: list[tuple[Any, str, Any]] = [
    ("10", "exact", 10),
    ("True", "exact", True),
    (10, "exact", "10"),
    (1, "exact", True),
    (1.5, "exact", "1.5"),
    (True, "exact", "true"),
    (True, "exact", 1),
    (False, "exact", "False"),
    (None, "exact", None),
    ({"a": [1]}, "exact", {"a": [1]}),
    ("Main", "iexact", "MAIN"),
    (None, "iexact", None),
    ("default-login", "contains", "lt-lo"),
    ("default-login", "icontains", "LT-LO"),
    ("default-login", "startswith", "default"),
    ("Default-login", "istartswith", "default"),
    ("default-login", "endswith", "login"),
    ("default-login", "iendswith", "LOGIN"),
    (120, "startswith", 12),
    (True, "icontains", "TRUE"),
    ("a", "in", ["b", "a"]),
    ("a", "in", ["b", None, "a"]),
    ("1", "in", [1, 2]),
    (2, "in", ["1", "2"]),
    (True, "in", ["true"]),
    ([1], "in", [[1], [2]]),
    # Django takes the characters of a string.
    ("a", "in", "abc"),
    (None, "isnull", True),
    ("", "isnull", False),
    (10, "gt", "9"),
    (10, "gte", 10.0),
    (10, "lt", 10.5),
    ("b", "lte", "b"),
    (5, "range", [1, "5"]),
    ({"a": {"b": 1, "c": [1, {"d": 2, "e": 3}]}}, "contains", {"a": {"c": [{"d": 2}]}}),
    ([3, 2, 1], "contains", [1, 1, 2]),
    (["a", "b"], "contains", "a"),
    ({"a": 1}, "contains", {}),
]
DIFFERENCES: list[tuple[Any, str, Any]] = [
    ("10", "exact", 11),
    ("a", "exact", "A"),
    ("a", "exact", None),
    (None, "exact", "a"),
    (None, "in", ["a"]),
    (None, "contains", ""),
    (None, "gt", 1),
    (None, "isnull", False),
    ("", "isnull", True),
    (True, "exact", "0"),
    ("default-login", "contains", "LOGIN"),
    ("default-login", "startswith", "login"),
    ("a", "in", []),
    ("a", "in", [None]),
    (5, "range", [6, 7]),
    ({"a": {"b": 1}}, "contains", {"b": 1}),
    ({"a": 1}, "contains", {"a": True}),
    ({"a": 1}, "contains", ["a"]),
    ({"a": ["b"]}, "contains", {"a": "b"}),
    (10, "lt", 10),
]
INVALID: list[tuple[Any, str, Any, str]] = [
    (1, "exact", "secret", "compares a number with another type of value"),
    (1, "in", [["secret"]], "compares a number with another type of value"),
    (True, "exact", "secret", "compares a boolean with another type of value"),
    ("a", "contains", None, "compares by contains with null"),
    ("a", "in", 5, "compares by in with a value that is not a list"),
    ("a", "in", None, "compares by in with null"),
    ("a", "isnull", "secret", "compares by isnull with a value that is not true or false"),
    ("a", "range", ["secret"], "compares by range without a first and a last value"),
    ("a", "regex", "secret", "compares with a regular expression, which is not supported"),
    ("a", "iregex", "secret", "compares with a regular expression, which is not supported"),
    ({}, "gt", 1, "compares the order of lists or mappings"),
]
KEYS = {
    "slug": (("slug",), "exact"),
    "slug__in": (("slug",), "in"),
    "flow__slug": (("flow", "slug"), "exact"),
    "flow__slug__icontains": (("flow", "slug"), "icontains"),
    "pk__isnull": (("pk",), "isnull"),
    "name__regex": (("name",), "regex"),
    "in": (("in",), "exact"),
    "name__unknown": (("name", "unknown"), "exact"),
}


@pytest.mark.parametrize(("value", "lookup", "expected"), MATCHES)
def test_match(value: Any, lookup: str, expected: Any) -> None:
    """The expected value is converted to the type of the stored one, and matches."""
    assert build_matcher(lookup, expected)(value)


@pytest.mark.parametrize(("value", "lookup", "expected"), DIFFERENCES)
def test_difference(value: Any, lookup: str, expected: Any) -> None:
    """The stored value does not match."""
    assert not build_matcher(lookup, expected)(value)


@pytest.mark.parametrize(("value", "lookup", "expected", "message"), INVALID)
def test_invalid_comparison(value: Any, lookup: str, expected: Any, message: str) -> None:
    """An invalid comparison is an error, which does not quote the expected value."""
    with pytest.raises(InvalidValueError) as error:
        build_matcher(lookup, expected)(value)
    assert str(error.value) == message


@pytest.mark.parametrize("key", KEYS)
def test_split_lookup(key: str) -> None:
    """A key is a path of fields, with a lookup at the end if there is one."""
    assert split_lookup(key) == KEYS[key]


def test_matcher_of_many_values() -> None:
    """A matcher for one of many values takes the same time for each stored value."""
    matcher = build_matcher("in", [f"name-{number}" for number in range(100_000)])
    started = time.monotonic()
    assert sum(matcher(f"name-{number}") for number in range(0, 200_000, 2)) == 50_000
    assert time.monotonic() - started < 5


def test_comparisons_of_large_lists_are_limited() -> None:
    """A comparison of long lists item by item ends with an error after a moment."""
    values = [[number] for number in range(50_000)]
    started = time.monotonic()
    with pytest.raises(InvalidValueError, match="compares values that are too large"):
        build_matcher("contains", values[::-1])(values)
    assert time.monotonic() - started < 10
