"""Connections that send or receive too slowly are closed in time, one and many at once."""

import select
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from itertools import chain, repeat
from time import monotonic, sleep

import hypothesis
import pytest

from support.edge_case_data import KEYS, ROWS
from support.raw_connections import (
    BUFFER_SIZE,
    connect,
    count_connections,
    parse_response,
    receive_until,
    run_other_client,
)
from support.seed import fill_flowql
from support.server_process import RunningServer, run_server, stop_server, wait_until

HEADER_SECONDS, BODY_SECONDS, IDLE_SECONDS, WRITE_SECONDS = 0.6, 0.8, 0.4, 1.0
OPTIONS = [
    *("--header-timeout", str(HEADER_SECONDS)),
    *("--body-timeout", str(BODY_SECONDS)),
    *("--idle-timeout", str(IDLE_SECONDS)),
    *("--write-timeout", str(WRITE_SECONDS)),
]
# Under load, the server may take this many times the limit.
MARGIN = 5
MAX_WAIT_SECONDS = 5
TRICKLE_SECONDS = 0.05
# More than the system buffers.
TITLE_SIZE = 400_000
RECEIVE_BUFFER = 4096

REQUEST = b"GET /-/health/live/ HTTP/1.1\r\nHost: localhost\r\n"
GET = REQUEST + b"\r\n"
HALF_HEAD = REQUEST + b"Half: "
TOKEN = b"Authorization: Bearer " + KEYS["superuser"].encode() + b"\r\n"
POST = b"POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" + TOKEN
HALF_BODY = POST + b"Content-Length: 99\r\n\r\n{"
HALF_CHUNKS = POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1;"
LARGE = b"GET /flows/instances/a-flow/ HTTP/1.1\r\nHost: localhost\r\n" + TOKEN

LATE_HEAD = f"The request line and headers did not arrive within {HEADER_SECONDS:g} seconds."
LATE_BODY = f"The request body did not arrive within {BODY_SECONDS:g} seconds."


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server with short times, and a flow whose response is large."""
    flows = ROWS["authentik_flows_flow"]
    rows = {
        **ROWS,
        "authentik_flows_flow": [
            {**row, "title": "x" * TITLE_SIZE} if row["slug"] == "a-flow" else row for row in flows
        ],
    }
    path = tmp_path_factory.mktemp("large") / "flowql.db"
    with run_server(fill_flowql(f"sqlite:///{path}", rows), *OPTIONS) as (url, process):
        yield RunningServer(url, KEYS["superuser"], process)


def trickle(url: str, data: bytes, rest: bytes) -> tuple[float, bytes]:
    """Send `data`, then the bytes of `rest` slowly, until the server closes.

    Returns the time that the server took, and what it sent.
    """
    received: list[bytes] = []
    with connect(url) as connection:
        started = monotonic()
        connection.sendall(data)
        for byte in chain(rest, repeat(None)):
            if select.select([connection], [], [], TRICKLE_SECONDS)[0]:
                received.append(connection.recv(BUFFER_SIZE))
                if not received[-1]:
                    break
            elif byte is not None:
                connection.sendall(bytes([byte]))
        return monotonic() - started, b"".join(received)


def assert_in_time(elapsed: float, limit: float) -> None:
    """Assert that an event happened at a time limit."""
    assert limit * 0.9 < elapsed < limit * MARGIN


@pytest.mark.parametrize(
    ("data", "rest", "seconds", "detail"),
    [
        pytest.param(HALF_HEAD, b"", HEADER_SECONDS, LATE_HEAD, id="half head"),
        pytest.param(b"", GET * 9, HEADER_SECONDS, LATE_HEAD, id="trickled head"),
        pytest.param(b"\r\n", b"", HEADER_SECONDS, LATE_HEAD, id="line break"),
        pytest.param(GET + HALF_HEAD, b"", HEADER_SECONDS, LATE_HEAD, id="half second head"),
        pytest.param(HALF_BODY, b"", BODY_SECONDS, LATE_BODY, id="half body"),
        pytest.param(HALF_BODY, b" " * 98, BODY_SECONDS, LATE_BODY, id="trickled body"),
        pytest.param(HALF_CHUNKS, b"", BODY_SECONDS, LATE_BODY, id="half chunks"),
        pytest.param(HALF_CHUNKS, b"a" * 99, BODY_SECONDS, LATE_BODY, id="trickled extension"),
    ],
)
def test_incomplete_requests_time_out(
    data: bytes, rest: bytes, seconds: float, detail: str, server: RunningServer
) -> None:
    """The last response is 408 with the part that is missing and the limit."""
    elapsed, received = trickle(server.url, data, rest)
    assert_in_time(elapsed, seconds)
    response = parse_response(received[received.rindex(b"HTTP/1.1 ") :])
    assert (response.status, response.json) == (408, {"detail": detail})
    assert response.headers["connection"] == "close"


@pytest.mark.parametrize(("data", "responses"), [(b"", 0), (GET, 1), (GET * 3, 3)])
def test_idle_connections_are_closed(data: bytes, responses: int, server: RunningServer) -> None:
    """Before the first request and after a response, the server closes without a message."""
    elapsed, received = trickle(server.url, data, b"")
    assert_in_time(elapsed, IDLE_SECONDS)
    assert received.count(b"HTTP/1.1 ") == responses


def test_connection_outlives_the_times_of_its_requests(server: RunningServer) -> None:
    """Each request has its own times."""
    started = monotonic()
    with connect(server.url) as connection:
        while monotonic() - started < IDLE_SECONDS + HEADER_SECONDS:
            for packet in (REQUEST, b"\r\n"):
                connection.sendall(packet)
                sleep(IDLE_SECONDS / MARGIN)
            assert receive_until(connection, b"live").startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    ("size", "end"),
    [
        (0, b"\r\n"),
        (100, b"\r\n"),
        (0, b"Connection: close\r\n\r\n"),
        (100, b"\r\n" + GET),
    ],
)
def test_clients_that_read_too_slowly_are_cut_off(
    size: int, end: bytes, server: RunningServer
) -> None:
    """Neither a client that reads nothing nor one that reads little receives the whole response."""
    received = 0
    with connect(server.url, RECEIVE_BUFFER) as connection:
        connection.sendall(LARGE + end)
        started = monotonic()
        wait_until(lambda: count_connections(server.url) > 0)
        while count_connections(server.url):
            assert monotonic() - started < MARGIN * (WRITE_SECONDS + IDLE_SECONDS)
            sleep(TRICKLE_SECONDS)
            received += len(connection.recv(size)) if size else 0
        assert monotonic() - started > WRITE_SECONDS * 0.9
        with suppress(ConnectionResetError):
            received += sum(map(len, iter(lambda: connection.recv(BUFFER_SIZE), b"")))
    assert received < TITLE_SIZE


def test_unread_small_responses_do_not_keep_a_connection(server: RunningServer) -> None:
    """A response that the system buffers is sent; the connection is idle then."""
    with connect(server.url, RECEIVE_BUFFER) as connection:
        started = monotonic()
        connection.sendall(GET)
        wait_until(lambda: count_connections(server.url) > 0)
        wait_until(lambda: count_connections(server.url) == 0)
        assert_in_time(monotonic() - started, IDLE_SECONDS)


def test_client_may_pause_within_the_time(server: RunningServer) -> None:
    """A client that stops reading for a while receives the whole response."""
    with connect(server.url, BUFFER_SIZE) as connection:
        connection.sendall(LARGE + b"Connection: close\r\n\r\n")
        sleep(WRITE_SECONDS / MARGIN)
        parts = iter(lambda: connection.recv(BUFFER_SIZE), b"")
        response = parse_response(b"".join(parts))
    assert response.json["title"] == "x" * TITLE_SIZE


@pytest.mark.parametrize(
    ("data", "seconds"),
    [
        pytest.param(b"", IDLE_SECONDS, id="idle"),
        pytest.param(HALF_HEAD, HEADER_SECONDS + IDLE_SECONDS, id="half head"),
        pytest.param(HALF_BODY, BODY_SECONDS + IDLE_SECONDS, id="half body"),
        pytest.param(LARGE + b"\r\n", WRITE_SECONDS + IDLE_SECONDS, id="slow reading"),
    ],
)
def test_many_connections_are_closed(data: bytes, seconds: float, server: RunningServer) -> None:
    """The server closes all of them in time, although no client does, and serves others meanwhile."""
    count = hypothesis.settings().max_examples // 4
    with ExitStack() as stack, run_other_client(server.url) as other_client:
        for _ in range(count):
            connection = stack.enter_context(connect(server.url, RECEIVE_BUFFER))
            connection.sendall(data)
        started = monotonic()
        # The other client has one connection.
        wait_until(lambda: count_connections(server.url) <= 1)
        assert monotonic() - started < MARGIN * seconds
    assert max(other_client.seconds) < MAX_WAIT_SECONDS


def test_application_does_not_wait_for_a_body_that_is_late(sqlite_url: str) -> None:
    """The requests end with their connections: nothing is left to cancel when the server stops."""
    with run_server(sqlite_url, *OPTIONS) as (url, process):
        for _ in range(3):
            assert trickle(url, HALF_BODY, b"")[1].startswith(b"HTTP/1.1 408")
        assert stop_server(process) == ("", f"flowql: FlowQL listens on {url}\n")
