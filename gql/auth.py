"""Authentication: the viewer of a request, by its bearer token."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic

from starlette.datastructures import Headers

from gql.database_handle import DatabaseHandle
from gql.errors import ForbiddenError, UnauthenticatedError
from models.cache import SegmentedLRU
from models.database import Database
from models.queries.viewer import Viewer, ViewerByKey, ViewerRow, build_viewer

MISSING = "Authentication credentials were not provided."
INVALID = "Token invalid/expired"
# In tokens.
CACHE_CAPACITY = 1000


@dataclass(frozen=True, slots=True)
class Authenticator:
    """Authenticates requests by the tokens in a database; caches each viewer for `ttl` seconds."""

    handle: DatabaseHandle
    ttl: float
    cache: SegmentedLRU[str, tuple[float, Viewer]] = field(
        default_factory=lambda: SegmentedLRU[str, tuple[float, Viewer]](CACHE_CAPACITY)
    )

    @property
    def database(self) -> Database:
        """The open database. Raises RuntimeError if the application is not running."""
        return self.handle.database

    async def authenticate(self, headers: Headers) -> Viewer:
        """Return the viewer. Raises UnauthenticatedError if the token is missing or invalid."""
        key = _parse_bearer_key(headers)
        # The TTL counts from before the SELECT: its rows may be outdated when they arrive.
        now = monotonic()
        entry = self.cache.get(key)
        if entry and now - entry[0] < self.ttl:
            return entry[1]
        viewer = await self._fetch_viewer(key)
        self.cache.put(key, (now, viewer))
        return viewer

    async def _fetch_viewer(self, key: str) -> Viewer:
        database = self.database
        values = {"key": database.stored_token_key(key), "now": datetime.now(UTC)}
        rows = await database.read(_select_viewer(database), values)
        if not rows:
            raise UnauthenticatedError(INVALID)
        return build_viewer(ViewerRow(*rows[0]))


def _select_viewer(database: Database) -> ViewerByKey:
    return ViewerByKey(database.is_flowql, database.catalog.has_api_token_view)


def require_access(viewer: Viewer) -> None:
    """Raise ForbiddenError if the viewer may not see any flow."""
    if viewer.is_forbidden:
        raise ForbiddenError


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
