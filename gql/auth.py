"""Authentication: the viewer of a request, by its bearer token."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from time import monotonic
from typing import NamedTuple

from starlette.datastructures import Headers

from gql.context import Identity
from gql.database_handle import DatabaseHandle
from gql.errors import ForbiddenError, UnauthenticatedError
from gql.shared_tasks import SharedTasks
from models.cache import SegmentedLRU
from models.database import Caller, Database
from models.queries.viewer import Viewer, ViewerByKey, ViewerRow, build_viewer

MISSING = "Authentication credentials were not provided."
INVALID = "Token invalid/expired"
# In tokens.
CACHE_CAPACITY = 1000


class CachedViewer(NamedTuple):
    """A viewer with the database that it was read from, and the time before."""

    viewer: Viewer
    database: Database
    time: float


@dataclass(frozen=True, slots=True)
class Authenticator:
    """Authenticates requests by the tokens in a database; caches each viewer for `ttl` seconds."""

    handle: DatabaseHandle
    ttl: float
    cache: SegmentedLRU[str, CachedViewer] = field(
        default_factory=lambda: SegmentedLRU[str, CachedViewer](CACHE_CAPACITY)
    )
    lookups: SharedTasks[tuple[Database, str], CachedViewer] = field(
        default_factory=SharedTasks[tuple[Database, str], CachedViewer]
    )

    async def authenticate(self, headers: Headers) -> Identity:
        """Return the viewer with the database that it was read from.

        Raises UnauthenticatedError if the token is missing or invalid, and UnavailableError.
        """
        key = _parse_bearer_key(headers)
        database = self.handle.database
        entry = self.cache.get(key)
        if entry is None or not self._is_valid(entry, database):
            # Tokens that were never valid share one place in the queue.
            caller = Caller(entry.viewer.token) if entry else Caller()
            entry = await self._look_up(database, key, caller)
            self.cache.put(key, entry)
        return Identity(database, entry.viewer)

    def _is_valid(self, entry: CachedViewer, database: Database) -> bool:
        return entry.database is database and monotonic() - entry.time < self.ttl

    async def _look_up(self, database: Database, key: str, caller: Caller) -> CachedViewer:
        fetch = partial(_fetch_viewer, database, key, caller)
        # Without the cache, no request uses rows that were read before it.
        return await (self.lookups.run((database, key), fetch) if self.ttl else fetch())


def require_access(viewer: Viewer) -> None:
    """Raise ForbiddenError if the viewer may not see any flow."""
    if viewer.is_forbidden:
        raise ForbiddenError


async def _fetch_viewer(database: Database, key: str, caller: Caller) -> CachedViewer:
    # The TTL counts from before the SELECT: its rows may be outdated when they arrive.
    time = monotonic()
    builder = ViewerByKey(
        has_scopes=database.is_flowql, reads_view=database.catalog.has_api_token_view
    )
    values = {"key": database.stored_token_key(key), "now": datetime.now(UTC)}
    rows = await database.read(builder, values, caller)
    if not rows:
        raise UnauthenticatedError(INVALID)
    return CachedViewer(build_viewer(ViewerRow(*rows[0])), database, time)


def _parse_bearer_key(headers: Headers) -> str:
    # RFC 9110 joins repeated headers by commas.
    header = ",".join(headers.getlist("authorization")).strip(" \t")
    scheme, _, encoded_key = header.partition(" ")
    if scheme.lower() != "bearer" or not encoded_key:
        raise UnauthenticatedError(MISSING)
    try:
        # Starlette decodes headers as Latin-1; authentik's keys are UTF-8.
        key = encoded_key.encode("latin-1").decode()
    except UnicodeError:
        raise UnauthenticatedError(INVALID) from None
    if "\0" in key:
        raise UnauthenticatedError(INVALID)
    return key
