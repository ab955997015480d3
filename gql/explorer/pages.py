"""HTML pages: their templates and security headers."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.responses import HTMLResponse

from gql.diagram import labels
from gql.diagram.svg import STYLE_SOURCE
from gql.explorer.files import STATIC_PATH, Files
from gql.http.representation import NO_STORE

TEMPLATES = Path(__file__).with_name("templates")
CODE = re.compile(r"`([^`]+)`")
# Pages load resources from this server only and contain no inline scripts.
POLICY_DIRECTIVES = {
    "default-src": "'none'",
    "script-src": "'self'",
    # A diagram contains a style element, whose content is constant.
    "style-src": f"'self' {STYLE_SOURCE}",
    "img-src": "'self' data:",
    "font-src": "'self' data:",
    "connect-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
}
# The content depends on the viewer and on the Accept header.
VIEWER_HEADERS = {
    **NO_STORE,
    "Vary": "Accept, Authorization",
    "X-Content-Type-Options": "nosniff",
}
PAGE_HEADERS = {**VIEWER_HEADERS, "Referrer-Policy": "no-referrer"}


@dataclass(frozen=True, slots=True)
class Pages:
    """The pages of an application whose root path is `root`.

    `links` are the URLs of its endpoints by name. If there is a `token`, pages contain it and
    sign in their users. With `opens_operations`, pages link to operations in GraphiQL.
    """

    root: str
    files: Files
    links: Mapping[str, str]
    token: str | None = field(default=None, repr=False)
    opens_operations: bool = True

    def render(
        self, template: str, status: int = 200, *, style_nonce: str = "", **values: Any
    ) -> HTMLResponse:
        """Render a template with these values and add the security headers.

        With a nonce, scripts of the page may add style elements that have it.
        """
        html = (
            _load_templates()
            .get_template(template)
            .render(
                values,
                root=self.root,
                links=self.links,
                token=self.token or "",
                opens_operations=self.opens_operations,
                style_nonce=style_nonce,
                file=self.build_file_url,
            )
        )
        policy = build_content_security_policy(style_nonce)
        return HTMLResponse(html, status, {**PAGE_HEADERS, "Content-Security-Policy": policy})

    def build_file_url(self, name: str) -> str:
        """Return the URL of the static file with this name."""
        return f"{self.root}{STATIC_PATH}/{self.files.url_names[name]}"


def build_content_security_policy(style_nonce: str = "") -> str:
    """Return the value of the Content-Security-Policy header."""
    directives = dict(POLICY_DIRECTIVES)
    if style_nonce:
        directives["style-src"] += f" 'nonce-{style_nonce}'"
    return "; ".join(f"{directive} {sources}" for directive, sources in directives.items())


@cache
def _load_templates() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "enum_label": _format_enum_value,
        "type_label": labels.format_type,
        "policy_label": labels.format_policy_type,
        "code": _format_code,
    }
    return environment


def _format_enum_value(value: str | None) -> str:
    """Return a value of an enum, as GraphQL or the database writes it, in words."""
    return (value or "Unknown").replace("_", " ").capitalize()


def _format_code(text: str) -> Markup:
    """Return escaped text in which backquotes mark code."""
    return Markup(CODE.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704 - escaped
