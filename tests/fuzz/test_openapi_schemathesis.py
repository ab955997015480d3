"""Tests of the REST API with requests that schemathesis generates from the OpenAPI documents."""

import json
import shutil
from collections import Counter
from pathlib import Path

import hypothesis
import pytest

from support.client_environments import install_python_client, run_tool
from support.server_process import RunningServer, fetch_slugs

ATTACK = Path(__file__).with_name("attack_rest")
# The maximum number of requests for each operation and phase, by Hypothesis profile.
EXAMPLES = {"default": 8, "full": 400}
# Each dialect once, at the path that its clients use.
ADDRESSES = (
    "/schema/",
    "/2025.10/api/v3/schema/",
    "/2025.12.0/api/v3/schema/",
    "/api/v3/schema/",
)


@pytest.mark.parametrize("address", ADDRESSES)
def test_schemathesis_finds_no_failure(
    address: str, sample_server: RunningServer, tmp_path: Path, request_counts: Counter[str]
) -> None:
    """All statuses, media types, headers and bodies match the document."""
    folder = shutil.copytree(ATTACK, tmp_path / "attack")
    stored_slugs = fetch_slugs(sample_server.url, sample_server.token)
    (folder / "slugs.dict").write_text("".join(f'"{slug}"\n' for slug in stored_slugs))
    examples = EXAMPLES[hypothesis.settings.get_current_profile_name()]
    command = [
        str(install_python_client("schemathesis")),
        "-I",
        "-m",
        "schemathesis.cli",
        "--no-color",
    ]
    arguments = [
        "run",
        f"{sample_server.url}{address}?format=json",
        "--max-examples",
        str(examples),
    ]
    reports = ["--report", "json", "--report-json-path", "report.json"]
    completed = run_tool([*command, *arguments, *reports], folder, FLOWQL_TOKEN=sample_server.token)
    report = json.loads((folder / "report.json").read_text())
    request_counts["by schemathesis over REST"] += report["test_cases"]["generated"]

    assert (completed.returncode, report["operations"]["tested"]) == (0, 4), (
        completed.stdout + completed.stderr
    )
    assert report["test_cases"]["without_checks"] == 0
