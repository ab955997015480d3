"""Names as lines of letters that fit.

Nobody knows the reader's font: letters are taken to be as wide as those of a wide one.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from gql.diagram.text import replace_unreadable

# A text is never cut between what belongs together: words, and parts of names.
WORD = re.compile(r"\s+|[^\s\-_./:]+[\-_./:]*|[\-_./:]+")
ELLIPSIS = "…"
# What is longer is not drawn whole in any box.
MOST_CHARACTERS = 400
# As many marks as a letter has in any language; more would be drawn over the neighbours.
MOST_MARKS = 6
NARROW, WIDE = frozenset("fijlrt.,:;'|!()[]I -"), frozenset("mwMW@%")
JOINER = "\u200d"


@dataclass(frozen=True, slots=True)
class TextStyle:
    """How letters look: their size and a line's height in pixels, and how many lines at most."""

    size: float
    height: int
    lines: int

    @property
    def baseline(self) -> int:
        """How far below the top of a line its letters stand."""
        return round(self.height * 0.72)

    def lines_of(self, text: str, width: float) -> list[str]:
        """The text in lines of at most that width; an ellipsis stands for what does not fit."""
        shown = " ".join(_tamed(replace_unreadable(text[:MOST_CHARACTERS])).split())
        lines = list(_filled(shown, width / self.size, self.lines + 1))
        if len(lines) <= self.lines and len(text) <= MOST_CHARACTERS:
            return lines
        kept = lines[: self.lines]
        return [*kept[:-1], _shortened(kept[-1], width / self.size)]


def _tamed(text: str) -> str:
    """The text, without the marks that are too many."""
    return text if text.isascii() else "".join(_clusters(text))


def _filled(text: str, width: float, most: int) -> Iterator[str]:
    """The first lines, at most so many, each filled with as many words as fit."""
    line, left = "", width
    for piece in _pieces(text, width):
        needed = _width(piece.rstrip())
        if needed > left:
            yield line.rstrip()
            most -= 1
            if not most:
                return
            line, left = "", width
        if line or piece.strip():
            line, left = line + piece, left - _width(piece)
    if line.strip():
        yield line.rstrip()


def _pieces(text: str, width: float) -> Iterator[str]:
    """The words, and the letters of those that are wider than a line."""
    for word in WORD.findall(text):
        if _width(word) <= width:
            yield word
        else:
            yield from _clusters(word)


def _shortened(line: str, width: float) -> str:
    clusters = list(_clusters(line))
    while clusters and _width("".join(clusters) + ELLIPSIS) > width:
        clusters.pop()
    return "".join(clusters).rstrip() + ELLIPSIS


def _clusters(text: str) -> Iterator[str]:
    """What is seen as letters: each with its marks, and what is joined to it."""
    cluster, marks = "", 0
    for character in text:
        is_mark = unicodedata.category(character)[0] == "M"
        if cluster and (is_mark or JOINER in (character, cluster[-1])):
            marks += is_mark
            cluster += character if marks <= MOST_MARKS else ""
            continue
        if cluster:
            yield cluster
        cluster, marks = character, 0
    if cluster:
        yield cluster


def _width(text: str) -> float:
    return sum(map(_em, text))


@lru_cache(1024)
def _em(character: str) -> float:
    """How wide a character is, where a capital M is about 1."""
    if unicodedata.category(character) in ("Mn", "Me", "Cf", "Cc"):
        return 0
    if unicodedata.east_asian_width(character) in "WF":
        return 1.1
    if character in NARROW:
        return 0.4
    if character in WIDE:
        return 1.04
    return 0.78 if character.isupper() else 0.67
