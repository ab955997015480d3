"""Representations of resources (RFC 9110): what a response with the status 200 returns."""

import hashlib
from collections.abc import Iterator, Mapping

from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

RawHeaders = list[tuple[bytes, bytes]]
# A client may keep a representation, but has to ask each time whether it is still the present one.
# Another token or media type has another one at the same URL.
PRIVATE = {"Cache-Control": "private, no-cache", "Vary": "Authorization, Accept"}
NO_STORE = {"Cache-Control": "no-store"}
CONTENT_HEADERS = (b"content-type", b"content-length", b"content-disposition")
ETAG_BYTES = 16


class Representation:
    """The body of a response with the status 200, and its headers, which include Content-Type.

    The entity tag is a hash of the body and the media type.
    """

    __slots__ = ("_etag", "body", "headers", "media_type")

    def __init__(self, body: bytes, media_type: str, headers: Mapping[str, str]) -> None:
        self.body = body
        self.media_type = media_type
        self.headers = _encode_headers(
            {**headers, "Content-Type": media_type, "Content-Length": str(len(body))}
        )
        self._etag: str | None = None

    @property
    def etag(self) -> str:
        """The strong entity tag."""
        if self._etag is None:
            digest = hashlib.blake2b(self.body, digest_size=ETAG_BYTES)
            digest.update(self.media_type.encode())
            self._etag = f'"{digest.hexdigest()}"'
        return self._etag


class RawResponse:
    """An ASGI response with encoded headers."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, headers: RawHeaders, body: bytes = b"") -> None:
        self.status = status
        self.headers = headers
        self.body = body

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        await send({"type": "http.response.body", "body": self.body})


def respond(representation: Representation) -> RawResponse:
    """Return a response that clients must not keep."""
    return RawResponse(200, [*representation.headers, *NO_STORE_HEADERS], representation.body)


def respond_to_get(representation: Representation, headers: Headers) -> RawResponse:
    """Return the response to GET or HEAD: 304 if the client has the representation already."""
    etag = representation.etag
    validators = [(b"etag", etag.encode()), *PRIVATE_HEADERS]
    if _has_match(headers.getlist("if-none-match"), etag):
        others = (header for header in representation.headers if header[0] not in CONTENT_HEADERS)
        return RawResponse(304, [*others, *validators])
    return RawResponse(200, [*representation.headers, *validators], representation.body)


def _has_match(conditions: list[str], etag: str) -> bool:
    """Return whether an If-None-Match header names the entity tag, by weak comparison."""
    if any(condition.strip() == "*" for condition in conditions):
        return True
    return any(etag in _split_tags(condition) for condition in conditions)


def _split_tags(condition: str) -> Iterator[str]:
    # FlowQL's tags contain neither commas nor spaces.
    return (tag.strip().removeprefix("W/") for tag in condition.split(","))


def _encode_headers(headers: Mapping[str, str]) -> RawHeaders:
    return [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]


PRIVATE_HEADERS = _encode_headers(PRIVATE)
NO_STORE_HEADERS = _encode_headers(NO_STORE)
