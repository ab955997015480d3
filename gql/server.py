"""The server process: it listens on a socket, runs uvicorn and exits in time."""

import asyncio
import errno
import gc
import logging.config
import os
import resource
import signal
import socket
import sys
import threading
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from functools import partial
from types import FrameType
from typing import Any, cast

import uvicorn
from starlette.applications import Starlette

from gql import syncer
from gql.app import create_app
from gql.protocol import ConnectionLimits, HttpProtocol, Refusals
from gql.settings import Settings
from gql.workers import Channel, run_workers
from models.errors import OperatorError

# After this time uvicorn cancels open requests, so a server exits within 5 seconds of SIGTERM.
GRACE_SECONDS = 2
# After this additional time the process exits anyway, even if a thread of a driver still runs.
CANCEL_SECONDS = 1
BACKLOG = 2048
# For the database, the log and other files.
RESERVED_DESCRIPTORS = 100
# The ticks of uvicorn between two reports of a worker, a second.
REPORT_TICKS = 10

log = logging.getLogger("flowql")

ReadyCallback = Callable[[], None]


class ServerError(OperatorError):
    """The server cannot listen."""


class PortInUseError(ServerError):
    """Another process listens on the port."""


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
    """A uvicorn server that exits in time, and calls back when it accepts requests."""

    def __init__(self, config: uvicorn.Config, on_ready: ReadyCallback) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the server, then call back. Its signal handlers are set."""
        for number in (signal.SIGTERM, signal.SIGINT):
            _force_exit_after(number)
        # These objects live as long as the process: without them a collection is 0.1 s shorter.
        gc.collect()
        gc.freeze()
        await super().startup(sockets)
        self._on_ready()


class WorkerServer(Server):
    """The server of a worker, which can also accept the connections of other workers."""

    def __init__(self, config: uvicorn.Config, channel: Channel) -> None:
        super().__init__(config, self._start_receiving)
        self._channel = channel
        # The servers of other places.
        self._substitutes: dict[int, asyncio.Server] = {}
        self._lock = asyncio.Lock()

    async def on_tick(self, counter: int) -> bool:
        """Report that the worker is ready, once a second."""
        if counter % REPORT_TICKS == 0:
            self._channel.report()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close all sockets, so that the port is free, then shut down."""
        self._stop_receiving()
        for listener in self._channel.listeners:
            listener.close()
        await super().shutdown(sockets)

    def _start_receiving(self) -> None:
        asyncio.get_running_loop().add_reader(self._channel.pair, self._receive)

    def _stop_receiving(self) -> None:
        asyncio.get_running_loop().remove_reader(self._channel.pair)

    def _receive(self) -> None:
        places = self._channel.receive_places()
        if places is None:
            self._stop_receiving()
            return
        task = asyncio.create_task(self._substitute(places))
        # uvicorn waits for its tasks when it shuts down.
        self.server_state.tasks.add(task)
        task.add_done_callback(self.server_state.tasks.discard)

    async def _substitute(self, places: set[int]) -> None:
        """Accept the connections of these places, and of no others."""
        async with self._lock:
            for place in self._substitutes.keys() - places:
                server = self._substitutes.pop(place)
                self.servers.remove(server)
                server.close()
            for place in places - self._substitutes.keys():
                self._substitutes[place] = server = await self._accept(place)
                self.servers.append(server)

    async def _accept(self, place: int) -> asyncio.Server:
        listener = self._channel.listeners[place].dup()
        return await asyncio.get_running_loop().create_server(
            self._create_protocol, sock=listener, backlog=BACKLOG
        )

    def _create_protocol(self) -> asyncio.Protocol:
        """Create the protocol of a connection, as uvicorn does for its own sockets."""
        create: Any = self.config.http_protocol_class
        return create(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )


def listen(host: str, port: int, workers: int = 1) -> socket.socket:
    """Return a socket that listens on the address; raises ServerError.

    With several workers it is only bound: it would reset connections when the sockets of the workers
    replace it.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        if workers > 1:
            return _bind(family, host, port)
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except (OSError, UnicodeError) as error:
        raise _listening_error(host, port, error) from error


def _bind(family: int, host: str, port: int) -> socket.socket:
    bound = socket.socket(family)
    try:
        # The same options as create_server sets.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind((host, port))
    except OSError:
        bound.close()
        raise
    return bound


def build_url(listener: socket.socket) -> str:
    """Return the URL of a listening socket."""
    host, port = listener.getsockname()[:2]
    return f"http://{_render_host(host)}:{port}"


def _render_host(host: str) -> str:
    """Return a host as URLs and the Host header contain it."""
    return f"[{host}]" if ":" in host else host


def serve(
    settings: Settings,
    listener: socket.socket,
    on_ready: ReadyCallback,
    token: str | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT.

    With `token`, which requires a single worker and a loopback address, every visitor of a page is
    signed in. Raises SettingsError if introspection is on, but its limit is too low, DatabaseError
    if the database is not usable, and TrustedDocumentError if the trusted documents are not valid.
    """
    signal.signal(signal.SIGTERM, _exit)
    asyncio.run(_prepare(settings))
    with ExitStack() as stack:

        def start_syncer() -> None:
            # Errors of the settings and the database are reported before.
            stack.enter_context(syncer.run_syncer(settings, _build_log_config(settings)))
            on_ready()

        _serve(settings, listener, start_syncer, token)


def _serve(
    settings: Settings, listener: socket.socket, on_ready: ReadyCallback, token: str | None
) -> None:
    if settings.workers > 1:
        _serve_by_workers(settings, _share_port(listener, settings.workers), on_ready)
    else:
        hosts = map(_render_host, (settings.host, listener.getsockname()[0]))
        app = create_app(settings, token, tuple(hosts))
        server = Server(_build_config(settings, app), on_ready)
        _log_warnings(app)
        _run(app, server, [listener])


def _share_port(listener: socket.socket, count: int) -> list[socket.socket]:
    """Replace a socket by several that share its port. Raises ServerError.

    They share it with any process of the same user that allows this, unlike `listener`, which made
    sure that no other process listens on the port.
    """
    family, address = listener.family, listener.getsockname()
    listener.close()
    try:
        return [
            socket.create_server(address, family=family, backlog=BACKLOG, reuse_port=True)
            for _ in range(count)
        ]
    except OSError as error:
        raise _listening_error(address[0], address[1], error) from error


def _listening_error(host: str, port: int, error: Exception) -> ServerError:
    # create_server appends the address, which this message already contains.
    reason = str(getattr(error, "strerror", error)).partition(" (while ")[0]
    is_in_use = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
    kind = PortInUseError if is_in_use else ServerError
    return kind(f"cannot listen on {host} port {port}: {reason}")


def _serve_by_workers(
    settings: Settings, listeners: Sequence[socket.socket], on_ready: ReadyCallback
) -> None:
    logging.config.dictConfig(_build_log_config(settings))
    # Raises the errors of unusable settings before any worker starts.
    app = create_app(settings)
    _log_warnings(app)
    asyncio.run(_check(app))
    on_ready()
    run_workers(listeners, partial(_serve_channel, settings))


def _serve_channel(settings: Settings, channel: Channel) -> None:
    """Serve the connections of a channel: the main function of a worker."""
    signal.signal(signal.SIGTERM, _exit)
    app = create_app(settings)
    listener = channel.listeners[channel.place]
    _run(app, WorkerServer(_build_config(settings, app), channel), [listener])


def _log_warnings(app: Starlette) -> None:
    for warning in app.state.warnings:
        log.warning(warning)


def _run(app: Starlette, server: Server, sockets: list[socket.socket]) -> None:
    async def main() -> None:
        async with _open(app):
            await server.serve(sockets)

    with asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
        runner.run(main())


async def _prepare(settings: Settings) -> None:
    with _exit_at_sigterm():
        await syncer.prepare(settings)


async def _check(app: Starlette) -> None:
    """Raise the error of an application that cannot start."""
    async with _open(app):
        pass


@asynccontextmanager
async def _open(app: Starlette) -> AsyncGenerator[None]:
    """Run the lifespan of an application; uvicorn would log a traceback if it cannot start."""
    async with AsyncExitStack() as stack:
        with _exit_at_sigterm():
            await stack.enter_async_context(app.router.lifespan_context(app))
        yield


@contextmanager
def _exit_at_sigterm() -> Generator[None]:
    """Cancel the running task at SIGTERM, then exit. An exception could interrupt a driver."""
    loop, task, is_terminated = asyncio.get_running_loop(), asyncio.current_task(), asyncio.Event()

    def terminate() -> None:
        is_terminated.set()
        cast("asyncio.Task[None]", task).cancel()

    loop.add_signal_handler(signal.SIGTERM, terminate)
    try:
        yield
    except asyncio.CancelledError:
        if is_terminated.is_set():
            sys.exit(0)
        raise
    finally:
        loop.remove_signal_handler(signal.SIGTERM)
        signal.signal(signal.SIGTERM, _exit)


def _exit(_signal: int, _frame: FrameType | None) -> None:
    # uvicorn raises the signal again when it stops; the default action would skip all cleanup.
    sys.exit(0)


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


def _build_config(settings: Settings, app: Starlette) -> uvicorn.Config:
    proxies = settings.forwarded_allow_ips
    return uvicorn.Config(
        app,
        lifespan="off",
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
