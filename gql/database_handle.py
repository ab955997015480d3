"""The database of an application: routes refer to it before the lifespan opens it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from models.database import Database, open_database


@dataclass(slots=True)
class DatabaseHandle:
    """A reference to a database that is open only while the application runs."""

    _database: Database | None = None

    @property
    def database(self) -> Database:
        """The open database. Raises RuntimeError before it is opened and after it is closed."""
        if self._database is None:
            raise RuntimeError("The database is not open: enter the application's lifespan first.")
        return self._database

    @asynccontextmanager
    async def open(self, url: str, schema: str) -> AsyncGenerator[None]:
        """Open the database, and close it when the context ends. Raises DatabaseError."""
        database = self._database = await open_database(url, schema)
        try:
            yield
        finally:
            self._database = None
            await database.close()
