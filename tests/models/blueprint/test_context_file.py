"""A context file is a YAML mapping of limited size; an error names the place."""

import os
from datetime import date
from pathlib import Path

import pytest

from models.blueprint.context_file import read_context
from models.errors import BlueprintError


def build_bomb(join: str) -> str:
    """Return a document of a few lines whose aliases stand for many millions of values."""
    aliases = (join.format(",".join([f"*a{level}"] * 10)) for level in range(9))
    lines = [f"b{level}: &a{level + 1} {value}" for level, value in enumerate(aliases)]
    return "\n".join(["a: &a0 {x: 1, y: 2}", *lines])


def test_values_have_any_type(tmp_path: Path) -> None:
    """Values are those of YAML 1.1, with aliases and merge keys."""
    (tmp_path / "context.yaml").write_text(
        "name: &n ACME\nhosts: [*n, b]\nlimits: &l {max: 10}\nmore: {<<: *l, min: 0.5}\n"
        "is_open: yes\nsince: 2024-01-02\nnothing:\n"
    )
    assert read_context(tmp_path / "context.yaml") == {
        "name": "ACME",
        "hosts": ["ACME", "b"],
        "limits": {"max": 10},
        "more": {"max": 10, "min": 0.5},
        "is_open": True,
        "since": date(2024, 1, 2),
        "nothing": None,
    }


def test_an_empty_file_is_an_empty_context(tmp_path: Path) -> None:
    """A file of comments has no values."""
    (tmp_path / "context.yaml").write_text("# nothing\n")
    assert read_context(tmp_path / "context.yaml") == {}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("- a", ":1:1: expected a mapping"),
        ("1: a", ":1:1: a key must be a string: quote it"),
        ("a: [", ":2:1: while parsing a flow node, did not find expected node content"),
        ("a: b: c", ":1:5: mapping values are not allowed in this context"),
        ("a: 1\nb: 2024-13-01", ":2:4: invalid timestamp value"),
        ("a: !!int b", ":1:4: invalid int value"),
        ("a:\n  b: !Env X", ":2:6: the tag !Env is not evaluated in this file"),
        ("a: !!python/name:os.system x", ":1:4: unknown tag '!!python/name:os.system'"),
        ("a: 1\n---\nb: 2", ":2:1: expected a single document: the file contains another one"),
        (
            "a: 1\nb: \x01",
            ":2:4: YAML does not allow this character: control characters are not allowed",
        ),
        ("a: *b", ":1:4: found undefined alias 'b'"),
        ("a: &b [*b]", ":1:8: found recursive alias 'b'"),
        ("a: &b 1\nc: &b [*b]", ":2:4: found duplicate anchor 'b'"),
        (build_bomb("[{}]"), ": aliases repeat more than 100000 values"),
        (build_bomb("{{<<: [{}]}}"), ": aliases repeat more than 100000 values"),
        (f"a: {'[' * 200_000}", ":1:103: the document is nested too deeply: more than 100 levels"),
        ("a: '" + "b" * (2**20 + 1) + "'", ": a scalar or a comment is longer than 1 MiB"),
    ],
)
def test_an_invalid_file_is_an_error(content: str, reason: str, tmp_path: Path) -> None:
    """The error is one line that starts with the path and, if there is one, the place."""
    file = tmp_path / "context.yaml"
    file.write_text(content)
    with pytest.raises(BlueprintError) as error:
        read_context(file)
    assert str(error.value).startswith(f"{file}:")
    assert reason in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_only_regular_files_are_opened(tmp_path: Path) -> None:
    """A FIFO would block, and a device would not end."""
    os.mkfifo(tmp_path / "fifo")
    for path, kind in (
        (tmp_path, "folder"),
        (tmp_path / "fifo", "FIFO"),
        (Path("/dev/zero"), "device"),
    ):
        with pytest.raises(
            BlueprintError, match=f"^{path}: a {kind} cannot be read; expected a file$"
        ):
            read_context(path)
    with pytest.raises(BlueprintError, match=r"nowhere\.yaml: No such file or directory$"):
        read_context(tmp_path / "nowhere.yaml")
