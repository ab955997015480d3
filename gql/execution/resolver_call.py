"""Calls of resolvers: their arguments, and the info that they receive from a plan."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from graphql import FieldNode, GraphQLField
from graphql.execution.values import VariableValues, get_argument_values

# The names of columns by path; a path consists of the names of the columns that lead to an object.
ColumnPaths = Mapping[tuple[str, ...], tuple[str, ...]]


class ResolverInfo(NamedTuple):
    """The part of Strawberry's Info that resolvers use."""

    context: Any
    columns: ColumnPaths

    def selected_columns(self, *path: str) -> tuple[str, ...] | None:
        """Return the source columns of the fields selected at a path, None if there are none."""
        return self.columns.get(path)


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument by its names in GraphQL and in Python, with a converter of coerced values."""

    name: str
    python_name: str
    convert: Callable[[Any], Any] | None


@dataclass(frozen=True, slots=True)
class ResolverCall:
    """The signature of a field's resolver."""

    field: GraphQLField
    arguments: tuple[Argument, ...]

    def coerce_arguments(self, node: FieldNode, variables: VariableValues) -> dict[str, Any]:
        """Return the keyword arguments of the resolver. Raises GraphQLError if one is invalid."""
        if not self.arguments:
            return {}
        values = get_argument_values(self.field, node, variables)
        return {
            argument.python_name: argument.convert(values[argument.name])
            if argument.convert
            else values[argument.name]
            for argument in self.arguments
            if argument.name in values
        }
