"""GraphQL requests over HTTP, and the parts of their responses that tests compare."""

import hashlib
import json
from typing import Any
from urllib.parse import urlencode

from support.app_client import JSON_HEADERS, AppClient, Response, bearer_headers
from support.edge_case_data import KEYS

KEY = KEYS["superuser"]
GRAPHQL_RESPONSE = "application/graphql-response+json"
PLAIN = "application/json"
BAD_INPUT = "BAD_USER_INPUT"
NOT_FOUND = {
    "message": "PersistedQueryNotFound",
    "extensions": {"code": "PERSISTED_QUERY_NOT_FOUND"},
}
TYPENAME = "{ __typename }"
TYPENAME_BODY = json.dumps({"query": TYPENAME}).encode()
TYPENAME_DATA = {"__typename": "Query"}
# The files of the trusted documents.
TYPENAME_FILE = "query TypeName {\r\n  __typename\r\n}\r\n"
FLOW_FILE = "query Flow($slug: String!) { flow(slug: $slug) { slug } }\n"
# The Accept header of a browser.
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
ORIGIN = "https://app.example"


def post(client: AppClient, body: object, accept: str | None = None, **headers: str) -> Response:
    """POST a body: bytes unchanged, everything else as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    accepted = {} if accept is None else {"accept": accept}
    return client.request(
        "POST", "/graphql", bearer_headers(KEY) | JSON_HEADERS | accepted | named, content
    )


def get(client: AppClient, accept: str | None = None, **parameters: str) -> Response:
    """GET /graphql with URL parameters."""
    accepted = {} if accept is None else {"accept": accept}
    target = f"/graphql?{urlencode(parameters)}"
    return client.request("GET", target, bearer_headers(KEY) | accepted)


def data(response: Response) -> Any:
    """Return the data of a response without errors."""
    assert (response.status, list(response.json)) == (200, ["data"]), response
    return response.json["data"]


def code(response: Response) -> str:
    """Return the code of the only error of a response without data."""
    assert list(response.json) == ["errors"], response
    [error] = response.json["errors"]
    assert error["message"]
    return error["extensions"]["code"]


def message(response: Response) -> str:
    """Return the message of the only error of a response."""
    [error] = response.json["errors"]
    return error["message"]


def media_type(response: Response) -> str:
    """Return the media type of a response; its charset is always UTF-8."""
    kind, _, charset = response.headers["content-type"].partition("; ")
    assert charset == "charset=utf-8"
    return kind


def sha256(text: str) -> str:
    """Return the hash that names a document."""
    return hashlib.sha256(text.encode()).hexdigest()


def persisted(text: str, query: str | None = None, **others: Any) -> dict[str, Any]:
    """Build a request with the hash of a document, with or without a query."""
    extension = {"version": 1, "sha256Hash": sha256(text)}
    with_query = {} if query is None else {"query": query}
    return {**with_query, "extensions": {"persistedQuery": extension}, **others}
