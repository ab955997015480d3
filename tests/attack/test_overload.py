"""Too many requests: some are served, the others are rejected at once, and health is answered."""

import json
import time
from collections import Counter
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from socket import create_connection
from urllib.parse import urlsplit

import psycopg
import pytest
from hypothesis import settings

from support.app_client import Response
from support.edge_case_data import KEYS
from support.postgres import PostgresServer
from support.raw_connections import measure_growth
from support.seed import fill_authentik
from support.server_process import RunningServer, run_server, send_request, wait_until
from support.threads import repeat_in_thread

# 50 by default, 1,000 in the full profile.
CLIENTS = settings().max_examples // 2
NESTED = {
    "query": "{ flows(pageSize: 100) { results { slug stageBindings { stage { name"
    " flows(first: 20) { slug } } policyBindings { policy { name flows { slug } } } } } } }"
}
SHORT = {"query": '{ flow(slug: "a-flow") { slug } }'}
OVERLOADED = {
    "errors": [
        {
            "message": "The server is overloaded. Retry later.",
            "extensions": {"code": "OVERLOADED"},
        }
    ]
}
MAX_GROWTH = 100_000_000
# Five times what these take at most on an idle machine.
SHORT_SECONDS, HEALTH_SECONDS = 5.0, 5.0
LIMITS = ("--pool-size", "3", "--pool-queue", "50", "--max-cost", "1000000")
# Equal requests would share one execution.
OPTIONS = (*LIMITS, "--reuse-bytes", "0")
ACTIVE = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'overload' AND state <> 'idle'"


@pytest.fixture(scope="module")
def database_url(postgres: PostgresServer) -> str:
    """The database of authentik."""
    return fill_authentik(postgres.create_database("overload"))


@pytest.fixture(scope="module")
def server(database_url: str) -> Iterator[RunningServer]:
    """A server with few connections to the database."""
    with run_server(database_url, *OPTIONS) as (url, process):
        yield RunningServer(url, KEYS["superuser"], process)


@pytest.fixture
def monitor(postgres: PostgresServer) -> Iterator[psycopg.Connection[tuple[int]]]:
    """A connection that sees the statements of the server."""
    with psycopg.connect(postgres.dsn(), autocommit=True) as connection:
        yield connection


@contextmanager
def measure(server: RunningServer, send: str) -> Generator[list[float]]:
    """Send requests one after the other until the block ends; yields the times of the responses."""
    seconds: list[float] = []

    def measure_one() -> None:
        started = time.monotonic()
        if send == "health":
            response = send_request(server.url, "/-/health/ready/")
        else:
            response = send_request(server.url, "/graphql", KEYS["object_role"], SHORT)
        assert response.status == 200
        seconds.append(time.monotonic() - started)

    with repeat_in_thread(measure_one):
        yield seconds


def send_nested(server: RunningServer) -> list[Response]:
    """Send several nested operations."""
    return [send_request(server.url, "/graphql", server.token, NESTED) for _ in range(3)]


def test_many_expensive_operations(
    server: RunningServer, monitor: psycopg.Connection[tuple[int]]
) -> None:
    """Admitted ones succeed, others are OVERLOADED; another client and health checks are served."""
    with (
        measure_growth(server.process.pid) as growth,
        measure(server, "health") as health,
        measure(server, "short") as short,
        ThreadPoolExecutor(CLIENTS) as clients,
    ):
        batches = clients.map(send_nested, [server] * CLIENTS)
        responses = [response for batch in batches for response in batch]
    statuses = Counter(response.status for response in responses)
    assert set(statuses) == {200, 503}
    for response in responses:
        if response.status == 200:
            assert "errors" not in response.json
        else:
            assert (response.json, response.headers["retry-after"]) == (OVERLOADED, "1")
    assert growth.size < MAX_GROWTH
    assert max(health) < HEALTH_SECONDS
    assert max(short) < SHORT_SECONDS
    wait_until(lambda: monitor.execute(ACTIVE).fetchone() == (0,))


@pytest.mark.parametrize("body", [NESTED, SHORT])
def test_statements_end_when_their_clients_leave(
    body: dict[str, str],
    server: RunningServer,
    database_url: str,
    monitor: psycopg.Connection[tuple[int]],
) -> None:
    """A statement that waits for a lock is cancelled, and requests in the queue never start."""
    data = json.dumps(body).encode()
    head = (
        "POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {server.token}\r\nContent-Length: {len(data)}\r\n\r\n"
    )
    address = urlsplit(server.url)
    assert send_request(server.url, "/graphql", server.token, SHORT).status == 200
    with psycopg.connect(database_url) as locking:
        locking.execute("LOCK TABLE authentik_flows_flow")
        connections = [create_connection((address.hostname, address.port or 0)) for _ in range(10)]
        for connection in connections:
            connection.sendall(head.encode() + data)
        waiting = "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted"
        wait_until(lambda: monitor.execute(waiting).fetchone() == (True,))
        for connection in connections:
            connection.close()
        wait_until(lambda: monitor.execute(waiting).fetchone() == (False,))
    assert send_request(server.url, "/graphql", server.token, body).status == 200


def test_shared_lookups_of_a_token_end_with_the_last_client(
    database_url: str, monitor: psycopg.Connection[tuple[int]]
) -> None:
    """The token is read once for several requests, as long as one of them is there."""
    request = (
        "GET /flows/instances/ HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: Bearer {KEYS['superuser']}\r\n\r\n"
    )
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    with run_server(database_url) as (url, _), psycopg.connect(database_url) as locking:
        address = urlsplit(url)
        locking.execute("LOCK TABLE authentik_core_token")
        connections = [create_connection((address.hostname, address.port or 0)) for _ in range(4)]
        for connection in connections:
            connection.sendall(request.encode())
        wait_until(lambda: monitor.execute(waiting).fetchone() == (1,))
        for connection in connections[:-1]:
            connection.close()
        time.sleep(0.2)
        assert monitor.execute(waiting).fetchone() == (1,)
        connections[-1].close()
        wait_until(lambda: monitor.execute(waiting).fetchone() == (0,))
