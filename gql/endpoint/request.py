"""GraphQL requests over HTTP: read from a body or a query string, and validated."""

import json
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NoReturn, cast
from urllib.parse import parse_qsl

import orjson
from starlette.requests import Request

from gql.errors import BadUserInputError, FlowQLError, LimitExceededError
from gql.execution.request import GraphQLRequest
from gql.http.negotiation import JSON, UTF8_NAMES, parse_parameters

PERSISTED_VERSION = 1
# In Content-Type headers.
CACHE_CAPACITY = 128


class HttpRequestError(Exception):
    """A request that is not a valid GraphQL request over HTTP; `status` is the HTTP status."""

    def __init__(
        self, status: int, error: FlowQLError | str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(str(error))
        self.status = status
        self.error = BadUserInputError(error) if isinstance(error, str) else error
        self.headers = headers


async def read_body(request: Request, max_body: int) -> bytes:
    """Return the body of a POST request, at most `max_body` bytes.

    Raises HttpRequestError if it is not declared as uncompressed JSON in UTF-8, or is too large.
    """
    _check_content_headers(request)
    return await _read_body(request, max_body)


def parse_query_string(query_string: bytes) -> GraphQLRequest:
    """Return the parameters of a GET request; raises HttpRequestError if they are invalid."""
    return _build_request(_parse_query_string(query_string))


def parse_body(body: bytes) -> GraphQLRequest:
    """Return the parameters of a POST request; raises HttpRequestError if they are invalid."""
    if not body:
        _reject("The request body is empty. Send a JSON object with a 'query' string.")
    parameters = _parse_json(body, "The request body")
    if isinstance(parameters, list):
        _reject("Batching is not supported. Send one operation per request, as a JSON object.")
    return _build_request(_require_object(parameters, "The request body"))


# Reading --------------------------------------------------------------------------------------------


def _parse_query_string(query_string: bytes) -> Mapping[str, Any]:
    try:
        pairs = parse_qsl(query_string.decode(), keep_blank_values=True, errors="strict")
    except UnicodeError:
        _reject("The query string is not valid UTF-8.")
    parameters = _collect_unique(pairs, "URL parameter")
    for name in ("variables", "extensions"):
        parameters[name] = _parse_json(parameters.get(name) or "null", f"'{name}'")
    return parameters


def _check_content_headers(request: Request) -> None:
    """Reject any body that is not declared as uncompressed JSON in UTF-8."""
    fault = _find_fault(request.headers.get("content-type", ""))
    if fault:
        raise HttpRequestError(415, fault)
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        message = "Unsupported content encoding. Send the body uncompressed."
        raise HttpRequestError(415, message, {"Accept-Encoding": "identity"})


@lru_cache(CACHE_CAPACITY)
def _find_fault(content_type: str) -> str | None:
    """Return what is wrong with a Content-Type header, None if it names JSON in UTF-8."""
    if content_type.partition(";")[0].strip().lower() != JSON:
        return f"Unsupported media type. Send the body as {JSON}."
    charsets = (value for name, value in parse_parameters(content_type) if name == "charset")
    if any(charset not in UTF8_NAMES for charset in charsets):
        return "Unsupported charset. Send the body in UTF-8."
    return None


async def _read_body(request: Request, max_size: int) -> bytes:
    chunks: list[bytes] = []
    remaining = max_size
    async for chunk in request.stream():
        remaining -= len(chunk)
        if remaining < 0:
            message = f"The request body exceeds the limit of {max_size} bytes."
            raise HttpRequestError(413, LimitExceededError(message))
        chunks.append(chunk)
    return b"".join(chunks)


def _parse_json(text: str | bytes, subject: str) -> Any:
    """Parse JSON that every parser reads alike; `subject` names it in messages."""
    try:
        # orjson would silently take the last of duplicate keys.
        STRICT_DECODER.decode(text if isinstance(text, str) else text.decode())
        return orjson.loads(text)
    except ValueError:
        _reject(f"{subject} is not valid JSON.")
    except RecursionError:
        _reject(f"{subject} is nested too deeply.")


def _reject_duplicate_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return _collect_unique(pairs, "key in a JSON object")


def _collect_unique(pairs: list[tuple[str, Any]], kind: str) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        counts = Counter(name for name, _ in pairs)
        duplicate = next(name for name, count in counts.items() if count > 1)
        _reject(f"Duplicate {kind}: {duplicate!r}.")
    return values


STRICT_DECODER = json.JSONDecoder(object_pairs_hook=_reject_duplicate_keys)


# Validation -----------------------------------------------------------------------------------------


def _build_request(parameters: Mapping[str, Any]) -> GraphQLRequest:
    request = GraphQLRequest(
        query=_optional_string(parameters, "query") or "",
        variables=_optional_object(parameters, "variables"),
        operation_name=_optional_string(parameters, "operationName") or None,
        document_id=_optional_string(parameters, "documentId"),
        sha256=_persisted_hash(_optional_object(parameters, "extensions")),
    )
    if request.document_id is not None and (request.query or request.sha256 is not None):
        other = "query" if request.query else "extensions.persistedQuery"
        _reject(f"Send either 'documentId' or '{other}', not both.")
    if not request.query and request.document_id is None and request.sha256 is None:
        _reject("Must provide a 'query' string.")
    return request


def _persisted_hash(extensions: Mapping[str, Any]) -> str | None:
    """Return the hash by which Apollo's clients name a document."""
    if extensions.get("persistedQuery") is None:
        return None
    persisted = _require_object(extensions["persistedQuery"], "'persistedQuery'")
    version, sha256 = persisted.get("version"), persisted.get("sha256Hash")
    # In Python, True == 1.
    if version is True or version != PERSISTED_VERSION:
        _reject(f"'persistedQuery.version' must be {PERSISTED_VERSION}.")
    if not isinstance(sha256, str):
        _reject("'persistedQuery.sha256Hash' must be a string.")
    return sha256


def _optional_string(parameters: Mapping[str, Any], name: str) -> str | None:
    value = parameters.get(name)
    if not isinstance(value, str | None):
        _reject(f"'{name}' must be a string.")
    return value


def _optional_object(parameters: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = parameters.get(name)
    return {} if value is None else _require_object(value, f"'{name}'")


def _require_object(value: Any, subject: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        _reject(f"{subject} must be a JSON object.")
    return cast(dict[str, Any], value)


def _reject(message: str) -> NoReturn:
    raise HttpRequestError(400, message)
