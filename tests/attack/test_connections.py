"""Connections above the limit are refused, while the server serves the others and survives."""

import re
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from socket import socket
from subprocess import PIPE, Popen

import pytest

from support.command import FLOWQL, PATIENCE_SECONDS, clean_environment
from support.raw_connections import (
    connect,
    count_connections,
    exchange,
    measure_growth,
    parse_response,
    receive_until,
)
from support.server_process import (
    find_free_port,
    run_server,
    stop_server,
    wait_until,
    wait_until_live,
)

MAX_CONNECTIONS = 10
REFUSED = 2_000
MAX_GROWTH = 10_000_000
DESCRIPTORS = 200
REQUEST = b"GET /-/health/ready/ HTTP/1.1\r\nHost: localhost\r\n"
LAST_REQUEST = REQUEST + b"Connection: close\r\n\r\n"
REFUSAL = (503, {"detail": "Too many connections. Retry later."})
# Long enough for a busy machine; idle connections are not what these tests are about.
OPTIONS = ["--idle-timeout", "60"]


def is_served(connection: socket) -> bool:
    """Return whether the server responds to a request over an open connection."""
    connection.sendall(REQUEST + b"\r\n")
    return receive_until(connection, b"ready").startswith(b"HTTP/1.1 200")


def test_connections_above_the_maximum_are_refused(sqlite_url: str) -> None:
    """They receive 503 and take no memory; others are served, and a closed one makes room."""
    limit = ["--max-connections", str(MAX_CONNECTIONS)]
    with run_server(sqlite_url, *OPTIONS, *limit) as (url, process), ExitStack() as stack:
        wait_until(lambda: count_connections(url) == 0)
        connections = [stack.enter_context(connect(url)) for _ in range(MAX_CONNECTIONS)]
        assert all(map(is_served, connections))
        for _ in range(MAX_CONNECTIONS):
            response = parse_response(exchange(url))
            assert (response.status, response.json) == REFUSAL
        with measure_growth(process.pid) as growth:
            for _ in range(REFUSED):
                connect(url).close()
        assert growth.size < MAX_GROWTH
        assert all(map(is_served, connections))
        connections.pop().close()
        # The server needs a moment to notice the end of a connection.
        wait_until(lambda: parse_response(exchange(url, LAST_REQUEST)).status == 200)
        stack.close()
        [_, line] = stop_server(process)[1].splitlines()
        reason = f"connections refused: 1; the limit is {MAX_CONNECTIONS} (see --max-connections)"
        assert line.endswith(f"WARNING flowql: {reason}")


@contextmanager
def run_with_descriptors(database_url: str, *arguments: str) -> Generator[tuple[str, Popen[str]]]:
    """Serve with a small limit of open files."""
    port = find_free_port()
    options = ["serve", "--database", database_url, "--port", str(port), *OPTIONS, *arguments]
    with Popen(
        ["/bin/sh", "-c", f'ulimit -n {DESCRIPTORS}; exec "$@"', "sh", FLOWQL, *options],
        env=clean_environment(),
        stderr=PIPE,
        text=True,
    ) as process:
        try:
            wait_until_live(f"http://127.0.0.1:{port}", process)
            yield f"http://127.0.0.1:{port}", process
        finally:
            process.terminate()
            process.wait(PATIENCE_SECONDS)


@pytest.mark.parametrize("arguments", [[], ["--max-connections", "100000"]])
def test_server_survives_more_connections_than_descriptors(
    arguments: list[str], sqlite_url: str
) -> None:
    """The descriptors limit the connections, whatever the option says; 100 remain for the rest."""
    with run_with_descriptors(sqlite_url, *arguments) as (url, process):
        with ExitStack() as stack:
            first = stack.enter_context(connect(url))
            for _ in range(2 * DESCRIPTORS):
                stack.enter_context(connect(url)).sendall(b"GET /")
            assert parse_response(exchange(url, LAST_REQUEST)).status == 503
            # A refused connection is closed some milliseconds after its response.
            wait_until(lambda: count_connections(url) <= DESCRIPTORS - 100)
            assert is_served(first)
        wait_until(lambda: count_connections(url) == 0)
        assert parse_response(exchange(url, LAST_REQUEST)).status == 200
        errors = stop_server(process)[1]
    assert re.findall("the limit is ([0-9]+)", errors) == [str(DESCRIPTORS - 100)]
    assert "Traceback" not in errors
