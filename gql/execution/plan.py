"""A plan: what an operation asks, and how what is read becomes what is told.

An object is never visited. What is read arrives in columns, each field turns a column of what was
read into a column of what is told, and the rows across these columns are the objects.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import repeat
from typing import Any, NamedTuple, Protocol

from graphql import ExecutionResult, FieldNode, GraphQLError, GraphQLField, located_error
from graphql.execution.values import VariableValues, get_argument_values

from gql.execution.fields import Object, Objects, Read
from models.batch import Batch

Path = Sequence[str | int]
# What a field of the root tells that must null all data.
NULLED = object()
NULL = "Cannot return null for non-nullable field {}."
# Where in the answer the object of a row is.
Place = Callable[[int], Path]


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of a plan: for whom, and what has gone wrong."""

    context: Any
    errors: list[GraphQLError] = field(default_factory=list[GraphQLError])


@dataclass(frozen=True, slots=True)
class Answer:
    """Where a field's value stands in the answer, and what becomes of an error there."""

    name: str
    key: str
    nodes: list[FieldNode]
    is_nullable: bool

    def checked(self, values: Sequence[Any], place: Place, run: Run) -> Sequence[Any]:
        """The values, of which none is null if it may not be."""
        if not self.is_nullable and None in values:
            path = [*place(values.index(None)), self.key]
            self.failed(TypeError(NULL.format(self.name)), path, run)
        return values

    def failed(self, error: Exception, path: Path, run: Run) -> None:
        """Tell null and the error; raises it, if null may not be told here."""
        located = located_error(error, self.nodes, path)
        if not self.is_nullable:
            raise located
        run.errors.append(located)


class Field(Protocol):
    """Tells a column: a value for each row of a batch."""

    @property
    def column(self) -> str | None:
        """The column that it reads."""
        ...

    def tell(self, batch: Batch, place: Place, run: Run, /) -> Iterable[Any]:
        """The values in the order of the rows; raises a GraphQLError that must null its parent."""
        ...


@dataclass(frozen=True, slots=True)
class Typename:
    """Tells the name of the type."""

    name: str
    column: None = None

    def tell(self, batch: Batch, _place: Place, _run: Run) -> Iterable[Any]:
        """The same for each."""
        return repeat(self.name, batch.size)


@dataclass(frozen=True, slots=True)
class Stored:
    """Tells a column as it was read."""

    column: str
    answer: Answer

    def tell(self, batch: Batch, place: Place, run: Run) -> Iterable[Any]:
        """The column."""
        return self.answer.checked(batch.columns[self.column], place, run)


@dataclass(frozen=True, slots=True)
class Told:
    """Tells what a function makes of each value."""

    column: str
    answer: Answer
    read: Read

    def tell(self, batch: Batch, place: Place, run: Run) -> Iterable[Any]:
        """What the function gives, or null where it fails."""
        values, read, context = batch.columns[self.column], self.read, run.context
        try:
            told = [read(value, context) for value in values]
        except Exception:  # noqa: BLE001 - whatever it is, it is told of its own row
            return [self._one(index, value, place, run) for index, value in enumerate(values)]
        return self.answer.checked(told, place, run)

    def _one(self, index: int, value: Any, place: Place, run: Run) -> Any:
        try:
            return self.read(value, run.context)
        except Exception as error:  # noqa: BLE001 - as graphql-core does
            return self.answer.failed(error, [*place(index), self.answer.key], run)


@dataclass(frozen=True, slots=True)
class Named:
    """Tells the names of an enum's values, which are few."""

    names: Mapping[Any, str]
    otherwise: Told

    @property
    def column(self) -> str:
        """The column that it reads."""
        return self.otherwise.column

    def tell(self, batch: Batch, place: Place, run: Run) -> Iterable[Any]:
        """The names; one that is not known is read as any value is, and fails."""
        told = list(map(self.names.get, batch.columns[self.column]))
        return self.otherwise.tell(batch, place, run) if None in told else told


@dataclass(frozen=True, slots=True)
class Shape:
    """Tells objects of one type: a key for each field."""

    keys: tuple[str, ...]
    fields: tuple[Field, ...]
    # What its fields read, and what those below them do, by the path of columns that leads there.
    columns: Mapping[tuple[str, ...], tuple[str, ...]]

    def tell(self, batch: Batch, place: Place, run: Run) -> list[dict[str, Any]]:
        """An object for each row; raises the error of the first that may not be told."""
        noted = len(run.errors)
        try:
            return self._told(batch, place, run)
        except GraphQLError:
            if batch.size == 1:
                raise
        # graphql-core goes row by row: another may fail first, and what is behind it is not told.
        del run.errors[noted:]
        one_by_one = enumerate(map(Batch.of, batch.rows()))
        return [self.tell(row, partial(_at, place(index)), run)[0] for index, row in one_by_one]

    def _told(self, batch: Batch, place: Place, run: Run) -> list[dict[str, Any]]:
        if not (self.fields and batch.size):
            return [{} for _ in range(batch.size)]
        columns = [field.tell(batch, place, run) for field in self.fields]
        return [dict(zip(self.keys, row, strict=True)) for row in zip(*columns, strict=True)]


def _at(path: Path, _index: int) -> Path:
    return path


@dataclass(frozen=True, slots=True)
class Nested:
    """Tells the objects, or lists of objects, that are in a column."""

    column: str
    answer: Answer
    shape: Shape

    def tell(self, batch: Batch, place: Place, run: Run) -> Iterable[Any]:
        """What is told of each, or null where its own null may not be told."""
        values = enumerate(batch.columns[self.column])
        return [self.told(value, [*place(index), self.answer.key], run) for index, value in values]

    def told(self, value: Object | Objects[Any] | None, path: Path, run: Run) -> Any:
        """What is told of one."""
        try:
            if isinstance(value, Objects):
                return self.shape.tell(value.batch, lambda index: [*path, index], run)
            if value is None:
                return self.answer.checked((None,), lambda _: path[:-1], run)[0]
            return self.shape.tell(Batch.of(value.row), partial(_at, path), run)[0]
        except Exception as error:  # noqa: BLE001 - as graphql-core does
            return self.answer.failed(error, path, run)


class Asking(NamedTuple):
    """What a resolver knows of who asks, and for what: all that it takes of Strawberry's Info."""

    context: Any
    columns: Mapping[tuple[str, ...], tuple[str, ...]]

    def selected(self, *path: str) -> tuple[str, ...] | None:
        """The columns that the fields selected below a path are told from; None if it is not."""
        return self.columns.get(path)


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument: its name, and how a resolver takes it; as it is coerced, if nothing is said."""

    name: str
    python_name: str
    convert: Callable[[Any], Any] | None


@dataclass(frozen=True, slots=True)
class Root:
    """A field of the root: asks a resolver, and tells what that finds."""

    nested: Nested
    field: GraphQLField
    resolve: Callable[..., Awaitable[Any]]
    arguments: tuple[Argument, ...]
    columns: Mapping[tuple[str, ...], tuple[str, ...]]

    async def tell(self, variables: VariableValues, run: Run) -> Any:
        """What is told; raises a GraphQLError if that must null all data."""
        answer = self.nested.answer
        path = [answer.key]
        try:
            given = get_argument_values(self.field, answer.nodes[0], variables)
            arguments = {
                argument.python_name: argument.convert(given[argument.name])
                if argument.convert
                else given[argument.name]
                for argument in self.arguments
                if argument.name in given
            }
            asking = Asking(run.context, self.columns)
            found = await self.resolve(None, info=asking, **arguments)
        except Exception as error:  # noqa: BLE001 - as graphql-core does
            return answer.failed(error, path, run)
        return self.nested.told(found, path, run)


@dataclass(frozen=True, slots=True)
class Plan:
    """What an operation asks: its roots side by side, and the name of their type where asked."""

    roots: Mapping[str, Root | Typename]

    async def execute(self, variables: VariableValues, context: Any) -> ExecutionResult:
        """The data, and the errors of all roots; no data, if one of them failed that may not."""
        run = Run(context)
        asked = [_asked(root, variables, run) for root in self.roots.values()]
        told = [await asked[0]] if len(asked) == 1 else await asyncio.gather(*asked)
        is_nulled = any(value is NULLED for value in told)
        data = None if is_nulled else dict(zip(self.roots, told, strict=True))
        return ExecutionResult(data, run.errors or None)


async def _asked(root: Root | Typename, variables: VariableValues, run: Run) -> Any:
    if isinstance(root, Typename):
        return root.name
    try:
        return await root.tell(variables, run)
    except GraphQLError as error:
        run.errors.append(error)
        return NULLED
