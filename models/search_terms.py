"""Search terms: splitting, case folding and matching."""

import json
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

# The names of `contains_terms` and `fold` in SQLite.
SEARCH_FUNCTION = "flowql_contains_terms"
FOLD_FUNCTION = "flowql_fold"
UNQUOTED = re.compile(r"[^\s'\"]*")
WORD = re.compile(r"\S+")


def split_terms(text: str) -> tuple[str, ...]:
    """Split a search string into terms, as Django REST framework does.

    White space and commas separate terms. A phrase in quotes is one term.
    """
    return tuple(term for token in _find_tokens(text) for term in _split_token(token.strip(",")))


def _find_tokens(text: str) -> Iterator[str]:
    closing_quotes = {quote: _find_closing_quotes(text, quote) for quote in "\"'" if quote in text}
    word = WORD.search(text)
    while word:
        end = _find_quoted_end(text, word.start(), closing_quotes) or word.end()
        yield text[word.start() : end]
        word = WORD.search(text, end)


def _find_quoted_end(text: str, start: int, closing_quotes: dict[str, list[int]]) -> int | None:
    """Return the end of a token with quoted parts, None if the token has no quoted part."""
    end = None
    position = _skip_unquoted(text, start)
    while position < len(text) and text[position] in closing_quotes:
        closing = closing_quotes[text[position]][position + 1]
        if closing < 0:
            break
        end = position = _skip_unquoted(text, closing + 1)
    return end


def _skip_unquoted(text: str, start: int) -> int:
    match = UNQUOTED.match(text, start)
    return match.end() if match else start


def _find_closing_quotes(text: str, quote: str) -> list[int]:
    """Return the position of the next closing quote for each position, -1 if there is none.

    One pass from the right takes linear time. A search from each opening quote would take
    quadratic time for a string of unclosed quotes.
    """
    positions = [-1] * (len(text) + 2)
    for position in reversed(range(len(text))):
        if text[position] == quote:
            positions[position] = position
        elif text[position] != "\\":
            positions[position] = positions[position + 1]
        elif text[position + 1 : position + 2] != "\n":
            positions[position] = positions[position + 2]
    return positions


def _split_token(token: str) -> Iterable[str]:
    if token[:1] in ("'", '"') and token[0] == token[-1]:
        quote = token[0]
        return (token[1:-1].replace("\\" + quote, quote).replace("\\\\", "\\"),)
    return (part.strip() for part in token.split(",") if part)


@lru_cache(maxsize=4096)
def _fold_character(character: str) -> str:
    candidates = (character.upper(), character.title())
    return next((folded for folded in candidates if len(folded) == 1), character)


def fold(text: str) -> str:
    """Fold case one character to one, like PostgreSQL's upper(). SQLite calls this function."""
    folded = text.upper()
    # str.upper() never shortens a character, so an equal length means that none was expanded.
    if len(folded) == len(text):
        return folded
    return "".join(map(_fold_character, text))


@lru_cache(maxsize=64)
def _fold_terms(encoded: str) -> tuple[str, ...]:
    return tuple(fold(term) for term in json.loads(encoded))


def contains_terms(encoded: str, separator: str, *values: str) -> bool:
    """Return True if each term of a JSON list is part of a value. SQLite calls this function."""
    text = fold(separator.join(values))
    return all(term in text for term in _fold_terms(encoded))
