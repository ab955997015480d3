"""Arrays in SQL, as parameters and as results, for PostgreSQL and SQLite."""

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    Dialect,
    Select,
    SQLColumnExpression,
    TableValuedAlias,
    Text,
    bindparam,
    column,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator, TypeEngine

from models.tables.columns import UUID

# The name of the column that ArrayAggregate aggregates, and of the elements of UuidArray.
VALUE_COLUMN = "value"


class TextArray(TypeDecorator[Sequence[str]]):
    """A list of strings: an array in PostgreSQL, a JSON string in SQLite."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        is_postgresql = dialect.name == "postgresql"
        return dialect.type_descriptor(postgresql.ARRAY(Text()) if is_postgresql else Text())

    def process_bind_param(self, value: Sequence[str] | None, dialect: Dialect) -> Any:
        return list(value or ()) if dialect.name == "postgresql" else json.dumps(value or ())


class CommaSeparated(TypeDecorator[Sequence[str]]):
    """A list of strings without commas, joined by commas. Drivers decode arrays more slowly."""

    impl = Text
    cache_ok = True

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:  # noqa: ARG002 - SQLAlchemy's signature
        return _split


def _split(joined: str | None) -> Sequence[str]:
    return joined.split(",") if joined else ()


class ArrayAggregate(FunctionElement[Sequence[str]]):
    """The values of the column VALUE_COLUMN of a SELECT as one list, in its order."""

    type = CommaSeparated()
    inherit_cache = True

    def __init__(self, rows: Select[Any]) -> None:
        super().__init__(rows.scalar_subquery())


class InUuidArray(FunctionElement[bool]):
    """The condition that a UUID is an element of an array parameter."""

    inherit_cache = True

    def __init__(self, column: SQLColumnExpression[str], parameter: str) -> None:
        super().__init__(column, bindparam(parameter, type_=TextArray()))


class InTextArray(InUuidArray):
    """The condition that a string is an element of an array parameter."""

    inherit_cache = True


class UuidArray(FunctionElement[str]):
    """The elements of an array parameter of UUIDs, as the rows of a table."""

    inherit_cache = True

    def __init__(self, parameter: str) -> None:
        super().__init__(bindparam(parameter, type_=TextArray()))

    def as_table(self) -> TableValuedAlias:
        """Return the table, with the column VALUE_COLUMN."""
        return self.table_valued(column(VALUE_COLUMN, UUID))


def compile_clauses(
    element: FunctionElement[Any], compiler: SQLCompiler, options: Any
) -> list[str]:
    """Return the SQL of each argument of a function."""
    return [compiler.process(clause, **options) for clause in element.clauses]


@compiles(ArrayAggregate, "postgresql")
def _postgresql_aggregate(element: ArrayAggregate, compiler: SQLCompiler, **options: Any) -> str:
    return f"array_to_string(ARRAY{compile_clauses(element, compiler, options)[0]}, ',')"


@compiles(ArrayAggregate, "sqlite")
def _sqlite_aggregate(element: ArrayAggregate, compiler: SQLCompiler, **options: Any) -> str:
    [rows] = compile_clauses(element, compiler, options)
    return f"(SELECT group_concat({VALUE_COLUMN}) FROM {rows})"  # noqa: S608 - no user input


@compiles(InUuidArray, "postgresql")
def _postgresql_in_uuids(element: InUuidArray, compiler: SQLCompiler, **options: Any) -> str:
    # PostgreSQL parses the array once in a subquery, but for each row in a condition. The outer cast
    # makes the subquery a value: ANY would compare with its rows.
    column, values = compile_clauses(element, compiler, options)
    return f"{column} = ANY(CAST((SELECT CAST({values} AS uuid[])) AS uuid[]))"


@compiles(InTextArray, "postgresql")
def _postgresql_in_texts(element: InTextArray, compiler: SQLCompiler, **options: Any) -> str:
    column, values = compile_clauses(element, compiler, options)
    return f"{column} = ANY({values})"


@compiles(InUuidArray, "sqlite")
def _sqlite_in_array(element: InUuidArray, compiler: SQLCompiler, **options: Any) -> str:
    column, values = compile_clauses(element, compiler, options)
    return f"{column} IN (SELECT value FROM json_each({values}))"  # noqa: S608 - no user input


@compiles(UuidArray, "postgresql")
def _postgresql_uuids(element: UuidArray, compiler: SQLCompiler, **options: Any) -> str:
    [values] = compile_clauses(element, compiler, options)
    return f"(SELECT unnest(CAST({values} AS uuid[])) AS {VALUE_COLUMN})"


@compiles(UuidArray, "sqlite")
def _sqlite_uuids(element: UuidArray, compiler: SQLCompiler, **options: Any) -> str:
    # The function names its column "value" itself.
    return f"json_each({compile_clauses(element, compiler, options)[0]})"
