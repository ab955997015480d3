"""Measure imports, with readers and writers meanwhile: python tests/benchmarks/imports.py --help."""

import os
import subprocess
import sys
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory

# The benchmark uses the test suite's support modules.
sys.path.append(str(Path(__file__).resolve().parents[1]))

import cyclopts
from figures import RESULTS
from machine import MachineError, describe_machine, read_tree_rss
from pydantic import TypeAdapter

from support.command import FLOWQL, clean_environment, create_token, run_in_process
from support.paths import BUILD
from support.postgres import PostgresServer
from support.server_process import run_server, send_request
from support.threads import repeat_in_thread

POSTGRESQL, SQLITE = "PostgreSQL", "SQLite"
KIB_PER_MIB = 1024
SAMPLE_SECONDS = 0.02
# The pauses between two requests of the reader, and between two tokens that the writer revokes.
READ_PAUSE_SECONDS, WRITE_PAUSE_SECONDS = 0.05, 2
TOKENS = 100
QUERY = {
    "query": """{ flowConnection(first: 20, orderBy: [NAME_ASC]) {
        totalCount nodes { slug stageBindings { order stage { name type } policyBindings { order } } }
    } }"""
}
FLOW = """\
- model: authentik_flows.flow
  id: flow-{number}
  identifiers:
    slug: benchmark-{number:06}
  attrs:
    name: Benchmark {number}
    title: Welcome to application {number}
    designation: authentication
    authentication: require_unauthenticated
"""
STAGE = """\
- model: authentik_stages_user_login.userloginstage
  id: stage-{number}
  identifiers:
    name: benchmark-stage-{number}
  attrs:
    session_duration: hours={number}
    terminate_other_sessions: false
"""
POLICY = """\
- model: authentik_policies_expression.expressionpolicy
  id: policy-{number}
  identifiers:
    name: benchmark-policy-{number}
  attrs:
    expression: |
      return request.context.get("number") == {number}
"""
STAGE_BINDING = """\
- model: authentik_flows.flowstagebinding
  id: step-{flow}-{order}
  identifiers:
    target: !KeyOf flow-{flow}
    stage: {stage}
    order: {order}
"""
POLICY_BINDING = """\
- model: authentik_policies.policybinding
  identifiers:
    target: !KeyOf {target}
    policy: {policy}
    order: 0
"""
FIND_STAGE = "!Find [authentik_flows.stage, [name, benchmark-stage-{}]]"
FIND_POLICY = "!Find [authentik_policies.policy, [name, benchmark-policy-{}]]"


@dataclass(frozen=True, slots=True)
class Size:
    """The numbers of objects of an input. Each flow has two stages, and at most one policy."""

    flows: int
    policies_bound: int
    shared: int
    flows_per_file: int


@dataclass(frozen=True, slots=True)
class Goal:
    """The limits of an import: seconds, and memory in MiB."""

    seconds: float
    mebibytes: float


# 10,000 flows with 42,000 other entries, and 100,000 flows with 300,000 bindings.
SIZES: Mapping[str, Size] = {
    "one file": Size(10_000, 18_000, 2_000, 10_000),
    "a folder": Size(100_000, 100_000, 1_000, 100),
}
GOALS: Mapping[str, Goal] = {"one file": Goal(12, 400), "a folder": Goal(60, 500)}
MAX_WAIT_SECONDS = 120


@dataclass(frozen=True, slots=True)
class ImportFigure:
    """One import: its input and database, time, memory, and what others experienced meanwhile.

    `cpu_seconds` and `rss_kib`, the peak of the memory, are of all processes of the command. `reads` are requests to a
    server on the same database, and `writes` tokens that were revoked; both are 0 if nobody else
    used the database. `wait_seconds` is the longest time that revoking a token took.
    """

    input: str
    database: str
    entries: int
    bytes: int
    seconds: float
    cpu_seconds: float
    rss_kib: int
    reads: int = 0
    failed_reads: int = 0
    p50_ms: float = 0
    p99_ms: float = 0
    max_ms: float = 0
    writes: int = 0
    wait_seconds: float = 0

    @property
    def is_met(self) -> bool:
        """True if the import is within the limits."""
        goal = GOALS[self.input]
        return (
            self.seconds < goal.seconds
            and self.rss_kib / KIB_PER_MIB < goal.mebibytes
            and self.wait_seconds < MAX_WAIT_SECONDS
            and not self.failed_reads
        )


@dataclass(frozen=True, slots=True)
class ImportResults:
    """One run of the benchmark."""

    date: str
    machine: Mapping[str, str]
    figures: Sequence[ImportFigure]


ADAPTER: TypeAdapter[ImportResults] = TypeAdapter(ImportResults)


@dataclass(slots=True)
class Others:
    """The times of requests and of revoked tokens, in seconds."""

    reads: list[float] = field(default_factory=list[float])
    failed_reads: int = 0
    writes: list[float] = field(default_factory=list[float])


def write_input(folder: Path, size: Size) -> int:
    """Write the files of an input; return the number of entries."""
    shared = _list_shared(size)
    if size.flows <= size.flows_per_file:
        entries = [
            *shared,
            *_list_flows(range(size.flows), size, "!KeyOf stage-{}", "!KeyOf policy-{}"),
        ]
        _write(folder / "benchmark.yaml", entries)
        return len(entries)
    # References of all other files are to this one, which is read last.
    _write(folder / "zz-shared.yaml", shared)
    total = len(shared)
    for start in range(0, size.flows, size.flows_per_file):
        numbers = range(start, min(start + size.flows_per_file, size.flows))
        entries = list(_list_flows(numbers, size, FIND_STAGE, FIND_POLICY))
        _write(folder / f"flows-{start:06}.yaml", entries)
        total += len(entries)
    return total


def _list_shared(size: Size) -> Sequence[str]:
    stages = [STAGE.format(number=number) for number in range(size.shared)]
    return stages + [POLICY.format(number=number) for number in range(size.shared)]


def _list_flows(numbers: range, size: Size, stage: str, policy: str) -> Iterator[str]:
    """Yield flows with two stages each, and policies on the first stages and on some flows."""
    for number in numbers:
        yield FLOW.format(number=number)
        for order in range(2):
            bound = stage.format((number * 7 + order) % size.shared)
            yield STAGE_BINDING.format(flow=number, order=order, stage=bound)
        bound = policy.format(number % size.shared)
        yield POLICY_BINDING.format(target=f"step-{number}-0", policy=bound)
        if number < size.policies_bound - size.flows:
            yield POLICY_BINDING.format(target=f"flow-{number}", policy=bound)


def _write(path: Path, entries: Sequence[str]) -> None:
    head = f"version: 1\nmetadata:\n  name: {path.stem}\nentries:\n"
    path.write_text(head + "".join(entries))


def measure_import(folder: Path, name: str, entries: int, database: str, url: str) -> ImportFigure:
    """Import a folder into a new database, which others use meanwhile if it has several files."""
    others = Others()
    with ExitStack() as stack:
        if name != "one file":
            stack.enter_context(use_meanwhile(url, others))
        run = run_import(folder, url)
    _log(f"  {run.report}")
    if f"{entries} created" not in run.report:
        raise MachineError(f"expected {entries:,} entries: {run.report}")
    centiles = quantiles(others.reads, n=100) if len(others.reads) > 1 else [0.0] * 99
    return ImportFigure(
        name,
        database,
        entries,
        sum(path.stat().st_size for path in folder.iterdir()),
        round(run.seconds, 2),
        round(run.cpu_seconds, 2),
        run.rss_kib,
        len(others.reads),
        others.failed_reads,
        round(centiles[49] * 1000, 2),
        round(centiles[98] * 1000, 2),
        round(max(others.reads, default=0) * 1000, 2),
        len(others.writes),
        round(max(others.writes, default=0), 2),
    )


@dataclass(frozen=True, slots=True)
class Run:
    """A run of the command: its times, the peak of its memory, and its last message."""

    seconds: float
    cpu_seconds: float
    rss_kib: int
    report: str


def run_import(folder: Path, url: str) -> Run:
    """Run the command; raises MachineError if it fails."""
    command = [FLOWQL, "import", str(folder), "--database", url]
    started = time.monotonic()
    with subprocess.Popen(
        command, env=clean_environment(), stderr=subprocess.PIPE, text=True
    ) as process:
        peak = 0
        while True:
            peak = max(peak, read_tree_rss(process.pid))
            time.sleep(SAMPLE_SECONDS)
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - started
        output = process.stderr.read() if process.stderr else ""
    if process.returncode:
        raise MachineError(f"the import failed: {output}")
    cpu_seconds = usage.ru_utime + usage.ru_stime
    return Run(seconds, cpu_seconds, peak, output.strip().splitlines()[-1])


@contextmanager
def use_meanwhile(url: str, others: Others) -> Generator[None]:
    """Read from a server, and revoke tokens, until the block ends."""
    names = [f"token {number}" for number in range(TOKENS)]
    for name in names:
        create_token(url, name)
    key = create_token(url, "reader")
    with (
        run_server(url) as (server, _),
        repeat_in_thread(lambda: _read(server, key, others), READ_PAUSE_SECONDS),
        repeat_in_thread(lambda: _revoke(url, names.pop(), others), WRITE_PAUSE_SECONDS),
    ):
        yield


def _read(server: str, key: str, others: Others) -> None:
    started = time.monotonic()
    response = send_request(server, "/graphql", key, QUERY)
    others.reads.append(time.monotonic() - started)
    others.failed_reads += response.status != 200 or b'"errors"' in response.body


def _revoke(url: str, name: str, others: Others) -> None:
    started = time.monotonic()
    command = [FLOWQL, "token", "revoke", name, "--database", url]
    subprocess.run(command, env=clean_environment(), check=True, stderr=subprocess.DEVNULL)
    others.writes.append(time.monotonic() - started)


def run_benchmark(*, scale: float = 1, name: str = "imports") -> None:
    """Measure both inputs on both databases, save the figures, and print a table.

    Parameters
    ----------
    scale
        The fraction of the flows to import; the figures of a part are not comparable.
    name
        Name of the file for the raw figures, results/NAME.json.

    """
    BUILD.mkdir(exist_ok=True)
    figures: list[ImportFigure] = []
    with TemporaryDirectory(dir=BUILD) as work, PostgresServer() as postgres:
        databases = count()
        for label, size in SIZES.items():
            folder = Path(work) / label
            folder.mkdir()
            entries = write_input(folder, _scale(size, scale))
            for database in (SQLITE, POSTGRESQL):
                number = next(databases)
                url = (
                    f"sqlite:///{work}/{number}.db"
                    if database == SQLITE
                    else postgres.create_database(f"import_{number}")
                )
                _log(f"{label}, {entries:,} entries, {database}")
                if run_in_process("migrate", "--database", url).returncode:
                    raise MachineError("the database cannot be created")
                figures.append(measure_import(folder, label, entries, database, url))
    date = datetime.now(UTC).isoformat(timespec="seconds")
    save(ImportResults(date, describe_machine(), figures), name)
    print_report(name)


def _scale(size: Size, scale: float) -> Size:
    flows, bound, shared = (
        max(int(number * scale), 1) for number in (size.flows, size.policies_bound, size.shared)
    )
    return Size(flows, bound, shared, size.flows_per_file)


def save(results: ImportResults, name: str) -> None:
    """Write results/NAME.json."""
    (RESULTS / f"{name}.json").write_bytes(ADAPTER.dump_json(results, indent=1) + b"\n")


def print_report(name: str = "imports") -> None:
    """Print the report of results/NAME.json."""
    results = ADAPTER.validate_json((RESULTS / f"{name}.json").read_bytes())
    sys.stdout.write(render_report(results) + "\n")


def render_report(results: ImportResults) -> str:
    """Return the conditions of the run, and a table for the documentation."""
    machine = results.machine
    heads = (
        "input",
        "database",
        "seconds",
        "CPU seconds",
        "MiB",
        "reads meanwhile: p99 ms",
        "longest write s",
    )
    rows = [heads, ("---",) * len(heads), *map(_row, results.figures)]
    conditions = (
        f"{results.date[:10]}, {machine['processor']}, {machine['cores']} cores, Python"
        f" {machine['python']}, commit {machine['commit']}."
    )
    return "\n".join([conditions, "", *(f"| {' | '.join(row)} |" for row in rows)])


def _row(figure: ImportFigure) -> Sequence[str]:
    megabytes = figure.bytes / 1e6
    label = f"{figure.entries:,} entries in {figure.input} ({megabytes:.0f} MB)"
    mark = "" if figure.is_met else " (**over the goal**)"
    read = f"{figure.p99_ms:,.0f} ({figure.reads:,} requests)" if figure.reads else ""
    write = f"{figure.wait_seconds:.1f} ({figure.writes} tokens)" if figure.writes else ""
    memory = f"{figure.rss_kib / KIB_PER_MIB:,.0f}"
    seconds, cpu = f"{figure.seconds:.1f}{mark}", f"{figure.cpu_seconds:.1f}"
    return (label, figure.database, seconds, cpu, memory, read, write)


def _log(line: str) -> None:
    sys.stderr.write(line + "\n")


def run() -> None:
    """Run the command line; a failure prints one message and exits with status 1."""
    application = cyclopts.App(help="Measure imports of many blueprints.")
    application.default(run_benchmark)
    application.command(print_report, name="report")
    try:
        application()
    except MachineError as error:
        sys.exit(f"benchmark: {error}")


if __name__ == "__main__":
    run()
