"""Layout of text in lines of a limited width.

The server cannot know the browser's font. It estimates the width of characters for a wide one.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from gql.diagram.text import replace_unreadable

# Lines break after whitespace, and after punctuation within names.
WORD = re.compile(r"\s+|[^\s\-_./:]+[\-_./:]*|[\-_./:]+")
ELLIPSIS = "…"
# No box has room for a longer text.
MAX_CHARACTERS = 400
# No language puts more marks on a letter; more would overlap the neighboring lines.
MAX_MARKS = 6
NARROW, WIDE = frozenset("fijlrt.,:;'|!()[]I -"), frozenset("mwMW@%")
JOINER = "\u200d"


@dataclass(frozen=True, slots=True)
class TextStyle:
    """The font size, the line height (both in pixels) and the maximum number of lines."""

    size: float
    height: int
    max_lines: int

    @property
    def baseline(self) -> int:
        """The distance from the top of a line to its baseline, in pixels."""
        return round(self.height * 0.72)

    def wrap(self, text: str, width: float) -> list[str]:
        """Break a text into lines of at most this width, in pixels.

        If the text does not fit into the lines, the last one ends in an ellipsis.
        """
        shown = " ".join(_limit_marks(replace_unreadable(text[:MAX_CHARACTERS])).split())
        lines = list(_fill_lines(shown, width / self.size, self.max_lines + 1))
        if len(lines) <= self.max_lines and len(text) <= MAX_CHARACTERS:
            return lines
        kept_lines = lines[: self.max_lines]
        return [*kept_lines[:-1], _shorten(kept_lines[-1], width / self.size)]


def _limit_marks(text: str) -> str:
    return text if text.isascii() else "".join(_split_clusters(text))


def _fill_lines(text: str, width: float, max_lines: int) -> Iterator[str]:
    """Yield the first lines of a text, each with as many words as fit."""
    line, remaining = "", width
    for piece in _split_pieces(text, width):
        if _measure(piece.rstrip()) > remaining:
            yield line.rstrip()
            max_lines -= 1
            if not max_lines:
                return
            line, remaining = "", width
        if line or piece.strip():
            line, remaining = line + piece, remaining - _measure(piece)
    if line.strip():
        yield line.rstrip()


def _split_pieces(text: str, width: float) -> Iterator[str]:
    """Yield the words, and the letters of those that are wider than a line."""
    for word in WORD.findall(text):
        if _measure(word) <= width:
            yield word
        else:
            yield from _split_clusters(word)


def _shorten(line: str, width: float) -> str:
    clusters = list(_split_clusters(line))
    while clusters and _measure("".join(clusters) + ELLIPSIS) > width:
        clusters.pop()
    return "".join(clusters).rstrip() + ELLIPSIS


def _split_clusters(text: str) -> Iterator[str]:
    """Yield grapheme clusters: each letter with its marks and with the letters joined to it.

    Marks over the limit are dropped.
    """
    cluster, marks = "", 0
    for character in text:
        is_mark = unicodedata.category(character)[0] == "M"
        if cluster and (is_mark or JOINER in (character, cluster[-1])):
            marks += is_mark
            cluster += character if marks <= MAX_MARKS else ""
            continue
        if cluster:
            yield cluster
        cluster, marks = character, 0
    if cluster:
        yield cluster


def _measure(text: str) -> float:
    return sum(map(_measure_character, text))


@lru_cache(1024)
def _measure_character(character: str) -> float:
    """Estimate the width of a character in ems."""
    if unicodedata.category(character) in ("Mn", "Me", "Cf", "Cc"):
        return 0
    if unicodedata.east_asian_width(character) in "WF":
        return 1.1
    if character in NARROW:
        return 0.4
    if character in WIDE:
        return 1.04
    return 0.78 if character.isupper() else 0.67
