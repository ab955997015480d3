"""Commands in processes that start fast: at the same time, or killed at every stage of their work."""

import multiprocessing
import time
from collections.abc import Iterator, Sequence
from signal import SIGKILL
from subprocess import CompletedProcess

import hypothesis

from gql.cli import main
from support.command import run_in_process
from support.server_process import list_processes, read_command_line, wait_until

# The processes are copies of one that has imported the modules.
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["gql.administration", "alembic.command", "support.command"])
# 5 by default, and 100 in the full profile.
REPETITIONS = hypothesis.settings().max_examples // 20


def run_simultaneously(count: int, *arguments: str) -> Sequence[CompletedProcess[str]]:
    """Run the same command in several processes at the same time."""
    return run_all([arguments] * count)


def run_all(commands: Sequence[Sequence[str]]) -> Sequence[CompletedProcess[str]]:
    """Run commands in processes of their own at the same time."""
    with CONTEXT.Pool(len(commands)) as pool:
        results = pool.starmap(run_in_process, commands, chunksize=1)
        # A worker that waits for its next task may not end by SIGTERM, which `with` sends.
        pool.close()
        pool.join()
    return results


def run_forked(*arguments: str) -> str:
    """Run a command in another process, check that it succeeds, and return its output."""
    [result] = run_simultaneously(1, *arguments)
    assert result.returncode == 0, result
    return result.stdout


def measure_command(*arguments: str) -> float:
    """Run a command to its end, and return the seconds that it takes."""
    # The first process waits for the imports.
    _run_command("--version")
    started = time.monotonic()
    _run_command(*arguments)
    return time.monotonic() - started


def list_moments(seconds: float) -> Iterator[float]:
    """Yield the moments to kill a command that takes this time, evenly distributed."""
    return (seconds * (number + 0.5) / REPETITIONS for number in range(REPETITIONS))


def kill_command(arguments: Sequence[str], seconds: float) -> bool:
    """Kill a command with SIGKILL after some seconds; return False if it ended before.

    The processes that it started must end as well.
    """
    process = CONTEXT.Process(target=main, args=[arguments])
    process.start()
    process.join(seconds)
    children = [pid for pid, parent in list_processes() if parent == process.pid]
    process.kill()
    process.join()
    # An ended process without a parent has no command line.
    wait_until(lambda: not any(map(read_command_line, children)))
    return process.exitcode == -SIGKILL


def _run_command(*arguments: str) -> None:
    process = CONTEXT.Process(target=main, args=[arguments])
    process.start()
    process.join()
    assert process.exitcode == 0, arguments
