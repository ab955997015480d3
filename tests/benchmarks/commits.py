"""Commits at a fixed rate to a table that no server reads: python commits.py URL RATE.

The row that each commit updates counts them.
"""

import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
from machine import MachineError, pin_command

CREATE = "CREATE TABLE benchmark_commit (number bigint NOT NULL)"
INSERT = "INSERT INTO benchmark_commit VALUES (0)"
UPDATE = "UPDATE benchmark_commit SET number = number + 1"
COUNT = "SELECT number FROM benchmark_commit"
PATIENCE_SECONDS = 10

Connection = psycopg.Connection | sqlite3.Connection


def create_table(url: str) -> None:
    """Create the table with its row."""
    with closing(_connect(url)) as connection:
        connection.execute(CREATE)
        connection.execute(INSERT)


@contextmanager
def run_commits(url: str, rate: int, core: int) -> Generator[Callable[[], int]]:
    """Commit `rate` times a second from one core until the block ends; yields the counter."""
    if not rate:
        yield lambda: 0
        return
    with _run_writer(url, rate, core), closing(_connect(url)) as connection:
        yield lambda: _read_count(connection)


@contextmanager
def _run_writer(url: str, rate: int, core: int) -> Generator[None]:
    command = pin_command(core, [sys.executable, str(Path(__file__)), url, str(rate)])
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            _wait_for_commit(process)
            yield
        finally:
            process.terminate()
            process.wait(PATIENCE_SECONDS)


def _wait_for_commit(process: subprocess.Popen[bytes]) -> None:
    if process.stdout is None or not process.stdout.readline():
        raise MachineError("the process that commits ended")


def _read_count(connection: Connection) -> int:
    row = connection.execute(COUNT).fetchone()
    if row is None:
        raise MachineError("benchmark_commit has no row")
    return int(row[0])


def _write(url: str, rate: int) -> None:
    """Commit until the process is ended, and write a line after the first commit."""
    with closing(_connect(url)) as connection:
        connection.execute(UPDATE)
        sys.stdout.write("committed\n")
        sys.stdout.flush()
        start = time.monotonic()
        number = 0
        while True:
            number += 1
            time.sleep(max(0, start + number / rate - time.monotonic()))
            connection.execute(UPDATE)


def _connect(url: str) -> Connection:
    """Open a connection on which each statement is a transaction."""
    if url.startswith("sqlite:///"):
        return sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    return psycopg.connect(url, autocommit=True)


if __name__ == "__main__":
    _write(sys.argv[1], int(sys.argv[2]))
