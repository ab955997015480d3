"""The import names gql and models belong to this project, and the locks are complete."""

import json
import re
from importlib import metadata
from typing import Any

import gql
import models
from support.paths import ROOT, TESTS


def normalize(name: str) -> str:
    """Return a distribution's name as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def npm_packages() -> dict[str, dict[str, Any]]:
    """Return the entries of the npm lock by folder."""
    return json.loads((TESTS / "package-lock.json").read_text())["packages"]


def test_pypis_gql_is_not_installed() -> None:
    """PyPI's GraphQL client `gql` would overwrite our package of the same name."""
    installed = {normalize(distribution.name) for distribution in metadata.distributions()}

    assert installed.isdisjoint({"gql", "models"})
    assert "flowql" in installed


def test_both_packages_come_from_this_project() -> None:
    """`import gql` and `import models` import the code of this checkout."""
    assert [list(gql.__path__), list(models.__path__)] == [
        [str(ROOT / "gql")],
        [str(ROOT / "models")],
    ]


def test_no_lock_pins_pypis_gql() -> None:
    """A lock that pins `gql` would install it again."""
    locks = "".join(lock.read_text() for lock in ROOT.glob("*.lock"))
    pinned = set(re.findall(r"^([a-z0-9-]+)==", locks, re.MULTILINE))

    assert "strawberry-graphql" in pinned
    assert pinned.isdisjoint({"gql", "models"})


def test_the_npm_lock_has_hashes_and_no_download_addresses() -> None:
    """Every package has a hash; only workspaces are resolved, to their folders."""
    packages = npm_packages()
    installed = [entry for path, entry in packages.items() if "node_modules/" in path]
    downloads = [entry for entry in installed if not entry.get("link")]

    assert all("integrity" in entry and "resolved" not in entry for entry in downloads)
    assert {entry["resolved"] for entry in installed if entry.get("link")} < packages.keys()


def test_npm_workspaces_share_one_node_modules() -> None:
    """A workspace's node_modules would be missing from the environments of clients."""
    packages = npm_packages()
    pins = {
        name: version
        for path, entry in packages.items()
        if "node_modules/" not in path
        for name, version in entry.get("dependencies", {}).items()
    }
    versions = {name: packages[f"node_modules/{name}"]["version"] for name in pins}

    assert versions == pins
    assert [
        path for path in packages if re.match(r"(clients|benchmarks)/.*node_modules/", path)
    ] == []


def test_the_distribution_is_private() -> None:
    """Package indexes reject a distribution that is marked private."""
    assert "Private :: Do Not Upload" in metadata.metadata("flowql").get_all("Classifier", [])


def test_both_packages_are_typed() -> None:
    """Both packages contain the marker file of typed packages."""
    assert [(ROOT / name / "py.typed").exists() for name in ("gql", "models")] == [True, True]
