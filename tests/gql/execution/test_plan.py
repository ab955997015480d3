"""Plans resolve the fields of the root concurrently, with the selections that graphql-core sees."""

import asyncio
from typing import Any, cast

import pytest

from gql.execution.executor import Executor
from gql.execution.request import GraphQLRequest
from support.library_execution import execute_request
from support.library_schema import LIBRARY, Context


def test_root_fields_are_resolved_concurrently() -> None:
    """Two root fields that wait for each other are both resolved."""
    expected = {"a": {"name": "valid"}, "b": {"name": "valid"}}
    request = GraphQLRequest("{a: concurrent {name} b: concurrent {name}}")
    result = asyncio.run(execute_request(Executor(LIBRARY), request, Context()))
    assert (expected, None) == (result.data, result.errors)


@pytest.mark.parametrize(
    "text",
    [
        "{shelf {name}}",
        "{shelf {books {__typename}}}",
        "{shelf {books {title price half author {name letter}}}}",
        "{shelf {a: books {title} b: books {id author {nick}} favourites {genre}}}",
        "{shelf {books {title}} shelf {books {id} first {publisher {name}}}}",
        "{a: shelf {first {id}} b: shelf {books {chapters {title note}}}}",
        """{shelf {...S ...S ... {first {chapters {note}}}}}
        fragment S on Shelf {books {...B} first {...B}}
        fragment B on Book {a: title b: title author {name} author {nick}}""",
    ],
)
def test_resolvers_receive_the_same_selection(text: str) -> None:
    """`info.selected_columns` returns the same columns in a plan and in the fallback."""
    reference, context = Context(), Context()
    asyncio.run(cast(Any, LIBRARY.execute(text, context_value=reference)))
    asyncio.run(execute_request(Executor(LIBRARY), GraphQLRequest(text), context))
    assert reference.selected
    assert reference.selected == context.selected
