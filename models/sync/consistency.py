"""Checks that lists, which are read one after the other, are those of one state."""

import uuid
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

from models.blueprint.authentik.kinds import (
    FLOW,
    GROUP,
    KINDS,
    POLICY,
    POLICY_BINDING,
    PROMPT,
    STAGE,
    STAGE_BINDING,
    USER,
    Kind,
    find_kind,
)
from models.sync.endpoints import FLOWS, build_permission
from models.sync.fields import ItemReader
from models.sync.lists import Item
from models.sync.settings import find_target
from models.systems.content import Record

Records = Mapping[str, Sequence[Record]]
# The columns of bindings that refer to objects of a kind.
REFERENCES = (
    (STAGE_BINDING, "target_id", FLOW),
    (STAGE_BINDING, "stage_id", STAGE),
    (POLICY_BINDING, "policy_id", POLICY),
    (POLICY_BINDING, "group_id", GROUP),
    (POLICY_BINDING, "user_id", USER),
)
# The kinds of which a mirror lacks a part if settings refer to unknown ones. Settings can also refer
# to flows and groups, which are not parts of a stage or a policy.
SETTING_TARGETS = (PROMPT, STAGE, POLICY)
# The lists of a flow, with the bindings that they show, the field of the key that these refer to, and
# their column with the key of the bound object.
NAMED = (
    ("stages", STAGE_BINDING, "pk", "stage_id"),
    ("policies", POLICY_BINDING, "policybindingmodel_ptr_id", "policy_id"),
)


@dataclass(frozen=True, slots=True)
class Conflicts:
    """What does not fit together.

    An `error` is never stored, however often it is found: the token may lack the right to view
    single objects, which would be deleted. A `doubt` also has a harmless cause, such as a version
    without a list: it is accepted if a second round finds the same.
    """

    errors: Sequence[str] = ()
    doubts: Collection[str] = field(default_factory=frozenset[str])


def find_conflicts(records: Records, flows: Iterable[Item]) -> Conflicts:
    """Return the conflicts between the records, and with the lists that flows contain."""
    differences = list(_find_differences(records, flows))
    errors = (difference.error for difference in differences if difference.error)
    return Conflicts(
        [*errors, *_find_dangling(records), *_find_duplicates(records)],
        frozenset(difference.doubt for difference in differences if difference.doubt),
    )


def _find_dangling(records: Records) -> Iterator[str]:
    """Yield a message for each reference to an object that does not exist."""
    keys = {name: {record.pk for record in items} for name, items in records.items()}
    for source, target, key in (*_list_bound(records), *_list_settings(records)):
        if key not in keys[target.name]:
            hint = _describe_right(target)
            yield f"{source} refers to the unknown {target.name} {key} ({hint})"


def _list_bound(records: Records) -> Iterator[tuple[str, Kind, Any]]:
    """Yield the references of bindings: the binding, the kind, and the primary key."""
    for kind, column, target in REFERENCES:
        for record in records[kind.name]:
            key = get_value(kind, record, column)
            if key is not None:
                yield f"the {kind.name} {record.pk}", target, key


def _list_settings(records: Records) -> Iterator[tuple[str, Kind, str]]:
    """Yield the references of settings: the setting, the kind, and the primary key."""
    for kind in (STAGE, POLICY):
        for record in records[kind.name]:
            for name, value in (record.settings or {}).items():
                target = find_kind(find_target(record.model or "", name) or "")
                if target in SETTING_TARGETS:
                    source = f"{name} of the {kind.name} {record.pk}"
                    yield from ((source, target, key) for key in _list_keys(value))


def _list_keys(value: Any) -> Iterator[str]:
    """Yield the UUIDs in a value or a list; other values are no references."""
    values = cast(list[Any], value) if isinstance(value, list) else [value]
    return (key for key in map(_parse_key, values) if key)


def _parse_key(value: Any) -> str | None:
    """Return a UUID as primary keys are written, None for another value."""
    try:
        return str(uuid.UUID(value)) if isinstance(value, str) else None
    except ValueError:
        return None


def _describe_right(kind: Kind) -> str:
    return f"the token may lack {build_permission(kind.model)} for single objects"


def _find_duplicates(records: Records) -> Iterator[str]:
    for kind in KINDS.values():
        identities = Counter(
            map(find_identity, [kind] * len(records[kind.name]), records[kind.name])
        )
        for identity, count in identities.items():
            if count > 1 and None not in identity:
                yield f"{count} objects of the kind {kind.name} have the same {' and '.join(kind.unique)}"


def find_identity(kind: Kind, record: Record) -> tuple[Any, ...]:
    """Return the values that identify an object."""
    return tuple(get_value(kind, record, column) for column in kind.unique)


class _Difference(NamedTuple):
    """What differs between a list of a flow and its bindings, an error or a doubt."""

    error: str = ""
    doubt: str = ""


def _find_differences(records: Records, flows: Iterable[Item]) -> Iterator[_Difference]:
    """Yield the differences between the stages and policies that flows name, and their bindings."""
    for name, kind, key, column in NAMED:
        bound = _group(kind, records, column)
        for item in flows:
            parent = ItemReader(FLOWS, item).read_uuid(key)
            yield _compare(name, kind, item, bound.get(parent, set()))


def _compare(name: str, kind: Kind, item: Item, bound: set[str]) -> _Difference:
    """Compare a list of a flow with its bindings. A list that lacks some hides nothing."""
    named, flow = _read_keys(item, name), f"the flow {item.get('slug')}"
    if named is None or named == bound:
        return _Difference()
    if named <= bound:
        return _Difference(doubt=f"{flow} does not name all {name} of its bindings")
    count = f"{len(named - bound)} of {len(named)} {name}"
    return _Difference(f"{flow} has {count} without a {kind.name} ({_describe_right(kind)})")


def _read_keys(item: Item, name: str) -> set[str] | None:
    """Return the primary keys in a list, None if a version has no such list."""
    values = item.get(name)
    if not isinstance(values, list):
        return None
    keys = [_parse_key(value) for value in cast(list[Any], values)]
    return None if None in keys else {key for key in keys if key}


def _group(kind: Kind, records: Records, column: str) -> Mapping[Any, set[Any]]:
    groups: dict[Any, set[Any]] = {}
    for record in records[kind.name]:
        key = get_value(kind, record, column)
        if key is not None:
            groups.setdefault(get_value(kind, record, "target_id"), set()).add(key)
    return groups


def get_value(kind: Kind, record: Record, column: str) -> Any:
    """Return the value of a column."""
    return record.values[kind.columns.index(column)]
