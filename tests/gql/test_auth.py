"""Who asks is remembered for some seconds, and no longer."""

from collections.abc import Iterator
from time import sleep
from typing import LiteralString

import psycopg
import pytest

from support.app_client import AppClient, bearer
from support.edge_case_data import KEYS
from support.paths import SAMPLES
from support.postgres import PostgresServer
from support.seed import fill_authentik
from support.server_process import run_failing, run_failing_in_process, run_in_process, wait_until
from support.sql_recorder import is_of_viewer, record_statements

FLOW, *_ = (path.stem for path in SAMPLES.glob("*.yaml"))
FLOWS = "/flows/instances/?page_size=100"
SHORT_SECONDS = 0.2
# Longer than any test.
LONG_SECONDS = 600.0


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def url(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    postgres: PostgresServer,
) -> str:
    """FlowQL's own database with the sample flows, of each kind in turn."""
    if request.param == "sqlite":
        made = f"sqlite:///{tmp_path_factory.mktemp('viewers') / 'flowql.db'}"
    else:
        made = postgres.create_database("viewers")
    for arguments in (["migrate"], ["import", str(SAMPLES)]):
        assert run_in_process(*arguments, "--database", made).returncode == 0
    return made


@pytest.fixture(scope="module")
def remembering(url: str) -> Iterator[AppClient]:
    """FlowQL that believes a token for longer than a test takes."""
    with AppClient(url, viewer_ttl=LONG_SECONDS) as client:
        yield client


@pytest.fixture(scope="module")
def forgetting(url: str) -> Iterator[AppClient]:
    """FlowQL that believes a token for a moment."""
    with AppClient(url, viewer_ttl=SHORT_SECONDS) as client:
        yield client


@pytest.fixture
def changing(postgres: PostgresServer, request: pytest.FixtureRequest) -> str:
    """An authentik database of the test's own."""
    return fill_authentik(postgres.create_database(request.node.name))


def execute(url: str, statement: LiteralString) -> None:
    """Run one statement on the database itself."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement)


def created(url: str, *arguments: str) -> str:
    """The key of a new token."""
    done = run_in_process("token", "create", *arguments, "--database", url)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def revoke(url: str, name: str) -> None:
    """Revoke a token by the command."""
    assert run_in_process("token", "revoke", name, "--database", url).returncode == 0


def is_asked_for(client: AppClient, key: str) -> bool:
    """Whether a database is asked for a viewer, when the bearer of a valid key asks."""
    with record_statements() as recorded:
        assert client.get(FLOWS, key).status == 200
    return any(map(is_of_viewer, recorded))


def status(client: AppClient, key: str) -> int:
    """What the bearer of a key is answered."""
    return client.get(FLOWS, key).status


def test_a_viewer_is_asked_for_once(url: str, remembering: AppClient) -> None:
    """The next request asks for no viewer, whichever way it asks."""
    key = created(url, "once")
    assert is_asked_for(remembering, key)
    with record_statements() as recorded:
        assert remembering.get(FLOWS, key).status == 200
        assert remembering.graphql("{ flows { results { slug } } }", key).status == 200
        assert remembering.ask("OPTIONS", FLOWS, bearer(key)).status == 200
    assert len(recorded) == 2
    assert not any(map(is_of_viewer, recorded))


def test_a_viewer_is_asked_for_again(url: str, forgetting: AppClient) -> None:
    """When the time is over, the next request does."""
    key = created(url, "again")
    for _ in range(2):
        assert is_asked_for(forgetting, key)
        sleep(SHORT_SECONDS)


def test_without_a_time_each_request_asks(url: str) -> None:
    """0 seconds are none at all: a token that is revoked is refused at once."""
    key = created(url, "never")
    with AppClient(url, viewer_ttl=0) as client:
        assert [is_asked_for(client, key) for _ in range(3)] == [True] * 3
        revoke(url, "never")
        assert status(client, key) == 403


def test_a_revoked_token_is_refused_in_time(
    url: str, remembering: AppClient, forgetting: AppClient
) -> None:
    """Not before its time is over, and not long after it, however often it asks meanwhile."""
    key = created(url, "revoked")
    assert [status(client, key) for client in (remembering, forgetting)] == [200, 200]
    revoke(url, "revoked")
    wait_until(lambda: status(forgetting, key) == 403)
    assert status(remembering, key) == 200


def test_each_key_is_a_viewer_of_its_own(url: str, remembering: AppClient) -> None:
    """No key is taken for another one that is remembered."""
    few, every = created(url, "few", "--flow", FLOW), created(url, "every")
    for _ in range(2):
        seen = [remembering.get(FLOWS, key).json["pagination"]["count"] for key in (few, every)]
        assert seen == [1, len(list(SAMPLES.glob("*.yaml")))]
        others = (few.swapcase(), f"{few} {few}", few[:-1], "")
        assert [status(remembering, key) for key in others] == [403] * 4


def test_an_unknown_key_is_never_remembered(changing: str) -> None:
    """A key opens what it opens as soon as it is stored."""
    with AppClient(changing, viewer_ttl=LONG_SECONDS) as client:
        assert [status(client, "later") for _ in range(2)] == [403, 403]
        change = "UPDATE authentik_core_token SET key = 'later' WHERE key = 'key-of-model_role'"
        execute(changing, change)
        assert status(client, "later") == 200


def test_changed_rights_are_seen_in_time(changing: str) -> None:
    """Who is a superuser no more sees all flows for a while, and then none."""
    key = KEYS["superuser"]
    with AppClient(changing, viewer_ttl=LONG_SECONDS) as late:
        with AppClient(changing, viewer_ttl=SHORT_SECONDS) as soon:
            assert [status(client, key) for client in (late, soon)] == [200, 200]
            execute(changing, "UPDATE authentik_core_group SET is_superuser = false")
            wait_until(lambda: status(soon, key) == 403)
        assert status(late, key) == 200


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("-1", "Input should be greater than or equal to 0"),
        ("nan", "Input should be a finite number"),
        ("inf", "Input should be a finite number"),
        ("abc", "Input should be a valid number, unable to parse string as a number"),
    ],
)
def test_a_time_that_is_none_ends_serve(
    value: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line names the setting and what is wrong with it."""
    monkeypatch.setenv("FLOWQL_VIEWER_TTL", value)
    assert run_failing_in_process("serve", "--port", "0") == f"FLOWQL_VIEWER_TTL: {reason}"


def test_a_time_that_is_none_ends_the_process() -> None:
    """The same for the command as it is installed."""
    line = run_failing("serve", "--port", "0", env={"FLOWQL_VIEWER_TTL": "-1"})
    assert line.startswith("FLOWQL_VIEWER_TTL: ")
