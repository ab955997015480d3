"""User journeys in a browser."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

import gql
import models
from support.browser import ColorScheme, StartVisit, Visit, open_signed_in, sign_in
from support.graphiql import build_link
from support.server_process import RunningServer, run_server

FLOW = "default-authentication-flow"
COLOR_SCHEMES = ("light", "dark")


def find_tabs(page: Page) -> Locator:
    """Return the list of GraphiQL's tabs."""
    return page.get_by_role("list", name="Select active operation")


def find_query_editor(page: Page) -> Locator:
    """Return GraphiQL's query editor."""
    return page.locator(".graphiql-query-editor .CodeMirror")


def find_result(page: Page) -> Locator:
    """Return GraphiQL's result window."""
    return page.locator(".result-window")


def type_query(page: Page, query: str) -> None:
    """Replace the query in the editor."""
    find_query_editor(page).click()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(query)


def read_persistent_state(page: Page) -> str:
    """Return the local storage, the cookies and the URL, which outlive the tab."""
    return page.evaluate("() => JSON.stringify(localStorage) + document.cookie + location.href")


def test_query_with_variables(visit: Visit, sample_server: RunningServer) -> None:
    """The token is neither in the URL nor in persistent storage."""
    page = open_signed_in(visit, "/graphql", sample_server.token)
    find_tabs(page).get_by_role("button", name="WithVariables").click()
    page.get_by_role("button", name="Execute query").click()

    expect(find_result(page)).to_contain_text("default-authenticator-static-setup")
    visit.screenshot("graphiql-result")
    assert sample_server.token not in read_persistent_state(page)


def test_graphiql_has_no_headers_editor(visit: Visit, sample_server: RunningServer) -> None:
    """GraphiQL's history would store headers permanently, including tokens."""
    page = open_signed_in(visit, "/graphql", sample_server.token)

    expect(page.get_by_text("Variables", exact=True)).to_be_visible()
    expect(page.get_by_text("Headers", exact=True)).to_have_count(0)


def test_urls_in_results_are_not_loaded(visit: Visit, sample_server: RunningServer) -> None:
    """By default, GraphiQL loads an image from any host if the mouse hovers over its URL."""
    page = open_signed_in(visit, "/graphql", sample_server.token)
    type_query(page, "{ flows(pageSize: 1) { results { background } } }")
    page.keyboard.press("Control+Enter")
    url = find_result(page).get_by_text(".jpg").first
    url.hover()
    page.wait_for_timeout(700)

    expect(url).to_be_visible()
    expect(page.locator(".result-window img, .CodeMirror-info img")).to_have_count(0)


def test_examples_have_results(visit: Visit, sample_server: RunningServer) -> None:
    """Each tab has one example."""
    page = open_signed_in(visit, "/graphql", sample_server.token)
    for tab in find_tabs(page).locator(".graphiql-tab-button").all():
        tab.click()
        expect(find_result(page)).not_to_contain_text('"data"')
        find_query_editor(page).click()
        page.keyboard.press("Control+Enter")
        expect(find_result(page)).to_contain_text('"data"')
        expect(find_result(page)).not_to_contain_text('"errors"')


def test_completion_and_documentation(visit: Visit, sample_server: RunningServer) -> None:
    """Completion and documentation show the fields of the schema."""
    page = open_signed_in(visit, "/graphql", sample_server.token)
    page.get_by_role("button", name="Show Documentation Explorer").click()
    page.locator(".graphiql-plugin").get_by_role("link", name="Query").click()
    expect(page.locator(".graphiql-plugin")).to_contain_text("flowConnection")
    visit.screenshot("graphiql-documentation")
    type_query(page, "{ flow")
    page.keyboard.press("Control+Space")

    expect(page.locator(".CodeMirror-hints")).to_contain_text("flowConnection")
    visit.screenshot("graphiql-completion")


def test_explorer(visit: Visit, sample_server: RunningServer) -> None:
    """The explorer shows the fields of the schema."""
    page = open_signed_in(visit, "/graphql", sample_server.token)
    page.get_by_role("button", name="Show GraphiQL Explorer").click()

    expect(page.locator(".graphiql-plugin")).to_contain_text("flowConnection")
    visit.screenshot("graphiql-explorer")


def test_invalid_token(visit: Visit, sample_server: RunningServer) -> None:
    """The dialog shows a message and accepts another token."""
    page = visit.page
    page.goto("/graphql")
    sign_in(page, "no-such-token")

    problem = page.get_by_role("dialog").get_by_role("alert")
    expect(problem).to_have_text(re.compile(r"Invalid token\."))
    expect(page.get_by_label("Token")).to_be_focused()
    visit.screenshot("invalid-token")

    page.get_by_label("Token").fill(sample_server.token)
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()


def test_front_page_shows_the_diagram_of_a_flow(visit: Visit, sample_server: RunningServer) -> None:
    """The URL has the flow. The Back button returns to the page without a diagram."""
    page = open_signed_in(visit, "/", sample_server.token)
    page.locator(f"a[href*='flow={FLOW}']").click()

    diagram = page.locator(".canvas svg")
    expect(diagram).to_be_visible()
    expect(diagram).to_contain_text("default-authentication-identification")
    expect(page).to_have_url(re.compile(f"flow={FLOW}"))
    visit.screenshot("flow")

    page.go_back()
    expect(diagram).to_have_count(0)


@pytest.mark.parametrize("color_scheme", COLOR_SCHEMES)
def test_light_and_dark_follow_the_system(
    start_visit: StartVisit, sample_server: RunningServer, color_scheme: ColorScheme
) -> None:
    """The front page, GraphiQL and diagrams use the color scheme of the system."""
    visit = start_visit(sample_server.url, color_scheme)
    page = open_signed_in(visit, f"/?flow={FLOW}", sample_server.token)
    expect(page.locator(".canvas svg")).to_be_visible()
    visit.screenshot(f"flow-{color_scheme}")

    assert (measure_brightness(page.locator("body")) > 128) is (color_scheme == "light")
    page.goto("/graphql")
    expect(find_query_editor(page)).to_be_visible()
    visit.screenshot(f"graphiql-{color_scheme}")
    assert (measure_brightness(page.locator(".graphiql-container")) > 128) is (
        color_scheme == "light"
    )


def measure_brightness(element: Locator) -> float:
    """Return the brightness of the background, from 0 (black) to 255 (white)."""
    color = element.evaluate("(element) => getComputedStyle(element).backgroundColor")
    return sum(map(float, re.findall(r"[\d.]+", color)[:3])) / 3


def test_sign_in_by_keyboard(visit: Visit, sample_server: RunningServer) -> None:
    """The first Tab focuses the skip link. Escape closes the dialog and restores the focus."""
    page = visit.page
    page.goto("/graphql")
    expect(find_query_editor(page)).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()

    button = page.get_by_role("button", name="Sign in")
    button.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Token")).to_be_focused()
    page.keyboard.press("Escape")
    expect(button).to_be_focused()

    page.keyboard.press("Enter")
    page.keyboard.type(sample_server.token)
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()


def test_tab_leaves_an_editor(visit: Visit) -> None:
    """Editors do not trap the keyboard, in either direction."""
    page = visit.page
    page.goto("/graphql")
    textbox = page.get_by_role("textbox", name="Query Editor")
    textbox.focus()
    page.keyboard.press("Tab")
    expect(textbox).not_to_be_focused()
    page.keyboard.press("Shift+Tab")
    expect(textbox).to_be_focused()


@pytest.mark.parametrize("color_scheme", COLOR_SCHEMES)
def test_axe_finds_no_serious_violations(
    start_visit: StartVisit, sample_server: RunningServer, color_scheme: ColorScheme
) -> None:
    """The test covers the front page before and after signing in, in both color schemes."""
    visit = start_visit(sample_server.url, color_scheme)
    page = visit.page
    page.goto("/")
    assert visit.find_violations() == []

    open_signed_in(visit, f"/?flow={FLOW}", sample_server.token)
    expect(page.locator(".canvas svg")).to_be_visible()
    assert visit.find_violations() == []


def test_transfer_size_of_graphiql(visit: Visit, browser_timings: list[str]) -> None:
    """The cache is empty. The time until the editor appears goes into the summary."""
    visit.page.goto("/graphql")
    expect(find_query_editor(visit.page)).to_be_visible()
    visit.page.wait_for_load_state("networkidle")

    browser_timings.append(
        f"query editor after {visit.measure_first_editor():.2f} s, {visit.bytes_received:,} bytes,"
        f" {visit.requests.total()} requests, 0 to other hosts"
    )
    assert visit.bytes_received < 1_000_000


@pytest.mark.parametrize("color_scheme", COLOR_SCHEMES)
def test_query_box(
    start_visit: StartVisit,
    sample_server: RunningServer,
    url_without_graphiql: str,
    color_scheme: ColorScheme,
) -> None:
    """The query box executes queries, and axe finds no serious violations."""
    visit = start_visit(url_without_graphiql, color_scheme)
    page = open_signed_in(visit, "/graphql", sample_server.token)
    page.get_by_label("Variables").press("Control+Enter")

    expect(page.get_by_role("region", name="Result")).to_contain_text(FLOW)
    visit.screenshot(f"query-box-{color_scheme}")
    assert visit.find_violations() == []
    assert (visit.problems, set(visit.requests)) == ([], {url_without_graphiql})


def test_query_box_opens_links(
    start_visit: StartVisit, sample_server: RunningServer, url_without_graphiql: str
) -> None:
    """The form shows the operation of a link, runs it on request, and copies the same link."""
    visit = start_visit(url_without_graphiql)
    visit.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    query = "query A { __typename }\nquery B($size: Int) { flows(pageSize: $size) { results { slug } } }"
    link = build_link(query=query, variables='{"size": 1}', operationName="B")
    page = open_signed_in(visit, link, sample_server.token)
    expect(page.get_by_label("Query")).to_have_value(query)
    expect(page.get_by_label("Variables")).to_have_value('{"size": 1}')
    result, summary = page.get_by_role("region", name="Result"), page.locator("#response-summary")
    expect(result).to_have_text("")
    page.get_by_role("button", name="Copy link").click()
    expect(page.locator("#notice")).to_have_text("Link copied.")
    assert page.evaluate("() => navigator.clipboard.readText()") == f"{url_without_graphiql}{link}"

    page.get_by_role("button", name="Run").click()
    expect(result).to_contain_text('"slug"')
    expect(summary).to_have_text(re.compile(r"^200 · \d+ ms · \d+ B$"))
    page.set_viewport_size({"width": 400, "height": 800})
    visit.screenshot("query-box-400")
    assert page.evaluate("() => document.documentElement.scrollWidth") == 400
    assert visit.problems == []


def test_query_box_describes_faults(start_visit: StartVisit, url_without_graphiql: str) -> None:
    """Malformed variables and a response that is not FlowQL's are described in words."""
    visit = start_visit(url_without_graphiql)
    page = visit.page
    page.goto(build_link(query="<b>{", variables="[1]"))
    result, run = page.get_by_role("region", name="Result"), page.get_by_role("button", name="Run")
    run.click()
    expect(result).to_have_text("The variables are not a JSON object: they are not an object")
    page.get_by_label("Variables").fill("")
    page.route("**/graphql", lambda route: route.fulfill(status=502, body="<h1>Bad gateway</h1>"))
    run.click()
    expect(result).to_contain_text("Expected a response of FlowQL, but a proxy returned")
    page.unroute_all()
    page.route("**/graphql", lambda route: route.abort())
    run.click()
    expect(result).to_contain_text("No response from FlowQL.")


@pytest.fixture(scope="module")
def url_without_graphiql(
    sample_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The URL of a server on which GraphiQL is not installed."""
    folder = tmp_path_factory.mktemp("without-graphiql")
    for package in (gql, models):
        source = Path(package.__path__[0])
        shutil.copytree(source, folder / source.name, ignore=shutil.ignore_patterns("vendor"))
    with run_server(sample_url, env={"PYTHONPATH": str(folder)}) as (url, _):
        yield url


@pytest.fixture(scope="module")
def url_with_root_path(sample_url: str) -> Iterator[str]:
    """The URL of a server with a root path, without that path."""
    with run_server(sample_url, "--root-path", "/flows") as (url, _):
        yield url


def test_root_path(
    start_visit: StartVisit, sample_server: RunningServer, url_with_root_path: str
) -> None:
    """All URLs that pages use start with the root path."""
    visit = start_visit(url_with_root_path)
    page = open_signed_in(visit, "/flows/", sample_server.token)
    page.locator(f"a[href*='flow={FLOW}']").click()
    expect(page.locator(".canvas svg")).to_be_visible()
    page.get_by_role("navigation", name="FlowQL").get_by_role("link", name="GraphiQL").click()
    page.get_by_role("button", name="Execute query").click()

    expect(find_result(page)).to_contain_text('"data"')
    assert page.url == f"{url_with_root_path}/flows/graphql"
    assert (visit.problems, set(visit.requests)) == ([], {url_with_root_path})
