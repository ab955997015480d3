"""Internal errors: the database fails while the server runs."""

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Thread

import psycopg
import pytest

from models.limits import DEFAULTS
from support.app_client import AppClient
from support.edge_case_data import KEYS
from support.postgres import PASSWORD, PostgresServer
from support.seed import fill_authentik, fill_flowql
from support.server_process import run_server, send_request, stop_server, wait_until

KEY = KEYS["superuser"]
SECRET = "secret-search-term"
REST = f"/flows/instances/?search={SECRET}"
GRAPHQL_BODY = {
    "query": "query($search: String) { flows(search: $search) { results { slug } } }",
    "variables": {"search": SECRET},
}
REQUEST_ID = re.compile(r"[0-9a-f]{32}")


@pytest.fixture(scope="module")
def outage() -> Iterator[PostgresServer]:
    """Run a PostgreSQL server that a test may stop."""
    with PostgresServer() as server:
        yield server


def rest_request_id(url: str) -> str:
    """Return the request ID of a failing REST request."""
    response = send_request(url, REST, KEY)
    request_id = response.json["request_id"]
    assert (response.status, response.headers["content-type"]) == (500, "application/json")
    assert response.json == {"detail": "Internal server error.", "request_id": request_id}
    return request_id


def graphql_request_id(url: str) -> str:
    """Return the request ID of a failing GraphQL request."""
    response = send_request(url, "/graphql", KEY, GRAPHQL_BODY)
    assert response.status in (200, 500)
    [error] = response.json["errors"]
    assert error["message"] == "Internal server error."
    extensions = error["extensions"]
    assert extensions == {
        "code": "INTERNAL_SERVER_ERROR",
        "requestId": extensions["requestId"],
    }
    return extensions["requestId"]


def assert_logged_once(log: str, request_ids: list[str]) -> None:
    """Assert that the log has each request ID once, with a traceback and without secrets."""
    assert len(set(request_ids)) == len(request_ids)
    assert re.findall(r"ERROR flowql: request (\S+) failed\nTraceback ", log) == request_ids
    for request_id in request_ids:
        assert REQUEST_ID.fullmatch(request_id)
        assert log.count(request_id) == 1
    for secret in (KEY, PASSWORD, SECRET):
        assert secret not in log


def test_dropped_table(postgres: PostgresServer) -> None:
    """The client receives only the request ID; the log has the error under it, once."""
    database_url = fill_authentik(postgres.create_database("broken"))
    with run_server(database_url) as (url, process):
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute("DROP TABLE authentik_flows_flow CASCADE")
        request_ids = [rest_request_id(url), graphql_request_id(url), rest_request_id(url)]
        assert send_request(url, "/-/health/ready/").status == 200
        _, log = stop_server(process)
    assert_logged_once(log, request_ids)
    assert 'relation "authentik_flows_flow" does not exist' in log


def test_several_failing_fields(postgres: PostgresServer, caplog: pytest.LogCaptureFixture) -> None:
    """All errors of one request are one log record, under one request ID."""
    url = fill_authentik(postgres.create_database("together"))
    with AppClient(url) as client:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("DROP TABLE authentik_policies_policybindingmodel CASCADE")
        selected = "{ policyEngineMode }"
        query = f'{{ a: flow(slug: "a") {selected} b: flow(slug: "b") {selected} }}'
        body = client.graphql(query, KEYS["superuser"]).json
    assert body["data"] == {"a": None, "b": None}
    [request_id] = {error["extensions"]["requestId"] for error in body["errors"]}
    assert [record.getMessage() for record in caplog.records] == [f"request {request_id} failed"]


def check_unavailable(url: str) -> None:
    """Check the responses of an unavailable database."""
    rest, graphql = send_request(url, REST, KEY), send_request(url, "/graphql", KEY, GRAPHQL_BODY)
    message = "The database is unavailable. Retry later."
    assert rest.json == {"detail": message, "code": "database_unavailable"}
    extensions = {"code": "DATABASE_UNAVAILABLE"}
    assert graphql.json == {"errors": [{"message": message, "extensions": extensions}]}
    for response in (rest, graphql):
        assert response.status == 503
        assert int(response.headers["retry-after"]) > 0


def test_overwritten_sqlite_file(tmp_path: Path) -> None:
    """The database is unavailable; the log has one line, without a traceback."""
    database_url = fill_flowql(f"sqlite:///{tmp_path / 'flowql.db'}")
    with run_server(database_url) as (url, process):
        (tmp_path / "flowql.db").write_bytes(b"overwritten by somebody, " * 10000)
        for _ in range(5):
            check_unavailable(url)
        _, log = stop_server(process)
    assert_logged_once(log, [])
    assert log.count("the database is unavailable: DatabaseError: ") == 1
    assert "Traceback" not in log


def test_database_outage(outage: PostgresServer) -> None:
    """The server is live but not ready during an outage, and recovers with the database."""
    database_url = fill_authentik(outage.create_database("outage"))
    with run_server(database_url) as (url, process):
        expected = send_request(url, REST, KEY)
        assert expected.status == 200
        outage.stop()
        assert send_request(url, "/-/health/live/").status == 200
        unready = send_request(url, "/-/health/ready/")
        assert (unready.status, unready.body) == (503, b"database unavailable")
        for _ in range(5):
            check_unavailable(url)
        outage.start()
        assert send_request(url, "/-/health/ready/").status == 200
        assert send_request(url, REST, KEY).body == expected.body
        _, log = stop_server(process)
    assert_logged_once(log, [])
    assert log.count("the database is unavailable: ") == 1
    assert "Traceback" not in log


def test_terminated_connection(postgres: PostgresServer) -> None:
    """A restart of the database between two requests does not fail the second one."""
    database_url = fill_authentik(postgres.create_database("cut"))
    terminate = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'cut'"
    with run_server(database_url) as (url, process):
        expected = send_request(url, REST, KEY)
        with psycopg.connect(postgres.dsn(), autocommit=True) as connection:
            connection.execute(terminate)
            remaining = "SELECT 1 FROM pg_stat_activity WHERE datname = 'cut'"
            wait_until(lambda: connection.execute(remaining).fetchone() is None)
        assert send_request(url, REST, KEY).body == expected.body
        _, log = stop_server(process)
    assert_logged_once(log, [])


def test_altered_table(postgres: PostgresServer) -> None:
    """An upgrade of authentik does not affect a running server."""
    url = fill_authentik(postgres.create_database("altered"))
    with AppClient(url) as client:
        before = client.get("/flows/instances/", KEYS["superuser"])
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("ALTER TABLE authentik_flows_flow ALTER name TYPE varchar(9999)")
        assert client.get("/flows/instances/", KEYS["superuser"]) == before
    assert before.status == 200


def test_blocked_connections(postgres: PostgresServer) -> None:
    """The server is live and ready while all connections wait for a lock: it is only busy."""
    url = fill_authentik(postgres.create_database("hanging"))
    with (
        # Equal requests would share one connection.
        run_server(url, "--viewer-ttl", "60", "--reuse-bytes", "0") as (address, process),
        psycopg.connect(url) as locking,
    ):
        request_flows(address)
        locking.execute("LOCK TABLE authentik_flows_flow")
        for _ in range(12):
            Thread(target=request_flows, args=(address,), daemon=True).start()
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        with psycopg.connect(url, autocommit=True) as monitor:
            wait_until(lambda: monitor.execute(waiting).fetchone() == (DEFAULTS.size,))
        for name in ("live", "ready"):
            assert send_request(address, f"/-/health/{name}/").status == 200
        stop_server(process)


def request_flows(address: str) -> None:
    """GET the flows, and ignore a lost connection."""
    with suppress(OSError):
        send_request(address, "/flows/instances/", KEYS["superuser"])
