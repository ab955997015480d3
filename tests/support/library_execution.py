"""Execution of operations over the library schema, by FlowQL and by graphql-core."""

import asyncio
from collections.abc import Mapping
from typing import Any, cast

import orjson
import pytest
from graphql import ExecutionResult

from gql.execution.executor import Executor
from gql.execution.request import GraphQLRequest
from gql.limits import Limits
from support.library_schema import LIBRARY, Context, Values

# An operation, with or without variables.
Case = str | tuple[str, Values]
NO_VALUES: Values = {}
# Limits for operations that are larger than usual.
WIDE = Limits(aliases=10**6, root_fields=10**6, cost=10**7, introspection_cost=10**8)


def execute(executor: Executor, text: str, variables: Values | None = None) -> bytes:
    """Return the response of an executor."""
    request = GraphQLRequest(text, dict(variables or {}))
    return _dump(asyncio.run(execute_request(executor, request, Context())))


async def execute_request(
    executor: Executor, request: GraphQLRequest, context: Any
) -> ExecutionResult:
    """Return the result of a request."""
    prepared = executor.prepare(request)
    return prepared if isinstance(prepared, ExecutionResult) else await prepared.execute(context)


def execute_reference(text: str, variables: Values | None = None) -> bytes:
    """Return the response of graphql-core, by Strawberry's public `execute`."""
    values = dict(variables or {})
    result = LIBRARY.execute(text, variable_values=values, context_value=Context())
    return _dump(asyncio.run(cast(Any, result)))


def _dump(result: Any) -> bytes:
    errors = sorted(result.errors or (), key=lambda error: error.path or [])
    response = {"data": result.data, "errors": [error.formatted for error in errors]}
    return orjson.dumps(response)


def parameters(cases: Mapping[str, Case]) -> list[Any]:
    """Return pytest parameters of text and variables, with names as ids."""
    return [
        pytest.param(case, NO_VALUES, id=name)
        if isinstance(case, str)
        else pytest.param(*case, id=name)
        for name, case in cases.items()
    ]
