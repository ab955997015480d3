"""Completion of values from columns ("CompleteValue" in the GraphQL specification).

Objects are not visited one by one. Each field turns the columns of a batch into a column of
response values, and the rows across these columns are the response objects. Related and computed
values are loaded before completion, level by level, in one batch for all objects of a level.

Errors follow the specification: a failed nullable field is null, and a failed non-null field makes
its parent null. If a non-null field fails in some row of a column, the rows are completed again one
by one, to report the errors that graphql-core reports.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import repeat
from typing import Any, NamedTuple, Protocol, TypeVar, cast

from graphql import FieldNode, GraphQLError, located_error
from graphql.execution.values import VariableValues

from gql.execution.declarations import (
    Compute,
    FieldConverter,
    MixedList,
    Relation,
    RowList,
    RowObject,
    TypedRows,
)
from gql.execution.graphql_core import type_name_of
from gql.execution.resolver_call import ColumnPaths, ResolverCall
from gql.limits import TEXT_UNIT
from models.batch import NO_ROWS, Batch, GroupedRows

T = TypeVar("T")
Path = Sequence[str | int]
# The path in the response of the object in a row.
PathOf = Callable[[int], Path]
# Columns of a batch by name.
Columns = Mapping[str, Sequence[Any]]
# The value of a resolver, except at the root, where it may be a MixedList.
Resolved = RowObject | RowList[Any] | None
# How often a row is in the response; objects that several lists contain are read once. Rows of a
# batch without this column are in it once. No read column starts with @.
OCCURRENCES = "@"
NON_NULL_MESSAGE = "Cannot return null for non-nullable field {}."


@dataclass(frozen=True, slots=True)
class PlanRun:
    """An execution of a plan: the context, the variables and the errors that it collects."""

    context: Any
    variables: VariableValues
    errors: list[GraphQLError] = field(default_factory=list[GraphQLError])


@dataclass(frozen=True, slots=True)
class FieldInfo:
    """The position of a field in the response, and its handling of errors."""

    name: str
    response_key: str
    nodes: list[FieldNode]
    is_nullable: bool

    def require_non_null(
        self, values: Sequence[Any], path_of: PathOf, run: PlanRun
    ) -> Sequence[Any]:
        """Return the values. Raises GraphQLError if the field is non-null and a value is null."""
        if not self.is_nullable and None in values:
            path = [*path_of(values.index(None)), self.response_key]
            self.handle_error(TypeError(NON_NULL_MESSAGE.format(self.name)), path, run)
        return values

    def handle_error(self, error: Exception, path: Path, run: PlanRun) -> None:
        """Collect the error of a nullable field. Raises it as a GraphQLError otherwise."""
        located = located_error(error, self.nodes, path)
        if not self.is_nullable:
            raise located
        run.errors.append(located)


class Field(Protocol):
    """A field that completes a value for each row of a batch."""

    @property
    def source_columns(self) -> tuple[str, ...]:
        """The columns that the field reads."""
        ...

    def complete(self, batch: Batch, path_of: PathOf, run: PlanRun, /) -> Iterable[Any]:
        """Return a value for each row. Raises a GraphQLError that makes the parent null."""
        ...


class LoadedField(Field, Protocol):
    """A field with values that are loaded before completion."""

    @property
    def loaded_columns(self) -> tuple[str, ...]:
        """The names of the loaded columns, which never equal names of read columns."""
        ...

    async def load(self, batch: Batch, run: PlanRun, /) -> Columns:
        """Return the loaded columns for the rows of a batch."""
        ...


@dataclass(frozen=True, slots=True)
class Typename:
    """The field `__typename`."""

    name: str
    source_columns: tuple[str, ...] = ()

    def complete(self, batch: Batch, _path_of: PathOf, _run: PlanRun) -> Iterable[Any]:
        return repeat(self.name, batch.size)


@dataclass(frozen=True, slots=True)
class LeafField:
    """A scalar field whose column needs no conversion."""

    column: str
    info: FieldInfo

    @property
    def source_columns(self) -> tuple[str, ...]:
        return (self.column,)

    def complete(self, batch: Batch, path_of: PathOf, run: PlanRun) -> Iterable[Any]:
        return self.info.require_non_null(batch.columns[self.column], path_of, run)


@dataclass(frozen=True, slots=True)
class ConvertedLeafField:
    """A scalar field that converts each value of a column."""

    column: str
    info: FieldInfo
    convert: FieldConverter

    @property
    def source_columns(self) -> tuple[str, ...]:
        return (self.column,)

    def complete(self, batch: Batch, path_of: PathOf, run: PlanRun) -> Iterable[Any]:
        values, convert, context = batch.columns[self.column], self.convert, run.context
        try:
            converted = [convert(value, context) for value in values]
        except Exception:  # noqa: BLE001 - retried row by row
            return [
                self._complete_value(index, value, path_of, run)
                for index, value in enumerate(values)
            ]
        return self.info.require_non_null(converted, path_of, run)

    def _complete_value(self, index: int, value: Any, path_of: PathOf, run: PlanRun) -> Any:
        try:
            return self.convert(value, run.context)
        except Exception as error:  # noqa: BLE001 - every error is a field error
            return self.info.handle_error(error, [*path_of(index), self.info.response_key], run)


@dataclass(frozen=True, slots=True)
class EnumField:
    """An enum field with the names of all members by stored value."""

    names: Mapping[Any, str]
    converted: ConvertedLeafField

    @property
    def source_columns(self) -> tuple[str, ...]:
        return self.converted.source_columns

    def complete(self, batch: Batch, path_of: PathOf, run: PlanRun) -> Iterable[Any]:
        names = list(map(self.names.get, batch.columns[self.converted.column]))
        # The conversion raises the error of an unknown value.
        return self.converted.complete(batch, path_of, run) if None in names else names


@dataclass(frozen=True, slots=True)
class SelectionSet:
    """The fields selected on objects of one type, with their response keys."""

    response_keys: tuple[str, ...]
    fields: tuple[Field, ...]
    # The source columns of the fields, also of those below, by the path of columns to them.
    columns: ColumnPaths
    loaded_fields: tuple[LoadedField, ...] = ()
    object_fields: "tuple[ObjectField, ...]" = ()

    @property
    def loaded_columns(self) -> tuple[str, ...]:
        """The columns that the fields load."""
        return tuple(column for field in self.loaded_fields for column in field.loaded_columns)

    async def load(self, batch: Batch, run: PlanRun) -> Batch:
        """Return the batch with the loaded columns added."""
        if not (self.loaded_fields and batch.size):
            return batch
        loaded = await gather(field.load(batch, run) for field in self.loaded_fields)
        columns = dict(batch.columns)
        for added in loaded:
            columns |= added
        return Batch(columns, batch.size)

    def count_objects(self, batch: Batch) -> int:
        """Return the number of objects in lists of columns, once for each field that selects them."""
        # A batch of no rows may have no columns.
        if not (self.object_fields and batch.size):
            return 0
        return sum(
            field.count_objects(value)
            for field in self.object_fields
            for value in batch.columns[field.column]
        )

    def complete(self, batch: Batch, path_of: PathOf, run: PlanRun) -> list[dict[str, Any]]:
        """Return an object for each row. Raises the GraphQLError of the first row that is null."""
        error_count = len(run.errors)
        try:
            return self._complete_rows(batch, path_of, run)
        except GraphQLError:
            if batch.size == 1:
                raise
        # graphql-core completes row by row: an earlier row may fail in a later field, and the rows
        # after it report no errors.
        del run.errors[error_count:]
        return [
            self.complete(batch.row(index), partial(_constant_path, path_of(index)), run)[0]
            for index in range(batch.size)
        ]

    def complete_nullable(
        self, batch: Batch, path_of: PathOf, info: FieldInfo, run: PlanRun
    ) -> Sequence[Any]:
        """Return an object for each row, null if it fails; `info` is that of nullable objects."""
        error_count = len(run.errors)
        try:
            return self.complete(batch, path_of, run)
        except GraphQLError:
            del run.errors[error_count:]
        return [
            self._complete_row(batch.row(index), path_of(index), info, run)
            for index in range(batch.size)
        ]

    def _complete_row(self, row: Batch, path: Path, info: FieldInfo, run: PlanRun) -> Any:
        try:
            return self.complete(row, partial(_constant_path, path), run)[0]
        except GraphQLError as error:
            return info.handle_error(error, path, run)

    def _complete_rows(self, batch: Batch, path_of: PathOf, run: PlanRun) -> list[dict[str, Any]]:
        if not (self.fields and batch.size):
            return [{} for _ in range(batch.size)]
        columns = [field.complete(batch, path_of, run) for field in self.fields]
        return [
            dict(zip(self.response_keys, row, strict=True)) for row in zip(*columns, strict=True)
        ]


@dataclass(frozen=True, slots=True)
class ObjectField:
    """A field whose column holds objects or lists of objects."""

    column: str
    info: FieldInfo
    selection_set: SelectionSet

    @property
    def source_columns(self) -> tuple[str, ...]:
        return (self.column,)

    @property
    def loaded_columns(self) -> tuple[str, ...]:
        """The column of objects with their loaded columns; none if there is nothing to load."""
        return (loaded_column(self.info),) if self.selection_set.loaded_fields else ()

    async def load(self, batch: Batch, run: PlanRun) -> Columns:
        values = batch.columns[self.column]
        return {loaded_column(self.info): [await self.load_value(value, run) for value in values]}

    def count_objects(self, value: Resolved) -> int:
        """Return the number of objects in a list, or in the lists of an object."""
        if value is None:
            return 0
        if isinstance(value, RowList):
            return value.object_count + self.selection_set.count_objects(value.batch)
        return self.selection_set.count_objects(Batch.from_row(value.row))

    async def load_value(self, value: Resolved, run: PlanRun) -> Resolved:
        """Return an object or a list with the loaded columns added."""
        if value is None or not self.selection_set.loaded_fields:
            return value
        if isinstance(value, RowList):
            return replace(value, batch=await self.selection_set.load(value.batch, run))
        batch = await self.selection_set.load(Batch.from_row(value.row), run)
        return type(value)(row=next(batch.rows()))

    def complete(self, batch: Batch, path_of: PathOf, run: PlanRun) -> Iterable[Any]:
        values = batch.columns[
            loaded_column(self.info) if self.selection_set.loaded_fields else self.column
        ]
        return [
            self.complete_value(value, [*path_of(index), self.info.response_key], run)
            for index, value in enumerate(values)
        ]

    def complete_value(self, value: Resolved, path: Path, run: PlanRun) -> Any:
        """Return the response value of an object or a list, null if it fails and is nullable."""
        try:
            if isinstance(value, RowList):
                return self.selection_set.complete(value.batch, lambda index: [*path, index], run)
            if value is None:
                return self.info.require_non_null((None,), lambda _: path[:-1], run)[0]
            return self.selection_set.complete(
                Batch.from_row(value.row), partial(_constant_path, path), run
            )[0]
        except Exception as error:  # noqa: BLE001 - every error is a field error
            return self.info.handle_error(error, path, run)


@dataclass(frozen=True, slots=True)
class MixedListField:
    """A root field with a list of nullable objects of several types."""

    info: FieldInfo
    fields_by_type: Mapping[str, ObjectField]

    def count_objects(self, value: MixedList[Any]) -> int:
        """Return the number of objects in the list, and in the lists of its objects."""
        return sum(self._field_of(part).count_objects(part.rows) for part in value.parts)

    async def load_value(self, value: MixedList[Any], run: PlanRun) -> MixedList[Any]:
        """Return the list with the loaded columns added."""
        parts = await gather(self._load_part(part, run) for part in value.parts)
        return replace(value, parts=parts)

    async def _load_part(self, part: TypedRows[Any], run: PlanRun) -> TypedRows[Any]:
        batch = await self._field_of(part).selection_set.load(part.rows.batch, run)
        return replace(part, rows=replace(part.rows, batch=batch))

    def complete_value(self, value: MixedList[Any], path: Path, run: PlanRun) -> list[Any]:
        """Return the response value of a list; an item is null if it fails."""
        info = replace(self.info, is_nullable=True)
        items: list[Any] = [None] * value.size
        for position, error in value.errors.items():
            info.handle_error(error, [*path, position], run)
        for part in value.parts:
            objects = self._complete_part(part, path, info, run)
            for position, item in zip(part.positions, objects, strict=True):
                items[position] = item
        return items

    def _complete_part(
        self, part: TypedRows[Any], path: Path, info: FieldInfo, run: PlanRun
    ) -> Sequence[Any]:
        return self._field_of(part).selection_set.complete_nullable(
            part.rows.batch, lambda index: [*path, part.positions[index]], info, run
        )

    def _field_of(self, part: TypedRows[Any]) -> ObjectField:
        return self.fields_by_type[type_name_of(part.rows.type_)]


@dataclass(frozen=True, slots=True)
class JoinedObjectField:
    """A field with objects in the same rows; it is null if `key_column` is null.

    `columns` are the names in the row by the names in the object.
    """

    key_column: str
    info: FieldInfo
    selection_set: SelectionSet
    columns: Mapping[str, str]

    @property
    def source_columns(self) -> tuple[str, ...]:
        """The columns of the objects, and the key column if the field is nullable."""
        columns = tuple(self.columns[name] for name in self.selection_set.columns[()])
        return (self.key_column, *columns) if self.info.is_nullable else columns

    @property
    def loaded_columns(self) -> tuple[str, ...]:
        return tuple(map(self._loaded_column, self.selection_set.loaded_columns))

    async def load(self, batch: Batch, run: PlanRun) -> Columns:
        inner = Batch(self._inner_columns(batch), batch.size)
        loaded = await self.selection_set.load(inner, run)
        return {
            self._loaded_column(column): loaded.columns[column]
            for column in self.selection_set.loaded_columns
        }

    def complete(self, batch: Batch, path_of: PathOf, run: PlanRun) -> Iterable[Any]:
        loaded = {
            column: batch.columns[self._loaded_column(column)]
            for column in self.selection_set.loaded_columns
        }
        inner = Batch(self._inner_columns(batch) | loaded, batch.size)
        if not self.info.is_nullable:
            return self.selection_set.complete(
                inner, lambda index: [*path_of(index), self.info.response_key], run
            )
        keys = batch.columns[self.key_column]
        indexes = [index for index, key in enumerate(keys) if key is not None]
        objects = self.selection_set.complete_nullable(
            inner.take(indexes),
            lambda index: [*path_of(indexes[index]), self.info.response_key],
            self.info,
            run,
        )
        values: list[Any] = [None] * batch.size
        for index, value in zip(indexes, objects, strict=True):
            values[index] = value
        return values

    def _inner_columns(self, batch: Batch) -> dict[str, Sequence[Any]]:
        columns = {
            name: batch.columns[self.columns[name]] for name in self.selection_set.columns[()]
        }
        occurrences = batch.columns.get(OCCURRENCES)
        return columns if occurrences is None else {**columns, OCCURRENCES: occurrences}

    def _loaded_column(self, column: str) -> str:
        return f"@{self.info.response_key}{column}"


class RowSpan(NamedTuple):
    """The rows of a batch from `start` up to `stop`, which belong to one parent."""

    batch: Batch
    start: int
    stop: int


NO_OBJECTS = RowSpan(NO_ROWS, 0, 0)


@dataclass(frozen=True, slots=True)
class RelationField:
    """A field with lists of the objects that refer to the parents' key column."""

    relation: Relation
    info: FieldInfo
    selection_set: SelectionSet
    call: ResolverCall

    @property
    def source_columns(self) -> tuple[str, ...]:
        return (self.relation.key_column,)

    @property
    def loaded_columns(self) -> tuple[str, ...]:
        return (loaded_column(self.info),)

    async def load(self, batch: Batch, run: PlanRun) -> Columns:
        """Return the column of lists, or of errors if they cannot be loaded."""
        keys = batch.columns[self.relation.key_column]
        lists: Sequence[RowSpan | Exception]
        try:
            lists = await self._load_lists(keys, batch.columns.get(OCCURRENCES), run)
        except Exception as error:  # noqa: BLE001 - every error is a field error of all lists
            lists = [error] * batch.size
        return {loaded_column(self.info): lists}

    async def _load_lists(
        self, keys: Sequence[Any], occurrences: Sequence[int] | None, run: PlanRun
    ) -> Sequence[RowSpan | Exception]:
        arguments = self.call.coerce_arguments(run.variables)
        distinct_keys = [key for key in dict.fromkeys(keys) if key is not None]
        columns = self.selection_set.columns[()]
        groups = await self.relation.load(run.context, distinct_keys, columns, **arguments)
        counted = groups.batch
        if occurrences or len(distinct_keys) < len(keys):
            counted = _count_occurrences(groups, keys, occurrences)
        if not run.context.size.add(_count_objects(counted)):
            return [NO_OBJECTS] * len(keys)
        batch = await self.selection_set.load(counted, run)
        build_error = self.relation.null_key_error
        return [
            build_error() if build_error and key is None else RowSpan(batch, *groups.span(key))
            for key in keys
        ]

    def complete(self, batch: Batch, path_of: PathOf, run: PlanRun) -> Iterable[Any]:
        lists = batch.columns[loaded_column(self.info)]
        return self._complete_together(lists, run) or [
            self._complete_list(rows, [*path_of(index), self.info.response_key], run)
            for index, rows in enumerate(lists)
        ]

    def _complete_together(
        self, lists: Sequence[RowSpan | Exception], run: PlanRun
    ) -> Sequence[Any] | None:
        """Return all lists, None if there is an error. Objects in several lists are shared."""
        if len(lists) == 1 or any(isinstance(rows, Exception) for rows in lists):
            return None
        error_count = len(run.errors)
        # An error would have a wrong path. It is discarded, and reported by _complete_list.
        with suppress(GraphQLError):
            spans = cast(Sequence[RowSpan], lists)
            objects = self.selection_set.complete(spans[0].batch, _no_path, run)
            if len(run.errors) == error_count:
                return [objects[rows.start : rows.stop] for rows in spans]
        del run.errors[error_count:]
        return None

    def _complete_list(self, rows: RowSpan | Exception, path: Path, run: PlanRun) -> Any:
        if isinstance(rows, Exception):
            return self.info.handle_error(rows, path, run)
        batch = rows.batch.slice(rows.start, rows.stop)
        try:
            return self.selection_set.complete(batch, lambda index: [*path, index], run)
        except GraphQLError as error:
            return self.info.handle_error(error, path, run)


@dataclass(frozen=True, slots=True)
class ComputedField:
    """A field computed from source columns; it is null if the first of them is null.

    A computed value that is an exception is the error of the field. If there is `serialize`, it
    returns the response value of the others.
    """

    source_columns: tuple[str, ...]
    info: FieldInfo
    compute: Compute
    serialize: Callable[[Any], Any] | None = None

    @property
    def loaded_columns(self) -> tuple[str, ...]:
        return (loaded_column(self.info),)

    async def load(self, batch: Batch, run: PlanRun) -> Columns:
        """Return the column of computed values, or of errors if they cannot be computed."""
        rows = list(batch.tuples(self.source_columns))
        distinct_rows = [row for row in dict.fromkeys(rows) if row[0] is not None]
        try:
            values = await self.compute(run.context, distinct_rows)
            value_of = dict(zip(distinct_rows, values, strict=True))
        except Exception as error:  # noqa: BLE001 - every error is a field error of all rows
            return {loaded_column(self.info): [error] * batch.size}
        computed = [value_of.get(row) for row in rows]
        occurrences = batch.columns.get(OCCURRENCES) or repeat(1)
        lengths = (
            self.count_characters(value) * count
            for value, count in zip(computed, occurrences, strict=False)
            if not isinstance(value, Exception)
        )
        run.context.size.add_texts(sum(lengths))
        return {loaded_column(self.info): computed}

    def count_characters(self, value: Any) -> int:
        """Return the length of a computed string."""
        return len(value or "")

    def complete(self, batch: Batch, path_of: PathOf, run: PlanRun) -> Iterable[Any]:
        values = [
            self.info.handle_error(value, [*path_of(index), self.info.response_key], run)
            if isinstance(value, Exception)
            else self._serialize(value)
            for index, value in enumerate(batch.columns[loaded_column(self.info)])
        ]
        return self.info.require_non_null(values, path_of, run)

    def _serialize(self, value: Any) -> Any:
        return self.serialize(value) if self.serialize and value is not None else value


@dataclass(frozen=True, slots=True)
class ComputedObjectField(ComputedField):
    """A field with computed objects."""

    selection_set: SelectionSet = field(kw_only=True)

    def count_characters(self, value: Any) -> int:
        """Return the length of strings that count as much as the objects in lists of the value."""
        return TEXT_UNIT * self._object_field.count_objects(value)

    def complete(self, batch: Batch, path_of: PathOf, run: PlanRun) -> Iterable[Any]:
        field = self._object_field
        paths = ([*path_of(index), self.info.response_key] for index in range(batch.size))
        return [
            self.info.handle_error(value, path, run)
            if isinstance(value, Exception)
            else field.complete_value(value, path, run)
            for path, value in zip(paths, batch.columns[loaded_column(self.info)], strict=True)
        ]

    @property
    def _object_field(self) -> ObjectField:
        return ObjectField("", self.info, self.selection_set)


def _count_occurrences(
    groups: GroupedRows, keys: Sequence[Any], occurrences: Sequence[int] | None
) -> Batch:
    """Return the rows of groups, with a column that counts how often each is in the response.

    `keys` and `occurrences` are those of the parents, which occur once without it.
    """
    counts: Counter[Any] = Counter()
    for key, count in zip(keys, occurrences or repeat(1), strict=False):
        counts[key] += count
    column = [0] * groups.batch.size
    for key, (start, stop) in groups.spans.items():
        column[start:stop] = [counts[key]] * (stop - start)
    return Batch({**groups.batch.columns, OCCURRENCES: column}, groups.batch.size)


def _count_objects(batch: Batch) -> int:
    occurrences = batch.columns.get(OCCURRENCES)
    return batch.size if occurrences is None else sum(occurrences)


def loaded_column(info: FieldInfo) -> str:
    """Return the name of the column that is loaded for a field; no read column starts with @."""
    return f"@{info.response_key}"


async def gather(awaitables: Iterable[Awaitable[T]]) -> Sequence[T]:
    """Await all concurrently; a single one needs no task."""
    pending = list(awaitables)
    return [await pending[0]] if len(pending) == 1 else await asyncio.gather(*pending)


def _constant_path(path: Path, _index: int) -> Path:
    return path


def _no_path(_index: int) -> Path:
    return ()
