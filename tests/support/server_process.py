"""`flowql serve` as a process, and requests to it over real connections."""

import http.client
import json
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from socket import create_server
from subprocess import Popen
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

from support.app_client import JSON_HEADERS, Response, bearer_headers
from support.command import FLOWQL, PATIENCE_SECONDS, clean_environment

# Five times the time that the server may take to respond after its start, and to exit after
# SIGTERM, since other processes may keep the processors busy.
LIMIT_SECONDS = 5 * 5
# The command line of a worker.
WORKER = b"flowql worker"


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A running server: its URL, its process, and the key of a superuser's token."""

    url: str
    token: str
    process: Popen[str]


@contextmanager
def run_server(
    database_url: str,
    *arguments: str,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Generator[tuple[str, Popen[str]]]:
    """Serve on a free port until the block ends; yields the URL and the process."""
    port = find_free_port()
    options = ["--port", str(port), "--database", database_url, *arguments]
    with start_flowql(["serve", *options], cwd=cwd, env=env) as process:
        url = f"http://127.0.0.1:{port}"
        wait_until_live(url, process)
        yield url, process


@contextmanager
def start_flowql(
    arguments: Sequence[str], cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> Generator[Popen[str]]:
    """Run `flowql` until the block ends."""
    with Popen(
        [FLOWQL, *arguments],
        cwd=cwd,
        env=clean_environment(env),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.terminate()
            process.wait(PATIENCE_SECONDS)


def stop_server(process: Popen[str]) -> tuple[str, str]:
    """Stop the process by SIGTERM within the limit, and return its standard output and error."""
    process.terminate()
    output = process.communicate(timeout=LIMIT_SECONDS)
    assert process.returncode == 0
    return output


@contextmanager
def collect_log(process: Popen[str]) -> Generator[list[str]]:
    """Collect the lines of a server's standard error, and stop it when the block ends."""
    assert process.stderr is not None
    lines: list[str] = []
    reader = Thread(target=lines.extend, args=(process.stderr,))
    reader.start()
    try:
        yield lines
    finally:
        process.terminate()
        reader.join(PATIENCE_SECONDS)


def list_processes() -> Iterator[tuple[int, int]]:
    """Yield the ids of each process and its parent."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # the process exited
            yield int(stat.parent.name), int(stat.read_text().rpartition(")")[2].split()[1])


def list_workers(process: Popen[str]) -> list[int]:
    """Return the ids of the workers of a server, in order."""
    children = (pid for pid, parent in list_processes() if parent == process.pid)
    return sorted(pid for pid in children if read_command_line(pid) == WORKER)


def read_command_line(pid: int) -> bytes:
    """Return the command line of a process as `ps` shows it; empty if it has exited."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").replace(b"\0", b" ")
    return b""


def find_free_port() -> int:
    """Return a port that no process listens on at the moment."""
    with create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def wait_until_live(url: str, process: Popen[str]) -> None:
    """Return when the server is live; fails if it exits or takes too long."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise AssertionError(f"flowql exited: {process.communicate()}")
        try:
            with urllib.request.urlopen(f"{url}/-/health/live/"):  # noqa: S310 - our own server
                return
        except urllib.error.URLError:
            time.sleep(0.05)
    raise AssertionError("flowql does not respond")


def wait_until(condition: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> None:
    """Return when the condition holds; fails if it takes too long."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "timed out waiting for a condition"
        time.sleep(0.02)


def send_request(
    url: str,
    path: str,
    key: str | None = None,
    body: Mapping[str, Any] | None = None,
    accept: str = "*/*",
) -> Response:
    """Send GET to a path, or POST with a JSON body, with a token."""
    headers = bearer_headers(key) | {"accept": accept}
    with closing(http.client.HTTPConnection(urlsplit(url).netloc, timeout=20)) as connection:
        if body is None:
            connection.request("GET", path, headers=headers)
        else:
            connection.request("POST", path, json.dumps(body), headers | JSON_HEADERS)
        response = connection.getresponse()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Response(response.status, headers, response.read())


def fetch_slugs(url: str, key: str) -> list[str]:
    """Return the slugs of the flows that REST lists for a token, in order."""
    response = send_request(url, "/flows/instances/?ordering=slug&page_size=100", key)
    return [flow["slug"] for flow in response.json["results"]]
