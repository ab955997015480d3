"""A blueprint file as it is written: entries, with tags where they refer to each other."""

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
    """`!KeyOf id`: the primary key of the entry of this id in the same file."""

    id: str


@dataclass(frozen=True, slots=True)
class Find:
    """`!Find [model, [field, value], …]`: the primary key of the row with these values."""

    model: str
    conditions: Sequence[tuple[str, Any]]


@dataclass(frozen=True, slots=True)
class OtherTag:
    """A tag that FlowQL does not evaluate; harmless where its value is not needed."""

    name: str


Tag = KeyOf | Find | OtherTag


@dataclass(frozen=True, slots=True)
class Entry:
    """One declared object; `line` counts from 1."""

    path: Path
    line: int
    model: str
    identifiers: Mapping[str, Any]
    attrs: Mapping[str, Any]
    id: str | None = None
    state: str = "present"
    conditions: Sequence[Any] = ()

    def error(self, reason: str) -> BlueprintError:
        """The error that tells where this entry is, and why it cannot be imported."""
        return _error(self.path, self.line, reason)


class Loader(yaml.SafeLoader):
    """PyYAML's safe loader, with blueprints' tags and a line for every error."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:  # noqa: FBT001, FBT002 - PyYAML's own signature
        """Make a value; what Python cannot hold, as the 13th month, is an error of its line."""
        try:
            return cast(Any, super()).construct_object(node, deep)
        except (ArithmeticError, AttributeError, LookupError, ValueError):
            raise _problem(node, f"not a value of {node.tag.rpartition(':')[2]}") from None

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Merge what `<<` names, which could double without end where merges are merged."""
        own = len(node.value)
        super().flatten_mapping(node)
        if len(node.value) - own > MAX_MERGED_KEYS:
            raise _problem(node, f"merges more than {MAX_MERGED_KEYS} keys")


def _problem(node: yaml.Node, text: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=text, problem_mark=node.start_mark)


def _error(path: Path, line: int, reason: str) -> BlueprintError:
    """The error of a place; what a file says stays on one line, and moves no cursor."""
    shown = (c if c.isprintable() else repr(c)[1:-1] for c in reason)
    return BlueprintError(f"{path}:{line}: {''.join(shown)}")


def _key_of(loader: yaml.SafeLoader, node: yaml.Node) -> KeyOf:
    if not isinstance(node, yaml.ScalarNode):
        raise _problem(node, "!KeyOf takes an id")
    return KeyOf(str(loader.construct_scalar(node)))


def _find(loader: yaml.SafeLoader, node: yaml.Node) -> Find:
    is_list = isinstance(node, yaml.SequenceNode)
    given: list[Any] = loader.construct_sequence(node, deep=True) if is_list else []
    model, *conditions = given or [None]
    if not (_is_model(model) and conditions and all(map(_is_pair, conditions))):
        raise _problem(node, "!Find takes [model, [field, value], …]")
    return Find(model.lower(), [(field, value) for field, value in conditions])


def _other_tag(_loader: yaml.SafeLoader, suffix: str, _node: yaml.Node) -> OtherTag:
    return OtherTag(f"!{suffix}")


def _is_model(value: Any) -> bool:
    return isinstance(value, str) and MODEL.fullmatch(value.lower()) is not None


def _is_pair(value: Any) -> bool:
    if not isinstance(value, list):
        return False
    parts = cast(list[Any], value)
    return len(parts) == len(("field", "value")) and isinstance(parts[0], str)


Loader.add_constructor("!KeyOf", _key_of)
Loader.add_constructor("!Find", _find)
cast(Any, Loader).add_multi_constructor("!", _other_tag)


def find_files(paths: Iterable[Path]) -> Sequence[Path]:
    """The files named, and the YAML files in the folders named, each folder's in order."""
    return [found for path in paths for found in _files_of(path)]


def _files_of(path: Path) -> Sequence[Path]:
    if not path.is_dir():
        return [path]
    named = (file for file in path.rglob("*") if file.suffix in (".yaml", ".yml"))
    found = sorted(file for file in named if not file.is_dir())
    if not found:
        raise BlueprintError(f"{path}: there is no .yaml file in this folder")
    return found


def read_entries(path: Path) -> Sequence[Entry]:
    """The entries of a file, in order; raises BlueprintError."""
    text = _text(path)
    try:
        return list(_entries(path, Loader(text)))
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise _error(path, line, f"has a character that YAML forbids: {error.reason}") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        parts = [str(part) for part in (error.context, error.problem) if part]
        raise _error(path, line, ", ".join(parts)) from error
    except RecursionError as error:
        raise _error(path, 1, "nested too deeply") from error


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise _error(path, line, "not UTF-8") from error
    except OSError as error:
        raise BlueprintError(f"{path}: {error.strerror}") from error


def _entries(path: Path, loader: Any) -> Iterator[Entry]:
    root = loader.get_single_node()
    sections = _sections(root)
    version = sections.get("version", root)
    if version is root or loader.construct_object(version) != VERSION:
        raise _problem(version, f"not a blueprint of version {VERSION}")
    nodes = sections.get("entries", root)
    if not isinstance(nodes, yaml.SequenceNode):
        raise _problem(nodes, "entries are not a list")
    for node in nodes.value:
        yield _entry(path, node, loader.construct_document(node))


def _sections(root: yaml.Node | None) -> Mapping[str, yaml.Node]:
    if not isinstance(root, yaml.MappingNode):
        raise yaml.MarkedYAMLError(
            problem="not a blueprint: a mapping with version and entries",
            problem_mark=root.start_mark if root else None,
        )
    return {key.value: value for key, value in root.value if isinstance(key, yaml.ScalarNode)}


def _entry(path: Path, node: yaml.Node, given: Any) -> Entry:
    fields = _mapping(node, "an entry", given)
    if not _is_model(fields.get("model")):
        raise _problem(node, "an entry has no model, as authentik_flows.flow")
    return Entry(
        path=path,
        line=node.start_mark.line + 1,
        model=fields["model"].lower(),
        identifiers=_mapping(node, "identifiers", fields.get("identifiers") or {}),
        attrs=_mapping(node, "attrs", fields.get("attrs") or {}),
        id=_scalar(node, "id", fields.get("id")),
        state=_scalar(node, "state", fields.get("state")) or "present",
        conditions=_list(node, "conditions", fields.get("conditions")),
    )


def _mapping(node: yaml.Node, name: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _problem(node, f"{name} is not a mapping")
    return cast(dict[str, Any], value)


def _list(node: yaml.Node, name: str, value: Any) -> Sequence[Any]:
    if not isinstance(value, list | None):
        raise _problem(node, f"{name} is not a list")
    return cast(list[Any], value or [])


def _scalar(node: yaml.Node, name: str, value: Any) -> str | None:
    if not isinstance(value, str | int | float | None):
        raise _problem(node, f"{name} is not a text")
    return None if value is None else str(value)
