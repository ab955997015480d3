"""The executable schema; schema.graphql contains its SDL."""

from datetime import datetime
from typing import Any, cast

import strawberry
from graphql import GraphQLError, GraphQLInputObjectType, GraphQLObjectType
from strawberry.schema.config import StrawberryConfig
from strawberry.types.execution import ExecutionContext

from gql.execution.fallback.executor import FallbackContext
from gql.execution.graphql_core import core_schema
from gql.schema.query import NODE_TYPES, Query
from gql.schema.types import (
    DATETIME_SCALAR,
    JSON,
    JSON_SCALAR,
    UUID,
    UUID_SCALAR,
    Info,
)


class Schema(strawberry.Schema):
    """Strawberry schema that does not log errors; the GraphQL endpoint logs them."""

    def process_errors(
        self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None
    ) -> None:
        """Do nothing. The endpoint logs errors together with their request."""


def build_schema() -> Schema:
    """Build the schema."""
    schema = Schema(
        query=Query,
        types=list(NODE_TYPES.values()),
        config=StrawberryConfig(
            scalar_map={UUID: UUID_SCALAR, JSON: JSON_SCALAR, datetime: DATETIME_SCALAR},
            info_class=Info,
        ),
        # For Schema.execute, the reference of the tests; the fallback sets the class itself.
        execution_context_class=FallbackContext,
    )
    introspection_type = cast(GraphQLObjectType, core_schema(schema).type_map["__Type"])
    # Strawberry's resolver of isOneOf raises an error for list and non-null types.
    introspection_type.fields["isOneOf"].resolve = _is_one_of
    return schema


def print_schema(schema: Schema) -> str:
    """Return the SDL of the schema, the content of schema.graphql."""
    return schema.as_str() + "\n"


def _is_one_of(type_: Any, _info: Any) -> bool | None:
    return type_.is_one_of if isinstance(type_, GraphQLInputObjectType) else None
