"""The time limit: it cancels the statements in the database too."""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
import strawberry
from graphql import ExecutionResult
from starlette.datastructures import Headers

from gql import schema
from gql.auth import Authenticator
from gql.database_handle import DatabaseHandle
from gql.errors import ExecutionTimeoutError
from gql.execution.executor import Execution, Executor
from gql.execution.request import GraphQLRequest
from gql.limits import Limits
from gql.reading import ReadRunner
from support.app_client import bearer_headers
from support.edge_case_data import KEYS
from support.limits_schema import errors_of, execute_with, is_successful

PLANNED = "{__typename flows {results {slug}}}"
# Introspection has no plan: graphql-core executes the operation.
UNPLANNED = "{__schema {queryType {name}} flows {results {slug}}}"
TIMEOUT = "Execution exceeded the limit of 1 seconds."
DEADLINE_SECONDS = 20

Execute = Callable[[str], Coroutine[Any, Any, ExecutionResult]]


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run a test with a deadline."""
    asyncio.run(asyncio.wait_for(main, DEADLINE_SECONDS))


@asynccontextmanager
async def open_executor(url: str) -> AsyncGenerator[Execute]:
    """Open a database; yield a function that executes as a superuser, with a limit of 1 second."""
    handle = DatabaseHandle()
    async with handle.open(url, "public"):
        headers = Headers(bearer_headers(KEYS["superuser"]))
        identity = await Authenticator(handle, ttl=0).authenticate(headers)
        executor, runner = Executor(schema.build_schema()), ReadRunner(Limits(seconds=1))

        async def execute(text: str) -> ExecutionResult:
            execution = executor.prepare(GraphQLRequest(text))
            assert isinstance(execution, Execution)
            with runner.limit_time():
                return await runner.run(execution.execute, identity, is_snapshot=True)

        yield execute


RUNNING = """
SELECT count(*) FROM pg_stat_activity WHERE application_name = 'impatient' AND state = 'active'
"""


async def wait_for_running(count: int, monitor: psycopg.Connection[Any]) -> None:
    """Wait until PostgreSQL runs so many statements of the application `impatient`."""
    while monitor.execute(RUNNING).fetchone() != (count,):  # noqa: ASYNC110 - PostgreSQL has no event for this
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("text", [PLANNED, UNPLANNED])
def test_timeout_on_postgresql(authentik_url: str, text: str) -> None:
    """PostgreSQL cancels a statement that waits for a lock; the next request succeeds."""

    async def main() -> None:
        with (
            psycopg.connect(authentik_url, autocommit=True) as monitor,
            psycopg.connect(authentik_url) as locker,
        ):
            async with open_executor(f"{authentik_url}?application_name=impatient") as execute:
                assert is_successful(await execute(text))
                locker.execute("LOCK TABLE authentik_flows_flow IN ACCESS EXCLUSIVE MODE")
                request = asyncio.create_task(execute(text))
                await wait_for_running(1, monitor)
                with pytest.raises(ExecutionTimeoutError, match=TIMEOUT):
                    await request
                await wait_for_running(0, monitor)
                locker.rollback()
                assert is_successful(await execute(text))

    run(main())


SLOW_VIEW = """
CREATE VIEW authentik_flows_flow AS SELECT stored.* FROM stored, (
    WITH RECURSIVE counted (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < 1000000000)
    SELECT max(n) FROM counted
)
"""


@pytest.fixture
def database_copy(sqlite_url: str, tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Copy the database to `tmp_path / "copy.db"`; return a connection to the copy.

    A writer waits until no reader is left.
    """
    path = tmp_path / "copy.db"
    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as original:
        original.execute("VACUUM INTO ?", (str(path),))
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        # Otherwise, renaming a table would change the foreign keys that refer to it.
        connection.execute("PRAGMA legacy_alter_table = ON")
        yield connection


@pytest.mark.parametrize("text", [PLANNED, UNPLANNED])
def test_timeout_on_sqlite(database_copy: sqlite3.Connection, tmp_path: Path, text: str) -> None:
    """SQLite interrupts a long statement; then a writer and the next request succeed."""

    async def main() -> None:
        async with open_executor(f"sqlite:///{tmp_path / 'copy.db'}") as execute:
            assert is_successful(await execute(text))
            database_copy.execute("ALTER TABLE authentik_flows_flow RENAME TO stored")
            database_copy.execute(SLOW_VIEW)
            with pytest.raises(ExecutionTimeoutError, match=TIMEOUT):
                await execute(text)
            database_copy.execute("DROP VIEW authentik_flows_flow")
            database_copy.execute("ALTER TABLE stored RENAME TO authentik_flows_flow")
            assert is_successful(await execute(text))

    run(main())


@strawberry.type
class TimingOut:
    """A query type with a resolver that times out."""

    @strawberry.field
    async def waits(self) -> str | None:
        """Wait longer than its own timeout."""
        async with asyncio.timeout(0.01):
            await asyncio.sleep(60)
        return None


def test_timeout_of_a_resolver() -> None:
    """A TimeoutError of a resolver is the error of its field, and not of the limit."""
    executor = Executor(strawberry.Schema(TimingOut))
    result = execute_with(executor, "{waits}")
    [error] = errors_of(result)
    assert (result.data, error.path) == ({"waits": None}, ["waits"])
    assert isinstance(error.original_error, TimeoutError)
