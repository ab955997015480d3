"""Differences are calculated once for each version of the data and of the baseline."""

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from gql.database_handle import DatabaseHandle
from gql.drift.baselines import name_baseline
from gql.drift.calculator import DriftCalculator, build_calculator
from gql.errors import DriftUnavailableError
from models.database import open_database
from models.diff.changes import Difference
from models.diff.options import SideOptions
from models.errors import OperatorError
from models.systems.content import SystemContent
from models.systems.database import read_content
from support.authentik_server import TOKEN, serve_authentik
from support.paths import SAMPLES
from support.threads import repeat_in_thread

UPDATE = "UPDATE authentik_flows_flow SET title = title || '!'"
EVERY_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Files:
    """The files of a test: a database with the sample flows, and a folder with their blueprints."""

    database: Path
    folder: Path

    @property
    def url(self) -> str:
        """The URL of the database."""
        return f"sqlite:///{self.database}"

    def update(self) -> None:
        """Change all flows in the database."""
        with closing(sqlite3.connect(self.database, timeout=30)) as connection:
            connection.execute(UPDATE)
            connection.commit()


@pytest.fixture
def files(sample_url: str, tmp_path: Path) -> Files:
    """A copy of the sample flows, and of their blueprints."""
    database = shutil.copy(sample_url.removeprefix("sqlite:///"), tmp_path / "flowql.db")
    return Files(Path(database), Path(shutil.copytree(SAMPLES, tmp_path / "baseline")))


@asynccontextmanager
async def open_calculator(files: Files, baseline: str = "") -> AsyncGenerator[DriftCalculator]:
    """Open a calculator; the baseline is the folder by default."""
    calculator = build_calculator(baseline or str(files.folder), SideOptions(token=TOKEN))
    handle = DatabaseHandle()
    async with (
        handle.open(files.url, "public"),
        calculator.open(handle, files.url, "public", EVERY_SECONDS),
    ):
        yield calculator


def run(
    files: Files, main: Callable[[DriftCalculator], Awaitable[None]], baseline: str = ""
) -> None:
    """Run a test with a calculator."""

    async def open_and_run() -> None:
        async with open_calculator(files, baseline) as calculator:
            await main(calculator)

    asyncio.run(open_and_run())


def test_same_version(files: Files) -> None:
    """As long as nothing changes, all requests get the same difference."""

    async def main(calculator: DriftCalculator) -> None:
        first = await calculator.read()
        assert await calculator.read() is first
        files.update()
        second = await calculator.read()
        assert second is not first
        assert await calculator.read() is second
        (files.folder / "note.txt").write_text("a tag could include it")
        assert await calculator.read() is not second

    run(files, main)


def test_single_flight(files: Files) -> None:
    """Requests at the same time wait for one calculation."""

    async def main(calculator: DriftCalculator) -> None:
        files.update()
        results = await asyncio.gather(*(calculator.read() for _ in range(20)))
        assert len(set(map(id, results))) == 1
        assert results[0].counted

    run(files, main)


def test_changes_during_calculation(files: Files) -> None:
    """A request sees the changes before it, even if a calculation is running."""

    async def main(calculator: DriftCalculator) -> None:
        running = asyncio.create_task(calculator.read())
        await asyncio.sleep(0)
        files.update()
        assert (await calculator.read()).counted
        await running

    run(files, main)


def test_cancelled_request(files: Files) -> None:
    """The calculation continues for the next request if the one that started it is cancelled."""

    async def main(calculator: DriftCalculator) -> None:
        files.update()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.002):
                await calculator.read()
        assert (await calculator.read()).counted

    run(files, main)


def test_constant_changes(files: Files) -> None:
    """While the data changes all the time, requests still end."""

    async def main(calculator: DriftCalculator) -> None:
        async with asyncio.timeout(20):
            results = await asyncio.gather(*(calculator.read() for _ in range(10)))
        assert all(isinstance(result, Difference) for result in results)

    with repeat_in_thread(files.update):
        run(files, main)


def test_invalid_at_start(files: Files) -> None:
    """A calculator does not open with an invalid baseline."""
    (files.folder / "broken.yaml").write_text("entries: 5")

    async def main(_calculator: DriftCalculator) -> None:
        raise AssertionError("unreachable")

    with pytest.raises(OperatorError, match="broken"):
        run(files, main)


def test_database_as_baseline(files: Files, tmp_path: Path) -> None:
    """A baseline at a URL is read again from time to time."""
    path = Path(shutil.copy(files.database, tmp_path / "other.db"))
    other = Files(path, files.folder)

    async def main(calculator: DriftCalculator) -> None:
        assert not (await calculator.read()).counted
        other.update()
        async with asyncio.timeout(20):
            while not (await calculator.read()).counted:  # noqa: ASYNC110 - it has no event
                await asyncio.sleep(EVERY_SECONDS)

    run(files, main, other.url)


@pytest.mark.parametrize(
    ("argument", "name"),
    [
        ("folder", "folder"),
        ("https://user:secret@host:1/auth/api/v3/?secret#secret", "https://host:1/auth"),
        ("sqlite:///a.db", "sqlite:///a.db"),
        ("postgresql://user:secret@host/name?password=secret", "postgresql://host/name"),
    ],
)
def test_name(argument: str, name: str) -> None:
    """The name of a baseline has no secrets."""
    assert name_baseline(argument) == name


async def read_database(url: str) -> SystemContent:
    """Return the content of a database."""
    database = await open_database(url)
    try:
        return await read_content(database)
    finally:
        await database.close()


def test_authentik_as_baseline(files: Files) -> None:
    """A live authentik with the same content has no differences; it may fail later."""
    content = asyncio.run(read_database(files.url))
    with serve_authentik(content) as played:

        async def main(calculator: DriftCalculator) -> None:
            assert not (await calculator.read()).counted
            files.update()
            assert (await calculator.read()).counted
            played.token = "another"
            async with asyncio.timeout(20):
                while not await is_unavailable(calculator):  # noqa: ASYNC110 - it has no event
                    await asyncio.sleep(EVERY_SECONDS)

        run(files, main, played.url)


async def is_unavailable(calculator: DriftCalculator) -> bool:
    """Return whether the baseline cannot be read."""
    try:
        await calculator.read()
    except DriftUnavailableError:
        return True
    return False


def test_replaced_database(files: Files, tmp_path: Path) -> None:
    """The difference is that of the file which replaces the database."""
    other = Files(Path(shutil.copy(files.database, tmp_path / "other.db")), files.folder)
    other.update()

    async def main(calculator: DriftCalculator) -> None:
        assert not (await calculator.read()).counted
        other.database.replace(files.database)
        assert (await calculator.read()).counted

    run(files, main)


def test_missing_database(files: Files) -> None:
    """Without the database, the drift is unavailable."""

    async def main(calculator: DriftCalculator) -> None:
        files.database.unlink()
        with pytest.raises(DriftUnavailableError, match="database"):
            await calculator.read()

    run(files, main)
