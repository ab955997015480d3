"""FlowQL can read authentik's tokens through a view, which contains only API tokens."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import LiteralString

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege

from models.errors import DatabaseError
from support.app_client import AppClient
from support.edge_case_data import KEYS
from support.postgres import PostgresServer
from support.seed import fill_authentik, fill_flowql

FLOWS = "/flows/instances/?page_size=5"
ROLES = """
CREATE ROLE reader LOGIN PASSWORD 'reader';
CREATE ROLE intruder;
GRANT CREATE ON SCHEMA public TO intruder;
GRANT SELECT ON authentik_core_user_groups TO intruder;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader;
"""
HIDE_TABLE = "REVOKE SELECT ON authentik_core_token FROM reader;"
HIDE_VIEW = "REVOKE SELECT ON flowql_token FROM reader;"
VIEW = """
CREATE VIEW flowql_token AS
SELECT token_uuid, key, expires, expiring, user_id FROM authentik_core_token
WHERE intent = 'api';
GRANT SELECT ON flowql_token TO reader;
"""
FORGED_VIEW = """
CREATE VIEW flowql_token AS
SELECT gen_random_uuid() AS token_uuid, 'forged'::text AS key, NULL::timestamptz AS expires,
false AS expiring, user_id FROM authentik_core_user_groups;
GRANT SELECT ON flowql_token TO reader;
"""
COLUMNS = "token_uuid, identifier, key, intent, expires, expiring, user_id"
TABLE_GRANT = f"GRANT SELECT ({COLUMNS}) ON public.authentik_core_token TO reader;"
VIEW_GRANT = "GRANT SELECT ON public.flowql_token TO reader;"


@dataclass(frozen=True, slots=True)
class Site:
    """Authentik's database: its URL for the owner, and for a role that may only read."""

    url: str
    reader_url: str

    def execute(self, statements: LiteralString) -> None:
        """Execute SQL statements as the owner."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statements)


@pytest.fixture(scope="module")
def module_site(postgres: PostgresServer) -> Site:
    """Fill authentik's tables, and create the roles."""
    url = fill_authentik(postgres.create_database("token_view"))
    site = Site(url, postgres.dsn("token_view", user="reader", password="reader"))
    site.execute(ROLES)
    return site


@pytest.fixture
def site(module_site: Site) -> Iterator[Site]:
    """Authentik's database without a view; the role may read the table."""
    yield module_site
    module_site.execute("DROP VIEW IF EXISTS flowql_token")
    module_site.execute("GRANT SELECT ON authentik_core_token TO reader")


def get_responses(url: str) -> dict[str, tuple[int, bytes]]:
    """Return the response for each token, by name."""
    with AppClient(url) as client:
        responses = {name: client.get(FLOWS, key) for name, key in KEYS.items()}
    return {name: (response.status, response.body) for name, response in responses.items()}


def test_the_view_replaces_the_table(site: Site) -> None:
    """A role that may not read the table gets the same responses for all tokens."""
    expected = get_responses(site.url)
    site.execute(HIDE_TABLE + VIEW)
    with psycopg.connect(site.reader_url) as connection, pytest.raises(InsufficientPrivilege):
        connection.execute("SELECT FROM authentik_core_token")
    assert get_responses(site.reader_url) == expected
    assert {status for status, _ in expected.values()} == {200, 403}


def test_the_view_is_optional(site: Site) -> None:
    """A view that does not exist or is not readable is not used."""
    expected = get_responses(site.url)
    assert get_responses(site.reader_url) == expected
    site.execute(VIEW + HIDE_VIEW)
    assert get_responses(site.reader_url) == expected


def test_the_view_needs_all_columns(site: Site) -> None:
    """A view without one of the columns is not used."""
    site.execute(HIDE_TABLE + VIEW + "ALTER VIEW flowql_token RENAME expires TO expiry")
    with pytest.raises(DatabaseError) as error, AppClient(site.reader_url):
        pass
    _, comment, grant = str(error.value).splitlines()
    assert comment.startswith("-- The view flowql_token is not used, because it lacks expires.")
    assert grant == TABLE_GRANT


def test_tokens_need_a_readable_table_or_view(site: Site) -> None:
    """The error has the statements for a view, which hides the other tokens."""
    site.execute(HIDE_TABLE)
    with pytest.raises(DatabaseError) as error, AppClient(site.reader_url):
        pass
    _, create, grant = str(error.value).splitlines()
    assert create.startswith("CREATE OR REPLACE VIEW public.flowql_token ")
    assert grant == VIEW_GRANT


def test_a_role_cannot_add_tokens_by_a_view(site: Site) -> None:
    """A view is not used if its owner may not read the tokens."""
    expected = get_responses(site.url)
    site.execute("SET ROLE intruder;" + FORGED_VIEW)
    with AppClient(site.reader_url) as client:
        assert client.get(FLOWS, "forged").status == 403
    assert get_responses(site.reader_url) == expected


def test_a_view_does_not_make_a_database_flowql_s_own(site: Site) -> None:
    """Another application of the schema may use alembic."""
    site.execute(VIEW + "CREATE TABLE alembic_version (version_num text)")
    try:
        assert get_responses(site.reader_url) == get_responses(site.url)
    finally:
        site.execute("DROP TABLE alembic_version")


def test_flowql_s_own_database_needs_no_view(postgres: PostgresServer) -> None:
    """A view of that name has no effect."""
    url = fill_flowql(postgres.create_database("own_view"))
    expected = get_responses(url)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE VIEW flowql_token AS SELECT * FROM authentik_core_token LIMIT 0")
    assert get_responses(url) == expected
