"""Child processes of a server, which exit with it."""

import multiprocessing
import os
import signal
from collections.abc import Generator
from contextlib import contextmanager
from threading import Thread

SPAWN = multiprocessing.get_context("spawn")
# A terminal sends these signals to every process. Children leave them to the parent.
TERMINAL_SIGNALS = (signal.SIGINT, signal.SIGHUP)
SIGNAL_NAMES = {number.value: number.name for number in signal.Signals}


@contextmanager
def block_signals() -> Generator[None]:
    """Block the terminal's signals in processes that are started in the block."""
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, TERMINAL_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def exit_with_parent() -> None:
    """Send SIGTERM to this process when its parent exits, even if it is killed."""
    Thread(target=_exit_with_parent, daemon=True).start()


def describe_exit(code: int | None) -> str:
    """Return the signal or the exit code of a process that has exited."""
    if code is not None and code < 0:
        return f"was killed by {SIGNAL_NAMES.get(-code, f'signal {-code}')}"
    return f"exited with code {code or 0}"


def _exit_with_parent() -> None:
    if parent := multiprocessing.parent_process():
        parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
