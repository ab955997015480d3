"""Equal content has no differences, whatever kinds of sources the sides are."""

import asyncio
from collections.abc import Iterator
from itertools import permutations
from pathlib import Path

import pytest

from models.database import open_database
from models.diff.changes import Difference
from models.diff.compare import compare
from models.diff.options import SideOptions
from models.diff.sources import open_side
from models.diff.systems import find_host
from models.errors import BlueprintError, DatabaseError, DiffError
from models.systems.content import SystemContent
from models.systems.database import read_content
from support.authentik_server import NEWEST, OLDEST, PlayedAuthentik, serve_authentik
from support.blueprints import create_blueprint_database
from support.command import run_flowql
from support.diff_sides import describe
from support.paths import SAMPLES
from support.postgres import PostgresServer
from support.settings_data import CANARY, create_settings

OPTIONS = SideOptions()


def compare_sources(left: str, right: str, options: SideOptions = OPTIONS) -> Difference:
    """Open two sources and compare them."""

    async def main() -> Difference:
        return compare(await open_side(left, options), await open_side(right, options))

    return asyncio.run(main())


@pytest.fixture(scope="module")
def authentik(postgres: PostgresServer) -> str:
    """Authentik's database with settings."""
    return create_settings(postgres.create_database("diff_authentik"))


@pytest.fixture(scope="module")
def snapshot(authentik: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An export of all flows of authentik's database."""
    path = tmp_path_factory.mktemp("snapshot") / "snapshot.yaml"
    process = run_flowql("export", "--all", "--database", authentik, "-o", str(path))
    assert process.returncode == 0, process.stderr
    return str(path)


@pytest.fixture(scope="module", params=[OLDEST, NEWEST])
def live(request: pytest.FixtureRequest, authentik: str) -> Iterator[PlayedAuthentik]:
    """An authentik of the oldest and the newest version, with the content of the database."""

    async def read() -> SystemContent:
        database = await open_database(authentik)
        try:
            return await read_content(database)
        finally:
            await database.close()

    with serve_authentik(asyncio.run(read()), request.param) as played:
        yield played


@pytest.fixture(scope="module")
def sources(
    authentik: str,
    snapshot: str,
    postgres: PostgresServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, str]:
    """The same content in sources of each kind."""
    folder = tmp_path_factory.mktemp("sources")
    blueprints = folder / "blueprints"
    blueprints.mkdir()
    # Without the label of a snapshot, it is a blueprint.
    text = Path(snapshot).read_text("utf-8").replace("flowql/snapshot", "other")
    (blueprints / "flows.yaml").write_text(text, "utf-8")
    stores = [
        create_blueprint_database(url)
        for url in (f"sqlite:///{folder}/own.db", postgres.create_database("diff_own"))
    ]
    for store in stores:
        store.load(Path(snapshot))
    return {
        "authentik": authentik,
        "snapshot": snapshot,
        "blueprints": str(blueprints),
        "sqlite": stores[0].url,
        "postgresql": stores[1].url,
    }


KINDS = ("authentik", "snapshot", "blueprints", "sqlite", "postgresql")


@pytest.mark.parametrize(("left", "right"), [*permutations(KINDS, 2), *((k, k) for k in KINDS)])
def test_equal_content(sources: dict[str, str], left: str, right: str) -> None:
    """In both directions."""
    difference = compare_sources(sources[left], sources[right])
    assert describe(difference.counted) == []


@pytest.mark.parametrize("kind", KINDS)
def test_equal_live_system(live: PlayedAuthentik, sources: dict[str, str], kind: str) -> None:
    """A live system is read through its API."""
    options = SideOptions(token=live.token)
    for sides in ((live.url, sources[kind]), (sources[kind], live.url)):
        assert describe(compare_sources(*sides, options).counted) == []


def test_changed_live_system(live: PlayedAuthentik, authentik: str) -> None:
    """Each attribute is one change."""
    options = SideOptions(token=live.token)
    flow = next(item for item in live.objects if item["$model"] == "authentik_flows.flow")
    stage = live.find("authentik_stages_password.passwordstage")
    before = flow["title"], stage["failed_attempts_before_cancel"]
    flow["title"], stage["failed_attempts_before_cancel"] = "Changed", 77
    difference = compare_sources(authentik, live.url, options)
    flow["title"], stage["failed_attempts_before_cancel"] = before
    assert describe(difference.changes) == [
        (f"flow/{flow['slug']}.title", "changed", before[0], "Changed"),
        (f"stage/{stage['name']}.failed_attempts_before_cancel", "changed", before[1], 77),
    ]


def test_two_live_systems(live: PlayedAuthentik) -> None:
    """Each has a token of its own."""
    options = SideOptions(tokens={find_host(live.url): live.token})
    assert describe(compare_sources(live.url, live.url, options).changes) == []


def test_secrets_of_authentik_are_not_read(authentik: str) -> None:
    """No change contains one."""
    difference = compare_sources(authentik, str(SAMPLES))
    assert CANARY not in repr(difference)
    assert difference.counted


def test_sqlite_file_without_url(sources: dict[str, str]) -> None:
    """The error says how to write it."""
    path = sources["sqlite"].removeprefix("sqlite:///")
    with pytest.raises(DiffError, match="use sqlite:///"):
        compare_sources(path, path)


def test_missing_file(tmp_path: Path) -> None:
    """It is an error of the operator."""
    with pytest.raises(BlueprintError):
        compare_sources(str(tmp_path / "missing.yaml"), str(SAMPLES))


def test_invalid_yaml(tmp_path: Path) -> None:
    """It is an error of the operator."""
    (tmp_path / "bad.yaml").write_text("entries: [")
    with pytest.raises(BlueprintError):
        compare_sources(str(tmp_path / "bad.yaml"), str(SAMPLES))


def test_missing_database(tmp_path: Path) -> None:
    """It is not created."""
    with pytest.raises(DatabaseError, match="not found"):
        compare_sources(f"sqlite:///{tmp_path}/missing.db", str(SAMPLES))


def test_token_is_required() -> None:
    """The error names the option."""
    with pytest.raises(DiffError, match=r"--token-file authentik\.example=FILE"):
        compare_sources("https://authentik.example", str(SAMPLES))
