"""Empty databases of each kind, and one with a flow, a stage and a policy."""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from support.blueprints import (
    BASE,
    BlueprintDatabase,
    copy_blueprint_database,
    create_blueprint_database,
    write_blueprint,
)
from support.imports import Store
from support.postgres import PostgresServer


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> BlueprintDatabase:
    """An empty SQLite database to copy."""
    return create_blueprint_database(
        f"sqlite:///{tmp_path_factory.mktemp('template') / 'flowql.db'}"
    )


@pytest.fixture(scope="session")
def postgresql_template(postgres: PostgresServer) -> BlueprintDatabase:
    """An empty PostgreSQL database to copy."""
    return create_blueprint_database(postgres.create_database("import_template"))


@pytest.fixture(scope="session")
def database_numbers() -> Iterator[int]:
    """Numbers for unique database names."""
    return count()


@pytest.fixture(params=["sqlite", "postgresql"])
def new_database(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    database_numbers: Iterator[int],
) -> Callable[[], BlueprintDatabase]:
    """A function that creates an empty database, of each kind in turn."""
    template: BlueprintDatabase = request.getfixturevalue(f"{request.param}_template")
    if request.param == "sqlite":
        return lambda: copy_blueprint_database(template, tmp_path_factory.mktemp("store"))
    server: PostgresServer = request.getfixturevalue("postgres")
    return lambda: BlueprintDatabase(
        server.create_database(f"import_{next(database_numbers)}", "import_template")
    )


@pytest.fixture
def blueprint_database(new_database: Callable[[], BlueprintDatabase]) -> BlueprintDatabase:
    """An empty database."""
    return new_database()


@pytest.fixture
def base_database(blueprint_database: BlueprintDatabase, tmp_path: Path) -> BlueprintDatabase:
    """A database with a flow, a stage that is bound to it, and a policy."""
    blueprint_database.load(write_blueprint(tmp_path / "base.yml", BASE))
    return blueprint_database


@pytest.fixture
def store(sqlite_template: BlueprintDatabase, tmp_path: Path) -> Store:
    """An empty SQLite database, and a folder for files to import."""
    folder = tmp_path / "run"
    folder.mkdir()
    return Store(copy_blueprint_database(sqlite_template, tmp_path), folder)


@pytest.fixture
def each_store(blueprint_database: BlueprintDatabase, tmp_path: Path) -> Store:
    """An empty database, of each kind in turn, and a folder for files to import."""
    folder = tmp_path / "run"
    folder.mkdir()
    return Store(blueprint_database, folder)
