"""The OpenAPI documents of the REST API, one for each dialect, and their routes."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import orjson
import yaml
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from gql.http.negotiation import JSON, best_match
from gql.rest.dialects import CURRENT, Dialect
from gql.rest.endpoint import ALLOW, check_method, json_response
from gql.rest.errors import NotAcceptableError, NotFoundError, RestError
from gql.rest.parameters import Parameters

# The complete document of the newest dialect.
SOURCE = Path(__file__).with_name("openapi.yaml")
# The formats of the documents by media type. The first is the default.
FORMATS = {
    "application/vnd.oai.openapi": "yaml",
    "application/yaml": "yaml",
    "application/vnd.oai.openapi+json": "json",
    JSON: "json",
}
HEADERS = {**ALLOW, "Vary": "Accept", "X-Content-Type-Options": "nosniff"}
# libyaml is ten times as fast as the Python implementation, but not every PyYAML has it.
Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
Dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def build_document(dialect: Dialect, root_path: str) -> dict[str, Any]:
    """Return the OpenAPI document of a dialect for a server below `root_path`."""
    document = yaml.load(SOURCE.read_bytes(), Loader)  # noqa: S506 - both loaders are safe
    info = document["info"]
    info["version"] = version("flowql")
    info["description"] += f" The objects are those of authentik {dialect.generation.versions}."
    document["servers"] = [{"url": f"{root_path}{dialect.base_path}" or "/"}]
    _remove_newer_parts(document, dialect)
    return document


def _remove_newer_parts(document: dict[str, Any], dialect: Dialect) -> None:
    """Remove the properties, orderings and schemas that the dialect lacks."""
    schemas, parameters = (document["components"][name] for name in ("schemas", "parameters"))
    flow = schemas["Flow"]["properties"]
    if "background_url" not in dialect.flow.fields:
        flow["background"] = flow["background_url"]
    _select_properties(schemas["Flow"], dialect.flow.fields)
    _select_properties(schemas["PaginatedFlowList"], ("pagination", "results", *dialect.extra))
    ordering = parameters["QueryPaginationOrdering"]
    for name in CURRENT.orderings - dialect.orderings:
        ordering["description"] = ordering["description"].replace(f", `{name}`", "")
    _remove_unused_schemas(document)


def _select_properties(schema: dict[str, Any], names: Iterable[str]) -> None:
    """Reduce the schema of an object to these properties. Read-only ones are required."""
    properties = {name: schema["properties"][name] for name in names}
    required = {*schema["required"], *(name for name in names if "readOnly" in properties[name])}
    schema |= {"properties": properties, "required": sorted(required & properties.keys())}


def _remove_unused_schemas(document: dict[str, Any]) -> None:
    text = orjson.dumps(document).decode()
    schemas = document["components"]["schemas"]
    for name in list(schemas):
        if f'"#/components/schemas/{name}"' not in text:
            del schemas[name]


def _encode(document: dict[str, Any]) -> Mapping[str, bytes]:
    """Return the document in each format."""
    text = yaml.dump(document, Dumper=Dumper, sort_keys=False, allow_unicode=True)
    json = orjson.dumps(document, option=orjson.OPT_INDENT_2)
    return {"json": json, "yaml": text.encode()}


@dataclass(frozen=True, slots=True)
class OpenApiEndpoint:
    """The ASGI application of one document. It is public and encoded once."""

    formats: Mapping[str, bytes]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to one request."""
        try:
            response = self._handle(Request(scope, receive))
        except RestError as error:
            response = json_response(error.body, error.status, HEADERS)
        await response(scope, receive, send)

    def _handle(self, request: Request) -> Response:
        """Return the response, or raise the error of the first failed check, in REST's order."""
        media_type = _negotiate(request)
        if request.method == "OPTIONS":
            return json_response(_build_metadata(), headers=HEADERS)
        check_method(request)
        return Response(self.formats[FORMATS[media_type]], 200, HEADERS, media_type)


def _negotiate(request: Request) -> str:
    format_ = Parameters.parse(request.scope["query_string"]).get("format")
    media_types = [name for name, value in FORMATS.items() if format_ in ("", value)]
    if not media_types:
        raise NotFoundError
    media_type = best_match(request.headers, media_types)
    if media_type is None:
        raise NotAcceptableError
    return media_type


def _build_metadata() -> Mapping[str, Any]:
    return {
        "name": "Schema",
        "description": "OpenAPI of the flow endpoints",
        "renders": list(FORMATS),
        "parses": [JSON],
    }


def build_routes(root_path: str, dialects: Iterable[Dialect]) -> Iterator[Route]:
    """Yield the routes of the documents, each below the base path of its dialect."""
    for dialect in dialects:
        endpoint = OpenApiEndpoint(_encode(build_document(dialect, root_path)))
        yield Route(dialect.openapi_path, endpoint, middleware=[Middleware(GZipMiddleware)])
