"""Settings and prompts from authentik's database."""

import logging
from collections.abc import Iterator, Mapping
from typing import Any

import psycopg
import pytest

from support.app_client import AppClient
from support.command import run_in_process
from support.postgres import PASSWORD as ROLE_PASSWORD
from support.postgres import PostgresServer
from support.settings_data import (
    CANARY,
    CAPTCHA,
    EXPRESSION,
    FLOW,
    IDENTIFICATION,
    PASSWORD,
    PASSWORD_POLICY,
    POLICIES,
    PROMPT_STAGE,
    SETTINGS,
    STAGES,
    add_viewer,
    create_settings,
    find_list_table,
    find_table,
)
from support.sql_recorder import is_of_viewer, record_statements

QUERY = """{ flow(slug: "all-types") {
    stageBindings { stage { name type settings prompts { name } } }
    policyBindings { policy { name settings } } } }"""
SOURCES = find_list_table(IDENTIFICATION, "sources")
BELOW_FLOWS = (
    *("authentik_flows.view_flow", "authentik_flows.view_flowstagebinding"),
    *("authentik_policies.view_policybinding",),
)


@pytest.fixture(scope="module")
def url(postgres: PostgresServer) -> str:
    """A database of authentik with a stage or a policy of each type, and viewers."""
    return create_settings(postgres.create_database("settings"))


@pytest.fixture(scope="module")
def superuser(url: str) -> str:
    """The key of a superuser."""
    return add_viewer(url, "superuser", is_superuser=True)


@pytest.fixture(scope="module")
def client(url: str, superuser: str) -> Iterator[AppClient]:
    """FlowQL on the database."""
    assert superuser
    with AppClient(url) as client:
        yield client


def read_settings(response: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of each stage and policy by its name, which is its type."""
    flow = response["data"]["flow"]
    objects = [
        *(binding["stage"] for binding in flow["stageBindings"]),
        *(binding["policy"] for binding in flow["policyBindings"]),
    ]
    return {item["name"]: item["settings"] for item in objects}


def test_settings_of_all_types(client: AppClient, superuser: str) -> None:
    """Columns and lists, with names as in blueprints, primary keys for references, no secrets."""
    response = client.graphql(QUERY, superuser)
    assert "errors" not in response.json
    assert read_settings(response.json) == SETTINGS
    assert CANARY.encode() not in response.body


def test_secrets_are_not_logged(
    url: str, superuser: str, client: AppClient, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither by reads, nor by errors of the database."""
    caplog.set_level(logging.DEBUG)
    table = find_table(CAPTCHA)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"ALTER TABLE {table} RENAME COLUMN public_key TO renamed".encode())
        response = client.graphql(QUERY, superuser)
        export = client.get("/flows/instances/all-types/export/", superuser)
        connection.execute(f"ALTER TABLE {table} RENAME COLUMN renamed TO public_key".encode())
    assert "errors" in response.json
    assert export.status == 500
    client.graphql(QUERY, superuser)
    assert CANARY not in caplog.text + response.body.decode() + export.body.decode()


def test_prompts_are_in_order(client: AppClient, superuser: str) -> None:
    """A prompt stage shows its prompts by their order; other stages have none."""
    query = """query ($pk: UUID!) { stage(pk: $pk) { prompts { name fieldKey label type required
        placeholder initialValue order subText placeholderExpression initialValueExpression } } }"""
    response = client.graphql(query, superuser, {"pk": STAGES[PROMPT_STAGE]})
    first, second = response.json["data"]["stage"]["prompts"]
    assert (first["name"], second["name"]) == ("first", "second")
    assert first == {
        "name": "first",
        "fieldKey": "key first",
        "label": "label first",
        "type": "text",
        "required": True,
        "placeholder": "",
        "initialValue": "",
        "order": 9,
        "subText": "below",
        "placeholderExpression": False,
        "initialValueExpression": True,
    }
    response = client.graphql(query, superuser, {"pk": STAGES[PASSWORD]})
    assert response.json["data"]["stage"]["prompts"] == []


def test_settings_cost_one_statement_a_level(client: AppClient, superuser: str) -> None:
    """The number of statements does not depend on the number of stages and types."""
    with record_statements() as statements:
        # The response to another operation is not used again.
        client.graphql(f"{QUERY} # counted", superuser)
    tables = [statement.text for statement in statements if not is_of_viewer(statement)]
    assert sum("jsonb_build_object" in text for text in tables) == 2
    assert len(tables) == 6
    assert not any('private_key"' in text or ".private_key" in text for text in tables)


def test_another_type_is_forbidden(client: AppClient, url: str) -> None:
    """The viewer needs authentik's permission for the type, for all objects or for this one."""
    key = add_viewer(
        url,
        "types",
        *BELOW_FLOWS,
        "authentik_stages_password.view_passwordstage",
        f"authentik_stages_captcha.view_captchastage:{STAGES[CAPTCHA]}",
        f"authentik_stages_identification.view_identificationstage:{STAGES[PASSWORD]}",
        "authentik_policies_expression.view_expressionpolicy",
    )
    response = client.graphql(QUERY, key).json
    visible = {PASSWORD, CAPTCHA, EXPRESSION}
    assert read_settings(response) == {
        name: value if name in visible else None for name, value in SETTINGS.items()
    }
    errors = {tuple(error["path"]): error for error in response["errors"]}
    path = ("flow", "policyBindings", 1, "policy", "settings")
    assert errors[path]["message"] == (
        "'Policy.settings' requires the permission authentik_policies_password.view_passwordpolicy."
    )
    assert errors[path]["extensions"]["code"] == "FORBIDDEN"
    paths = [path for path in errors if path[-1] == "settings"]
    assert len(paths) == len(SETTINGS) - len(visible)


def test_prompts_require_their_permission(client: AppClient, url: str) -> None:
    """Without `view_prompt` they are null, with an error; with it for one, only this is visible."""
    key = add_viewer(url, "no prompts", *BELOW_FLOWS)
    response = client.graphql(QUERY, key).json
    stages = [item["stage"] for item in response["data"]["flow"]["stageBindings"]]
    assert {stage["prompts"] for stage in stages} == {None}
    assert "view_prompt" in str(response["errors"])


def test_a_stage_without_type_has_no_settings(postgres: PostgresServer) -> None:
    """Neither settings nor an error."""
    url = create_settings(postgres.create_database("untyped_settings"))
    key = add_viewer(url, "superuser", is_superuser=True)
    with psycopg.connect(url) as connection:
        connection.execute(f"DROP TABLE {find_table(EXPRESSION)}".encode())
    with AppClient(url) as client:
        response = client.graphql(QUERY, key).json
    assert "errors" not in response
    assert read_settings(response) == {**SETTINGS, EXPRESSION: None}


def read_blueprints(client: AppClient, key: str) -> list[str]:
    """Return the blueprints of all flows from the graph."""
    response = client.graphql("{ flows { results { blueprint } } }", key).json
    return [flow["blueprint"] for flow in response["data"]["flows"]["results"]]


def revoke(url: str, privilege: str, table: str) -> None:
    """Revoke a privilege on a table from the role."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"REVOKE {privilege} ON {table} FROM settings_reader".encode())


def test_a_type_with_many_columns(postgres: PostgresServer) -> None:
    """A function of PostgreSQL has at most 100 arguments."""
    url = create_settings(postgres.create_database("wide_settings"))
    key = add_viewer(url, "superuser", is_superuser=True)
    expected = {**SETTINGS[EXPRESSION], **{f"column_{number}": number for number in range(120)}}
    columns = ", ".join(
        f"ADD column_{number} integer NOT NULL DEFAULT {number}" for number in range(120)
    )
    with psycopg.connect(url) as connection:
        connection.execute(f"ALTER TABLE {find_table(EXPRESSION)} {columns}".encode())
    with AppClient(url) as client:
        response = client.graphql(QUERY, key).json
    assert read_settings(response) == {**SETTINGS, EXPRESSION: expected}


def test_a_role_reads_no_secrets(
    postgres: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    """`flowql grants` grants all columns but those of secrets, and settings need no more."""
    name = "granted_settings"
    url = create_settings(postgres.create_database(name))
    key = add_viewer(url, "superuser", is_superuser=True)
    grants = run_in_process("grants", "--database", url, "--role", "settings_reader").stdout
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(grants.encode())
        connection.execute(f"ALTER ROLE settings_reader PASSWORD '{ROLE_PASSWORD}'".encode())
        readable = connection.execute(
            "SELECT column_name::text FROM information_schema.column_privileges"
            " WHERE grantee = 'settings_reader' AND privilege_type = 'SELECT'"
        ).fetchall()
    assert not {"private_key", "auth", "api_token", "expression_secret"} & {n for (n,) in readable}
    reader_url = postgres.dsn(name, user="settings_reader")
    with AppClient(reader_url) as client:
        assert read_settings(client.graphql(QUERY, key).json) == SETTINGS
        revoke(url, "SELECT (length_min)", find_table(PASSWORD_POLICY))
        revoke(url, "SELECT (identificationstage_id, source_id)", SOURCES)
        revoke(url, "SELECT (label)", "authentik_stages_prompt_prompt")
    caplog.clear()
    with AppClient(reader_url) as client:
        response = client.graphql(QUERY, key).json
        settings = read_settings(response)
        export = client.get("/flows/instances/all-types/export/", key).body.decode()
        health = client.request("GET", "/-/health/ready/", {"accept": "application/json"}).json
        assert read_blueprints(client, key) == [
            client.get(f"/flows/instances/{slug}/export/", key).body.decode()
            for slug in ("all-types", "other")
        ]
    assert "length_min" not in settings[PASSWORD_POLICY]
    assert "sources" not in settings[IDENTIFICATION]
    [message] = caplog.messages
    assert f"GRANT SELECT (length_min) ON public.{find_table(PASSWORD_POLICY)}" in message
    assert "ON public.authentik_stages_prompt_prompt TO settings_reader" in message
    assert f"# a column of the prompts of {PROMPT_STAGE} is not readable" in export
    assert "- !Find [authentik_stages_prompt.prompt, [name, first]]" in export
    assert f"# the setting length_min of {PASSWORD_POLICY} is not readable" in export
    assert health["warnings"] == [
        "some settings are missing: execute the statements that 'flowql grants' prints"
    ]


def test_an_export_refers_by_names(client: AppClient, superuser: str) -> None:
    """References inside the file use ids, others natural keys; secrets are placeholders."""
    text = client.get("/flows/instances/all-types/export/", superuser).body.decode()
    keys = {FLOW, *STAGES.values(), *POLICIES.values()}
    assert not [key for key in keys if key in text]
    assert CANARY not in text
    for line in (
        '# - authentik_core.source "ldap"',
        "configure_flow: !Find [authentik_flows.flow, [slug, other]]",
        "enrollment_flow: !KeyOf 'flow/all-types'",
        f"password_stage: !KeyOf 'stage/{PASSWORD}'",
        "- !Find [authentik_core.source, [slug, ldap]]",
        "mapping: !Find [authentik_events.notificationwebhookmapping, [name, map]]",
        "create_users_group: !Find [authentik_core.group, [name, engineers]]",
        "- !KeyOf 'prompt/first'",
        f"- !KeyOf 'policy/{PASSWORD_POLICY}'",
        "private_key: !Env 'STAGE_AUTHENTIK_STAGES_CAPTCHA_CAPTCHASTAGE_PRIVATE_KEY'",
        "#- STAGE_AUTHENTIK_STAGES_CAPTCHA_CAPTCHASTAGE_PRIVATE_KEY: private_key of the stage"
        ' "authentik_stages_captcha.captchastage"'.replace("#-", "# -"),
    ):
        assert line in text, text


def test_exports_do_not_depend_on_keys(postgres: PostgresServer) -> None:
    """Two prompts with each other's keys are in the same order."""
    texts: set[str] = set()
    for name in ("keys", "other_keys"):
        url = create_settings(postgres.create_database(f"settings_{name}"))
        if name == "other_keys":
            swap_prompts(url)
        texts.add(run_in_process("export", "--all", "--database", url).stdout)
    assert len(texts) == 1


def swap_prompts(url: str) -> None:
    """Exchange the names, and all else, of the two prompts."""
    columns = (
        *("name", "field_key", "label", "type", "required", "placeholder", "initial_value"),
        *("sub_text", "placeholder_expression", "initial_value_expression", '"order"'),
    )
    names, values = ", ".join(columns), ", ".join(f"other.{name}" for name in columns)
    with psycopg.connect(url) as connection:
        table = "authentik_stages_prompt_prompt"
        connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT {table}_name_key".encode())
        connection.execute(
            f"UPDATE {table} AS own SET ({names}) = ROW ({values})"  # noqa: S608 - constants
            f" FROM (SELECT * FROM {table}) AS other"
            " WHERE other.prompt_uuid <> own.prompt_uuid".encode()
        )


def test_flow_blueprint_is_the_export(client: AppClient, url: str, superuser: str) -> None:
    """The field and the endpoint agree; it is null without the permissions of an export."""
    query = "{ flows(pageSize: 10) { results { slug blueprint } } }"
    results = client.graphql(query, superuser).json["data"]["flows"]["results"]
    assert results == [
        {
            "slug": slug,
            "blueprint": client.get(f"/flows/instances/{slug}/export/", superuser).body.decode(),
        }
        for slug in ("all-types", "other")
    ]
    response = client.graphql(query, add_viewer(url, "blueprint", *BELOW_FLOWS)).json
    assert [flow["blueprint"] for flow in response["data"]["flows"]["results"]] == [None, None]
    assert {error["extensions"]["code"] for error in response["errors"]} == {"FORBIDDEN"}
