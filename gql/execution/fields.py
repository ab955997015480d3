"""Strawberry fields from declarations.

Each field carries its declaration for the compiler, and a resolver for the fallback.
"""

from typing import Any

import strawberry

from gql.execution.declarations import (
    METADATA_KEY,
    Column,
    Compute,
    Computed,
    FieldConverter,
    Joined,
    LoadRelation,
    Relation,
    RowObject,
    TypeThunk,
)
from gql.execution.fallback.loaders import load_computed, load_relation
from gql.execution.graphql_core import make_field


def column_field(name: str, description: str, convert: FieldConverter | None = None) -> Any:
    """Return a field with the value of a column, converted if a converter is given."""

    def resolve(root: RowObject, info: strawberry.Info[Any, Any]) -> Any:
        value = root.row[name]
        return convert(value, info.context) if convert else value

    return make_field(resolve, description, {METADATA_KEY: Column(name, convert)})


def joined_field(name: str, type_thunk: TypeThunk, description: str) -> Any:
    """Return a field with the object in the columns prefixed with `name` and a dot."""
    joined = Joined(name, type_thunk)

    def resolve(root: RowObject) -> Any:
        return joined.resolve(root.row)

    return make_field(resolve, description, {METADATA_KEY: joined})


def relation_field(key: str, type_thunk: TypeThunk, load: LoadRelation, description: str) -> Any:
    """Return a field with the list of objects that refer to the parent's column `key`."""
    relation = Relation(key, type_thunk, load)

    async def resolve(root: RowObject, info: strawberry.Info[Any, Any]) -> Any:
        return await load_relation(relation, root, info, {})

    return make_field(resolve, description, {METADATA_KEY: relation})


def computed_field(
    columns: tuple[str, ...], compute: Compute, description: str, *, is_json: bool = False
) -> Any:
    """Return a field whose values are computed from columns of the row."""
    computed = Computed(columns, compute, is_json)

    async def resolve(root: RowObject, info: strawberry.Info[Any, Any]) -> Any:
        return await load_computed(computed, root, info)

    return make_field(resolve, description, {METADATA_KEY: computed})
