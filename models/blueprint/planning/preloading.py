"""The rows that the entries of a batch are likely to need, loaded with few SELECTs."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, cast

from models.blueprint.authentik.kinds import (
    FLOW,
    KINDS,
    POLICY_BINDING,
    STAGE_BINDING,
    EntryField,
    Kind,
    find_kind,
)
from models.blueprint.format.entry import Entry, Tag
from models.blueprint.planning.keys import find_static_kind, normalize_pk
from models.blueprint.rows.working_set import Row, WorkingSet

# The lists of rows to load, by kind and column.
Keys = defaultdict[tuple[str, str], set[Any]]


def preload(rows: WorkingSet, entries: Iterable[Entry]) -> None:
    """Load the rows that entries are likely to need, with one SELECT for many of them."""
    keys: Keys = defaultdict(set)
    kinds = {kind.name for entry in entries if (kind := _collect(keys, entry))}
    for (name, column), values in keys.items():
        rows.load(KINDS[name], column, values)
    slugs = keys.get((FLOW.name, "slug"), ())
    flows = [row for slug in slugs for row in rows.find(FLOW, {"slug": slug}) if not row.is_new]
    if STAGE_BINDING.name in kinds or POLICY_BINDING.name in kinds:
        rows.load(STAGE_BINDING, "target_id", [row.pk for row in flows])
    if POLICY_BINDING.name in kinds:
        bindings = [b for row in flows for b in rows.find(STAGE_BINDING, {"target_id": row.pk})]
        targets: Sequence[Row] = [*flows, *(row for row in bindings if not row.is_new)]
        rows.load(POLICY_BINDING, "target_id", [row.parent for row in targets])


def _collect(keys: Keys, entry: Entry) -> Kind | None:
    kind = find_static_kind(entry)
    if kind is None:
        return None
    pk = entry.identifiers.get("pk")
    if isinstance(pk, str):
        _add_pk(keys, kind, pk)
    for name, value in (*entry.identifiers.items(), *entry.attrs.items()):
        definition = kind.fields.get(name)
        if definition and definition.targets:
            _collect_reference(keys, definition, value)
        elif definition and kind.unique == (definition.column,) and isinstance(value, str):
            keys[kind.name, definition.column].add(value)
    return kind


def _collect_reference(keys: Keys, definition: EntryField, value: Any) -> None:
    if isinstance(value, str):
        for name in definition.targets:
            _add_pk(keys, KINDS[name], value)
    elif isinstance(value, Tag) and value.name == "!Find" and isinstance(value.value, list):
        _collect_find(keys, cast(list[Any], value.value))


def _collect_find(keys: Keys, items: Sequence[Any]) -> None:
    model, *conditions = items or [None]
    kind = find_kind(model.lower()) if isinstance(model, str) else None
    for condition in conditions:
        match condition:
            case [str(name), str(value), *_] if kind and kind.unique == (name,):
                keys[kind.name, name].add(value)
            case _:
                pass


def _add_pk(keys: Keys, kind: Kind, value: str) -> None:
    pk = normalize_pk(value)
    # Other strings are not UUIDs.
    if pk and pk.count("-") == len("----") and kind.name != "user":
        keys[kind.name, kind.pk].add(pk)
        if kind.has_parent:
            keys[kind.name, "parent"].add(pk)
