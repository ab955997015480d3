"""GraphQL over HTTP: what is a request, what it is answered with, and who may ask it."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from time import perf_counter
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gql import schema
from support.app_client import JSON, AppClient, Response, bearer
from support.edge_case_data import KEYS
from support.paths import SCHEMA
from support.processes import RunningServer
from support.server_process import run_failing_in_process

KEY = KEYS["superuser"]
GRAPHQL_RESPONSE = "application/graphql-response+json"
PLAIN = "application/json"
BAD_INPUT = "BAD_USER_INPUT"
HELLO = "{ __typename }"
HELLO_BODY = json.dumps({"query": HELLO}).encode()
ORIGIN = "https://app.example"


def post(client: AppClient, body: object, accept: str | None = None, **headers: str) -> Response:
    """POST a body, bytes as they are and all else as JSON."""
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    accepted = {} if accept is None else {"accept": accept}
    return client.ask("POST", "/graphql", bearer(KEY) | JSON | accepted | named, sent)


def get(client: AppClient, accept: str | None = None, **parameters: str) -> Response:
    """GET an operation by its parameters."""
    accepted = {} if accept is None else {"accept": accept}
    target = f"/graphql?{urlencode(parameters)}"
    return client.ask("GET", target, bearer(KEY) | accepted)


def data(answer: Response) -> Any:
    """The data of an answer without errors."""
    assert (answer.status, list(answer.json)) == (200, ["data"]), answer
    return answer.json["data"]


def code(answer: Response) -> str:
    """The code of the only error of an answer without data."""
    assert list(answer.json) == ["errors"], answer
    [error] = answer.json["errors"]
    assert error["message"]
    return error["extensions"]["code"]


def media_type(answer: Response) -> str:
    """The media type of an answer, all of which are UTF-8."""
    kind, _, charset = answer.headers["content-type"].partition("; ")
    assert charset == "charset=utf-8"
    return kind


def sha256(text: str) -> str:
    """The hash that names a document."""
    return hashlib.sha256(text.encode()).hexdigest()


# What an answer is written as ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, PLAIN),
        ("", PLAIN),
        (" , ,", PLAIN),
        ("*/*", PLAIN),
        ("*", PLAIN),
        ("application/*", PLAIN),
        (PLAIN, PLAIN),
        (GRAPHQL_RESPONSE, GRAPHQL_RESPONSE),
        ("Application/GraphQL-Response+JSON", GRAPHQL_RESPONSE),
        (f"{PLAIN}, {GRAPHQL_RESPONSE}", GRAPHQL_RESPONSE),
        (f"{GRAPHQL_RESPONSE}, {PLAIN};q=0.9", GRAPHQL_RESPONSE),
        (f"{GRAPHQL_RESPONSE};q=0.8, {PLAIN};q=0.9", PLAIN),
        (f"{GRAPHQL_RESPONSE};q=0.5, {PLAIN};q=0.5", GRAPHQL_RESPONSE),
        (f"{GRAPHQL_RESPONSE};q=0.5, */*;q=0.5", GRAPHQL_RESPONSE),
        (f"{GRAPHQL_RESPONSE};q=0.5, */*", PLAIN),
        (f"{GRAPHQL_RESPONSE};q=0, */*", PLAIN),
        (f"{PLAIN};q=0, */*", GRAPHQL_RESPONSE),
        (f"{PLAIN};q=0.1, application/*;q=0.2", GRAPHQL_RESPONSE),
        ("application/*;q=0.1, */*", PLAIN),
        (f"{PLAIN};q=0, {GRAPHQL_RESPONSE};q=0", None),
        ("application/*;q=0, */*", None),
        ("*/*;q=0", None),
        (f"{PLAIN};q=0.000", None),
        (f"{PLAIN} ; q = 0", None),
        (f"{PLAIN};Q=0", None),
        (f"{PLAIN};q=nonsense", PLAIN),
        (f"{PLAIN};q=-1", PLAIN),
        (f"{PLAIN};q=7", PLAIN),
        (f"{PLAIN};q=1e-9", PLAIN),
        (f"{PLAIN};q=0.001", PLAIN),
        (f"{PLAIN};charset=utf-8", PLAIN),
        (f'{PLAIN};charset="UTF-8"', PLAIN),
        (f"{PLAIN};charset=latin1", None),
        (f"{PLAIN};charset=latin1, */*;q=0.1", PLAIN),
        (f"{PLAIN};indent=4", PLAIN),
        ("text/html, image/gif, *; q=.2, */*; q=.2", PLAIN),
        ("text/plain", None),
        ("text/html", None),
        ("text/*", None),
        ("application/json/x", None),
        ("json", None),
        ("/", None),
        ("\xff\xfe", None),
    ],
)
def test_the_media_type_is_what_the_accept_header_weighs_most(
    on_sqlite: AppClient, accept: str | None, expected: str | None
) -> None:
    """The closest range tells a type's weight, the heaviest wins; where nothing will do, it is 406."""
    answer = post(on_sqlite, HELLO_BODY, accept)
    if expected is None:
        assert (answer.status, code(answer), media_type(answer)) == (406, BAD_INPUT, PLAIN)
    else:
        assert (answer.status, media_type(answer)) == (200, expected)


@pytest.mark.parametrize(
    "accept",
    [
        "," * 60_000,
        "a/b," * 15_000,
        f"{PLAIN};q=0.1," * 3_000,
        f"{PLAIN};" + ";" * 60_000,
        f"{PLAIN};q=" + "0" * 60_000,
        "x" * 60_000,
        f"{PLAIN};q=0." + "9" * 200,
        '"' * 60_000,
        "\0" * 9_000,
    ],
)
def test_an_accept_header_of_any_length_is_answered_soon(on_sqlite: AppClient, accept: str) -> None:
    """It is read as far as Django REST framework would read it."""
    started = perf_counter()
    assert post(on_sqlite, HELLO_BODY, accept).status in (200, 406)
    assert perf_counter() - started < 0.5


REQUEST_ERRORS: Mapping[str, Mapping[str, Any]] = {
    "syntax": {"query": "{"},
    "an empty document": {"query": " "},
    "validation": {"query": "{ nope }"},
    "a mutation": {"query": "mutation { a }"},
    "variables": {"query": "query ($n: Int!) { flows(page: $n) { __typename } }"},
    "no such operation": {"query": "query A { __typename }", "operationName": "B"},
    "several operations": {"query": "query A { __typename } query B { __typename }"},
    "no operation": {"query": "fragment F on Flow { pk }"},
}


@pytest.mark.parametrize("accept", [None, PLAIN, "*/*", GRAPHQL_RESPONSE])
@pytest.mark.parametrize("body", REQUEST_ERRORS.values(), ids=REQUEST_ERRORS)
def test_nothing_executed_is_200_as_json_and_400_as_graphql_response(
    on_sqlite: AppClient, body: object, accept: str | None
) -> None:
    """What is wrong with an operation before it is executed has no data, and a code."""
    answer = post(on_sqlite, body, accept)
    expected = 400 if accept == GRAPHQL_RESPONSE else 200
    assert (answer.status, code(answer)) == (expected, BAD_INPUT)
    assert media_type(answer) == (accept if expected == 400 else PLAIN)


@pytest.mark.parametrize("accept", [PLAIN, GRAPHQL_RESPONSE])
def test_what_was_executed_is_200_though_its_data_is_null(
    on_sqlite: AppClient, accept: str
) -> None:
    """Data that is null was executed, whatever became of it."""
    answer = post(on_sqlite, {"query": "{ flows(page: 99) { __typename } }"}, accept)
    assert (answer.status, answer.json["data"]) == (200, None)
    assert [error["extensions"]["code"] for error in answer.json["errors"]] == [BAD_INPUT]


@pytest.mark.parametrize("accept", [PLAIN, GRAPHQL_RESPONSE])
@pytest.mark.parametrize(
    ("key", "status", "expected"), [("nope", 401, "UNAUTHENTICATED"), ("none", 403, "FORBIDDEN")]
)
def test_who_may_not_ask_is_told_so_in_either_media_type(
    on_sqlite: AppClient, accept: str, key: str, status: int, expected: str
) -> None:
    """No token is 401, and a token that may see nothing 403, as GraphQL tells errors."""
    headers = bearer(KEYS.get(key, key)) | JSON | {"accept": accept}
    answer = on_sqlite.ask("POST", "/graphql", headers, HELLO_BODY)
    assert (answer.status, code(answer), media_type(answer)) == (status, expected, accept)


def test_no_answer_is_stored_by_who_passes_it_on(on_sqlite: AppClient) -> None:
    """An answer is for the bearer of one token, and so is a refusal."""
    answers = [
        post(on_sqlite, HELLO_BODY),
        get(on_sqlite, query=HELLO),
        post(on_sqlite, b"{"),
        on_sqlite.get("/graphql?query=%7B__typename%7D"),
    ]
    assert [answer.status for answer in answers] == [200, 200, 400, 401]
    assert {answer.headers["cache-control"] for answer in answers} == {"no-store"}


# What a request is --------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/graphql", "/graphql/"])
def test_get(client: AppClient, path: str) -> None:
    """A query can be asked by GET, with variables and the name of its operation."""
    query = "query A($s: String!) { flow(slug: $s) { slug } } query B { __typename }"
    variables = quote(json.dumps({"s": "a-flow"}))
    target = f"{path}?query={quote(query)}&variables={variables}&operationName=A"
    assert data(client.get(target, KEY)) == {"flow": {"slug": "a-flow"}}


@pytest.mark.parametrize("path", ["/graphql", "/graphql/"])
@pytest.mark.parametrize(
    "kind",
    [
        "application/json",
        "Application/JSON; charset=utf-8",
        'application/json;charset="UTF-8"',
        "application/json; charset=utf8",
        "application/json ; profile=x",
        "application/json;",
    ],
)
def test_post(client: AppClient, path: str, kind: str) -> None:
    """A query can be asked by POST."""
    headers = bearer(KEY) | {"content-type": kind, "content-encoding": "identity"}
    assert data(client.ask("POST", path, headers, HELLO_BODY)) == {"__typename": "Query"}


@pytest.mark.parametrize(("name", "expected"), [("A", {"a": "Query"}), ("B", {"b": "Query"})])
def test_operation_name(client: AppClient, name: str, expected: object) -> None:
    """Of several operations the named one is executed."""
    query = "query A { a: __typename } query B { b: __typename }"
    assert data(post(client, {"query": query, "operationName": name})) == expected


@pytest.mark.parametrize(
    "others",
    [
        {"variables": None, "operationName": None, "extensions": None, "documentId": None},
        {"variables": {}, "operationName": "", "extensions": {}},
        {"extensions": {"persistedQuery": None, "other": [1]}},
        {"id": 7, "": None, "QUERY": 1},
    ],
    ids=json.dumps,
)
def test_what_is_null_or_unknown_is_as_if_it_were_not_there(
    on_sqlite: AppClient, others: Mapping[str, Any]
) -> None:
    """All but the query may be null, and there may be keys that nobody knows."""
    assert data(post(on_sqlite, {"query": HELLO, **others})) == {"__typename": "Query"}


def with_query(rest: str) -> bytes:
    """A body with a good query, and more."""
    return f'{{"query": "{HELLO}", {rest}}}'.encode()


MALFORMED: Mapping[bytes, str] = {
    b"": "There is no body.",
    b" ": "The body is not JSON.",
    b"1": "The body is not a JSON object.",
    b"null": "The body is not a JSON object.",
    b"true": "The body is not a JSON object.",
    b'"{ __typename }"': "The body is not a JSON object.",
    b"[]": "The body is a list: batching is off, each operation is a request.",
    b"[%s]" % HELLO_BODY: "The body is a list: batching is off, each operation is a request.",
    b"{": "The body is not JSON.",
    b"{}": "There is no query, which is a text.",
    b'{"query": "{ __typename }",}': "The body is not JSON.",
    b"{'query': 1}": "The body is not JSON.",
    HELLO_BODY + b"x": "The body is not JSON.",
    HELLO_BODY + b"\0": "The body is not JSON.",
    HELLO_BODY * 2: "The body is not JSON.",
    b"\xef\xbb\xbf" + HELLO_BODY: "The body is not JSON.",
    HELLO_BODY.decode().encode("utf-16"): "The body is not JSON.",
    b"\xff\xfe": "The body is not JSON.",
    b'{"query": "\xff"}': "The body is not JSON.",
    b'{"query": "\\ud800"}': "The body is not JSON.",
    b'{"query": "\xed\xa0\x80"}': "The body is not JSON.",
    b'{"query": "\0"}': "The body is not JSON.",
    b"query=%7B__typename%7D": "The body is not JSON.",
    with_query('"variables": {"a": NaN}'): "The body is not JSON.",
    with_query('"variables": {"a": Infinity}'): "The body is not JSON.",
    with_query('"variables": {"a": 1e999}'): "The body is not JSON.",
    with_query('"variables": {"a": -1e999}'): "The body is not JSON.",
    with_query(f'"variables": {{"a": {"9" * 9000}}}'): "The body is not JSON.",
    with_query('"variables": {"a": 01}'): "The body is not JSON.",
    with_query('"variables": {"a": .5}'): "The body is not JSON.",
    b"[" * 99_000: "The body is nested too deeply.",
    b'{"a":' * 19_000: "The body is nested too deeply.",
    with_query(f'"variables": {{"a": {"[" * 40_000 + "]" * 40_000}}}'): (
        "The body is nested too deeply."
    ),
    with_query('"query": "{ a }"'): "A key of a JSON object is there twice.",
    with_query('"\\u0071uery": 1'): "A key of a JSON object is there twice.",
    with_query('"variables": {"a": 1, "a": 1}'): "A key of a JSON object is there twice.",
    with_query('"x": [{"y": {"": 1, "": 2}}]'): "A key of a JSON object is there twice.",
    b'{"query": null}': "There is no query, which is a text.",
    b'{"query": ""}': "There is no query, which is a text.",
    b'{"query": 1}': "The query is not a text.",
    b'{"query": false}': "The query is not a text.",
    b'{"query": ["{ __typename }"]}': "The query is not a text.",
    with_query('"variables": 0'): "The variables are not a JSON object.",
    with_query('"variables": false'): "The variables are not a JSON object.",
    with_query('"variables": ""'): "The variables are not a JSON object.",
    with_query('"variables": []'): "The variables are not a JSON object.",
    with_query('"variables": "{}"'): "The variables are not a JSON object.",
    with_query('"operationName": 0'): "The operationName is not a text.",
    with_query('"operationName": []'): "The operationName is not a text.",
    with_query('"operationName": {}'): "The operationName is not a text.",
    with_query('"extensions": 0'): "The extensions are not a JSON object.",
    with_query('"extensions": []'): "The extensions are not a JSON object.",
    with_query('"extensions": "{}"'): "The extensions are not a JSON object.",
    with_query('"documentId": 1'): "The documentId is not a text.",
    with_query('"extensions": {"persistedQuery": 1}'): "The persistedQuery is not a JSON object.",
    with_query('"extensions": {"persistedQuery": []}'): "The persistedQuery is not a JSON object.",
    with_query('"extensions": {"persistedQuery": {}}'): "The version of a persistedQuery is 1.",
    **{
        with_query(f'"extensions": {{"persistedQuery": {{"version": {version}}}}}'): (
            "The version of a persistedQuery is 1."
        )
        for version in ("2", "0", "true", '"1"', "null", "[1]")
    },
    **{
        with_query(
            f'"extensions": {{"persistedQuery": {{"version": 1, "sha256Hash": {sha}}}}}'
        ): "The sha256Hash of a persistedQuery is not a text."
        for sha in ("null", "1", "[]", "true")
    },
}


@pytest.mark.parametrize("accept", [PLAIN, GRAPHQL_RESPONSE])
@pytest.mark.parametrize("body", MALFORMED, ids=lambda body: repr(body)[:60])
def test_a_body_that_holds_no_operation_is_400_in_either_media_type(
    on_sqlite: AppClient, body: bytes, accept: str
) -> None:
    """What is wrong with it is told as GraphQL tells errors."""
    answer = post(on_sqlite, body, accept)
    assert (answer.status, code(answer), media_type(answer)) == (400, BAD_INPUT, accept)
    assert answer.json["errors"][0]["message"] == MALFORMED[body]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ("", "There is no query, which is a text."),
        ("query=", "There is no query, which is a text."),
        ("QUERY=%7B__typename%7D", "There is no query, which is a text."),
        ("variables=%7B%7D", "There is no query, which is a text."),
        ("query=%7B__typename%7D&query=%7B__typename%7D", "A parameter is given twice."),
        ("query=%7B__typename%7D&variables=&variables=", "A parameter is given twice."),
        ("query=%7B__typename%7D&x=1&x=2", "A parameter is given twice."),
        ("query=%FF", "The parameters are not UTF-8."),
        ("query=%ED%A0%80", "The parameters are not UTF-8."),
        ("query=%7B__typename%7D&x=%C3", "The parameters are not UTF-8."),
        ("query=%7B__typename%7D&%FF=", "The parameters are not UTF-8."),
        ("query=\udcff", "The parameters are not UTF-8."),
        ("query=%7B__typename%7D&variables=1", "The variables are not a JSON object."),
        ("query=%7B__typename%7D&variables=[]", "The variables are not a JSON object."),
        ('query=%7B__typename%7D&variables="{}"', "The variables are not a JSON object."),
        ("query=%7B__typename%7D&variables=%7B", "The variables are not JSON."),
        ("query=%7B__typename%7D&variables=%00", "The variables are not JSON."),
        ('query=%7B__typename%7D&variables={"a":1e999}', "The variables are not JSON."),
        (
            'query=%7B__typename%7D&variables={"a":1,"a":2}',
            "A key of a JSON object is there twice.",
        ),
        ("query=%7B__typename%7D&variables=" + "[" * 5000, "The variables are nested too deeply."),
        ("query=%7B__typename%7D&extensions=1", "The extensions are not a JSON object."),
        ("query=%7B__typename%7D&extensions=x", "The extensions are not JSON."),
        (
            'query=%7B__typename%7D&extensions={"persistedQuery":{"version":2}}',
            "The version of a persistedQuery is 1.",
        ),
    ],
    ids=lambda text: text[:60].encode("ascii", "replace").decode(),
)
def test_a_get_that_holds_no_operation_is_400(
    on_sqlite: AppClient, parameters: str, message: str
) -> None:
    """Also what no URL should have, and what would be there twice."""
    answer = on_sqlite.get(f"/graphql?{parameters}", KEY)
    assert (answer.status, code(answer)) == (400, BAD_INPUT)
    assert answer.json["errors"][0]["message"] == message


@pytest.mark.parametrize(
    ("operation", "name"),
    [
        ("mutation { a }", ""),
        ("mutation M($a: Nope) { ...F }", ""),
        ("subscription { a }", ""),
        ("query Q { __typename } mutation M { a }", "M"),
        ("# mutation\nmutation M { a } query Q { __typename }", "M"),
    ],
)
@pytest.mark.parametrize("accept", [PLAIN, GRAPHQL_RESPONSE])
def test_get_is_for_queries_alone(
    on_sqlite: AppClient, operation: str, name: str, accept: str
) -> None:
    """Another operation is 405, which says how else, whatever the schema says of it."""
    answer = get(on_sqlite, accept, query=operation, operationName=name)
    assert (answer.status, answer.headers["allow"]) == (405, "POST")
    assert (code(answer), media_type(answer)) == (BAD_INPUT, accept)


@pytest.mark.parametrize(
    ("operation", "name", "status"),
    [
        ("query Q { __typename } mutation M { a }", "Q", 400),
        ("query Q { __typename } mutation M { a }", "", 400),
        ("mutation {", "", 400),
        ("query mutation { __typename }", "", 200),
        ('{ flow(slug: "mutation") { pk } }', "", 200),
        ("{ mutation: __typename }", "", 200),
    ],
)
def test_a_get_of_a_query_may_speak_of_mutations(
    on_sqlite: AppClient, operation: str, name: str, status: int
) -> None:
    """What is not chosen is not executed, and a word is just a word."""
    answer = get(on_sqlite, GRAPHQL_RESPONSE, query=operation, operationName=name)
    assert answer.status == status


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": ""},
        {"content-type": "text/plain"},
        {"content-type": "application/graphql"},
        {"content-type": "application/graphql-response+json"},
        {"content-type": "multipart/form-data; boundary=x"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "application/json, text/plain"},
        {"content-type": "application/jsonp"},
        {"content-type": "charset=utf-8; application/json"},
        {"content-type": "application/json; charset=latin1"},
        {"content-type": "application/json; charset=utf-16"},
        {"content-type": "application/json; charset="},
        {"content-type": "application/json; charset=utf-8; charset=latin1"},
        {"content-type": "application/json", "content-encoding": "gzip"},
        {"content-type": "application/json", "content-encoding": "br, gzip"},
        {},
    ],
    ids=str,
)
def test_a_body_that_is_not_json_in_utf8_as_it_is_is_415(
    on_sqlite: AppClient, headers: Mapping[str, str]
) -> None:
    """What a body is told to be decides, and not what it is."""
    answer = on_sqlite.ask("POST", "/graphql", bearer(KEY) | dict(headers), HELLO_BODY)
    assert (answer.status, code(answer)) == (415, BAD_INPUT)


@pytest.mark.parametrize("headers", [{}, {"content_length": "100001"}])
@pytest.mark.parametrize("accept", [PLAIN, GRAPHQL_RESPONSE])
def test_a_body_over_the_limit_is_413(
    on_sqlite: AppClient, accept: str, headers: dict[str, str]
) -> None:
    """One byte more than 100 KB is too much, whatever it holds and whether its length is told."""
    answer = post(on_sqlite, HELLO_BODY.ljust(100_001), accept, **headers)
    assert (answer.status, code(answer), media_type(answer)) == (413, "LIMIT_EXCEEDED", accept)
    [error] = answer.json["errors"]
    assert error["message"] == "The body is too large: the limit is 100000 bytes."
    assert post(on_sqlite, HELLO_BODY.ljust(100_000), accept).status == 200


@pytest.mark.parametrize("is_told", [True, False])
def test_a_body_over_the_limit_is_413_over_a_connection_that_stays(
    served: RunningServer,
    is_told: bool,  # noqa: FBT001 - a case
) -> None:
    """Whether its length is told or it comes in chunks, the next request is answered as ever."""
    headers = bearer(served.token) | JSON
    with closing(HTTPConnection(urlsplit(served.url).netloc, timeout=20)) as connection:
        for body, status in ((HELLO_BODY.ljust(300_000), 413), (HELLO_BODY, 200)):
            sent = body if is_told else iter([body[:1000], body[1000:]])
            connection.request("POST", "/graphql", sent, headers)
            response = connection.getresponse()
            told = json.loads(response.read())
            assert (response.status, list(told)) == (
                status,
                ["data" if status == 200 else "errors"],
            )


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "HEAD", "TRACE", "QUERY", "BREW"])
@pytest.mark.parametrize("path", ["/graphql", "/graphql/"])
def test_other_methods(on_sqlite: AppClient, path: str, method: str) -> None:
    """Another method is 405, which says what is allowed."""
    answer = on_sqlite.ask(method, path, bearer(KEY) | JSON, HELLO_BODY)
    assert (answer.status, answer.headers["allow"]) == (405, "GET, POST")
    assert code(answer) == BAD_INPUT


def test_options(on_sqlite: AppClient) -> None:
    """Anybody may ask which methods there are."""
    answer = on_sqlite.ask("OPTIONS", "/graphql")
    assert (answer.status, answer.headers["allow"], answer.body) == (204, "GET, POST", b"")


@pytest.mark.parametrize(
    "query",
    [
        " ",
        "{",
        "}",
        "{ __typename",
        "\x00",
        "\ufeff",
        '{ flow(slug: "\\ud800") { pk } }',
        "{ a" * 20_000,
        "{ flows(ordering: " + "[" * 20_000,
        "query ($a: " + "[" * 20_000,
        "mutation { flows { results { pk } } }",
        "subscription { __typename }",
        "{ ...F } fragment F on Query { ...F }",
        "{ ...F }",
        "query ($a: Nope) { __typename }",
    ],
    ids=lambda query: repr(query)[:60],
)
def test_bad_documents(on_sqlite: AppClient, query: str) -> None:
    """A document that cannot be parsed, or is not valid, is told so without data."""
    answer = post(on_sqlite, {"query": query})
    assert (answer.status, list(answer.json)) == (200, ["errors"])
    codes = {error["extensions"]["code"] for error in answer.json["errors"]}
    assert codes <= {BAD_INPUT, "LIMIT_EXCEEDED"}


def test_cookies_are_no_credentials(on_sqlite: AppClient) -> None:
    """A key counts in the Authorization header alone."""
    headers = JSON | {"cookie": f"authorization=Bearer {KEY}; key={KEY}"}
    assert on_sqlite.ask("POST", "/graphql", headers, HELLO_BODY).status == 401
    assert on_sqlite.get(f"/graphql?query=%7B__typename%7D&token={KEY}").status == 401


def test_every_type_tells_whether_it_is_one_of(on_sqlite: AppClient) -> None:
    """Introspection of lists, and of what is not null, works as that of all else."""
    kind = "isOneOf ofType { isOneOf ofType { isOneOf ofType { isOneOf } } }"
    query = f"{{ __schema {{ types {{ isOneOf fields {{ type {{ {kind} }} }} }} }} }}"
    assert data(post(on_sqlite, {"query": query}))["__schema"]["types"]


# Browsers -----------------------------------------------------------------------------------------


BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.mark.parametrize("accept", ["text/html", BROWSER, "text/html;q=0.5, */*;q=0.4"])
def test_browsers_get_a_page(on_sqlite: AppClient, accept: str) -> None:
    """Who asks for HTML first gets GraphiQL, and needs no token for it."""
    answer = on_sqlite.ask("GET", "/graphql", {"accept": accept})
    assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert b"GraphiQL" in answer.body


@pytest.mark.parametrize(
    "accept", ["*/*", PLAIN, "", f"{PLAIN}, text/html;q=0.9", "text/html;q=0, */*"]
)
def test_programs_get_no_page(on_sqlite: AppClient, accept: str) -> None:
    """Who takes anything gets JSON."""
    assert on_sqlite.ask("GET", "/graphql", {"accept": accept}).status == 401


def test_a_browser_that_brings_a_question_gets_its_answer(on_sqlite: AppClient) -> None:
    """A query in the address is executed, and needs a token."""
    assert data(get(on_sqlite, BROWSER, query=HELLO)) == {"__typename": "Query"}
    assert get(on_sqlite, BROWSER, documentId="sha256:x").status == 200
    assert on_sqlite.ask("GET", "/graphql?query=x", {"accept": BROWSER}).status == 401


def test_without_graphiql_a_browser_gets_what_a_program_gets(sqlite_url: str) -> None:
    """That is JSON, or 406 where it takes HTML alone."""
    with AppClient(sqlite_url, graphiql=False) as client:
        answers = [get(client, BROWSER), get(client, "text/html")]
    assert [answer.status for answer in answers] == [400, 406]
    assert {code(answer) for answer in answers} == {BAD_INPUT}


# Other sites --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shared(sqlite_url: str) -> Iterator[AppClient]:
    """FlowQL whose answers the pages of two sites may read."""
    origins = f" {ORIGIN.upper()} ,http://localhost:3000"
    with AppClient(sqlite_url, cors_origins=origins) as client:
        yield client


def preflight(client: AppClient, origin: str, method: str = "POST") -> Response:
    """What a browser asks before it sends a request of another site's page."""
    headers = {
        "origin": origin,
        "access-control-request-method": method,
        "access-control-request-headers": "authorization, content-type, apollo-require-preflight",
    }
    return client.ask("OPTIONS", "/graphql", headers)


@pytest.mark.parametrize("origin", [ORIGIN, "http://localhost:3000"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_preflight_lets_the_sites_in_the_list_ask(
    shared: AppClient, origin: str, method: str
) -> None:
    """With any header, without cookies, and for an hour."""
    answer = preflight(shared, origin, method)
    told = {
        name.removeprefix("access-control-"): value
        for name, value in answer.headers.items()
        if name.startswith("access-control-")
    }
    assert (answer.status, told) == (
        200,
        {
            "allow-origin": origin,
            "allow-methods": "GET, POST",
            "allow-headers": "authorization, content-type, apollo-require-preflight",
            "max-age": "3600",
        },
    )


@pytest.mark.parametrize("origin", ["https://evil.example", f"{ORIGIN}.evil.example", "null", ""])
def test_other_sites_are_not_let_in(shared: AppClient, origin: str) -> None:
    """Neither the preflight nor an answer says that they may read it."""
    answers = [preflight(shared, origin), post(shared, HELLO_BODY, origin=origin)]
    assert [answer.status for answer in answers] == [400, 200]
    assert not any("access-control-allow-origin" in answer.headers for answer in answers)


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/graphql?query=%7B__typename%7D", bearer(KEY), 200),
        ("/graphql?query=%7B__typename%7D", {}, 401),
        ("/graphql", bearer(KEY), 400),
        ("/schema.graphql", {}, 200),
        ("/nowhere", {}, 404),
    ],
)
def test_answers_and_refusals_can_be_read_by_the_sites_in_the_list(
    shared: AppClient, path: str, headers: dict[str, str], status: int
) -> None:
    """All say whose pages may read them, and no other cache or page takes them for its own."""
    answer = shared.ask("GET", path, headers | {"origin": ORIGIN})
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (status, ORIGIN)
    assert "origin" in answer.headers["vary"].lower()
    assert answer.headers["access-control-expose-headers"] == "X-Request-ID"
    assert "access-control-allow-credentials" not in answer.headers


def test_a_star_lets_all_sites_ask(sqlite_url: str) -> None:
    """Credentials are in no cookie, so that this is safe where the network is."""
    with AppClient(sqlite_url, cors_origins="*") as client:
        answers = [preflight(client, ORIGIN), post(client, HELLO_BODY, origin=ORIGIN)]
    assert [answer.status for answer in answers] == [200, 200]
    assert {answer.headers["access-control-allow-origin"] for answer in answers} == {"*"}


def test_without_a_list_no_answer_speaks_of_other_sites(on_sqlite: AppClient) -> None:
    """A preflight is then answered as any other OPTIONS."""
    answers = [preflight(on_sqlite, ORIGIN), post(on_sqlite, HELLO_BODY, origin=ORIGIN)]
    assert [answer.status for answer in answers] == [204, 200]
    assert not any(name.startswith("access-control") for a in answers for name in a.headers)


@pytest.mark.parametrize(
    "origin",
    [
        *("app.example", "https://app.example/", "https://app.example/path", "https://"),
        *("https://app.example:443", "http://app.example:80", "https://app.example:x", "null"),
        *("https://*.app.example", "https://a b", "https://ü.example", "//app.example"),
        *("https://user@app.example", "https://app.example?x"),
    ],
)
def test_what_is_no_origin_is_refused_by_name(origin: str) -> None:
    """A list that no browser's origin could match is said to be wrong."""
    line = run_failing_in_process("serve", "--cors-origin", f"{ORIGIN},{origin},x://y")
    assert line == (
        f"FLOWQL_CORS_ORIGINS: {origin} is no origin, which is as https://app.example, or *"
    )


# Documents by their hashes ------------------------------------------------------------------------


def persisted(text: str, query: str | None = None, **others: Any) -> dict[str, Any]:
    """A request by the hash of a text, with a query or without."""
    extension = {"version": 1, "sha256Hash": sha256(text)}
    given_query = {} if query is None else {"query": query}
    return {**given_query, "extensions": {"persistedQuery": extension}, **others}


NOT_FOUND = {
    "message": "PersistedQueryNotFound",
    "extensions": {"code": "PERSISTED_QUERY_NOT_FOUND"},
}


@pytest.mark.parametrize("accept", [PLAIN, GRAPHQL_RESPONSE])
def test_a_document_can_be_asked_by_its_hash_once_it_was_sent(
    on_sqlite: AppClient, accept: str
) -> None:
    """Apollo's protocol: unknown at first, then sent with its hash, then known, by GET as well."""
    text = f"{{ a: __typename }} # asked by {accept}"
    unknown = post(on_sqlite, persisted(text), accept)
    assert (unknown.status, unknown.json) == (
        400 if accept == GRAPHQL_RESPONSE else 200,
        {"errors": [NOT_FOUND]},
    )
    assert data(post(on_sqlite, persisted(text, text), accept)) == {"a": "Query"}
    for _ in range(2):
        assert data(post(on_sqlite, persisted(text), accept)) == {"a": "Query"}
        extensions = json.dumps(persisted(text)["extensions"])
        assert data(get(on_sqlite, accept, extensions=extensions)) == {"a": "Query"}


def test_a_document_can_be_registered_by_get(on_sqlite: AppClient) -> None:
    """As Apollo's client does with `useGETForHashedQueries` where a URL has room for it."""
    text = "query ByGet($s: String!) { flow(slug: $s) { slug } }"
    extensions = json.dumps(persisted(text)["extensions"])
    variables = json.dumps({"s": "a-flow"})
    assert code(get(on_sqlite, extensions=extensions, variables=variables)) == (
        "PERSISTED_QUERY_NOT_FOUND"
    )
    sent = get(on_sqlite, query=text, extensions=extensions, variables=variables)
    again = get(on_sqlite, extensions=extensions, variables=variables)
    assert data(sent) == data(again) == {"flow": {"slug": "a-flow"}}


def test_a_hash_is_that_of_its_query(on_sqlite: AppClient) -> None:
    """Nobody can have another document executed by somebody else's hash."""
    text = "{ theirs: __typename }"
    answer = post(on_sqlite, persisted(text, "{ mine: __typename }"), GRAPHQL_RESPONSE)
    assert (answer.status, code(answer)) == (400, BAD_INPUT)
    assert post(on_sqlite, persisted(text)).json == {"errors": [NOT_FOUND]}


def test_a_mutation_by_its_hash_is_no_query_either(on_sqlite: AppClient) -> None:
    """What GET executes does not depend on how it is asked."""
    text = "mutation { byHash }"
    post(on_sqlite, persisted(text, text))
    answer = get(on_sqlite, extensions=json.dumps(persisted(text)["extensions"]))
    assert (answer.status, answer.headers["allow"]) == (405, "POST")


def test_what_is_persisted_is_bounded(sqlite_url: str) -> None:
    """However much is sent, no more than a million characters are kept, and the newest of them."""
    texts = [f"{{ a: __typename }} # {n} ".ljust(50_000, "x") for n in range(30)]
    with AppClient(sqlite_url) as client:
        for text in texts:
            assert post(client, persisted(text, text)).status == 200
        known = [text for text in texts if "data" in post(client, persisted(text)).json]
    assert texts[-1] in known
    assert sum(map(len, known)) <= 1_000_000


# Trusted documents --------------------------------------------------------------------------------

HELLO_FILE = "query Hello {\r\n  __typename\r\n}\r\n"
FLOW_FILE = "query Flow($slug: String!) { flow(slug: $slug) { slug } }\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two trusted documents, one in a folder of its own, and a file that is none."""
    folder = tmp_path_factory.mktemp("trusted")
    (folder / "hello.graphql").write_bytes(HELLO_FILE.encode())
    (folder / "of" / "flows").mkdir(parents=True)
    (folder / "of" / "flows" / "one.graphql").write_bytes(FLOW_FILE.encode())
    (folder / "README.md").write_text("{ nope")
    return folder


@pytest.fixture(scope="module")
def trusting(sqlite_url: str, folder: Path) -> Iterator[AppClient]:
    """FlowQL that knows trusted documents, and executes others too."""
    with AppClient(sqlite_url, trusted_documents=folder) as client:
        yield client


@pytest.fixture(scope="module")
def strict(sqlite_url: str, folder: Path) -> Iterator[AppClient]:
    """FlowQL that executes trusted documents alone."""
    with AppClient(sqlite_url, trusted_documents=folder, trusted_only=True) as client:
        yield client


@pytest.mark.parametrize("kind", ["trusting", "strict"])
def test_a_trusted_document_is_asked_by_its_id(kind: str, request: pytest.FixtureRequest) -> None:
    """By POST and by GET, with variables; the id is that of the file's very bytes."""
    client: AppClient = request.getfixturevalue(kind)
    hello, flow = f"sha256:{sha256(HELLO_FILE)}", f"sha256:{sha256(FLOW_FILE)}"
    assert data(post(client, {"documentId": hello})) == {"__typename": "Query"}
    assert data(get(client, documentId=hello.upper().replace("SHA", "sha"))) == {
        "__typename": "Query"
    }
    asked = {"documentId": flow, "variables": {"slug": "a-flow"}, "operationName": "Flow"}
    assert data(post(client, asked)) == {"flow": {"slug": "a-flow"}}


@pytest.mark.parametrize("kind", ["trusting", "strict"])
def test_a_trusted_document_is_asked_by_its_hash_or_its_text(
    kind: str, request: pytest.FixtureRequest
) -> None:
    """Apollo's hash needs no first time, and a text is known again."""
    client: AppClient = request.getfixturevalue(kind)
    asked = [persisted(HELLO_FILE), persisted(HELLO_FILE, HELLO_FILE), {"query": HELLO_FILE}]
    for body in asked:
        assert data(post(client, body)) == {"__typename": "Query"}


@pytest.mark.parametrize("kind", ["on_sqlite", "trusting", "strict"])
@pytest.mark.parametrize(
    "document_id", ["", "x", "sha256:", "sha256:" + "0" * 64, sha256(HELLO_FILE), "md5:x", "\0"]
)
def test_an_unknown_id_is_not_found(
    kind: str, document_id: str, request: pytest.FixtureRequest
) -> None:
    """Whatever it looks like; also where there are no trusted documents."""
    answer = post(request.getfixturevalue(kind), {"documentId": document_id}, GRAPHQL_RESPONSE)
    assert (answer.status, answer.json) == (400, {"errors": [NOT_FOUND]})


@pytest.mark.parametrize("kind", [PLAIN, GRAPHQL_RESPONSE])
@pytest.mark.parametrize("other", [{"query": HELLO_FILE}, persisted(HELLO_FILE)], ids=list)
def test_an_id_beside_another_document_is_400(
    trusting: AppClient, kind: str, other: dict[str, Any]
) -> None:
    """Even where it is the same."""
    asked = {"documentId": f"sha256:{sha256(HELLO_FILE)}", **other}
    answer = post(trusting, asked, kind)
    assert (answer.status, code(answer)) == (400, BAD_INPUT)


def test_others_are_executed_unless_only_trusted_ones_are(trusting: AppClient) -> None:
    """A folder alone forbids nothing."""
    assert data(post(trusting, {"query": HELLO})) == {"__typename": "Query"}


@pytest.mark.parametrize("accept", [PLAIN, GRAPHQL_RESPONSE])
@pytest.mark.parametrize(
    "body", [{"query": HELLO}, persisted(HELLO, HELLO), {"query": "{"}], ids=str
)
def test_where_only_trusted_documents_are_executed_others_are_403(
    strict: AppClient, body: object, accept: str
) -> None:
    """The refusal says why, and nothing is remembered."""
    answer = post(strict, body, accept)
    assert (answer.status, code(answer), media_type(answer)) == (403, "FORBIDDEN", accept)
    assert answer.json["errors"][0]["message"] == (
        "Only trusted documents are executed here, and this is none of them."
    )
    assert post(strict, persisted(HELLO)).json == {"errors": [NOT_FOUND]}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"query {\n nonesuch }", "2: Cannot query field 'nonesuch' on type 'Query'."),
        (b"query {", "1: Syntax Error: Expected Name, found <EOF>."),
        (b"", "1: Syntax Error: Unexpected <EOF>."),
        (b"\xff", " it is not UTF-8"),
    ],
)
def test_a_file_that_cannot_be_trusted_is_named(
    content: bytes, reason: str, sqlite_url: str, tmp_path: Path
) -> None:
    """The server does not start, and says which file and why."""
    (tmp_path / "bad.graphql").write_bytes(content)
    options = ["--database", sqlite_url, "--port", "0", "--trusted-documents", str(tmp_path)]
    line = run_failing_in_process("serve", *options)
    assert line == " ".join(f"{tmp_path / 'bad.graphql'}:{reason}".split())


def test_a_folder_that_is_not_there_is_named(sqlite_url: str, tmp_path: Path) -> None:
    """The server does not start without it."""
    missing = tmp_path / "missing"
    options = ["--database", sqlite_url, "--port", "0", "--trusted-documents", str(missing)]
    assert (
        run_failing_in_process("serve", *options)
        == f"there is no folder {missing} of trusted documents"
    )


def test_trusting_only_what_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing could be asked; an empty variable names no folder."""
    monkeypatch.setenv("FLOWQL_TRUSTED_DOCUMENTS", "")
    assert run_failing_in_process("serve", "--trusted-only") == (
        "FLOWQL_TRUSTED_ONLY: it needs FLOWQL_TRUSTED_DOCUMENTS, the folder that has them"
    )


# What can be turned off ---------------------------------------------------------------------------


def test_introspection_can_be_turned_off(sqlite_url: str) -> None:
    """No field describes the schema then, and its text is not found; `__typename` stays."""
    with AppClient(sqlite_url, introspection=False) as client:
        for query in ("{ __schema { types { name } } }", '{ __type(name: "Flow") { name } }'):
            answer = post(client, {"query": query})
            assert (list(answer.json), "data" in answer.json) == (["errors"], False)
            assert answer.json["errors"][0]["extensions"] == {"code": BAD_INPUT}
        assert data(post(client, {"query": HELLO})) == {"__typename": "Query"}
        sdl = client.get("/schema.graphql")
    assert (sdl.status, sdl.json) == (404, {"detail": "Not found."})


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        ("{ flow(slug: 1) { slugs } flowz { slug } }", {}),
        ("{ flows(designation: RECOVERI, pagee: 1) { results { slug } } }", {}),
        (
            "query ($d: FlowDesignation) { flows(designation: $d) { __typename } }",
            {"d": "RECOVERI"},
        ),
        ("query ($d: FlowDesignatio) { flows(designation: $d) { __typename } }", {}),
    ],
)
def test_suggestions_can_be_turned_off(
    on_sqlite: AppClient, sqlite_url: str, query: str, variables: dict[str, str]
) -> None:
    """A name that is wrong is then told to be so, and no other name beside it."""
    asked = {"query": query, "variables": variables}
    assert b"Did you mean" in post(on_sqlite, asked).body
    with AppClient(sqlite_url, suggestions=False) as client:
        answer = post(client, asked)
    assert (list(answer.json), b"Did you mean" in answer.body) == (["errors"], False)


def test_sdl(on_sqlite: AppClient) -> None:
    """The schema can be had in GraphQL's language, by anybody, and is the file schema.graphql."""
    answer = on_sqlite.get("/schema.graphql")
    assert (answer.status, answer.body) == (200, SCHEMA.read_bytes())
    assert answer.body.decode() == schema.print_schema(schema.build_schema())


# Whatever is sent ---------------------------------------------------------------------------------


def assert_sound(answer: Response) -> None:
    """An answer or a refusal, told as GraphQL tells it, and never a failure of the server's."""
    assert answer.status < 500, answer
    if answer.status == 204 or answer.headers["content-type"].startswith("text/html"):
        return
    told = answer.json
    assert list(told) in (["data"], ["data", "errors"], ["errors"]), answer
    assert answer.status == 200 or list(told) == ["errors"], answer
    for error in told.get("errors", ()):
        assert error["message"], answer
        assert error["extensions"]["code"] != "INTERNAL_SERVER_ERROR", answer


def for_examples(scale: float, check: Callable[..., None], **strategies: Any) -> None:
    """Check so many times as many examples as the profile has."""
    count = int(settings().max_examples * scale)
    settings(max_examples=count)(given(**strategies)(check))()


SENT: Sequence[Mapping[str, Any]] = (
    {"query": HELLO, "variables": {"a": [1, None, {"b": "ü\0"}]}, "operationName": None},
    {"query": "query A { a: __typename } query B { __typename }", "operationName": "A"},
    {"query": FLOW_FILE, "variables": {"slug": "a-flow"}, "extensions": {"a": {}}},
    persisted(HELLO, HELLO),
    persisted(HELLO),
    {"documentId": f"sha256:{sha256(HELLO)}"},
)
BODIES = [json.dumps(body).encode() for body in SENT]
QUERY_STRINGS = [
    urlencode(
        {
            name: value if isinstance(value, str) else json.dumps(value)
            for name, value in body.items()
        }
    )
    for body in SENT
]
HEADER_NAMES = [
    *("accept", "content-type", "content-encoding", "content-length", "origin", "x-http-method"),
    *("access-control-request-method", "accept-encoding", "host", "cookie", "connection"),
]
HEADER_VALUES = [
    *("", PLAIN, GRAPHQL_RESPONSE, "text/html", "*/*;q=0", "gzip", "0", "99999999999", "identity"),
    *("application/json;charset=", "application/json; charset=utf-16", ORIGIN, "POST", "-1"),
]
LATIN = st.text(st.characters(max_codepoint=255), max_size=40)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=8,
)
OPERATIONS = st.fixed_dictionaries(
    {},
    optional={
        "query": JSON_VALUES | st.sampled_from([HELLO, FLOW_FILE, "mutation { a }", "{"]),
        **dict.fromkeys(["variables", "operationName", "documentId", "other"], JSON_VALUES),
        "extensions": JSON_VALUES
        | st.fixed_dictionaries(
            {
                "persistedQuery": st.fixed_dictionaries(
                    {"version": JSON_VALUES, "sha256Hash": JSON_VALUES}
                )
            }
        ),
    },
)


@st.composite
def spoiled(draw: st.DrawFn, wholes: list[bytes]) -> bytes:
    """A good one in which some bytes are left out, doubled, or others."""
    text = draw(st.sampled_from(wholes))
    for _ in range(draw(st.integers(0, 3))):
        start, length = draw(st.integers(0, len(text))), draw(st.integers(0, 9))
        text = text[:start] + draw(st.binary(max_size=6)) + text[start + length :]
    return text


WHOLE_BODIES = (
    spoiled(BODIES)
    | st.binary(max_size=60)
    | JSON_VALUES.map(lambda value: json.dumps(value).encode())
    | OPERATIONS.map(lambda value: json.dumps(value).encode())
)
WHOLE_QUERY_STRINGS = (
    spoiled([text.encode() for text in QUERY_STRINGS])
    | st.binary(max_size=60)
    | OPERATIONS.map(
        lambda given: urlencode({name: json.dumps(value) for name, value in given.items()}).encode()
    )
)


def test_whatever_is_posted_is_answered_or_refused(trusting: AppClient, strict: AppClient) -> None:
    """Bodies good, spoiled and random never fail the server, and each refusal says its kind."""

    def check(body: bytes, accept: str, is_strict: bool) -> None:  # noqa: FBT001 - it is drawn
        assert_sound(post(strict if is_strict else trusting, body, accept))

    accepts = st.sampled_from([PLAIN, GRAPHQL_RESPONSE])
    for_examples(5, check, body=WHOLE_BODIES, accept=accepts, is_strict=st.booleans())


def test_whatever_is_sent_is_answered_or_refused(trusting: AppClient) -> None:
    """So do methods, query strings and headers of every kind."""

    def check(method: str, query: bytes, headers: dict[str, str], body: bytes) -> None:
        target = f"/graphql?{query.decode(errors='surrogateescape')}"
        assert_sound(trusting.ask(method, target, headers | bearer(KEY), body))

    methods = st.sampled_from(["GET", "GET", "GET", "POST", "PUT", "OPTIONS", "X"])
    names, values = st.sampled_from(HEADER_NAMES), st.sampled_from(HEADER_VALUES) | LATIN
    headers = st.dictionaries(names, values, max_size=4)
    for_examples(
        5, check, method=methods, query=WHOLE_QUERY_STRINGS, headers=headers, body=WHOLE_BODIES
    )
