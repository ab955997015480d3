"""The server process: it listens on a socket, runs uvicorn and exits in time."""

import asyncio
import gc
import logging
import os
import resource
import signal
import socket
import sys
import threading
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any, cast

import uvicorn
from starlette.applications import Starlette
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from gql.app import create_app
from gql.protocol import ConnectionLimits, HttpProtocol, Refusals
from gql.settings import Settings, read_settings
from models.errors import OperatorError

# After this time uvicorn cancels open requests, so a server exits within 5 seconds of SIGTERM.
GRACE_SECONDS = 2
# After this additional time the process exits anyway, even if a thread of a driver still runs.
CANCEL_SECONDS = 1
BACKLOG = 2048
# For the database, the log and other files.
RESERVED_DESCRIPTORS = 100

ReadyCallback = Callable[[], None]


class ServerError(OperatorError):
    """The server cannot listen, or a worker cannot start."""


class QueryStringFilter(logging.Filter):
    """Removes query strings, which may contain personal data, from uvicorn's access log."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the record of a request; return True."""
        match record.args:
            case (client, method, str() as target, version, status):
                path = target.partition("?")[0]
                record.args = (client, method, path, version, status)
            case _:
                pass
        return True


class Server(uvicorn.Server):
    """A uvicorn server that calls back when it accepts requests."""

    on_ready: ReadyCallback

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the server, then call back."""
        await super().startup(sockets)
        self.on_ready()


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on the address; raises ServerError."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except (OSError, UnicodeError) as error:
        # create_server appends the address, which this message already contains.
        reason = str(getattr(error, "strerror", error)).partition(" (while ")[0]
        raise ServerError(f"cannot listen on {host} port {port}: {reason}") from error


def build_url(listener: socket.socket) -> str:
    """Return the URL of a listening socket."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve(
    settings: Settings,
    listener: socket.socket,
    on_ready: ReadyCallback,
    token: str | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT.

    With `token`, which requires a single worker, every visitor of a page is signed in. Raises
    DatabaseError if the database is not usable, TrustedDocumentError if the trusted documents are
    not valid, and ServerError if a worker that replaces another one cannot start.
    """
    signal.signal(signal.SIGTERM, _exit)
    asyncio.run(_check_startup(settings))
    config = _build_config(settings, token)
    if settings.workers > 1:
        os.environ.update(settings.environment)
        on_ready()
        _run_workers(config, listener)
    else:
        server = Server(config)
        server.on_ready = on_ready
        server.run(sockets=[listener])


def create_worker_app() -> Starlette:
    """Return the application of one of several workers, which reads its settings itself."""
    return _create_process_app(read_settings())


def _run_workers(config: uvicorn.Config, listener: socket.socket) -> None:
    supervisor = Multiprocess(config, sockets=[listener])
    supervisor.run()
    if any(process.exitcode == STARTUP_FAILURE for process in supervisor.processes):
        raise ServerError("a worker could not start, for the reason logged above")


def _exit(_signal: int, _frame: FrameType | None) -> None:
    # uvicorn raises the signal again when it stops; the default action would skip all cleanup.
    sys.exit(0)


async def _check_startup(settings: Settings) -> None:
    """Raise the error of unusable settings here, before any worker starts."""
    application = create_app(settings)
    async with application.router.lifespan_context(application):
        pass


def _create_process_app(settings: Settings, token: str | None = None) -> Starlette:
    """Return the application of this process; uvicorn calls this after it handles signals."""
    for number in (signal.SIGTERM, signal.SIGINT):
        _force_exit_after(number)
    application = create_app(settings, token)
    # These objects live as long as the process: without them a collection is 0.1 s shorter.
    gc.collect()
    gc.freeze()
    return application


def _force_exit_after(number: int) -> None:
    """Exit the process some seconds after the signal, in addition to its present handler."""
    present_handler = signal.getsignal(number)

    def handle(number: int, frame: FrameType | None) -> None:
        timer = threading.Timer(GRACE_SECONDS + CANCEL_SECONDS, os._exit, [0])
        timer.daemon = True
        timer.start()
        if callable(present_handler):
            present_handler(number, frame)

    signal.signal(number, handle)


def _build_config(settings: Settings, token: str | None) -> uvicorn.Config:
    has_workers = settings.workers > 1
    factory = partial(_create_process_app, settings, token)
    proxies = settings.forwarded_allow_ips
    return uvicorn.Config(
        "gql.server:create_worker_app" if has_workers else factory,
        factory=True,
        workers=settings.workers,
        lifespan="on",
        http=_build_protocol(settings),
        ws="none",
        log_config=_build_log_config(settings),
        access_log=settings.access_log,
        server_header=False,
        forwarded_allow_ips="*" if "*" in proxies else list(proxies),
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


def _build_protocol(settings: Settings) -> type[asyncio.Protocol]:
    limits = ConnectionLimits(
        _limit_connections(settings.max_connections),
        settings.header_timeout,
        settings.body_timeout,
        settings.idle_timeout,
        settings.write_timeout,
    )
    factory = partial(HttpProtocol, limits=limits, refusals=Refusals(limits.connections))
    # uvicorn only calls it.
    return cast(type[asyncio.Protocol], factory)


def _limit_connections(maximum: int | None) -> int:
    """Return how many connections a process may have, at most what its descriptors allow."""
    descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    allowed = max(descriptors - RESERVED_DESCRIPTORS, descriptors // 2)
    return min(maximum or allowed, allowed)


def _build_log_config(settings: Settings) -> dict[str, Any]:
    """Log warnings and errors, and with `access_log` all requests, to standard error."""
    filters = [] if settings.access_log_queries else ["no_queries"]
    level = "INFO" if settings.access_log else "WARNING"
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
        "filters": {"no_queries": {"()": QueryStringFilter}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"level": "WARNING", "handlers": ["stderr"]},
        "loggers": {"uvicorn.access": {"level": level, "filters": filters}},
    }
