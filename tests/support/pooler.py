"""A proxy to PostgreSQL that drops the settings of a session, as poolers can be set up to do."""

import socket
import struct
from collections.abc import Generator
from contextlib import contextmanager
from threading import Thread
from urllib.parse import urlsplit

KEPT_PARAMETERS = {"user", "database"}
BUFFER_SIZE = 1 << 16


@contextmanager
def drop_settings(url: str) -> Generator[str]:
    """Run a proxy to the server of a URL until the block ends; yields the URL through it."""
    address = urlsplit(url)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = address.hostname or "", address.port or 0
        Thread(target=_accept, args=(listener, server), daemon=True).start()
        account = address.netloc.rpartition("@")[0]
        netloc = f"{account}@127.0.0.1:{listener.getsockname()[1]}"
        yield address._replace(netloc=netloc, query="sslmode=disable").geturl()
        # A blocked accept() does not end when the socket is closed.
        listener.shutdown(socket.SHUT_RDWR)


def _accept(listener: socket.socket, server: tuple[str, int]) -> None:
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        upstream = socket.create_connection(server)
        upstream.sendall(_drop_parameters(_read_startup_message(client)))
        for source, target in ((client, upstream), (upstream, client)):
            Thread(target=_copy, args=(source, target), daemon=True).start()


def _read_startup_message(client: socket.socket) -> bytes:
    (length,) = struct.unpack("!i", client.recv(4, socket.MSG_WAITALL))
    return client.recv(length - 4, socket.MSG_WAITALL)


def _drop_parameters(message: bytes) -> bytes:
    """Return a startup message with its length: protocol version, names and values, NUL."""
    words = message[4:].split(b"\0")
    parameters = zip(words[0::2], words[1::2], strict=False)
    kept = [name + b"\0" + value for name, value in parameters if name.decode() in KEPT_PARAMETERS]
    body = message[:4] + b"\0".join(kept) + b"\0\0"
    return struct.pack("!i", len(body) + 4) + body


def _copy(source: socket.socket, target: socket.socket) -> None:
    """Copy bytes until one side closes the connection, then close both."""
    with source, target:
        try:
            while data := source.recv(BUFFER_SIZE):
                target.sendall(data)
        except OSError:
            return
