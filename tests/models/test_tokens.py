"""Tokens of FlowQL's own database: made, listed and revoked by the command, and what they open."""

import hashlib
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from support.app_client import AppClient
from support.paths import SAMPLES
from support.postgres import PostgresServer
from support.processes import flowql
from support.server_process import run_failing_in_process, run_in_process

FLOWS = "/flows/instances/?ordering=slug&page_size=100"
SLUGS = sorted(path.stem for path in SAMPLES.glob("*.yaml"))
REFUSED = (403, {"detail": "Token invalid/expired"})


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def url(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    postgres: PostgresServer,
) -> str:
    """FlowQL's own database with the sample flows, of each kind in turn."""
    if request.param == "sqlite":
        made = f"sqlite:///{tmp_path_factory.mktemp('tokens') / 'flowql.db'}"
    else:
        made = postgres.create_database("tokens")
    for arguments in (["migrate"], ["import", str(SAMPLES)]):
        done = run_in_process(*arguments, "--database", made)
        assert done.returncode == 0, done.stderr
    return made


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[AppClient]:
    """FlowQL on that database, believing no token longer than a request."""
    with AppClient(url, viewer_ttl=0) as running:
        yield running


def test_the_key_is_all_that_the_command_prints(url: str) -> None:
    """`KEY=$(flowql token create NAME)` is all that a script has to say."""
    done = flowql("token", "create", "printed", "--database", url)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r"[a-zA-Z0-9]{60}\n", done.stdout)


def created(url: str, *arguments: str) -> str:
    """The key of a new token."""
    done = run_in_process("token", "create", *arguments, "--database", url)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


def seen(client: AppClient, key: str) -> list[str]:
    """The slugs that the bearer of a key sees over REST."""
    answer = client.get(FLOWS, key)
    assert answer.status == 200, answer
    return [flow["slug"] for flow in answer.json["results"]]


def is_refused(client: AppClient, key: str) -> bool:
    """Whether a key opens nothing."""
    answer = client.get(FLOWS, key)
    return (answer.status, answer.json) == REFUSED


def execute(url: str, statement: str, *values: object) -> list[tuple[object, ...]]:
    """Run one statement on the database itself."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as file, file:
            return file.execute(statement.replace("%s", "?"), values).fetchall()
    with psycopg.connect(url) as connection:
        done = connection.execute(sql.SQL(statement), values)  # pyright: ignore[reportArgumentType] - only of this file
        return done.fetchall() if done.description else []


def test_a_token_sees_all_flows(url: str, client: AppClient) -> None:
    """With neither --superuser nor --flow."""
    assert seen(client, created(url, "all")) == SLUGS


def test_a_superuser_s_token_sees_all_flows(url: str, client: AppClient) -> None:
    """Two of them share one group."""
    keys = [created(url, name, "--superuser") for name in ("first admin", "second admin")]
    assert [seen(client, key) for key in keys] == [SLUGS, SLUGS]


def test_a_token_of_some_flows_sees_just_these(url: str, client: AppClient) -> None:
    """--flow can be repeated, and names a slug."""
    key = created(url, "some", "--flow", SLUGS[3], "--flow", SLUGS[1], "--flow", SLUGS[3])
    assert seen(client, key) == [SLUGS[1], SLUGS[3]]
    assert client.get(f"/flows/instances/{SLUGS[1]}/", key).status == 200
    assert client.get(f"/flows/instances/{SLUGS[2]}/", key).status == 404


def test_a_key_is_stored_as_a_marked_digest_that_is_no_key(url: str, client: AppClient) -> None:
    """Who reads the database cannot ask with what stands there."""
    key = created(url, "digest")
    stored = f"sha256${hashlib.sha256(key.encode()).hexdigest()}"
    found = execute(url, "SELECT key FROM authentik_core_token WHERE identifier = %s", "digest")
    assert found == [(stored,)]
    for presented in (stored, stored.removeprefix("sha256$"), stored.upper()):
        assert is_refused(client, presented)


def test_a_token_expires(url: str, client: AppClient) -> None:
    """--expires counts from now; when the time is past, the key opens nothing."""
    key = created(url, "short", "--expires", "30d")
    assert seen(client, key) == SLUGS
    now = datetime.now(UTC)
    told = run_in_process("token", "list", "--database", url).stdout
    ends = {f"{now + timedelta(days=30, minutes=past):%Y-%m-%d %H:%M} UTC" for past in (-1, 0)}
    assert any(end in told for end in ends)
    past = "2020-01-01 00:00:00.000000"
    execute(url, "UPDATE authentik_core_token SET expires = %s WHERE identifier = 'short'", past)
    assert is_refused(client, key)


def test_a_revoked_token_opens_nothing(url: str, client: AppClient) -> None:
    """It is gone with all that was made for it, and its name is free again."""
    keys = [created(url, "gone"), created(url, "gone with flows", "--flow", SLUGS[0])]
    for name in ("gone", "gone with flows"):
        done = run_in_process("token", "revoke", name, "--database", url)
        assert (done.returncode, done.stdout) == (0, "")
        assert done.stderr == f"flowql: the token {name} is revoked\n"
    assert all(is_refused(client, key) for key in keys)
    for table, column in (("core_user", "username"), ("rbac_role", "name")):
        left = f"SELECT {column} FROM authentik_{table} WHERE {column} LIKE %s"  # noqa: S608 - constants
        assert execute(url, left, "%gone%") == []
    assert seen(client, created(url, "gone")) == SLUGS


def test_what_cannot_be_made_is_told_and_makes_nothing(url: str) -> None:
    """A name that is taken, a flow that is not there, a name that is none."""
    created(url, "taken")
    before = execute(url, "SELECT COUNT(*) FROM authentik_core_user")
    for arguments, reason in (
        (["taken"], "there is a token or a user called 'taken' already"),
        (["new", "--flow", SLUGS[0], "--flow", "bogus"], "there is no flow 'bogus'"),
        (["new", "--flow", ""], "there is no flow ''"),
        ([""], "a token's name has 1 to 150 characters"),
        ([" "], "a token's name has 1 to 150 characters"),
        (["x" * 151], "a token's name has 1 to 150 characters"),
        (["new", "--superuser", "--flow", SLUGS[0]], "--superuser and --flow exclude each other"),
        (["new", "--expires", "99999999d"], "--expires is not in the future, or too far in it"),
    ):
        assert run_failing_in_process("token", "create", *arguments, "--database", url) == reason
    assert execute(url, "SELECT COUNT(*) FROM authentik_core_user") == before
    assert (
        run_failing_in_process("token", "revoke", "new", "--database", url)
        == "there is no token 'new'"
    )


def test_the_list_has_no_keys(tmp_path: Path) -> None:
    """Names in order, what each sees, and when it ends; a long or odd name is not cut."""
    url = f"sqlite:///{tmp_path / 'flowql.db'}"
    for arguments in (["migrate"], ["import", str(SAMPLES)]):
        run_in_process(*arguments, "--database", url)
    names = ["b", "a [bold] 50%", "c" * 150]
    keys = [
        created(url, names[0], "--superuser"),
        created(url, names[1], "--flow", SLUGS[1], "--flow", SLUGS[0]),
        created(url, names[2], "--expires", "1d"),
    ]
    told = flowql("token", "list", "--database", url, env={"COLUMNS": "300"})
    assert (told.returncode, told.stderr) == (0, "")
    rows = [re.split(" {2,}", line.strip()) for line in told.stdout.splitlines()]
    assert rows[0] == ["name", "sees", "expires"]
    assert rows[1:3] == [
        [names[1], f"{SLUGS[0]}, {SLUGS[1]}", "never"],
        [names[0], "all, as superuser", "never"],
    ]
    assert rows[3][:2] == [names[2], "all"]
    assert not [key for key in keys if key in told.stdout]


def test_a_token_whose_flow_is_gone_sees_none(tmp_path: Path) -> None:
    """It is listed as what it is, and not as one that sees all."""
    url = f"sqlite:///{tmp_path / 'flowql.db'}"
    for arguments in (["migrate"], ["import", str(SAMPLES)]):
        assert run_in_process(*arguments, "--database", url).returncode == 0
    created(url, "orphan", "--flow", "default-source-pre-authentication")
    with closing(sqlite3.connect(tmp_path / "flowql.db")) as connection:
        gone = "DELETE FROM authentik_flows_flow WHERE slug = 'default-source-pre-authentication'"
        connection.execute(gone)
        connection.commit()
    listed = run_in_process("token", "list", "--database", url).stdout
    assert re.search(r"orphan +none +never", listed)
