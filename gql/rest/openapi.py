"""OpenAPI documents of what REST answers, one for each dialect, and the addresses that serve them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from importlib.metadata import version
from typing import Any, get_type_hints

import orjson
import yaml
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from gql.http import negotiation
from gql.resolvers.flows import PaginationData
from gql.rest.endpoint import ALLOWED, DIALECTS, Dialect, RestError, View
from gql.rest.parameters import DEFAULT_PAGE_SIZE, Parameters
from models.queries.flows import MAX_PAGE_SIZE, ORDERINGS
from models.tables.flow import (
    SLUG,
    FlowAuthentication,
    FlowDeniedAction,
    FlowDesignation,
    FlowLayout,
    PolicyEngineMode,
)

Node = Mapping[str, Any]

# What a document is called, of equal weights the first, and the format that `format=` names.
MEDIA_TYPES = {
    "application/vnd.oai.openapi": "yaml",
    "application/yaml": "yaml",
    "application/vnd.oai.openapi+json": "json",
    negotiation.JSON: "json",
}
HEADERS = {**ALLOWED, "Vary": "Accept", "X-Content-Type-Options": "nosniff"}
# Where each dialect's prefix ends, and the paths in its document begin.
RESOURCE = "/flows/instances"


def _component(name: str, of: str = "schemas") -> Node:
    return {"$ref": f"#/components/{of}/{name}"}


def _told(description: str, **schema: Any) -> Node:
    return {**schema, "description": description}


def _made(description: str, **schema: Any) -> Node:
    """What no client can set: authentik lists it as required for that."""
    return {**_told(description, **schema), "readOnly": True}


def _one_of(name: str, description: str) -> Node:
    # A reference with anything beside it is wrapped, as OpenAPI 3.0 would pass over the rest.
    return _told(description, allOf=[_component(name)])


def _object(properties: Node, required: Sequence[str] = (), **others: Any) -> Node:
    needed = {"required": sorted(required)} if required else {}
    return {"type": "object", **others, "properties": properties, **needed}


ENUMS: Mapping[str, tuple[type[Enum], str]] = {
    "FlowDesignationEnum": (FlowDesignation, "What a flow is for."),
    "PolicyEngineMode": (PolicyEngineMode, "Whether all or any of the bound policies must pass."),
    "FlowLayoutEnum": (FlowLayout, "How a flow's page is laid out."),
    "DeniedActionEnum": (FlowDeniedAction, "What happens when a policy denies access."),
    "AuthenticationEnum": (FlowAuthentication, "Who may start a flow."),
}

FLOW = (
    "A row of stages that a person walks through. What a newer authentik stored in the place of an"
    " enum's values is passed on as it is."
)
UUIDS = {"type": "array", "items": {"type": "string", "format": "uuid"}}
DESIGNATION = _one_of("FlowDesignationEnum", "What the flow is for.")
BACKGROUND_URL = _made("Where the picture behind the flow is.", type="string")
# Every field that a dialect may have; which it has, and in which order, its shape knows.
FIELDS: Node = {
    "pk": _made("The flow's key.", type="string", format="uuid", title="Flow uuid"),
    "policybindingmodel_ptr_id": _made(
        "The key that policies are bound to.", type="string", format="uuid"
    ),
    "name": _told("What the flow is called in lists.", type="string"),
    "slug": _told(
        "What the flow is called in addresses.", type="string", pattern=f"^{SLUG.pattern}$"
    ),
    "title": _told("What stands above the flow's pages.", type="string"),
    "designation": DESIGNATION,
    "background": _told(
        "The picture behind the flow, as it is stored: a path, an address or nothing.",
        type="string",
    ),
    "background_url": BACKGROUND_URL,
    "background_themed_urls": {
        **_one_of(
            "ThemedUrls", "Where the pictures for each theme are, null if one picture serves all."
        ),
        "readOnly": True,
        "nullable": True,
    },
    "stages": _made(
        "The keys of the flow's stages in the order that they run; one that is bound twice is there"
        " twice.",
        **UUIDS,
    ),
    "policies": _made("The keys of the policies bound to the flow, by their order.", **UUIDS),
    "cache_count": _made("How many plans of the flow are in authentik's cache.", type="integer"),
    "policy_engine_mode": _component("PolicyEngineMode"),
    "compatibility_mode": _told(
        "Whether the pages are made so that password managers on mobile devices can fill them.",
        type="boolean",
    ),
    "export_url": _made("Where the flow can be had as a blueprint.", type="string"),
    "layout": _component("FlowLayoutEnum"),
    "denied_action": _one_of("DeniedActionEnum", "What happens when a policy denies access."),
    "authentication": _one_of("AuthenticationEnum", "Who may start the flow."),
}
# What whoever makes a flow must give.
GIVEN = frozenset({"name", "slug", "title", "designation"})

PAGINATION: Mapping[str, str] = {
    "next": "The number of the next page, 0 if there is none.",
    "previous": "The number of the page before, 0 if there is none.",
    "count": "How many flows there are on all pages.",
    "current": "The number of this page.",
    "total_pages": "How many pages there are, at least 1.",
    "start_index": "Which one of all the first flow here is, from 1; 0 if there is none.",
    "end_index": "Which one of all the last flow here is; 0 if there is none.",
}

THEMES: Node = {
    theme: {"type": "string", "nullable": True, "description": f"The picture for {theme} pages."}
    for theme in ("light", "dark")
}


def _flow(dialect: Dialect) -> Node:
    """A flow as the dialect has it."""
    fields = {name: FIELDS[name] for name in dialect.flow.response_keys}
    if "background_url" not in fields:
        fields["background"] = BACKGROUND_URL
    required = [name for name, field in fields.items() if name in GIVEN or "readOnly" in field]
    return _object(fields, required, description=FLOW)


def _page(dialect: Dialect) -> Node:
    """A page of flows as the dialect has it."""
    properties: dict[str, Node] = {
        "pagination": _component("Pagination"),
        "results": {"type": "array", "items": _component("Flow")},
        **{name: _component(name.capitalize()) for name in dialect.extra},
    }
    return _object(properties, list(properties), description="A page of flows.")


def _schemas(dialect: Dialect) -> Node:
    pagination = {
        # authentik says number; they are whole ones.
        name: _told(PAGINATION[name], type="number")
        for name in get_type_hints(PaginationData)
    }
    enums = {
        name: _told(description, enum=[member.value for member in enum], type="string")
        for name, (enum, description) in ENUMS.items()
    }
    extra = {
        name.capitalize(): _told("Always empty.", type="object", additionalProperties={})
        for name in dialect.extra
    }
    themed = {"ThemedUrls": _object(THEMES, description="Addresses of pictures by theme.")}
    return {
        "Flow": _flow(dialect),
        "PaginatedFlowList": _page(dialect),
        "Pagination": _object(pagination, list(pagination), description="Where a page lies."),
        **extra,
        **enums,
        **(themed if "background_themed_urls" in dialect.flow.response_keys else {}),
        "FlowDiagram": _object(
            {"diagram": _made("A flowchart in Mermaid's language.", type="string")},
            ["diagram"],
            description="A flow as a picture is drawn of it.",
        ),
        "GenericError": _object(
            {
                "detail": _told("Why there is no answer.", type="string"),
                "code": _told("Never there; authentik's clients know of it.", type="string"),
            },
            ["detail"],
            description="Why a request is refused.",
        ),
        "ValidationError": _object(
            {
                "non_field_errors": {"type": "array", "items": {"type": "string"}},
                "code": {"type": "string"},
            },
            description="What is wrong with each parameter, by its name: a list of sentences.",
            additionalProperties={},
        ),
    }


def _response(description: str, schema: Node) -> Node:
    return {"content": {negotiation.JSON: {"schema": schema}}, "description": description}


BARE = _told(
    "What is wrong with `search`, with no name around it.", type="array", items={"type": "string"}
)
RESPONSES: Node = {
    "ValidationErrorResponse": _response(
        "A filter has a value that it cannot have, or `search` has a NUL.",
        {"oneOf": [_component("ValidationError"), BARE]},
    ),
    "GenericErrorResponse": _response(
        "There is no token, or it is none that is known, or its bearer may see no flow.",
        _component("GenericError"),
    ),
    "NotFoundResponse": _response(
        "There is no such page, no such flow that the bearer may see, or no such `format`.",
        _component("GenericError"),
    ),
    "NotAcceptableResponse": _response(
        "The Accept header admits no media type that the answer has.", _component("GenericError")
    ),
}
REFUSALS: Mapping[int, str] = {
    400: "ValidationErrorResponse",
    403: "GenericErrorResponse",
    404: "NotFoundResponse",
    406: "NotAcceptableResponse",
}


def _query(name: str, description: str, schema: Node) -> Node:
    return {"in": "query", "name": name, "schema": schema, "description": description}


TEXT: Node = {"type": "string"}
# A NUL is the one character that is refused.
SOUGHT: Node = {"type": "string", "pattern": r"^[^\x00]*$"}
NUMBER: Node = {"type": "integer"}
EXACT = "Only the flow whose {} is just this, but for spaces around it."


def _parameters(dialect: Dialect) -> Node:
    """The parameters that authentik's other lists have too."""
    orderings = ", ".join(name for name in ORDERINGS if name in dialect.orderings)
    return {
        "QueryName": _query(
            "name", "Only flows whose name is just this, but for spaces around it.", SOUGHT
        ),
        "QueryPaginationOrdering": _query(
            "ordering",
            "What the flows are sorted by: names with commas between them, each with a dash in"
            f" front to descend. Known are {orderings}; others are passed over. slug breaks ties.",
            TEXT,
        ),
        "QueryPaginationPage": _query(
            "page",
            "Which page, from 1; `last` is the last one. One that is not there is 404.",
            NUMBER,
        ),
        "QueryPaginationPageSize": _query(
            "page_size",
            f"How many flows a page has: {DEFAULT_PAGE_SIZE} if nothing, or no number above 0, is"
            f" given, and never more than {MAX_PAGE_SIZE}.",
            NUMBER,
        ),
        "QuerySearch": _query(
            "search",
            "Terms that must each be in name, slug, designation, title or denied action, whatever"
            " their case; quotes keep words together.",
            SOUGHT,
        ),
    }


LISTED: Sequence[Node] = (
    _query(
        "denied_action",
        "Only flows that do this when a policy denies access.",
        {"allOf": [_component("DeniedActionEnum")]},
    ),
    _query(
        "designation",
        "Only flows that are for this.",
        {"allOf": [_component("FlowDesignationEnum")]},
    ),
    _query("flow_uuid", EXACT.format("key"), {"type": "string", "format": "uuid"}),
    _component("QueryName", "parameters"),
    _component("QueryPaginationOrdering", "parameters"),
    _component("QueryPaginationPage", "parameters"),
    _component("QueryPaginationPageSize", "parameters"),
    _component("QuerySearch", "parameters"),
    _query("slug", EXACT.format("slug"), SOUGHT),
)
ADDRESSED: Sequence[Node] = (
    {
        "in": "path",
        "name": "slug",
        "schema": _told("What the flow is called in addresses.", type="string"),
        "required": True,
    },
)
FILTERED = "The list's filters, and its `search`, hold here too: a flow that they leave out is 404."


@dataclass(frozen=True, slots=True)
class Operation:
    """What GET does at an address; `content` is what it answers, by media type."""

    path: str
    name: str
    description: str
    content: Node
    parameters: Sequence[Node] = ADDRESSED
    refusals: Sequence[int] = (400, 403, 404, 406)

    @property
    def described(self) -> Node:
        """The operation as OpenAPI has it."""
        refused = {
            str(status): _component(REFUSALS[status], "responses") for status in self.refusals
        }
        return {
            "operationId": f"flows_instances_{self.name}",
            "description": self.description,
            "parameters": self.parameters,
            "tags": ["flows"],
            "security": [{"authentik": []}],
            "responses": {
                "200": {"content": self.content, "description": "The answer."},
                **refused,
            },
        }


OPERATIONS: Mapping[str, Operation] = {
    "LIST": Operation(
        "/",
        "list",
        "A page of the flows that the bearer of the token may see. All filters hold together; an"
        " empty one is none, and of one that is repeated the last counts.",
        {negotiation.JSON: {"schema": _component("PaginatedFlowList")}},
        LISTED,
    ),
    "INSTANCE": Operation(
        "/{slug}/",
        "retrieve",
        f"One flow. {FILTERED}",
        {negotiation.JSON: {"schema": _component("Flow")}},
    ),
    "EXPORT": Operation(
        "/{slug}/export/",
        "export_retrieve",
        f"One flow as a blueprint, whatever the Accept header says. {FILTERED}",
        {"application/yaml": {"schema": {"type": "string", "format": "binary"}}},
        refusals=(400, 403, 404),
    ),
    "DIAGRAM": Operation(
        "/{slug}/diagram/",
        "diagram_retrieve",
        f"One flow as a picture: what to draw, or drawn, as the Accept header says. {FILTERED}",
        {
            negotiation.JSON: {"schema": _component("FlowDiagram")},
            negotiation.SVG: {"schema": TEXT},
        },
    ),
}


def document(dialect: Dialect, root_path: str) -> Mapping[str, Any]:
    """The document of all that a dialect answers, where FlowQL itself is below a root path."""
    base = f"{root_path}{dialect.prefix.removesuffix(RESOURCE)}"
    operations = [OPERATIONS[view.name] for view in View]
    return {
        "openapi": "3.0.3",
        "info": {
            "title": "FlowQL",
            "version": version("flowql"),
            "description": "authentik's flows, to be read.",
            "license": {"name": "MIT"},
        },
        "servers": [{"url": base or "/"}],
        "tags": [{"name": "flows", "description": "Rows of stages that a person walks through."}],
        "paths": {RESOURCE + one.path: {"get": one.described} for one in operations},
        "components": {
            "schemas": _schemas(dialect),
            "parameters": _parameters(dialect),
            "responses": RESPONSES,
            "securitySchemes": {
                "authentik": _told(
                    "A token of authentik's, with the intent API.", type="http", scheme="bearer"
                )
            },
        },
    }


def _formats(described: Node) -> Mapping[str, bytes]:
    """The document in each format."""
    json = orjson.dumps(described, option=orjson.OPT_INDENT_2)
    # Of JSON, where nothing is there twice by reference: YAML would have anchors for that.
    text = yaml.safe_dump(orjson.loads(json), sort_keys=False, allow_unicode=True)
    return {"json": json, "yaml": text.encode()}


@dataclass(frozen=True, slots=True)
class OpenApiEndpoint:
    """The ASGI application of one document, which is public; its bytes are made but once."""

    formats: Mapping[str, bytes]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            response = self._answer(Request(scope, receive))
        except RestError as refusal:
            response = _json(refusal.body, refusal.status)
        await response(scope, receive, send)

    def _answer(self, request: Request) -> Response:
        """The answer, or the error of the first check that fails, in the order of REST's."""
        media_type = _media_type(request)
        if request.method == "OPTIONS":
            return _json(_metadata())
        if request.method not in ("GET", "HEAD"):
            raise RestError(405, {"detail": f'Method "{request.method}" not allowed.'})
        return Response(self.formats[MEDIA_TYPES[media_type]], 200, HEADERS, media_type)


def _media_type(request: Request) -> str:
    wanted = Parameters.parse(request.scope["query_string"]).get("format")
    candidates = [name for name, known in MEDIA_TYPES.items() if wanted in ("", known)]
    if not candidates:
        raise RestError(404, {"detail": "Not found."})
    best = negotiation.best_match(request.headers, candidates)
    if best is None:
        raise RestError(406, {"detail": "Could not satisfy the request Accept header."})
    return best


def _metadata() -> Node:
    return {
        "name": "Schema",
        "description": "OpenAPI of the flow endpoints",
        "renders": list(MEDIA_TYPES),
        "parses": [negotiation.JSON],
    }


def _json(body: object, status: int = 200) -> Response:
    return Response(orjson.dumps(body), status, HEADERS, negotiation.JSON)


def build_routes(root_path: str) -> Iterator[Route]:
    """Where the documents are: beside what they tell of."""
    for dialect in DIALECTS:
        formats = _formats(document(dialect, root_path))
        path = f"{dialect.prefix.removesuffix(RESOURCE)}/schema/"
        yield Route(path, OpenApiEndpoint(formats), middleware=[Middleware(GZipMiddleware)])
