"""The executable schema; its text is schema.graphql."""

from typing import Any, cast

import strawberry
from graphql import GraphQLError, GraphQLInputObjectType, GraphQLObjectType
from strawberry.schema.config import StrawberryConfig
from strawberry.types.execution import ExecutionContext

from gql.execution.fallback.executor import AllRootErrorsContext
from gql.execution.graphql_core import core_schema
from gql.schema.query import NODE_TYPES, Query
from gql.schema.types import UUID, UUID_SCALAR, Info


class Schema(strawberry.Schema):
    """Strawberry's schema, which leaves the logging of errors to who knows the request."""

    def process_errors(
        self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None
    ) -> None:
        """Log nothing here."""


def build_schema() -> Schema:
    """The schema of the graph."""
    config = StrawberryConfig(scalar_map={UUID: UUID_SCALAR}, info_class=Info)
    types = list(NODE_TYPES.values())
    built = Schema(
        query=Query, types=types, config=config, execution_context_class=AllRootErrorsContext
    )
    described = cast(GraphQLObjectType, core_schema(built).type_map["__Type"])
    # Strawberry's own fails on a list and on what is not null.
    described.fields["isOneOf"].resolve = _is_one_of
    return built


def print_schema(schema: Schema) -> str:
    """The schema in GraphQL's own language: what schema.graphql says."""
    return schema.as_str() + "\n"


def _is_one_of(kind: Any, _info: Any) -> bool | None:
    return kind.is_one_of if isinstance(kind, GraphQLInputObjectType) else None
