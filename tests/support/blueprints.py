"""FlowQL's own databases, as tests of blueprints import into them and look at them."""

import asyncio
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Executable, select

from models.blueprint import importer
from models.blueprint.importer import ImportReport
from models.database import Database, migrate, open_database
from models.tables.metadata import METADATA
from models.tokens import TokenScope, create_token

HEAD = "version: 1\nentries:\n"


@dataclass(frozen=True, slots=True)
class Store:
    """A database of FlowQL's own."""

    url: str

    def load(self, *paths: Path) -> ImportReport:
        """Import files and folders."""
        return asyncio.run(self._load(paths))

    def dump(self) -> Mapping[str, Sequence[Any]]:
        """Every row of every table."""
        return asyncio.run(self._dump())

    def execute(self, *statements: Executable) -> None:
        """Change what no import would."""
        asyncio.run(self._execute(statements))

    def superuser(self) -> str:
        """The key of a new token that sees everything."""
        return asyncio.run(self._superuser())

    async def _load(self, paths: Sequence[Path]) -> ImportReport:
        database = await open_database(self.url, writable=True)
        try:
            return await importer.import_blueprints(database, paths)
        finally:
            await database.close()

    async def _dump(self) -> Mapping[str, Sequence[Any]]:
        database = await open_database(self.url)
        try:
            return await dump_of(database)
        finally:
            await database.close()

    async def _execute(self, statements: Sequence[Executable]) -> None:
        database = await open_database(self.url, writable=True)
        async with database.transaction() as connection:
            for statement in statements:
                await connection.execute(statement)
        await database.close()

    async def _superuser(self) -> str:
        database = await open_database(self.url, writable=True)
        key = await create_token(database, "superuser", TokenScope(superuser=True), None)
        await database.close()
        return key


async def dump_of(database: Database) -> Mapping[str, Sequence[Any]]:
    """Every row of every table of an open database."""
    async with database.transaction() as connection:
        return {
            table.name: (await connection.execute(select(table).order_by(*table.primary_key))).all()
            for table in METADATA.sorted_tables
        }


def empty_store(url: str) -> Store:
    """A database with FlowQL's tables alone."""
    asyncio.run(migrate(url))
    return Store(url)


def copy_of(template: Store, folder: Path) -> Store:
    """A copy in a folder of a SQLite database that nobody has open."""
    path = folder / "copy.db"
    shutil.copyfile(template.url.removeprefix("sqlite:///"), path)
    return Store(f"sqlite:///{path}")


def blueprint(path: Path, entries: str) -> Path:
    """Write a file with these entries, the first of which stands on its third line."""
    path.write_text(HEAD + entries, encoding="utf-8")
    return path
