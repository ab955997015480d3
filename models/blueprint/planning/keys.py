"""The keys by which entries that wait are found."""

import uuid
from collections.abc import Hashable, Iterator
from typing import Any

from models.blueprint.authentik.kinds import Kind, find_kind
from models.blueprint.format.entry import BlueprintFile, Entry, Tag

# An entry is known by its id in its file, its primary key, and its unique key. An entry whose keys
# are only known after evaluation has the key of its kind, or ANY_KIND.
Key = Hashable
ANY_KIND: Key = None


def id_key(file: BlueprintFile, identifier: str) -> Key:
    """Return the key of an entry by its id."""
    return file, identifier


def pk_key(pk: str) -> tuple[str, str]:
    """Return the key of an entry by its primary key."""
    return "pk", pk


def unique_key(kind: Kind, value: str) -> tuple[str, str]:
    """Return the key of an entry by its slug or name."""
    return kind.name, value


def unkeyed(kind: Kind) -> Key:
    """Return the key of all entries of a kind whose slug or name is not known yet."""
    return kind.name, None


def kind_key(kind: Kind) -> Key:
    """Return the key of all entries of a kind."""
    return kind.name


def normalize_pk(value: Any) -> str | None:
    """Return a primary key as a string, a UUID as 36 lower-case characters; None if it is none."""
    if isinstance(value, bool) or not isinstance(value, str | int | uuid.UUID):
        return None
    try:
        return str(uuid.UUID(str(value)))
    except ValueError:
        return str(value)


def find_static_kind(entry: Entry) -> Kind | None:
    """Return the kind of an entry, or None if FlowQL does not store it or a tag is its model."""
    return find_kind(entry.model.lower()) if isinstance(entry.model, str) else None


def list_keys(entry: Entry) -> Iterator[Key]:
    """Yield the keys by which others may refer to an entry that waits."""
    if entry.id is not None:
        yield ANY_KIND if isinstance(entry.id, Tag) else id_key(entry.file, str(entry.id))
    kind = find_static_kind(entry)
    identities = list(list_identities(entry))
    yield from identities
    yield kind_key(kind) if kind else ANY_KIND
    if kind and not any(key[0] == kind.name for key in identities):
        yield unkeyed(kind)


def list_identities(entry: Entry) -> Iterator[tuple[str, str]]:
    """Yield the keys of the object that an entry describes: its primary key, and its slug or name."""
    pk = normalize_pk(entry.identifiers.get("pk"))
    if pk:
        yield pk_key(pk)
    kind = find_static_kind(entry)
    if kind and len(kind.unique) == 1:
        value = entry.identifiers.get(kind.unique[0], entry.attrs.get(kind.unique[0]))
        if isinstance(value, str | int | float):
            yield unique_key(kind, str(value))
