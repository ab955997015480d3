"""The drift on the front page in a browser."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import expect

from support.browser import ColorScheme, StartVisit, open_signed_in
from support.command import run_flowql
from support.paths import SAMPLES
from support.server_process import RunningServer, run_server

FLOW, OTHER = "default-authentication-flow", "default-recovery-flow"
COLOR_SCHEMES: tuple[ColorScheme, ...] = ("light", "dark")
WIDTHS = (400, 1280)
STATEMENTS = (
    f"UPDATE authentik_flows_flow SET title = 'new' WHERE slug = '{FLOW}'",  # noqa: S608 - a constant
    'DELETE FROM authentik_flows_flowstagebinding WHERE "order" = 30',
)


@pytest.fixture(scope="module")
def drifting_server(
    sample_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningServer]:
    """Run `flowql serve` on the sample flows after changes, with their blueprints as the baseline."""
    folder = tmp_path_factory.mktemp("drift")
    path = Path(shutil.copy(sample_url.removeprefix("sqlite:///"), folder / "flowql.db"))
    token = run_flowql(
        "token", "create", "drift visitor", "--superuser", "--database", f"sqlite:///{path}"
    )
    with closing(sqlite3.connect(path)) as connection:
        for statement in STATEMENTS:
            connection.execute(statement)
        connection.commit()
    baseline = shutil.copytree(SAMPLES, folder / "baseline")
    with run_server(f"sqlite:///{path}", "--baseline", str(baseline)) as (url, process):
        yield RunningServer(url, token.stdout.strip(), process)


@pytest.mark.parametrize("color_scheme", COLOR_SCHEMES)
def test_drift(
    start_visit: StartVisit, drifting_server: RunningServer, color_scheme: ColorScheme
) -> None:
    """The page shows all changes, those of a flow, and its diagram; it is accessible in all widths."""
    visit = start_visit(drifting_server.url, color_scheme)
    page = open_signed_in(visit, "/", drifting_server.token)
    expect(page.locator(".drift-summary")).to_contain_text("changes from the baseline")
    expect(page.locator("#detail .changes li").first).to_be_visible()
    visit.screenshot(f"drift-{color_scheme}")
    assert visit.find_violations() == []

    page.locator(f"#flows a[href*='flow={FLOW}']").click()
    expect(page.locator("#detail .changes li.changed code")).to_have_text("title")
    expect(page.locator("#detail svg g.removed")).to_be_visible()
    page.locator("#detail svg g.removed").scroll_into_view_if_needed()
    visit.screenshot(f"drift-flow-{color_scheme}")
    assert visit.find_violations() == []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("() => document.documentElement.scrollWidth - innerWidth") <= 0

    page.set_viewport_size({"width": 1280, "height": 800})
    page.locator(".drift-summary a").click()
    expect(page.locator("#detail-title")).to_have_text("Select a flow")
    assert visit.problems == []


def test_marks_differ_without_color(
    start_visit: StartVisit, drifting_server: RunningServer
) -> None:
    """The outline of a removed stage is dashed, and its mark is a word with a sign."""
    page = open_signed_in(start_visit(drifting_server.url), f"/?flow={FLOW}", drifting_server.token)
    box = page.locator("#detail svg g.removed .box")
    assert box.evaluate("(element) => getComputedStyle(element).strokeDasharray") == "7px, 5px"
    expect(page.locator("#detail svg g.removed .sign")).to_have_text("\u2212 Removed")
