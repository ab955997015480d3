"""Rounds in which servers take turns, so that whatever else the machine does befalls them all."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import load
from figures import Figure
from machine import Cores, cpu_seconds, memory
from servers import STATIC, Server
from workload import Workload

MICROSECONDS = 1e6
# At rest a process takes no more CPU than this in each step.
SETTLING_SECONDS, SETTLING_STEPS, IDLE_SECONDS = 0.2, 100, 0.01


@dataclass(frozen=True, slots=True)
class Course:
    """How long each turn takes, and where."""

    cores: Cores
    postmaster: int
    seconds: int
    warm_up_seconds: int


@dataclass(frozen=True, slots=True)
class Turn:
    """A server that is to be asked a workload."""

    server: Server
    workload: Workload


def turns(servers: Sequence[Server], workloads: Sequence[Workload]) -> Sequence[Turn]:
    """Each server with each workload it can answer; static bytes are the same for all."""
    return [
        Turn(server, workload)
        for workload in workloads
        for server in servers
        if _can_answer(server, workload)
    ]


def run(number: int, all_turns: Sequence[Turn], course: Course) -> Iterator[Figure]:
    """One round: every turn once, each round beginning with another server."""
    by_workload: dict[str, list[Turn]] = {}
    for turn in all_turns:
        by_workload.setdefault(turn.workload.name, []).append(turn)
    for group in by_workload.values():
        first = number % len(group)
        for turn in (*group[first:], *group[:first]):
            yield _measured(number, turn, course)


def _can_answer(server: Server, workload: Workload) -> bool:
    if server.kind.name == STATIC:
        return workload.name == "page_20"
    return workload.form in server.kind.forms


def _measured(number: int, turn: Turn, course: Course) -> Figure:
    server, core = turn.server, course.cores.others
    with TemporaryDirectory() as folder:
        script = _script(Path(folder), turn)
        load.put_on(server.url, script, course.warm_up_seconds, core)
        before = _settled(server, course)
        seen = load.put_on(server.url, script, course.seconds, core)
        spent = {name: after - before[name] for name, after in _settled(server, course).items()}
    # What was under way when wrk ended was answered too, to nobody.
    answered = seen.requests + load.CONNECTIONS
    held = memory(server.pid)
    return Figure(
        round=number,
        server=server.kind.name,
        database=server.kind.database,
        workload=turn.workload.name,
        requests=seen.requests,
        seconds=seen.seconds,
        bytes=seen.bytes,
        p50_us=seen.p50_us,
        p99_us=seen.p99_us,
        cpu_us=spent["server"] / answered * MICROSECONDS,
        postgres_us=spent["postgres"] / answered * MICROSECONDS,
        pss_kib=held.pss_kib,
        rss_kib=held.rss_kib,
    )


def _script(folder: Path, turn: Turn) -> Path:
    headers = turn.server.kind.headers
    return load.write_script(folder / "wrk.lua", turn.workload.questions, headers)


def _settled(server: Server, course: Course) -> Mapping[str, float]:
    """CPU seconds so far, once nothing is under way any more: PostgreSQL works for nobody else."""
    before = _cpu(server, course)
    for _ in range(SETTLING_STEPS):
        time.sleep(SETTLING_SECONDS)
        after = _cpu(server, course)
        if all(after[name] - before[name] <= IDLE_SECONDS for name in after):
            return after
        before = after
    raise load.LoadError(f"{server.kind.label} does not come to rest")


def _cpu(server: Server, course: Course) -> Mapping[str, float]:
    """CPU seconds so far, of the server and of PostgreSQL."""
    return {"server": cpu_seconds(server.pid), "postgres": cpu_seconds(course.postmaster)}
