"""Authentication: the viewer of a request, by its bearer token."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic
from typing import NamedTuple

from starlette.datastructures import Headers

from gql.context import Context
from gql.database_handle import DatabaseHandle
from gql.errors import ForbiddenError, UnauthenticatedError
from models.cache import SegmentedLRU
from models.database import Database
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

    async def authenticate(self, headers: Headers) -> Context:
        """Return the viewer with the database that it was read from.

        Raises UnauthenticatedError if the token is missing or invalid.
        """
        key = _parse_bearer_key(headers)
        database = self.handle.database
        # The TTL counts from before the SELECT: its rows may be outdated when they arrive.
        now = monotonic()
        entry = self.cache.get(key)
        if entry and entry.database is database and now - entry.time < self.ttl:
            return Context(database, entry.viewer)
        viewer = await _fetch_viewer(database, key)
        self.cache.put(key, CachedViewer(viewer, database, now))
        return Context(database, viewer)


def require_access(viewer: Viewer) -> None:
    """Raise ForbiddenError if the viewer may not see any flow."""
    if viewer.is_forbidden:
        raise ForbiddenError


async def _fetch_viewer(database: Database, key: str) -> Viewer:
    builder = ViewerByKey(
        has_scopes=database.is_flowql, reads_view=database.catalog.has_api_token_view
    )
    values = {"key": database.stored_token_key(key), "now": datetime.now(UTC)}
    rows = await database.read(builder, values)
    if not rows:
        raise UnauthenticatedError(INVALID)
    return build_viewer(ViewerRow(*rows[0]))


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
