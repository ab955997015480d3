"""The command `flowql` as real processes."""

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from socket import create_server

FLOWQL = Path(sys.executable).with_name("flowql")
PATIENCE_SECONDS = 30


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A running server: its address, its process, and a superuser's key."""

    url: str
    token: str
    process: subprocess.Popen[str]


def environment(changes: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment without FlowQL's settings, with changes."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FLOWQL_")}
    return {**kept, **(changes or {})}


def flowql(
    *arguments: str, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `flowql` to its end."""
    return subprocess.run(
        [FLOWQL, *arguments],
        cwd=cwd,
        env=environment(env),
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


def free_port() -> int:
    """A port that nobody listens on at the moment."""
    with create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


@contextmanager
def run_process(
    arguments: Sequence[str], cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> Generator[subprocess.Popen[str]]:
    """Run `flowql` until the block ends."""
    with subprocess.Popen(
        [FLOWQL, *arguments],
        cwd=cwd,
        env=environment(env),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.terminate()
            process.wait(PATIENCE_SECONDS)


def wait_until_live(url: str, process: subprocess.Popen[str]) -> None:
    """Return when the server answers; fail if it ends, or takes too long."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise AssertionError(f"flowql ended: {process.communicate()}")
        try:
            with urllib.request.urlopen(f"{url}/-/health/live/"):  # noqa: S310 - our own server
                return
        except urllib.error.URLError:
            time.sleep(0.05)
    raise AssertionError("flowql does not answer")
