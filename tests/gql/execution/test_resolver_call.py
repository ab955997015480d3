"""Arguments are coerced with the results of graphql-core."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import pytest
from graphql import (
    FieldNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    build_schema,
    get_variable_values,
    parse,
)
from graphql.execution.values import VariableValues, get_argument_values

from gql.execution.resolver_call import Argument, ResolverCall, bind_arguments

SCHEMA: GraphQLSchema = build_schema("""
    input Filter { size: Int = 7, names: [String] }
    type Query { list(a: Int, b: Int! = 3, c: [Int], d: Filter): Int, one(slug: String!): Int }
""")
OPERATIONS: Sequence[tuple[str, Mapping[str, Any]]] = [
    ("{ list }", {}),
    ('{ list(a: 1, b: 2, c: [3], d: {names: ["x"]}) }', {}),
    ("{ list(a: null, c: 1) }", {}),
    ("query ($a: Int) { list(a: $a) }", {"a": 1}),
    ("query ($a: Int) { list(a: $a) }", {"a": None}),
    ("query ($a: Int) { list(a: $a) }", {}),
    ("query ($b: Int = 5) { list(a: 4, b: $b) }", {}),
    ("query ($b: Int = 5) { list(b: $b) }", {"b": None}),
    ("query ($b: Int) { list(b: $b) }", {}),
    ("query ($b: Int) { list(b: $b) }", {"b": None}),
    ("query ($c: [Int]) { list(a: 1, c: $c) }", {"c": 2}),
    ("query ($c: Int) { list(c: [1, $c]) }", {}),
    ("query ($c: Int) { list(c: [1, $c]) }", {"c": 2}),
    ("query ($d: Filter) { list(d: $d) }", {"d": {"names": "x"}}),
    ("query ($n: String) { list(d: {names: [$n]}) }", {"n": "x"}),
    ("query ($n: Int) { list(d: {size: $n}) }", {}),
    ("query ($slug: String!) { one(slug: $slug) }", {"slug": "x"}),
    ('query ($slug: String = "x") { one(slug: $slug) }', {"slug": None}),
    ("query ($slug: String) { one(slug: $slug) }", {}),
    ("{ one }", {}),
    ("{ one(slug: 1) }", {}),
]


def coerce(
    text: str, raw_values: Mapping[str, Any], *, is_bound: bool
) -> dict[str, Any] | Sequence[Any]:
    """Return the arguments of the first field, or the message and the locations of their error."""
    operation = cast(OperationDefinitionNode, parse(text).definitions[0])
    node = cast(FieldNode, operation.selection_set.selections[0])
    definitions = operation.variable_definitions or ()
    variables = get_variable_values(SCHEMA, definitions, dict(raw_values))
    assert isinstance(variables, VariableValues)
    assert SCHEMA.query_type
    field = SCHEMA.query_type.fields[node.name.value]
    arguments = tuple(Argument(name, name, None) for name in field.args)
    call = ResolverCall(field, node, arguments, bind_arguments(field, node))
    try:
        if is_bound:
            return call.coerce_arguments(variables)
        return get_argument_values(field, node, variables)
    except GraphQLError as error:
        return error.message, error.locations


@pytest.mark.parametrize(("text", "values"), OPERATIONS, ids=str)
def test_arguments_are_coerced_as_by_graphql_core(text: str, values: Mapping[str, Any]) -> None:
    """The values of arguments, or their error, are those of graphql-core."""
    assert coerce(text, values, is_bound=True) == coerce(text, values, is_bound=False)
