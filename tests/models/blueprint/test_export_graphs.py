"""An import of an export has the content of the original, in any database."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import hypothesis
import pytest
from hypothesis import given

from models.blueprint.authentik.values import is_uuid
from support.blueprints import BlueprintDatabase
from support.command import run_in_process
from support.export_graphs import Graph, graphs
from support.imports import Content, Store

# 10 by default, and 200 in the full profile, for each kind of database.
EXAMPLES = hypothesis.settings(
    max_examples=hypothesis.settings().max_examples // 10,
    # The function that the fixture returns creates a new database for each example.
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture],
)


def export(store: Store, *arguments: str) -> str:
    """Return the output of `flowql export`."""
    process = run_in_process("export", *arguments, "--database", store.database.url)
    assert (process.returncode, process.stderr) == (0, "")
    return process.stdout


def export_each(store: Store, folder: Path) -> Path:
    """Export each flow into a file of its own, and return the folder."""
    for slug in store.read().flows:
        (folder / f"{slug}.yaml").write_text(export(store, slug), "utf-8")
    return folder


def select_used(content: Content, other: Content) -> Content:
    """Return content without the objects that the other does not have."""
    return replace(
        content,
        stages={name: content.stages[name] for name in other.stages},
        policies={name: content.policies[name] for name in other.policies},
        prompts={name: content.prompts[name] for name in other.prompts},
        groups={name: content.groups[name] for name in other.groups},
        users={name: content.users[name] for name in other.users},
    )


@EXAMPLES
@given(graph=graphs())
def test_random_graphs(
    new_database: Callable[[], BlueprintDatabase],
    tmp_path_factory: pytest.TempPathFactory,
    graph: Graph,
) -> None:
    """Into an empty database, and into one that has the stages and policies under other keys."""
    original, empty, full = (
        Store(new_database(), tmp_path_factory.mktemp("graph")) for _ in range(3)
    )
    original.load(graph.render())
    before = original.read()
    text = export(original, "--all")
    assert export(original, "--all") == text
    keys = [str(key) for rows in original.database.dump().values() for row in rows for key in row]
    assert not [key for key in keys if is_uuid(key) and key in text]

    empty.load(text)
    after = empty.read()
    assert after == select_used(before, after)
    assert export(empty, "--all") == text

    full.load(graph.render_others())
    process = full.run(export_each(original, tmp_path_factory.mktemp("each")))
    assert process.returncode == 0, process
    assert select_used(full.read(), after) == after
    assert export(full, "--all") == text
