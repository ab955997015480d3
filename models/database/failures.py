"""Failures of a database that pass with time, and the log lines about them."""

import logging
import sqlite3
from dataclasses import dataclass, field
from time import monotonic

import asyncpg

LOG_INTERVAL_SECONDS = 60
# The database is away, starts or stops, has no connection left, or ended a statement that waited.
# By class of SQLSTATE: connection, authorization, transaction rollback, resources, state, operator.
TEMPORARY_CLASSES = ("08", "28", "40", "53", "55", "57")
# The database does not exist, which happens when it is restored; a transaction timed out.
TEMPORARY_STATES = ("3D000", "25P03", "25P04")
TEMPORARY_SQLITE_CODES = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_PROTOCOL,
    }
)

log = logging.getLogger(__name__)


class ClosedError(Exception):
    """The database was closed, or its file was replaced, before a read."""


class BusyError(Exception):
    """The database accepts no connection for a check, but reads succeed."""


@dataclass(slots=True)
class FailureLog:
    """Logs each kind of failure at most once a minute."""

    _times: dict[str, float] = field(default_factory=dict[str, float])

    def add(self, error: Exception) -> None:
        """Log a failure, unless one of its kind was logged within a minute."""
        kind, now = _find_kind(error), monotonic()
        if now - self._times.get(kind, -LOG_INTERVAL_SECONDS) >= LOG_INTERVAL_SECONDS:
            self._times[kind] = now
            log.error("the database is unavailable: %s", f"{kind}: {error}".partition("\n")[0])


def is_temporary(error: Exception) -> bool:
    """Return whether an error of a driver passes with time."""
    if isinstance(error, asyncpg.InvalidCachedStatementError):
        # The types of columns have changed. The driver prepares the statement again.
        return True
    if isinstance(error, asyncpg.PostgresError):
        state = error.sqlstate or ""
        return state[:2] in TEMPORARY_CLASSES or state in TEMPORARY_STATES
    if isinstance(error, sqlite3.Error):
        # The last byte is the primary result code; our own errors have none.
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CANTOPEN)
        return code & 0xFF in TEMPORARY_SQLITE_CODES
    if isinstance(error, asyncpg.InterfaceError):
        # asyncpg's error for an invalid argument is also a ValueError.
        return not isinstance(error, ValueError)
    return isinstance(error, OSError | ClosedError | asyncpg.InternalClientError)


def _find_kind(error: Exception) -> str:
    state = getattr(error, "sqlstate", None)
    name = type(error).__name__
    return f"{name} ({state})" if state else name
