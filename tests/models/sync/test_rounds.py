"""Rounds of a sync, one after the other, until the task is cancelled."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from models.database import open_database
from models.errors import OperatorError, SyncError
from models.sync.options import MirrorReport, SyncOptions
from models.sync.rounds import keep_syncing, sync
from support.synced_objects import FLOW, build_flow
from support.syncs import LIMITS, SyncedDatabase, build_source

OPTIONS = SyncOptions(limits=LIMITS)
Result = MirrorReport | OperatorError


def run_rounds(
    synced: SyncedDatabase, count: int, prepare: Callable[[int], object]
) -> list[Result]:
    """Keep syncing until there are so many results; calls `prepare` with their number before each."""
    results: list[Result] = []

    async def run() -> None:
        database = await open_database(synced.database.url, writable=True)
        task = asyncio.create_task(
            keep_syncing(database, build_source(synced.authentik), OPTIONS, 0.01, add)
        )
        await asyncio.wait([task], timeout=30)
        await database.close()
        assert task.cancelled()

    def add(result: Result) -> None:
        results.append(result)
        prepare(len(results))
        if len(results) == count:
            [task] = [task for task in asyncio.all_tasks() if "keep_syncing" in repr(task)]
            task.cancel()

    prepare(0)
    asyncio.run(run())
    return results


def test_changes_arrive_with_the_next_round(synced: SyncedDatabase) -> None:
    """Each round reports what it has done."""

    def prepare(number: int) -> None:
        synced.authentik.objects.append(build_flow(f"new-{number}"))

    created = [getattr(result, "created", None) for result in run_rounds(synced, 3, prepare)]
    assert created == [23, 1, 1]


def test_failed_round_does_not_end_the_sync(synced: SyncedDatabase) -> None:
    """The next round writes what has changed."""

    def prepare(number: int) -> None:
        synced.authentik.permissions = () if number == 1 else None
        if number == 1:
            synced.authentik.find(FLOW, slug="login")["title"] = "Later"

    first, failed, last = run_rounds(synced, 3, prepare)
    assert isinstance(first, MirrorReport)
    assert isinstance(failed, SyncError)
    assert isinstance(last, MirrorReport)
    assert last.updated == 1
    assert synced.read_source().error is None


def test_path_of_certificates_is_not_stored(synced: SyncedDatabase, tmp_path: Path) -> None:
    """The health endpoint shows the stored error to anybody."""
    source = replace(build_source(synced.authentik), ca_file=tmp_path / "missing.pem")

    async def run() -> None:
        database = await open_database(synced.database.url, writable=True)
        try:
            await sync(database, source, OPTIONS)
        finally:
            await database.close()

    with pytest.raises(SyncError, match=f"in {source.ca_file}: No such file"):
        asyncio.run(run())
    expected = "cannot read the file of the certificates to trust: No such file or directory"
    assert synced.read_source().error == expected
