"""Which requests share a response, and which share an execution."""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from support.app_client import JSON_HEADERS, AppClient, Response, bearer_headers
from support.command import create_token, run_in_process
from support.edge_case_data import KEYS
from support.paths import SAMPLES
from support.postgres import PostgresServer
from support.raw_connections import connect, parse_response, receive_until
from support.raw_requests import RawRequest
from support.seed import fill_authentik
from support.server_process import run_server, send_request, wait_until
from support.sql_recorder import is_of_viewer, record_statements

FLOWS = "/flows/instances/"
QUERY = "query Page($size: Int, $page: Int) { flows(pageSize: $size, page: $page) { results { pk slug } } }"
FIRST, SECOND, *_ = sorted(path.stem for path in SAMPLES.glob("*.yaml"))
SUPERUSER = KEYS["superuser"]
WAITING = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
CONCURRENT = 6


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """FlowQL's own database with the sample flows."""
    database_url = f"sqlite:///{tmp_path_factory.mktemp('sharing') / 'flowql.db'}"
    for arguments in (["migrate"], ["import", str(SAMPLES)]):
        assert run_in_process(*arguments, "--database", database_url).returncode == 0
    return database_url


@pytest.fixture(scope="module")
def keys(url: str) -> Mapping[str, str]:
    """Keys of tokens: two of each scope."""
    scopes: Mapping[str, Sequence[str]] = {
        "all": (),
        "first": ("--flow", FIRST),
        "both": ("--flow", FIRST, "--flow", SECOND),
        "flows only": ("--flows-only",),
    }
    return {
        f"{name} {number}": create_token(url, f"{name}-{number}", *options)
        for name, options in scopes.items()
        for number in (1, 2)
    }


@pytest.fixture
def client(url: str, keys: Mapping[str, str]) -> Iterator[AppClient]:
    """FlowQL with tokens."""
    assert keys
    with AppClient(url) as opened:
        yield opened


@pytest.fixture
def locked(postgres: PostgresServer, request: pytest.FixtureRequest) -> Iterator["LockedServer"]:
    """A server whose reads of flows wait until the lock is released."""
    url = fill_authentik(postgres.create_database(request.node.name[:60]))
    seconds = getattr(request, "param", "60")
    with (
        run_server(url, "--max-seconds", seconds) as (address, _),
        psycopg.connect(url) as locking,
        psycopg.connect(url, autocommit=True) as monitor,
    ):
        # The viewer is known before.
        assert send_request(address, "/graphql?query=%7B__typename%7D", SUPERUSER).status == 200
        locking.execute("LOCK TABLE authentik_flows_flow")
        yield LockedServer(address, locking, monitor)
        with suppress(psycopg.OperationalError):
            locking.rollback()


class LockedServer:
    """A server, the connection that locks the flows, and one that counts waiting statements."""

    def __init__(
        self,
        address: str,
        locking: psycopg.Connection[Any],
        monitor: psycopg.Connection[tuple[int]],
    ) -> None:
        self.address = address
        self.locking = locking
        self.monitor = monitor

    def list_waiting(self) -> Sequence[tuple[int]]:
        """Return the processes of the statements that wait for the lock."""
        return self.monitor.execute(WAITING).fetchall()

    def count_waiting(self) -> int:
        """Return the number of statements that wait for the lock."""
        return len(self.list_waiting())

    def pause(self, seconds: float = 0.5) -> None:
        """Wait for the server, which shows no sign of what it does."""
        self.monitor.execute("SELECT pg_sleep(%s)", (seconds,))

    def get(self, target: str = FLOWS) -> Response:
        """GET the flows."""
        return send_request(self.address, target, SUPERUSER)


def post(client: AppClient, key: str, body: bytes, accept: str = "*/*") -> Response:
    """Send a GraphQL request."""
    headers = bearer_headers(key) | JSON_HEADERS | {"accept": accept}
    return client.request("POST", "/graphql", headers, body)


def executes(client: AppClient, key: str, target: str | bytes, accept: str = "*/*") -> bool:
    """Return whether a request executes more than the SELECT of its viewer."""
    with record_statements() as statements:
        if isinstance(target, bytes):
            response = post(client, key, target, accept)
        else:
            response = client.get(target, key)
    assert response.status == 200
    return not all(map(is_of_viewer, statements))


def dump(query: str = QUERY, **variables: Any) -> bytes:
    """Return the body of a request."""
    return json.dumps({"query": query, "variables": variables}).encode()


@pytest.mark.parametrize("target", [dump(size=2), FLOWS, f"{FLOWS}{FIRST}/diagram/"])
@pytest.mark.parametrize("scope", ["all", "first", "both", "flows only"])
def test_viewers_with_the_same_access_share(
    client: AppClient, keys: Mapping[str, str], scope: str, target: str | bytes
) -> None:
    """The token does not matter, but what it may see."""
    assert executes(client, keys[f"{scope} 1"], target)
    assert not executes(client, keys[f"{scope} 2"], target)


def test_viewers_with_other_access_do_not_share(client: AppClient, keys: Mapping[str, str]) -> None:
    """Each scope has responses of its own."""
    for scope in ("all", "first", "both"):
        assert executes(client, keys[f"{scope} 1"], FLOWS)
    counts = [
        client.get(FLOWS, keys[f"{scope} 2"]).json["pagination"]["count"]
        for scope in ("first", "both")
    ]
    assert counts == [1, 2]


def test_spelling_does_not_matter(client: AppClient, keys: Mapping[str, str]) -> None:
    """Requests share a response if operation and variables are equal, however they are written."""
    key = keys["all 1"]
    assert executes(client, key, dump(size=2, page=1))
    assert not executes(client, key, dump(page=1, size=2))
    variables = '{"page": 1,  "size": 2}'
    text = f' {{"variables": {variables}, "query": {json.dumps(QUERY)}, "operationName": null}}'
    assert not executes(client, key, text.encode())


@pytest.mark.parametrize(
    "body",
    [
        dump(size=3, page=1),
        dump(size=2),
        dump(QUERY.replace("pk slug", "slug pk"), size=2, page=1),
        dump(f"{QUERY} query Other {{ __typename }}", size=2, page=1).replace(
            b"{", b'{"operationName": "Page", ', 1
        ),
    ],
)
def test_operations_and_variables_matter(
    client: AppClient, keys: Mapping[str, str], body: bytes
) -> None:
    """Another operation or another variable has another response."""
    key = keys["all 1"]
    assert executes(client, key, dump(size=2, page=1))
    assert executes(client, key, body)
    assert not executes(client, key, body)


def test_media_types_and_dialects_matter(client: AppClient, keys: Mapping[str, str]) -> None:
    """Each media type and each version of the REST API has responses of its own."""
    key = keys["all 1"]
    accepted = "application/graphql-response+json"
    assert executes(client, key, dump())
    assert executes(client, key, dump(), accepted)
    assert post(client, key, dump(), accepted).headers["content-type"].startswith(accepted)
    assert executes(client, key, FLOWS)
    assert executes(client, key, f"/api/v3{FLOWS}")
    assert not executes(client, key, FLOWS)


def test_get_and_post_share(client: AppClient, keys: Mapping[str, str]) -> None:
    """The method changes only the headers."""
    assert executes(client, keys["all 1"], dump("{ flows { results { slug } } }"))
    assert not executes(
        client, keys["all 1"], "/graphql?query=%7B+flows+%7B+results+%7B+slug+%7D+%7D+%7D"
    )


def test_errors_are_not_kept(client: AppClient, keys: Mapping[str, str]) -> None:
    """A response with an error is executed each time, and so is a page that does not exist."""
    key = keys["flows only 1"]
    body = dump("{ flows { results { slug stageBindings { order } } } }")
    for _ in range(3):
        assert executes(client, key, body)
        with record_statements() as statements:
            assert client.get(f"{FLOWS}nothing/", key).status == 404
        assert statements


def test_capacity_and_warm_responses(url: str, keys: Mapping[str, str]) -> None:
    """A stream of unique requests does not evict a response in use."""
    key = keys["all 1"]
    with AppClient(url, reuse_bytes=100_000) as client:
        for number in range(500):
            assert executes(client, key, FLOWS) == (number == 0)
            assert executes(client, key, f"{FLOWS}?name=none-{number}")
        assert executes(client, key, f"{FLOWS}?name=none-0")


def test_responses_above_the_capacity_are_not_kept(url: str, keys: Mapping[str, str]) -> None:
    """A response has to fit."""
    with AppClient(url, reuse_bytes=1_000) as client:
        for _ in range(3):
            assert executes(client, keys["all 1"], FLOWS)


def test_zero_bytes_turn_reuse_off(url: str, keys: Mapping[str, str]) -> None:
    """Every request is executed."""
    with AppClient(url, reuse_bytes=0) as client:
        for _ in range(3):
            assert executes(client, keys["all 1"], FLOWS)


def test_equal_requests_share_one_execution(locked: LockedServer) -> None:
    """Requests that miss at the same moment wait for one statement."""
    with ThreadPoolExecutor(CONCURRENT + 1) as pool:
        responses = [pool.submit(locked.get) for _ in range(CONCURRENT)]
        wait_until(lambda: locked.count_waiting() == 1)
        other = pool.submit(locked.get, f"{FLOWS}?page_size=1")
        wait_until(lambda: locked.count_waiting() == 2)
        locked.locking.rollback()
        bodies = {response.result().body for response in responses}
    assert len(bodies) == 1
    assert other.result().status == 200


def test_the_last_waiter_cancels_the_execution(locked: LockedServer) -> None:
    """An execution continues while a client waits, and ends with the last one."""
    data = RawRequest(method=b"GET", target=FLOWS.encode(), body=b"", length=b"").data
    with closing(connect(locked.address)) as first, closing(connect(locked.address)) as second:
        first.sendall(data)
        wait_until(lambda: locked.count_waiting() == 1)
        statement = locked.list_waiting()
        second.sendall(data)
        locked.pause()
        first.close()
        locked.pause()
        assert locked.list_waiting() == statement
    wait_until(lambda: locked.count_waiting() == 0)


@pytest.mark.parametrize("locked", ["4"], indirect=True)
def test_each_waiter_has_its_own_deadline(locked: LockedServer) -> None:
    """A request that waits for the execution of an earlier one ends later."""
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(locked.get)
        wait_until(lambda: locked.count_waiting() == 1)
        locked.pause(2)
        second = pool.submit(locked.get)
        assert first.result().status == 503
        locked.locking.rollback()
        assert second.result().status == 200


def test_a_token_that_expires_during_a_shared_lookup_is_invalid(postgres: PostgresServer) -> None:
    """The expiry is compared with the time of each request."""
    url = fill_authentik(postgres.create_database("shared lookup"))
    expires = datetime.now(UTC) + timedelta(seconds=3)
    with (
        run_server(url) as (address, _),
        psycopg.connect(url, autocommit=True) as connection,
        psycopg.connect(url) as locking,
        ThreadPoolExecutor(2) as pool,
    ):
        connection.execute(
            "UPDATE authentik_core_token SET expiring = true, expires = %s WHERE key = %s",
            (expires, SUPERUSER),
        )
        locking.execute("LOCK TABLE authentik_core_token")
        responses = [pool.submit(send_request, address, FLOWS, SUPERUSER)]
        wait_until(lambda: datetime.now(UTC) > expires)
        responses.append(pool.submit(send_request, address, FLOWS, SUPERUSER))
        wait_until(lambda: len(connection.execute(WAITING).fetchall()) == 1)
        connection.execute("SELECT pg_sleep(0.5)")
        locking.rollback()
        assert responses[1].result().status == 403


def test_drift_is_not_shared(postgres: PostgresServer, tmp_path: Path) -> None:
    """A change of the baseline is no commit: a later request has a drift of its own."""
    url = postgres.create_database("shared drift")
    baseline = Path(shutil.copytree(SAMPLES, tmp_path / "baseline"))
    for arguments in (["migrate"], ["import", str(SAMPLES)]):
        assert run_in_process(*arguments, "--database", url).returncode == 0
    key = create_token(url, "drift")
    body = {"query": "{ drift { count } flows { results { slug } } }"}
    with (
        run_server(url, "--baseline", str(baseline)) as (address, _),
        psycopg.connect(url) as locking,
        psycopg.connect(url, autocommit=True) as monitor,
        ThreadPoolExecutor(2) as pool,
    ):
        # The lock belongs to a transaction that is running already: the version stays the same.
        locking.execute("SELECT pg_current_xact_id()")
        assert send_request(address, "/graphql", key, body).json["data"]["drift"]["count"] == 0
        locking.execute("LOCK TABLE authentik_flows_flow")
        first = pool.submit(send_request, address, "/graphql", key, body)
        wait_until(lambda: len(monitor.execute(WAITING).fetchall()) == 1)
        file = baseline / f"{FIRST}.yaml"
        file.write_text(file.read_text().replace("title: ", "title: Other ", 1))
        second = pool.submit(send_request, address, "/graphql", key, body)
        monitor.execute("SELECT pg_sleep(0.5)")
        locking.rollback()
        assert first.result().json["data"]["drift"]["count"] == 0
        assert second.result().json["data"]["drift"]["count"] == 1


@pytest.mark.parametrize("depth", [100, 300])
def test_undeclared_variables_of_any_depth_are_ignored(
    client: AppClient, keys: Mapping[str, str], depth: int
) -> None:
    """A request that cannot be compared with others is executed."""
    nested = "[" * depth + "]" * depth
    body = f'{{"query": "{{ __typename }}", "variables": {{"other": {nested}}}}}'
    for _ in range(2):
        assert post(client, keys["all 1"], body.encode()).json == {"data": {"__typename": "Query"}}


@pytest.fixture
def copied_url(url: str, tmp_path: Path) -> str:
    """A database of its own, with a token."""
    path = tmp_path / "flowql.db"
    path.write_bytes(Path(url.removeprefix("sqlite:///")).read_bytes())
    return f"sqlite:///{path}"


def send_slowly(url: str, key: str, change: Sequence[str]) -> Response:
    """Send a request, and execute a command before its last byte; return the response."""
    request = RawRequest(
        body=dump("{ flows { pagination { count } } }"), authorization=f"Bearer {key}".encode()
    ).data
    with run_server(url) as (address, _):
        for _ in range(2):
            body = {"query": "{ flows { pagination { count } } }"}
            assert send_request(address, "/graphql", key, body).status == 200
        with closing(connect(address)) as connection:
            connection.sendall(request[:-1])
            connection.settimeout(0.3)
            with suppress(TimeoutError):
                connection.recv(1)
            assert run_in_process(*change, "--database", url).returncode == 0
            connection.settimeout(20)
            connection.sendall(request[-1:])
            return parse_response(receive_until(connection, b"nothing"))


def test_a_change_before_the_end_of_a_request_counts(copied_url: str, tmp_path: Path) -> None:
    """The version is read when the whole request has arrived."""
    (tmp_path / "blueprint.yaml").write_text(
        "version: 1\nmetadata: {name: more}\nentries:\n"
        "- model: authentik_flows.flow\n  identifiers: {slug: one-more}\n"
        "  attrs: {name: More, title: More, designation: enrollment}\n"
    )
    key = create_token(copied_url, "slow")
    change = ("import", str(tmp_path / "blueprint.yaml"))
    response = send_slowly(copied_url, key, change)
    count = response.json["data"]["flows"]["pagination"]["count"]
    assert count == len(list(SAMPLES.glob("*.yaml"))) + 1


def test_a_token_revoked_before_the_end_of_a_request_is_invalid(copied_url: str) -> None:
    """The rights are those that the viewer has when the whole request has arrived."""
    key = create_token(copied_url, "slow")
    assert send_slowly(copied_url, key, ("token", "revoke", "slow")).status == 401
