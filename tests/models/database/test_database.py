"""Databases: what is refused, what it takes to read one, and that reading never writes."""

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
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from psycopg import sql
from sqlalchemy import Connection, create_engine, inspect

from models.database import migrate, open_database
from models.database.statement import RawSQL
from models.errors import DatabaseError
from models.tables.metadata import METADATA
from support.app_client import AppClient
from support.edge_case_data import KEYS
from support.paths import README
from support.postgres import HOST, PASSWORD, PostgresServer
from support.seed import create_authentik, fill_authentik, fill_ours
from support.server_process import run_failing, run_failing_in_process

KEY = KEYS["superuser"]
FOLDING = "the database's locale does not fold case one character to one"
EMPTY = "the database is empty: create its tables with 'flowql migrate'"
OUTDATED = "the database's schema is outdated: upgrade it with 'flowql migrate'"
NEWER = "the database's schema is of a newer FlowQL: upgrade FlowQL"
CACHE = "django_postgres_cache_cacheentry"
OPTIONAL = {("authentik_policies_policybinding", name) for name in ("expires", "expiring")}
EVERYTHING = """{ flows(pageSize: 100) { pagination { count } results {
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
    """Authentik's tables, without a row."""
    return create_authentik(postgres.create_database("bare"))


@pytest.fixture(scope="module")
def granted(postgres: PostgresServer) -> str:
    """Authentik's database with tables for types, and two roles that may only read.

    `flowql` is the README's; `least` may read just the columns that the models do not call unread.
    """
    url = fill_authentik(postgres.create_database("granted"))
    execute(url, CHILD_TABLES)
    grants, of_types = re.findall(
        r"^```sql\n(-- .+?)^```$", README.read_text(), re.DOTALL | re.MULTILINE
    )
    execute(url, grants + "CREATE ROLE least LOGIN PASSWORD 'choose one'")
    for (grant,) in fetched(url, of_types.removesuffix("\\gexec\n")):
        execute(url, f"{grant}, least")
    for table in METADATA.sorted_tables:
        if not table.name.startswith("flowql_"):
            read = ", ".join(f'"{c.name}"' for c in table.columns if not c.info.get("unread"))
            execute(url, f"GRANT SELECT ({read}) ON {table.name} TO least")
    return url


@pytest.fixture(scope="module")
def peculiar() -> Iterator[PostgresServer]:
    """A PostgreSQL whose locale knows ASCII alone, and which listens on a local socket too."""
    folder = tempfile.mkdtemp(prefix="flowql-", dir="/tmp")
    Path(folder).chmod(0o777)
    with PostgresServer(locale="C") as server:
        with psycopg.connect(server.dsn(), autocommit=True) as connection:
            change = sql.SQL("ALTER SYSTEM SET unix_socket_directories = {}")
            connection.execute(change.format(folder))
        server.stop()
        server.start()
        yield server
    shutil.rmtree(folder)


def execute(url: str, statements: str) -> None:
    """Run SQL as it stands."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statements.encode())


def fetched(url: str, query: str) -> list[tuple[object, ...]]:
    """The rows of a query."""
    with psycopg.connect(url) as connection:
        return connection.execute(query.encode()).fetchall()


def as_role(postgres: PostgresServer, role: str) -> str:
    """The URL of the granted database for a role that only reads."""
    return postgres.dsn("granted", user=role, password="choose one")


async def _opened(url: str, schema: str, query: str) -> object:
    database = await open_database(url, schema)
    try:
        [row] = await database.read(RawSQL(query))
        return row[0]
    finally:
        await database.close()


def opened(url: str, schema: str = "public", query: str = "SELECT 1") -> object:
    """Open a database as `serve` does, and read one value."""
    return asyncio.run(_opened(url, schema, query))


def refusal(url: str, schema: str = "public") -> str:
    """Why `serve` would not open a database."""
    with pytest.raises(DatabaseError) as error:
        opened(url, schema)
    return str(error.value)


def test_each_missing_table_of_authentik_s_is_named(bare_authentik: str) -> None:
    """All but the cache, which may be missing."""
    away = sql.SQL("ALTER TABLE {} RENAME TO away")
    back = sql.SQL("ALTER TABLE away RENAME TO {}")
    tables = [name for name in METADATA.tables if not name.startswith("flowql_")]
    assert len(tables) == 19
    with psycopg.connect(bare_authentik, autocommit=True) as connection:
        for name in tables:
            connection.execute(away.format(sql.Identifier(name)))
            if name == CACHE:
                assert opened(bare_authentik) == 1
            elif name == "authentik_flows_flow":
                assert refusal(bare_authentik) == EMPTY
            else:
                assert refusal(bare_authentik) == f"authentik's table {name} is missing"
            connection.execute(back.format(sql.Identifier(name)))


def test_each_missing_column_of_authentik_s_is_named(bare_authentik: str) -> None:
    """All but the two that came with 2026.8."""
    columns = fetched(
        bare_authentik,
        "SELECT table_name, column_name FROM information_schema.columns"
        " WHERE table_schema = 'public'",
    )
    assert len(columns) == 103
    rename = sql.SQL("ALTER TABLE {} RENAME {} TO {}")
    with psycopg.connect(bare_authentik, autocommit=True) as connection:
        for table, column in columns:
            names = [sql.Identifier(str(name)) for name in (table, column, "away")]
            connection.execute(rename.format(*names))
            if (table, column) in OPTIONAL:
                assert opened(bare_authentik) == 1
            else:
                expected = f"authentik's column {table}.{column} is missing"
                assert refusal(bare_authentik) == expected
            connection.execute(rename.format(names[0], names[2], names[1]))


def test_serve_ends_with_the_name_of_what_is_missing(postgres: PostgresServer) -> None:
    """The same for the command, with exit code 2."""
    url = create_authentik(postgres.create_database("incomplete"))
    execute(url, "ALTER TABLE authentik_core_token DROP COLUMN expiring")
    line = run_failing("serve", "--port", "0", "--database", url)
    assert line == "authentik's column authentik_core_token.expiring is missing"


@pytest.mark.parametrize("schema", ["tenant", 'Tenant "Ü" it\'s; --', "t-1"])
def test_a_tenant_is_a_schema(schema: str, postgres: PostgresServer) -> None:
    """Any name will do; the default schema of the same database is another tenant."""
    name = f"tenants of {schema[:3]}"
    url = fill_authentik(create_authentik(postgres.create_database(name)), schema)
    with AppClient(url, schema) as tenant, AppClient(url) as public:
        assert tenant.get("/flows/instances/", KEY).json["pagination"]["count"] == 160
        assert public.get("/flows/instances/", KEY).status == 403
    assert refusal(url, "elsewhere") == "there is no schema 'elsewhere' in the database"


@pytest.mark.parametrize("role", ROLES)
def test_a_role_with_select_alone_will_do(
    role: str, granted: str, postgres: PostgresServer
) -> None:
    """It lets FlowQL answer everything that the owner's role lets it answer."""
    slugs = [row[0] for row in fetched(granted, "SELECT slug FROM authentik_flows_flow LIMIT 40")]
    with AppClient(granted) as owner, AppClient(as_role(postgres, role)) as reader:
        for path in ("/flows/instances/", "/api/v3/flows/instances/?page_size=100"):
            assert reader.get(path, KEY) == owner.get(path, KEY)
            assert reader.get(path, KEYS["object_role"]) == owner.get(path, KEYS["object_role"])
        assert reader.graphql(EVERYTHING, KEY) == owner.graphql(EVERYTHING, KEY)
        assert "errors" not in reader.graphql(EVERYTHING, KEY).json
        exports = [reader.get(f"/flows/instances/{slug}/export/", KEY) for slug in slugs]
        assert exports == [owner.get(f"/flows/instances/{slug}/export/", KEY) for slug in slugs]
    assert {answer.status for answer in exports} == {200}
    assert any(b"authentik_stages_password.passwordstage" in answer.body for answer in exports)


@pytest.mark.parametrize(
    ("revoked", "reason"),
    [
        ("SELECT (uuid) ON authentik_rbac_role", "authentik_rbac_role.uuid: GRANT SELECT on it"),
        ("SELECT (key) ON authentik_core_token", "authentik_core_token.key: GRANT SELECT on it"),
        (f"SELECT (cache_key) ON {CACHE}", f"{CACHE}.cache_key: GRANT SELECT on it"),
    ],
)
def test_a_right_that_is_lacking_is_named(
    revoked: str, reason: str, granted: str, postgres: PostgresServer
) -> None:
    """A table or a column that may not be read ends `serve`, not a request."""
    execute(granted, f"REVOKE {revoked} FROM least")
    try:
        assert refusal(as_role(postgres, "least")) == f"the role may not read {reason}"
    finally:
        execute(granted, f"GRANT {revoked} TO least")


def test_a_schema_that_may_not_be_used_is_named(granted: str, postgres: PostgresServer) -> None:
    """Without USAGE nothing in the schema can be seen."""
    create_authentik(granted, "closed")
    expected = "the role may not use schema 'closed': GRANT USAGE on it"
    assert refusal(as_role(postgres, "least"), "closed") == expected


@pytest.mark.parametrize("options", ["", "?options=-c%20default_transaction_read_only%3Doff"])
def test_postgresql_itself_refuses_a_write(options: str, authentik_url: str) -> None:
    """Every transaction is read-only, whatever the URL says and the role may."""
    insert = "DELETE FROM authentik_flows_flow RETURNING 1"
    refused_write = "cannot execute DELETE in a read-only transaction"
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError, match=refused_write):
        opened(f"{authentik_url}{options}", query=insert)


def test_sqlite_itself_refuses_a_write(sqlite_url: str) -> None:
    """A served file is only queried."""
    with pytest.raises(sqlite3.OperationalError, match="attempt to write a readonly database"):
        opened(sqlite_url, query="DELETE FROM authentik_flows_flow RETURNING 1")


def test_requests_write_nothing_to_postgresql(postgres: PostgresServer) -> None:
    """PostgreSQL has counted no row that was inserted, updated or deleted."""
    url = fill_authentik(postgres.create_database("counted"))
    counted = "SELECT SUM(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_user_tables"
    before = fetched(url, counted)
    with AppClient(url) as client:
        client.graphql(EVERYTHING, KEY)
        client.get("/flows/instances/", KEY)
        client.get("/flows/instances/", "unknown")
    assert fetched(url, counted) == before


def test_requests_write_nothing_to_sqlite(tmp_path: Path) -> None:
    """The file is the same, byte by byte."""
    url = fill_ours(f"sqlite:///{tmp_path / 'flowql.db'}")
    before = (tmp_path / "flowql.db").read_bytes()
    with AppClient(url) as client:
        client.graphql(EVERYTHING, KEY)
        client.get("/flows/instances/", KEY)
    assert (tmp_path / "flowql.db").read_bytes() == before


def test_authentik_s_database_is_never_written(bare_authentik: str, tmp_path: Path) -> None:
    """`migrate`, `import` and `token` refuse it, and leave nothing there."""
    tables = "SELECT relname FROM pg_class WHERE relkind = 'r' ORDER BY 1"
    before = fetched(bare_authentik, tables)
    option = ("--database", bare_authentik)
    line = run_failing_in_process("migrate", *option)
    assert line == "schema 'public' is authentik's own, which is never migrated"
    for words in (["import", str(tmp_path)], ["token", "create", "x"], ["token", "list"]):
        line = run_failing_in_process(*words, *option)
        assert line == "the database is authentik's own, which FlowQL only reads"
    assert fetched(bare_authentik, tables) == before


def test_an_empty_database_is_told_how_to_be_filled(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    """The command to run, for both kinds."""
    (tmp_path / "empty.db").touch()
    assert refusal(f"sqlite:///{tmp_path / 'empty.db'}") == EMPTY
    assert refusal(postgres.create_database("empty")) == EMPTY


def test_an_outdated_or_a_newer_schema_is_refused(postgres: PostgresServer) -> None:
    """`serve` says which command to run, or what to upgrade."""
    url = postgres.create_database("versions")
    asyncio.run(migrate(url))
    execute(url, "DELETE FROM alembic_version")
    assert run_failing("serve", "--port", "0", "--database", url) == OUTDATED
    execute(url, "INSERT INTO alembic_version VALUES ('9999')")
    assert refusal(url) == NEWER


def test_a_locale_that_folds_only_ascii_is_refused(peculiar: PostgresServer) -> None:
    """`migrate` makes nothing where upper('ü') is not Ü."""
    url = peculiar.create_database("ascii")
    assert run_failing_in_process("migrate", "--database", url).startswith(FOLDING)
    assert refusal(url) == EMPTY


def test_a_locale_that_folds_one_character_to_two_is_refused(postgres: PostgresServer) -> None:
    """`migrate` makes nothing where upper('ß') is SS, as with ICU: SQLite would find other flows."""
    with psycopg.connect(postgres.dsn(), autocommit=True) as connection:
        provider = "LOCALE_PROVIDER builtin BUILTIN_LOCALE 'PG_UNICODE_FAST' TEMPLATE template0"
        connection.execute(f"CREATE DATABASE folding {provider}".encode())
    url = postgres.dsn("folding")
    assert run_failing_in_process("migrate", "--database", url).startswith(FOLDING)
    assert refusal(url) == EMPTY


def test_a_migration_that_fails_changes_nothing(tmp_path: Path) -> None:
    """A table in the way is named, and none of the others is made."""
    path = tmp_path / "flowql.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE guardian_roleobjectpermission (id)")
        line = run_failing_in_process("migrate", "--database", f"sqlite:///{path}")
        tables = connection.execute("SELECT name FROM sqlite_master").fetchall()
    in_the_way = "table guardian_roleobjectpermission already exists"
    assert line == f"nothing was written to the database: {in_the_way}"
    assert tables == [("guardian_roleobjectpermission",)]


def test_a_local_socket_is_reached_by_its_folder(peculiar: PostgresServer) -> None:
    """The `host` of libpq may be a folder."""
    url = create_authentik(peculiar.create_database("local"))
    [(folder,)] = fetched(url, "SHOW unix_socket_directories")
    place = quote(str(folder).strip('"'), safe="")
    socket = f"host={place}&port={peculiar.port}"
    local = f"postgresql://postgres:{PASSWORD}@/local?{socket}"
    query = "SELECT inet_server_addr() IS NULL"
    assert opened(local, query=query) is True
    assert opened(url, query=query) is False


@pytest.mark.parametrize("scheme", ["postgresql", "postgres"])
def test_libpq_s_parameters_are_understood(scheme: str, authentik_url: str) -> None:
    """They reach the server, whose words these are."""
    url = authentik_url.replace("postgresql", scheme, 1)
    name = "SELECT application_name FROM pg_stat_activity WHERE pid = pg_backend_pid()"
    assert opened(f"{url}?application_name=Flow%20QL+1", query=name) == "Flow QL+1"
    options = "?options=-c%20statement_timeout%3D1234%20-c%20search_path%3Dpg_catalog"
    assert opened(f"{url}{options}", query="SHOW statement_timeout") == "1234ms"
    assert opened(f"{url}{options}", query="SELECT current_schema()") == "public"
    many = "connect_timeout=5&keepalives=1&gssencmode=disable&channel_binding=prefer"
    assert opened(f"{url}?{many}&target_session_attrs=any&client_encoding=UTF8") == 1


@pytest.mark.parametrize("mode", ["disable", "allow", "prefer"])
def test_a_server_without_tls_is_enough_where_it_is_not_required(
    mode: str, authentik_url: str
) -> None:
    """The weaker values of sslmode, as in libpq."""
    encrypted = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
    assert opened(f"{authentik_url}?sslmode={mode}", query=encrypted) is False


@pytest.mark.parametrize("mode", ["require", "verify-ca", "verify-full"])
def test_a_server_without_tls_is_refused_where_it_is_required(
    mode: str, authentik_url: str, tmp_path: Path
) -> None:
    """The stronger values never fall back to plain text."""
    reason = refusal(f"{authentik_url}?sslmode={mode}")
    assert reason.startswith(f"cannot open the database, PostgreSQL at {HOST}:")
    assert "SSL" in reason or "root.crt" in reason
    assert str(tmp_path) not in reason


def test_hosts_are_tried_in_turn(authentik_url: str) -> None:
    """In a list of hosts the first that answers is taken."""
    several = re.sub(r"@(.+)/", r"@127.0.0.1:1,\1/", authentik_url)
    assert opened(several) == 1


def config_of(connection: Connection) -> Config:
    """Alembic's own configuration, on this connection."""
    config = Config()
    config.set_main_option("script_location", "models:migrations")
    config.attributes["connection"] = connection
    return config


@pytest.fixture(params=["sqlite", "postgresql"])
def ours(
    request: pytest.FixtureRequest, tmp_path: Path, postgres: PostgresServer
) -> Iterator[Connection]:
    """A connection to a database that `migrate` made, of each kind in turn."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'flowql.db'}"
    else:
        url = postgres.create_database(f"migrated {request.node.name}")
    asyncio.run(migrate(url))
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def test_the_migrations_make_the_tables(ours: Connection) -> None:
    """Alembic finds no difference between the migrations and the models."""
    context = MigrationContext.configure(ours, opts={"compare_type": True})
    assert compare_metadata(context, METADATA) == []


def test_the_migrations_go_back_and_forth(ours: Connection) -> None:
    """Down to nothing, and up again."""
    before = set(inspect(ours).get_table_names())
    command.downgrade(config_of(ours), "base")
    assert inspect(ours).get_table_names() == ["alembic_version"]
    command.upgrade(config_of(ours), "head")
    assert set(inspect(ours).get_table_names()) == before


def test_text_of_our_own_sorts_by_its_bytes(postgresql_url: str) -> None:
    """Every column of text is COLLATE "C", as SQLite's are."""
    other = (
        "SELECT relname, attname FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid"
        " JOIN pg_collation ON pg_collation.oid = attcollation"
        " WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
        " AND collname <> 'C' AND relname <> 'alembic_version'"
    )
    assert fetched(postgresql_url, other) == []
