"""The files of an import are found in order, once, and without opening what is not a file."""

import os
import socket
import stat
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from models.blueprint.format.files import find_files
from models.blueprint.format.source import MAX_FILE_BYTES


def create_files(folder: Path, *names: str) -> None:
    """Create files, and the folders that contain them."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)


def find_names(folder: Path, *paths: Path) -> Sequence[str]:
    """Return the names of the files, relative to a folder; none has an error."""
    files = find_files(paths or [folder])
    assert [file.error for file in files] == [None] * len(files)
    return [file.label.removeprefix(f"{folder}/") for file in files]


def find_errors(*paths: Path) -> Sequence[str | None]:
    """Return the errors of the files."""
    return [file.error for file in find_files(paths)]


def test_folder_contains_its_yaml_files_in_order(tmp_path: Path) -> None:
    """At any depth, in alphabetical order, with the suffix in any case."""
    names = ["a.yaml", "b/c.YML", "b/d/e.yml", "f.Yaml"]
    create_files(tmp_path, *names, "g.json", "yaml", "h.yaml.txt")
    assert find_names(tmp_path) == names


def test_hidden_files_and_folders_are_left_out(tmp_path: Path) -> None:
    """Those that are given are read."""
    create_files(tmp_path, ".a.yaml", ".b/c.yaml", ".git/d/e.yaml", "f.yaml")
    assert find_names(tmp_path) == ["f.yaml"]
    assert find_names(tmp_path, tmp_path / ".a.yaml") == [".a.yaml"]
    assert find_names(tmp_path, tmp_path / ".b") == [".b/c.yaml"]


def test_given_file_can_have_any_suffix(tmp_path: Path) -> None:
    """The order of the paths is kept."""
    create_files(tmp_path, "b.json", "a.yaml")
    paths = [tmp_path / "b.json", tmp_path / "a.yaml"]
    assert find_names(tmp_path, *paths) == ["b.json", "a.yaml"]


def test_file_has_its_folder_and_size(tmp_path: Path) -> None:
    """The folder is the given one, or that of the given file."""
    create_files(tmp_path, "a/b.yaml")
    (by_folder,) = find_files([tmp_path])
    (by_file,) = find_files([tmp_path / "a/b.yaml"])
    assert (by_folder.folder, by_folder.size) == (tmp_path, 8)
    assert by_file.folder == tmp_path / "a"


def test_file_is_found_once(tmp_path: Path) -> None:
    """By any of its names, and in any of the given folders."""
    create_files(tmp_path, "a/b.yaml", "c/d.yaml")
    (tmp_path / "c/e.yaml").symlink_to(tmp_path / "a/b.yaml")
    os.link(tmp_path / "c/d.yaml", tmp_path / "c/f.yaml")
    paths = [tmp_path / "c", tmp_path, tmp_path / "a/b.yaml", tmp_path / "a"]
    assert find_names(tmp_path, *paths) == ["c/d.yaml", "c/e.yaml"]


def test_files_of_a_config_map_are_found(tmp_path: Path) -> None:
    """Kubernetes mounts symlinks to files in a hidden folder."""
    create_files(tmp_path, "..2026_11_26/a.yaml")
    (tmp_path / "..data").symlink_to("..2026_11_26")
    (tmp_path / "a.yaml").symlink_to("..data/a.yaml")
    assert find_names(tmp_path) == ["a.yaml"]


def test_circles_of_symlinks_end(tmp_path: Path) -> None:
    """Symlinked folders are read, each once."""
    create_files(tmp_path / "a", "b/c.yaml")
    create_files(tmp_path / "outside", "d.yaml")
    (tmp_path / "a/b/up").symlink_to(tmp_path / "a")
    (tmp_path / "a/other").symlink_to(tmp_path / "outside")
    assert find_names(tmp_path, tmp_path / "a") == ["a/b/c.yaml", "a/other/d.yaml"]


def test_many_paths_to_a_folder_are_one(tmp_path: Path) -> None:
    """Symlinks do not multiply the paths."""
    for level in range(40):
        (tmp_path / str(level)).mkdir()
        for name in ("a", "b"):
            (tmp_path / str(level) / name).symlink_to(tmp_path / str(level + 1))
    create_files(tmp_path, "40/x.yaml")
    assert len(find_files([tmp_path / "0"])) == 1


def test_missing_file_is_an_error(tmp_path: Path) -> None:
    """So are a symlink to nothing, and one to itself."""
    create_files(tmp_path, "b.yaml")
    (tmp_path / "a.yaml").symlink_to("nothing")
    (tmp_path / "c.yaml").symlink_to("c.yaml")
    assert find_errors(tmp_path / "x.yaml") == [f"{tmp_path}/x.yaml: No such file or directory"]
    assert find_errors(tmp_path) == [
        f"{tmp_path}/a.yaml: No such file or directory",
        None,
        f"{tmp_path}/c.yaml: Too many levels of symbolic links",
    ]


def test_folder_without_yaml_is_an_error(tmp_path: Path) -> None:
    """A folder whose files were all found before is none."""
    create_files(tmp_path, "a/b.json", "c/d.yaml")
    message = f"{tmp_path}/a: the folder contains no .yaml or .yml file"
    assert find_errors(tmp_path / "a", tmp_path, tmp_path / "c") == [message, None]


def test_special_files_are_refused_at_once(tmp_path: Path) -> None:
    """A FIFO, a socket and a device are errors, given or found in a folder."""
    os.mkfifo(tmp_path / "a.yaml")
    (tmp_path / "b.yaml").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as unix_socket:
        unix_socket.bind(str(tmp_path / "c.yaml"))
        reason = "cannot be read; expected a file, or - for standard input"
        errors = [
            f"{tmp_path}/a.yaml: a FIFO {reason}",
            f"{tmp_path}/b.yaml: a device {reason}",
            f"{tmp_path}/c.yaml: a socket {reason}",
        ]
        assert find_errors(tmp_path) == errors
        assert find_errors(*(tmp_path / f"{name}.yaml" for name in "abc")) == errors


def test_huge_file_is_refused(tmp_path: Path) -> None:
    """Its size is enough to know."""
    path = tmp_path / "a.yaml"
    path.touch()
    os.truncate(path, MAX_FILE_BYTES + 1)
    assert find_errors(path) == [f"{path}: the file is larger than 256 MiB"]


def test_path_that_no_file_can_have_is_an_error() -> None:
    """A name that is too long, and a file as folder."""
    assert find_errors(Path("x" * 300)) == [f"{'x' * 300}: File name too long"]
    assert find_errors(Path(__file__) / "x.yaml") == [f"{__file__}/x.yaml: Not a directory"]


@pytest.mark.parametrize("arguments", [["-"], ["-", "-"]])
def test_standard_input_is_read_once(arguments: Sequence[str]) -> None:
    """It has no folder, and its content can be read several times."""
    script = (
        "import sys; from pathlib import Path; from models.blueprint.format.files import find_files\n"
        "for file in find_files([Path(path) for path in sys.argv[1:]]):"
        " print(file.label, file.folder, file.size, file.open().read(), file.open().read())"
    )
    command = [sys.executable, "-c", script, *arguments]
    output = subprocess.run(command, input=b"text", check=True, capture_output=True).stdout
    assert output == b"<stdin> None 4 b'text' b'text'\n"


def test_file_that_becomes_a_fifo_does_not_block(tmp_path: Path) -> None:
    """Opening it returns at once."""
    create_files(tmp_path, "a.yaml")
    (file,) = find_files([tmp_path])
    (tmp_path / "a.yaml").unlink()
    os.mkfifo(tmp_path / "a.yaml")
    with file.open() as stream:
        assert stat.S_ISFIFO(os.fstat(stream.fileno()).st_mode)
        assert not stream.read(1)
