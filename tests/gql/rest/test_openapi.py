"""Tests of the OpenAPI documents: media types, and equality with responses and authentik."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from importlib.metadata import version
from typing import Any, cast

import pytest
import yaml
from starlette.routing import Route

from gql.diagram.graph import FlowDiagramEdgeType, FlowDiagramNodeType
from gql.http.negotiation import FLOW_GRAPH
from gql.rest import openapi
from gql.rest.dialects import CURRENT as CURRENT_DIALECT
from gql.rest.dialects import Dialect, build_dialects
from models.queries.flows import DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE, ORDERING_FIELDS
from models.tables.flow import (
    SLUG,
    FlowAuthentication,
    FlowDeniedAction,
    FlowDesignation,
    FlowLayout,
    PolicyEngineMode,
)
from support.app_client import AppClient
from support.client_environments import check_tool, install_npm_client, install_python_client
from support.edge_case_data import KEYS, ROWS, UNKNOWN_ENGINE_MODES, UNKNOWN_ENUMS
from support.paths import CLIENTS
from support.server_process import run_server

SUPERUSER = KEYS["superuser"]
FLOWS = ROWS["authentik_flows_flow"]
CURRENT = "/api/v3/schema/"
DIALECTS = {
    dialect.openapi_path: dialect for dialect in build_dialects(CURRENT_DIALECT.generation.name)
}
ALL = pytest.mark.parametrize("address", DIALECTS)

YAML, NAMED_YAML = "application/vnd.oai.openapi", "application/yaml"
JSON, NAMED_JSON = "application/vnd.oai.openapi+json", "application/json"


def get_document(client: AppClient, address: str = CURRENT) -> Any:
    """Return a served document."""
    return client.get(f"{address}?format=json").json


# Over HTTP ----------------------------------------------------------------------------------------


@ALL
def test_yaml_and_json_are_equal(sqlite_client: AppClient, address: str) -> None:
    """YAML and JSON have the same content and order, and need no token."""
    response = sqlite_client.get(address)

    assert response.status == 200
    assert response.body.startswith(b"openapi: 3.0.3\n")
    assert json.dumps(yaml.safe_load(response.body)) == json.dumps(
        get_document(sqlite_client, address)
    )


@pytest.mark.parametrize(
    ("accept", "parameters", "expected"),
    [
        (None, "", YAML),
        ("*/*", "", YAML),
        ("application/*", "", YAML),
        (YAML, "", YAML),
        (NAMED_YAML, "", NAMED_YAML),
        ("Application/YAML;charset=UTF-8", "", NAMED_YAML),
        (NAMED_JSON, "", NAMED_JSON),
        (JSON, "", JSON),
        ("application/json, text/plain, */*", "", NAMED_JSON),
        ("application/json;q=0.5, */*;q=0.8", "", YAML),
        ("application/yaml;q=0.4, application/json;q=0.6", "", NAMED_JSON),
        ("text/html, application/xml;q=0.9, */*;q=0.8", "", YAML),
        ("*/*;q=0.1, application/vnd.oai.openapi;q=0", "", NAMED_YAML),
        ("text/html, */*;q=0.8", "?format=json", JSON),
        (NAMED_JSON, "?format=json", NAMED_JSON),
        ("*/*", "?format=yaml", YAML),
        ("*/*", "?format=yaml&format=", YAML),
    ],
)
def test_media_types(
    sqlite_client: AppClient, accept: str | None, parameters: str, expected: str
) -> None:
    """`format` limits the media types. Then weights count, then names, and YAML is the default."""
    headers = {} if accept is None else {"accept": accept}
    response = sqlite_client.request("GET", CURRENT + parameters, headers)

    assert (response.status, response.headers["content-type"]) == (200, expected)
    assert response.headers["vary"] == "Accept, Accept-Encoding"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.body.startswith(b"{" if "json" in expected else b"openapi")


@pytest.mark.parametrize(
    ("accept", "parameters"),
    [
        ("", ""),
        ("text/html", ""),
        ("application/json;q=0", ""),
        ("*/*;q=0", ""),
        (NAMED_JSON, "?format=yaml"),
        (YAML, "?format=json"),
    ],
)
def test_not_acceptable(sqlite_client: AppClient, accept: str, parameters: str) -> None:
    """An Accept header without YAML and JSON returns 406 with a JSON body."""
    response = sqlite_client.request("GET", CURRENT + parameters, {"accept": accept})

    assert (response.status, response.headers["content-type"]) == (406, NAMED_JSON)
    assert response.json == {"detail": "Could not satisfy the request Accept header."}
    assert response.headers["vary"] == "Accept"


@pytest.mark.parametrize("format_", ["xml", "JSON", "openapi"])
def test_unknown_format(sqlite_client: AppClient, format_: str) -> None:
    """An unknown format returns 404 before the Accept header is checked."""
    response = sqlite_client.request("GET", f"{CURRENT}?format={format_}", {"accept": "text/html"})

    assert (response.status, response.json) == (404, {"detail": "Not found."})


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "TRACE"])
def test_other_methods(sqlite_client: AppClient, method: str) -> None:
    """Other methods return 405 with the allowed methods."""
    response = sqlite_client.request(method, CURRENT)

    assert (response.status, response.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    assert response.json == {"detail": f'Method "{method}" not allowed.'}


def test_head_and_options(sqlite_client: AppClient) -> None:
    """HEAD returns the headers of GET. OPTIONS returns the media types."""
    head, get, options = (
        sqlite_client.request(method, CURRENT) for method in ("HEAD", "GET", "OPTIONS")
    )

    assert (head.status, head.headers) == (200, get.headers)
    assert (options.status, options.headers["allow"]) == (200, "GET, HEAD, OPTIONS")
    assert options.json["renders"] == [YAML, NAMED_YAML, JSON, NAMED_JSON]


# Content ------------------------------------------------------------------------------------------


@ALL
def test_paths_equal_the_routes(sqlite_client: AppClient, address: str) -> None:
    """The paths, below the server's URL, are the routes of flows."""
    served = get_document(sqlite_client, address)
    [server] = served["servers"]
    base = DIALECTS[address].base_path
    routes = (route.path for route in sqlite_client.app.routes if isinstance(route, Route))

    assert server["url"] == (base or "/")
    assert {base + path for path in served["paths"]} == {
        path for path in routes if path.startswith(f"{base}/flows/instances/")
    }


@pytest.mark.parametrize("dialect", DIALECTS.values())
def test_root_path(dialect: Dialect) -> None:
    """The server's URL has the root path."""
    [server] = openapi.build_document(dialect, "/flows")["servers"]

    assert server == {"url": f"/flows{dialect.base_path}"}


@ALL
def test_properties_equal_the_keys_of_responses(sqlite_client: AppClient, address: str) -> None:
    """The schemas have the keys of the responses, in their order."""
    schemas = get_document(sqlite_client, address)["components"]["schemas"]
    page = sqlite_client.get(DIALECTS[address].flows_path, SUPERUSER).json
    objects = {
        "PaginatedFlowList": page,
        "Pagination": page["pagination"],
        "Flow": page["results"][0],
    }

    assert {name: list(schemas[name]["properties"]) for name in objects} == {
        name: list(value) for name, value in objects.items()
    }


@pytest.mark.parametrize(
    ("name", "enum"),
    [
        ("FlowDesignationEnum", FlowDesignation),
        ("PolicyEngineMode", PolicyEngineMode),
        ("FlowLayoutEnum", FlowLayout),
        ("DeniedActionEnum", FlowDeniedAction),
        ("AuthenticationEnum", FlowAuthentication),
        ("DiagramNodeTypeEnum", FlowDiagramNodeType),
        ("DiagramEdgeTypeEnum", FlowDiagramEdgeType),
    ],
)
@ALL
def test_enums(sqlite_client: AppClient, address: str, name: str, enum: type[Enum]) -> None:
    """The enums have the values of the stored enums."""
    schema = get_document(sqlite_client, address)["components"]["schemas"][name]

    assert schema["enum"] == [member.value for member in enum]


@pytest.mark.parametrize(("address", "dialect"), DIALECTS.items())
def test_orderings(sqlite_client: AppClient, address: str, dialect: Dialect) -> None:
    """The description of `ordering` lists the orderings of the dialect."""
    parameters = get_document(sqlite_client, address)["components"]["parameters"]
    names = re.findall(r"`(\w+)`", parameters["QueryPaginationOrdering"]["description"])

    assert names == [name for name in ORDERING_FIELDS if name in dialect.orderings]


@ALL
def test_limits_and_patterns(sqlite_client: AppClient, address: str) -> None:
    """The page sizes and the pattern of slugs are those of the code."""
    served = get_document(sqlite_client, address)
    page_size = served["components"]["parameters"]["QueryPaginationPageSize"]["description"]
    slug = served["components"]["schemas"]["Flow"]["properties"]["slug"]

    assert re.findall(r"\d+", page_size) == [str(MAX_PAGE_SIZE), str(DEFAULT_PAGE_SIZE)]
    assert slug["pattern"] == f"^{SLUG.pattern}$"
    assert served["info"]["version"] == version("flowql")
    assert served["info"]["description"].endswith(f"{DIALECTS[address].generation.versions}.")


@ALL
def test_every_schema_is_used(sqlite_client: AppClient, address: str) -> None:
    """The document has no schema that only another dialect needs."""
    served = get_document(sqlite_client, address)

    assert set(served["components"]["schemas"]) <= {
        reference.rpartition("/")[2] for reference in find_references(served)
    }


def test_responses_match_the_schemas(authentik_url: str) -> None:
    """The document of each dialect is valid, and schemathesis finds that all flows match it.

    Flows with enum values of a newer authentik are the exception.
    """
    exceptions = sorted(
        str(FLOWS[number]["slug"]) for number in UNKNOWN_ENUMS | UNKNOWN_ENGINE_MODES
    )
    with run_server(authentik_url) as (url, _):
        script = [
            str(install_python_client("schemathesis")),
            "-I",
            str(CLIENTS / "check_openapi.py"),
        ]
        addresses = [
            f"{url}{address}?format=json"
            for address, dialect in DIALECTS.items()
            if dialect.base_path not in ("", CURRENT_DIALECT.base_path)
        ]
        reports: list[dict[str, list[str]]] = json.loads(
            check_tool([*script, *addresses], CLIENTS, FLOWQL_TOKEN=SUPERUSER)
        )

    for mismatches in reports:
        flows = [mismatches.pop(path) for path in ("/flows/instances/", "/flows/instances/{slug}/")]
        assert [sorted(slugs) for slugs in flows] == [exceptions, exceptions]
        assert not any(mismatches.values())


# Equality with authentik --------------------------------------------------------------------------

LIST = "paths /flows/instances/ get"
INSTANCE = "paths /flows/instances/{slug}/ get"
EXPORT = "paths /flows/instances/{slug}/export/ get"
DIAGRAM = "paths /flows/instances/{slug}/diagram/ get"
INVALID = "components responses ValidationErrorResponse content application/json schema"
# The differences from authentik's document. Except for media types of diagrams, they also describe
# authentik correctly.
DIFFERENCES = {
    f"{LIST} responses 404": "the page does not exist",
    f"{INSTANCE} responses 404": "the flow does not exist, is hidden or is excluded",
    f"{EXPORT} responses 404": "as above",
    f"{DIAGRAM} responses 404": "as above",
    f"{LIST} responses 406": "the Accept header has no JSON",
    f"{INSTANCE} responses 406": "as above",
    f"{DIAGRAM} responses 406": "the Accept header has none of the media types",
    f"{DIAGRAM} responses 200 content image/svg+xml": "FlowQL's addition",
    f"{DIAGRAM} responses 200 content {FLOW_GRAPH}": "the shape of a later version",
    f"{EXPORT} responses 200 content application/json": "an export is not JSON",
    f"{EXPORT} responses 200 content application/yaml": "an export is YAML",
    "components parameters QueryName schema pattern": "a NUL returns 400",
    "components parameters QuerySearch schema pattern": "as above",
    f"{LIST} parameters 8 schema pattern": "as above, in slug",
    f"{INVALID} $ref": "messages for each parameter ...",
    f"{INVALID} oneOf": "... or an array, for a NUL in search",
}


def find_references(node: object) -> Iterator[str]:
    """Yield the components that part of a document refers to directly."""
    if isinstance(node, dict):
        for name, value in cast(dict[str, object], node).items():
            yield from [str(value)] if name == "$ref" else find_references(value)
    elif isinstance(node, list):
        for value in cast(list[object], node):
            yield from find_references(value)


def select_paths(document: Mapping[str, Any], paths: Iterable[str]) -> Mapping[str, Any]:
    """Return the GET operations of these paths and the components that they refer to."""
    operations = {path: {"get": document["paths"][path]["get"]} for path in paths}
    components: dict[str, dict[str, Any]] = {}
    pending = list(find_references(operations))
    while pending:
        _, _, kind, name = pending.pop().split("/")
        if name not in components.setdefault(kind, {}):
            components[kind][name] = document["components"][kind][name]
            pending.extend(find_references(components[kind][name]))
    security = document["components"]["securitySchemes"]
    schemes = {"authentik": security["authentik"]}
    return {"paths": operations, "components": {**components, "securitySchemes": schemes}}


def remove_descriptions(node: Any) -> Any:
    """Return the node without descriptions, with lists as dicts by index.

    A key `order` holds the order of an object's properties.
    """
    if isinstance(node, list):
        return {
            str(number): remove_descriptions(value)
            for number, value in enumerate(cast(list[Any], node))
        }
    if not isinstance(node, dict):
        return node
    result = {
        name: remove_descriptions(value)
        for name, value in cast(dict[str, Any], node).items()
        if name != "description"
    }
    if isinstance(result.get("properties"), dict):
        result["order"] = remove_descriptions(list(result["properties"]))
    return result


def find_differences(first: Any, second: Any, path: str = "") -> Iterator[str]:
    """Yield the paths at which two documents differ."""
    if not (isinstance(first, dict) and isinstance(second, dict)):
        if first != second:
            yield path
        return
    ours, theirs = cast(dict[str, Any], first), cast(dict[str, Any], second)
    for name in ours.keys() | theirs.keys():
        child = f"{path} {name}".lstrip()
        if name in ours and name in theirs:
            yield from find_differences(ours[name], theirs[name], child)
        else:
            yield child


def test_operations_equal_authentik_s(sqlite_client: AppClient) -> None:
    """Names, parameters, types, required properties and order equal authentik's own document."""
    package = install_npm_client("goauthentik-api") / "node_modules" / "@goauthentik" / "api"
    theirs = yaml.load((package / "schema.yml").read_text(), yaml.CSafeLoader)
    ours = get_document(sqlite_client)
    expected = select_paths(theirs, ours["paths"])
    actual = {
        "paths": ours["paths"],
        "components": {
            kind: {name: schemas[name] for name in expected["components"][kind] if name in schemas}
            for kind, schemas in ours["components"].items()
        },
    }

    assert theirs["openapi"] == ours["openapi"]
    assert theirs["servers"] == ours["servers"]
    assert set(find_differences(remove_descriptions(actual), remove_descriptions(expected))) == set(
        DIFFERENCES
    )
