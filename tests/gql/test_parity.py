"""All databases with the same data give the same answers."""

from support.app_client import AppClient
from support.random_queries import random_queries
from support.reference.requests import random_requests

# authentik's database sorts by its own collation, which is here the order of characters as well.


def test_rest_is_the_same_on_every_database(
    on_sqlite: AppClient, on_postgresql: AppClient, on_authentik: AppClient
) -> None:
    """400 requests get the same status, headers and body, byte by byte."""
    for request in random_requests(seed=2028, count=400):
        ours, theirs, authentik_s = (
            client.ask(request.method, request.target, request.headers)
            for client in (on_sqlite, on_postgresql, on_authentik)
        )
        assert ours == theirs, request
        # Only authentik's own tables know the types of stages and policies.
        if "/export/" not in request.target:
            assert ours == authentik_s, request


def test_graphql_is_the_same_on_every_database(
    on_sqlite: AppClient, on_postgresql: AppClient, on_authentik: AppClient
) -> None:
    """80 queries get the same answers, byte by byte."""
    for query in random_queries(seed=2029, count=80):
        ours, *others = (
            client.graphql(query.text, query.key, query.variables)
            for client in (on_sqlite, on_postgresql, on_authentik)
        )
        if ours.json["data"] is None and len(query.roots) > 1:
            # Of several pages that are not there, the one that is found out first is told.
            assert [other.json["data"] for other in others] == [None, None], query
        else:
            assert others == [ours, ours], query
