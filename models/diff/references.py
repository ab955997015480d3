"""The values of attributes as they are compared: references by identity, without secrets."""

from collections import Counter
from collections.abc import Container, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from models.authentik.secrets import SECRET
from models.blueprint.rows.row import is_equal

# The identity of an object, which both sides share if it exists on both.
Token = tuple[Hashable, ...]


@dataclass(frozen=True, slots=True)
class Reference:
    """A reference to an object. References with equal tokens are equal.

    `kind` and `pk` are those of the object on its side, if FlowQL stores it. Other objects are found
    by `fields`: those that are found by different ones cannot be compared.
    """

    token: Token
    name: str = field(compare=False)
    kind: str | None = field(default=None, compare=False)
    pk: str | int | None = field(default=None, compare=False)
    fields: tuple[str, ...] = field(default=(), compare=False)


class _Marker:
    """A value that cannot be compared."""

    __slots__ = ()


UNKNOWN_NAME = "?"
# A reference by primary key to an object whose name is not known.
UNRESOLVED = _Marker()
# A secret, which is never compared.
HIDDEN = _Marker()


def are_equal(left: Any, right: Any) -> bool:
    """Return whether two values are equal, as far as they can be compared.

    Lists of references have no order.
    """
    if left is HIDDEN or right is HIDDEN:
        return True
    if left is UNRESOLVED or right is UNRESOLVED:
        other = right if left is UNRESOLVED else left
        return isinstance(other, _Marker | Reference)
    if isinstance(left, list) and isinstance(right, list):
        return _are_lists_equal(cast(list[Any], left), cast(list[Any], right))
    if isinstance(left, dict) and isinstance(right, dict):
        one, other = cast(dict[str, Any], left), cast(dict[str, Any], right)
        return one.keys() == other.keys() and all(are_equal(one[key], other[key]) for key in one)
    if isinstance(left, Reference) and isinstance(right, Reference):
        return left == right or left.fields != right.fields
    return is_equal(left, right)


def _are_lists_equal(left: Sequence[Any], right: Sequence[Any]) -> bool:
    if len(left) != len(right):
        return False
    if not all(item is UNRESOLVED or isinstance(item, Reference) for item in (*left, *right)):
        return all(map(are_equal, left, right))
    fields = _list_fields(left) & _list_fields(right)
    one, other = (Counter(_list_resolved(items, fields)) for items in (left, right))
    # An unresolved reference can be any of the others.
    unresolved = len(left) - one.total(), len(right) - other.total()
    return (one - other).total() <= unresolved[1] and (other - one).total() <= unresolved[0]


def _list_fields(items: Iterable[Any]) -> set[tuple[str, ...]]:
    return {item.fields for item in items if isinstance(item, Reference)}


def _list_resolved(items: Iterable[Any], fields: Container[Any]) -> Iterator[Reference]:
    return (item for item in items if isinstance(item, Reference) and item.fields in fields)


def render(value: Any) -> Any:
    """Return a value as JSON: references are names, and `?` if these are unknown."""
    if isinstance(value, Reference):
        return value.name
    if value is UNRESOLVED:
        return UNKNOWN_NAME
    if isinstance(value, _Marker):
        return None
    if isinstance(value, list):
        items = [render(item) for item in cast(list[Any], value)]
        has_references = any(isinstance(item, Reference) for item in cast(list[Any], value))
        return sorted(items, key=str) if has_references else items
    if isinstance(value, Mapping):
        return {key: render(item) for key, item in cast(Mapping[str, Any], value).items()}
    return value


def is_comparable(value: Any) -> bool:
    """Return whether a value is known."""
    return not isinstance(value, _Marker)


def is_plain(value: Any) -> bool:
    """Return whether a value is known, is not null and contains no references."""
    if isinstance(value, list):
        return all(item is None or is_plain(item) for item in cast(list[Any], value))
    if isinstance(value, dict):
        items = cast(dict[str, Any], value).values()
        return all(item is None or is_plain(item) for item in items)
    return value is not None and not isinstance(value, _Marker | Reference | float)


def find_references(value: Any) -> Iterator[Reference]:
    """Yield the references in a value."""
    if isinstance(value, Reference):
        yield value
    elif isinstance(value, list):
        for item in cast(list[Any], value):
            yield from find_references(item)
    elif isinstance(value, dict):
        for item in cast(dict[str, Any], value).values():
            yield from find_references(item)


def is_secret(value: Any) -> bool:
    """Return whether a stored value stands for a secret."""
    return isinstance(value, dict) and value == SECRET
