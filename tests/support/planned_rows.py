"""Databases in tests of planned rows: plan changes in a working set, and write them."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection, Select, select
from sqlalchemy.ext.asyncio import AsyncEngine

from models.blueprint import store
from models.blueprint.kinds import FLOW, GROUP, POLICY, POLICY_BINDING, STAGE, STAGE_BINDING, USER
from models.blueprint.row import Row
from models.blueprint.rows import WorkingSet
from models.database import postgresql, sqlite_transactions
from models.database.address import SQLiteFile, parse_address
from models.tables.metadata import METADATA

STAGE_MODEL = "authentik_stages_dummy.dummystage"
POLICY_MODEL = "authentik_policies_dummy.dummypolicy"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PlanDatabase:
    """A database of FlowQL's own. `selects` receives the SELECTs of plans."""

    url: str
    selects: list[Select[Any]]

    def create(self) -> None:
        """Create the tables."""
        self.run(METADATA.create_all)

    def run(self, work: Callable[[Connection], T]) -> T:
        """Run work in one transaction."""
        return asyncio.run(self._run(work))

    def read(self, plan: Callable[[WorkingSet], T]) -> T:
        """Run a plan without writing its changes."""
        return self.run(lambda connection: plan(self._open(connection)))

    def write(self, plan: Callable[[WorkingSet], T]) -> T:
        """Run a plan and write its changes."""

        def work(connection: Connection) -> T:
            rows = self._open(connection)
            result = plan(rows)
            store.write(connection, rows.changes())
            return result

        return self.run(work)

    def dump(self) -> Mapping[str, Sequence[Any]]:
        """Return the rows of the tables that have rows."""
        return self.run(_dump)

    def _open(self, connection: Connection) -> WorkingSet:
        def fetch(statement: Select[Any]) -> Sequence[Any]:
            self.selects.append(statement)
            return connection.execute(statement).all()

        return WorkingSet(fetch)

    async def _run(self, work: Callable[[Connection], T]) -> T:
        engine = _create_engine(self.url)
        try:
            async with engine.begin() as connection:
                return await connection.run_sync(work)
        finally:
            await engine.dispose()


def _create_engine(url: str) -> AsyncEngine:
    address = parse_address(url)
    if isinstance(address, SQLiteFile):
        return sqlite_transactions.create_engine(address.path, writable=True)
    return postgresql.create_engine(address, "public", writable=True)


def _dump(connection: Connection) -> Mapping[str, Sequence[Any]]:
    tables = {
        table.name: connection.execute(select(table).order_by(*table.primary_key)).all()
        for table in METADATA.sorted_tables
    }
    return {name: rows for name, rows in tables.items() if rows}


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
