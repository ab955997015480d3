"""The files of an import: which ones the given paths contain, and how they are opened."""

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from models.blueprint.format.source import FILE_TOO_LARGE, MAX_FILE_BYTES

STANDARD_INPUT = Path("-")
SUFFIXES = (".yml", ".yaml")
FILE_TYPES = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
# The device and the inode of a file.
FileId = tuple[int, int]


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file to import, or a path that cannot be read, with the message in `error`.

    `label` is for messages. `folder` contains the files that `!File` can read. `size` is in bytes.
    Standard input has no `path`, but `content`, because a file can be read several times.
    """

    path: Path | None
    label: str
    folder: Path | None = None
    size: int = 0
    error: str | None = None
    content: bytes = b""

    def open(self) -> BinaryIO:
        """Open the file; raises OSError."""
        if self.path is None:
            return BytesIO(self.content)
        # A path that has become a FIFO since it was found must not block.
        descriptor = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        return os.fdopen(descriptor, "rb", buffering=0)


def find_files(paths: Sequence[Path]) -> Sequence[InputFile]:
    """Return the given files, and the YAML files of the given folders, each file once.

    `-` is standard input, which is read at once. Files of folders are in alphabetical order. Hidden
    files and folders are left out, unless they are given.
    """
    search = _Search()
    return [file for path in paths for file in search.find(path)]


def check_file(path: Path) -> InputFile:
    """Return a file, with an error if it cannot be read as a whole."""
    try:
        return _build_file(path, path.parent, path.stat(), "a file")
    except OSError as error:
        return _build_error(path, str(error.strerror))


@dataclass(frozen=True, slots=True)
class _Search:
    """A search that finds each file once."""

    found: set[FileId] = field(default_factory=set[FileId])

    def find(self, path: Path) -> Iterator[InputFile]:
        """Yield a given file, or the files of a given folder."""
        try:
            status = os.fstat(0) if path == STANDARD_INPUT else path.stat()
        except OSError as error:
            yield _build_error(path, str(error.strerror))
            return
        if path == STANDARD_INPUT:
            yield from self._add(status, _read_standard_input())
        elif stat.S_ISDIR(status.st_mode):
            yield from self._find_in(path)
        else:
            yield from self._check(path, path.parent, status)

    def _find_in(self, root: Path) -> Iterator[InputFile]:
        is_empty = True
        for path in _walk(root):
            is_empty = False
            yield from self._find_member(path, root)
        if is_empty:
            yield _build_error(root, "the folder contains no .yaml or .yml file")

    def _find_member(self, path: Path | InputFile, root: Path) -> Iterator[InputFile]:
        if isinstance(path, InputFile):
            yield path
            return
        try:
            yield from self._check(path, root, path.stat())
        except OSError as error:
            yield _build_error(path, str(error.strerror))

    def _check(self, path: Path, folder: Path, status: os.stat_result) -> Iterator[InputFile]:
        file = _build_file(path, folder, status, "a file, or - for standard input")
        return self._add(status, file)

    def _add(self, status: os.stat_result, file: InputFile) -> Iterator[InputFile]:
        file_id = _identify(status)
        if file_id not in self.found:
            self.found.add(file_id)
            yield file


def _walk(root: Path) -> Iterator[Path | InputFile]:
    """Yield the YAML files in a folder, in order, and an error for each unreadable folder."""
    visited: set[FileId] = set()
    paths = [root]
    while paths:
        path = paths.pop()
        try:
            if path.is_dir():
                paths.extend(reversed(_list_children(path, visited)))
            else:
                yield path
        except OSError as error:
            yield _build_error(path, str(error.strerror))


def _list_children(folder: Path, visited: set[FileId]) -> Sequence[Path]:
    """Return the folders and YAML files in a folder that is not visited yet."""
    folder_id = _identify(folder.stat())
    if folder_id in visited:
        return []
    visited.add(folder_id)
    paths = [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")]
    return [path for path in paths if path.suffix.lower() in SUFFIXES or path.is_dir()]


def _identify(status: os.stat_result) -> FileId:
    return status.st_dev, status.st_ino


def _find_problem(status: os.stat_result, expectation: str) -> str | None:
    if not stat.S_ISREG(status.st_mode):
        file_type = FILE_TYPES.get(stat.S_IFMT(status.st_mode), "a special file")
        return f"{file_type} cannot be read; expected {expectation}"
    return FILE_TOO_LARGE if status.st_size > MAX_FILE_BYTES else None


def _build_file(path: Path, folder: Path, status: os.stat_result, expectation: str) -> InputFile:
    problem = _find_problem(status, expectation)
    file = InputFile(path, str(path), folder, status.st_size)
    return _build_error(path, problem) if problem else file


def _build_error(path: Path, message: str) -> InputFile:
    return InputFile(path, str(path), error=f"{path}: {message}")


def _read_standard_input() -> InputFile:
    label = "<stdin>"
    try:
        with open(0, "rb", closefd=False) as stream:
            content = stream.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        return InputFile(None, label, error=f"{label}: {error.strerror}")
    if len(content) > MAX_FILE_BYTES:
        return InputFile(None, label, error=f"{label}: {FILE_TOO_LARGE}")
    return InputFile(None, label, size=len(content), content=content)
