"""Progress is shown on terminals only, while work takes long."""

import os
import pty
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stderr, suppress
from pathlib import Path

import pytest

from gql import progress


@pytest.fixture(autouse=True)
def terminal_type(monkeypatch: pytest.MonkeyPatch) -> None:
    """The terminal can move its cursor."""
    monkeypatch.setenv("TERM", "xterm")


def run_on_terminal(function: Callable[[], None]) -> str:
    """Call a function whose standard error is a terminal, and return what it printed."""
    controller, device = pty.openpty()
    with ThreadPoolExecutor() as threads:
        output = threads.submit(read_terminal, controller)
        with Path(os.ttyname(device)).open("w") as stderr, redirect_stderr(stderr):
            function()
        os.close(device)
    os.close(controller)
    return output.result()


def read_terminal(controller: int) -> str:
    """Return what is printed on a terminal until it is closed."""
    output = b""
    with suppress(OSError):
        while True:
            output += os.read(controller, 4096)
    return output.decode()


def test_a_bar_appears_on_a_terminal_and_disappears(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the end of each step, the bar is removed, and the cursor is visible again."""
    monkeypatch.setattr(progress, "SECONDS_BEFORE_BAR", 0)

    def work() -> None:
        with progress.show_progress() as report:
            assert report is not None
            report("read", 250, 1_000)
            report("read", 1_000, 1_000)
            sys.stderr.write("message\n")
            report("write", 1, 2)

    reading, writing = run_on_terminal(work).split("message\r\n")
    assert "Reading" in reading
    assert "Writing" in writing
    for step in (reading, writing):
        *_, end = step.split("\x1b[?25h")
        assert end == "\r\x1b[1A\x1b[2K"


def test_short_work_has_no_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work that ends before the bar appears prints nothing."""
    monkeypatch.setattr(progress, "SECONDS_BEFORE_BAR", 60)

    def work() -> None:
        with progress.show_progress() as report:
            assert report is not None
            report("read", 1, 2)
            report("read", 2, 2)

    assert run_on_terminal(work) == ""


def test_a_pipe_has_no_bar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file or a pipe receives no progress, whatever the environment says about colours."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    log = tmp_path / "log"
    with log.open("w") as stderr, redirect_stderr(stderr), progress.show_progress() as report:
        assert report is None
