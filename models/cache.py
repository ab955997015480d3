"""A bounded in-memory cache."""

from collections import OrderedDict
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")

# The share of the capacity that is reserved for values that were not read yet.
PROBATION_SHARE = 0.2


class SegmentedLRU(Generic[K, V]):
    """A segmented LRU cache, bounded by the sum of the weights of its values.

    A new value is on probation until it is read. Values on probation evict only each other, so a
    stream of values that are never read does not evict values in use.
    """

    def __init__(self, capacity: int) -> None:
        probation = max(1, int(capacity * PROBATION_SHARE))
        self._probation = _Segment[K, V](probation)
        self._protected = _Segment[K, V](capacity - probation)

    def __len__(self) -> int:
        return len(self._probation.values) + len(self._protected.values)

    def get(self, key: K) -> V | None:
        """Return the value of the key, None if it is not cached."""
        entry = self._protected.values.get(key)
        if entry is not None:
            self._protected.values.move_to_end(key)
            return entry[0]
        entry = self._probation.pop(key)
        if entry is None:
            return None
        self._protected.add(key, *entry)
        return entry[0]

    def discard(self, key: K) -> None:
        """Remove the value of the key, if it is cached."""
        self._protected.pop(key)
        self._probation.pop(key)

    def put(self, key: K, value: V, weight: int = 1) -> None:
        """Cache a value, unless it is heavier than its segment."""
        is_protected = key in self._protected.values
        segment = self._protected if is_protected else self._probation
        segment.add(key, value, weight)


class _Segment(Generic[K, V]):
    """Weighted values, of which the least recently used is evicted first."""

    def __init__(self, capacity: int) -> None:
        self.values: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self._capacity = self._room = capacity

    def add(self, key: K, value: V, weight: int) -> None:
        """Replace the value of a key; remove it if the new value exceeds the capacity."""
        self.pop(key)
        if weight > self._capacity:
            return
        self.values[key] = value, weight
        self._room -= weight
        while self._room < 0:
            _, (_, evicted_weight) = self.values.popitem(last=False)
            self._room += evicted_weight

    def pop(self, key: K) -> tuple[V, int] | None:
        """Remove and return a value and its weight, None if the key is not cached."""
        entry = self.values.pop(key, None)
        if entry:
            self._room += entry[1]
        return entry
