"""What a GraphQL request over HTTP holds, and whether it holds it as it should."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NoReturn, cast
from urllib.parse import parse_qsl

import graphql
import orjson
from graphql import GraphQLError, OperationDefinitionNode, OperationType
from starlette.requests import Request

from gql.errors import BadUserInputError, FlowQLError, LimitExceededError
from gql.http import negotiation

KINDS_OF_WRITING = ("mutation", "subscription")
PERSISTED_VERSION = 1


class RefusedRequestError(Exception):
    """A request that holds no operation; `status` is HTTP's, `error` says why."""

    def __init__(
        self, status: int, error: FlowQLError | str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(str(error))
        self.status = status
        self.error = BadUserInputError(error) if isinstance(error, str) else error
        self.headers = headers


@dataclass(frozen=True, slots=True)
class GraphQLRequest:
    """What a client sent, each thing of its type; a document by its text or by an id, or both.

    `document_id` names a trusted document, `sha256` one that is persisted.
    """

    query: str | None
    variables: dict[str, Any]
    operation_name: str | None
    document_id: str | None
    sha256: str | None


async def read(request: Request, max_body: int) -> GraphQLRequest:
    """What a GET or a POST holds; raises RefusedRequestError."""
    if request.method == "GET":
        return _checked(_in_parameters(request.scope["query_string"]))
    _check_headers(request)
    body = await _body(request, max_body)
    if not body:
        _refuse("There is no body.")
    value = _parsed(body, "The body is")
    if isinstance(value, list):
        _refuse("The body is a list: batching is off, each operation is a request.")
    return _checked(_object(value, "The body is"))


def check_reads(text: str, operation_name: str | None, max_tokens: int) -> None:
    """Raise RefusedRequestError where the chosen operation of a document is no query.

    What is wrong with the document in another way is left to who executes it.
    """
    # A keyword is nowhere but in the text, so that most documents need not be parsed for this.
    if not any(kind in text for kind in KINDS_OF_WRITING):
        return
    with suppress(GraphQLError):
        definitions = graphql.parse(
            text, max_lexical_tokens=max_tokens, max_comments=max_tokens
        ).definitions
        operations = [one for one in definitions if isinstance(one, OperationDefinitionNode)]
        chosen = [one for one in operations if operation_name in (None, _name(one))]
        if len(chosen) == 1 and chosen[0].operation is not OperationType.QUERY:
            refused = f"A {chosen[0].operation.value} is not executed by GET."
            raise RefusedRequestError(405, refused, {"Allow": "POST"})


def _name(operation: OperationDefinitionNode) -> str | None:
    return operation.name.value if operation.name else None


# Where it stands ----------------------------------------------------------------------------------


def _in_parameters(query_string: bytes) -> Mapping[str, Any]:
    try:
        pairs = parse_qsl(query_string.decode(), keep_blank_values=True, errors="strict")
    except UnicodeError:
        _refuse("The parameters are not UTF-8.")
    given: dict[str, Any] = dict(pairs)
    if len(given) != len(pairs):
        _refuse("A parameter is given twice.")
    for name in ("variables", "extensions"):
        given[name] = _parsed(given.get(name) or "null", f"The {name} are")
    return given


def _check_headers(request: Request) -> None:
    """Refuse a body that is told to be anything but JSON in UTF-8, as it is."""
    content_type = request.headers.get("content-type", "")
    if content_type.partition(";")[0].strip().lower() != negotiation.JSON:
        raise RefusedRequestError(415, f"The body of a POST is {negotiation.JSON}.")
    for name, value in negotiation.parameters(content_type):
        if name == "charset" and value not in negotiation.UTF8:
            raise RefusedRequestError(415, "The body of a POST is UTF-8.")
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        refused = "The body of a POST is not encoded."
        raise RefusedRequestError(415, refused, {"Accept-Encoding": "identity"})


async def _body(request: Request, max_size: int) -> bytes:
    chunks: list[bytes] = []
    left = max_size
    async for chunk in request.stream():
        left -= len(chunk)
        if left < 0:
            refused = f"The body is too large: the limit is {max_size} bytes."
            raise RefusedRequestError(413, LimitExceededError(refused))
        chunks.append(chunk)
    return b"".join(chunks)


# What it is ---------------------------------------------------------------------------------------


def _parsed(text: str | bytes, what: str) -> Any:
    """A JSON value that everybody reads in the same way."""
    try:
        # orjson would take the last of equal keys, and say nothing.
        KEYS_ONCE.decode(text if isinstance(text, str) else text.decode())
        return orjson.loads(text)
    except ValueError:
        _refuse(f"{what} not JSON.")
    except RecursionError:
        _refuse(f"{what} nested too deeply.")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        _refuse("A key of a JSON object is there twice.")
    return found


KEYS_ONCE = json.JSONDecoder(object_pairs_hook=_once)


def _object(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        _refuse(f"{what} not a JSON object.")
    return cast(dict[str, Any], value)


def _checked(given: Mapping[str, Any]) -> GraphQLRequest:
    request = GraphQLRequest(
        query=_text(given, "query"),
        variables=_optional_object(given, "variables"),
        operation_name=_text(given, "operationName") or None,
        document_id=_text(given, "documentId"),
        sha256=_persisted(_optional_object(given, "extensions")),
    )
    if request.document_id is not None and (request.query or request.sha256 is not None):
        _refuse("There is a documentId, and beside it another document.")
    if not request.query and request.document_id is None and request.sha256 is None:
        _refuse("There is no query, which is a text.")
    return request


def _persisted(extensions: Mapping[str, Any]) -> str | None:
    """The hash by which Apollo's clients name a document."""
    if extensions.get("persistedQuery") is None:
        return None
    persisted = _object(extensions["persistedQuery"], "The persistedQuery is")
    version, sha256 = persisted.get("version"), persisted.get("sha256Hash")
    # Python takes true for 1.
    if version is True or version != PERSISTED_VERSION:
        _refuse(f"The version of a persistedQuery is {PERSISTED_VERSION}.")
    if not isinstance(sha256, str):
        _refuse("The sha256Hash of a persistedQuery is not a text.")
    return sha256


def _text(given: Mapping[str, Any], name: str) -> str | None:
    value = given.get(name)
    if not isinstance(value, str | None):
        _refuse(f"The {name} is not a text.")
    return value


def _optional_object(given: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = given.get(name)
    return {} if value is None else _object(value, f"The {name} are")


def _refuse(message: str) -> NoReturn:
    raise RefusedRequestError(400, message)
