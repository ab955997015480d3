"""Measure every statement in every state of a database: python tests/benchmarks/cliffs.py --help."""

import asyncio
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import count, product
from pathlib import Path
from typing import Annotated

# The benchmark uses the test suite's support modules.
sys.path.append(str(Path(__file__).resolve().parents[1]))

import asyncpg
import cyclopts
from cliff_databases import (
    AUTHENTIK,
    COLLATIONS,
    EVERY_INDEX,
    OWN,
    Cell,
    Cluster,
    analyze,
    drop_indexes,
    fill,
    list_index_states,
    run_cluster,
)
from figures import RESULTS
from machine import describe_machine
from pydantic import TypeAdapter
from shapes import Shape, list_shapes

from models.database import Database, open_database

VERSIONS = ("15", "18")
FLOW_COUNT = 10_000
# A statement is a cliff if it takes more than this many times its time in the best cell, and more
# milliseconds than noise.
MAX_RATIO, NOISE_MS = 3, 0.3
REPETITIONS = 5
# A statement that takes long is executed less often.
MAX_SECONDS = 0.2
MS = 1000


@dataclass(frozen=True, slots=True)
class CliffResults:
    """The times of each shape in each cell in milliseconds, -1 where there is no such shape."""

    date: str
    machine: Mapping[str, str]
    options: Mapping[str, int]
    cells: Sequence[str]
    shapes: Mapping[str, Sequence[float]]

    def ratios(self, name: str) -> Sequence[float]:
        """Return the time of a shape in each cell, divided by that in its best cell."""
        best = min(self._known(name))
        return [0 if ms < 0 else ms / best for ms in self.shapes[name]]

    def list_cliffs(self, name: str) -> Sequence[str]:
        """Return the cells in which a shape takes too long."""
        best = min(self._known(name))
        limit = max(best * MAX_RATIO, best + NOISE_MS)
        return [cell for cell, ms in zip(self.cells, self.shapes[name], strict=True) if ms > limit]

    def _known(self, name: str) -> Sequence[float]:
        return [ms for ms in self.shapes[name] if ms >= 0]


ADAPTER: TypeAdapter[CliffResults] = TypeAdapter(CliffResults)
# Milliseconds by shape, and these by cell.
CellTimes = dict[str, float]
Times = dict[str, CellTimes]


@dataclass(frozen=True, slots=True)
class Selection:
    """What is measured. `scale` is the number of flows, `shapes` a part of the names of shapes."""

    scale: int = FLOW_COUNT
    versions: Sequence[str] = VERSIONS
    tables: Sequence[str] = (AUTHENTIK, OWN)
    collations: Sequence[str] = COLLATIONS
    indexes: Sequence[str] = tuple(list_index_states())
    shapes: str = ""


EVERYTHING = Selection()


def run(
    selection: Annotated[Selection, cyclopts.Parameter("*")] = EVERYTHING,
    *,
    output: Path = RESULTS / "cliffs.json",
) -> None:
    """Measure each shape of statement with all servers, collations, indexes and statistics."""
    times: Times = {}
    with ProcessPoolExecutor(len(selection.versions)) as processes:
        measure = partial(measure_server, selection)
        for part in processes.map(measure, count(), selection.versions):
            times |= part
    results = build_results(times, {"flows": selection.scale, "repetitions": REPETITIONS})
    output.write_text(dump(results))
    output.with_suffix(".md").write_text(render(results))
    print(render(results))  # noqa: T201 - the output


def measure_server(selection: Selection, number: int, version: str) -> Times:
    """Return the times in each state of the databases of one server.

    The servers run at the same time, each with its client on a processor of its own.
    """
    processors = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {processors[number % len(processors)]})
    times: Times = {}
    with run_cluster(version) as cluster:
        for cell, milliseconds in measure_cluster(cluster, selection):
            times[cell.label] = milliseconds
            print(cell.label, f"{sum(milliseconds.values()):,.0f} ms", flush=True)  # noqa: T201 - progress
    return times


def measure_cluster(cluster: Cluster, selection: Selection) -> Iterator[tuple[Cell, CellTimes]]:
    """Yield the times in each state of a server's databases."""
    for kind, collation in product(selection.tables, selection.collations):
        # FlowQL does not create its tables with a locale that folds only ASCII.
        if (kind, collation) != (OWN, "C"):
            fill(cluster.create_database("filled", collation), kind, selection.scale)
            states = selection.indexes if kind == AUTHENTIK else (EVERY_INDEX,)
            for state in states:
                cell = Cell(cluster.name, kind, collation, state, is_analyzed=False)
                yield from measure_copy(cluster, cell, selection)
            cluster.drop_database("filled")


def measure_copy(
    cluster: Cluster, cell: Cell, selection: Selection
) -> Iterator[tuple[Cell, CellTimes]]:
    """Yield the times in a copy of the database, before and after it is analyzed."""
    url = cluster.copy_database("measured", "filled")
    drop_indexes(url, cell.indexes)
    yield cell, asyncio.run(measure_cell(url, selection))
    analyze(url)
    yield cell._replace(is_analyzed=True), asyncio.run(measure_cell(url, selection))
    cluster.drop_database("measured")


async def measure_cell(url: str, selection: Selection) -> CellTimes:
    """Return the least time of each shape in milliseconds."""
    database = await open_database(url)
    try:
        return {
            shape.name: await measure_shape(database, shape) * MS
            for shape in await list_shapes(database, selection.scale)
            if selection.shapes in shape.name
        }
    finally:
        await database.close()


async def measure_shape(database: Database, shape: Shape) -> float:
    """Return the least time of several executions of a prepared statement in seconds."""
    statement = database.source.compile(shape.builder)
    arguments = statement.arguments(shape.values)
    times: list[float] = []
    while len(times) < 2 or (len(times) < REPETITIONS and sum(times) < MAX_SECONDS):
        start = time.perf_counter()
        try:
            await database.source.reader.fetch(statement, arguments)
        except asyncpg.QueryCanceledError:
            # The limit of FlowQL's settings.
            return time.perf_counter() - start
        times.append(time.perf_counter() - start)
    return min(times)


def build_results(times: Times, options: Mapping[str, int]) -> CliffResults:
    """Return the results: one row for each shape, and one column for each cell."""
    names = dict.fromkeys(name for cell in times.values() for name in cell)
    return CliffResults(
        datetime.now(UTC).isoformat(timespec="seconds"),
        describe_machine(),
        options,
        list(times),
        {name: [round(cell.get(name, -1), 3) for cell in times.values()] for name in names},
    )


def dump(results: CliffResults) -> str:
    """Serialize the results as JSON, with one shape on each line."""
    fields = ADAPTER.dump_python(results, mode="json")
    rows = ",\n ".join(
        f"{json.dumps(name)}: {json.dumps(row)}" for name, row in fields.pop("shapes").items()
    )
    head = json.dumps(fields, indent=1, ensure_ascii=False).removesuffix("\n}")
    return f'{head},\n "shapes": {{\n {rows}\n }}\n}}\n'


def render(results: CliffResults) -> str:
    """Render the shapes with their best and worst times, the worst ones first."""
    rows = sorted(results.shapes, key=lambda name: -max(results.ratios(name)))
    lines = [
        "| statement | best ms | worst ms | ratio | cliffs | worst cell |",
        "|---|---|---|---|---|---|",
    ]
    for name in rows:
        ratios = results.ratios(name)
        worst = ratios.index(max(ratios))
        times = results.shapes[name]
        best = min(ms for ms in times if ms >= 0)
        lines.append(
            f"| {name} | {best:.2f} | {times[worst]:.2f} | {ratios[worst]:.1f}"
            f" | {len(results.list_cliffs(name))} | {results.cells[worst]} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    cyclopts.run(run)
