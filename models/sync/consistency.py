"""Checks that lists, which are read one after the other, are those of one state."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from models.blueprint.authentik.kinds import (
    FLOW,
    GROUP,
    KINDS,
    POLICY,
    POLICY_BINDING,
    STAGE,
    STAGE_BINDING,
    USER,
    Kind,
)
from models.sync.endpoints import FLOWS
from models.sync.fields import ItemReader
from models.sync.lists import Item
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


@dataclass(frozen=True, slots=True)
class Conflicts:
    """What does not fit together.

    An `error` is never stored. A `doubt` also has another cause, that the token may not view some
    objects: it is accepted if a second round finds the same.
    """

    errors: Sequence[str] = ()
    doubts: Collection[str] = field(default_factory=frozenset[str])


def find_conflicts(records: Records, flows: Iterable[Item]) -> Conflicts:
    """Return the conflicts between the records, and with the lists that flows contain."""
    return Conflicts(
        [*_find_dangling(records), *_find_duplicates(records)],
        frozenset(_find_differences(records, flows)),
    )


def _find_dangling(records: Records) -> Iterator[str]:
    """Yield a message for each binding of an object that does not exist."""
    keys = {name: {record.pk for record in items} for name, items in records.items()}
    for kind, column, target in REFERENCES:
        for record in records[kind.name]:
            key = get_value(kind, record, column)
            if key is not None and key not in keys[target.name]:
                yield f"the {kind.name} {record.pk} refers to the unknown {target.name} {key}"


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


def _find_differences(records: Records, flows: Iterable[Item]) -> Iterator[str]:
    """Yield a message for each flow that names other stages or policies than its bindings."""
    stages = _group(STAGE_BINDING, records, "stage_id")
    policies = _group(POLICY_BINDING, records, "policy_id")
    for item in flows:
        reader = ItemReader(FLOWS, item)
        pk, parent = reader.read_uuid("pk"), reader.read_uuid("policybindingmodel_ptr_id")
        for name, bound in (("stages", stages.get(pk)), ("policies", policies.get(parent))):
            if _read_keys(item, name) not in (None, bound or set()):
                yield f"the flow {pk} names other {name} than its bindings"


def _read_keys(item: Item, name: str) -> set[str] | None:
    """Return the keys in a list, None if there is no list."""
    keys = item.get(name)
    is_list = isinstance(keys, list)
    return {str(key).lower() for key in cast(list[Any], keys)} if is_list else None


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
