"""The check that all servers return the same data, without which figures are not comparable."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson
from figures import STATIC_SERVER
from servers import Server
from workload import HttpRequest, Workload

from support.graphql_from_rest import ENUMS, FIELDS, PAGINATION

EXCERPT = 400
# The graph's `background` is a URL, and so is the field of that name in REST's documented dialect.
REST_NAMES = {**FIELDS, "background": "background"}


class DifferentDataError(RuntimeError):
    """Two servers return different data; the message shows the first difference."""


def check(workload: Workload, servers: Sequence[Server]) -> str:
    """Compare the data of all servers and return its digest.

    Raises DifferentDataError if two servers differ.
    """
    first, *others = [server for server in servers if server.kind.name != STATIC_SERVER]
    expected = list(fetch_all(first, workload.requests))
    for server in others:
        actual = fetch_all(server, workload.requests)
        for request, one, other in zip(workload.requests, expected, actual, strict=True):
            if digest(one) != digest(other):
                labels = f"{first.kind.label} and {server.kind.label}"
                raise DifferentDataError(_difference(labels, request, one, other))
    return digest(expected)


def check_rest(graphql: Workload, rest: Workload, server: Server) -> None:
    """Compare the pages of GraphQL and REST; raises DifferentDataError if two differ."""
    pages, expected = fetch_all(server, graphql.requests), fetch_all(server, rest.requests)
    for request, page, rest_page in zip(rest.requests, pages, expected, strict=True):
        converted = _to_rest(page["data"]["flows"])
        if digest(converted) != digest(rest_page):
            raise DifferentDataError(_difference("GraphQL and REST", request, converted, rest_page))


def fetch_all(server: Server, requests: Sequence[HttpRequest]) -> Iterator[Any]:
    """Send the requests and yield the parsed responses.

    Raises DifferentDataError if a response has errors or no data.
    """
    with server.connect() as connection:
        for request in requests:
            status, body = server.send(connection, request)
            response = orjson.loads(body) if status == 200 else None
            if response is None or "errors" in response or not _has_data(response):
                raise DifferentDataError(
                    f"{server.kind.label} returns {status} for {request}: {body[:EXCERPT]!r}"
                )
            yield response


def digest(value: Any) -> str:
    """Return a hash that does not depend on the order of keys."""
    return hashlib.sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _has_data(response: Mapping[str, Any]) -> bool:
    if "results" in response:
        return bool(response["results"])
    data = response["data"]
    return bool(data["flows"]["results"] if "flows" in data else data["flow"])


def _difference(labels: str, request: HttpRequest, one: Any, other: Any) -> str:
    first, second = orjson.dumps(one).decode(), orjson.dumps(other).decode()
    pairs = enumerate(zip(first, second, strict=False))
    position = next((n for n, (left, right) in pairs if left != right), 0)
    start = max(0, position - EXCERPT // 4)
    excerpts = f"{first[start : start + EXCERPT]}\n{second[start : start + EXCERPT]}"
    return f"{labels} differ on {request}:\n{excerpts}"


def _to_rest(page: Mapping[str, Any]) -> Mapping[str, Any]:
    return {
        "pagination": {rest: page["pagination"][name] for name, rest in PAGINATION.items()},
        "results": [
            {rest: _rest_value(name, flow[name]) for name, rest in REST_NAMES.items()}
            for flow in page["results"]
        ],
    }


def _rest_value(name: str, value: Any) -> Any:
    return value.lower() if name in ENUMS else value
