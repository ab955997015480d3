"""The cache of viewers: without versions of the data, a token is verified again after some seconds."""

from collections.abc import Iterator
from time import sleep
from typing import LiteralString

import psycopg
import pytest

from support.app_client import AppClient, bearer_headers
from support.command import create_token, run_failing, run_failing_in_process, run_in_process
from support.edge_case_data import KEYS
from support.paths import SAMPLES
from support.postgres import PostgresServer
from support.seed import fill_authentik
from support.server_process import wait_until
from support.sql_recorder import is_of_viewer, record_statements

FLOW, *_ = (path.stem for path in SAMPLES.glob("*.yaml"))
FLOWS = "/flows/instances/?page_size=100"
SHORT_SECONDS = 0.2
# Longer than any test.
LONG_SECONDS = 600.0


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def url(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    postgres: PostgresServer,
) -> str:
    """Create FlowQL's own database with the sample flows, on SQLite and on PostgreSQL."""
    if request.param == "sqlite":
        database_url = f"sqlite:///{tmp_path_factory.mktemp('viewers') / 'flowql.db'}"
    else:
        database_url = postgres.create_database("viewers")
    for arguments in (["migrate"], ["import", str(SAMPLES)]):
        assert run_in_process(*arguments, "--database", database_url).returncode == 0
    return database_url


@pytest.fixture(scope="module")
def long_cache(url: str) -> Iterator[AppClient]:
    """Run FlowQL with a cache that outlives the test."""
    with AppClient(url, viewer_ttl=LONG_SECONDS, reuse_bytes=0) as client:
        yield client


@pytest.fixture(scope="module")
def short_cache(url: str) -> Iterator[AppClient]:
    """Run FlowQL with a cache that expires during the test."""
    with AppClient(url, viewer_ttl=SHORT_SECONDS, reuse_bytes=0) as client:
        yield client


@pytest.fixture
def authentik_copy(postgres: PostgresServer, request: pytest.FixtureRequest) -> str:
    """Create an authentik database that the test may change."""
    return fill_authentik(postgres.create_database(request.node.name))


def execute(url: str, statement: LiteralString) -> None:
    """Execute one statement in the database."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement)


def revoke_token(url: str, name: str) -> None:
    """Revoke a token."""
    assert run_in_process("token", "revoke", name, "--database", url).returncode == 0


def selects_viewer(client: AppClient, key: str) -> bool:
    """Return whether a request with a valid key SELECTs the viewer."""
    with record_statements() as statements:
        assert client.get(FLOWS, key).status == 200
    return any(map(is_of_viewer, statements))


def get_status(client: AppClient, key: str) -> int:
    """Return the status of a request with a key."""
    return client.get(FLOWS, key).status


def test_viewer_is_cached(url: str, long_cache: AppClient) -> None:
    """Later requests of any kind do not SELECT the viewer."""
    key = create_token(url, "once")
    assert selects_viewer(long_cache, key)
    with record_statements() as statements:
        assert long_cache.get(FLOWS, key).status == 200
        assert long_cache.graphql("{ flows { results { slug } } }", key).status == 200
        assert long_cache.request("OPTIONS", FLOWS, bearer_headers(key)).status == 200
    assert len(statements) == 2
    assert not any(map(is_of_viewer, statements))


def test_cache_expires(url: str, short_cache: AppClient) -> None:
    """The first request after the TTL SELECTs the viewer again."""
    key = create_token(url, "again")
    for _ in range(2):
        assert selects_viewer(short_cache, key)
        sleep(SHORT_SECONDS)


def test_zero_seconds_disable_the_cache(url: str) -> None:
    """Every request SELECTs the viewer, and a revoked token is invalid immediately."""
    key = create_token(url, "never")
    with AppClient(url, viewer_ttl=0, reuse_bytes=0) as client:
        assert [selects_viewer(client, key) for _ in range(3)] == [True] * 3
        revoke_token(url, "never")
        assert get_status(client, key) == 403


def test_revoked_token_expires(url: str, long_cache: AppClient, short_cache: AppClient) -> None:
    """A revoked token is valid until the TTL ends; requests do not prolong it."""
    key = create_token(url, "revoked")
    assert [get_status(client, key) for client in (long_cache, short_cache)] == [200, 200]
    revoke_token(url, "revoked")
    wait_until(lambda: get_status(short_cache, key) == 403)
    assert get_status(long_cache, key) == 200


def test_each_key_has_its_own_viewer(url: str, long_cache: AppClient) -> None:
    """The cache does not confuse similar keys."""
    limited, unlimited = create_token(url, "few", "--flow", FLOW), create_token(url, "every")
    for _ in range(2):
        counts = [
            long_cache.get(FLOWS, key).json["pagination"]["count"] for key in (limited, unlimited)
        ]
        assert counts == [1, len(list(SAMPLES.glob("*.yaml")))]
        others = (limited.swapcase(), f"{limited} {limited}", limited[:-1], "")
        assert [get_status(long_cache, key) for key in others] == [403] * 4


def test_a_revoked_token_cannot_send_bodies(url: str) -> None:
    """After a request with the token was rejected, the next one is rejected by its headers."""
    key = create_token(url, "body")
    headers = bearer_headers(key) | {"content-type": "text/plain"}
    with AppClient(url) as client:
        assert get_status(client, key) == 200
        assert client.request("POST", "/graphql", headers, b"{}").status == 415
        revoke_token(url, "body")
        assert get_status(client, key) == 403
        assert client.request("POST", "/graphql", headers, b"{}").status == 401


def test_unknown_keys_are_not_cached(authentik_copy: str) -> None:
    """A new key is valid as soon as it is stored."""
    with AppClient(authentik_copy, viewer_ttl=LONG_SECONDS, reuse_bytes=0) as client:
        assert [get_status(client, "later") for _ in range(2)] == [403, 403]
        change = "UPDATE authentik_core_token SET key = 'later' WHERE key = 'key-of-model_role'"
        execute(authentik_copy, change)
        assert get_status(client, "later") == 200


def test_changed_access_takes_effect_after_the_ttl(authentik_copy: str) -> None:
    """A former superuser sees all flows until the TTL ends, and then none."""
    key = KEYS["superuser"]
    with AppClient(authentik_copy, viewer_ttl=LONG_SECONDS, reuse_bytes=0) as long_cached:
        with AppClient(authentik_copy, viewer_ttl=SHORT_SECONDS, reuse_bytes=0) as short_cached:
            clients = (long_cached, short_cached)
            assert [get_status(client, key) for client in clients] == [200, 200]
            execute(authentik_copy, "UPDATE authentik_core_group SET is_superuser = false")
            wait_until(lambda: get_status(short_cached, key) == 403)
        assert get_status(long_cached, key) == 200


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("-1", "Input should be greater than or equal to 0"),
        ("nan", "Input should be a finite number"),
        ("inf", "Input should be a finite number"),
        ("abc", "Input should be a valid number, unable to parse string as a number"),
    ],
)
def test_invalid_ttl(value: str, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the setting and the reason."""
    monkeypatch.setenv("FLOWQL_VIEWER_TTL", value)
    assert run_failing_in_process("serve", "--port", "0") == f"FLOWQL_VIEWER_TTL: {reason}"


def test_invalid_ttl_ends_the_process() -> None:
    """The installed command prints the message and exits."""
    line = run_failing("serve", "--port", "0", env={"FLOWQL_VIEWER_TTL": "-1"})
    assert line.startswith("FLOWQL_VIEWER_TTL: ")
