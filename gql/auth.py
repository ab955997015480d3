"""Authentication: the viewer of a request, by its bearer token."""

from collections.abc import Awaitable, Callable, Hashable
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
from models.database import Caller, Database, Version
from models.queries.viewer import Viewer, ViewerByKey, ViewerRow, build_viewer

MISSING = "Authentication credentials were not provided."
INVALID = "Token invalid/expired"
# In tokens.
CACHE_CAPACITY = 1000


class CachedViewer(NamedTuple):
    """A viewer with the database that it was read from, and the time before.

    `version` is the version of the data that it was read under, None if that is unknown.
    """

    viewer: Viewer
    database: Database
    time: float
    version: Version | None = None

    @property
    def is_expired(self) -> bool:
        """True if the token has expired, which changes no version."""
        expires = self.viewer.expires
        return expires is not None and expires < datetime.now(UTC)


Fetch = Callable[[], Awaitable[CachedViewer]]


class Admission(NamedTuple):
    """The key of a token whose request may arrive, with its viewer if it was looked up."""

    key: str
    identity: Identity | None = None


@dataclass(frozen=True, slots=True)
class Authenticator:
    """Authenticates requests by the tokens in a database.

    With `reads_versions`, a viewer is cached while the version of the data is the same, and looked up
    again while that cannot be read. Without it, and where the data has no versions, each viewer is
    cached for `ttl` seconds.
    """

    handle: DatabaseHandle
    ttl: float
    reads_versions: bool = False
    cache: SegmentedLRU[str, CachedViewer] = field(
        default_factory=lambda: SegmentedLRU[str, CachedViewer](CACHE_CAPACITY)
    )
    lookups: SharedTasks[Hashable, CachedViewer] = field(
        default_factory=SharedTasks[Hashable, CachedViewer]
    )

    async def authenticate(self, headers: Headers) -> Identity:
        """Return the viewer of a request that has arrived, with the database that it was read from.

        Raises UnauthenticatedError if the token is missing or invalid, and UnavailableError.
        """
        return await self._identify(_parse_bearer_key(headers))

    async def admit(self, headers: Headers) -> Admission:
        """Return whose request arrives. The token was valid when it was last looked up.

        Raises the errors of `authenticate`, and ForbiddenError.
        """
        key = _parse_bearer_key(headers)
        entry = self.cache.get(key) if self.reads_versions else None
        if entry and not (entry.is_expired or entry.viewer.is_forbidden):
            return Admission(key)
        identity = await self._identify(key)
        require_access(identity.viewer)
        return Admission(key, identity)

    async def confirm(self, admission: Admission) -> Identity:
        """Return the viewer of an admitted request that has arrived since.

        Raises the errors of `authenticate`.
        """
        if admission.identity and not self.reads_versions:
            return admission.identity
        return await self._identify(admission.key)

    async def _identify(self, key: str) -> Identity:
        database = self.handle.database
        version = await database.read_version() if self.reads_versions else None
        entry = self.cache.get(key)
        if entry is None or not self._is_valid(entry, database, version):
            # Tokens that were never valid share one place in the queue.
            caller = Caller(entry.viewer.token) if entry else Caller()
            entry = await self._look_up(database, key, caller, version)
            self.cache.put(key, entry)
        return Identity(database, entry.viewer, version if entry.version == version else None)

    def _is_valid(self, entry: CachedViewer, database: Database, version: Version | None) -> bool:
        if entry.database is not database or entry.is_expired:
            return False
        if self._requires_version(database):
            return version is not None and entry.version == version
        return monotonic() - entry.time < self.ttl

    def _requires_version(self, database: Database) -> bool:
        return self.reads_versions and database.has_versions

    async def _look_up(
        self, database: Database, key: str, caller: Caller, version: Version | None
    ) -> CachedViewer:
        fetch = partial(_fetch_viewer, database, key, caller, version)
        try:
            entry = await self._share(fetch, database, key, version)
        except UnauthenticatedError:
            self.cache.discard(key)
            raise
        # The lookup may have started before.
        if entry.is_expired:
            raise UnauthenticatedError(INVALID)
        return entry

    async def _share(
        self, fetch: Fetch, database: Database, key: str, version: Version | None
    ) -> CachedViewer:
        """Return the result of a lookup, which other requests with the version may have started."""
        is_cached = self.ttl > 0 and not self._requires_version(database)
        if version is None and not is_cached:
            return await fetch()
        entry = await self.lookups.run((database, key, version), fetch)
        return entry if entry.version == version else await fetch()


def require_access(viewer: Viewer) -> None:
    """Raise ForbiddenError if the viewer may not see any flow."""
    if viewer.is_forbidden:
        raise ForbiddenError


async def _fetch_viewer(
    database: Database, key: str, caller: Caller, version: Version | None
) -> CachedViewer:
    # The TTL counts from before the SELECT: its rows may be outdated when they arrive.
    time = monotonic()
    builder = ViewerByKey(
        has_scopes=database.is_flowql, reads_view=database.catalog.has_api_token_view
    )
    values = {"key": database.stored_token_key(key), "now": datetime.now(UTC)}
    async with database.open_session(caller, is_versioned=version is not None) as session:
        rows = await session.read(builder, values)
    if not rows:
        raise UnauthenticatedError(INVALID)
    is_current = version is not None and await session.has_read_at(version)
    viewer = build_viewer(ViewerRow(*rows[0]))
    return CachedViewer(viewer, database, time, version if is_current else None)


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
