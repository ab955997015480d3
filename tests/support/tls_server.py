"""A server that begins TLS as PostgreSQL does, with a certificate for localhost, and then closes."""

import socket
import ssl
from collections.abc import Generator
from contextlib import contextmanager, suppress
from threading import Thread

from support.paths import TESTS

CERTIFICATES = TESTS / "support" / "certificates"
# The message by which a client asks for TLS.
REQUEST_BYTES = 8


@contextmanager
def serve_tls() -> Generator[int]:
    """Run the server until the block ends; yields its port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATES / "localhost.pem", CERTIFICATES / "localhost.key")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = Thread(target=_accept, args=(listener, context))
        thread.start()
        yield listener.getsockname()[1]
        # A blocked accept() does not end when the socket is closed.
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


def _accept(listener: socket.socket, context: ssl.SSLContext) -> None:
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        # The client closes the connection if it does not trust the certificate.
        with client, suppress(OSError):
            client.recv(REQUEST_BYTES)
            client.sendall(b"S")
            context.wrap_socket(client, server_side=True).close()
