"""The types of stages and policies are authentik's content types, whose table names Django cuts."""

import asyncio
import hashlib
from collections.abc import Sequence

import psycopg
import pytest
from django.db.backends.utils import truncate_name
from hypothesis import given
from hypothesis import strategies as st

from models.database import open_database
from models.tables.child_table import build_table_name
from support.app_client import AppClient
from support.databases import MAX_NAME_LENGTH, child_table
from support.edge_case_data import KEYS, LONG_TABLE, LONG_TYPE
from support.postgres import PostgresServer
from support.seed import create_authentik, fill_authentik
from support.sql_recorder import record_statements

LABELS = st.text(st.sampled_from("abc_9"), min_size=1, max_size=80)
TABLE = "CREATE TABLE {} ({} uuid PRIMARY KEY)"
FILL = "INSERT INTO {} SELECT stage_uuid FROM authentik_flows_stage"
CONTENT_TYPE = "INSERT INTO django_content_type (app_label, model) VALUES ('{}', '{}')"


def execute(url: str, *statements: str) -> None:
    """Execute SQL statements."""
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def list_types(url: str, schema: str = "public") -> list[tuple[str, str]]:
    """Return the tables of stage types with their models."""

    async def read() -> list[tuple[str, str]]:
        database = await open_database(url, schema)
        try:
            tables = database.catalog.child_tables("stage_ptr_id")
            return [(table.name, table.model) for table in tables]
        finally:
            await database.close()

    return asyncio.run(read())


@pytest.fixture
def url(postgres: PostgresServer, request: pytest.FixtureRequest) -> str:
    """Authentik's tables without rows."""
    return create_authentik(postgres.create_database(request.node.name))


@given(app_label=LABELS, model=LABELS)
def test_names_are_cut_as_django_cuts_them(app_label: str, model: str) -> None:
    """A name of more than 63 characters has 59 of them, and four of its MD5 hash."""
    expected = truncate_name(f"{app_label}_{model}", MAX_NAME_LENGTH)
    assert build_table_name(app_label, model) == expected


def test_a_long_name_of_authentik() -> None:
    """The table of the type that authentik's default login flow uses."""
    assert build_table_name(*LONG_TYPE.split(".")) == child_table(LONG_TYPE) == LONG_TABLE


def test_the_content_type_of_a_table_is_its_type(url: str) -> None:
    """The application may have an underscore, or the model, and the name may be cut."""
    models = (LONG_TYPE, "authentik_stages_a.b_stage", "authentik_stages_user_login.cstage")
    for model in models:
        execute(url, TABLE.format(child_table(model), "stage_ptr_id"))
        execute(url, CONTENT_TYPE.format(*model.split(".")))
    assert list_types(url) == sorted((child_table(model), model) for model in models)


def test_a_table_without_one_content_type_has_the_type_of_its_name(url: str) -> None:
    """Its name is split at the last underscore if no content type fits, or several."""
    first, second = find_collision()
    tables = ("authentik_stages_a_b", "authentik_stages_none_nonestage", child_table(first))
    for table in tables:
        execute(url, TABLE.format(table, "stage_ptr_id"))
    for model in ("authentik_stages.a_b", "authentik_stages_a.b", first, second):
        execute(url, CONTENT_TYPE.format(*model.split(".")))
    assert list_types(url) == sorted((table, ".".join(table.rsplit("_", 1))) for table in tables)


def find_collision() -> Sequence[str]:
    """Return two models whose names have the same first 59 characters and hash."""
    models: dict[str, str] = {}
    for number in range(10_000):
        model = f"authentik_stages_{'long' * 12}.stage{number:04}"
        digest = hashlib.md5(model.replace(".", "_").encode(), usedforsecurity=False).hexdigest()
        if other := models.get(digest[:4]):
            assert child_table(other) == child_table(model)
            return other, model
        models[digest[:4]] = model
    raise AssertionError("no collision")


def test_a_tenant_has_content_types_of_its_own(url: str) -> None:
    """They are read from its schema."""
    create_authentik(url, "tenant")
    for schema, model in (("public", "authentik_stages.a_b"), ("tenant", "authentik_stages_a.b")):
        set_path = f"SET search_path = {schema}; "
        execute(url, set_path + TABLE.format("authentik_stages_a_b", "stage_ptr_id"))
        execute(url, set_path + CONTENT_TYPE.format(*model.split(".")))
    assert list_types(url) == [("authentik_stages_a_b", "authentik_stages.a_b")]
    assert list_types(url, "tenant") == [("authentik_stages_a_b", "authentik_stages_a.b")]


def test_requests_read_no_content_types_of_tables(postgres: PostgresServer) -> None:
    """They are read once, when the database is opened."""
    url = fill_authentik(postgres.create_database("content_types"))
    execute(url, TABLE.format(LONG_TABLE, "stage_ptr_id"))
    execute(url, FILL.format(LONG_TABLE))
    query = """query ($type: String!) { flowConnection(
        first: 1, where: {stage: {type: {equals: $type}}}) { totalCount nodes {
        stageBindings { stage { type } } } } }"""
    with AppClient(url) as client, record_statements() as statements:
        found, lost = (
            client.graphql(query, KEYS["superuser"], variables={"type": type_}).json["data"]
            for type_ in (LONG_TYPE, ".".join(LONG_TABLE.rsplit("_", 1)))
        )
    assert not any("SELECT app_label" in statement.text for statement in statements)
    assert lost["flowConnection"] == {"totalCount": 0, "nodes": []}
    assert found["flowConnection"]["totalCount"] > 0
    [flow] = found["flowConnection"]["nodes"]
    assert {binding["stage"]["type"] for binding in flow["stageBindings"]} == {LONG_TYPE}
