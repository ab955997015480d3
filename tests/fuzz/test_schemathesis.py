"""schemathesis, which makes requests of the schema, finds no failure of the server."""

import json
import re
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from support.client_environments import client_python, ended
from support.edge_case_data import KEYS
from support.server_process import ask, run_server

ATTACK = Path(__file__).with_name("attack")
# How many requests each root field gets, by hypothesis's profile.
EXAMPLES = {"default": 15, "full": 450}

KNOWN = """
{
  flows { results { id pk stageBindings { id stage { id pk } policyBindings { id policy { id pk } } } } }
  flowConnection(first: 20) { edges { cursor } }
}
"""


def known(url: str) -> dict[str, list[str]]:
    """What there is on a server: ids, primary keys and cursors."""
    told = ask(url, "/graphql", KEYS["superuser"], {"query": KNOWN}).body.decode()
    return {
        name: sorted(set(re.findall(f'"{name}":"([^"]+)"', told)))
        for name in ("id", "pk", "cursor")
    }


def attack(url: str, home: Path, examples: int) -> tuple[Any, str]:
    """Let schemathesis make so many requests a root field; gives its report, and what it printed."""
    shutil.copytree(ATTACK, home)
    there = known(url)
    for name in ("id", "cursor"):
        (home / f"{name}s.dict").write_text("".join(f'"{one}"\n' for one in there[name]))
    command = [str(client_python("schemathesis")), "-I", "-m", "schemathesis.cli", "--no-color"]
    chosen = ["--checks", "no_server_error", "--mode", "all", "--max-examples", str(examples)]
    reports = ["--report", "json", "--report-json-path", "report.json"]
    told = ended(
        [*command, "run", f"{url}/graphql", *chosen, *reports],
        home,
        FLOWQL_TOKEN=KEYS["superuser"],
        FLOWQL_UUIDS=" ".join(there["pk"]),
    )
    report = home / "report.json"
    assert report.exists(), told
    return json.loads(report.read_text()), told.stdout + told.stderr


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_schemathesis_finds_no_server_error(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, fuzzed: Counter[str]
) -> None:
    """Operations of every shape, right and wrong, are never answered by an error of the server's own."""
    examples = EXAMPLES[hypothesis.settings.get_current_profile_name()]
    with run_server(request.getfixturevalue(f"{kind}_url")) as (url, _):
        report, told = attack(url, tmp_path / "attack", examples)
    sent = report["test_cases"]["generated"]
    fuzzed["by schemathesis"] += sent

    assert report["exit_code"] == 0, told
    assert sent >= examples * report["operations"]["total"], told
