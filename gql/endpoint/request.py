"""What a GraphQL request over HTTP holds, and whether it holds it as it should."""

import json
from collections.abc import Mapping
from typing import Any, NoReturn, cast
from urllib.parse import parse_qsl

import orjson
from starlette.requests import Request

from gql.errors import BadUserInputError, FlowQLError, LimitExceededError
from gql.execution.request import GraphQLRequest
from gql.http import negotiation

PERSISTED_VERSION = 1


class HttpRequestError(Exception):
    """A request that holds no operation; `status` is HTTP's, `error` says why."""

    def __init__(
        self, status: int, error: FlowQLError | str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(str(error))
        self.status = status
        self.error = BadUserInputError(error) if isinstance(error, str) else error
        self.headers = headers


async def read_request(request: Request, max_body: int) -> GraphQLRequest:
    """What a GET or a POST holds; raises RefusedRequestError."""
    if request.method == "GET":
        return _build_request(_read_parameters(request.scope["query_string"]))
    _check_headers(request)
    body = await _read_body(request, max_body)
    if not body:
        _reject("There is no body.")
    value = _parse_json(body, "The body is")
    if isinstance(value, list):
        _reject("The body is a list: batching is off, each operation is a request.")
    return _build_request(_require_object(value, "The body is"))


# Where it stands ----------------------------------------------------------------------------------


def _read_parameters(query_string: bytes) -> Mapping[str, Any]:
    try:
        pairs = parse_qsl(query_string.decode(), keep_blank_values=True, errors="strict")
    except UnicodeError:
        _reject("The parameters are not UTF-8.")
    given: dict[str, Any] = dict(pairs)
    if len(given) != len(pairs):
        _reject("A parameter is given twice.")
    for name in ("variables", "extensions"):
        given[name] = _parse_json(given.get(name) or "null", f"The {name} are")
    return given


def _check_headers(request: Request) -> None:
    """Refuse a body that is told to be anything but JSON in UTF-8, as it is."""
    content_type = request.headers.get("content-type", "")
    if content_type.partition(";")[0].strip().lower() != negotiation.JSON:
        raise HttpRequestError(415, f"The body of a POST is {negotiation.JSON}.")
    for name, value in negotiation.parse_parameters(content_type):
        if name == "charset" and value not in negotiation.UTF8_NAMES:
            raise HttpRequestError(415, "The body of a POST is UTF-8.")
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        refused = "The body of a POST is not encoded."
        raise HttpRequestError(415, refused, {"Accept-Encoding": "identity"})


async def _read_body(request: Request, max_size: int) -> bytes:
    chunks: list[bytes] = []
    left = max_size
    async for chunk in request.stream():
        left -= len(chunk)
        if left < 0:
            refused = f"The body is too large: the limit is {max_size} bytes."
            raise HttpRequestError(413, LimitExceededError(refused))
        chunks.append(chunk)
    return b"".join(chunks)


# What it is ---------------------------------------------------------------------------------------


def _parse_json(text: str | bytes, what: str) -> Any:
    """A JSON value that everybody reads in the same way."""
    try:
        # orjson would take the last of equal keys, and say nothing.
        STRICT_DECODER.decode(text if isinstance(text, str) else text.decode())
        return orjson.loads(text)
    except ValueError:
        _reject(f"{what} not JSON.")
    except RecursionError:
        _reject(f"{what} nested too deeply.")


def _reject_duplicate_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        _reject("A key of a JSON object is there twice.")
    return found


STRICT_DECODER = json.JSONDecoder(object_pairs_hook=_reject_duplicate_keys)


def _require_object(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        _reject(f"{what} not a JSON object.")
    return cast(dict[str, Any], value)


def _build_request(given: Mapping[str, Any]) -> GraphQLRequest:
    request = GraphQLRequest(
        query=_optional_string(given, "query") or "",
        variables=_optional_object(given, "variables"),
        operation_name=_optional_string(given, "operationName") or None,
        document_id=_optional_string(given, "documentId"),
        sha256=_persisted_hash(_optional_object(given, "extensions")),
    )
    if request.document_id is not None and (request.query or request.sha256 is not None):
        _reject("There is a documentId, and beside it another document.")
    if not request.query and request.document_id is None and request.sha256 is None:
        _reject("There is no query, which is a text.")
    return request


def _persisted_hash(extensions: Mapping[str, Any]) -> str | None:
    """The hash by which Apollo's clients name a document."""
    if extensions.get("persistedQuery") is None:
        return None
    persisted = _require_object(extensions["persistedQuery"], "The persistedQuery is")
    version, sha256 = persisted.get("version"), persisted.get("sha256Hash")
    # Python takes true for 1.
    if version is True or version != PERSISTED_VERSION:
        _reject(f"The version of a persistedQuery is {PERSISTED_VERSION}.")
    if not isinstance(sha256, str):
        _reject("The sha256Hash of a persistedQuery is not a text.")
    return sha256


def _optional_string(given: Mapping[str, Any], name: str) -> str | None:
    value = given.get(name)
    if not isinstance(value, str | None):
        _reject(f"The {name} is not a text.")
    return value


def _optional_object(given: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = given.get(name)
    return {} if value is None else _require_object(value, f"The {name} are")


def _reject(message: str) -> NoReturn:
    raise HttpRequestError(400, message)
