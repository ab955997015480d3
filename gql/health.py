"""The health endpoints: liveness and readiness."""

import asyncio
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import asyncpg
import orjson
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from gql.database_handle import DatabaseHandle
from gql.http.negotiation import JSON, best_match
from models.database import CONNECTION_ERRORS, Database
from models.database.catalog import CACHE_TABLE, Catalog
from models.database.privileges import (
    describe_unreadable_settings,
    describe_unreadable_types,
)
from models.errors import DatabaseError, DatabaseUnavailableError
from models.tables.cached_plan import PlanKeys

LIVE_PATH, READY_PATH = "/-/health/live/", "/-/health/ready/"
READY_TIMEOUT_SECONDS = 2
OK = "ok"
TEXT = "text/plain"
HEADERS = {"Vary": "Accept"}


class DatabaseCheck(NamedTuple):
    """The result of the check of a database: "ok", or the reason why it is not ready."""

    result: str
    warnings: Sequence[str]


@dataclass(frozen=True, slots=True)
class HealthChecks:
    """The health checks of an application and its database."""

    handle: DatabaseHandle

    async def check_liveness(self, _request: Request) -> Response:
        """Return 200: the process responds."""
        return PlainTextResponse("live")

    async def check_readiness(self, request: Request) -> Response:
        """Return 200 if the database responds in time, else 503; as JSON, with the reason."""
        result, warnings = await self._check_database()
        is_ready = result == OK
        status = 200 if is_ready else 503
        if best_match(request.headers, (TEXT, JSON)) != JSON:
            line = "ready" if is_ready else "database unavailable"
            return PlainTextResponse(line, status, HEADERS)
        body = {"ready": is_ready, "checks": {"database": result}, "warnings": warnings}
        return Response(orjson.dumps(body), status, HEADERS, JSON)

    async def _check_database(self) -> DatabaseCheck:
        try:
            database = self.handle.database
        except DatabaseUnavailableError:
            return DatabaseCheck("the file is missing or invalid", [])
        return DatabaseCheck(await _check(database), list(_find_warnings(database.catalog)))


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
