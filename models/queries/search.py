"""The condition that a row has all terms of a search."""

from itertools import chain
from typing import Any

from sqlalchemy import ColumnElement, SQLColumnExpression, bindparam
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from models.queries.arrays import TextList, compile_clauses
from models.tables.columns import TEXT

# Characters that have no case, and that nobody gave a meaning.
PRIVATE_USE = range(0xE000, 0xF900)


def search_values(terms: tuple[str, ...]) -> dict[str, Any]:
    """The parameters of `containing`: the terms, and a separator that is in none of them."""
    candidates = map(chr, chain(range(1, 32), PRIVATE_USE))
    joined = "".join(terms)
    separator = next(candidate for candidate in candidates if candidate not in joined)
    return {"search": terms, "separator": separator}


class ContainsTerms(FunctionElement[bool]):
    """The condition that each term is in one of the columns, whatever the case.

    The terms travel as one parameter, so that the statement is the same for any number. The columns
    are joined, to be folded but once, by a separator that no term could match across.
    """

    inherit_cache = True


def contains_terms_condition(*columns: SQLColumnExpression[str]) -> ColumnElement[bool]:
    """The condition that each of the terms is in one of the columns."""
    terms, separator = bindparam("search", type_=TextList()), bindparam("separator", type_=TEXT)
    return ContainsTerms(terms, separator, *columns)


@compiles(ContainsTerms, "sqlite")
def _on_sqlite(element: ContainsTerms, compiler: SQLCompiler, **options: Any) -> str:
    return f"flowql_contains_terms({compiler.process(element.clauses, **options)})"


@compiles(ContainsTerms, "postgresql")
def _on_postgresql(element: ContainsTerms, compiler: SQLCompiler, **options: Any) -> str:
    terms, separator, *columns = compile_clauses(element, compiler, options)
    text = f" || {separator} || ".join(columns)
    # Our own columns have collation "C", under which upper() folds ASCII alone; once that is done,
    # LIKE is quickest under it.
    folded = f'upper(({text}) COLLATE "default") COLLATE "C"'
    escaped = r"replace(replace(replace(upper(value), '\', '\\'), '%', '\%'), '_', '\_')"
    patterns = f"SELECT '%' || {escaped} || '%' FROM unnest({terms}) AS term (value)"  # noqa: S608 - SQL already
    return f"{folded} LIKE ALL (ARRAY({patterns}))"
