"""Slots: the number of reads that run at the same time, and a fair queue of those that wait."""

import asyncio
from collections import deque
from typing import NamedTuple

from models.errors import OverloadedError
from models.limits import PoolLimits
from models.watchdog import Watchdog

# One of this number of slots, and one of fewer slots, is not for expensive reads.
SLOTS_PER_RESERVED = 4
# Expensive reads may fill this part of the queue: they take longer to serve.
EXPENSIVE_PART = 10


class Caller(NamedTuple):
    """The client that a read is for, and whether it is expensive."""

    client: str = ""
    is_expensive: bool = False


ANYONE = Caller()


class Waiter:
    """A caller that waits for a slot; the future is done when it gets one."""

    __slots__ = ("client", "future")

    def __init__(self, client: str) -> None:
        self.client = client
        self.future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def abort(self) -> None:
        """End the wait, which takes too long."""
        self.fail(TimeoutError())

    def fail(self, error: Exception) -> None:
        """End the wait with an error, unless it has ended."""
        if not self.future.done():
            self.future.set_exception(error)

    @property
    def is_granted(self) -> bool:
        """True if the caller has got a slot."""
        future = self.future
        return future.done() and not future.cancelled() and future.exception() is None


class Lane:
    """A queue of waiters, in which clients take turns.

    If the queue is full, the client with the most waiters loses its newest one to a client that
    still has fewer with its new one.
    """

    __slots__ = ("_capacity", "_queues", "count")

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._queues: dict[str, deque[Waiter]] = {}
        self.count = 0

    def push(self, waiter: Waiter) -> None:
        """Append a waiter; raises OverloadedError."""
        if self.count >= self._capacity:
            self._displace_for(waiter.client)
        queue = self._queues.get(waiter.client)
        if queue is None:
            self._queues[waiter.client] = deque((waiter,))
        else:
            queue.append(waiter)
        self.count += 1

    def pop(self) -> Waiter:
        """Remove the first waiter of the client whose turn it is."""
        client = next(iter(self._queues))
        # The client goes to the end.
        queue = self._queues.pop(client)
        waiter = queue.popleft()
        if queue:
            self._queues[client] = queue
        self.count -= 1
        return waiter

    def discard(self, waiter: Waiter) -> None:
        """Remove a waiter, if it is in the queue."""
        queue = self._queues.get(waiter.client)
        if queue and waiter in queue:
            queue.remove(waiter)
            self._forget(waiter.client, queue)

    def _displace_for(self, client: str) -> None:
        largest = max(self._queues, key=lambda name: len(self._queues[name]))
        queue = self._queues[largest]
        if len(self._queues.get(client, ())) + 1 >= len(queue):
            raise OverloadedError
        queue.pop().fail(OverloadedError())
        self._forget(largest, queue)

    def _forget(self, client: str, queue: deque[Waiter]) -> None:
        """Count a waiter that was removed from a queue, and forget a client without others."""
        self.count -= 1
        if not queue:
            del self._queues[client]


class Slots:
    """A number of slots, some of which expensive callers cannot take.

    If callers of both kinds wait, others come first, unless no expensive caller has a slot.
    """

    def __init__(self, limits: PoolLimits) -> None:
        self._free = limits.size
        self._expensive = 0
        reserved = max(1, limits.size // SLOTS_PER_RESERVED)
        self._max_expensive = max(1, limits.size - reserved)
        self._cheap_lane = Lane(limits.queue)
        self._expensive_lane = Lane(-(-limits.queue // EXPENSIVE_PART))
        self._is_turn_of_expensive = False
        self._watchdog = Watchdog(limits.queue_seconds)

    async def acquire(self, caller: Caller) -> None:
        """Take a slot; waits for one. Raises OverloadedError, or TimeoutError."""
        is_expensive = caller.is_expensive
        lane = self._expensive_lane if is_expensive else self._cheap_lane
        if self._free and not lane.count and not (is_expensive and self._is_expensive_full):
            self._take(is_expensive=is_expensive)
            return
        waiter = Waiter(caller.client)
        lane.push(waiter)
        self._watchdog.add(waiter)
        try:
            await waiter.future
        except BaseException:
            lane.discard(waiter)
            if waiter.is_granted:
                self.release(caller)
            raise
        finally:
            self._watchdog.remove(waiter)

    def release(self, caller: Caller) -> None:
        """Return a slot, and give it to the next waiter."""
        self._free += 1
        self._expensive -= caller.is_expensive
        while lane := self._find_next_lane():
            waiter = lane.pop()
            if not waiter.future.done():
                self._take(is_expensive=lane is self._expensive_lane)
                waiter.future.set_result(None)

    def close(self) -> None:
        """Stop the timer of the queue."""
        self._watchdog.close()

    @property
    def _is_expensive_full(self) -> bool:
        return self._expensive >= self._max_expensive

    def _take(self, *, is_expensive: bool) -> None:
        self._free -= 1
        self._expensive += is_expensive
        self._is_turn_of_expensive = not is_expensive

    def _find_next_lane(self) -> Lane | None:
        """Return the lane of the next waiter, None if no waiter can take a slot."""
        if not self._free:
            return None
        cheap, expensive = self._cheap_lane, self._expensive_lane
        if not expensive.count or self._is_expensive_full:
            return cheap if cheap.count else None
        if not cheap.count or (self._is_turn_of_expensive and not self._expensive):
            return expensive
        return cheap
