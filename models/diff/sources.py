"""The sources of sides: blueprints, snapshots, databases and live systems."""

import asyncio
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from models.blueprint.format.files import InputFile, find_files
from models.blueprint.format.reading import Batch, FileError, read
from models.diff.options import SCHEME, SideOptions, is_live_system
from models.diff.sides import EMPTY, BlueprintSide, Side, SystemSide, build_content
from models.errors import BlueprintError, DiffError

# The rest of such a URL can have a password.
MISTYPED_URL = re.compile(r"(?:https?|postgres(?:ql)?|sqlite):(?!//)", re.IGNORECASE)
SQLITE_HEADER = b"SQLite format 3\0"


async def open_side(argument: str, options: SideOptions, *, is_alone: bool = False) -> Side:
    """Return the content of a source: a path, or the URL of a database or of a live system.

    With `is_alone`, blueprints are planned while they are read, for a comparison with others. Raises BlueprintError, DatabaseError, DiffError or SyncError.
    """
    _check_argument(argument)
    if not SCHEME.match(argument):
        paths = [Path(argument)]
        return await asyncio.to_thread(read_blueprints, paths, options.context, is_alone=is_alone)
    # Databases and HTTP take half a second to import.
    from models.diff import systems  # noqa: PLC0415

    if is_live_system(argument):
        return await systems.read_live_system(argument, options)
    return await systems.open_database_side(argument, options)


def _check_argument(argument: str) -> None:
    """Raise DiffError for an empty argument, and for a URL with one slash, which is no path."""
    if not argument:
        raise DiffError("a side is empty: name a file, a folder or a URL")
    if MISTYPED_URL.match(argument):
        scheme = argument.partition(":")[0]
        raise DiffError(f"invalid URL: expected {scheme}://…")


def read_blueprints(
    paths: Sequence[Path], context: Mapping[str, Any], *, is_alone: bool = False
) -> Side:
    """Return blueprints, or the content of a snapshot; raises BlueprintError."""
    _reject_database(paths)
    files = find_files(paths)
    batches = _check(read(files, _ignore))
    label = ", ".join(map(str, paths))
    if is_alone:
        kept: list[Batch] = []
        plan = BlueprintSide(label, _keep(batches, kept), context).plan(EMPTY)
        side = BlueprintSide(label, kept, context, plan)
    else:
        side = BlueprintSide(label, list(batches), context)
    if not _is_snapshot(files, side.batches):
        return side
    return SystemSide(label, build_content(side.plan_alone()), is_snapshot=True)


def _keep(batches: Iterable[Batch], kept: list[Batch]) -> Iterator[Batch]:
    for batch in batches:
        kept.append(batch)
        yield batch


def _reject_database(paths: Sequence[Path]) -> None:
    for path in paths:
        with suppress(OSError), path.open("rb") as file:
            if file.read(len(SQLITE_HEADER)) == SQLITE_HEADER:
                raise DiffError(f"{path} is an SQLite database: use sqlite:///{path}")


def _check(items: Iterable[Batch | FileError]) -> Iterator[Batch]:
    """Yield the batches of files; raises BlueprintError at the end if some are not readable."""
    errors: list[str] = []
    for item in items:
        if isinstance(item, FileError):
            errors += item.messages
        else:
            yield item
    if errors:
        raise BlueprintError(errors)


def _is_snapshot(files: Sequence[InputFile], batches: Iterable[Batch]) -> bool:
    return len(files) == 1 and all(batch.file.is_snapshot for batch in batches)


def _ignore(_done: int) -> None:
    pass
