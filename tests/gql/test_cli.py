"""The command line prints help, results, and errors of one line."""

import asyncio
import os
import subprocess
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path
from socket import create_server
from subprocess import PIPE, CompletedProcess
from urllib.parse import quote

import psycopg
import pytest
from psycopg import sql

from models.database import migrate
from support.command import (
    FLOWQL,
    clean_environment,
    run_failing,
    run_failing_in_process,
    run_flowql,
    run_in_process,
)
from support.paths import SCHEMA
from support.postgres import PASSWORD, PostgresServer
from support.server_process import find_free_port

NOT_FOUND = "SQLite database nowhere.db not found: create it with 'flowql migrate'"
INVALID_URL = "invalid database URL: percent-encode special characters"
EMPTY_HOST = "invalid database URL: the list of hosts contains an empty host"


@pytest.fixture
def unresponsive_port() -> Iterator[int]:
    """A port that accepts connections and never responds."""
    with create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


def test_help_lists_all_commands() -> None:
    """`flowql` without arguments prints the same help as `flowql --help`."""
    result = run_flowql("--help")
    assert (result.returncode, result.stderr) == (0, "")
    for command in (
        "serve",
        "demo",
        "migrate",
        "import",
        "grants",
        "token",
        "explorer",
        "schema",
    ):
        assert f"│ {command} " in result.stdout
    assert run_flowql().stdout == result.stdout


def test_version() -> None:
    """`flowql --version` prints the version."""
    assert run_flowql("--version").stdout == "0.1.0\n"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["bogus"], 'Unknown command "bogus".'),
        (["token", "bogus"], 'Unknown command "bogus".'),
        (["serve", "--bogus"], "Unknown option: --bogus."),
        (["serve", "extra"], "Unused Tokens: ['extra']."),
        (["serve", "--port"], "--port requires an argument."),
        (["serve", "--port", "abc"], "Invalid value for --port"),
        (["serve", "--port", "99999"], "--port: "),
        (["serve", "--workers", "0"], "--workers: "),
        (["serve", "--schema", ""], "--schema: "),
        (["serve", "--root-path", "/a b"], "--root-path: "),
        (["serve", "--root-path", "/flows/.."], "--root-path: "),
        (["serve", "--root-path", "./flows"], "--root-path: "),
        (["serve", "--max-body", "0"], "--max-body: "),
        (["serve", "--max-root-fields", "-1"], "--max-root-fields: "),
        (["serve", "--max-seconds", "0.9"], "--max-seconds: "),
        (["serve", "--max-seconds", "inf"], "--max-seconds: "),
        (["serve", "--max-cost", "much"], "Invalid value for --max-cost"),
        (["import"], "PATHS requires an argument."),
        (["import", "--bogus"], "unknown option --bogus"),
        (["import", ".", "--context", "secret"], "invalid --context: expected KEY=VALUE"),
        (["import", ".", "--context", "=value"], "invalid --context: expected KEY=VALUE"),
        (["token", "create"], "NAME requires an argument."),
        (["token", "revoke"], "NAME requires an argument."),
        (["token", "create", "x", "--flow"], "--flow requires at least 1 element."),
        (["token", "create", "x", "--expires", "soon"], "Invalid value for --expires"),
        (
            ["token", "create", "x", "--expires", "0d"],
            "invalid --expires: expected a positive duration",
        ),
        (
            ["token", "create", "x", "--superuser", "--flow", "a"],
            "--superuser and --flow are mutually exclusive",
        ),
    ],
    ids=" ".join,
)
def test_invalid_command_is_an_error(arguments: list[str], reason: str) -> None:
    """The error is one line with the reason, and the exit code is 2."""
    assert reason in run_failing_in_process(*arguments)


def test_invalid_command_is_an_error_of_the_process() -> None:
    """The installed command prints the same line and exits with the same code."""
    assert run_failing("bogus").startswith('Unknown command "bogus".')


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("mysql://host/name", "unsupported database URL scheme 'mysql'"),
        ("", "the database URL has no valid scheme"),
        ("sqlite://", "the database URL does not name a file"),
        ("sqlite:///:memory:", "the database URL does not name a file"),
        ("sqlite:///x.db?mode=ro", "a sqlite:/// URL must not contain '?'"),
        ("postgresql:name", INVALID_URL),
        ("postgresql://host:port/name", INVALID_URL),
        ("postgresql://user:hid/den@host/name", INVALID_URL),
        ("postgresql://user:1/hidden@host/name", INVALID_URL),
        ("postgresql://user:hid@den:x@host/name", INVALID_URL),
        ("postgresql://host/name?sslmode", INVALID_URL),
        ("postgresql://user:hidden@host,/name", EMPTY_HOST),
        ("postgresql:///name?host=,host", EMPTY_HOST),
        ("postgresql://host/name?sslrootcert=system", "sslrootcert=system is not supported"),
        ("postgresql://host/name?gssencmode=require", "gssencmode=require is not supported"),
        ("postgresql://127.0.0.1:99999/name", "port must be 0-65535"),
        ("postgresql://127.0.0.1:1/name?sslmode=hidden", "`sslmode` parameter must be one of"),
        ("postgresql://host/name?bogus=hidden", "unknown parameter 'bogus' in the database URL"),
        (
            "postgresql://host/name?channel_binding=require",
            "channel_binding=require is not supported",
        ),
        ("postgresql://host/name?connect_timeout=soon", "connect_timeout=soon is not a number"),
        ("postgresql://user:hidden@127.0.0.1:1/name", "PostgreSQL database at 127.0.0.1:1/name: "),
    ],
)
def test_invalid_url_or_unreachable_database_is_an_error(url: str, reason: str) -> None:
    """The error contains the reason, and no password."""
    line = run_failing_in_process("migrate", "--database", url)
    assert reason in line
    assert "hid" not in line
    assert "den" not in line


def test_serve_exits_if_the_database_is_unreachable() -> None:
    """`flowql serve` does not wait for the database."""
    url = f"postgresql://somebody:hidden@127.0.0.1:{find_free_port()}/name"
    line = run_failing("serve", "--port", str(find_free_port()), "--database", url)
    assert line.startswith("cannot open PostgreSQL database at 127.0.0.1:")
    assert "hidden" not in line


def test_connect_timeout_limits_the_wait_for_a_host_that_does_not_respond(
    unresponsive_port: int,
) -> None:
    """connect_timeout is a number of seconds."""
    url = f"postgresql://somebody:hidden@127.0.0.1:{unresponsive_port}/name?connect_timeout=1"
    line = run_failing_in_process("migrate", "--database", url)
    assert (
        line == f"cannot open PostgreSQL database at 127.0.0.1:{unresponsive_port}/name: timed out"
    )


def test_error_of_a_wrong_password_does_not_contain_it(postgres: PostgresServer) -> None:
    """The error is PostgreSQL's, with the user's name."""
    line = run_failing_in_process("migrate", "--database", postgres.dsn(password="hidden"))
    assert line.endswith('password authentication failed for user "postgres"')
    assert "hidden" not in line


def test_missing_postgresql_database_is_an_error(postgres: PostgresServer) -> None:
    """The error is PostgreSQL's, with the database's name."""
    line = run_failing_in_process("migrate", "--database", postgres.dsn("nowhere"))
    assert line.endswith('database "nowhere" does not exist')
    assert PASSWORD not in line


@pytest.mark.parametrize("command", [["token", "list"], ["import", "."]])
def test_only_migrate_creates_an_sqlite_file(command: list[str], tmp_path: Path) -> None:
    """For other commands a missing file is an error."""
    with chdir(tmp_path):
        line = run_failing_in_process(*command, "--database", "sqlite:///nowhere.db")
    assert line == NOT_FOUND
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["serve", "migrate"])
def test_file_that_is_not_a_database_is_not_changed(command: str, tmp_path: Path) -> None:
    """The error names the file."""
    (tmp_path / "notes.txt").write_text("not a database, " * 100)
    line = run_failing(command, "--database", "sqlite:///notes.txt", cwd=tmp_path)
    assert line == "cannot open SQLite database notes.txt: file is not a database"
    assert (tmp_path / "notes.txt").read_text() == "not a database, " * 100


def test_migrate_does_not_create_folders(tmp_path: Path) -> None:
    """A missing folder is an error, because it is probably a typing error."""
    with chdir(tmp_path):
        line = run_failing_in_process("migrate", "--database", "sqlite:///no/where.db")
    assert line == "directory 'no' not found: create it first"
    assert list(tmp_path.iterdir()) == []


def test_port_in_use_is_an_error(unresponsive_port: int, sample_url: str) -> None:
    """`flowql serve` does not look for another port."""
    line = run_failing("serve", "--port", str(unresponsive_port), "--database", sample_url)
    assert line == f"cannot listen on 127.0.0.1 port {unresponsive_port}: Address already in use"


def test_host_of_another_machine_is_an_error(sample_url: str) -> None:
    """`flowql serve` can only listen on addresses of this machine."""
    line = run_failing("serve", "--host", "192.0.2.1", "--port", "0", "--database", sample_url)
    assert line.startswith("cannot listen on 192.0.2.1 port 0: ")


def test_invalid_host_is_an_error(sample_url: str) -> None:
    """The error of a name that no resolver accepts has the same form."""
    line = run_failing_in_process("serve", "--host", "..", "--port", "0", "--database", sample_url)
    assert line.startswith("cannot listen on .. port 0: ")


@pytest.mark.parametrize("port", ["-1", "70000"])
def test_invalid_port_of_the_demo_is_an_error(port: str) -> None:
    """A port is a number from 0 to 65535."""
    assert run_failing_in_process("demo", "--port", port).startswith("--port: ")


def test_port_in_use_is_an_error_of_the_demo(
    unresponsive_port: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A port that is set by the option, the environment or `.env` is not replaced by another one."""
    reason = f"cannot listen on 127.0.0.1 port {unresponsive_port}: Address already in use"
    assert run_failing_in_process("demo", "--port", str(unresponsive_port)) == reason
    with monkeypatch.context() as environment:
        environment.setenv("FLOWQL_PORT", str(unresponsive_port))
        assert run_failing_in_process("demo") == reason
    (tmp_path / ".env").write_text(f"FLOWQL_PORT={unresponsive_port}\n")
    with chdir(tmp_path):
        assert run_failing_in_process("demo") == reason


def test_host_of_another_machine_is_an_error_of_the_demo() -> None:
    """The demo does not try other ports if the address is the problem."""
    line = run_failing_in_process("demo", "--host", "192.0.2.1")
    assert line.startswith("cannot listen on 192.0.2.1 port 8000: ")


def test_sqlite_path_is_not_unescaped(tmp_path: Path) -> None:
    """Percent signs, spaces and quotes are part of the file name."""
    name = "a%20b #'ü+.db"
    result = run_flowql("migrate", "--database", f"sqlite:///{name}", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert run_failing_in_process(
        "token", "revoke", "x", "--database", f"sqlite:///{tmp_path / name}"
    ) == ("unknown token 'x'")


def test_second_migration_changes_nothing(tmp_path: Path) -> None:
    """The file has the same bytes."""
    file = tmp_path / "flowql.db"
    asyncio.run(migrate(f"sqlite:///{file}"))
    before = file.read_bytes()
    asyncio.run(migrate(f"sqlite:///{file}"))
    assert file.read_bytes() == before


def test_a_password_may_have_any_character(postgres: PostgresServer) -> None:
    """All characters can be escaped; those that libpq accepts need no escapes."""
    password = "a?b#c[d]e:f&g=h+i ü%"
    create = sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}")
    with psycopg.connect(postgres.dsn(), autocommit=True) as connection:
        connection.execute(create.format(sql.Identifier("escaped"), f"{password}@/"))
        connection.execute(create.format(sql.Identifier("plain"), password))
    address = f"127.0.0.1:{postgres.port}/postgres"
    raw = password.replace("%", "%25")
    for url in (
        postgres.dsn(user="escaped", password=f"{password}@/"),
        f"postgresql://plain:{raw}@{address}",
        f"postgres://{address}?user=plain&password={quote(password, safe='+')}",
    ):
        line = run_failing_in_process("token", "list", "--database", url)
        assert "has no tables of authentik or FlowQL" in line


def test_schema_command_prints_or_checks_the_schema(tmp_path: Path) -> None:
    """`flowql schema` prints the committed schema; `--check` compares it with ./schema.graphql."""
    committed = SCHEMA.read_text()
    assert run_flowql("schema").stdout == committed
    file = tmp_path / "schema.graphql"
    with chdir(tmp_path):
        assert check_schema() == (
            "flowql: schema.graphql is missing in this folder: run 'flowql schema > schema.graphql'\n"
        )
        file.write_text(f"{committed}\n")
        assert check_schema() == (
            "flowql: schema.graphql is outdated: run 'flowql schema > schema.graphql'\n"
        )
        file.write_text(committed)
        assert run_in_process("schema", "--check").returncode == 0
        file.unlink()
        file.mkdir()
        line = run_failing_in_process("schema", "--check")
        assert line == "cannot read schema.graphql: Is a directory"


def check_schema() -> str:
    """Run `flowql schema --check`, check that it fails, and return its message."""
    result = run_in_process("schema", "--check")
    assert (result.returncode, result.stdout) == (1, "")
    return result.stderr


def run_unread(*arguments: str, is_output: bool) -> CompletedProcess[bytes]:
    """Run `flowql`; nobody reads its output or its messages, and the other stream is captured."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        return subprocess.run(
            [FLOWQL, *arguments],
            env=clean_environment(),
            stdout=writer if is_output else PIPE,
            stderr=PIPE if is_output else writer,
            check=False,
        )
    finally:
        os.close(writer)


@pytest.mark.parametrize(
    "command",
    [["schema"], ["token", "list"], ["token", "list", "--json"], ["--help"], ["--version"]],
)
def test_command_ends_quietly_if_nobody_reads_its_output(
    command: list[str], sample_url: str
) -> None:
    """`flowql schema | true` prints no error, and its exit code is 1."""
    option = ["--database", sample_url] if command[0] == "token" else []
    result = run_unread(*command, *option, is_output=True)
    assert (result.returncode, result.stderr) == (1, b"")


@pytest.mark.parametrize("command", [["schema"], ["token", "list"], ["--version"]])
def test_output_that_cannot_be_written_is_an_error(command: list[str], sample_url: str) -> None:
    """A full disk, for example, is one line and exit code 2."""
    option = ["--database", sample_url] if command[0] == "token" else []
    with Path("/dev/full").open("w") as full:
        result = subprocess.run(
            [FLOWQL, *command, *option],
            env=clean_environment(),
            stdout=full,
            stderr=PIPE,
            check=False,
        )
    message = b"flowql: cannot write the output: No space left on device\n"
    assert (result.returncode, result.stderr) == (2, message)


def test_command_succeeds_if_nobody_reads_its_messages(sample_url: str) -> None:
    """The key of a new token is printed; an error has the same exit code as otherwise."""
    command = ["token", "create", "unread", "--database", sample_url]
    result = run_unread(*command, is_output=False)
    assert (result.returncode, len(result.stdout.strip())) == (0, 60)
    assert run_unread("bogus", is_output=False).returncode == 2


def test_closed_streams_are_ignored(sample_url: str) -> None:
    """A shell can close each stream, and messages do not end up in the other one."""
    script = (
        '"$0" token create closed --database "$1" 2>&- && "$0" schema <&- >&- && "$0" bogus 2>&-'
    )
    result = subprocess.run(
        ["/bin/sh", "-c", script, FLOWQL, sample_url],
        env=clean_environment(),
        capture_output=True,
        check=False,
    )
    assert (result.returncode, len(result.stdout.strip()), result.stderr) == (2, 60, b"")
