"""Faults of the network and of the database: responses say so, and FlowQL recovers by itself."""

import re
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from subprocess import Popen
from threading import Event, Thread
from time import sleep

import psycopg
import pytest
from hypothesis import settings

from models.database.failures import LOG_INTERVAL_SECONDS
from models.limits import DEFAULTS
from support.app_client import Response
from support.edge_case_data import KEYS
from support.postgres import PASSWORD, PostgresServer
from support.seed import fill_authentik
from support.server_process import collect_log, run_server, send_request, wait_until
from support.tcp_proxy import TcpProxy, run_proxy

KEY = KEYS["superuser"]
REST = "/flows/instances/?page_size=5"
SIMPLE = {"query": "{ flows { pagination { count } results { slug } } }"}
NESTED = {"query": "{ flows { results { slug stageBindings { stage { name flows { slug } } } } } }"}
MESSAGE = "The database is unavailable. Retry later."
UNAVAILABLE = (
    {"detail": MESSAGE, "code": "database_unavailable"},
    {"errors": [{"message": MESSAGE, "extensions": {"code": "DATABASE_UNAVAILABLE"}}]},
)
# FlowQL recovers within this time after a fault, with the limits below. Five times the goal, since
# other processes may keep the processors busy.
RECOVERY_SECONDS = 5 * 3
# 1 second by default, 20 in the full profile.
FAULT_SECONDS = max(1, settings().max_examples // 100)
OPTIONS = [
    *("--statement-timeout", "0.6"),
    *("--read-timeout", "0.8"),
    *("--pool-timeout", "0.5"),
    *("--viewer-ttl", "0.1"),
]
CLIENTS = 3
FAILURE = re.compile(r"^(\S+ \S+),\d+ ERROR .* unavailable: (\w+(?: \(\w+\))?): ", re.MULTILINE)


@dataclass(slots=True)
class Traffic:
    """Clients that send requests one after the other, and the statuses of the responses."""

    url: str
    statuses: Counter[int] = field(default_factory=Counter[int])
    wrong: list[Response] = field(default_factory=list[Response])

    def send(self, stop: Event) -> None:
        """Send requests until the event is set."""
        while not stop.is_set():
            for response in (
                send_request(self.url, REST, KEY),
                send_request(self.url, "/graphql", KEY, SIMPLE),
                send_request(self.url, "/graphql", KEY, NESTED),
                send_request(self.url, "/flows/instances/a-flow/diagram/", KEY),
            ):
                self.statuses[response.status] += 1
                if not is_right(response):
                    self.wrong.append(response)


def is_right(response: Response) -> bool:
    """Return whether a response is complete, or says that the database is unavailable."""
    if response.status == 200:
        return "errors" not in response.json
    is_unavailable = response.status == 503 and response.json in UNAVAILABLE
    return is_unavailable and int(response.headers["retry-after"]) > 0


@contextmanager
def send_traffic(url: str) -> Generator[Traffic]:
    """Send requests from several clients until the block ends."""
    traffic, stop = Traffic(url), Event()
    threads = [Thread(target=traffic.send, args=(stop,)) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        yield traffic
    finally:
        stop.set()
        for thread in threads:
            thread.join()


@dataclass(frozen=True, slots=True)
class FaultyServer:
    """FlowQL behind a proxy to PostgreSQL, which are both at the mercy of a test."""

    url: str
    process: Popen[str]
    proxy: TcpProxy
    database: PostgresServer
    database_url: str
    log: list[str]

    def recovers(self) -> bool:
        """Return whether all kinds of requests succeed."""
        traffic, stop = Traffic(self.url), Event()
        stop_after_one = Thread(target=traffic.send, args=(stop,))
        stop_after_one.start()
        stop.set()
        stop_after_one.join()
        return set(traffic.statuses) <= {200} and is_ready(self.url)


def is_ready(url: str) -> bool:
    """Return whether the server is ready."""
    return send_request(url, "/-/health/ready/").status == 200


@pytest.fixture(scope="module")
def database() -> Iterator[PostgresServer]:
    """Run a PostgreSQL server that a test may stop."""
    with PostgresServer() as server:
        yield server


@pytest.fixture(scope="module")
def module_server(database: PostgresServer) -> Iterator[FaultyServer]:
    """Serve authentik's database through a proxy, with short times."""
    url = fill_authentik(database.create_database("faulty"))
    with (
        run_proxy(url) as proxy,
        run_server(f"{proxy.url}&connect_timeout=1", *OPTIONS) as (address, process),
        collect_log(process) as log,
    ):
        yield FaultyServer(address, process, proxy, database, url, log)


@pytest.fixture
def server(module_server: FaultyServer) -> Iterator[FaultyServer]:
    """A server without faults, whose log has no traceback and no password at the end."""
    wait_until(module_server.recovers)
    yield module_server
    log = "".join(module_server.log)
    assert "Traceback" not in log
    assert PASSWORD not in log
    for kind, times in find_failures(log).items():
        pauses = [later - earlier for earlier, later in pairwise(times)]
        assert all(pause.total_seconds() > LOG_INTERVAL_SECONDS - 1 for pause in pauses), kind


def find_failures(log: str) -> Mapping[str, list[datetime]]:
    """Return the times of the lines in a log that say that the database is unavailable, by kind."""
    failures: dict[str, list[datetime]] = {}
    for time_, kind in FAILURE.findall(log):
        failures.setdefault(kind, []).append(datetime.fromisoformat(time_))
    return failures


def cut(server: FaultyServer) -> None:
    """Reset the connections again and again."""
    for _ in range(10):
        server.proxy.cut()
        sleep(FAULT_SECONDS / 10)


def stall(server: FaultyServer) -> None:
    """Let the present connections fall silent, while new ones work."""
    server.proxy.stall()
    sleep(FAULT_SECONDS)


def freeze(server: FaultyServer) -> None:
    """Hold all bytes."""
    with server.proxy.freeze():
        sleep(2 * FAULT_SECONDS)


def refuse(server: FaultyServer) -> None:
    """Reset all connections and new ones."""
    with server.proxy.refuse():
        sleep(FAULT_SECONDS)


def restart(server: FaultyServer) -> None:
    """Stop PostgreSQL, and start it again."""
    server.database.stop()
    sleep(FAULT_SECONDS)
    server.database.start()


def lock(server: FaultyServer) -> None:
    """Lock a table, as migrations do; 35 seconds in the full profile."""
    with psycopg.connect(server.database_url) as connection:
        connection.execute("LOCK TABLE authentik_flows_flowstagebinding")
        sleep(2 * FAULT_SECONDS if FAULT_SECONDS == 1 else 35)


def disallow(server: FaultyServer) -> None:
    """Terminate the connections, and allow no others."""
    with psycopg.connect(server.database.dsn(), autocommit=True) as connection:
        connection.execute("ALTER DATABASE faulty ALLOW_CONNECTIONS false")
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'faulty'"
        )
        sleep(FAULT_SECONDS)
        connection.execute("ALTER DATABASE faulty ALLOW_CONNECTIONS true")


FAULTS = (cut, stall, freeze, refuse, restart, lock, disallow)


@pytest.mark.parametrize("fault", FAULTS)
def test_recovery(fault: Callable[[FaultyServer], None], server: FaultyServer) -> None:
    """Meanwhile each response is complete or 503, and all requests succeed soon afterwards."""
    with send_traffic(server.url) as traffic:
        wait_until(lambda: traffic.statuses[200] > 0)
        fault(server)
        wait_until(server.recovers, RECOVERY_SECONDS)
        traffic.statuses.clear()
        wait_until(lambda: traffic.statuses[200] > 0)
    assert traffic.wrong == []
    assert set(traffic.statuses) <= {200, 503}


@pytest.mark.parametrize("fault", [freeze, refuse, restart, disallow])
def test_requests_fail_in_time(fault: Callable[[FaultyServer], None], server: FaultyServer) -> None:
    """No request waits longer than the times that are set, and some say what is wrong."""
    seconds: list[float] = []
    statuses: Counter[int] = Counter()
    thread = Thread(target=fault, args=(server,))
    thread.start()
    while thread.is_alive():
        started = time.monotonic()
        statuses[send_request(server.url, "/graphql", KEY, NESTED).status] += 1
        seconds.append(time.monotonic() - started)
    thread.join()
    assert statuses[503] > 0
    assert max(seconds) < RECOVERY_SECONDS


def test_pages_say_that_the_database_is_unavailable(server: FaultyServer) -> None:
    """The front page is HTML with the message."""
    with server.proxy.refuse():
        response = send_request(server.url, "/", KEY, accept="text/html")
    assert response.status == 503
    assert "The database is unavailable. Retry later." in response.body.decode()
    assert response.headers["content-type"].startswith("text/html")


def test_a_role_with_few_connections_is_served(server: FaultyServer) -> None:
    """Requests wait for one of three connections instead of failing, and the server stays ready."""
    with psycopg.connect(server.database.dsn(), autocommit=True) as connection:
        connection.execute("CREATE ROLE narrow LOGIN PASSWORD 'narrow' CONNECTION LIMIT 3")
        connection.execute("GRANT pg_read_all_data TO narrow")
    url = server.database.dsn("faulty", "narrow", "narrow")
    with (
        run_server(url) as (address, _),
        send_traffic(address) as traffic,
        send_traffic(address) as others,
    ):
        wait_until(lambda: traffic.statuses[200] > 5 * DEFAULTS.size)
        assert all(is_ready(address) for _ in range(20))
    assert set(traffic.statuses) == set(others.statuses) == {200}
