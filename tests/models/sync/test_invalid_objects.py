"""Random values in place of those of authentik are an error, or are read as they are."""

import random
from typing import Any

import hypothesis

from models.errors import SyncError
from support.authentik_server import NEWEST, OLDEST, PlayedAuthentik, serve_authentik
from support.synced_objects import build_objects
from support.syncs import read

# 20 by default, 400 in the full profile.
ROUNDS = hypothesis.settings().max_examples // 5
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 2**31, 2**63, 1.5, 1e300, "", "x", "a\0b", "\ud800", "é" * 1000),
    *([], [None], [[]], {}, {"a": None}, {"$find": []}, {"$find": ["x", ["y", "z"]]}, ["x", 1]),
)


def test_invalid_objects_are_errors() -> None:
    """The same values in each round, so that all reads of a list find them."""
    results = [read_mutated(seed) for seed in range(ROUNDS)]
    assert {True, False} == set(results)


def read_mutated(seed: int) -> bool:
    """Read objects with some random values, and return whether that succeeds."""
    with serve_authentik(build_objects(), random.Random(seed).choice((OLDEST, NEWEST))) as played:
        played.mutate = lambda path, body: mutate(body, random.Random(f"{seed} {path}"))
        return succeeds(played)


def mutate(body: Any, generator: random.Random) -> None:
    """Replace a value in some of the objects of a page."""
    items: list[dict[str, Any]] = body.get("results") or []
    if items and generator.random() < 0.1:
        item = generator.choice(items)
        item[generator.choice(list(item))] = generator.choice(VALUES)


def succeeds(authentik: PlayedAuthentik) -> bool:
    """Return whether a read succeeds; any other error than SyncError is a defect."""
    try:
        return bool(read(authentik))
    except SyncError:
        return False
