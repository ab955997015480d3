"""The keys of GraphQL requests, under which their responses are kept."""

import hashlib
from typing import NamedTuple

import orjson

from gql.execution.request import GraphQLRequest
from models.cache import SegmentedLRU

# In bytes of requests.
CAPACITY = 4_000_000


class RequestContent(NamedTuple):
    """A request as it arrives: its body or query string, and the media type of its response."""

    content: bytes
    is_get: bool
    media_type: str


class RequestKeys:
    """The keys of recent requests by their content, which then need not be parsed."""

    def __init__(self) -> None:
        self._keys = SegmentedLRU[RequestContent, bytes](CAPACITY)

    def find(self, content: RequestContent) -> bytes | None:
        """Return the key of a request with the same content, None if it is not known."""
        return self._keys.get(content)

    def add(self, content: RequestContent, request: GraphQLRequest) -> bytes:
        """Return the key of a request that can be executed, and remember it.

        Requests for the same document, operation, variables and media type have the same key.
        """
        key = _digest(request, content.media_type)
        # The meaning of a hash changes when a client persists its document.
        if request.sha256 is None:
            self._keys.put(content, key, len(content.content))
        return key


def _digest(request: GraphQLRequest, media_type: str) -> bytes:
    parts = (request.query, request.operation_name, request.variables, media_type)
    return hashlib.sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)).digest()
