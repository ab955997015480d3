"""Databases in tests of planned rows: plan changes in a working set, and write them."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy import Connection, Executable, Select

from models.blueprint.authentik.kinds import (
    FLOW,
    GROUP,
    POLICY,
    POLICY_BINDING,
    STAGE,
    STAGE_BINDING,
    USER,
)
from models.blueprint.rows import store
from models.blueprint.rows.bulk_insert import Report
from models.blueprint.rows.row import Row
from models.blueprint.rows.working_set import Changes, WorkingSet
from models.database import Database, open_database
from models.database.reads import Reads
from support.blueprints import dump_tables

STAGE_MODEL = "authentik_stages_dummy.dummystage"
POLICY_MODEL = "authentik_policies_dummy.dummypolicy"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PlanDatabase:
    """A database of FlowQL's own. `selects` receives the SELECTs of the last plan."""

    url: str
    selects: list[Select[Any]] = field(default_factory=list[Select[Any]])

    def run(self, work: Callable[[Database], Awaitable[T]]) -> T:
        """Open the database and await the work with it."""
        return asyncio.run(_run(self.url, work))

    def plan(self, plan: Callable[[WorkingSet], T]) -> T:
        """Run a plan without writing its changes."""
        return self.run(lambda database: database.plan(lambda reads: plan(self._open(reads))))

    def write(self, plan: Callable[[WorkingSet], T], report: Report = lambda _: None) -> T:
        """Run a plan and write its changes."""

        def build_changes(reads: Reads) -> tuple[T, Changes]:
            rows = self._open(reads)
            return plan(rows), rows.changes()

        def apply(connection: Connection, planned: tuple[T, Changes]) -> None:
            store.write(connection, planned[1], report)

        return self.run(lambda database: database.write(build_changes, apply))[0]

    def execute(self, *statements: Executable) -> None:
        """Execute statements in one transaction."""
        self.run(lambda database: _execute(database, statements))

    def dump(self) -> Mapping[str, Sequence[Any]]:
        """Return the rows by table."""
        return self.run(dump_tables)

    def _open(self, reads: Reads) -> WorkingSet:
        self.selects.clear()

        def fetch(statement: Select[Any]) -> Sequence[Any]:
            self.selects.append(statement)
            return reads.fetch(statement)

        return WorkingSet(fetch)


async def _run(url: str, work: Callable[[Database], Awaitable[T]]) -> T:
    database = await open_database(url, writable=True)
    try:
        return await work(database)
    finally:
        await database.close()


async def _execute(database: Database, statements: Sequence[Executable]) -> None:
    async with database.transaction() as connection:
        for statement in statements:
            await connection.execute(statement)


def create_flow(rows: WorkingSet, slug: str, pk: str | None = None, **values: Any) -> Row:
    """Plan a flow."""
    defaults = {
        "name": slug,
        "title": slug,
        "designation": "recovery",
        "background": "",
        "layout": "stacked",
        "denied_action": "continue",
        "authentication": "none",
        "compatibility_mode": False,
        "policy_engine_mode": "any",
    }
    return rows.create(FLOW, pk, {"slug": slug, **defaults, **values})


def create_stage(rows: WorkingSet, name: str, settings: Mapping[str, Any] | None = None) -> Row:
    """Plan a stage."""
    return rows.create(STAGE, None, {"name": name}, STAGE_MODEL, settings)


def create_policy(rows: WorkingSet, name: str, settings: Mapping[str, Any] | None = None) -> Row:
    """Plan a policy."""
    values = {"name": name, "execution_logging": False}
    return rows.create(POLICY, None, values, POLICY_MODEL, settings)


def create_group(rows: WorkingSet, name: str) -> Row:
    """Plan a group."""
    return rows.create(GROUP, None, {"name": name})


def create_user(rows: WorkingSet, username: str) -> Row:
    """Plan a user."""
    return rows.create(USER, None, {"username": username, "name": ""})


def bind_stage(rows: WorkingSet, flow: Row, stage: Row, order: int = 0, mode: str = "any") -> Row:
    """Plan a stage binding."""
    values = {
        "target_id": flow.pk,
        "stage_id": stage.pk,
        "order": order,
        "evaluate_on_plan": False,
        "re_evaluate_policies": True,
        "invalid_response_action": "retry",
        "policy_engine_mode": mode,
    }
    return rows.create(STAGE_BINDING, None, values)


def bind(rows: WorkingSet, target: Row, bound: Row, order: int = 0) -> Row:
    """Plan a binding of a policy, a group or a user to a flow or a stage binding."""
    keys = {"policy_id": None, "group_id": None, "user_id": None}
    values = {
        "target_id": target.parent,
        **keys,
        f"{bound.kind.name}_id": bound.pk,
        "order": order,
        "enabled": True,
        "negate": False,
        "timeout": 30,
        "failure_result": False,
    }
    return rows.create(POLICY_BINDING, None, values)
