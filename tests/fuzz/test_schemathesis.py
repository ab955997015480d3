"""Tests of GraphQL with operations that schemathesis generates from the schema."""

import json
import re
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from support.client_environments import install_python_client, run_tool
from support.edge_case_data import KEYS
from support.server_process import run_server, send_request

ATTACK = Path(__file__).with_name("attack")
# The number of requests for each root field, by Hypothesis profile.
EXAMPLES = {"default": 15, "full": 450}

STORED_VALUES = """
{
  flows {
    results {
      id
      pk
      stageBindings { id stage { id pk } policyBindings { id policy { id pk } } }
    }
  }
  flowConnection(first: 20) { edges { cursor } }
}
"""


def list_stored_values(url: str) -> dict[str, list[str]]:
    """Return the ids, primary keys and cursors of a server by their response keys."""
    response = send_request(
        url, "/graphql", KEYS["superuser"], {"query": STORED_VALUES}
    ).body.decode()
    return {
        name: sorted(set(re.findall(f'"{name}":"([^"]+)"', response)))
        for name in ("id", "pk", "cursor")
    }


def run_schemathesis(url: str, folder: Path, examples: int) -> tuple[Any, str]:
    """Send this number of requests for each root field. Return the report and the output."""
    shutil.copytree(ATTACK, folder)
    values = list_stored_values(url)
    for name in ("id", "cursor"):
        (folder / f"{name}s.dict").write_text("".join(f'"{value}"\n' for value in values[name]))
    command = [
        str(install_python_client("schemathesis")),
        "-I",
        "-m",
        "schemathesis.cli",
        "--no-color",
    ]
    options = ["--checks", "no_server_error", "--mode", "all", "--max-examples", str(examples)]
    reports = ["--report", "json", "--report-json-path", "report.json"]
    completed = run_tool(
        [*command, "run", f"{url}/graphql", *options, *reports],
        folder,
        FLOWQL_TOKEN=KEYS["superuser"],
        FLOWQL_UUIDS=" ".join(values["pk"]),
    )
    report = folder / "report.json"
    assert report.exists(), completed
    return json.loads(report.read_text()), completed.stdout + completed.stderr


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_schemathesis_finds_no_server_error(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, request_counts: Counter[str]
) -> None:
    """Valid and invalid operations cause no server error."""
    examples = EXAMPLES[hypothesis.settings.get_current_profile_name()]
    with run_server(request.getfixturevalue(f"{kind}_url")) as (url, _):
        report, output = run_schemathesis(url, tmp_path / "attack", examples)
    sent = report["test_cases"]["generated"]
    request_counts["by schemathesis"] += sent

    assert report["exit_code"] == 0, output
    assert sent >= examples * report["operations"]["total"], output
