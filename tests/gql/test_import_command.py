"""`flowql import` reads files, prints what it does, and its exit code says whether it did all."""

import asyncio
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from models.database import migrate
from support.command import FLOWQL, clean_environment, run_in_process
from support.postgres import PostgresServer
from support.server_process import read_command_line, wait_until

FLOW = """\
entries:
- model: authentik_flows.flow
  identifiers: {{slug: {slug}}}
  attrs: {{name: A flow, title: {title}, designation: {designation}}}
"""
CONTEXT = """\
context: {tenant: file}
entries:
- model: authentik_flows.flow
  identifiers: {slug: !Context tenant}
  attrs:
    name: !Context [name, Nobody]
    title: !If [!Context is_open, Open, Closed]
    designation: recovery
"""
STAGE = """\
entries:
- model: authentik_stages_captcha.captchastage
  identifiers: {{name: captcha}}
  attrs: {attrs}
"""
ABSENT = """\
entries:
- {model: authentik_flows.flow, state: absent, identifiers: {slug: old}}
- {model: authentik_brands.brand, identifiers: {domain: example}}
"""
GATES = """\
entries:
- model: authentik_flows.flow
  id: flow
  identifiers: {slug: gated}
  attrs: {name: Gated, title: Gated, designation: recovery}
- model: authentik_policies.policybinding
  identifiers:
    target: !KeyOf flow
    order: 0
    group: !Find [authentik_core.group, [name, operators]]
"""
UNKNOWN_GROUP = """\
- model: authentik_policies.policybinding
  identifiers:
    target: !KeyOf flow
    order: 1
    group: !Find [authentik_core.group, [pk, 00000000-0000-4000-8000-000000000000]]
"""


@pytest.fixture(scope="module")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty SQLite database to copy."""
    file = tmp_path_factory.mktemp("import") / "flowql.db"
    asyncio.run(migrate(f"sqlite:///{file}"))
    return file


@pytest.fixture(autouse=True)
def folder(empty_database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with an empty database of the default name."""
    shutil.copyfile(empty_database, tmp_path / "flowql.db")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_flow(file: str, slug: str, *, title: str = "A", designation: str = "recovery") -> None:
    """Write a file with one flow."""
    Path(file).write_text(FLOW.format(slug=slug, title=title, designation=designation))


def import_files(*arguments: str, exit_code: int = 0) -> list[str]:
    """Import files, check the exit code, and return the lines of standard error."""
    result = run_in_process("import", *arguments)
    assert result.returncode == exit_code, result
    return result.stderr.splitlines()


def plan_import(*arguments: str) -> list[str]:
    """Return the plan of an import, which changes nothing."""
    flows = read_flows()
    result = run_in_process("import", "--dry-run", *arguments)
    assert result.returncode == 0, result
    assert result.stderr.splitlines()[-1].startswith("flowql: dry run, nothing was written: ")
    assert read_flows() == flows
    return result.stdout.splitlines()


def read_flows() -> list[tuple[str, str, str]]:
    """Return slug, name and title of all flows."""
    with sqlite3.connect("flowql.db") as connection:
        statement = "SELECT slug, name, title FROM authentik_flows_flow ORDER BY slug"
        rows = connection.execute(statement).fetchall()
    connection.close()
    return rows


def test_summary_counts_what_was_done() -> None:
    """The second import changes nothing, as does the deletion of an object that does not exist."""
    write_flow("flow.yaml", "new")
    Path("brand.yml").write_text(ABSENT)
    skipped = "0 deleted, 1 skipped (1 authentik_brands.brand)"
    assert import_files(".") == [f"flowql: 1 created, 0 updated, 1 unchanged, {skipped}"]
    assert import_files(".") == [f"flowql: 0 created, 0 updated, 2 unchanged, {skipped}"]


def test_all_errors_are_printed_at_once() -> None:
    """Each has a line with its place, another line counts them, and nothing is imported."""
    write_flow("a.yaml", "a", designation="nowhere")
    Path("b.yaml").write_text("entries:\n- [\n")
    write_flow("c.yaml", "c")
    first, second, last = import_files(".", exit_code=2)
    assert first.startswith("flowql: a.yaml:4:")
    assert "'designation'" in first
    assert second.startswith("flowql: b.yaml:3:1: ")
    assert last == "flowql: 2 errors: nothing was imported"
    assert read_flows() == []


def test_keep_going_imports_the_valid_files() -> None:
    """The errors of the others are printed, and the exit code is 2."""
    write_flow("a.yaml", "a", designation="nowhere")
    Path("b.yaml").write_text("entries:\n- [\n")
    write_flow("c.yaml", "c")
    *errors, count, summary = import_files(".", "--keep-going", exit_code=2)
    assert [line.split(":")[1] for line in errors] == [" a.yaml", " b.yaml"]
    assert count == "flowql: 2 errors: their files were not imported"
    assert summary == "flowql: 1 created, 0 updated, 0 unchanged, 0 deleted, 0 skipped"
    assert read_flows() == [("c", "A flow", "A")]


def test_dry_run_prints_the_plan() -> None:
    """The plan has a line per change, and secrets are not in it."""
    write_flow("old.yaml", "old")
    write_flow("door.yaml", "door", title="Door")
    Path("stage.yaml").write_text(STAGE.format(attrs="{public_key: p}"))
    import_files(".")
    write_flow("door.yaml", "door", title="Side door")
    write_flow("new.yaml", "new")
    Path("old.yaml").write_text(ABSENT)
    Path("stage.yaml").write_text(STAGE.format(attrs="{public_key: p, private_key: hidden}"))
    created, *lines = plan_import(".")
    assert created.startswith('create flow "new"')
    assert lines == [
        'change flow "door": title "Door" -> "Side door"',
        'change stage "captcha": private_key null -> secret',
        'delete flow "old"',
        "skip 1 authentik_brands.brand",
    ]


def test_dry_run_does_not_change_the_file(folder: Path) -> None:
    """It opens the database read-only, whatever its journal mode is."""
    file = folder / "flowql.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    content = file.read_bytes()
    write_flow("flow.yaml", "new")
    assert len(plan_import("flow.yaml")) == 1
    assert file.read_bytes() == content


def test_dry_run_needs_no_privilege_to_write(postgres: PostgresServer) -> None:
    """A role that can only read plans an import."""
    url = postgres.create_database("dry_run")
    asyncio.run(migrate(url))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE ROLE planner LOGIN PASSWORD 'planner'")
        connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO planner")
    url = postgres.dsn("dry_run", user="planner", password="planner")
    write_flow("flow.yaml", "new")
    assert len(plan_import("flow.yaml", "--database", url)) == 1


def test_plan_does_not_depend_on_the_order_of_files() -> None:
    """The order of arguments changes nothing."""
    for slug in ("c", "a", "b"):
        write_flow(f"{slug}.yaml", slug)
    Path("stage.yaml").write_text(STAGE.format(attrs="{}"))
    files = ["c.yaml", "stage.yaml", "a.yaml", "b.yaml"]
    plan = plan_import(*files)
    assert len(plan) == 4
    assert plan_import(*reversed(files)) == plan


def test_hyphen_is_standard_input() -> None:
    """Options may follow and precede it."""
    for arguments in (["-", "--dry-run"], ["--context", "a=b", "-"]):
        result = subprocess.run(
            [FLOWQL, "import", *arguments],
            input=FLOW.format(slug="piped", title="A", designation="recovery"),
            env=clean_environment(),
            capture_output=True,
            text=True,
            check=True,
        )
        assert result.stderr.endswith("1 created, 0 updated, 0 unchanged, 0 deleted, 0 skipped\n")
    assert read_flows() == [("piped", "A flow", "A")]


def test_options_override_the_context_of_files() -> None:
    """A context file has values of any type; those of --context are strings and have priority."""
    Path("blueprint.yaml").write_text(CONTEXT)
    Path("context").write_text("tenant: overridden\nis_open: false\nname: Somebody\n")
    import_files("blueprint.yaml", "--context", "is_open=")
    import_files("blueprint.yaml", "--context-file", "context")
    options = ["--context", "tenant=option", "--context", "is_open=false"]
    import_files("--context-file", "context", *options, "blueprint.yaml")
    assert read_flows() == [
        ("file", "Nobody", "Closed"),
        ("option", "Somebody", "Open"),
        ("overridden", "Somebody", "Closed"),
    ]


def test_invalid_context_file_is_an_error() -> None:
    """The error names the place, and nothing is imported."""
    write_flow("flow.yaml", "a")
    Path("context").write_text("a: 1\nb: !Env X\n")
    [line] = import_files("flow.yaml", "--context-file", "context", exit_code=2)
    assert line.startswith("flowql: context:2:4: ")
    assert read_flows() == []


def test_placeholders_are_named() -> None:
    """A group that only a gate refers to is created."""
    Path("gates.yaml").write_text(GATES)
    *_, line = import_files("gates.yaml")
    assert line.startswith("flowql: placeholders for ")
    assert "operators" in line


def test_omitted_gates_are_named() -> None:
    """The rest is imported, and the exit code is 3."""
    Path("gates.yaml").write_text(GATES + UNKNOWN_GROUP)
    line, *_ = import_files("gates.yaml", exit_code=3)
    assert line.startswith("flowql: gates.yaml:1")
    assert read_flows() == [("gated", "Gated", "Gated")]


def test_the_list_of_processes_contains_no_value_of_the_context() -> None:
    """The title of the process has the keys only, since values can be secrets."""
    options = ["--context", "key=hidden", "--context=other=hidden"]
    with subprocess.Popen(
        [FLOWQL, "import", "-", *options],
        env=clean_environment(),
        stdin=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        wait_until(lambda: read_command_line(process.pid).startswith(b"flowql import"))
        title = read_command_line(process.pid).decode()
        process.communicate(b"entries: []")
    assert title == "flowql import - --context key=*** --context=other=***"
    assert process.returncode == 0
