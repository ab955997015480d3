"""Variables are coerced with the results of graphql-core."""

from collections.abc import Sequence
from typing import Any, cast

import graphql
import pytest
from graphql import GraphQLError, OperationDefinitionNode
from graphql.execution.values import VariableValues

from gql.execution.variables import Variables
from support.library_schema import GRAPH, Values


def nested(levels: int) -> Values:
    """Return a filter nested in this many others."""
    value: dict[str, Any] = {}
    for _ in range(levels):
        value = {"either": [value]}
    return {"v": value}


VARIABLES: Sequence[tuple[str, Values]] = [
    ("$v: String", {}),
    ("$v: String", {"v": None}),
    ("$v: String", {"v": "a", "w": "unknown"}),
    ("$v: String", {"v": 1}),
    ('$v: String = "d"', {}),
    ('$v: String = "d"', {"v": None}),
    ('$v: String! = "d"', {}),
    ('$v: String! = "d"', {"v": None}),
    ("$v: String!", {}),
    ("$v: String!", {"v": None}),
    ("$v: Int", {"v": 2**31}),
    ("$v: Int", {"v": True}),
    ("$v: Int", {"v": 1.0}),
    ("$v: Float! = 1", {}),
    ("$v: ID", {"v": 7}),
    ("$v: Day", {"v": "2020-01-02"}),
    ("$v: Day", {"v": "no day"}),
    ("$v: Genre = POEM", {}),
    ("$v: Genre", {"v": "NOVEL"}),
    ("$v: Genre", {"v": "novel"}),
    ("$v: [Int!]", {"v": 3}),
    ("$v: [Int!] = 3", {}),
    ("$v: [Int!]", {"v": [1, None, "x"]}),
    ("$v: [[Int]]! = [[1], null]", {}),
    ("$v: [[Int!]]", {"v": [[1], None, 2]}),
    ("$v: [[Int!]]", {"v": [[1, None]]}),
    ("$v: [Int!]", {"v": []}),
    ("$v: [Int!]", {"v": {"a": 1}}),
    ("$v: [Genre!]", {"v": "POEM"}),
    ("$v: Filter", {"v": {"genre": "POEM", "either": {"titleWords": "a"}}}),
    ("$v: Filter = {genre: POEM}", {}),
    ("$v: Filter", {"v": {"nonesuch": 1, "genre": 2}}),
    ("$v: Filter", {"v": "text"}),
    ("$v: Filter", nested(3)),
    ("$v: Filter", nested(400)),
    ("$a: Int!, $b: Int! = 2, $c: Int, $d: Boolean!", {"a": "x", "c": 3}),
    ("$a: Int!, $b: Int! = 2, $c: Int", {"a": 1, "c": 3}),
    ("$v: [Int]", {"v": ["x"] * 60}),
]


@pytest.mark.parametrize(("definitions", "values"), VARIABLES, ids=lambda value: str(value)[:60])
def test_variables_are_coerced_as_by_graphql_core(definitions: str, values: Values) -> None:
    """The values, their sources and their errors are graphql-core's."""
    [node] = graphql.parse(f"query Q({definitions}) {{count}}").definitions
    nodes = cast(OperationDefinitionNode, node).variable_definitions or ()
    expected = graphql.get_variable_values(GRAPH, nodes, dict(values), max_errors=50)
    variables = Variables(GRAPH, nodes)
    assert _comparable(expected) == _comparable(variables.coerce(values))
    assert _comparable(expected) == _comparable(variables.coerce(values))


def _comparable(result: VariableValues | list[GraphQLError]) -> Any:
    if isinstance(result, list):
        return [error.formatted for error in result]
    sources = {
        name: (source.value, str(cast(Any, source.signature).type))
        for name, source in result.sources.items()
    }
    return result.coerced, sources
