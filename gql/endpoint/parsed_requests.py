"""Parsed GraphQL requests, with the keys under which their responses are kept."""

import hashlib
from typing import NamedTuple

import orjson

from gql.execution.request import GraphQLRequest
from models.cache import SegmentedLRU

# In bytes, about.
CAPACITY = 8_000_000
# The size in bytes of the objects of a request, and of values in its variables for each byte of JSON.
ENTRY_BYTES, BYTES_PER_BYTE = 1_000, 25


class RequestContent(NamedTuple):
    """A request as it arrives: its body or query string, and the media type of its response."""

    content: bytes
    is_get: bool
    media_type: str


class ParsedRequest(NamedTuple):
    """A request that can be executed, with the text of its document.

    Requests for the same document, operation, variables and media type have the same key.
    """

    request: GraphQLRequest
    key: bytes


class ParsedRequests:
    """A cache of parsed requests by their content: clients repeat many requests."""

    def __init__(self) -> None:
        self._cache = SegmentedLRU[RequestContent, ParsedRequest](CAPACITY)

    def find(self, content: RequestContent) -> ParsedRequest | None:
        """Return the request with this content, None if it is not cached."""
        return self._cache.get(content)

    def add(self, content: RequestContent, request: GraphQLRequest) -> ParsedRequest:
        """Return a request with its key, and cache it."""
        parsed = ParsedRequest(request, _digest(content, request))
        # The meaning of a hash changes when a client persists its document.
        if request.sha256 is None:
            self._cache.put(content, parsed, _weigh(content, request))
        return parsed


def _digest(content: RequestContent, request: GraphQLRequest) -> bytes:
    parts = (request.query, request.operation_name, request.variables, content.media_type)
    try:
        canonical = orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:
        # Undeclared variables may be nested more deeply than the encoder allows.
        canonical = repr(content).encode()
    return hashlib.sha256(canonical).digest()


def _weigh(content: RequestContent, request: GraphQLRequest) -> int:
    size = len(content.content)
    others = max(0, size - len(request.query))
    return ENTRY_BYTES + 2 * size + BYTES_PER_BYTE * others
