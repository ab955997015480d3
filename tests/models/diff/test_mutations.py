"""Random graphs: equal ones have no differences, and each change is reported once."""

import tempfile
from pathlib import Path

import hypothesis
from hypothesis import given
from hypothesis import strategies as st

from models.diff.changes import ChangeKind
from models.diff.sides import SystemSide
from support.diff_sides import Sides, describe, diff, import_over, mutate, shuffle
from support.export_graphs import Graph, graphs

# 10 by default, and 200 in the full profile.
EXAMPLES = hypothesis.settings(max_examples=hypothesis.settings().max_examples // 10)
PLACES = ("order", "target")
NAMES = ("slug", "name")


def load(graph: Graph) -> SystemSide:
    """Return the system that a graph describes."""
    with tempfile.TemporaryDirectory() as folder:
        return Sides(Path(folder)).import_(graph.render())


@EXAMPLES
@given(graph=graphs(), seed=st.integers(0, 9))
def test_equal_systems(graph: Graph, seed: int) -> None:
    """Primary keys and the order of rows are never reported."""
    side = load(graph)
    other = SystemSide("shuffled", shuffle(side.content, seed))
    assert describe(diff(side, other).changes) == []
    assert describe(diff(other, side).changes) == []


@EXAMPLES
@given(graph=graphs(), seed=st.integers(0, 9))
def test_each_change_is_reported_once(graph: Graph, seed: int) -> None:
    """Under the path of its attribute, in both directions."""
    side = load(graph)
    for mutation in mutate(side.content):
        other = SystemSide("changed", shuffle(mutation.content, seed))
        for left, right in ((side, other), (other, side)):
            [change] = diff(left, right).changes
            assert change.path == f"{change.object}.{mutation.name}"
            assert change.object_kind == mutation.kind.name
            if mutation.name in PLACES and mutation.kind.name.endswith("binding"):
                assert change.kind is ChangeKind.MOVED
            elif mutation.name in mutation.kind.unique and not mutation.kind.name.endswith(
                "binding"
            ):
                assert change.kind is ChangeKind.RENAMED
            else:
                assert change.kind is ChangeKind.CHANGED


@EXAMPLES
@given(graph=graphs(), other=graphs())
def test_import_makes_equal(graph: Graph, other: Graph) -> None:
    """What is left afterwards are objects that the blueprint does not mention."""
    with tempfile.TemporaryDirectory() as folder:
        sides = Sides(Path(folder))
        blueprint, system = sides.read(graph.render()), sides.import_(other.render())
    after = import_over(system.content, blueprint)
    hypothesis.assume(after is not None)
    imported = SystemSide("after", after or system.content)
    difference = diff(blueprint, imported)
    assert describe(difference.counted) == []
    exact = diff(blueprint, imported, exact=True).changes
    assert [change.path for change in exact] == [change.path for change in difference.changes]
    assert {change.kind for change in exact} <= {ChangeKind.ADDED}
