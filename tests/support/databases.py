"""Databases that a test asks directly, each kind with the same odd data and with types of its own."""

import asyncio
from collections.abc import Coroutine, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import psycopg
from psycopg import sql

from models.database import Database, open_database
from support.edge_case_data import POLICIES, ROWS, STAGES, identifier
from support.seed import fill_authentik, fill_ours

T = TypeVar("T")

KINDS = ("sqlite", "postgresql", "authentik")

# Every third has none that is known.
STAGE_TYPES = {
    name: f"authentik_stages_{('password', 'user_login')[number % 2]}.{('a', 'b')[number % 2]}stage"
    for number, name in enumerate(STAGES)
    if number % 3
}
POLICY_TYPES = {
    name: f"authentik_policies_{('dummy', 'geo_ip')[number % 2]}.policy"
    for number, name in enumerate(POLICIES)
    if number % 3
}
TYPES = (
    ("stage", "flowql_stagetype", STAGE_TYPES),
    ("policy", "flowql_policytype", POLICY_TYPES),
)


@dataclass(frozen=True, slots=True)
class OpenDatabase:
    """An open database, and the event loop that it lives in."""

    database: Database
    runner: asyncio.Runner

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """What a coroutine gives."""
        return self.runner.run(main)


@contextmanager
def open_for_test(url: str, *, writable: bool = False) -> Generator[OpenDatabase]:
    """The database at a URL."""
    with asyncio.Runner() as runner:
        database = runner.run(open_database(url, writable=writable))
        yield OpenDatabase(database, runner)
        runner.run(database.close())


def fill_ours_typed(url: str) -> str:
    """Create FlowQL's own tables at the URL and fill them; gives the URL."""
    types = {
        table: [{"ptr_id": identifier(kind, name), "model": model} for name, model in of.items()]
        for kind, table, of in TYPES
    }
    return fill_ours(url, {**ROWS, **types})


def fill_authentik_typed(url: str) -> str:
    """Create authentik's tables at the URL, one for each type as well, and fill them; gives the URL."""
    fill_authentik(url)
    with psycopg.connect(url) as connection:
        for kind, _, of in TYPES:
            for model in sorted(set(of.values())):
                _create_type(connection, kind, model, of)
    return url


def _create_type(
    connection: psycopg.Connection[Any], kind: str, model: str, of: dict[str, str]
) -> None:
    table, key = sql.Identifier(model.replace(".", "_")), sql.Identifier(f"{kind}_ptr_id")
    connection.execute(sql.SQL("CREATE TABLE {} ({} uuid PRIMARY KEY)").format(table, key))
    for name in (name for name, known in of.items() if known == model):
        insert = sql.SQL("INSERT INTO {} VALUES (%s)").format(table)
        connection.execute(insert, [identifier(kind, name)])
