"""Pages for people: how they are written, and what a browser may do with them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse

from gql.diagram.svg import STYLE_SOURCE
from gql.explorer.files import STATIC_PATH, Files

TEMPLATES = Path(__file__).with_name("templates")
# Everything comes from here, and nothing that stands in a page is run.
SOURCES = {
    "default-src": "'none'",
    "script-src": "'self'",
    # A flow's picture brings its style, which is always the same.
    "style-src": f"'self' {STYLE_SOURCE}",
    "img-src": "'self' data:",
    "font-src": "'self' data:",
    "connect-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
}
# What is told may depend on who asks, and how.
NO_STORE = {
    "Cache-Control": "no-store",
    "Vary": "Accept, Authorization",
    "X-Content-Type-Options": "nosniff",
}
PAGE_HEADERS = {**NO_STORE, "Referrer-Policy": "no-referrer"}


@dataclass(frozen=True, slots=True)
class Pages:
    """Writes pages for an application below `root`, the path that leads to it.

    `links` are what there is to see; with `token` people come signed in.
    """

    root: str
    files: Files
    links: Mapping[str, str]
    token: str | None = field(default=None, repr=False)

    def render(self, template: str, status: int = 200, **given: Any) -> HTMLResponse:
        """A page, guarded against what might stand in it."""
        text = (
            _templates()
            .get_template(template)
            .render(
                given, root=self.root, links=self.links, token=self.token or "", file=self.address
            )
        )
        return HTMLResponse(text, status, {**PAGE_HEADERS, "Content-Security-Policy": policy()})

    def address(self, name: str) -> str:
        """Where a file is."""
        return f"{self.root}{STATIC_PATH}/{self.files.addresses[name]}"


def policy() -> str:
    """What a page may load, as the header Content-Security-Policy says it."""
    return "; ".join(f"{directive} {sources}" for directive, sources in SOURCES.items())


@cache
def _templates() -> Environment:
    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
