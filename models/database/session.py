"""Sessions: the reads of one operation, all of which see one state of the database."""

import asyncio
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Protocol, Self

from sqlalchemy import Dialect

from models.cache import SegmentedLRU
from models.database.catalog import Catalog
from models.database.failures import FailureLog, is_temporary
from models.database.slots import ANYONE, Caller
from models.database.statement import Rows, SelectBuilder, Statement, compile_select
from models.database.versions import Clock, ServerVersion, Version
from models.errors import DatabaseUnavailableError, UnavailableError

# The number of compiled statements in the cache.
MAX_STATEMENTS = 500
NO_VALUES: Mapping[str, Any] = {}


class SnapshotRequiredError(Exception):
    """An operation needs a second statement: it has to run again, in a snapshot."""


class SessionClosedError(Exception):
    """A read starts after the end of its session."""


class Snapshot(Protocol):
    """A connection whose reads see one state of the database."""

    async def fetch(self, statement: Statement, arguments: Sequence[Any]) -> Rows:
        """Return the rows of a SELECT."""
        ...

    async def end(self) -> None:
        """Return the connection."""
        ...


class Reader(Protocol):
    """Read-only connections to one database."""

    @property
    def dialect(self) -> Dialect:
        """The SQL dialect of the database."""
        ...

    @property
    def version_column(self) -> str | None:
        """The SQL of a column with the version of the data in a statement, None if there is none."""
        ...

    @property
    def is_current(self) -> bool:
        """False if the database must be opened again, because its file is another one."""
        ...

    async def fetch(
        self, statement: Statement, arguments: Sequence[Any], caller: Caller = ...
    ) -> Rows:
        """Return the rows of a SELECT."""
        ...

    async def begin(self, caller: Caller = ...) -> Snapshot:
        """Return a connection whose reads see one state of the database."""
        ...

    def build_clock(self, schema: str, relations: Sequence[str], /) -> Clock:
        """Return the clock of the data in tables and views of a schema."""
        ...

    async def check(self, statement: Statement) -> Rows:
        """Return the rows of a SELECT on a connection that no other read uses.

        Raises one of CONNECTION_ERRORS if the database cannot be read at present, and BusyError if
        there is no connection, but other reads succeed.
        """
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...


class Source:
    """What sessions share: the reader, the catalog, and the compiled statements of a database.

    `url` is that of the database, without user information and parameters.
    """

    def __init__(
        self, reader: Reader, schema: str, catalog: Catalog, url: str, clock: Clock
    ) -> None:
        self.reader = reader
        self.clock = clock
        self.url = url
        self.schema = schema
        self.catalog = catalog
        self.failures = FailureLog()
        self._statements = SegmentedLRU[SelectBuilder, Statement](MAX_STATEMENTS)
        self._versioned_statements = SegmentedLRU[SelectBuilder, Statement](MAX_STATEMENTS)

    def compile(self, builder: SelectBuilder, *, is_versioned: bool = False) -> Statement:
        """Return the compiled statement, from the cache if possible.

        With `is_versioned`, it also selects the version of the data, if it can.
        """
        statements = self._versioned_statements if is_versioned else self._statements
        statement = statements.get(builder)
        if statement is None:
            version_column = self.reader.version_column if is_versioned else None
            statement = compile_select(builder, self.reader.dialect, version_column)
            statements.put(builder, statement)
        return statement


class Session:
    """The reads of one operation. After a read that fails temporarily, all others fail.

    Outside a snapshot, a session has one read; another one raises SnapshotRequiredError. The end of
    the session raises the same error as the read, since an operation may have handled it as the
    error of a field. With `is_versioned`, the session reads the version of its rows.
    """

    __slots__ = (
        "_caller",
        "_error",
        "_has_other_source",
        "_has_read",
        "_is_closed",
        "_is_versioned",
        "_lock",
        "_snapshot",
        "_source",
        "_version",
    )

    def __init__(
        self,
        source: Source,
        caller: Caller = ANYONE,
        *,
        is_snapshot: bool,
        is_versioned: bool = False,
    ) -> None:
        self._source = source
        self._caller = caller
        self._has_read = False
        self._has_other_source = False
        self._is_versioned = is_versioned
        # The text of a ServerVersion.
        self._version: str | None = None
        self._is_closed = False
        self._error: UnavailableError | SnapshotRequiredError | None = None
        self._snapshot: Snapshot | None = None
        self._lock = asyncio.Lock() if is_snapshot else None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        _type: type[BaseException] | None,
        error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._is_closed = True
        if self._snapshot and self._lock:
            # A field whose result nobody awaits may still read.
            async with self._lock:
                await self._snapshot.end()
        if self._error and (error is None or isinstance(error, Exception)):
            raise self._error

    @property
    def schema(self) -> str:
        """The name of the schema."""
        return self._source.schema

    @property
    def url(self) -> str:
        """The URL of the database, without user information and parameters."""
        return self._source.url

    @property
    def catalog(self) -> Catalog:
        """The tables and columns of the database."""
        return self._source.catalog

    @property
    def is_flowql(self) -> bool:
        """True if FlowQL created the tables."""
        return self._source.catalog.is_flowql

    def note_other_source(self) -> None:
        """Note that the result depends on more than the rows: it belongs to no version."""
        self._has_other_source = True

    async def has_read_at(self, version: Version) -> bool:
        """Return whether all rows are known to belong to a version that was read before them.

        The session has ended.
        """
        if self._has_other_source or not self._has_read:
            return not self._has_other_source
        if isinstance(version, ServerVersion):
            return self._version == version.text
        return await self._source.clock.read() == version

    async def read(self, builder: SelectBuilder, values: Mapping[str, Any] = NO_VALUES) -> Rows:
        """Return the rows as tuples in column order.

        `values` are by parameter name. Raises UnavailableError, or another error of a driver.
        """
        statement = self._compile(builder)
        return statement.decode_rows(await self._fetch(statement, values))

    async def read_columns(
        self, builder: SelectBuilder, values: Mapping[str, Any]
    ) -> list[Sequence[Any]]:
        """Return the result by column, in column order; an empty list if there are no rows.

        `values` are by parameter name. Raises UnavailableError, or another error of a driver.
        """
        statement = self._compile(builder)
        return statement.decode_columns(await self._fetch(statement, values))

    def _compile(self, builder: SelectBuilder) -> Statement:
        # All rows of a snapshot have the version of the first ones.
        is_versioned = self._is_versioned and self._version is None
        return self._source.compile(builder, is_versioned=is_versioned)

    async def _fetch(self, statement: Statement, values: Mapping[str, Any]) -> Rows:
        if self._is_closed:
            raise SessionClosedError
        if self._has_read and not self._lock:
            self._error = SnapshotRequiredError()
        if self._error:
            raise self._error
        self._has_read = True
        arguments = statement.arguments(values)
        try:
            if self._lock:
                rows = await self._fetch_in_snapshot(self._lock, statement, arguments)
            else:
                rows = await self._source.reader.fetch(statement, arguments, self._caller)
        except UnavailableError as error:
            self._error = error
            raise
        except Exception as error:
            if not is_temporary(error):
                raise
            self._source.failures.add(error)
            self._error = DatabaseUnavailableError()
            raise self._error from error
        self._version = statement.version(rows) or self._version
        return rows

    async def _fetch_in_snapshot(
        self, lock: asyncio.Lock, statement: Statement, arguments: Sequence[Any]
    ) -> Rows:
        # Fields that are resolved at the same time take turns on the connection.
        async with lock:
            if self._is_closed:
                raise SessionClosedError
            if self._snapshot is None:
                self._snapshot = await self._source.reader.begin(self._caller)
            return await self._snapshot.fetch(statement, arguments)
