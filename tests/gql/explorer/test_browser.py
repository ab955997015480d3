"""What a person does with FlowQL in a browser."""

import re
import shutil
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

import gql
import models
from support.browser import Scheme, Visit, Visits, launched, open_browser
from support.processes import RunningServer
from support.server_process import run_server

FLOW = "default-authentication-flow"
SCHEMES = ("light", "dark")


# Playwright's event loop, while it lasts, would stop those of other tests: it ends with the module.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A running Chromium."""
    with sync_playwright() as playwright, launched(playwright) as chromium:
        yield chromium


@pytest.fixture
def visits(browser: Browser) -> Iterator[Visits]:
    """Begin a visit to an address, in light unless it is told otherwise."""
    with ExitStack() as stack:

        def begin(url: str, scheme: Scheme = "light") -> Visit:
            return stack.enter_context(open_browser(browser, url, scheme))

        yield begin


@pytest.fixture
def visit(visits: Visits, served: RunningServer) -> Generator[Visit]:
    """A visit to `served`, which asks nobody else and complains of nothing."""
    visit = visits(served.url)
    yield visit
    assert visit.complaints == []
    assert set(visit.asked) == {served.url}


def sign_in(page: Page, token: str) -> None:
    """Paste a token, as who has never been here must."""
    page.get_by_role("button", name="Sign in").click()
    page.get_by_label("Token").fill(token)
    page.get_by_label("Token").press("Enter")


def signed_in(visit: Visit, path: str, token: str) -> Page:
    """A page, with somebody signed in."""
    visit.page.goto(path)
    sign_in(visit.page, token)
    expect(visit.page.get_by_role("button", name="Sign out")).to_be_visible()
    return visit.page


def tabs(page: Page) -> Locator:
    """The operations that are open."""
    return page.get_by_role("list", name="Select active operation")


def query_editor(page: Page) -> Locator:
    """Where a query is typed."""
    return page.locator(".graphiql-query-editor .CodeMirror")


def result(page: Page) -> Locator:
    """Where an answer is told."""
    return page.locator(".result-window")


def write(page: Page, query: str) -> None:
    """Replace the query of the tab."""
    query_editor(page).click()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(query)


def kept(page: Page) -> str:
    """All that the browser would still know when it is started again, and where it has been."""
    return page.evaluate("() => JSON.stringify(localStorage) + document.cookie + location.href")


def test_somebody_signs_in_and_asks_with_variables(visit: Visit, served: RunningServer) -> None:
    """The token is sent as a header; neither an address nor what outlives the tab has it."""
    page = signed_in(visit, "/graphql", served.token)
    tabs(page).get_by_role("button", name="WithVariables").click()
    page.get_by_role("button", name="Execute query").click()

    expect(result(page)).to_contain_text("default-authenticator-static-setup")
    visit.screenshot("graphiql-result")
    assert served.token not in kept(page)


def test_headers_are_not_typed(visit: Visit, served: RunningServer) -> None:
    """GraphiQL's history would keep them for good, a token too."""
    page = signed_in(visit, "/graphql", served.token)

    expect(page.get_by_text("Variables", exact=True)).to_be_visible()
    expect(page.get_by_text("Headers", exact=True)).to_have_count(0)


def test_an_address_in_an_answer_is_not_asked(visit: Visit, served: RunningServer) -> None:
    """GraphiQL would show a picture from wherever it is, to who comes by with the mouse."""
    page = signed_in(visit, "/graphql", served.token)
    write(page, "{ flows(pageSize: 1) { results { background } } }")
    page.keyboard.press("Control+Enter")
    address = result(page).get_by_text(".jpg").first
    address.hover()
    page.wait_for_timeout(700)

    expect(address).to_be_visible()
    expect(page.locator(".result-window img, .CodeMirror-info img")).to_have_count(0)


def test_every_example_is_answered(visit: Visit, served: RunningServer) -> None:
    """Each is a tab of its own."""
    page = signed_in(visit, "/graphql", served.token)
    for tab in tabs(page).locator(".graphiql-tab-button").all():
        tab.click()
        expect(result(page)).not_to_contain_text('"data"')
        query_editor(page).click()
        page.keyboard.press("Control+Enter")
        expect(result(page)).to_contain_text('"data"')
        expect(result(page)).not_to_contain_text('"errors"')


def test_fields_are_completed_and_documented(visit: Visit, served: RunningServer) -> None:
    """By the schema's own descriptions."""
    page = signed_in(visit, "/graphql", served.token)
    page.get_by_role("button", name="Show Documentation Explorer").click()
    page.locator(".graphiql-plugin").get_by_role("link", name="Query").click()
    expect(page.locator(".graphiql-plugin")).to_contain_text("flowConnection")
    visit.screenshot("graphiql-documentation")
    write(page, "{ flow")
    page.keyboard.press("Control+Space")

    expect(page.locator(".CodeMirror-hints")).to_contain_text("flowConnection")
    visit.screenshot("graphiql-completion")


def test_the_explorer_makes_a_query_from_clicks(visit: Visit, served: RunningServer) -> None:
    """It knows the fields of the schema."""
    page = signed_in(visit, "/graphql", served.token)
    page.get_by_role("button", name="Show GraphiQL Explorer").click()

    expect(page.locator(".graphiql-plugin")).to_contain_text("flowConnection")
    visit.screenshot("graphiql-explorer")


def test_a_wrong_token_is_said_in_words(visit: Visit, served: RunningServer) -> None:
    """It is not kept, and the next one is welcome at once."""
    page = visit.page
    page.goto("/graphql")
    sign_in(page, "no-such-token")

    problem = page.get_by_role("dialog").get_by_role("alert")
    expect(problem).to_have_text(re.compile("No such token is known"))
    expect(page.get_by_label("Token")).to_be_focused()
    visit.screenshot("wrong-token")

    page.get_by_label("Token").fill(served.token)
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()


def test_a_flow_is_drawn_on_the_front_page(visit: Visit, served: RunningServer) -> None:
    """In place, with the address of the flow, from where the way back leads."""
    page = signed_in(visit, "/", served.token)
    page.locator(f"a[href*='flow={FLOW}']").click()

    picture = page.locator(".canvas svg")
    expect(picture).to_be_visible()
    expect(picture).to_contain_text("default-authentication-identification")
    expect(page).to_have_url(re.compile(f"flow={FLOW}"))
    visit.screenshot("flow")

    page.go_back()
    expect(picture).to_have_count(0)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_light_and_dark_are_the_systems(
    visits: Visits, served: RunningServer, scheme: Scheme
) -> None:
    """On the front page, in GraphiQL and in a picture."""
    visit = visits(served.url, scheme)
    page = signed_in(visit, f"/?flow={FLOW}", served.token)
    expect(page.locator(".canvas svg")).to_be_visible()
    visit.screenshot(f"flow-{scheme}")

    assert (brightness(page.locator("body")) > 128) is (scheme == "light")
    page.goto("/graphql")
    expect(query_editor(page)).to_be_visible()
    visit.screenshot(f"graphiql-{scheme}")
    assert (brightness(page.locator(".graphiql-container")) > 128) is (scheme == "light")


def brightness(element: Locator) -> float:
    """From 0, black, to 255, white, of what is behind the text."""
    colour = element.evaluate("(element) => getComputedStyle(element).backgroundColor")
    return sum(map(float, re.findall(r"[\d.]+", colour)[:3])) / 3


def test_all_of_it_goes_by_keyboard(visit: Visit, served: RunningServer) -> None:
    """The first Tab offers the way past the bar; Escape leaves the dialog to where one was."""
    page = visit.page
    page.goto("/graphql")
    expect(query_editor(page)).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()

    button = page.get_by_role("button", name="Sign in")
    button.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Token")).to_be_focused()
    page.keyboard.press("Escape")
    expect(button).to_be_focused()

    page.keyboard.press("Enter")
    page.keyboard.type(served.token)
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()


def test_tab_leads_out_of_an_editor(visit: Visit) -> None:
    """Who has come to it by keyboard can leave it so, both ways."""
    page = visit.page
    page.goto("/graphql")
    typing = page.get_by_role("textbox", name="Query Editor")
    typing.focus()
    page.keyboard.press("Tab")
    expect(typing).not_to_be_focused()
    page.keyboard.press("Shift+Tab")
    expect(typing).to_be_focused()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_axe_finds_nothing_serious(visits: Visits, served: RunningServer, scheme: Scheme) -> None:
    """Signed in or not, in light and dark, with all that can be opened beside the editors."""
    visit = visits(served.url, scheme)
    page = visit.page
    page.goto("/")
    assert visit.violations() == []
    page.goto("/graphql")
    expect(query_editor(page)).to_be_visible()
    assert visit.violations() == []

    signed_in(visit, f"/?flow={FLOW}", served.token)
    expect(page.locator(".canvas svg")).to_be_visible()
    assert visit.violations() == []
    page.goto("/graphql")
    page.get_by_role("button", name="Execute query").click()
    expect(result(page)).to_contain_text('"data"')
    for panel in ("Documentation Explorer", "History", "GraphiQL Explorer"):
        page.get_by_role("button", name=f"Show {panel}").click()
        expect(page.get_by_role("button", name=f"Hide {panel}")).to_be_visible()
        assert visit.violations() == [], panel


def test_the_editor_is_there_soon(visit: Visit, measured: list[str]) -> None:
    """To a browser that has seen nothing before; how soon is for the summary."""
    visit.page.goto("/graphql")
    expect(query_editor(visit.page)).to_be_visible()
    visit.page.wait_for_load_state("networkidle")

    measured.append(
        f"the editor after {visit.first_editor():.2f} s, {visit.wire['bytes']:,} bytes,"
        f" {visit.asked.total()} requests, 0 to other hosts"
    )
    assert visit.wire["bytes"] < 1_000_000


@pytest.mark.parametrize("scheme", SCHEMES)
def test_without_graphiqls_files_there_is_a_plain_box(
    visits: Visits, served: RunningServer, bare: str, scheme: Scheme
) -> None:
    """It asks as well, and axe finds nothing serious in it."""
    visit = visits(bare, scheme)
    page = signed_in(visit, "/graphql", served.token)
    page.get_by_label("Variables").press("Control+Enter")

    expect(page.get_by_role("region", name="Result")).to_contain_text(FLOW)
    visit.screenshot(f"query-box-{scheme}")
    assert visit.violations() == []
    assert (visit.complaints, set(visit.asked)) == ([], {bare})


@pytest.fixture(scope="module")
def bare(sample_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a FlowQL without GraphiQL's files."""
    folder = tmp_path_factory.mktemp("bare")
    for package in (gql, models):
        home = Path(package.__path__[0])
        shutil.copytree(home, folder / home.name, ignore=shutil.ignore_patterns("vendor"))
    with run_server(sample_url, env={"PYTHONPATH": str(folder)}) as (url, _):
        yield url


@pytest.fixture(scope="module")
def below(sample_url: str) -> Iterator[str]:
    """The address of FlowQL below a path."""
    with run_server(sample_url, "--root-path", "/flows") as (url, _):
        yield url


def test_a_path_may_lead_to_it(visits: Visits, served: RunningServer, below: str) -> None:
    """All that a page needs is below the path."""
    visit = visits(below)
    page = signed_in(visit, "/flows/", served.token)
    page.locator(f"a[href*='flow={FLOW}']").click()
    expect(page.locator(".canvas svg")).to_be_visible()
    page.get_by_role("navigation", name="FlowQL").get_by_role("link", name="GraphiQL").click()
    page.get_by_role("button", name="Execute query").click()

    expect(result(page)).to_contain_text('"data"')
    assert page.url == f"{below}/flows/graphql"
    assert (visit.complaints, set(visit.asked)) == ([], {below})
