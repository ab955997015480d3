"""The GraphiQL page, or a plain query box if GraphiQL is not installed."""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import orjson
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from gql.explorer.packages import is_installed
from gql.explorer.pages import Pages

EXAMPLES = Path(__file__).with_name("examples")
NONCE_BYTES = 16


def build_page(pages: Pages) -> ASGIApp:
    """Return the ASGI application that serves the page."""
    examples = list(read_examples())
    render = _render_graphiql if is_installed() else _render_query_box

    async def respond(scope: Scope, receive: Receive, send: Send) -> None:
        await render(pages, examples)(scope, receive, send)

    return GZipMiddleware(respond)


def read_examples() -> Iterator[Mapping[str, str]]:
    """Yield the example operations with their titles, and with their variables as JSON."""
    for path in sorted(EXAMPLES.glob("*.graphql")):
        variables = path.with_suffix(".json")
        yield {
            "title": path.stem.partition("-")[2].replace("-", " ").capitalize(),
            "query": path.read_text(),
            "variables": variables.read_text() if variables.exists() else "",
        }


def _render_graphiql(pages: Pages, examples: Sequence[Mapping[str, str]]) -> Response:
    return pages.render(
        "graphiql.html",
        style_nonce=secrets.token_urlsafe(NONCE_BYTES),
        examples=orjson.dumps(examples).decode(),
    )


def _render_query_box(pages: Pages, examples: Sequence[Mapping[str, str]]) -> Response:
    return pages.render("query-box.html", example=examples[0])
