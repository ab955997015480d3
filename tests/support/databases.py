"""Databases for tests of resolvers: the same edge-case data, with types of stages and policies."""

import asyncio
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import psycopg
from django.db.backends.utils import truncate_name
from psycopg import sql

from models.database import Database, Session, open_database
from support.edge_case_data import LONG_TYPE, POLICIES, ROWS, STAGES, identifier
from support.seed import fill_authentik, fill_flowql

T = TypeVar("T")

# PostgreSQL's maximum.
MAX_NAME_LENGTH = 63
KINDS = ("sqlite", "postgresql", "authentik")

# The type of every third stage or policy is unknown.
STAGE_TYPES = {
    name: ("authentik_stages_password.astage", LONG_TYPE)[number % 2]
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
    """An open database and its event loop."""

    database: Database
    runner: asyncio.Runner

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine and return its result."""
        return self.runner.run(main)

    def open_session(self) -> Session:
        """Open a session whose reads see one state of the database."""
        return self.database.open_session(is_snapshot=True)

    def read(self, read: Callable[[Session], Coroutine[Any, Any, T]]) -> T:
        """Run reads in a session and return their result."""

        async def main() -> T:
            async with self.open_session() as session:
                return await read(session)

        return self.run(main())


@contextmanager
def open_for_test(url: str, *, writable: bool = False) -> Generator[OpenDatabase]:
    """Open the database at a URL."""
    with asyncio.Runner() as runner:
        database = runner.run(open_database(url, writable=writable))
        yield OpenDatabase(database, runner)
        runner.run(database.close())


def fill_flowql_with_types(url: str) -> str:
    """Create FlowQL's own tables, insert the data with types, and return the URL."""
    types = {
        table: [
            {"ptr_id": identifier(kind, name), "model": model} for name, model in models.items()
        ]
        for kind, table, models in TYPES
    }
    return fill_flowql(url, {**ROWS, **types})


def fill_flowql_with_settings(url: str) -> str:
    """Create FlowQL's own tables, insert the data with settings and prompts, and return the URL."""
    prompts = [identifier("prompt", number) for number in range(5)]
    settings = {"fields": [*prompts, identifier("prompt", "missing"), None], "note": "x"}
    stages = [identifier("stage", name) for name in STAGES]
    policies = [identifier("policy", name) for name in POLICIES]
    rows = {
        "authentik_stages_prompt_prompt": [
            {
                "prompt_uuid": pk,
                "name": f"prompt {number}",
                "field_key": "key",
                "label": "Label",
                "type": "text",
                "required": number % 2 == 0,
                "placeholder": "",
                "initial_value": "",
                "order": -number,
                "sub_text": "",
                "placeholder_expression": False,
                "initial_value_expression": False,
            }
            for number, pk in enumerate(prompts)
        ],
        "flowql_stagetype": [
            {"ptr_id": pk, "model": "authentik_stages_prompt.promptstage", "settings": settings}
            for pk in stages
        ],
        "flowql_policytype": [
            {"ptr_id": pk, "model": "authentik_policies_dummy.dummypolicy", "settings": {"wait": 1}}
            for pk in policies
        ],
    }
    return fill_flowql(url, {**ROWS, **rows})


def fill_authentik_with_types(url: str) -> str:
    """Create authentik's tables and child tables, insert the data, and return the URL."""
    fill_authentik(url)
    with psycopg.connect(url) as connection:
        for kind, _, models in TYPES:
            for model in sorted(set(models.values())):
                _create_child_table(connection, kind, model, models)
    return url


def child_table(model: str) -> str:
    """Return the name of the table that Django creates for a model."""
    return truncate_name(model.replace(".", "_"), MAX_NAME_LENGTH)


def _create_child_table(
    connection: psycopg.Connection[Any], kind: str, model: str, models: dict[str, str]
) -> None:
    table, key = sql.Identifier(child_table(model)), sql.Identifier(f"{kind}_ptr_id")
    connection.execute(sql.SQL("CREATE TABLE {} ({} uuid PRIMARY KEY)").format(table, key))
    for name in (name for name in models if models[name] == model):
        insert = sql.SQL("INSERT INTO {} VALUES (%s)").format(table)
        connection.execute(insert, [identifier(kind, name)])
