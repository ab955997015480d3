"""Declarations of fields: the columns or related rows that a field's values come from.

Both kinds of execution use the same declaration. The compiler turns it into a part of a plan, which
completes the field for all rows in one step. `fields.py` turns it into a resolver, which
graphql-core calls for each object.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Generic, TypeVar

import strawberry
from graphql import GraphQLField

from gql.errors import UnknownEnumValueError
from gql.execution.graphql_core import definition_of
from models.batch import Batch, GroupedRows

T = TypeVar("T")
# Converts a stored value with the request's context; its errors are field errors.
FieldConverter = Callable[[Any, Any], Any]
# Loads related rows from the request's context, the parents' keys, the selected columns and the
# field's arguments.
LoadRelation = Callable[..., Awaitable[GroupedRows]]
# Computes a value for each row from the request's context and tuples of source columns.
Compute = Callable[[Any, Sequence[Any]], Awaitable[Sequence[Any]]]
# Builds the error of a field.
BuildError = Callable[[], Exception]
# Returns a type when it is needed, since types refer to each other.
TypeThunk = Callable[[], Callable[..., Any]]

METADATA_KEY = "flowql"


@strawberry.type
class RowObject:
    """The base of the object types: a row of values by column name."""

    row: strawberry.Private[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class RowList(Generic[T]):
    """A list of objects over a batch, which creates each object when it is iterated over."""

    type_: Callable[..., T]
    batch: Batch

    @property
    def object_count(self) -> int:
        """The number of objects in the list."""
        return self.batch.size

    def __iter__(self) -> Iterator[T]:
        return (self.type_(row=row) for row in self.batch.rows())


@dataclass(frozen=True, slots=True)
class TypedRows(Generic[T]):
    """The objects of one type in a list of several types, with their positions in it."""

    rows: RowList[T]
    positions: Sequence[int]


@dataclass(frozen=True, slots=True)
class MixedList(Generic[T]):
    """A list of nullable objects of several types.

    `errors` are the errors of items by position; every other position without an object is null.
    """

    size: int
    parts: Sequence[TypedRows[T]]
    errors: Mapping[int, Exception]

    @property
    def object_count(self) -> int:
        """The number of objects in the list, without null items."""
        return sum(part.rows.object_count for part in self.parts)

    def __iter__(self) -> Iterator[T | Exception | None]:
        """Iterate over the items; graphql-core raises those that are errors."""
        items: list[T | Exception | None] = [self.errors.get(i) for i in range(self.size)]
        for part in self.parts:
            for position, item in zip(part.positions, part.rows, strict=True):
                items[position] = item
        return iter(items)


@dataclass(frozen=True, slots=True)
class Column:
    """A field with the value of a column, converted if there is a converter."""

    name: str
    convert: FieldConverter | None = None


@dataclass(frozen=True, slots=True)
class Joined:
    """A field with an object whose columns are in the same row, prefixed with `name` and a dot.

    The field is null if the object's `pk` is null.
    """

    name: str
    type_thunk: TypeThunk

    @property
    def key_column(self) -> str:
        """The column that is null if there is no object."""
        return self.column_name("pk")

    def column_name(self, column: str) -> str:
        """Return the name in the row for a column of the object."""
        return f"{self.name}.{column}"

    def resolve(self, row: Mapping[str, Any]) -> Any:
        """Return the object in a row, None if there is none."""
        if row.get(self.key_column, self) is None:
            return None
        prefix = self.column_name("")
        inner = {name.removeprefix(prefix): row[name] for name in row if name.startswith(prefix)}
        return self.type_thunk()(row=inner)


@dataclass(frozen=True, slots=True)
class Relation:
    """A field with the objects that refer to the parent's `key_column`.

    They are loaded for many parents in one batch. If the key is null, the field fails with the
    error that `null_key_error` builds.
    """

    key_column: str
    type_thunk: TypeThunk
    load: LoadRelation
    null_key_error: BuildError | None = None


@dataclass(frozen=True, slots=True)
class Computed:
    """A field whose values are computed from columns of the row, for many objects in one batch.

    The values are strings, objects with lists of rows, or exceptions, which are errors of the field.
    The field is null if the first column is null. With `is_json`, the values are JSON texts, which
    the scalar serializes.
    """

    columns: tuple[str, ...]
    compute: Compute
    is_json: bool = False


Declaration = Column | Joined | Relation | Computed


@dataclass(frozen=True, slots=True)
class EnumConverter:
    """A converter from stored values to the members of an enum of authentik."""

    enum: type[Enum]

    def __call__(self, value: Any, _context: Any) -> Enum:
        """Return the member with a stored value. Raises UnknownEnumValueError."""
        try:
            return self.enum(value)
        except ValueError:
            raise UnknownEnumValueError(self.enum.__name__, value) from None


def declaration_of(field: GraphQLField) -> Declaration | None:
    """Return the declaration of a field, None if it has only a resolver."""
    definition = definition_of(field)
    return definition.metadata.get(METADATA_KEY) if definition else None
