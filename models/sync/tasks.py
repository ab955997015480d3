"""Concurrent tasks, the first error of which ends the others."""

import asyncio
from collections.abc import Coroutine, Iterable, Sequence
from itertools import islice
from typing import Any, cast

# Tasks are started by so many, which bounds the memory of those that wait.
BATCH_SIZE = 100


async def run_all(coroutines: Iterable[Coroutine[Any, Any, Any]]) -> Sequence[Any]:
    """Return the results of all, in order; raises the first error after it has ended the others.

    The coroutines are taken from the iterable in batches, one after the other.
    """
    remaining, results = iter(coroutines), list[Any]()
    while batch := list(islice(remaining, BATCH_SIZE)):
        results += await _run_batch(batch)
    return results


async def _run_batch(coroutines: Iterable[Coroutine[Any, Any, Any]]) -> Sequence[Any]:
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(coroutine) for coroutine in coroutines]
    except BaseExceptionGroup as errors:
        raise _find_first(errors) from None
    return [task.result() for task in tasks]


def _find_first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    error = errors.exceptions[0]
    if isinstance(error, BaseExceptionGroup):
        return _find_first(cast(BaseExceptionGroup[BaseException], error))
    return error
