"""The file of an SQLite database: read-only connections to it, and whether it was replaced."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

# SQLite writes these files next to the database. They belong to this database only.
JOURNAL_SUFFIXES = ("-wal", "-journal", "-shm")
# The file alone is incomplete if one of these exists.
CONTENT_SUFFIXES = ("-wal", "-journal")


class FileIdentity(NamedTuple):
    """The identity of a file, and the URI that opens it.

    `content` is the size and the modification time of a file that is opened as immutable: SQLite
    does not notice its changes.
    """

    uri: str
    inode: tuple[int, int]
    content: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class DatabaseFile:
    """The file that was at `path` at first. A file that replaces it is never read."""

    path: Path
    identity: FileIdentity

    @classmethod
    def find(cls, path: Path) -> Self:
        """Return the file at a path; raises OSError."""
        return cls(path, identify(path))

    @property
    def is_current(self) -> bool:
        """False if the file was deleted or replaced."""
        try:
            return identify(self.path) == self.identity
        except OSError:
            return False

    @property
    def is_at_path(self) -> bool:
        """False if the file was deleted or another one is at its path; quicker than `is_current`."""
        try:
            return _inode(self.path.stat()) == self.identity.inode
        except OSError:
            return False

    @property
    def is_immutable(self) -> bool:
        """True if the file is opened as immutable."""
        return self.identity.content is not None

    def connect(self, busy_timeout: float) -> sqlite3.Connection:
        """Open a read-only connection; raises OperationalError if the file was replaced."""
        connection = sqlite3.connect(
            self.identity.uri,
            timeout=busy_timeout,
            isolation_level=None,
            check_same_thread=False,
            uri=True,
        )
        if not self.is_current:
            connection.close()
            raise sqlite3.OperationalError("the database file was replaced")
        return connection


def identify(path: Path) -> FileIdentity:
    """Return the identity of the file at a path; raises OSError."""
    status = path.stat()
    uri = f"{path.absolute().as_uri()}?mode=ro"
    if not _is_immutable(path):
        return FileIdentity(uri, _inode(status))
    content = status.st_size, status.st_mtime_ns
    return FileIdentity(f"{uri}&immutable=1", _inode(status), content)


def create_file(path: Path) -> None:
    """Create an empty file that only its owner can read, unless it exists; raises OSError.

    SQLite gives the files next to it the same mode.
    """
    with suppress(FileExistsError):
        path.resolve().touch(0o600, exist_ok=False)


def delete_stale_journals(path: Path) -> None:
    """Delete the journals of a file that was replaced while this process reads it.

    SQLite would apply them to the new file. Raises OSError.
    """
    open_inodes = set(_list_open_inodes())
    if _inode(path.stat()) in open_inodes:
        return
    for journal in _journals(path.resolve(), JOURNAL_SUFFIXES):
        with suppress(FileNotFoundError):
            if _inode(journal.stat()) in open_inodes:
                journal.unlink()


def _is_immutable(path: Path) -> bool:
    """Return whether nobody can write to the file, because its mount is read-only.

    In WAL mode, SQLite would have to create files next to it to read it in another way.
    """
    if not os.statvfs(path).f_flag & os.ST_RDONLY:
        return False
    return not any(journal.exists() for journal in _journals(path.resolve(), CONTENT_SUFFIXES))


def _journals(path: Path, suffixes: tuple[str, ...]) -> Iterator[Path]:
    return (path.with_name(f"{path.name}{suffix}") for suffix in suffixes)


def _list_open_inodes() -> Iterator[tuple[int, int]]:
    """Yield the devices and inodes of the files that this process has open."""
    descriptors = Path("/dev/fd")
    for descriptor in descriptors.iterdir() if descriptors.is_dir() else ():
        # The descriptor of the folder itself is already closed.
        with suppress(OSError):
            yield _inode(os.fstat(int(descriptor.name)))


def _inode(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino
