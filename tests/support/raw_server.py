"""A server for raw TCP: send bytes in packets, and parse the statuses of the responses."""

import re
import socket
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from subprocess import Popen
from threading import Thread
from urllib.parse import urlsplit

from support.server_process import LIMIT_SECONDS, run_server

# Seconds without data after which the client ends an incomplete request.
IDLE_SECONDS = 0.05
TIMEOUT_SECONDS = 20
BUFFER_SIZE = 1 << 16
STATUS_LINE = re.compile(rb"HTTP/1\.[01] (\d{3})[^\r\n]*\r\n")
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


@dataclass(slots=True)
class RawServer:
    """A server, the number of requests sent to it, and the lines of its standard error."""

    url: str
    sent: int = 0
    log_lines: list[str] = field(default_factory=list[str])

    def send(
        self, packets: Sequence[bytes], requests: int = 1, *, whole: bool = False
    ) -> list[int]:
        """Send packets over a new connection, and return the statuses of the responses.

        `whole` waits until the server closes the connection, which complete requests need.
        Fails if a response is a server error other than 501, which clients cause.
        """
        self.sent += requests
        received = self._exchange(packets, TIMEOUT_SECONDS if whole else IDLE_SECONDS)
        statuses = list(parse_statuses(received))
        assert all(status < 500 or status == 501 for status in statuses), received
        assert b"INTERNAL_SERVER_ERROR" not in received, received
        return statuses

    def _exchange(self, packets: Sequence[bytes], timeout: float) -> bytes:
        address = urlsplit(self.url)
        with socket.create_connection((address.hostname, address.port)) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with suppress(ConnectionError):  # the server may close the connection early
                for packet in packets:
                    connection.sendall(packet)
            return b"".join(_receive(connection, timeout))


def _receive(connection: socket.socket, timeout: float) -> Iterator[bytes]:
    """Yield all bytes until the server closes, which it must after the client has shut down."""
    with suppress(ConnectionError):
        connection.settimeout(timeout)
        with suppress(TimeoutError):
            yield from iter(lambda: connection.recv(BUFFER_SIZE), b"")
            return
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(TIMEOUT_SECONDS)
        yield from iter(lambda: connection.recv(BUFFER_SIZE), b"")


def parse_statuses(received: bytes) -> Iterator[int]:
    """Yield the status of each response. A response without a length is the last one."""
    while status_line := STATUS_LINE.match(received):
        status = int(status_line[1])
        yield status
        head, _, rest = received.partition(b"\r\n\r\n")
        length = LENGTH.search(head)
        received = rest if status < 200 else rest[int(length[1]) :] if length else b""


@contextmanager
def run_raw_server(database_url: str) -> Generator[RawServer]:
    """Serve a database until the block ends, and collect the server's standard error."""
    with run_server(database_url) as (url, process):
        server = RawServer(url)
        reader = Thread(target=_collect_lines, args=(process, server.log_lines))
        reader.start()
        yield server
        process.terminate()
        reader.join(LIMIT_SECONDS)


def _collect_lines(process: Popen[str], lines: list[str]) -> None:
    assert process.stderr is not None
    lines.extend(process.stderr)
