"""What a request asks, executed: by a plan, or by graphql-core."""

import asyncio
from dataclasses import dataclass, field
from inspect import isawaitable
from typing import Any, cast

import graphql
import orjson
from graphql import ExecutionResult, FieldNode, GraphQLError
from graphql.execution.values import VariableValues
from strawberry import Schema

from gql.execution.compiler import Compilation, UnplannedError
from gql.execution.declarations import graph_of
from gql.execution.documents import (
    MAX_PLANS,
    Document,
    Documents,
    InvalidDocument,
    Operation,
)
from gql.execution.fallback import EveryRoot
from gql.execution.plan import Plan
from gql.limits import DEFAULTS, Limits, exceeded
from models.cache import Store

# In characters of documents and bytes of answers; a whole introspection is some hundred thousand.
INTROSPECTION_CAPACITY = 5_000_000
SLOW = "The execution takes too long: the limit is {:g} seconds."


@dataclass(frozen=True, slots=True)
class Asked:
    """What a client asks to be executed."""

    query: str
    variables: dict[str, Any] = field(default_factory=dict[str, Any])
    operation_name: str | None = None


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
        self._graph = graph_of(schema)
        self._documents = Documents(
            self._graph,
            limits,
            hides_suggestions=hides_suggestions,
            forbids_introspection=forbids_introspection,
        )
        self._introspected = Store[tuple[str, str | None], orjson.Fragment](INTROSPECTION_CAPACITY)

    def flaw(self, text: str) -> GraphQLError | None:
        """The first thing that is wrong with a document, whatever is asked of it; None if nothing is."""
        document = self._documents.document(text)
        return document.errors[0] if isinstance(document, InvalidDocument) else None

    async def execute(self, asked: Asked, context: Any) -> ExecutionResult:
        """The answer for who stands in the context; raises NoOperationError."""
        document = self._documents.document(asked.query)
        if isinstance(document, InvalidDocument):
            document.check(asked.operation_name)
            return ExecutionResult(None, list(document.errors))
        operation = document.operation(asked.operation_name)
        variables = operation.values(asked.variables)
        if isinstance(variables, list):
            return ExecutionResult(None, variables)
        deadline = asyncio.timeout(self._limits.seconds)
        try:
            async with deadline:
                plan = self._plan(document, operation, variables)
                if plan:
                    return await plan.execute(variables, context)
                return await self._walk(document, operation, asked, context)
        except TimeoutError:
            if not deadline.expired():
                raise
            return ExecutionResult(None, [exceeded(SLOW.format(self._limits.seconds))])

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
        plan = operation.plans[case] = _compiled(compilation)
        return plan

    async def _walk(
        self, document: Document, operation: Operation, asked: Asked, context: Any
    ) -> ExecutionResult:
        """The answer of graphql-core, or the same again where it can be no other."""
        key = asked.query, asked.operation_name
        known = self._introspected.get(key)
        if known:
            return ExecutionResult(cast(Any, known), None)
        answer = cast(Any, graphql.execute)(
            self._graph,
            document.node,
            context_value=context,
            variable_values=asked.variables,
            operation_name=asked.operation_name,
            executor_class=EveryRoot,
            hide_suggestions=self._hides_suggestions,
        )
        result = await answer if isawaitable(answer) else answer
        if result.errors is None and _is_introspection(operation):
            body = orjson.dumps(result.data)
            self._introspected.put(key, orjson.Fragment(body), len(asked.query) + len(body))
        return result


def _compiled(compilation: Compilation) -> Plan | None:
    try:
        return compilation.plan()
    # Also where a condition is null: graphql-core words what is wrong with it.
    except (UnplannedError, GraphQLError, RecursionError):
        return None


def _is_introspection(operation: Operation) -> bool:
    """Whether the schema alone decides the answer."""
    return not operation.node.variable_definitions and all(
        isinstance(node, FieldNode) and node.name.value.startswith("__")
        for node in operation.node.selection_set.selections
    )
