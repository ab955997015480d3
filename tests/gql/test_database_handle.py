"""The file of an SQLite database is replaced, deleted, damaged or locked while FlowQL serves it."""

import json
import logging
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from socket import create_connection
from threading import Event, Thread
from urllib.parse import urlsplit

import pytest

from gql import database_handle
from support.app_client import AppClient
from support.command import create_token, run_in_process
from support.edge_case_data import FLOW_COUNT, KEYS
from support.forked_commands import run_forked
from support.paths import SAMPLES
from support.server_process import run_server, send_request, stop_server
from support.server_process import wait_until as wait_patiently

READY, FLOWS = "/-/health/ready/", "/flows/instances/?page_size=100"
LOGGER = "gql.database_handle"
REOPENED = "opened the database again: its file was replaced or repaired"
UNUSABLE = "the database is not usable: "
SAMPLE_COUNT = len(list(SAMPLES.glob("*.yaml")))
# A change of the file is noticed within this time.
LIMIT_SECONDS = 5
# Longer than any test.
VIEWER_TTL = 600.0


@dataclass(frozen=True, slots=True)
class ServedFile:
    """A file that FlowQL serves, and the key of a token that only this file contains."""

    path: Path
    client: AppClient
    key: str

    @property
    def url(self) -> str:
        """The URL of the database."""
        return f"sqlite:///{self.path}"

    def count_flows(self, key: str) -> int | None:
        """Return the number of flows that a token sees, None if the request fails."""
        response = self.client.get(FLOWS, key)
        return response.json["pagination"]["count"] if response.status == 200 else None

    def is_ready(self) -> bool:
        """Return whether the readiness endpoint returns 200."""
        return self.client.get(READY).status == 200

    def fails(self) -> bool:
        """Return whether the server is not ready and requests fail."""
        return not self.is_ready() and self.client.get(FLOWS, self.key).status == 503


@pytest.fixture
def other_path(sqlite_url: str, tmp_path: Path) -> Path:
    """A copy of the database with the edge-case data, next to the served file."""
    return copy_database(sqlite_url, tmp_path / "other.db")


@pytest.fixture
def served(
    sample_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ServedFile]:
    """FlowQL on a database with the sample flows, whose viewers are cached.

    It looks at the file more often than usual, which makes the tests shorter.
    """
    for constant in ("WATCH_SECONDS", "OPEN_TIMEOUT_SECONDS", "GRACE_SECONDS"):
        monkeypatch.setattr(database_handle, constant, 0.1)
    path = copy_database(sample_url, tmp_path / "flowql.db")
    key = create_token(f"sqlite:///{path}", "only here", "--superuser")
    with AppClient(f"sqlite:///{path}", viewer_ttl=VIEWER_TTL) as client:
        file = ServedFile(path, client, key)
        assert file.count_flows(key) == SAMPLE_COUNT
        yield file


def copy_database(url: str, path: Path) -> Path:
    """Copy an SQLite database to a path."""
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as original:
        original.execute("VACUUM INTO ?", [str(path)])
    return path


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait until FlowQL notices a change of the file; fails if it takes too long."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "FlowQL did not notice the change"
        time.sleep(0.02)


def read_log(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the messages of the handle, which are warnings."""
    records = [record for record in caplog.records if record.name == LOGGER]
    assert {record.levelno for record in records} <= {logging.WARNING}
    return [record.getMessage() for record in records]


def list_readers(path: str) -> set[str]:
    """Return the processes that have a file open, by their numbers."""
    return {
        link.parts[2] for link in Path("/proc").glob("[0-9]*/fd/*") if read_target(link) == path
    }


def read_target(link: Path) -> str | None:
    """Return the target of a link in /proc, None if the file is closed by now."""
    try:
        return str(link.readlink())
    except OSError:
        return None


def test_replaced_file(
    served: ServedFile, other_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The new file is read, tokens of the old one are invalid although cached, with one log line."""
    other_path.rename(served.path)
    wait_until(lambda: served.count_flows(KEYS["superuser"]) == FLOW_COUNT)
    assert served.count_flows(served.key) is None
    assert served.is_ready()
    wait_until(lambda: not list_readers(f"{served.path} (deleted)"))
    assert read_log(caplog) == [REOPENED]


def test_files_that_are_replaced_repeatedly(
    served: ServedFile, sample_url: str, sqlite_url: str
) -> None:
    """Each file is read, also if changes are in the journal of the one before."""
    for source, count in [(sqlite_url, FLOW_COUNT), (sample_url, SAMPLE_COUNT)] * 2:
        new = copy_database(source, served.path.with_name("next.db"))
        key = create_token(f"sqlite:///{new}", "next")
        fill_journal(served.path)
        new.rename(served.path)
        wait_until(lambda key=key, count=count: served.count_flows(key) == count)
    assert run_in_process("token", "list", "--database", served.url).returncode == 0


def fill_journal(path: Path) -> None:
    """Write to a database from another process that is killed before it empties the journal."""
    script = (
        "import os, sqlite3, sys; connection = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "connection.execute('PRAGMA journal_mode = WAL');"
        "connection.execute('CREATE TABLE IF NOT EXISTS filling (value)');"
        "connection.executemany('INSERT INTO filling VALUES (?)', [(b'x' * 9999,)] * 20);"
        "os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", script, str(path)], check=True)
    assert path.with_name(f"{path.name}-wal").stat().st_size > 100_000


def test_deleted_file(
    served: ServedFile, other_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Requests fail, and succeed when there is a file again."""
    served.path.unlink()
    wait_until(served.fails)
    other_path.rename(served.path)
    wait_until(lambda: served.count_flows(KEYS["superuser"]) == FLOW_COUNT)
    assert served.count_flows(served.key) is None
    missing = f"SQLite database {served.path} not found: create it with 'flowql migrate'"
    assert read_log(caplog) == [UNUSABLE + missing, REOPENED]


def test_file_that_is_created_again(served: ServedFile) -> None:
    """`flowql migrate` in place of a deleted file creates one that the server reads."""
    run_forked("token", "create", "last", "--database", served.url)
    served.path.unlink()
    wait_until(served.fails)
    run_forked("migrate", "--database", served.url)
    key = run_forked("token", "create", "first", "--database", served.url).strip()
    wait_until(lambda: served.count_flows(key) == 0)


INVALID_FILES = {"garbage": b"garbage " * 10_000, "empty": b""}
REASONS = {"garbage": "file is not a database", "empty": "the database is empty"}


@pytest.mark.parametrize("kind", INVALID_FILES)
def test_file_that_is_replaced_by_an_invalid_one(
    kind: str, served: ServedFile, other_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Requests are not answered from the old file while the new one is invalid."""
    invalid = served.path.with_name("invalid.db")
    invalid.write_bytes(INVALID_FILES[kind])
    invalid.rename(served.path)
    wait_until(served.fails)
    other_path.rename(served.path)
    wait_until(lambda: served.count_flows(KEYS["superuser"]) == FLOW_COUNT)
    lost, back = read_log(caplog)
    assert lost.startswith(UNUSABLE)
    assert REASONS[kind] in lost
    assert back == REOPENED


def overwrite(path: Path, content: bytes) -> None:
    """Overwrite a file in another process: closing it in this one would end SQLite's locks."""
    script = "import sys; open(sys.argv[1], 'wb').write(sys.stdin.buffer.read())"
    subprocess.run([sys.executable, "-c", script, str(path)], input=content, check=True)


@pytest.mark.parametrize("damage", ["garbage", "truncated", "empty"])
def test_damaged_file(damage: str, served: ServedFile) -> None:
    """The server is not ready, and recovers when the file is restored."""
    content = served.path.read_bytes()
    damages = {**INVALID_FILES, "truncated": content[: len(content) // 2]}
    overwrite(served.path, damages[damage])
    wait_until(served.fails)
    overwrite(served.path, content)
    wait_until(lambda: served.is_ready() and served.count_flows(served.key) == SAMPLE_COUNT)


def test_locked_file(served: ServedFile, other_path: Path) -> None:
    """The server is not ready while another process has the new file locked."""
    with closing(sqlite3.connect(other_path, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        other_path.rename(served.path)
        wait_until(served.fails)
        connection.execute("ROLLBACK")
        wait_until(lambda: served.count_flows(KEYS["superuser"]) == FLOW_COUNT)
        connection.execute("BEGIN EXCLUSIVE")
        wait_until(lambda: not served.is_ready())
        connection.execute("ROLLBACK")
        wait_until(served.is_ready)


def test_requests_during_replacements(served: ServedFile, sqlite_url: str) -> None:
    """No request fails, and no token of one file sees the flows of the other."""
    sample_path = copy_database(served.url, served.path.with_name("sample.db"))
    keys = {served.key: SAMPLE_COUNT, KEYS["superuser"]: FLOW_COUNT}
    outcomes: list[tuple[str, int, int | None]] = []
    is_done = Event()

    def send_requests(key: str) -> None:
        while not is_done.is_set():
            response = served.client.get(FLOWS, key)
            count = response.json.get("pagination", {}).get("count")
            outcomes.append((key, response.status, count))

    clients = [Thread(target=send_requests, args=[key]) for key in keys for _ in range(2)]
    for thread in clients:
        thread.start()
    for url, key in ((sqlite_url, KEYS["superuser"]), (f"sqlite:///{sample_path}", served.key)):
        copy_database(url, served.path.with_name("next.db")).rename(served.path)
        wait_until(lambda key=key: served.count_flows(key) is not None)
    is_done.set()
    for thread in clients:
        thread.join()
    valid, invalid = (
        {(key, 200, count) for key, count in keys.items()},
        {(key, 403, None) for key in keys},
    )
    assert set(outcomes) == valid | invalid


def test_body_that_arrives_after_a_replacement(
    sample_url: str, other_path: Path, tmp_path: Path
) -> None:
    """The rights of a viewer of the old file do not apply to the new one."""
    path = copy_database(sample_url, tmp_path / "flowql.db")
    key = create_token(f"sqlite:///{path}", "old", "--superuser")
    body = json.dumps({"query": "{ flows { pagination { count } } }"}).encode()
    head = (
        f"POST /graphql HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        "Connection: close\r\n\r\n"
    ).encode()
    with run_server(f"sqlite:///{path}") as (url, _), ExitStack() as stack:
        connection = stack.enter_context(create_connection(("127.0.0.1", urlsplit(url).port or 0)))
        connection.sendall(head + body[:-1])
        # The server has read the head when it has responded to this request.
        assert send_request(url, FLOWS, key).status == 200
        other_path.rename(path)
        wait_until(lambda: send_request(url, FLOWS, KEYS["superuser"]).status == 200)
        connection.sendall(body[-1:])
        response = connection.makefile("rb").read()
    assert b"pagination" not in response or b'"count":%d' % SAMPLE_COUNT in response


def test_every_worker_reads_the_new_file(sample_url: str, other_path: Path, tmp_path: Path) -> None:
    """Each of two workers closes the old file within the limit, and logs one line."""
    path = copy_database(sample_url, tmp_path / "flowql.db")
    with run_server(f"sqlite:///{path}", "--workers", "2") as (url, process):
        wait_patiently(lambda: len(list_readers(str(path))) == 2)
        other_path.rename(path)
        wait_until(lambda: not list_readers(f"{path} (deleted)"))
        responses = [send_request(url, FLOWS, KEYS["superuser"]) for _ in range(20)]
        assert {response.status for response in responses} == {200}
        _, errors = stop_server(process)
    assert errors.count(f"WARNING {LOGGER}: {REOPENED}") == 2
