"""`flowql diff` prints the differences between two sides, and its exit code says if there are any."""

import json
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from support.blueprints import HEAD
from support.command import run_failing_in_process, run_flowql, run_in_process

EQUAL, DIFFERENT, TROUBLE = 0, 1, 2
FLOW = """
- model: authentik_flows.flow
  identifiers: {{slug: {slug}}}
  attrs: {{name: {name}, title: Title, designation: authentication, background: {background}}}
"""


@pytest.fixture
def left(tmp_path: Path) -> str:
    """A blueprint with two flows."""
    return write(tmp_path / "left.yaml", render("a", "A") + render("b", "B"))


@pytest.fixture
def right(tmp_path: Path) -> str:
    """A blueprint with the same flows, and other names."""
    return write(tmp_path / "right.yaml", render("a", "C", "/x.png") + render("b", "D | `d`"))


def render(slug: str, name: str, background: str = "''") -> str:
    """Return the entry of a flow."""
    return FLOW.format(slug=slug, name=json.dumps(name), background=background)


def write(path: Path, entries: str) -> str:
    """Write a blueprint, and return its path."""
    path.write_text(HEAD + entries, "utf-8")
    return str(path)


def run(*arguments: str) -> CompletedProcess[str]:
    """Run `flowql diff`."""
    return run_in_process("diff", *arguments)


def test_text(left: str, right: str) -> None:
    """One line for each change, and a summary on standard error."""
    process = run(left, right)
    assert process.returncode == DIFFERENT
    assert process.stdout.splitlines() == [
        '~ flow/a.background: "" -> "/x.png"',
        '~ flow/a.name: "A" -> "C"',
        '~ flow/b.name: "B" -> "D | `d`"',
    ]
    assert process.stderr == "flowql: 3 differences: 3 changed\n"


def test_equal_sides(left: str) -> None:
    """Nothing is on standard output."""
    process = run(left, left)
    assert (process.returncode, process.stdout) == (EQUAL, "")
    assert process.stderr == "flowql: no differences\n"


def test_json(left: str, right: str) -> None:
    """An array with one object for each change."""
    process = run(left, right, "--json", "--only", "a", "--ignore", "*.background")
    assert process.returncode == DIFFERENT
    assert json.loads(process.stdout) == [
        {
            "path": "flow/a.name",
            "kind": "changed",
            "before": "A",
            "after": "C",
            "object": "flow/a",
            "objectKind": "flow",
            "attribute": "name",
            "flows": ["a"],
        }
    ]


def test_json_of_equal_sides(left: str) -> None:
    """An empty array."""
    process = run(left, left, "--json")
    assert (process.returncode, json.loads(process.stdout)) == (EQUAL, [])


def test_markdown(left: str, right: str) -> None:
    """A table, in which bars and backticks of values are no markup."""
    process = run(left, right, "--markdown", "--ignore", "*.background")
    assert process.returncode == DIFFERENT
    assert process.stdout.splitlines() == [
        "### 2 differences: 2 changed",
        "",
        "| | Path | Before | After |",
        "| --- | --- | --- | --- |",
        '| changed | `flow/a.name` | `"A"` | `"C"` |',
        '| changed | `flow/b.name` | `"B"` | ``"D \\| `d`"`` |',
    ]


def test_extra_objects(left: str, tmp_path: Path) -> None:
    """They are listed, and count with --exact."""
    partial = write(tmp_path / "partial.yaml", render("a", "A"))
    process = run(partial, left)
    assert (process.returncode, process.stdout) == (EQUAL, "? flow/b\n")
    assert "1 extra object does not count" in process.stderr
    exact = run(partial, left, "--exact")
    assert exact.returncode == DIFFERENT
    assert exact.stdout.startswith("+ flow/b: ")


def test_several_slugs(left: str, right: str) -> None:
    """An option can have several values."""
    process = run(left, right, "--only", "a", "b", "--ignore", "*.name", "*.background")
    assert process.returncode == EQUAL


def test_ignored_object(left: str, right: str) -> None:
    """A pattern without an attribute matches the whole object."""
    process = run(left, right, "--ignore", "flow/a")
    assert process.stdout.splitlines() == ['~ flow/b.name: "B" -> "D | `d`"']


def test_context(left: str, tmp_path: Path) -> None:
    """The options of imports."""
    entry = render("a", "A").replace('"A"', "!Context name")
    blueprint = write(tmp_path / "context.yaml", entry)
    assert run(blueprint, left, "--context", "name=A").returncode == EQUAL
    assert run(blueprint, left, "--context", "name=B").returncode == DIFFERENT


def test_trouble(left: str, tmp_path: Path) -> None:
    """An error is one line, and nothing is compared."""
    missing = str(tmp_path / "missing.yaml")
    assert missing in run_failing_in_process("diff", left, missing)
    assert "unknown flow 'x'" in run_failing_in_process("diff", left, left, "--only", "x")
    assert "--json and --markdown" in run_failing_in_process(
        "diff", left, left, "--json", "--markdown"
    )
    assert "HOST=FILE" in run_failing_in_process("diff", left, left, "--token-file", "x")
    assert "no token for authentik.example" in run_failing_in_process(
        "diff", left, "https://user:secret@authentik.example/"
    )


def test_several_errors(left: str, tmp_path: Path) -> None:
    """Those of a blueprint are printed line by line."""
    broken = write(tmp_path / "broken.yaml", "- {model: 1}\n- 2\n")
    process = run(left, broken)
    assert process.returncode == TROUBLE
    assert process.stderr.splitlines()[-1].endswith("nothing was compared")


def test_process(left: str, right: str) -> None:
    """Output to a pipe has no colours and no wrapped lines."""
    process = run_flowql("diff", left, right)
    assert process.returncode == DIFFERENT
    assert "\x1b" not in process.stdout
    assert len(process.stdout.splitlines()) == 3


def test_invalid_sides(left: str) -> None:
    """The message does not repeat what can contain a password."""
    mistyped = run_failing_in_process("diff", left, "https:/user:hidden@authentik.example")
    assert mistyped == "invalid URL: expected https://…"
    assert "is empty" in run_failing_in_process("diff", left, "")
    assert "standard input" in run_failing_in_process("diff", "-", "-")
    assert "invalid URL" in run_failing_in_process("diff", left, "http://[::1")
    assert "--only requires a value" in run_failing_in_process("diff", left, left, "--only")


def test_snapshot(left: str, tmp_path: Path) -> None:
    """Since an export of all flows, a flow was added."""
    database = f"sqlite:///{tmp_path}/flowql.db"
    snapshot = str(tmp_path / "snapshot.yaml")
    for arguments in (
        ["migrate"],
        ["import", left],
        ["export", "--all", "-o", snapshot],
        ["import", write(tmp_path / "new.yaml", render("c", "C"))],
    ):
        process = run_in_process(*arguments, "--database", database)
        assert process.returncode == EQUAL, process
    process = run(snapshot, database)
    assert process.returncode == DIFFERENT
    assert process.stdout.startswith("+ flow/c: ")
