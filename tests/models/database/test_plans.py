"""Tests of PostgreSQL's plans where statistics or optional indexes are missing."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest

from models.database.postgresql import PostgreSQLReader
from models.database.statement import SelectBuilder, compile_select
from models.queries.bindings import Lookup, PolicyBindings, StageBindings
from models.queries.components import Component, TypeLookup
from models.queries.conditions import And, Comparison, Condition, Not, Operator, UsesComponent
from models.queries.flows import COLUMNS, FlowFilter, Flows, FlowsByPk, OffsetPage, Ordering
from models.queries.keyset import KeysetPage
from models.queries.rights import ALL_RIGHTS, Access, Rights
from models.tables.cached_plan import PlanKeys
from models.tables.child_table import ChildTable
from support.app_client import AppClient
from support.edge_case_data import KEYS
from support.postgres import PostgresServer
from support.seed import fill_authentik

GRANTS = "guardian_roleobjectpermission"
CACHE = "django_postgres_cache_cacheentry"
# Django creates these for foreign keys.
GRANT_INDEXES = ("role_id", "permission_id", "content_type_id")
ADD_GRANTS = """
    INSERT INTO guardian_roleobjectpermission
        (id, object_pk, content_type_id, permission_id, role_id)
    SELECT 1000000 + row_number() OVER (), gen_random_uuid(), content_type_id, permission.id, role.uuid
    FROM auth_permission AS permission, authentik_rbac_role AS role, generate_series(1, 600)
"""
LOCALE = "en_US.UTF-8"
# Debian's package `locales` has it.
SOURCE = Path("/usr/share/i18n/locales/en_US")
CREATE_DATABASE = (
    f"CREATE DATABASE linguistic LOCALE_PROVIDER libc LOCALE '{LOCALE}' TEMPLATE template0"
)
SOME_RIGHTS = Rights(*(Access.SOME for _ in Rights._fields))
BINDING_COLUMNS = ("pk", "order")
ONE_FLOW = FlowFilter(("slug",), is_searched=False, rights=SOME_RIGHTS)
EVERY_FLOW = FlowFilter((), is_searched=False, rights=ALL_RIGHTS)
# SELECTs of objects that are found by their keys.
OBJECTS: dict[str, SelectBuilder] = {
    "flow": Flows(ONE_FLOW, COLUMNS, PlanKeys.IN_KEY_INDEX),
    "flows": FlowsByPk(COLUMNS, PlanKeys.IN_KEY_INDEX, SOME_RIGHTS),
    "stage bindings": StageBindings(
        Lookup.BY_PKS, BINDING_COLUMNS, None, PlanKeys.IN_KEY_INDEX, SOME_RIGHTS
    ),
    "policy bindings": PolicyBindings(Lookup.BY_PKS, BINDING_COLUMNS, None, SOME_RIGHTS),
}


def build_filter(rights: Rights, condition: Condition) -> FlowFilter:
    """Return a filter that contains a condition."""
    return FlowFilter((), is_searched=False, rights=rights, where=condition)


def uses(component: Component, condition: Condition, rights: Rights) -> UsesComponent:
    """Return the condition that a flow uses a component."""
    return UsesComponent(component, condition, (), rights)


SLUG = Comparison("slug", Operator.EQUALS, "slug")
NAME = Comparison("name", Operator.EQUALS, "name")
PART = Comparison("name", Operator.CONTAINS, "name")
# Conditions that start with flows or components; and those of viewers of some flows.
CONDITIONS = {
    f"{component.name.lower()}, {label}": build_filter(rights, condition)
    for component in Component
    for label, rights, condition in (
        ("named", ALL_RIGHTS, uses(component, NAME, ALL_RIGHTS)),
        ("of one flow", ALL_RIGHTS, And((SLUG, uses(component, PART, ALL_RIGHTS)))),
        ("named, restricted", SOME_RIGHTS, uses(component, NAME, SOME_RIGHTS)),
        ("any, restricted", SOME_RIGHTS, uses(component, And(()), SOME_RIGHTS)),
        ("part of name, restricted", SOME_RIGHTS, Not(uses(component, PART, SOME_RIGHTS))),
    )
}


@pytest.fixture(scope="module")
def never_analyzed(postgres: PostgresServer) -> Iterator[psycopg.Connection]:
    """Connect to a database without statistics, with indexes of the grants' foreign keys."""
    url = fill_authentik(postgres.create_database("never analyzed"))
    with psycopg.connect(url, autocommit=True) as connection:
        for column in GRANT_INDEXES:
            connection.execute(f"CREATE INDEX ON {GRANTS} ({column})".encode())
        # CREATE INDEX has stored the number of rows, which is larger now.
        connection.execute(ADD_GRANTS.encode())
        yield connection


@pytest.fixture(scope="module")
def linguistic_url() -> Iterator[str]:
    """Fill a database of authentik whose locale is a language's."""
    with (
        TemporaryDirectory(prefix="flowql-locales-") as folder,
        pytest.MonkeyPatch.context() as patch,
    ):
        compile_locale(Path(folder))
        patch.setenv("LOCPATH", folder)
        with PostgresServer() as server:
            with psycopg.connect(server.dsn(), autocommit=True) as connection:
                connection.execute(CREATE_DATABASE.encode())
            yield fill_authentik(server.dsn("linguistic"))


@pytest.mark.parametrize("name", OBJECTS)
def test_rights_to_single_objects_are_searched_in_an_index(
    name: str, never_analyzed: psycopg.Connection
) -> None:
    """Without statistics, PostgreSQL does not compare an object with each grant."""
    plan = explain(never_analyzed, OBJECTS[name])
    probes = re.findall(r"Index Cond: (.*object_pk.*)", plan)
    assert probes
    assert all("role_id = " in probe and "permission_id = " in probe for probe in probes)
    assert "Join Filter" not in plan
    assert "BitmapAnd" not in plan


@pytest.mark.parametrize("name", CONDITIONS)
def test_conditions_are_not_joined(name: str, never_analyzed: psycopg.Connection) -> None:
    """PostgreSQL plans no join if a condition names something, or the viewer sees some flows."""
    page = KeysetPage(
        Flows(CONDITIONS[name], ("slug",), PlanKeys.IN_KEY_INDEX),
        (Ordering("slug"),),
        is_backward=False,
        has_after=False,
        has_before=False,
        is_counted=False,
        needs_opposite_side=False,
    )
    plan = explain(never_analyzed, page)
    assert not re.search(r"Join|Nested Loop", plan)


def test_keys_of_types_are_selected_from_bindings_alone() -> None:
    """The condition on joined flows is not one on the bindings whose stages have types."""
    types = TypeLookup(
        Component.STAGE, (ChildTable("stages_table", "stage_ptr_id", "stages.model"),)
    )
    columns = ("pk", "flow.slug", "stage.type")
    bindings = StageBindings(Lookup.BY_PARENTS, columns, types, PlanKeys.IN_KEY_INDEX, ALL_RIGHTS)
    text = compile_select(bindings, PostgreSQLReader.dialect).text
    assert re.search(r"SELECT DISTINCT \S+ AS stage_id\s+FROM \w+\s+WHERE", text)


@pytest.mark.parametrize("name", OBJECTS)
def test_an_array_is_parsed_once(name: str, never_analyzed: psycopg.Connection) -> None:
    """A condition refers to the parsed array; it does not parse it for each row."""
    plan = explain(never_analyzed, OBJECTS[name])
    assert re.search(r"ANY \(\(InitPlan|CTE Scan on viewer_roles", plan)
    assert "::uuid[]" not in "".join(re.findall(r"(?:Cond|Filter): .*", plan))


def test_plans_are_found_by_an_index_with_any_collation(linguistic_url: str) -> None:
    """A page searches the index of the primary key for the cached plans of each flow."""
    flows = Flows(EVERY_FLOW, COLUMNS, PlanKeys.IN_LINGUISTIC_INDEX)
    with psycopg.connect(linguistic_url, autocommit=True) as connection:
        assert connection.execute("SELECT 'a' < 'B'").fetchall() == [(True,)]
        # The cache of the tests is so small that a scan would be faster.
        connection.execute("SET enable_seqscan = off; SET enable_bitmapscan = off")
        plan = explain(connection, OffsetPage(flows, (Ordering("slug"),), is_counted=True))
    assert re.search(rf"Index (Only )?Scan using {CACHE}_pkey", plan)
    assert "Index Cond: ((cache_key >= " in plan
    assert f"Seq Scan on {CACHE}" not in plan


def test_plans_are_counted_with_a_linguistic_collation(
    linguistic_url: str, authentik_client: AppClient
) -> None:
    """The counts are those of a database that sorts by bytes."""
    counts = count_plans(authentik_client)
    assert len(set(counts.values())) > 3
    with AppClient(linguistic_url) as client:
        assert count_plans(client) == counts


def explain(connection: psycopg.Connection, builder: SelectBuilder) -> str:
    """Return the plan of a statement for any values, as FlowQL's settings require."""
    statement = compile_select(builder, PostgreSQLReader.dialect)
    rows = connection.execute(f"EXPLAIN (GENERIC_PLAN) {statement.text}".encode())
    return "\n".join(str(row[0]) for row in rows)


def count_plans(client: AppClient) -> dict[str, int]:
    """Return the number of cached plans of each flow, by REST."""
    pages = ("?page_size=100", "?page_size=100&page=2")
    bodies = [client.get(f"/flows/instances/{page}", KEYS["superuser"]).json for page in pages]
    return {flow["slug"]: flow["cache_count"] for body in bodies for flow in body["results"]}


def compile_locale(folder: Path) -> None:
    """Compile the locale, which a system may lack, for the account of the server."""
    assert SOURCE.exists(), "The tests need the sources of locales. Run 'make locales'."
    folder.chmod(0o755)
    command = ["localedef", "-i", "en_US", "-f", "UTF-8", str(folder / LOCALE)]
    subprocess.run(command, check=True, capture_output=True)
