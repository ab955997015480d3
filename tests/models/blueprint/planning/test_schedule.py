"""Entries that wait for others."""

import pytest

from models.blueprint.format.entry import BlueprintFile, Entry
from models.blueprint.planning.schedule import MAX_WAITS, Schedule, TooManyWaitsError

FILE = BlueprintFile("a.yaml")


def add_entries(schedule: Schedule, count: int) -> list[Entry]:
    """Add entries of a file, each with its number as key."""
    schedule.add_file(FILE)
    entries = [Entry(FILE, (number, 1), "model", {}, {}) for number in range(count)]
    for number, entry in enumerate(entries):
        schedule.add(entry, [number])
    return entries


def test_waits_are_limited() -> None:
    """An entry that always waits for another one ends with an error."""
    schedule = Schedule()
    entry, other = add_entries(schedule, 2)
    for _ in range(MAX_WAITS):
        schedule.wait(entry, other)
    with pytest.raises(TooManyWaitsError, match="more than 100 other entries"):
        schedule.wait(entry, other)


def test_long_chains_and_many_circles() -> None:
    """Each entry is planned once, and only the first one of each circle is forced."""
    schedule = Schedule()
    entries = add_entries(schedule, 1_000)
    # Each of the first 500 entries waits for the next one, and the others for each other in pairs.
    awaited = {entry: entries[number + 1] for number, entry in enumerate(entries[:500])}
    for first, second in zip(entries[500::2], entries[501::2], strict=True):
        awaited |= {first: second, second: first}
    planned: list[Entry] = []
    forced: list[Entry] = []
    for entry in schedule.drain():
        if entry is not schedule.forced and awaited[entry] not in planned:
            schedule.wait(entry, awaited[entry])
            continue
        if entry is schedule.forced:
            forced.append(entry)
        planned.append(entry)
        schedule.finish(entry)
    assert len(planned) == len(entries)
    assert set(forced) == set(entries[500::2])
    assert len(forced) == 250


def test_earlier_entries() -> None:
    """An entry precedes others by its file, and by its place in the file."""
    schedule = Schedule()
    first, second, third = add_entries(schedule, 3)
    assert schedule.find_earlier([1], third) is second
    assert schedule.find_earlier([1], second) is None
    assert schedule.find_earlier([1], first) is None
    file = BlueprintFile("b.yaml")
    schedule.add_file(file)
    assert schedule.find_earlier([1], Entry(file, (0, 1), "model", {}, {})) is second
