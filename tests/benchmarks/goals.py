"""The goals of the benchmark: ratios of figures of the same round, and their bounds."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

from figures import NOTHING, POSTGRESQL, REUSE_SERVER, SQLITE, STATIC_SERVER, Figure, Results, Run

KIB_PER_MIB = 1024

Measure = Callable[[Figure], float]


@dataclass(frozen=True, slots=True)
class Comparison:
    """A bound on the ratio of two runs' figures."""

    description: str
    bound: float
    ours: Run
    theirs: Run


PAGE, REUSED = Run("page_20"), Run("page_20", REUSE_SERVER)
REUSED_1, REUSED_10 = replace(REUSED, commits=1), replace(REUSED, commits=10)
FEW, FEW_REUSED = Run("two_fields"), Run("two_fields", REUSE_SERVER)
LARGE, NESTED = Run("page_100"), Run("nested")
SQLITE_PAGE, SQLITE_REUSED = replace(PAGE, database=SQLITE), replace(REUSED, database=SQLITE)
SQLITE_REST = replace(SQLITE_PAGE, workload="rest_20")
SQLITE_REUSED_REST = replace(SQLITE_REUSED, workload="rest_20")

STATIC = Run("page_20", STATIC_SERVER, NOTHING)
MERCURIUS, FEW_MERCURIUS = Run("page_20", "mercurius"), Run("two_fields", "mercurius")
STRAWBERRY, SQLITE_STRAWBERRY = (
    Run("page_20", "strawberry", database) for database in (POSTGRESQL, SQLITE)
)
DJANGO = Run("rest_20", "django")

CPU = (
    Comparison("20 rows, reuse off, to mercurius's", 0.75, PAGE, MERCURIUS),
    Comparison("20 rows, reuse on, to mercurius's", 0.35, REUSED, MERCURIUS),
    Comparison("20 rows, reuse off, to strawberry's", 1 / 30, PAGE, STRAWBERRY),
    Comparison("20 rows, reuse on, to strawberry's", 1 / 80, REUSED, STRAWBERRY),
    Comparison("20 rows, reuse off, to django's", 1 / 30, PAGE, DJANGO),
    Comparison("100 rows, to strawberry's", 1 / 30, LARGE, Run("page_100", "strawberry")),
    Comparison("100 rows, to django's", 1 / 30, LARGE, Run("rest_100", "django")),
    Comparison("100 rows, to mercurius's", 1 / 2, LARGE, Run("page_100", "mercurius")),
    Comparison("nested, to dataloaders'", 1 / 20, NESTED, Run("nested", "dataloaders")),
    Comparison("20 rows on SQLite, to strawberry's", 1 / 25, SQLITE_PAGE, SQLITE_STRAWBERRY),
)
RATES = (
    Comparison("20 rows, reuse off, to mercurius's", 1.2, PAGE, MERCURIUS),
    Comparison("20 rows, reuse on, no commits, to mercurius's", 4, REUSED, MERCURIUS),
    Comparison("20 rows, reuse on, 1 commit/s, to mercurius's", 3, REUSED_1, MERCURIUS),
    Comparison("20 rows, reuse on, 10 commits/s, to mercurius's", 1.1, REUSED_10, MERCURIUS),
    Comparison("20 rows, reuse off, to strawberry's", 12, PAGE, STRAWBERRY),
    Comparison("20 rows, reuse off, to django's", 12, PAGE, DJANGO),
    Comparison("two fields and a count, reuse off, to mercurius's", 2, FEW, FEW_MERCURIUS),
    Comparison("two fields and a count, reuse on, to mercurius's", 4, FEW_REUSED, FEW_MERCURIUS),
    Comparison("REST, 20 rows, to GraphQL's", 0.9, Run("rest_20"), PAGE),
    Comparison("20 rows on SQLite, reuse off, to static bytes'", 0.12, SQLITE_PAGE, STATIC),
    Comparison("20 rows on SQLite, reuse on, to static bytes'", 0.35, SQLITE_REUSED, STATIC),
    Comparison("20 rows on SQLite, reuse off, to REST's", 0.95, SQLITE_PAGE, SQLITE_REST),
    Comparison("20 rows on SQLite, reuse on, to REST's", 0.95, SQLITE_REUSED, SQLITE_REUSED_REST),
)


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
    for comparison in CPU:
        values = _ratios(results, comparison, _cpu_of)
        description = f"server's CPU per request, {comparison.description}"
        yield Goal(description, comparison.bound, at_least=False, values=values)


def _rate_goals(results: Results) -> Iterator[Goal]:
    """Compare the requests per second with the peers'."""
    for comparison in RATES:
        values = _ratios(results, comparison, _rate_of)
        description = f"requests/s, {comparison.description}"
        yield Goal(description, comparison.bound, at_least=True, values=values)


def _statement_goals(results: Results) -> Iterator[Goal]:
    """Compare PostgreSQL's CPU time per request with pgbench's."""
    for rows in ("20", "100"):
        workload = f"page_{rows}"
        ours = _by_round(results, Run(workload), _postgres_of)
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


def _ratios(results: Results, comparison: Comparison, measure: Measure) -> Sequence[float]:
    own, others = (_by_round(results, run, measure) for run in (comparison.ours, comparison.theirs))
    return [own[number] / others[number] for number in own if number in others]


def _by_round(results: Results, run: Run, measure: Measure) -> Mapping[int, float]:
    return {figure.round: measure(figure) for figure in results.figures if figure.run == run}


def _cpu_of(figure: Figure) -> float:
    return figure.cpu_us


def _rate_of(figure: Figure) -> float:
    return figure.rate


def _postgres_of(figure: Figure) -> float:
    return figure.postgres_us
