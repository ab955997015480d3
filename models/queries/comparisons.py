"""The SQL of comparisons with parameters, and of the trees that combine them."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeAlias, TypeVar, cast

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    SQLColumnExpression,
    and_,
    bindparam,
    false,
    not_,
    or_,
    select,
    true,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.base import ReadOnlyColumnCollection
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeEngine

from models.queries.arrays import InTextArray, InUuidArray, compile_clauses
from models.queries.conditions import And, Comparison, Condition, Not, Operator, Or, UsesComponent
from models.queries.search import Fold
from models.tables.columns import TEXT, UUID

F = TypeVar("F", bound=type[FunctionElement[Any]])
ColumnSource: TypeAlias = (
    Mapping[str, SQLColumnExpression[Any]] | ReadOnlyColumnCollection[str, ColumnElement[Any]]
)
CompileLeaf: TypeAlias = Callable[[Comparison | UsesComponent], ColumnElement[bool]]


def compile_tree(condition: Condition, compile_leaf: CompileLeaf) -> ColumnElement[bool]:
    """Compile a condition, and its leaves with a function."""
    match condition:
        case And(conditions):
            return and_(true(), *(compile_tree(child, compile_leaf) for child in conditions))
        case Or(conditions):
            return or_(false(), *(compile_tree(child, compile_leaf) for child in conditions))
        case Not(child):
            return not_(compile_tree(child, compile_leaf))
        case _:
            return compile_leaf(condition)


def compare(column: SQLColumnExpression[Any], comparison: Comparison) -> ColumnElement[bool]:
    """Return the condition that a column, which is not NULL, satisfies a comparison."""
    part = bindparam(comparison.parameter, type_=TEXT)
    match comparison.operator:
        case Operator.EQUALS:
            return column == column_parameter(comparison.parameter, column)
        case Operator.IN:
            in_array = InUuidArray if _type_of(column) is UUID else InTextArray
            return in_array(column, comparison.parameter)
        case Operator.CONTAINS:
            return Contains(column, part)
        case Operator.CONTAINS_INSENSITIVE:
            # A subquery folds the parameter once, not for each row.
            return Contains(Fold(column), select(Fold(part)).scalar_subquery())
        case Operator.STARTS_WITH:
            return StartsWith(column, part)
        case Operator.ENDS_WITH:
            return EndsWith(column, part)


def column_parameter(name: str, column: SQLColumnExpression[Any]) -> BindParameter[Any]:
    """Return a parameter with the type of a column, so that the column's index is usable."""
    return bindparam(name, type_=_type_of(column))


def _type_of(column: SQLColumnExpression[Any]) -> TypeEngine[Any]:
    # SQLAlchemy's annotations omit the type of a mapped attribute.
    return cast(ColumnElement[Any], column).type


def _compile_as(*, postgresql: str, sqlite: str) -> Callable[[F], F]:
    """Compile a function to the SQL of a template, which contains the arguments by number."""

    def register(function: F) -> F:
        for dialect, template in (("postgresql", postgresql), ("sqlite", sqlite)):
            compiles(function, dialect)(partial(_fill, template))
        return function

    return register


def _fill(
    template: str, element: FunctionElement[Any], compiler: SQLCompiler, **options: Any
) -> str:
    return template.format(*compile_clauses(element, compiler, options))


@_compile_as(postgresql="strpos({0}, {1}) > 0", sqlite="instr({0}, {1}) > 0")
class Contains(FunctionElement[bool]):
    """The condition that a string contains another one."""

    inherit_cache = True


@_compile_as(postgresql="starts_with({0}, {1})", sqlite="instr({0}, {1}) = 1")
class StartsWith(FunctionElement[bool]):
    """The condition that a string starts with another one."""

    inherit_cache = True


@_compile_as(
    postgresql="right({0}, length({1})) = {1}",
    sqlite="substr({0}, length({0}) - length({1}) + 1) = {1}",
)
class EndsWith(FunctionElement[bool]):
    """The condition that a string ends with another one."""

    inherit_cache = True
