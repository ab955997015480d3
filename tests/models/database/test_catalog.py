"""Tests of the catalog: the index that serves the keys of cached plans."""

import asyncio
import os
import re
from typing import Any

import psycopg
import pytest
from psycopg import sql

from models.database import open_database
from models.database.statement import Statement
from models.tables.cached_plan import PlanKeys, plan_prefix
from support.app_client import AppClient
from support.edge_case_data import KEYS
from support.postgres import PostgresServer
from support.seed import fill_authentik
from support.sql_recorder import is_of_viewer, record_statements

CACHE = "django_postgres_cache_cacheentry"
PATTERN_INDEX = f"CREATE INDEX ON {CACHE} (cache_key text_pattern_ops) {{}}"
HASH_INDEX = f"CREATE INDEX ON {CACHE} USING hash (cache_key text_pattern_ops)"
OTHER_INDEX = f'CREATE INDEX ON {CACHE} (cache_key COLLATE "C")'
COLLATION = f'ALTER TABLE {CACHE} ALTER cache_key TYPE text COLLATE "{{}}"'
NO_INDEX = f"ALTER TABLE {CACHE} DROP CONSTRAINT {CACHE}_pkey"
# The C library of the tests may have no other locale than C. FlowQL reads the catalog only.
LINGUISTIC = "; ".join(
    (
        "CREATE COLLATION linguistic (PROVIDER = libc, LOCALE = 'C.UTF-8')",
        COLLATION.format("linguistic"),
        "UPDATE pg_collation SET collcollate = 'en_US.UTF-8' WHERE collname = 'linguistic'",
    )
)
LIBC = "LOCALE_PROVIDER libc LOCALE '{}'"
C_LOCALES = ("C", "POSIX", "C.UTF-8", "C.utf8")
# Sorted by bytes. Every linguistic collation sorts "a" before "B".
BYTE_ORDER = ["-", "B", "Z", "_", "a", "z", "~", "\x7f", "é", "\u0416", "\ue000", "\U0001f600"]
# Samples of the collations that a server may have.
COLLATIONS = r"""
    SELECT collname FROM pg_collation
    WHERE collnamespace = 'pg_catalog'::regnamespace AND collprovider <> 'd'
    AND collencoding IN (-1, pg_char_to_encoding('UTF8'))
    AND collname ~* '^(C|POSIX|ucs_|pg_|unicode|(de_DE|en_US|tr_TR)(\.|$)|(de|en|und)-x-icu$)'
"""


@pytest.mark.parametrize(
    ("locale", "change", "expected"),
    [
        ("", "", PlanKeys.IN_KEY_INDEX),
        ("", PATTERN_INDEX.format(""), PlanKeys.IN_PATTERN_INDEX),
        ("", f"DROP TABLE {CACHE}", PlanKeys.ABSENT),
        ("", NO_INDEX, PlanKeys.UNINDEXED),
        ("", f"{NO_INDEX}; {HASH_INDEX}", PlanKeys.UNINDEXED),
        ("", f"{NO_INDEX}; {OTHER_INDEX}", PlanKeys.UNINDEXED),
        ("", LINGUISTIC, PlanKeys.UNINDEXED),
        ("", f"{PATTERN_INDEX.format('')}; {LINGUISTIC}", PlanKeys.IN_PATTERN_INDEX),
        ("", f"{PATTERN_INDEX.format('WHERE expires IS NULL')}; {LINGUISTIC}", PlanKeys.UNINDEXED),
        (LIBC.format("C.UTF-8"), COLLATION.format("C"), PlanKeys.IN_KEY_INDEX),
        *((LIBC.format(locale), "", PlanKeys.IN_KEY_INDEX) for locale in C_LOCALES),
    ],
)
def test_cached_plans_are_counted_with_each_access_path(
    locale: str,
    change: str,
    expected: PlanKeys,
    postgres: PostgresServer,
    authentik_client: AppClient,
) -> None:
    """Each access path returns the same counts."""
    url = create_database(postgres, locale)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(change.encode())
    assert asyncio.run(detect_plan_keys(url)) is expected
    counts = count_plans(authentik_client)
    assert len(set(counts.values())) > 3
    if expected is PlanKeys.ABSENT:
        counts = dict.fromkeys(counts, 0)
    with AppClient(url) as client:
        assert count_plans(client) == counts


def test_collations_that_compare_bytes(postgres: PostgresServer) -> None:
    """The index of the keys serves if the order by their collation is that of their bytes."""
    url = create_database(postgres)
    with psycopg.connect(url, autocommit=True) as connection:
        names = [name for (name,) in connection.execute(COLLATIONS)]
        orders = {name: sort_samples(connection, name) for name in names}
        assert {"C", "POSIX", "ucs_basic", "pg_c_utf8"} <= orders.keys()
        for name, order in orders.items():
            # A server without ICU cannot sort by the collations of ICU.
            if order is not None:
                connection.execute(COLLATION.format(name).encode())
                is_byte_order = order == BYTE_ORDER
                expected = PlanKeys.IN_KEY_INDEX if is_byte_order else PlanKeys.UNINDEXED
                assert asyncio.run(detect_plan_keys(url)) is expected, name


def sort_samples(connection: psycopg.Connection[Any], collation: str) -> list[str] | None:
    """Return the samples in the order of a collation, None if the server does not support it."""
    query = f'SELECT value FROM unnest(%s::text[]) AS samples (value) ORDER BY value COLLATE "{collation}"'  # noqa: S608 - no user input
    try:
        rows = connection.execute(query.encode(), [BYTE_ORDER[::-1]])
    except psycopg.errors.FeatureNotSupported:
        return None
    return [value for (value,) in rows]


@pytest.mark.parametrize("locale", ["", *map(LIBC.format, C_LOCALES)])
def test_a_locale_that_compares_bytes_uses_the_index(locale: str, postgres: PostgresServer) -> None:
    """PostgreSQL searches the index of the primary key for the keys of each flow."""
    url = create_database(postgres, locale)
    with psycopg.connect(url, autocommit=True) as connection:
        # The cache of the tests is so small that a scan would be faster.
        connection.execute("SET enable_seqscan = off; SET enable_bitmapscan = off")
        assert connection.execute("SELECT 'a' > 'B'").fetchall() == [(True,)]
        for page in record_pages(url, 20):
            plan = explain(connection, page, 20)
            assert f"Index Only Scan using {CACHE}_pkey" in plan
            assert "Index Cond: ((cache_key >= " in plan


@pytest.mark.parametrize("size", [1, 20, 100])
def test_a_page_without_an_index_scans_the_cache_once(size: int, postgres: PostgresServer) -> None:
    """The cache is scanned once for all flows of a page."""
    url = create_database(postgres)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(NO_INDEX.encode())
        for page in record_pages(url, size):
            plan = explain(connection, page, size)
            [loops] = re.findall(rf"Seq Scan on {CACHE} .*loops=(\d+)\)", plan)
            assert loops == "1"


def record_pages(url: str, size: int) -> list[Statement]:
    """Return the statements of a page in REST and of one in GraphQL."""
    with AppClient(url) as client, record_statements() as statements:
        client.get(f"/flows/instances/?page_size={size}", KEYS["superuser"])
        client.graphql(
            f"{{ flowConnection(first: {size}) {{ nodes {{ slug cacheCount }} }} }}",
            KEYS["superuser"],
        )
    pages = [statement for statement in statements if not is_of_viewer(statement)]
    assert len(pages) == 2
    return pages


def explain(connection: psycopg.Connection[Any], page: Statement, size: int) -> str:
    """Execute the statement of a page and return its plan."""
    arguments = page.arguments({"limit": size, "offset": 0, "plans": plan_prefix("public")})
    literals = sql.SQL(", ").join(map(sql.Literal, arguments)).as_string(connection)
    connection.execute(f"PREPARE page AS {page.text}".encode())
    rows = connection.execute(f"EXPLAIN (ANALYZE, TIMING OFF) EXECUTE page ({literals})".encode())
    plan = "\n".join(row for (row,) in rows)
    connection.execute("DEALLOCATE page")
    return plan


def create_database(postgres: PostgresServer, locale: str = "") -> str:
    """Create a database of authentik with a locale, fill it, and return its URL."""
    name = f"keys {os.urandom(4).hex()}"
    with psycopg.connect(postgres.dsn(), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" {locale} TEMPLATE template0'.encode())
    url = fill_authentik(postgres.dsn(name))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM (ANALYZE)")
    return url


async def detect_plan_keys(url: str) -> PlanKeys:
    """Return the access path to the cached plans of a database."""
    database = await open_database(url)
    try:
        return database.catalog.plan_keys
    finally:
        await database.close()


def count_plans(client: AppClient) -> dict[str, int]:
    """Return the number of cached plans of each flow, by REST."""
    pages = ("?page_size=100", "?page_size=100&page=2")
    bodies = [client.get(f"/flows/instances/{page}", KEYS["superuser"]).json for page in pages]
    return {flow["slug"]: flow["cache_count"] for body in bodies for flow in body["results"]}
