"""Execution by graphql-core: of what no plan can tell, and as the judge of what plans tell."""

from typing import Any, cast

from graphql import (
    GraphQLNonNull,
    located_error,
)
from graphql.execution.collect_fields import FieldDetailsList
from graphql.pyutils import Path
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext


class AllRootErrorsContext(StrawberryGraphQLCoreExecutionContext):
    """Tells what is wrong with each field of the root, whichever fails first.

    graphql-core breaks off what is under way where a field fails that may not be null; what is told
    would be a matter of time.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._is_nulled = False

    def handle_field_error(
        self,
        raw_error: Exception,
        return_type: Any,
        field_details_list: FieldDetailsList,
        path: Path,
    ) -> None:
        """Note the error of a field of the root, and go on."""
        if path.prev is not None or not isinstance(return_type, GraphQLNonNull):
            cast(Any, super()).handle_field_error(raw_error, return_type, field_details_list, path)
            return
        nodes = [details.node for details in field_details_list]
        self.collected_errors.add(located_error(raw_error, nodes, path.as_list()), path)
        self._is_nulled = True

    def build_response(self, data: dict[str, Any] | None) -> Any:
        """The answer, without data if one of the errors was such."""
        return super().build_response(None if self._is_nulled else data)
