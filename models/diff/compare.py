"""The comparison of two sides."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any

from models.blueprint.authentik.kinds import FLOW, POLICY_BINDING, STAGE_BINDING
from models.blueprint.rows.row import Row
from models.diff.changes import Change, ChangeKind, Difference, NamedObject
from models.diff.matching import Matching
from models.diff.objects import COMPARED_KINDS, MODEL, ComparedObject, Objects, list_rows
from models.diff.references import (
    Reference,
    Token,
    are_equal,
    find_references,
    is_comparable,
    render,
)
from models.diff.sides import Side, build_objects
from models.diff.uses import Uses
from models.systems.content import Origin

# The attributes that say where a binding is.
PLACE_NAMES = ("order", "target")
# The attributes of policy bindings of which one is set, and their common name.
BOUND_NAMES = ("policy", "group", "user")
BOUND = "bound"


@dataclass(frozen=True, slots=True)
class CompareOptions:
    """The options of a comparison.

    With `is_exact`, objects that a blueprint does not mention count.
    """

    is_exact: bool = False


DEFAULTS = CompareOptions()


def compare(left: Side, right: Side, options: CompareOptions = DEFAULTS) -> Difference:
    """Return the changes from the left to the right side.

    Raises BlueprintError if blueprints are invalid. It takes CPU time: a second for some thousand
    flows.
    """
    built = build_objects(left, right)
    comparison = _Comparison(built.left, built.right, built.absent, is_exact=options.is_exact)
    changes = sorted(comparison.run(), key=_order)
    return Difference(changes, built.warnings, comparison.list_slugs())


def _order(change: Change) -> tuple[str, str, str]:
    return change.path, change.kind.value, repr(change.after)


class _Comparison:
    """Compares the objects of both sides."""

    def __init__(
        self, left: Objects, right: Objects, absent: frozenset[Row], *, is_exact: bool
    ) -> None:
        self._left = left
        self._right = right
        self._absent = absent
        self._is_exact = is_exact
        self._left_uses = Uses(left)
        self._right_uses = Uses(right)

    def list_slugs(self) -> frozenset[str]:
        """Return the slugs of all flows."""
        flows = (list_rows(side.rows, (FLOW,)) for side in (self._left, self._right))
        return frozenset(row.get("slug") for row in chain.from_iterable(flows))

    def run(self) -> Iterator[Change]:
        """Yield the changes, without an order."""
        Matching(self._left, self._right, self._is_equal).match()
        # A kind that one side could not read is not compared.
        readable = self._left.compared.keys() & self._right.compared.keys()
        for name in (kind.name for kind in COMPARED_KINDS if kind.name in readable):
            for item in self._left.compared[name]:
                if item.partner:
                    yield from self._compare(item, item.partner)
                else:
                    yield self._build_one_sided(item, self._left)
            for item in self._right.compared[name]:
                if not item.partner:
                    yield self._build_one_sided(item, self._right)

    # Attributes ----------------------------------------------------------------------------------

    def _is_equal(
        self, item: ComparedObject, other: ComparedObject, ignored: Sequence[str]
    ) -> bool:
        differences = self._find_differences(item, other)
        return all(name in ignored for name, _, _ in differences)

    def _compare(self, item: ComparedObject, other: ComparedObject) -> Iterator[Change]:
        for name, before, after in self._find_differences(item, other):
            yield self._build_change(item, other, name, before, after)

    def _find_differences(
        self, item: ComparedObject, other: ComparedObject
    ) -> Iterator[tuple[str, Any, Any]]:
        """Yield the names of attributes that differ, with both values."""
        left, right = self._left.list_values(item), self._right.list_values(other)
        ignored: Sequence[str] = ()
        if self._is_bound_to_another_kind(item, other):
            ignored = BOUND_NAMES
            yield BOUND, _select_bound(left), _select_bound(right)
        for name in self._list_names(item, other):
            before, after = left.get(name), right.get(name)
            if name in ignored:
                continue
            if not are_equal(before, after) and not self._is_unknown_in_snapshot(before, after):
                yield name, before, after
                if name == MODEL:
                    # Settings of different types have nothing in common.
                    return

    def _is_bound_to_another_kind(self, item: ComparedObject, other: ComparedObject) -> bool:
        """Return whether a policy binding binds a policy on one side, and a group on the other."""
        if item.kind is not POLICY_BINDING:
            return False
        left, right = self._left.find_bound(item.row), self._right.find_bound(other.row)
        return left is not None and right is not None and left.kind is not right.kind

    def _list_names(self, item: ComparedObject, other: ComparedObject) -> Iterable[str]:
        """Return the names of the attributes that are compared."""
        left = dict.fromkeys(self._left.list_names(item))
        right = dict.fromkeys(self._right.list_names(other))
        if left.keys() == right.keys():
            return left
        return [
            *(name for name in left if name in right or self._lacks(self._right, other, name)),
            *(name for name in right if name not in left and self._lacks(self._left, item, name)),
        ]

    def _lacks(self, side: Objects, item: ComparedObject, name: str) -> bool:
        """Return whether the object of a side is known to have no value of the attribute.

        FlowQL's own database has all settings that were imported. A setting that authentik lacks
        belongs to another version.
        """
        is_own = self._left.origin is self._right.origin is Origin.FLOWQL
        is_unknown = side.is_unknown(item.row.model, name)
        return is_own and item.mentions(name) and not is_unknown and name != MODEL

    def _is_unknown_in_snapshot(self, before: Any, after: Any) -> bool:
        """Return whether a value is missing in a snapshot because it could not be exported."""
        is_null_left = self._left.is_snapshot and before is None
        is_null_right = self._right.is_snapshot and after is None
        return (is_null_left and not is_comparable(after)) or (
            is_null_right and not is_comparable(before)
        )

    # Changes -------------------------------------------------------------------------------------

    def _build_change(
        self, item: ComparedObject, other: ComparedObject, name: str, before: Any, after: Any
    ) -> Change:
        object_path = self._describe(self._left, item)
        left, right = self._left_uses.find_place(item), self._right_uses.find_place(other)
        return Change(
            f"{object_path}.{name}",
            _find_kind(item, name),
            item.kind.name,
            object_path,
            render(before),
            render(after),
            name,
            self._left_uses.list_slugs(item) | self._right_uses.list_slugs(other),
            left,
            right,
            is_setting=name not in item.kind.fields and name != MODEL,
            names=self._list_named(before, after),
        )

    def _build_one_sided(self, item: ComparedObject, side: Objects) -> Change:
        is_left = side is self._left
        path = self._describe(side, item)
        values = {
            name: value
            for name in side.list_names(item)
            if is_comparable(value := side.list_values(item).get(name))
        }
        uses = self._left_uses if is_left else self._right_uses
        place = uses.find_place(item)
        return Change(
            path,
            self._find_one_sided_kind(item, side),
            item.kind.name,
            path,
            render(values) if is_left else None,
            None if is_left else render(values),
            None,
            uses.list_slugs(item),
            place if is_left else None,
            None if is_left else place,
            names=self._list_named(values),
        )

    def _find_one_sided_kind(self, item: ComparedObject, side: Objects) -> ChangeKind:
        other = self._right if side is self._left else self._left
        is_absent = item.row in self._absent
        is_outside = other.is_partial or (
            other.is_snapshot and not self._find_uses(side).list_slugs(item)
        )
        if is_outside and not is_absent and not self._is_exact:
            return ChangeKind.EXTRA
        return ChangeKind.REMOVED if side is self._left else ChangeKind.ADDED

    def _find_uses(self, side: Objects) -> Uses:
        return self._left_uses if side is self._left else self._right_uses

    def _list_named(self, *values: Any) -> tuple[NamedObject, ...]:
        """Return the objects that values name, with their primary keys on the right side."""
        references = {
            reference.token: reference for value in values for reference in find_references(value)
        }
        return tuple(map(self._build_named, references.values()))

    def _build_named(self, reference: Reference) -> NamedObject:
        item = self._right_objects.get(reference.token)
        kind = item.kind.name if item else reference.kind or "other"
        return NamedObject(kind, reference.name, str(item.row.pk) if item else None)

    @cached_property
    def _right_objects(self) -> Mapping[Token, ComparedObject]:
        return {item.token: item for item in self._right.list_all()}

    # Paths ---------------------------------------------------------------------------------------

    def _describe(self, side: Objects, item: ComparedObject) -> str:
        """Return the path of an object: kind and name, or the place of a binding."""
        if item.kind not in (STAGE_BINDING, POLICY_BINDING):
            return f"{item.kind.name}/{item.name}"
        target, bound = side.find_target(item.row), side.find_bound(item.row)
        parent = self._describe(side, target) if target else "?"
        kind, name = (bound.kind.name, bound.name) if bound else ("?", "?")
        return f"{parent}/{kind}/{item.row.get('order')}/{name}"


def _select_bound(values: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: values[name] for name in BOUND_NAMES if values.get(name) is not None}


def _find_kind(item: ComparedObject, name: str) -> ChangeKind:
    if item.kind in (STAGE_BINDING, POLICY_BINDING):
        return ChangeKind.MOVED if name in PLACE_NAMES else ChangeKind.CHANGED
    return ChangeKind.RENAMED if name in item.kind.unique else ChangeKind.CHANGED
