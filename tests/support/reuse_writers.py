"""Writers of the content of tests of reuse, with transactions of all kinds.

A transaction is a list of SQL statements and pauses, whose last statement commits it.
"""

import random
import sqlite3
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count
from threading import Event, Thread
from typing import Any, Protocol

import psycopg

from support.reuse_data import ROLLED_BACK, Script
from support.reuse_history import Timeline

Step = str | float
Steps = Sequence[Step]
Execute = Callable[[str], object]

PAUSES = (0.0, 0.001, 0.005, 0.02, 0.08)
LONGEST_TRANSACTION = 0.08
# Writers pause together, so that there is a time without commits.
CYCLE_SECONDS, BUSY_SECONDS = 0.4, 0.28
PATIENCE_SECONDS = 60


class Style(Protocol):
    """Builds the steps of a transaction that executes a script after, before or without another."""

    def __call__(self, script: Script, others: Script, name: str, pause: float, /) -> Steps: ...


def autocommit(script: Script, _others: Script, _name: str, _pause: float) -> Steps:
    """Execute all statements at once."""
    return ["; ".join(script)]


def commit_late(script: Script, _others: Script, _name: str, pause: float) -> Steps:
    """Stay open for a while after each statement."""
    return ["BEGIN", *(step for text in script for step in (text, pause / len(script))), "COMMIT"]


def commit_savepoints(script: Script, others: Script, _name: str, pause: float) -> Steps:
    """Roll one subtransaction back, and release another."""
    return [
        *("BEGIN", "SAVEPOINT first", *others, "ROLLBACK TO SAVEPOINT first"),
        *("SAVEPOINT second", *script, pause, "RELEASE SAVEPOINT second", "COMMIT"),
    ]


def commit_prepared(script: Script, _others: Script, name: str, pause: float) -> Steps:
    """Commit in two phases."""
    return [
        *("BEGIN", *script, pause / 2, f"PREPARE TRANSACTION '{name}'", pause / 2),
        f"COMMIT PREPARED '{name}'",
    ]


def roll_back(_script: Script, others: Script, _name: str, pause: float) -> Steps:
    """Roll back a transaction that changes the rows."""
    return ["BEGIN", *others, pause, "ROLLBACK"]


def roll_back_prepared(_script: Script, others: Script, name: str, pause: float) -> Steps:
    """Roll back a prepared transaction."""
    return [
        *("BEGIN", *others, f"PREPARE TRANSACTION '{name}'", pause),
        f"ROLLBACK PREPARED '{name}'",
    ]


def commit_immediate(script: Script, _others: Script, _name: str, _pause: float) -> Steps:
    """Execute all statements in a short transaction of SQLite."""
    return ["BEGIN IMMEDIATE", *script, "COMMIT"]


def _begin_immediately(style: Style) -> Style:
    def build(script: Script, others: Script, name: str, pause: float) -> Steps:
        steps = style(script, others, name, pause)
        return ["BEGIN IMMEDIATE" if step == "BEGIN" else step for step in steps]

    return build


COMMITS_POSTGRESQL: Sequence[Style] = (
    autocommit,
    autocommit,
    commit_late,
    commit_savepoints,
    commit_prepared,
)
ROLLBACKS_POSTGRESQL: Sequence[Style] = (roll_back, roll_back_prepared)
COMMITS_SQLITE: Sequence[Style] = (
    commit_immediate,
    commit_immediate,
    _begin_immediately(commit_late),
    _begin_immediately(commit_savepoints),
)
ROLLBACKS_SQLITE: Sequence[Style] = (_begin_immediately(roll_back),)


@dataclass(frozen=True, slots=True)
class Writer:
    """A connection that writes the transactions of one component, in order."""

    component: str
    build_script: Callable[[int], Script]
    timeline: Timeline
    execute: Execute
    commits: Sequence[Style]
    rollbacks: Sequence[Style]
    rng: random.Random

    def write(self) -> None:
        """Commit the next transaction, sometimes after one that is rolled back."""
        if self.rng.random() < 0.2:
            self._run(self._build(self.rng.choice(self.rollbacks)))
        *steps, commit = self._build(self.rng.choice(self.commits))
        self._run(steps)
        with self.timeline.commit():
            self._run([commit])

    def set(self, number: int) -> None:
        """Store the content of a transaction without recording it."""
        self._run(self.commits[0](self.build_script(number), (), "", 0))

    def _build(self, style: Style) -> Steps:
        number = self.timeline.next_number
        pause = self.rng.random() ** 2 * LONGEST_TRANSACTION
        name = f"{self.component} {number}"
        return style(self.build_script(number), self.build_script(ROLLED_BACK), name, pause)

    def _run(self, steps: Steps) -> None:
        for step in steps:
            if isinstance(step, str):
                self.execute(step)
            else:
                time.sleep(step)


@contextmanager
def open_writers(
    url: str,
    components: Mapping[str, Callable[[int], Script]],
    timelines: Mapping[str, Timeline],
) -> Generator[list[Writer]]:
    """Open a connection for the writer of each component."""
    is_sqlite = url.startswith("sqlite")
    styles = (
        (COMMITS_SQLITE, ROLLBACKS_SQLITE)
        if is_sqlite
        else (COMMITS_POSTGRESQL, ROLLBACKS_POSTGRESQL)
    )
    with ExitStack() as stack:
        yield [
            Writer(
                component,
                build_script,
                timelines[component],
                stack.enter_context(open_connection(url)),
                *styles,
                random.Random(component),
            )
            for component, build_script in components.items()
        ]


@contextmanager
def open_connection(url: str) -> Generator[Execute]:
    """Open a connection in autocommit mode; yields a function that executes SQL."""
    if url.startswith("sqlite"):
        connection: Any = sqlite3.connect(
            url.removeprefix("sqlite:///"),
            timeout=PATIENCE_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )
        connection.execute("PRAGMA synchronous = OFF")
    else:
        connection = psycopg.connect(url, autocommit=True, prepare_threshold=None)
    try:
        yield connection.execute
    finally:
        connection.close()


@contextmanager
def run_writers(functions: Sequence[Callable[[], None]]) -> Generator[list[BaseException]]:
    """Call each function in a thread again and again until the block ends; yields their errors."""
    stop, errors = Event(), list[BaseException]()
    threads = [
        Thread(target=_repeat, args=(function, stop, errors, random.Random(number)))
        for number, function in enumerate(functions)
    ]
    for thread in threads:
        thread.start()
    try:
        yield errors
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _repeat(
    function: Callable[[], None], stop: Event, errors: list[BaseException], rng: random.Random
) -> None:
    try:
        while not stop.wait(rng.choice(PAUSES)):
            if time.monotonic() % CYCLE_SECONDS < BUSY_SECONDS:
                function()
    except BaseException as error:  # noqa: BLE001 - the test raises it
        errors.append(error)


def write_elsewhere(execute: Execute) -> Callable[[], None]:
    """Return a function that commits and rolls back in a table that FlowQL does not read."""
    execute("CREATE TABLE IF NOT EXISTS elsewhere (number integer)")
    numbers = count()

    def write() -> None:
        number = next(numbers)
        end = ("COMMIT", "ROLLBACK")[number % 3 == 0]
        for statement in ("BEGIN", f"INSERT INTO elsewhere VALUES ({number})", end):  # noqa: S608 - a number
            execute(statement)

    return write


def maintain(execute: Execute) -> Callable[[], None]:
    """Return a function that rewrites SQLite's file, which changes no content."""
    statements = ("VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)", "REINDEX")
    numbers = count()

    def run() -> None:
        execute(statements[next(numbers) % len(statements)])
        time.sleep(0.3)

    return run
