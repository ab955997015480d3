"""Small databases of each kind, which tests of reuse may change."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from support.databases import KINDS
from support.postgres import PostgresServer
from support.reuse_databases import SmallDatabase, open_small_database

NUMBERS = count()


@pytest.fixture(params=KINDS)
def database(
    request: pytest.FixtureRequest, tmp_path: Path, postgres: PostgresServer
) -> Iterator[SmallDatabase]:
    """A database of each kind."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'flowql.db'}"
    else:
        url = postgres.create_database(f"small {next(NUMBERS)}")
    with open_small_database(request.param, url) as database:
        yield database
    if request.param != "sqlite":
        postgres.drop_database(url)
