# ruff: noqa: S608 - the statements consist of constants
"""Nothing is reused where rows can change without a commit, or where that cannot be excluded."""

import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from time import sleep

import psycopg
import pytest

from support.app_client import AppClient
from support.postgres import PostgresServer
from support.reuse_data import KEYS, identifier
from support.reuse_databases import create_database

KEY = KEYS["superuser"]
FLOWS = "/flows/instances/"
STAGES = '{ flow(slug: "flow-0") { stageBindings { stage { name } } } }'
COLUMNS = "token_uuid, key, expires, expiring, user_id"
VIEW = f"""
CREATE OR REPLACE VIEW flowql_token AS
SELECT {COLUMNS} FROM authentik_core_token WHERE intent = 'api' AND ({{}});
"""
# True while no session has taken an advisory lock, which is no transaction.
UNLOCKED = "NOT EXISTS (SELECT FROM pg_catalog.pg_locks WHERE locktype = 'advisory')"
LOCK, UNLOCK = "SELECT pg_advisory_lock(1)", "SELECT pg_advisory_unlock_all()"
FUNCTION = """
CREATE FUNCTION is_valid() RETURNS boolean LANGUAGE sql STABLE AS $$ SELECT {} $$;
"""
READER = """
CREATE ROLE {0} LOGIN PASSWORD 'reader';
GRANT SELECT ON ALL TABLES IN SCHEMA public TO {0};
"""
POLICY = """
ALTER TABLE {0} ENABLE ROW LEVEL SECURITY;
CREATE POLICY visible ON {0} USING ({1});
"""
FOREIGN = """
CREATE EXTENSION file_fdw;
CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
ALTER TABLE authentik_flows_stage RENAME TO stored_stage;
"""
FOREIGN_COLUMNS = "(stage_uuid uuid NOT NULL, name text NOT NULL)"
FOREIGN_TABLES = {
    "foreign table": """
CREATE FOREIGN TABLE authentik_flows_stage {columns} SERVER files OPTIONS ({options});
""",
    "foreign child": """
CREATE TABLE authentik_flows_stage {columns};
CREATE FOREIGN TABLE part () INHERITS (authentik_flows_stage) SERVER files OPTIONS ({options});
""",
    "foreign partition": """
CREATE TABLE authentik_flows_stage {columns} PARTITION BY LIST (name);
CREATE FOREIGN TABLE part PARTITION OF authentik_flows_stage DEFAULT
SERVER files OPTIONS ({options});
""",
    "foreign partition of a partition": """
CREATE TABLE authentik_flows_stage {columns} PARTITION BY LIST (name);
CREATE TABLE part PARTITION OF authentik_flows_stage DEFAULT PARTITION BY LIST (stage_uuid);
CREATE FOREIGN TABLE part_of_part PARTITION OF part DEFAULT SERVER files OPTIONS ({options});
""",
    "view of a foreign table": """
CREATE FOREIGN TABLE part {columns} SERVER files OPTIONS ({options});
CREATE VIEW authentik_flows_stage AS SELECT stage_uuid, name FROM part;
""",
}
# A foreign key does not find the rows of children.
MOVE_STAGE = """
ALTER TABLE authentik_flows_flowstagebinding
DROP CONSTRAINT authentik_flows_flowstagebinding_stage_id_fkey;
DELETE FROM authentik_flows_stage WHERE stage_uuid = '{}';
"""
NUMBERS = count()


@dataclass(frozen=True, slots=True)
class Authentik:
    """Authentik's database, and a connection of its operator."""

    name: str
    url: str
    connection: psycopg.Connection

    def execute(self, statements: str) -> None:
        """Execute SQL statements."""
        self.connection.execute(statements.encode())

    def changes(self, read: Callable[[], object]) -> list[object]:
        """Return what is read several times before, while and after a lock is held."""
        results: list[object] = []
        for statement in (None, LOCK, UNLOCK):
            if statement:
                self.execute(statement)
            results.append([read() for _ in range(3)])
        return results


@pytest.fixture
def authentik(postgres: PostgresServer) -> Iterator[Authentik]:
    """A small database of authentik, which the test may change."""
    name = f"unproven_{next(NUMBERS)}"
    url = create_database("authentik", postgres.create_database(name))
    with psycopg.connect(url, autocommit=True) as connection:
        yield Authentik(name, url, connection)
    postgres.drop_database(url)


@contextmanager
def serve(url: str) -> Generator[AppClient]:
    """Serve a database; tokens are read for each request, where they cannot be reused."""
    with AppClient(url, viewer_ttl=0) as client:
        yield client


def get_status(client: AppClient) -> int:
    """Return the status of the list of flows."""
    return client.get(FLOWS, KEY).status


def count_flows(client: AppClient) -> int:
    """Return the number of flows in the list."""
    return client.get(FLOWS, KEY).json["pagination"]["count"]


@pytest.mark.parametrize(
    "condition",
    [
        "now()",
        "CURRENT_TIMESTAMP",
        "LOCALTIMESTAMP",
        "clock_timestamp()",
        "'now'::text::timestamptz",
    ],
)
def test_view_of_tokens_with_the_time(authentik: Authentik, condition: str) -> None:
    """A token that the view hides after some time is invalid then."""
    authentik.execute("CREATE TABLE validity AS SELECT timestamptz 'infinity' AS until")
    authentik.execute(VIEW.format(f"{condition} < (SELECT until FROM validity)"))
    with serve(authentik.url) as client:
        assert get_status(client) == 200
        end = datetime.now(UTC) + timedelta(seconds=1.5)
        authentik.execute(f"UPDATE validity SET until = '{end}'")
        before = [get_status(client) for _ in range(3)]
        assert datetime.now(UTC) < end
        sleep((end - datetime.now(UTC)).total_seconds() + 0.01)
        assert (before, get_status(client)) == ([200] * 3, 403)


def test_view_of_tokens_with_random(authentik: Authentik) -> None:
    """Each request executes the view."""
    authentik.execute(VIEW.format("random() < 0.5"))
    with serve(authentik.url) as client:
        assert {get_status(client) for _ in range(50)} == {200, 403}


@pytest.mark.parametrize("kind", ["view", "function", "view of a view", "subquery"])
def test_view_of_tokens_with_other_state(authentik: Authentik, kind: str) -> None:
    """The view contains what no transaction changes, directly or not."""
    if kind == "function":
        authentik.execute(FUNCTION.format(UNLOCKED))
        authentik.execute(VIEW.format("is_valid()"))
    elif kind == "view of a view":
        authentik.execute(f"CREATE VIEW valid AS SELECT {UNLOCKED} AS is_valid")
        authentik.execute(VIEW.format("(SELECT is_valid FROM valid)"))
    elif kind == "subquery":
        authentik.execute(VIEW.format("(SELECT count(*) FROM pg_locks WHERE objid = 1) = 0"))
    else:
        authentik.execute(VIEW.format(UNLOCKED))
    with serve(authentik.url) as client:
        statuses = authentik.changes(lambda: get_status(client))
    assert statuses == [[200] * 3, [403] * 3, [200] * 3]


def test_view_replaces_a_table(authentik: Authentik) -> None:
    """A table that the operator has replaced by a view is read each time."""
    authentik.execute(
        "ALTER TABLE authentik_flows_flow RENAME TO stored_flow;"
        f"CREATE VIEW authentik_flows_flow AS SELECT * FROM stored_flow"
        f" WHERE {UNLOCKED} OR slug = 'flow-0'"
    )
    with serve(authentik.url) as client:
        counts = authentik.changes(lambda: count_flows(client))
    assert counts == [[7] * 3, [1] * 3, [7] * 3]


def test_row_security(authentik: Authentik, postgres: PostgresServer) -> None:
    """A policy of row security can depend on anything."""
    role = f"reader_{authentik.name}"
    authentik.execute(READER.format(role))
    authentik.execute(POLICY.format("authentik_flows_flow", f"{UNLOCKED} OR slug = 'flow-0'"))
    with serve(postgres.dsn(authentik.name, role, "reader")) as client:
        counts = authentik.changes(lambda: count_flows(client))
    assert counts == [[7] * 3, [1] * 3, [7] * 3]
    authentik.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


@pytest.fixture
def file() -> Iterator[Path]:
    """A CSV file of stages, which PostgreSQL can read."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        path = Path(folder, "stages.csv")
        write_stage(path, "first")
        yield path


def write_stage(path: Path, name: str) -> None:
    """Store the name of a stage in a file."""
    path.write_text(f"{identifier('stage', 0)},{name}\n")
    path.chmod(0o644)


def check_stages(client: AppClient, path: Path) -> None:
    """Check that responses have the name of the stage in a file, whenever it changes."""
    for stage in ("first", "second", "third"):
        write_stage(path, stage)
        for _ in range(3):
            [binding] = client.graphql(STAGES, KEY).json["data"]["flow"]["stageBindings"]
            assert binding["stage"] == {"name": stage}


@pytest.mark.parametrize("name", FOREIGN_TABLES)
def test_foreign_table(authentik: Authentik, file: Path, name: str) -> None:
    """Its rows change without a transaction of this server, also as a part of another table."""
    authentik.execute(FOREIGN)
    options = f"filename '{file}', format 'csv'"
    authentik.execute(FOREIGN_TABLES[name].format(columns=FOREIGN_COLUMNS, options=options))
    with serve(authentik.url) as client:
        check_stages(client, file)


# While the server runs ---------------------------------------------------------------------------


@pytest.mark.parametrize("pause", [0, 1.2])
def test_view_is_replaced(authentik: Authentik, pause: float) -> None:
    """The view is checked again with each version."""
    authentik.execute(VIEW.format("true"))
    with serve(authentik.url) as client:
        assert [get_status(client) for _ in range(3)] == [200] * 3
        sleep(pause)
        authentik.execute(VIEW.format(UNLOCKED))
        statuses = authentik.changes(lambda: get_status(client))
    assert statuses == [[200] * 3, [403] * 3, [200] * 3]


def test_row_security_is_enabled(authentik: Authentik, postgres: PostgresServer) -> None:
    """Tables are checked again with each version."""
    role = f"reader_{authentik.name}"
    authentik.execute(READER.format(role))
    with serve(postgres.dsn(authentik.name, role, "reader")) as client:
        assert [count_flows(client) for _ in range(3)] == [7] * 3
        authentik.execute(POLICY.format("authentik_flows_flow", f"{UNLOCKED} OR slug = 'flow-0'"))
        counts = authentik.changes(lambda: count_flows(client))
    assert counts == [[7] * 3, [1] * 3, [7] * 3]
    authentik.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


def test_foreign_child_is_added(authentik: Authentik, file: Path) -> None:
    """Children of tables are checked again with each version."""
    authentik.execute(
        "CREATE EXTENSION file_fdw; CREATE SERVER files FOREIGN DATA WRAPPER file_fdw"
    )
    authentik.execute(MOVE_STAGE.format(identifier("stage", 0)))
    with serve(authentik.url) as client:
        assert [client.graphql(STAGES, KEY).status for _ in range(3)] == [200] * 3
        authentik.execute(
            "CREATE FOREIGN TABLE part () INHERITS (authentik_flows_stage) SERVER files"
            f" OPTIONS (filename '{file}', format 'csv')"
        )
        check_stages(client, file)
