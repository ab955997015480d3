"""The syncer: a child process that keeps FlowQL's own database in step with a live authentik.

A server has one, however many workers it has. Its failures never stop the server.
"""

import asyncio
import logging.config
import os
import signal
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, repeat
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from threading import Event, Lock, Thread, Timer
from typing import TYPE_CHECKING, Any, cast

from setproctitle import setproctitle

from gql.processes import SPAWN, block_signals, describe_exit, exit_with_parent
from gql.settings import Settings
from models.database import Database, migrate, open_database
from models.errors import DatabaseError, OperatorError
from models.sync.source import ApiSource

# The pauses before a syncer that has exited is replaced; the last one is repeated.
PAUSES_SECONDS = (1, 5, 30, 60)
# A syncer that does not exit within this time after SIGTERM is killed: a server exits in 5 seconds.
EXIT_SECONDS = 0.5
# A transaction that is rolled back may take longer, so the syncer exits without waiting for it.
CANCEL_SECONDS = 0.4

if TYPE_CHECKING:
    from models.sync.options import MirrorReport

log = logging.getLogger("flowql")


async def prepare(settings: Settings) -> None:
    """Create or upgrade the tables if a URL is set.

    Raises SettingsError if there is no token, and DatabaseError if the database is not FlowQL's own.
    """
    if settings.build_sync_source():
        try:
            await migrate(settings.database_url, settings.schema_name)
        except DatabaseError as error:
            raise DatabaseError(f"cannot sync: {error}") from None


@contextmanager
def run_syncer(settings: Settings, log_config: Mapping[str, Any]) -> Generator[None]:
    """Run a syncer until the block ends; without a URL, do nothing."""
    if not settings.sync_url:
        yield
        return
    keeper = _SyncerKeeper(settings, log_config)
    thread = Thread(target=keeper.run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        keeper.stop()
        thread.join()


@dataclass(slots=True)
class _SyncerKeeper:
    """Keeps a syncer running, in a thread."""

    settings: Settings
    log_config: Mapping[str, Any]
    _stopping: Event = field(default_factory=Event)
    _lock: Lock = field(default_factory=Lock)
    _process: BaseProcess | None = None

    def run(self) -> None:
        """Start syncers, one after the other, until `stop` is called."""
        pauses = chain(PAUSES_SECONDS, repeat(PAUSES_SECONDS[-1]))
        while reason := self._run_one():
            if self._stopping.wait(next(pauses)):
                return
            log.error("the syncer %s; starting another", reason)

    def stop(self) -> None:
        """Stop the syncer, by SIGKILL if it does not exit in time."""
        with self._lock:
            self._stopping.set()
            process = self._process
        if process:
            process.terminate()
            if not wait([process.sentinel], EXIT_SECONDS):
                process.kill()

    def _run_one(self) -> str:
        """Run a syncer to its end, and return why it ended; an empty string after `stop`."""
        try:
            process = self._start()
        except OSError as error:
            return f"cannot start ({error.strerror})"
        if process is None:
            return ""
        wait([process.sentinel])
        process.join()
        return describe_exit(process.exitcode)

    def _start(self) -> BaseProcess | None:
        """Start a syncer; return None after `stop`."""
        with self._lock, block_signals():
            if self._stopping.is_set():
                return None
            arguments = (self.settings, self.log_config)
            self._process = SPAWN.Process(target=_run, args=arguments, daemon=True)
            self._process.start()
            return self._process


def _run(settings: Settings, log_config: Mapping[str, Any]) -> None:
    """Run the main function of the process."""
    setproctitle("flowql syncer")
    logging.config.dictConfig(dict(log_config))
    exit_with_parent()
    try:
        asyncio.run(_sync_until_terminated(settings))
    except OperatorError as error:
        log.error("cannot sync: %s", error)  # noqa: TRY400 - no traceback
        sys.exit(1)


async def _sync_until_terminated(settings: Settings) -> None:
    source = settings.build_sync_source()
    task = cast("asyncio.Task[None]", asyncio.current_task())
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, _terminate, task)
    with suppress(asyncio.CancelledError):
        if source:
            await _sync(settings, source)


def _terminate(task: "asyncio.Task[None]") -> None:
    timer = Timer(CANCEL_SECONDS, os._exit, [0])
    timer.daemon = True
    timer.start()
    task.cancel()


async def _sync(settings: Settings, source: ApiSource) -> None:
    """Sync until the task is cancelled, or the file of the database is replaced."""
    # Only this process needs the HTTP client.
    from models.sync.options import SyncOptions  # noqa: PLC0415
    from models.sync.rounds import keep_syncing  # noqa: PLC0415

    database = await open_database(settings.database_url, settings.schema_name, writable=True)
    try:
        options, seconds = SyncOptions(no_delete=not settings.sync_delete), settings.sync_every
        on_round = partial(_handle_round, database, set())
        await keep_syncing(database, source, options, seconds.total_seconds(), on_round)
    finally:
        await database.close()


def _handle_round(
    database: Database, logged: set[str], result: "MirrorReport | OperatorError"
) -> None:
    """Log a failure, and warnings that are not yet logged. Exit if the file was replaced."""
    if isinstance(result, OperatorError):
        log.warning("the sync failed: %s", result)
    else:
        for warning in (warning for warning in result.warnings if warning not in logged):
            log.warning("sync: %s", warning)
        logged.update(result.warnings)
    if not database.is_current:
        # The next syncer opens the new file.
        sys.exit(0)
