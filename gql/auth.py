"""From the Authorization header to a Viewer."""

from datetime import UTC, datetime

from starlette.datastructures import Headers

from gql.errors import ForbiddenError, UnauthenticatedError
from models import viewer
from models.database import Database
from models.viewer import Viewer

MISSING = "Authentication credentials were not provided."
INVALID = "Token invalid/expired"


async def authenticate(database: Database, headers: Headers) -> Viewer:
    """Who asks; raises UnauthenticatedError where no valid token says so."""
    key = _bearer_key(headers)
    rows = await database.read(viewer.by_key(database.stored_key(key), datetime.now(UTC)))
    if not rows:
        raise UnauthenticatedError(INVALID)
    return viewer.viewer_of(rows[0])


def permit(asking: Viewer) -> None:
    """Raise ForbiddenError for somebody who may see no flow."""
    if asking.is_refused:
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
