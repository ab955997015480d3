"""The command line: help, and one clear line for whatever cannot be done."""

import asyncio
from collections.abc import Iterator
from contextlib import chdir
from dataclasses import fields
from pathlib import Path
from socket import create_server
from urllib.parse import quote

import psycopg
import pytest
from psycopg import sql

from gql.limits import Limits
from gql.settings import Settings, read_settings
from models.database import migrate
from support.paths import SCHEMA
from support.postgres import PASSWORD, PostgresServer
from support.processes import flowql, free_port
from support.server_process import run_failing, run_failing_in_process, run_in_process

README = SCHEMA.with_name("README.md")

NO_SUCH_DATABASE = "there is no database at nowhere.db: create it with 'flowql migrate'"
UNREADABLE = "the database URL cannot be read: is a character not escaped?"


@pytest.fixture
def silent() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


LEFT_OUT = """
version: 1
entries:
- model: authentik_flows.flow
  id: flow
  identifiers: {slug: a-flow}
  attrs: {name: A flow, title: A flow, designation: recovery}
- model: authentik_policies.policybinding
  identifiers: {target: !KeyOf flow, group: !Find [authentik_core.group, [name, nobody]], order: 0}
"""


def test_help_names_every_command() -> None:
    """`flowql --help`, and `flowql` alone, say what there is to do."""
    told = flowql("--help")
    assert (told.returncode, told.stderr) == (0, "")
    for command in ("serve", "demo", "migrate", "import", "token", "explorer", "schema"):
        assert f"│ {command} " in told.stdout
    assert flowql().stdout == told.stdout


def test_help_of_serve_names_every_option_and_its_default() -> None:
    """`flowql serve --help` has all of its options."""
    told = flowql("serve", "--help").stdout
    for option in options():
        assert f" {option} " in told
    for default in ("127.0.0.1", "8000", "sqlite:///flowql.db", "public", "one"):
        assert f"else {default}." in told
    for limit in fields(Limits):
        assert f"lse {limit.default}." in " ".join(told.split())


def options() -> Iterator[str]:
    """What the settings are called on the command line."""
    for name in Settings.model_fields:
        short = {"database_url": "database", "schema_name": "schema", "cors_origins": "cors_origin"}
        yield f"--{short.get(name, name).replace('_', '-')}"


def test_the_readme_has_every_setting() -> None:
    """Its table names each option and each variable."""
    told = README.read_text()
    for option in options():
        assert f"`{option}`" in told or f"`{option}/" in told, option
    for variable in CHANGED.environment:
        assert f"`{variable}`" in told, variable


CHANGED = Settings(
    database_url="sqlite:///a b,c.db",
    schema_name="t_example",
    host="::1",
    port=1,
    root_path="/some/where",
    workers=2,
    access_log=True,
    viewer_ttl=0.5,
    cors_origins=("https://app.example", "http://localhost:3000"),
    trusted_documents=Path("/some/where, else"),
    trusted_only=True,
    introspection=False,
    suggestions=False,
    graphiql=False,
    **{f"max_{limit.name}": number for number, limit in enumerate(fields(Limits), 1)},
)


def test_a_worker_reads_the_settings_of_who_started_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them are in its environment, also those that differ from what they else are."""
    unchanged = Settings()
    assert [name for name in Settings.model_fields if is_same(name, unchanged)] == []
    for settings in (CHANGED, unchanged):
        with monkeypatch.context() as environment:
            for name, value in settings.environment.items():
                environment.setenv(name, value)
            assert read_settings() == settings


def is_same(name: str, unchanged: Settings) -> bool:
    """Whether a setting is what it is where nobody sets it."""
    return getattr(CHANGED, name) == getattr(unchanged, name)


def test_version() -> None:
    """`flowql --version` is a number."""
    assert flowql("--version").stdout == "0.1.0\n"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["bogus"], 'Unknown command "bogus".'),
        (["token", "bogus"], 'Unknown command "bogus".'),
        (["serve", "--bogus"], "Unknown option: --bogus."),
        (["serve", "extra"], "Unused Tokens: ['extra']."),
        (["serve", "--port"], "--port requires an argument."),
        (["serve", "--port", "abc"], "Invalid value for --port"),
        (["serve", "--port", "99999"], "FLOWQL_PORT: "),
        (["serve", "--workers", "0"], "FLOWQL_WORKERS: "),
        (["serve", "--schema", ""], "FLOWQL_SCHEMA: "),
        (["serve", "--root-path", "/a b"], "FLOWQL_ROOT_PATH: "),
        (["serve", "--root-path", "/flows/.."], "FLOWQL_ROOT_PATH: "),
        (["serve", "--root-path", "./flows"], "FLOWQL_ROOT_PATH: "),
        (["serve", "--max-body", "0"], "FLOWQL_MAX_BODY: "),
        (["serve", "--max-root-fields", "-1"], "FLOWQL_MAX_ROOT_FIELDS: "),
        (["serve", "--max-seconds", "0.9"], "FLOWQL_MAX_SECONDS: "),
        (["serve", "--max-seconds", "inf"], "FLOWQL_MAX_SECONDS: "),
        (["serve", "--max-cost", "much"], "Invalid value for --max-cost"),
        (["import"], "PATHS requires an argument."),
        (["token", "create"], "NAME requires an argument."),
        (["token", "revoke"], "NAME requires an argument."),
        (["token", "create", "x", "--flow"], "--flow requires at least 1 element."),
        (["token", "create", "x", "--expires", "soon"], "Invalid value for --expires"),
        (["token", "create", "x", "--expires", "0d"], "--expires is not in the future"),
        (
            ["token", "create", "x", "--superuser", "--flow", "a"],
            "--superuser and --flow exclude each other",
        ),
    ],
    ids=" ".join,
)
def test_a_wrong_command_is_one_line_and_exit_code_2(arguments: list[str], reason: str) -> None:
    """The line names what was wrong."""
    assert reason in run_failing_in_process(*arguments)


def test_a_wrong_command_ends_the_process_with_its_line_and_exit_code_2() -> None:
    """The same for the command as it is installed."""
    assert run_failing("bogus").startswith('Unknown command "bogus".')


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("mysql://host/name", "the database URL starts with 'mysql'"),
        ("", "the database URL starts with ''"),
        ("sqlite://", "'sqlite://' names no file"),
        ("sqlite:///:memory:", "'sqlite:///:memory:' names no file"),
        ("sqlite:///x.db?mode=ro", "a sqlite:/// URL takes no parameters"),
        ("postgresql:name", UNREADABLE),
        ("postgresql://host:port/name", UNREADABLE),
        ("postgresql://user:hid/den@host/name", UNREADABLE),
        ("postgresql://user:1/hidden@host/name", UNREADABLE),
        ("postgresql://user:hid@den:x@host/name", UNREADABLE),
        ("postgresql://host/name?sslmode", UNREADABLE),
        ("postgresql://host/name?sslrootcert=system", "sslrootcert=system is not supported"),
        ("postgresql://host/name?gssencmode=require", "asks for gssencmode=require"),
        ("postgresql://127.0.0.1:99999/name", "port must be 0-65535"),
        ("postgresql://127.0.0.1:1/name?sslmode=hidden", "`sslmode` parameter must be one of"),
        ("postgresql://host/name?bogus=hidden", "has an unknown parameter 'bogus'"),
        ("postgresql://host/name?channel_binding=require", "asks for channel_binding=require"),
        ("postgresql://host/name?connect_timeout=soon", "connect_timeout=soon is not a number"),
        ("postgresql://user:hidden@127.0.0.1:1/name", "PostgreSQL at 127.0.0.1:1/name: "),
    ],
)
def test_a_wrong_url_or_an_unreachable_database_is_one_line(url: str, reason: str) -> None:
    """The line says what is wrong, and quotes no password."""
    line = run_failing_in_process("migrate", "--database", url)
    assert reason in line
    assert "hid" not in line
    assert "den" not in line


def test_serve_ends_where_its_database_cannot_be_reached() -> None:
    """`flowql serve` does not wait for a database that is not there."""
    url = f"postgresql://somebody:hidden@127.0.0.1:{free_port()}/name"
    line = run_failing("serve", "--port", str(free_port()), "--database", url)
    assert line.startswith("cannot open the database, PostgreSQL at 127.0.0.1:")
    assert "hidden" not in line


def test_connect_timeout_ends_the_wait_for_a_host_that_never_answers(silent: int) -> None:
    """The value of connect_timeout is a number of seconds."""
    url = f"postgresql://somebody:hidden@127.0.0.1:{silent}/name?connect_timeout=1"
    line = run_failing_in_process("migrate", "--database", url)
    assert (
        line
        == f"cannot open the database, PostgreSQL at 127.0.0.1:{silent}/name: no answer in time"
    )


def test_a_wrong_password_is_told_and_never_printed(postgres: PostgresServer) -> None:
    """The server's own words, with the user's name alone."""
    line = run_failing_in_process("migrate", "--database", postgres.dsn(password="hidden"))
    assert line.endswith('password authentication failed for user "postgres"')
    assert "hidden" not in line


def test_a_database_that_does_not_exist_is_named(postgres: PostgresServer) -> None:
    """The server's own words again."""
    line = run_failing_in_process("migrate", "--database", postgres.dsn("nowhere"))
    assert line.endswith('database "nowhere" does not exist')
    assert PASSWORD not in line


@pytest.mark.parametrize("command", [["token", "list"], ["import", "."]])
def test_only_migrate_makes_an_sqlite_file(command: list[str], tmp_path: Path) -> None:
    """A missing file is said to be missing, and stays so."""
    with chdir(tmp_path):
        line = run_failing_in_process(*command, "--database", "sqlite:///nowhere.db")
    assert line == NO_SUCH_DATABASE
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["serve", "migrate"])
def test_a_file_that_is_no_database_is_left_as_it_is(command: str, tmp_path: Path) -> None:
    """It is named, and not written to."""
    (tmp_path / "notes.txt").write_text("not a database, " * 100)
    line = run_failing(command, "--database", "sqlite:///notes.txt", cwd=tmp_path)
    assert line == "cannot open the database, notes.txt: file is not a database"
    assert (tmp_path / "notes.txt").read_text() == "not a database, " * 100


def test_migrate_makes_no_folders(tmp_path: Path) -> None:
    """A folder that is not there is probably a mistake."""
    with chdir(tmp_path):
        line = run_failing_in_process("migrate", "--database", "sqlite:///no/where.db")
    assert line == "there is no folder no for the database"
    assert list(tmp_path.iterdir()) == []


def test_a_port_in_use_is_named(silent: int, sample_url: str) -> None:
    """`flowql serve` takes no other port than the one it is told."""
    line = run_failing("serve", "--port", str(silent), "--database", sample_url)
    assert line == f"cannot listen on 127.0.0.1 port {silent}: Address already in use"


def test_a_host_that_is_not_ours_is_named(sample_url: str) -> None:
    """`flowql serve` listens where this machine is."""
    line = run_failing("serve", "--host", "192.0.2.1", "--port", "0", "--database", sample_url)
    assert line.startswith("cannot listen on 192.0.2.1 port 0: ")


def test_a_host_that_is_no_name_is_named(sample_url: str) -> None:
    """What no resolver takes is told as any other host that is not ours."""
    line = run_failing_in_process("serve", "--host", "..", "--port", "0", "--database", sample_url)
    assert line.startswith("cannot listen on .. port 0: ")


@pytest.mark.parametrize("port", ["-1", "0", "70000"])
def test_the_demo_takes_a_port_that_there_is(port: str) -> None:
    """A number that is no port is refused."""
    assert "--port" in run_failing_in_process("demo", "--port", port)


def test_a_file_of_settings_that_is_no_text_is_told(tmp_path: Path) -> None:
    """`.env` is UTF-8."""
    (tmp_path / ".env").write_bytes(b"FLOWQL_PORT=\xff\n")
    with chdir(tmp_path):
        assert run_failing_in_process("serve").startswith(".env cannot be read: ")


def test_a_bad_setting_in_the_environment_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The line names the variable, and not what is in it."""
    monkeypatch.setenv("FLOWQL_PORT", "hidden")
    line = run_failing_in_process("serve")
    assert line.startswith("FLOWQL_PORT: ")
    assert "hidden" not in line


def test_a_bad_setting_in_a_file_is_named(tmp_path: Path) -> None:
    """`.env` is read as the environment is."""
    (tmp_path / ".env").write_text("FLOWQL_WORKERS=hidden\nUNRELATED=1\nFLOWQL_UNKNOWN=1\n")
    with chdir(tmp_path):
        assert run_failing_in_process("serve").startswith("FLOWQL_WORKERS: ")


def test_an_option_goes_before_the_environment_which_goes_before_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All three can say which database is meant."""
    (tmp_path / ".env").write_text("FLOWQL_DATABASE_URL=sqlite:///file.db\n")
    monkeypatch.chdir(tmp_path)
    assert "at file.db:" in run_failing_in_process("token", "list")
    monkeypatch.setenv("FLOWQL_DATABASE_URL", "sqlite:///environment.db")
    assert "at environment.db:" in run_failing_in_process("token", "list")
    option = ["--database", "sqlite:///option.db"]
    assert "at option.db:" in run_failing_in_process("token", "list", *option)


def test_a_path_is_taken_as_it_is_written(tmp_path: Path) -> None:
    """Nothing in the path of an SQLite file is escaped or unescaped."""
    name = "a%20b #'ü+.db"
    done = flowql("migrate", "--database", f"sqlite:///{name}", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert run_failing_in_process(
        "token", "revoke", "x", "--database", f"sqlite:///{tmp_path / name}"
    ) == ("there is no token 'x'")


def test_migrate_twice_changes_nothing(tmp_path: Path) -> None:
    """The second time there is nothing to do."""
    file = tmp_path / "flowql.db"
    asyncio.run(migrate(f"sqlite:///{file}"))
    before = file.read_bytes()
    asyncio.run(migrate(f"sqlite:///{file}"))
    assert file.read_bytes() == before


def test_import_says_what_it_left_out(tmp_path: Path) -> None:
    """A binding of a group that is not here is named by its line."""
    (tmp_path / "flow.yaml").write_text(LEFT_OUT)
    with chdir(tmp_path):
        assert run_in_process("migrate").returncode == 0
        told = run_in_process("import", "flow.yaml").stderr
    assert told.splitlines() == [
        "flowql: flow.yaml:8: left out, since its group is not in this database",
        "flowql: 1 created, 0 updated, 0 unchanged, 0 skipped",
    ]


def test_a_password_may_have_any_character(postgres: PostgresServer) -> None:
    """Escaped, all of them; as they are, all that libpq takes so."""
    odd = "a?b#c[d]e:f&g=h+i ü%"
    create = sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}")
    with psycopg.connect(postgres.dsn(), autocommit=True) as connection:
        connection.execute(create.format(sql.Identifier("odd"), f"{odd}@/"))
        connection.execute(create.format(sql.Identifier("plain"), odd))
    place = f"127.0.0.1:{postgres.port}/postgres"
    raw = odd.replace("%", "%25")
    for url in (
        postgres.dsn(user="odd", password=f"{odd}@/"),
        f"postgresql://plain:{raw}@{place}",
        f"postgres://{place}?user=plain&password={quote(odd, safe='+')}",
    ):
        assert run_failing_in_process("token", "list", "--database", url).startswith(
            "the database is empty"
        )


def test_schema_prints_the_committed_schema(tmp_path: Path) -> None:
    """`flowql schema` prints it; `--check` holds a file here against it."""
    committed = SCHEMA.read_text()
    assert flowql("schema").stdout == committed
    (tmp_path / "schema.graphql").write_text(f"{committed}\n")
    checked = flowql("schema", "--check", cwd=tmp_path)
    assert (checked.returncode, checked.stdout) == (1, "")
    assert checked.stderr == (
        "flowql: schema.graphql is outdated: run 'flowql schema > schema.graphql'\n"
    )
