"""Journeys through the front page and the page of the REST API in a browser."""

import re
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from gql.health import READY_PATH
from support.browser import ColorScheme, StartVisit, Visit, open_signed_in
from support.command import run_flowql
from support.server_process import (
    RunningServer,
    run_server,
    send_request,
    stop_server,
    wait_until,
)

FLOW = "default-authentication-flow"
LAST = "default-user-settings-flow"
WIDTHS = (400, 768, 1280)
COLOR_SCHEMES = ("light", "dark")


def select_flow(page: Page, slug: str) -> None:
    """Select a flow in the list, and wait until the page shows it."""
    page.locator(f"#flows a[href*='flow={slug}']").click()
    expect(page.locator("#detail .hint code").first).to_have_text(slug)


def click_flow(page: Page) -> None:
    """Select a flow in the list, without a wait."""
    page.locator(f"#flows a[href*='flow={FLOW}']").click()


def measure_overflow(page: Page) -> int:
    """Return the number of pixels by which the page is wider than the window."""
    return page.evaluate("() => document.documentElement.scrollWidth - innerWidth")


def test_search_and_filter(visit: Visit, sample_server: RunningServer) -> None:
    """The list follows the search while it is typed; the focus stays in the field."""
    page = open_signed_in(visit, "/", sample_server.token)
    expect(page.locator("#flows li")).to_have_count(17)
    page.keyboard.press("/")
    page.keyboard.type("authenticator setup", delay=20)

    expect(page.locator("#flows li")).to_have_count(3)
    expect(page.get_by_label("Search flows")).to_be_focused()
    expect(page).to_have_url(re.compile("search=authenticator"))

    page.get_by_label("Search flows").fill("")
    page.get_by_label("Designation").select_option("recovery")
    expect(page.locator("#flows li")).to_have_count(1)
    page.get_by_role("link", name="Show all flows").click()
    expect(page.locator("#flows li")).to_have_count(17)
    expect(page.get_by_label("Designation")).to_have_value("")


def test_list_keeps_its_position(visit: Visit, sample_server: RunningServer) -> None:
    """The selected flow stays in view beside the list, which does not scroll back."""
    page = open_signed_in(visit, "/", sample_server.token)
    page.locator(f"#flows a[href*='{LAST}']").scroll_into_view_if_needed()
    position = page.locator("#list").evaluate("(list) => list.scrollTop")
    select_flow(page, LAST)

    assert position > 0
    assert page.locator("#list").evaluate("(list) => list.scrollTop") == position
    expect(page.locator("#detail-title")).to_be_focused()
    expect(page.locator("#detail-title")).to_be_in_viewport()
    expect(page.locator(f"#flows a[href*='{LAST}']")).to_have_attribute("aria-current", "true")


def test_back_keeps_the_position_of_the_list(visit: Visit, sample_server: RunningServer) -> None:
    """The Back button returns to the flow before, in a list that does not move."""
    page = open_signed_in(visit, "/", sample_server.token)
    select_flow(page, FLOW)
    page.locator(f"#flows a[href*='{LAST}']").scroll_into_view_if_needed()
    position = page.locator("#list").evaluate("(list) => list.scrollTop")
    select_flow(page, LAST)
    page.go_back()
    expect(page.locator("#detail .hint code").first).to_have_text(FLOW)

    assert page.locator("#list").evaluate("(list) => list.scrollTop") == position > 0


def test_faults_keep_the_list_and_the_session(
    start_visit: StartVisit, sample_server: RunningServer, sample_url: str, tmp_path: Path
) -> None:
    """The page says what is wrong if the database or the server is away; another click retries."""
    file = tmp_path / "copy.db"
    shutil.copy(sample_url.removeprefix("sqlite:///"), file)
    with run_server(f"sqlite:///{file}") as (url, process):
        page = open_signed_in(start_visit(url), "/", sample_server.token)
        expect(page.locator("#flows li")).to_have_count(17)
        file.rename(tmp_path / "away.db")
        problem = page.locator("#detail [role=alert]")
        wait_until(lambda: send_request(url, READY_PATH).status == 503)
        click_flow(page)
        expect(problem).to_have_text("The database is unavailable. Retry later.")
        stop_server(process)
        click_flow(page)
        expect(problem).to_have_text(re.compile("No response from FlowQL."))

    expect(page.locator("#content")).not_to_have_attribute("aria-busy", "true")
    expect(page.locator("#flows li")).to_have_count(17)
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()


def test_a_revoked_token_ends_the_session(start_visit: StartVisit, sample_url: str) -> None:
    """The dialog asks for another token, and the page shows no more flows."""
    token = run_flowql("token", "create", "revoked", "--database", sample_url).stdout.strip()
    with run_server(sample_url, "--viewer-ttl", "0") as (url, _):
        page = open_signed_in(start_visit(url), "/", token)
        expect(page.locator("#flows li")).to_have_count(17)
        run_flowql("token", "revoke", "revoked", "--database", sample_url)
        click_flow(page)

        expect(page.get_by_role("dialog")).to_contain_text("Invalid token.")
        expect(page.locator("#flows li")).to_have_count(0)


def test_a_late_rejection_keeps_a_new_session(visit: Visit, sample_server: RunningServer) -> None:
    """The response to a request with an earlier token does not end the session."""
    page = open_signed_in(visit, "/", sample_server.token)
    page.evaluate("() => session.reject('Token invalid/expired', 'an earlier token')")

    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_sign_out_removes_responses(visit: Visit, sample_server: RunningServer) -> None:
    """The page of the REST API shows nothing of the previous user."""
    page = open_signed_in(visit, "/openapi?operation=flows_instances_list", sample_server.token)
    response = page.get_by_role("region", name="Response")
    expect(response).to_contain_text(FLOW)
    page.get_by_role("button", name="Sign out").click()

    expect(response).to_have_count(0)
    expect(page.get_by_role("button", name="Save")).to_have_count(0)


def test_follow_a_shared_stage(visit: Visit, sample_server: RunningServer) -> None:
    """A stage names the other flows that use it, which are links."""
    page = open_signed_in(visit, f"/?flow={FLOW}", sample_server.token)
    page.get_by_role("cell", name="initial-setup").get_by_role("link").click()

    expect(page.locator("#detail .hint code").first).to_have_text("initial-setup")


@pytest.mark.parametrize(
    ("name", "file", "text"),
    [("Export", f"{FLOW}.yaml", "entries:"), ("SVG", f"{FLOW}.svg", "<svg")],
)
def test_downloads(
    visit: Visit, sample_server: RunningServer, name: str, file: str, text: str
) -> None:
    """Exports and diagrams are requested with the token and saved."""
    page = open_signed_in(visit, f"/?flow={FLOW}", sample_server.token)
    with page.expect_download() as event:
        page.get_by_role("link", name=name, exact=True).click()

    assert event.value.suggested_filename == file
    assert text in event.value.path().read_text()


def test_forbidden_export(
    start_visit: StartVisit, sample_server: RunningServer, sample_url: str
) -> None:
    """The page stays and says why."""
    token = run_flowql("token", "create", "no-export", "--flows-only", "--database", sample_url)
    visit = start_visit(sample_server.url)
    page = open_signed_in(visit, f"/?flow={FLOW}", token.stdout.strip())
    page.get_by_role("link", name="Export").click()

    expect(page.locator("#download-problem")).to_have_text(
        "You do not have permission to perform this action."
    )
    expect(page.locator("#detail-title")).to_be_visible()


@pytest.mark.parametrize("name", ["REST", "Export", "SVG"])
def test_links_in_new_tabs(
    start_visit: StartVisit, sample_server: RunningServer, name: str
) -> None:
    """A link that is opened in another tab leads to a page, which sends the request."""
    visit = start_visit(sample_server.url)
    page = open_signed_in(visit, f"/?flow={FLOW}", sample_server.token)
    href = page.get_by_role("link", name=name, exact=True).get_attribute("href")
    page.goto(href or "")

    section = page.locator(".operation").filter(has=page.locator("pre:visible"))
    expect(section.get_by_role("status")).to_contain_text(re.compile(r"^200 · \d+ ms · "))
    expect(section.get_by_role("region", name="Response")).to_contain_text(FLOW)
    assert visit.problems == []


def test_send_a_request_by_form(visit: Visit, sample_server: RunningServer) -> None:
    """A form builds the URL from its fields; the response is formatted."""
    page = open_signed_in(visit, "/openapi", sample_server.token)
    form = page.locator("[data-operation=flows_instances_list]")
    form.get_by_label("designation").select_option("recovery")
    form.get_by_label("page_size").fill("5")
    form.get_by_role("button", name="Send").click()

    expect(form.get_by_role("status")).to_contain_text(
        "/api/v3/flows/instances/?designation=recovery&page_size=5"
    )
    expect(form.get_by_role("region", name="Response")).to_contain_text("default-recovery-flow")


def read_colors(page: Page) -> list[str]:
    """Return the colors of the page and of a stage in the diagram."""
    expect(page.locator(".canvas svg")).to_be_visible()
    return [
        page.locator(selector).first.evaluate(f"(element) => getComputedStyle(element).{name}")
        for selector, name in (("body", "backgroundColor"), (".canvas .stage .box", "fill"))
    ]


def test_theme_holds_for_all_pages(visit: Visit, sample_server: RunningServer) -> None:
    """The choice overrides the system's theme, also in diagrams, and outlives the page."""
    page = open_signed_in(visit, f"/?flow={FLOW}", sample_server.token)
    light = read_colors(page)
    page.get_by_label("Theme").select_option("dark")
    dark = read_colors(page)
    page.reload()

    assert set(light).isdisjoint(dark)
    assert read_colors(page) == dark
    for path in ("/openapi", "/graphql", "/"):
        page.goto(path)
        expect(page.get_by_label("Theme")).to_have_value("dark")
        expect(page.locator("html")).to_have_css("color-scheme", "dark")


def test_copy_the_mermaid_source(visit: Visit, sample_server: RunningServer) -> None:
    """The clipboard has the text that REST returns."""
    visit.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = open_signed_in(visit, f"/?flow={FLOW}", sample_server.token)
    page.get_by_text("Mermaid source").click()
    page.get_by_role("button", name="Copy").click()

    expect(page.get_by_text("Mermaid source copied.")).to_be_visible()
    copied = page.evaluate("() => navigator.clipboard.readText()")
    assert copied == page.locator("#mermaid").text_content()


def test_name_of_the_user(visit: Visit, sample_server: RunningServer) -> None:
    """The header names the user of the token on all pages."""
    page = open_signed_in(visit, "/", sample_server.token)
    for path in ("/", "/openapi", "/graphql"):
        page.goto(path)
        expect(page.locator("#session-state")).to_have_text("Signed in as served")


def test_back_from_a_flow_on_a_phone(visit: Visit, sample_server: RunningServer) -> None:
    """On a narrow window, the selected flow replaces the list, and a link leads back to its place."""
    visit.page.set_viewport_size({"width": 400, "height": 800})
    page = open_signed_in(visit, "/", sample_server.token)
    select_flow(page, FLOW)
    expect(page.locator("#flows")).to_be_hidden()
    page.get_by_role("link", name="All flows").click()
    expect(page.locator("#flows")).to_be_visible()
    last = page.locator(f"#flows a[href*='{LAST}']")
    last.scroll_into_view_if_needed()
    position = page.evaluate("() => scrollY")
    select_flow(page, LAST)
    page.get_by_role("link", name="All flows").click()

    expect(last).to_be_visible()
    assert page.evaluate("() => scrollY") == position > 0


@pytest.mark.parametrize("color_scheme", COLOR_SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_pages_fit_and_are_accessible(
    start_visit: StartVisit, sample_server: RunningServer, width: int, color_scheme: ColorScheme
) -> None:
    """No page scrolls horizontally, and axe finds nothing serious."""
    visit = start_visit(sample_server.url, color_scheme)
    page = visit.page
    page.set_viewport_size({"width": width, "height": 900})
    open_signed_in(visit, "/", sample_server.token)
    targets = {
        "list": "/",
        "flow": f"/?flow={FLOW}",
        "missing-flow": "/?flow=no-such-flow",
        "rest-api": f"/openapi?operation=flows_instances_retrieve&slug={FLOW}",
        "missing-page": "/no-such-page",
    }
    for name, target in targets.items():
        page.goto(target)
        expect(page.locator("#content")).not_to_have_attribute("aria-busy", "true")
        for summary in page.locator("summary").all():
            if summary.is_visible():
                summary.click()
        visit.screenshot(f"{name}-{width}-{color_scheme}")
        assert measure_overflow(page) <= 0, name
        assert visit.find_violations() == [], name
