"""The drift on the front page."""

import html
import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.app_client import AppClient, bearer_headers
from support.command import create_token
from support.paths import SAMPLES

FLOW, OTHER = "default-authentication-flow", "default-recovery-flow"
STAGE = "default-authentication-mfa-validation"
RENAME = "UPDATE authentik_flows_flow SET title = ? WHERE slug = ?"
UNBIND = "DELETE FROM authentik_flows_flowstagebinding WHERE stage_id = (SELECT stage_uuid FROM authentik_flows_stage WHERE name = ?)"
PASSWORD_STAGE, OTHER_STAGE = "default-authentication-password", "default-password-change-write"
PASSWORD_POLICY = "default-authentication-flow-password-stage"
OTHER_POLICY = "default-password-change-password-policy"
FIND_STAGE = "(SELECT stage_uuid FROM authentik_flows_stage WHERE name = ?)"
FIND_POLICY = "(SELECT policy_uuid FROM authentik_policies_policy WHERE name = ?)"
REBIND_STAGE = (
    f"UPDATE authentik_flows_flowstagebinding SET stage_id = {FIND_STAGE}"  # noqa: S608 - constants
    f" WHERE stage_id = {FIND_STAGE}"
)
REBIND_POLICY = (
    f"UPDATE authentik_policies_policybinding SET policy_id = {FIND_POLICY}"  # noqa: S608 - constants
    f" WHERE policy_id = {FIND_POLICY}"
)
TAG = re.compile(r"<[^>]*>")


@dataclass(frozen=True, slots=True)
class Page:
    """The front page of FlowQL on the sample flows, whose blueprints are the baseline."""

    client: AppClient
    path: Path
    folder: Path
    key: str

    def get(self, target: str = "/", key: str | None = None) -> str:
        """Return the page at an address."""
        headers = {"accept": "text/html", **bearer_headers(key or self.key)}
        return self.client.request("GET", target, headers).body.decode()

    def read(self, target: str = "/", key: str | None = None) -> str:
        """Return the text of the page."""
        return " ".join(TAG.sub(" ", self.get(target, key)).split())

    def execute(self, statement: str, *values: str) -> None:
        """Execute a statement in the database."""
        with closing(sqlite3.connect(self.path)) as connection:
            connection.execute(statement, values)
            connection.commit()


@pytest.fixture
def page(sample_url: str, tmp_path: Path) -> Iterator[Page]:
    """The front page with a baseline, from which nothing differs."""
    path = Path(shutil.copy(sample_url.removeprefix("sqlite:///"), tmp_path / "flowql.db"))
    folder = Path(shutil.copytree(SAMPLES, tmp_path / "baseline"))
    key = create_token(f"sqlite:///{path}", "drift page", "--superuser")
    with AppClient(f"sqlite:///{path}", baseline=str(folder)) as client:
        yield Page(client, path, folder, key)


def test_no_baseline(page: Page) -> None:
    """Without a baseline, the page has nothing about it."""
    with AppClient(f"sqlite:///{page.path}") as client:
        headers = {"accept": "text/html", **bearer_headers(page.key)}
        for target in ("/", f"/?flow={FLOW}"):
            text = client.request("GET", target, headers).body.decode()
            assert "baseline" not in text
            assert "drift" not in text


def test_no_changes(page: Page) -> None:
    """The page says that nothing differs."""
    assert "No changes from the baseline" in page.read()
    assert "drift-mark" not in page.get()
    assert "Changes from the baseline There are none." in page.read(f"/?flow={FLOW}")


def test_list(page: Page) -> None:
    """The page has the number of all changes, and the list that of each flow that differs."""
    page.execute(RENAME, "<b>new</b>", FLOW)
    page.execute(RENAME, "new", OTHER)
    page.execute(UNBIND, STAGE)
    assert "3 changes from the baseline" in page.read()
    assert re.findall(r'drift-mark">([^<]*)<', page.get()) == [
        "2 changes",
        "1 change",
    ]


def test_all_changes(page: Page) -> None:
    """Without a selected flow, the page shows all changes and the name of the baseline."""
    page.execute(RENAME, "<b>new</b>", FLOW)
    text = page.read()
    assert f"The baseline is {page.folder} ." in text
    assert f"Changed flow/{FLOW}.title Before: Welcome to authentik! → After: &lt;b&gt;new" in text


def test_selected_flow(page: Page) -> None:
    """The page shows the changes of the selected flow, and no others."""
    page.execute(RENAME, "new", FLOW)
    page.execute(RENAME, "other", OTHER)
    text = page.read(f"/?flow={FLOW}")
    assert "Changed title Before: Welcome to authentik! → After: new" in text
    assert "After: other" not in text


def test_removed_stage(page: Page) -> None:
    """The diagram has removed stages, for those who may see them; that of the API has none."""
    page.execute(UNBIND, STAGE)
    removed = f"Removed stage: {STAGE}. Only in the baseline."
    assert removed in page.get(f"/?flow={FLOW}")
    assert ":::removed" in page.get(f"/?flow={FLOW}")
    limited = create_token(f"sqlite:///{page.path}", "drift page limited", "--flow", FLOW)
    text = page.get(f"/?flow={FLOW}", limited)
    assert STAGE not in text
    assert str(page.folder) not in text
    diagram = page.client.get(f"/flows/instances/{FLOW}/diagram/", page.key)
    assert STAGE not in diagram.body.decode()


def test_added_stage(page: Page) -> None:
    """The diagram marks stages that the baseline does not have."""
    file = page.folder / f"{FLOW}.yaml"
    entries = file.read_text().split("\n  - ")
    kept = [item for item in entries if not ("order: 30" in item and "flowstagebinding" in item)]
    assert len(kept) == len(entries) - 1
    file.write_text("\n  - ".join(kept))
    text = page.get(f"/?flow={FLOW}")
    assert f"{STAGE} (Authenticator validation). Not in the baseline." in text
    assert "Not mentioned by the baseline: 1" in page.read(f"/?flow={FLOW}")
    assert "No changes" in page.read()


def test_replaced_objects(page: Page, sample_url: str) -> None:
    """What bindings bound in the baseline is removed, and what they bind instead is added."""
    page.execute(REBIND_STAGE, OTHER_STAGE, PASSWORD_STAGE)
    page.execute(REBIND_POLICY, OTHER_POLICY, PASSWORD_POLICY)
    with AppClient(f"sqlite:///{page.path}", baseline=sample_url) as client:
        headers = {"accept": "text/html", **bearer_headers(page.key)}
        text = client.request("GET", f"/?flow={FLOW}", headers).body.decode()
    source = html.unescape(text.partition('id="mermaid">')[2])
    assert re.findall(r"(Added|Removed)<br/>([\w-]+)", source) == [
        ("Removed", PASSWORD_POLICY),
        ("Removed", PASSWORD_STAGE),
        ("Added", OTHER_POLICY),
        ("Added", OTHER_STAGE),
    ]


def test_unknown_flow(page: Page) -> None:
    """A flow that the baseline does not mention has no marks."""
    (page.folder / f"{OTHER}.yaml").unlink()
    text = page.get(f"/?flow={OTHER}")
    assert "The baseline does not mention this flow." in text
    assert "+ Added" not in text


def test_unavailable(page: Page) -> None:
    """If the baseline is invalid, the page says so, and shows the flows."""
    (page.folder / "broken.yaml").write_text("entries: 5")
    text = page.read(f"/?flow={FLOW}")
    assert "The drift is unavailable, because the baseline cannot be read." in text
    assert "17 flows" in text
    assert "Stages" in text


def test_forbidden_content(page: Page) -> None:
    """The security policy is the same as without a baseline."""
    headers = {"accept": "text/html", **bearer_headers(page.key)}
    with AppClient(f"sqlite:///{page.path}") as client:
        policies = {
            served.request("GET", "/", headers).headers["content-security-policy"]
            for served in (client, page.client)
        }
    assert len(policies) == 1
