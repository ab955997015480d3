"""The limits of reads, apart from the modules that load drivers."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """The limits of the reads of one process. Times are in seconds.

    `size` is the number of connections, `queue` the number of reads that wait for one, at most for
    `queue_seconds`. The database cancels a statement after `statement_seconds`. A connection that
    does not respond within `read_seconds` is closed.
    """

    size: int = 5
    queue: int = 1000
    queue_seconds: float = 5
    statement_seconds: float = 6
    read_seconds: float = 8


DEFAULTS = PoolLimits()
