"""Visits to pages in a real browser, with a record of requests and problems."""

import shutil
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

from playwright.sync_api import Browser, ConsoleMessage, Page, Playwright, Request, expect

from support.client_environments import install_npm_client
from support.paths import SCREENSHOTS

ColorScheme = Literal["light", "dark"]
NAMES = ("chromium", "chromium-browser", "google-chrome")
# These options stop Chromium's own requests. A proxy that does not exist blocks other hosts.
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--proxy-server=http://127.0.0.1:9",
)
RECORDER = """
addEventListener("securitypolicyviolation", (event) => {
  console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`);
});
new MutationObserver((_, observer) => {
  if (!document.querySelector(".graphiql-query-editor .CodeMirror")) return;
  window.firstEditor = performance.now();
  observer.disconnect();
}).observe(document, { childList: true, subtree: true });
"""
RUN_AXE = "axe.run(document, {resultTypes: ['violations']}).then((results) => results.violations)"
SERIOUS_IMPACTS = ("serious", "critical")


@dataclass(eq=False)  # Playwright requires hashable owners of event handlers
class Visit:
    """A page in a new browser context, without cookies, storage or cache.

    `requests` counts requests by scheme and host. `problems` lists errors, warnings and failed
    requests. `bytes_received` counts the encoded bytes of all responses.
    """

    page: Page
    requests: Counter[str] = field(default_factory=Counter[str])
    problems: list[str] = field(default_factory=list[str])
    bytes_received: int = 0

    def record(self) -> None:
        """Start to record requests and problems."""
        self.page.add_init_script(RECORDER)
        self.page.on("console", self._record_message)
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("requestfailed", self._record_failure)
        devtools = self._connect_devtools()
        devtools.on("Network.requestWillBeSent", self._record_request)
        devtools.on("Network.loadingFinished", self._record_bytes)
        devtools.send("Network.enable")

    def find_violations(self) -> list[str]:
        """Return axe's serious and critical violations, one for each affected element."""
        loaded = self._evaluate(read_axe())
        assert "exceptionDetails" not in loaded, loaded
        violations = self._evaluate(RUN_AXE, awaitPromise=True)["result"]["value"]
        return [
            f"{violation['id']}: {node['html'][:160]} ({node['failureSummary']})"
            for violation in violations
            if violation["impact"] in SERIOUS_IMPACTS
            for node in violation["nodes"]
        ]

    def measure_first_editor(self) -> float:
        """Return the seconds from the start of navigation to the first query editor."""
        return self.page.evaluate("() => window.firstEditor") / 1000

    def screenshot(self, name: str) -> None:
        """Save a screenshot for review."""
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png")

    def _evaluate(self, script: str, **options: bool) -> Any:
        """Evaluate a script with the DevTools protocol, because the page's CSP forbids eval."""
        parameters = {"expression": script, "returnByValue": True, **options}
        return self._connect_devtools().send("Runtime.evaluate", parameters)

    def _connect_devtools(self) -> Any:
        """Open a session of the Chrome DevTools Protocol, which Playwright does not type."""
        return self.page.context.new_cdp_session(self.page)

    def _record_message(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.problems.append(f"{message.type}: {message.text}")

    def _record_failure(self, request: Request) -> None:
        # The next page, or a new request for the same content, aborts one that is still running.
        if request.failure != "net::ERR_ABORTED":
            self.problems.append(f"failed: {request.url} {request.failure}")

    def _record_request(self, event: dict[str, Any]) -> None:
        url = urlsplit(str(event["request"]["url"]))
        if url.scheme not in ("data", "blob"):
            self.requests[f"{url.scheme}://{url.netloc}"] += 1

    def _record_bytes(self, event: dict[str, Any]) -> None:
        self.bytes_received += int(event["encodedDataLength"])


# Starts a visit to a URL, in light or dark.
StartVisit = Callable[..., Visit]


@contextmanager
def open_visit(browser: Browser, url: str, color_scheme: ColorScheme = "light") -> Generator[Visit]:
    """Start a visit to a server in a new browser context."""
    context = browser.new_context(
        base_url=url, color_scheme=color_scheme, viewport={"width": 1280, "height": 800}
    )
    context.set_default_timeout(10_000)
    try:
        visit = Visit(context.new_page())
        visit.record()
        yield visit
    finally:
        context.close()


def sign_in(page: Page, token: str) -> None:
    """Enter a token into the dialog."""
    page.get_by_role("button", name="Sign in").click()
    page.get_by_label("Token").fill(token)
    page.get_by_label("Token").press("Enter")


def open_signed_in(visit: Visit, path: str, token: str) -> Page:
    """Open a page and sign in."""
    visit.page.goto(path)
    sign_in(visit.page, token)
    expect(visit.page.get_by_role("button", name="Sign out")).to_be_visible()
    return visit.page


def launch_chromium(playwright: Playwright) -> Browser:
    """Launch the Chromium or Chrome that the system provides."""
    paths = [path for path in map(shutil.which, NAMES) if path]
    assert paths, "The tests need Chromium. Run 'make chromium'."
    return playwright.chromium.launch(executable_path=paths[0], args=list(ARGUMENTS))


def read_axe() -> str:
    """Return the source of axe-core from its npm package."""
    return (install_npm_client("axe-core") / "node_modules/axe-core/axe.min.js").read_text()
