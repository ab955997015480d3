"""The conversion of objects of authentik's API to records."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from models.blueprint.authentik.kinds import (
    FLOW,
    GROUP,
    POLICY_BINDING,
    PROMPT,
    STAGE_BINDING,
    USER,
    EntryField,
    Kind,
)
from models.sync.endpoints import (
    FLOWS,
    GROUPS,
    POLICY_BINDINGS,
    PROMPTS,
    STAGE_BINDINGS,
    USERS,
    build_path,
    find_model,
)
from models.sync.fields import ItemReader
from models.sync.lists import Item
from models.sync.settings import Names, convert_settings
from models.systems.content import Record
from models.tables.flow import DEFAULT_BACKGROUND

PARENT_KEY = "policybindingmodel_ptr_id"
# The path of an uploaded file, below that of authentik: the tenant, and the stored value.
MEDIA = re.compile(r"(?:/[^:?]*)?/media/[^/]+/(.+)")
# The objects by primary key, None if the server has no list of the type.
Typed = Mapping[str, Mapping[str, Item] | None]


def build_flows(items: Iterable[Item]) -> Sequence[Record]:
    """Return the records of flows; raises SyncError."""
    return [_build(FLOW, ItemReader(FLOWS, _restore_background(item))) for item in items]


def build_stage_bindings(items: Iterable[Item]) -> Sequence[Record]:
    """Return the records of stage bindings; raises SyncError."""
    return [_build(STAGE_BINDING, ItemReader(STAGE_BINDINGS, item)) for item in items]


def build_prompts(items: Iterable[Item]) -> Sequence[Record]:
    """Return the records of prompts; raises SyncError."""
    return [_build(PROMPT, ItemReader(PROMPTS, item)) for item in items]


def build_policy_bindings(items: Iterable[Item]) -> Sequence[Record]:
    """Return the records of policy bindings; raises SyncError."""
    return [_build(POLICY_BINDING, ItemReader(POLICY_BINDINGS, item)) for item in items]


def build_components(
    kind: Kind, path: str, items: Iterable[Item], typed: Typed, names: Names
) -> Sequence[Record]:
    """Return the records of stages or policies with their settings; raises SyncError.

    `typed` has the objects with their settings, by model.
    """
    return [_build_component(kind, ItemReader(path, item), typed, names) for item in items]


def build_groups(items: Iterable[Item]) -> Iterator[Record]:
    """Yield the records of groups; raises SyncError."""
    return (_build(GROUP, ItemReader(GROUPS, item)) for item in items)


def build_users(items: Iterable[Item]) -> Iterator[Record]:
    """Yield the records of users; raises SyncError."""
    for item in items:
        reader = ItemReader(USERS, item)
        yield Record(reader.read_integer("pk", 1), None, None, None, _list_values(USER, reader))


def _build(kind: Kind, reader: ItemReader) -> Record:
    parent = reader.read_uuid(PARENT_KEY) if kind.has_parent else None
    return Record(reader.read_uuid("pk"), parent, None, None, _list_values(kind, reader))


def _build_component(kind: Kind, reader: ItemReader, typed: Typed, names: Names) -> Record:
    pk, model = reader.read_uuid("pk"), find_model(reader.item)
    if model is None:
        return Record(pk, None, None, None, _list_values(kind, reader))
    items = typed[model]
    if items is None:
        return Record(pk, None, model, {}, _list_values(kind, reader))
    detailed = ItemReader(build_path(kind, model), items[pk])
    settings = convert_settings(model, detailed, names)
    return Record(pk, None, model, settings, _list_values(kind, detailed))


def _list_values(kind: Kind, reader: ItemReader) -> tuple[Any, ...]:
    return tuple(_read(kind, reader, name, field) for name, field in kind.fields.items())


def _read(kind: Kind, reader: ItemReader, name: str, field: EntryField) -> Any:
    if not field.targets:
        return reader.read_column(kind, name, field)
    if field.targets == (USER.name,):
        return None if reader.item.get(name) is None else reader.read_integer(name, 1)
    is_optional = field.default is None
    return reader.read_optional_uuid(name) if is_optional else reader.read_uuid(name)


def _restore_background(item: Item) -> Item:
    """Return a flow with the stored background, in place of the URL of older versions."""
    background = item.get("background")
    if "background_url" in item or not isinstance(background, str):
        return item
    if background.startswith("/") and background.endswith(DEFAULT_BACKGROUND):
        return {**item, "background": ""}
    match = MEDIA.fullmatch(background)
    return {**item, "background": match[1]} if match else item
