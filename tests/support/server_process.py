"""`flowql serve` as real processes, asked over real connections."""

import http.client
import json
from collections.abc import Callable, Generator, Mapping
from contextlib import closing, contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from subprocess import CompletedProcess, Popen
from time import monotonic, sleep
from typing import Any
from urllib.parse import urlsplit

import pytest

from gql.cli import main
from support.app_client import JSON, Response, bearer
from support.processes import PATIENCE_SECONDS, flowql, free_port, run_process, wait_until_live

# How long the server may take to answer after its start, and to end after SIGTERM.
LIMIT_SECONDS = 5


@contextmanager
def run_server(
    database_url: str,
    *arguments: str,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Generator[tuple[str, Popen[str]]]:
    """Serve on a free port until the block ends; gives the address, and the process."""
    port = free_port()
    options = ["--port", str(port), "--database", database_url, *arguments]
    with run_process(["serve", *options], cwd=cwd, env=env) as process:
        url = f"http://127.0.0.1:{port}"
        wait_until_live(url, process)
        yield url, process


def ask(
    url: str,
    path: str,
    key: str | None = None,
    body: Mapping[str, Any] | None = None,
    accept: str = "*/*",
) -> Response:
    """GET a path, or POST JSON to it, as the bearer of a key."""
    headers = bearer(key) | {"accept": accept}
    with closing(http.client.HTTPConnection(urlsplit(url).netloc, timeout=20)) as connection:
        if body is None:
            connection.request("GET", path, headers=headers)
        else:
            connection.request("POST", path, json.dumps(body), headers | JSON)
        response = connection.getresponse()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Response(response.status, headers, response.read())


def stop_server(process: Popen[str]) -> tuple[str, str]:
    """End the process by SIGTERM, in the time it has; gives what it wrote on both streams."""
    process.terminate()
    output = process.communicate(timeout=LIMIT_SECONDS)
    assert process.returncode == 0
    return output


def wait_until(condition: Callable[[], bool]) -> None:
    """Return when the condition holds; fail if it takes too long."""
    deadline = monotonic() + PATIENCE_SECONDS
    while not condition():
        assert monotonic() < deadline, "it never came to be"
        sleep(0.02)


def run_failing(
    *arguments: str, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> str:
    """Run a command that cannot be done; gives the one line that says why."""
    done = flowql(*arguments, cwd=cwd, env=env)
    assert (done.returncode, done.stdout) == (2, ""), done
    return _reason(done.stderr)


def run_in_process(*arguments: str) -> CompletedProcess[str]:
    """As `flowql`, but in this process, which saves its start."""
    told, printed = StringIO(), StringIO()
    with redirect_stderr(told), redirect_stdout(printed), pytest.raises(SystemExit) as end:
        main(arguments)
    code = end.value.code
    assert isinstance(code, int)
    return CompletedProcess(arguments, code, printed.getvalue(), told.getvalue())


def run_failing_in_process(*arguments: str) -> str:
    """As `refused`, but in this process."""
    done = run_in_process(*arguments)
    assert (done.returncode, done.stdout) == (2, ""), done
    return _reason(done.stderr)


def _reason(told: str) -> str:
    [line] = told.splitlines()
    assert line.startswith("flowql: ")
    return line.removeprefix("flowql: ")


def slugs(url: str, key: str) -> list[str]:
    """What the bearer of a key sees over REST, in order."""
    answer = ask(url, "/flows/instances/?ordering=slug&page_size=100", key)
    return [flow["slug"] for flow in answer.json["results"]]
