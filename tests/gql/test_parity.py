"""Tests that all databases with the same data return the same responses."""

from support.app_client import AppClient
from support.random_queries import random_queries
from support.reference.requests import draw_requests

# authentik sorts by the collation of its database, which is code point order in the tests.


def test_rest_on_all_databases(
    sqlite_client: AppClient, postgresql_client: AppClient, authentik_client: AppClient
) -> None:
    """400 requests get the same status, headers and body, byte for byte."""
    for request in draw_requests(seed=2028, count=400):
        sqlite, postgresql, authentik = (
            client.request(request.method, request.target, request.headers)
            for client in (sqlite_client, postgresql_client, authentik_client)
        )
        assert sqlite == postgresql, request
        # Exports contain the types of stages and policies, which only authentik's tables have.
        if "/export/" not in request.target:
            assert sqlite == authentik, request


def test_graphql_on_all_databases(
    sqlite_client: AppClient, postgresql_client: AppClient, authentik_client: AppClient
) -> None:
    """80 queries get the same responses, byte for byte."""
    for query in random_queries(seed=2029, count=80):
        first, *others = (
            client.graphql(query.text, query.key, query.variables)
            for client in (sqlite_client, postgresql_client, authentik_client)
        )
        assert others == [first, first], query
