"""Measure the comparison of two folders: python tests/benchmarks/diff.py --help."""

import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

# The benchmark uses the test suite's support modules.
sys.path.append(str(Path(__file__).resolve().parents[1]))

import cyclopts
from figures import RESULTS
from machine import describe_machine

from models.diff.compare import compare
from models.diff.sources import read_blueprints
from models.garbage import without_cycle_collection
from support.command import FLOWQL, clean_environment

DIFFERENT = 1
CHANGED_EVERY = 100
FLOW = """\
- model: authentik_flows.flow
  id: flow
  identifiers: {{slug: flow-{number}}}
  attrs:
    name: Flow {number}
    title: {title}
    designation: authentication
    layout: stacked
    authentication: none
"""
STAGE = """\
- model: {model}
  id: stage-{order}
  identifiers: {{name: stage-{name}}}
  attrs:
    {setting}
"""
STEP = """\
- model: authentik_flows.flowstagebinding
  id: step-{order}
  identifiers: {{target: !KeyOf flow, stage: {stage}, order: {order}}}
  attrs: {{evaluate_on_plan: true, re_evaluate_policies: true}}
"""
POLICY = """\
- model: authentik_policies_expression.expressionpolicy
  id: policy
  identifiers: {{name: policy-{number}}}
  attrs:
    expression: |
      # flow {number}
      return True
- model: authentik_policies.policybinding
  identifiers: {{target: !KeyOf step-1, policy: !KeyOf policy, order: 0}}
  attrs: {{enabled: true, timeout: 30}}
"""
STAGES = (
    ("authentik_stages_identification.identificationstage", "user_fields: [email, username]"),
    ("authentik_stages_password.passwordstage", "backends: [authentik.core.auth.InbuiltBackend]"),
    ("authentik_stages_user_login.userloginstage", "session_duration: seconds=0"),
)


def main(flows: int = 1_000, rounds: int = 5) -> None:
    """Compare two folders with one file for each flow: with stages of its own, and with shared ones."""
    results = {"machine": describe_machine(), "flows": flows}
    for name in ("own stages", "shared stages"):
        with TemporaryDirectory() as folder:
            results[name] = measure(
                Path(folder), flows, rounds, is_shared=name.startswith("shared")
            )
        sys.stdout.write(f"{name}: {json.dumps(results[name])}\n")
    (RESULTS / "diff.json").write_text(f"{json.dumps(results, indent=2)}\n")


def measure(folder: Path, flows: int, rounds: int, *, is_shared: bool) -> dict[str, Any]:
    """Return the number of entries on each side, and seconds."""
    sides = [folder / name for name in ("left", "right")]
    counts = [write(side, flows, is_shared=is_shared) for side in sides]
    commands = [run(sides) for _ in range(rounds)]
    return {"entries of each side": counts[0], "command": median(commands), **split(sides)}


def write(folder: Path, flows: int, *, is_shared: bool) -> int:
    """Write the blueprints of a side, and return the number of entries."""
    folder.mkdir()
    count = 0
    if is_shared:
        stages = [build_stage(order, str(order)) for order in range(len(STAGES))]
        (folder / "stages.yaml").write_text("version: 1\nentries:\n" + "".join(stages))
        count += len(stages)
    for number in range(flows):
        is_changed = folder.name == "right" and number % CHANGED_EVERY == 0
        entries = list(build_flow(number, is_changed=is_changed, is_shared=is_shared))
        text = "version: 1\nentries:\n" + "".join(entries)
        (folder / f"flow-{number}.yaml").write_text(text)
        count += text.count("- model: ")
    return count


def build_flow(number: int, *, is_changed: bool, is_shared: bool) -> Iterator[str]:
    """Yield the entries of a flow."""
    yield FLOW.format(number=number, title="Changed" if is_changed else "Welcome")
    for order, (model, _) in enumerate(STAGES):
        if not is_shared:
            yield build_stage(order, f"{number}-{order}")
        stage = f"!Find [{model}, [name, stage-{order}]]" if is_shared else f"!KeyOf stage-{order}"
        yield STEP.format(order=order, stage=stage)
    if not is_shared:
        yield POLICY.format(number=number)


def build_stage(order: int, name: str) -> str:
    """Return the entry of a stage."""
    model, setting = STAGES[order]
    return STAGE.format(order=order, name=name, model=model, setting=setting)


def run(sides: list[Path]) -> float:
    """Return the seconds of `flowql diff`."""
    start = time.perf_counter()
    process = subprocess.run(
        [FLOWQL, "diff", *map(str, sides)],
        env=clean_environment(),
        capture_output=True,
        check=False,
    )
    assert process.returncode == DIFFERENT, process.stderr
    return time.perf_counter() - start


def split(sides: list[Path]) -> dict[str, float]:
    """Return the CPU seconds of reading YAML and of the rest."""
    before = _read_cpu()
    with without_cycle_collection():
        left, right = (read_blueprints([side], {}) for side in sides)
        middle = _read_cpu()
        compare(left, right)
    return {"cpu to read": middle - before, "cpu to compare": _read_cpu() - middle}


def _read_cpu() -> float:
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


if __name__ == "__main__":
    cyclopts.run(main)
