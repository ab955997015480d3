"""Rounds in which servers take turns, which spreads interference by other processes evenly."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import load
from commits import run_commits
from figures import Figure
from machine import Cores, read_cpu_seconds, read_memory
from servers import Server, ServerKind
from workload import Workload

# The workload that is repeated with commits.
COMMIT_WORKLOAD = "page_20"
MICROSECONDS = 1e6
# An idle process uses at most this much CPU time in each step.
SETTLING_SECONDS, SETTLING_STEPS, IDLE_SECONDS = 0.2, 100, 0.01


@dataclass(frozen=True, slots=True)
class RoundSettings:
    """The cores, PostgreSQL's main process, and the seconds of each turn."""

    cores: Cores
    postmaster: int
    seconds: int
    warm_up_seconds: int


@dataclass(frozen=True, slots=True)
class Turn:
    """One server under one workload, with commits by another process at a rate per second."""

    server: Server
    workload: Workload
    commits: int = 0


def list_turns(servers: Sequence[Server], workloads: Sequence[Workload]) -> Sequence[Turn]:
    """Return each server with each of its workloads and commit rates."""
    return [
        Turn(server, workload, commits)
        for workload in workloads
        for server in servers
        for commits in _commit_rates(server.kind, workload)
    ]


def run_round(number: int, turns: Sequence[Turn], settings: RoundSettings) -> Iterator[Figure]:
    """Run every turn once; each round starts with a different server."""
    by_workload: dict[str, list[Turn]] = {}
    for turn in turns:
        by_workload.setdefault(turn.workload.name, []).append(turn)
    for group in by_workload.values():
        first = number % len(group)
        for turn in (*group[first:], *group[:first]):
            yield _measure(number, turn, settings)


def _commit_rates(kind: ServerKind, workload: Workload) -> Sequence[int]:
    is_measured = not kind.workloads or workload.name in kind.workloads
    if not is_measured or workload.api not in kind.apis:
        return ()
    return kind.commit_rates if workload.name == COMMIT_WORKLOAD else (0,)


def _measure(number: int, turn: Turn, settings: RoundSettings) -> Figure:
    server, core = turn.server, settings.cores.others
    with (
        TemporaryDirectory() as folder,
        run_commits(server.kind.url, turn.commits, core) as count_commits,
    ):
        script = _write_script(Path(folder), turn)
        load.run_wrk(server.url, script, _warm_up_seconds(number, turn, settings), core)
        before, commits = _wait_until_idle(server, settings), count_commits()
        result = load.run_wrk(server.url, script, settings.seconds, core)
        commits = count_commits() - commits
        after = _wait_until_idle(server, settings)
    # The server also completes the requests that wrk abandons at its end.
    requests = result.requests + load.CONNECTIONS
    memory = read_memory(server.pid)
    return Figure(
        round=number,
        server=server.kind.name,
        database=server.kind.database,
        workload=turn.workload.name,
        requests=result.requests,
        seconds=result.seconds,
        bytes=result.bytes,
        p50_us=result.p50_us,
        p99_us=result.p99_us,
        cpu_us=(after["server"] - before["server"]) / requests * MICROSECONDS,
        postgres_us=(after["postgres"] - before["postgres"]) / requests * MICROSECONDS,
        pss_kib=memory.pss_kib,
        rss_kib=memory.rss_kib,
        commits=turn.commits,
        committed=commits / result.seconds,
    )


def _warm_up_seconds(number: int, turn: Turn, settings: RoundSettings) -> int:
    """Return the seconds of load before a turn; a just-in-time compiler needs more at first."""
    first = 0 if number else turn.server.kind.first_warm_up_seconds
    return max(first, settings.warm_up_seconds)


def _write_script(folder: Path, turn: Turn) -> Path:
    headers = turn.server.kind.headers
    return load.write_script(folder / "wrk.lua", turn.workload.requests, headers)


def _wait_until_idle(server: Server, settings: RoundSettings) -> Mapping[str, float]:
    """Return the CPU seconds once the server and PostgreSQL, which has no other client, are idle."""
    before = _read_cpu(server, settings)
    for _ in range(SETTLING_STEPS):
        time.sleep(SETTLING_SECONDS)
        after = _read_cpu(server, settings)
        if all(after[name] - before[name] <= IDLE_SECONDS for name in after):
            return after
        before = after
    raise load.LoadError(f"{server.kind.label} does not become idle")


def _read_cpu(server: Server, settings: RoundSettings) -> Mapping[str, float]:
    """Return the CPU seconds of the server and of PostgreSQL."""
    return {
        "server": read_cpu_seconds(server.pid),
        "postgres": read_cpu_seconds(settings.postmaster),
    }
