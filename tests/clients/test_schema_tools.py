"""The tools that people point at a GraphQL schema are content with schema.graphql."""

from collections.abc import Callable
from pathlib import Path

import pytest
from graphql import build_schema, find_breaking_changes

from support.npm_projects import Project, Said, project
from support.paths import SCHEMA

RELEASED = SCHEMA.parent / "tests" / "released" / SCHEMA.name

Lay = Callable[[str], Project]
# What codegen prints before a step that it begins, and before one that it has done.
STEPS = {"\N{HEAVY RIGHT-POINTING ANGLE QUOTATION MARK ORNAMENT}", "\N{HEAVY CHECK MARK}"}


def without_total_count(sdl: str) -> str:
    """Take a field out of the schema."""
    return sdl.replace("  totalCount: Int!\n", "  total: Int!\n")


def breaking_changes(released: str, current: str) -> list[str]:
    """What would break a client of the released schema."""
    changes = find_breaking_changes(build_schema(released), build_schema(current))
    return [change.description for change in changes]


def test_nothing_that_was_released_is_broken() -> None:
    """Every document that the last released schema allows means the same today."""
    assert breaking_changes(RELEASED.read_text(), SCHEMA.read_text()) == []


def test_a_field_that_is_gone_is_a_breaking_change() -> None:
    """The check above sees a field that was taken out."""
    released = RELEASED.read_text()

    assert breaking_changes(released, without_total_count(released)) == [
        "Field FlowConnection.totalCount was removed."
    ]


@pytest.fixture
def lay(tmp_path: Path) -> Lay:
    """Lays out the project of a tool."""
    return lambda name: project(name, tmp_path / name)


def lint(linted: Project) -> Said:
    """Ask @graphql-eslint, to which a warning is as bad as an error."""
    return linted.run("eslint/bin/eslint.js", "--max-warnings", "0", "schema.graphql")


@pytest.mark.npm
def test_graphql_eslint_has_nothing_to_say(lay: Lay) -> None:
    """The rules of `schema-recommended` and `schema-relay` all hold."""
    assert lint(lay("graphql-eslint")) == Said(0, "")


@pytest.mark.npm
@pytest.mark.parametrize(
    ("rule", "old", "new"),
    [
        ("naming-convention", "  totalPages: Int!", "  total_pages: Int!"),
        ("relay-arguments", "    first: Int\n", "    first: String\n"),
        ("strict-id-in-types", "\n  id: ID!\n", "\n  id: String!\n"),
        ("no-unreachable-types", "type Query {", "type Nowhere {\n  it: Int\n}\n\ntype Query {"),
    ],
)
def test_graphql_eslint_sees_what_is_wrong(lay: Lay, rule: str, old: str, new: str) -> None:
    """A name, an argument, an id or a type that breaks a rule is reported by that rule."""
    linted = lay("graphql-eslint")
    linted.change_schema(lambda sdl: sdl.replace(old, new))
    said = lint(linted)

    assert said.code == 1
    assert f"@graphql-eslint/{rule}" in said.output


@pytest.mark.npm
def test_relay_compiles_pages_and_refetches(lay: Lay) -> None:
    """Fragments that page through a connection, and that are asked for again by id, compile without a warning."""
    relay = lay("relay-compiler")
    artifacts = relay.home / "artifacts"
    artifacts.mkdir()
    said = relay.run("relay-compiler/cli.js", "--noWatchman", "relay.config.json")
    lines = [line for line in said.output.splitlines() if not line.startswith("[INFO] ")]

    assert (said.code, lines) == (0, []), said.output
    assert {path.name.split(".")[0] for path in artifacts.iterdir()} >= {
        "FlowListPaginationQuery",
        "FlowRowRefetchQuery",
    }


@pytest.mark.npm
def test_graphql_codegen_makes_types_that_typescript_takes(lay: Lay) -> None:
    """Typed documents are generated without a warning, and what uses them passes the strict type check."""
    client = lay("graphql-codegen")
    generated = client.run("@graphql-codegen/cli/esm/bin.js", "--config", "codegen.ts")
    checked = client.run("typescript/bin/tsc", "--project", ".")

    assert generated.code == 0, generated.output
    assert {line[0] for line in generated.output.splitlines()} == STEPS, generated.output
    assert checked == Said(0, "")


@pytest.mark.npm
def test_typescript_sees_a_field_that_is_gone(lay: Lay) -> None:
    """What the generated types hold is what the schema says: a number is not taken for a text."""
    client = lay("graphql-codegen")
    client.change_schema(lambda sdl: sdl.replace("  slug: String!\n", "  slug: Int!\n"))
    client.run("@graphql-codegen/cli/esm/bin.js", "--config", "codegen.ts")
    checked = client.run("typescript/bin/tsc", "--project", ".")

    assert checked.code != 0
    assert "Type 'number' is not assignable to type 'string'" in checked.output


def compare(compared: Project) -> Said:
    """Ask graphql-inspector for the way from the released schema to this one."""
    inspector = "@graphql-inspector/cli/cjs/index.js"
    return compared.run(inspector, "diff", str(RELEASED), "schema.graphql")


@pytest.mark.npm
def test_graphql_inspector_finds_no_breaking_change(lay: Lay) -> None:
    """Nothing that the last released schema has is gone or narrower."""
    said = compare(lay("graphql-inspector"))

    assert said.code == 0, said.output
    assert "[error]" not in said.output


@pytest.mark.npm
def test_graphql_inspector_sees_a_field_that_is_gone(lay: Lay) -> None:
    """A field that was taken out fails the comparison."""
    compared = lay("graphql-inspector")
    compared.change_schema(without_total_count)
    said = compare(compared)

    assert said.code == 1
    assert "Field totalCount was removed from object type FlowConnection" in said.output
