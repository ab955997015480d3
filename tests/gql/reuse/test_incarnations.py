"""Answers of one server are not those of another, although their transactions have equal numbers."""

import os
import signal
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, suppress
from time import sleep

import psycopg
import pytest

from support.postgres import PostgresServer
from support.reuse_data import KEYS, identifier
from support.reuse_databases import create_database
from support.reuse_requests import FLOWS
from support.server_process import run_server, send_request, wait_until
from support.tcp_proxy import run_proxy

KEY = KEYS["superuser"]
DATABASE = "reuse"
UPDATE = "UPDATE authentik_flows_flow SET title = %s WHERE flow_uuid = %s"
# A crash then loses the transactions of the last seconds, unless the log was written just then.
LATE_WRITES = "ALTER SYSTEM SET wal_writer_delay = '10s'"
ATTEMPTS = 5
TARGETS = (f"{FLOWS}flow-0/", "/graphql?query={flow(slug:%22flow-0%22){title}}")
ROUNDS = 20
# A server that has lost its connection reads no versions for a while.
RECONNECTION_SECONDS = 1.2


@pytest.fixture
def primary() -> Iterator[PostgresServer]:
    """A server that a test may crash, with FlowQL's own database."""
    with PostgresServer() as server:
        create_database("postgresql", server.create_database(DATABASE))
        yield server


def set_title(server: PostgresServer, title: str, flow: int = 0) -> str:
    """Change the title of a flow in one transaction, and return the snapshot after it."""
    with psycopg.connect(server.dsn(DATABASE), autocommit=True) as connection:
        connection.execute(UPDATE, [title, identifier("flow", flow)])
        return read_snapshot(connection)


def read_snapshot(connection: psycopg.Connection) -> str:
    """Return the transactions that a connection sees, as text."""
    row = connection.execute("SELECT pg_current_snapshot()::text").fetchone()
    assert row is not None
    return row[0]


def read_title(server: PostgresServer, flow: int = 0) -> str:
    """Return the title of a flow that a server has."""
    with psycopg.connect(server.dsn(DATABASE), autocommit=True) as connection:
        select = "SELECT title FROM authentik_flows_flow WHERE flow_uuid = %s"
        row = connection.execute(select, [identifier("flow", flow)]).fetchone()
    assert row is not None
    return row[0]


def fetch_titles(url: str) -> list[str]:
    """Return the titles of the flow in the responses of the server, as soon as it is available."""
    wait_until(lambda: all(send_request(url, target, KEY).status == 200 for target in TARGETS))
    rest, graphql = (send_request(url, target, KEY).json for target in TARGETS)
    return [rest["title"], graphql["data"]["flow"]["title"]]


def warm(url: str, title: str) -> None:
    """Request the flow several times."""
    for _ in range(3):
        assert fetch_titles(url) == [title, title]


def cut_reads(server: PostgresServer) -> None:
    """End the connections to a server, except those that read versions."""
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
            " AND query NOT LIKE 'SELECT CASE WHEN NOT pg_catalog.pg_is_in_recovery()%%'"
            " AND query NOT LIKE '%%WITH RECURSIVE relations%%'",
            [DATABASE],
        )


def test_rows_of_another_server_are_not_kept(primary: PostgresServer) -> None:
    """Rows of a standby that lags behind do not belong to the version of the primary."""
    missing = f"{FLOWS}?name=later"
    with (
        primary.copy() as standby,
        run_proxy(primary.dsn(DATABASE)) as proxy,
        run_server(proxy.url) as (url, _),
    ):
        assert send_request(url, "/graphql?query=%7B__typename%7D", KEY).status == 200
        proxy.server = ("127.0.0.1", standby.port)
        cut_reads(primary)
        with psycopg.connect(standby.dsn(DATABASE), autocommit=True) as connection:
            connection.execute("SELECT pg_wal_replay_pause()")
            set_title(primary, "later")
            for _ in range(3):
                assert send_request(url, TARGETS[0], KEY).json["title"] != "later"
                assert send_request(url, missing, KEY).json["pagination"]["count"] == 0
            with psycopg.connect(primary.dsn(DATABASE), autocommit=True) as writer:
                writer.execute(
                    "UPDATE authentik_flows_flow SET name = 'later' WHERE flow_uuid = %s",
                    [identifier("flow", 0)],
                )
            for _ in range(3):
                assert send_request(url, missing, KEY).json["pagination"]["count"] == 0
            connection.execute("SELECT pg_wal_replay_resume()")
            wait_until(lambda: read_title(standby) == "later")
        wait_until(lambda: send_request(url, missing, KEY).json["pagination"]["count"] == 1)
        assert send_request(url, TARGETS[0], KEY).json["title"] == "later"


def check_reconnected(url: str, title: str) -> None:
    """Check the title, also when the server reads versions again."""
    warm(url, title)
    sleep(RECONNECTION_SECONDS)
    warm(url, title)


def test_failover_to_a_copy(primary: PostgresServer) -> None:
    """The other server has other rows, written by transactions with the same numbers."""
    primary.stop()
    with primary.copy() as copy, run_proxy(primary.dsn(DATABASE)) as proxy:
        primary.start()
        servers = {"primary": primary, "copy": copy}
        assert len({set_title(server, name) for name, server in servers.items()}) == 1
        with run_server(proxy.url) as (url, _):
            warm(url, "primary")
            for name in ("copy", "primary"):
                proxy.server = ("127.0.0.1", servers[name].port)
                proxy.cut()
                check_reconnected(url, name)


def lose_transaction(server: PostgresServer, url: str, crash: Callable[[], None]) -> str:
    """Crash after a title was stored and requested, and return the snapshot that showed it."""
    for _ in range(ATTEMPTS):
        with psycopg.connect(server.dsn(), autocommit=True) as connection:
            connection.execute("CHECKPOINT")
        snapshot = set_title(server, "lost")
        warm(url, "lost")
        crash()
        if read_title(server) != "lost":
            return snapshot
        set_title(server, "kept")
    raise AssertionError("no crash has lost a transaction")


@pytest.fixture
def late_primary(primary: PostgresServer) -> PostgresServer:
    """A server that writes its log late."""
    with psycopg.connect(primary.dsn(), autocommit=True) as connection:
        connection.execute(LATE_WRITES)
    primary.stop()
    primary.start()
    return primary


def test_crash_of_the_server(late_primary: PostgresServer) -> None:
    """A transaction that is lost is replaced by one with the same number."""

    def crash() -> None:
        late_primary.crash()
        late_primary.start()

    with run_server(late_primary.dsn(DATABASE)) as (url, _):
        snapshot = lose_transaction(late_primary, url, crash)
        assert set_title(late_primary, "other") == snapshot
        check_reconnected(url, "other")


def test_crash_of_a_connection(late_primary: PostgresServer) -> None:
    """The server ends all connections and recovers, but its main process and its start stay."""
    with run_server(late_primary.dsn(DATABASE)) as (url, _):
        snapshot = lose_transaction(late_primary, url, lambda: kill_connection(late_primary))
        assert set_title(late_primary, "other") == snapshot
        check_reconnected(url, "other")


def kill_connection(server: PostgresServer) -> None:
    """Kill the process of a connection, and return when the server has recovered."""
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        pid = connection.info.backend_pid
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not is_open(connection))
    wait_until(lambda: is_available(server))


def is_open(connection: psycopg.Connection) -> bool:
    """Return whether a connection still works."""
    with suppress(psycopg.OperationalError):
        connection.execute("SELECT 1")
        return True
    return False


def is_available(server: PostgresServer) -> bool:
    """Return whether a server accepts connections."""
    with suppress(psycopg.OperationalError), psycopg.connect(server.dsn()):
        return True
    return False


@contextmanager
def open_transaction(
    server: PostgresServer, title: str, flow: int = 0
) -> Generator[psycopg.Connection]:
    """Change the title of a flow in a transaction that stays open until the block ends."""
    with closing(psycopg.connect(server.dsn(DATABASE))) as connection:
        connection.execute(UPDATE, [title, identifier("flow", flow)])
        yield connection


def test_standby_follows_its_primary(primary: PostgresServer) -> None:
    """Its responses have a transaction as soon as the standby has it, also after its promotion."""
    with primary.copy() as standby, run_server(standby.dsn(DATABASE)) as (url, _):
        with open_transaction(primary, "never", flow=1):
            for number in range(ROUNDS):
                commit_between(primary, standby, url, f"title {number}")
        with psycopg.connect(standby.dsn(), autocommit=True) as connection:
            connection.execute("SELECT pg_promote()")
        for number in range(ROUNDS):
            set_title(standby, f"promoted {number}")
            warm(url, f"promoted {number}")
        sleep(RECONNECTION_SECONDS)
        for number in range(ROUNDS):
            set_title(standby, f"primary {number}")
            warm(url, f"primary {number}")


def commit_between(primary: PostgresServer, standby: PostgresServer, url: str, title: str) -> None:
    """Commit a transaction between an older and a newer one, and check the responses.

    On a standby, the text of the snapshot is the same before and after, since it contains neither.
    """
    with open_transaction(primary, title) as connection:
        set_title(primary, title, flow=2)
        wait_until(lambda: read_title(standby, flow=2) == title)
        with psycopg.connect(standby.dsn(DATABASE), autocommit=True) as reader:
            before = read_snapshot(reader)
            fetch_titles(url)
            connection.commit()
            wait_until(lambda: read_title(standby) == title)
            assert read_snapshot(reader) == before
    assert fetch_titles(url) == [title, title]
