"""What nobody foresaw: a database that breaks under a running server."""

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Thread

import psycopg
import pytest

from support.app_client import AppClient
from support.edge_case_data import KEYS
from support.postgres import PASSWORD, PostgresServer
from support.seed import fill_authentik, fill_ours
from support.server_process import ask, run_server, stop_server, wait_until

KEY = KEYS["superuser"]
SECRET = "searched-by-somebody"
REST = f"/flows/instances/?search={SECRET}"
QUESTION = {
    "query": "query($search: String) { flows(search: $search) { results { slug } } }",
    "variables": {"search": SECRET},
}
REQUEST_ID = re.compile(r"[0-9a-f]{32}")


@pytest.fixture(scope="module")
def outage() -> Iterator[PostgresServer]:
    """A PostgreSQL that a test may stop."""
    with PostgresServer() as server:
        yield server


def rest_request_id(url: str) -> str:
    """Ask over REST for what cannot be answered; gives the id that the answer has."""
    answer = ask(url, REST, KEY)
    request_id = answer.json["request_id"]
    assert (answer.status, answer.headers["content-type"]) == (500, "application/json")
    assert answer.json == {"detail": "Internal server error.", "request_id": request_id}
    return request_id


def graphql_request_id(url: str) -> str:
    """Ask over GraphQL for what cannot be answered; gives the id that the answer has."""
    answer = ask(url, "/graphql", KEY, QUESTION)
    assert answer.status in (200, 500)
    [error] = answer.json["errors"]
    assert error["message"] == "Internal server error."
    extensions = error["extensions"]
    assert extensions == {
        "code": "INTERNAL_SERVER_ERROR",
        "requestId": extensions["requestId"],
    }
    return extensions["requestId"]


def assert_logged_once(told: str, request_ids: list[str]) -> None:
    """Each id stands in the log once, with a traceback, and nothing secret beside it."""
    assert len(set(request_ids)) == len(request_ids)
    assert re.findall(r"ERROR flowql: request (\S+) failed\nTraceback ", told) == request_ids
    for request_id in request_ids:
        assert REQUEST_ID.fullmatch(request_id)
        assert told.count(request_id) == 1
    for secret in (KEY, PASSWORD, SECRET):
        assert secret not in told


def test_a_table_that_is_dropped_is_a_500_with_an_id_in_the_log(postgres: PostgresServer) -> None:
    """The client is told the id alone; what happened stands in the log under it, once."""
    database_url = fill_authentik(postgres.create_database("broken"))
    with run_server(database_url) as (url, process):
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute("DROP TABLE authentik_flows_flow CASCADE")
        request_ids = [rest_request_id(url), graphql_request_id(url), rest_request_id(url)]
        assert ask(url, "/-/health/ready/").status == 200
        _, told = stop_server(process)
    assert_logged_once(told, request_ids)
    assert 'relation "authentik_flows_flow" does not exist' in told


def test_fields_that_fail_together_share_an_id(
    postgres: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Two fields of one request that fail are one record in the log, under one id."""
    url = fill_authentik(postgres.create_database("together"))
    with AppClient(url) as client:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("DROP TABLE authentik_policies_policybindingmodel CASCADE")
        selected = "{ policyEngineMode }"
        query = f'{{ a: flow(slug: "a") {selected} b: flow(slug: "b") {selected} }}'
        answer = client.graphql(query, KEYS["superuser"]).json
    assert answer["data"] == {"a": None, "b": None}
    [request_id] = {error["extensions"]["requestId"] for error in answer["errors"]}
    assert [record.getMessage() for record in caplog.records] == [f"request {request_id} failed"]


def test_a_table_that_is_dropped_from_sqlite_is_the_same(tmp_path: Path) -> None:
    """The client is told the id alone here too."""
    database_url = fill_ours(f"sqlite:///{tmp_path / 'flowql.db'}")
    with run_server(database_url) as (url, process):
        (tmp_path / "flowql.db").write_bytes(b"overwritten by somebody, " * 10000)
        request_ids = [rest_request_id(url), graphql_request_id(url)]
        _, told = stop_server(process)
    assert_logged_once(told, request_ids)


def test_a_server_outlives_an_outage_of_its_database(outage: PostgresServer) -> None:
    """It lives, says that it is not ready, and answers again when the database does."""
    database_url = fill_authentik(outage.create_database("outage"))
    with run_server(database_url) as (url, process):
        expected = ask(url, REST, KEY)
        assert expected.status == 200
        outage.stop()
        assert ask(url, "/-/health/live/").status == 200
        unready = ask(url, "/-/health/ready/")
        assert (unready.status, unready.body) == (503, b"the database does not answer")
        request_ids = [rest_request_id(url), graphql_request_id(url)]
        outage.start()
        assert ask(url, "/-/health/ready/").status == 200
        assert ask(url, REST, KEY).body == expected.body
        _, told = stop_server(process)
    assert_logged_once(told, request_ids)


def test_a_connection_that_is_cut_is_replaced(postgres: PostgresServer) -> None:
    """A restart of the database between two requests goes unnoticed."""
    database_url = fill_authentik(postgres.create_database("cut"))
    cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'cut'"
    with run_server(database_url) as (url, process):
        expected = ask(url, REST, KEY)
        with psycopg.connect(postgres.dsn(), autocommit=True) as connection:
            connection.execute(cut)
            gone = "SELECT 1 FROM pg_stat_activity WHERE datname = 'cut'"
            wait_until(lambda: connection.execute(gone).fetchone() is None)
        assert ask(url, REST, KEY).body == expected.body
        _, told = stop_server(process)
    assert_logged_once(told, [])


def test_a_table_that_is_altered_is_read_on(postgres: PostgresServer) -> None:
    """An upgrade of authentik under a running server is not even noticed."""
    url = fill_authentik(postgres.create_database("altered"))
    with AppClient(url) as client:
        before = client.get("/flows/instances/", KEYS["superuser"])
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("ALTER TABLE authentik_flows_flow ALTER name TYPE varchar(9999)")
        assert client.get("/flows/instances/", KEYS["superuser"]) == before
    assert before.status == 200


def test_a_server_that_hangs_is_not_ready(postgres: PostgresServer) -> None:
    """All connections wait for a lock: readiness says so soon, and life goes on."""
    url = fill_authentik(postgres.create_database("hanging"))
    with run_server(url) as (address, process), psycopg.connect(url) as locking:
        locking.execute("LOCK TABLE authentik_flows_flow")
        for _ in range(12):
            Thread(target=ask_in_vain, args=(address,), daemon=True).start()
        wait_until(lambda: ask(address, "/-/health/ready/").status == 503)
        assert ask(address, "/-/health/live/").status == 200
        stop_server(process)


def ask_in_vain(address: str) -> None:
    """Ask for flows, and take whatever comes."""
    with suppress(OSError):
        ask(address, "/flows/instances/", KEYS["superuser"])
