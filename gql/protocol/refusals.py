"""Refused connections: a count, which the log contains at most once a minute."""

import logging
from asyncio import AbstractEventLoop
from dataclasses import dataclass

log = logging.getLogger("flowql")


@dataclass(slots=True)
class Refusals:
    """The number of connections that a process refused since the last log line."""

    limit: int
    interval: float = 60
    count: int = 0
    is_scheduled: bool = False

    def add(self, loop: AbstractEventLoop) -> None:
        """Count a connection, and log the count now or at the end of the interval."""
        self.count += 1
        if not self.is_scheduled:
            self._report(loop)

    def _report(self, loop: AbstractEventLoop) -> None:
        self.is_scheduled = self.count > 0
        if self.is_scheduled:
            log.warning(
                "connections refused: %d; the limit is %d (see --max-connections)",
                self.count,
                self.limit,
            )
            self.count = 0
            loop.call_later(self.interval, self._report, loop)
