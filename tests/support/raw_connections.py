"""Connections that tests control byte by byte, and what the server and other clients experience."""

import re
import socket
from collections.abc import Generator, Iterable
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import chain, repeat
from pathlib import Path
from threading import Event, Thread
from time import monotonic
from urllib.parse import urlsplit

from support.app_client import Response
from support.server_process import send_request

BUFFER_SIZE = 1 << 16
TIMEOUT_SECONDS = 20
LIVE = "/-/health/live/"
# States in /proc/net/tcp; the inode is 0 if no process has the socket.
ESTABLISHED, LISTEN = "01", "0A"
# The pause between two requests of another client.
PAUSE_SECONDS = 0.01


def connect(url: str, receive_buffer: int | None = None) -> socket.socket:
    """Connect to a server; `receive_buffer` is the size of the system's buffer in bytes."""
    address = urlsplit(url)
    connection = socket.socket()
    connection.settimeout(TIMEOUT_SECONDS)
    if receive_buffer is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    connection.connect((address.hostname, address.port))
    return connection


def exchange(url: str, *packets: bytes) -> bytes:
    """Send packets over a new connection; return what the server sends until it closes."""
    return _exchange(url, packets)


def flood(url: str, head: bytes, unit: bytes, size: int) -> bytes:
    """Send `head`, and `unit` repeatedly for `size` bytes; return what the server sends."""
    block = unit * (BUFFER_SIZE // len(unit))
    return _exchange(url, chain([head], repeat(block, size // len(block))))


def _exchange(url: str, packets: Iterable[bytes]) -> bytes:
    received: list[bytes] = []
    with connect(url) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        reader = Thread(target=_receive, args=(connection, received))
        reader.start()
        with suppress(ConnectionError):  # the server may close the connection early
            for packet in packets:
                connection.sendall(packet)
        reader.join()
    return b"".join(received)


def _receive(connection: socket.socket, received: list[bytes]) -> None:
    with suppress(ConnectionError):
        received.extend(iter(lambda: connection.recv(BUFFER_SIZE), b""))


def receive_until(connection: socket.socket, end: bytes) -> bytes:
    """Return what the server sends up to `end`, or until it closes."""
    received = b""
    while not received.endswith(end) and (part := connection.recv(BUFFER_SIZE)):
        received += part
    return received


def parse_response(received: bytes) -> Response:
    """Parse a response, which ends with the connection."""
    head, _, body = received.partition(b"\r\n\r\n")
    status_line, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    return Response(int(status_line.split()[1]), headers, body)


def read_memory(pid: int, name: str = "VmRSS") -> int:
    """Return the resident memory of a process in bytes, or with VmHWM its peak."""
    status = Path(f"/proc/{pid}/status").read_text()
    [kilobytes] = re.findall(rf"^{name}:\s+(\d+) kB", status, re.MULTILINE)
    return int(kilobytes) * 1024


def count_connections(url: str) -> int:
    """Return the number of connections that a server has, or has not accepted yet."""
    port = f":{urlsplit(url).port:04X}"
    sockets = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
    return sum(
        local.endswith(port) and (state == ESTABLISHED or (state != LISTEN and inode != "0"))
        for _, local, _, state, _, _, _, _, _, inode, *_ in sockets
    )


@dataclass(slots=True)
class Growth:
    """By how many bytes the memory of a process grew at its peak."""

    size: int = 0


@contextmanager
def measure_growth(pid: int) -> Generator[Growth]:
    """Measure the memory of a process in the block."""
    growth = Growth()
    Path(f"/proc/{pid}/clear_refs").write_text("5")  # resets the peak
    before = read_memory(pid)
    yield growth
    growth.size = read_memory(pid, "VmHWM") - before


@dataclass(slots=True)
class OtherClient:
    """A client that sends requests at short intervals, and the time of each response."""

    url: str
    seconds: list[float] = field(default_factory=list[float])

    def run(self, stop: Event) -> None:
        """Send requests until the event."""
        while not stop.wait(PAUSE_SECONDS):
            started = monotonic()
            assert send_request(self.url, LIVE).status == 200
            self.seconds.append(monotonic() - started)


@contextmanager
def run_other_client(url: str) -> Generator[OtherClient]:
    """Let another client send requests during the block."""
    client, stop = OtherClient(url), Event()
    thread = Thread(target=client.run, args=(stop,))
    thread.start()
    try:
        yield client
    finally:
        stop.set()
        thread.join()
