"""What was measured, as it is kept in results/."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True, slots=True)
class Figure:
    """One server under one workload in one round; CPU and latency are per request."""

    round: int
    server: str
    database: str
    workload: str
    requests: int
    seconds: float
    bytes: int
    p50_us: int
    p99_us: int
    cpu_us: float
    postgres_us: float
    pss_kib: int
    rss_kib: int

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds


@dataclass(frozen=True, slots=True)
class StatementFigure:
    """PostgreSQL alone under pgbench in one round, with the statement for a workload's pages."""

    round: int
    workload: str
    transactions: int
    seconds: float
    postgres_us: float


@dataclass(frozen=True, slots=True)
class ColdDocument:
    """How long a document took that was new, and how long when it was asked again."""

    cold_ms: float
    warm_ms: float


@dataclass(frozen=True, slots=True)
class Growth:
    """What a worker held after so many distinct documents, the first time when it was warm."""

    documents: int
    refused: int
    pss_kib: int
    rss_kib: int


@dataclass(frozen=True, slots=True)
class Results:
    """One run of the benchmark."""

    date: str
    machine: Mapping[str, str]
    options: Mapping[str, str | int | float]
    servers: Mapping[str, str]
    workloads: Mapping[str, str]
    digests: Mapping[str, str]
    figures: Sequence[Figure] = ()
    statements: Sequence[StatementFigure] = ()
    cold: Sequence[ColdDocument] = ()
    growth: Sequence[Growth] = ()


ADAPTER: TypeAdapter[Results] = TypeAdapter(Results)


def save(results: Results, name: str) -> Path:
    """Write results/<name>.json; gives its path."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_bytes(ADAPTER.dump_json(results, indent=1) + b"\n")
    return path


def load(name: str) -> Results:
    """Read results/<name>.json."""
    return ADAPTER.validate_json((RESULTS / f"{name}.json").read_bytes())
