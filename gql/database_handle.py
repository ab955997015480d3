"""The database of an application: routes refer to it before the lifespan opens it."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from models.database import Database, open_database
from models.errors import DatabaseError, DatabaseUnavailableError
from models.limits import DEFAULTS, PoolLimits

WATCH_SECONDS = 1
OPEN_TIMEOUT_SECONDS = 2
# Requests that still read a replaced file can finish within this time.
GRACE_SECONDS = 1

OpenDatabase = Callable[[], Awaitable[Database]]

log = logging.getLogger(__name__)


@dataclass(slots=True)
class DatabaseHandle:
    """A reference to a database that is open only while the application runs.

    If the file of the database is replaced, the handle opens the new one.
    """

    _database: Database | None = None
    _is_unusable: bool = False

    @property
    def database(self) -> Database:
        """The open database.

        Raises DatabaseUnavailableError while its file is missing or invalid, and RuntimeError before
        it is opened and after it is closed.
        """
        if self._database is not None:
            return self._database
        if self._is_unusable:
            raise DatabaseUnavailableError
        raise RuntimeError("The database is not open: enter the application's lifespan first.")

    @asynccontextmanager
    async def open(
        self, url: str, schema: str, limits: PoolLimits = DEFAULTS
    ) -> AsyncGenerator[None]:
        """Open the database, and close it when the context ends. Raises DatabaseError."""
        open_ = partial(open_database, url, schema, limits)
        self._database = await open_()
        watch = asyncio.create_task(self._watch(open_))
        try:
            yield
        finally:
            watch.cancel()
            await asyncio.wait([watch])
            await self._close()

    async def _watch(self, open_: OpenDatabase) -> None:
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            if self._database and not self._database.is_current:
                await self._replace(self._database, open_)

    async def _replace(self, old_database: Database, open_: OpenDatabase) -> None:
        """Open the database again as soon as its file is valid, then close the old one.

        The old one stays open until then, since the journals of its file are found by its inodes.
        """
        try:
            while not await self._try_to_open(open_):  # noqa: ASYNC110 - a file has no event
                await asyncio.sleep(WATCH_SECONDS)
            await asyncio.sleep(GRACE_SECONDS)
        finally:
            await old_database.close()

    async def _try_to_open(self, open_: OpenDatabase) -> bool:
        loop = asyncio.get_running_loop()
        timer = loop.call_later(OPEN_TIMEOUT_SECONDS, self._report_unusable, "it does not respond")
        try:
            database = await open_()
        except DatabaseError as error:
            self._report_unusable(str(error))
            return False
        finally:
            timer.cancel()
        log.warning("opened the database again: its file was replaced or repaired")
        self._database, self._is_unusable = database, False
        return True

    def _report_unusable(self, reason: str) -> None:
        if not self._is_unusable:
            log.warning("the database is not usable: %s", reason)
        self._database, self._is_unusable = None, True

    async def _close(self) -> None:
        database, self._database, self._is_unusable = self._database, None, False
        if database:
            await database.close()
