"""The OpenAPI documents say what REST answers, in authentik's own words for it."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, cast

import pytest
import yaml
from starlette.routing import Route

from gql.rest import openapi
from gql.rest.endpoint import DIALECTS
from support.app_client import AppClient
from support.client_environments import client_modules, client_python, finish
from support.edge_case_data import KEYS, ROWS, UNKNOWN_ENGINE_MODES, UNKNOWN_ENUMS
from support.paths import CLIENTS
from support.server_process import run_server

SUPERUSER = KEYS["superuser"]
FLOWS = ROWS["authentik_flows_flow"]
DOCUMENTED, CURRENT = "/schema/", "/api/v3/schema/"
BOTH = pytest.mark.parametrize("address", [DOCUMENTED, CURRENT])
BASES = {DOCUMENTED: "", CURRENT: "/api/v3"}

YAML, NAMED_YAML = "application/vnd.oai.openapi", "application/yaml"
JSON, NAMED_JSON = "application/vnd.oai.openapi+json", "application/json"


def document(client: AppClient, address: str = CURRENT) -> Any:
    """A served document."""
    return client.get(f"{address}?format=json").json


# Over HTTP ----------------------------------------------------------------------------------------


@BOTH
def test_a_document_is_the_same_in_yaml_as_in_json(on_sqlite: AppClient, address: str) -> None:
    """Whoever asks, with no token, gets YAML or JSON of the same, in the same order."""
    told = on_sqlite.get(address)

    assert told.status == 200
    assert told.body.startswith(b"openapi: 3.0.3\n")
    assert json.dumps(yaml.safe_load(told.body)) == json.dumps(document(on_sqlite, address))


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
def test_the_media_type_is_what_is_weighed_most(
    on_sqlite: AppClient, accept: str | None, parameters: str, expected: str
) -> None:
    """Of equal weights it is what is named, else drf-spectacular's YAML; `format` chooses first."""
    headers = {} if accept is None else {"accept": accept}
    answer = on_sqlite.ask("GET", CURRENT + parameters, headers)

    assert (answer.status, answer.headers["content-type"]) == (200, expected)
    assert answer.headers["vary"] == "Accept, Accept-Encoding"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.body.startswith(b"{" if "json" in expected else b"openapi")


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
def test_what_is_neither_is_406(on_sqlite: AppClient, accept: str, parameters: str) -> None:
    """The body is REST's, whatever was asked for."""
    answer = on_sqlite.ask("GET", CURRENT + parameters, {"accept": accept})

    assert (answer.status, answer.headers["content-type"]) == (406, NAMED_JSON)
    assert answer.json == {"detail": "Could not satisfy the request Accept header."}
    assert answer.headers["vary"] == "Accept"


@pytest.mark.parametrize("format_", ["xml", "JSON", "openapi"])
def test_an_unknown_format_is_404(on_sqlite: AppClient, format_: str) -> None:
    """So it is with REST, before the Accept header is looked at."""
    answer = on_sqlite.ask("GET", f"{CURRENT}?format={format_}", {"accept": "text/html"})

    assert (answer.status, answer.json) == (404, {"detail": "Not found."})


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "TRACE"])
def test_a_document_can_only_be_read(on_sqlite: AppClient, method: str) -> None:
    """Other methods are told which there are."""
    answer = on_sqlite.ask(method, CURRENT)

    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    assert answer.json == {"detail": f'Method "{method}" not allowed.'}


def test_head_and_options_tell_what_there_is(on_sqlite: AppClient) -> None:
    """HEAD has GET's headers; OPTIONS tells which media types there are."""
    head, get, options = (on_sqlite.ask(method, CURRENT) for method in ("HEAD", "GET", "OPTIONS"))

    assert (head.status, head.headers) == (200, get.headers)
    assert (options.status, options.headers["allow"]) == (200, "GET, HEAD, OPTIONS")
    assert options.json["renders"] == [YAML, NAMED_YAML, JSON, NAMED_JSON]


# What it tells ------------------------------------------------------------------------------------


@BOTH
def test_every_address_is_told_and_no_other(on_sqlite: AppClient, address: str) -> None:
    """The paths, below the server's, are the routes that there are for flows."""
    told = document(on_sqlite, address)
    [server] = told["servers"]
    base = BASES[address]
    routes = (route.path for route in on_sqlite.app.routes if isinstance(route, Route))

    assert server["url"] == (base or "/")
    assert {base + path for path in told["paths"]} == {
        path for path in routes if path.startswith(f"{base}/flows/instances/")
    }


@pytest.mark.parametrize(
    ("dialect", "expected"), list(zip(DIALECTS, ("/flows", "/flows/api/v3"), strict=True))
)
def test_a_root_path_is_the_server_s(dialect: Any, expected: str) -> None:
    """Below a root path the paths are the same, and the server is there."""
    assert openapi.document(dialect, "/flows")["servers"] == [{"url": expected}]


@BOTH
def test_keys_are_told_in_their_order(on_sqlite: AppClient, address: str) -> None:
    """A page, where it lies and a flow have just the keys that the document has, in its order."""
    schemas = document(on_sqlite, address)["components"]["schemas"]
    page = on_sqlite.get(f"{BASES[address]}/flows/instances/", SUPERUSER).json
    answers = {
        "PaginatedFlowList": page,
        "Pagination": page["pagination"],
        "Flow": page["results"][0],
    }

    assert {name: list(schemas[name]["properties"]) for name in answers} == {
        name: list(answer) for name, answer in answers.items()
    }


def test_answers_are_as_the_document_says(authentik_url: str) -> None:
    """The documents are valid, and schemathesis finds each flow as they say, in a list and alone.

    A stored value that this version does not know is passed on as authentik does, though no enum has it.
    """
    odd = sorted(str(FLOWS[number]["slug"]) for number in UNKNOWN_ENUMS | UNKNOWN_ENGINE_MODES)
    with run_server(authentik_url) as (url, _):
        script = [str(client_python("schemathesis")), "-I", str(CLIENTS / "check_openapi.py")]
        addresses = [f"{url}{address}?format=json" for address in (DOCUMENTED, CURRENT)]
        told: list[dict[str, list[str]]] = json.loads(
            finish([*script, *addresses], CLIENTS, FLOWQL_TOKEN=SUPERUSER)
        )

    for wrong in told:
        enums = [wrong.pop("/flows/instances/"), wrong.pop("/flows/instances/{slug}/")]
        assert [sorted(slugs) for slugs in enums] == [odd, odd]
        assert not any(wrong.values())


# As authentik tells it ----------------------------------------------------------------------------

LIST = "paths /flows/instances/ get"
INSTANCE = "paths /flows/instances/{slug}/ get"
EXPORT = "paths /flows/instances/{slug}/export/ get"
DIAGRAM = "paths /flows/instances/{slug}/diagram/ get"
INVALID = "components responses ValidationErrorResponse content application/json schema"
# Where FlowQL's document is another than authentik's, and why; but for the picture, it is true of authentik too.
DIFFERENT = {
    f"{LIST} responses 404": "a page that is not there",
    f"{INSTANCE} responses 404": "a flow that is not there, or is hidden or filtered out",
    f"{EXPORT} responses 404": "likewise",
    f"{DIAGRAM} responses 404": "likewise",
    f"{LIST} responses 406": "an Accept header without JSON",
    f"{INSTANCE} responses 406": "likewise",
    f"{DIAGRAM} responses 406": "an Accept header with neither JSON nor SVG",
    f"{DIAGRAM} responses 200 content image/svg+xml": "ours: the picture itself",
    f"{EXPORT} responses 200 content application/json": "an export is no JSON",
    f"{EXPORT} responses 200 content application/yaml": "it is this",
    "components parameters QueryName schema pattern": "a NUL is 400",
    "components parameters QuerySearch schema pattern": "likewise",
    f"{LIST} parameters 8 schema pattern": "likewise, in slug",
    f"{INVALID} $ref": "what is wrong with each parameter ...",
    f"{INVALID} oneOf": "... or, for a NUL in search, a bare array",
}


def references(node: object) -> Iterator[str]:
    """The components that a part of a document refers to itself."""
    if isinstance(node, dict):
        for name, value in cast(dict[str, object], node).items():
            yield from [str(value)] if name == "$ref" else references(value)
    elif isinstance(node, list):
        for value in cast(list[object], node):
            yield from references(value)


def part(document: Mapping[str, Any], of: Mapping[str, Any]) -> Mapping[str, Any]:
    """The paths of a document that another has too, and the components that it needs for these."""
    paths = {path: {"get": document["paths"][path]["get"]} for path in of["paths"]}
    components: dict[str, dict[str, Any]] = {}
    waiting = list(references(paths))
    while waiting:
        _, _, kind, name = waiting.pop().split("/")
        if name not in components.setdefault(kind, {}):
            components[kind][name] = document["components"][kind][name]
            waiting.extend(references(components[kind][name]))
    security = document["components"]["securitySchemes"]
    schemes = {"authentik": security["authentik"]}
    return {"paths": paths, "components": {**components, "securitySchemes": schemes}}


def plain(node: Any) -> Any:
    """The same without descriptions; lists by number, and an object's properties too, as their order counts."""
    if isinstance(node, list):
        return {str(number): plain(value) for number, value in enumerate(cast(list[Any], node))}
    if not isinstance(node, dict):
        return node
    kept = {
        name: plain(value)
        for name, value in cast(dict[str, Any], node).items()
        if name != "description"
    }
    if isinstance(kept.get("properties"), dict):
        kept["order"] = plain(list(kept["properties"]))
    return kept


def differences(one: Any, other: Any, place: str = "") -> Iterator[str]:
    """The places where two documents are not the same."""
    if not (isinstance(one, dict) and isinstance(other, dict)):
        if one != other:
            yield place
        return
    ours, theirs = cast(dict[str, Any], one), cast(dict[str, Any], other)
    for name in ours.keys() | theirs.keys():
        below = f"{place} {name}".lstrip()
        if name in ours and name in theirs:
            yield from differences(ours[name], theirs[name], below)
        else:
            yield below


def test_operations_are_authentik_s(on_sqlite: AppClient) -> None:
    """Names, parameters, types, what is required and in which order, are those of authentik's own document."""
    package = client_modules("goauthentik-api") / "node_modules" / "@goauthentik" / "api"
    theirs = yaml.load((package / "schema.yml").read_text(), yaml.CSafeLoader)
    ours = document(on_sqlite)
    wanted = part(theirs, of=ours)
    told = {
        "paths": ours["paths"],
        "components": {
            kind: {name: of[name] for name in wanted["components"][kind] if name in of}
            for kind, of in ours["components"].items()
        },
    }

    assert theirs["openapi"] == ours["openapi"]
    assert theirs["servers"] == ours["servers"]
    assert set(differences(plain(told), plain(wanted))) == set(DIFFERENT)
