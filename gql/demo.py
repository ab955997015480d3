"""`flowql demo`: serve the sample flows from a temporary database."""

import asyncio
import os
import select
import signal
import socket
import sys
import tempfile
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from threading import Thread

from gql import administration
from gql.server import PortInUseError, build_url, listen, serve
from gql.settings import Settings, read_settings
from models import blueprint
from models.tokens import TokenScope

SAMPLES = Path(blueprint.__file__).parent / "samples"
MAX_ATTEMPTS = 100


def run(host: str | None, port: int | None) -> None:
    """Serve the demo until SIGTERM or SIGINT, or until nobody reads its output.

    If neither `port` nor the setting is set, it takes the first free port from the default on.
    """
    with tempfile.TemporaryDirectory(prefix="flowql-demo-") as folder:
        settings = read_settings(
            database_url=f"sqlite:///{folder}/flowql.db",
            schema_name=Settings.model_fields["schema_name"].default,
            host=host,
            port=port,
            root_path="",
            workers=1,
            access_log=False,
            sync_url="",
            # The pages may contain the token, so other origins must not read them.
            cors_origins="",
        )
        with _listen(settings) as listener:
            _serve(settings, listener)


def _listen(settings: Settings) -> socket.socket:
    first = settings.port
    is_set = "port" in settings.model_fields_set
    last = first if is_set else first + MAX_ATTEMPTS - 1
    for candidate in range(first, last):
        with suppress(PortInUseError):
            return listen(settings.host, candidate)
    return listen(settings.host, last)


def _serve(settings: Settings, listener: socket.socket) -> None:
    key = asyncio.run(_create_database(settings))
    # Other machines must not receive the token.
    is_signed_in = ip_address(listener.getsockname()[0]).is_loopback

    def start() -> None:
        _print_help(build_url(listener), key, is_signed_in=is_signed_in)
        Thread(target=_stop_without_reader, daemon=True).start()

    serve(settings, listener, start, key if is_signed_in else None)


def _stop_without_reader() -> None:
    """Stop the server when the reader of the output exits, as in `flowql demo | head`."""
    poll = select.poll()
    # Without events, it waits only for errors and for the end of the connection.
    poll.register(sys.stdout, 0)
    poll.poll()
    os.kill(os.getpid(), signal.SIGTERM)


async def _create_database(settings: Settings) -> str:
    """Create a database with the sample flows, and return the key of a superuser's token."""
    await administration.migrate(settings)
    await administration.import_blueprints(settings, [SAMPLES])
    return await administration.create_token(settings, "demo", TokenScope(is_superuser=True), None)


def _print_help(url: str, key: str, *, is_signed_in: bool) -> None:
    header = f"-H 'Authorization: Bearer {key}'"
    body = '{"query":"{ flows { pagination { count } results { slug name } } }"}'
    sign_in = "you are signed in on both" if is_signed_in else "both ask for the token"
    lines = [
        "FlowQL serves authentik's sample flows until you press Ctrl-C.",
        "",
        f"  Browser   {url}/   and, for GraphiQL, {url}/graphql; {sign_in}",
        f"  GraphQL   {url}/graphql",
        f"  Schema    {url}/schema.graphql",
        f"  REST      {url}/flows/instances/   and {url}/api/v3/flows/instances/",
        f"  Token     {key}",
        f'  Header    {{"Authorization": "Bearer {key}"}}',
        "",
        "List the slugs of all flows, with GraphQL and with REST:",
        "",
        f"curl -s {url}/graphql {header} -H 'Content-Type: application/json' -d '{body}'",
        f"curl -s '{url}/flows/instances/?ordering=slug' {header}",
        "",
    ]
    print("\n".join(lines), flush=True)
