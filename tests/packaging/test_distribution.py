"""The names gql and models belong to this project, whatever else is installed."""

import re
from importlib import metadata

import gql
import models
from support.paths import ROOT


def normalized(name: str) -> str:
    """Spell a distribution's name as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def test_pypis_gql_is_not_installed() -> None:
    """PyPI's GraphQL client `gql` would overwrite our package of the same name."""
    installed = {normalized(distribution.name) for distribution in metadata.distributions()}

    assert installed.isdisjoint({"gql", "models"})
    assert "flowql" in installed


def test_both_packages_come_from_this_project() -> None:
    """`import gql` and `import models` find the code of this checkout."""
    assert [list(gql.__path__), list(models.__path__)] == [
        [str(ROOT / "gql")],
        [str(ROOT / "models")],
    ]


def test_no_lock_asks_for_pypis_gql() -> None:
    """A lock that pins `gql` would bring it back at the next install."""
    locks = "".join(lock.read_text() for lock in ROOT.glob("*.lock"))
    pinned = set(re.findall(r"^([a-z0-9-]+)==", locks, re.MULTILINE))

    assert "strawberry-graphql" in pinned
    assert pinned.isdisjoint({"gql", "models"})


def test_the_distribution_is_never_uploaded() -> None:
    """Package indexes refuse a distribution that is marked private."""
    assert "Private :: Do Not Upload" in metadata.metadata("flowql").get_all("Classifier", [])


def test_the_package_says_that_it_is_typed() -> None:
    """Both packages carry the marker that type checkers look for."""
    assert [(ROOT / name / "py.typed").exists() for name in ("gql", "models")] == [True, True]
