"""Empty databases of each kind, and one with a flow, a stage and a policy."""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from support.blueprints import BASE, Store, copy_store, create_store, write_blueprint
from support.postgres import PostgresServer


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """An empty SQLite database to copy."""
    return create_store(f"sqlite:///{tmp_path_factory.mktemp('template') / 'flowql.db'}")


@pytest.fixture(scope="session")
def postgresql_template(postgres: PostgresServer) -> Store:
    """An empty PostgreSQL database to copy."""
    return create_store(postgres.create_database("import_template"))


@pytest.fixture(scope="session")
def database_numbers() -> Iterator[int]:
    """Numbers for unique database names."""
    return count()


@pytest.fixture(params=["sqlite", "postgresql"])
def new_store(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    database_numbers: Iterator[int],
) -> Callable[[], Store]:
    """A function that creates an empty database, of each kind in turn."""
    template: Store = request.getfixturevalue(f"{request.param}_template")
    if request.param == "sqlite":
        return lambda: copy_store(template, tmp_path_factory.mktemp("store"))
    server: PostgresServer = request.getfixturevalue("postgres")
    return lambda: Store(
        server.create_database(f"import_{next(database_numbers)}", "import_template")
    )


@pytest.fixture
def store(new_store: Callable[[], Store]) -> Store:
    """An empty database."""
    return new_store()


@pytest.fixture
def base_store(store: Store, tmp_path: Path) -> Store:
    """A database with a flow, a stage that is bound to it, and a policy."""
    store.load(write_blueprint(tmp_path / "base.yml", BASE))
    return store
