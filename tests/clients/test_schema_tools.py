"""Schema linters, code generators and comparison tools accept schema.graphql."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from graphql import build_schema, find_breaking_changes

from support.app_client import AppClient
from support.graphql_http import post
from support.npm_projects import Project, ToolResult, create_project
from support.paths import SCHEMA, TESTS

RELEASED = TESTS / "released" / SCHEMA.name

Create = Callable[[str], Project]
CODEGEN = ("@graphql-codegen/cli/esm/bin.js", "--config", "codegen.ts")
RELAY = ("relay-compiler/cli.js", "--noWatchman", "relay.config.json")
# The variables that an operation requires; others are ignored.
VARIABLES = {"first": 5, "count": 5, "id": "Rmxvdzo=", "slug": "a-flow"}
# codegen prints one of these before a step that has started, and one before a step that is done.
STEP_MARKS = {"\N{HEAVY RIGHT-POINTING ANGLE QUOTATION MARK ORNAMENT}", "\N{HEAVY CHECK MARK}"}


def without_total_count(sdl: str) -> str:
    """Remove a field from the schema."""
    return sdl.replace("  totalCount: Int!\n", "  total: Int!\n")


def breaking_changes(released: str, current: str) -> list[str]:
    """Return the changes that would break a client of the released schema."""
    changes = find_breaking_changes(build_schema(released), build_schema(current))
    return [change.description for change in changes]


def test_the_schema_has_no_breaking_change() -> None:
    """Every document that is valid in the last released schema is still valid."""
    assert breaking_changes(RELEASED.read_text(), SCHEMA.read_text()) == []


def test_a_removed_field_is_a_breaking_change() -> None:
    """The check above reports a removed field."""
    released = RELEASED.read_text()

    assert breaking_changes(released, without_total_count(released)) == [
        f"Field {name}Connection.totalCount was removed." for name in ("Flow", "Policy", "Stage")
    ]


@pytest.fixture
def create(tmp_path: Path) -> Create:
    """Return a function that creates the project of a tool."""
    return lambda name: create_project(name, tmp_path / name)


def lint(project: Project) -> ToolResult:
    """Run @graphql-eslint with warnings as errors."""
    return project.run("eslint/bin/eslint.js", "--max-warnings", "0", "schema.graphql")


@pytest.mark.npm
def test_graphql_eslint_reports_nothing(create: Create) -> None:
    """schema.graphql passes every rule of `schema-recommended` and `schema-relay`."""
    assert lint(create("graphql-eslint")) == ToolResult(0, "")


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
def test_graphql_eslint_reports_violations(create: Create, rule: str, old: str, new: str) -> None:
    """A name, an argument, an id or a type that violates a rule is reported by that rule."""
    project = create("graphql-eslint")
    project.change_schema(lambda sdl: sdl.replace(old, new))
    result = lint(project)

    assert result.code == 1
    assert f"@graphql-eslint/{rule}" in result.output


@pytest.mark.npm
def test_relay_compiles_pages_and_refetches(create: Create) -> None:
    """Fragments with pagination and with refetching by id compile without a warning."""
    relay = create("relay-compiler")
    artifacts = relay.home / "artifacts"
    artifacts.mkdir()
    result = relay.run(*RELAY)
    lines = [line for line in result.output.splitlines() if not line.startswith("[INFO] ")]

    assert (result.code, lines) == (0, []), result.output
    assert {path.name.split(".")[0] for path in artifacts.iterdir()} >= {
        "FlowListPaginationQuery",
        "FlowRowRefetchQuery",
    }


@pytest.mark.npm
def test_graphql_codegen_generates_valid_types(create: Create) -> None:
    """Typed documents are generated without a warning, and code that uses them passes strict checks."""
    client = create("graphql-codegen")
    generated = client.run(*CODEGEN)
    checked = client.run("typescript/bin/tsc", "--project", ".")

    assert generated.code == 0, generated.output
    assert {line[0] for line in generated.output.splitlines()} == STEP_MARKS, generated.output
    assert checked == ToolResult(0, "")


@pytest.mark.npm
@pytest.mark.parametrize(
    ("name", "command", "manifest"),
    [
        ("graphql-codegen", CODEGEN, "src/gql/persisted-documents.json"),
        ("relay-compiler", RELAY, "persisted-documents.json"),
    ],
)
def test_generated_manifests_are_trusted_documents(
    create: Create, sqlite_url: str, name: str, command: Sequence[str], manifest: str
) -> None:
    """Each document of the manifest is executed by the ID that the client's code contains."""
    project = create(name)
    (project.home / "artifacts").mkdir()
    result = project.run(*command)
    assert result.code == 0, result.output
    path = project.home / manifest
    documents = json.loads(path.read_text())
    assert len(documents) >= 3
    with AppClient(sqlite_url, trusted_documents=path, trusted_only=True) as client:
        for document_id, text in documents.items():
            body = {"variables": VARIABLES}
            response = post(client, {"documentId": document_id, **body})
            assert "data" in response.json, response
            assert response == post(client, {"query": text, **body})


@pytest.mark.npm
def test_typescript_reports_a_changed_type(create: Create) -> None:
    """Code that expects a string fails the type check when the schema has a number."""
    client = create("graphql-codegen")
    client.change_schema(lambda sdl: sdl.replace("  slug: String!\n", "  slug: Int!\n"))
    client.run(*CODEGEN)
    checked = client.run("typescript/bin/tsc", "--project", ".")

    assert checked.code != 0
    assert "Type 'number' is not assignable to type 'string'" in checked.output


def compare(project: Project) -> ToolResult:
    """Compare the released schema with the project's schema by graphql-inspector."""
    inspector = "@graphql-inspector/cli/cjs/index.js"
    return project.run(inspector, "diff", str(RELEASED), "schema.graphql")


@pytest.mark.npm
def test_graphql_inspector_finds_no_breaking_change(create: Create) -> None:
    """schema.graphql has no breaking change since the last released schema."""
    result = compare(create("graphql-inspector"))

    assert result.code == 0, result.output
    assert "[error]" not in result.output


@pytest.mark.npm
def test_graphql_inspector_reports_a_removed_field(create: Create) -> None:
    """A removed field fails the comparison."""
    project = create("graphql-inspector")
    project.change_schema(without_total_count)
    result = compare(project)

    assert result.code == 1
    assert "Field totalCount was removed from object type FlowConnection" in result.output
