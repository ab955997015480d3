"""`flowql serve` as a process, and requests to it over real connections."""

import http.client
import json
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from socket import create_server
from subprocess import Popen
from typing import Any
from urllib.parse import urlsplit

from support.app_client import JSON_HEADERS, Response, bearer_headers
from support.command import FLOWQL, PATIENCE_SECONDS, clean_environment

# The time that the server may take to respond after its start, and to exit after SIGTERM: five times
# the five seconds that it takes at most on an idle machine.
LIMIT_SECONDS = 25


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


def wait_until(condition: Callable[[], bool]) -> None:
    """Return when the condition holds; fails if it takes too long."""
    deadline = time.monotonic() + PATIENCE_SECONDS
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
