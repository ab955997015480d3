"""Rounds of a sync: one, or one after the other."""

import asyncio
import secrets
from collections.abc import Callable

from models.database import Database
from models.errors import OperatorError, SyncError
from models.sync.limits import Progress
from models.sync.mirror import mirror, record_failure
from models.sync.options import MirrorReport, SyncOptions
from models.sync.reader import read_system
from models.sync.source import ApiSource

# The pause between two rounds differs by up to this part, so that several syncs do not meet.
JITTER = 0.1
DEFAULTS = SyncOptions()
# Receives the result of each round.
OnRound = Callable[[MirrorReport | OperatorError], object]
DATABASE_MESSAGE = "the database could not be written"


async def sync(
    database: Database,
    source: ApiSource,
    options: SyncOptions = DEFAULTS,
    progress: Progress | None = None,
) -> MirrorReport:
    """Read authentik, and mirror it in FlowQL's own database.

    Raises SyncError or DatabaseError after it has stored the failure; then the data stays as it is.
    """
    url = source.display_url
    try:
        content = await read_system(source, progress, options.limits)
        return await mirror(database, content, options, url, progress)
    except OperatorError as error:
        message = error.public if isinstance(error, SyncError) else DATABASE_MESSAGE
        await _record_failure(database, url, message)
        raise


async def keep_syncing(  # noqa: PLR0913, PLR0917 - the parts of a service
    database: Database,
    source: ApiSource,
    options: SyncOptions,
    every_seconds: float,
    on_round: OnRound,
    progress: Progress | None = None,
) -> None:
    """Sync again and again until the task is cancelled; a failed round does not end this.

    Returns if the file of the database is replaced, since this database still writes to the old one.
    """
    while database.is_current:
        try:
            on_round(await sync(database, source, options, progress))
        except OperatorError as error:
            on_round(error)
        await asyncio.sleep(vary(every_seconds))


async def _record_failure(database: Database, url: str, message: str) -> None:
    """Store a failure. The error of the round is more important than that of this."""
    if database.is_flowql:
        try:
            await record_failure(database, url, message)
        except OperatorError:
            return


def vary(seconds: float) -> float:
    """Return a pause that differs a little from these seconds."""
    part = secrets.SystemRandom().uniform(-JITTER, JITTER)
    return seconds * (1 + part)
