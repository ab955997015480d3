"""How types declare their fields: from a column of what was read, or from rows that belong to it.

One declaration serves both ways of execution. Strawberry makes a resolver of it, which graphql-core
asks for every object; the compiler makes a part of a plan of it, which tells of all objects at once.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
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
from strawberry.dataloader import DataLoader
from strawberry.types.field import StrawberryField

from gql.errors import UnknownEnumValueError
from models.batch import Batch, Grouped

T = TypeVar("T")
# A stored value, and the request's context, as what GraphQL is told; raises what the client is told.
FieldConverter = Callable[[Any, Any], Any]
# A request's context, the keys of all parents, the columns wanted and the field's arguments.
LoadRelation = Callable[..., Awaitable[Grouped]]
# A request's context and the values of some columns, row by row, as what GraphQL is told of each row.
Compute = Callable[[Any, Sequence[Any]], Awaitable[Sequence[Any]]]
# The type of what is made; called late, since types refer to each other.
TypeThunk = Callable[[], Callable[..., Any]]

METADATA_KEY = "flowql"
# What Strawberry calls itself in the extensions of graphql-core's schema.
DEFINITION_KEY = "strawberry-definition"


@strawberry.type
class RowObject:
    """What every type of the graph is made from: its values by the names of their columns."""

    row: strawberry.Private[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class RowList(Generic[T]):
    """A list of objects that are made, one by one, only for who goes through it."""

    type_: Callable[..., T]
    batch: Batch

    def __iter__(self) -> Iterator[T]:
        return (self.type_(row=row) for row in self.batch.rows())


@dataclass(frozen=True, slots=True)
class Column:
    """The column that a field is told from, and how; as it is stored, if nothing is said."""

    name: str
    convert: FieldConverter | None = None


@dataclass(frozen=True, slots=True)
class Joined:
    """The object that stands in the same row, its columns behind `name` and a dot.

    There is none where its `pk` is null.
    """

    name: str
    type_thunk: TypeThunk

    @property
    def key_column(self) -> str:
        """The column that tells whether there is one."""
        return self.column_name("pk")

    def column_name(self, column: str) -> str:
        """What a column of the object is called in the row."""
        return f"{self.name}.{column}"

    def resolve(self, row: Mapping[str, Any]) -> Any:
        """The object of a row, None if there is none."""
        if row.get(self.key_column, self) is None:
            return None
        prefix = self.column_name("")
        inner = {name.removeprefix(prefix): row[name] for name in row if name.startswith(prefix)}
        return self.type_thunk()(row=inner)


@dataclass(frozen=True, slots=True)
class Relation:
    """The objects that belong to a parent by its column `key`, loaded for many parents at once."""

    key_column: str
    type_thunk: TypeThunk
    load: LoadRelation

    def loader(self, context: Any, columns: tuple[str, ...], arguments: Mapping[str, Any]) -> Any:
        """What loads at once for all parents that graphql-core comes by in one turn."""
        known = context.loaders
        same = (self, columns, *arguments.items())
        if same not in known:

            async def load(keys: list[Any]) -> Sequence[RowList[Any]]:
                found = await self.load(context, keys, columns, **arguments)
                return [RowList(self.type_thunk(), found.rows_of(key)) for key in keys]

            known[same] = DataLoader(load)
        return known[same]


@dataclass(frozen=True, slots=True)
class Computed:
    """What has to be loaded, by some columns of the row, for many objects at once.

    There is none where the first column is null.
    """

    columns: tuple[str, ...]
    compute: Compute

    def loader(self, context: Any) -> Any:
        """What makes at once what graphql-core comes by in one turn."""
        known = context.loaders
        if self not in known:

            async def load(rows: list[Any]) -> Sequence[Any]:
                return await self.compute(context, rows)

            known[self] = DataLoader(load)
        return known[self]


@dataclass(frozen=True, slots=True)
class EnumConverter:
    """Reads the stored value of one of authentik's enums."""

    enum: type[Enum]

    def __call__(self, value: Any, _context: Any) -> Enum:
        """The member that is stored so; raises UnknownEnumValueError."""
        try:
            return self.enum(value)
        except ValueError:
            raise UnknownEnumValueError(self.enum.__name__, value) from None


def column_field(name: str, description: str, read: FieldConverter | None = None) -> Any:
    """A field that is told from a column of its object's row."""

    def resolve(root: RowObject, info: strawberry.Info[Any, Any]) -> Any:
        value = root.row[name]
        return read(value, info.context) if read else value

    metadata = {METADATA_KEY: Column(name, read)}
    return strawberry.field(cast(Any, resolve), description=description, metadata=metadata)


def joined_field(name: str, make: TypeThunk, description: str) -> Any:
    """A field that is the object in the columns behind `name` and a dot."""
    embedding = Joined(name, make)

    def resolve(root: RowObject) -> Any:
        return embedding.resolve(root.row)

    return strawberry.field(
        cast(Any, resolve), description=description, metadata={METADATA_KEY: embedding}
    )


def relation_field(key: str, make: TypeThunk, load: LoadRelation, description: str) -> Any:
    """A field that is the list of the objects which belong to its own by the column `key`."""
    relation = Relation(key, make, load)

    async def resolve(root: RowObject, info: strawberry.Info[Any, Any]) -> Any:
        return await load_relation(relation, root, info, {})

    return strawberry.field(
        cast(Any, resolve), description=description, metadata={METADATA_KEY: relation}
    )


def computed_field(columns: tuple[str, ...], make: Compute, description: str) -> Any:
    """A field, told as it is made, for which something is loaded by these columns."""
    making = Computed(columns, make)

    async def resolve(root: RowObject, info: strawberry.Info[Any, Any]) -> Any:
        row = tuple(root.row[name] for name in columns)
        return None if row[0] is None else await making.loader(info.context).load(row)

    return strawberry.field(
        cast(Any, resolve), description=description, metadata={METADATA_KEY: making}
    )


async def load_relation(
    relation: Relation, root: RowObject, info: Any, arguments: Mapping[str, Any]
) -> RowList[Any]:
    """What graphql-core is told of one parent."""
    loader = relation.loader(info.context, info.selected() or (), arguments)
    return await loader.load(root.row[relation.key_column])


def declaration_of(field: GraphQLField) -> Column | Joined | Relation | Computed | None:
    """What a field of the schema is told from; None if it has a resolver of its own."""
    definition = definition_of(field)
    return definition.metadata.get(METADATA_KEY) if definition else None


def definition_of(field: GraphQLField) -> StrawberryField | None:
    """Strawberry's own view of a field; None for one of graphql-core's."""
    return field.extensions.get(DEFINITION_KEY)


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


def core_schema(schema: strawberry.Schema) -> GraphQLSchema:
    """The schema as graphql-core has it, for which Strawberry has no public name."""
    return cast(GraphQLSchema, getattr(schema, "_schema"))  # noqa: B009 - no name of ours


def _without_non_null(type_: Any) -> Any:
    return cast(Any, type_).of_type if isinstance(type_, GraphQLNonNull) else type_
