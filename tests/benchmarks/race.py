"""The whole race: data, servers, the check that all say the same, rounds, and what comes of them."""

import json
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

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
from figures import ColdDocument, Figure, Growth, Results, StatementFigure
from machine import Cores, MachineError, described, divide, parent
from rounds import Course
from servers import Kind, Server
from workload import Form, Workload, plain_pages, workloads

from support.postgres import PostgresServer

POSTGRESQL, SQLITE = "PostgreSQL", "SQLite"
FAILURES = (
    MachineError,
    load.LoadError,
    servers.ServerFailedError,
    equality.DifferentAnswersError,
)


@cyclopts.Parameter(name="*")
@dataclass(frozen=True, slots=True)
class Options:
    """What to measure, and for how long.

    Parameters
    ----------
    rounds
        How often every server takes its turn.
    seconds
        How long each turn takes, after the warm-up.
    warm_up
        How many seconds of load come before each turn.
    servers
        Only servers whose name contains one of these, such as flowql, mercurius, sqlite.
    workloads
        Only these workloads.
    documents
        How many distinct documents a worker must bear; 0 leaves that out.
    pgbench
        Whether PostgreSQL is measured alone, too.
    check
        Whether all answers are compared first; figures of servers that differ mean nothing.
    name
        The raw figures go to results/<name>.json.

    """

    rounds: int = 5
    seconds: int = 5
    warm_up: int = 2
    servers: Annotated[tuple[str, ...], cyclopts.Parameter(consume_multiple=True)] = ()
    workloads: Annotated[tuple[str, ...], cyclopts.Parameter(consume_multiple=True)] = ()
    documents: int = 100_000
    pgbench: bool = True
    check: bool = True
    name: str = "latest"


@dataclass(frozen=True, slots=True)
class Places:
    """Where the data is."""

    postgresql: str
    sqlite: str
    postmaster: int


def run() -> None:
    """Read the command line and race; a failure is one message, and status 1."""
    application = cyclopts.App(help="Race FlowQL against its peers.")
    application.default(race)
    application.command(report.show, name="report")
    try:
        application()
    except FAILURES as error:
        sys.exit(f"benchmark: {error}")


def race(options: Options | None = None) -> None:
    """Run everything, save the raw figures and print the report."""
    wanted = options or Options()
    load.require_wrk()
    cores = divide()
    with _data() as places, _bodies(places, cores) as body, ExitStack() as stack:
        kinds = _chosen(_kinds(places, body), wanted.servers)
        _say(f"starting {', '.join(kind.label for kind in kinds)}")
        started = [stack.enter_context(servers.running(kind, cores.server)) for kind in kinds]
        results = _empty(wanted, kinds)
        if wanted.check:
            results = replace(results, digests=_check(started))
        course = Course(cores, places.postmaster, wanted.seconds, wanted.warm_up)
        results = _raced(results, wanted, started, places, course)
    path = figures.save(results, wanted.name)
    _say(f"raw figures are in {path}")
    sys.stdout.write(report.markdown(results) + "\n")


@contextmanager
def _data() -> Generator[Places]:
    """Both databases, filled alike, until the block ends."""
    with PostgresServer() as server, TemporaryDirectory(prefix="flowql-bench-") as folder:
        _say("filling PostgreSQL and SQLite")
        url = fill_postgresql(server.create_database("benchmark"))
        sqlite = fill_sqlite(f"sqlite:///{folder}/flowql.db")
        yield Places(url, sqlite, _postmaster(url))


def _postmaster(url: str) -> int:
    with psycopg.connect(url) as connection:
        return parent(connection.info.backend_pid)


@contextmanager
def _bodies(places: Places, cores: Cores) -> Generator[Path]:
    """A file with what FlowQL answers for a page of 20: what the static server sends."""
    page = next(workload for workload in workloads() if workload.name == "page_20")
    full = [asked.page for asked in plain_pages(20)].index(1)
    with TemporaryDirectory(prefix="flowql-bench-") as folder:
        path = Path(folder) / "body.json"
        with (
            servers.running(servers.ours(places.sqlite, "body"), cores.server) as server,
            server.connected() as connection,
        ):
            path.write_bytes(server.ask(connection, page.questions[full])[1])
        yield path


def _kinds(places: Places, body: Path) -> Sequence[Kind]:
    return (
        servers.static(body),
        servers.ours(places.postgresql, POSTGRESQL),
        servers.ours(places.postgresql, POSTGRESQL, remembering=False),
        servers.mercurius(places.postgresql, POSTGRESQL),
        servers.strawberry(places.postgresql, POSTGRESQL),
        servers.dataloaders(places.postgresql, POSTGRESQL),
        servers.django(places.postgresql, POSTGRESQL),
        servers.ours(places.sqlite, SQLITE),
        servers.strawberry(places.sqlite, SQLITE),
    )


def _chosen(kinds: Sequence[Kind], names: Sequence[str]) -> Sequence[Kind]:
    if not names:
        return kinds
    return [kind for kind in kinds if any(n.lower() in kind.label.lower() for n in names)]


def _empty(options: Options, kinds: Sequence[Kind]) -> Results:
    return Results(
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=described(),
        options={
            "rounds": options.rounds,
            "seconds": options.seconds,
            "warm_up": options.warm_up,
            "connections": load.CONNECTIONS,
        },
        servers={kind.label: kind.told for kind in kinds},
        workloads={workload.name: workload.told for workload in workloads()},
        digests={},
    )


def _check(started: Sequence[Server]) -> Mapping[str, str]:
    """The digest of each workload's answers, the same from every server; raises where it is not."""
    digests: dict[str, str] = {}
    by_name = {workload.name: workload for workload in workloads()}
    for workload in workloads():
        able = [turn.server for turn in rounds.turns(started, [workload])]
        if able:
            _say(f"comparing answers: {workload.told}")
            digests[workload.name] = equality.check(workload, able)
    for server in started:
        if server.kind.forms >= {Form.FLAT, Form.LISTED}:
            for size in ("20", "100"):
                equality.check_rest(by_name[f"page_{size}"], by_name[f"rest_{size}"], server)
    return digests


def _raced(
    results: Results, options: Options, started: Sequence[Server], places: Places, course: Course
) -> Results:
    asked = [w for w in workloads() if not options.workloads or w.name in options.workloads]
    turns = rounds.turns(started, asked)
    measured: list[Figure] = []
    alone: list[StatementFigure] = []
    for number in range(options.rounds):
        _say(f"round {number + 1} of {options.rounds}: {len(turns)} turns")
        for figure in rounds.run(number, turns, course):
            measured.append(figure)
            _say(f"  {figure.workload:<11} {figure.server} on {figure.database}: {_brief(figure)}")
        if options.pgbench:
            alone += [
                statements.measure(number, workload, places.postgresql, course)
                for workload in statements.PAGE_SIZES
            ]
    return replace(
        results,
        figures=measured,
        statements=alone,
        cold=_cold(started),
        growth=_growth(options.documents, places, course.cores),
    )


def _brief(figure: Figure) -> str:
    return f"{figure.rate:,.0f}/s, CPU {figure.cpu_us:,.0f} µs, PostgreSQL {figure.postgres_us:,.0f} µs"


def _cold(started: Sequence[Server]) -> Sequence[ColdDocument]:
    ours = [server for server in started if server.kind.name == servers.OURS]
    variables = json.dumps(plain_pages(20)[0].variables)
    return documents.cold(ours[0], variables) if ours else ()


def _growth(count: int, places: Places, cores: Cores) -> Sequence[Growth]:
    """A worker of its own bears the documents, so that nothing else moves its memory."""
    if not count:
        return ()
    graphql: Sequence[Workload] = [w for w in workloads() if w.form is not Form.LISTED]
    found: list[Growth] = []
    with servers.running(servers.ours(places.postgresql, "growth"), cores.server) as server:
        for growth in documents.grow(server, graphql, count):
            found.append(growth)
            _say(f"  {growth.documents:,} documents: {growth.pss_kib / 1024:.1f} MiB")
    return found


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
