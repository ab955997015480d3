"""Readers of both kinds: what is slow, cancelled, locked, closed or cut does no harm to others."""

import asyncio
import os
import sqlite3
import threading
from collections.abc import AsyncGenerator, Coroutine, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any, LiteralString

import asyncpg
import psycopg
import pytest
import uvloop

from models.database import Database, open_database, postgresql
from models.database.postgresql import POOL_SIZE, PostgreSQLReader
from models.database.sqlite import THREADS
from models.database.statement import RawSQL
from models.tables.cached_plan import PlanKeys
from support.app_client import AppClient
from support.edge_case_data import KEYS
from support.postgres import PostgresServer
from support.seed import fill_authentik

COUNTING = (
    "WITH RECURSIVE counted (n) AS"
    " (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < :most) SELECT max(n) FROM counted"
)
# Some tenths of a second, and minutes.
SLOW, ENDLESS = 1_000_000, 1_000_000_000
QUICK = RawSQL("SELECT 1")
# What anything here may take.
PATIENCE_SECONDS = 20


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run the test itself, with an end."""
    asyncio.run(asyncio.wait_for(main, PATIENCE_SECONDS))


@asynccontextmanager
async def opened(url: str) -> AsyncGenerator[Database]:
    """The database, open as `serve` has it."""
    database = await open_database(url)
    try:
        yield database
    finally:
        await database.close()


def counting(database: Database, most: int) -> "asyncio.Task[Any]":
    """Begin to count in SQLite, which takes its time."""
    return asyncio.create_task(database.read(RawSQL(COUNTING), {"most": most}))


async def cancelled(reading: "asyncio.Task[Any]") -> None:
    """Cancel, and wait until that is done."""
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading


async def ticks_until(reading: "asyncio.Task[Any]") -> int:
    """How often the event loop comes round until the reading is done."""
    ticks = 0
    while not reading.done():
        await asyncio.sleep(0.001)
        ticks += 1
    return ticks


def test_a_slow_read_leaves_the_event_loop(sqlite_url: str) -> None:
    """Others are served meanwhile, the first time as the next, and the rows are right."""

    async def main() -> None:
        async with opened(sqlite_url) as database:
            for most in (SLOW, SLOW + 1):
                reading = counting(database, most)
                assert await ticks_until(reading) > 10
                assert list(reading.result()) == [(most,)]

    run(main())


def test_a_read_that_is_quick_again_is_no_slow_one(sqlite_url: str) -> None:
    """The same SELECT comes back from its thread: it then takes not one turn of the event loop."""

    async def main() -> None:
        async with opened(sqlite_url) as database:
            await counting(database, SLOW)
            await counting(database, 1)
            order: list[str] = []
            asyncio.get_running_loop().call_soon(order.append, "turn")
            assert await database.read(RawSQL(COUNTING), {"most": 2}) == [(2,)]
            assert order == []

    run(main())


def test_a_cancelled_read_ends(sqlite_url: str) -> None:
    """The database answers on, and more are cancelled than there are threads."""

    async def main() -> None:
        async with opened(sqlite_url) as database:
            for _ in range(2 * THREADS):
                reading = counting(database, ENDLESS)
                await asyncio.wait([reading], timeout=0.05)
                await cancelled(reading)
            assert list(await counting(database, SLOW)) == [(SLOW,)]

    run(main())


@pytest.mark.parametrize("turns", range(6))
def test_a_read_that_is_cancelled_at_once_ends(turns: int, sqlite_url: str) -> None:
    """However early that is: no thread goes on."""

    async def main() -> None:
        async with opened(sqlite_url) as database:
            for _ in range(2 * THREADS):
                reading = counting(database, ENDLESS)
                for _ in range(turns):
                    await asyncio.sleep(0)
                await cancelled(reading)
            assert list(await counting(database, SLOW)) == [(SLOW,)]

    run(main())


def test_many_slow_reads_share_few_threads(sqlite_url: str) -> None:
    """All are answered, and each with its own rows."""

    async def main() -> None:
        before = set(threading.enumerate())
        async with opened(sqlite_url) as database:
            readings = [counting(database, SLOW // 4 + number) for number in range(3 * THREADS)]
            found = [list(rows) for rows in await asyncio.gather(*readings)]
            assert found == [[(SLOW // 4 + number,)] for number in range(3 * THREADS)]
            threads = set(threading.enumerate()) - before
            assert len(threads) == THREADS
        assert not any(thread.is_alive() for thread in threads)

    run(main())


def test_closing_ends_what_is_under_way(sqlite_url: str) -> None:
    """What waits for a thread fails as well, and nobody waits for ever."""

    async def main() -> None:
        async with opened(sqlite_url) as database:
            readings = [counting(database, ENDLESS) for _ in range(2 * THREADS)]
            await asyncio.wait(readings, timeout=0.2)
        ends = await asyncio.gather(*readings, return_exceptions=True)
        interrupted = [end for end in ends if isinstance(end, sqlite3.OperationalError)]
        assert len(interrupted) >= THREADS
        assert all(isinstance(end, Exception) for end in ends)

    run(main())


@pytest.fixture
def locking(sqlite_url: str, tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A connection to a copy at `tmp_path / "copy.db"`, whose writers exclude readers."""
    path = tmp_path / "copy.db"
    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as original:
        original.execute("VACUUM INTO ?", (str(path),))
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield connection


def test_a_writer_is_waited_for(locking: sqlite3.Connection, tmp_path: Path) -> None:
    """Not by the event loop, and the answer is of after it."""

    async def main() -> None:
        async with opened(f"sqlite:///{tmp_path / 'copy.db'}") as database:
            locking.execute("BEGIN EXCLUSIVE")
            locking.execute("UPDATE alembic_version SET version_num = 'new'")
            question = RawSQL("SELECT version_num FROM alembic_version")
            reading = asyncio.create_task(database.read(question))
            await asyncio.wait([reading], timeout=0.2)
            assert not reading.done()
            locking.execute("COMMIT")
            assert list(await reading) == [("new",)]

    run(main())


def test_a_file_that_is_out_of_reach_takes_no_thread(
    locking: sqlite3.Connection, tmp_path: Path
) -> None:
    """However many reads fail to open it, the next is answered when it is back."""
    folder = tmp_path / "folder"
    folder.mkdir()
    locking.execute("VACUUM INTO ?", (str(folder / "copy.db"),))

    async def main() -> None:
        async with opened(f"sqlite:///{folder / 'copy.db'}") as database:
            folder.rename(tmp_path / "away")
            for _ in range(2 * THREADS):
                with pytest.raises(sqlite3.OperationalError):
                    await counting(database, SLOW)
            (tmp_path / "away").rename(folder)
            assert list(await counting(database, SLOW)) == [(SLOW,)]

    run(main())


class Watch:
    """What PostgreSQL itself sees of the connections that a URL opens."""

    def __init__(self, url: str, connection: psycopg.Connection[Any]) -> None:
        self.name = f"watched {os.urandom(4).hex()}"
        self.url = f"{url}?application_name={self.name.replace(' ', '%20')}"
        self._connection = connection

    def seen(self, what: LiteralString) -> list[Any]:
        """An expression over pg_stat_activity, for each of them."""
        watching = f"SELECT {what} FROM pg_stat_activity WHERE application_name = %s"  # noqa: S608 - constants
        return [value for (value,) in self._connection.execute(watching, [self.name])]

    async def until(self, count: int, what: LiteralString) -> None:
        """Return when so many are found."""
        while sum(self.seen(what)) != count:  # noqa: ASYNC110 - PostgreSQL sends no event
            await asyncio.sleep(0.01)

    def cut_at_once(self) -> None:
        """End them all before the event loop comes round."""
        self.seen("pg_terminate_backend(pid)")
        while self.seen("1"):
            pass

    async def cut(self) -> None:
        """End them all, as a restart does."""
        self.seen("pg_terminate_backend(pid)")
        await self.until(0, "1")


@pytest.fixture
def watch(authentik_url: str) -> Iterator[Watch]:
    """Watches the connections to authentik's database."""
    with psycopg.connect(authentik_url, autocommit=True) as connection:
        yield Watch(authentik_url, connection)


def sleeping(database: Database, seconds: float = 0.03) -> "asyncio.Task[Any]":
    """Begin a read that takes PostgreSQL some time."""
    return asyncio.create_task(database.read(RawSQL(f"SELECT pg_sleep({seconds})::text")))


async def filled(database: Database) -> None:
    """Open as many connections as there may be."""
    await asyncio.gather(*(sleeping(database) for _ in range(POOL_SIZE)))


IS_SLEEPING: LiteralString = "(starts_with(query, 'SELECT pg_sleep') AND state = 'active')::int"


def test_there_are_ten_connections_at_most(watch: Watch) -> None:
    """However many read at once; they stay open, and all that was ever sent is SELECTs."""

    async def main() -> None:
        async with opened(watch.url) as database:
            await asyncio.gather(*(sleeping(database) for _ in range(5 * POOL_SIZE)))
            assert watch.seen("query") == ["SELECT pg_sleep(0.03)::text"] * POOL_SIZE
            assert set(watch.seen("state")) == {"idle"}
        await watch.until(0, "1")

    run(main())


def test_reads_one_after_the_other_share_a_connection(watch: Watch) -> None:
    """One that is free is taken before another is opened."""

    async def main() -> None:
        async with opened(watch.url) as database:
            for _ in range(5):
                await sleeping(database, 0)
            assert watch.seen("query") == ["SELECT pg_sleep(0)::text"]

    run(main())


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("search_path", '"public"'),
        ("transaction_read_only", "on"),
        ("plan_cache_mode", "force_generic_plan"),
        ("jit", "off"),
        ("statement_timeout", "30s"),
    ],
)
def test_each_connection_has_its_settings(watch: Watch, setting: str, value: str) -> None:
    """All of them, not just the first."""

    async def main() -> None:
        async with opened(watch.url) as database:
            await filled(database)
            shown = (database.read(RawSQL(f"SHOW {setting}")) for _ in range(POOL_SIZE))
            assert [list(row) for [row] in await asyncio.gather(*shown)] == [[value]] * POOL_SIZE

    run(main())


def test_a_cancelled_read_ends_in_postgresql_too(watch: Watch) -> None:
    """The reader reads on, more often than it has connections."""

    async def main() -> None:
        async with opened(watch.url) as database:
            readings = [sleeping(database, 25) for _ in range(POOL_SIZE)]
            await watch.until(POOL_SIZE, IS_SLEEPING)
            for reading in readings:
                await cancelled(reading)
            assert await database.read(QUICK) == [(1,)]
            await watch.until(0, IS_SLEEPING)

    run(main())


def test_waiting_for_a_connection_is_bounded(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits in vain is told so, and nobody else is."""
    monkeypatch.setattr(postgresql, "POOL_TIMEOUT_SECONDS", 0.1)

    async def main() -> None:
        async with opened(watch.url) as database:
            readings = [sleeping(database, 0.5) for _ in range(POOL_SIZE)]
            await watch.until(POOL_SIZE, IS_SLEEPING)
            with pytest.raises(TimeoutError):
                await database.read(QUICK)
            assert len(await asyncio.gather(*readings)) == POOL_SIZE
            assert await database.read(QUICK) == [(1,)]
            assert len(watch.seen("1")) == POOL_SIZE

    run(main())


def test_who_waits_in_vain_waits_but_once(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    """No connection is lost by it, so that it is not asked again."""
    monkeypatch.setattr(postgresql, "POOL_TIMEOUT_SECONDS", 0.1)
    closes: list[PostgreSQLReader] = []
    close = PostgreSQLReader.close

    async def recorded(reader: PostgreSQLReader) -> None:
        closes.append(reader)
        await close(reader)

    async def main() -> None:
        async with opened(watch.url) as database:
            monkeypatch.setattr(PostgreSQLReader, "close", recorded)
            readings = [sleeping(database, 0.5) for _ in range(POOL_SIZE)]
            await watch.until(POOL_SIZE, IS_SLEEPING)
            with pytest.raises(TimeoutError):
                await database.read(QUICK)
            assert closes == []
            await asyncio.gather(*readings)

    run(main())


@pytest.mark.parametrize("at_once", [1, POOL_SIZE, 3 * POOL_SIZE])
def test_connections_that_are_cut_are_replaced(watch: Watch, at_once: int) -> None:
    """All ten at once, and again: whoever reads next is answered."""

    async def main() -> None:
        async with opened(watch.url) as database:
            for _ in range(3):
                await filled(database)
                await watch.cut()
                found = await asyncio.gather(*(database.read(QUICK) for _ in range(at_once)))
                assert [list(rows) for rows in found] == [[(1,)]] * at_once
                assert len(watch.seen("1")) <= POOL_SIZE

    run(main())


def test_a_farewell_that_is_not_read_yet_is_one(watch: Watch) -> None:
    """A connection that was cut while the event loop was at something else is replaced, too."""

    async def main() -> None:
        async with opened(watch.url) as database:
            for _ in range(20):
                await filled(database)
                watch.cut_at_once()
                # Once round is enough for half of what is to be read.
                await asyncio.sleep(0)
                assert [list(row) for row in await database.read(QUICK)] == [[1]]

    uvloop.run(main())


def test_a_read_that_is_cut_is_asked_again(watch: Watch) -> None:
    """A connection that dies under a SELECT is replaced as well."""

    async def main() -> None:
        async with opened(watch.url) as database:
            reading = sleeping(database, 0.3)
            await watch.until(1, IS_SLEEPING)
            watch.seen("pg_terminate_backend(pid)")
            assert len(await reading) == 1

    run(main())


def test_a_select_that_fails_leaves_its_connection_in_use(watch: Watch) -> None:
    """PostgreSQL has said no, and listens on."""

    async def main() -> None:
        async with opened(watch.url) as database:
            before = watch.seen("pid")
            for _ in range(3):
                with pytest.raises(asyncpg.DivisionByZeroError):
                    await database.read(RawSQL("SELECT 1 / 0"))
            assert await database.read(QUICK) == [(1,)]
            assert watch.seen("pid") == before
            assert len(before) == 1

    run(main())


def test_a_read_that_is_cut_twice_fails(watch: Watch) -> None:
    """A SELECT that ends its connection is not asked for ever."""

    async def main() -> None:
        async with opened(watch.url) as database:
            suicide = RawSQL("SELECT pg_terminate_backend(pg_backend_pid()), pg_sleep(5)")
            with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
                await database.read(suicide)
            assert await database.read(QUICK) == [(1,)]

    run(main())


PATTERN_INDEX = "CREATE INDEX ON django_postgres_cache_cacheentry (cache_key text_pattern_ops) {}"
BYTES = 'ALTER TABLE django_postgres_cache_cacheentry ALTER cache_key TYPE text COLLATE "C"'
LIBRARY = "LOCALE_PROVIDER libc LOCALE 'C.UTF-8'"


@pytest.mark.parametrize(
    ("locale", "change", "expected"),
    [
        ("", "", PlanKeys.IN_KEY_INDEX),
        ("", PATTERN_INDEX.format(""), PlanKeys.IN_PATTERN_INDEX),
        ("", "DROP TABLE django_postgres_cache_cacheentry", PlanKeys.ABSENT),
        (LIBRARY, "", PlanKeys.UNINDEXED),
        (LIBRARY, PATTERN_INDEX.format(""), PlanKeys.IN_PATTERN_INDEX),
        (LIBRARY, PATTERN_INDEX.format("WHERE expires IS NULL"), PlanKeys.UNINDEXED),
        (LIBRARY, BYTES, PlanKeys.IN_KEY_INDEX),
    ],
)
def test_cached_plans_are_found_however_their_keys_are_sorted(
    locale: str,
    change: str,
    expected: PlanKeys,
    postgres: PostgresServer,
    on_authentik: AppClient,
) -> None:
    """Each way of counting counts the same."""
    name = f"keys {os.urandom(4).hex()}"
    with psycopg.connect(postgres.dsn(), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" {locale} TEMPLATE template0'.encode())
    url = fill_authentik(postgres.dsn(name))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(change.encode())
    assert asyncio.run(plan_keys(url)) is expected
    counts = plan_counts(on_authentik)
    assert len(set(counts.values())) > 3
    if expected is PlanKeys.ABSENT:
        counts = dict.fromkeys(counts, 0)
    with AppClient(url) as client:
        assert plan_counts(client) == counts


async def plan_keys(url: str) -> PlanKeys:
    """How FlowQL would find the keys of plans."""
    async with opened(url) as database:
        return database.catalog.plan_keys


def plan_counts(client: AppClient) -> dict[str, int]:
    """How many plans of each flow are cached, over REST."""
    pages = ("?page_size=100", "?page_size=100&page=2")
    answers = [client.get(f"/flows/instances/{page}", KEYS["superuser"]).json for page in pages]
    return {flow["slug"]: flow["cache_count"] for answer in answers for flow in answer["results"]}
