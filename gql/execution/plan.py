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

from gql.execution.declarations import Compute, FieldConverter, LoadRelation, RowList, RowObject
from models.batch import Batch

T = TypeVar("T")
Path = Sequence[str | int]
# Columns of a batch by their names.
Columns = Mapping[str, Sequence[Any]]
# The names of columns by the path of names that leads to them.
ColumnPaths = Mapping[tuple[str, ...], tuple[str, ...]]
# What a resolver finds.
Resolved = RowObject | RowList[Any] | None
# What a field of the root tells that must null all data.
NULL_DATA = object()
NON_NULL_MESSAGE = "Cannot return null for non-nullable field {}."
NO_VARIABLES = VariableValues({}, {})
# Where in the answer the object of a row is.
PathOf = Callable[[int], Path]


@dataclass(frozen=True, slots=True)
class PlanRun:
    """One execution of a plan: for whom, and what has gone wrong."""

    context: Any
    variables: VariableValues = NO_VARIABLES
    errors: list[GraphQLError] = field(default_factory=list[GraphQLError])


@dataclass(frozen=True, slots=True)
class FieldInfo:
    """Where a field's value stands in the answer, and what becomes of an error there."""

    name: str
    response_key: str
    nodes: list[FieldNode]
    is_nullable: bool

    def require_non_null(self, values: Sequence[Any], place: PathOf, run: PlanRun) -> Sequence[Any]:
        """The values, of which none is null if it may not be."""
        if not self.is_nullable and None in values:
            path = [*place(values.index(None)), self.response_key]
            self.handle_error(TypeError(NON_NULL_MESSAGE.format(self.name)), path, run)
        return values

    def handle_error(self, error: Exception, path: Path, run: PlanRun) -> None:
        """Tell null and the error; raises it, if null may not be told here."""
        located = located_error(error, self.nodes, path)
        if not self.is_nullable:
            raise located
        run.errors.append(located)


class Field(Protocol):
    """Tells a column: a value for each row of a batch."""

    @property
    def source_columns(self) -> tuple[str, ...]:
        """The columns that it reads."""
        ...

    def complete(self, batch: Batch, place: PathOf, run: PlanRun, /) -> Iterable[Any]:
        """The values in the order of the rows; raises a GraphQLError that must null its parent."""
        ...


@dataclass(frozen=True, slots=True)
class Typename:
    """Tells the name of the type."""

    name: str
    source_columns: tuple[str, ...] = ()

    def complete(self, batch: Batch, _place: PathOf, _run: PlanRun) -> Iterable[Any]:
        """The same for each."""
        return repeat(self.name, batch.size)


@dataclass(frozen=True, slots=True)
class LeafField:
    """Tells a column as it was read."""

    column: str
    info: FieldInfo

    @property
    def source_columns(self) -> tuple[str, ...]:
        """The column."""
        return (self.column,)

    def complete(self, batch: Batch, place: PathOf, run: PlanRun) -> Iterable[Any]:
        """The column."""
        return self.info.require_non_null(batch.columns[self.column], place, run)


@dataclass(frozen=True, slots=True)
class ConvertedLeafField:
    """Tells what a function makes of each value."""

    column: str
    info: FieldInfo
    convert: FieldConverter

    @property
    def source_columns(self) -> tuple[str, ...]:
        """The column."""
        return (self.column,)

    def complete(self, batch: Batch, place: PathOf, run: PlanRun) -> Iterable[Any]:
        """What the function gives, or null where it fails."""
        values, read, context = batch.columns[self.column], self.convert, run.context
        try:
            told = [read(value, context) for value in values]
        except Exception:  # noqa: BLE001 - whatever it is, it is told of its own row
            return [
                self._complete_value(index, value, place, run) for index, value in enumerate(values)
            ]
        return self.info.require_non_null(told, place, run)

    def _complete_value(self, index: int, value: Any, place: PathOf, run: PlanRun) -> Any:
        try:
            return self.convert(value, run.context)
        except Exception as error:  # noqa: BLE001 - as graphql-core does
            return self.info.handle_error(error, [*place(index), self.info.response_key], run)


@dataclass(frozen=True, slots=True)
class EnumField:
    """Tells the names of an enum's values, which are few."""

    names: Mapping[Any, str]
    fallback: ConvertedLeafField

    @property
    def source_columns(self) -> tuple[str, ...]:
        """The column."""
        return self.fallback.source_columns

    def complete(self, batch: Batch, place: PathOf, run: PlanRun) -> Iterable[Any]:
        """The names; one that is not known is read as any value is, and fails."""
        told = list(map(self.names.get, batch.columns[self.fallback.column]))
        return self.fallback.complete(batch, place, run) if None in told else told


class LoadedField(Field, Protocol):
    """Tells what has to be loaded first."""

    @property
    def loaded_columns(self) -> tuple[str, ...]:
        """The columns that it loads, which none that is read is called; none: it has nothing to load."""
        ...

    async def load(self, batch: Batch, run: PlanRun, /) -> Columns:
        """These columns."""
        ...


@dataclass(frozen=True, slots=True)
class SelectionSet:
    """Tells objects of one type: a key for each field."""

    response_keys: tuple[str, ...]
    fields: tuple[Field, ...]
    # What its fields read, and what those below them do, by the path of columns that leads there.
    columns: ColumnPaths
    loaded_fields: tuple[LoadedField, ...] = ()

    @property
    def loaded_columns(self) -> tuple[str, ...]:
        """The columns that are loaded for it."""
        return tuple(slot for field in self.loaded_fields for slot in field.loaded_columns)

    async def load(self, batch: Batch, run: PlanRun) -> Batch:
        """The same rows, with what is loaded for them."""
        if not (self.loaded_fields and batch.size):
            return batch
        found = await gather(field.load(batch, run) for field in self.loaded_fields)
        columns = dict(batch.columns)
        for more in found:
            columns |= more
        return Batch(columns, batch.size)

    def complete(self, batch: Batch, place: PathOf, run: PlanRun) -> list[dict[str, Any]]:
        """An object for each row; raises the error of the first that may not be told."""
        noted = len(run.errors)
        try:
            return self._complete_rows(batch, place, run)
        except GraphQLError:
            if batch.size == 1:
                raise
        # graphql-core goes row by row: another may fail first, and what is behind it is not told.
        del run.errors[noted:]
        return [
            self.complete(batch.row(index), partial(_same_path, place(index)), run)[0]
            for index in range(batch.size)
        ]

    def _complete_rows(self, batch: Batch, place: PathOf, run: PlanRun) -> list[dict[str, Any]]:
        if not (self.fields and batch.size):
            return [{} for _ in range(batch.size)]
        columns = [field.complete(batch, place, run) for field in self.fields]
        return [
            dict(zip(self.response_keys, row, strict=True)) for row in zip(*columns, strict=True)
        ]


def _same_path(path: Path, _index: int) -> Path:
    return path


async def gather(asked: Iterable[Awaitable[T]]) -> Sequence[T]:
    """What all of them give; one alone takes no task."""
    awaited = list(asked)
    return [await awaited[0]] if len(awaited) == 1 else await asyncio.gather(*awaited)


@dataclass(frozen=True, slots=True)
class ObjectField:
    """Tells the objects, or lists of objects, that are in a column."""

    column: str
    info: FieldInfo
    selection_set: SelectionSet

    @property
    def source_columns(self) -> tuple[str, ...]:
        """The column."""
        return (self.column,)

    @property
    def loaded_columns(self) -> tuple[str, ...]:
        """The column of the same with what is loaded for them, if anything is."""
        return (loaded_column(self.info),) if self.selection_set.loaded_fields else ()

    async def load(self, batch: Batch, run: PlanRun) -> Columns:
        """The same objects, with what is loaded for them."""
        values = batch.columns[self.column]
        return {loaded_column(self.info): [await self.load_value(value, run) for value in values]}

    async def load_value(self, value: Resolved, run: PlanRun) -> Resolved:
        """What was found, with what is loaded for it."""
        if value is None or not self.selection_set.loaded_fields:
            return value
        if isinstance(value, RowList):
            return replace(value, batch=await self.selection_set.load(value.batch, run))
        batch = await self.selection_set.load(Batch.from_row(value.row), run)
        return type(value)(row=next(batch.rows()))

    def complete(self, batch: Batch, place: PathOf, run: PlanRun) -> Iterable[Any]:
        """What is told of each, or null where its own null may not be told."""
        values = batch.columns[
            loaded_column(self.info) if self.selection_set.loaded_fields else self.column
        ]
        return [
            self.complete_value(value, [*place(index), self.info.response_key], run)
            for index, value in enumerate(values)
        ]

    def complete_value(self, value: Resolved, path: Path, run: PlanRun) -> Any:
        """What is told of one."""
        try:
            if isinstance(value, RowList):
                return self.selection_set.complete(value.batch, lambda index: [*path, index], run)
            if value is None:
                return self.info.require_non_null((None,), lambda _: path[:-1], run)[0]
            return self.selection_set.complete(
                Batch.from_row(value.row), partial(_same_path, path), run
            )[0]
        except Exception as error:  # noqa: BLE001 - as graphql-core does
            return self.info.handle_error(error, path, run)


def loaded_column(answer: FieldInfo) -> str:
    """What the column is called that is loaded for a field: as none that is read."""
    return f"@{answer.response_key}"


@dataclass(frozen=True, slots=True)
class JoinedObjectField:
    """Tells the objects that stand in the same rows, none where `key` is null.

    `columns` are what these are called in the row, by their names in the object.
    """

    key_column: str
    info: FieldInfo
    selection_set: SelectionSet
    columns: Mapping[str, str]

    @property
    def source_columns(self) -> tuple[str, ...]:
        """The columns of the objects, and the one that tells whether there is one."""
        columns = tuple(self.columns[name] for name in self.selection_set.columns[()])
        return (self.key_column, *columns) if self.info.is_nullable else columns

    @property
    def loaded_columns(self) -> tuple[str, ...]:
        """What is loaded for the objects."""
        return tuple(map(self._loaded_column, self.selection_set.loaded_columns))

    async def load(self, batch: Batch, run: PlanRun) -> Columns:
        """What is loaded for the objects."""
        inner = Batch(self._inner_columns(batch), batch.size)
        found = await self.selection_set.load(inner, run)
        return {
            self._loaded_column(slot): found.columns[slot]
            for slot in self.selection_set.loaded_columns
        }

    def complete(self, batch: Batch, place: PathOf, run: PlanRun) -> Iterable[Any]:
        """An object for each row, or null where there is none."""
        loaded = {
            slot: batch.columns[self._loaded_column(slot)]
            for slot in self.selection_set.loaded_columns
        }
        inner = Batch(self._inner_columns(batch) | loaded, batch.size)
        if not self.info.is_nullable:
            return self.selection_set.complete(
                inner, lambda index: [*place(index), self.info.response_key], run
            )
        there = [
            index for index, key in enumerate(batch.columns[self.key_column]) if key is not None
        ]
        told: list[Any] = [None] * batch.size
        objects = self._complete_objects(inner.take(there), lambda index: place(there[index]), run)
        for index, value in zip(there, objects, strict=True):
            told[index] = value
        return told

    def _complete_objects(self, batch: Batch, place: PathOf, run: PlanRun) -> Sequence[Any]:
        """An object for each row, or null where its own null may not be told."""
        noted = len(run.errors)
        try:
            return self.selection_set.complete(
                batch, lambda index: [*place(index), self.info.response_key], run
            )
        except GraphQLError:
            del run.errors[noted:]
        return [
            self._complete_object(batch.row(i), [*place(i), self.info.response_key], run)
            for i in range(batch.size)
        ]

    def _complete_object(self, row: Batch, path: Path, run: PlanRun) -> Any:
        try:
            return self.selection_set.complete(row, partial(_same_path, path), run)[0]
        except GraphQLError as error:
            return self.info.handle_error(error, path, run)

    def _inner_columns(self, batch: Batch) -> dict[str, Sequence[Any]]:
        return {name: batch.columns[self.columns[name]] for name in self.selection_set.columns[()]}

    def _loaded_column(self, slot: str) -> str:
        return f"@{self.info.response_key}{slot}"


class RowSpan(NamedTuple):
    """The rows from `start` up to `stop` of a batch, which belong to one parent."""

    batch: Batch
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class RelationField:
    """Tells the lists of what belongs to the objects by their column `key`."""

    key_column: str
    info: FieldInfo
    selection_set: SelectionSet
    load_rows: LoadRelation
    call: "ResolverCall"

    @property
    def source_columns(self) -> tuple[str, ...]:
        """The column."""
        return (self.key_column,)

    @property
    def loaded_columns(self) -> tuple[str, ...]:
        """The column of the lists."""
        return (loaded_column(self.info),)

    async def load(self, batch: Batch, run: PlanRun) -> Columns:
        """The lists, loaded at once; where that fails, the error for each."""
        keys = batch.columns[self.key_column]
        try:
            lists = await self._load_lists(keys, run)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told of each list
            lists = [error] * batch.size
        return {loaded_column(self.info): lists}

    async def _load_lists(self, keys: Sequence[Any], run: PlanRun) -> Sequence[RowSpan | Exception]:
        arguments = self.call.coerce_arguments(self.info.nodes[0], run.variables)
        wanted = [key for key in dict.fromkeys(keys) if key is not None]
        columns = self.selection_set.columns[()]
        found = await self.load_rows(run.context, wanted, columns, **arguments)
        batch = await self.selection_set.load(found.batch, run)
        return [RowSpan(batch, *found.span(key)) for key in keys]

    def complete(self, batch: Batch, place: PathOf, run: PlanRun) -> Iterable[Any]:
        """The lists, or null where null may be told."""
        lists = batch.columns[loaded_column(self.info)]
        return self._complete_together(lists, run) or [
            self._complete_list(one, [*place(index), self.info.response_key], run)
            for index, one in enumerate(lists)
        ]

    def _complete_together(
        self, lists: Sequence[RowSpan | Exception], run: PlanRun
    ) -> Sequence[Any] | None:
        """All lists, of which the objects are told but once; None if anything is wrong with one."""
        first = lists[0]
        if len(lists) == 1 or isinstance(first, Exception):
            return None
        noted = len(run.errors)
        # Where no error is told, nobody asks for a place.
        with suppress(GraphQLError):
            told = self.selection_set.complete(first.batch, _no_path, run)
            if len(run.errors) == noted:
                return [told[one.start : one.stop] for one in cast(Sequence[RowSpan], lists)]
        del run.errors[noted:]
        return None

    def _complete_list(self, one: RowSpan | Exception, path: Path, run: PlanRun) -> Any:
        if isinstance(one, Exception):
            return self.info.handle_error(one, path, run)
        batch = one.batch.slice(one.start, one.stop)
        try:
            return self.selection_set.complete(batch, lambda index: [*path, index], run)
        except GraphQLError as error:
            return self.info.handle_error(error, path, run)


def _no_path(_index: int) -> Path:
    return ()


@dataclass(frozen=True, slots=True)
class ComputedField:
    """Tells what is made of some columns, of which the first is null where there is nothing."""

    source_columns: tuple[str, ...]
    info: FieldInfo
    compute: Compute

    @property
    def reads(self) -> tuple[str, ...]:
        """The columns."""
        return self.source_columns

    @property
    def loaded_columns(self) -> tuple[str, ...]:
        """The column of what is made."""
        return (loaded_column(self.info),)

    async def load(self, batch: Batch, run: PlanRun) -> Columns:
        """What is made of all rows at once; where that fails, the error for each."""
        rows = list(batch.tuples(self.source_columns))
        wanted = [row for row in dict.fromkeys(rows) if row[0] is not None]
        try:
            found = dict(zip(wanted, await self.compute(run.context, wanted), strict=True))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told of each row
            return {loaded_column(self.info): [error] * batch.size}
        return {loaded_column(self.info): [found.get(row) for row in rows]}

    def complete(self, batch: Batch, place: PathOf, run: PlanRun) -> Iterable[Any]:
        """What is made, or null where that failed."""
        values = batch.columns[loaded_column(self.info)]
        told = [
            self.info.handle_error(value, [*place(index), self.info.response_key], run)
            if isinstance(value, Exception)
            else value
            for index, value in enumerate(values)
        ]
        return self.info.require_non_null(told, place, run)


class ResolverInfo(NamedTuple):
    """What a resolver knows of who asks, and for what: all that it takes of Strawberry's Info."""

    context: Any
    columns: ColumnPaths

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
class ResolverCall:
    """How a field's resolver is called."""

    field: GraphQLField
    arguments: tuple[Argument, ...]

    def coerce_arguments(self, node: FieldNode, variables: VariableValues) -> dict[str, Any]:
        """The arguments as a resolver takes them, out of what is given; raises what is wrong."""
        if not self.arguments:
            return {}
        given = get_argument_values(self.field, node, variables)
        return {
            argument.python_name: argument.convert(given[argument.name])
            if argument.convert
            else given[argument.name]
            for argument in self.arguments
            if argument.name in given
        }


@dataclass(frozen=True, slots=True)
class RootField:
    """A field of the root: asks a resolver, and tells what that finds.

    `kinds` are what is told of each type that may be found, by its name.
    """

    info: FieldInfo
    fields_by_type: Mapping[str, ObjectField]
    resolve: Callable[..., Awaitable[Any]]
    call: ResolverCall
    columns: ColumnPaths

    async def execute(self, run: PlanRun) -> Any:
        """What is told; raises a GraphQLError if that must null all data."""
        path = [self.info.response_key]
        try:
            arguments = self.call.coerce_arguments(self.info.nodes[0], run.variables)
            found = await self.resolve(
                None, info=ResolverInfo(run.context, self.columns), **arguments
            )
            nested = self._field_for(found)
            loaded = await nested.load_value(found, run)
        except Exception as error:  # noqa: BLE001 - as graphql-core does
            return self.info.handle_error(error, path, run)
        return nested.complete_value(loaded, path, run)

    def _field_for(self, found: Resolved) -> ObjectField:
        if len(self.fields_by_type) == 1 or found is None:
            return next(iter(self.fields_by_type.values()))
        return self.fields_by_type[cast(Any, found).__strawberry_definition__.name]


@dataclass(frozen=True, slots=True)
class Plan:
    """What an operation asks: its roots side by side, and the name of their type where asked."""

    root_fields: Mapping[str, RootField | Typename]

    async def execute(self, variables: VariableValues, context: Any) -> ExecutionResult:
        """The data, and the errors of all roots; no data, if one of them failed that may not."""
        run = PlanRun(context, variables)
        told = await gather(_execute_root(root, run) for root in self.root_fields.values())
        is_nulled = any(value is NULL_DATA for value in told)
        data = None if is_nulled else dict(zip(self.root_fields, told, strict=True))
        return ExecutionResult(data, run.errors or None)


async def _execute_root(root: RootField | Typename, run: PlanRun) -> Any:
    if isinstance(root, Typename):
        return root.name
    try:
        return await root.execute(run)
    except GraphQLError as error:
        run.errors.append(error)
        return NULL_DATA
