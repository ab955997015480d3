"""A plan: what an operation asks, and how what is read becomes what is told.

An object is never visited. What is read arrives in columns, each field turns a column of what was
read into a column of what is told, and the rows across these columns are the objects. What belongs
to objects and stands in other tables is loaded before, level by level, for all objects of a level.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import repeat
from typing import Any, NamedTuple, Protocol, TypeVar, cast

from graphql import ExecutionResult, FieldNode, GraphQLError, GraphQLField, located_error
from graphql.execution.values import VariableValues, get_argument_values

from gql.execution.declarations import Load, MakeAll, Object, Objects, Read
from models.batch import Batch

T = TypeVar("T")
Path = Sequence[str | int]
# Columns of a batch by their names.
Columns = Mapping[str, Sequence[Any]]
# The names of columns by the path of names that leads to them.
Paths = Mapping[tuple[str, ...], tuple[str, ...]]
# What a resolver finds.
Found = Object | Objects[Any] | None
# What a field of the root tells that must null all data.
NULLED = object()
NULL = "Cannot return null for non-nullable field {}."
NO_VARIABLES = VariableValues({}, {})
# Where in the answer the object of a row is.
Place = Callable[[int], Path]


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of a plan: for whom, and what has gone wrong."""

    context: Any
    variables: VariableValues = NO_VARIABLES
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
    def reads(self) -> tuple[str, ...]:
        """The columns that it reads."""
        ...

    def tell(self, batch: Batch, place: Place, run: Run, /) -> Iterable[Any]:
        """The values in the order of the rows; raises a GraphQLError that must null its parent."""
        ...


@dataclass(frozen=True, slots=True)
class Typename:
    """Tells the name of the type."""

    name: str
    reads: tuple[str, ...] = ()

    def tell(self, batch: Batch, _place: Place, _run: Run) -> Iterable[Any]:
        """The same for each."""
        return repeat(self.name, batch.size)


@dataclass(frozen=True, slots=True)
class Stored:
    """Tells a column as it was read."""

    column: str
    answer: Answer

    @property
    def reads(self) -> tuple[str, ...]:
        """The column."""
        return (self.column,)

    def tell(self, batch: Batch, place: Place, run: Run) -> Iterable[Any]:
        """The column."""
        return self.answer.checked(batch.columns[self.column], place, run)


@dataclass(frozen=True, slots=True)
class Told:
    """Tells what a function makes of each value."""

    column: str
    answer: Answer
    read: Read

    @property
    def reads(self) -> tuple[str, ...]:
        """The column."""
        return (self.column,)

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
    def reads(self) -> tuple[str, ...]:
        """The column."""
        return self.otherwise.reads

    def tell(self, batch: Batch, place: Place, run: Run) -> Iterable[Any]:
        """The names; one that is not known is read as any value is, and fails."""
        told = list(map(self.names.get, batch.columns[self.otherwise.column]))
        return self.otherwise.tell(batch, place, run) if None in told else told


class Loading(Field, Protocol):
    """Tells what has to be loaded first."""

    @property
    def slots(self) -> tuple[str, ...]:
        """The columns that it loads, which none that is read is called; none: it has nothing to load."""
        ...

    async def load(self, batch: Batch, run: Run, /) -> Columns:
        """These columns."""
        ...


@dataclass(frozen=True, slots=True)
class Shape:
    """Tells objects of one type: a key for each field."""

    keys: tuple[str, ...]
    fields: tuple[Field, ...]
    # What its fields read, and what those below them do, by the path of columns that leads there.
    columns: Paths
    loading: tuple[Loading, ...] = ()

    @property
    def slots(self) -> tuple[str, ...]:
        """The columns that are loaded for it."""
        return tuple(slot for field in self.loading for slot in field.slots)

    async def loaded(self, batch: Batch, run: Run) -> Batch:
        """The same rows, with what is loaded for them."""
        if not (self.loading and batch.size):
            return batch
        found = await gathered(field.load(batch, run) for field in self.loading)
        columns = dict(batch.columns)
        for more in found:
            columns |= more
        return Batch(columns, batch.size)

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
        return [
            self.tell(batch.row(index), partial(_at, place(index)), run)[0]
            for index in range(batch.size)
        ]

    def _told(self, batch: Batch, place: Place, run: Run) -> list[dict[str, Any]]:
        if not (self.fields and batch.size):
            return [{} for _ in range(batch.size)]
        columns = [field.tell(batch, place, run) for field in self.fields]
        return [dict(zip(self.keys, row, strict=True)) for row in zip(*columns, strict=True)]


def _at(path: Path, _index: int) -> Path:
    return path


async def gathered(asked: Iterable[Awaitable[T]]) -> Sequence[T]:
    """What all of them give; one alone takes no task."""
    awaited = list(asked)
    return [await awaited[0]] if len(awaited) == 1 else await asyncio.gather(*awaited)


@dataclass(frozen=True, slots=True)
class Nested:
    """Tells the objects, or lists of objects, that are in a column."""

    column: str
    answer: Answer
    shape: Shape

    @property
    def reads(self) -> tuple[str, ...]:
        """The column."""
        return (self.column,)

    @property
    def slots(self) -> tuple[str, ...]:
        """The column of the same with what is loaded for them, if anything is."""
        return (slot_of(self.answer),) if self.shape.loading else ()

    async def load(self, batch: Batch, run: Run) -> Columns:
        """The same objects, with what is loaded for them."""
        values = batch.columns[self.column]
        return {slot_of(self.answer): [await self.loaded(value, run) for value in values]}

    async def loaded(self, value: Found, run: Run) -> Found:
        """What was found, with what is loaded for it."""
        if value is None or not self.shape.loading:
            return value
        if isinstance(value, Objects):
            return replace(value, batch=await self.shape.loaded(value.batch, run))
        batch = await self.shape.loaded(Batch.of(value.row), run)
        return type(value)(row=next(batch.rows()))

    def tell(self, batch: Batch, place: Place, run: Run) -> Iterable[Any]:
        """What is told of each, or null where its own null may not be told."""
        values = batch.columns[slot_of(self.answer) if self.shape.loading else self.column]
        return [
            self.told(value, [*place(index), self.answer.key], run)
            for index, value in enumerate(values)
        ]

    def told(self, value: Found, path: Path, run: Run) -> Any:
        """What is told of one."""
        try:
            if isinstance(value, Objects):
                return self.shape.tell(value.batch, lambda index: [*path, index], run)
            if value is None:
                return self.answer.checked((None,), lambda _: path[:-1], run)[0]
            return self.shape.tell(Batch.of(value.row), partial(_at, path), run)[0]
        except Exception as error:  # noqa: BLE001 - as graphql-core does
            return self.answer.failed(error, path, run)


def slot_of(answer: Answer) -> str:
    """What the column is called that is loaded for a field: as none that is read."""
    return f"@{answer.key}"


@dataclass(frozen=True, slots=True)
class Embedded:
    """Tells the objects that stand in the same rows, none where `key` is null.

    `columns` are what these are called in the row, by their names in the object.
    """

    key: str
    answer: Answer
    shape: Shape
    columns: Mapping[str, str]

    @property
    def reads(self) -> tuple[str, ...]:
        """The columns of the objects, and the one that tells whether there is one."""
        columns = tuple(self.columns[name] for name in self.shape.columns[()])
        return (self.key, *columns) if self.answer.is_nullable else columns

    @property
    def slots(self) -> tuple[str, ...]:
        """What is loaded for the objects."""
        return tuple(map(self._slot, self.shape.slots))

    async def load(self, batch: Batch, run: Run) -> Columns:
        """What is loaded for the objects."""
        inner = Batch(self._read(batch), batch.size)
        found = await self.shape.loaded(inner, run)
        return {self._slot(slot): found.columns[slot] for slot in self.shape.slots}

    def tell(self, batch: Batch, place: Place, run: Run) -> Iterable[Any]:
        """An object for each row, or null where there is none."""
        loaded = {slot: batch.columns[self._slot(slot)] for slot in self.shape.slots}
        inner = Batch(self._read(batch) | loaded, batch.size)
        if not self.answer.is_nullable:
            return self.shape.tell(inner, lambda index: [*place(index), self.answer.key], run)
        there = [index for index, key in enumerate(batch.columns[self.key]) if key is not None]
        told: list[Any] = [None] * batch.size
        objects = self._told(inner.chosen(there), lambda index: place(there[index]), run)
        for index, value in zip(there, objects, strict=True):
            told[index] = value
        return told

    def _told(self, batch: Batch, place: Place, run: Run) -> Sequence[Any]:
        """An object for each row, or null where its own null may not be told."""
        noted = len(run.errors)
        try:
            return self.shape.tell(batch, lambda index: [*place(index), self.answer.key], run)
        except GraphQLError:
            del run.errors[noted:]
        return [
            self._one(batch.row(i), [*place(i), self.answer.key], run) for i in range(batch.size)
        ]

    def _one(self, row: Batch, path: Path, run: Run) -> Any:
        try:
            return self.shape.tell(row, partial(_at, path), run)[0]
        except GraphQLError as error:
            return self.answer.failed(error, path, run)

    def _read(self, batch: Batch) -> dict[str, Sequence[Any]]:
        return {name: batch.columns[self.columns[name]] for name in self.shape.columns[()]}

    def _slot(self, slot: str) -> str:
        return f"@{self.answer.key}{slot}"


class Some(NamedTuple):
    """The rows from `start` up to `stop` of a batch, which belong to one parent."""

    batch: Batch
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Related:
    """Tells the lists of what belongs to the objects by their column `key`."""

    key: str
    answer: Answer
    shape: Shape
    load_for: Load
    call: "Call"

    @property
    def reads(self) -> tuple[str, ...]:
        """The column."""
        return (self.key,)

    @property
    def slots(self) -> tuple[str, ...]:
        """The column of the lists."""
        return (slot_of(self.answer),)

    async def load(self, batch: Batch, run: Run) -> Columns:
        """The lists, loaded at once; where that fails, the error for each."""
        keys = batch.columns[self.key]
        try:
            lists = await self._lists(keys, run)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told of each list
            lists = [error] * batch.size
        return {slot_of(self.answer): lists}

    async def _lists(self, keys: Sequence[Any], run: Run) -> Sequence[Some | Exception]:
        arguments = self.call.arguments(self.answer.nodes[0], run.variables)
        wanted = [key for key in dict.fromkeys(keys) if key is not None]
        columns = self.shape.columns[()]
        found = await self.load_for(run.context, wanted, columns, **arguments)
        batch = await self.shape.loaded(found.batch, run)
        return [Some(batch, *found.span(key)) for key in keys]

    def tell(self, batch: Batch, place: Place, run: Run) -> Iterable[Any]:
        """The lists, or null where null may be told."""
        lists = batch.columns[slot_of(self.answer)]
        return self._told_at_once(lists, run) or [
            self._told(one, [*place(index), self.answer.key], run)
            for index, one in enumerate(lists)
        ]

    def _told_at_once(self, lists: Sequence[Some | Exception], run: Run) -> Sequence[Any] | None:
        """All lists, of which the objects are told but once; None if anything is wrong with one."""
        first = lists[0]
        if len(lists) == 1 or isinstance(first, Exception):
            return None
        noted = len(run.errors)
        # Where no error is told, nobody asks for a place.
        with suppress(GraphQLError):
            told = self.shape.tell(first.batch, _nowhere, run)
            if len(run.errors) == noted:
                return [told[one.start : one.stop] for one in cast(Sequence[Some], lists)]
        del run.errors[noted:]
        return None

    def _told(self, one: Some | Exception, path: Path, run: Run) -> Any:
        if isinstance(one, Exception):
            return self.answer.failed(one, path, run)
        batch = one.batch.part(one.start, one.stop)
        try:
            return self.shape.tell(batch, lambda index: [*path, index], run)
        except GraphQLError as error:
            return self.answer.failed(error, path, run)


def _nowhere(_index: int) -> Path:
    return ()


@dataclass(frozen=True, slots=True)
class Made:
    """Tells what is made of some columns, of which the first is null where there is nothing."""

    columns: tuple[str, ...]
    answer: Answer
    make: MakeAll

    @property
    def reads(self) -> tuple[str, ...]:
        """The columns."""
        return self.columns

    @property
    def slots(self) -> tuple[str, ...]:
        """The column of what is made."""
        return (slot_of(self.answer),)

    async def load(self, batch: Batch, run: Run) -> Columns:
        """What is made of all rows at once; where that fails, the error for each."""
        rows = list(batch.tuples(self.columns))
        wanted = [row for row in dict.fromkeys(rows) if row[0] is not None]
        try:
            found = dict(zip(wanted, await self.make(run.context, wanted), strict=True))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told of each row
            return {slot_of(self.answer): [error] * batch.size}
        return {slot_of(self.answer): [found.get(row) for row in rows]}

    def tell(self, batch: Batch, place: Place, run: Run) -> Iterable[Any]:
        """What is made, or null where that failed."""
        values = batch.columns[slot_of(self.answer)]
        told = [
            self.answer.failed(value, [*place(index), self.answer.key], run)
            if isinstance(value, Exception)
            else value
            for index, value in enumerate(values)
        ]
        return self.answer.checked(told, place, run)


class Asking(NamedTuple):
    """What a resolver knows of who asks, and for what: all that it takes of Strawberry's Info."""

    context: Any
    columns: Paths

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
class Call:
    """How a field's resolver is called."""

    field: GraphQLField
    takes: tuple[Argument, ...]

    def arguments(self, node: FieldNode, variables: VariableValues) -> dict[str, Any]:
        """The arguments as a resolver takes them, out of what is given; raises what is wrong."""
        if not self.takes:
            return {}
        given = get_argument_values(self.field, node, variables)
        return {
            argument.python_name: argument.convert(given[argument.name])
            if argument.convert
            else given[argument.name]
            for argument in self.takes
            if argument.name in given
        }


@dataclass(frozen=True, slots=True)
class Root:
    """A field of the root: asks a resolver, and tells what that finds.

    `kinds` are what is told of each type that may be found, by its name.
    """

    answer: Answer
    kinds: Mapping[str, Nested]
    resolve: Callable[..., Awaitable[Any]]
    call: Call
    columns: Paths

    async def tell(self, run: Run) -> Any:
        """What is told; raises a GraphQLError if that must null all data."""
        path = [self.answer.key]
        try:
            arguments = self.call.arguments(self.answer.nodes[0], run.variables)
            found = await self.resolve(None, info=Asking(run.context, self.columns), **arguments)
            nested = self._kind(found)
            loaded = await nested.loaded(found, run)
        except Exception as error:  # noqa: BLE001 - as graphql-core does
            return self.answer.failed(error, path, run)
        return nested.told(loaded, path, run)

    def _kind(self, found: Found) -> Nested:
        if len(self.kinds) == 1 or found is None:
            return next(iter(self.kinds.values()))
        return self.kinds[cast(Any, found).__strawberry_definition__.name]


@dataclass(frozen=True, slots=True)
class Plan:
    """What an operation asks: its roots side by side, and the name of their type where asked."""

    roots: Mapping[str, Root | Typename]

    async def execute(self, variables: VariableValues, context: Any) -> ExecutionResult:
        """The data, and the errors of all roots; no data, if one of them failed that may not."""
        run = Run(context, variables)
        told = await gathered(_asked(root, run) for root in self.roots.values())
        is_nulled = any(value is NULLED for value in told)
        data = None if is_nulled else dict(zip(self.roots, told, strict=True))
        return ExecutionResult(data, run.errors or None)


async def _asked(root: Root | Typename, run: Run) -> Any:
    if isinstance(root, Typename):
        return root.name
    try:
        return await root.tell(run)
    except GraphQLError as error:
        run.errors.append(error)
        return NULLED
