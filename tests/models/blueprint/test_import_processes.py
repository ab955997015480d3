"""Imports in processes: others read and write meanwhile, and killed imports change nothing."""

import signal
import sqlite3
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, contextmanager
from fcntl import ioctl
from functools import partial
from pathlib import Path
from subprocess import PIPE, Popen
from termios import FIONREAD
from typing import IO

import pytest

from support.app_client import AppClient
from support.blueprints import HEAD, BlueprintDatabase
from support.command import (
    FLOWQL,
    PATIENCE_SECONDS,
    clean_environment,
    create_token,
    run_in_process,
)
from support.forked_commands import (
    REPETITIONS,
    kill_command,
    list_moments,
    measure_command,
    run_all,
)
from support.imports import Store
from support.server_process import wait_until
from support.threads import repeat_in_thread

INTERRUPTED = 130
FLOW_COUNT = 40
ENTRIES = """
- model: authentik_flows.flow
  id: flow-{number}
  identifiers: {{slug: flow-{number}}}
  attrs: {{name: Flow, title: "{title}", designation: recovery}}
- model: authentik_stages_dummy.dummystage
  id: stage-{number}
  identifiers: {{name: "stage {number} {title}"}}
- model: authentik_flows.flowstagebinding
  identifiers: {{target: !KeyOf flow-{number}, stage: !KeyOf stage-{number}, order: 0}}
"""
# A file above a megabyte is parsed in a second process.
PADDING = "".join(
    f"- {{model: authentik_core.application, identifiers: {{slug: a{number}}},"
    f" attrs: {{description: {'x' * 100_000}}}}}\n"
    for number in range(11)
)
# The titles of all flows, each with the number of flows of that title and their stages.
State = frozenset[tuple[str, int]]


def write_flows(path: Path, title: str, *, is_large: bool = False) -> Path:
    """Write a blueprint with flows of the same title, which each have a stage of their own."""
    entries = (ENTRIES.format(number=number, title=title) for number in range(FLOW_COUNT))
    path.write_text(f"{HEAD}{PADDING if is_large else ''}{''.join(entries)}")
    return path


def read_state(client: AppClient, key: str) -> State:
    """Return the titles of the flows with their numbers of stages."""
    response = client.get("/flows/instances/?page_size=100", key)
    assert response.status == 200, response.body
    assert response.json["pagination"]["count"] in {0, FLOW_COUNT}
    return frozenset((flow["title"], len(flow["stages"])) for flow in response.json["results"])


def is_empty(pipe: IO[bytes]) -> bool:
    """Return whether all bytes of a pipe have been read."""
    return ioctl(pipe, FIONREAD, bytes(4)) == bytes(4)


@contextmanager
def read_meanwhile(client: AppClient, key: str) -> Generator[list[State]]:
    """Read the flows again and again during the block; yields the states."""
    states: list[State] = []

    def read() -> None:
        states.append(read_state(client, key))
        time.sleep(0.01)

    with repeat_in_thread(read):
        yield states


def test_ctrl_c_ends_an_import_that_waits_for_standard_input(store: Store) -> None:
    """One is enough, although nothing is sent."""
    with Popen(
        [FLOWQL, "import", "-", "--database", store.database.url],
        env=clean_environment(),
        stdin=PIPE,
        stderr=PIPE,
    ) as process:
        assert process.stdin is not None
        process.stdin.write(b"\n")
        process.stdin.flush()
        wait_until(partial(is_empty, process.stdin))
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_SECONDS) == INTERRUPTED
        assert process.stderr is not None
        assert process.stderr.read() == b""


@pytest.mark.parametrize("is_large", [False, True], ids=["small", "large"])
def test_killed_imports(
    blueprint_database: BlueprintDatabase,
    tmp_path: Path,
    is_large: bool,  # noqa: FBT001 - a parameter
) -> None:
    """After SIGKILL, all flows are as before or all are as imported, and the next import works."""
    url = blueprint_database.url
    key = create_token(url, "reader")
    option = ("--database", url)
    files = [
        write_flows(tmp_path / f"{title}.yaml", str(title), is_large=is_large)
        for title in range(REPETITIONS + 2)
    ]
    assert run_in_process("import", str(files[0]), *option).returncode == 0
    kills = 0
    with AppClient(url) as client, read_meanwhile(client, key) as states:
        seconds = measure_command("import", str(files[1]), *option)
        [(title, _)] = read_state(client, key)
        for number, moment in enumerate(list_moments(seconds)):
            kills += kill_command(["import", str(files[number + 2]), *option], moment)
            # PostgreSQL may complete the commit of a killed import a moment later.
            possible = {title, str(number + 1), str(number + 2)}
            [(title, _)] = read_state(client, key)
            assert title in possible
        assert run_in_process("import", str(files[0]), *option).returncode == 0
        assert {title for title, _ in read_state(client, key)} == {"0"}
    assert kills
    assert len(states) > REPETITIONS
    assert {len(state) for state in states} == {1}
    check_file(url)


def check_file(url: str) -> None:
    """Check a SQLite database by SQLite's own means."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


def test_others_write_during_an_import(
    blueprint_database: BlueprintDatabase, tmp_path: Path
) -> None:
    """Tokens that are created and revoked meanwhile are as they should be, and so are all flows."""
    url = blueprint_database.url
    file = write_flows(tmp_path / "flows.yaml", "imported", is_large=True)
    command = [FLOWQL, "import", str(file), "--database", url]
    kept: list[str] = []
    revoked: list[str] = []
    with Popen(command, env=clean_environment(), stderr=PIPE, text=True) as process:
        while process.poll() is None or not revoked:
            kept.append(create_token(url, f"token {len(kept)}"))
            revoked.append(create_token(url, "revoked"))
            process_of_revoke = run_in_process("token", "revoke", "revoked", "--database", url)
            assert process_of_revoke.returncode == 0, process_of_revoke
        assert process.stderr
        output = process.stderr.read()
    assert process.returncode == 0, output
    assert "120 created, 0 updated, 0 unchanged, 0 deleted, 11 skipped" in output
    with AppClient(url) as client:
        assert all(read_state(client, key) == {("imported", 1)} for key in kept)
        statuses = {client.get("/flows/instances/", key).status for key in revoked}
    assert statuses == {401, 403} & statuses


def import_all(url: str, files: Sequence[Path]) -> None:
    """Import each file by a process of its own, at the same time."""
    for process in run_all([("import", str(file), "--database", url) for file in files]):
        assert process.returncode == 0, process


def test_simultaneous_imports(
    new_database: Callable[[], BlueprintDatabase], tmp_path: Path
) -> None:
    """The result is that of the imports one after the other, in some order."""
    files = [write_flows(tmp_path / f"{title}.yaml", title) for title in ("a", "b", "c")]
    url = new_database().url
    import_all(url, files)
    key = create_token(url, "reader")
    with AppClient(url) as client:
        states = [read_state(client, key)]
        import_all(url, files)
        states.append(read_state(client, key))
    # Each import adds a stage for each flow.
    for state in states:
        [(title, stages)] = state
        assert (title in "abc", stages) == (True, 3)
    check_file(url)


def test_simultaneous_imports_of_the_same_file(
    blueprint_database: BlueprintDatabase, tmp_path: Path
) -> None:
    """One of them creates the flows, and the others find them."""
    url = blueprint_database.url
    file = write_flows(tmp_path / "a.yaml", "a")
    processes = run_all([("import", str(file), "--database", url)] * 3)
    assert [process.returncode for process in processes] == [0, 0, 0], processes
    reports = sorted(process.stderr for process in processes)
    assert sum("120 created" in report for report in reports) == 1
    assert sum("0 created, 0 updated, 120 unchanged" in report for report in reports) == 2
