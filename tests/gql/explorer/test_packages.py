"""GraphiQL's files: fetched by npm, known by their sums, and there as a whole or not at all."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from gql.explorer import npm, packages
from gql.explorer.packages import PACKAGES
from models.errors import OperatorError
from support.processes import flowql

NAMES = {
    *("react.js", "react-dom.js", "graphiql.js", "graphiql.css"),
    *("plugin-explorer.js", "plugin-explorer.css", "sums.txt"),
    *("licenses/react.txt", "licenses/react-dom.txt", "licenses/graphiql.txt"),
    *("licenses/plugin-explorer.txt", "licenses/graphiql-explorer.txt"),
}
ONE = PACKAGES[-1:]


def files_in(folder: Path) -> dict[str, bytes]:
    """What is there, by its name below the folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Give npm an address where nobody answers, and no memory; give pip no address."""
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9/")
    monkeypatch.setenv("npm_config_cache", str(tmp_path_factory.mktemp("npm")))
    monkeypatch.setenv("PIP_NO_INDEX", "1")


def test_the_files_come_by_npm_once(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """They are there under our names, with no word of maps; the second time asks nobody."""
    assert packages.install(tmp_path / "vendor") is True

    files = files_in(tmp_path / "vendor")
    assert set(files) == NAMES
    assert not [name for name, content in files.items() if b"sourceMappingURL" in content]
    assert all(b"MIT" in files[name] for name in NAMES if name.startswith("licenses/"))

    request.getfixturevalue("offline")
    assert packages.install(tmp_path / "vendor") is False


def test_without_an_npm_on_path_that_of_the_environment_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty PATH is enough."""
    monkeypatch.setenv("PATH", "")

    assert npm.on_path() is None
    assert packages.install(tmp_path / "vendor", ONE) is True
    assert set(files_in(tmp_path / "vendor")) == {"licenses/graphiql-explorer.txt", "sums.txt"}


@pytest.mark.parametrize("script", ["exit 127", "echo 6.14.4", "echo huh"])
def test_an_npm_that_is_broken_or_old_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    """Debian has left npm behind its Node.js before."""
    (tmp_path / "npm").write_text(f"#!/bin/sh\n{script}\n")
    (tmp_path / "npm").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert npm.on_path() is None


@pytest.mark.npm
def test_pip_brings_npm_along_where_there_is_none(tmp_path: Path) -> None:
    """It goes into the folder that it is told, and runs from there."""
    command = npm.from_pypi(tmp_path)

    assert npm.run([*command, "--version"]).returncode == 0
    assert all(part.startswith(str(tmp_path)) for part in command)


@pytest.mark.usefixtures("offline")
def test_neither_npm_nor_pip_to_bring_it_is_said_in_one_line(tmp_path: Path) -> None:
    """The reason is pip's."""
    with pytest.raises(
        OperatorError, match=r"^there is no npm on PATH, and pip cannot fetch one: No matching .*$"
    ):
        npm.from_pypi(tmp_path)


@pytest.mark.usefixtures("offline")
def test_without_a_network_nothing_is_written(tmp_path: Path) -> None:
    """The line names what could not be fetched, and npm's code for why; no address."""
    with pytest.raises(
        OperatorError, match=r"^npm cannot fetch graphiql-explorer@0\.9\.0: ECONNREFUSED$"
    ):
        packages.install(tmp_path / "vendor", ONE)

    assert list(tmp_path.iterdir()) == []


def test_a_package_with_another_sum_is_not_opened(tmp_path: Path) -> None:
    """What was there stays, to the byte."""
    packages.install(tmp_path / "vendor", ONE)
    before = files_in(tmp_path / "vendor")
    other = replace(ONE[0], integrity=PACKAGES[0].integrity)

    with pytest.raises(OperatorError, match=r"^what npm has as graphiql-explorer@0\.9\.0 is not"):
        packages.install(tmp_path / "vendor", (other,))

    assert files_in(tmp_path / "vendor") == before
    assert [path.name for path in tmp_path.iterdir()] == ["vendor"]


def test_files_of_another_version_give_way(tmp_path: Path) -> None:
    """A file that is gone makes the folder as old as other sums do."""
    vendor = tmp_path / "vendor"
    packages.install(vendor, ONE)
    (vendor / "licenses/graphiql-explorer.txt").rename(vendor / "of-before.txt")

    assert packages.is_installed(vendor, ONE) is False
    assert packages.install(vendor, ONE) is True
    assert set(files_in(vendor)) == {"licenses/graphiql-explorer.txt", "sums.txt"}


def test_two_at_once_fetch_once(tmp_path: Path) -> None:
    """The second waits for the first, and finds everything there."""
    with ThreadPoolExecutor(2) as pool:
        told = [pool.submit(packages.install, tmp_path / "vendor", ONE) for _ in range(2)]

    assert sorted(one.result() for one in told) == [False, True]


def test_a_folder_that_cannot_be_written_is_said_in_one_line(tmp_path: Path) -> None:
    """Nothing is fetched in vain: it is the first thing that is looked at."""
    (tmp_path / "file").write_text("")

    with pytest.raises(OperatorError, match=r"^cannot write .*/file/vendor: Not a directory$"):
        packages.install(tmp_path / "file" / "vendor")


def test_the_command_says_where_they_are() -> None:
    """`make test` has run it, so they are there already."""
    done = flowql("explorer", "install")

    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == f"flowql: GraphiQL is already in {packages.VENDOR}\n"
