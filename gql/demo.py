"""`flowql demo`: the sample flows, served from a database that is thrown away at the end."""

import asyncio
import socket
import tempfile
from contextlib import suppress
from pathlib import Path

from gql import administration
from gql.server import ServerError, listen, serve, url_of
from gql.settings import Settings, read_settings
from models import blueprint
from models.database import migrate
from models.tokens import TokenScope

SAMPLES = Path(blueprint.__file__).parent / "samples"
HOST = "127.0.0.1"
PORTS_TRIED = 100


def run(port: int) -> None:
    """Serve the demo on the first free port from `port` on."""
    with tempfile.TemporaryDirectory(prefix="flowql-demo-") as folder:
        settings = read_settings(
            database_url=f"sqlite:///{folder}/flowql.db",
            schema_name="public",
            root_path="",
            workers=1,
            access_log=False,
            # No other site may read the pages, which have the token.
            cors_origins="",
        )
        with _listen(port) as listening:
            key = asyncio.run(_fill(settings))
            serve(settings, listening, lambda: _announce(url_of(listening), key), key)


def _listen(port: int) -> socket.socket:
    last = min(port + PORTS_TRIED, 2**16) - 1
    for candidate in range(port, last):
        with suppress(ServerError):
            return listen(HOST, candidate)
    return listen(HOST, last)


async def _fill(settings: Settings) -> str:
    """Fill a fresh database with the sample flows; gives the key of a token that sees all."""
    await migrate(settings.database_url)
    await administration.import_blueprints(settings, [SAMPLES])
    return await administration.create_token(settings, "demo", TokenScope(superuser=True), None)


def _announce(url: str, key: str) -> None:
    login = f"-H 'Authorization: Bearer {key}'"
    question = '{"query":"{ flows { pagination { count } results { slug name } } }"}'
    lines = [
        "FlowQL serves authentik's sample flows until you press Ctrl-C.",
        "",
        f"  Browser   {url}/   and, for GraphiQL, {url}/graphql; both have you signed in",
        f"  GraphQL   {url}/graphql",
        f"  Schema    {url}/schema.graphql",
        f"  REST      {url}/flows/instances/   and {url}/api/v3/flows/instances/",
        f'  Header    {{"Authorization": "Bearer {key}"}}',
        "",
        "Ask for the slugs of all flows, over GraphQL and over REST:",
        "",
        f"curl -s {url}/graphql {login} -H 'Content-Type: application/json' -d '{question}'",
        f"curl -s '{url}/flows/instances/?ordering=slug' {login}",
        "",
    ]
    print("\n".join(lines), flush=True)
