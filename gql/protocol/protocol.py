"""The HTTP protocol of a connection: one request at a time, within limits."""

import socket
import struct
import sys
from asyncio import Task, TimerHandle, Transport
from dataclasses import dataclass
from enum import Enum, auto
from http import HTTPStatus
from math import ceil, inf
from typing import Any

import orjson
from httptools import (
    HttpParserCallbackError,
    HttpParserError,
    HttpParserInvalidURLError,
    HttpParserUpgrade,
    HttpRequestParser,
)
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from gql.protocol.framing import MAX_HEAD, Framing, ProtocolError, read_body_length
from gql.protocol.refusals import Refusals

# The maximum size in bytes of a body that is parsed after its response, to keep the connection.
MAX_DISCARDED = 1 << 18
# In bytes. Without it, the system buffers megabytes for a client that receives nothing.
SEND_BUFFER = 1 << 17
# SO_LINGER with a time of 0.
NO_LINGER = struct.pack("ii", 1, 0)
# The other bytes of a request line, and line breaks before it.
MAX_BYTES_AROUND_TARGET = 64


class Phase(Enum):
    """What a connection waits for."""

    IDLE = auto()  # the first byte of a request
    HEAD = auto()  # the end of the request line and the headers
    BODY = auto()  # the end of the body
    RESPONSE = auto()  # the application, and the client that receives its response
    CLOSING = auto()  # the client, which receives the last bytes and closes the connection


# An attribute of an enum takes longer to read than a global.
IDLE, HEAD, BODY, RESPONSE, CLOSING = Phase


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """The maximum number of connections of a process, and times in seconds.

    `header` and `body` are the times for these parts of a request to arrive, `idle` is the time
    before a request, and `write` the time for a client to receive a response.
    """

    connections: int
    header: float
    body: float
    idle: float
    write: float


class HeldFlowControl(FlowControl):
    """Flow control that does not resume reading while received bytes wait to be parsed."""

    is_held = False

    def hold(self) -> None:
        """Stop reading until the release."""
        self.is_held = True
        self.pause_reading()

    def release(self) -> None:
        """Resume reading."""
        self.is_held = False
        self.resume_reading()

    def resume_reading(self) -> None:
        if not self.is_held:
            super().resume_reading()


class HttpProtocol(HttpToolsProtocol):
    """uvicorn's protocol with limits.

    It parses one request at a time: what follows it waits, unparsed and without further reading, for
    the end of its response. One timer observes the deadline of the present phase.
    """

    # The connection has both until it is lost.
    flow: HeldFlowControl  # pyright: ignore[reportIncompatibleVariableOverride]
    parser: HttpRequestParser  # pyright: ignore[reportIncompatibleVariableOverride]

    def __init__(self, *, limits: ConnectionLimits, refusals: Refusals, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._limits = limits
        self._refusals = refusals
        self.url = b""
        self._framing = Framing()
        # The size of the body that arrives after its response.
        self._discarded = 0
        self._phase = IDLE
        self._seconds = {IDLE: limits.idle, HEAD: limits.header, BODY: limits.body}
        self._deadline = inf
        self._timer: TimerHandle | None = None
        self._timer_time = inf
        self._task: Task[None] | None = None

    # Callbacks of asyncio ---------------------------------------------------------------------------

    def connection_made(self, transport: Transport) -> None:
        super().connection_made(transport)
        self.flow = HeldFlowControl(transport)  # pyright: ignore[reportIncompatibleVariableOverride]
        self._limit_send_buffer()
        self._enter(IDLE, self._limits.idle)
        if len(self.connections) > self._limits.connections:
            self._refusals.add(self.loop)
            self._write_error(
                ProtocolError(HTTPStatus.SERVICE_UNAVAILABLE, "Too many connections. Retry later.")
            )
            self._close()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            # Nobody receives the response. This also ends the statements in the database.
            self._task.cancel()

    def data_received(self, data: bytes) -> None:
        if self._phase is not CLOSING:
            self._framing.receive(data)
            self._parse()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._phase is RESPONSE:
            self._enter(RESPONSE, self._limits.write)

    # Callbacks of the parser ------------------------------------------------------------------------

    def on_headers_complete(self) -> None:
        self._framing.expect(read_body_length(self.headers, self.parser))
        try:
            super().on_headers_complete()
        except (AttributeError, HttpParserInvalidURLError):
            raise ProtocolError(
                HTTPStatus.BAD_REQUEST, "The request target must be a path, or a URL with a path."
            ) from None
        # The parser appends trailers to this list, which the application must not receive.
        self.headers = []
        self._discarded = 0
        self._phase = BODY

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        if self._framing.overhead:
            self._framing.pay_back(len(body))

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self.url = b""
        self._framing.expect(None)
        self._phase = IDLE if self.cycle.response_complete else RESPONSE

    # Methods of uvicorn -----------------------------------------------------------------------------

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._task = self.loop.create_task(cycle.run_asgi(app))
        self.tasks.add(self._task)
        self._task.add_done_callback(self.tasks.discard)

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            self._enter(CLOSING, self._limits.write)
        elif self._phase is BODY:
            self.flow.resume_reading()
        elif self._phase is RESPONSE:
            self._enter(IDLE, self._limits.idle)
            if self.flow.read_paused:
                self.flow.release()
                self._parse()

    # Requests ---------------------------------------------------------------------------------------

    def _parse(self) -> None:
        """Parse the received bytes up to the end of a request; the rest waits for its response."""
        phase = self._phase
        try:
            while self._phase is not RESPONSE and (piece := self._framing.take()):
                self._parse_piece(piece)
        except ProtocolError as error:
            self._reject(error)
            return
        if self._phase is RESPONSE:
            self._enter(RESPONSE, self._limits.write)
            if self._framing.has_bytes:
                self.flow.hold()
        elif self._phase is not phase:
            self._enter(self._phase, self._seconds[self._phase])

    def _parse_piece(self, piece: bytes) -> None:
        if self._phase is IDLE:
            self._phase = HEAD
        elif self._phase is BODY and self.cycle.response_complete:
            self._discarded += len(piece)
        if self._framing.overhead > MAX_HEAD or self._discarded > MAX_DISCARDED:
            raise self._explain_size(len(piece))
        try:
            self.parser.feed_data(piece)
        except HttpParserUpgrade:
            # The request is served without an upgrade, and its piece ends with it.
            self.cycle.keep_alive = False
        except HttpParserCallbackError as error:
            raise error.__context__ or error from None
        except HttpParserError as error:
            detail = f"Invalid HTTP request: {error}."
            raise ProtocolError(HTTPStatus.BAD_REQUEST, detail) from None

    def _explain_size(self, size: int) -> ProtocolError:
        """Return the error for a piece of this size, which is not parsed."""
        if self._phase is BODY:
            detail = f"The chunk extensions and trailers of the body exceed {MAX_HEAD} bytes."
            return ProtocolError(HTTPStatus.BAD_REQUEST, detail)
        if self._framing.overhead - size - len(self.url) < MAX_BYTES_AROUND_TARGET:
            detail = f"The request line exceeds {MAX_HEAD} bytes."
            return ProtocolError(HTTPStatus.REQUEST_URI_TOO_LONG, detail)
        detail = f"The request line and the headers exceed {MAX_HEAD} bytes."
        return ProtocolError(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, detail)

    # Ends of connections ----------------------------------------------------------------------------

    def _reject(self, error: ProtocolError) -> None:
        """Send the error, unless a response has started, and process nothing further."""
        cycle = None if self._phase is HEAD else self.cycle
        if cycle is None or not cycle.response_started:
            self._write_error(error)
        if cycle is not None:
            cycle.disconnected = True
            cycle.waiting_for_100_continue = False
            cycle.message_event.set()
        self._linger(self._limits.idle)

    def _write_error(self, error: ProtocolError) -> None:
        if self.access_log:
            client = ":".join(map(str, self.client or ()))
            self.access_logger.info("%s - %d %s", client, error.status, error)
        body = orjson.dumps({"detail": str(error)})
        headers = [
            *self.server_state.default_headers,
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
            (b"cache-control", b"no-store"),
            (b"connection", b"close"),
        ]
        lines = [b"%b: %b\r\n" % header for header in headers]
        self.transport.write(b"".join([STATUS_LINE[error.status], *lines, b"\r\n", body]))

    def _linger(self, seconds: float) -> None:
        """End the output, and discard the input until the client closes the connection.

        If the server closed it, unread input would reset the connection, and the client could lose
        the response.
        """
        self.transport.write_eof()
        self.flow.release()
        self._framing.clear()
        self._enter(CLOSING, seconds)

    def _close(self) -> None:
        """Close the connection when the client has received the output."""
        self.transport.close()
        self._enter(CLOSING, self._limits.write)

    def _abort(self) -> None:
        """Reset the connection, so that the system drops what the client has not received."""
        self._set_option(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
        self.transport.abort()

    def _limit_send_buffer(self) -> None:
        """Limit what the system buffers, and for how long after the server closes the connection."""
        self._set_option(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        if sys.platform == "linux":
            milliseconds = ceil(self._limits.write * 1000)
            self._set_option(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)

    def _set_option(self, level: int, option: int, value: int | bytes) -> None:
        self.transport.get_extra_info("socket").setsockopt(level, option, value)

    # Time -------------------------------------------------------------------------------------------

    def _enter(self, phase: Phase, seconds: float) -> None:
        """Enter a phase, which may take this time."""
        self._phase = phase
        self._deadline = self.loop.time() + seconds
        if self._deadline < self._timer_time:
            self._start_timer()

    def _start_timer(self) -> None:
        """Start the timer, which does not change when the deadline moves to a later time."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer_time = self._deadline
        self._timer = self.loop.call_at(self._deadline, self._handle_timer)

    def _handle_timer(self) -> None:
        self._timer_time = inf
        if self.loop.time() < self._deadline:
            self._start_timer()
        else:
            self._handle_deadline()

    def _handle_deadline(self) -> None:
        is_unread = self._phase is RESPONSE and self.flow.write_paused
        if is_unread or self._phase is CLOSING or self.transport.is_closing():
            self._abort()
        elif self._phase is IDLE:
            self._close()
        elif self._phase is RESPONSE:
            # The application limits its own time.
            self._enter(RESPONSE, self._limits.write)
        else:
            self._reject(self._explain_timeout())

    def _explain_timeout(self) -> ProtocolError:
        part, seconds = (
            ("body", self._limits.body)
            if self._phase is BODY
            else ("line and headers", self._limits.header)
        )
        detail = f"The request {part} did not arrive within {seconds:g} seconds."
        return ProtocolError(HTTPStatus.REQUEST_TIMEOUT, detail)
