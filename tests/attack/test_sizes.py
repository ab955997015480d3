"""Requests without end are cut off; they take no memory, and other clients are served meanwhile."""

import pytest

from gql.protocol.framing import MAX_FIELDS, MAX_HEAD
from support.raw_connections import (
    exchange,
    flood,
    measure_growth,
    parse_response,
    run_other_client,
)
from support.server_process import RunningServer

FLOOD_SIZE = 119_000_000
MAX_GROWTH = 10_000_000
# Without limits, other clients waited for 3 to 6 seconds.
MAX_WAIT_SECONDS = 5

LIVE = b"GET /-/health/live/ HTTP/1.1\r\n"
HEAD = LIVE + b"Host: localhost\r\n"
CHUNKED = (
    b"POST /graphql HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
    b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
)
LONG_BODY = HEAD + b"Content-Length: 999999999999\r\n\r\n"

LONG_LINE = (414, f"The request line exceeds {MAX_HEAD} bytes.")
LONG_HEAD = (431, f"The request line and the headers exceed {MAX_HEAD} bytes.")
LONG_FRAMING = (400, f"The chunk extensions and trailers of the body exceed {MAX_HEAD} bytes.")


@pytest.mark.parametrize(
    ("head", "unit", "expected"),
    [
        pytest.param(b"GET /", b"a", LONG_LINE, id="path"),
        pytest.param(b"GET /?", b"a=b&", LONG_LINE, id="query string"),
        pytest.param(b"", b"\r\n", LONG_HEAD, id="line breaks"),
        pytest.param(HEAD, b"a: b\r\n", LONG_HEAD, id="header lines"),
        pytest.param(HEAD + b"a: ", b"b", LONG_HEAD, id="header value"),
        pytest.param(HEAD, b"a", LONG_HEAD, id="header name"),
        pytest.param(CHUNKED + b"0\r\n", b"a: b\r\n", LONG_FRAMING, id="trailers"),
        pytest.param(CHUNKED + b"1\r\na\r\n0\r\na: ", b"b", LONG_FRAMING, id="trailer value"),
        pytest.param(CHUNKED + b"1;", b"a", LONG_FRAMING, id="chunk extension"),
        pytest.param(CHUNKED, b"1;" + b"a" * 32 + b"\r\nb\r\n", LONG_FRAMING, id="extensions"),
        pytest.param(CHUNKED, b"0", LONG_FRAMING, id="chunk size"),
    ],
)
def test_endless_parts_are_cut_off(
    head: bytes, unit: bytes, expected: tuple[int, str], sample_server: RunningServer
) -> None:
    """The response is a JSON error that names the limit, and the last one of the connection."""
    with (
        measure_growth(sample_server.process.pid) as growth,
        run_other_client(sample_server.url) as other_client,
    ):
        head = head.replace(b"{token}", sample_server.token.encode())
        response = parse_response(flood(sample_server.url, head, unit, FLOOD_SIZE))
    assert (response.status, response.json["detail"]) == expected
    assert response.headers["content-type"] == "application/json"
    assert response.headers["connection"] == "close"
    assert len(response.body) == int(response.headers["content-length"])
    assert growth.size < MAX_GROWTH
    assert max(other_client.seconds) < MAX_WAIT_SECONDS


@pytest.mark.parametrize(
    ("head", "unit", "status"),
    [
        pytest.param(LONG_BODY, b"a", 200, id="body that the application does not read"),
        pytest.param(CHUNKED, b"1\r\na\r\n", 413, id="chunks of one byte"),
        pytest.param(CHUNKED + b"fffffff\r\n", b"\r\n\r\n", 413, id="empty lines in a chunk"),
        pytest.param(CHUNKED.replace(b"{token}", b"x"), b"1\r\na\r\n", 401, id="invalid token"),
    ],
)
def test_endless_bodies_end_with_the_response(
    head: bytes, unit: bytes, status: int, sample_server: RunningServer
) -> None:
    """The rest of a body is discarded after the response, and the connection is closed."""
    with (
        measure_growth(sample_server.process.pid) as growth,
        run_other_client(sample_server.url) as other_client,
    ):
        head = head.replace(b"{token}", sample_server.token.encode())
        response = parse_response(flood(sample_server.url, head, unit, FLOOD_SIZE))
    assert response.status == status
    assert len(response.body) == int(response.headers["content-length"])
    assert growth.size < MAX_GROWTH
    assert max(other_client.seconds) < MAX_WAIT_SECONDS


def test_pipelined_requests_wait_unparsed(sample_server: RunningServer) -> None:
    """Thousands of requests at once get a response each, take no memory, and block nobody."""
    request = HEAD + b"\r\n"
    count = 4_000
    with (
        measure_growth(sample_server.process.pid) as growth,
        run_other_client(sample_server.url) as other_client,
    ):
        last = HEAD + b"Connection: close\r\n\r\n"
        received = exchange(sample_server.url, request * count + last)
    assert received.count(b"HTTP/1.1 200 OK\r\n") == count + 1
    assert growth.size < MAX_GROWTH
    assert max(other_client.seconds) < MAX_WAIT_SECONDS


def test_head_of_the_maximum_size_is_served(sample_server: RunningServer) -> None:
    """A head of 64 KiB is complete with its last byte; one byte more is too long."""
    start, end = HEAD + b"Connection: close\r\na: ", b"\r\n\r\n"
    padding = b"b" * (MAX_HEAD - len(start + end))
    for excess, status in ((0, 200), (1, 431)):
        received = exchange(sample_server.url, start + padding + b"b" * excess + end)
        assert parse_response(received).status == status


def test_line_of_the_maximum_size_is_served(sample_server: RunningServer) -> None:
    """A long query string has the same limit, but another status."""
    start, end = b"GET /-/health/live/?", b" HTTP/1.0\r\n\r\n"
    padding = b"b" * (MAX_HEAD - len(start + end))
    for excess, status in ((0, 200), (1, 414)):
        received = exchange(sample_server.url, start + padding + b"b" * excess + end)
        assert parse_response(received).status == status


def test_number_of_header_fields_is_limited(sample_server: RunningServer) -> None:
    """Small fields take many times their size in memory."""
    start = HEAD + b"Connection: close\r\n"
    for count, status in ((MAX_FIELDS - 2, 200), (MAX_FIELDS - 1, 431)):
        response = parse_response(
            exchange(sample_server.url, start + b"a: b\r\n" * count + b"\r\n")
        )
        assert response.status == status
    assert response.json == {"detail": f"The request has more than {MAX_FIELDS} header fields."}


def test_trailers_are_not_headers(sample_server: RunningServer) -> None:
    """A token in a trailer does not authenticate, and trailers within the limit are accepted."""
    body = b'{"query": "{ flows { results { slug } } }"}'
    head = CHUNKED.replace(b"Authorization: Bearer {token}\r\n", b"Connection: close\r\n")
    trailer = b"Authorization: Bearer " + sample_server.token.encode() + b"\r\n"
    data = head + b"%x;extension\r\n%b\r\n0\r\n%b\r\n" % (len(body), body, trailer)
    assert parse_response(exchange(sample_server.url, data)).status == 401
