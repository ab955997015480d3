"""GraphiQL's page, with operations to begin with; a plain query box where its files are missing."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import orjson
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from gql.explorer.packages import is_installed
from gql.explorer.pages import Pages

EXAMPLES = Path(__file__).with_name("examples")


def page(pages: Pages) -> ASGIApp:
    """What answers somebody who comes to look."""
    tabs = list(examples())
    has_graphiql = is_installed()

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        written = (
            pages.render("graphiql.html", tabs=orjson.dumps(tabs).decode())
            if has_graphiql
            else pages.render("query-box.html", example=tabs[0])
        )
        await written(scope, receive, send)

    return GZipMiddleware(answer)


def examples() -> Iterator[Mapping[str, str]]:
    """The operations that tabs begin with: what to ask, and the variables for it as JSON."""
    for path in sorted(EXAMPLES.glob("*.graphql")):
        variables = path.with_suffix(".json")
        yield {
            "query": path.read_text(),
            "variables": variables.read_text() if variables.exists() else "",
        }
