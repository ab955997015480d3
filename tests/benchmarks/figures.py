"""The measured figures, and the files in results/ that hold them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

RESULTS = Path(__file__).parent / "results"
# Names of servers and databases in the figures.
FLOWQL_SERVER, REUSE_SERVER, STATIC_SERVER = "flowql", "flowql-reuse", "static"
POSTGRESQL, SQLITE, NOTHING = "PostgreSQL", "SQLite", "nothing"


@dataclass(frozen=True, slots=True)
class Run:
    """One server under one workload, with commits by another process at a rate per second."""

    workload: str
    server: str = FLOWQL_SERVER
    database: str = POSTGRESQL
    commits: int = 0


@dataclass(frozen=True, slots=True)
class Figure:
    """A run in one round; CPU time and latency are per request.

    `commits` is the intended rate of commits, and `committed` the measured one.
    """

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
    commits: int = 0
    committed: float = 0

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.requests / self.seconds

    @property
    def run(self) -> Run:
        """The run that the figure is from."""
        return Run(self.workload, self.server, self.database, self.commits)


@dataclass(frozen=True, slots=True)
class StatementFigure:
    """PostgreSQL under pgbench in one round, with the statement for a workload's pages."""

    round: int
    workload: str
    transactions: int
    seconds: float
    postgres_us: float


@dataclass(frozen=True, slots=True)
class ColdDocument:
    """The time of a new document's first request, and of its later requests."""

    cold_ms: float
    warm_ms: float


@dataclass(frozen=True, slots=True)
class Growth:
    """A worker's memory after a number of distinct documents; the first sample is the warm worker."""

    documents: int
    rejected: int
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
    """Write results/NAME.json and return its path."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(_dump_lines(ADAPTER.dump_python(results, mode="json")))
    return path


def load(name: str) -> Results:
    """Read results/NAME.json."""
    return ADAPTER.validate_json((RESULTS / f"{name}.json").read_bytes())


def _dump_lines(fields: Mapping[str, Any]) -> str:
    """Serialize an object as JSON with one record, or one entry, on each line."""
    members = [f"{json.dumps(name)}: {_dump_member(value)}" for name, value in fields.items()]
    return "{\n" + ",\n".join(members) + "\n}\n"


def _dump_member(value: Any) -> str:
    match value:
        case {**entries} if entries:
            lines = [f"{json.dumps(name)}: {json.dumps(entry)}" for name, entry in entries.items()]
            return "{\n " + ",\n ".join(lines) + "\n}"
        case [*records] if records:
            return "[\n " + ",\n ".join(map(json.dumps, records)) + "\n]"
        case _:
            return json.dumps(value)
