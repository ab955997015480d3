"""Parsed GraphQL requests, with the keys under which their responses are kept."""

import hashlib
from typing import NamedTuple

import orjson

from gql.execution.request import GraphQLRequest
from models.cache import SegmentedLRU

# In bytes of requests; a parsed request takes as many again for its strings and its variables.
CAPACITY = 2_000_000


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
        parsed = ParsedRequest(request, _digest(request, content.media_type))
        # The meaning of a hash changes when a client persists its document.
        if request.sha256 is None:
            self._cache.put(content, parsed, len(content.content))
        return parsed


def _digest(request: GraphQLRequest, media_type: str) -> bytes:
    parts = (request.query, request.operation_name, request.variables, media_type)
    return hashlib.sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)).digest()
