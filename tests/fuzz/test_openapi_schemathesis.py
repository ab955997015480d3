"""schemathesis, which makes requests of the OpenAPI documents, finds no answer that they do not tell of."""

import json
import shutil
from collections import Counter
from pathlib import Path

import hypothesis
import pytest

from support.client_environments import client_python, ended
from support.processes import RunningServer
from support.server_process import slugs

ATTACK = Path(__file__).with_name("attack_rest")
# How many requests each operation gets at most in each phase, by hypothesis's profile.
EXAMPLES = {"default": 8, "full": 400}


@pytest.mark.parametrize("address", ["/schema/", "/api/v3/schema/"])
def test_schemathesis_finds_nothing(
    address: str, served: RunningServer, tmp_path: Path, fuzzed: Counter[str]
) -> None:
    """No error of the server's own, and no status, media type, header or body that is not foreseen."""
    home = shutil.copytree(ATTACK, tmp_path / "attack")
    known = slugs(served.url, served.token)
    (home / "slugs.dict").write_text("".join(f'"{slug}"\n' for slug in known))
    examples = EXAMPLES[hypothesis.settings.get_current_profile_name()]
    command = [str(client_python("schemathesis")), "-I", "-m", "schemathesis.cli", "--no-color"]
    asked = ["run", f"{served.url}{address}?format=json", "--max-examples", str(examples)]
    reports = ["--report", "json", "--report-json-path", "report.json"]
    told = ended([*command, *asked, *reports], home, FLOWQL_TOKEN=served.token)
    report = json.loads((home / "report.json").read_text())
    fuzzed["by schemathesis over REST"] += report["test_cases"]["generated"]

    assert (told.returncode, report["operations"]["tested"]) == (0, 4), told.stdout + told.stderr
    assert report["test_cases"]["without_checks"] == 0
