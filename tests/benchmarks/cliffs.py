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
from typing import Annotated, NamedTuple

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

    def compare(self) -> Iterator["Comparison"]:
        """Yield the comparison of each shape with its best cell, by kind of tables."""
        for tables in (AUTHENTIK, OWN):
            columns = [i for i, cell in enumerate(self.cells) if f", {tables}, " in cell]
            for name, row in self.shapes.items():
                times = {self.cells[i]: row[i] for i in columns if row[i] >= 0}
                if times:
                    yield Comparison(tables, name, times)


class Comparison(NamedTuple):
    """The times of a shape in the cells of one kind of tables, in milliseconds."""

    tables: str
    name: str
    times: Mapping[str, float]

    @property
    def best(self) -> float:
        """The time in the best cell."""
        return min(self.times.values())

    @property
    def worst_cell(self) -> str:
        """The cell with the longest time."""
        return max(self.times, key=self.times.__getitem__)

    @property
    def ratio(self) -> float:
        """The longest time, divided by the best one."""
        return self.times[self.worst_cell] / self.best

    @property
    def cliffs(self) -> Sequence[str]:
        """The cells in which the statement takes too long."""
        limit = max(self.best * MAX_RATIO, self.best + NOISE_MS)
        return [cell for cell, ms in self.times.items() if ms > limit]


ADAPTER: TypeAdapter[CliffResults] = TypeAdapter(CliffResults)
# Milliseconds by shape, and these by cell.
CellTimes = dict[str, float]
Times = dict[str, CellTimes]


@dataclass(frozen=True, slots=True)
class Selection:
    """What is measured. `scale` is the number of flows, `shapes` are parts of names of shapes."""

    scale: int = FLOW_COUNT
    versions: Sequence[str] = VERSIONS
    tables: Sequence[str] = (AUTHENTIK, OWN)
    collations: Sequence[str] = COLLATIONS
    indexes: Sequence[str] = tuple(list_index_states())
    shapes: Sequence[str] = ("",)


EVERYTHING = Selection()


def run(
    selection: Annotated[Selection, cyclopts.Parameter("*")] = EVERYTHING,
    *,
    output: Path = RESULTS / "cliffs.json",
) -> None:
    """Measure each shape of statement with all servers, collations, indexes and statistics.

    The output keeps its figures of what is not selected, unless they are of another scale.
    """
    options = {"flows": selection.scale, "repetitions": REPETITIONS}
    times = read_times(output, options)
    with ProcessPoolExecutor(len(selection.versions)) as processes:
        measure = partial(measure_server, selection)
        for part in processes.map(measure, count(), selection.versions):
            for cell, milliseconds in part.items():
                times[cell] = times.get(cell, {}) | milliseconds
    results = build_results(times, options)
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
            if any(part in shape.name for part in selection.shapes)
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


def read_times(path: Path, options: Mapping[str, int]) -> Times:
    """Return the figures of a former run with these options, if any."""
    if not path.exists():
        return {}
    results = ADAPTER.validate_json(path.read_text())
    if results.options != options:
        return {}
    return {
        cell: {name: row[number] for name, row in results.shapes.items() if row[number] >= 0}
        for number, cell in enumerate(results.cells)
    }


def render(results: CliffResults) -> str:
    """Render the shapes with their best and worst times, the worst ones first."""
    comparisons = sorted(results.compare(), key=lambda comparison: -comparison.ratio)
    cliffs = [comparison for comparison in comparisons if comparison.cliffs]
    summary = (
        f"{len(cliffs)} of {len(comparisons)} statements are cliffs in some cell: they take over"
        f" {MAX_RATIO} times as long as in the best one, and over {NOISE_MS} ms longer."
    )
    lines = [
        summary,
        "",
        "| tables | statement | best ms | worst ms | ratio | cliffs | worst cell |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {comparison.tables} | {comparison.name} | {comparison.best:.2f}"
        f" | {comparison.times[comparison.worst_cell]:.2f} | {comparison.ratio:.1f}"
        f" | {len(comparison.cliffs)} | {comparison.worst_cell} |"
        for comparison in comparisons
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    cyclopts.run(run)
