"""The page of the REST API: its OpenAPI document, readable, with a form for each operation."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gql.explorer.pages import Pages
from gql.http.negotiation import JSON
from gql.rest.dialects import CURRENT, Dialect
from gql.rest.openapi import build_document

PATH = "/openapi"
REFERENCE = "#/components/"
# The query parameter that selects the dialect.
MOUNT = "mount"


class Property(NamedTuple):
    """A property of an object, or a parameter of an operation; `values` are those of an enum.

    `type` is a description such as `string (uuid)`.
    """

    name: str
    type: str
    description: str
    values: Sequence[str]
    is_required: bool
    is_in_path: bool


class ObjectSchema(NamedTuple):
    """An object that responses contain."""

    name: str
    description: str
    properties: Sequence[Property]


class ResponseInfo(NamedTuple):
    """A response of an operation."""

    status: str
    description: str


class Operation(NamedTuple):
    """A GET request: its path below the mount, and what it takes and returns."""

    id: str
    path: str
    description: str
    parameters: Sequence[Property]
    media_types: Sequence[str]
    responses: Sequence[ResponseInfo]


class RestApi(NamedTuple):
    """The operations and the objects of the API at one mount, which is a base path."""

    mount: str
    openapi_path: str
    operations: Sequence[Operation]
    objects: Sequence[ObjectSchema]


def build_route(pages: Pages, dialects: Sequence[Dialect]) -> Route:
    """Return the route of the page, which describes these dialects."""
    by_mount = {dialect.base_path: dialect for dialect in dialects}

    @cache
    def load(mount: str) -> RestApi:
        return load_api(by_mount[mount])

    async def respond(request: Request) -> Response:
        mount = request.query_params.get(MOUNT, CURRENT.base_path)
        is_known = mount in by_mount
        api = load(mount if is_known else CURRENT.base_path)
        error = None if is_known else f"Unknown mount {mount!r}."
        status = 200 if is_known else 404
        return pages.render("openapi.html", status, api=api, dialects=dialects, error=error)

    return Route(PATH, respond, middleware=[Middleware(GZipMiddleware)])


def load_api(dialect: Dialect) -> RestApi:
    """Return the API in a dialect."""
    document = build_document(dialect, "")
    resolve = _build_resolver(document)
    return RestApi(
        dialect.base_path,
        dialect.openapi_path,
        list(_list_operations(document, resolve)),
        list(_list_objects(document, resolve)),
    )


Resolver = Callable[[Mapping[str, Any]], Mapping[str, Any]]


def _list_operations(document: Mapping[str, Any], resolve: Resolver) -> Iterator[Operation]:
    for path, methods in document["paths"].items():
        operation = methods["get"]
        parameters = [resolve(parameter) for parameter in operation["parameters"]]
        responses = {
            status: resolve(response) for status, response in operation["responses"].items()
        }
        yield Operation(
            operation["operationId"],
            path,
            operation["description"],
            [_describe_parameter(parameter, resolve) for parameter in parameters],
            list(responses["200"].get("content", {JSON: {}})),
            [ResponseInfo(status, info["description"]) for status, info in responses.items()],
        )


def _list_objects(document: Mapping[str, Any], resolve: Resolver) -> Iterator[ObjectSchema]:
    for name, schema in document["components"]["schemas"].items():
        if properties := schema.get("properties"):
            required = schema.get("required", ())
            yield ObjectSchema(
                name,
                schema.get("description", ""),
                [
                    _describe(key, value, resolve, is_required=key in required)
                    for key, value in properties.items()
                ],
            )


def _build_resolver(document: Mapping[str, Any]) -> Resolver:
    """Return a function that replaces references in an object of the document by their targets."""

    def resolve(node: Mapping[str, Any]) -> Mapping[str, Any]:
        if "allOf" in node:
            [reference] = node["allOf"]
            return {**resolve(reference), **node}
        if "$ref" not in node:
            return node
        kind, _, name = node["$ref"].removeprefix(REFERENCE).partition("/")
        return {"name": name, **document["components"][kind][name]}

    return resolve


def _describe_parameter(parameter: Mapping[str, Any], resolve: Resolver) -> Property:
    schema = parameter["schema"]
    if "description" in parameter:
        schema = {**schema, "description": parameter["description"]}
    is_required = parameter.get("required", False)
    property_ = _describe(parameter["name"], schema, resolve, is_required=is_required)
    return property_._replace(is_in_path=parameter["in"] == "path")


def _describe(
    name: str, schema: Mapping[str, Any], resolve: Resolver, *, is_required: bool
) -> Property:
    resolved = resolve(schema)
    return Property(
        name,
        _describe_type(schema, resolve),
        resolved.get("description", ""),
        resolved.get("enum", ()),
        is_required,
        is_in_path=False,
    )


def _describe_type(schema: Mapping[str, Any], resolve: Resolver) -> str:
    resolved = resolve(schema)
    if resolved.get("type") == "array":
        return f"list of {_describe_type(resolved['items'], resolve)}"
    is_object = resolved.get("type") == "object" and "name" in resolved
    type_ = resolved["name"] if is_object else resolved.get("type", "any")
    format_ = f" ({resolved['format']})" if "format" in resolved else ""
    null = " or null" if resolved.get("nullable") else ""
    return f"{type_}{format_}{null}"
