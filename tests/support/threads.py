"""Calls that a test repeats in the background."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from threading import Event, Thread


@contextmanager
def repeat_in_thread(function: Callable[[], object]) -> Generator[None]:
    """Call a function again and again in a thread until the block ends."""
    stop = Event()

    def run() -> None:
        while not stop.is_set():
            function()

    thread = Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
