# ruff: noqa: S608 - the statements consist of constants
"""A right or a token that is revoked ends the reuse of what it gave access to, at once."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from time import sleep

import pytest

from support.app_client import AppClient
from support.command import create_token, run_in_process
from support.reuse_data import KEYS, SOME, SUPERUSER, identifier
from support.reuse_databases import SmallDatabase
from support.sql_recorder import record_statements

FLOWS = "/flows/instances/"
DIAGRAM = f"{FLOWS}flow-1/diagram/"
QUERY = "{ flows { pagination { count } results { slug stageBindings { order } } } }"
ROLE = f"role_id = '{identifier('role', 'some')}'"
FLOW = identifier("flow", 1)
TOKEN = f"token_uuid = '{identifier('token', 'some')}'"
LATER = datetime.now(UTC) + timedelta(days=1)
EARLIER = datetime.now(UTC) - timedelta(days=1)

OWN_DATABASES = pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)
SERVERS = pytest.mark.parametrize("database", ["postgresql", "authentik"], indirect=True)

# A token, and the statement that takes something away from it.
CHANGES: dict[str, tuple[str, str]] = {
    "token is deleted": ("some", f"DELETE FROM authentik_core_token WHERE {TOKEN}"),
    "token has another intent": (
        "some",
        f"UPDATE authentik_core_token SET intent = 'recovery' WHERE {TOKEN}",
    ),
    "token has another key": (
        "some",
        f"UPDATE authentik_core_token SET key = 'other' WHERE {TOKEN}",
    ),
    "token expired": (
        "some",
        f"UPDATE authentik_core_token SET expiring = true, expires = '{EARLIER}' WHERE {TOKEN}",
    ),
    "token has another user": (
        "superuser",
        "UPDATE authentik_core_token SET user_id = 5 WHERE identifier = 'superuser'",
    ),
    "user is inactive": (
        "superuser",
        f"UPDATE authentik_core_user SET is_active = false WHERE id = {SUPERUSER}",
    ),
    "user leaves the superusers": ("superuser", "DELETE FROM authentik_core_user_groups"),
    "group is not of superusers": (
        "superuser",
        "UPDATE authentik_core_group SET is_superuser = false",
    ),
    "user loses the role": (
        "some",
        f"DELETE FROM authentik_core_user_roles WHERE user_id = {SOME}",
    ),
    "role loses a flow": (
        "some",
        f"DELETE FROM guardian_roleobjectpermission WHERE {ROLE} AND object_pk = '{FLOW}'",
    ),
    "role loses all flows": ("some", f"DELETE FROM guardian_roleobjectpermission WHERE {ROLE}"),
    "role loses the rights below flows": (
        "some",
        f"DELETE FROM guardian_rolemodelpermission WHERE {ROLE}",
    ),
    "permission has another name": (
        "some",
        "UPDATE auth_permission SET codename = 'other' WHERE codename = 'view_flowstagebinding'",
    ),
    "flow is renamed": (
        "superuser",
        "UPDATE authentik_flows_flow SET slug = 'f' WHERE slug = 'flow-3'",
    ),
}


def read_all(client: AppClient, token: str) -> Sequence[tuple[int, bytes]]:
    """Return the responses to requests of all kinds with a token."""
    key = KEYS[token]
    responses = (client.graphql(QUERY, key), client.get(FLOWS, key), client.get(DIAGRAM, key))
    return [(response.status, response.body) for response in responses]


def read_without_reuse(url: str, token: str) -> Sequence[tuple[int, bytes]]:
    """Return the responses of a server that executes each request."""
    with AppClient(url, reuse_bytes=0, viewer_ttl=0) as client:
        return read_all(client, token)


@pytest.mark.parametrize("name", CHANGES)
def test_a_revoked_right_ends_reuse(database: SmallDatabase, name: str) -> None:
    """The first request after the commit has the response of a new execution."""
    token, statement = CHANGES[name]
    with AppClient(database.url) as client:
        before = [read_all(client, token) for _ in range(3)]
        database.execute(statement)
        after = read_all(client, token)
    assert after == read_without_reuse(database.url, token)
    assert before == [before[0]] * 3
    assert after != before[0]


@OWN_DATABASES
@pytest.mark.parametrize("flow", [0, 6])
def test_a_flow_leaves_the_scope(database: SmallDatabase, flow: int) -> None:
    """The scope of a token is part of its rights."""
    with AppClient(database.url) as client:
        before = [read_all(client, "limited") for _ in range(3)]
        database.execute(
            f"DELETE FROM flowql_tokenflow WHERE flow_id = '{identifier('flow', flow)}'"
        )
        after = read_all(client, "limited")
    assert after == read_without_reuse(database.url, "limited")
    assert after[0] != before[-1][0]


@OWN_DATABASES
def test_a_token_is_revoked_by_command(database: SmallDatabase) -> None:
    """`flowql token revoke` takes effect at once, in the server that has used the token."""
    if database.kind == "postgresql":
        for table in ("authentik_core_user", "authentik_core_user_groups"):
            database.execute(f"SELECT setval('{table}_id_seq', 1000)")
    key = create_token(database.url, "laptop", "--superuser")
    with AppClient(database.url) as client:
        assert [client.get(FLOWS, key).status for _ in range(3)] == [200] * 3
        revoked = run_in_process("token", "revoke", "laptop", "--database", database.url)
        assert revoked.returncode == 0, revoked
        assert client.get(FLOWS, key).status == 403
        assert client.graphql(QUERY, key).status == 401


def test_a_token_expires_without_a_commit(database: SmallDatabase) -> None:
    """Its expiry is compared with the clock on each request, and other tokens stay valid."""
    with AppClient(database.url) as client:
        read_all(client, "some")
        expires = datetime.now(UTC) + timedelta(seconds=2)
        database.execute(
            f"UPDATE authentik_core_token SET expiring = true, expires = '{expires}' WHERE {TOKEN}"
        )
        assert [status for status, _ in read_all(client, "some")] == [200] * 3
        assert [status for status, _ in read_all(client, "superuser")] == [200] * 3
        assert datetime.now(UTC) < expires
        sleep((expires - datetime.now(UTC)).total_seconds() + 0.01)
        assert [status for status, _ in read_all(client, "some")] == [401, 403, 403]
        with record_statements() as statements:
            assert [status for status, _ in read_all(client, "superuser")] == [200] * 3
    assert statements == []


@SERVERS
@pytest.mark.parametrize("expires", ["infinity", "-infinity", "294000-01-01 00:00:00+00"])
@pytest.mark.parametrize("expiring", [True, False])
def test_times_that_python_lacks(database: SmallDatabase, expires: str, *, expiring: bool) -> None:
    """PostgreSQL has times before and after those of Python, and tokens can expire at them."""
    database.execute(
        f"UPDATE authentik_core_token SET expiring = {expiring}, expires = '{expires}'"
        f" WHERE {TOKEN}"
    )
    is_valid = not expiring or not expires.startswith("-")
    with AppClient(database.url) as client:
        responses = [[status for status, _ in read_all(client, "some")] for _ in range(2)]
    assert responses == [[200] * 3 if is_valid else [401, 403, 403]] * 2


def test_a_new_right_takes_effect_at_once(database: SmallDatabase) -> None:
    """An error that a right was missing is not kept."""
    with AppClient(database.url) as client:
        database.execute("UPDATE authentik_core_user SET is_active = false")
        assert [[status for status, _ in read_all(client, "superuser")] for _ in range(2)] == [
            [401, 403, 403]
        ] * 2
        database.execute("UPDATE authentik_core_user SET is_active = true")
        assert [status for status, _ in read_all(client, "superuser")] == [200] * 3


def test_tokens_with_the_same_access_share_answers(database: SmallDatabase) -> None:
    """The second token only reads its viewer."""
    database.execute(
        f"INSERT INTO authentik_core_user_groups (id, user_id, group_id)"
        f" VALUES (2, {SOME}, '{identifier('group', 'admins')}')"
    )
    database.execute("DELETE FROM authentik_core_user_roles")
    with AppClient(database.url) as client:
        expected = read_all(client, "superuser")
        with record_statements() as statements:
            assert read_all(client, "some") == expected
    assert len(statements) == 1


def test_tokens_with_other_access_do_not_share_answers(database: SmallDatabase) -> None:
    """Each token has the answers of a server without reuse, in any order of the requests."""
    expected = {token: read_without_reuse(database.url, token) for token in KEYS}
    with AppClient(database.url) as client:
        for token in [*KEYS, *reversed(list(KEYS))]:
            assert read_all(client, token) == expected[token]
    assert len({str(answers) for answers in expected.values()}) == len(KEYS)
