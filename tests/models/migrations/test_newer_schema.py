"""A process goes on serving while a newer FlowQL migrates, if it can read the newer schema."""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, create_engine, text

from models.database import open_database
from models.errors import DatabaseError
from models.migrations import find_head
from support.app_client import AppClient
from support.command import run_failing_in_process, run_in_process
from support.edge_case_data import KEYS
from support.paths import ROOT
from support.postgres import PostgresServer
from support.seed import fill_flowql

NEWER = "the database schema was created by a newer FlowQL: upgrade FlowQL"
READY, FLOWS = "/-/health/ready/", "/flows/instances/"
LATER_VERSION = "later"
LATER_MIGRATION = f"""
import sqlalchemy as sa
from alembic import op

revision = "{LATER_VERSION}"
down_revision = "{find_head()}"

def upgrade():
    op.add_column("authentik_flows_flow", sa.Column("later", sa.Text(), nullable=True))
    op.create_index("later", "authentik_flows_flow", ["later"])
    op.create_table("flowql_later", sa.Column("id", sa.Integer(), primary_key=True))
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path, postgres: PostgresServer) -> str:
    """The URL of a database with the newest schema and the edge-case data."""
    if request.param == "sqlite":
        return fill_flowql(f"sqlite:///{tmp_path / 'flowql.db'}")
    return fill_flowql(postgres.create_database(request.node.name))


@contextmanager
def connect(url: str) -> Generator[Connection]:
    """Open a transaction."""
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        yield connection
    engine.dispose()


def migrate_later(url: str, folder: Path) -> None:
    """Migrate like a later version of FlowQL, which has one more migration."""
    (folder / "later.py").write_text(LATER_MIGRATION)
    scripts = ROOT / "models" / "migrations"
    config = Config()
    config.set_main_option("script_location", str(scripts))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", f"{scripts / 'versions'}\n{folder}")
    with connect(url) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


@contextmanager
def request_repeatedly(client: AppClient) -> Generator[set[int]]:
    """Send requests until the block ends; yields the statuses of the responses."""
    statuses: set[int] = set()
    is_done = Event()

    def send_requests() -> None:
        while not is_done.is_set():
            statuses.update(client.get(path, KEYS["superuser"]).status for path in (FLOWS, READY))

    thread = Thread(target=send_requests)
    thread.start()
    yield statuses
    is_done.set()
    thread.join()


def is_served(url: str) -> bool:
    """Return whether FlowQL starts on the database, and is ready."""
    with AppClient(url) as client:
        return client.get(READY).status == client.get(FLOWS, KEYS["superuser"]).status == 200


def test_processes_serve_a_newer_schema(url: str, tmp_path: Path) -> None:
    """No request fails during and after the migration, and other processes can start."""
    with AppClient(url) as client, request_repeatedly(client) as statuses:
        migrate_later(url, tmp_path)
        assert is_served(url)
    assert statuses == {200}


def test_newer_schema_is_not_written(url: str, tmp_path: Path) -> None:
    """Commands that write are errors, and tokens can be listed."""
    migrate_later(url, tmp_path)
    for arguments in (["token", "create", "x"], ["token", "revoke", "x"], ["migrate"]):
        assert run_failing_in_process(*arguments, "--database", url) == NEWER
    assert run_in_process("token", "list", "--database", url).returncode == 0


def test_schema_that_only_newer_versions_read(url: str, tmp_path: Path) -> None:
    """A process is not ready any more, and another one does not start."""
    with AppClient(url) as client:
        migrate_later(url, tmp_path)
        assert client.get(READY).status == 200
        with connect(url) as connection:
            change = text("UPDATE flowql_schema SET minimum_version = :version")
            connection.execute(change, {"version": LATER_VERSION})
        assert client.get(READY).status == 503
    with pytest.raises(DatabaseError, match=NEWER):
        asyncio.run(open_database(url))
