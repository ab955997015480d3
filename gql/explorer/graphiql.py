"""The GraphiQL page, or a plain query box if GraphiQL is not installed."""

import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path

import orjson
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from gql.explorer.packages import is_installed
from gql.explorer.pages import Pages

EXAMPLES = Path(__file__).with_name("examples")
NONCE_BYTES = 16


def build_page(pages: Pages) -> ASGIApp:
    """Return the ASGI application that serves the page."""
    examples = list(read_examples())
    examples_json = orjson.dumps(examples).decode()
    has_graphiql = is_installed()

    async def respond(scope: Scope, receive: Receive, send: Send) -> None:
        nonce = secrets.token_urlsafe(NONCE_BYTES)
        response = (
            pages.render("graphiql.html", style_nonce=nonce, examples=examples_json)
            if has_graphiql
            else pages.render("query-box.html", example=examples[0])
        )
        await response(scope, receive, send)

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
