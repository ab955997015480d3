"""The benchmark: databases, servers, the comparison of their data, rounds, and the report."""

import json
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import commits
import cyclopts
import documents
import equality
import figures
import load
import psycopg
import report
import rounds
import servers
import statements
from data import fill_postgresql, fill_sqlite
from figures import (
    FLOWQL_SERVER,
    POSTGRESQL,
    SQLITE,
    STATIC_SERVER,
    ColdDocument,
    Figure,
    Growth,
    Results,
    StatementFigure,
)
from machine import Cores, MachineError, assign_cores, describe_machine, read_parent
from rounds import RoundSettings
from servers import Server, ServerKind
from workload import Api, Workload, plain_pages, workloads

from support.postgres import PostgresServer

# The workloads in README's tables; the time of a reused response depends on its size alone.
PAGES = {"page_20", "page_100"}
SHOWN = {*PAGES, "nested", "rest_20"}
FAILURES = (
    MachineError,
    load.LoadError,
    servers.ServerFailedError,
    equality.DifferentDataError,
)


@cyclopts.Parameter(name="*")
@dataclass(frozen=True, slots=True)
class Options:
    """The servers, workloads and times of a run.

    Parameters
    ----------
    rounds
        Number of rounds, in each of which every server takes its turn.
    seconds
        Seconds of each turn after the warm-up.
    warm_up
        Seconds of load before each turn.
    servers
        Measure only servers whose name contains one of these, such as flowql, mercurius, sqlite.
    workloads
        Measure only these workloads.
    documents
        Number of distinct documents for the growth of a worker's memory; 0 skips it. 100,000 take
        five minutes.
    pgbench
        Measure PostgreSQL by pgbench, too.
    check
        Compare the servers' data first; otherwise the figures may not be comparable.
    name
        Name of the file for the raw figures, results/NAME.json.

    """

    rounds: int = 3
    seconds: int = 3
    warm_up: int = 1
    servers: Annotated[tuple[str, ...], cyclopts.Parameter(consume_multiple=True)] = ()
    workloads: Annotated[tuple[str, ...], cyclopts.Parameter(consume_multiple=True)] = ()
    documents: int = 10_000
    pgbench: bool = True
    check: bool = True
    name: str = "latest"


@dataclass(frozen=True, slots=True)
class Databases:
    """The URLs of both databases, and the process ID of PostgreSQL's main process."""

    postgresql: str
    sqlite: str
    postmaster: int


def run() -> None:
    """Run the command line; a failure prints one message and exits with status 1."""
    application = cyclopts.App(help="Benchmark FlowQL against other servers.")
    application.default(run_benchmark)
    application.command(report.print_report, name="report")
    try:
        application()
    except FAILURES as error:
        sys.exit(f"benchmark: {error}")


def run_benchmark(options: Options | None = None) -> None:
    """Measure all servers, save the raw figures and print the report."""
    options = options or Options()
    load.require_wrk()
    cores = assign_cores()
    with (
        _create_databases() as databases,
        _write_static_body(databases, cores) as body,
        ExitStack() as stack,
    ):
        kinds = _select_kinds(_list_kinds(databases, body), options.servers)
        _log(f"starting {', '.join(kind.label for kind in kinds)}")
        running = [stack.enter_context(servers.run_server(kind, cores.server)) for kind in kinds]
        results = _empty_results(options, kinds)
        if options.check:
            results = replace(results, digests=_compare_data(running))
        settings = RoundSettings(cores, databases.postmaster, options.seconds, options.warm_up)
        results = _run_rounds(results, options, running, databases, settings)
    path = figures.save(results, options.name)
    _log(f"raw figures are in {path}")
    sys.stdout.write(report.render_report(results) + "\n")


@contextmanager
def _create_databases() -> Generator[Databases]:
    """Fill both databases with the same rows, and keep them until the block ends."""
    with PostgresServer() as server, TemporaryDirectory(prefix="flowql-bench-") as folder:
        _log("filling PostgreSQL and SQLite")
        url = fill_postgresql(server.create_database("benchmark"))
        sqlite = fill_sqlite(f"sqlite:///{folder}/flowql.db")
        commits.create_table(url)
        commits.create_table(sqlite)
        yield Databases(url, sqlite, _find_postmaster(url))


def _find_postmaster(url: str) -> int:
    with psycopg.connect(url) as connection:
        return read_parent(connection.info.backend_pid)


@contextmanager
def _write_static_body(databases: Databases, cores: Cores) -> Generator[Path]:
    """Write FlowQL's response for a page of 20 to a file, which the static server sends."""
    page = next(workload for workload in workloads() if workload.name == "page_20")
    number = [request.page for request in plain_pages(20)].index(1)
    with TemporaryDirectory(prefix="flowql-bench-") as folder:
        path = Path(folder) / "body.json"
        with (
            servers.run_server(servers.flowql(databases.sqlite, "body"), cores.server) as server,
            server.connect() as connection,
        ):
            path.write_bytes(server.send(connection, page.requests[number])[1])
        yield path


def _list_kinds(databases: Databases, body: Path) -> Sequence[ServerKind]:
    return (
        servers.static(body),
        servers.flowql(databases.postgresql, POSTGRESQL),
        servers.reusing_flowql(databases.postgresql, POSTGRESQL, {*SHOWN, "two_fields"}),
        servers.mercurius(databases.postgresql, POSTGRESQL),
        servers.strawberry(databases.postgresql, POSTGRESQL),
        servers.dataloaders(databases.postgresql, POSTGRESQL),
        servers.django(databases.postgresql, POSTGRESQL),
        servers.flowql(databases.sqlite, SQLITE, {*SHOWN, "searched"}),
        servers.reusing_flowql(databases.sqlite, SQLITE, SHOWN),
        servers.strawberry(databases.sqlite, SQLITE, PAGES),
    )


def _select_kinds(kinds: Sequence[ServerKind], names: Sequence[str]) -> Sequence[ServerKind]:
    if not names:
        return kinds
    return [kind for kind in kinds if any(n.lower() in kind.label.lower() for n in names)]


def _empty_results(options: Options, kinds: Sequence[ServerKind]) -> Results:
    return Results(
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=describe_machine(),
        options={
            "rounds": options.rounds,
            "seconds": options.seconds,
            "warm_up": options.warm_up,
            "connections": load.CONNECTIONS,
        },
        servers={kind.label: kind.description for kind in kinds},
        workloads={workload.name: workload.description for workload in workloads()},
        digests={},
    )


def _compare_data(running: Sequence[Server]) -> Mapping[str, str]:
    """Return the digest of each workload's data.

    Raises DifferentDataError if two servers return different data.
    """
    digests: dict[str, str] = {}
    by_name = {workload.name: workload for workload in workloads()}
    for workload in workloads():
        supporting = [server for server in running if workload.api in server.kind.apis]
        if any(server.kind.name != STATIC_SERVER for server in supporting):
            _log(f"comparing data: {workload.description}")
            digests[workload.name] = equality.check(workload, supporting)
    for server in running:
        if server.kind.apis >= {Api.FLAT, Api.REST}:
            for size in ("20", "100"):
                equality.check_rest(by_name[f"page_{size}"], by_name[f"rest_{size}"], server)
    return digests


def _run_rounds(
    results: Results,
    options: Options,
    running: Sequence[Server],
    databases: Databases,
    settings: RoundSettings,
) -> Results:
    selected = [w for w in workloads() if not options.workloads or w.name in options.workloads]
    turns = rounds.list_turns(running, selected)
    server_figures: list[Figure] = []
    statement_figures: list[StatementFigure] = []
    for number in range(options.rounds):
        _log(f"round {number + 1} of {options.rounds}: {len(turns)} turns")
        for figure in rounds.run_round(number, turns, settings):
            server_figures.append(figure)
            _log(f"  {_summarize(figure)}")
        if options.pgbench:
            statement_figures += [
                statements.measure_statement(number, workload, databases.postgresql, settings)
                for workload in statements.PAGE_SIZES
            ]
    return replace(
        results,
        figures=server_figures,
        statements=statement_figures,
        cold=_measure_cold_documents(running),
        growth=_measure_growth(options.documents, databases, settings.cores),
    )


def _summarize(figure: Figure) -> str:
    commits = f", {figure.committed:.3g} commits/s" if figure.commits else ""
    return (
        f"{figure.workload:<11} {figure.server} on {figure.database}{commits}:"
        f" {figure.rate:,.0f}/s, CPU {figure.cpu_us:,.0f} µs, PostgreSQL {figure.postgres_us:,.0f} µs"
    )


def _measure_cold_documents(running: Sequence[Server]) -> Sequence[ColdDocument]:
    ours = [server for server in running if server.kind.name == FLOWQL_SERVER]
    variables = json.dumps(plain_pages(20)[0].variables)
    return documents.measure_cold_documents(ours[0], variables) if ours else ()


def _measure_growth(count: int, databases: Databases, cores: Cores) -> Sequence[Growth]:
    """Send distinct documents to a separate worker, whose memory nothing else changes."""
    if not count:
        return ()
    graphql: Sequence[Workload] = [w for w in workloads() if w.api is not Api.REST]
    samples: list[Growth] = []
    kind = servers.flowql(databases.postgresql, "growth")
    with servers.run_server(kind, cores.server) as server:
        for growth in documents.measure_growth(server, graphql, count):
            samples.append(growth)
            _log(f"  {growth.documents:,} documents: {growth.pss_kib / 1024:.1f} MiB")
    return samples


def _log(line: str) -> None:
    sys.stderr.write(line + "\n")
