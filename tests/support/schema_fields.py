"""Typed access to the fields and types of a graphql-core schema."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from graphql import (
    GraphQLArgument,
    GraphQLDirective,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    SchemaMetaFieldDef,
    TypeMetaFieldDef,
    TypeNameMetaFieldDef,
    get_named_type,
    is_composite_type,
)


def fields_of(schema: GraphQLSchema, type_: GraphQLNamedType) -> Mapping[str, GraphQLField]:
    """Return the fields that can be selected on a type, leaves first."""
    fields: dict[str, GraphQLField] = {}
    if isinstance(type_, GraphQLObjectType | GraphQLInterfaceType):
        fields = dict(sorted(type_.fields.items(), key=lambda item: not is_leaf(item[1])))
    fields["__typename"] = TypeNameMetaFieldDef
    if type_ is schema.query_type:
        fields |= {"__schema": SchemaMetaFieldDef, "__type": TypeMetaFieldDef}
    return fields


def type_of(field: GraphQLField | GraphQLArgument | GraphQLInputField) -> Any:
    """Return the type of a field or argument; graphql-core's annotation is partially unknown."""
    return cast(Any, field).type


def named_type_of(field: GraphQLField | GraphQLArgument | GraphQLInputField) -> GraphQLNamedType:
    """Return the named type of a field or argument."""
    return cast(GraphQLNamedType, get_named_type(type_of(field)))


def inner_type(type_: Any) -> Any:
    """Return the type that a list or non-null type wraps."""
    return type_.of_type


def is_list(type_: Any) -> bool:
    """Return whether a type is a nullable list type."""
    return isinstance(type_, GraphQLList)


def is_non_null(type_: Any) -> bool:
    """Return whether a type is a non-null type."""
    return isinstance(type_, GraphQLNonNull)


def is_leaf(field: GraphQLField) -> bool:
    """Return whether a field has no selection set."""
    return not is_composite_type(named_type_of(field))


def is_flat(field: GraphQLInputField) -> bool:
    """Return whether an input field contains no input objects."""
    return not isinstance(named_type_of(field), GraphQLInputObjectType)


def directives_at(schema: GraphQLSchema, location: str) -> Sequence[GraphQLDirective]:
    """Return the directives that are valid at a location."""
    return [
        directive
        for directive in schema.directives
        if location in {valid.name for valid in directive.locations}
    ]
