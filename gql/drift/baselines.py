"""Baselines: blueprints in files, which are read again when they change, and systems at URLs."""

import asyncio
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Hashable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from models.database.address import parse_address
from models.diff import sources
from models.diff.options import SCHEME, SideOptions, is_live_system
from models.diff.sides import Side
from models.errors import DatabaseError, OperatorError, UnavailableError
from models.sync.rounds import vary
from models.sync.source import ApiSource

OpenSide = Callable[[], Awaitable[Side]]
# The path, the device, the inode, the size and the modification time of each file.
FileStates = tuple[tuple[str, int, int, int, int], ...]


class Baseline(Protocol):
    """What the served data is compared with."""

    async def read_version(self) -> Hashable:
        """Return a value that differs after each change of the baseline."""
        ...

    async def read(self) -> Side:
        """Return the content. Raises OperatorError if it cannot be read."""
        ...


@dataclass(slots=True)
class FileBaseline:
    """A file or a folder of blueprints. It is read again after a change of one of its files."""

    path: Path
    open_side: OpenSide
    _states: FileStates | None = None
    _side: Side | None = None
    _error: OperatorError | None = None

    async def read_version(self) -> Hashable:
        """Return the states of the files."""
        return await asyncio.to_thread(find_states, self.path)

    async def read(self) -> Side:
        """Return the content, from memory if no file has changed. Raises OperatorError."""
        states = await asyncio.to_thread(find_states, self.path)
        if states != self._states:
            await self._read_files(states)
        if self._side is None:
            raise self._error or OperatorError(f"cannot read {self.path}")
        return self._side

    async def _read_files(self, states: FileStates) -> None:
        try:
            self._side, self._error = await self.open_side(), None
        except OperatorError as error:
            self._side, self._error = None, error
        self._states = states


@dataclass(slots=True)
class RemoteBaseline:
    """A system at a URL. It is read again from time to time."""

    open_side: OpenSide
    _side: Side | None = None
    _error: OperatorError | None = None
    _round: int = 0

    async def read_version(self) -> Hashable:
        """Return the number of times that the system was read."""
        return self._round

    async def read(self) -> Side:
        """Return the content of the last round; raises its error if it failed, an OperatorError."""
        if self._side is None:
            raise self._error or OperatorError("the baseline is not read yet")
        return self._side

    @asynccontextmanager
    async def keep_current(self, seconds: float) -> AsyncGenerator[None]:
        """Read the system, and read it again and again while the context is open."""
        self._side = await self.open_side()
        task = asyncio.create_task(self._repeat(seconds))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def _repeat(self, seconds: float) -> None:
        while True:
            await asyncio.sleep(vary(seconds))
            await self._read_again()

    async def _read_again(self) -> None:
        try:
            self._side, self._error = await self.open_side(), None
        except OperatorError as error:
            self._side, self._error = None, error
        except UnavailableError as error:
            self._side, self._error = None, DatabaseError(f"the baseline cannot be read: {error}")
        self._round += 1


def find_states(path: Path) -> FileStates:
    """Return the states of a file, or of all files in a folder: tags can include any of them."""
    return tuple(sorted(_list_states(path)))


def _list_states(path: Path) -> Iterator[tuple[str, int, int, int, int]]:
    for file in _list_files(path):
        # A file that is deleted meanwhile is not in the folder.
        with suppress(OSError):
            status = file.stat()
            times = status.st_size, status.st_mtime_ns
            yield str(file), status.st_dev, status.st_ino, *times


def _list_files(path: Path) -> Iterator[Path]:
    yield path
    for folder, _, names in os.walk(path, followlinks=True) if path.is_dir() else ():
        yield from (Path(folder, name) for name in names)


def is_url(argument: str) -> bool:
    """Return whether a baseline is at a URL, and not in files."""
    return SCHEME.match(argument) is not None


def name_baseline(argument: str) -> str:
    """Return the name of a baseline for viewers: without user information and parameters."""
    if not is_url(argument):
        return argument
    if is_live_system(argument):
        return ApiSource(argument, "").display_url
    return parse_address(argument).url


def build_baseline(argument: str, options: SideOptions) -> Baseline:
    """Return the baseline at a path or a URL, not read yet."""
    open_side = partial(sources.open_side, argument, options)
    return (
        RemoteBaseline(open_side) if is_url(argument) else FileBaseline(Path(argument), open_side)
    )
