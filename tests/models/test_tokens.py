"""`flowql token` creates, lists and revokes the tokens of FlowQL's own database."""

import hashlib
import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from models.tables.metadata import METADATA
from support.app_client import AppClient
from support.command import create_token, run_failing_in_process, run_flowql, run_in_process
from support.paths import SAMPLES
from support.postgres import PostgresServer

FLOWS = "/flows/instances/?ordering=slug&page_size=100"
SLUGS = sorted(path.stem for path in SAMPLES.glob("*.yaml"))
INVALID_NAME = "invalid token name: expected 1 to 150 characters, none of them NUL"
INVALID_TOKEN = (403, {"detail": "Token invalid/expired"})


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def url(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    postgres: PostgresServer,
) -> str:
    """The URL of a database with the sample flows, of each kind in turn."""
    if request.param == "sqlite":
        database_url = f"sqlite:///{tmp_path_factory.mktemp('tokens') / 'flowql.db'}"
    else:
        database_url = postgres.create_database("tokens")
    import_samples(database_url)
    return database_url


def import_samples(url: str) -> None:
    """Create FlowQL's own database at the URL, and import the sample flows."""
    for arguments in (["migrate"], ["import", str(SAMPLES)]):
        result = run_in_process(*arguments, "--database", url)
        assert result.returncode == 0, result.stderr


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[AppClient]:
    """FlowQL on that database, without a cache of tokens."""
    with AppClient(url, viewer_ttl=0) as running:
        yield running


def test_create_prints_only_the_key(url: str) -> None:
    """A script can use `KEY=$(flowql token create NAME)`."""
    result = run_flowql("token", "create", "printed", "--database", url)
    assert result.returncode == 0
    assert re.fullmatch(r"[a-zA-Z0-9]{60}\n", result.stdout)


@pytest.mark.parametrize(
    ("arguments", "ability"),
    [
        ([], "can view and export all flows, with everything below them"),
        (["--superuser"], "can view and export everything, as a superuser"),
        (
            ["--flows-only"],
            "can view all flows, but not their bindings, stages and policies, nor export them",
        ),
        (
            ["--flow", SLUGS[0], "--flow", SLUGS[1]],
            f"can view and export {SLUGS[0]}, {SLUGS[1]}, with everything below",
        ),
    ],
)
def test_create_says_what_the_token_can_do(url: str, arguments: list[str], ability: str) -> None:
    """The message is on standard error."""
    name = f"able {' '.join(arguments)}"
    result = run_in_process("token", "create", name, *arguments, "--database", url)
    assert (result.returncode, result.stderr) == (0, f"flowql: the token {name} {ability}\n")


def list_slugs(client: AppClient, key: str) -> list[str]:
    """Return the slugs of the flows that a token can view over REST."""
    response = client.get(FLOWS, key)
    assert response.status == 200, response
    return [flow["slug"] for flow in response.json["results"]]


def is_invalid(client: AppClient, key: str) -> bool:
    """Return whether the server rejects a key."""
    response = client.get(FLOWS, key)
    return (response.status, response.json) == INVALID_TOKEN


def execute(url: str, statement: str, *values: object) -> list[tuple[object, ...]]:
    """Execute a statement in the database, and return its rows."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as file, file:
            return file.execute(statement.replace("%s", "?"), values).fetchall()
    with psycopg.connect(url) as connection:
        cursor = connection.execute(sql.SQL(statement), values)  # pyright: ignore[reportArgumentType] - a constant
        return cursor.fetchall() if cursor.description else []


def test_token_sees_all_flows(url: str, client: AppClient) -> None:
    """A token without --superuser and --flow sees all flows."""
    assert list_slugs(client, create_token(url, "all")) == SLUGS


def test_superuser_token_sees_all_flows(url: str, client: AppClient) -> None:
    """Two superuser tokens are in the same group."""
    keys = [create_token(url, name, "--superuser") for name in ("first admin", "second admin")]
    assert [list_slugs(client, key) for key in keys] == [SLUGS, SLUGS]


def test_token_for_some_flows_sees_only_these(url: str, client: AppClient) -> None:
    """--flow is a slug, and repeatable."""
    key = create_token(url, "some", "--flow", SLUGS[3], "--flow", SLUGS[1], "--flow", SLUGS[3])
    assert list_slugs(client, key) == [SLUGS[1], SLUGS[3]]
    assert client.get(f"/flows/instances/{SLUGS[1]}/", key).status == 200
    assert client.get(f"/flows/instances/{SLUGS[2]}/", key).status == 404


# A flow whose bindings have policies, and another flow.
BOUND, OTHER = "default-authentication-flow", "default-source-authentication"
BELOW = """query ($slug: String!) { flow(slug: $slug) {
    stages bindingsMayBeHidden
    stageBindings { stage { name flows { slug } } policyBindings { policy { executionLogging } } }
    policyBindings { policy { name } } } }"""
FORBIDDEN = (403, {"detail": "You do not have permission to perform this action."})


def load_below(client: AppClient, key: str, slug: str) -> tuple[Any, set[str]]:
    """Return a flow with everything below it, and the codes of the errors."""
    body = client.graphql(BELOW, key, {"slug": slug}).json
    errors = body.get("errors", ())
    return body["data"]["flow"], {error["extensions"]["code"] for error in errors}


def get_export_status(client: AppClient, key: str, slug: str) -> int:
    """Return the status of an export."""
    return client.get(f"/flows/instances/{slug}/export/", key).status


def test_token_sees_everything_below_flows(url: str, client: AppClient) -> None:
    """A token without options sees what a superuser sees, and exports flows."""
    keys = [create_token(url, "below"), create_token(url, "below, as admin", "--superuser")]
    below, below_as_superuser = (load_below(client, key, BOUND) for key in keys)
    assert below == below_as_superuser
    assert not below[1]
    assert not below[0]["bindingsMayBeHidden"]
    assert any(binding["policyBindings"] for binding in below[0]["stageBindings"])
    assert [get_export_status(client, key, BOUND) for key in keys] == [200, 200]


def test_token_for_flows_only(url: str, client: AppClient) -> None:
    """It sees all flows with their lists of stages, and nothing below them."""
    key = create_token(url, "flows only", "--flows-only")
    assert list_slugs(client, key) == SLUGS
    flow, codes = load_below(client, key, BOUND)
    assert flow["stages"]
    assert flow["bindingsMayBeHidden"]
    assert flow["stageBindings"] is flow["policyBindings"] is None
    assert codes == {"FORBIDDEN"}
    response = client.get(f"/flows/instances/{BOUND}/export/", key)
    assert (response.status, response.json) == FORBIDDEN


def test_token_for_some_flows_sees_everything_below_them(url: str, client: AppClient) -> None:
    """It exports these flows, and sees bindings that are added later; others do not exist."""
    keys = [create_token(url, "scope", "--flow", BOUND), create_token(url, "admin", "--superuser")]
    for _ in range(2):
        below, below_as_superuser = (load_below(client, key, BOUND) for key in keys)
        for binding in below_as_superuser[0]["stageBindings"]:
            binding["stage"]["flows"] = [{"slug": BOUND}]
        assert below == below_as_superuser
        execute(
            url,
            "UPDATE authentik_flows_flowstagebinding SET target_id ="
            " (SELECT flow_uuid FROM authentik_flows_flow WHERE slug = %s) WHERE target_id ="
            " (SELECT flow_uuid FROM authentik_flows_flow WHERE slug = %s)",
            BOUND,
            OTHER,
        )
    assert [get_export_status(client, keys[0], slug) for slug in (BOUND, OTHER)] == [200, 404]
    assert load_below(client, keys[0], OTHER) == (None, set())


def test_scope_ends_with_its_flows(tmp_path: Path) -> None:
    """A token whose flows are deleted sees none, even if they are created again."""
    url = f"sqlite:///{tmp_path / 'flowql.db'}"
    import_samples(url)
    key = create_token(url, "scope", "--flow", OTHER)
    [(pk,)] = execute(url, "SELECT flow_uuid FROM authentik_flows_flow WHERE slug = %s", OTHER)
    with closing(sqlite3.connect(tmp_path / "flowql.db")) as connection, connection:
        connection.execute("PRAGMA foreign_keys = ON")
        for table, column in (("flowstagebinding", "target_id"), ("flow", "flow_uuid")):
            delete = f"DELETE FROM authentik_flows_{table} WHERE {column} = ?"  # noqa: S608 - constants
            connection.execute(delete, [pk])
    import_samples(url)
    with AppClient(url, viewer_ttl=0) as running:
        response = running.get(FLOWS, key)
    assert (response.status, response.json) == FORBIDDEN


def test_stored_digest_is_not_a_valid_key(url: str, client: AppClient) -> None:
    """A reader of the database cannot use its content as a token."""
    key = create_token(url, "digest")
    stored = f"sha256${hashlib.sha256(key.encode()).hexdigest()}"
    rows = execute(url, "SELECT key FROM authentik_core_token WHERE identifier = %s", "digest")
    assert rows == [(stored,)]
    for presented in (stored, stored.removeprefix("sha256$"), stored.upper()):
        assert is_invalid(client, presented)


def test_token_expires(url: str, client: AppClient) -> None:
    """--expires is relative to the present time; an expired token is invalid."""
    key = create_token(url, "short", "--expires", "30d")
    assert list_slugs(client, key) == SLUGS
    now = datetime.now(UTC)
    output = run_in_process("token", "list", "--database", url).stdout
    expiry_dates = {
        f"{now + timedelta(days=30, minutes=past):%Y-%m-%d %H:%M} UTC" for past in (-1, 0)
    }
    assert any(expiry_date in output for expiry_date in expiry_dates)
    past = "2020-01-01 00:00:00.000000"
    execute(url, "UPDATE authentik_core_token SET expires = %s WHERE identifier = 'short'", past)
    assert is_invalid(client, key)


def test_revoked_token_is_invalid(url: str, client: AppClient) -> None:
    """The user and role of the token are deleted, and its name can be used again."""
    keys = [create_token(url, "gone"), create_token(url, "gone with flows", "--flow", SLUGS[0])]
    for name in ("gone", "gone with flows"):
        result = run_in_process("token", "revoke", name, "--database", url)
        assert (result.returncode, result.stdout) == (0, "")
        assert result.stderr == f"flowql: the token {name} is revoked\n"
    assert all(is_invalid(client, key) for key in keys)
    for table, column in (("core_user", "username"), ("rbac_role", "name")):
        select = f"SELECT {column} FROM authentik_{table} WHERE {column} LIKE %s"  # noqa: S608 - constants
        assert execute(url, select, "%gone%") == []
    assert list_slugs(client, create_token(url, "gone")) == SLUGS


def insert_user(url: str, username: str) -> None:
    """Insert an inactive user as an import does."""
    columns = METADATA.tables["authentik_core_user"].columns
    row: dict[str, object] = {column.name: "" for column in columns if not column.nullable}
    row |= {column.name: "2026-01-01" for column in columns if "date" in column.name}
    row |= {"id": 1000, "username": username, "uuid": str(uuid4()), "is_active": False}
    row |= {"attributes": "{}"}
    places = ", ".join(["%s"] * len(row))
    insert = f"INSERT INTO authentik_core_user ({', '.join(row)}) VALUES ({places})"  # noqa: S608 - constants
    execute(url, insert, *row.values())


def test_names_of_tokens_and_imported_users_may_be_equal(url: str, client: AppClient) -> None:
    """The user of a token has a reserved username, and the viewer the name of the token."""
    insert_user(url, "equal")
    key = create_token(url, "equal")
    assert list_slugs(client, key) == SLUGS
    assert client.get("/", key).json["viewer"] == "equal"
    select = "SELECT username FROM authentik_core_user WHERE name = %s"
    [(username,)] = execute(url, select, "equal")
    token = execute(url, "SELECT token_uuid FROM authentik_core_token WHERE identifier = 'equal'")
    assert username == f"flowql token {token[0][0]}"
    assert run_in_process("token", "revoke", "equal", "--database", url).returncode == 0
    assert execute(url, select.replace("WHERE name", "WHERE username"), "equal") == [("equal",)]
    assert execute(url, select, "equal") == []


def test_imported_group_does_not_limit_superusers(url: str, client: AppClient) -> None:
    """The group can be imported, as one without superusers, before the first of their tokens."""
    create_token(url, "group", "--superuser")
    execute(url, "UPDATE authentik_core_group SET is_superuser = false")
    key = create_token(url, "superuser of the group", "--superuser")
    assert list_slugs(client, key) == SLUGS


def test_bound_token_can_be_revoked(url: str, client: AppClient) -> None:
    """A policy binding with its user, which no blueprint can create, does not keep it valid."""
    key = create_token(url, "bound")
    [(user,)] = execute(url, "SELECT id FROM authentik_core_user WHERE name = 'bound'")
    execute(url, "UPDATE authentik_policies_policybinding SET user_id = %s", user)
    assert run_in_process("token", "revoke", "bound", "--database", url).returncode == 0
    assert is_invalid(client, key)
    execute(url, "UPDATE authentik_policies_policybinding SET user_id = NULL")


def test_invalid_token_is_an_error_and_writes_nothing(url: str) -> None:
    """The name can be a duplicate or invalid, and a flow unknown."""
    create_token(url, "taken")
    before = execute(url, "SELECT COUNT(*) FROM authentik_core_user")
    for arguments, reason in (
        (["taken"], "a token named 'taken' already exists"),
        (["new", "--flow", SLUGS[0], "--flow", "bogus"], "unknown flow 'bogus'"),
        (["new", "--flow", ""], "unknown flow ''"),
        ([""], INVALID_NAME),
        ([" "], INVALID_NAME),
        (["x" * 151], INVALID_NAME),
        (
            ["new", "--superuser", "--flow", SLUGS[0]],
            "--superuser and --flow are mutually exclusive",
        ),
        (
            ["new", "--flows-only", "--flow", SLUGS[0]],
            "--flow and --flows-only are mutually exclusive",
        ),
        (
            ["new", "--expires", "99999999d"],
            "invalid --expires: expected a positive duration below 100 years",
        ),
    ):
        assert run_failing_in_process("token", "create", *arguments, "--database", url) == reason
    assert execute(url, "SELECT COUNT(*) FROM authentik_core_user") == before
    assert (
        run_failing_in_process("token", "revoke", "new", "--database", url) == "unknown token 'new'"
    )


def test_list_contains_no_keys(tmp_path: Path) -> None:
    """The list contains names, flows and dates, ordered by name; long names are complete."""
    url = f"sqlite:///{tmp_path / 'flowql.db'}"
    import_samples(url)
    names = ["b", "a [bold] 50%", "c" * 150, "d"]
    keys = [
        create_token(url, names[0], "--superuser"),
        create_token(url, names[1], "--flow", SLUGS[1], "--flow", SLUGS[0]),
        create_token(url, names[2], "--expires", "1d"),
        create_token(url, names[3], "--flows-only"),
    ]
    result = run_flowql("token", "list", "--database", url, env={"COLUMNS": "300"})
    assert (result.returncode, result.stderr) == (0, "")
    rows = [re.split(" {2,}", line.strip()) for line in result.stdout.splitlines()]
    assert rows[0] == ["name", "sees", "created", "expires"]
    assert [[row[0], row[1], row[3]] for row in rows[1:3]] == [
        [names[1], f"{SLUGS[0]}, {SLUGS[1]}", "never"],
        [names[0], "all, as superuser", "never"],
    ]
    assert rows[3][:2] == [names[2], "all"]
    assert [rows[4][0], rows[4][1], rows[4][3]] == [names[3], "all, flows only", "never"]
    now = datetime.now(UTC)
    recent = {f"{now - timedelta(minutes=past):%Y-%m-%d %H:%M} UTC" for past in (0, 1)}
    assert {row[2] for row in rows[1:]} <= recent
    assert not [key for key in keys if key in result.stdout]


def list_as_json(url: str) -> list[Any]:
    """Return what `flowql token list --json` prints."""
    result = run_in_process("token", "list", "--json", "--database", url)
    assert (result.returncode, result.stderr) == (0, "")
    return json.loads(result.stdout)


def test_list_as_json(url: str) -> None:
    """Dates are in UTC; the scope has the same keys for all tokens."""
    before = datetime.now(UTC).replace(microsecond=0)
    names = ["json ü", 'json "quoted"\n', "json flows", "json expires"]
    create_token(url, names[0], "--superuser")
    create_token(url, names[1], "--flows-only")
    create_token(url, names[2], "--flow", SLUGS[1], "--flow", SLUGS[0])
    create_token(url, names[3], "--expires", "1d")
    listed = list_as_json(url)
    assert [token["name"] for token in listed] == sorted(token["name"] for token in listed)
    tokens = {token.pop("name"): token for token in listed}
    created = {name: tokens[name].pop("created") for name in names}
    for date in created.values():
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", date)
        assert before <= datetime.fromisoformat(date) <= datetime.now(UTC)
    expires = datetime.fromisoformat(tokens[names[3]].pop("expires"))
    lifetime = expires - datetime.fromisoformat(created[names[3]])
    assert abs(lifetime - timedelta(days=1)) < timedelta(minutes=1)
    everything = {"superuser": False, "flows_only": False, "flows": None}
    assert [tokens[name] for name in names] == [
        {"expires": None, "scope": {**everything, "superuser": True}},
        {"expires": None, "scope": {**everything, "flows_only": True}},
        {"expires": None, "scope": {**everything, "flows": SLUGS[:2]}},
        {"scope": everything},
    ]


def test_list_of_no_tokens_as_json(tmp_path: Path) -> None:
    """It is an empty array."""
    url = f"sqlite:///{tmp_path / 'flowql.db'}"
    import_samples(url)
    assert list_as_json(url) == []


def test_token_of_a_deleted_flow_sees_none(tmp_path: Path) -> None:
    """The list shows none, and not all."""
    url = f"sqlite:///{tmp_path / 'flowql.db'}"
    import_samples(url)
    create_token(url, "orphan", "--flow", "default-source-pre-authentication")
    with closing(sqlite3.connect(tmp_path / "flowql.db")) as connection:
        delete = "DELETE FROM authentik_flows_flow WHERE slug = 'default-source-pre-authentication'"
        connection.execute(delete)
        connection.commit()
    output = run_in_process("token", "list", "--database", url).stdout
    assert re.search(r"orphan +none .* never", output)
    [token] = list_as_json(url)
    assert token["scope"] == {"superuser": False, "flows_only": False, "flows": []}
