"""The differences from the baseline, calculated once for each version of the data."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Hashable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import NamedTuple

from gql import background
from gql.database_handle import DatabaseHandle
from gql.drift.baselines import Baseline, RemoteBaseline, build_baseline, name_baseline
from gql.errors import DriftUnavailableError
from gql.shared_tasks import retrieve_error
from models.database.data_version import DataVersions
from models.diff.changes import Difference
from models.diff.compare import compare
from models.diff.options import SideOptions, is_live_system
from models.diff.sides import Side
from models.diff.systems import open_database_side
from models.errors import (
    DatabaseError,
    DatabaseUnavailableError,
    DiffError,
    OperatorError,
    UnavailableError,
)

log = logging.getLogger(__name__)


class Outcome(NamedTuple):
    """A difference, or the error of the baseline, for versions of the data and of the baseline."""

    version: Hashable
    difference: Difference | OperatorError

    def get(self) -> Difference:
        """Return the difference; raises the error."""
        if isinstance(self.difference, OperatorError):
            raise self.difference
        return self.difference


@dataclass(frozen=True, slots=True)
class OpenDatabase:
    """The database that is served, through the handle that requests use."""

    handle: DatabaseHandle
    url: str
    schema: str
    versions: DataVersions

    async def read_version(self) -> Hashable:
        """Return the version of the data. Raises UnavailableError."""
        return await self.versions.read(self.handle.database)

    async def read(self) -> Side:
        """Return the data. Raises UnavailableError.

        The connection is a new one: requests wait for the calculation while they have those of the
        handle.
        """
        try:
            return await open_database_side(self.url, SideOptions(schema=self.schema))
        except DatabaseError as error:
            raise DatabaseUnavailableError from error


@dataclass(slots=True)
class DriftCalculator:
    """Calculates what differs between the baseline and the data in a database.

    One calculation runs at a time, for all requests that wait for it. It continues if none of them
    waits any longer. `name` is that of the baseline.
    """

    name: str
    baseline: Baseline
    _database: OpenDatabase | None = None
    _latest: Outcome | None = None
    _task: "asyncio.Task[Outcome] | None" = None
    _logged_error: str = ""

    @asynccontextmanager
    async def open(
        self, handle: DatabaseHandle, url: str, schema: str, seconds: float
    ) -> AsyncGenerator[None]:
        """Compare the data with the baseline for the first time; the handle is open.

        A baseline at a URL is read again after these seconds. Raises OperatorError.
        """
        self._database = OpenDatabase(handle, url, schema, DataVersions(url))
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._close, self._database)
            if isinstance(self.baseline, RemoteBaseline):
                await stack.enter_async_context(self.baseline.keep_current(seconds))
            # Blueprints can also be invalid in view of the data.
            await self._check()
            yield

    async def read(self) -> Difference:
        """Return the difference of the present data. Raises DriftUnavailableError."""
        try:
            difference = (await self._read_current()).get()
        except UnavailableError as error:
            raise DriftUnavailableError("the database") from error
        except OperatorError as error:
            self._log_error(str(error))
            raise DriftUnavailableError("the baseline") from error
        self._logged_error = ""
        return difference

    async def _check(self) -> None:
        try:
            (await self._read_current()).get()
        except UnavailableError as error:
            raise DatabaseError(f"cannot compare the database with the baseline: {error}") from None

    def _log_error(self, message: str) -> None:
        """Log an error, unless it is still the same."""
        if message != self._logged_error:
            log.warning("cannot compare the data with the baseline: %s", message)
        self._logged_error = message

    async def _read_current(self) -> Outcome:
        version = await self._read_version()
        running = self._task
        if running and not running.done():
            # It may have started before a change that this request has to see.
            await asyncio.wait([running])
        if self._latest and self._latest.version == version:
            return self._latest
        if self._task is None or self._task is running:
            self._task = asyncio.create_task(self._calculate())
            self._task.add_done_callback(retrieve_error)
        return await asyncio.shield(self._task)

    async def _calculate(self) -> Outcome:
        # A change after this is in the next version.
        version = await self._read_version()
        self._latest = Outcome(version, await self._compare())
        return self._latest

    async def _compare(self) -> Difference | OperatorError:
        try:
            left = await self.baseline.read()
            right = await self._require_database().read()
            return await background.call(compare, left, right, is_long=True)
        except OperatorError as error:
            return error

    async def _read_version(self) -> Hashable:
        data = await self._require_database().read_version()
        return data, await self.baseline.read_version()

    def _require_database(self) -> OpenDatabase:
        if self._database is None:
            raise RuntimeError("The drift is not open: enter the application's lifespan first.")
        return self._database

    async def _close(self, database: OpenDatabase) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.wait([self._task])
        await database.versions.close()


def build_calculator(baseline: str, options: SideOptions) -> DriftCalculator:
    """Return the calculator of the drift from a baseline at a path or a URL; raises OperatorError."""
    if is_live_system(baseline) and not options.token:
        raise DiffError(
            "the baseline requires the token of an authentik: use --baseline-token-file"
        )
    return DriftCalculator(name_baseline(baseline), build_baseline(baseline, options))
