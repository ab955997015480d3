"""Stores: bounded by weight, and no stream of strangers drives out what is in use."""

import pytest

from models.cache import SegmentedLRU


@pytest.fixture
def store() -> SegmentedLRU[str, str]:
    """A store with room for 100."""
    return SegmentedLRU(100)


def test_what_was_put_is_got(store: SegmentedLRU[str, str]) -> None:
    """Before and after it was asked for; what was not put is None."""
    store.put("key", "value")
    assert [store.get("key"), store.get("key"), store.get("other")] == ["value", "value", None]


def test_weights_are_bounded() -> None:
    """The weights never exceed the capacity, whichever values are asked for again."""
    weights = SegmentedLRU[int, int](100)
    for number in range(1000):
        weights.put(number, weight := 1 + number % 20, weight)
        if number % 3:
            assert weights.get(number) == weight
    assert 0 < sum(weights.get(number) or 0 for number in range(1000)) <= 100


def test_what_is_used_twice_survives_a_stream_of_others(store: SegmentedLRU[str, str]) -> None:
    """Ten thousand keys that come once drive out each other alone."""
    store.put("used", "value")
    assert store.get("used") == "value"
    for number in range(10_000):
        store.put(f"once {number}", "value")
    assert store.get("used") == "value"
    assert store.get("once 0") is None
    assert store.get("once 9999") == "value"
    assert len(store) <= 100


def test_what_is_too_heavy_is_not_remembered(store: SegmentedLRU[str, str]) -> None:
    """It drives out nothing; a new value of a known key that is too heavy is not remembered either."""
    store.put("known", "light")
    store.put("new", "heavy", 101)
    assert [store.get("known"), store.get("new")] == ["light", None]
    store.put("known", "heavy", 101)
    assert store.get("known") is None


def test_a_value_is_replaced_with_its_weight(store: SegmentedLRU[str, str]) -> None:
    """On trial or kept, a key has one value, and its old weight is room again."""
    for weight in (20, 80):
        for value in ("old", "new"):
            store.put("key", value, weight)
            assert store.get("key") == value
        store.put("other", "value", 20)
        assert len(store) == 2
    assert [store.get("key"), store.get("other")] == ["new", "value"]


@pytest.mark.parametrize("uses", [0, 1])
def test_the_longest_unused_goes_first(store: SegmentedLRU[str, str], uses: int) -> None:
    """Among those on trial as among those in use."""
    names = [f"{number:03}" for number in range(200)]
    for name in names:
        store.put(name, name)
        assert [store.get(name) for _ in range(uses)] == [name] * uses
    assert [name for name in names if store.get(name)] == names[-80 if uses else -20 :]
