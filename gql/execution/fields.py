"""How types declare their fields: each is told from a column of what was read.

One declaration serves both ways of execution. Strawberry makes a resolver of it, which graphql-core
asks for every object; the compiler makes a part of a plan of it, which tells of all objects at once.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Generic, TypeVar, cast

import strawberry
from graphql import (
    GraphQLArgument,
    GraphQLField,
    GraphQLList,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLSchema,
    get_named_type,
)
from strawberry.types.field import StrawberryField

from gql.errors import UnknownEnumValueError
from models.batch import Batch

T = TypeVar("T")
# A stored value, and the request's context, as what GraphQL is told; raises what the client is told.
Read = Callable[[Any, Any], Any]

METADATA = "flowql"
# What Strawberry calls itself in the extensions of graphql-core's schema.
DEFINITION = "strawberry-definition"


@strawberry.type
class Object:
    """What every type of the graph is made from: its values by the names of their columns."""

    row: strawberry.Private[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Objects(Generic[T]):
    """A list of objects that are made, one by one, only for who goes through it."""

    make: Callable[..., T]
    batch: Batch

    def __iter__(self) -> Iterator[T]:
        return (self.make(row=row) for row in self.batch.rows())


@dataclass(frozen=True, slots=True)
class Column:
    """The column that a field is told from, and how; as it is stored, if nothing is said."""

    name: str
    read: Read | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """Reads the stored value of one of authentik's enums."""

    enum: type[Enum]

    def __call__(self, value: Any, _context: Any) -> Enum:
        """The member that is stored so; raises UnknownEnumValueError."""
        try:
            return self.enum(value)
        except ValueError:
            raise UnknownEnumValueError(self.enum.__name__, value) from None


def column(name: str, description: str, read: Read | None = None) -> Any:
    """A field that is told from a column of its object's row."""

    def resolve(root: Object, info: strawberry.Info[Any, Any]) -> Any:
        value = root.row[name]
        return read(value, info.context) if read else value

    metadata = {METADATA: Column(name, read)}
    return strawberry.field(cast(Any, resolve), description=description, metadata=metadata)


def declared(field: GraphQLField) -> Column | None:
    """The column that a field of the schema is told from; None if it has a resolver of its own."""
    definition = definition_of(field)
    return definition.metadata.get(METADATA) if definition else None


def definition_of(field: GraphQLField) -> StrawberryField | None:
    """Strawberry's own view of a field; None for one of graphql-core's."""
    return field.extensions.get(DEFINITION)


def resolver_of(definition: StrawberryField) -> Callable[..., Awaitable[Any]] | None:
    """The function that Strawberry awaits for a field, called with a root and an `info`.

    None where that is not all that Strawberry does: permissions and extensions are its own.
    """
    resolver = cast(Any, definition).base_resolver
    if not resolver or definition.extensions or definition.permission_classes:
        return None
    is_called_so = resolver.is_async and resolver.self_parameter and resolver.info_parameter
    return resolver.wrapped_func if is_called_so else None


# graphql-core's types are generic in ways that no checker can follow; these are what is asked of them.


def type_of(field: GraphQLField | GraphQLArgument) -> GraphQLNamedType:
    """The type of a field or an argument, without lists and non-nulls around it."""
    return cast(GraphQLNamedType, get_named_type(cast(Any, field).type))


def is_list(field: GraphQLField | GraphQLArgument) -> bool:
    """Whether a field or an argument is a list."""
    return isinstance(_without_non_null(cast(Any, field).type), GraphQLList)


def has_nullable_items(field: GraphQLField) -> bool:
    """Whether null may stand in a field's list, or the items of that are lists again."""
    list_ = _without_non_null(cast(Any, field).type)
    if not isinstance(list_, GraphQLList):
        return False
    items = cast(Any, list_).of_type
    return not isinstance(items, GraphQLNonNull) or cast(Any, items).of_type is not type_of(field)


def is_nullable(field: GraphQLField) -> bool:
    """Whether a field may be told as null."""
    return not isinstance(cast(Any, field).type, GraphQLNonNull)


def graph_of(schema: strawberry.Schema) -> GraphQLSchema:
    """The schema as graphql-core has it, for which Strawberry has no public name."""
    return cast(GraphQLSchema, getattr(schema, "_schema"))  # noqa: B009 - no name of ours


def _without_non_null(type_: Any) -> Any:
    return cast(Any, type_).of_type if isinstance(type_, GraphQLNonNull) else type_
