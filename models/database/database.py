"""An open database: reads, transactions and migrations."""

import hashlib
import sqlite3
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

import asyncpg
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from models import migrations
from models.database import postgresql, privileges, sqlite_transactions
from models.database.address import Address, PostgreSQLServer, SQLiteFile, parse_address
from models.database.catalog import (
    CACHE_TABLE,
    CONTENT_TYPES,
    KEY_INDEXES,
    POSTGRESQL_COLUMNS,
    SQLITE_COLUMNS,
    VERSION_TABLE,
    Catalog,
    build_catalog,
    map_models,
)
from models.database.failures import BusyError
from models.database.grants import Grantee, check_name
from models.database.postgresql import PostgreSQLReader
from models.database.reads import Reads
from models.database.session import NO_VALUES, Reader, Session, Source
from models.database.settings_catalog import SETTINGS_COLUMNS, build_settings_tables
from models.database.slots import ANYONE, Caller
from models.database.sqlite import SQLiteReader
from models.database.sqlite_file import create_file, delete_stale_journals
from models.database.statement import RawSQL, Rows, SelectBuilder, compile_select
from models.database.versions import Version
from models.errors import DatabaseError
from models.limits import DEFAULTS, PoolLimits
from models.tables.child_table import CHILD_KEYS

# The errors of a driver that cannot connect or loses its connection.
CONNECTION_ERRORS = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    sqlite3.Error,
    SQLAlchemyError,
)
# asyncpg raises ValueError or OverflowError for an invalid parameter.
OPEN_ERRORS = (*CONNECTION_ERRORS, ValueError, OverflowError)
EMPTY_MESSAGE = "the database is empty: create its tables with 'flowql migrate'"
FOREIGN_ADVICE = (
    "is it authentik's database, and does --schema name a tenant? Create the tables of FlowQL's own"
    " database with 'flowql migrate'"
)
READ_ONLY_MESSAGE = "the database belongs to authentik and is read-only: use FlowQL's own database"
SCHEMA_USAGE = RawSQL(
    "SELECT has_schema_privilege(oid, 'USAGE') FROM pg_namespace WHERE nspname = :schema"
)
AUTHENTIK_SCHEMAS = RawSQL(
    "SELECT nspname::text FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace"
    " WHERE relname = 'authentik_flows_flow' AND relkind IN ('r', 'p') AND NOT EXISTS ("
    # FlowQL's own database also has tables with authentik's names.
    "SELECT FROM pg_class AS other WHERE other.relnamespace = pg_namespace.oid"
    " AND other.relkind IN ('r', 'p') AND starts_with(other.relname, 'flowql_'))"
    " ORDER BY 1 LIMIT 5"
)
CURRENT_ROLE = RawSQL("SELECT current_user::text")
# The name of the database, and whether a role exists, may log in, and can connect. PUBLIC stands for
# all roles.
ROLE_STATE = RawSQL(
    "SELECT current_database()::text, count(rolname) > 0, coalesce(bool_or(rolcanlogin), true),"
    " has_database_privilege(coalesce(min(rolname::text), 'public'), current_database(), 'CONNECT')"
    " FROM pg_roles WHERE rolname = :role"
)
# Times are in milliseconds.
SESSION_SETTINGS = RawSQL(
    "SELECT name, setting FROM pg_settings WHERE name = ANY(CAST(:names AS text[]))"
)
PING = RawSQL("SELECT 1")
SCHEMA_VERSION = RawSQL(f"SELECT version_num FROM {VERSION_TABLE}")  # noqa: S608 - a constant
MINIMUM_VERSION = RawSQL("SELECT minimum_version FROM flowql_schema")
SelectRows = Callable[[SelectBuilder], Awaitable[Rows]]
T = TypeVar("T")
Plan = Callable[[Reads], T]
Apply = Callable[[Connection, T], object]


@dataclass(frozen=True, slots=True)
class Database:
    """An open database: FlowQL's own, or authentik's, which is read-only."""

    source: Source
    engine: AsyncEngine

    @property
    def schema(self) -> str:
        """The name of the schema."""
        return self.source.schema

    @property
    def catalog(self) -> Catalog:
        """The tables and columns of the database."""
        return self.source.catalog

    @property
    def is_flowql(self) -> bool:
        """True if FlowQL created the tables and may write to them."""
        return self.catalog.is_flowql

    @property
    def is_current(self) -> bool:
        """False if the database must be opened again, because its file was deleted or replaced."""
        return self.source.reader.is_current

    def stored_token_key(self, key: str) -> str:
        """Return a token key as stored: a digest in FlowQL's own database, plain in authentik's.

        Because of the prefix, a stolen digest is not a valid key.
        """
        return f"sha256${hashlib.sha256(key.encode()).hexdigest()}" if self.is_flowql else key

    @property
    def has_versions(self) -> bool:
        """False if the data has no exact versions, as on a standby, as far as is known."""
        return self.source.clock.has_versions

    async def read_version(self) -> Version | None:
        """Return the present version of the data, None if it cannot be read at present.

        It is read after the call. Two equal versions have the same rows.
        """
        return await self.source.clock.read()

    def open_session(
        self, caller: Caller = ANYONE, *, is_snapshot: bool = False, is_versioned: bool = False
    ) -> Session:
        """Open a session: one read, or with `is_snapshot` any number of reads of one state.

        With `is_versioned`, the session reads the version of its rows.
        """
        return Session(self.source, caller, is_snapshot=is_snapshot, is_versioned=is_versioned)

    async def read(
        self,
        builder: SelectBuilder,
        values: Mapping[str, Any] = NO_VALUES,
        caller: Caller = ANYONE,
    ) -> Rows:
        """Return the rows of one SELECT as tuples in column order.

        `values` are by parameter name. Raises UnavailableError, or another error of a driver.
        """
        async with self.open_session(caller) as session:
            return await session.read(builder, values)

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[AsyncConnection]:
        """Open a connection with one transaction; raises DatabaseError if it is rolled back."""
        async with _transaction(self.engine) as connection:
            if not self._is_sqlite:
                await postgresql.limit_waiting(connection)
            yield connection

    async def plan(self, plan: Plan[T]) -> T:
        """Return the result of `plan`, whose reads see one state; raises DatabaseError."""
        return (await self._plan(plan))[0]

    async def write(self, plan: Plan[T], apply: Apply[T]) -> T:
        """Apply the result of `plan` in one transaction, and return it; raises DatabaseError.

        `plan` runs while other processes can write. If they have changed what it has read, it runs
        again in the transaction, which locks them out. It must not change anything.
        """
        result, reads = await self._plan(plan)
        async with self.transaction() as connection:
            if not self._is_sqlite:
                await postgresql.lock_writes(connection)
            if not await connection.run_sync(reads.is_equal_on):
                # Two results may not fit into memory.
                del result
                result = await connection.run_sync(lambda inner: plan(Reads(inner)))
            await connection.run_sync(apply, result)
        return result

    async def read_apart(self, builder: SelectBuilder) -> Rows:
        """Return the rows of a SELECT without values; other reads do not delay it.

        Raises BusyError, or one of CONNECTION_ERRORS.
        """
        statement = self.source.compile(builder)
        return statement.decode_rows(await self.source.reader.check(statement))

    async def check(self) -> None:
        """Raise DatabaseError or one of CONNECTION_ERRORS unless the database can be read.

        Reads that wait for a connection do not matter.
        """
        with suppress(BusyError):
            if self.is_flowql:
                await _check_version(self.read_apart, writable=False)
            else:
                await self.read_apart(PING)

    async def close(self) -> None:
        """Close every connection."""
        await self.source.clock.close()
        await self.source.reader.close()
        await self.engine.dispose()

    @property
    def _is_sqlite(self) -> bool:
        return self.engine.dialect.name == "sqlite"

    async def _plan(self, plan: Plan[T]) -> tuple[T, Reads]:
        options = sqlite_transactions.SNAPSHOT if self._is_sqlite else postgresql.SNAPSHOT
        with _translate_errors("cannot read the database"):
            async with self.engine.connect() as connection:
                await connection.execution_options(**options)
                async with connection.begin():
                    return await connection.run_sync(_run, plan)


async def open_database(
    url: str, schema: str = "public", limits: PoolLimits = DEFAULTS, *, writable: bool = False
) -> Database:
    """Open a database.

    Raises DatabaseError if its tables are missing or outdated, or if `writable` is set for
    authentik's database.
    """
    address = parse_address(url)
    if isinstance(address, SQLiteFile) and not address.path.is_file():
        state = "is not a file" if address.path.exists() else "not found"
        raise DatabaseError(f"{address} {state}: create it with 'flowql migrate'")
    with _translate_errors(f"cannot open {address}", OPEN_ERRORS):
        return await _open(address, schema, limits, writable=writable)


async def migrate(url: str, schema: str = "public") -> bool:
    """Create or upgrade the tables of FlowQL's own database; return False if they are up to date.

    Waits for the migration of another process. Raises DatabaseError.
    """
    address = parse_address(url)
    if isinstance(address, SQLiteFile):
        _create_file(address)
    engine = _create_engine(address, schema, writable=True)
    try:
        catalog = await _read_catalog_of(address, schema)
        if catalog.is_authentik:
            raise DatabaseError(
                f"schema {schema!r} belongs to authentik and is read-only:"
                " use FlowQL's own database"
            )
        async with _transaction(engine) as connection:
            if connection.dialect.name == "postgresql":
                await postgresql.lock_migrations(connection)
                await _check_folding(connection)
            return await connection.run_sync(migrations.upgrade)
    finally:
        await engine.dispose()


async def list_grants(url: str, schema: str, role: str) -> Sequence[str]:
    """Return the statements that let a role read authentik's database; raises DatabaseError."""
    check_name("role", role)
    address = parse_address(url)
    if isinstance(address, SQLiteFile):
        raise DatabaseError(f"{address} has no roles: --database must name authentik's PostgreSQL")
    with _translate_errors(f"cannot open {address}", OPEN_ERRORS):
        reader = _create_postgresql_reader(address, schema, DEFAULTS)
        try:
            return await _list_grants(reader, Grantee(role, schema))
        finally:
            await reader.close()


async def _list_grants(reader: PostgreSQLReader, grantee: Grantee) -> Sequence[str]:
    catalog = await _read_catalog(reader, grantee.schema)
    if catalog.is_flowql:
        raise DatabaseError("the database is FlowQL's own: only authentik's needs grants")
    await _check_origin(reader, catalog, grantee.schema)
    privileges.check_tables(catalog)
    [(database, exists, can_login, can_connect)] = await _read(
        reader, ROLE_STATE, role=grantee.role
    )
    return [
        *([] if exists else grantee.create_role()),
        *([] if can_login else [grantee.allow_login()]),
        *([] if can_connect else [grantee.grant_connect(database)]),
        *privileges.list_statements(catalog, grantee),
    ]


def _create_file(address: SQLiteFile) -> None:
    if not address.path.parent.is_dir():
        raise DatabaseError(f"directory '{address.path.parent}' not found: create it first")
    with _translate_errors(f"cannot create {address}"):
        create_file(address.path)


async def _open(address: Address, schema: str, limits: PoolLimits, *, writable: bool) -> Database:
    reader = _create_reader(address, schema, limits)
    try:
        catalog = await _read_catalog(reader, schema)
        await _check_tables(reader, catalog, schema, writable=writable)
        engine = _create_engine(address, schema, writable=writable)
    except BaseException:
        await reader.close()
        raise
    clock = reader.build_clock(schema, catalog.list_relations())
    return Database(Source(reader, schema, catalog, address.url, clock), engine)


def _run(connection: Connection, plan: Plan[T]) -> tuple[T, Reads]:
    reads = Reads(connection)
    return plan(reads), reads


@asynccontextmanager
async def _transaction(engine: AsyncEngine) -> AsyncGenerator[AsyncConnection]:
    with _translate_errors("the transaction was rolled back"):
        async with engine.begin() as connection:
            yield connection


@contextmanager
def _translate_errors(
    summary: str, errors: tuple[type[Exception], ...] = CONNECTION_ERRORS
) -> Generator[None]:
    """Raise DatabaseError with the summary and the reason in place of these errors."""
    try:
        yield
    except IntegrityError:
        # The caller knows which value violates the constraint.
        raise
    except errors as error:
        raise DatabaseError(f"{summary}: {_first_line(error)}") from error


def _create_reader(
    address: Address, schema: str, limits: PoolLimits
) -> SQLiteReader | PostgreSQLReader:
    if isinstance(address, SQLiteFile):
        delete_stale_journals(address.path)
        return SQLiteReader(address.path, limits)
    return _create_postgresql_reader(address, schema, limits)


def _create_postgresql_reader(
    address: PostgreSQLServer, schema: str, limits: PoolLimits
) -> PostgreSQLReader:
    check_name("schema", schema)
    return PostgreSQLReader(address, schema, limits)


def _create_engine(address: Address, schema: str, *, writable: bool) -> AsyncEngine:
    if isinstance(address, SQLiteFile):
        return sqlite_transactions.create_engine(address.path, writable=writable)
    return postgresql.create_engine(address, schema, writable=writable)


async def _read_catalog_of(address: Address, schema: str) -> Catalog:
    with _translate_errors(f"cannot open {address}", OPEN_ERRORS):
        reader = _create_reader(address, schema, DEFAULTS)
        try:
            catalog = await _read_catalog(reader, schema)
            if not catalog.is_authentik:
                await _check_usage(reader, catalog, schema)
            return catalog
        finally:
            await reader.close()


async def _read_catalog(reader: SQLiteReader | PostgreSQLReader, schema: str) -> Catalog:
    if isinstance(reader, SQLiteReader):
        return build_catalog(await _read(reader, SQLITE_COLUMNS))
    has_usage = await _check_session(reader, schema)
    rows = await _read(reader, POSTGRESQL_COLUMNS, schema=schema)
    indexes = await _read(reader, KEY_INDEXES, cache=CACHE_TABLE)
    catalog = build_catalog(rows, indexes, has_usage=has_usage)
    if catalog.has_readable_content_types:
        catalog = replace(catalog, models=map_models(await _read(reader, CONTENT_TYPES)))
    if not catalog.is_authentik:
        return catalog
    children = [child for key in CHILD_KEYS.values() for child in catalog.all_child_tables(key)]
    columns = await _read(reader, SETTINGS_COLUMNS, schema=schema, keys=list(CHILD_KEYS.values()))
    return replace(catalog, settings=build_settings_tables(children, columns))


async def _read(reader: Reader, builder: SelectBuilder, **values: Any) -> Rows:
    statement = compile_select(builder, reader.dialect)
    return statement.decode_rows(await reader.fetch(statement, statement.arguments(values)))


def _first_line(error: BaseException) -> str:
    cause = getattr(error, "orig", None) or error
    lines = (getattr(cause, "strerror", None) or str(cause)).strip().splitlines()
    return lines[0] if lines else "timed out"


async def _check_session(reader: PostgreSQLReader, schema: str) -> bool:
    """Return whether the role has USAGE on the schema.

    Raises DatabaseError if there is no such schema, or if a proxy dropped the session settings.
    """
    usage = await _read(reader, SCHEMA_USAGE, schema=schema)
    if not usage:
        advice = await _find_authentik_schemas(reader) or "create it, or set --schema to another"
        raise DatabaseError(f"schema {schema!r} not found in the {reader.address}: {advice}")
    values = await _read(reader, SESSION_SETTINGS, names=list(reader.settings))
    ignored = [name for name, value in values if value != reader.settings[name]]
    if ignored:
        raise DatabaseError(
            f"the server ignored the session settings {', '.join(ignored)}: connect without a"
            " proxy, or let it pass them"
        )
    [(has_usage,)] = usage
    return has_usage


async def _check_tables(
    reader: SQLiteReader | PostgreSQLReader, catalog: Catalog, schema: str, *, writable: bool
) -> None:
    if catalog.is_flowql:
        await _check_usage(reader, catalog, schema)
        await _check_version(partial(_read, reader), writable=writable)
        return
    await _check_origin(reader, catalog, schema)
    if writable:
        raise DatabaseError(READ_ONLY_MESSAGE)
    privileges.check_tables(catalog)
    if isinstance(reader, PostgreSQLReader):
        grantee = await _read_grantee(reader, schema)
        privileges.check_privileges(catalog, grantee)
        privileges.warn_of_unreadable_types(catalog, grantee)
        privileges.warn_of_unreadable_settings(catalog, grantee)


async def _check_usage(reader: Reader, catalog: Catalog, schema: str) -> None:
    if not catalog.has_usage:
        grantee = await _read_grantee(reader, schema)
        raise privileges.build_error(grantee, [grantee.grant_usage()])


async def _read_grantee(reader: Reader, schema: str) -> Grantee:
    [(role,)] = await _read(reader, CURRENT_ROLE)
    return Grantee(role, schema)


async def _check_origin(
    reader: SQLiteReader | PostgreSQLReader, catalog: Catalog, schema: str
) -> None:
    """Raise DatabaseError unless the tables are authentik's."""
    if catalog.is_authentik:
        return
    if isinstance(reader, SQLiteReader):
        raise DatabaseError(EMPTY_MESSAGE)
    advice = await _find_authentik_schemas(reader) or FOREIGN_ADVICE
    raise DatabaseError(
        f"schema {schema!r} of the {reader.address} has no tables of authentik or FlowQL: {advice}"
    )


async def _find_authentik_schemas(reader: PostgreSQLReader) -> str:
    """Return which schemas have authentik's tables, an empty string if none has."""
    schemas = [repr(schema) for (schema,) in await _read(reader, AUTHENTIK_SCHEMAS)]
    names = ", ".join(schemas)
    return names and f"authentik's tables are in {names}, which --schema can name"


async def _check_version(select: SelectRows, *, writable: bool) -> None:
    """Raise DatabaseError unless the schema is the newest, or a newer one that is still readable."""
    versions = {version for (version,) in await select(SCHEMA_VERSION)}
    if versions == {migrations.find_head()}:
        return
    if versions <= migrations.find_revisions():
        raise DatabaseError("the database schema is outdated: upgrade it with 'flowql migrate'")
    minimum_versions = {version for (version,) in await select(MINIMUM_VERSION)}
    if writable or not minimum_versions & migrations.find_revisions():
        raise DatabaseError(migrations.NEWER_MESSAGE)


async def _check_folding(connection: AsyncConnection) -> None:
    if (await connection.execute(text("SELECT upper('üßi')"))).scalar() != "ÜßI":
        raise DatabaseError(
            "unsupported database locale: upper('üßi') must return 'ÜßI'. Create the database with"
            " LOCALE 'C.UTF-8' or another UTF-8 locale of the C library"
        )
