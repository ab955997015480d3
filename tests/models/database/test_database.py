"""Tests of databases: validation of the schema, required privileges, and read-only access."""

import asyncio
import re
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import asyncpg
import psycopg
import pytest
from psycopg import sql

from models.database import migrate, open_database
from models.database.statement import RawSQL
from models.errors import DatabaseError
from models.tables.metadata import METADATA
from support.app_client import AppClient
from support.command import run_failing, run_failing_in_process
from support.edge_case_data import KEYS
from support.paths import README
from support.pooler import drop_settings
from support.postgres import HOST, PASSWORD, PostgresServer
from support.seed import create_authentik, fill_authentik, fill_flowql

KEY = KEYS["superuser"]
UNSUPPORTED_LOCALE = "unsupported database locale: "
EMPTY = "the database is empty: create its tables with 'flowql migrate'"
NO_TABLES = (
    r"schema 'public' of the PostgreSQL database at .+ has no tables of authentik or FlowQL: "
)
IS_IT = r"is it authentik's database, and does --schema name a tenant\? .*'flowql migrate'"
OLD_AUTHENTIK = "FlowQL requires authentik 2025.12 or later"
OUTDATED = "the database schema is outdated: upgrade it with 'flowql migrate'"
NEWER = "the database schema was created by a newer FlowQL: upgrade FlowQL"
CACHE_TABLE = "django_postgres_cache_cacheentry"
# FlowQL reads these tables from its own database only.
OWN_TABLES = ("flowql_", "authentik_stages_prompt_")
OPTIONAL_COLUMNS = {("authentik_policies_policybinding", name) for name in ("expires", "expiring")}
FLOWS_QUERY = """{ flows(pageSize: 100) { pagination { count } results {
  pk policybindingmodelPtrId name slug title background stages policies cacheCount
  compatibilityMode exportUrl } } }"""
ROLES = ("flowql", "least")
CHILD_TABLES = """
CREATE TABLE authentik_stages_password_passwordstage (stage_ptr_id uuid PRIMARY KEY, secret text);
INSERT INTO authentik_stages_password_passwordstage SELECT stage_uuid FROM authentik_flows_stage;
CREATE TABLE authentik_policies_expression_expressionpolicy (policy_ptr_id uuid PRIMARY KEY);
INSERT INTO authentik_policies_expression_expressionpolicy
SELECT policy_uuid FROM authentik_policies_policy;
"""


@pytest.fixture(scope="module")
def bare_authentik(postgres: PostgresServer) -> str:
    """Authentik's tables, without rows."""
    return create_authentik(postgres.create_database("bare"))


@pytest.fixture(scope="module")
def granted_url(postgres: PostgresServer) -> str:
    """Authentik's database with child tables and two read-only roles.

    `flowql` has the privileges of the README; `least` may read only the columns in use.
    """
    url = fill_authentik(postgres.create_database("granted"))
    execute(url, CHILD_TABLES)
    grants, child_table_grants = re.findall(
        r"^```sql\n(-- .+?)^```$", README.read_text(), re.DOTALL | re.MULTILINE
    )
    execute(url, grants + "CREATE ROLE least LOGIN PASSWORD 'choose one'")
    for (grant,) in fetch(url, child_table_grants.removesuffix("\\gexec\n")):
        execute(url, f"{grant}, least")
    for table in METADATA.sorted_tables:
        if not table.name.startswith(OWN_TABLES):
            columns = ", ".join(f'"{c.name}"' for c in table.columns if not c.info.get("unread"))
            execute(url, f"GRANT SELECT ({columns}) ON {table.name} TO least")
    return url


@pytest.fixture(scope="module")
def ascii_server() -> Iterator[PostgresServer]:
    """A PostgreSQL server with an ASCII locale, which listens on a local socket too."""
    folder = tempfile.mkdtemp(prefix="flowql-", dir="/tmp")
    Path(folder).chmod(0o777)
    with PostgresServer(locale="C") as server:
        with psycopg.connect(server.dsn(), autocommit=True) as connection:
            setting = sql.SQL("ALTER SYSTEM SET unix_socket_directories = {}")
            connection.execute(setting.format(folder))
        server.stop()
        server.start()
        yield server
    shutil.rmtree(folder)


def execute(url: str, statements: str) -> None:
    """Execute SQL statements."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statements.encode())


def fetch(url: str, query: str) -> list[tuple[object, ...]]:
    """Return the rows of a query."""
    with psycopg.connect(url) as connection:
        return connection.execute(query.encode()).fetchall()


def as_role(postgres: PostgresServer, role: str) -> str:
    """Return the URL of the granted database for a read-only role."""
    return postgres.dsn("granted", user=role, password="choose one")


async def _open_and_read(url: str, schema: str, query: str) -> object:
    database = await open_database(url, schema)
    try:
        [row] = await database.read(RawSQL(query))
        return row[0]
    finally:
        await database.close()


def open_and_read(url: str, schema: str = "public", query: str = "SELECT 1") -> object:
    """Open a database like `serve`, and return one value."""
    return asyncio.run(_open_and_read(url, schema, query))


def open_error(url: str, schema: str = "public") -> str:
    """Return the error message for a database that cannot be opened."""
    with pytest.raises(DatabaseError) as error:
        open_and_read(url, schema)
    return str(error.value)


def test_a_missing_table_is_named(bare_authentik: str) -> None:
    """Each table of authentik is required, except the cache."""
    hide = sql.SQL("ALTER TABLE {} RENAME TO hidden")
    restore = sql.SQL("ALTER TABLE hidden RENAME TO {}")
    tables = [name for name in METADATA.tables if not name.startswith(OWN_TABLES)]
    assert len(tables) == 19
    with psycopg.connect(bare_authentik, autocommit=True) as connection:
        for name in tables:
            connection.execute(hide.format(sql.Identifier(name)))
            if name == CACHE_TABLE:
                assert open_and_read(bare_authentik) == 1
            elif name == "authentik_flows_flow":
                assert re.fullmatch(NO_TABLES + IS_IT, open_error(bare_authentik))
            else:
                expected = f"authentik's table {name} is missing: {OLD_AUTHENTIK}"
                assert open_error(bare_authentik) == expected
            connection.execute(restore.format(sql.Identifier(name)))


def test_a_missing_column_is_named(bare_authentik: str) -> None:
    """Each column is required, except the two that authentik 2026.8 added."""
    columns = fetch(
        bare_authentik,
        "SELECT table_name, column_name FROM information_schema.columns"
        " WHERE table_schema = 'public'",
    )
    assert len(columns) == 103
    rename = sql.SQL("ALTER TABLE {} RENAME {} TO {}")
    with psycopg.connect(bare_authentik, autocommit=True) as connection:
        for table, column in columns:
            names = [sql.Identifier(str(name)) for name in (table, column, "hidden")]
            connection.execute(rename.format(*names))
            if (table, column) in OPTIONAL_COLUMNS:
                assert open_and_read(bare_authentik) == 1
            else:
                expected = f"authentik's column {table}.{column} is missing: {OLD_AUTHENTIK}"
                assert open_error(bare_authentik) == expected
            connection.execute(rename.format(names[0], names[2], names[1]))


def test_serve_exits_if_a_column_is_missing(postgres: PostgresServer) -> None:
    """The message names the column, and the exit code is 2."""
    url = create_authentik(postgres.create_database("incomplete"))
    execute(url, "ALTER TABLE authentik_core_token DROP COLUMN expiring")
    line = run_failing("serve", "--port", "0", "--database", url)
    assert line == f"authentik's column authentik_core_token.expiring is missing: {OLD_AUTHENTIK}"


def test_all_that_an_older_authentik_lacks_is_named(postgres: PostgresServer) -> None:
    """Tables and columns are in one message, with the version that is required."""
    url = create_authentik(postgres.create_database("older"))
    execute(url, "DROP TABLE authentik_core_groupparentage, guardian_roleobjectpermission")
    execute(url, "ALTER TABLE authentik_core_user DROP COLUMN type")
    assert open_error(url) == (
        "authentik's column authentik_core_user.type, table authentik_core_groupparentage,"
        f" table guardian_roleobjectpermission are missing: {OLD_AUTHENTIK}"
    )


@pytest.mark.parametrize("schema", ["tenant", 'Tenant "Ü" it\'s; --', "t-1"])
def test_a_tenant_is_a_schema(schema: str, postgres: PostgresServer) -> None:
    """A schema may have any name; the default schema of the same database is another tenant."""
    name = f"tenants of {schema[:3]}"
    url = fill_authentik(create_authentik(postgres.create_database(name)), schema)
    with AppClient(url, schema) as tenant, AppClient(url) as public:
        assert tenant.get("/flows/instances/", KEY).json["pagination"]["count"] == 160
        assert public.get("/flows/instances/", KEY).status == 403
    schemas = ", ".join(map(repr, sorted(["public", schema])))
    advice = f": authentik's tables are in {schemas}, which --schema can name"
    error = open_error(url, "elsewhere")
    assert error.startswith(f"schema 'elsewhere' not found in the PostgreSQL database at {HOST}:")
    assert error.endswith(advice)
    error = open_error(url, "pg_catalog")
    assert error.endswith(f" has no tables of authentik or FlowQL{advice}")


def test_flowql_s_own_schemas_are_not_suggested_as_authentik_s(postgres: PostgresServer) -> None:
    """They have tables of the same names; authentik's may have FlowQL's view of tokens."""
    url = create_authentik(postgres.create_database("two applications"))
    execute(url, "CREATE VIEW flowql_token AS SELECT FROM authentik_core_token")
    execute(url, "CREATE SCHEMA own")
    asyncio.run(migrate(url, "own"))
    error = open_error(url, "elsewhere")
    assert error.endswith(": authentik's tables are in 'public', which --schema can name")


@pytest.mark.parametrize("schema", ["ü" * 32, "NUL\0"])
def test_a_name_that_no_schema_can_have_is_an_error(schema: str, bare_authentik: str) -> None:
    """PostgreSQL would truncate a name of 64 bytes."""
    assert open_error(bare_authentik, schema) == (
        f"{schema!r} cannot be the name of a schema: names have up to 63 bytes, none of which is NUL"
    )


@pytest.mark.parametrize("role", ROLES)
def test_a_role_with_select_is_sufficient(
    role: str, granted_url: str, postgres: PostgresServer
) -> None:
    """All responses are the same as with the owner's role."""
    slugs = [row[0] for row in fetch(granted_url, "SELECT slug FROM authentik_flows_flow LIMIT 40")]
    with AppClient(granted_url) as owner, AppClient(as_role(postgres, role)) as reader:
        for path in ("/flows/instances/", "/api/v3/flows/instances/?page_size=100"):
            assert reader.get(path, KEY) == owner.get(path, KEY)
            assert reader.get(path, KEYS["object_role"]) == owner.get(path, KEYS["object_role"])
        assert reader.graphql(FLOWS_QUERY, KEY) == owner.graphql(FLOWS_QUERY, KEY)
        assert "errors" not in reader.graphql(FLOWS_QUERY, KEY).json
        exports = [reader.get(f"/flows/instances/{slug}/export/", KEY) for slug in slugs]
        assert exports == [owner.get(f"/flows/instances/{slug}/export/", KEY) for slug in slugs]
    assert {response.status for response in exports} == {200}
    assert any(b"authentik_stages_password.passwordstage" in response.body for response in exports)


@pytest.mark.parametrize("options", ["", "?options=-c%20default_transaction_read_only%3Doff"])
def test_postgresql_rejects_writes(options: str, authentik_url: str) -> None:
    """Every transaction is read-only, regardless of the URL and the privileges of the role."""
    statement = "DELETE FROM authentik_flows_flow RETURNING 1"
    message = "cannot execute DELETE in a read-only transaction"
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError, match=message):
        open_and_read(f"{authentik_url}{options}", query=statement)


def test_authentik_s_tables_may_be_in_sqlite(sqlite_url: str, tmp_path: Path) -> None:
    """They are read-only; SQLite has no privileges to check."""
    file = tmp_path / "authentik.db"
    shutil.copy(sqlite_url.removeprefix("sqlite:///"), file)
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("DROP TABLE alembic_version")
    assert open_and_read(f"sqlite:///{file}") == 1
    with pytest.raises(DatabaseError, match="belongs to authentik and is read-only"):
        asyncio.run(open_database(f"sqlite:///{file}", writable=True))


def test_sqlite_rejects_writes(sqlite_url: str) -> None:
    """The connection to a file is read-only."""
    with pytest.raises(sqlite3.OperationalError, match="attempt to write a readonly database"):
        open_and_read(sqlite_url, query="DELETE FROM authentik_flows_flow RETURNING 1")


def test_requests_write_nothing_to_postgresql(postgres: PostgresServer) -> None:
    """The statistics of PostgreSQL count no inserted, updated or deleted rows."""
    url = fill_authentik(postgres.create_database("counted"))
    query = "SELECT SUM(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_user_tables"
    before = fetch(url, query)
    with AppClient(url) as client:
        client.graphql(FLOWS_QUERY, KEY)
        client.get("/flows/instances/", KEY)
        client.get("/flows/instances/", "unknown")
    assert fetch(url, query) == before


def test_requests_write_nothing_to_sqlite(tmp_path: Path) -> None:
    """The bytes of the file do not change."""
    url = fill_flowql(f"sqlite:///{tmp_path / 'flowql.db'}")
    before = (tmp_path / "flowql.db").read_bytes()
    with AppClient(url) as client:
        client.graphql(FLOWS_QUERY, KEY)
        client.get("/flows/instances/", KEY)
    assert (tmp_path / "flowql.db").read_bytes() == before


def test_authentik_s_database_is_never_written(bare_authentik: str, tmp_path: Path) -> None:
    """`migrate`, `import` and `token` fail and create no tables."""
    tables = "SELECT relname FROM pg_class WHERE relkind = 'r' ORDER BY 1"
    before = fetch(bare_authentik, tables)
    option = ("--database", bare_authentik)
    line = run_failing_in_process("migrate", *option)
    assert (
        line == "schema 'public' belongs to authentik and is read-only: use FlowQL's own database"
    )
    for words in (["import", str(tmp_path)], ["token", "create", "x"], ["token", "list"]):
        line = run_failing_in_process(*words, *option)
        assert (
            line == "the database belongs to authentik and is read-only: use FlowQL's own database"
        )
    assert fetch(bare_authentik, tables) == before


def test_an_empty_database_is_rejected(postgres: PostgresServer, tmp_path: Path) -> None:
    """The message says what was read, and how to create the tables of FlowQL's own database."""
    (tmp_path / "empty.db").touch()
    assert open_error(f"sqlite:///{tmp_path / 'empty.db'}") == EMPTY
    error = open_error(postgres.create_database("empty"))
    assert re.fullmatch(NO_TABLES + IS_IT, error)
    assert f" at {HOST}:{postgres.port}/empty has" in error
    assert PASSWORD not in error


def test_a_schema_that_does_not_exist_is_rejected(postgres: PostgresServer) -> None:
    """The message says to create it, also for `migrate`."""
    url = postgres.create_database("no schema")
    expected = "'tenant' not found in the PostgreSQL database at .+: create it, or set --schema to"
    assert re.search(expected, open_error(url, "tenant"))
    line = run_failing_in_process("migrate", "--database", url, "--schema", "tenant")
    assert re.search(expected, line)


def test_flowql_s_own_tables_require_usage_of_the_schema(postgres: PostgresServer) -> None:
    """The error has the statement that grants it, also before the tables exist."""
    url = postgres.create_database("own_usage")
    execute(url, "REVOKE USAGE ON SCHEMA public FROM public")
    execute(url, "CREATE ROLE stranded LOGIN PASSWORD 'stranded'")
    stranded = postgres.dsn("own_usage", "stranded", "stranded")
    expected = (
        "the role 'stranded' lacks privileges in the schema 'public'. Execute as the owner of the"
        " tables:\nGRANT USAGE ON SCHEMA public TO stranded;"
    )
    with pytest.raises(DatabaseError) as error:
        asyncio.run(migrate(stranded))
    assert str(error.value) == expected
    asyncio.run(migrate(url))
    assert open_error(stranded) == expected


def test_an_outdated_or_a_newer_schema_is_rejected(postgres: PostgresServer) -> None:
    """The message says what to upgrade."""
    url = postgres.create_database("versions")
    asyncio.run(migrate(url))
    execute(url, "DELETE FROM alembic_version")
    assert run_failing("serve", "--port", "0", "--database", url) == OUTDATED
    execute(url, "INSERT INTO alembic_version VALUES ('9999')")
    execute(url, "UPDATE flowql_schema SET minimum_version = '9999'")
    assert open_error(url) == NEWER
    assert run_failing_in_process("migrate", "--database", url) == NEWER


def test_a_locale_that_folds_only_ascii_is_rejected(ascii_server: PostgresServer) -> None:
    """`migrate` fails if upper('ü') is not Ü, and creates no tables."""
    url = ascii_server.create_database("ascii")
    assert run_failing_in_process("migrate", "--database", url).startswith(UNSUPPORTED_LOCALE)
    assert re.match(NO_TABLES, open_error(url))


def test_a_locale_that_folds_one_character_to_two_is_rejected(postgres: PostgresServer) -> None:
    """`migrate` fails if upper('ß') is SS, as with ICU: SQLite would return other flows."""
    with psycopg.connect(postgres.dsn(), autocommit=True) as connection:
        provider = "LOCALE_PROVIDER builtin BUILTIN_LOCALE 'PG_UNICODE_FAST' TEMPLATE template0"
        connection.execute(f"CREATE DATABASE folding {provider}".encode())
    url = postgres.dsn("folding")
    assert run_failing_in_process("migrate", "--database", url).startswith(UNSUPPORTED_LOCALE)
    assert re.match(NO_TABLES, open_error(url))


def test_the_host_may_be_the_directory_of_a_local_socket(ascii_server: PostgresServer) -> None:
    """The parameter `host` works as in libpq."""
    url = create_authentik(ascii_server.create_database("local"))
    [(folder,)] = fetch(url, "SHOW unix_socket_directories")
    host = quote(str(folder).strip('"'), safe="")
    socket = f"host={host}&port={ascii_server.port}"
    local = f"postgresql://postgres:{PASSWORD}@/local?{socket}"
    query = "SELECT inet_server_addr() IS NULL"
    assert open_and_read(local, query=query) is True
    assert open_and_read(url, query=query) is False


DEFAULTS = {"search_path": "public", "default_transaction_read_only": "on", "jit": "off"}


@pytest.mark.parametrize("setting", DEFAULTS)
def test_a_pooler_that_drops_the_settings_is_rejected(
    setting: str, postgres: PostgresServer
) -> None:
    """A default of the database that equals one of the settings does not hide it."""
    url = create_authentik(postgres.create_database(f"pooled {setting}"))
    value = sql.Literal(DEFAULTS[setting])
    name = sql.Identifier(f"pooled {setting}")
    statement = sql.SQL("ALTER DATABASE {} SET {} = {}").format(
        name, sql.Identifier(setting), value
    )
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement)
    assert open_and_read(url) == 1
    with drop_settings(url) as pooled_url:
        error = open_error(pooled_url)
    names = error.removeprefix("the server ignored the session settings ").partition(":")[0]
    # The default of the search path is not quoted.
    hidden = "" if setting == "search_path" else setting
    ignored = {*DEFAULTS, "plan_cache_mode", "max_parallel_workers_per_gather", "statement_timeout"}
    assert set(names.split(", ")) == ignored - {hidden}


@pytest.mark.parametrize("scheme", ["postgresql", "postgres"])
def test_libpq_s_parameters_are_supported(scheme: str, authentik_url: str) -> None:
    """The server receives them; parameters without effect are dropped."""
    url = authentik_url.replace("postgresql", scheme, 1)
    name = "SELECT application_name FROM pg_stat_activity WHERE pid = pg_backend_pid()"
    assert open_and_read(f"{url}?application_name=Flow%20QL+1", query=name) == "Flow QL+1"
    options = "?options=-c%20statement_timeout%3D1234%20-c%20search_path%3Dpg_catalog"
    assert open_and_read(f"{url}{options}", query="SHOW statement_timeout") == "1234ms"
    assert open_and_read(f"{url}{options}", query="SELECT current_schema()") == "public"
    others = "connect_timeout=5&keepalives=1&gssencmode=disable&channel_binding=prefer"
    assert open_and_read(f"{url}?{others}&target_session_attrs=any&client_encoding=UTF8") == 1


@pytest.mark.parametrize("mode", ["disable", "allow", "prefer"])
def test_a_server_without_tls_is_accepted_if_tls_is_optional(mode: str, authentik_url: str) -> None:
    """With these values of sslmode, plain text is allowed, as in libpq."""
    encrypted = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
    assert open_and_read(f"{authentik_url}?sslmode={mode}", query=encrypted) is False


@pytest.mark.parametrize("mode", ["require", "verify-ca", "verify-full"])
def test_a_server_without_tls_is_rejected_if_tls_is_required(
    mode: str, authentik_url: str, tmp_path: Path
) -> None:
    """With these values of sslmode, plain text is never used."""
    reason = open_error(f"{authentik_url}?sslmode={mode}")
    assert reason.startswith(f"cannot open PostgreSQL database at {HOST}:")
    assert "SSL" in reason or "root.crt" in reason
    assert str(tmp_path) not in reason


def test_hosts_are_tried_in_order(authentik_url: str) -> None:
    """The first host of a list that accepts a connection is used."""
    url = re.sub(r"@(.+)/", r"@127.0.0.1:1,\1/", authentik_url)
    assert open_and_read(url) == 1
