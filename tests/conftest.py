"""Fixtures that all tests share: real databases, filled once, and FlowQL on each of them."""

import signal
from collections import Counter
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest

from support.app_client import AppClient
from support.command import run_flowql
from support.databases import KINDS
from support.paths import SAMPLES
from support.postgres import PostgresServer
from support.reference.site import Reference
from support.seed import fill_authentik, fill_flowql
from support.server_process import RunningServer, run_server

REQUEST_COUNTS = pytest.StashKey[Counter[str]]()
BROWSER_TIMINGS = pytest.StashKey[list[str]]()

hypothesis.settings.register_profile("default", max_examples=100, deadline=None)
hypothesis.settings.register_profile("full", max_examples=2000, deadline=None)
hypothesis.settings.load_profile("default")


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """Run PostgreSQL with a UTF-8 locale."""
    with PostgresServer() as server:
        yield server


@pytest.fixture(scope="session")
def authentik_url(postgres: PostgresServer) -> str:
    """Fill a database of authentik with edge-case data and return its URL."""
    return fill_authentik(postgres.create_database("authentik"))


@pytest.fixture(scope="session")
def sqlite_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Fill FlowQL's own SQLite database with the same data and return its URL."""
    return fill_flowql(f"sqlite:///{tmp_path_factory.mktemp('edge-cases') / 'flowql.db'}")


@pytest.fixture(scope="session")
def postgresql_url(postgres: PostgresServer) -> str:
    """Fill FlowQL's own PostgreSQL database with the same data and return its URL."""
    return fill_flowql(postgres.create_database("flowql"))


@pytest.fixture(scope="session")
def authentik_client(authentik_url: str) -> Iterator[AppClient]:
    """Run FlowQL on authentik's database."""
    with AppClient(authentik_url) as client:
        yield client


@pytest.fixture(scope="session")
def sqlite_client(sqlite_url: str) -> Iterator[AppClient]:
    """Run FlowQL on its own SQLite database."""
    with AppClient(sqlite_url) as client:
        yield client


@pytest.fixture(scope="session")
def postgresql_client(postgresql_url: str) -> Iterator[AppClient]:
    """Run FlowQL on its own PostgreSQL database."""
    with AppClient(postgresql_url) as client:
        yield client


@pytest.fixture(params=KINDS)
def client(request: pytest.FixtureRequest) -> AppClient:
    """Return FlowQL on each kind of database in turn, all with the same data."""
    return request.getfixturevalue(f"{request.param}_client")


@pytest.fixture(scope="session")
def reference(authentik_url: str) -> Iterator[Reference]:
    """Run Django REST framework on authentik's database."""
    with Reference(authentik_url) as site:
        yield site


@pytest.fixture(scope="session")
def sample_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Import the sample flows into a SQLite database by command and return its URL."""
    url = f"sqlite:///{tmp_path_factory.mktemp('samples') / 'flowql.db'}"
    for arguments in (["migrate"], ["import", str(SAMPLES)]):
        process = run_flowql(*arguments, "--database", url)
        assert process.returncode == 0, process.stderr
    return url


@pytest.fixture(scope="session")
def sample_server(sample_url: str) -> Iterator[RunningServer]:
    """Run `flowql serve` on the sample flows."""
    token = run_flowql("token", "create", "served", "--superuser", "--database", sample_url)
    with run_server(sample_url) as (url, process):
        yield RunningServer(url, token.stdout.strip(), process)


def pytest_configure(config: pytest.Config) -> None:
    """Start the counts, and let Ctrl-C stop the processes that tests start."""
    config.stash[REQUEST_COUNTS] = Counter()
    config.stash[BROWSER_TIMINGS] = []
    # A background job of a shell ignores SIGINT, and its child processes inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def request_counts(pytestconfig: pytest.Config) -> Counter[str]:
    """Return the number of fuzzing requests by kind; tests add their own."""
    return pytestconfig.stash[REQUEST_COUNTS]


@pytest.fixture(scope="session")
def browser_timings(pytestconfig: pytest.Config) -> list[str]:
    """Return the lines about browser timings; tests append their own."""
    return pytestconfig.stash[BROWSER_TIMINGS]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Send the counts of a process to the one that prints them."""
    output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["request_counts"] = dict(session.config.stash[REQUEST_COUNTS])
        output["browser_timings"] = session.config.stash[BROWSER_TIMINGS]


def pytest_testnodedown(node: Any) -> None:
    """Add the counts of a process that has ended."""
    output = getattr(node, "workeroutput", {})
    node.config.stash[REQUEST_COUNTS].update(output.get("request_counts", {}))
    node.config.stash[BROWSER_TIMINGS].extend(output.get("browser_timings", ()))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the number of fuzzing requests and the browser timings."""
    for kind, count in terminalreporter.config.stash[REQUEST_COUNTS].items():
        terminalreporter.write_line(f"fuzzed: {count:,} requests {kind}")
    for line in terminalreporter.config.stash[BROWSER_TIMINGS]:
        terminalreporter.write_line(f"browser: {line}")
