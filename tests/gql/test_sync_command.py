"""`flowql sync` fills FlowQL's own database from authentik's API, completely or not at all."""

import random
import signal
import sqlite3
import subprocess
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import hypothesis
import pytest

from gql.cli import _mask_secrets  # pyright: ignore[reportPrivateUsage]
from models.errors import OperatorError
from support.authentik_server import PlayedAuthentik, serve_authentik
from support.blueprints import BlueprintDatabase, create_blueprint_database
from support.command import FLOWQL, clean_environment, run_flowql, run_in_process
from support.forked_commands import kill_command, measure_command
from support.postgres import PostgresServer
from support.seed import fill_authentik
from support.server_process import read_command_line, wait_until
from support.synced_objects import (
    FLOW,
    STAGE_BINDING,
    bind_stage,
    build_flow,
    build_many,
    build_objects,
    key,
)
from support.syncs import SyncedDatabase

EXAMPLES = hypothesis.settings().max_examples
# 3, 25 and 500 by default; 50, 500 and 10,000 in the full profile.
KILLS = max(3, EXAMPLES // 40)
FAULTY_ROUNDS = EXAMPLES // 4
MANY_FLOWS = 5 * EXAMPLES
SUMMARY = "flowql: {} created, {} updated, {} unchanged, {} deleted from authentik 2026.8.1\n"
FLOWS = "flows/instances/"
TOKEN_VARIABLE = "FLOWQL_AUTHENTIK_TOKEN"


@pytest.fixture
def authentik() -> Iterator[PlayedAuthentik]:
    """An authentik with flows."""
    with serve_authentik(build_objects()) as played:
        yield played


@pytest.fixture
def database(tmp_path: Path) -> BlueprintDatabase:
    """An empty SQLite database."""
    return create_blueprint_database(f"sqlite:///{tmp_path / 'flowql.db'}")


@pytest.fixture(params=["sqlite", "postgresql"])
def any_database(
    request: pytest.FixtureRequest, tmp_path: Path, postgres: PostgresServer
) -> BlueprintDatabase:
    """An empty database of each kind in turn."""
    if request.param == "sqlite":
        return create_blueprint_database(f"sqlite:///{tmp_path / 'flowql.db'}")
    return create_blueprint_database(postgres.create_database(f"synced_{request.node.name[:20]}"))


def sync(
    authentik: PlayedAuthentik, database: BlueprintDatabase, *options: str
) -> CompletedProcess[str]:
    """Run the command in this process."""
    arguments = ("--url", authentik.url, "--database", database.url)
    token = () if any("token" in option for option in options) else ("--token", authentik.token)
    return run_in_process("sync", *arguments, *token, *options)


def fail(authentik: PlayedAuthentik, database: BlueprintDatabase, *options: str) -> str:
    """Run the command, check that it fails, and return the error."""
    process = sync(authentik, database, *options)
    assert (process.returncode, process.stdout) == (2, "")
    [line] = process.stderr.splitlines()
    return line.removeprefix("flowql: ")


def test_round_prints_a_summary(authentik: PlayedAuthentik, database: BlueprintDatabase) -> None:
    """The exit code is 0, and standard output stays empty."""
    first, second = sync(authentik, database), sync(authentik, database)
    assert (first.returncode, first.stdout) == (0, "")
    assert first.stderr == SUMMARY.format(22, 0, 0, 0)
    assert second.stderr == SUMMARY.format(0, 0, 22, 0)


def test_warnings_are_printed(authentik: PlayedAuthentik, database: BlueprintDatabase) -> None:
    """They precede the summary."""
    authentik.add("authentik_stages_palm.palmstage", pk=f"{1:032x}", name="palm")
    warning, _ = sync(authentik, database).stderr.splitlines()
    assert warning.startswith("flowql: warning: the settings of the type authentik_stages_palm.")


def test_failed_round_exits_with_2(authentik: PlayedAuthentik, database: BlueprintDatabase) -> None:
    """The error names the missing permission."""
    authentik.permissions = {"authentik_flows.view_flowstagebinding"}
    assert "authentik_flows.view_flow," in fail(authentik, database)


def test_deletion_requires_force(authentik: PlayedAuthentik, database: BlueprintDatabase) -> None:
    """`--no-delete` keeps what is gone, and `--force` deletes it."""
    sync(authentik, database)
    for slug in ("recovery", "invalidation"):
        authentik.remove(authentik.find(FLOW, slug=slug))
    assert "2 of 4 flows would be deleted" in fail(authentik, database)
    assert sync(authentik, database, "--no-delete").stderr == SUMMARY.format(0, 0, 22, 0)
    assert sync(authentik, database, "--force").stderr == SUMMARY.format(0, 0, 20, 2)


def test_token_can_be_in_a_file(
    authentik: PlayedAuthentik, database: BlueprintDatabase, tmp_path: Path
) -> None:
    """The line break at its end does not belong to it."""
    file = tmp_path / "token"
    file.write_text(f"{authentik.token}\n")
    assert sync(authentik, database, "--token-file", str(file)).returncode == 0


def test_token_can_be_in_the_environment(
    authentik: PlayedAuthentik, database: BlueprintDatabase
) -> None:
    """The variable is not that of a setting."""
    arguments = ("sync", "--url", authentik.url, "--database", database.url)
    process = run_flowql(*arguments, env={TOKEN_VARIABLE: authentik.token})
    assert process.returncode == 0, process


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (("--token", ""), f"no token: use --token-file FILE, or set {TOKEN_VARIABLE}"),
        (
            ("--token", "x", "--token-file", "y"),
            "--token and --token-file are mutually exclusive",
        ),
        (
            ("--token-file", "/missing"),
            "--token-file: cannot read /missing: No such file or directory",
        ),
        (("--concurrency", "0"), "invalid --concurrency: expected 1 to 64"),
        (("--every", "0s"), "invalid --every: expected a positive duration below 100 years"),
        (("--timeout=-1s",), "invalid --timeout: expected a positive duration below 100 years"),
        (
            ("--request-timeout", "0s"),
            "invalid --request-timeout: expected a positive duration below 100 years",
        ),
        (
            ("--ca-file", "/missing"),
            "cannot read the certificates in /missing: No such file or directory",
        ),
    ],
)
def test_invalid_options_are_errors(
    authentik: PlayedAuthentik, database: BlueprintDatabase, options: Sequence[str], error: str
) -> None:
    """The error names the option."""
    assert fail(authentik, database, *options) == error


def test_token_is_not_in_the_list_of_processes() -> None:
    """Neither as an argument of its own, nor after `=`."""
    assert _mask_secrets("--token", "secret") == "***"
    assert _mask_secrets("", "--token=secret") == "--token=***"
    assert _mask_secrets("--url", "https://me:secret@host/") == "https://***@host/"


def test_database_of_authentik_is_refused(
    authentik: PlayedAuthentik, postgres: PostgresServer
) -> None:
    """It is read-only."""
    url = fill_authentik(postgres.create_database("authentik_not_to_sync"))
    expected = "the database belongs to authentik and is read-only: use FlowQL's own database"
    assert fail(authentik, BlueprintDatabase(url)) == expected
    assert not authentik.requests


def test_database_must_be_migrated(authentik: PlayedAuthentik, tmp_path: Path) -> None:
    """The error names the command."""
    database = BlueprintDatabase(f"sqlite:///{tmp_path / 'none.db'}")
    assert fail(authentik, database).endswith("not found: create it with 'flowql migrate'")


def test_every_keeps_on(authentik: PlayedAuthentik, database: BlueprintDatabase) -> None:
    """A failed round is printed and recorded, the next one succeeds, and SIGTERM ends with 0."""
    with start_sync(authentik, database, "--every", "1s") as process:
        wait_until(lambda: bool(read_slugs(database)))
        authentik.permissions = ()
        wait_until(lambda: read_error(database) is not None)
        assert b"***" not in read_command_line(process.pid)
        authentik.permissions = None
        authentik.objects.append(build_flow("added"))
        wait_until(lambda: "added" in read_slugs(database))
        process.send_signal(signal.SIGTERM)
        _, stderr = process.communicate(timeout=10)
    assert process.returncode == 0, stderr
    assert stderr.startswith(SUMMARY.format(22, 0, 0, 0))
    assert "flowql: the sync failed: the token lacks the permissions " in stderr
    assert "Traceback" not in stderr


def test_time_limits_are_options(authentik: PlayedAuthentik, database: BlueprintDatabase) -> None:
    """Those of a request and of a round."""
    authentik.fail("hang", FLOWS, times=10)
    options = ("--timeout", "2s", "--request-timeout", "1s")
    assert fail(authentik, database, *options) == (
        "authentik was not read within 2 seconds: raise --timeout"
    )
    assert len(authentik.faults) < 9


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_a_round(
    authentik: PlayedAuthentik, database: BlueprintDatabase, number: signal.Signals
) -> None:
    """The old state stays, and there is no traceback."""
    authentik.fail("hang", "policies/bindings/")
    with start_sync(authentik, database) as process:
        wait_until(lambda: bool(authentik.requests))
        process.send_signal(number)
        _, stderr = process.communicate(timeout=10)
    assert process.returncode == (130 if number is signal.SIGINT else -signal.SIGTERM)
    assert (stderr, read_slugs(database)) == ("", set())


def test_token_is_hidden_while_the_command_runs(
    authentik: PlayedAuthentik, database: BlueprintDatabase
) -> None:
    """The list of processes shows no secret."""
    authentik.fail("hang", "policies/bindings/")
    with start_sync(authentik, database, "--token", authentik.token) as process:
        wait_until(lambda: bool(authentik.requests))
        line = read_command_line(process.pid)
        process.kill()
    assert b"--token ***" in line
    assert authentik.token.encode() not in line


def test_kills_leave_a_whole_state(any_database: BlueprintDatabase) -> None:
    """The database has the old state or the new one, whenever the command is killed."""
    with serve_authentik(build_many(300)) as authentik:
        arguments = ["sync", "--url", authentik.url, "--database", any_database.url]
        arguments += ["--token", authentik.token]
        seconds = measure_command(*arguments)
        kills = 0
        for number in range(KILLS):
            old = any_database.dump()
            version = str(number)
            for item in authentik.objects:
                if item["$model"] == FLOW:
                    item["title"] = version
            moment = seconds * random.Random(number).uniform(0.2, 1.1)
            kills += kill_command(arguments, moment)
            titles = {row.title for row in any_database.dump()["authentik_flows_flow"]}
            assert titles in ({version}, {row.title for row in old["authentik_flows_flow"]})
        assert kills
        assert run_in_process(*arguments).returncode == 0
        titles = {row.title for row in any_database.dump()["authentik_flows_flow"]}
        assert titles == {str(KILLS - 1)}


def test_faulty_rounds_leave_a_whole_state(
    authentik: PlayedAuthentik, database: BlueprintDatabase
) -> None:
    """Each round fails and changes nothing, or succeeds and mirrors all."""
    synced = SyncedDatabase(authentik, database)
    state: Mapping[str, Any] = synced.dump()
    failures = 0
    for number in range(FAULTY_ROUNDS):
        change(authentik, number)
        authentik.fail_at_random(number, rate=random.Random(number).choice((0.02, 0.2, 0.6)))
        try:
            synced.sync(force=True)
        except OperatorError:
            assert synced.dump() == state
            failures += 1
            continue
        state = synced.dump()
        assert describe(state) == expect(authentik)
    assert 0 < failures < FAULTY_ROUNDS


def test_many_flows_are_mirrored(database: BlueprintDatabase) -> None:
    """Thousands of flows take one transaction, and a second round writes nothing."""
    with serve_authentik(build_many(MANY_FLOWS)) as authentik:
        started = time.monotonic()
        first = sync(authentik, database, "--timeout", "30m", "--request-timeout", "5m")
        assert first.stderr == SUMMARY.format(4 * MANY_FLOWS + 1, 0, 0, 0)
        assert time.monotonic() - started < MANY_FLOWS
        second = sync(authentik, database, "--timeout", "30m", "--request-timeout", "5m")
        assert second.stderr == SUMMARY.format(0, 0, 4 * MANY_FLOWS + 1, 0)


def change(authentik: PlayedAuthentik, number: int) -> None:
    """Change a flow, and add or remove one with a stage binding."""
    authentik.find(FLOW, slug="login")["title"] = f"Title {number}"
    slug = f"flow-{number % 5}"
    keys = {key(f"flow {slug}"), key(f"binding {slug} unbound 0")}
    if any(item["pk"] in keys for item in authentik.objects):
        authentik.objects[:] = [item for item in authentik.objects if item["pk"] not in keys]
    else:
        authentik.objects += [build_flow(slug, title=str(number)), bind_stage(slug, "unbound")]


def describe(state: Mapping[str, Any]) -> object:
    """Return the titles of flows, and the stage bindings."""
    flows = {row.flow_uuid: (row.slug, row.title) for row in state["authentik_flows_flow"]}
    bindings = state["authentik_flows_flowstagebinding"]
    return flows, {(row.fsb_uuid, row.target_id, row.order) for row in bindings}


def expect(authentik: PlayedAuthentik) -> object:
    """Return the same of the objects of the played authentik."""
    flows = [item for item in authentik.objects if item["$model"] == FLOW]
    bindings = [item for item in authentik.objects if item["$model"] == STAGE_BINDING]
    return (
        {item["pk"]: (item["slug"], item["title"]) for item in flows},
        {(item["pk"], item["target"], item["order"]) for item in bindings},
    )


@contextmanager
def start_sync(
    authentik: PlayedAuthentik, database: BlueprintDatabase, *options: str
) -> Generator[subprocess.Popen[str]]:
    """Run the command as a process until the block ends."""
    arguments = ["sync", "--url", authentik.url, "--database", database.url, *options]
    with subprocess.Popen(
        [FLOWQL, *arguments],
        env=clean_environment({TOKEN_VARIABLE: authentik.token}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def read_slugs(database: BlueprintDatabase) -> set[str]:
    """Return the slugs of all flows."""
    return {slug for (slug,) in query(database, "SELECT slug FROM authentik_flows_flow")}


def read_error(database: BlueprintDatabase) -> str | None:
    """Return the error of the last round."""
    return next((error for (error,) in query(database, "SELECT error FROM flowql_source")), None)


def query(database: BlueprintDatabase, statement: str) -> list[tuple[Any, ...]]:
    """Return rows of a SQLite database."""
    with closing(sqlite3.connect(database.url.removeprefix("sqlite:///"))) as connection:
        return connection.execute(statement).fetchall()


def test_replaced_file(authentik: PlayedAuthentik, tmp_path: Path) -> None:
    """The next round opens the new file."""
    old, new = (
        create_blueprint_database(f"sqlite:///{tmp_path / name}.db") for name in ("old", "new")
    )
    with start_sync(authentik, old, "--every", "1s") as process:
        wait_until(lambda: bool(read_slugs(old)))
        (tmp_path / "new.db").replace(tmp_path / "old.db")
        assert new.url != old.url
        wait_until(lambda: bool(read_slugs(old)))
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=10)
    assert process.returncode == 0
