"""Slots are given to clients in turn, and expensive reads do not hold up others."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from models.database.slots import Caller, Slots
from models.errors import OverloadedError
from models.limits import PoolLimits

PATIENT = 60.0
CHEAP, EXPENSIVE = Caller("a"), Caller("b", is_expensive=True)


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run the coroutine of a test, with a time limit."""
    asyncio.run(asyncio.wait_for(main, 10))


def build_slots(size: int, queue: int = 100, seconds: float = PATIENT) -> Slots:
    """Return slots with a queue."""
    return Slots(PoolLimits(size=size, queue=queue, queue_seconds=seconds))


async def queue(slots: Slots, *callers: Caller) -> "list[asyncio.Task[None]]":
    """Let callers wait, in this order."""
    tasks = [asyncio.create_task(slots.acquire(caller)) for caller in callers]
    await asyncio.sleep(0)
    return tasks


async def serve(slots: Slots, caller: Caller, tasks: "list[asyncio.Task[None]]") -> list[int]:
    """Return one slot after the other; return the order in which the tasks get it."""
    order: list[int] = []
    while len(order) < len(tasks):
        slots.release(caller)
        await asyncio.sleep(0)
        [number] = [n for n, task in enumerate(tasks) if task.done() and n not in order]
        order.append(number)
    return order


def test_clients_take_turns() -> None:
    """A client with many waiters does not delay the others."""

    async def main() -> None:
        slots = build_slots(1)
        await slots.acquire(CHEAP)
        clients = ["a", "a", "a", "b", "b", "c"]
        tasks = await queue(slots, *map(Caller, clients))
        order = await serve(slots, CHEAP, tasks)
        assert [clients[number] for number in order] == ["a", "b", "c", "a", "b", "a"]

    run(main())


def test_a_client_displaces_another_one_that_fills_the_queue() -> None:
    """The newest waiter of the other client fails; a client with most waiters is rejected itself."""

    async def main() -> None:
        slots = build_slots(1, queue=3)
        await slots.acquire(CHEAP)
        tasks = await queue(slots, *map(Caller, ["a", "a", "a", "a", "b"]))
        await asyncio.sleep(0)
        failed = [number for number, task in enumerate(tasks) if task.done()]
        assert failed == [2, 3]
        for number in failed:
            assert isinstance(tasks[number].exception(), OverloadedError)
        remaining = [tasks[0], tasks[1], tasks[4]]
        assert await serve(slots, CHEAP, remaining) == [0, 2, 1]

    run(main())


@pytest.mark.parametrize(("size", "expected"), [(1, 1), (2, 1), (3, 2), (5, 4), (8, 6)])
def test_expensive_reads_leave_slots_for_others(size: int, expected: int) -> None:
    """A quarter of the slots, at least one, is not for them, but at least one is."""

    async def main() -> None:
        slots = build_slots(size)
        tasks = await queue(slots, *[EXPENSIVE] * size)
        await asyncio.sleep(0)
        assert sum(task.done() for task in tasks) == expected
        if expected < size:
            async with asyncio.timeout(1):
                await slots.acquire(CHEAP)
        for task in tasks:
            task.cancel()

    run(main())


def test_expensive_reads_are_served_under_a_load_of_others() -> None:
    """If none is running, an expensive read comes next; otherwise others come first."""

    async def main() -> None:
        slots = build_slots(3)
        for _ in range(3):
            await slots.acquire(CHEAP)
        tasks = await queue(slots, CHEAP, EXPENSIVE, EXPENSIVE, CHEAP, CHEAP)
        assert await serve(slots, CHEAP, tasks[:2]) == [1, 0]
        assert not tasks[2].done()
        assert await serve(slots, CHEAP, tasks[3:]) == [0, 1]
        slots.release(EXPENSIVE)
        await tasks[2]

    run(main())


def test_expensive_reads_have_a_shorter_queue() -> None:
    """A tenth of the queue is for them; others can still wait."""

    async def main() -> None:
        slots = build_slots(1, queue=20)
        await slots.acquire(CHEAP)
        tasks = await queue(slots, *[EXPENSIVE] * 3, *[CHEAP] * 20)
        await asyncio.sleep(0)
        assert [number for number, task in enumerate(tasks) if task.done()] == [2]
        for task in tasks:
            task.cancel()

    run(main())


def test_waiting_ends_in_time() -> None:
    """Then the slots are as before."""

    async def main() -> None:
        slots = build_slots(1, seconds=0.05)
        await slots.acquire(CHEAP)
        with pytest.raises(TimeoutError):
            await slots.acquire(CHEAP)
        slots.release(CHEAP)
        await slots.acquire(EXPENSIVE)

    run(main())


@pytest.mark.parametrize("delay", range(4))
def test_cancelled_callers_lose_no_slot(delay: int) -> None:
    """A caller may be cancelled while it waits, and when it has just got a slot."""

    async def main() -> None:
        slots = build_slots(1)
        for _ in range(50):
            await slots.acquire(CHEAP)
            [task, other] = await queue(slots, CHEAP, EXPENSIVE)
            slots.release(CHEAP)
            for _ in range(delay):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            if not task.cancelled():
                slots.release(CHEAP)
            await other
            slots.release(EXPENSIVE)

    run(main())
