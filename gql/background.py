"""Calls that take long, in a thread, so that the event loop serves other requests meanwhile."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")

# One thread for the process: of several, each would get as much time as the event loop.
THREAD = ThreadPoolExecutor(max_workers=1, thread_name_prefix="background")


async def call(function: Callable[..., T], *arguments: Any, is_long: bool) -> T:
    """Return the result of a call, which runs in the thread if it is long."""
    if not is_long:
        return function(*arguments)
    return await asyncio.get_running_loop().run_in_executor(THREAD, function, *arguments)
