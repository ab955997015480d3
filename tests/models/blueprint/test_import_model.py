"""Random imports have the results that authentik's rules have for them."""

from collections.abc import Callable, Sequence

import hypothesis
import pytest
from hypothesis import given

from support.blueprints import BlueprintDatabase
from support.import_model import RUNS, ImportModel, RandomEntry, describe
from support.imports import INVALID, Store

# 8 by default, and 166 in the full profile, for each kind of database.
EXAMPLES = hypothesis.settings(
    max_examples=hypothesis.settings().max_examples // 12,
    # The function that the fixture returns creates a new database for each example.
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture],
)


@EXAMPLES
@given(runs=RUNS)
def test_random_imports(
    new_database: Callable[[], BlueprintDatabase],
    tmp_path_factory: pytest.TempPathFactory,
    runs: Sequence[Sequence[RandomEntry]],
) -> None:
    """Objects of all kinds are created, changed and deleted, in several runs."""
    store = Store(new_database(), tmp_path_factory.mktemp("runs"))
    model = ImportModel()
    for drawn in runs:
        run = select_possible(model, drawn)
        is_valid = model.apply(run)
        documents = ["".join(entry.render() for entry in run) or "entries: []"]
        store.load(*documents, code=0 if is_valid else INVALID)
        assert describe(store.read()) == model.objects


def select_possible(model: ImportModel, drawn: Sequence[RandomEntry]) -> list[RandomEntry]:
    """Return the entries that are possible after those before them."""
    copy = model.copy()
    run: list[RandomEntry] = []
    for entry in drawn:
        if copy.is_possible(entry):
            run.append(entry)
            copy.apply([entry])
    return run
