"""Tests that no bytes sent over TCP cause a server error or block the next request."""

from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support import raw_requests as raw
from support.raw_requests import RawRequest, split_packets
from support.raw_server import RawServer, run_raw_server

BOTH = pytest.mark.parametrize("server", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest, request_counts: dict[str, int]) -> Iterator[RawServer]:
    """A server process on edge-case data. Its standard error must have no traceback."""
    kind: str = getattr(request, "param", "sqlite")
    with run_raw_server(request.getfixturevalue(f"{kind}_url")) as raw_server:
        yield raw_server
    request_counts["in raw bytes"] += raw_server.sent
    log = "".join(raw_server.log_lines)
    assert "Traceback" not in log, log[log.index("Traceback") :]


def check(
    server: RawServer, packets: Sequence[bytes], requests: int = 1, *, whole: bool = False
) -> list[int]:
    """Send packets and then a valid request. Return the statuses of the first responses."""
    statuses = server.send(packets, requests, whole=whole)
    assert server.send([RawRequest().data], requests=0, whole=True) == [200]
    return statuses


@BOTH
@given(raw_request=raw.VALID_TOKENS, split_points=raw.SPLIT_POINTS)
def test_any_body_gets_a_response(
    server: RawServer, raw_request: RawRequest, split_points: Sequence[float]
) -> None:
    """Any body, sent in one or several packets, gets one response."""
    assert len(check(server, split_packets(raw_request.data, split_points), whole=True)) == 1


@given(raw_request=raw.UNUSUAL_TOKENS)
def test_any_token_causes_no_server_error(server: RawServer, raw_request: RawRequest) -> None:
    """No combination of token and body causes a server error."""
    check(server, [raw_request.data])


@given(raw_request=raw.UNUSUAL_HEADS, split_points=raw.SPLIT_POINTS)
def test_any_head_causes_no_server_error(
    server: RawServer, raw_request: RawRequest, split_points: Sequence[float]
) -> None:
    """No method, target or header causes a server error, not even a long one or a NUL."""
    check(server, split_packets(raw_request.data, split_points))


@given(raw_request=raw.UNUSUAL_LENGTHS | raw.CHUNKED_REQUESTS, split_points=raw.SPLIT_POINTS)
def test_any_length_causes_no_server_error(
    server: RawServer, raw_request: RawRequest, split_points: Sequence[float]
) -> None:
    """An invalid Content-Length or invalid chunks cause no server error."""
    check(server, split_packets(raw_request.data, split_points))


@given(data=raw.DAMAGED_REQUESTS, split_points=raw.SPLIT_POINTS)
def test_damaged_requests_cause_no_server_error(
    server: RawServer, data: bytes, split_points: Sequence[float]
) -> None:
    """Bytes removed from or inserted into a request cause no server error."""
    check(server, split_packets(data, split_points))


@given(requests=st.lists(raw.VALID_REQUESTS, min_size=2, max_size=6), split_points=raw.SPLIT_POINTS)
def test_pipelined_requests_get_responses(
    server: RawServer, requests: Sequence[RawRequest], split_points: Sequence[float]
) -> None:
    """Each pipelined request, chunked or not, gets a response, wherever the packets are split."""
    pipeline = split_packets(raw.build_pipeline(requests), split_points)

    assert len(check(server, pipeline, len(requests), whole=True)) == len(requests)


@given(noise=st.binary(max_size=2_000))
def test_noise_does_not_affect_the_next_request(server: RawServer, noise: bytes) -> None:
    """Bytes that are not HTTP do not affect the next request."""
    check(server, [noise])
