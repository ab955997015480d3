"""The server process: a socket, uvicorn on it, and a clean end."""

import asyncio
import gc
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any

import uvicorn
from starlette.applications import Starlette
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from gql.app import create_app
from gql.settings import Settings, read_settings
from models.errors import OperatorError

# uvicorn then cancels what is still being answered: SIGTERM ends a server within 5 seconds.
GRACE_SECONDS = 2
# What even then does not end, a driver's thread or its lost answer, is left behind.
LAST_SECONDS = 1
BACKLOG = 2048

Announce = Callable[[], None]


class ServerError(OperatorError):
    """The server cannot listen where it should."""


class AnnouncingServer(uvicorn.Server):
    """uvicorn's server, which says when it can be asked."""

    announce: Announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets)
        self.announce()


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there; raises ServerError."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except (OSError, UnicodeError) as error:
        # Python appends the address once more.
        reason = str(getattr(error, "strerror", error)).partition(" (while ")[0]
        raise ServerError(f"cannot listen on {host} port {port}: {reason}") from error


def url_of(listening: socket.socket) -> str:
    """The address of a listening socket, as a browser takes it."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve(
    settings: Settings, listening: socket.socket, announce: Announce, token: str | None = None
) -> None:
    """Serve until SIGTERM or SIGINT; with a token, in one process, whoever opens a page is signed in.

    Raises DatabaseError if the database cannot be served, TrustedDocumentError if the trusted
    documents cannot, and ServerError if that befalls a worker that takes another's place.
    """
    signal.signal(signal.SIGTERM, _end)
    asyncio.run(_check(settings))
    config = _config(settings, token)
    if settings.workers > 1:
        os.environ.update(settings.environment)
        announce()
        supervisor = Multiprocess(config, sockets=[listening])
        supervisor.run()
        if any(process.exitcode == STARTUP_FAILURE for process in supervisor.processes):
            raise ServerError("a worker could not start, for the reason logged above")
    else:
        server = AnnouncingServer(config)
        server.announce = announce
        server.run(sockets=[listening])


def _end(_signal: int, _frame: FrameType | None) -> None:
    # uvicorn raises the signal again when it has ended; by itself that would skip all clean-up.
    sys.exit(0)


async def _check(settings: Settings) -> None:
    """Find out now, and not in a worker, that the settings cannot be served."""
    application = create_app(settings)
    async with application.router.lifespan_context(application):
        pass


def worker() -> Starlette:
    """What each of several processes serves, as its environment says."""
    return _application(read_settings())


def _application(settings: Settings, token: str | None = None) -> Starlette:
    """What a process serves; uvicorn asks for it when it has set its handlers of signals."""
    for number in (signal.SIGTERM, signal.SIGINT):
        _end_in_time(number)
    application = create_app(settings, token)
    # What is there by now stays: no collection need ever look at it, which takes a tenth of a second.
    gc.collect()
    gc.freeze()
    return application


def _end_in_time(number: int) -> None:
    """Let the signal end the process for sure, besides what it does already."""
    ends = signal.getsignal(number)

    def handle(number: int, frame: FrameType | None) -> None:
        timer = threading.Timer(GRACE_SECONDS + LAST_SECONDS, os._exit, [0])
        timer.daemon = True
        timer.start()
        if callable(ends):
            ends(number, frame)

    signal.signal(number, handle)


def _config(settings: Settings, token: str | None) -> uvicorn.Config:
    by_name = settings.workers > 1
    return uvicorn.Config(
        "gql.server:worker" if by_name else partial(_application, settings, token),
        factory=True,
        workers=settings.workers,
        lifespan="on",
        log_config=_logging(access_log=settings.access_log),
        access_log=settings.access_log,
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


def _logging(*, access_log: bool) -> dict[str, Any]:
    """Everything to standard error, a line each; of uvicorn only what goes wrong, or is asked for."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"level": "WARNING", "handlers": ["stderr"]},
        "loggers": {"uvicorn.access": {"level": "INFO" if access_log else "WARNING"}},
    }
