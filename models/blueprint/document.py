"""A parsed blueprint file: its entries, and the YAML tags by which they refer to each other."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml
from yaml.reader import ReaderError

from models.errors import BlueprintError

VERSION = 1
MODEL = re.compile(r"[a-z0-9_]+\.[a-z0-9_]+")
MAX_MERGED_KEYS = 1000


@dataclass(frozen=True, slots=True)
class KeyOf:
    """`!KeyOf id`: the primary key of the entry with this id in the same file."""

    id: str


@dataclass(frozen=True, slots=True)
class Find:
    """`!Find [model, [field, value], …]`: the primary key of the row with these values."""

    model: str
    conditions: Sequence[tuple[str, Any]]


@dataclass(frozen=True, slots=True)
class UnsupportedTag:
    """A tag that FlowQL does not evaluate: an error only if the value is needed."""

    name: str


Tag = KeyOf | Find | UnsupportedTag


@dataclass(frozen=True, slots=True)
class Entry:
    """A declared object; `line` counts from 1."""

    path: Path
    line: int
    model: str
    identifiers: Mapping[str, Any]
    attrs: Mapping[str, Any]
    id: str | None = None
    state: str = "present"
    conditions: Sequence[Any] = ()

    def build_error(self, reason: str) -> BlueprintError:
        """Return an error with the file and line of this entry."""
        return _build_error(self.path, self.line, reason)


class Loader(yaml.SafeLoader):
    """PyYAML's safe loader, with the tags of blueprints and a line in every error."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:  # noqa: FBT001, FBT002 - PyYAML's signature
        """Construct a value; raises MarkedYAMLError if Python has no such value, as for month 13."""
        try:
            return cast(Any, super()).construct_object(node, deep)
        except (ArithmeticError, AttributeError, LookupError, ValueError):
            raise _build_yaml_error(node, f"invalid {node.tag.rpartition(':')[2]} value") from None

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Merge the mappings of `<<`, with a limit: nested merges can grow exponentially."""
        size = len(node.value)
        super().flatten_mapping(node)
        if len(node.value) - size > MAX_MERGED_KEYS:
            raise _build_yaml_error(node, f"'<<' merges more than {MAX_MERGED_KEYS} keys")


def _build_yaml_error(node: yaml.Node, reason: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=reason, problem_mark=node.start_mark)


def _build_error(path: Path, line: int, reason: str) -> BlueprintError:
    # Escape quoted control characters: they would break the line or move the cursor of a terminal.
    escaped = (c if c.isprintable() else repr(c)[1:-1] for c in reason)
    return BlueprintError([f"{path}:{line}: {''.join(escaped)}"])


def _construct_key_of(loader: yaml.SafeLoader, node: yaml.Node) -> KeyOf:
    if not isinstance(node, yaml.ScalarNode):
        raise _build_yaml_error(node, "!KeyOf expects the id of an entry")
    return KeyOf(str(loader.construct_scalar(node)))


def _construct_find(loader: yaml.SafeLoader, node: yaml.Node) -> Find:
    is_list = isinstance(node, yaml.SequenceNode)
    items: list[Any] = loader.construct_sequence(node, deep=True) if is_list else []
    model, *conditions = items or [None]
    if not (_is_model(model) and conditions and all(map(_is_pair, conditions))):
        raise _build_yaml_error(node, "!Find expects [model, [field, value], …]")
    return Find(model.lower(), [(field, value) for field, value in conditions])


def _construct_unsupported_tag(
    _loader: yaml.SafeLoader, suffix: str, _node: yaml.Node
) -> UnsupportedTag:
    return UnsupportedTag(f"!{suffix}")


def _is_model(value: Any) -> bool:
    return isinstance(value, str) and MODEL.fullmatch(value.lower()) is not None


def _is_pair(value: Any) -> bool:
    if not isinstance(value, list):
        return False
    items = cast(list[Any], value)
    return len(items) == len(("field", "value")) and isinstance(items[0], str)


Loader.add_constructor("!KeyOf", _construct_key_of)
Loader.add_constructor("!Find", _construct_find)
cast(Any, Loader).add_multi_constructor("!", _construct_unsupported_tag)


def find_files(paths: Iterable[Path]) -> Sequence[Path]:
    """Return the given files, and the YAML files of the given folders in alphabetical order.

    Raises BlueprintError if a folder contains no YAML file.
    """
    return [file for path in paths for file in _expand(path)]


def _expand(path: Path) -> Sequence[Path]:
    if not path.is_dir():
        return [path]
    candidates = (file for file in path.rglob("*") if file.suffix in (".yaml", ".yml"))
    files = sorted(file for file in candidates if not file.is_dir())
    if not files:
        raise BlueprintError([f"{path}: the folder contains no .yaml or .yml file"])
    return files


def read_entries(path: Path) -> Sequence[Entry]:
    """Return the entries of a file, in order; raises BlueprintError."""
    source = _read(path)
    try:
        return list(_parse_entries(path, Loader(source)))
    except ReaderError as error:
        line = source.count("\n", 0, error.position) + 1
        reason = f"YAML does not allow this character: {error.reason}"
        raise _build_error(path, line, reason) from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        parts = [str(part) for part in (error.context, error.problem) if part]
        raise _build_error(path, line, ", ".join(parts)) from error
    except RecursionError as error:
        raise _build_error(path, 1, "the document is nested too deeply") from error


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise _build_error(path, line, "the file is not encoded in UTF-8") from error
    except OSError as error:
        raise BlueprintError([f"{path}: {error.strerror}"]) from error


def _parse_entries(path: Path, loader: Any) -> Iterator[Entry]:
    root = loader.get_single_node()
    sections = _parse_sections(root)
    version = sections.get("version", root)
    if version is root or loader.construct_object(version) != VERSION:
        raise _build_yaml_error(version, f"unsupported blueprint: expected 'version: {VERSION}'")
    nodes = sections.get("entries", root)
    if not isinstance(nodes, yaml.SequenceNode):
        raise _build_yaml_error(nodes, "'entries' must be a list")
    for node in nodes.value:
        yield _parse_entry(path, node, loader.construct_document(node))


def _parse_sections(root: yaml.Node | None) -> Mapping[str, yaml.Node]:
    if not isinstance(root, yaml.MappingNode):
        raise yaml.MarkedYAMLError(
            problem="not a blueprint: expected a mapping with 'version' and 'entries'",
            problem_mark=root.start_mark if root else None,
        )
    return {key.value: value for key, value in root.value if isinstance(key, yaml.ScalarNode)}


def _parse_entry(path: Path, node: yaml.Node, value: Any) -> Entry:
    fields = _require_mapping(node, "an entry", value)
    if not _is_model(fields.get("model")):
        raise _build_yaml_error(node, "an entry requires a 'model' such as authentik_flows.flow")
    return Entry(
        path=path,
        line=node.start_mark.line + 1,
        model=fields["model"].lower(),
        identifiers=_require_mapping(node, "'identifiers'", fields.get("identifiers") or {}),
        attrs=_require_mapping(node, "'attrs'", fields.get("attrs") or {}),
        id=_require_scalar(node, "'id'", fields.get("id")),
        state=_require_scalar(node, "'state'", fields.get("state")) or "present",
        conditions=_require_list(node, "'conditions'", fields.get("conditions")),
    )


def _require_mapping(node: yaml.Node, name: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _build_yaml_error(node, f"{name} must be a mapping")
    return cast(dict[str, Any], value)


def _require_list(node: yaml.Node, name: str, value: Any) -> Sequence[Any]:
    if not isinstance(value, list | None):
        raise _build_yaml_error(node, f"{name} must be a list")
    return cast(list[Any], value or [])


def _require_scalar(node: yaml.Node, name: str, value: Any) -> str | None:
    if not isinstance(value, str | int | float | None):
        raise _build_yaml_error(node, f"{name} must be a string")
    return None if value is None else str(value)
