"""Small databases that tests of reuse change by connections of their own."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

from support.reuse_data import build_rows
from support.reuse_writers import Execute, open_connection
from support.rights_databases import RIGHTS_DATABASES


@dataclass(frozen=True, slots=True)
class SmallDatabase:
    """A database of a kind, and a connection of another process."""

    kind: str
    url: str
    execute: Execute


def create_database(kind: str, url: str) -> str:
    """Create a database with the content before the first transaction, and return the URL."""
    with RIGHTS_DATABASES[kind](url) as database:
        database.write(build_rows(has_scopes=has_scopes(kind)))
    return url


def has_scopes(kind: str) -> bool:
    """Return whether tokens of a kind of database have scopes."""
    return RIGHTS_DATABASES[kind].has_scopes


@contextmanager
def open_small_database(kind: str, url: str) -> Generator[SmallDatabase]:
    """Create a database, and connect to it until the block ends."""
    create_database(kind, url)
    with open_connection(url) as execute:
        yield SmallDatabase(kind, url, execute)
