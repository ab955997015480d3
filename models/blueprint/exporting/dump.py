"""Exports as YAML."""

from collections.abc import Iterator, Mapping
from typing import Any, cast

import yaml

from models.blueprint.exporting.document import ExportDocument, Item
from models.blueprint.format.entry import SNAPSHOT_LABEL, VERSION, Tag, escape

LINE_BREAKS = frozenset("\n\x85\u2028\u2029")


class Dumper(yaml.SafeDumper):
    """PyYAML's safe dumper, with the tags of blueprints and without aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        """Return True: each value is written in full."""
        del data
        return True


def _represent_tag(dumper: yaml.SafeDumper, tag: Tag) -> yaml.Node:
    if isinstance(tag.value, str):
        style = '"' if _find_style(tag.value) else None
        return cast(Any, dumper).represent_scalar(tag.name, tag.value, style)
    return dumper.represent_sequence(tag.name, tag.value, flow_style=True)


def _represent_string(dumper: yaml.SafeDumper, value: str) -> yaml.Node:
    return cast(Any, dumper).represent_scalar("tag:yaml.org,2002:str", value, _find_style(value))


def _find_style(value: str) -> str | None:
    """Return the style of a string: a block if it is an expression of several lines."""
    if LINE_BREAKS.isdisjoint(value):
        return None
    # Quotes escape line breaks: PyYAML writes some of them plain but reads them as spaces.
    is_block = value.isascii() and value[0] not in " \n\t"
    return "|" if is_block else '"'


Dumper.add_representer(str, _represent_string)
Dumper.add_representer(Tag, _represent_tag)


def dump(document: ExportDocument) -> str:
    """Return a document as YAML. Its comments are at the start."""
    return "".join(dump_parts(document))


def dump_parts(document: ExportDocument) -> Iterator[str]:
    """Yield the YAML of a document entry by entry."""
    yield from map(_dump_comment, document.comments)
    labels = {"labels": {SNAPSHOT_LABEL: "true"}} if document.is_snapshot else {}
    yield _dump_yaml({"version": VERSION, "metadata": {"name": document.name, **labels}})
    yield "entries:\n" if document.items else "entries: []\n"
    yield from map(_dump_item, document.items)


def _dump_item(item: Item) -> str:
    return _dump_comment(item) if isinstance(item, str) else _dump_yaml([dict(item)])


def _dump_comment(comment: str) -> str:
    # Names of any characters cannot end the line.
    return f"# {escape(comment)}\n"


def _dump_yaml(value: list[Any] | Mapping[str, Any]) -> str:
    return yaml.dump(value, Dumper=Dumper, sort_keys=False, allow_unicode=True)
