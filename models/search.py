"""What a search finds: the terms of its text, and the condition that a row has them all."""

import json
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, SQLColumnExpression, Text, literal
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

PLAIN = re.compile(r"[^\s'\"]*")
WORD = re.compile(r"\S+")


def terms(text: str) -> tuple[str, ...]:
    """The terms that Django REST framework sees in a search text, in order.

    Blanks and commas separate; quotes keep a phrase together if they stand at both its ends.
    """
    return tuple(term for token in _tokens(text) for term in _terms_of(token.strip(",")))


def _tokens(text: str) -> Iterator[str]:
    closings = {quote: _closings(text, quote) for quote in "\"'" if quote in text}
    word = WORD.search(text)
    while word:
        end = _quoted_end(text, word.start(), closings) or word.end()
        yield text[word.start() : end]
        word = WORD.search(text, end)


def _quoted_end(text: str, start: int, closings: dict[str, list[int]]) -> int | None:
    """Where a token ends that holds quoted parts with their blanks, None if it holds none."""
    end = None
    position = _skip_plain(text, start)
    while position < len(text) and text[position] in closings:
        closing = closings[text[position]][position + 1]
        if closing < 0:
            break
        end = position = _skip_plain(text, closing + 1)
    return end


def _skip_plain(text: str, start: int) -> int:
    match = PLAIN.match(text, start)
    return match.end() if match else start


def _closings(text: str, quote: str) -> list[int]:
    """For each position inside a quoted part, where that part closes, or -1.

    Found from the right in one pass: looking ahead from every quote would let a search of
    many unclosed quotes take quadratic time.
    """
    found = [-1] * (len(text) + 2)
    for position in reversed(range(len(text))):
        if text[position] == quote:
            found[position] = position
        elif text[position] != "\\":
            found[position] = found[position + 1]
        elif text[position + 1 : position + 2] != "\n":
            found[position] = found[position + 2]
    return found


def _terms_of(token: str) -> Iterable[str]:
    if token[:1] in ("'", '"') and token[0] == token[-1]:
        quote = token[0]
        return (token[1:-1].replace("\\" + quote, quote).replace("\\\\", "\\"),)
    return (part.strip() for part in token.split(",") if part)


@lru_cache(maxsize=4096)
def _fold_character(character: str) -> str:
    candidates = (character.upper(), character.title())
    return next((folded for folded in candidates if len(folded) == 1), character)


def fold(text: str) -> str:
    """`text` without case, one character for each, as PostgreSQL's upper() folds it."""
    folded = text.upper()
    # No character becomes shorter, so none became longer either.
    if len(folded) == len(text):
        return folded
    return "".join(map(_fold_character, text))


@lru_cache(maxsize=64)
def _folded_terms(encoded: str) -> tuple[str, ...]:
    return tuple(fold(term) for term in json.loads(encoded))


def contains_terms(encoded: str, *values: str) -> bool:
    """Whether each term of a JSON list is in one of the values: the function SQLite calls."""
    folded = [fold(value) for value in values]
    return all(any(term in value for value in folded) for term in _folded_terms(encoded))


class ContainsTerms(FunctionElement[bool]):
    """The condition that each term is in one of the columns, whatever the case.

    The terms travel as one JSON parameter, so that the statement is the same for any number.
    """

    inherit_cache = True


def containing(wanted: tuple[str, ...], *columns: SQLColumnExpression[str]) -> ColumnElement[bool]:
    """The condition that each wanted term is in one of the columns."""
    return ContainsTerms(literal(json.dumps(list(dict.fromkeys(wanted))), Text()), *columns)


@compiles(ContainsTerms, "sqlite")
def _on_sqlite(element: ContainsTerms, compiler: SQLCompiler, **options: Any) -> str:
    return f"flowql_contains_terms({compiler.process(element.clauses, **options)})"


@compiles(ContainsTerms, "postgresql")
def _on_postgresql(element: ContainsTerms, compiler: SQLCompiler, **options: Any) -> str:
    encoded, *columns = (compiler.process(clause, **options) for clause in element.clauses)
    # Our own columns have collation "C", under which upper() folds ASCII alone.
    misses = " AND ".join(
        f'strpos(upper({column} COLLATE "default"), upper(value COLLATE "default")) = 0'
        for column in columns
    )
    return (
        "NOT EXISTS (SELECT FROM jsonb_array_elements_text("
        f"CAST({encoded} AS jsonb)) AS term (value) WHERE {misses})"
    )
