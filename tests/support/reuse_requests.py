"""Requests of tests of reuse: GraphQL and REST, for tokens with different rights."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from http.client import HTTPConnection
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

from support.app_client import Response, bearer_headers
from support.graphql_http import GRAPHQL_RESPONSE, PLAIN
from support.reuse_data import identifier
from support.stored_values import global_id

FLOWS = "/flows/instances/"
SVG = "image/svg+xml"
CURSOR = urlsafe_b64encode(b'[1,"slug","flow-1"]').decode()


class ReuseRequest(NamedTuple):
    """A request without its token."""

    name: str
    method: str
    target: str
    accept: str = "*/*"
    body: bytes | None = None


PAGE = """query Page($size: Int!) { flows(pageSize: $size) { pagination { count } results {
    pk slug name title designation stages policies cacheCount } } }"""
NESTED = """{ flow(slug: "flow-1") {
    title
    stageBindings { order stage { name } policyBindings { policy { name } } }
    policyBindings { order policy { name } group { name } user { name } }
    diagram
} }"""
LISTED = "{ flows { results { slug title stageBindings { stage { name } } } } }"
AFTER = """query ($after: String) { flowConnection(first: 3, after: $after, orderBy: [SLUG_ASC]) {
    nodes { slug title } pageInfo { hasNextPage hasPreviousPage endCursor } totalCount } }"""
BY_NAME = """{ flowConnection(last: 4, orderBy: [NAME_DESC]) {
    edges { cursor node { name slug } } pageInfo { startCursor endCursor } } }"""
BY_STAGE = """query ($where: FlowWhere) { flowConnection(where: $where) {
    nodes { slug title stageBindings { stage { name } } } totalCount } }"""
STAGE_WHERE: Mapping[str, Any] = {"stage": {"name": {"startsWith": "stage C"}}}
COMPONENTS = """{
    stages { nodes { name flows(first: 5) { slug title } } }
    policies { nodes { name } }
}"""
NODE = "query ($id: ID!) { node(id: $id) { id ... on Flow { title cacheCount } } }"
UNPLANNED = "{ __schema { queryType { name } } flows(pageSize: 2) { results { slug title } } }"
TOGGLED_FLOW = '{ flow(slug: "flow-7") { name } empty: flows(slug: "flow-7") { results { pk } } }'


def _post(name: str, query: str, accept: str = PLAIN, **variables: object) -> ReuseRequest:
    body = json.dumps({"query": query, "variables": variables}).encode()
    return ReuseRequest(name, "POST", "/graphql", accept, body)


def _get(
    name: str, query: str, accept: str = GRAPHQL_RESPONSE, **variables: object
) -> ReuseRequest:
    parameters = {"query": query, "variables": json.dumps(variables)}
    return ReuseRequest(name, "GET", f"/graphql?{urlencode(parameters)}", accept)


def _rest(name: str, path: str, accept: str = "*/*") -> ReuseRequest:
    return ReuseRequest(name, "GET", path, accept)


REQUESTS: Sequence[ReuseRequest] = (
    _post("page", PAGE, size=20),
    _post("small page", PAGE, size=2),
    _post("nested", NESTED),
    _post("listed", LISTED, GRAPHQL_RESPONSE),
    _post("after", AFTER, after=CURSOR),
    _post("by name", BY_NAME),
    _post("where", BY_STAGE, where=STAGE_WHERE),
    _post("components", COMPONENTS),
    _post("node", NODE, id=global_id("Flow", identifier("flow", 4))),
    _post("blueprint", '{ flow(slug: "flow-1") { blueprint } }'),
    _post("search", '{ flows(search: "title flow-5") { results { slug title } } }'),
    _post("source", "{ source { kind } }"),
    _post("introspection", '{ __type(name: "Flow") { name } }'),
    _post("graphql-core", UNPLANNED),
    _post("missing", TOGGLED_FLOW),
    _post("syntax error", "{ flows"),
    _get("page by GET", PAGE, size=20),
    _get("nested by GET", NESTED, PLAIN),
    _get("missing by GET", TOGGLED_FLOW),
    _rest("list", FLOWS),
    _rest("new list", f"/api/v3{FLOWS}?ordering=-slug"),
    _rest("searched list", f"{FLOWS}?search=title&page_size=3"),
    _rest("empty list", f"{FLOWS}?slug=flow-7"),
    _rest("last page", f"{FLOWS}?page=4&page_size=2"),
    _rest("instance", f"{FLOWS}flow-0/"),
    _rest("missing instance", f"{FLOWS}flow-7/"),
    _rest("export", f"{FLOWS}flow-1/export/"),
    _rest("diagram", f"{FLOWS}flow-1/diagram/"),
    _rest("SVG diagram", f"{FLOWS}flow-6/diagram/", SVG),
    _rest("graph diagram", f"{FLOWS}flow-4/diagram/?format=graph"),
)


class ReuseClient:
    """A client with one connection, which one thread at a time may use."""

    def __init__(self, url: str) -> None:
        self._connection = HTTPConnection(urlsplit(url).netloc, timeout=30)

    def send(
        self, request: ReuseRequest, key: str | None, headers: Mapping[str, str] | None = None
    ) -> Response:
        """Send a request with a token."""
        all_headers = {**bearer_headers(key), "accept": request.accept, **(headers or {})}
        if request.body is not None:
            all_headers["content-type"] = PLAIN
        self._connection.request(request.method, request.target, request.body, all_headers)
        response = self._connection.getresponse()
        names = {name.lower(): value for name, value in response.getheaders()}
        return Response(response.status, names, response.read())

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
