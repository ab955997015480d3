"""What the tests stand on: real databases, filled once, and FlowQL on each of them."""

import signal
from collections import Counter
from collections.abc import Iterator

import hypothesis
import pytest

from support.app_client import AppClient
from support.databases import KINDS
from support.paths import SAMPLES
from support.postgres import PostgresServer
from support.processes import RunningServer, flowql, free_port, run_process, wait_until_live
from support.reference.site import Reference
from support.seed import fill_authentik, fill_ours

FUZZED = pytest.StashKey[Counter[str]]()
MEASURED = pytest.StashKey[list[str]]()

hypothesis.settings.register_profile("default", max_examples=100, deadline=None)
hypothesis.settings.register_profile("full", max_examples=2000, deadline=None)
hypothesis.settings.load_profile("default")


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A running PostgreSQL with a UTF-8 locale."""
    with PostgresServer() as server:
        yield server


@pytest.fixture(scope="session")
def authentik_url(postgres: PostgresServer) -> str:
    """A database as authentik has it, full of odd data."""
    return fill_authentik(postgres.create_database("authentik"))


@pytest.fixture(scope="session")
def sqlite_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """FlowQL's own SQLite with the same data."""
    return fill_ours(f"sqlite:///{tmp_path_factory.mktemp('odd') / 'flowql.db'}")


@pytest.fixture(scope="session")
def postgresql_url(postgres: PostgresServer) -> str:
    """FlowQL's own PostgreSQL with the same data."""
    return fill_ours(postgres.create_database("flowql"))


@pytest.fixture(scope="session")
def on_authentik(authentik_url: str) -> Iterator[AppClient]:
    """FlowQL on authentik's database."""
    with AppClient(authentik_url) as client:
        yield client


@pytest.fixture(scope="session")
def on_sqlite(sqlite_url: str) -> Iterator[AppClient]:
    """FlowQL on its own SQLite."""
    with AppClient(sqlite_url) as client:
        yield client


@pytest.fixture(scope="session")
def on_postgresql(postgresql_url: str) -> Iterator[AppClient]:
    """FlowQL on its own PostgreSQL."""
    with AppClient(postgresql_url) as client:
        yield client


@pytest.fixture(params=KINDS)
def client(request: pytest.FixtureRequest) -> AppClient:
    """FlowQL on each kind of database in turn, all with the same odd data."""
    return request.getfixturevalue(f"on_{request.param}")


@pytest.fixture(scope="session")
def reference(authentik_url: str) -> Iterator[Reference]:
    """Django REST framework on authentik's database."""
    with Reference(authentik_url) as site:
        yield site


@pytest.fixture(scope="session")
def sample_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A SQLite with the sample flows, filled by the command."""
    url = f"sqlite:///{tmp_path_factory.mktemp('samples') / 'flowql.db'}"
    for arguments in (["migrate"], ["import", str(SAMPLES)]):
        done = flowql(*arguments, "--database", url)
        assert done.returncode == 0, done.stderr
    return url


@pytest.fixture(scope="session")
def served(sample_url: str) -> Iterator[RunningServer]:
    """A running `flowql serve` on the sample flows."""
    token = flowql("token", "create", "served", "--superuser", "--database", sample_url)
    port = free_port()
    with run_process(["serve", "--port", str(port), "--database", sample_url]) as process:
        url = f"http://127.0.0.1:{port}"
        wait_until_live(url, process)
        yield RunningServer(url, token.stdout.strip(), process)


def pytest_configure(config: pytest.Config) -> None:
    """Begin to count, and let Ctrl-C end what tests start."""
    config.stash[FUZZED] = Counter()
    config.stash[MEASURED] = []
    # A shell's background job ignores it, and hands that on.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def fuzzed(pytestconfig: pytest.Config) -> Counter[str]:
    """The number of requests by how they were sent; tests add theirs."""
    return pytestconfig.stash[FUZZED]


@pytest.fixture(scope="session")
def measured(pytestconfig: pytest.Config) -> list[str]:
    """What was measured in a browser; tests add theirs."""
    return pytestconfig.stash[MEASURED]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the numbers, and what was measured."""
    for how, count in terminalreporter.config.stash[FUZZED].items():
        terminalreporter.write_line(f"fuzzed: {count:,} requests {how}")
    for line in terminalreporter.config.stash[MEASURED]:
        terminalreporter.write_line(f"browser: {line}")
