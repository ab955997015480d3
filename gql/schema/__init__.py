"""The GraphQL schema."""

from gql.schema.schema import Schema, build_schema, print_schema

__all__ = ["Schema", "build_schema", "print_schema"]
