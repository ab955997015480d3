"""The bytes of requests on a connection: where a request ends, and which heads are rejected."""

from collections.abc import Sequence
from http import HTTPStatus

from httptools import HttpRequestParser

# The maximum size in bytes of a request line with its headers, and of chunk extensions or trailers.
MAX_HEAD = 1 << 16
MAX_FIELDS = 100
# The parser receives at most this many bytes of a head or of a chunked body at once.
SLICE = 1 << 14
# Heads and chunked bodies end with an empty line. The parser accepts no other line breaks there.
END = b"\r\n\r\n"
# A client may send chunks of one byte with five bytes around each.
OVERHEAD_PER_BODY_BYTE = 16
# The characters of names, addresses and ports.
HOST = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;=%:[]"

Headers = Sequence[tuple[bytes, bytes]]


class ProtocolError(Exception):
    """A request that the server rejects before the application receives it."""

    def __init__(self, status: HTTPStatus, detail: str) -> None:
        super().__init__(detail)
        self.status = status


class Framing:
    """The received bytes of a connection, cut into pieces that end where a request ends.

    `overhead` is the number of bytes taken from the head. In a chunked body, it is the number of
    bytes that are not content, of which content pays back a multiple.
    """

    def __init__(self) -> None:
        self.overhead = 0
        self._received = b""
        self._position = 0
        # The end of the previous piece, which may be the beginning of END.
        self._tail = b""
        # The number of bytes that the content lacks; None in a head and in a chunked body.
        self._missing: int | None = None

    @property
    def has_bytes(self) -> bool:
        """Whether bytes wait to be taken."""
        return self._position < len(self._received)

    def receive(self, data: bytes) -> None:
        """Add bytes."""
        self._received = self._received[self._position :] + data
        self._position = 0

    def clear(self) -> None:
        """Drop all bytes."""
        self._received, self._position = b"", 0

    def expect(self, length: int | None) -> None:
        """Begin to take a body of this length; None is a chunked body or a head."""
        self.overhead = 0
        self._missing = length

    def pay_back(self, size: int) -> None:
        """Subtract the overhead that content of this size may have, and the content itself."""
        self.overhead = max(0, self.overhead - (1 + OVERHEAD_PER_BODY_BYTE) * size)

    def take(self) -> bytes:
        """Return the next piece of the head or body; it is empty if no bytes are left."""
        start = self._position
        if start == len(self._received):
            return b""
        if self._missing is None:
            self._position += self._find_end()
            self.overhead += self._position - start
        else:
            self._position = min(start + self._missing, len(self._received))
            self._missing -= self._position - start
        return self._received[start : self._position]

    def _find_end(self) -> int:
        """Return the number of bytes up to the next empty line, which a previous piece may begin."""
        window = self._tail + self._received[self._position : self._position + SLICE]
        end = window.find(END)
        size = (len(window) if end < 0 else end + len(END)) - len(self._tail)
        self._tail = window[1 - len(END) :] if end < 0 else b""
        return size


def read_body_length(headers: Headers, parser: HttpRequestParser) -> int | None:
    """Return the length of the body, or None if it is chunked.

    Raises ProtocolError for a head that the parser accepts and the server does not.
    """
    if len(headers) > MAX_FIELDS:
        raise ProtocolError(
            HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
            f"The request has more than {MAX_FIELDS} header fields.",
        )
    values = dict(headers)
    if len(values) < len(headers):
        _check_duplicates(headers)
    _check_host(values.get(b"host"), parser)
    length = int(values.get(b"content-length", 0))
    if b"transfer-encoding" in values:
        if values[b"transfer-encoding"].lower() != b"chunked":
            raise _unsupported_encoding()
        length = None
    if length != 0 and parser.should_upgrade():
        # The parser takes what follows the head for another protocol.
        raise ProtocolError(
            HTTPStatus.NOT_IMPLEMENTED,
            "Unsupported Upgrade of a request with a body. Send the request without Upgrade.",
        )
    return length


def _check_host(host: bytes | None, parser: HttpRequestParser) -> None:
    if host is None and parser.get_http_version() != "1.0":
        raise ProtocolError(HTTPStatus.BAD_REQUEST, "The request has no Host header.")
    if host and host.translate(None, HOST):
        raise ProtocolError(HTTPStatus.BAD_REQUEST, "The Host header has an invalid character.")


def _check_duplicates(headers: Headers) -> None:
    names = [name for name, _ in headers]
    if names.count(b"host") > 1:
        raise ProtocolError(HTTPStatus.BAD_REQUEST, "The request has several Host headers.")
    if names.count(b"transfer-encoding") > 1:
        raise _unsupported_encoding()


def _unsupported_encoding() -> ProtocolError:
    return ProtocolError(
        HTTPStatus.NOT_IMPLEMENTED,
        "Unsupported Transfer-Encoding. Send 'chunked', or a Content-Length instead.",
    )
