"""From the Authorization header to a Viewer."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic

from starlette.datastructures import Headers

from gql.errors import ForbiddenError, UnauthenticatedError
from models.cache import SegmentedLRU
from models.database import Database
from models.queries.viewer import Viewer, ViewerByKey, build_viewer

MISSING = "Authentication credentials were not provided."
INVALID = "Token invalid/expired"
# How many tokens are remembered.
MAX_KNOWN = 1000


@dataclass(frozen=True, slots=True)
class Authenticator:
    """Who asks, told from tokens; what a token said is believed for `ttl` seconds."""

    database: Database
    ttl: float
    cache: SegmentedLRU[str, tuple[float, Viewer]] = field(
        default_factory=lambda: SegmentedLRU[str, tuple[float, Viewer]](MAX_KNOWN)
    )

    async def authenticate(self, headers: Headers) -> Viewer:
        """Who asks; raises UnauthenticatedError where no valid token says so."""
        key = _bearer_key(headers)
        # Before the question: the answer is of then.
        now = monotonic()
        known = self.cache.get(key)
        if known and now - known[0] < self.ttl:
            return known[1]
        viewer = await self._find(key)
        self.cache.put(key, (now, viewer))
        return viewer

    async def _find(self, key: str) -> Viewer:
        values = {"key": self.database.stored_token_key(key), "now": datetime.now(UTC)}
        rows = await self.database.read(ViewerByKey(), values)
        if not rows:
            raise UnauthenticatedError(INVALID)
        return build_viewer(rows[0])


def require_access(asking: Viewer) -> None:
    """Raise ForbiddenError for somebody who may see no flow."""
    if asking.is_forbidden:
        raise ForbiddenError


def _bearer_key(headers: Headers) -> str:
    # Several headers are one, joined by commas, as everywhere in HTTP.
    header = ",".join(headers.getlist("authorization")).strip(" \t")
    scheme, _, key = header.partition(" ")
    if scheme.lower() != "bearer" or not key:
        raise UnauthenticatedError(MISSING)
    try:
        # Starlette reads headers as latin-1; authentik's keys are UTF-8.
        text = key.encode("latin-1").decode()
    except UnicodeError:
        raise UnauthenticatedError(INVALID) from None
    if "\0" in text:
        raise UnauthenticatedError(INVALID)
    return text
