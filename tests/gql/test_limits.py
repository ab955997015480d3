"""Limits of searches, over REST and in GraphQL."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from support.app_client import AppClient, Response
from support.edge_case_data import KEYS
from support.reference.requests import CURRENT, DOCUMENTED
from support.reference.responses import FORBIDDEN, NUL, format_choice_error
from support.sql_recorder import is_of_viewer, record_statements

SUPERUSER = KEYS["superuser"]
TERMS = " ".join("e" * 100)
PHRASES = " ".join(['"a b"'] * 50)
MAX_LENGTH = "x" * 1000
# Searches within the limits. A phrase in quotes is one term; characters are not bytes.
VALID = [TERMS, f",{TERMS},,", f"{PHRASES},{PHRASES}", MAX_LENGTH, "é" * 1000, " " * 1000]
INVALID = [
    (f"{TERMS} e", "The search has 101 terms: the limit is 100."),
    (f"{TERMS},e,,e", "The search has 102 terms: the limit is 100."),
    (f'{TERMS} ""', "The search has 101 terms: the limit is 100."),
    (f"{MAX_LENGTH}x", "The search has 1001 characters: the limit is 1000."),
    (f"{MAX_LENGTH}é", "The search has 1001 characters: the limit is 1000."),
    ("x " * 501, "The search has 1002 characters: the limit is 1000."),
]
ATTACK = "e " * 20_000
ATTACK_MESSAGE = "The search has 40000 characters: the limit is 1000."
FLOWS = "flows(search: {}) {{ results {{ slug }} }}"
VARIABLE = f"query ($s: String) {{ {FLOWS.format('$s')} }}"


def quote(text: str) -> str:
    """Return a string as a GraphQL literal."""
    return '"' + text.replace('"', '\\"') + '"'


def execute_each(client: AppClient, search: str) -> Iterator[Response]:
    """Yield the responses to a search in each kind of document."""
    yield client.graphql(VARIABLE, SUPERUSER, {"s": search})
    yield client.graphql(f"{{ {FLOWS.format(quote(search))} }}", SUPERUSER)
    yield client.graphql(
        f"{{ ...A }} fragment A on Query {{ {FLOWS.format(quote(search))} }}", SUPERUSER
    )
    default = f"query ($s: String = {quote(search)}) {{ {FLOWS.format('$s')} }}"
    yield client.graphql(default, SUPERUSER)


def read_limit_error(response: Response) -> str:
    """Return the message of the only error of an operation that was not executed."""
    body = response.json
    assert (response.status, list(body)) == (200, ["errors"])
    [error] = body["errors"]
    assert error["extensions"] == {"code": "LIMIT_EXCEEDED"}
    return error["message"]


def encode(text: str) -> str:
    """Return a string as part of a query string."""
    return text.replace(" ", "%20").replace('"', "%22")


@pytest.mark.parametrize("search", VALID)
def test_searches_within_the_limits(client: AppClient, search: str) -> None:
    """Searches of 100 terms, and of 1,000 characters, find the same flows in REST and GraphQL."""
    rest = client.get(f"{DOCUMENTED}?search={encode(search)}", SUPERUSER)
    assert rest.status == 200
    slugs = [flow["slug"] for flow in rest.json["results"]]
    for response in execute_each(client, search):
        data = response.json["data"]
        assert [flow["slug"] for flow in data["flows"]["results"]] == slugs


@pytest.mark.parametrize(("search", "message"), INVALID)
@pytest.mark.parametrize(
    "path", [DOCUMENTED, CURRENT, f"{CURRENT}a-flow/", f"{CURRENT}nope/export/"]
)
def test_limits_in_rest(client: AppClient, path: str, search: str, message: str) -> None:
    """A search that exceeds a limit is 400, whether the flow exists or not."""
    response = client.get(f"{path}?search={encode(search)}", SUPERUSER)
    assert (response.status, response.json) == (400, {"search": [message]})


@pytest.mark.parametrize(("search", "message"), INVALID)
def test_limits_in_graphql(client: AppClient, search: str, message: str) -> None:
    """A search that exceeds a limit, as a literal or a variable, is an error of the request."""
    for response in execute_each(client, search):
        assert read_limit_error(response) == message


@pytest.mark.parametrize(
    ("parameters", "key", "status", "body"),
    [
        ("designation=x", SUPERUSER, 400, {"designation": format_choice_error("x")}),
        ("slug=%00", SUPERUSER, 400, {"slug": [NUL]}),
        ("search=%00" + "x" * 1000, SUPERUSER, 400, [NUL]),
        ("page=0", SUPERUSER, 400, {"search": ["The search has 101 terms: the limit is 100."]}),
        ("designation=x", KEYS["none"], 403, FORBIDDEN),
    ],
)
def test_order_of_checks_in_rest(
    sqlite_client: AppClient, parameters: str, key: str, status: int, body: object
) -> None:
    """The search is limited after the checks of the access and of the other parameters."""
    response = sqlite_client.get(f"{CURRENT}?search={encode(TERMS)}%20e&{parameters}", key)
    assert (response.status, response.json) == (status, body)


@pytest.mark.parametrize(
    ("terms", "length", "valid", "invalid", "message"),
    [
        (2, 1000, "a b", "a b c", "The search has 3 terms: the limit is 2."),
        (100, 3, "a b", "a  b", "The search has 4 characters: the limit is 3."),
        (
            200,
            1000,
            f"{TERMS} {TERMS}",
            f"{TERMS} {TERMS} e",
            "The search has 201 terms: the limit is 200.",
        ),
        (100, 2000, "e" * 2000, "e" * 2001, "The search has 2001 characters: the limit is 2000."),
    ],
)
def test_the_limits_are_settings(  # noqa: PLR0913, PLR0917 - one parameter for each column of the table
    sqlite_url: str, terms: int, length: int, valid: str, invalid: str, message: str
) -> None:
    """Each limit can be lower or higher than its default."""
    with AppClient(sqlite_url, max_search_terms=terms, max_search_length=length) as client:
        assert client.get(f"{CURRENT}?search={encode(valid)}", SUPERUSER).status == 200
        assert all("data" in response.json for response in execute_each(client, valid))
        rest = client.get(f"{CURRENT}?search={encode(invalid)}", SUPERUSER)
        assert rest.json == {"search": [message]}
        errors = set(map(read_limit_error, execute_each(client, invalid)))
        assert errors == {message}


def test_twenty_thousand_terms(client: AppClient) -> None:
    """Such a search is rejected fast, without a statement other than the viewer's."""
    client.graphql("{ __typename }", SUPERUSER)
    with record_statements() as recorded:
        start = time.perf_counter()
        rest = client.get(f"{CURRENT}?search={encode(ATTACK)}", SUPERUSER)
        responses = list(execute_each(client, ATTACK))
        seconds = time.perf_counter() - start
    assert rest.json == {"search": [ATTACK_MESSAGE]}
    assert {read_limit_error(response) for response in responses} == {ATTACK_MESSAGE}
    assert all(map(is_of_viewer, recorded))
    assert seconds < 1


def execute_with_cost(url: str, query: str, variables: dict[str, Any], cost: int) -> Response:
    """Execute an operation with a limit of the cost."""
    with AppClient(url, max_cost=cost) as client:
        return client.graphql(query, SUPERUSER, variables)


@pytest.mark.parametrize(
    ("query", "variables", "cost"),
    [
        ("{ flows(pageSize: 2) { results { slug } } }", {}, 4),
        ('{ flows(pageSize: 2, search: "") { results { slug } } }', {}, 4),
        ("{ flows(pageSize: 2, search: null) { results { slug } } }", {}, 4),
        ('{ flows(pageSize: 2, search: "a") { results { slug } } }', {}, 5),
        ('{ flows(pageSize: 2, search: "a b") { pagination { count } } }', {}, 5),
        ('{ a: flows(search: "a") { __typename } b: flows(search: "b c") { __typename } }', {}, 7),
        ("query ($s: String) { flows(search: $s) { __typename } }", {}, 2),
        ("query ($s: String) { flows(search: $s) { __typename } }", {"s": None}, 2),
        ("query ($s: String) { flows(search: $s) { __typename } }", {"s": '"a b" c'}, 4),
        ('query ($s: String = "a b") { flows(search: $s) { __typename } }', {}, 4),
        (
            "query ($s: String, $n: Int) { flows(search: $s, pageSize: $n) { results { slug } } }",
            {"s": "a b c", "n": 7},
            1 + 3 + 1 + 7,
        ),
        (
            "query ($s: String) {...A ...A} fragment A on Query {flows(search: $s) {__typename}}",
            {"s": "a b c"},
            2 * (2 + 3),
        ),
    ],
)
def test_cost_of_a_search(
    sqlite_url: str, query: str, variables: dict[str, Any], cost: int
) -> None:
    """A search costs its terms, in addition to its field."""
    assert "data" in execute_with_cost(sqlite_url, query, variables, cost).json
    response = execute_with_cost(sqlite_url, query, variables, cost - 1)
    expected = f"The operation has a cost of {cost}: the limit is {cost - 1}."
    assert read_limit_error(response) == expected


def test_each_search_is_checked(sqlite_url: str) -> None:
    """Requests with one document and different searches are checked separately."""
    query = "query ($s: String) { flows(search: $s) { __typename } }"
    with AppClient(sqlite_url, max_cost=52, max_search_terms=200) as client:
        for count in [*range(130), *range(130, 0, -1)]:
            body = client.graphql(query, SUPERUSER, {"s": "e " * count}).json
            assert ("data" in body) == (count <= 50), count
