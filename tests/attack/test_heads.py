"""Heads that are not valid HTTP, or ask for what the server lacks, get an error as JSON."""

import pytest

from support.raw_connections import exchange, parse_response
from support.server_process import RunningServer

LIVE = b"GET /-/health/live/ HTTP/1.1\r\n"
HOST = b"Host: localhost\r\n"
POST = b"POST /-/health/live/ HTTP/1.1\r\nHost: localhost\r\n"
CHUNKS = b"2\r\n{}\r\n0\r\n\r\n"
# A request that must not be served, since it follows an error.
NEXT = LIVE + HOST + b"Connection: close\r\n\r\n"

NO_HOST = "The request has no Host header."
SEVERAL_HOSTS = "The request has several Host headers."
INVALID_HOST = "The Host header has an invalid character."
ENCODING = "Unsupported Transfer-Encoding. Send 'chunked', or a Content-Length instead."
UPGRADE = "Unsupported Upgrade of a request with a body. Send the request without Upgrade."
TARGET = "The request target must be a path, or a URL with a path."


@pytest.mark.parametrize(
    ("data", "status", "detail"),
    [
        (LIVE + b"\r\n", 400, NO_HOST),
        (LIVE.replace(b"1.1", b"2.0") + b"\r\n", 400, NO_HOST),
        (b"GET /-/health/live/\r\n\r\n", 400, NO_HOST),
        (LIVE + HOST + HOST + b"\r\n", 400, SEVERAL_HOSTS),
        (LIVE.replace(b"1.1", b"1.0") + HOST + HOST + b"\r\n", 400, SEVERAL_HOSTS),
        (LIVE + b"Host: a b\r\n\r\n", 400, INVALID_HOST),
        (LIVE + b"Host: a/b\r\n\r\n", 400, INVALID_HOST),
        (LIVE + b"Host: \xff\r\n\r\n", 400, INVALID_HOST),
        (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + CHUNKS, 501, ENCODING),
        (POST + b"Transfer-Encoding: gzip\r\n\r\n" + CHUNKS, 501, ENCODING),
        (POST + b"Transfer-Encoding: identity\r\n\r\n{}", 501, ENCODING),
        (
            POST + b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS,
            501,
            ENCODING,
        ),
        (POST + b"Connection: upgrade\r\nUpgrade: x\r\nContent-Length: 2\r\n\r\n{}", 501, UPGRADE),
        (b"CONNECT localhost:80 HTTP/1.1\r\n" + HOST + b"\r\n", 400, TARGET),
        (b"GET http://localhost HTTP/1.1\r\n" + HOST + b"\r\n", 400, TARGET),
    ],
)
def test_rejected_head(data: bytes, status: int, detail: str, sample_server: RunningServer) -> None:
    """The error says what is wrong, and nothing that follows is served."""
    response = parse_response(exchange(sample_server.url, data + NEXT))
    assert (response.status, response.json) == (status, {"detail": detail})
    assert response.headers["content-type"] == "application/json"
    assert response.headers["connection"] == "close"


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"BREW / HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET /\xff HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET /a b HTTP/1.1\r\n" + HOST + b"\r\n",
        LIVE + HOST + b"Folded: a\r\n b\r\n\r\n",
        LIVE + HOST + b"Nul: \0\r\n\r\n",
        LIVE + HOST + b"no colon\r\n\r\n",
        POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        POST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS,
        POST + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n" + CHUNKS,
        POST + b"Content-Length: -1\r\n\r\n",
        POST + b"Content-Length: 99999999999999999999\r\n\r\n",
        POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n" + CHUNKS,
        POST + b"Transfer-Encoding: chunked\r\n\r\nx\r\n",
    ],
)
def test_head_that_is_not_http(data: bytes, sample_server: RunningServer) -> None:
    """The error contains the reason of the parser, and nothing that follows is served."""
    response = parse_response(exchange(sample_server.url, data + NEXT))
    assert response.status == 400
    assert list(response.json) == ["detail"]
    assert response.json["detail"].startswith("Invalid HTTP request: ")
    assert response.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    "data",
    [
        LIVE + HOST + b"Connection: close\r\n\r\n",
        LIVE + b"Host: [::1]:8000\r\nConnection: close\r\n\r\n",
        LIVE + b"Host:\r\nConnection: close\r\n\r\n",
        LIVE.replace(b"1.1", b"1.0") + b"\r\n",
        b"\r\n" + LIVE + HOST + b"Connection: close\r\n\r\n",
        LIVE.replace(b"/-", b"http://localhost/-") + HOST + b"Connection: close\r\n\r\n",
        POST.replace(b"POST", b"GET") + b"Connection: close\r\nTransfer-Encoding: Chunked\r\n\r\n"
        b"0\r\n\r\n",
        # The protocol stays HTTP/1.1, and the connection is closed.
        LIVE + HOST + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n",
        LIVE + HOST + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    ],
)
def test_accepted_head(data: bytes, sample_server: RunningServer) -> None:
    """Unusual heads that are valid are served, and nothing after the last request."""
    received = exchange(sample_server.url, data + NEXT)
    assert received.count(b"HTTP/1.1 ") == 1
    assert parse_response(received).body == b"live"


def test_error_waits_for_earlier_responses(sample_server: RunningServer) -> None:
    """An invalid pipelined request gets its error after the responses to those before it."""
    received = exchange(sample_server.url, (LIVE + HOST + b"\r\n") * 3 + LIVE + b"\r\n" + NEXT)
    assert [part[:3] for part in received.split(b"HTTP/1.1 ")[1:]] == [b"200"] * 3 + [b"400"]


def test_error_arrives_before_the_request_ends(sample_server: RunningServer) -> None:
    """The client can send its whole body and still receive the error."""
    head = POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n"
    received = exchange(sample_server.url, head, *[b"ffff\r\n" + b"a" * 0xFFFF + b"\r\n"] * 100)
    assert parse_response(received).status == 501
