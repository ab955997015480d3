"""Lists of texts, in and out of SQL: one parameter for any number, one value for any number."""

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Dialect, Select, SQLColumnExpression, Text, bindparam
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator, TypeEngine

VALUE = "value"


class TextList(TypeDecorator[Sequence[str]]):
    """An array for PostgreSQL, and JSON for SQLite, which has none."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """The type in that dialect."""
        is_postgresql = dialect.name == "postgresql"
        return dialect.type_descriptor(postgresql.ARRAY(Text()) if is_postgresql else Text())

    def process_bind_param(self, value: Sequence[str] | None, dialect: Dialect) -> Any:
        """A list as the driver takes it."""
        return list(value or ()) if dialect.name == "postgresql" else json.dumps(value or ())


class CommaSeparated(TypeDecorator[Sequence[str]]):
    """Texts that are joined by commas, which none of them has: no driver has a quicker list."""

    impl = Text
    cache_ok = True

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:  # noqa: ARG002 - SQLAlchemy's
        """What makes a list of them."""
        return _split


def _split(joined: str | None) -> Sequence[str]:
    return joined.split(",") if joined else ()


class ArrayAggregate(FunctionElement[Sequence[str]]):
    """What a SELECT finds in its order, in a column of the name VALUE, as one list."""

    type = CommaSeparated()
    inherit_cache = True

    def __init__(self, rows: Select[Any]) -> None:
        super().__init__(rows.scalar_subquery())


class InUuidArray(FunctionElement[bool]):
    """The condition that a uuid is one of a list that comes as a parameter."""

    inherit_cache = True

    def __init__(self, column: SQLColumnExpression[str], parameter: str) -> None:
        super().__init__(column, bindparam(parameter, type_=TextList()))


class InTextArray(InUuidArray):
    """The same of a text."""

    inherit_cache = True


class InSubquery(FunctionElement[bool]):
    """The condition that a value is one of those that a SELECT finds, which is run first."""

    inherit_cache = True

    def __init__(self, column: SQLColumnExpression[str], rows: Select[Any]) -> None:
        super().__init__(column, rows.scalar_subquery())


def compile_clauses(
    element: FunctionElement[Any], compiler: SQLCompiler, options: Any
) -> list[str]:
    """The SQL of what a function is called with."""
    return [compiler.process(clause, **options) for clause in element.clauses]


@compiles(ArrayAggregate, "postgresql")
def _array(element: ArrayAggregate, compiler: SQLCompiler, **options: Any) -> str:
    return f"array_to_string(ARRAY{compile_clauses(element, compiler, options)[0]}, ',')"


@compiles(ArrayAggregate, "sqlite")
def _joined(element: ArrayAggregate, compiler: SQLCompiler, **options: Any) -> str:
    [rows] = compile_clauses(element, compiler, options)
    return f"(SELECT group_concat({VALUE}) FROM {rows})"  # noqa: S608 - both are SQL already


@compiles(InUuidArray, "postgresql")
def _any(element: InUuidArray, compiler: SQLCompiler, **options: Any) -> str:
    column, values = compile_clauses(element, compiler, options)
    return f"{column} = ANY(CAST({values} AS uuid[]))"


@compiles(InTextArray, "postgresql")
def _any_text(element: InTextArray, compiler: SQLCompiler, **options: Any) -> str:
    column, values = compile_clauses(element, compiler, options)
    return f"{column} = ANY({values})"


@compiles(InUuidArray, "sqlite")
def _in(element: InUuidArray, compiler: SQLCompiler, **options: Any) -> str:
    column, values = compile_clauses(element, compiler, options)
    return f"{column} IN (SELECT value FROM json_each({values}))"  # noqa: S608 - SQL already


@compiles(InSubquery, "postgresql")
def _any_of(element: InSubquery, compiler: SQLCompiler, **options: Any) -> str:
    # IN would join, as if the SELECT could find any number.
    column, rows = compile_clauses(element, compiler, options)
    return f"{column} = ANY(ARRAY{rows})"


@compiles(InSubquery, "sqlite")
def _in_rows(element: InSubquery, compiler: SQLCompiler, **options: Any) -> str:
    column, rows = compile_clauses(element, compiler, options)
    return f"{column} IN {rows}"
