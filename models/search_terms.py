"""What a search text holds: its terms, and how case is folded."""

import json
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

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


def contains_terms(encoded: str, separator: str, *values: str) -> bool:
    """Whether each term of a JSON list is in one of the values: the function SQLite calls."""
    text = fold(separator.join(values))
    return all(term in text for term in _folded_terms(encoded))
