"""Documents and their plans are cached, within bounds."""

from collections import Counter
from contextlib import suppress
from itertools import product

import pytest

from gql import schema
from gql.execution.documents import (
    CAPACITY,
    MAX_PLANS,
    Document,
    Documents,
    InvalidDocument,
    NotAQueryError,
)
from gql.execution.executor import Executor
from gql.execution.graphql_core import core_schema
from gql.execution.request import GraphQLRequest
from gql.limits import Limits
from support.library_execution import execute, execute_reference
from support.library_schema import GRAPH, LIBRARY


def test_a_document_is_cached(calls: Counter[str]) -> None:
    """A document is parsed, validated and compiled for its first request only."""
    executor = Executor(LIBRARY)
    responses = {execute(executor, "{shelf {books {title}}}") for _ in range(3)}
    assert len(responses) == 1
    assert calls == {"parse": 1, "validate": 1, "compile": 1}


@pytest.mark.parametrize("text", ["{", "{nonesuch}", "{shelf {name}} {optionalShelf {name}} {"])
def test_an_invalid_document_is_cached(calls: Counter[str], text: str) -> None:
    """The errors of a document are cached."""
    executor = Executor(LIBRARY)
    responses = {execute(executor, text) for _ in range(3)}
    assert responses == {execute_reference(text)}
    assert calls["parse"] == 1
    assert calls["validate"] <= 1


@pytest.mark.parametrize("query", ["{shelf {name}}", "mutation {nonesuch}", "{nonesuch}"])
def test_a_get_request_parses_its_document_once(calls: Counter[str], query: str) -> None:
    """The check of the operation type and the execution share a document, cached or not."""
    request = GraphQLRequest(query + " " * CAPACITY)
    with suppress(NotAQueryError):
        Executor(LIBRARY).prepare(request, queries_only=True)
    assert calls["parse"] == 1
    assert calls["validate"] <= 1


CONDITIONS = "abcde"
CONDITIONAL = "query Q({}) {{shelf {{{}}}}}".format(
    ", ".join(f"${name}: Boolean = true" for name in CONDITIONS),
    " ".join(f"{name}: name @include(if: ${name})" for name in CONDITIONS),
)


def test_plans_are_cached_by_their_conditions(calls: Counter[str]) -> None:
    """A plan is compiled once for each combination of @skip and @include."""
    executor = Executor(LIBRARY)
    for variables in [{}, {"a": True}, {"a": False}, {"b": False}] * 3:
        assert execute_reference(CONDITIONAL, variables) == execute(
            executor, CONDITIONAL, variables
        )
    assert calls == {"parse": 1, "validate": 1, "compile": 3}


def test_the_number_of_plans_is_bounded() -> None:
    """An operation keeps at most MAX_PLANS plans."""
    executor = Executor(LIBRARY)
    documents: Documents = getattr(executor, "_documents")  # noqa: B009 - it has no public name
    for values in product((True, False), repeat=len(CONDITIONS)):
        variables = dict(zip(CONDITIONS, values, strict=True))
        assert execute_reference(CONDITIONAL, variables) == execute(
            executor, CONDITIONAL, variables
        )
        document = documents.get(CONDITIONAL)
        assert isinstance(document, Document)
        assert len(document.find_operation(None).plans) <= MAX_PLANS


def test_the_cache_is_bounded_and_keeps_documents_in_use(calls: Counter[str]) -> None:
    """Documents requested once stay within the capacity, and do not evict one requested twice."""
    documents = Documents(GRAPH)
    used = [documents.get("{shelf {name}}") for _ in range(2)]
    texts = [f"{{a{number:06}: __typename {' ' * 200}}}" for number in range(1000)]
    for text in texts:
        documents.get(text)
    assert len(getattr(documents, "_cache")) * len(texts[0]) <= CAPACITY  # noqa: B009 - likewise
    assert used == [documents.get("{shelf {name}}")] * 2
    assert calls["parse"] == 1 + len(texts)


A = "query A($v: Int) {flowConnection(first: $v) {totalCount}}"
B = "query B($v: String!) {flow(slug: $v) {name title}}"


@pytest.mark.parametrize("text", [f"{A} {B}", f"{B} {A}"])
def test_operations_are_analyzed_separately(text: str) -> None:
    """A variable that sets a page size in one operation does not defer the check of another."""
    document = Documents(core_schema(schema.build_schema()), Limits(cost=2)).get(text)
    assert isinstance(document, InvalidDocument)
    [error] = document.errors
    assert error.message == "The operation has a cost of 3: the limit is 2."
