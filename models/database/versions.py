"""The version of the data: under equal versions, every SELECT returns the same rows.

A response can be used again while the version is the one that its rows were read under. This is why
that is exact, and not only likely.

PostgreSQL. A snapshot decides which transactions a SELECT sees: those that have committed and that
it does not take for running. Its text says which these are: all from `xmax` on, and those that it
lists between `xmin` and `xmax`. `xmax` is above all transactions that have ended, so that the end of
one changes the text. How a transaction ended never changes. So two snapshots with equal texts see
the same rows, if one server took both, between two of its starts:

- Subtransactions are not listed, but one is visible only if its parent is.
- A prepared transaction runs until it is committed or rolled back.
- Transactions of other databases of the server count. They change the version for nothing.
- A SELECT takes no transaction ID, so that reading does not change the version.
- After a failover or a crash, transaction IDs that were lost are used again. The text of a version
  therefore contains the server's start and address, and a version the connection that read it: no
  connection survives a crash, which ends all server processes without a new start.
- The snapshot of a standby does not list running transactions. It has no version.
- What the rows of a SELECT depend on besides transactions, such as the clock in a view, has to be
  absent: see SELECT_CHECKED_VERSION. Whether it is absent depends on transactions, so it is
  checked once for each version.

SQLite. `PRAGMA data_version` changes if another connection has committed a change of the file. The
connections of this process only read. The number belongs to one connection, which is the same for
all versions; the inode belongs to it as well, since a file that replaces another has other data.

A version is read at a point in time, and so are rows. There are two ways to know that rows belong to
a version. PostgreSQL returns the version of the snapshot with the rows, as one more column of the
same statement, which also proves that the server is the same. Or the version is read before and
after the rows: it never returns to an earlier value, so if both are equal, no transaction has ended
in between. For SQLite, that is the only way; for PostgreSQL, if there are no rows, and the second
version is read on the connection of the statement.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Awaitable, Callable, Iterable, Sequence
from itertools import count
from math import inf
from typing import NamedTuple, Protocol, Self, cast

import asyncpg
from asyncpg.prepared_stmt import PreparedStatement

from models.database.sqlite_file import DatabaseFile
from models.database.statement import Rows

# A server that does not respond in this time has no version: requests go on without it.
TIMEOUT_SECONDS = 1
# A server without a version, such as a standby, is asked again after this time.
RETRY_SECONDS = 1
# NULL on a standby.
SNAPSHOT_VERSION = (
    "CASE WHEN NOT pg_catalog.pg_is_in_recovery() THEN pg_catalog.concat_ws(' ',"
    " pg_catalog.pg_current_snapshot(), extract(epoch FROM pg_catalog.pg_postmaster_start_time()),"
    " pg_catalog.inet_server_addr(), pg_catalog.inet_server_port()) END"
)
# Objects of the system have lower numbers. VACUUM changes their rows without a transaction.
FIRST_NORMAL_OID = 16384
# A scalar subquery is evaluated once, and not for each row.
VERSION_COLUMN = f"(SELECT {SNAPSHOT_VERSION})"
SELECT_VERSION = f"SELECT {SNAPSHOT_VERSION}"
# The version, and why rows can change without a transaction, NULL if they cannot.
#
# The relations in $2 of the schema $1, their partitions and the relations of views have to be
# ordinary tables, partitioned tables, or views that contain nothing but immutable functions and
# well-known expressions. The tree of a view is text, in which each node is named after a brace.
SELECT_CHECKED_VERSION = rf"""
WITH RECURSIVE relations AS (
    SELECT class.oid, relname, relkind, relam, relrowsecurity FROM pg_catalog.pg_class AS class
    JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = relnamespace
    WHERE nspname = $1 AND relname = ANY ($2)
    UNION
    SELECT related.* FROM relations CROSS JOIN LATERAL (
        SELECT class.oid, class.relname, class.relkind, class.relam, class.relrowsecurity
        FROM pg_catalog.pg_inherits
        JOIN pg_catalog.pg_class AS class ON class.oid = inhrelid
        WHERE inhparent = relations.oid
        UNION ALL
        SELECT class.oid, class.relname, class.relkind, class.relam, class.relrowsecurity
        FROM pg_catalog.pg_rewrite
        CROSS JOIN LATERAL regexp_matches(ev_action::text, ':relid (\d+)', 'g') AS match
        JOIN pg_catalog.pg_class AS class ON class.oid = match[1]::oid
        WHERE ev_class = relations.oid AND ev_type = '1' AND relations.relkind = 'v'
    ) AS related
), rules AS (
    SELECT relname, ev_action::text AS action FROM relations
    JOIN pg_catalog.pg_rewrite ON ev_class = relations.oid AND ev_type = '1'
    WHERE relkind = 'v'
), obstacles (obstacle) AS (
SELECT 'the server is not plain PostgreSQL' WHERE version() !~ '^PostgreSQL \d'
    OR version() ~* '-YB-|cockroach|greenplum|redshift'
    OR EXISTS (SELECT FROM pg_catalog.pg_extension WHERE extname ~ '^citus')
    OR EXISTS (SELECT FROM pg_catalog.pg_proc WHERE proname = 'aurora_version')
UNION ALL
SELECT format('%s is not an ordinary table or view', relname) FROM relations
WHERE relkind NOT IN ('r', 'p', 'v') OR oid < {FIRST_NORMAL_OID}
    OR relkind = 'r' AND relam <> (SELECT oid FROM pg_catalog.pg_am WHERE amname = 'heap')
UNION ALL
SELECT format('%s has row security', relname) FROM relations WHERE relrowsecurity
UNION ALL
SELECT format('the view %s contains %s', relname, match[1])
FROM rules CROSS JOIN LATERAL regexp_matches(action, '\{{(\w+)', 'g') AS match
WHERE match[1] NOT IN (
    'QUERY', 'ALIAS', 'RTE', 'RANGETBLENTRY', 'RTEPERMISSIONINFO', 'FROMEXPR', 'RANGETBLREF',
    'JOINEXPR', 'TARGETENTRY', 'SORTGROUPCLAUSE', 'VAR', 'CONST', 'OPEXPR', 'BOOLEXPR',
    'SCALARARRAYOPEXPR', 'DISTINCTEXPR', 'NULLIFEXPR', 'FUNCEXPR', 'RELABELTYPE', 'NULLTEST',
    'BOOLEANTEST', 'CASEEXPR', 'CASE', 'CASEWHEN', 'WHEN', 'CASETESTEXPR', 'COALESCEEXPR',
    'COALESCE', 'SUBLINK', 'SETOPERATIONSTMT', 'ARRAYEXPR', 'ARRAY', 'COLLATEEXPR', 'COLLATE'
)
UNION ALL
SELECT format('the view %s depends on the order of rows', relname) FROM rules
WHERE action ~ ':limit(Count|Offset) [^<]|:hasDistinctOn true'
UNION ALL
SELECT format('the view %s contains the function %s', relname, coalesce(proname, match[1]))
FROM rules
CROSS JOIN LATERAL regexp_matches(action, ':(?:funcid|opfuncid) (\d+)', 'g') AS match
LEFT JOIN pg_catalog.pg_proc AS function ON function.oid = match[1]::oid
WHERE provolatile IS DISTINCT FROM 'i'
)
SELECT {SNAPSHOT_VERSION}, (SELECT obstacle FROM obstacles LIMIT 1)
"""  # noqa: S608 - a constant

# The server does not know or allow the functions of the version, or has no connection left.
REJECTIONS = (
    asyncpg.SyntaxOrAccessError,
    asyncpg.FeatureNotSupportedError,
    asyncpg.TooManyConnectionsError,
)

log = logging.getLogger(__name__)

# Versions of different connections and files are never equal.
_numbers = count()


class ServerVersion(NamedTuple):
    """A version of a server's data: the number of the connection that read it, and its text."""

    connection: int
    text: str


class FileVersion(NamedTuple):
    """A version of a file: the number of its connection, and SQLite's number of the version."""

    connection: int
    number: int


Version = ServerVersion | FileVersion


class Clock(Protocol):
    """Reads the present version of the data."""

    @property
    def has_versions(self) -> bool:
        """False if the data has no exact versions, as on a standby, as far as is known."""
        ...

    async def read(self) -> Version | None:
        """Return the version, read after the call; None if it cannot be read at present."""
        ...

    async def close(self) -> None:
        """Close the connection, if the clock has one."""
        ...


class FileClock:
    """Reads the version of a file.

    `read_number` executes `PRAGMA data_version`; it returns None if the connection is closed.
    """

    def __init__(self, file: DatabaseFile, read_number: Callable[[], int | None]) -> None:
        self._file = file
        self._read_number = read_number
        self._connection = next(_numbers)

    @property
    def has_versions(self) -> bool:
        """False if the file is opened as immutable: SQLite does not notice its changes."""
        return not self._file.is_immutable

    async def read(self) -> FileVersion | None:
        """Return the version, None if the file was deleted or replaced, or is locked."""
        if not self.has_versions or not self._file.is_at_path:
            return None
        try:
            number = self._read_number()
        except sqlite3.Error:
            return None
        return None if number is None else FileVersion(self._connection, number)

    async def close(self) -> None:
        """Do nothing: the connection belongs to the reader."""


class ServerClock:
    """Reads the version of a server's data, on a connection of its own.

    Requests that wait at the same time share one query, which starts after the last of them. The
    version depends on the tables and views `relations` of a schema.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[asyncpg.Connection]],
        schema: str,
        relations: Sequence[str],
    ) -> None:
        self._connect = connect
        self._relations = schema, relations
        self._connection: VersionConnection | None = None
        self._connecting: asyncio.Task[VersionConnection] | None = None
        self._waiters: list[asyncio.Future[ServerVersion | None]] = []
        self._task: asyncio.Task[None] | None = None
        self._retry_time = 0.0
        self._obstacle: str | None = None
        self._checked_version: ServerVersion | None = None
        self._is_standby = False

    @property
    def has_versions(self) -> bool:
        """False on a standby, and if there is an obstacle."""
        return not (self._is_standby or self._obstacle)

    async def read(self) -> ServerVersion | None:
        """Return the version, None if there is none or the server does not respond."""
        loop = asyncio.get_running_loop()
        if loop.time() < self._retry_time or self._connects_slowly:
            return None
        waiter: asyncio.Future[ServerVersion | None] = loop.create_future()
        self._waiters.append(waiter)
        if self._task is None:
            self._task = loop.create_task(self._serve())
        return await waiter

    async def close(self) -> None:
        """Close the connection; requests that wait, and later ones, get no version."""
        self._retry_time = inf
        if self._task:
            self._task.cancel()
            await asyncio.wait([self._task])
        # A task that is cancelled before it starts resolves nothing.
        _resolve(self._waiters, None)
        if self._connecting:
            self._connecting.cancel()
            [result] = await asyncio.gather(self._connecting, return_exceptions=True)
            if isinstance(result, VersionConnection):
                result.close()
        self._disconnect()

    @property
    def _connects_slowly(self) -> bool:
        """True if requests have waited for a connection in vain, and it is not open yet."""
        return not self._task and self._connecting is not None and not self._connecting.done()

    async def _serve(self) -> None:
        """Read versions as long as requests wait."""
        try:
            while self._waiters:
                waiters, self._waiters = self._waiters, []
                version = None
                try:
                    version = await self._read()
                finally:
                    _resolve(waiters, version)
        finally:
            self._task = None

    async def _read(self) -> ServerVersion | None:
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                version = await self._read_exact()
        except REJECTIONS as error:
            self._report(f"PostgreSQL rejects the query of the version: {error}")
            self._disconnect()
            version = None
        except Exception:  # noqa: BLE001 - requests report what is wrong with the database
            self._disconnect()
            version = None
        if version is None:
            retry_time = asyncio.get_running_loop().time() + RETRY_SECONDS
            self._retry_time = max(self._retry_time, retry_time)
        return version

    async def _read_exact(self) -> ServerVersion | None:
        connection = self._connection or await self._open()
        version = await connection.read()
        self._is_standby = version is None
        if version == self._checked_version or version is None:
            # The same object, since kept responses refer to it.
            return version and self._checked_version
        version, obstacle = await connection.check(*self._relations)
        self._report(obstacle)
        self._checked_version = None if obstacle else version
        return self._checked_version

    async def _open(self) -> "VersionConnection":
        """Return a new connection. It goes on to open if the requests do not wait any longer."""
        if self._connecting is None:
            self._connecting = asyncio.create_task(self._connect_and_prepare())
            self._connecting.add_done_callback(_retrieve_error)
        connecting = self._connecting
        try:
            connection = await asyncio.shield(connecting)
        finally:
            if connecting.done():
                self._connecting = None
        self._connection = connection
        return connection

    async def _connect_and_prepare(self) -> "VersionConnection":
        return await VersionConnection.open(await self._connect())

    def _report(self, obstacle: str | None) -> None:
        """Log an obstacle, unless it is still the same."""
        if obstacle and obstacle != self._obstacle:
            log.warning("responses are not used again: %s", obstacle)
        self._obstacle = obstacle

    def _disconnect(self) -> None:
        if self._connection:
            self._connection.close()
        self._connection = None


class VersionConnection:
    """A connection that reads versions, with the number that they contain."""

    def __init__(
        self, connection: asyncpg.Connection, read: PreparedStatement, check: PreparedStatement
    ) -> None:
        self._connection = connection
        self._read = read
        self._check = check
        self._number = next(_numbers)

    @classmethod
    async def open(cls, connection: asyncpg.Connection) -> Self:
        """Prepare the statements."""
        try:
            return cls(
                connection,
                await connection.prepare(SELECT_VERSION),
                await connection.prepare(SELECT_CHECKED_VERSION),
            )
        except BaseException:
            connection.terminate()
            raise

    async def read(self) -> ServerVersion | None:
        """Return the version, None on a standby."""
        return self._build_version(await self._read.fetchval())

    async def check(
        self, schema: str, relations: Sequence[str]
    ) -> tuple[ServerVersion | None, str | None]:
        """Return the version, and why it is not exact, None if there is no obstacle."""
        [(text, obstacle)] = cast(Rows, await self._check.fetch(schema, relations))
        return self._build_version(text), obstacle

    def close(self) -> None:
        """Close the connection."""
        self._connection.terminate()

    def _build_version(self, text: str | None) -> ServerVersion | None:
        return None if text is None else ServerVersion(self._number, text)


def _retrieve_error(task: "asyncio.Task[VersionConnection]") -> None:
    """Retrieve the error, so that asyncio does not log it if no request waits any longer."""
    if not task.cancelled():
        task.exception()


def _resolve(
    waiters: Iterable["asyncio.Future[ServerVersion | None]"], version: ServerVersion | None
) -> None:
    for waiter in waiters:
        if not waiter.done():
            waiter.set_result(version)
