"""Writers of an SQLite database wait for each other, and a prepared transaction is short."""

import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from subprocess import PIPE, Popen

import pytest
from sqlalchemy import Connection, select
from sqlalchemy.exc import IntegrityError

from models.database import sqlite_transactions
from models.tables.flow import FlowStageBinding
from models.tables.stage import Stage
from support.command import (
    FLOWQL,
    PATIENCE_SECONDS,
    clean_environment,
    create_token,
    run_failing_in_process,
    run_in_process,
)
from support.databases import OpenDatabase, open_for_test
from support.paths import SAMPLES

WAITING = "flowql: waiting for another process that writes to the database\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database without flows."""
    path = tmp_path / "flowql.db"
    assert run_in_process("migrate", "--database", f"sqlite:///{path}").returncode == 0
    return path


@pytest.fixture
def writer(path: Path) -> Iterator[sqlite3.Connection]:
    """Another connection to the database, which never waits."""
    with closing(sqlite3.connect(path, isolation_level=None, timeout=0)) as connection:
        yield connection


@pytest.fixture
def database(path: Path) -> Iterator[OpenDatabase]:
    """The database, open for writing."""
    with open_for_test(f"sqlite:///{path}", writable=True) as opened:
        yield opened


class Work:
    """Adds one stage. `disturb` runs first, with the number of the run."""

    def __init__(self, disturb: Callable[[int], object]) -> None:
        self.runs = 0
        self._disturb = disturb

    def __call__(self, connection: Connection) -> int:
        """Return the number of stages before."""
        self.runs += 1
        self._disturb(self.runs)
        count = len(connection.execute(select(Stage)).all())
        connection.execute(Stage.__table__.insert(), build_stage("work"))  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownArgumentType] - SQLModel
        return count


def build_stage(name: str) -> dict[str, str]:
    """Return the columns of a stage."""
    return {"stage_uuid": name, "name": name}


def add_stage(writer: sqlite3.Connection, name: str) -> None:
    """Add a stage, or raise an error if the database is locked."""
    insert = "INSERT INTO authentik_flows_stage (stage_uuid, name) VALUES (:stage_uuid, :name)"
    writer.execute(insert, build_stage(name))


def list_stages(writer: sqlite3.Connection) -> list[str]:
    """Return the names of all stages."""
    return [name for (name,) in writer.execute("SELECT name FROM authentik_flows_stage ORDER BY 1")]


def test_work_runs_once_if_nobody_else_writes(
    database: OpenDatabase, writer: sqlite3.Connection
) -> None:
    """Its changes are stored."""
    work = Work(lambda _: None)
    assert database.run(database.database.write(work)) == 0
    assert work.runs == 1
    assert list_stages(writer) == ["work"]


def test_others_write_while_work_runs(database: OpenDatabase, writer: sqlite3.Connection) -> None:
    """Work runs again on the rows that others have written in between."""
    work = Work(lambda run: run == 1 and add_stage(writer, "other"))
    assert database.run(database.database.write(work)) == 1
    assert work.runs == 2
    assert list_stages(writer) == ["other", "work"]


def test_work_finally_runs_with_the_lock(
    database: OpenDatabase, writer: sqlite3.Connection
) -> None:
    """Others who write during every run cannot delay it forever."""

    def disturb(run: int) -> None:
        if run <= 2:
            add_stage(writer, str(run))
        else:
            with pytest.raises(sqlite3.OperationalError, match="database is locked"):
                add_stage(writer, str(run))

    work = Work(disturb)
    assert database.run(database.database.write(work)) == 2
    assert work.runs == 3
    assert list_stages(writer) == ["1", "2", "work"]


def test_work_that_fails_writes_nothing(database: OpenDatabase, writer: sqlite3.Connection) -> None:
    """A violation of a constraint that is checked at the end is an error too."""

    def add_orphan(connection: Connection) -> None:
        Work(lambda _: None)(connection)
        columns = {"evaluate_on_plan": False, "re_evaluate_policies": False, "order": 0}
        keys = dict.fromkeys(
            ("policybindingmodel_ptr_id", "fsb_uuid", "stage_id", "target_id"), "missing"
        )
        values = {**columns, **keys, "invalid_response_action": ""}
        connection.execute(FlowStageBinding.__table__.insert(), values)  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownArgumentType] - SQLModel

    with pytest.raises(IntegrityError, match="FOREIGN KEY constraint failed"):
        database.run(database.database.write(add_orphan))
    assert list_stages(writer) == []


def start_command(path: Path, *arguments: str) -> Popen[str]:
    """Start a command on a database."""
    command = [FLOWQL, *arguments, "--database", f"sqlite:///{path}"]
    return Popen(command, env=clean_environment(), stderr=PIPE, stdout=PIPE, text=True)


def read_line(process: Popen[str]) -> str:
    """Return the next line of standard error."""
    assert process.stderr
    return process.stderr.readline()


def test_commands_wait_for_a_writer(path: Path, writer: sqlite3.Connection) -> None:
    """Each says after a second for what it waits, and succeeds when the writer has finished."""
    create_token(f"sqlite:///{path}", "old")
    commands = (["token", "revoke", "old"], ["import", str(SAMPLES)])
    with ExitStack() as stack:
        writer.execute("BEGIN IMMEDIATE")
        processes = [stack.enter_context(start_command(path, *command)) for command in commands]
        assert [read_line(process) for process in processes] == [WAITING] * 2
        writer.execute("COMMIT")
        assert [process.wait(PATIENCE_SECONDS) for process in processes] == [0, 0]
        assert not any(WAITING in (process.stderr or ()) for process in processes)


def test_waiting_command_can_be_interrupted(path: Path, writer: sqlite3.Connection) -> None:
    """Ctrl-C ends it although the lock is not released."""
    writer.execute("BEGIN IMMEDIATE")
    with start_command(path, "token", "create", "new") as process:
        assert read_line(process) == WAITING
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_SECONDS) == 130


def test_command_does_not_wait_forever(
    path: Path, writer: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the time limit, the error says what to do."""
    assert sqlite_transactions.WRITE_TIMEOUT_SECONDS == 120
    monkeypatch.setattr(sqlite_transactions, "WRITE_TIMEOUT_SECONDS", 0)
    writer.execute("BEGIN IMMEDIATE")
    line = run_failing_in_process("token", "create", "x", "--database", f"sqlite:///{path}")
    assert line == (
        "another process has written to the database for 0 seconds: try again when it has finished"
    )
