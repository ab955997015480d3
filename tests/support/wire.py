"""A server as it is met over TCP: bytes go out in packets, and whatever comes back is read as HTTP."""

import re
import socket
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from subprocess import Popen
from threading import Thread
from urllib.parse import urlsplit

from support.server_process import LIMIT_SECONDS, run_server

# How long a server may wait for the rest of what was broken off, until it is told that nothing comes.
LULL_SECONDS = 0.05
PATIENCE_SECONDS = 20
MOST_BYTES = 1 << 16
STATUS_LINE = re.compile(rb"HTTP/1\.[01] (\d{3})[^\r\n]*\r\n")
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


@dataclass(slots=True)
class Wire:
    """One server, how many requests it was sent, and what it wrote to its standard error."""

    url: str
    sent: int = 0
    complaints: list[str] = field(default_factory=list[str])

    def say(self, packets: Sequence[bytes], requests: int = 1, *, whole: bool = False) -> list[int]:
        """Send packets over a connection of their own; gives the statuses of the answers.

        Whole requests, the last of which ends the connection, are waited for however long they take.
        No answer may tell of an error of the server's own.
        """
        self.sent += requests
        heard = self._exchange(packets, PATIENCE_SECONDS if whole else LULL_SECONDS)
        statuses = list(statuses_in(heard))
        assert all(status < 500 for status in statuses), heard
        assert b"INTERNAL_SERVER_ERROR" not in heard, heard
        return statuses

    def _exchange(self, packets: Sequence[bytes], lull: float) -> bytes:
        address = urlsplit(self.url)
        with socket.create_connection((address.hostname, address.port)) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with suppress(ConnectionError):  # refused before all was said
                for packet in packets:
                    connection.sendall(packet)
            return b"".join(_heard(connection, lull))


def _heard(connection: socket.socket, lull: float) -> Iterator[bytes]:
    """Everything until the server closes, which it must once it knows that no more comes."""
    with suppress(ConnectionError):
        connection.settimeout(lull)
        with suppress(TimeoutError):
            yield from iter(lambda: connection.recv(MOST_BYTES), b"")
            return
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(PATIENCE_SECONDS)
        yield from iter(lambda: connection.recv(MOST_BYTES), b"")


def statuses_in(heard: bytes) -> Iterator[int]:
    """The status of each answer; an answer that does not say how long it is lasts to the end."""
    while started := STATUS_LINE.match(heard):
        status = int(started[1])
        yield status
        head, _, rest = heard.partition(b"\r\n\r\n")
        length = LENGTH.search(head)
        heard = rest if status < 200 else rest[int(length[1]) :] if length else b""


@contextmanager
def wired(database_url: str) -> Generator[Wire]:
    """Serve a database until the block ends, and write down what the server complains of meanwhile."""
    with run_server(database_url) as (url, process):
        wire = Wire(url)
        listening = Thread(target=_write_down, args=(process, wire.complaints))
        listening.start()
        yield wire
        process.terminate()
        listening.join(LIMIT_SECONDS)


def _write_down(process: Popen[str], complaints: list[str]) -> None:
    assert process.stderr is not None
    complaints.extend(process.stderr)
