"""Nothing that comes in over TCP makes the server fail, or keeps it from the next request."""

from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support import raw_requests as raw
from support.raw_requests import Sent, packets
from support.wire import Wire, wired

BOTH = pytest.mark.parametrize("server", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest, fuzzed: dict[str, int]) -> Iterator[Wire]:
    """A process that serves odd data; what it writes tells of no error of its own."""
    kind: str = getattr(request, "param", "sqlite")
    with wired(request.getfixturevalue(f"{kind}_url")) as wire:
        yield wire
    fuzzed["in raw bytes"] += wire.sent
    complaints = "".join(wire.complaints)
    assert "Traceback" not in complaints, complaints[complaints.index("Traceback") :]


def check(
    server: Wire, packets: Sequence[bytes], requests: int = 1, *, whole: bool = False
) -> list[int]:
    """Send what may be wrong, and then what is right; gives the statuses of the first answers."""
    statuses = server.say(packets, requests, whole=whole)
    assert server.say([Sent().wire], requests=0, whole=True) == [200]
    return statuses


@BOTH
@given(sent=raw.WITH_TOKEN, shares=raw.SHARES)
def test_any_body_is_answered(server: Wire, sent: Sent, shares: Sequence[float]) -> None:
    """Whatever is posted, in one packet or in several, brings one answer."""
    assert len(check(server, packets(sent.wire, shares), whole=True)) == 1


@given(sent=raw.WITH_ODD_TOKEN)
def test_any_token_is_answered(server: Wire, sent: Sent) -> None:
    """Whoever asks, and for whatever, is not told of an error of the server's own."""
    check(server, [sent.wire])


@given(sent=raw.WITH_ODD_HEAD, shares=raw.SHARES)
def test_any_head_is_answered(server: Wire, sent: Sent, shares: Sequence[float]) -> None:
    """So for every method, target and header, long ones and NULs too, GraphQL or REST."""
    check(server, packets(sent.wire, shares))


@given(sent=raw.WITH_ODD_LENGTH | raw.IN_CHUNKS, shares=raw.SHARES)
def test_any_length_is_answered(server: Wire, sent: Sent, shares: Sequence[float]) -> None:
    """A body may be longer or shorter than it is said to be, its chunks may be broken."""
    check(server, packets(sent.wire, shares))


@given(wire=raw.DAMAGED, shares=raw.SHARES)
def test_damaged_requests_are_answered(server: Wire, wire: bytes, shares: Sequence[float]) -> None:
    """A request may have lost, or got, bytes anywhere."""
    check(server, packets(wire, shares))


@given(bodies=st.lists(raw.BODIES, min_size=2, max_size=6), shares=raw.SHARES)
def test_requests_in_a_row_are_all_answered(
    server: Wire, bodies: Sequence[bytes], shares: Sequence[float]
) -> None:
    """Requests that do not wait for the answer before are each answered, wherever they are split."""
    sent = packets(raw.pipelined(bodies), shares)

    assert len(check(server, sent, len(bodies), whole=True)) == len(bodies)


@given(noise=st.binary(max_size=2_000))
def test_noise_is_survived(server: Wire, noise: bytes) -> None:
    """What is no HTTP at all does not bother the next one."""
    check(server, [noise])
