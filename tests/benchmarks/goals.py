"""The goals of the benchmark: ratios of figures of the same round, and their bounds."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from figures import FLOWQL_SERVER, STATIC_SERVER, Figure, Results

POSTGRESQL, SQLITE, NOTHING = "PostgreSQL", "SQLite", "nothing"
KIB_PER_MIB = 1024

Key = tuple[str, str, str]
Measure = Callable[[Figure], float]


@dataclass(frozen=True, slots=True)
class Goal:
    """A bound on a ratio or an amount; `values` has one value per round, or one in all."""

    description: str
    bound: float
    at_least: bool
    values: Sequence[float]
    unit: str = "x"

    @property
    def value(self) -> float:
        """The median."""
        return median(self.values)

    @property
    def is_met(self) -> bool:
        """True if the median is within the bound."""
        return self.value >= self.bound if self.at_least else self.value <= self.bound


def list_goals(results: Results) -> Iterator[Goal]:
    """Yield the goals that have figures."""
    goals = (
        *_cpu_goals(results),
        *_rate_goals(results),
        *_statement_goals(results),
        *_amount_goals(results),
    )
    for goal in goals:
        if goal.values:
            yield goal


def _cpu_goals(results: Results) -> Iterator[Goal]:
    """Compare the server's CPU time per request with the peers'."""
    for rows in ("20", "100"):
        ours = (FLOWQL_SERVER, POSTGRESQL, f"page_{rows}")
        for peer, workload, bound in (
            ("strawberry", f"page_{rows}", 1 / 30),
            ("django", f"rest_{rows}", 1 / 30),
            ("mercurius", f"page_{rows}", 1 / 2),
        ):
            values = _ratios(results, ours, (peer, POSTGRESQL, workload), _cpu_of)
            yield Goal(
                f"server's CPU, {rows} rows, to {peer}'s", bound, at_least=False, values=values
            )
    nested = _ratios(
        results,
        (FLOWQL_SERVER, POSTGRESQL, "nested"),
        ("dataloaders", POSTGRESQL, "nested"),
        _cpu_of,
    )
    yield Goal("server's CPU, nested, to dataloaders'", 1 / 20, at_least=False, values=nested)
    ours, theirs = (FLOWQL_SERVER, SQLITE, "page_20"), ("strawberry", SQLITE, "page_20")
    values = _ratios(results, ours, theirs, _cpu_of)
    yield Goal(
        "server's CPU on SQLite, 20 rows, to strawberry's", 1 / 25, at_least=False, values=values
    )


def _rate_goals(results: Results) -> Iterator[Goal]:
    """Compare the requests per second with the peers'."""
    page = (FLOWQL_SERVER, POSTGRESQL, "page_20")
    pairs: Sequence[tuple[str, float, Key, Key]] = (
        ("20 rows, to strawberry's", 12, page, ("strawberry", POSTGRESQL, "page_20")),
        ("20 rows, to django's", 12, page, ("django", POSTGRESQL, "rest_20")),
        ("20 rows, to mercurius's", 1.1, page, ("mercurius", POSTGRESQL, "page_20")),
        (
            "two fields and a count, to mercurius's",
            3,
            (FLOWQL_SERVER, POSTGRESQL, "two_fields"),
            ("mercurius", POSTGRESQL, "two_fields"),
        ),
        ("REST, 20 rows, to GraphQL's", 0.9, (FLOWQL_SERVER, POSTGRESQL, "rest_20"), page),
        (
            "20 rows on SQLite, to static bytes'",
            0.15,
            (FLOWQL_SERVER, SQLITE, "page_20"),
            (STATIC_SERVER, NOTHING, "page_20"),
        ),
    )
    for description, bound, ours, theirs in pairs:
        values = _ratios(results, ours, theirs, _rate_of)
        yield Goal(f"requests/s, {description}", bound, at_least=True, values=values)


def _statement_goals(results: Results) -> Iterator[Goal]:
    """Compare PostgreSQL's CPU time per request with pgbench's."""
    for rows in ("20", "100"):
        workload = f"page_{rows}"
        ours = _by_round(results, (FLOWQL_SERVER, POSTGRESQL, workload), _postgres_of)
        pgbench = {s.round: s.postgres_us for s in results.statements if s.workload == workload}
        values = [ours[number] / pgbench[number] for number in ours if number in pgbench]
        description = f"PostgreSQL's CPU, {rows} rows, to pgbench's"
        yield Goal(description, 1.1, at_least=False, values=values)


def _amount_goals(results: Results) -> Iterator[Goal]:
    values: Sequence[float] = ()
    if results.cold:
        cold = median(document.cold_ms for document in results.cold)
        values = [cold - median(document.warm_ms for document in results.cold)]
    yield Goal("a new document, over its warm time", 5, at_least=False, values=values, unit=" ms")
    values = ()
    if results.growth:
        warm, *_, last = results.growth
        values = [(last.pss_kib - warm.pss_kib) / KIB_PER_MIB]
    count = results.growth[-1].documents if results.growth else 0
    description = f"memory after {count:,} distinct documents, over warm"
    yield Goal(description, 20, at_least=False, values=values, unit=" MiB")


def _ratios(results: Results, ours: Key, theirs: Key, measure: Measure) -> Sequence[float]:
    own, others = _by_round(results, ours, measure), _by_round(results, theirs, measure)
    return [own[number] / others[number] for number in own if number in others]


def _by_round(results: Results, key: Key, measure: Measure) -> Mapping[int, float]:
    return {
        figure.round: measure(figure)
        for figure in results.figures
        if (figure.server, figure.database, figure.workload) == key
    }


def _cpu_of(figure: Figure) -> float:
    return figure.cpu_us


def _rate_of(figure: Figure) -> float:
    return figure.rate


def _postgres_of(figure: Figure) -> float:
    return figure.postgres_us
