"""Reads of a request: all see one state of the database, and end in time."""

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import TypeVar

from gql.context import Context, DriftReader, Identity
from gql.errors import ExecutionTimeoutError
from gql.limits import Limits, ResponseSize
from models.database import Caller, SnapshotRequiredError
from models.watchdog import Watchdog

T = TypeVar("T")
Read = Callable[[Context], Awaitable[T]]


class ReadRunner:
    """Runs the reads of requests within limits, for a server below `root_path`."""

    def __init__(
        self, limits: Limits, root_path: str = "", drift: DriftReader | None = None
    ) -> None:
        self._limits = limits
        self._root_path = root_path
        self._drift = drift
        self._watchdog = Watchdog(limits.seconds)

    def limit_time(self) -> "TimeLimit":
        """Return a context manager that raises ExecutionTimeoutError if its block takes too long."""
        return TimeLimit(self._watchdog)

    async def run(
        self,
        read: Read[T],
        identity: Identity,
        *,
        is_snapshot: bool = False,
        is_expensive: bool = False,
    ) -> T:
        """Return the result of `read`, which runs again in a snapshot if it needs several statements.

        `is_snapshot` avoids the first attempt of a `read` that is known to need them. Raises
        UnavailableError, and LimitExceededError if the response is too large.
        """
        unversioned = identity._replace(version=None)
        result, _ = await self.run_at_version(
            read, unversioned, is_snapshot=is_snapshot, is_expensive=is_expensive
        )
        return result

    async def run_at_version(
        self,
        read: Read[T],
        identity: Identity,
        *,
        is_snapshot: bool = False,
        is_expensive: bool = False,
    ) -> tuple[T, bool]:
        """Return the result of `run`, and whether it belongs to the version of the identity."""
        caller = Caller(identity.viewer.token, is_expensive)
        version = identity.version
        session = identity.database.open_session(
            caller, is_snapshot=is_snapshot, is_versioned=version is not None
        )
        size = ResponseSize(self._limits.objects)
        context = Context(session, identity.viewer, size, self._root_path, self._drift)
        try:
            async with session:
                result = await read(context)
        except SnapshotRequiredError:
            return await self.run_at_version(
                read, identity, is_snapshot=True, is_expensive=is_expensive
            )
        context.size.check()
        return result, version is not None and await session.has_read_at(version)


class TimeLimit:
    """A block of the current task that is cancelled if it takes too long."""

    __slots__ = ("_is_overdue", "_task", "_watchdog")

    def __init__(self, watchdog: Watchdog) -> None:
        self._watchdog = watchdog
        self._task = asyncio.current_task()
        self._is_overdue = False

    def __enter__(self) -> None:
        self._watchdog.add(self)

    def __exit__(
        self,
        type_: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._watchdog.remove(self)
        is_cancelled = self._is_overdue and self._task is not None and not self._task.uncancel()
        if is_cancelled and type_ is asyncio.CancelledError:
            raise ExecutionTimeoutError(self._watchdog.seconds) from None

    def abort(self) -> None:
        """Cancel the task."""
        self._is_overdue = True
        if self._task:
            self._task.cancel()
