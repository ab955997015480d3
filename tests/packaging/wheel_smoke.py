"""Build the wheel, install it in an empty environment, and use it there as a stranger would.

`make smoke` runs this file by itself, so it needs nothing but the standard library.
"""

import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import venv
import zipfile
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PACKAGES = ("gql", "models")
STARTING = 30.0  # seconds that the server may take to answer for the first time
QUESTION = "{ flows(pageSize: 1) { pagination { count } results { slug stages } } }"


def main() -> None:
    """Go from the source to an answered question."""
    with tempfile.TemporaryDirectory(prefix="flowql-smoke-") as folder:
        scratch = Path(folder)
        wheel = build(scratch / "dist")
        compare_files(wheel)
        use(install(wheel, scratch / "environment"), f"sqlite:///{scratch / 'flowql.db'}")
    say("the wheel works")


def say(line: str) -> None:
    """Tell the reader of the log how far it got."""
    print(f"wheel: {line}", flush=True)  # noqa: T201  a script speaks by printing


def build(into: Path) -> Path:
    """Make the wheel with the build backend that the lock pins."""
    pip(
        Path(sys.executable),
        *("wheel", "--no-index", "--no-deps", "--no-build-isolation"),
        *("--wheel-dir", str(into), str(ROOT)),
    )
    (wheel,) = into.glob("flowql-*.whl")
    say(f"built {wheel.name}, {wheel.stat().st_size // 1024} KiB")
    return wheel


def compare_files(wheel: Path) -> None:
    """Hold what the wheel has against what the checkout has: code, samples, migrations, pages."""
    packed = set(packed_files(wheel))
    source = set(source_files())
    if packed != source:
        sys.exit(f"missing: {sorted(source - packed)}\nunexpected: {sorted(packed - source)}")
    say(f"has all {len(packed)} files of {' and '.join(PACKAGES)}")


def packed_files(wheel: Path) -> Iterator[str]:
    """Name each file in the wheel that is not about the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if not name.endswith("/") and ".dist-info/" not in name:
                yield name


def source_files() -> Iterator[str]:
    """Name each file of the two packages as the wheel should."""
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path.relative_to(ROOT).as_posix()


def install(wheel: Path, environment: Path) -> Path:
    """Fill an empty environment with the locked dependencies and the wheel, and return its folder of commands."""
    venv.create(environment, with_pip=True)
    commands = environment / "bin"
    lock = str(ROOT / "requirements.lock")
    pip(commands / "python", "install", "--require-hashes", "--no-deps", "--requirement", lock)
    pip(commands / "python", "install", "--no-index", "--no-deps", str(wheel))
    pip(commands / "python", "check")
    say("installed in an empty environment")
    return commands


def pip(python: Path, *arguments: str) -> None:
    """Run pip in that interpreter's environment."""
    quiet = ("--quiet", "--disable-pip-version-check", "--no-input")
    run(str(python), "-m", "pip", *quiet, *arguments)


def use(commands: Path, database: str) -> None:
    """Do from / what the first page of the manual says: migrate, import, make a token, serve, ask."""
    flowql = str(commands / "flowql")
    run(flowql, "--help")
    run(flowql, "migrate", "--database", database)
    run(flowql, "import", sample_folder(commands / "python"), "--database", database)
    token = run(flowql, "token", "create", "smoke", "--database", database).strip()
    say("migrated and filled a database")
    with serving(flowql, database) as url:
        ask(url, token)
        look(url)


def sample_folder(python: Path) -> str:
    """Find the sample set that came with the wheel, not the checkout's."""
    path = "import models.blueprint; print(models.blueprint.__path__[0])"
    return str(Path(run(str(python), "-c", path).strip()) / "samples")


def run(*command: str) -> str:
    """Run it from / to its end and return what it printed, or leave with what it complained of."""
    done = subprocess.run(
        command, cwd="/", env=plain_environment(), capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return done.stdout


def plain_environment() -> dict[str, str]:
    """Keep what a shell has, without what would lead Python or FlowQL back to the checkout.

    The build backend looks for its program on PATH.
    """
    leading = ("PYTHONPATH", "COVERAGE_", "FLOWQL_", "VIRTUAL_ENV")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(leading)}
    return kept | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


@contextmanager
def serving(flowql: str, database: str) -> Generator[str]:
    """Serve on a free port for as long as the block lasts."""
    port = free_port()
    command = (flowql, "serve", "--port", str(port), "--database", database)
    with subprocess.Popen(command, cwd="/", env=plain_environment()) as server:
        try:
            url = f"http://127.0.0.1:{port}"
            wait_for(url, server)
            yield url
        finally:
            server.terminate()


def free_port() -> int:
    """Let the system name a port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    """Wait until the server says that it lives."""
    giving_up = time.monotonic() + STARTING
    while not lives(url):
        if server.poll() is not None or time.monotonic() > giving_up:
            sys.exit(f"no answer from {url}/-/health/live/, exit status {server.poll()}")
        time.sleep(0.1)
    say("the server lives")


def lives(url: str) -> bool:
    """Ask the server for a sign of life."""
    try:
        fetch(f"{url}/-/health/live/")
    except OSError:
        return False
    return True


def ask(url: str, token: str) -> None:
    """Ask one question of the graph, and know the answer."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    answer = json.loads(fetch(f"{url}/graphql", headers, json.dumps({"query": QUESTION}).encode()))
    if "data" not in answer:
        sys.exit(f"no data: {answer}")
    count = answer["data"]["flows"]["pagination"]["count"]
    samples = len(list((ROOT / "models/blueprint/samples").glob("*.yaml")))
    if count != samples:
        sys.exit(f"expected {samples} flows: {answer}")
    say(f"the graph knows {count} flows")


def look(url: str) -> None:
    """Open GraphiQL's page as a browser does, with all that it needs."""
    page = fetch(f"{url}/graphql", {"Accept": "text/html"}).decode()
    addresses = set(re.findall(r'(?:src|href)="(/explorer/[^"]+)"', page))
    for name in ("react", "react-dom", "graphiql", "plugin-explorer"):
        if not any(address.startswith(f"/explorer/{name}.") for address in addresses):
            sys.exit(f"GraphiQL's page has no {name}: {sorted(addresses)}")
    size = sum(len(fetch(f"{url}{address}")) for address in addresses)
    say(f"GraphiQL's page has {len(addresses)} files of {size // 1024} KiB")


def fetch(url: str, headers: Mapping[str, str] | None = None, body: bytes | None = None) -> Any:
    """Return the body of an answer that is no error."""
    request = urllib.request.Request(url, body, dict(headers or {}))  # noqa: S310  always our own server
    with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310  likewise
        return response.read()


if __name__ == "__main__":
    main()
