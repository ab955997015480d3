"""A blueprint file as it is written: entries, with tags where they refer to each other."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml

from models.errors import BlueprintError

VERSION = 1


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
        return BlueprintError(f"{self.path}:{self.line}: {reason}")


class Loader(yaml.SafeLoader):
    """PyYAML's safe loader, with blueprints' tags."""


def _key_of(loader: yaml.SafeLoader, node: yaml.Node) -> KeyOf:
    if not isinstance(node, yaml.ScalarNode):
        raise yaml.MarkedYAMLError(problem="!KeyOf takes an id", problem_mark=node.start_mark)
    return KeyOf(str(loader.construct_scalar(node)))


def _find(loader: yaml.SafeLoader, node: yaml.Node) -> Find:
    is_list = isinstance(node, yaml.SequenceNode)
    given: list[Any] = loader.construct_sequence(node, deep=True) if is_list else []
    if not given or not isinstance(given[0], str) or not all(_is_pair(pair) for pair in given[1:]):
        problem = "!Find takes [model, [field, value], …]"
        raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)
    return Find(given[0].lower(), [(field, value) for field, value in given[1:]])


def _other_tag(_loader: yaml.SafeLoader, suffix: str, _node: yaml.Node) -> OtherTag:
    return OtherTag(f"!{suffix}")


def _is_pair(value: Any) -> bool:
    if not isinstance(value, list):
        return False
    parts = cast(list[Any], value)
    return len(parts) == len(("field", "value")) and isinstance(parts[0], str)


Loader.add_constructor("!KeyOf", _key_of)
Loader.add_constructor("!Find", _find)
cast(Any, Loader).add_multi_constructor("!", _other_tag)


def files(paths: Iterable[Path]) -> Sequence[Path]:
    """The files named, and the YAML files in the folders named, each folder's in order."""
    return [found for path in paths for found in _files_of(path)]


def _files_of(path: Path) -> Sequence[Path]:
    if not path.is_dir():
        return [path]
    found = sorted(file for file in path.rglob("*") if file.suffix in (".yaml", ".yml"))
    if not found:
        raise BlueprintError(f"{path}: there is no .yaml file in this folder")
    return found


def read(path: Path) -> Sequence[Entry]:
    """The entries of a file, in order; raises BlueprintError."""
    try:
        return list(_entries(path, Loader(path.read_bytes())))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise BlueprintError(f"{path}:{line}: {error.problem}") from error
    except OSError as error:
        raise BlueprintError(f"{path}: {error.strerror}") from error
    except RecursionError as error:
        raise BlueprintError(f"{path}:1: nested too deeply") from error
    except (yaml.YAMLError, ValueError) as error:
        raise BlueprintError(f"{path}:1: {str(error).splitlines()[0]}") from error


def _entries(path: Path, loader: Any) -> Iterator[Entry]:
    root = loader.get_single_node()
    sections = _sections(path, root)
    version = sections.get("version")
    if version is None or loader.construct_object(version) != VERSION:
        line = version.start_mark.line + 1 if version else 1
        raise BlueprintError(f"{path}:{line}: not a blueprint of version {VERSION}")
    nodes = sections.get("entries")
    if not isinstance(nodes, yaml.SequenceNode):
        line = nodes.start_mark.line + 1 if nodes else 1
        raise BlueprintError(f"{path}:{line}: entries are not a list")
    for node in nodes.value:
        yield _entry(path, node.start_mark.line + 1, loader.construct_document(node))


def _sections(path: Path, root: yaml.Node | None) -> Mapping[str, yaml.Node]:
    if not isinstance(root, yaml.MappingNode):
        raise BlueprintError(f"{path}:1: not a blueprint: a mapping with version and entries")
    return {key.value: value for key, value in root.value if isinstance(key, yaml.ScalarNode)}


def _entry(path: Path, line: int, given: Any) -> Entry:
    where = f"{path}:{line}"
    if not isinstance(given, dict) or not isinstance(given.get("model"), str):  # pyright: ignore[reportUnknownMemberType]
        raise BlueprintError(f"{where}: an entry is a mapping with a model")
    fields = cast(dict[str, Any], given)
    for name in ("identifiers", "attrs"):
        if not isinstance(fields.get(name) or {}, dict):
            raise BlueprintError(f"{where}: {name} is not a mapping")
    return Entry(
        path=path,
        line=line,
        model=fields["model"].lower(),
        identifiers=fields.get("identifiers") or {},
        attrs=fields.get("attrs") or {},
        id=None if fields.get("id") is None else str(fields["id"]),
        state=str(fields.get("state", "present")),
        conditions=fields.get("conditions") or (),
    )
