"""A watchdog: limits the time of many calls with one timer."""

import asyncio
from collections.abc import Hashable
from time import monotonic
from typing import Protocol

# How often calls are checked in the time that one may take.
CHECKS = 10


class Watched(Hashable, Protocol):
    """A call that can be aborted."""

    def abort(self) -> None:
        """End the call, which takes too long."""
        ...


class Watchdog:
    """Aborts calls that take longer than a time in seconds, up to a tenth of it later.

    A timer for each call would take more time than many calls themselves.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._started: dict[Watched, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def add(self, call: Watched) -> None:
        """Watch a call from now on."""
        self._started[call] = monotonic()
        if self._timer is None:
            self._start_timer()

    def remove(self, call: Watched) -> None:
        """Forget a call that has ended."""
        self._started.pop(call, None)

    def close(self) -> None:
        """Stop the timer."""
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _start_timer(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self.seconds / CHECKS, self._abort_overdue)

    def _abort_overdue(self) -> None:
        self._timer = None
        latest_start = monotonic() - self.seconds
        overdue = [call for call, started in self._started.items() if started <= latest_start]
        for call in overdue:
            self.remove(call)
            call.abort()
        if self._started:
            self._start_timer()
