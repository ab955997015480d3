"""The health endpoints answer people with a line, and programs with JSON."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from support.app_client import AppClient, Response
from support.databases import fill_authentik_with_types
from support.edge_case_data import LONG_TABLE
from support.postgres import PostgresServer
from support.seed import fill_flowql

READY = "/-/health/ready/"
INDEX = "CREATE INDEX ON django_postgres_cache_cacheentry (cache_key text_pattern_ops)"
STAGES = f"{LONG_TABLE}, authentik_stages_password_astage"
POLICIES = "authentik_policies_dummy_policy"
UNREADABLE = {"stage_ptr_id": STAGES, "policy_ptr_id": POLICIES}
OK: dict[str, Any] = {"ready": True, "checks": {"database": "ok"}, "warnings": []}


def get(client: AppClient, accept: str | None = None) -> Response:
    """Return the readiness for an Accept header."""
    return client.request("GET", READY, {"accept": accept} if accept else {})


def test_a_program_gets_json(client: AppClient) -> None:
    """The header names application/json; the body says what is ready, and has warnings."""
    response = get(client, "application/json")
    assert (response.status, response.json) == (200, OK)
    assert response.headers["content-type"] == "application/json"
    assert response.headers["vary"] == "Accept"


@pytest.mark.parametrize("accept", [None, "*/*", "text/html,*/*;q=0.8", "text/plain", "image/png"])
def test_others_get_a_line(accept: str | None, sqlite_client: AppClient) -> None:
    """Browsers, curl and probes of Kubernetes do not ask for JSON."""
    response = get(sqlite_client, accept)
    assert (response.status, response.body) == (200, b"ready")
    assert response.headers["content-type"] == "text/plain; charset=utf-8"


def test_a_program_gets_the_reason(postgres: PostgresServer) -> None:
    """The reason has no names of the database, its host or its user; others get a line."""
    url = fill_flowql(postgres.create_database("unready"))
    with (
        psycopg.connect(postgres.dsn(), autocommit=True) as connection,
        AppClient(url) as client,
    ):
        assert get(client, "application/json").json == OK
        connection.execute("ALTER DATABASE unready ALLOW_CONNECTIONS false")
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'unready'"
        )
        reason = "PostgreSQL error 55000: ObjectNotInPrerequisiteStateError"
        response = get(client, "application/json")
        expected = OK | {"ready": False, "checks": {"database": reason}}
        assert (response.status, response.json) == (503, expected)
        response = get(client)
        assert (response.status, response.body) == (503, b"database unavailable")


def test_warnings_name_missing_privileges_and_indexes(postgres: PostgresServer) -> None:
    """Each warning ends with the statement that an operator can execute."""
    url = fill_authentik_with_types(postgres.create_database("warnings"))
    with psycopg.connect(url, autocommit=True) as connection:
        table = "django_postgres_cache_cacheentry"
        connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT {table}_pkey".encode())
        connection.execute("CREATE ROLE warned LOGIN PASSWORD 'warned'")
        connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO warned")
        assert read_warnings(postgres) == [f"cacheCount reads the whole cache table: {INDEX}"]
        connection.execute(INDEX.encode())
        assert read_warnings(postgres) == []
        revoke = "REVOKE SELECT ON {}, {} FROM warned"
        connection.execute(revoke.format(STAGES, POLICIES).encode())
        grants = [f"GRANT SELECT ({key}) ON {table}" for key, table in UNREADABLE.items()]
        assert read_warnings(postgres) == [
            f"some {name} have no type: {grant}"
            for name, grant in zip(("stages", "policies"), grants, strict=True)
        ]
        for grant in grants:
            connection.execute(f"{grant} TO warned".encode())
        assert read_warnings(postgres) == []


def read_warnings(postgres: PostgresServer) -> list[str]:
    """Start FlowQL with the role, and return the warnings."""
    with AppClient(postgres.dsn("warnings", user="warned", password="warned")) as client:
        response = get(client, "application/json")
    assert (response.status, response.json["ready"]) == (200, True)
    return response.json["warnings"]


JSON_TYPE = "application/json"
SYNCED_AT = datetime(2026, 11, 24, 12, 30, 5, 250_000, tzinfo=UTC)
SYNCED = {
    "id": 1,
    "url": "https://authentik.example",
    "version": "2026.8.1",
    "synced_at": SYNCED_AT,
    "failed_at": None,
    "error": None,
}
FAILURE = "flows/instances/ returned HTTP 500 (6 attempts): try again later"


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path, postgres: PostgresServer) -> str:
    """The URL of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'flowql.db'}"
    return postgres.create_database(request.node.name)


def get_synced(url: str, **changes: object) -> Any:
    """Return the readiness of a database with the row of a source, in the current minute."""
    fill_flowql(url, {"flowql_source": [SYNCED | changes]})
    with AppClient(url) as client:
        response = get(client, JSON_TYPE)
        assert get(client).body == b"ready"
    assert response.status == 200
    return response.json


def count_seconds(time: datetime) -> int:
    """Return the number of seconds since a time."""
    return int((datetime.now(UTC) - time).total_seconds())


def test_source_of_a_synced_database(empty_url: str) -> None:
    """A program gets the time of the last sync, and the age of the data."""
    before = count_seconds(SYNCED_AT)
    body = get_synced(empty_url)
    age = body["source"].pop("ageSeconds")
    source = {"syncedAt": "2026-11-24T12:30:05Z", "failedAt": None, "error": None}
    assert body == OK | {"source": source}
    assert before <= age <= count_seconds(SYNCED_AT)


def test_warning_after_a_failed_round(empty_url: str) -> None:
    """It says why the round failed, and how old the data is, which is served."""
    failed_at = SYNCED_AT + timedelta(minutes=5)
    body = get_synced(empty_url, failed_at=failed_at, error=FAILURE)
    source = body["source"]
    assert (source["failedAt"], source["error"]) == ("2026-11-24T12:35:05Z", FAILURE)
    age = source["ageSeconds"]
    failure = f"the last sync failed {age - 300} s ago: {FAILURE}"
    assert body["warnings"] == [f"{failure}; the data is {age} s old"]


def test_warning_before_the_first_sync(tmp_path: Path) -> None:
    """No sync has succeeded."""
    url = f"sqlite:///{tmp_path / 'flowql.db'}"
    failed_at = datetime.now(UTC) + timedelta(minutes=5)
    changes = {"synced_at": None, "version": None, "failed_at": failed_at, "error": FAILURE}
    body = get_synced(url, **changes)
    assert (body["source"]["syncedAt"], body["source"]["ageSeconds"]) == (None, None)
    # The clock of the process that has synced is ahead.
    failure = f"the last sync failed 0 s ago: {FAILURE}"
    assert body["warnings"] == [f"{failure}; no sync has succeeded"]
