"""When each transaction became visible, and whether a response fits to it.

A response is exact if a fresh execution between the request and the response gives it: each value
was visible meanwhile, and all values of one state at the same moment. The check needs no lock: it
uses the times before and after each commit, so it never reports an exact response.
"""

import re
import time
from base64 import b64decode
from bisect import bisect_left, bisect_right
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import inf
from typing import NamedTuple

from support.reuse_data import PHASES, RIGHTS_PHASES

MARK = re.compile(r"([ABCDP])(\d{7})")
CURSOR = re.compile(r'"(cursor|startCursor|endCursor)":"([^"]*)"')


class Phases(NamedTuple):
    """The phases of rights and content in which a body is the right one."""

    rights: int
    content: int


class Content(NamedTuple):
    """A response without the numbers of transactions, and the numbers by component."""

    status: int
    text: str
    numbers: Mapping[str, frozenset[int]]


class Observation(NamedTuple):
    """A response: when it was requested and received, and which transactions it shows."""

    name: str
    sent: float
    received: float
    numbers: Mapping[str, frozenset[int]]
    phases: frozenset[Phases]


def parse_content(status: int, body: bytes) -> Content:
    """Separate a body from the numbers of transactions in it, also in those of cursors."""
    text = CURSOR.sub(_decode_cursor, body.decode())
    numbers: dict[str, set[int]] = {}
    for component, number in MARK.findall(text):
        numbers.setdefault(component, set()).add(int(number))
    frozen = {component: frozenset(found) for component, found in numbers.items()}
    return Content(status, MARK.sub(r"\1", text), frozen)


def _decode_cursor(match: re.Match[str]) -> str:
    return f'"{match[1]}":{b64decode(match[2], altchars=b"-_").decode()}'


@dataclass(slots=True)
class Timeline:
    """The times before and after each commit of a component, in order."""

    starts: list[float] = field(default_factory=lambda: [-inf])
    ends: list[float] = field(default_factory=lambda: [-inf])

    @property
    def next_number(self) -> int:
        """The number of the next transaction."""
        return len(self.starts)

    @contextmanager
    def commit(self) -> Generator[None]:
        """Record the commit of the next transaction, which the block executes."""
        self.starts.append(time.monotonic())
        yield
        self.ends.append(time.monotonic())

    def span(self, number: int) -> tuple[float, float]:
        """Return the longest time for which the content of a transaction can have been visible."""
        if number >= len(self.starts):
            return inf, -inf
        return self.starts[number], self._get_end(number + 1)

    def list_visible(self, start: float, end: float) -> range:
        """Return the transactions whose content can have been visible in this time."""
        first = max(bisect_left(self.ends, start) - 1, 0)
        return range(first, bisect_right(self.starts, end))

    def _get_end(self, number: int) -> float:
        return self.ends[number] if number < len(self.ends) else inf


@dataclass(slots=True)
class History:
    """The timelines of all components."""

    timelines: Mapping[str, Timeline] = field(
        default_factory=lambda: {component: Timeline() for component in "ABCDPR"}
    )

    @property
    def size(self) -> int:
        """The number of commits."""
        return sum(timeline.next_number - 1 for timeline in self.timelines.values())

    def find_error(self, response: Observation) -> str | None:
        """Return why no fresh execution gives a response, None if one can."""
        mixed = [name for name, found in response.numbers.items() if len(found) > 1]
        if mixed:
            return f"it mixes transactions of {', '.join(mixed)}"
        numbers = {name: next(iter(found)) for name, found in response.numbers.items()}
        for name, number in numbers.items():
            start, end = self.timelines[name].span(number)
            if end < response.sent:
                return f"{name}{number} was replaced {response.sent - end:.4f} s before the request"
            if start > response.received:
                return f"{name}{number} was not committed when the response arrived"
        phases = [phases for phases in response.phases if self._has_rights(response, phases)]
        if not phases:
            return "its rights were never valid between the request and the response"
        if not any(self._has_content(response, numbers, content) for _, content in phases):
            return "its values were never visible at the same moment"
        return None

    def _has_rights(self, response: Observation, phases: Phases) -> bool:
        # A fresh execution reads the viewer first, in a statement of its own.
        visible = self.timelines["R"].list_visible(response.sent, response.received)
        return any(number % RIGHTS_PHASES == phases.rights for number in visible)

    def _has_content(self, response: Observation, numbers: Mapping[str, int], phase: int) -> bool:
        spans = [self.timelines[name].span(number) for name, number in numbers.items()]
        start = max([response.sent, *(start for start, _ in spans)])
        end = min([response.received, *(end for _, end in spans)])
        return start <= end and any(
            number % PHASES == phase for number in self._list_phases(numbers, start, end)
        )

    def _list_phases(self, numbers: Mapping[str, int], start: float, end: float) -> Iterable[int]:
        visible = self.timelines["P"].list_visible(start, end)
        return [number for number in visible if numbers.get("P", number) == number]
