"""The GraphiQL page, or a plain query box if GraphiQL is not installed."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import orjson
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from gql.explorer.packages import is_installed
from gql.explorer.pages import Pages

EXAMPLES = Path(__file__).with_name("examples")


def build_page(pages: Pages) -> ASGIApp:
    """Return the ASGI application that serves the page."""
    tabs = list(read_examples())
    has_graphiql = is_installed()

    async def respond(scope: Scope, receive: Receive, send: Send) -> None:
        response = (
            pages.render("graphiql.html", tabs=orjson.dumps(tabs).decode())
            if has_graphiql
            else pages.render("query-box.html", example=tabs[0])
        )
        await response(scope, receive, send)

    return GZipMiddleware(respond)


def read_examples() -> Iterator[Mapping[str, str]]:
    """Yield the example operations that GraphiQL opens in tabs, with their variables as JSON."""
    for path in sorted(EXAMPLES.glob("*.graphql")):
        variables = path.with_suffix(".json")
        yield {
            "query": path.read_text(),
            "variables": variables.read_text() if variables.exists() else "",
        }
