"""Limits of variables and arguments: sizes of lists, and conditions."""

import json
from dataclasses import replace

import pytest

from gql.execution.executor import Executor
from gql.limits import Limits
from support.limits_schema import (
    FOREST,
    WIDE,
    Variables,
    assert_rejected,
    errors_of,
    execute,
    execute_with,
    is_successful,
    request_error,
)

SIZED = """query ($n: Int! = 7, $m: Int) {
    trees(pageSize: $n) {nodes {name}}
    connection(last: $m) {nodes {name}}
}"""


@pytest.mark.parametrize(
    ("variables", "cost"),
    [
        ({}, 4 + 7 + 20),
        ({"n": 3}, 4 + 3 + 20),
        ({"n": 3, "m": 9}, 4 + 3 + 9),
        ({"n": 3, "m": None}, 4 + 3 + 20),
        ({"n": 3.0, "m": 1000}, 4 + 3 + 100),
    ],
)
def test_cost_by_variables(variables: Variables, cost: int) -> None:
    """The size of a list is the variable, else its default, else the default of the argument."""
    assert "cost" not in str(execute(SIZED, variables, replace(WIDE, cost=cost)).errors)
    expected = f"The operation has a cost of {cost}: the limit is {cost - 1}."
    assert_rejected(SIZED, replace(WIDE, cost=cost - 1), expected, variables)


def test_each_request_is_checked() -> None:
    """Requests with one document and different sizes are checked separately."""
    executor = Executor(FOREST, replace(WIDE, cost=2 + 50))
    text = "query ($n: Int!) {trees(pageSize: $n) {nodes {name}}}"
    for n in [*range(1, 120), *range(120, 0, -1)]:
        result = execute_with(executor, text, {"n": n})
        assert is_successful(result) == (n <= 50), n


def test_variables_of_other_operations() -> None:
    """A variable that is a size in one operation may have any type in another."""
    text = """query A($v: Int!) {trees(pageSize: $v) {total}}
        query B($v: [Where!]) {find(where: {both: $v})}"""
    executor = Executor(FOREST, WIDE)
    for name, value in (("A", 3), ("B", [{"name": "a"}]), ("B", None)):
        assert is_successful(execute_with(executor, text, {"v": value}, name))


INVALID_SIZE = "'{}' must be between 0 and 100, not {}."


@pytest.mark.parametrize(
    ("field", "argument", "value"),
    [
        ("some(first: {}) {{name}}", "first", 101),
        ("some(first: {}) {{name}}", "first", -1),
        ("connection(last: {}) {{total}}", "last", 2**31 - 1),
        ("connection(first: 1, last: {}) {{total}}", "last", 101),
        ("some(first: {}) @skip(if: true) {{name}}", "first", 101),
        ("... {{...A}} }}}} fragment A on Tree {{some(first: {}) {{name}}", "first", 101),
    ],
)
def test_sizes_below_the_root(field: str, argument: str, value: int) -> None:
    """An invalid size is rejected before execution, as a literal and as a variable."""
    expected = INVALID_SIZE.format(argument, value)
    braces = "}" if "fragment" in field else "}}"
    literal = f"{{tree {{{field.format(value)}{braces}"
    variable = f"query ($v: Int!) {{tree {{{field.format('$v')}{braces}"
    assert expected == request_error(execute(literal), "BAD_USER_INPUT")
    assert expected == request_error(execute(variable, {"v": value}), "BAD_USER_INPUT")
    assert is_successful(execute(variable, {"v": 100}))
    assert is_successful(execute(variable, {"v": 0}))


def test_location_of_an_invalid_size() -> None:
    """The error has the location of the field."""
    for text in (
        "query ($v: Int!) {find(name: $v) tree {\n some(first: 101) {name}}}",
        "query ($v: Int!) {tree {\n some(first: $v) {name}}}",
    ):
        [error] = errors_of(execute(text, {"v": 101}))
        assert [(location.line, location.column) for location in error.locations or ()] == [(2, 2)]


def test_sizes_of_the_root() -> None:
    """A root field checks its size itself, and fails at its path."""
    result = execute("{trees(pageSize: 0) {total}}")
    [error] = errors_of(result)
    assert (result.data, error.path) == (None, ["trees"])


def test_sizes_of_other_operations() -> None:
    """The sizes in other operations are not checked."""
    text = """query A($v: Int!) {tree {some(first: $v) {name}}}
        query B($v: Int!) {trees(pageSize: $v) {total}}"""
    executor = Executor(FOREST, WIDE)
    assert is_successful(execute_with(executor, text, {"v": 101}, "B"))
    result = execute_with(executor, text, {"v": 101}, "A")
    assert request_error(result, "BAD_USER_INPUT") == INVALID_SIZE.format("first", 101)


def test_conditions_in_variables() -> None:
    """Input objects in variables and in the document count together."""
    text = "query ($w: Where!) {find(where: {both: [{}, $w]}) a: find(where: $w)}"
    limits = replace(WIDE, conditions=6)
    both: list[Variables] = [{}, {"neither": {}}]
    assert is_successful(execute(text, {"w": {"name": "a", "both": both}}, limits))
    expected = "The request has 7 input objects: the limit of conditions is 6."
    assert_rejected(text, limits, expected, {"w": {"name": "a", "both": [*both, {}]}})


def test_conditions_in_unknown_variables() -> None:
    """Values of unknown variables count too."""
    expected = "The request has 3 input objects: the limit of conditions is 2."
    assert_rejected("{find}", replace(WIDE, conditions=2), expected, {"x": [{}, [[{}], {}]]})


def _nested(levels: int) -> Variables:
    """Build input objects that are nested to a number of levels."""
    value: Variables = {}
    for _ in range(levels - 1):
        value = {"both": [value]}
    return value


def _find(where: Variables) -> str:
    """Write a query with input objects as a literal."""
    literal = json.dumps(where).replace('"', "")
    return f"{{find(where: {literal})}}"


def test_depth_of_conditions() -> None:
    """Input objects may be nested as deeply as fields; lists do not count."""
    expected = "The request has input objects at a depth of 13: the limit is 12."
    text = "query ($w: Where) {find(where: $w)}"
    limits = Limits(conditions=10**6)
    assert is_successful(execute(text, {"w": _nested(12)}, limits))
    assert_rejected(text, limits, expected, {"w": _nested(13)})
    assert is_successful(execute(_find(_nested(12)), limits=limits))
    assert_rejected(_find(_nested(13)), limits, expected)


def test_depth_around_variables() -> None:
    """The depth of a variable adds to the depth around it."""
    text = "query ($w: Where!) {find(where: {neither: {both: [{}, $w]}})}"
    limits = Limits()
    assert is_successful(execute(text, {"w": _nested(10)}, limits))
    expected = "The request has input objects at a depth of 13: the limit is 12."
    assert_rejected(text, limits, expected, {"w": _nested(11)})


def test_deep_json() -> None:
    """Values at the maximum depth of JSON are rejected."""
    expected = "The request has input objects at a depth of 1000: the limit is 12."
    text = "query ($w: Where) {find(where: $w)}"
    assert_rejected(text, Limits(conditions=10**6), expected, {"w": _nested(1000)})
