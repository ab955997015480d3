"""Tests of the migrations: the tables that they create, and failures."""

import asyncio
import hashlib
import sqlite3
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, create_engine, func, inspect, select, text
from sqlalchemy.exc import IntegrityError

from models.database import migrate
from models.tables.metadata import METADATA
from support.app_client import AppClient
from support.command import run_failing_in_process, run_in_process
from support.edge_case_data import FLOW_COUNT, ROWS, flow_uuid, identifier
from support.postgres import PostgresServer


def test_a_migration_that_fails_changes_nothing(tmp_path: Path) -> None:
    """The error names the table that already exists, and no other table is created."""
    path = tmp_path / "flowql.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE guardian_roleobjectpermission (id)")
        line = run_failing_in_process("migrate", "--database", f"sqlite:///{path}")
        tables = connection.execute("SELECT name FROM sqlite_master").fetchall()
    reason = "table guardian_roleobjectpermission already exists"
    assert line == f"the transaction was rolled back: {reason}"
    assert tables == [("guardian_roleobjectpermission",)]


def alembic_config(connection: Connection) -> Config:
    """Return the configuration of Alembic for a connection."""
    config = Config()
    config.set_main_option("script_location", "models:migrations")
    config.attributes["connection"] = connection
    return config


@pytest.fixture(params=["sqlite", "postgresql"])
def migrated_connection(
    request: pytest.FixtureRequest, tmp_path: Path, postgres: PostgresServer
) -> Iterator[Connection]:
    """A connection to a database that `migrate` created, in SQLite and in PostgreSQL."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'flowql.db'}"
    else:
        url = postgres.create_database(f"migrated {request.node.name}")
    asyncio.run(migrate(url))
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def test_the_migrations_create_the_tables(migrated_connection: Connection) -> None:
    """Alembic finds no differences between the migrations and the models."""
    context = MigrationContext.configure(migrated_connection, opts={"compare_type": True})
    assert compare_metadata(context, METADATA) == []


def test_the_migrations_can_be_reverted(migrated_connection: Connection) -> None:
    """A downgrade drops all tables, and an upgrade creates them again."""
    before = set(inspect(migrated_connection).get_table_names())
    command.downgrade(alembic_config(migrated_connection), "base")
    assert inspect(migrated_connection).get_table_names() == ["alembic_version"]
    command.upgrade(alembic_config(migrated_connection), "head")
    assert set(inspect(migrated_connection).get_table_names()) == before


def test_text_sorts_by_bytes_in_flowql_s_own_database(postgresql_url: str) -> None:
    """Every text column has collation "C", like SQLite's."""
    query = (
        "SELECT relname, attname FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid"
        " JOIN pg_collation ON pg_collation.oid = attcollation"
        " WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
        " AND collname <> 'C' AND relname <> 'alembic_version'"
    )
    with psycopg.connect(postgresql_url) as connection:
        assert connection.execute(query).fetchall() == []


def grant_view_flow(connection: Connection, name: str, flows: tuple[str, ...]) -> None:
    """Create a token as FlowQL did before revision 0003: for these flows, or for all without any."""
    tables, now = METADATA.tables, datetime.now(UTC)
    user = {column.name: "" for column in tables["authentik_core_user"].columns}
    times = dict.fromkeys(("date_joined", "password_change_date", "last_updated"), now)
    user |= {"username": name, "uuid": identifier("user", name), "is_active": True, **times}
    user |= {"type": "service_account", "attributes": {}, "last_login": None, "id": len(name)}
    connection.execute(tables["authentik_core_user"].insert(), user)
    token = {column.name: "" for column in tables["authentik_core_token"].columns}
    token |= {"token_uuid": identifier("token", name), "identifier": name, "intent": "api"}
    token |= {"key": f"sha256${hashlib.sha256(name.encode()).hexdigest()}", "managed": None}
    token |= {"expires": None, "expiring": False, "user_id": len(name)}
    connection.execute(tables["authentik_core_token"].insert(), token)
    role = {"uuid": identifier("role", name), "name": f"flowql token {name}"}
    connection.execute(tables["authentik_rbac_role"].insert(), role)
    user_role = {"user_id": len(name), "role_id": role["uuid"]}
    connection.execute(tables["authentik_core_user_roles"].insert(), user_role)
    grant = {"content_type_id": 1, "permission_id": 1, "role_id": role["uuid"]}
    if not flows:
        connection.execute(tables["guardian_rolemodelpermission"].insert(), grant)
    for pk in flows:
        values = {**grant, "object_pk": pk}
        connection.execute(tables["guardian_roleobjectpermission"].insert(), values)


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path, postgres: PostgresServer) -> str:
    """The URL of a database without tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'flowql.db'}"
    return postgres.create_database(request.node.name)


@contextmanager
def connect(url: str) -> Generator[Connection]:
    """Open a transaction."""
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        yield connection
    engine.dispose()


@pytest.fixture
def old_url(empty_url: str) -> str:
    """The URL of a database at revision 0002 with the flows of the edge-case data and tokens."""
    with connect(empty_url) as connection:
        command.upgrade(alembic_config(connection), "0002")
        for table in CONTENT:
            connection.execute(METADATA.tables[table].insert(), ROWS[table])
        for name, flows in OLD_TOKENS.items():
            grant_view_flow(connection, name, flows)
    return empty_url


CONTENT = (
    "authentik_policies_policybindingmodel",
    "authentik_flows_flow",
    "authentik_flows_stage",
    "authentik_flows_flowstagebinding",
)
# The names have different lengths, which are the IDs of the users.
OLD_TOKENS = {
    "all": (),
    "some": (flow_uuid(0), flow_uuid(1), identifier("flow", "deleted")),
    "gone!": (identifier("flow", "deleted"),),
}
BELOW = "{ flows(pageSize: 100) { pagination { count } results { stageBindings { pk } } } }"


def test_tokens_keep_what_they_could_see(old_url: str) -> None:
    """They see and export the same flows as before, with everything below them."""
    asyncio.run(migrate(old_url))
    with AppClient(old_url) as client:
        bodies = {name: client.graphql(BELOW, name).json for name in ("all", "some")}
        export = f"/flows/instances/{ROWS['authentik_flows_flow'][1]['slug']}/export/"
        statuses = [client.get(export, name).status for name in OLD_TOKENS]
        forbidden = client.get("/flows/instances/", "gone!")
    assert statuses == [200, 200, 403]
    assert forbidden.json == {"detail": "You do not have permission to perform this action."}
    for name, count in (("all", FLOW_COUNT), ("some", 2)):
        assert list(bodies[name]) == ["data"]
        assert bodies[name]["data"]["flows"]["pagination"] == {"count": count}
    assert any(flow["stageBindings"] for flow in bodies["some"]["data"]["flows"]["results"])


SOURCES = METADATA.tables["flowql_source"]
SOURCE = {
    "id": 1,
    "url": "https://authentik.example",
    "version": None,
    "synced_at": datetime(2026, 11, 24, tzinfo=UTC),
    "failed_at": None,
    "error": None,
}


def test_source_of_a_sync_is_one_row(empty_url: str) -> None:
    """An upgrade from revision 0005 creates the empty table, which can have one row."""
    with connect(empty_url) as connection:
        command.upgrade(alembic_config(connection), "0005")
        before = connection.execute(text("SELECT minimum_version FROM flowql_schema")).all()
        assert not inspect(connection).has_table(SOURCES.name)
    asyncio.run(migrate(empty_url))
    with connect(empty_url) as connection:
        assert connection.execute(select(SOURCES)).all() == []
        connection.execute(SOURCES.insert(), SOURCE)
        assert [dict(row) for row in connection.execute(select(SOURCES)).mappings()] == [SOURCE]
        # Servers of the version before read the tables.
        minimum_version = text("SELECT minimum_version FROM flowql_schema")
        assert connection.execute(minimum_version).all() == before
        with pytest.raises(IntegrityError), connection.begin_nested():
            connection.execute(SOURCES.insert(), SOURCE | {"id": 2})


USERS = METADATA.tables["authentik_core_user"]
BINDINGS = METADATA.tables["authentik_policies_policybinding"]
TYPES = METADATA.tables["flowql_stagetype"]
STAGE = ROWS["authentik_flows_stage"][0]["stage_uuid"]
TARGET = ROWS["authentik_flows_flow"][0]["policybindingmodel_ptr_id"]
FLAGS = dict.fromkeys(("enabled", "negate", "failure_result", "expiring"), False)
# The second token is not bound.
TOKENS = ("bound", "free token")


@pytest.fixture
def bound_url(empty_url: str) -> str:
    """The URL of a database at revision 0003 with tokens. A policy binding has a token's user."""
    values = {"target_id": TARGET, "user_id": len("bound"), "timeout": 30, "order": 0, **FLAGS}
    with connect(empty_url) as connection:
        command.upgrade(alembic_config(connection), "0003")
        for table in CONTENT:
            connection.execute(METADATA.tables[table].insert(), ROWS[table])
        for name in TOKENS:
            grant_view_flow(connection, name, ())
        connection.execute(BINDINGS.insert(), {"policy_binding_uuid": TARGET, **values})
        connection.execute(TYPES.insert(), {"ptr_id": STAGE, "model": "a.stage"})
    return empty_url


def read_bound_user(connection: Connection) -> tuple[object, ...]:
    """Return the ID, the username and the state of the user in the policy binding."""
    columns = (USERS.c.id, USERS.c.username, USERS.c.name, USERS.c.is_active, USERS.c.type)
    return tuple(connection.execute(select(*columns).join_from(BINDINGS, USERS)).one())


def test_users_of_tokens_are_renamed(bound_url: str) -> None:
    """Their usernames are reserved, and a policy binding names another, inactive user."""
    asyncio.run(migrate(bound_url))
    with connect(bound_url) as connection:
        bound, *state = read_bound_user(connection)
        assert state == ["bound", "bound", False, "internal"]
        rows = connection.execute(select(USERS.c.username, USERS.c.name).where(USERS.c.id != bound))
        expected = {(f"flowql token {identifier('token', name)}", "") for name in TOKENS}
        assert set(map(tuple, rows)) == expected
        assert connection.scalar(select(TYPES.c.settings)) == {}


def test_renamed_tokens_are_valid_and_can_be_revoked(bound_url: str) -> None:
    """They have their names, and their policy bindings stay when they are revoked."""
    asyncio.run(migrate(bound_url))
    with AppClient(bound_url, viewer_ttl=0) as client:
        assert [client.get("/", name).json["viewer"] for name in TOKENS] == list(TOKENS)
        for name in TOKENS:
            assert run_in_process("token", "revoke", name, "--database", bound_url).returncode == 0
        assert [client.get("/", name).json["authenticated"] for name in TOKENS] == [False, False]
    with connect(bound_url) as connection:
        assert read_bound_user(connection)[1:] == ("bound", "bound", False, "internal")
        assert connection.scalar(select(func.count()).select_from(USERS)) == 1


def test_usernames_of_tokens_can_be_restored(bound_url: str) -> None:
    """After a downgrade, the users of tokens have their names and policy bindings."""
    asyncio.run(migrate(bound_url))
    with connect(bound_url) as connection:
        command.downgrade(alembic_config(connection), "0003")
        assert read_bound_user(connection)[:2] == (len("bound"), "bound")
        assert sorted(connection.scalars(select(USERS.c.username))) == list(TOKENS)
        command.upgrade(alembic_config(connection), "head")
        assert read_bound_user(connection)[1:] == ("bound", "bound", False, "internal")
