"""Syncs of a played authentik into FlowQL's own database, and reads of it."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from models.database import open_database
from models.errors import SyncError
from models.sync.limits import ApiLimits
from models.sync.options import MirrorReport, SyncOptions
from models.sync.reader import read_system
from models.sync.rounds import sync
from models.sync.source import ApiSource
from models.systems.content import Record, SystemContent
from support.authentik_server import PlayedAuthentik
from support.blueprints import BlueprintDatabase
from support.imports import Content, describe_content

# Short pauses.
LIMITS = ApiLimits(wait_seconds=0.01, request_seconds=5, total_seconds=30)


@dataclass(frozen=True, slots=True)
class SyncedDatabase:
    """A database of FlowQL's own, and an authentik that it is synced with."""

    authentik: PlayedAuthentik
    database: BlueprintDatabase

    def sync(self, *, force: bool = False, no_delete: bool = False) -> MirrorReport:
        """Run one round."""
        options = SyncOptions(force, no_delete, LIMITS)
        return asyncio.run(self._sync(options))

    def fail(self, **options: bool) -> str:
        """Run a round that fails and changes nothing, and return the error."""
        before = self.dump()
        with pytest.raises(SyncError) as error:
            self.sync(**options)
        assert self.dump() == before
        return str(error.value)

    def read(self) -> Content:
        """Return the content of the database, with names in place of keys."""
        return describe_content(self.database.dump())

    def dump(self) -> Mapping[str, Sequence[Any]]:
        """Return the rows of all tables but the one with the result of the last round."""
        rows = self.database.dump()
        return {name: rows[name] for name in rows if name != "flowql_source"}

    def read_source(self) -> Any:
        """Return the row with the result of the last round."""
        [row] = self.database.dump()["flowql_source"]
        return row

    async def _sync(self, options: SyncOptions) -> MirrorReport:
        database = await open_database(self.database.url, writable=True)
        try:
            return await sync(database, build_source(self.authentik), options)
        finally:
            await database.close()


def build_source(authentik: PlayedAuthentik) -> ApiSource:
    """Return the source of a played authentik."""
    return ApiSource(authentik.url, authentik.token)


def read(authentik: PlayedAuthentik, limits: ApiLimits = LIMITS) -> SystemContent:
    """Return the content of a played authentik."""
    return asyncio.run(read_system(build_source(authentik), None, limits))


def read_failing(authentik: PlayedAuthentik, limits: ApiLimits = LIMITS) -> str:
    """Read a played authentik, check that this fails, and return the error."""
    with pytest.raises(SyncError) as error:
        read(authentik, limits)
    message = str(error.value)
    assert authentik.token not in message
    assert "127.0.0.1" not in message
    return message


def find_record(content: SystemContent, kind: str, name: str) -> Record:
    """Return a record by its first value: the name of a flow, a stage, a policy, a group or a user."""
    [record] = [record for record in content.records[kind] if record.values[0] == name]
    return record


def find_settings(content: SystemContent, kind: str, name: str) -> Mapping[str, Any]:
    """Return the settings of a stage or a policy."""
    return find_record(content, kind, name).settings or {}
