"""Installation of GraphiQL's files: npm, checksums and the replacement of the folder."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from gql.explorer import npm, packages
from gql.explorer.packages import PACKAGES
from models.errors import OperatorError
from support.command import run_flowql

NAMES = {
    *("react.js", "react-dom.js", "graphiql.js", "graphiql.css"),
    *("plugin-explorer.js", "plugin-explorer.css", "sums.txt"),
    *("licenses/react.txt", "licenses/react-dom.txt", "licenses/graphiql.txt"),
    *("licenses/plugin-explorer.txt", "licenses/graphiql-explorer.txt"),
}
ONE_PACKAGE = PACKAGES[-1:]


def read_files(folder: Path) -> dict[str, bytes]:
    """Return the contents of all files in a folder by their relative paths."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def offline_npm(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Give npm an unreachable registry and an empty cache, and give pip no index."""
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9/")
    monkeypatch.setenv("npm_config_cache", str(tmp_path_factory.mktemp("npm")))
    monkeypatch.setenv("PIP_NO_INDEX", "1")


def test_files_are_fetched_once(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """The files contain no references to source maps. A second installation needs no network."""
    assert packages.install(tmp_path / "vendor") is True

    files = read_files(tmp_path / "vendor")
    assert set(files) == NAMES
    assert not [name for name, content in files.items() if b"sourceMappingURL" in content]
    assert all(b"MIT" in files[name] for name in NAMES if name.startswith("licenses/"))

    request.getfixturevalue("offline_npm")
    assert packages.install(tmp_path / "vendor") is False


def test_npm_of_the_environment_is_used_if_none_is_on_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PATH is empty."""
    monkeypatch.setenv("PATH", "")

    assert npm.find_on_path() is None
    assert packages.install(tmp_path / "vendor", ONE_PACKAGE) is True
    assert set(read_files(tmp_path / "vendor")) == {"licenses/graphiql-explorer.txt", "sums.txt"}


@pytest.mark.parametrize("script", ["exit 127", "echo 6.14.4", "echo huh"])
def test_broken_or_old_npm_is_ignored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    """Some releases of Debian had an npm that did not work with their Node.js."""
    (tmp_path / "npm").write_text(f"#!/bin/sh\n{script}\n")
    (tmp_path / "npm").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert npm.find_on_path() is None


@pytest.mark.npm
def test_pip_installs_npm(tmp_path: Path) -> None:
    """The installed npm is in the folder and runs from there."""
    command = npm.install_from_pypi(tmp_path)

    assert npm.run([*command, "--version"]).returncode == 0
    assert all(part.startswith(str(tmp_path)) for part in command)


@pytest.mark.usefixtures("offline_npm")
def test_failure_of_pip_is_reported_in_one_line(tmp_path: Path) -> None:
    """The message ends with pip's reason."""
    with pytest.raises(
        OperatorError, match=r"^npm is not on PATH, and pip cannot install it: No matching .*$"
    ):
        npm.install_from_pypi(tmp_path)


@pytest.mark.usefixtures("offline_npm")
def test_without_a_network_nothing_is_written(tmp_path: Path) -> None:
    """The message has the package and npm's error code, and no URL."""
    with pytest.raises(
        OperatorError, match=r"^npm cannot fetch graphiql-explorer@0\.9\.0: ECONNREFUSED$"
    ):
        packages.install(tmp_path / "vendor", ONE_PACKAGE)

    assert list(tmp_path.iterdir()) == []


def test_package_with_another_checksum_is_rejected(tmp_path: Path) -> None:
    """The folder remains unchanged."""
    packages.install(tmp_path / "vendor", ONE_PACKAGE)
    before = read_files(tmp_path / "vendor")
    other = replace(ONE_PACKAGE[0], integrity=PACKAGES[0].integrity)

    message = r"^checksum mismatch: graphiql-explorer@0\.9\.0 from npm is not the pinned one$"
    with pytest.raises(OperatorError, match=message):
        packages.install(tmp_path / "vendor", (other,))

    assert read_files(tmp_path / "vendor") == before
    assert [path.name for path in tmp_path.iterdir()] == ["vendor"]


def test_incomplete_folder_is_replaced(tmp_path: Path) -> None:
    """A missing file has the same effect as other checksums."""
    vendor = tmp_path / "vendor"
    packages.install(vendor, ONE_PACKAGE)
    (vendor / "licenses/graphiql-explorer.txt").rename(vendor / "obsolete.txt")

    assert packages.is_installed(vendor, ONE_PACKAGE) is False
    assert packages.install(vendor, ONE_PACKAGE) is True
    assert set(read_files(vendor)) == {"licenses/graphiql-explorer.txt", "sums.txt"}


def test_concurrent_installations_fetch_once(tmp_path: Path) -> None:
    """The second one waits for the first, and finds all files installed."""
    with ThreadPoolExecutor(2) as pool:
        futures = [
            pool.submit(packages.install, tmp_path / "vendor", ONE_PACKAGE) for _ in range(2)
        ]

    assert sorted(future.result() for future in futures) == [False, True]


def test_unwritable_folder_is_reported_in_one_line(tmp_path: Path) -> None:
    """The check comes before the download."""
    (tmp_path / "file").write_text("")

    with pytest.raises(OperatorError, match=r"^cannot write .*/file/vendor: Not a directory$"):
        packages.install(tmp_path / "file" / "vendor")


def test_command_reports_the_folder() -> None:
    """The files are installed already, because `make test` runs the command first."""
    process = run_flowql("explorer", "install")

    assert (process.returncode, process.stdout) == (0, "")
    assert process.stderr == f"flowql: GraphiQL is already in {packages.VENDOR}\n"
