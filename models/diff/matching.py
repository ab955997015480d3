"""The pairs of equal objects on both sides, by identity and never by primary key."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from models.blueprint.authentik.kinds import (
    FLOW,
    POLICY,
    POLICY_BINDING,
    PROMPT,
    STAGE,
    STAGE_BINDING,
    Kind,
)
from models.diff.objects import NAMED_KINDS, ComparedObject, Objects
from models.diff.references import Reference, Token, find_references, is_plain

Key = Callable[[Objects, ComparedObject], Hashable]
# The objects that refer to an object, or that it is bound to.
Places = defaultdict[ComparedObject, list[Hashable]]
# Returns whether two objects of the left and the right side have no other differences than in their
# attributes of these names.
IsEqual = Callable[[ComparedObject, ComparedObject, Sequence[str]], bool]
# A renamed object can be the place of another renamed object.
MAX_PASSES = 5
# The number of similar objects among which an equal one is searched.
MAX_CANDIDATES = 20
# In the places of objects, it stands for objects that may be renamed.
UNMATCHED = "?"


@dataclass(frozen=True, slots=True)
class Matching:
    """Finds the partners of objects. `is_equal` compares attributes."""

    left: Objects
    right: Objects
    is_equal: IsEqual

    def match(self) -> None:
        """Find all partners, and give them the tokens of the left side."""
        is_complete = not (self.left.is_partial or self.right.is_partial)
        for kind in NAMED_KINDS:
            self._match_names(kind)
            self._match_rows(kind)
        self._forget_values()
        if is_complete:
            self._match_renamed()
        # Policy bindings belong to stage bindings.
        for kind in (STAGE_BINDING, POLICY_BINDING):
            self._match_bindings(kind, is_complete=is_complete)
        self._forget_values()

    # Objects with names --------------------------------------------------------------------------

    def _match_names(self, kind: Kind) -> None:
        self._pair(kind, lambda _, item: item.name, keeps_equal_first=False)

    def _match_renamed(self) -> None:
        for _ in range(MAX_PASSES):
            if not any(list(map(self._match_renamed_of, NAMED_KINDS))):
                return
            self._forget_values()

    def _match_renamed_of(self, kind: Kind) -> bool:
        """Pair objects that differ in name only: type, attributes and places are equal."""
        left, right = (list(_list_unmatched(side, kind)) for side in (self.left, self.right))
        if not (left and right):
            return False
        places = [_find_places(side, kind) for side in (self.left, self.right)]
        groups = _group(right, lambda item: self._describe_renamed(self.right, places[1], item))
        return (
            sum(
                self._join_first(
                    item,
                    groups.get(self._describe_renamed(self.left, places[0], item), []),
                    self._is_renamed,
                )
                for item in left
            )
            > 0
        )

    def _describe_renamed(self, side: Objects, places: Places, item: ComparedObject) -> Hashable:
        """Return what renamed objects have in common."""
        values = self._sign(side, item, item.kind.unique)
        return (item.row.model, tuple(sorted(map(repr, places.get(item, ())))), values)

    def _is_renamed(self, item: ComparedObject, other: ComparedObject) -> bool:
        if other.partner or item.row.model != other.row.model:
            return False
        token = other.token
        # An object can refer to itself.
        self._set_token(other, item.token)
        is_equal = self.is_equal(item, other, item.kind.unique)
        self._set_token(other, token)
        return is_equal

    def _set_token(self, other: ComparedObject, token: Token) -> None:
        other.token = token
        self.right.forget_values_of(other)

    # Bindings ------------------------------------------------------------------------------------

    def _match_bindings(self, kind: Kind, *, is_complete: bool) -> None:
        self._pair(kind, lambda side, item: (*_ends(side, item), _order(item)))
        self._match_rows(kind)
        self._pair(kind, _find_movable_ends)
        if is_complete:
            self._pair(kind, lambda side, item: (_target(side, item), _order(item)))
            self._pair_moved(kind)

    def _match_rows(self, kind: Kind) -> None:
        """Pair the objects that a blueprint changes with themselves, as the other side has them."""
        if self.left.is_partial is not self.right.is_partial:
            self._pair(kind, _find_own_row)

    def _pair_moved(self, kind: Kind) -> None:
        """Pair bindings of one object to different targets, which both sides have."""

        def key(side: Objects, item: ComparedObject) -> Hashable:
            target, bound = side.find_target(item.row), side.find_bound(item.row)
            if not (target and target.partner and bound):
                return None
            return (bound.token, _order(item))

        self._pair(kind, key, ignored=("target",))

    # Pairs ---------------------------------------------------------------------------------------

    def _pair(
        self,
        kind: Kind,
        key: Key,
        *,
        keeps_equal_first: bool = True,
        ignored: Sequence[str] | None = None,
    ) -> None:
        """Pair the objects with equal keys in order, equal ones first; None pairs with nothing.

        With `ignored`, only pairs without other differences are made.
        """
        right = list(_list_unmatched(self.right, kind))
        if not right:
            return
        groups = _group(right, lambda item: key(self.right, item))
        lefts = _group(_list_unmatched(self.left, kind), lambda item: key(self.left, item))
        for value, items in lefts.items():
            others = groups.get(value, ()) if value is not None else ()
            if not others:
                continue
            if ignored is not None or (keeps_equal_first and len(items) + len(others) > 2):  # noqa: PLR2004 - a pair
                self._pair_equal(items, others, ignored or ())
            if ignored is None:
                _pair_in_order(items, others)

    def _pair_equal(
        self,
        items: Iterable[ComparedObject],
        others: Iterable[ComparedObject],
        ignored: Sequence[str],
    ) -> None:
        groups = _group(others, lambda other: self._sign(self.right, other, ignored))
        for item in items:
            candidates = groups.get(self._sign(self.left, item, ignored), [])
            self._join_first(
                item, candidates, lambda left, right: self.is_equal(left, right, ignored)
            )

    def _join_first(
        self,
        item: ComparedObject,
        candidates: list[ComparedObject],
        is_match: Callable[[ComparedObject, ComparedObject], bool],
    ) -> bool:
        """Pair an object with the first candidate that matches, and remove this one."""
        for index, other in enumerate(candidates[:MAX_CANDIDATES]):
            if other.partner is None and is_match(item, other):
                _join(item, other)
                del candidates[index]
                return True
        return False

    def _sign(self, side: Objects, item: ComparedObject, ignored: Sequence[str]) -> Hashable:
        """Return the plain values of an object, which equal objects have in common.

        Not those of blueprints, which mention different attributes, nor settings of which the sides
        know different ones.
        """
        if self.left.is_partial or self.right.is_partial:
            return None
        has_settings = self.left.origin is self.right.origin
        names = side.list_names(item) if has_settings else item.kind.fields
        values = side.list_values(item)
        return frozenset(
            (name, repr(values[name]))
            for name in names
            if name not in ignored and is_plain(values[name])
        )

    def _forget_values(self) -> None:
        self.left.forget_values()
        self.right.forget_values()


def _pair_in_order(items: Iterable[ComparedObject], others: Iterable[ComparedObject]) -> None:
    free = (other for other in sorted(others, key=_find_order) if other.partner is None)
    for item in sorted(items, key=_find_order):
        other = next(free, None) if item.partner is None else None
        if other:
            _join(item, other)


def _join(item: ComparedObject, other: ComparedObject) -> None:
    item.partner, other.partner = other, item
    other.token = item.token


def _list_unmatched(side: Objects, kind: Kind) -> Iterator[ComparedObject]:
    return (item for item in side.compared.get(kind.name, ()) if item.partner is None)


def _group(
    items: Iterable[ComparedObject], key: Callable[[ComparedObject], Hashable]
) -> dict[Hashable, list[ComparedObject]]:
    groups: defaultdict[Hashable, list[ComparedObject]] = defaultdict(list)
    for item in items:
        groups[key(item)].append(item)
    return groups


def _order(item: ComparedObject) -> int:
    return item.row.get("order")


def _find_order(item: ComparedObject) -> int:
    return item.row.get("order") if item.kind in (STAGE_BINDING, POLICY_BINDING) else 0


def _find_own_row(side: Objects, item: ComparedObject) -> Hashable:
    """Return the primary key of a row that an entry has found on the other side."""
    return None if side.is_partial and item.row.is_new else item.row.pk


def _find_movable_ends(side: Objects, item: ComparedObject) -> Hashable:
    """Return the ends of a binding whose order is an attribute: it is not for `created`."""
    return _ends(side, item) if item.mentions("order") else None


def _target(side: Objects, item: ComparedObject) -> Hashable:
    target = side.find_target(item.row)
    return target.token if target else None


def _ends(side: Objects, item: ComparedObject) -> tuple[Hashable, Hashable]:
    """Return the tokens of both objects that a binding connects."""
    bound = side.find_bound(item.row)
    return _target(side, item), bound.token if bound else None


# Places ------------------------------------------------------------------------------------------


def _find_places(side: Objects, kind: Kind) -> Places:
    """Return the places of the objects of a kind."""
    places: Places = defaultdict(list)
    for item in side.compared.get(STAGE_BINDING.name, ()):
        target, bound = side.find_target(item.row), side.find_bound(item.row)
        if target and bound and kind is STAGE:
            places[bound].append(("bound to", _name_place(target), _order(item)))
        elif target and bound and kind is FLOW:
            places[target].append(("binds", _name_place(bound), _order(item)))
    for item in side.compared.get(POLICY_BINDING.name, ()):
        _add_policy_place(side, item, kind, places)
    for owner_kind in (STAGE, POLICY):
        for owner in side.compared.get(owner_kind.name, ()):
            _add_references(side, owner, kind, places)
    return places


def _add_policy_place(side: Objects, item: ComparedObject, kind: Kind, places: Places) -> None:
    target, bound = side.find_target(item.row), side.find_bound(item.row)
    if not (target and bound):
        return
    if bound.kind is kind and kind is POLICY:
        places[bound].append(("bound to", *_describe(side, target), _order(item)))
    elif target.kind is kind and kind is FLOW:
        places[target].append(("binds", _name_place(bound), _order(item)))


def _name_place(item: ComparedObject) -> Hashable:
    """Return the token of an object that has a partner, or that has no name of its own."""
    return item.token if item.partner or item.kind not in NAMED_KINDS else UNMATCHED


def _describe(side: Objects, target: ComparedObject) -> tuple[Hashable, ...]:
    """Return the identity of a target before stage bindings are paired."""
    if target.kind is FLOW:
        return (_name_place(target),)
    flow, stage = side.find_target(target.row), side.find_bound(target.row)
    ends = (_name_place(item) if item else None for item in (flow, stage))
    return (*ends, _order(target))


def _add_references(side: Objects, owner: ComparedObject, kind: Kind, places: Places) -> None:
    for name in owner.row.settings or ():
        value = side.list_values(owner).get(name)
        for reference in find_references(value):
            target = _resolve(side, reference, kind)
            if target:
                token = None if target is owner else _name_place(owner)
                places[target].append(("named by", token, name))


def _resolve(side: Objects, reference: Reference, kind: Kind) -> ComparedObject | None:
    is_of_kind = reference.kind == kind.name and kind in (FLOW, STAGE, POLICY, PROMPT)
    return side.find_by_pk(kind, reference.pk) if is_of_kind else None
