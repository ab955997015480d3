"""Tests of the catalog: the index that serves the keys of cached plans."""

import asyncio
import os

import psycopg
import pytest

from models.database import open_database
from models.tables.cached_plan import PlanKeys
from support.app_client import AppClient
from support.edge_case_data import KEYS
from support.postgres import PostgresServer
from support.seed import fill_authentik

PATTERN_INDEX = "CREATE INDEX ON django_postgres_cache_cacheentry (cache_key text_pattern_ops) {}"
BINARY_COLLATION = (
    'ALTER TABLE django_postgres_cache_cacheentry ALTER cache_key TYPE text COLLATE "C"'
)
LIBC = "LOCALE_PROVIDER libc LOCALE 'C.UTF-8'"


@pytest.mark.parametrize(
    ("locale", "change", "expected"),
    [
        ("", "", PlanKeys.IN_KEY_INDEX),
        ("", PATTERN_INDEX.format(""), PlanKeys.IN_PATTERN_INDEX),
        ("", "DROP TABLE django_postgres_cache_cacheentry", PlanKeys.ABSENT),
        (LIBC, "", PlanKeys.UNINDEXED),
        (LIBC, PATTERN_INDEX.format(""), PlanKeys.IN_PATTERN_INDEX),
        (LIBC, PATTERN_INDEX.format("WHERE expires IS NULL"), PlanKeys.UNINDEXED),
        (LIBC, BINARY_COLLATION, PlanKeys.IN_KEY_INDEX),
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
    name = f"keys {os.urandom(4).hex()}"
    with psycopg.connect(postgres.dsn(), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" {locale} TEMPLATE template0'.encode())
    url = fill_authentik(postgres.dsn(name))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(change.encode())
    assert asyncio.run(detect_plan_keys(url)) is expected
    counts = count_plans(authentik_client)
    assert len(set(counts.values())) > 3
    if expected is PlanKeys.ABSENT:
        counts = dict.fromkeys(counts, 0)
    with AppClient(url) as client:
        assert count_plans(client) == counts


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
