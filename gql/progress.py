"""The progress of long work, on a terminal."""

import sys
import time
from collections.abc import Generator
from contextlib import contextmanager

from rich import progress
from rich.console import Console

from models.blueprint.report import Progress

LABELS = {"fetch": "Fetching", "read": "Reading", "write": "Writing"}
SECONDS_BEFORE_BAR = 1


@contextmanager
def show_progress() -> Generator[Progress | None]:
    """Show the progress of long work on standard error if it is a terminal, until the block ends."""
    console = Console(stderr=True)
    if not (sys.stderr.isatty() and console.is_interactive):
        yield None
        return
    bar = _ProgressBar(console)
    try:
        yield bar.update
    finally:
        bar.hide()


class _ProgressBar:
    """A bar that appears after a second, and disappears at the end of each step.

    Messages between two steps, such as that of a wait for another writer, have their own lines.
    """

    def __init__(self, console: Console) -> None:
        self._bar = progress.Progress(console=console, transient=True)
        self._start = time.monotonic()

    def update(self, step: str, done: int, total: int) -> None:
        """Show how much of a step is done."""
        if done >= total:
            self.hide()
        elif time.monotonic() - self._start >= SECONDS_BEFORE_BAR:
            self._show(step, done, total)

    def hide(self) -> None:
        """Remove the bar from the terminal."""
        if self._bar.task_ids:
            self._bar.stop()
            self._bar.remove_task(self._bar.task_ids[0])

    def _show(self, step: str, done: int, total: int) -> None:
        if not self._bar.task_ids:
            self._bar.add_task(LABELS[step])
            self._bar.start()
        self._bar.update(self._bar.task_ids[0], completed=done, total=total)
