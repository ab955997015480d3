"""Markdown tables of the figures."""

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from statistics import median

import figures
from figures import REUSE_SERVER, Figure, Results, Run, StatementFigure
from goals import KIB_PER_MIB, Goal, list_goals

HEADS = (
    "workload",
    "server",
    "database",
    "commits/s",
    "requests/s",
    "p50 ms",
    "p99 ms",
    "CPU µs per request",
    "PostgreSQL µs per request",
    "memory MiB",
)
SUMMARY_HEADS = (
    "server",
    "database",
    "20 rows: requests/s",
    "p50 ms",
    "p99 ms",
    "CPU µs per request",
    "100 rows: requests/s",
    "CPU µs per request",
)
NESTED_HEADS = (
    "20 rows with bindings, stages and policies",
    "database",
    "requests/s",
    "p50 ms",
    "p99 ms",
    "CPU µs per request",
)
REUSE_HEAD = "20 rows: requests/s (CPU µs per request)"
MEASURE = (
    "CPU is the user and system time of the server's processes with their threads"
    " (`/proc/PID/stat`), without PostgreSQL and wrk, divided by the responses. Commits are made by"
    " another process, to a table that no server reads."
)
COLUMNS: Sequence[Callable[[Figure], float]] = (
    lambda figure: figure.rate,
    lambda figure: figure.p50_us / 1000,
    lambda figure: figure.p99_us / 1000,
    lambda figure: figure.cpu_us,
    lambda figure: figure.postgres_us,
    lambda figure: figure.pss_kib / KIB_PER_MIB,
)


def print_report(name: str = "latest") -> None:
    """Print the report of results/NAME.json."""
    sys.stdout.write(render_report(figures.load(name)) + "\n")


def render_report(results: Results) -> str:
    """Return the conditions of the run, the table of figures and the table of goals."""
    parts = (
        _conditions(results),
        MEASURE,
        _table(HEADS, _figure_rows(results)),
        _table(("goal", "bound", "measured", "met"), map(_goal_row, list_goals(results))),
    )
    return "\n\n".join(part for part in parts if part)


def summary(results: Results) -> str:
    """Return the README's tables: medians for pages, for reuse between commits, and for nested rows."""
    parts = (
        _table(SUMMARY_HEADS, _page_rows(results)),
        _table(*_reuse_table(results)),
        _table(NESTED_HEADS, _nested_rows(results)),
    )
    return "\n\n".join(part for part in parts if part)


def _page_rows(results: Results) -> Iterator[Sequence[str]]:
    for label, server in results.servers.items():
        of_server = [f for f in results.figures if _label(f) == label and not f.commits]
        pages = {size: _page_figures(of_server, size) for size in ("20", "100")}
        if pages["20"]:
            small = [_number(median(map(column, pages["20"]))) for column in COLUMNS[:4]]
            large = [
                _number(median(map(column, pages["100"]))) if pages["100"] else ""
                for column in (COLUMNS[0], COLUMNS[3])
            ]
            yield (server, of_server[0].database, *small, *large)


def _reuse_table(results: Results) -> tuple[Sequence[str], Iterator[Sequence[str]]]:
    """Return the heads and the rows: a column for each commit rate, a row for each database."""
    reusing = [figure for figure in results.figures if figure.server == REUSE_SERVER]
    rates = sorted({figure.commits for figure in reusing})
    databases = dict.fromkeys(figure.database for figure in reusing)
    heads = (REUSE_HEAD, "reuse off", *map(_rate_head, rates))
    runs = [Run("page_20"), *(Run("page_20", REUSE_SERVER, commits=rate) for rate in rates)]
    return heads, (
        (database, *(_reuse_cell(results, replace(run, database=database)) for run in runs))
        for database in databases
    )


def _rate_head(rate: int) -> str:
    return f"on, {rate} commit{'s' * (rate > 1)}/s" if rate else "on, no commits"


def _reuse_cell(results: Results, run: Run) -> str:
    selected = [figure for figure in results.figures if figure.run == run]
    if not selected:
        return ""
    rate, cpu = (_number(median(map(column, selected))) for column in (COLUMNS[0], COLUMNS[3]))
    return f"{rate} ({cpu})"


def _nested_rows(results: Results) -> Iterator[Sequence[str]]:
    for label, server in results.servers.items():
        nested = _select_figures(results, "nested", label)
        if nested:
            numbers = [_number(median(map(column, nested))) for column in COLUMNS[:4]]
            yield (server, nested[0].database, *numbers)


def _page_figures(figures_of_server: Sequence[Figure], size: str) -> Sequence[Figure]:
    """Return the figures for pages of a size; Django has no GraphQL, hence those for REST."""
    graphql = [figure for figure in figures_of_server if figure.workload == f"page_{size}"]
    rest = [figure for figure in figures_of_server if figure.workload == f"rest_{size}"]
    return graphql or rest


def _conditions(results: Results) -> str:
    machine, options = results.machine, results.options
    return (
        f"{results.date[:10]}, {machine['processor']}, Python {machine['python']}, commit"
        f" {machine['commit']}: medians (least to most) of {options['rounds']} alternating rounds of"
        f" {options['seconds']} s, {options['connections']} connections, the server on one core,"
        " wrk and PostgreSQL on the other."
    )


def _figure_rows(results: Results) -> Iterator[Sequence[str]]:
    for workload, description in results.workloads.items():
        for label, server in results.servers.items():
            for commits, selected in _group_by_commits(_select_figures(results, workload, label)):
                spreads = [_spread([column(figure) for figure in selected]) for column in COLUMNS]
                yield (description, server, selected[0].database, f"{commits}", *spreads)
        statements = [s for s in results.statements if s.workload == workload]
        if statements:
            yield (description, *_statement_cells(statements))


def _select_figures(results: Results, workload: str, label: str) -> Sequence[Figure]:
    return [
        figure
        for figure in results.figures
        if figure.workload == workload and _label(figure) == label
    ]


def _group_by_commits(selected: Sequence[Figure]) -> Iterator[tuple[int, Sequence[Figure]]]:
    for commits in sorted({figure.commits for figure in selected}):
        yield commits, [figure for figure in selected if figure.commits == commits]


def _label(figure: Figure) -> str:
    return f"{figure.server} on {figure.database}"


def _statement_cells(statements: Sequence[StatementFigure]) -> Sequence[str]:
    rate = _spread([figure.transactions / figure.seconds for figure in statements])
    cpu = _spread([figure.postgres_us for figure in statements])
    return ("pgbench, page.sql", "PostgreSQL", "0", rate, "", "", "", cpu, "")


def _goal_row(goal: Goal) -> Sequence[str]:
    sign, render = ("≥", _decimal) if goal.at_least else ("≤", _fraction)
    measured = f"{render(goal.value)}{goal.unit}"
    if len(goal.values) > 1:
        measured += f" ({render(min(goal.values))} to {render(max(goal.values))})"
    bound = f"{sign} {render(goal.bound)}{goal.unit}"
    return (goal.description, bound, measured, "yes" if goal.is_met else "**no**")


def _fraction(value: float) -> str:
    """Return a ratio up to 1/2 as a fraction such as 1/30."""
    return f"1/{1 / value:.3g}" if 0 < value <= 1 / 2 else _decimal(value)


def _decimal(value: float) -> str:
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
