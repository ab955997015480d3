"""`flowql serve --sync-url`: one process mirrors a live authentik while the server runs."""

import asyncio
import os
import re
import signal
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest

from models.database import migrate
from support.authentik_server import TOKEN, PlayedAuthentik, serve_authentik
from support.command import create_token, run_failing
from support.edge_case_data import identifier
from support.postgres import PostgresServer
from support.seed import create_authentik, fill_flowql
from support.server_process import (
    collect_log,
    fetch_slugs,
    find_free_port,
    list_processes,
    read_command_line,
    run_server,
    send_request,
    stop_server,
    wait_until,
)

SYNCER = b"flowql syncer"
SECRET = "very-secret-token"
UNREACHABLE = "cannot be reached"
READY = "/-/health/ready/"
DURATIONS = "expected one such as 30s, 5m or 1h, from 1s to 30d"


def build_unreachable_url() -> str:
    """Return the URL of an authentik that does not run, with user information."""
    return f"http://someone:{SECRET}@127.0.0.1:{find_free_port()}"


def list_syncers(process: Popen[str]) -> list[int]:
    """Return the ids of the syncers of a server."""
    children = (pid for pid, parent in list_processes() if parent == process.pid)
    return [pid for pid in children if read_command_line(pid) == SYNCER]


def is_running(pid: int) -> bool:
    """Return whether a process runs."""
    return read_command_line(pid) != b""


def read_source(url: str) -> Mapping[str, Any] | None:
    """Return the source of the data that a server reports when it is ready."""
    response = send_request(url, READY, accept="application/json")
    assert response.status == 200
    return response.json.get("source")


def is_ready(url: str) -> bool:
    """Return whether a server is ready."""
    return send_request(url, READY).status == 200


def has_failed(url: str) -> bool:
    """Return whether the last round of a sync has failed."""
    source = read_source(url)
    return source is not None and source["error"] is not None


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """The URL of a database that does not exist yet."""
    return f"sqlite:///{tmp_path / 'flowql.db'}"


def build_flow(number: int) -> dict[str, Any]:
    """Return a flow of the played authentik."""
    return {
        "$model": "authentik_flows.flow",
        "pk": identifier("synced flow", number),
        "policybindingmodel_ptr_id": identifier("synced target", number),
        "name": f"Flow {number}",
        "slug": f"flow-{number}",
    }


@pytest.fixture
def authentik() -> Iterator[PlayedAuthentik]:
    """An authentik with three flows."""
    with serve_authentik(map(build_flow, range(3))) as played:
        yield played


@contextmanager
def run_syncing_server(
    database_url: str, authentik: PlayedAuthentik, *options: str
) -> Generator[tuple[str, str]]:
    """Serve and sync every second until the block ends; yields the URL and the key of a token."""
    sync = ("--sync-url", authentik.url, "--sync-every", "1s", *options)
    env = {"FLOWQL_SYNC_TOKEN": authentik.token}
    with run_server(database_url, *sync, env=env) as (url, _):
        wait_until(lambda: has_synced(url))
        yield url, create_token(database_url, "reader")


def has_synced(url: str) -> bool:
    """Return whether the last round of a sync has succeeded."""
    source = read_source(url)
    return source is not None and source["error"] is None


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_the_server_follows_authentik(
    kind: str, database_url: str, postgres: PostgresServer, authentik: PlayedAuthentik
) -> None:
    """It fills a new database, and follows changes; one syncer serves all workers."""
    own_url = database_url if kind == "sqlite" else postgres.create_database("following")
    with run_syncing_server(own_url, authentik, "--workers", "2") as (url, key):
        assert fetch_slugs(url, key) == ["flow-0", "flow-1", "flow-2"]
        source = read_graphql_source(url, key)
        assert source["syncedAt"].endswith("Z")
        del source["syncedAt"]
        assert source == {"kind": "AUTHENTIK_API", "url": authentik.url, "version": "2026.8.1"}
        authentik.objects.pop(0)
        authentik.objects.append(build_flow(3))
        wait_until(lambda: fetch_slugs(url, key) == ["flow-1", "flow-2", "flow-3"])


def test_deletions_can_be_turned_off(database_url: str, authentik: PlayedAuthentik) -> None:
    """Objects that are gone from authentik are kept."""
    with run_syncing_server(database_url, authentik, "--no-sync-delete") as (url, key):
        authentik.objects[0:2] = [build_flow(3)]
        wait_until(lambda: "flow-3" in fetch_slugs(url, key))
        assert fetch_slugs(url, key) == ["flow-0", "flow-1", "flow-2", "flow-3"]


def test_a_file_that_is_replaced_is_synced(
    tmp_path: Path, database_url: str, authentik: PlayedAuthentik
) -> None:
    """The next syncer opens the new file."""
    asyncio.run(migrate(f"sqlite:///{tmp_path / 'new.db'}"))
    with run_syncing_server(database_url, authentik) as (url, _):
        before = read_source(url)
        (tmp_path / "new.db").replace(tmp_path / "flowql.db")
        wait_until(lambda: is_ready(url) and read_source(url) is None)
        wait_until(lambda: has_synced(url))
        assert before != read_source(url)


def test_a_failed_round_keeps_the_data(database_url: str, authentik: PlayedAuthentik) -> None:
    """The health says why it failed, and how old the data is, until a round succeeds."""
    with run_syncing_server(database_url, authentik) as (url, key):
        authentik.token = "another"
        wait_until(lambda: has_failed(url))
        body = send_request(url, READY, accept="application/json").json
        source = body["source"]
        assert "token" in source["error"]
        [warning] = body["warnings"]
        assert re.fullmatch(
            rf"the last sync failed \d+ s ago: {re.escape(source['error'])}; the data is \d+ s old",
            warning,
        )
        assert read_graphql_source(url, key)["kind"] == "AUTHENTIK_API"
        assert fetch_slugs(url, key) == ["flow-0", "flow-1", "flow-2"]
        authentik.token = TOKEN
        wait_until(lambda: has_synced(url))
        assert send_request(url, READY, accept="application/json").json["warnings"] == []


def read_graphql_source(url: str, key: str) -> dict[str, Any]:
    """Return the object `source` of GraphQL."""
    body = {"query": "{ source { kind url version syncedAt } }"}
    return send_request(url, "/graphql", key, body).json["data"]["source"]


def test_failures_do_not_stop_the_server(database_url: str) -> None:
    """It creates the database, serves it, and reports that authentik cannot be reached."""
    options = ("--sync-url", build_unreachable_url(), "--sync-token", SECRET, "--workers", "2")
    with run_server(database_url, *options) as (url, process):
        wait_until(lambda: has_failed(url))
        [pid] = list_syncers(process)
        source = read_source(url)
        assert source is not None
        assert (source["syncedAt"], UNREACHABLE in source["error"]) == (None, True)
        titles = [read_command_line(other).decode() for other in (process.pid, pid)]
        output = stop_server(process)
    assert not is_running(pid)
    assert UNREACHABLE in output[1]
    assert SECRET not in "".join([*titles, *output, source["error"]])
    assert "127.0.0.1" not in source["error"]


def test_a_syncer_that_dies_is_replaced(database_url: str) -> None:
    """The server goes on serving meanwhile."""
    options = ("--sync-url", build_unreachable_url(), "--sync-token", SECRET)
    with run_server(database_url, *options) as (url, process), collect_log(process) as lines:
        wait_until(lambda: len(list_syncers(process)) == 1)
        [pid] = list_syncers(process)
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: list_syncers(process) not in ([], [pid]))
        read_source(url)
    assert any(
        line.endswith("the syncer was killed by SIGKILL; starting another\n") for line in lines
    )


@pytest.mark.parametrize(
    ("number", "workers"),
    [(signal.SIGKILL, 1), (signal.SIGKILL, 2), (signal.SIGTERM, 1), (signal.SIGINT, 2)],
)
def test_a_syncer_exits_with_its_server(database_url: str, number: int, workers: int) -> None:
    """Also if the server is killed."""
    options = ("--sync-url", build_unreachable_url(), "--sync-token", SECRET)
    with run_server(database_url, *options, "--workers", str(workers)) as (_, process):
        wait_until(lambda: len(list_syncers(process)) == 1)
        [pid] = list_syncers(process)
        process.send_signal(number)
        wait_until(lambda: not is_running(pid))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ("--sync-url", "https://authentik.example"),
            "--sync-url (FLOWQL_SYNC_URL) requires --sync-token (FLOWQL_SYNC_TOKEN), or a file",
        ),
        (
            ("--sync-url", f"https://someone:{SECRET}@:x"),
            "--sync-url: invalid URL of authentik: expected one like https://authentik.example",
        ),
        (
            ("--sync-token", SECRET, "--sync-token-file", "x"),
            "--sync-token and --sync-token-file are mutually exclusive",
        ),
        (
            ("--sync-token-file", "missing"),
            "--sync-token-file: cannot read missing: No such file or directory",
        ),
        (
            ("--sync-every", "soon"),
            f"--sync-every: invalid duration 'soon': {DURATIONS}",
        ),
        (("--sync-every", "0"), f"--sync-every: invalid duration '0': {DURATIONS}"),
    ],
)
def test_invalid_options(options: tuple[str, ...], message: str, tmp_path: Path) -> None:
    """The errors name the option, and no secret; no database is created."""
    assert run_failing("serve", "--port", "0", *options, cwd=tmp_path) == message
    assert list(tmp_path.iterdir()) == []


def test_authentik_s_own_database_is_refused(postgres: PostgresServer) -> None:
    """It is read-only, and the tables stay as they are."""
    url = create_authentik(postgres.create_database("refused"))
    options = ("--sync-url", "https://authentik.example", "--sync-token", SECRET)
    line = run_failing("serve", "--port", "0", "--database", url, *options)
    assert line == (
        "cannot sync: schema 'public' belongs to authentik and is read-only: use FlowQL's own"
        " database"
    )


def test_an_older_database_is_migrated(database_url: str) -> None:
    """The server upgrades the tables before it serves."""
    fill_flowql(database_url)
    options = ("--sync-url", build_unreachable_url(), "--sync-token", SECRET)
    with run_server(database_url, *options) as (url, _):
        assert read_source(url) is None or has_failed(url)


def test_no_syncer_without_a_url(database_url: str) -> None:
    """A token alone starts nothing."""
    fill_flowql(database_url)
    with run_server(database_url, env={"FLOWQL_SYNC_TOKEN": SECRET}) as (url, process):
        assert read_source(url) is None
        assert [pid for pid, parent in list_processes() if parent == process.pid] == []
