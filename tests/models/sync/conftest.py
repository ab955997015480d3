"""A played authentik, and databases of FlowQL's own to sync it to."""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from support.authentik_server import NEWEST, OLDEST, PlayedAuthentik, serve_authentik
from support.blueprints import (
    BlueprintDatabase,
    copy_blueprint_database,
    create_blueprint_database,
)
from support.postgres import PostgresServer
from support.synced_objects import build_objects
from support.syncs import SyncedDatabase


@pytest.fixture
def authentik() -> Iterator[PlayedAuthentik]:
    """The newest authentik, with flows."""
    with serve_authentik(build_objects()) as played:
        yield played


@pytest.fixture(params=[OLDEST, NEWEST])
def any_authentik(request: pytest.FixtureRequest) -> Iterator[PlayedAuthentik]:
    """The oldest and the newest authentik in turn, with flows."""
    with serve_authentik(build_objects(), request.param) as played:
        yield played


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> BlueprintDatabase:
    """An empty SQLite database to copy."""
    return create_blueprint_database(f"sqlite:///{tmp_path_factory.mktemp('template') / 'f.db'}")


@pytest.fixture(scope="session")
def postgresql_template(postgres: PostgresServer) -> BlueprintDatabase:
    """An empty PostgreSQL database to copy."""
    return create_blueprint_database(postgres.create_database("sync_template"))


@pytest.fixture(scope="session")
def database_numbers() -> Iterator[int]:
    """Numbers for unique database names."""
    return count()


@pytest.fixture(params=["sqlite", "postgresql"])
def new_database(
    request: pytest.FixtureRequest, tmp_path: Path, database_numbers: Iterator[int]
) -> Callable[[], BlueprintDatabase]:
    """A function that creates an empty database, of each kind in turn."""
    template: BlueprintDatabase = request.getfixturevalue(f"{request.param}_template")
    if request.param == "sqlite":
        return lambda: copy_blueprint_database(template, tmp_path)
    server: PostgresServer = request.getfixturevalue("postgres")
    return lambda: BlueprintDatabase(
        server.create_database(f"sync_{next(database_numbers)}", "sync_template")
    )


@pytest.fixture
def synced(
    new_database: Callable[[], BlueprintDatabase], authentik: PlayedAuthentik
) -> SyncedDatabase:
    """An empty database of each kind in turn, with the authentik that it can be synced with."""
    return SyncedDatabase(authentik, new_database())
