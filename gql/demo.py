"""`flowql demo`: serve the sample flows from a temporary database."""

import asyncio
import socket
import tempfile
from contextlib import suppress
from pathlib import Path

from gql import administration
from gql.server import ServerError, build_url, listen, serve
from gql.settings import LOOPBACK_HOST, MAX_PORT, Settings, read_settings
from models import blueprint
from models.tokens import TokenScope

SAMPLES = Path(blueprint.__file__).parent / "samples"
MAX_ATTEMPTS = 100


def run(port: int) -> None:
    """Serve the demo on the first free port from `port` on."""
    with tempfile.TemporaryDirectory(prefix="flowql-demo-") as folder:
        settings = read_settings(
            database_url=f"sqlite:///{folder}/flowql.db",
            schema_name=Settings.model_fields["schema_name"].default,
            root_path="",
            workers=1,
            access_log=False,
            # The pages contain the token, so other origins must not read them.
            cors_origins="",
        )
        with _listen_on_free_port(port) as listener:
            key = asyncio.run(_create_database(settings))
            serve(settings, listener, lambda: _print_help(build_url(listener), key), key)


def _listen_on_free_port(port: int) -> socket.socket:
    last = min(port + MAX_ATTEMPTS - 1, MAX_PORT)
    for candidate in range(port, last):
        with suppress(ServerError):
            return listen(LOOPBACK_HOST, candidate)
    return listen(LOOPBACK_HOST, last)


async def _create_database(settings: Settings) -> str:
    """Create a database with the sample flows, and return the key of a superuser's token."""
    await administration.migrate(settings)
    await administration.import_blueprints(settings, [SAMPLES])
    return await administration.create_token(settings, "demo", TokenScope(is_superuser=True), None)


def _print_help(url: str, key: str) -> None:
    header = f"-H 'Authorization: Bearer {key}'"
    body = '{"query":"{ flows { pagination { count } results { slug name } } }"}'
    lines = [
        "FlowQL serves authentik's sample flows until you press Ctrl-C.",
        "",
        f"  Browser   {url}/   and, for GraphiQL, {url}/graphql; you are signed in on both",
        f"  GraphQL   {url}/graphql",
        f"  Schema    {url}/schema.graphql",
        f"  REST      {url}/flows/instances/   and {url}/api/v3/flows/instances/",
        f'  Header    {{"Authorization": "Bearer {key}"}}',
        "",
        "List the slugs of all flows, with GraphQL and with REST:",
        "",
        f"curl -s {url}/graphql {header} -H 'Content-Type: application/json' -d '{body}'",
        f"curl -s '{url}/flows/instances/?ordering=slug' {header}",
        "",
    ]
    print("\n".join(lines), flush=True)
