"""SQLite files are opened read-only, also on read-only mounts, and created for their owner only."""

import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from stat import S_IMODE
from subprocess import Popen

import pytest

from models.database.sqlite_file import DatabaseFile
from support.app_client import AppClient
from support.command import (
    FLOWQL,
    clean_environment,
    create_token,
    run_failing_in_process,
    run_in_process,
)
from support.edge_case_data import FLOW_COUNT, KEYS
from support.server_process import find_free_port, send_request, wait_until_live

KEY = KEYS["superuser"]
FLOWS = "/flows/instances/"
# A change of the file is noticed within this time.
LIMIT_SECONDS = 5
MOUNT = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && shift && exec "$@"'
NAMESPACES = (["unshare", "--mount"], ["unshare", "--mount", "--map-root-user"])


@pytest.fixture
def folder(sqlite_url: str, tmp_path: Path) -> Iterator[Path]:
    """A folder with the database `flowql.db`, which has the edge-case data and is in WAL mode."""
    folder = tmp_path / "folder"
    folder.mkdir()
    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as original:
        original.execute("VACUUM INTO ?", [str(folder / "flowql.db")])
    with closing(sqlite3.connect(folder / "flowql.db")) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    yield folder
    folder.chmod(0o755)


def build_read_only_command(folder: Path, *arguments: str) -> Sequence[str | Path]:
    """Return a `flowql` command for which a folder is a read-only mount.

    A user who cannot mount anything removes the permission to write to the folder instead. SQLite
    can then only read a database in WAL mode if its journal exists.
    """
    command = [str(FLOWQL), *arguments, "--database", f"sqlite:///{folder / 'flowql.db'}"]
    for namespace in NAMESPACES:
        mount = [*namespace, "sh", "-c", MOUNT, "sh", str(folder)]
        if subprocess.run([*mount, "true"], capture_output=True, check=False).returncode == 0:
            return [*mount, *command]
    with closing(DatabaseFile.find(folder / "flowql.db").connect(0)) as connection:
        connection.execute("SELECT 1 FROM sqlite_master")
    folder.chmod(0o555)
    return command


@contextmanager
def serve_read_only(folder: Path) -> Generator[str]:
    """Serve the database in a folder that is read-only for the server; yields the URL."""
    port = find_free_port()
    command = build_read_only_command(folder, "serve", "--port", str(port), "--viewer-ttl", "600")
    with Popen(
        command,
        env=clean_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            wait_until_live(url, process)
            yield url
        finally:
            process.terminate()


def count_flows(url: str) -> int:
    """Return the number of flows that a superuser sees."""
    response = send_request(url, FLOWS, KEY)
    assert response.status == 200, response
    return response.json["pagination"]["count"]


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait until FlowQL notices a change of the file; fails if it takes too long."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "FlowQL did not notice the change"
        time.sleep(0.05)


def list_modes(folder: Path) -> dict[str, str]:
    """Return the modes of the files in a folder."""
    return {path.name: f"{S_IMODE(path.stat().st_mode):o}" for path in folder.iterdir()}


def test_commands_read_a_read_only_mount(folder: Path) -> None:
    """`flowql token list` prints the tokens."""
    url = f"sqlite:///{folder / 'flowql.db'}"
    create_token(url, "laptop")
    command = build_read_only_command(folder, "token", "list")
    listed = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "laptop" in listed.stdout


def test_journal_on_a_read_only_mount_is_read(folder: Path) -> None:
    """Rows that are only in the journal of a killed process are served."""
    script = (
        "import os, sqlite3, sys; connection = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "connection.execute('DELETE FROM authentik_flows_flow WHERE slug = (SELECT min(slug) FROM"
        " authentik_flows_flow)'); os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", script, str(folder / "flowql.db")], check=True)
    with serve_read_only(folder) as url:
        assert count_flows(url) == FLOW_COUNT - 1


def test_read_only_mount_is_served(folder: Path) -> None:
    """The server is ready, and notices if another process writes where it is not read-only."""
    with serve_read_only(folder) as url:
        assert send_request(url, "/-/health/ready/").status == 200
        assert count_flows(url) == FLOW_COUNT
        folder.chmod(0o755)
        with closing(sqlite3.connect(folder / "flowql.db", isolation_level=None)) as connection:
            delete = "DELETE FROM authentik_flows_flow WHERE slug > 'm'"
            deleted = connection.execute(delete).rowcount
            assert deleted > 0
            wait_until(lambda: count_flows(url) == FLOW_COUNT - deleted)
        wait_until(lambda: count_flows(url) == FLOW_COUNT - deleted)


def test_migrate_creates_a_file_for_its_owner(tmp_path: Path) -> None:
    """The files next to it have the same mode, regardless of the umask."""
    url = f"sqlite:///{tmp_path / 'flowql.db'}"
    assert run_in_process("migrate", "--database", url).returncode == 0
    assert list_modes(tmp_path) == {"flowql.db": "600"}
    with AppClient(url):
        create_token(url, "any")
        assert list_modes(tmp_path) == dict.fromkeys(
            ("flowql.db", "flowql.db-wal", "flowql.db-shm"), "600"
        )


@pytest.mark.parametrize("mode", [0o640, 0o666])
def test_migrate_keeps_the_mode_of_a_file(mode: int, tmp_path: Path) -> None:
    """An existing file keeps its mode."""
    path = tmp_path / "flowql.db"
    path.touch()
    path.chmod(mode)
    for _ in range(2):
        assert run_in_process("migrate", "--database", f"sqlite:///{path}").returncode == 0
        assert list_modes(tmp_path) == {"flowql.db": f"{mode:o}"}


def test_migrate_names_a_file_that_cannot_be_created() -> None:
    """The error is one line with the reason."""
    line = run_failing_in_process("migrate", "--database", "sqlite:////proc/flowql.db")
    assert line.startswith("cannot create SQLite database /proc/flowql.db: ")


def test_commands_empty_the_journal(tmp_path: Path) -> None:
    """While a server has the database open, the file alone contains the changes of a command."""
    path = tmp_path / "flowql.db"
    url = f"sqlite:///{path}"
    assert run_in_process("migrate", "--database", url).returncode == 0
    with AppClient(url):
        key = create_token(url, "copied")
        (tmp_path / "copy.db").write_bytes(path.read_bytes())
    with AppClient(f"sqlite:///{tmp_path / 'copy.db'}") as client:
        assert client.get(FLOWS, key).status == 200


def test_replaced_file_is_not_opened(folder: Path) -> None:
    """A connection is to the file that was identified, or fails."""
    path = folder / "flowql.db"
    file = DatabaseFile.find(path)
    file.connect(0).close()
    (folder / "other.db").touch()
    (folder / "other.db").rename(path)
    assert not file.is_current
    with pytest.raises(sqlite3.OperationalError, match="the database file was replaced"):
        file.connect(0)
