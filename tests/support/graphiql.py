"""GraphiQL in a browser: its tabs, editors, commands and responses."""

from collections.abc import Mapping
from urllib.parse import urlencode

from playwright.sync_api import Locator, Page, expect

from support.browser import Visit, open_signed_in

READ_TABS = """
() => [...document.querySelectorAll(".graphiql-tab-button")].map((button) => button.textContent)
"""
EDITORS = {"query": ".graphiql-query-editor", "variables": ".graphiql-editor-tool"}


def build_link(**parameters: str) -> str:
    """Return a link to GraphiQL with an operation."""
    return f"/graphql?{urlencode(parameters)}"


def open_graphiql(visit: Visit, target: str = "/graphql", token: str | None = None) -> Page:
    """Open GraphiQL, signed in if there is a token, and wait for its editors."""
    if token:
        open_signed_in(visit, target, token)
    else:
        visit.page.goto(target)
    wait_for_editors(visit.page)
    return visit.page


def wait_for_editors(page: Page) -> None:
    """Wait until GraphiQL is ready."""
    for editor in EDITORS.values():
        expect(page.locator(f"{editor} .CodeMirror")).to_be_visible()


def read_tabs(page: Page) -> list[str]:
    """Return the titles of the tabs."""
    return page.evaluate(READ_TABS)


def find_active_tab(page: Page) -> Locator:
    """Return the active tab."""
    return page.locator(".graphiql-tab-active .graphiql-tab-button")


def read_editor(page: Page, name: str) -> str:
    """Return the text of the editor "query" or "variables"."""
    return page.locator(f"{EDITORS[name]} .CodeMirror").evaluate(
        "(element) => element.CodeMirror.getValue()"
    )


def read_operation(page: Page) -> Mapping[str, str]:
    """Return the texts of both editors."""
    return {name: read_editor(page, name) for name in EDITORS}


def write_operation(page: Page, query: str, variables: str = "") -> None:
    """Replace the texts of both editors, and wait until GraphiQL has noticed it."""
    for name, text in (("query", query), ("variables", variables)):
        page.locator(f"{EDITORS[name]} .CodeMirror").evaluate(
            "(element, text) => element.CodeMirror.setValue(text)", text
        )
    page.wait_for_timeout(200)


def run_operation(page: Page) -> None:
    """Press the button that executes the operation."""
    page.get_by_role("button", name="Execute query").click()


def find_result(page: Page) -> Locator:
    """Return the result window."""
    return page.locator(".result-window")


def read_result(page: Page) -> str:
    """Return the text in the result window."""
    return page.locator(".result-window .CodeMirror").evaluate(
        "(element) => element.CodeMirror.getValue()"
    )


def find_summary(page: Page) -> Locator:
    """Return the line with the status, the time and the size of the response."""
    return page.locator("#response-summary")


def find_notice(page: Page) -> Locator:
    """Return the line with messages of commands."""
    return page.locator("#notice")


def choose(page: Page, menu: str, item: str) -> None:
    """Choose an item of a menu in the toolbar."""
    page.get_by_role("button", name=menu).click()
    page.get_by_role("menuitem", name=item, exact=True).click()


def allow_clipboard(page: Page) -> None:
    """Allow the page to use the clipboard without asking."""
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])


def read_clipboard(page: Page) -> str:
    """Return the text in the clipboard."""
    return page.evaluate("() => navigator.clipboard.readText()")
