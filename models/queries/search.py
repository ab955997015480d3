"""The search condition: a row contains all search terms, ignoring case."""

from itertools import chain
from typing import Any

from sqlalchemy import ColumnElement, SQLColumnExpression, bindparam
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from models.queries.arrays import TextArray, compile_clauses
from models.search_terms import FOLD_FUNCTION, SEARCH_FUNCTION
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


class Fold(FunctionElement[str]):
    """A string with its case folded."""

    type = TEXT
    inherit_cache = True


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


@compiles(Fold, "sqlite")
def _sqlite_fold(element: Fold, compiler: SQLCompiler, **options: Any) -> str:
    return f"{FOLD_FUNCTION}({compiler.process(element.clauses, **options)})"


@compiles(Fold, "postgresql")
def _postgresql_fold(element: Fold, compiler: SQLCompiler, **options: Any) -> str:
    return _postgresql_upper(compiler.process(element.clauses, **options))


@compiles(ContainsTerms, "sqlite")
def _sqlite_contains_terms(element: ContainsTerms, compiler: SQLCompiler, **options: Any) -> str:
    return f"{SEARCH_FUNCTION}({compiler.process(element.clauses, **options)})"


@compiles(ContainsTerms, "postgresql")
def _postgresql_contains_terms(
    element: ContainsTerms, compiler: SQLCompiler, **options: Any
) -> str:
    terms, separator, *columns = compile_clauses(element, compiler, options)
    folded = _postgresql_upper(f" || {separator} || ".join(columns))
    escaped = r"replace(replace(replace(upper(value), '\', '\\'), '%', '\%'), '_', '\_')"
    patterns = f"SELECT '%' || {escaped} || '%' FROM unnest({terms}) AS term (value)"  # noqa: S608 - no user input
    return f"{folded} LIKE ALL (ARRAY({patterns}))"


def _postgresql_upper(text: str) -> str:
    # FlowQL's columns have collation "C", whose upper() folds only ASCII. LIKE is fastest with "C".
    return f'upper(({text}) COLLATE "default") COLLATE "C"'
