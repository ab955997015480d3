"""Execution of GraphQL requests: by a plan, or by graphql-core."""

import asyncio
from typing import Any

from graphql import ExecutionResult, GraphQLError, OperationType
from graphql.execution.values import VariableValues
from strawberry import Schema

from gql.execution.compiler import Compilation, NotPlannableError
from gql.execution.documents import (
    MAX_PLANS,
    Document,
    Documents,
    InvalidDocument,
    NotAQueryError,
    Operation,
)
from gql.execution.fallback.executor import FallbackExecutor
from gql.execution.graphql_core import core_schema
from gql.execution.plan import Plan
from gql.execution.request import GraphQLRequest
from gql.limits import DEFAULTS, Limits, build_limit_error

TIMEOUT_MESSAGE = "Execution exceeded the limit of {:g} seconds."


class Executor:
    """Executes the operations of one schema."""

    def __init__(
        self,
        schema: Schema,
        limits: Limits = DEFAULTS,
        *,
        hides_suggestions: bool = False,
        forbids_introspection: bool = False,
    ) -> None:
        self._schema = schema
        self._limits = limits
        self._documents = Documents(
            core_schema(schema),
            limits,
            hides_suggestions=hides_suggestions,
            forbids_introspection=forbids_introspection,
        )
        self._fallback = FallbackExecutor(core_schema(schema), hides_suggestions=hides_suggestions)

    def first_error(self, text: str) -> GraphQLError | None:
        """Return the first error of a document, None if the document is valid."""
        document = self._documents.get(text)
        return document.errors[0] if isinstance(document, InvalidDocument) else None

    async def execute(
        self, request: GraphQLRequest, context: Any, *, queries_only: bool = False
    ) -> ExecutionResult:
        """Execute a request. Raises UnknownOperationError.

        The result of an invalid request has errors and no data. With `queries_only`, another type
        of operation raises NotAQueryError, whether its document is valid or not.
        """
        document = self._documents.get(request.query)
        if queries_only:
            _require_query(document.operation_type(request.operation_name))
        if isinstance(document, InvalidDocument):
            document.require_operation(request.operation_name)
            return ExecutionResult(None, list(document.errors))
        operation = document.find_operation(request.operation_name)
        variables = operation.coerce_variables(request.variables)
        if isinstance(variables, list):
            return ExecutionResult(None, variables)
        timeout = asyncio.timeout(self._limits.seconds)
        try:
            async with timeout:
                plan = self._find_plan(document, operation, variables)
                if plan:
                    return await plan.execute(variables, context)
                return await self._fallback.execute(document.node, operation.node, request, context)
        except TimeoutError:
            if not timeout.expired():
                raise
            message = TIMEOUT_MESSAGE.format(self._limits.seconds)
            return ExecutionResult(None, [build_limit_error(message)])

    def _find_plan(
        self, document: Document, operation: Operation, variables: VariableValues
    ) -> Plan | None:
        """Return the cached or newly compiled plan, None if the operation has none."""
        cache_key = tuple(variables.coerced.get(name) for name in operation.conditions)
        if cache_key in operation.plans:
            return operation.plans[cache_key]
        if len(operation.plans) == MAX_PLANS:
            operation.plans.clear()
        compilation = Compilation(self._schema, document.fragments, operation.node, variables)
        plan = operation.plans[cache_key] = _compile(compilation)
        return plan


def _require_query(type_: OperationType | None) -> None:
    if type_ not in (None, OperationType.QUERY):
        raise NotAQueryError(type_)


def _compile(compilation: Compilation) -> Plan | None:
    try:
        return compilation.compile()
    # GraphQLError: a condition is null, which graphql-core reports where the field is.
    except (NotPlannableError, GraphQLError, RecursionError):
        return None
