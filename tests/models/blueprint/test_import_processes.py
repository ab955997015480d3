"""Imports in processes: other processes write meanwhile, and killed imports change nothing."""

import sqlite3
from contextlib import closing
from pathlib import Path
from subprocess import PIPE, Popen

from support.app_client import AppClient
from support.blueprints import BlueprintDatabase, copy_blueprint_database, write_blueprint
from support.command import FLOWQL, clean_environment, create_token, run_in_process
from support.forked_commands import REPETITIONS, kill_command, list_moments, measure_command

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


def write_flows(path: Path, title: str) -> Path:
    """Write a blueprint with flows of the same title, which each have a stage of their own."""
    entries = (ENTRIES.format(number=number, title=title) for number in range(FLOW_COUNT))
    return write_blueprint(path, "".join(entries))


def read_titles(client: AppClient, key: str) -> set[tuple[str, int]]:
    """Return the titles of the flows with their numbers of stages."""
    response = client.get("/flows/instances/?page_size=100", key)
    assert response.json["pagination"]["count"] == FLOW_COUNT
    return {(flow["title"], len(flow["stages"])) for flow in response.json["results"]}


def test_killed_imports(blueprint_database: BlueprintDatabase, tmp_path: Path) -> None:
    """After SIGKILL, all flows are as before or all are as imported, and the next import works."""
    url = blueprint_database.url
    key = create_token(url, "reader")
    option = ("--database", url)
    files = [
        write_flows(tmp_path / f"{title}.yaml", str(title)) for title in range(REPETITIONS + 2)
    ]
    assert run_in_process("import", str(files[0]), *option).returncode == 0
    seconds = measure_command("import", str(files[1]), *option)
    kills = 0
    with AppClient(url) as client:
        stored = read_titles(client, key)
        for number, moment in enumerate(list_moments(seconds)):
            kills += kill_command(["import", str(files[number + 2]), *option], moment)
            before, stored = stored, read_titles(client, key)
            assert stored == before or {title for title, _ in stored} == {str(number + 2)}
            assert len(stored) == 1
        assert run_in_process("import", str(files[0]), *option).returncode == 0
        assert {title for title, _ in read_titles(client, key)} == {"0"}
    assert kills
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


def test_others_write_during_an_import(sqlite_template: BlueprintDatabase, tmp_path: Path) -> None:
    """Tokens that are created meanwhile are stored in the same file, as are all flows."""
    url = copy_blueprint_database(sqlite_template, tmp_path).url
    file = write_flows(tmp_path / "flows.yaml", "imported")
    command = [FLOWQL, "import", str(file), "--database", url]
    keys: list[str] = []
    with Popen(command, env=clean_environment(), stderr=PIPE, text=True) as process:
        while process.poll() is None:
            keys.append(create_token(url, f"token {len(keys)}"))
        assert process.stderr
        [*_, report] = process.stderr.read().splitlines()
    assert report == "flowql: 120 created, 0 updated, 0 unchanged, 0 skipped"
    with AppClient(url) as client:
        assert all(read_titles(client, key) == {("imported", 1)} for key in keys)
