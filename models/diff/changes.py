"""The differences between two sides, for all outputs."""

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from models.errors import DiffError


class ChangeKind(Enum):
    """What differs. The first side is the side before.

    EXTRA is an object that a blueprint on the other side does not mention. It does not count.
    """

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    MOVED = "moved"
    RENAMED = "renamed"
    EXTRA = "extra"


@dataclass(frozen=True, slots=True)
class Place:
    """An object of one side, for those who may or may not see it.

    `flows` are the primary keys of the flows that the object belongs to or is used by, `model` is
    that of a stage or a policy.
    """

    pk: str
    flows: frozenset[str]
    model: str | None = None


@dataclass(frozen=True, slots=True)
class NamedObject:
    """An object that a value names. `pk` is its primary key on the right side, if it exists there.

    `kind` is the name of a `Kind`, or another word for objects that FlowQL does not store.
    """

    kind: str
    name: str
    pk: str | None


@dataclass(frozen=True, slots=True)
class Change:
    """A difference between two sides: of one attribute, or one object on one side only.

    `path` names the object and the attribute, such as `flow/default-login.title`; `object` is its
    part before the attribute. `object_kind` is the name of a `Kind`. `before` and `after` are JSON:
    the values of the attribute, with objects by name, or the attributes of the whole object, None
    where it does not exist. `flows` are the slugs of the flows that it concerns, on both sides.
    `left` and `right` are the object on each side, None where it does not exist. `is_setting` is set
    for a setting of a stage or policy. `names` are the objects that the values name.
    """

    path: str
    kind: ChangeKind
    object_kind: str
    object: str
    before: Any
    after: Any
    attribute: str | None = None
    flows: frozenset[str] = frozenset()
    left: Place | None = None
    right: Place | None = None
    is_setting: bool = False
    names: tuple[NamedObject, ...] = ()

    def matches(self, pattern: str) -> bool:
        """Return whether a pattern with `*` matches the path, or the path of the object."""
        regex = ".*".join(map(re.escape, pattern.split("*")))
        return any(re.fullmatch(regex, path, re.DOTALL) for path in (self.path, self.object))


@dataclass(frozen=True, slots=True)
class Difference:
    """All changes between two sides, ordered by path. Those of kind EXTRA do not count.

    `slugs` are those of the flows of both sides.
    """

    changes: Sequence[Change]
    warnings: Sequence[str] = ()
    slugs: frozenset[str] = frozenset()

    @property
    def counted(self) -> Sequence[Change]:
        """The changes that make the sides different."""
        return [change for change in self.changes if change.kind is not ChangeKind.EXTRA]

    def count_by_kind(self) -> Mapping[ChangeKind, int]:
        """Return the number of changes of each kind, without zeros."""
        counts = Counter(change.kind for change in self.changes)
        return {kind: counts[kind] for kind in ChangeKind if counts[kind]}

    def select(self, slugs: Collection[str], ignored: Sequence[str]) -> "Difference":
        """Return the changes that concern flows with these slugs, and match no ignored pattern.

        Without slugs, the changes of all flows. Raises DiffError if no side has a slug.
        """
        unknown = sorted(set(slugs) - self.slugs)
        if unknown:
            raise DiffError(f"unknown flow {unknown[0]!r}: neither side has it")
        changes = [
            change
            for change in self.changes
            if (not slugs or not change.flows.isdisjoint(slugs))
            and not any(map(change.matches, ignored))
        ]
        return replace(self, changes=changes)
