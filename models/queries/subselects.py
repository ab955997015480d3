"""SELECTs within a statement, by the ways in which PostgreSQL executes them.

Of these ways, only that of SemiJoin depends on the database's statistics, which may be missing. SQLite
has one way to compare a value with the results of a SELECT: it builds an index of them.
"""

from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    CompoundSelect,
    Integer,
    Select,
    SQLColumnExpression,
    exists,
    literal_column,
    select,
    true,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from models.queries.arrays import compile_clauses


def materialize(
    rows: Select[*tuple[Any, ...]] | CompoundSelect[*tuple[Any, ...]], name: str | None = None
) -> CTE:
    """Return a CTE that the database evaluates once, before any condition on its result."""
    return rows.cte(name).prefix_with("MATERIALIZED")


def exists_by_index(rows: Select[Any]) -> ColumnElement[bool]:
    """Return the condition that a correlated SELECT has a row, which is searched for each value.

    With OFFSET and IS TRUE, PostgreSQL neither joins the rows nor builds a hash table of them.
    """
    return exists(rows.offset(literal_column("0", Integer))).is_(true())


class InSubquery(FunctionElement[bool]):
    """The condition that a value is a result of a SELECT, which the database executes first.

    PostgreSQL searches the results in an index of the column: this selects the rows of a table.
    """

    inherit_cache = True

    def __init__(
        self, column: SQLColumnExpression[Any], rows: Select[Any] | CompoundSelect[Any]
    ) -> None:
        super().__init__(column, rows.scalar_subquery())


@compiles(InSubquery, "postgresql")
def _postgresql_in_subquery(element: InSubquery, compiler: SQLCompiler, **options: Any) -> str:
    # With IN, PostgreSQL would plan a join, because it cannot estimate the number of rows.
    column, rows = compile_clauses(element, compiler, options)
    return f"{column} = ANY(ARRAY{rows})"


class SemiJoin(FunctionElement[bool]):
    """The condition that a value is a result of a SELECT, which has no NULLs.

    PostgreSQL plans a join by its statistics.
    """

    inherit_cache = True

    def __init__(
        self, column: SQLColumnExpression[Any], rows: Select[Any] | CompoundSelect[Any]
    ) -> None:
        # SQLite's parser limits the nesting of subqueries, so the SELECT is a CTE. PostgreSQL
        # inlines it.
        cte = rows.cte().prefix_with("NOT MATERIALIZED", dialect="postgresql")
        super().__init__(column, select(cte).scalar_subquery())


@compiles(SemiJoin, "postgresql")
def _postgresql_semi_join(element: SemiJoin, compiler: SQLCompiler, **options: Any) -> str:
    # Under NOT or OR, PostgreSQL scans the result of IN for each row unless a hash table of it fits
    # in memory. EXISTS can use an index there, and elsewhere has the same plan as IN.
    column, rows = compile_clauses(element, compiler, options)
    return f"EXISTS (SELECT FROM {rows} AS candidates (value) WHERE candidates.value = {column})"


class InHashedSubquery(SemiJoin):
    """The condition that a value is a result of a SELECT, which the database executes first.

    PostgreSQL searches each value in a hash table of the results: this filters many rows.
    """

    inherit_cache = True


@compiles(InHashedSubquery, "postgresql")
def _postgresql_in_hashed(element: InHashedSubquery, compiler: SQLCompiler, **options: Any) -> str:
    # PostgreSQL expects an array of unknown length to be short, so it builds a hash table. Without
    # IS TRUE it would plan a join instead.
    column, rows = compile_clauses(element, compiler, options)
    return f"({column} IN (SELECT unnest(ARRAY{rows}))) IS TRUE"


@compiles(InSubquery, "sqlite")
@compiles(SemiJoin, "sqlite")
@compiles(InHashedSubquery, "sqlite")
def _sqlite_in(element: FunctionElement[bool], compiler: SQLCompiler, **options: Any) -> str:
    column, rows = compile_clauses(element, compiler, options)
    return f"{column} IN {rows}"
