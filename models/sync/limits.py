"""The limits of requests to authentik."""

from collections.abc import Callable
from dataclasses import dataclass

# Receives the step, how much of it is done, and its size: objects for `fetch`, rows for `write`.
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class ApiLimits:
    """The limits of requests to authentik. All times are in seconds.

    `concurrency` is the number of requests at the same time. `request_seconds` limits one request,
    and `total_seconds` a whole round. A request is sent at most `attempts` times; the pause before
    the next attempt starts at `wait_seconds`, doubles, and is at most `max_wait_seconds`, also if
    authentik asks for a longer one. A list that changes while it is read is read up to `list_reads`
    times, and all lists up to `rounds` times if they do not agree.
    """

    concurrency: int = 4
    request_seconds: float = 30
    total_seconds: float = 600
    attempts: int = 6
    wait_seconds: float = 0.25
    max_wait_seconds: float = 60
    list_reads: int = 5
    rounds: int = 3
    page_size: int = 100
    max_response_bytes: int = 64 * 2**20
    max_objects: int = 1_000_000


DEFAULTS = ApiLimits()
