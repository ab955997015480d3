"""The file with values of the context, which override those of blueprints."""

import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import yaml
from yaml.reader import ReaderError

from models.blueprint.format.entry import MAX_DEPTH, Position, locate
from models.errors import BlueprintError

MAX_BYTES = 2**20
# Including those that aliases repeat.
MAX_VALUES = 100_000
# Of values that YAML describes and Python does not have, such as the month 13.
VALUE_ERRORS = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


def read_context(path: Path) -> Mapping[str, Any]:
    """Return the mapping in a YAML file; raises BlueprintError with the place of the error."""
    content = _read(path)
    try:
        _check_size(content)
        return _check_mapping(path, yaml.load(content, _Loader))  # noqa: S506 - based on CSafeLoader
    except yaml.MarkedYAMLError as error:
        raise BlueprintError([locate(str(path), *_describe(error))]) from None
    except ReaderError as error:
        line = content.count(b"\n", 0, error.position) + 1
        raise BlueprintError([locate(str(path), (line, 1), error.reason)]) from None


class _Loader(yaml.CSafeLoader):
    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:  # noqa: FBT001, FBT002
        try:
            return cast(Any, super()).construct_object(node, deep)
        except VALUE_ERRORS:
            raise _build_error(f"invalid {node.tag.rpartition(':')[2]} value", node) from None


def _refuse_tag(_loader: yaml.CSafeLoader, suffix: str, node: yaml.Node) -> Any:
    raise _build_error(f"the tag !{suffix} is not evaluated in this file", node)


cast(Any, _Loader).add_multi_constructor("!", _refuse_tag)


def _read(path: Path) -> bytes:
    try:
        # A FIFO or a device would block, or never end.
        if not stat.S_ISREG(path.stat().st_mode):
            raise BlueprintError([f"{path}: not a regular file"])
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise BlueprintError([f"{path}: {error.strerror}"]) from None
    if len(content) > MAX_BYTES:
        raise BlueprintError([f"{path}: larger than {MAX_BYTES:,} bytes"])
    return content


def _check_size(content: bytes) -> None:
    """Raise MarkedYAMLError if the document is too deep or too large, or contains itself."""
    sizes: dict[str | None, int] = {}
    starts: list[tuple[str | None, int]] = []
    count = 0
    for event in yaml.parse(content, _Loader):
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in sizes:
                raise _build_error(f"unknown or recursive alias *{event.anchor}", event)
            count += sizes[event.anchor]
        elif isinstance(event, yaml.NodeEvent):
            starts.append((event.anchor, count))
            sizes.pop(event.anchor, None)
            count += 1
        if count > MAX_VALUES or len(starts) > MAX_DEPTH:
            limit = f"{MAX_VALUES:,} values" if count > MAX_VALUES else f"{MAX_DEPTH} levels"
            raise _build_error(f"the document has more than {limit}", event)
        if isinstance(event, yaml.ScalarEvent | yaml.CollectionEndEvent):
            anchor, start = starts.pop()
            sizes[anchor] = count - start


def _check_mapping(path: Path, context: Any) -> Mapping[str, Any]:
    if context is None:
        return {}
    if not isinstance(context, dict):
        raise BlueprintError([f"{path}: must contain a mapping"])
    items = cast(dict[Any, Any], context)
    if invalid := [key for key in items if not isinstance(key, str)]:
        raise BlueprintError([f"{path}: the key {invalid[0]!r} must be a string: quote it"])
    return items


def _build_error(problem: str, node: yaml.Node | yaml.Event) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=cast(Any, node.start_mark))


def _describe(error: yaml.MarkedYAMLError) -> tuple[Position, str]:
    mark = error.problem_mark or error.context_mark
    position = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    return position, ", ".join(part for part in (error.context, error.problem) if part)
