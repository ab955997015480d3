"""The measured servers: their commands, processes and connections."""

import http.client
import subprocess
import sys
import time
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from data import KEY
from figures import FLOWQL_SERVER, REUSE_SERVER, STATIC_SERVER
from machine import pin_command
from workload import GRAPHQL, Api, HttpRequest

from support.client_environments import install_npm_client, node_path
from support.command import FLOWQL, clean_environment
from support.paths import BUILD, SCHEMA, TESTS
from support.server_process import find_free_port

HERE = Path(__file__).parent
PEERS = HERE / "peers"
PATIENCE_SECONDS = 30

JSON = {"Content-Type": "application/json"}
BEARER = {"Authorization": f"Bearer {KEY}"}
TYPE_NAME = '{"query": "{ __typename }"}'
# The largest distinct documents have almost 500 aliases.
ALIASES = {"FLOWQL_MAX_ALIASES": "500"}
NO_REUSE = {"FLOWQL_REUSE_BYTES": "0"}
COMMIT_RATES = (0, 1, 10, 100)
# V8 optimizes Mercurius for its first 30,000 requests, and spends CPU time on this.
V8_WARM_UP_SECONDS = 15


class ServerFailedError(RuntimeError):
    """A server did not start; the message ends with its output."""


@dataclass(frozen=True, slots=True)
class ServerKind:
    """A server that can be started: its name, database, command, environment and supported APIs.

    The command has the placeholder {port}.
    Only `workloads` are measured, or all of the APIs if there are none; `page_20` is repeated with
    each of the `commit_rates` to the database at `url`.
    """

    name: str
    database: str
    description: str
    command: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    headers: Mapping[str, str] = field(default_factory=lambda: JSON)
    apis: frozenset[Api] = frozenset({Api.FLAT})
    workloads: frozenset[str] = frozenset()
    commit_rates: Sequence[int] = (0,)
    url: str = ""
    first_warm_up_seconds: int = 0

    @property
    def label(self) -> str:
        """The name and database, which are unique."""
        return f"{self.name} on {self.database}"


@dataclass(frozen=True, slots=True)
class Server:
    """A running server."""

    kind: ServerKind
    port: int
    pid: int

    @property
    def url(self) -> str:
        """The URL without a path."""
        return f"http://127.0.0.1:{self.port}"

    @contextmanager
    def connect(self) -> Generator[http.client.HTTPConnection]:
        """Keep a connection open until the block ends."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)
        try:
            yield connection
        finally:
            connection.close()

    def send(
        self, connection: http.client.HTTPConnection, request: HttpRequest
    ) -> tuple[int, bytes]:
        """Send a request and return the status and body of the response."""
        body = request.body.encode() or None
        connection.request(request.method, request.target, body, dict(self.kind.headers))
        response = connection.getresponse()
        return response.status, response.read()


def static(body: Path) -> ServerKind:
    """Return Starlette with the bytes of a response in memory, which is the upper limit."""
    return ServerKind(
        STATIC_SERVER,
        "nothing",
        "Starlette, static bytes",
        _python("static_starlette.py", "{port}", str(body)),
        workloads=frozenset({"page_20"}),
    )


def flowql(url: str, database: str, workloads: Iterable[str] = ()) -> ServerKind:
    """Return `flowql serve`, which executes every request."""
    return ServerKind(
        FLOWQL_SERVER,
        database,
        "FlowQL, reuse off",
        (str(FLOWQL), "serve", "--port", "{port}", "--database", url),
        env=ALIASES | NO_REUSE,
        headers=JSON | BEARER,
        apis=frozenset(Api),
        workloads=frozenset(workloads),
        url=url,
    )


def reusing_flowql(url: str, database: str, workloads: Iterable[str] = ()) -> ServerKind:
    """Return `flowql serve` with its default, which reuses responses until a commit."""
    return replace(
        flowql(url, database, workloads),
        name=REUSE_SERVER,
        description="FlowQL",
        env=ALIASES,
        commit_rates=COMMIT_RATES,
    )


def strawberry(url: str, database: str, workloads: Iterable[str] = ()) -> ServerKind:
    """Return Strawberry as documented, on SQLModel's ORM."""
    return ServerKind(
        "strawberry",
        database,
        "Strawberry, cached, ORM",
        _python("strawberry_orm.py", "{port}", _sqlalchemy_url(url)),
        workloads=frozenset(workloads),
    )


def dataloaders(url: str, database: str) -> ServerKind:
    """Return Strawberry as documented, with a resolver and a DataLoader for each relation."""
    return ServerKind(
        "dataloaders",
        database,
        "Strawberry, cached, DataLoaders",
        _python("strawberry_dataloaders.py", "{port}", _sqlalchemy_url(url)),
        apis=frozenset({Api.NESTED}),
    )


def django(url: str, database: str) -> ServerKind:
    """Return Django REST framework under gunicorn."""
    options = ("--bind", "127.0.0.1:{port}", "--worker-class", "gthread", "--threads", "4")
    return ServerKind(
        "django",
        database,
        "Django REST framework",
        (sys.executable, "-m", "gunicorn", *options, "--keep-alive", "60", "django_rest"),
        env={"BENCHMARK_DATABASE": url, "PYTHONPATH": f"{PEERS}:{TESTS}"},
        apis=frozenset({Api.REST}),
    )


def mercurius(url: str, database: str) -> ServerKind:
    """Return Mercurius on the Node.js of the development lock."""
    script = PEERS / "mercurius" / "server.js"
    files = (HERE / "page.sql", HERE / "flow.sql", SCHEMA)
    return ServerKind(
        "mercurius",
        database,
        "Mercurius, jit, one statement",
        (node_path(), str(script), "{port}", url, *map(str, files)),
        env={
            "NODE_ENV": "production",
            "NODE_PATH": str(install_npm_client("mercurius") / "node_modules"),
        },
        first_warm_up_seconds=V8_WARM_UP_SECONDS,
    )


@contextmanager
def run_server(kind: ServerKind, core: int) -> Generator[Server]:
    """Run a server on its core until the block ends; yields it once it responds."""
    port = find_free_port()
    command = [part.replace("{port}", str(port)) for part in kind.command]
    log = BUILD / f"{kind.name}-{kind.database}.log"
    BUILD.mkdir(exist_ok=True)
    with (
        log.open("w") as output,
        subprocess.Popen(
            pin_command(core, command),
            env=clean_environment(kind.env),
            cwd=BUILD,
            stdout=output,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        server = Server(kind, port, process.pid)
        try:
            _wait_until_live(server, process, log)
            yield server
        finally:
            process.terminate()
            process.wait(PATIENCE_SECONDS)


def _wait_until_live(server: Server, process: subprocess.Popen[Any], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with server.connect() as connection:
                server.send(connection, HttpRequest("POST", GRAPHQL, TYPE_NAME))
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise ServerFailedError(f"{server.kind.label} does not respond:\n{log.read_text()}")


def _python(script: str, *arguments: str) -> Sequence[str]:
    return (sys.executable, str(PEERS / script), *arguments)


def _sqlalchemy_url(url: str) -> str:
    scheme, _, rest = url.partition("://")
    driver = {"postgresql": "asyncpg", "sqlite": "aiosqlite"}[scheme]
    return f"{scheme}+{driver}://{rest}"
