"""Files are read in order, in a second process if they are large, and it never stays behind."""

import os
import pickle
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from time import monotonic, sleep

import pytest

from models.blueprint.format.entry import Entry
from models.blueprint.format.files import find_files
from models.blueprint.format.reading import Batch, FileError, read
from models.errors import BlueprintError

META = "authentik_blueprints.metaapplyblueprint"
KEYS = ", ".join(f"k{number}: 1" for number in range(900))
LARGE_BATCHES = 4
LARGE_COUNT = LARGE_BATCHES * 500
LARGE = "entries:\n" + "".join(
    f"- model: authentik_flows.flow\n  id: !Format [x, {number}]\n  identifiers: {{slug: f{number}}}\n"
    f"  attrs: &a{number} {{name: {'name ' * 500}, title: {number}}}\n"
    for number in range(LARGE_COUNT)
)
# Each has to be refused within seconds, in processes with little memory.
HOSTILE = {
    "plain scalar": b"x: " + b"a" * 20_000_000,
    "comment": b"x: #" + b"a" * 6_000_000,
    "blank lines": b"x:\n" + b"\n" * 6_000_000,
    "tag": b"!" + b"a" * 6_000_000,
    "lists": b"x: " + b"[" * 100_000,
    "mappings": b"x: " + b"{" * 100_000,
    "complex keys": b"? " * 100_000,
    "lists and mappings": b"x: " + b"[{" * 100_000,
    "NULs": b"\0" * 6_000_000,
    "unknown tags": b"x:\n" + b"- !x x\n" * 100_000,
    "directives": b"".join(b"%%TAG !%d! !\n" % number for number in range(100_000)),
    "documents": b"--- {}\n" * 100_000,
    "aliases": b"x: &a [" + b"1, " * 1000 + b"]\ny:\n" + b"- *a\n" * 20_000,
    "merges": f"x: &a {{{KEYS}}}\ny:\n".encode() + b"- {<<: *a}\n" * 20_000,
    "entries": f"x: &a {{{KEYS}}}\nentries:\n".encode() + b"- {model: x, attrs: *a}\n" * 20_000,
}
RUN_READ = (
    "import sys; from pathlib import Path\n"
    "from models.blueprint.format.files import find_files; from models.blueprint.format.reading import read\n"
    "items = read(find_files([Path(path) for path in sys.argv[1:]]), bool)\n"
)


def read_all(*paths: Path) -> tuple[Sequence[Batch], Sequence[FileError]]:
    """Return the batches and errors of paths."""
    items = list(read(find_files(paths), bool))
    batches = [item for item in items if isinstance(item, Batch)]
    return batches, [item for item in items if isinstance(item, FileError)]


def read_entries(*paths: Path) -> Sequence[Entry]:
    """Return the entries of paths without errors."""
    batches, errors = read_all(*paths)
    assert not errors
    return [entry for batch in batches for entry in batch.decode()]


def read_names(folder: Path) -> Sequence[str]:
    """Return the names of the files of a folder in the order in which they are read."""
    return [Path(batch.file.path).name for batch in read_all(folder)[0]]


def list_fields(entries: Sequence[Entry]) -> Sequence[tuple[object, ...]]:
    """Return the fields of entries, which are compared by identity, without their file."""
    names = [field.name for field in fields(Entry) if field.name != "file"]
    return [tuple(getattr(entry, name) for name in names) for entry in entries]


def list_children(pid: int | str = "self") -> set[int]:
    """Return the child processes of a process."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return {int(child) for task in tasks for child in (task / "children").read_text().split()}


def is_running(pid: int) -> bool:
    """Return whether a process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.fixture
def large_file(tmp_path: Path) -> Path:
    """A file of more than a megabyte."""
    path = tmp_path / "large.yaml"
    path.write_text(LARGE)
    return path


@pytest.fixture
def started_read(large_file: Path) -> Iterator[tuple[Iterator[Batch | FileError], int]]:
    """An iterator of which one item is read, and its process."""
    before = list_children()
    items = read(find_files([large_file]), bool)
    next(items)
    (pid,) = list_children() - before
    yield items, pid
    items.close()  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]


def test_second_process_gives_the_same_entries(large_file: Path, tmp_path: Path) -> None:
    """Parts of the file that are parsed in this process have equal entries."""
    lines = LARGE.splitlines(keepends=True)[1:]
    half = len(lines) // 2
    parts: list[Entry] = []
    for number in (0, 1):
        part = tmp_path / f"{number}.yml"
        part.write_text("entries:\n" + "".join(lines[half * number :][:half]))
        parts += read_entries(part)
    entries = read_entries(large_file)
    assert [entry.attrs for entry in entries] == [entry.attrs for entry in parts]
    assert list_fields(entries[: half // 4]) == list_fields(parts[: half // 4])


def test_batches_of_a_file_are_small(large_file: Path) -> None:
    """Their entries share one file; the last one is marked."""
    batches, _ = read_all(large_file)
    assert [batch.is_last for batch in batches] == [*[False] * (LARGE_BATCHES - 1), True]
    assert Counter(len(batch.decode()) for batch in batches) == {500: LARGE_BATCHES}
    assert {batch.decode()[0].file for batch in batches} == {batches[0].file}


def test_file_without_entries_has_a_batch(tmp_path: Path) -> None:
    """It has the name and the context."""
    (tmp_path / "a.yaml").write_text("metadata: {name: A}\ncontext: {x: 1}\n")
    (batch,), _ = read_all(tmp_path)
    assert (batch.is_last, batch.decode()) == (True, [])
    file = batch.file
    assert (file.path, file.folder) == (f"{tmp_path}/a.yaml", tmp_path)
    assert (file.name, file.context) == ("A", {"x": 1})


@pytest.mark.parametrize("is_large", [False, True])
def test_files_with_errors_have_no_batches(tmp_path: Path, *, is_large: bool) -> None:
    """All errors of all files are reported, and the other files are read."""
    large = LARGE if is_large else "entries: [{model: a}]\n"
    (tmp_path / "a.yaml").write_text(f"{large}- model: a.b\n  x: !x 1\n- y\n")
    (tmp_path / "b.yaml").write_text(large)
    (tmp_path / "c.yaml").symlink_to("nothing")
    os.mkfifo(tmp_path / "d.yaml")
    (tmp_path / "e.yaml").write_text("")
    batches, errors = read_all(tmp_path)
    assert {batch.file.path for batch in batches} == {f"{tmp_path}/b.yaml"}
    assert [Path(error.path).stem for error in errors] == ["a", "c", "d", "e"]
    assert [len(error.messages) for error in errors] == [2 if is_large else 1, 1, 1, 1]


def test_file_that_disappears_is_an_error(tmp_path: Path) -> None:
    """It was found before."""
    path = tmp_path / "a.yaml"
    path.write_text("{}")
    files = find_files([path])
    path.unlink()
    error = FileError(str(path), [f"{path}: No such file or directory"])
    assert list(read(files, bool)) == [error]


def test_progress_counts_all_bytes(large_file: Path) -> None:
    """The number only grows."""
    (large_file.parent / "small.yaml").write_text("{}")
    sizes: list[int] = []
    assert len(list(read(find_files([large_file.parent]), sizes.append))) == LARGE_BATCHES + 1
    assert sizes == sorted(sizes)
    assert sizes[-1] == large_file.stat().st_size + 2


@pytest.mark.parametrize("kind", ["name", "path"])
def test_file_comes_after_those_that_it_applies(tmp_path: Path, kind: str) -> None:
    """Others keep their order. The references are the name in the metadata, or the path."""
    applied = {"a": ["d", "missing"], "b": [], "c": ["a", "c"], "d": ["f"], "e": [], "f": []}
    for name, names in applied.items():
        entries = [
            {
                "model": META.upper(),
                "attrs": {
                    "identifiers": {kind: f"sub/{other}.yaml" if kind == "path" else other},
                    "required": False,
                },
            }
            for other in names
        ]
        (tmp_path / "sub").mkdir(exist_ok=True)
        source = {"metadata": {"name": name}, "entries": entries}
        (tmp_path / f"sub/{name}.yaml").write_text(str(source))
    assert read_names(tmp_path) == [f"{name}.yaml" for name in "fdabce"]


def test_files_that_apply_each_other_are_all_read(tmp_path: Path) -> None:
    """Files that apply one of them come afterwards."""
    for name, other in (("a", "b"), ("b", "c"), ("c", "b")):
        entry = f"{{model: {META}, attrs: {{identifiers: {{name: {other}}}}}}}"
        (tmp_path / f"{name}.yaml").write_text(f"metadata: {{name: {name}}}\nentries: [{entry}]")
    assert read_names(tmp_path) == ["c.yaml", "b.yaml", "a.yaml"]


def test_apply_entries_without_a_name_are_accepted(tmp_path: Path) -> None:
    """Tags and wrong types are not evaluated here."""
    attrs = ("x: 1", "identifiers: x", "identifiers: {name: !Env X}", "identifiers: {name: [x]}")
    entries = ", ".join(f"{{model: {META}, attrs: {{{text}}}}}" for text in attrs)
    (tmp_path / "a.yaml").write_text(f"entries: [{entries}]")
    assert len(read_entries(tmp_path)) == 4


@pytest.mark.parametrize("is_large", [False, True])
def test_standard_input_is_read(*, is_large: bool) -> None:
    """In either process; messages call it <stdin>."""
    script = f"{RUN_READ}print(*(f'{{b.file.path}} {{len(b.decode())}}' for b in items), sep='\\n')"
    source = LARGE if is_large else "entries: [{model: a}]"
    command = [sys.executable, "-c", script, "-"]
    output = subprocess.run(command, input=source.encode(), check=True, capture_output=True).stdout
    assert output.decode() == ("<stdin> 500\n" * LARGE_BATCHES if is_large else "<stdin> 1\n")


def test_second_process_ends_with_the_iterator(
    started_read: tuple[Iterator[Batch | FileError], int],
) -> None:
    """Closing it kills the process and waits for its end."""
    items, pid = started_read
    items.close()  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    assert not Path(f"/proc/{pid}").exists()


def test_second_process_that_is_killed_is_an_error(
    started_read: tuple[Iterator[Batch | FileError], int],
) -> None:
    """Such as by the kernel when memory is scarce."""
    items, pid = started_read
    os.kill(pid, signal.SIGKILL)
    message = "the process that parses the files ended early, with signal SIGKILL"
    with pytest.raises(BlueprintError, match=message):
        list(items)


def test_second_process_ignores_ctrl_c(
    started_read: tuple[Iterator[Batch | FileError], int],
) -> None:
    """A terminal sends SIGINT to both; this process ends the other."""
    items, pid = started_read
    os.kill(pid, signal.SIGINT)
    assert len(list(items)) == LARGE_BATCHES - 1


def test_paths_are_not_in_the_list_of_processes(
    started_read: tuple[Iterator[Batch | FileError], int],
) -> None:
    """Other users can read it."""
    _, pid = started_read
    assert "yaml" not in Path(f"/proc/{pid}/cmdline").read_text()


def test_second_process_ends_after_the_death_of_the_first(large_file: Path) -> None:
    """Even if that is killed."""
    script = f"{RUN_READ}next(items); print('started', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", script, str(large_file)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "started\n"
        (child,) = list_children(process.pid)
        process.kill()
    deadline = monotonic() + 30
    while is_running(child) and monotonic() < deadline:
        sleep(0.01)
    assert not is_running(child)


def test_pickled_entries_are_compact(large_file: Path) -> None:
    """They take about as much memory as the file, and share their strings."""
    batches, _ = read_all(large_file)
    assert sum(len(batch.data) for batch in batches) < large_file.stat().st_size * 1.5
    assert isinstance(pickle.loads(batches[0].data), list)  # noqa: S301 - our own


def test_hostile_files_are_refused_with_little_memory(tmp_path: Path) -> None:
    """Processes with 256 MiB refuse them all, in seconds of processor time."""
    for name, source in HOSTILE.items():
        (tmp_path / f"{name}.yaml").write_bytes(source)
    script = (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (1 << 28, 1 << 28))\n"
        "resource.setrlimit(resource.RLIMIT_CPU, (30, 30))\n"
        f"{RUN_READ}print(*(Path(item.path).stem for item in items), sep='\\n')"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert sorted(output.splitlines()) == sorted(HOSTILE)
