"""Build the wheel, install it in an empty environment, and use it there as a new user does.

`make smoke` runs this file, which requires only the standard library.
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
START_SECONDS = 30.0  # the time that the server may take until it is live
QUERY = "{ flows(pageSize: 1) { pagination { count } results { slug stages } } }"


def main() -> None:
    """Build, install and use the wheel."""
    with tempfile.TemporaryDirectory(prefix="flowql-smoke-") as folder:
        scratch = Path(folder)
        wheel = build(scratch / "dist")
        compare_files(wheel)
        use(install(wheel, scratch / "environment"), f"sqlite:///{scratch / 'flowql.db'}")
    log("the wheel works")


def log(line: str) -> None:
    """Print a line of progress."""
    print(f"wheel: {line}", flush=True)  # noqa: T201 - a script prints its progress


def build(into: Path) -> Path:
    """Build the wheel with the pinned build backend, and return its path."""
    pip(
        Path(sys.executable),
        *("wheel", "--no-index", "--no-deps", "--no-build-isolation"),
        *("--wheel-dir", str(into), str(ROOT)),
    )
    (wheel,) = into.glob("flowql-*.whl")
    log(f"built {wheel.name}, {wheel.stat().st_size // 1024} KiB")
    return wheel


def compare_files(wheel: Path) -> None:
    """Exit with an error unless the wheel has every file of the two packages."""
    packed = set(list_wheel_files(wheel))
    source = set(list_source_files())
    if packed != source:
        sys.exit(f"missing: {sorted(source - packed)}\nunexpected: {sorted(packed - source)}")
    log(f"has all {len(packed)} files of {' and '.join(PACKAGES)}")


def list_wheel_files(wheel: Path) -> Iterator[str]:
    """Yield the files in the wheel, except its metadata."""
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if not name.endswith("/") and ".dist-info/" not in name:
                yield name


def list_source_files() -> Iterator[str]:
    """Yield the files of the two packages in the checkout."""
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path.relative_to(ROOT).as_posix()


def install(wheel: Path, environment: Path) -> Path:
    """Install the locked dependencies and the wheel, and return the folder of commands."""
    venv.create(environment, with_pip=True)
    commands = environment / "bin"
    lock = str(ROOT / "requirements.lock")
    pip(commands / "python", "install", "--require-hashes", "--no-deps", "--requirement", lock)
    pip(commands / "python", "install", "--no-index", "--no-deps", str(wheel))
    pip(commands / "python", "check")
    log("installed in an empty environment")
    return commands


def pip(python: Path, *arguments: str) -> None:
    """Run pip in an interpreter's environment."""
    quiet = ("--quiet", "--disable-pip-version-check", "--no-input")
    run(str(python), "-m", "pip", *quiet, *arguments)


def use(commands: Path, database: str) -> None:
    """Migrate and fill a database, create a token, serve, and send requests."""
    flowql = str(commands / "flowql")
    run(flowql, "--help")
    run(flowql, "migrate", "--database", database)
    run(flowql, "import", find_samples(commands / "python"), "--database", database)
    token = run(flowql, "token", "create", "smoke", "--database", database).strip()
    log("migrated and filled a database")
    with run_server(flowql, database) as url:
        check_graph(url, token)
        check_page(url)


def find_samples(python: Path) -> str:
    """Return the folder of sample flows in the installed wheel."""
    script = "import models.blueprint; print(models.blueprint.__path__[0])"
    return str(Path(run(str(python), "-c", script).strip()) / "samples")


def run(*command: str) -> str:
    """Run a command in / and return its standard output; exit with its output if it fails."""
    process = subprocess.run(
        command, cwd="/", env=clean_environment(), capture_output=True, text=True, check=False
    )
    if process.returncode:
        sys.exit(f"{' '.join(command)}\n{process.stdout}{process.stderr}")
    return process.stdout


def clean_environment() -> dict[str, str]:
    """Return the environment without variables that refer to the checkout or configure FlowQL.

    The build backend searches PATH for its program.
    """
    prefixes = ("PYTHONPATH", "COVERAGE_", "FLOWQL_", "VIRTUAL_ENV")
    others = {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}
    return others | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


@contextmanager
def run_server(flowql: str, database: str) -> Generator[str]:
    """Serve on a free port until the block ends; yields the URL."""
    port = free_port()
    command = (flowql, "serve", "--port", str(port), "--database", database)
    with subprocess.Popen(command, cwd="/", env=clean_environment()) as server:
        try:
            url = f"http://127.0.0.1:{port}"
            wait_until_live(url, server)
            yield url
        finally:
            server.terminate()


def free_port() -> int:
    """Return a port that no process listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_until_live(url: str, server: subprocess.Popen[bytes]) -> None:
    """Return when the server is live; exit with an error if it ends or takes too long."""
    deadline = time.monotonic() + START_SECONDS
    while not is_live(url):
        if server.poll() is not None or time.monotonic() > deadline:
            sys.exit(f"no response from {url}/-/health/live/, exit status {server.poll()}")
        time.sleep(0.1)
    log("the server is live")


def is_live(url: str) -> bool:
    """Return whether the liveness endpoint responds."""
    try:
        fetch(f"{url}/-/health/live/")
    except OSError:
        return False
    return True


def check_graph(url: str, token: str) -> None:
    """Exit with an error unless GraphQL returns all sample flows."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    response = json.loads(fetch(f"{url}/graphql", headers, json.dumps({"query": QUERY}).encode()))
    if "data" not in response:
        sys.exit(f"no data: {response}")
    count = response["data"]["flows"]["pagination"]["count"]
    samples = len(list((ROOT / "models/blueprint/samples").glob("*.yaml")))
    if count != samples:
        sys.exit(f"expected {samples} flows: {response}")
    log(f"GraphQL returns {count} flows")


def check_page(url: str) -> None:
    """Exit with an error unless GraphiQL's page and all its files are served."""
    page = fetch(f"{url}/graphql", {"Accept": "text/html"}).decode()
    paths = set(re.findall(r'(?:src|href)="(/explorer/[^"]+)"', page))
    for name in ("react", "react-dom", "graphiql", "plugin-explorer"):
        if not any(path.startswith(f"/explorer/{name}.") for path in paths):
            sys.exit(f"GraphiQL's page has no {name}: {sorted(paths)}")
    size = sum(len(fetch(f"{url}{path}")) for path in paths)
    log(f"GraphiQL's page has {len(paths)} files of {size // 1024} KiB")


def fetch(url: str, headers: Mapping[str, str] | None = None, body: bytes | None = None) -> Any:
    """Return the body of a successful response."""
    request = urllib.request.Request(url, body, dict(headers or {}))  # noqa: S310 - our own server
    with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310 - our own server
        return response.read()


if __name__ == "__main__":
    main()
