"""FlowQL's own databases in tests of blueprints: import into them, and read their rows."""

import asyncio
import shutil
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from sqlalchemy import Executable, select

from models.blueprint import importer
from models.blueprint.format.entry import BlueprintFile, Entry
from models.blueprint.format.parser import EntryFields, parse
from models.blueprint.report import ImportReport
from models.database import Database, migrate, open_database
from models.tables.metadata import METADATA
from models.tokens import TokenScope, create_token

HEAD = "version: 1\nentries:\n"

FLOW_PK = "f1000000-0000-4000-8000-000000000001"
STAGE_PK = "51000000-0000-4000-8000-000000000001"
POLICY_PK = "b0000000-0000-4000-8000-000000000001"
BINDING_PK = "fb000000-0000-4000-8000-000000000001"
OTHER_PK = "00000000-0000-4000-8000-00000000000f"

BASE = f"""
- model: authentik_flows.flow
  identifiers: {{pk: {FLOW_PK}, slug: base}}
  attrs: {{name: Base, title: The base, designation: recovery}}
- model: authentik_stages_dummy.dummystage
  identifiers: {{pk: {STAGE_PK}, name: base-stage}}
- model: authentik_policies_dummy.dummypolicy
  identifiers: {{pk: {POLICY_PK}, name: base-policy}}
- model: authentik_flows.flowstagebinding
  identifiers: {{pk: {BINDING_PK}, target: {FLOW_PK}, stage: {STAGE_PK}, order: -1}}
"""
FLOW = "- model: authentik_flows.flow\n  identifiers: {slug: new}\n  attrs: "
STAGE = "- model: authentik_stages_dummy.dummystage\n  "
BINDING = f"- model: authentik_flows.flowstagebinding\n  identifiers: {{stage: {STAGE_PK}, "
POLICY_BINDING = (
    f"- model: authentik_policies.policybinding\n  identifiers: {{policy: {POLICY_PK}, "
)

# Order, name and model.
Stages = list[tuple[int, str, str]]
# Target, order, name and model.
Policies = list[tuple[str, int, str, str]]


@dataclass(frozen=True, slots=True)
class BlueprintDatabase:
    """A database of FlowQL's own."""

    url: str

    def load(self, *paths: Path) -> ImportReport:
        """Import files and folders."""
        return asyncio.run(self._load(paths))

    def dump(self) -> Mapping[str, Sequence[Any]]:
        """Return the rows of all tables."""
        return asyncio.run(self._dump())

    def execute(self, *statements: Executable) -> None:
        """Execute statements in one transaction."""
        asyncio.run(self._execute(statements))

    def create_superuser_token(self) -> str:
        """Create a superuser's token, and return its key."""
        return asyncio.run(self._create_superuser_token())

    async def _load(self, paths: Sequence[Path]) -> ImportReport:
        async with self._open(writable=True) as database:
            return await importer.import_blueprints(database, paths)

    async def _dump(self) -> Mapping[str, Sequence[Any]]:
        async with self._open() as database:
            return await dump_tables(database)

    async def _execute(self, statements: Sequence[Executable]) -> None:
        async with self._open(writable=True) as database, database.transaction() as connection:
            for statement in statements:
                await connection.execute(statement)

    async def _create_superuser_token(self) -> str:
        async with self._open(writable=True) as database:
            return await create_token(database, "superuser", TokenScope(is_superuser=True), None)

    @asynccontextmanager
    async def _open(self, *, writable: bool = False) -> AsyncGenerator[Database]:
        database = await open_database(self.url, writable=writable)
        try:
            yield database
        finally:
            await database.close()


class Content:
    """The rows of a database, with the names and models of stages and policies by key."""

    def __init__(self, dump: Mapping[str, Sequence[Any]]) -> None:
        self.flows = dump["authentik_flows_flow"]
        self.stages = {row.stage_uuid: row.name for row in dump["authentik_flows_stage"]}
        self.policies = {row.policy_uuid: row.name for row in dump["authentik_policies_policy"]}
        self.parents = {
            row.pbm_uuid: row.policy_engine_mode
            for row in dump["authentik_policies_policybindingmodel"]
        }
        self.types = {
            row.ptr_id: row.model for row in (*dump["flowql_stagetype"], *dump["flowql_policytype"])
        }
        bindings = dump["authentik_flows_flowstagebinding"]
        self.bindings = sorted(bindings, key=lambda row: row.order)
        bindings = dump["authentik_policies_policybinding"]
        self.policy_bindings = sorted(bindings, key=lambda row: row.order)

    def describe_flows(self) -> dict[str, Any]:
        """Return name, title, designation, authentication, stages and policies by slug."""
        return {
            flow.slug: (
                flow.name,
                flow.title,
                flow.designation,
                flow.authentication,
                self._describe_stages(flow),
                self._describe_policies(flow),
            )
            for flow in self.flows
        }

    def _describe_stages(self, flow: Any) -> Stages:
        return [
            (row.order, self.stages[row.stage_id], self.types[row.stage_id])
            for row in self.bindings
            if row.target_id == flow.flow_uuid
        ]

    def _describe_policies(self, flow: Any) -> Policies:
        """Describe the policies bound to the flow, then those bound to its stage bindings."""
        targets = {flow.policybindingmodel_ptr_id: flow.slug} | {
            row.policybindingmodel_ptr_id: self.stages[row.stage_id]
            for row in self.bindings
            if row.target_id == flow.flow_uuid
        }
        return [
            (name, row.order, self.policies[row.policy_id], self.types[row.policy_id])
            for target, name in targets.items()
            for row in self.policy_bindings
            if row.target_id == target
        ]


def read_content(blueprint_database: BlueprintDatabase) -> Content:
    """Read the rows of a database."""
    return Content(blueprint_database.dump())


def count_entries(report: ImportReport) -> tuple[int, int, int]:
    """Return the numbers of created, updated and unchanged entries."""
    return report.created, report.updated, report.unchanged


async def dump_tables(database: Database) -> Mapping[str, Sequence[Any]]:
    """Return the rows of all tables of an open database."""
    async with database.transaction() as connection:
        return {
            table.name: (await connection.execute(select(table).order_by(*table.primary_key))).all()
            for table in METADATA.sorted_tables
        }


def create_blueprint_database(url: str) -> BlueprintDatabase:
    """Create a database with FlowQL's tables and no flows."""
    asyncio.run(migrate(url))
    return BlueprintDatabase(url)


def copy_blueprint_database(template: BlueprintDatabase, folder: Path) -> BlueprintDatabase:
    """Copy a closed SQLite database into a folder."""
    path = folder / "copy.db"
    shutil.copyfile(template.url.removeprefix("sqlite:///"), path)
    return BlueprintDatabase(f"sqlite:///{path}")


def parse_entries(source: bytes) -> list[Entry]:
    """Return the entries of a blueprint."""
    entries: list[EntryFields] = []
    parse(BytesIO(source), "blueprint", entries)
    file = BlueprintFile("blueprint")
    return [Entry(file, *fields) for fields in entries]


def write_blueprint(path: Path, entries: str) -> Path:
    """Write a blueprint whose first entry is on line 3."""
    path.write_text(HEAD + entries, encoding="utf-8")
    return path
