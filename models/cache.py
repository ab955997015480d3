"""What is remembered of what was made before, within bounds."""

from collections import OrderedDict
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")

# The part of a store's capacity that is open to what was never asked for again.
PROBATION = 0.2


class SegmentedLRU(Generic[K, V]):
    """Values by their keys, up to `capacity` in the sum of their weights.

    A value is on trial until it is asked for again: however many come once and never again, they
    only drive out each other, and not what is in use.
    """

    def __init__(self, capacity: int) -> None:
        trial = max(1, int(capacity * PROBATION))
        self._trial = _Segment[K, V](trial)
        self._kept = _Segment[K, V](capacity - trial)

    def __len__(self) -> int:
        return len(self._trial.values) + len(self._kept.values)

    def get(self, key: K) -> V | None:
        """The value of the key, None where it is not remembered."""
        kept = self._kept.values.get(key)
        if kept is not None:
            self._kept.values.move_to_end(key)
            return kept[0]
        tried = self._trial.pop(key)
        if tried is None:
            return None
        self._kept.add(key, *tried)
        return tried[0]

    def put(self, key: K, value: V, weight: int = 1) -> None:
        """Remember a value, on trial if it is new; one that is too heavy for that is not."""
        shelf = self._kept if key in self._kept.values else self._trial
        shelf.add(key, value, weight)


class _Segment(Generic[K, V]):
    """Values with weights, of which the longest unused make room for new ones."""

    def __init__(self, capacity: int) -> None:
        self.values: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self._capacity = self._room = capacity

    def add(self, key: K, value: V, weight: int) -> None:
        """Put a value in front, in place of the key's other one, if there can be room for it."""
        self.pop(key)
        if weight > self._capacity:
            return
        self.values[key] = value, weight
        self._room -= weight
        while self._room < 0:
            _, (_, freed) = self.values.popitem(last=False)
            self._room += freed

    def pop(self, key: K) -> tuple[V, int] | None:
        """Take a value off, with its weight; None where it is not there."""
        found = self.values.pop(key, None)
        if found:
            self._room += found[1]
        return found
