"""A TCP proxy to PostgreSQL that can cut, stall and freeze its connections."""

import socket
import struct
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Event, Thread
from urllib.parse import urlsplit

BUFFER_SIZE = 1 << 16
# SO_LINGER with a time of 0: closing sends RST.
NO_LINGER = struct.pack("ii", 1, 0)


@dataclass(slots=True)
class Link:
    """A connection of a client and its connection to the server."""

    client: socket.socket
    server: socket.socket
    is_stalled: bool = False

    def close(self) -> None:
        """Reset both connections."""
        for end in (self.client, self.server):
            with suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@dataclass(slots=True)
class TcpProxy:
    """A proxy in threads. `url` is the database URL through it."""

    url: str
    server: tuple[str, int]
    links: list[Link] = field(default_factory=list[Link])
    is_refusing: bool = False
    _flows: Event = field(default_factory=Event)

    def cut(self) -> None:
        """Reset all connections."""
        while self.links:
            self.links.pop().close()

    def stall(self) -> None:
        """Let the present connections lose all bytes without a message; new ones work."""
        for link in self.links:
            link.is_stalled = True

    @contextmanager
    def freeze(self) -> Generator[None]:
        """Hold all bytes, also of new connections, until the block ends."""
        self._flows.clear()
        try:
            yield
        finally:
            self._flows.set()

    @contextmanager
    def refuse(self) -> Generator[None]:
        """Reset all connections, and new ones at once, until the block ends."""
        self.is_refusing = True
        self.cut()
        try:
            yield
        finally:
            self.is_refusing = False

    def accept(self, listener: socket.socket) -> None:
        """Accept connections until the listener is shut down."""
        self._flows.set()
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            Thread(target=self._connect, args=(client,), daemon=True).start()

    def _connect(self, client: socket.socket) -> None:
        try:
            link = Link(client, socket.create_connection(self.server))
        except OSError:
            client.close()
            return
        if self.is_refusing:
            link.close()
            return
        self.links.append(link)
        for source, target in ((link.client, link.server), (link.server, link.client)):
            Thread(target=self._copy, args=(link, source, target), daemon=True).start()

    def _copy(self, link: Link, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(BUFFER_SIZE):
                self._flows.wait()
                if not link.is_stalled:
                    target.sendall(data)
        if not link.is_stalled:
            link.close()


@contextmanager
def run_proxy(url: str) -> Generator[TcpProxy]:
    """Run a proxy to the server of a URL until the block ends."""
    address = urlsplit(url)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        account = address.netloc.rpartition("@")[0]
        netloc = f"{account}@127.0.0.1:{listener.getsockname()[1]}"
        proxy = TcpProxy(
            address._replace(netloc=netloc, query="sslmode=disable").geturl(),
            (address.hostname or "", address.port or 0),
        )
        Thread(target=proxy.accept, args=(listener,), daemon=True).start()
        yield proxy
        # A blocked accept() does not end when the socket is closed.
        listener.shutdown(socket.SHUT_RDWR)
        proxy.cut()
