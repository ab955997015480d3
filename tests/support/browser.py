"""A visit to a page in a real browser, which remembers all that the page asked for and complained of."""

import shutil
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

from playwright.sync_api import Browser, ConsoleMessage, Page, Playwright, Request

from support.client_environments import client_modules
from support.paths import SCREENSHOTS

Scheme = Literal["light", "dark"]
NAMES = ("chromium", "chromium-browser", "google-chrome")
# Chromium would ask for things of its own; and whatever a page would ask of others ends at a proxy that is not there.
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--proxy-server=http://127.0.0.1:9",
)
WATCHING = """
addEventListener("securitypolicyviolation", (event) => {
  console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`);
});
new MutationObserver((_, observer) => {
  if (!document.querySelector(".graphiql-query-editor .CodeMirror")) return;
  window.firstEditor = performance.now();
  observer.disconnect();
}).observe(document, { childList: true, subtree: true });
"""
AXE = "axe.run(document, {resultTypes: ['violations']}).then((told) => told.violations)"
GRAVE = ("serious", "critical")


@dataclass(eq=False)  # Playwright keeps notes of its own on who listens
class Visit:
    """A page of its own, with nothing remembered from any other.

    `asked` counts requests by scheme and host; `complaints` are errors, warnings and failed requests.
    """

    page: Page
    asked: Counter[str] = field(default_factory=Counter[str])
    complaints: list[str] = field(default_factory=list[str])
    wire: Counter[str] = field(default_factory=Counter[str])

    def watch(self) -> None:
        """Begin to remember."""
        self.page.add_init_script(WATCHING)
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("requestfailed", self._failed)
        wire = self._wire()
        wire.on("Network.requestWillBeSent", self._asked)
        wire.on("Network.loadingFinished", self._loaded)
        wire.send("Network.enable")

    def violations(self) -> list[str]:
        """What axe finds serious or worse, each with the elements that it is about."""
        evaluated = self._evaluated(axe())
        assert "exceptionDetails" not in evaluated, evaluated
        found = self._evaluated(AXE, awaitPromise=True)["result"]["value"]
        return [
            f"{one['id']}: {node['html'][:160]} ({node['failureSummary']})"
            for one in found
            if one["impact"] in GRAVE
            for node in one["nodes"]
        ]

    def first_editor(self) -> float:
        """Seconds from the start of the visit until there was something to type a query in."""
        return self.page.evaluate("() => window.firstEditor") / 1000

    def screenshot(self, name: str) -> None:
        """Keep what it looks like, for somebody to look at."""
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png")

    def _evaluated(self, script: str, **options: bool) -> Any:
        """What a script is worth; asked of the browser itself, since the page's policy forbids it."""
        given = {"expression": script, "returnByValue": True, **options}
        return self._wire().send("Runtime.evaluate", given)

    def _wire(self) -> Any:
        """Chromium's own way to be asked things, whose types Playwright does not know."""
        return self.page.context.new_cdp_session(self.page)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.type}: {message.text}")

    def _failed(self, request: Request) -> None:
        self.complaints.append(f"failed: {request.url} {request.failure}")

    def _asked(self, event: dict[str, Any]) -> None:
        address = urlsplit(str(event["request"]["url"]))
        if address.scheme not in ("data", "blob"):
            self.asked[f"{address.scheme}://{address.netloc}"] += 1

    def _loaded(self, event: dict[str, Any]) -> None:
        self.wire["bytes"] += int(event["encodedDataLength"])


# Begins a visit to an address, in light or dark.
Visits = Callable[..., Visit]


@contextmanager
def open_browser(browser: Browser, url: str, scheme: Scheme = "light") -> Generator[Visit]:
    """A visit to the server at an address, from a browser that has seen nothing yet."""
    context = browser.new_context(
        base_url=url, color_scheme=scheme, viewport={"width": 1280, "height": 800}
    )
    context.set_default_timeout(10_000)
    try:
        visit = Visit(context.new_page())
        visit.watch()
        yield visit
    finally:
        context.close()


def launched(playwright: Playwright) -> Browser:
    """Debian's Chromium, or whichever there is."""
    found = [path for path in map(shutil.which, NAMES) if path]
    assert found, "the tests need Chromium: make chromium"
    return playwright.chromium.launch(executable_path=found[0], args=list(ARGUMENTS))


def axe() -> str:
    """The text of axe-core, as npm has it."""
    return (client_modules("axe-core") / "node_modules/axe-core/axe.min.js").read_text()
