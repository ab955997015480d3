"""Tests of the readers: slow, cancelled, blocked and interrupted queries do not affect others."""

import asyncio
import json
import os
import random
import sqlite3
import threading
import time
from collections.abc import AsyncGenerator, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any, LiteralString

import asyncpg
import psycopg
import pytest
import uvloop

from models.database import Database, open_database
from models.database.postgresql import PostgreSQLReader
from models.database.sqlite import SQLiteConnection
from models.database.sqlite_file import DatabaseFile
from models.database.statement import RawSQL
from models.errors import DatabaseUnavailableError
from models.limits import DEFAULTS, PoolLimits
from models.search_terms import FOLD_FUNCTION, SEARCH_FUNCTION

POOL_SIZE = THREADS = DEFAULTS.size
IMPATIENT = PoolLimits(queue_seconds=0.1)

COUNT = RawSQL(
    "WITH RECURSIVE numbers (n) AS"
    " (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :limit) SELECT max(n) FROM numbers"
)
# Limits that take some tenths of a second, and minutes.
SLOW, ENDLESS = 1_000_000, 1_000_000_000
FOLD = f"SELECT count(*) FROM flow WHERE instr({FOLD_FUNCTION}(name), ?) > 0"  # noqa: S608 - no user input
FAST = RawSQL("SELECT 1")
SEARCH = f"SELECT count(*) FROM flow WHERE {SEARCH_FUNCTION}(?, ?, name)"  # noqa: S608 - no user input
# The time limit of a test.
TIMEOUT_SECONDS = 20


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run the coroutine of a test, with a time limit."""
    asyncio.run(asyncio.wait_for(main, TIMEOUT_SECONDS))


@asynccontextmanager
async def open_for_reading(url: str, limits: PoolLimits = DEFAULTS) -> AsyncGenerator[Database]:
    """Open a database like `serve`."""
    database = await open_database(url, "public", limits)
    try:
        yield database
    finally:
        await database.close()


def start_count(database: Database, limit: int) -> "asyncio.Task[Any]":
    """Start a query of SQLite that counts to a limit."""
    return asyncio.create_task(database.read(COUNT, {"limit": limit}))


async def cancel(task: "asyncio.Task[Any]") -> None:
    """Cancel a task and wait for it."""
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def count_ticks(task: "asyncio.Task[Any]") -> int:
    """Count the iterations of the event loop until a task is done."""
    ticks = 0
    while not task.done():
        await asyncio.sleep(0.001)
        ticks += 1
    return ticks


def test_a_slow_query_does_not_block_the_event_loop(sqlite_url: str) -> None:
    """Neither the first execution nor the next blocks the event loop, and the rows are correct."""

    async def main() -> None:
        async with open_for_reading(sqlite_url) as database:
            for limit in (SLOW, SLOW + 1):
                task = start_count(database, limit)
                assert await count_ticks(task) > 10
                assert list(task.result()) == [(limit,)]

    run(main())


def test_a_statement_that_is_fast_again_runs_in_the_event_loop(sqlite_url: str) -> None:
    """After a fast execution in a thread, the next does not yield to the event loop."""

    async def main() -> None:
        async with open_for_reading(sqlite_url) as database:
            await start_count(database, SLOW)
            await start_count(database, 1)
            calls: list[str] = []
            asyncio.get_running_loop().call_soon(calls.append, "call")
            assert await database.read(COUNT, {"limit": 2}) == [(2,)]
            assert calls == []

    run(main())


@pytest.mark.parametrize(
    "terms",
    [["e"] * 10, ["e"] * 100, ["e"] * 500, ["e"] * 20_000, ["e" * 1000], ["é"] * 500],
    ids=("10", "100", "500", "20000", "long", "non-ASCII"),
)
def test_a_search_is_interrupted_whatever_its_terms(terms: list[str], tmp_path: Path) -> None:
    """A search of long rows ends in the event loop within some milliseconds."""
    check_interruption(SEARCH, (json.dumps(terms), "\1"), tmp_path / "flows.db")


def test_a_comparison_that_ignores_case_is_interrupted(tmp_path: Path) -> None:
    """A comparison of long rows ends in the event loop within some milliseconds."""
    check_interruption(FOLD, ("É",), tmp_path / "flows.db")


def check_interruption(query: str, arguments: Sequence[str], path: Path) -> None:
    """Assert that a query of a database with long rows is interrupted in time."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE flow (name TEXT)")
        connection.executemany("INSERT INTO flow VALUES (?)", [("eé" * 100,)] * 5000)
    file = DatabaseFile.find(path)
    with closing(SQLiteConnection(file)) as connection:
        start = time.perf_counter()
        with pytest.raises(sqlite3.OperationalError):
            connection.fetch_fast(query, arguments)
        assert time.perf_counter() - start < 0.1


def test_a_cancelled_query_ends(sqlite_url: str) -> None:
    """More queries than there are threads are cancelled, and the next query succeeds."""

    async def main() -> None:
        async with open_for_reading(sqlite_url) as database:
            for _ in range(2 * THREADS):
                task = start_count(database, ENDLESS)
                await asyncio.wait([task], timeout=0.05)
                await cancel(task)
            assert list(await start_count(database, SLOW)) == [(SLOW,)]

    run(main())


@pytest.mark.parametrize("ticks", range(6))
def test_a_query_that_is_cancelled_early_ends(ticks: int, sqlite_url: str) -> None:
    """No thread continues, regardless of the iteration of the event loop."""

    async def main() -> None:
        async with open_for_reading(sqlite_url) as database:
            for _ in range(2 * THREADS):
                task = start_count(database, ENDLESS)
                for _ in range(ticks):
                    await asyncio.sleep(0)
                await cancel(task)
            assert list(await start_count(database, SLOW)) == [(SLOW,)]

    run(main())


def test_many_slow_queries_share_a_few_threads(sqlite_url: str) -> None:
    """All queries succeed, each with its own rows."""

    async def main() -> None:
        before = set(threading.enumerate())
        async with open_for_reading(sqlite_url) as database:
            tasks = [start_count(database, SLOW // 4 + number) for number in range(3 * THREADS)]
            results = [list(rows) for rows in await asyncio.gather(*tasks)]
            assert results == [[(SLOW // 4 + number,)] for number in range(3 * THREADS)]
            threads = set(threading.enumerate()) - before
            assert len(threads) == THREADS
        assert not any(thread.is_alive() for thread in threads)

    run(main())


def test_closing_interrupts_queries(sqlite_url: str) -> None:
    """Queries that wait for a thread fail too."""

    async def main() -> None:
        async with open_for_reading(sqlite_url) as database:
            tasks = [start_count(database, ENDLESS) for _ in range(2 * THREADS)]
            await asyncio.wait(tasks, timeout=0.2)
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(result, DatabaseUnavailableError) for result in results)

    run(main())


@pytest.fixture
def writer(sqlite_url: str, tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A connection to a copy at `tmp_path / "copy.db"`, in which a writer blocks readers."""
    path = tmp_path / "copy.db"
    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as original:
        original.execute("VACUUM INTO ?", (str(path),))
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield connection


def test_a_query_waits_for_a_writer(writer: sqlite3.Connection, tmp_path: Path) -> None:
    """The event loop is not blocked, and the result includes the write."""

    async def main() -> None:
        async with open_for_reading(f"sqlite:///{tmp_path / 'copy.db'}") as database:
            writer.execute("BEGIN EXCLUSIVE")
            writer.execute("UPDATE alembic_version SET version_num = 'new'")
            query = RawSQL("SELECT version_num FROM alembic_version")
            task = asyncio.create_task(database.read(query))
            await asyncio.wait([task], timeout=0.2)
            assert not task.done()
            writer.execute("COMMIT")
            assert list(await task) == [("new",)]

    run(main())


def test_a_missing_file_does_not_exhaust_the_threads(
    writer: sqlite3.Connection, tmp_path: Path
) -> None:
    """After many queries that cannot open the file, a query succeeds when it is back."""
    folder = tmp_path / "folder"
    folder.mkdir()
    writer.execute("VACUUM INTO ?", (str(folder / "copy.db"),))

    async def main() -> None:
        async with open_for_reading(f"sqlite:///{folder / 'copy.db'}") as database:
            folder.rename(tmp_path / "away")
            for _ in range(2 * THREADS):
                with pytest.raises(DatabaseUnavailableError):
                    await start_count(database, SLOW)
            (tmp_path / "away").rename(folder)
            assert list(await start_count(database, SLOW)) == [(SLOW,)]

    run(main())


class Watch:
    """PostgreSQL's view of the connections that a URL opens."""

    def __init__(self, url: str, connection: psycopg.Connection[Any]) -> None:
        self.name = f"watched {os.urandom(4).hex()}"
        self.url = f"{url}?application_name={self.name.replace(' ', '%20')}"
        self._connection = connection

    def read(self, expression: LiteralString) -> list[Any]:
        """Evaluate an expression on pg_stat_activity for each connection."""
        query = f"SELECT {expression} FROM pg_stat_activity WHERE application_name = %s"  # noqa: S608 - no user input
        return [value for (value,) in self._connection.execute(query, [self.name])]

    async def wait_until(self, count: int, expression: LiteralString) -> None:
        """Wait until the sum of an expression is `count`."""
        while sum(self.read(expression)) != count:  # noqa: ASYNC110 - PostgreSQL sends no event
            await asyncio.sleep(0.01)

    def terminate_synchronously(self) -> None:
        """Terminate all connections without yielding to the event loop."""
        self.read("pg_terminate_backend(pid)")
        while self.read("1"):
            pass

    async def terminate(self) -> None:
        """Terminate all connections, like a restart of the server."""
        self.read("pg_terminate_backend(pid)")
        await self.wait_until(0, "1")


@pytest.fixture
def watch(authentik_url: str) -> Iterator[Watch]:
    """The connections to authentik's database."""
    with psycopg.connect(authentik_url, autocommit=True) as connection:
        yield Watch(authentik_url, connection)


def start_sleep(database: Database, seconds: float = 0.03) -> "asyncio.Task[Any]":
    """Start a query of PostgreSQL that sleeps."""
    return asyncio.create_task(database.read(RawSQL(f"SELECT pg_sleep({seconds})::text")))


async def fill_pool(database: Database) -> None:
    """Open the maximum number of connections."""
    await asyncio.gather(*(start_sleep(database) for _ in range(POOL_SIZE)))


IS_SLEEPING: LiteralString = "(starts_with(query, 'SELECT pg_sleep') AND state = 'active')::int"


def test_the_number_of_connections_is_limited(watch: Watch) -> None:
    """Connections stay open, and receive only the SELECTs of the queries."""

    async def main() -> None:
        async with open_for_reading(watch.url) as database:
            await asyncio.gather(*(start_sleep(database) for _ in range(5 * POOL_SIZE)))
            assert watch.read("query") == ["SELECT pg_sleep(0.03)::text"] * POOL_SIZE
            assert set(watch.read("state")) == {"idle"}
        await watch.wait_until(0, "1")

    run(main())


def test_sequential_queries_share_a_connection(watch: Watch) -> None:
    """An idle connection is reused before another one is opened."""

    async def main() -> None:
        async with open_for_reading(watch.url) as database:
            for _ in range(5):
                await start_sleep(database, 0)
            assert watch.read("query") == ["SELECT pg_sleep(0)::text"]

    run(main())


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("search_path", '"public"'),
        ("transaction_read_only", "on"),
        ("plan_cache_mode", "force_generic_plan"),
        ("jit", "off"),
        ("max_parallel_workers_per_gather", "0"),
        ("statement_timeout", "6s"),
    ],
)
def test_each_connection_has_its_settings(watch: Watch, setting: str, value: str) -> None:
    """The settings apply to all connections, not only to the first."""

    async def main() -> None:
        async with open_for_reading(watch.url) as database:
            await fill_pool(database)
            queries = (database.read(RawSQL(f"SHOW {setting}")) for _ in range(POOL_SIZE))
            assert [list(row) for [row] in await asyncio.gather(*queries)] == [[value]] * POOL_SIZE

    run(main())


def test_a_cancelled_query_ends_in_postgresql(watch: Watch) -> None:
    """As many queries as there are connections are cancelled, and the next one succeeds."""

    async def main() -> None:
        async with open_for_reading(watch.url) as database:
            tasks = [start_sleep(database, 25) for _ in range(POOL_SIZE)]
            await watch.wait_until(POOL_SIZE, IS_SLEEPING)
            for task in tasks:
                await cancel(task)
            assert await database.read(FAST) == [(1,)]
            await watch.wait_until(0, IS_SLEEPING)

    run(main())


def test_a_cancelled_query_holds_no_locks(watch: Watch) -> None:
    """Its transaction ends, in whatever iteration of the event loop it is cancelled."""

    async def main() -> None:
        async with open_for_reading(watch.url) as database:
            await fill_pool(database)
            for number in range(500):
                # The connection prepares each statement.
                query = RawSQL(f"SELECT {number} FROM authentik_flows_flow")  # noqa: S608 - no user input
                task = asyncio.create_task(database.read(query))
                for _ in range(random.randrange(150)):
                    await asyncio.sleep(0)
                task.cancel()
                await asyncio.wait([task])
                await watch.wait_until(0, "(state <> 'idle')::int")

    run(main())


def test_waiting_for_a_connection_times_out(watch: Watch) -> None:
    """The query that waits fails, and the others succeed."""

    async def main() -> None:
        async with open_for_reading(watch.url, IMPATIENT) as database:
            tasks = [start_sleep(database, 0.5) for _ in range(POOL_SIZE)]
            await watch.wait_until(POOL_SIZE, IS_SLEEPING)
            with pytest.raises(DatabaseUnavailableError):
                await database.read(FAST)
            assert len(await asyncio.gather(*tasks)) == POOL_SIZE
            assert await database.read(FAST) == [(1,)]
            assert len(watch.read("1")) == POOL_SIZE

    run(main())


def test_a_timeout_is_not_retried(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader does not treat a timeout as a lost connection."""
    closes: list[PostgreSQLReader] = []

    close_idle = PostgreSQLReader.close_idle

    def record_close(reader: PostgreSQLReader) -> None:
        closes.append(reader)
        close_idle(reader)

    async def main() -> None:
        async with open_for_reading(watch.url, IMPATIENT) as database:
            monkeypatch.setattr(PostgreSQLReader, "close_idle", record_close)
            tasks = [start_sleep(database, 0.5) for _ in range(POOL_SIZE)]
            await watch.wait_until(POOL_SIZE, IS_SLEEPING)
            with pytest.raises(DatabaseUnavailableError):
                await database.read(FAST)
            assert closes == []
            await asyncio.gather(*tasks)

    run(main())


@pytest.mark.parametrize("concurrency", [1, POOL_SIZE, 3 * POOL_SIZE])
def test_terminated_connections_are_replaced(watch: Watch, concurrency: int) -> None:
    """All connections are terminated, repeatedly, and the next queries succeed."""

    async def main() -> None:
        async with open_for_reading(watch.url) as database:
            for _ in range(3):
                await fill_pool(database)
                await watch.terminate()
                results = await asyncio.gather(*(database.read(FAST) for _ in range(concurrency)))
                assert [list(rows) for rows in results] == [[(1,)]] * concurrency
                assert len(watch.read("1")) <= POOL_SIZE

    run(main())


def test_a_connection_whose_termination_is_unread_is_replaced(watch: Watch) -> None:
    """A connection may be terminated while the event loop is busy."""

    async def main() -> None:
        async with open_for_reading(watch.url) as database:
            for _ in range(20):
                await fill_pool(database)
                watch.terminate_synchronously()
                # In one iteration, the event loop reads only a part of the server's messages.
                await asyncio.sleep(0)
                assert [list(row) for row in await database.read(FAST)] == [[1]]

    uvloop.run(main())


def test_a_query_is_repeated_if_its_connection_is_lost(watch: Watch) -> None:
    """A connection that is terminated during a SELECT is replaced."""

    async def main() -> None:
        async with open_for_reading(watch.url) as database:
            task = start_sleep(database, 0.3)
            await watch.wait_until(1, IS_SLEEPING)
            watch.read("pg_terminate_backend(pid)")
            assert len(await task) == 1

    run(main())


def test_a_failed_select_keeps_its_connection(watch: Watch) -> None:
    """An error in SQL does not close the connection."""

    async def main() -> None:
        async with open_for_reading(watch.url) as database:
            before = watch.read("pid")
            for _ in range(3):
                with pytest.raises(asyncpg.DivisionByZeroError):
                    await database.read(RawSQL("SELECT 1 / 0"))
            assert await database.read(FAST) == [(1,)]
            assert watch.read("pid") == before
            assert len(before) == 1

    run(main())


def test_a_query_is_repeated_only_once(watch: Watch) -> None:
    """A SELECT that terminates its own connection fails."""

    async def main() -> None:
        async with open_for_reading(watch.url) as database:
            self_terminating = RawSQL("SELECT pg_terminate_backend(pg_backend_pid()), pg_sleep(5)")
            with pytest.raises(DatabaseUnavailableError):
                await database.read(self_terminating)
            assert await database.read(FAST) == [(1,)]

    run(main())
