"""Execution of GraphQL requests: by a plan, or by graphql-core."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, NamedTuple

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
from gql.limits import DEFAULTS, Limits

# An operation with a greater cost is expensive. A page of 100 flows with all fields is not.
EXPENSIVE_COST = 2_000


class Execution(NamedTuple):
    """The execution of a valid operation: a function of the context, and what is known before.

    `has_one_read` is true if it probably executes one statement.
    """

    execute: Callable[[Any], Awaitable[ExecutionResult]]
    has_one_read: bool
    is_expensive: bool


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

    def prepare(
        self, request: GraphQLRequest, *, queries_only: bool = False
    ) -> Execution | ExecutionResult:
        """Return the execution of a request, or the errors of an invalid one.

        Raises UnknownOperationError. With `queries_only`, another type of operation raises
        NotAQueryError, whether its document is valid or not.
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
        is_expensive = operation.limits.find_cost(variables.coerced) > EXPENSIVE_COST
        plan = self._find_plan(document, operation, variables)
        if plan:
            return Execution(partial(plan.execute, variables), plan.has_one_read, is_expensive)
        execute = partial(self._fallback.execute, document.node, operation.node, request)
        return Execution(execute, has_one_read=False, is_expensive=is_expensive)

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
