"""One Chromium for the tests of a module, and a fresh visit for each."""

from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser, sync_playwright
from processes import Served
from visiting import Scheme, Visit, launched, visiting

Visits = Callable[..., Visit]
MEASURED = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    """Begin to measure."""
    config.stash[MEASURED] = []


@pytest.fixture(
    scope="module"
)  # Playwright's event loop, while it lasts, would stop those of other tests
def browser() -> Iterator[Browser]:
    """A running Chromium."""
    with sync_playwright() as playwright, launched(playwright) as chromium:
        yield chromium


@pytest.fixture
def visits(browser: Browser) -> Iterator[Visits]:
    """Begin a visit to an address, in light unless it is told otherwise."""
    with ExitStack() as stack:

        def begin(url: str, scheme: Scheme = "light") -> Visit:
            return stack.enter_context(visiting(browser, url, scheme))

        yield begin


@pytest.fixture
def visit(visits: Visits, served: Served) -> Generator[Visit]:
    """A visit to `served`, which asks nobody else and complains of nothing."""
    visit = visits(served.url)
    yield visit
    assert visit.complaints == []
    assert set(visit.asked) == {served.url}


@pytest.fixture
def measured(pytestconfig: pytest.Config) -> list[str]:
    """What was measured, for the summary; tests add theirs."""
    return pytestconfig.stash[MEASURED]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print it."""
    for line in terminalreporter.config.stash[MEASURED]:
        terminalreporter.write_line(f"browser: {line}")
