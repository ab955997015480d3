"""Calls of resolvers: their arguments, and the info that they receive from a plan."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from graphql import (
    FieldNode,
    GraphQLError,
    GraphQLField,
    ListValueNode,
    ObjectValueNode,
    ValueNode,
    VariableNode,
    is_required_argument,
)
from graphql.execution.values import VariableValues, coerce_argument, get_argument_values

from gql.execution.graphql_core import is_nullable

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


class VariableArgument(NamedTuple):
    """An argument whose value is a variable."""

    name: str
    variable: str
    is_nullable: bool


@dataclass(frozen=True, slots=True)
class BoundArguments:
    """The arguments of a node: the coerced values of constants and defaults, and the variables."""

    constants: Mapping[str, Any]
    variables: tuple[VariableArgument, ...]

    def coerce(self, coerced: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the values for these variables, None if one is invalid."""
        values = dict(self.constants)
        for name, variable, accepts_null in self.variables:
            value = coerced.get(variable)
            if value is not None or (accepts_null and variable in coerced):
                values[name] = value
            elif variable in coerced or not (accepts_null or name in values):
                return None
        return values


@dataclass(frozen=True, slots=True)
class ResolverCall:
    """The signature of a field's resolver, and the arguments of a node.

    graphql-core coerces the arguments of each call if they are not bound.
    """

    field: GraphQLField
    node: FieldNode
    arguments: tuple[Argument, ...]
    bound: BoundArguments | None

    def coerce_arguments(self, variables: VariableValues) -> dict[str, Any]:
        """Return the keyword arguments of the resolver. Raises GraphQLError if one is invalid."""
        if not self.arguments:
            return {}
        values = self.bound.coerce(variables.coerced) if self.bound else None
        if values is None:
            values = get_argument_values(self.field, self.node, variables)
        return {
            argument.python_name: argument.convert(values[argument.name])
            if argument.convert
            else values[argument.name]
            for argument in self.arguments
            if argument.name in values
        }


def bind_arguments(field: GraphQLField, node: FieldNode) -> BoundArguments | None:
    """Return the arguments of a node, None if one is invalid or contains a variable within."""
    variables = tuple(_find_variables(field, node))
    names = {variable.name for variable in variables}
    constants = {
        argument.name.value: argument
        for argument in node.arguments or ()
        if argument.name.value not in names
    }
    if any(_contains_variable(argument.value) for argument in constants.values()):
        return None
    values: dict[str, Any] = {}
    try:
        for name, argument in field.args.items():
            # A variable needs the default value, which a required argument does not have.
            if not (name in names and is_required_argument(argument)):
                coerce_argument(values, node, name, argument, constants.get(name), None, None)
    except GraphQLError:
        # graphql-core reports it at each execution.
        return None
    return BoundArguments(values, variables)


def _find_variables(field: GraphQLField, node: FieldNode) -> Iterator[VariableArgument]:
    for argument in node.arguments or ():
        name, value = argument.name.value, argument.value
        if isinstance(value, VariableNode):
            yield VariableArgument(name, value.name.value, is_nullable(field.args[name]))


def _contains_variable(node: ValueNode) -> bool:
    match node:
        case ListValueNode(values=items):
            return any(map(_contains_variable, items))
        case ObjectValueNode(fields=fields):
            return any(_contains_variable(field.value) for field in fields)
        case _:
            return isinstance(node, VariableNode)
