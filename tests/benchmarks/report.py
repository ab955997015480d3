"""From raw figures to Markdown."""

import sys
from collections.abc import Callable, Iterator, Sequence
from statistics import median

import figures
from figures import Figure, Results, StatementFigure
from goals import KIB_A_MIB, Goal, goals

HEADS = (
    "asked",
    "server",
    "database",
    "requests/s",
    "p50 ms",
    "p99 ms",
    "CPU µs a request",
    "PostgreSQL µs a request",
    "memory MiB",
)
SUMMARY_HEADS = (
    "server",
    "database",
    "20 rows: requests/s",
    "p50 ms",
    "p99 ms",
    "CPU µs a request",
    "100 rows: requests/s",
    "CPU µs a request",
)
NESTED_HEADS = (
    "20 rows with what they are made of",
    "database",
    "requests/s",
    "p50 ms",
    "p99 ms",
    "CPU µs a request",
)
COLUMNS: Sequence[Callable[[Figure], float]] = (
    lambda figure: figure.rate,
    lambda figure: figure.p50_us / 1000,
    lambda figure: figure.p99_us / 1000,
    lambda figure: figure.cpu_us,
    lambda figure: figure.postgres_us,
    lambda figure: figure.pss_kib / KIB_A_MIB,
)


def show(name: str = "latest") -> None:
    """Print the report of results/<name>.json."""
    sys.stdout.write(markdown(figures.load(name)) + "\n")


def markdown(results: Results) -> str:
    """Both tables, and under which circumstances they came to be."""
    parts = (
        _circumstances(results),
        _table(HEADS, _measured(results)),
        _table(("goal", "bound", "measured", "met"), map(_judged, goals(results))),
    )
    return "\n\n".join(part for part in parts if part)


def summary(results: Results) -> str:
    """The README's tables: medians alone, of all fields of 20 and of 100 rows, and of nested ones."""
    parts = (_table(SUMMARY_HEADS, _summed(results)), _table(NESTED_HEADS, _nested(results)))
    return "\n\n".join(part for part in parts if part)


def _summed(results: Results) -> Iterator[Sequence[str]]:
    for label, server in results.servers.items():
        found = [
            figure for figure in results.figures if f"{figure.server} on {figure.database}" == label
        ]
        pages = {size: _of_pages(found, size) for size in ("20", "100")}
        if pages["20"]:
            small = [_number(median(map(column, pages["20"]))) for column in COLUMNS[:4]]
            large = [
                _number(median(map(column, pages["100"]))) if pages["100"] else ""
                for column in (COLUMNS[0], COLUMNS[3])
            ]
            yield (server, found[0].database, *small, *large)


def _nested(results: Results) -> Iterator[Sequence[str]]:
    for label, server in results.servers.items():
        found = [figure for figure in results.figures if _is_of(figure, "nested", label)]
        if found:
            numbers = [_number(median(map(column, found))) for column in COLUMNS[:4]]
            yield (server, found[0].database, *numbers)


def _of_pages(found: Sequence[Figure], size: str) -> Sequence[Figure]:
    """The figures of a page of that size; Django has no GraphQL, and is asked over REST."""
    graphql = [figure for figure in found if figure.workload == f"page_{size}"]
    return graphql or [figure for figure in found if figure.workload == f"rest_{size}"]


def _circumstances(results: Results) -> str:
    machine, options = results.machine, results.options
    return (
        f"{results.date[:10]}, {machine['processor']}, Python {machine['python']}, commit"
        f" {machine['commit']}: medians (least to most) of {options['rounds']} alternating rounds of"
        f" {options['seconds']} s, {options['connections']} connections, the server on one core,"
        " wrk and PostgreSQL on the other."
    )


def _measured(results: Results) -> Iterator[Sequence[str]]:
    for workload, told in results.workloads.items():
        for label, server in results.servers.items():
            found = [f for f in results.figures if _is_of(f, workload, label)]
            if found:
                spreads = [_spread([column(figure) for figure in found]) for column in COLUMNS]
                yield (told, server, found[0].database, *spreads)
        alone = [s for s in results.statements if s.workload == workload]
        if alone:
            yield (told, *_alone(alone))


def _is_of(figure: Figure, workload: str, label: str) -> bool:
    return figure.workload == workload and f"{figure.server} on {figure.database}" == label


def _alone(found: Sequence[StatementFigure]) -> Sequence[str]:
    rate = _spread([figure.transactions / figure.seconds for figure in found])
    spent = _spread([figure.postgres_us for figure in found])
    return ("pgbench, page.sql", "PostgreSQL", rate, "", "", "", spent, "")


def _judged(goal: Goal) -> Sequence[str]:
    sign, written = ("≥", _plain) if goal.at_least else ("≤", _part)
    measured = f"{written(goal.value)}{goal.unit}"
    if len(goal.values) > 1:
        measured += f" ({written(min(goal.values))} to {written(max(goal.values))})"
    bound = f"{sign} {written(goal.bound)}{goal.unit}"
    return (goal.told, bound, measured, "yes" if goal.is_met else "**no**")


def _part(value: float) -> str:
    """A small ratio as people say it: 1/30."""
    return f"1/{1 / value:.3g}" if 0 < value <= 1 / 2 else _plain(value)


def _plain(value: float) -> str:
    return f"{value:.3g}"


def _spread(values: Sequence[float]) -> str:
    middle = _number(median(values))
    if len(values) == 1:
        return middle
    return f"{middle} ({_number(min(values))} to {_number(max(values))})"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 or value == 0 else f"{value:.3g}"


def _table(heads: Sequence[str], rows: Iterator[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) if len(lines) > 2 else ""
