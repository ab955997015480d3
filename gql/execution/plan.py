"""Plans: compiled operations, executed without visiting objects.

A plan calls the resolvers of its root fields concurrently. Each returns rows as columns. The plan
loads related rows level by level, one batch for all objects of a level, and then completes each
field for all rows (see completion.py).
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from graphql import ExecutionResult, GraphQLError
from graphql.execution.values import VariableValues

from gql import background
from gql.execution.completion import (
    FieldInfo,
    MixedListField,
    ObjectField,
    PlanRun,
    Typename,
    gather,
)
from gql.execution.graphql_core import type_name_of
from gql.execution.resolver_call import ColumnPaths, ResolverCall, ResolverInfo

# This number of objects takes some milliseconds to complete.
MAX_INLINE_OBJECTS = 2_000
# The value of a failed non-null root field: it makes `data` null.
NULL_DATA = object()


@dataclass(frozen=True, slots=True)
class RootField:
    """A root field: a resolver, and for each type that it may return a field to complete.

    A mixed field returns a MixedList.
    """

    info: FieldInfo
    fields_by_type: Mapping[str, ObjectField]
    resolve: Callable[..., Awaitable[Any]]
    call: ResolverCall
    columns: ColumnPaths
    is_mixed: bool = False

    async def execute(self, run: PlanRun) -> Any:
        """Return the completed value. Raises GraphQLError if the error makes `data` null."""
        path = [self.info.response_key]
        try:
            arguments = self.call.coerce_arguments(run.variables)
            value = await self.resolve(
                None, info=ResolverInfo(run.context, self.columns), **arguments
            )
            field = self._field_for(value)
            run.context.size.add(field.count_objects(value))
            loaded = await field.load_value(value, run)
            # Too many objects are not completed.
            run.context.size.check()
            is_long = run.context.size.objects > MAX_INLINE_OBJECTS
        except Exception as error:  # noqa: BLE001 - every error of a resolver is a field error
            return self.info.handle_error(error, path, run)
        return await background.call(field.complete_value, loaded, path, run, is_long=is_long)

    def _field_for(self, value: Any) -> ObjectField | MixedListField:
        if self.is_mixed:
            return MixedListField(self.info, self.fields_by_type)
        if len(self.fields_by_type) == 1 or value is None:
            return next(iter(self.fields_by_type.values()))
        return self.fields_by_type[type_name_of(value)]


@dataclass(frozen=True, slots=True)
class Plan:
    """The root fields of an operation by response key."""

    root_fields: Mapping[str, RootField | Typename]

    @property
    def has_one_read(self) -> bool:
        """True if at most one root field reads the database, and nothing below it does.

        A mixed field may read once for each type.
        """
        roots = [root for root in self.root_fields.values() if isinstance(root, RootField)]
        return len(roots) <= 1 and not any(
            root.is_mixed or field.selection_set.loaded_fields
            for root in roots
            for field in root.fields_by_type.values()
        )

    async def execute(self, variables: VariableValues, context: Any) -> ExecutionResult:
        """Return the data and the errors of all root fields.

        `data` is null if a non-null root field failed.
        """
        run = PlanRun(context, variables)
        values = await gather(_execute_root(root, run) for root in self.root_fields.values())
        is_null = any(value is NULL_DATA for value in values)
        data = None if is_null else dict(zip(self.root_fields, values, strict=True))
        return ExecutionResult(data, run.errors or None)


async def _execute_root(root: RootField | Typename, run: PlanRun) -> Any:
    if isinstance(root, Typename):
        return root.name
    try:
        return await root.execute(run)
    except GraphQLError as error:
        run.errors.append(error)
        return NULL_DATA
