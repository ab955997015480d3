"""The search condition: a row contains all search terms."""

from itertools import chain
from typing import Any

from sqlalchemy import ColumnElement, SQLColumnExpression, bindparam
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from models.queries.arrays import TextArray, compile_clauses
from models.search_terms import SEARCH_FUNCTION
from models.tables.columns import TEXT

# Unicode characters without case and without an assigned meaning.
PRIVATE_USE = range(0xE000, 0xF900)


def search_values(terms: tuple[str, ...]) -> dict[str, Any]:
    """Return the parameters of `contains_terms_condition`.

    The separator is a character that no term contains.
    """
    candidates = map(chr, chain(range(1, 32), PRIVATE_USE))
    joined = "".join(terms)
    separator = next(candidate for candidate in candidates if candidate not in joined)
    return {"search": terms, "separator": separator}


class ContainsTerms(FunctionElement[bool]):
    """The condition that each term is part of a column, ignoring case.

    The terms are one parameter, so the statement is the same for any number of terms. The columns
    are joined by the separator, which no term contains, and folded once.
    """

    inherit_cache = True


def contains_terms_condition(*columns: SQLColumnExpression[str]) -> ColumnElement[bool]:
    """Return the condition that each search term is part of a column."""
    terms, separator = bindparam("search", type_=TextArray()), bindparam("separator", type_=TEXT)
    return ContainsTerms(terms, separator, *columns)


@compiles(ContainsTerms, "sqlite")
def _sqlite_contains_terms(element: ContainsTerms, compiler: SQLCompiler, **options: Any) -> str:
    return f"{SEARCH_FUNCTION}({compiler.process(element.clauses, **options)})"


@compiles(ContainsTerms, "postgresql")
def _postgresql_contains_terms(
    element: ContainsTerms, compiler: SQLCompiler, **options: Any
) -> str:
    terms, separator, *columns = compile_clauses(element, compiler, options)
    text = f" || {separator} || ".join(columns)
    # FlowQL's columns have collation "C", whose upper() folds only ASCII. LIKE is fastest with "C".
    folded = f'upper(({text}) COLLATE "default") COLLATE "C"'
    escaped = r"replace(replace(replace(upper(value), '\', '\\'), '%', '\%'), '_', '\_')"
    patterns = f"SELECT '%' || {escaped} || '%' FROM unnest({terms}) AS term (value)"  # noqa: S608 - no user input
    return f"{folded} LIKE ALL (ARRAY({patterns}))"
