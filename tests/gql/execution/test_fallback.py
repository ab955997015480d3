"""graphql-core executes operations that have no plan; responses of introspection are cached."""

from collections import Counter
from collections.abc import Mapping

import graphql
import pytest

from gql.execution.executor import Executor
from support.library_execution import Case, execute, execute_reference, parameters
from support.library_schema import LIBRARY, Values

UNPLANNED: Mapping[str, Case] = {
    "a field with a resolver": "{shelf {books {length}}}",
    "a resolver and columns": """{shelf {name books {title length author {name}}}
        optionalShelf {name}}""",
    "a list of an enum": "{shelf {books {genres}}}",
    "a list of a scalar": "{shelf {books {reprinted}}}",
    "a computed scalar": '{members(names: ["Ann"]) {title joined}}',
    "a list of lists": '{members(names: ["Ann"]) {grid {title}}}',
    "an interface below the root": '{members(names: ["Ann", "Bob"]) {mentor {title}}}',
    "a list of lists and relations": """{members(names: ["Ann", "Cid", "Eve"]) {
        grid {title} friends {title club {motto}}}}""",
    "introspection and relations": """{__schema {queryType {name}}
        members(names: ["Ann", "Cid"]) {friends {note club {members {note}}} firstFriends(limit: 1) {title}}}""",
    "a list of nullable objects": '{shelf(name: "invalid") {books {loose {note title}}}}',
    "a leaf at the root": "{count}",
    "a leaf and objects": "{count shelf {books {title}}}",
    "a synchronous resolver": "{sync {name}}",
    "a resolver without info": "{withoutInfo {name}}",
    "a field with permissions": "{forbidden {name} shelf {name}}",
    "introspection": "{__schema {queryType {name}} shelf {name}}",
}


@pytest.mark.parametrize(("text", "variables"), parameters(UNPLANNED))
def test_operations_without_a_plan(calls: Counter[str], text: str, variables: Values) -> None:
    """graphql-core executes the whole operation, each time."""
    executor = Executor(LIBRARY)
    expected = execute_reference(text, variables)
    assert expected == execute(executor, text, variables)
    assert expected == execute(executor, text, variables)
    assert calls["execute"] == 2


def test_introspection_is_cached(calls: Counter[str]) -> None:
    """The second response to introspection is the same, without graphql-core."""
    executor = Executor(LIBRARY)
    text = graphql.get_introspection_query()
    assert [execute_reference(text)] * 3 == [execute(executor, text) for _ in range(3)]
    assert calls["execute"] == 1


def test_introspection_with_variables_is_not_cached(calls: Counter[str]) -> None:
    """Introspection that depends on variables is executed each time."""
    executor = Executor(LIBRARY)
    text = "query Q($n: String!) {__type(name: $n) {name}}"
    for name in ("Book", "Shelf", "Nonesuch"):
        assert execute_reference(text, {"n": name}) == execute(executor, text, {"n": name})
    assert calls["execute"] == 3
