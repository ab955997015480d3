"""Tasks that several requests wait for."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


@dataclass(slots=True)
class SharedTask:
    """A task, and the number of requests that wait for it."""

    task: "asyncio.Future[Any]"
    waiters: int = 0


class SharedTasks(Generic[K, T]):
    """The running tasks by key. A task is cancelled when the last of its waiters is."""

    def __init__(self) -> None:
        self._tasks: dict[K, SharedTask] = {}

    async def run(self, key: K, start: Callable[[], Awaitable[T]]) -> T:
        """Return the result of the running task with this key, or of a new one."""
        shared = self._tasks.get(key)
        if shared is None:
            shared = self._tasks[key] = SharedTask(asyncio.ensure_future(start()))
            shared.task.add_done_callback(retrieve_error)
        shared.waiters += 1
        try:
            return await asyncio.shield(shared.task)
        finally:
            shared.waiters -= 1
            if not shared.waiters:
                del self._tasks[key]
                shared.task.cancel()


def retrieve_error(task: "asyncio.Future[Any]") -> None:
    """Retrieve the error, so that asyncio does not log it if no request waits any longer."""
    if not task.cancelled():
        task.exception()
