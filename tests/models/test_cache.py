"""Tests of SegmentedLRU: bounded weight, and resistance to values that are read only once."""

import pytest

from models.cache import SegmentedLRU


@pytest.fixture
def cache() -> SegmentedLRU[str, str]:
    """A cache with a capacity of 100."""
    return SegmentedLRU(100)


def test_values_are_returned(cache: SegmentedLRU[str, str]) -> None:
    """A value is returned repeatedly; an unknown key returns None."""
    cache.put("key", "value")
    assert [cache.get("key"), cache.get("key"), cache.get("other")] == ["value", "value", None]


def test_weights_are_bounded() -> None:
    """The total weight never exceeds the capacity, whichever values are read again."""
    weights = SegmentedLRU[int, int](100)
    for number in range(1000):
        weights.put(number, weight := 1 + number % 20, weight)
        if number % 3:
            assert weights.get(number) == weight
    assert 0 < sum(weights.get(number) or 0 for number in range(1000)) <= 100


def test_a_value_that_is_read_survives_a_stream_of_new_values(
    cache: SegmentedLRU[str, str],
) -> None:
    """Ten thousand keys that are never read evict only each other."""
    cache.put("used", "value")
    assert cache.get("used") == "value"
    for number in range(10_000):
        cache.put(f"once {number}", "value")
    assert cache.get("used") == "value"
    assert cache.get("once 0") is None
    assert cache.get("once 9999") == "value"
    assert len(cache) <= 100


def test_a_value_above_the_capacity_is_not_cached(cache: SegmentedLRU[str, str]) -> None:
    """Such a value evicts nothing except the old value of its own key."""
    cache.put("known", "light")
    cache.put("new", "heavy", 101)
    assert [cache.get("known"), cache.get("new")] == ["light", None]
    cache.put("known", "heavy", 101)
    assert cache.get("known") is None


def test_a_value_is_replaced_with_its_weight(cache: SegmentedLRU[str, str]) -> None:
    """A key has one value in each segment, and replacing it frees the old weight."""
    for weight in (20, 80):
        for value in ("old", "new"):
            cache.put("key", value, weight)
            assert cache.get("key") == value
        cache.put("other", "value", 20)
        assert len(cache) == 2
    assert [cache.get("key"), cache.get("other")] == ["new", "value"]


@pytest.mark.parametrize("uses", [0, 1])
def test_the_least_recently_used_value_is_evicted_first(
    cache: SegmentedLRU[str, str], uses: int
) -> None:
    """Values on probation and protected values are evicted in the same order."""
    names = [f"{number:03}" for number in range(200)]
    for name in names:
        cache.put(name, name)
        assert [cache.get(name) for _ in range(uses)] == [name] * uses
    assert [name for name in names if cache.get(name)] == names[-80 if uses else -20 :]
