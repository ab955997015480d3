"""The entries of blueprint files, with the YAML tags that stand for values, and their errors."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, cast

VERSION = 1
# authentik's model of the entries that apply other files.
META_MODEL = "authentik_blueprints.metaapplyblueprint"
# The label of an export of all flows, in the metadata of its file.
SNAPSHOT_LABEL = "flowql/snapshot"
# How deep values can be nested, in files and after evaluation.
MAX_DEPTH = 100
MAX_MESSAGE_CHARACTERS = 500

# A place in a file: line and column, from 1. Tuples are pickled faster than objects with names.
Position = tuple[int, int]


class Tag(NamedTuple):
    """A YAML tag in place of a value, such as `!KeyOf flow`.

    `name` starts with `!`. `value` is the string, list or mapping after it, which can contain tags.
    It is not checked: only the evaluation of a tag judges it.
    """

    name: str
    value: Any
    position: Position = (1, 1)


def find_tag(value: Any) -> Tag | None:
    """Return the first tag that a value is or contains."""
    if isinstance(value, Tag):
        return value
    items: Iterable[Any] = ()
    if isinstance(value, dict):
        items = cast(dict[Any, Any], value).values()
    elif isinstance(value, list):
        items = cast(list[Any], value)
    return next(filter(None, map(find_tag, items)), None)


@dataclass(frozen=True, slots=True, eq=False)
class BlueprintFile:
    """A blueprint file, compared by identity.

    `path` is for messages. `folder` contains the files that `!File` can read; standard input has
    none. `name` is the name in the metadata. `context` can contain tags. A snapshot contains all
    flows of a system.
    """

    path: str
    folder: Path | None = None
    name: str | None = None
    context: Mapping[str, Any] = field(default_factory=dict[str, Any])
    is_snapshot: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """An entry of a file, as it is written: values can be or contain tags. Compared by identity.

    `positions` has the places of the fields by name: those of `identifiers` and `attrs`, and
    `model`, `state`, `conditions`, `id` and `permissions` of the entry itself as `.model` and so on.
    """

    file: BlueprintFile
    position: Position
    model: Any
    identifiers: Mapping[str, Any]
    attrs: Mapping[str, Any]
    id: Any = None
    state: Any = "present"
    conditions: Sequence[Any] = ()
    positions: Mapping[str, Position] = field(default_factory=dict[str, Position])


class InvalidValueError(Exception):
    """A value is invalid.

    The message completes a sentence that starts with the name of its field. `position` is the place
    of the tag that is invalid, if it is one.
    """

    def __init__(self, message: str, position: Position | None = None) -> None:
        super().__init__(message)
        self.position = position


def locate(path: str, position: Position, message: str) -> str:
    """Return a message of one line that starts with the place in the file."""
    line, column = position
    return escape(f"{path}:{line}:{column}: {_shorten(message)}")


def escape(text: str) -> str:
    """Escape control characters, which would break the line or move the cursor of a terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _shorten(message: str) -> str:
    """Leave out the middle of a long message: it quotes a long value, and its end says why."""
    if len(message) <= MAX_MESSAGE_CHARACTERS:
        return message
    half = MAX_MESSAGE_CHARACTERS // 2
    return f"{message[:half]}…{message[-half:]}"
