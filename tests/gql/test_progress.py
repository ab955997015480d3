"""Progress is shown on terminals only, while work takes long."""

import os
import pty
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path

import pytest

from gql import progress


@contextmanager
def open_terminal() -> Generator[int]:
    """Replace standard error by a terminal, whose other end is returned."""
    controller, device = pty.openpty()
    try:
        with Path(os.ttyname(device)).open("w") as stderr, redirect_stderr(stderr):
            yield controller
    finally:
        os.close(device)
        os.close(controller)


def test_a_bar_appears_on_a_terminal_and_disappears(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the end of each step, the bar is removed, and the cursor is visible again."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(progress, "SECONDS_BEFORE_BAR", 0)
    with open_terminal() as terminal:
        with progress.show_progress() as report:
            assert report is not None
            report("read", 250, 1_000)
            report("read", 1_000, 1_000)
            sys.stderr.write("message\n")
            report("write", 1, 2)
        sys.stderr.flush()
        output = os.read(terminal, 100_000).decode()
    reading, writing = output.split("message\r\n")
    assert "Reading" in reading
    assert "Writing" in writing
    for step in (reading, writing):
        *_, end = step.split("\x1b[?25h")
        assert end == "\r\x1b[1A\x1b[2K"


def test_short_work_has_no_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work of less than a second prints nothing."""
    monkeypatch.setenv("TERM", "xterm")
    with open_terminal() as terminal:
        start = time.monotonic()
        with progress.show_progress() as report:
            assert report is not None
            report("read", 1, 2)
            report("read", 2, 2)
        assert time.monotonic() - start < progress.SECONDS_BEFORE_BAR
        sys.stderr.write("message\n")
        sys.stderr.flush()
        assert os.read(terminal, 100_000) == b"message\r\n"


def test_a_pipe_has_no_bar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file or a pipe receives no progress, whatever the environment says about colours."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    log = tmp_path / "log"
    with log.open("w") as stderr, redirect_stderr(stderr), progress.show_progress() as report:
        assert report is None
