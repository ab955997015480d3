"""The health endpoints: liveness and readiness."""

import asyncio
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from gql.database_handle import DatabaseHandle
from models.database import CONNECTION_ERRORS
from models.errors import DatabaseError

LIVE_PATH, READY_PATH = "/-/health/live/", "/-/health/ready/"
READY_TIMEOUT_SECONDS = 2


@dataclass(frozen=True, slots=True)
class HealthChecks:
    """The health checks of an application and its database."""

    handle: DatabaseHandle

    async def check_liveness(self, _request: Request) -> Response:
        """Return 200: the process responds."""
        return PlainTextResponse("live")

    async def check_readiness(self, _request: Request) -> Response:
        """Return 200 if the database responds in time, else 503."""
        try:
            async with asyncio.timeout(READY_TIMEOUT_SECONDS):
                await self.handle.database.check()
        except (*CONNECTION_ERRORS, DatabaseError):
            return PlainTextResponse("database unavailable", 503)
        return PlainTextResponse("ready")


def build_routes(handle: DatabaseHandle) -> list[Route]:
    """Return the routes of the health endpoints."""
    checks = HealthChecks(handle)
    return [Route(LIVE_PATH, checks.check_liveness), Route(READY_PATH, checks.check_readiness)]
