"""What a request asks, executed: by a plan, or by graphql-core."""

import asyncio
from inspect import isawaitable
from typing import Any, cast

import graphql
import orjson
from graphql import ExecutionResult, FieldNode, GraphQLError, OperationType
from graphql.execution.values import VariableValues
from strawberry import Schema

from gql.execution.compiler import Compilation, NotPlannableError
from gql.execution.declarations import core_schema
from gql.execution.documents import (
    MAX_PLANS,
    Document,
    Documents,
    InvalidDocument,
    Operation,
)
from gql.execution.fallback import AllRootErrorsContext
from gql.execution.plan import Plan
from gql.execution.request import GraphQLRequest
from gql.limits import DEFAULTS, Limits, build_limit_error
from models.cache import SegmentedLRU

# In characters of documents and bytes of answers; a whole introspection is some hundred thousand.
INTROSPECTION_CAPACITY = 5_000_000
TIMEOUT_MESSAGE = "The execution takes too long: the limit is {:g} seconds."


class Executor:
    """Executes operations over one schema."""

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
        self._hides_suggestions = hides_suggestions
        self._core_schema = core_schema(schema)
        self._documents = Documents(
            self._core_schema,
            limits,
            hides_suggestions=hides_suggestions,
            forbids_introspection=forbids_introspection,
        )
        self._introspection_cache = SegmentedLRU[tuple[str, str | None], orjson.Fragment](
            INTROSPECTION_CAPACITY
        )

    def first_error(self, text: str) -> GraphQLError | None:
        """The first thing that is wrong with a document, whatever is asked of it; None if nothing is."""
        document = self._documents.get(text)
        return document.errors[0] if isinstance(document, InvalidDocument) else None

    def operation_type(self, request: GraphQLRequest) -> OperationType | None:
        """Return the type of the requested operation, None if the document does not have it.

        The document is parsed, but need not be valid.
        """
        return self._documents.get(request.query).operation_type(request.operation_name)

    async def execute(self, request: GraphQLRequest, context: Any) -> ExecutionResult:
        """The answer for who stands in the context; raises NoOperationError."""
        document = self._documents.get(request.query)
        if isinstance(document, InvalidDocument):
            document.require_operation(request.operation_name)
            return ExecutionResult(None, list(document.errors))
        operation = document.operation(request.operation_name)
        variables = operation.coerce_variables(request.variables)
        if isinstance(variables, list):
            return ExecutionResult(None, variables)
        deadline = asyncio.timeout(self._limits.seconds)
        try:
            async with deadline:
                plan = self._plan(document, operation, variables)
                if plan:
                    return await plan.execute(variables, context)
                return await self._execute_fallback(document, operation, request, context)
        except TimeoutError:
            if not deadline.expired():
                raise
            return ExecutionResult(
                None, [build_limit_error(TIMEOUT_MESSAGE.format(self._limits.seconds))]
            )

    def _plan(
        self, document: Document, operation: Operation, variables: VariableValues
    ) -> Plan | None:
        """The plan, None where there can be none."""
        case = tuple(variables.coerced.get(name) for name in operation.conditions)
        if case in operation.plans:
            return operation.plans[case]
        if len(operation.plans) == MAX_PLANS:
            operation.plans.clear()
        compilation = Compilation(self._schema, document.fragments, operation.node, variables)
        plan = operation.plans[case] = _compile(compilation)
        return plan

    async def _execute_fallback(
        self, document: Document, operation: Operation, request: GraphQLRequest, context: Any
    ) -> ExecutionResult:
        """The answer of graphql-core, or the same again where it can be no other."""
        key = request.query, request.operation_name
        known = self._introspection_cache.get(key)
        if known:
            return ExecutionResult(cast(Any, known), None)
        answer = cast(Any, graphql.execute)(
            self._core_schema,
            document.node,
            context_value=context,
            variable_values=request.variables,
            operation_name=request.operation_name,
            executor_class=AllRootErrorsContext,
            hide_suggestions=self._hides_suggestions,
        )
        result = await answer if isawaitable(answer) else answer
        if result.errors is None and _is_introspection(operation):
            body = orjson.dumps(result.data)
            self._introspection_cache.put(
                key, orjson.Fragment(body), len(request.query) + len(body)
            )
        return result


def _compile(compilation: Compilation) -> Plan | None:
    try:
        return compilation.plan()
    # Also where a condition is null: graphql-core words what is wrong with it.
    except (NotPlannableError, GraphQLError, RecursionError):
        return None


def _is_introspection(operation: Operation) -> bool:
    """Whether the schema alone decides the answer."""
    return not operation.node.variable_definitions and all(
        isinstance(node, FieldNode) and node.name.value.startswith("__")
        for node in operation.node.selection_set.selections
    )
