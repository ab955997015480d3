"""The health endpoints: liveness and readiness."""

import asyncio
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

import asyncpg
import orjson
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from gql.database_handle import DatabaseHandle
from gql.http.negotiation import JSON, best_match
from models.database import CONNECTION_ERRORS, Database
from models.database.catalog import CACHE_TABLE, Catalog
from models.database.failures import BusyError
from models.database.privileges import (
    describe_unreadable_settings,
    describe_unreadable_types,
)
from models.errors import DatabaseError, DatabaseUnavailableError
from models.queries.source import SourceQuery, SourceRow
from models.tables.cached_plan import PlanKeys
from models.tables.source import SyncSource

LIVE_PATH, READY_PATH = "/-/health/live/", "/-/health/ready/"
READY_TIMEOUT_SECONDS = 2
OK = "ok"
TEXT = "text/plain"
HEADERS = {"Vary": "Accept"}
TIME_FORMAT = orjson.OPT_UTC_Z | orjson.OPT_OMIT_MICROSECONDS


class DatabaseCheck(NamedTuple):
    """The result of the check of a database: "ok", or the reason why it is not ready.

    `source` is the source of the last sync, None if there was none or if it cannot be read.
    """

    result: str
    warnings: Sequence[str]
    source: SourceRow | None = None


@dataclass(frozen=True, slots=True)
class HealthChecks:
    """The health checks of an application and its database."""

    handle: DatabaseHandle

    async def check_liveness(self, _request: Request) -> Response:
        """Return 200: the process responds."""
        return PlainTextResponse("live")

    async def check_readiness(self, request: Request) -> Response:
        """Return 200 if the database responds in time, else 503; as JSON, with the reason."""
        check = await self._check_database()
        is_ready = check.result == OK
        status = 200 if is_ready else 503
        if best_match(request.headers, (TEXT, JSON)) != JSON:
            line = "ready" if is_ready else "database unavailable"
            return PlainTextResponse(line, status, HEADERS)
        body = {"ready": is_ready, **_build_body(check, datetime.now(UTC))}
        return Response(orjson.dumps(body, option=TIME_FORMAT), status, HEADERS, JSON)

    async def _check_database(self) -> DatabaseCheck:
        try:
            database = self.handle.database
        except DatabaseUnavailableError:
            return DatabaseCheck("the file is missing or invalid", [])
        result, warnings = await _check(database), list(_find_warnings(database.catalog))
        source = await _read_source(database) if result == OK else None
        return DatabaseCheck(result, warnings, source)


def build_routes(handle: DatabaseHandle) -> list[Route]:
    """Return the routes of the health endpoints."""
    checks = HealthChecks(handle)
    return [Route(LIVE_PATH, checks.check_liveness), Route(READY_PATH, checks.check_readiness)]


async def _check(database: Database) -> str:
    try:
        async with asyncio.timeout(READY_TIMEOUT_SECONDS):
            await database.check()
    except (*CONNECTION_ERRORS, DatabaseError) as error:
        return _describe(error)
    return OK


async def _read_source(database: Database) -> SourceRow | None:
    # Older versions of FlowQL do not create the table.
    if SyncSource.__tablename__ not in database.catalog.tables:
        return None
    try:
        async with asyncio.timeout(READY_TIMEOUT_SECONDS):
            rows = await database.read_apart(SourceQuery())
    except (*CONNECTION_ERRORS, BusyError):
        # The check before has succeeded: the database is ready.
        return None
    return SourceRow(*rows[0]) if rows else None


def _build_body(check: DatabaseCheck, now: datetime) -> Mapping[str, Any]:
    """Return the details of a check. Those of a source are only there after a sync."""
    checks = {"database": check.result}
    if check.source is None:
        return {"checks": checks, "warnings": check.warnings}
    warnings = [*check.warnings, *_find_source_warnings(check.source, now)]
    return {"checks": checks, "warnings": warnings, "source": _build_source(check.source, now)}


def _build_source(source: SourceRow, now: datetime) -> Mapping[str, Any]:
    return {
        "syncedAt": source.synced_at,
        "ageSeconds": _count_seconds(source.synced_at, now) if source.synced_at else None,
        "failedAt": source.failed_at,
        "error": source.error,
    }


def _find_source_warnings(source: SourceRow, now: datetime) -> Iterator[str]:
    """Yield a warning if the last sync failed. Anyone can read it: the error names no host."""
    if source.failed_at:
        age = (
            f"the data is {_count_seconds(source.synced_at, now)} s old"
            if source.synced_at
            else "no sync has succeeded"
        )
        elapsed = _count_seconds(source.failed_at, now)
        yield f"the last sync failed {elapsed} s ago: {source.error}; {age}"


def _count_seconds(time: datetime, now: datetime) -> int:
    # The clock of the process that syncs may be ahead.
    return max(0, int((now - time).total_seconds()))


def _describe(error: Exception) -> str:
    """Return the reason of an error. Anyone can read it, so it names no host, user or database."""
    if isinstance(error, TimeoutError):
        return f"no response within {READY_TIMEOUT_SECONDS} seconds"
    if isinstance(error, asyncpg.PostgresError):
        return f"PostgreSQL error {error.sqlstate}: {type(error).__name__}"
    if isinstance(error, (DatabaseError, sqlite3.Error)):
        # A schema of another version, or a message of SQLite, which contains no path.
        return str(error)
    return f"no connection: {type(error).__name__}"


def _find_warnings(catalog: Catalog) -> Iterator[str]:
    """Yield a warning for each feature that needs a privilege or an index."""
    yield from describe_unreadable_types(catalog).values()
    yield from describe_unreadable_settings(catalog)
    if catalog.is_authentik and catalog.plan_keys is PlanKeys.UNINDEXED:
        index = f"{CACHE_TABLE} (cache_key text_pattern_ops)"
        yield f"cacheCount reads the whole cache table: CREATE INDEX ON {index}"
