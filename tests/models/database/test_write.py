"""A plan reads without a lock; its changes are made in one transaction if they still apply."""

import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from subprocess import PIPE, Popen

import pytest
from sqlalchemy import Connection, Engine, create_engine, insert, select, update
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlmodel import col

from models.database import postgresql, sqlite_transactions
from models.database.postgresql import WRITE_LOCK
from models.database.reads import Reads
from models.errors import DatabaseError
from models.tables.flow import FlowStageBinding
from models.tables.stage import Stage
from support.command import (
    FLOWQL,
    PATIENCE_SECONDS,
    clean_environment,
    create_token,
    run_in_process,
)
from support.databases import OpenDatabase, open_for_test
from support.paths import SAMPLES
from support.postgres import PostgresServer

KINDS = ("sqlite", "postgresql")
WAITING = "flowql: waiting for another process that writes to the database\n"


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Each kind of database in turn."""
    return request.param


@pytest.fixture
def url(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database without flows."""
    if kind == "sqlite":
        url = f"sqlite:///{tmp_path / 'flowql.db'}"
    else:
        server: PostgresServer = request.getfixturevalue("postgres")
        url = server.create_database(request.node.name)
    assert run_in_process("migrate", "--database", url).returncode == 0
    return url


@pytest.fixture
def database(url: str) -> Iterator[OpenDatabase]:
    """The database, open for writing."""
    with open_for_test(url, writable=True) as opened:
        yield opened


@pytest.fixture
def others(url: str) -> Iterator[Engine]:
    """Other connections to the database; SQLite's never wait."""
    arguments = {"timeout": 0} if url.startswith("sqlite") else {}
    engine = create_engine(
        url.replace("postgresql:", "postgresql+psycopg:"), connect_args=arguments
    )
    yield engine
    engine.dispose()


class Plan:
    """Reads the names of stages that start with "a". `disturb` runs then, with the number of runs."""

    def __init__(self, disturb: Callable[[int], object] = lambda _: None) -> None:
        self.runs = 0
        self._disturb = disturb

    def __call__(self, reads: Reads) -> list[str]:
        """Return the names, and check that other reads see the same state."""
        names = col(Stage.name)
        statement = select(names).where(names.startswith("a"))
        self.runs += 1
        rows = [name for (name,) in reads.fetch(statement)]
        self._disturb(self.runs)
        assert [name for (name,) in reads.fetch(statement.order_by(names))] == sorted(rows)
        return sorted(rows)


def apply(connection: Connection, names: list[str]) -> None:
    """Add a stage that is named after the result of the plan."""
    connection.execute(insert(Stage), build_stage("+".join(["applied", *names])))


def build_stage(name: str) -> dict[str, str]:
    """Return the columns of a stage."""
    key = f"00000000-0000-4000-8000-{sum(map(ord, name)):012}"
    return {"stage_uuid": key, "name": name}


def add_stage(others: Engine, name: str) -> None:
    """Add a stage, or raise an error if the database is locked."""
    with others.begin() as connection:
        connection.execute(insert(Stage), build_stage(name))


def list_stages(others: Engine) -> list[str]:
    """Return the names of all stages."""
    with others.connect() as connection:
        return sorted(connection.scalars(select(col(Stage.name))))


def test_plan_runs_once_if_nobody_else_writes(database: OpenDatabase, others: Engine) -> None:
    """Its result is applied and returned."""
    add_stage(others, "a")
    plan = Plan()
    assert database.run(database.database.write(plan, apply)) == ["a"]
    assert plan.runs == 1
    assert list_stages(others) == ["a", "applied+a"]


def test_plan_runs_again_if_its_reads_change(database: OpenDatabase, others: Engine) -> None:
    """Others write while a plan runs, which sees one state of the database."""
    plan = Plan(lambda run: run == 1 and add_stage(others, "a"))
    assert database.run(database.database.write(plan, apply)) == ["a"]
    assert plan.runs == 2
    assert list_stages(others) == ["a", "applied+a"]


def test_plan_runs_again_if_the_middle_of_a_long_value_changes(
    database: OpenDatabase, others: Engine
) -> None:
    """Long values are compared as a whole."""
    name = "a" * 1000
    add_stage(others, name)
    changed = f"{name[:500]}b{name[501:]}"

    def rename(run: int) -> None:
        if run == 1:
            with others.begin() as connection:
                connection.execute(update(Stage).values(name=changed))

    assert database.run(database.database.write(Plan(rename), apply)) == [changed]


def test_plan_runs_once_if_others_change_what_it_does_not_read(
    database: OpenDatabase, others: Engine
) -> None:
    """Both changes are stored."""
    plan = Plan(lambda _: add_stage(others, "other"))
    assert database.run(database.database.write(plan, apply)) == []
    assert plan.runs == 1
    assert list_stages(others) == ["applied", "other"]


def test_order_of_rows_does_not_matter(database: OpenDatabase, others: Engine) -> None:
    """PostgreSQL returns rows in another order after an update."""
    for name in ("a1", "a2"):
        add_stage(others, name)

    def touch(_: int) -> None:
        with others.begin() as connection:
            connection.execute(update(Stage).where(col(Stage.name) == "a1").values(name="a1"))

    plan = Plan(touch)
    assert database.run(database.database.write(plan, apply)) == ["a1", "a2"]
    assert plan.runs == 1


def test_plan_finally_runs_with_the_lock(
    database: OpenDatabase, others: Engine, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others who write during the first run cannot delay it forever."""
    for module in (postgresql, sqlite_transactions):
        monkeypatch.setattr(module, "WRITE_TIMEOUT_SECONDS", 0.001)

    def disturb(run: int) -> None:
        if run == 1:
            add_stage(others, "a")
        else:
            with pytest.raises(OperationalError), others.begin() as connection:
                lock_for_import(connection, kind)

    plan = Plan(disturb)
    assert database.run(database.database.write(plan, apply)) == ["a"]
    assert plan.runs == 2


def lock_for_import(connection: Connection, kind: str) -> None:
    """Take the lock that imports hold; raises OperationalError."""
    if kind == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        connection.exec_driver_sql("SET LOCAL lock_timeout = '1ms'")
        connection.execute(WRITE_LOCK)


def test_changes_that_fail_are_rolled_back(database: OpenDatabase, others: Engine) -> None:
    """A violation of a constraint that is checked at the end is an error too."""

    def add_orphan(connection: Connection, names: list[str]) -> None:
        apply(connection, names)
        columns = {"evaluate_on_plan": False, "re_evaluate_policies": False, "order": 0}
        keys = dict.fromkeys(
            ("policybindingmodel_ptr_id", "fsb_uuid", "stage_id", "target_id"),
            "00000000-0000-4000-8000-000000000000",
        )
        values = {**columns, **keys, "invalid_response_action": ""}
        connection.execute(insert(FlowStageBinding), values)

    with pytest.raises(IntegrityError, match=r"(?i)foreign key constraint"):
        database.run(database.database.write(Plan(), add_orphan))
    assert list_stages(others) == []


def test_plan_without_changes_needs_no_lock(url: str, kind: str, others: Engine) -> None:
    """It runs on a database that is open for reading, while another process writes."""
    with others.connect() as writer, open_for_test(url) as opened:
        lock_for_import(writer, kind)
        writer.execute(insert(Stage), build_stage("a"))
        assert opened.run(opened.database.plan(Plan())) == []
        writer.commit()
        assert opened.run(opened.database.plan(Plan())) == ["a"]


def start_command(url: str, *arguments: str) -> Popen[str]:
    """Start a command on a database."""
    command = [FLOWQL, *arguments, "--database", url]
    return Popen(command, env=clean_environment(), stderr=PIPE, stdout=PIPE, text=True)


def read_line(process: Popen[str]) -> str:
    """Return the next line of standard error."""
    assert process.stderr
    return process.stderr.readline()


def test_commands_wait_for_an_import(url: str, kind: str, others: Engine) -> None:
    """Each says after a second for what it waits, and succeeds when the other has finished.

    Ctrl-C ends it before. On PostgreSQL, a token is revoked at once.
    """
    create_token(url, "old")
    commands = [["import", str(SAMPLES)], ["import", str(SAMPLES)], ["token", "revoke", "old"]]
    with ExitStack() as stack:
        writer = stack.enter_context(others.connect())
        lock_for_import(writer, kind)
        writer.execute(insert(Stage), build_stage("a"))
        if kind == "postgresql":
            assert run_in_process(*commands.pop(), "--database", url).returncode == 0
        processes = [stack.enter_context(start_command(url, *command)) for command in commands]
        assert [read_line(process) for process in processes] == [WAITING] * len(processes)
        interrupted, *others_waiting = processes
        interrupted.send_signal(signal.SIGINT)
        assert interrupted.wait(PATIENCE_SECONDS) == 130
        writer.commit()
        assert {process.wait(PATIENCE_SECONDS) for process in others_waiting} == {0}
        assert not any(WAITING in (process.stderr or ()) for process in processes)


def test_write_does_not_wait_forever(
    database: OpenDatabase, kind: str, others: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the time limit, the error says what to do."""
    for module in (postgresql, sqlite_transactions):
        assert module.WRITE_TIMEOUT_SECONDS == 120
        monkeypatch.setattr(module, "WRITE_TIMEOUT_SECONDS", 0.001)
    monkeypatch.setattr(sqlite_transactions, "ATTEMPT_SECONDS", 0)
    with others.connect() as writer:
        lock_for_import(writer, kind)
        with pytest.raises(DatabaseError, match="another process has written to the database for"):
            database.run(database.database.write(Plan(), apply))
