"""Calls that a test repeats in the background."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from threading import Event, Thread


@contextmanager
def repeat_in_thread(function: Callable[[], object], pause: float = 0) -> Generator[None]:
    """Call a function at intervals in a thread until the block ends."""
    stop = Event()

    def run() -> None:
        while not stop.wait(pause):
            function()

    thread = Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
