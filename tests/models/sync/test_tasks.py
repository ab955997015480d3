"""Concurrent tasks are started in batches."""

import asyncio
from collections.abc import Iterator

import pytest

from models.sync.tasks import BATCH_SIZE, run_all

COUNT = 3 * BATCH_SIZE + 1


class _Work:
    """Counts the tasks that were started and have not ended, and the coroutines taken."""

    def __init__(self, failing: int = -1) -> None:
        self.failing = failing
        self.taken = self.started = self.most = 0

    def create(self) -> Iterator[int]:
        """Yield numbers, and count them."""
        for number in range(COUNT):
            self.taken += 1
            yield number

    async def run(self, number: int) -> int:
        """Return the number, or fail."""
        self.started += 1
        self.most = max(self.most, self.started)
        await asyncio.sleep(0)
        self.started -= 1
        if number == self.failing:
            raise ValueError(number)
        return number


def test_results_are_in_order() -> None:
    """Of all batches."""
    work = _Work()
    assert asyncio.run(run_all(map(work.run, work.create()))) == list(range(COUNT))


def test_number_of_tasks_is_limited() -> None:
    """The others wait."""
    work = _Work()
    asyncio.run(run_all(map(work.run, work.create())))
    assert work.most == BATCH_SIZE


def test_first_error_ends_all() -> None:
    """No more coroutines are taken."""
    work = _Work(failing=BATCH_SIZE)
    with pytest.raises(ValueError, match=f"^{BATCH_SIZE}$"):
        asyncio.run(run_all(map(work.run, work.create())))
    assert work.taken == 2 * BATCH_SIZE


def test_nothing_can_be_run() -> None:
    """There are no results."""
    assert not asyncio.run(run_all(()))
