"""Execution of operations by graphql-core."""

from typing import Any, cast

import orjson
from graphql import (
    DocumentNode,
    ExecutionResult,
    FieldNode,
    GraphQLNonNull,
    GraphQLSchema,
    OperationDefinitionNode,
    located_error,
)
from graphql.execution.collect_fields import FieldDetailsList
from graphql.pyutils import Path
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from gql.execution.declarations import MixedList, RowList
from gql.execution.graphql_core import execute
from gql.execution.request import GraphQLRequest
from models.cache import SegmentedLRU

# In characters of documents and bytes of responses; a complete introspection has some 100,000.
INTROSPECTION_CAPACITY = 5_000_000


class FallbackExecutor:
    """Executes operations with graphql-core, and caches the responses of introspection."""

    def __init__(self, schema: GraphQLSchema, *, hides_suggestions: bool = False) -> None:
        self._schema = schema
        self._hides_suggestions = hides_suggestions
        # The values are Fragments, which are serialized in place of dicts.
        self._introspection_cache = SegmentedLRU[tuple[str, str | None], Any](
            INTROSPECTION_CAPACITY
        )

    async def execute(
        self,
        document: DocumentNode,
        operation: OperationDefinitionNode,
        request: GraphQLRequest,
        context: Any,
    ) -> ExecutionResult:
        """Execute an operation of a document, or return its cached introspection."""
        key = request.query, request.operation_name
        cached = self._introspection_cache.get(key)
        if cached:
            return ExecutionResult(cached, None)
        result = await execute(
            self._schema,
            document,
            context_value=context,
            variable_values=request.variables,
            operation_name=request.operation_name,
            executor_class=FallbackContext,
            hide_suggestions=self._hides_suggestions,
        )
        if result.errors is None and _is_introspection(operation):
            body = orjson.dumps(result.data)
            self._introspection_cache.put(
                key, orjson.Fragment(body), len(request.query) + len(body)
            )
        return result


def _is_introspection(operation: OperationDefinitionNode) -> bool:
    """Return whether the response depends on the schema alone."""
    return not operation.variable_definitions and all(
        isinstance(node, FieldNode) and node.name.value.startswith("__")
        for node in operation.selection_set.selections
    )


class FallbackContext(StrawberryGraphQLCoreExecutionContext):
    """An execution context that counts the objects in lists and reports all root fields' errors.

    graphql-core cancels the other root fields when a non-null one fails. The reported errors would
    depend on timing.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._is_data_null = False

    def complete_list_value(  # noqa: PLR0913, PLR0917 - the signature is graphql-core's
        self,
        return_type: Any,
        field_details_list: FieldDetailsList,
        info: Any,
        path: Path,
        result: Any,
        position_context: Any,
    ) -> Any:
        """Return the response value of a list, and count its objects; none if they are too many."""
        items = result if self._add_size(result) else ()
        # graphql-core's class is generic in a type that Strawberry leaves open.
        return cast(Any, super()).complete_list_value(
            return_type, field_details_list, info, path, items, position_context
        )

    def _add_size(self, value: Any) -> bool:
        """Count the objects of a list; return False if there are too many."""
        is_counted = isinstance(value, RowList | MixedList)
        return not is_counted or self.context_value.size.add(value.object_count)

    def handle_field_error(
        self,
        raw_error: Exception,
        return_type: Any,
        field_details_list: FieldDetailsList,
        path: Path,
    ) -> None:
        """Collect the error of a root field, and continue."""
        if path.prev is not None or not isinstance(return_type, GraphQLNonNull):
            cast(Any, super()).handle_field_error(raw_error, return_type, field_details_list, path)
            return
        nodes = [details.node for details in field_details_list]
        self.collected_errors.add(located_error(raw_error, nodes, path.as_list()), path)
        self._is_data_null = True

    def build_response(self, data: dict[str, Any] | None) -> Any:
        """Return the response; `data` is null if a non-null root field failed."""
        return super().build_response(None if self._is_data_null else data)
