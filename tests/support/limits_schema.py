"""A small schema with every kind of list, and requests to it within limits."""

import asyncio
from collections.abc import Mapping
from typing import Any

import strawberry
from graphql import ExecutionResult, GraphQLError

from gql.execution.executor import Executor
from gql.execution.graphql_core import core_schema
from gql.execution.request import GraphQLRequest
from gql.limits import Limits
from support.library_execution import execute_request

Variables = Mapping[str, Any]
# Practically unlimited: a test narrows the limits that it is about.
WIDE = Limits(
    tokens=10**6,
    depth=10**6,
    aliases=10**6,
    directives=10**6,
    root_fields=10**6,
    cost=10**6,
    introspection_cost=10**7,
)


@strawberry.input
class Where:
    """A condition."""

    name: str | None = None
    both: list["Where"] | None = None
    neither: "Where | None" = None


@strawberry.type
class Edge:
    """An edge of a connection."""

    @strawberry.field
    def node(self) -> "Tree":
        """An object."""
        return Tree()


@strawberry.type
class Connection:
    """A page; the field that returns it has the arguments for the size of its lists."""

    @strawberry.field
    def nodes(self) -> list["Tree"]:
        """A list of objects."""
        return [Tree()]

    @strawberry.field
    def edges(self) -> list[Edge]:
        """A list of edges."""
        return [Edge()]

    @strawberry.field
    def total(self) -> int:
        """A leaf."""
        return 1


@strawberry.type
class Tree:
    """A recursive type."""

    @strawberry.field
    def name(self) -> str:
        """A leaf."""
        return "oak"

    @strawberry.field
    def tree(self) -> "Tree":
        """An object."""
        return self

    @strawberry.field
    def branches(self) -> list["Tree"]:
        """A list without an argument for its size."""
        return [self]

    @strawberry.field
    def some(self, first: int = 20) -> list["Tree"]:
        """A list with an argument for its size."""
        return [self] * min(first, 1)

    @strawberry.field
    def connection(self, first: int | None = None, last: int | None = None) -> Connection:
        """A page with arguments for its size."""
        assert 0 <= (first or last or 0) <= 100
        return Connection()


@strawberry.type
class Query:
    """The root query type."""

    @strawberry.field
    def tree(self) -> Tree:
        """An object."""
        return Tree()

    @strawberry.field
    def trees(self, page_size: int = 20) -> Connection:
        """A page by number."""
        assert page_size
        return Connection()

    @strawberry.field
    def connection(self, first: int | None = None, last: int | None = None) -> Connection:
        """A page by cursor."""
        assert first or last
        return Connection()

    @strawberry.field
    def find(self, where: Where | None = None, name: str | None = None) -> str:
        """A leaf with conditions."""
        return repr((where, name))[:10]


FOREST = strawberry.Schema(Query)
GRAPH = core_schema(FOREST)


def execute(
    text: str, variables: Variables | None = None, limits: Limits = WIDE
) -> ExecutionResult:
    """Execute an operation within limits."""
    return execute_with(Executor(FOREST, limits), text, variables)


def execute_with(
    executor: Executor, text: str, variables: Variables | None = None, name: str | None = None
) -> ExecutionResult:
    """Execute an operation with an executor."""
    request = GraphQLRequest(text, dict(variables or {}), name)
    return asyncio.run(execute_request(executor, request, None))


def errors_of(result: ExecutionResult) -> list[GraphQLError]:
    """Return the errors of a result."""
    return result.errors or []


def request_error(result: ExecutionResult, code: str = "LIMIT_EXCEEDED") -> str:
    """Return the message of the only error of a request that was not executed."""
    [error] = errors_of(result)
    assert (result.data, error.path, error.extensions) == (None, None, {"code": code})
    return error.message


def is_successful(result: ExecutionResult) -> bool:
    """Return whether the result has data and no errors."""
    return result.errors is None and result.data is not None


def assert_rejected(
    text: str, limits: Limits, expected: str, variables: Variables | None = None
) -> None:
    """Assert that limits reject a request with this message, the second time as the first."""
    executor = Executor(FOREST, limits)
    for _ in range(2):
        assert request_error(execute_with(executor, text, variables)) == expected


def repeat(text: str, count: int) -> str:
    """Repeat a text with its number in it."""
    return " ".join(text.format(n) for n in range(count))
