"""The drift in the graph: what differs between a baseline and the data, as far as it is visible."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest

from support.app_client import AppClient
from support.command import create_token, run_in_process
from support.databases import KINDS
from support.edge_case_data import KEYS
from support.paths import SAMPLES
from support.postgres import PostgresServer

# The names of databases are unique.
NUMBERS = count()
FLOW, OTHER = "default-authentication-flow", "default-recovery-flow"
DRIFT = (
    "drift { baseline count changes { path kind objectKind object attribute before after flows } }"
)
QUERY = f"{{ {DRIFT} }}"
UNPLANNED = f"{{ __schema {{ queryType {{ name }} }} {DRIFT} }}"
VISIBLE = "{ flows(pageSize: 100) { results { slug } } drift { baseline count changes { flows } } }"
COUNT = "query ($where: FlowWhere) { drift(where: $where) { count } }"
STAGE = "default-authentication-mfa-validation"
RENAME = "UPDATE authentik_flows_flow SET title = 'new' WHERE slug = '{}'"
UNBIND = (
    "DELETE FROM authentik_flows_flowstagebinding WHERE stage_id IN"
    " (SELECT stage_uuid FROM authentik_flows_stage WHERE name = '{}')"
)


@dataclass(frozen=True, slots=True)
class Served:
    """FlowQL on the sample flows, with a copy of their blueprints as the baseline."""

    client: AppClient
    url: str
    folder: Path
    execute: Callable[[str], None]
    key: str

    def read(self, query: str = QUERY, key: str | None = None) -> Any:
        """Return the drift that a token sees, by default that of a superuser."""
        body = self.client.graphql(query, key or self.key).json
        assert "errors" not in body, body
        return body["data"]["drift"]

    def list_paths(self, key: str | None = None) -> list[str]:
        """Return the paths of the changes that count."""
        changes = self.read(key=key)["changes"]
        return [change["path"] for change in changes if change["kind"] != "EXTRA"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the blueprints of the sample flows."""
    return Path(shutil.copytree(SAMPLES, tmp_path / "baseline"))


@pytest.fixture(params=["sqlite", "postgresql"])
def served(request: pytest.FixtureRequest, folder: Path, sample_url: str) -> Iterator[Served]:
    """FlowQL on its own database of each kind."""
    path = Path(shutil.copy(sample_url.removeprefix("sqlite:///"), folder.parent / "flowql.db"))
    url, execute = f"sqlite:///{path}", execute_sqlite(path)
    if request.param == "postgresql":
        url = import_samples(request.getfixturevalue("postgres"))
        execute = execute_postgresql(url)
    key = create_token(url, "drift", "--superuser")
    with AppClient(url, baseline=str(folder)) as client:
        yield Served(client, url, folder, execute, key)


def import_samples(postgres: PostgresServer) -> str:
    """Create a database with the sample flows and return its URL."""
    url = postgres.create_database(f"drift_{next(NUMBERS)}")
    for arguments in (["migrate"], ["import", str(SAMPLES)]):
        process = run_in_process(*arguments, "--database", url)
        assert process.returncode == 0, process.stderr
    return url


def execute_sqlite(path: Path) -> Callable[[str], None]:
    """Return a function that executes a statement in a file."""

    def execute(statement: str) -> None:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute(statement)
            connection.commit()

    return execute


def execute_postgresql(url: str) -> Callable[[str], None]:
    """Return a function that executes a statement in a database."""

    def execute(statement: str) -> None:
        with psycopg.connect(url) as connection:
            connection.execute(statement.encode())

    return execute


@pytest.fixture(params=KINDS)
def client_with_baseline(request: pytest.FixtureRequest, folder: Path) -> Iterator[AppClient]:
    """FlowQL on the edge-case data in each kind of database; the baseline has other flows."""
    url = request.getfixturevalue(f"{request.param}_url")
    with AppClient(url, baseline=str(folder)) as client:
        yield client


def find_change(drift: Any, path: str) -> Any:
    """Return the change with a path."""
    [change] = [change for change in drift["changes"] if change["path"] == path]
    return change


def test_no_baseline(sqlite_client: AppClient) -> None:
    """Without a baseline, there is no drift."""
    body = sqlite_client.graphql(QUERY, KEYS["superuser"]).json
    assert body == {"data": {"drift": None}}


def test_no_drift(served: Served) -> None:
    """After an import of the baseline, nothing differs."""
    drift = served.read()
    assert (drift["baseline"], drift["count"]) == (str(served.folder), 0)


def test_changed_attribute(served: Served) -> None:
    """A changed attribute is one change, in the next request."""
    served.execute(RENAME.format(FLOW))
    drift = served.read()
    assert drift["count"] == 1
    assert find_change(drift, f"flow/{FLOW}.title") == {
        "path": f"flow/{FLOW}.title",
        "kind": "CHANGED",
        "objectKind": "flow",
        "object": f"flow/{FLOW}",
        "attribute": "title",
        "before": "Welcome to authentik!",
        "after": "new",
        "flows": [FLOW],
    }


def test_both_executions(served: Served) -> None:
    """Plans and graphql-core return the same."""
    served.execute(RENAME.format(FLOW))
    served.execute(UNBIND.format(STAGE))
    assert served.read(UNPLANNED) == served.read()


def test_changed_folder(served: Served) -> None:
    """The next request sees a change of the folder."""
    file = served.folder / f"{FLOW}.yaml"
    file.write_text(file.read_text().replace("title: Welcome to authentik!", "title: Hello!"))
    assert served.list_paths() == [f"flow/{FLOW}.title"]


def test_new_file(served: Served) -> None:
    """The next request sees a new file, and objects that only it describes."""
    text = (served.folder / f"{FLOW}.yaml").read_text()
    (served.folder / "new.yaml").write_text(text.replace(FLOW, "new-flow"))
    assert "flow/new-flow" in served.list_paths()
    limited = create_token(served.url, "drift limited", "--flow", FLOW)
    assert not any("new-flow" in path for path in served.list_paths(limited))


def test_conditions(served: Served) -> None:
    """With conditions, only changes that concern matching flows are included."""
    served.execute(RENAME.format(FLOW))
    for slug, number in ((FLOW, 1), (OTHER, 0)):
        where = {"slug": {"equals": slug}}
        body = served.client.graphql(COUNT, served.key, {"where": where}).json
        assert body == {"data": {"drift": {"count": number}}}


def test_invalid_condition(served: Served) -> None:
    """Invalid conditions are errors of the field."""
    where = {"slug": {"equals": "\0"}}
    body = served.client.graphql(COUNT, served.key, {"where": where}).json
    assert body["data"] == {"drift": None}
    assert body["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


def test_limited_token(served: Served) -> None:
    """A token for certain flows sees the changes of these flows, and no baseline."""
    served.execute(RENAME.format(FLOW))
    served.execute(RENAME.format(OTHER))
    limited = create_token(served.url, "drift limited", "--flow", FLOW)
    assert served.list_paths(limited) == [f"flow/{FLOW}.title"]
    assert served.read(key=limited)["baseline"] is None
    everything = create_token(served.url, "drift everything")
    assert served.list_paths(everything) == [f"flow/{slug}.title" for slug in (FLOW, OTHER)]


def test_removed_binding(served: Served) -> None:
    """Only viewers of all flows see a binding that only the baseline has."""
    served.execute(UNBIND.format(STAGE))
    paths = served.list_paths()
    assert [path for path in paths if path.endswith(f"/stage/30/{STAGE}")] == paths
    limited = create_token(served.url, "drift limited", "--flow", FLOW)
    assert served.list_paths(limited) == []


def test_flows_only(served: Served) -> None:
    """A token for flows only sees the changes of flows, and not of what is below them."""
    served.execute(RENAME.format(FLOW))
    served.execute(UNBIND.format(STAGE))
    limited = create_token(served.url, "drift flows", "--flows-only")
    kinds = {change["objectKind"] for change in served.read(key=limited)["changes"]}
    assert kinds == {"flow"}
    assert served.list_paths(limited) == [f"flow/{FLOW}.title"]


def test_hidden_name_in_setting(served: Served) -> None:
    """A setting does not name flows that the viewer may not see."""
    file = served.folder / f"{FLOW}.yaml"
    text = "      enrollment_flow: !Find [authentik_flows.flow, [slug, default-enrollment-flow]]\n"
    lines = file.read_text().splitlines(keepends=True)
    index = next(i for i, line in enumerate(lines) if "user_fields:" in line)
    file.write_text("".join([*lines[:index], text, *lines[index:]]))
    path = "stage/default-authentication-identification.enrollment_flow"
    assert find_change(served.read(), path)["before"] == "default-enrollment-flow"
    limited = create_token(served.url, "drift limited", "--flow", FLOW)
    assert "default-enrollment-flow" not in str(served.read(key=limited))
    assert find_change(served.read(key=limited), path)["before"] is None


def test_every_viewer(client_with_baseline: AppClient) -> None:
    """Every viewer sees changes of visible flows only, and without an error."""
    for name, key in KEYS.items():
        response = client_with_baseline.graphql(VISIBLE, key).json
        if not response.get("data"):
            continue
        assert "errors" not in response, name
        seen = {flow["slug"] for flow in response["data"]["flows"]["results"]}
        drift = response["data"]["drift"]
        slugs = {slug for change in drift["changes"] for slug in change["flows"]}
        # Viewers of all flows see flows of the baseline.
        assert slugs <= seen or drift["baseline"], name
        assert drift["count"] == 0 or drift["baseline"], name


def test_invalid_baseline(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    """While the baseline is invalid, the field is an error; the log has the reason once."""
    file = served.folder / "broken.yaml"
    file.write_text("version: [secret-word")
    for _ in range(2):
        body = served.client.graphql(f"{{ __typename {QUERY[1:]}", served.key).json
        assert body["data"] == {"__typename": "Query", "drift": None}
        [error] = body["errors"]
        assert error["extensions"] == {"code": "DRIFT_UNAVAILABLE"}
        assert str(served.folder) not in error["message"]
        assert "secret-word" not in error["message"]
    assert caplog.text.count("cannot compare the data with the baseline") == 1
    file.unlink()
    assert served.list_paths() == []
