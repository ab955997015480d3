"""The compiler makes a plan of every operation over the graph except introspection."""

import re
from collections.abc import Collection
from random import Random

import pytest
import strawberry
from graphql import GraphQLError

from gql import schema
from gql.execution.compiler import Compilation, NotPlannableError
from gql.execution.completion import ObjectField, SelectionSet
from gql.execution.documents import Document, Documents
from gql.execution.graphql_core import core_schema
from gql.execution.plan import Plan, RootField
from gql.execution.request import GraphQLRequest
from support.library_execution import WIDE
from support.library_schema import LIBRARY
from support.operations import SIZE, draw_request


def compilation_of(built: strawberry.Schema, request: GraphQLRequest) -> Compilation | None:
    """Return the compilation of a request, None if the request is invalid."""
    document = Documents(core_schema(built), WIDE).get(request.query)
    if not isinstance(document, Document):
        return None
    operation = document.find_operation(request.operation_name)
    variables = operation.variables.coerce(request.variables)
    if isinstance(variables, list):
        return None
    return Compilation(built, document.fragments, operation.node, variables)


def test_every_operation_over_the_graph_has_a_plan() -> None:
    """Every valid operation without introspection and without null conditions has a plan."""
    built, chance, planned = schema.build_schema(), Random(2030), 0
    while planned < 300:
        drawn_request = draw_request(core_schema(built), chance.randbytes(SIZE), "")
        request = GraphQLRequest(
            drawn_request.query,
            dict(drawn_request.variables),
            drawn_request.operation_name or None,
        )
        compilation = compilation_of(built, request)
        if compilation and not re.search(r"\b__(schema|type)\b", request.query):
            planned += _has_plan(compilation)


def _has_plan(compilation: Compilation) -> bool:
    try:
        compilation.compile()
    except GraphQLError as error:
        # A nullable variable with a default may be null, which graphql-core reports at the field.
        if "Argument 'if' has invalid value" not in error.message:
            raise
        return False
    return True


@pytest.mark.parametrize(
    "text",
    ["{__schema {types {name}}}", '{flow(slug: "a") {name} ... {__type(name: "Flow") {name}}}'],
)
def test_introspection_has_no_plan(text: str) -> None:
    """Introspection has no plan, also together with other fields."""
    compilation = compilation_of(schema.build_schema(), GraphQLRequest(text))
    assert compilation
    with pytest.raises(NotPlannableError):
        compilation.compile()


def test_a_plan_is_not_larger_than_its_document() -> None:
    """A fragment with many spreads in another fragment with many spreads is compiled once."""
    leaves = " ".join(f"n{n}: name" for n in range(50))
    books = " ".join(f"b{n}: books {{author {{...P}}}}" for n in range(50))
    shelves = " ".join(f"s{n}: shelf {{...S}}" for n in range(50))
    text = f"{{{shelves}}} fragment S on Shelf {{{books}}} fragment P on Person {{{leaves}}}"
    compilation = compilation_of(LIBRARY, GraphQLRequest(text))
    assert compilation
    selection_sets = _selection_sets(compilation.compile())
    assert sum(len(selection_set.fields) for selection_set in selection_sets) < len(text)


def _selection_sets(plan: Plan) -> Collection[SelectionSet]:
    """Return the selection sets of a plan, each once."""
    roots = [root for root in plan.root_fields.values() if isinstance(root, RootField)]
    pending = [field.selection_set for root in roots for field in root.fields_by_type.values()]
    visited: dict[int, SelectionSet] = {}
    while pending:
        selection_set = pending.pop()
        if id(selection_set) not in visited:
            visited[id(selection_set)] = selection_set
            pending += [
                field.selection_set
                for field in selection_set.fields
                if isinstance(field, ObjectField)
            ]
    return visited.values()
