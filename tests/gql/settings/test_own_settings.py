"""Settings and prompts of FlowQL's own database, from blueprints."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.app_client import AppClient
from support.blueprints import BlueprintDatabase, create_blueprint_database, write_blueprint
from support.command import run_in_process
from support.postgres import PostgresServer
from support.settings_data import CANARY, PEM, SECRET, add_viewer, create_settings

STAGE, OTHER_STAGE = "authentik_stages_prompt.promptstage", "authentik_stages_captcha.captchastage"
BLUEPRINT = f"""
- model: authentik_flows.flow
  id: flow
  identifiers: {{slug: shown}}
  attrs: {{name: Shown, title: Shown, designation: recovery}}
- model: authentik_flows.flow
  id: hidden
  identifiers: {{slug: hidden}}
  attrs: {{name: Hidden, title: Hidden, designation: recovery}}
- model: authentik_stages_prompt.prompt
  id: last
  identifiers: {{name: last}}
  attrs: {{field_key: a, label: A, type: text, order: 2}}
- model: authentik_stages_prompt.prompt
  id: first
  identifiers: {{name: first}}
  attrs: {{field_key: b, label: B, type: text, order: 1}}
- model: {STAGE}
  id: ask
  identifiers: {{name: ask}}
  attrs: {{fields: [!KeyOf last, !KeyOf first], zeta: {{b: 1, a: 99999999999999999999999}}}}
- model: {OTHER_STAGE}
  id: captcha
  identifiers: {{name: captcha}}
  attrs:
    private_key: {CANARY}
    public_key: open
    api_url: https://example.com
    nested: {{deep: [{{client_secret: {CANARY}}}]}}
- model: authentik_stages_user_write.userwritestage
  id: write
  identifiers: {{name: write}}
  attrs: {{create_users_group: !Find [authentik_core.group, [name, engineers]]}}
- {{model: authentik_flows.flowstagebinding, identifiers: {{target: !KeyOf flow, stage: !KeyOf ask, order: 0}}}}
- {{model: authentik_flows.flowstagebinding, identifiers: {{target: !KeyOf flow, stage: !KeyOf captcha, order: 1}}}}
- {{model: authentik_flows.flowstagebinding, identifiers: {{target: !KeyOf hidden, stage: !KeyOf write, order: 2}}}}
"""
QUERY = '{ flow(slug: "SLUG") { stageBindings { stage { name settings prompts { name } } } } }'
SHOWN, HIDDEN = QUERY.replace("SLUG", "shown"), QUERY.replace("SLUG", "hidden")


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def database(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> BlueprintDatabase:
    """A database with the blueprint, of each kind."""
    folder = tmp_path_factory.mktemp("settings")
    if request.param == "sqlite":
        url = f"sqlite:///{folder / 'flowql.db'}"
    else:
        postgres: PostgresServer = request.getfixturevalue("postgres")
        url = postgres.create_database("own_settings")
    database = create_blueprint_database(url)
    report = database.load(write_blueprint(folder / "file.yaml", BLUEPRINT))
    assert report.placeholders == ["group 'engineers'"]
    return database


@pytest.fixture
def client(database: BlueprintDatabase) -> Iterator[AppClient]:
    """FlowQL on the database."""
    with AppClient(database.url) as client:
        yield client


@pytest.fixture
def create_token(database: BlueprintDatabase, request: pytest.FixtureRequest) -> Callable[..., str]:
    """A function that creates a token with options, and returns its key."""

    def create(*options: str) -> str:
        name = f"{request.node.name} {options}"
        arguments = ("token", "create", name, *options, "--database", database.url)
        return run_in_process(*arguments).stdout.strip()

    return create


def read_stages(client: AppClient, query: str, key: str) -> list[Any]:
    """Return the stages of a flow."""
    response = client.graphql(query, key)
    assert CANARY.encode() not in response.body
    assert "errors" not in response.json
    return [binding["stage"] for binding in response.json["data"]["flow"]["stageBindings"]]


def test_settings_are_the_attributes_of_entries(
    client: AppClient, create_token: Callable[..., str]
) -> None:
    """Keys are sorted, large numbers are exact, secrets are replaced, prompts are in order."""
    ask, captcha = read_stages(client, SHOWN, create_token())
    fields = ask["settings"].pop("fields")
    assert (len(fields), ask["prompts"]) == (2, [{"name": "first"}, {"name": "last"}])
    assert ask["settings"] == {"zeta": {"a": 99999999999999999999999, "b": 1}}
    assert list(ask["settings"]["zeta"]) == ["a", "b"]
    assert captcha["settings"] == {
        "api_url": "https://example.com",
        "nested": {"deep": [{"client_secret": SECRET}]},
        "private_key": SECRET,
        "public_key": "open",
    }
    assert captcha["prompts"] == []


def test_a_group_in_a_setting_is_kept(client: AppClient, create_token: Callable[..., str]) -> None:
    """The setting is its primary key, and the export names it."""
    key = create_token("--superuser")
    [write] = read_stages(client, HIDDEN, key)
    assert len(write["settings"]["create_users_group"]) == 36
    export = client.get("/flows/instances/hidden/export/", key).body.decode()
    assert "create_users_group: !Find [authentik_core.group, [name, engineers]]" in export


def test_a_token_of_some_flows_sees_their_settings(
    client: AppClient, create_token: Callable[..., str]
) -> None:
    """Other flows, and stages of them, do not exist for it."""
    key = create_token("--flow", "shown")
    assert len(read_stages(client, SHOWN, key)) == 2
    assert client.graphql(HIDDEN, key).json == {"data": {"flow": None}}
    superuser = create_token("--superuser")
    query = "{ stages { nodes { pk name settings } } }"
    stages = {
        node["name"]: node
        for node in client.graphql(query, superuser).json["data"]["stages"]["nodes"]
    }
    visible = client.graphql(query, key).json["data"]["stages"]["nodes"]
    assert {node["name"] for node in visible} == {"ask", "captcha"}
    one = "query ($pk: UUID!) { stage(pk: $pk) { settings } }"
    response = client.graphql(one, key, {"pk": stages["write"]["pk"]}).json
    assert response == {"data": {"stage": None}}


def test_an_export_does_not_name_hidden_flows(
    database: BlueprintDatabase, client: AppClient, create_token: Callable[..., str], tmp_path: Path
) -> None:
    """A placeholder replaces the reference of a setting to a flow that the token does not see."""
    entry = (
        "- model: authentik_stages_prompt.promptstage\n  identifiers: {name: ask}\n"
        "  attrs: {other: !Find [authentik_flows.flow, [slug, hidden]],"
        " validation_policies: [!Find [authentik_flows.flow, [slug, hidden]]]}\n"
    )
    database.load(write_blueprint(tmp_path / "change.yaml", entry))
    path = "/flows/instances/shown/export/"
    scoped = client.get(path, create_token("--flow", "shown")).body.decode()
    everything = client.get(path, create_token("--superuser")).body.decode()
    assert "slug, hidden" in everything
    assert "hidden" not in scoped
    assert "- !Context 'stage_ask_validation_policies_0'" in scoped
    assert "other: !Context 'stage_ask_other'" in scoped
    assert "# - stage_ask_other: other of the stage" in scoped


def test_a_token_of_flows_only_sees_no_settings(
    client: AppClient, create_token: Callable[..., str]
) -> None:
    """Stages, and what is below them, are hidden."""
    response = client.graphql('{ flow(slug: "shown") { blueprint } }', create_token("--flows-only"))
    assert response.json["data"] == {"flow": {"blueprint": None}}
    [error] = response.json["errors"]
    assert error["extensions"]["code"] == "FORBIDDEN"


def test_an_export_of_authentik_is_the_same_after_import(
    postgres: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With private keys in place of all secrets, the copy has the same export."""
    url = create_settings(postgres.create_database("exported_settings"))
    add_viewer(url, "superuser", is_superuser=True)
    first = run_in_process("export", "--all", "--database", url)
    assert (first.returncode, CANARY in first.stdout) == (0, False)
    file = tmp_path / "flows.yaml"
    file.write_text(first.stdout, "utf-8")
    for variable in re.findall(r"!Env '(\w+)'", first.stdout):
        monkeypatch.setenv(variable, PEM)
    copy = create_blueprint_database(f"sqlite:///{tmp_path / 'copy.db'}")
    report = copy.load(file)
    assert (report.omissions, report.skipped) == ([], {})
    second = run_in_process("export", "--all", "--database", copy.url)
    assert select_lines(second.stdout) == select_lines(first.stdout)


def select_lines(text: str) -> list[str]:
    """Return the lines without numbers with names of secrets, which an import takes for secrets."""
    names = ("password_retries", "token_timeout")
    return [line for line in text.splitlines() if not any(name in line.lower() for name in names)]
