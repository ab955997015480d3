"""Fixtures of browser tests."""

from collections.abc import Generator, Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser, sync_playwright

from support.browser import ColorScheme, StartVisit, Visit, launch_chromium, open_visit
from support.server_process import RunningServer


# The scope is not the session, because Playwright's event loop blocks those of other tests.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A running Chromium."""
    with sync_playwright() as playwright, launch_chromium(playwright) as chromium:
        yield chromium


@pytest.fixture
def start_visit(browser: Browser) -> Iterator[StartVisit]:
    """Return a function that starts a visit to a URL, in light by default."""
    with ExitStack() as stack:

        def start(url: str, color_scheme: ColorScheme = "light") -> Visit:
            return stack.enter_context(open_visit(browser, url, color_scheme))

        yield start


@pytest.fixture
def visit(start_visit: StartVisit, sample_server: RunningServer) -> Generator[Visit]:
    """A visit to `sample_server` without problems and without requests to other hosts."""
    visit = start_visit(sample_server.url)
    yield visit
    assert visit.problems == []
    assert set(visit.requests) == {sample_server.url}
