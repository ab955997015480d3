"""Worker processes: a supervisor starts them, and replaces those that exit.

Each worker accepts the connections of its own socket. The sockets share a port, and the kernel
distributes connections evenly among them; of workers that accept from one socket, the first to wake
up takes nearly all. The supervisor keeps the sockets open. While a worker is not ready, another one
accepts its connections.
"""

import asyncio
import json
import logging
import signal
import socket
import sys
from asyncio import Event
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain, repeat
from multiprocessing.process import BaseProcess

from setproctitle import setproctitle

from gql.processes import SPAWN, block_signals, describe_exit, exit_with_parent
from models.errors import OperatorError

# The pauses after a worker could not start; the last one is repeated.
PAUSES_SECONDS = (1, 2, 4, 8, 16, 30)
# A worker that sends no report for this time is killed.
MAX_SILENT_SECONDS = 30
# A worker that does not exit within this time after SIGTERM is killed.
EXIT_SECONDS = 4
BUFFER_BYTES = 65536

log = logging.getLogger("flowql")


@dataclass(frozen=True, slots=True)
class Channel:
    """A worker's connection to the supervisor.

    `listeners` are the sockets of all workers; `place` is the index of the worker's own. Messages
    are lines. The supervisor sends the places of the other sockets whose connections the worker has
    to accept. The worker sends reports, JSON strings: an empty one if it is ready, otherwise the
    reason why it cannot start.
    """

    pair: socket.socket
    listeners: Sequence[socket.socket]
    place: int

    def receive_places(self) -> set[int] | None:
        """Return the places of the last message, None if the supervisor has exited."""
        messages = _receive(self.pair)
        return set(map(int, messages[-1].split())) if messages else None

    def report(self, reason: str = "") -> None:
        """Send a report, unless the supervisor has exited."""
        # A reason may have several lines.
        _send(self.pair, json.dumps(reason))


WorkerTarget = Callable[[Channel], None]


def run_workers(listeners: Sequence[socket.socket], target: WorkerTarget) -> None:
    """Run a worker process for each listening socket until SIGTERM or SIGINT.

    SIGHUP replaces the workers, one after the other. `target` is the main function of a worker; it
    raises OperatorError if the worker cannot start.
    """
    asyncio.run(Supervisor(listeners, target).run())


class StartError(Exception):
    """A worker cannot start; the message names the process and the reason."""


@dataclass(slots=True, eq=False)
class Worker:
    """A worker process, as the supervisor sees it."""

    place: int
    process: BaseProcess
    pair: socket.socket
    on_exit: Callable[["Worker"], None]
    # Set when the worker is ready or has exited.
    started: Event = field(default_factory=Event)
    # Set when the worker has exited or another one has to replace it.
    outdated: Event = field(default_factory=Event)
    exited: Event = field(default_factory=Event)
    is_ready: bool = False
    is_stopping: bool = False
    silent_seconds: int = 0
    start_error: str = ""
    # The places of other workers that it substitutes for.
    substituted: Sequence[int] = field(default_factory=list[int])

    def __str__(self) -> str:
        return f"worker {self.process.pid}"

    @property
    def exit_status(self) -> str:
        """The signal or the exit code of a process that has exited."""
        return describe_exit(self.process.exitcode)

    def watch(self) -> None:
        """Read reports, and wait for the process to exit."""
        loop = asyncio.get_running_loop()
        loop.add_reader(self.pair, self._read_reports)
        loop.add_reader(self.process.sentinel, self._finish)

    def substitute(self, places: Sequence[int]) -> None:
        """Let the worker accept the connections of these places as well, and of no others."""
        if places != self.substituted:
            self.substituted = places
            _send(self.pair, " ".join(map(str, places)))

    def stop(self) -> None:
        """Send SIGTERM, and SIGKILL if the process does not exit in time."""
        self.is_stopping = True
        self.process.terminate()
        asyncio.get_running_loop().call_later(EXIT_SECONDS, self.process.kill)

    def _read_reports(self) -> None:
        reports = _receive(self.pair)
        if not reports:
            asyncio.get_running_loop().remove_reader(self.pair)
            return
        self.silent_seconds = 0
        self.start_error = json.loads(reports[-1])
        if not self.start_error:
            self.is_ready = True
            self.started.set()

    def _finish(self) -> None:
        asyncio.get_running_loop().remove_reader(self.process.sentinel)
        # The last report may be unread.
        self._read_reports()
        asyncio.get_running_loop().remove_reader(self.pair)
        self.pair.close()
        self.process.join()
        for event in (self.started, self.outdated, self.exited):
            event.set()
        self.on_exit(self)


class Supervisor:
    """Keeps a worker running for each of several listening sockets."""

    def __init__(self, listeners: Sequence[socket.socket], target: WorkerTarget) -> None:
        self._listeners = listeners
        self._target = target
        self._running: set[Worker] = set()
        # The workers that are ready, by place.
        self._ready: dict[int, Worker] = {}
        self._stopped = Event()
        self._hung_up = Event()

    async def run(self) -> None:
        """Run workers until SIGTERM or SIGINT."""
        self._handle_signals()
        coroutines = (
            self._replace_workers_at_sighup(),
            self._kill_silent_workers(),
            *map(self._keep_worker, range(len(self._listeners))),
        )
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(coroutine) for coroutine in coroutines]
                await self._stopped.wait()
                for task in tasks:
                    task.cancel()
        finally:
            await self._stop_workers()

    def _handle_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopped.set)
        loop.add_signal_handler(signal.SIGHUP, self._hung_up.set)

    async def _keep_worker(self, place: int) -> None:
        """Keep a worker running. An outdated worker serves until its replacement is ready."""
        worker = await self._start_worker(place)
        while True:
            await worker.outdated.wait()
            replacement = await self._start_worker(place)
            worker.stop()
            worker = replacement

    async def _start_worker(self, place: int) -> Worker:
        """Start a worker, and return it when it is ready; tries again after a pause."""
        pauses = chain(PAUSES_SECONDS, repeat(PAUSES_SECONDS[-1]))
        while True:
            try:
                return await self._try_to_start_worker(place)
            except (StartError, OSError) as error:
                pause = next(pauses)
                summary, separator, statements = str(error).partition("\n")
                line = f"{summary}; retrying in {pause:g} s{separator}{statements}"
                log.error(line)  # noqa: TRY400 - no traceback
                await asyncio.sleep(pause)

    async def _try_to_start_worker(self, place: int) -> Worker:
        worker = self._spawn(place)
        await worker.started.wait()
        if not worker.is_ready:
            raise StartError(f"{worker} cannot start: {worker.start_error or worker.exit_status}")
        if not worker.exited.is_set():
            self._ready[place] = worker
            self._update_substitutes()
        return worker

    def _spawn(self, place: int) -> Worker:
        pair, remote = socket.socketpair()
        pair.settimeout(0)
        channel = Channel(remote, self._listeners, place)
        with remote, block_signals():
            process = SPAWN.Process(target=_run, args=(self._target, channel), daemon=True)
            process.start()
        worker = Worker(place, process, pair, self._handle_exit)
        worker.watch()
        self._running.add(worker)
        return worker

    def _handle_exit(self, worker: Worker) -> None:
        self._running.remove(worker)
        if self._ready.get(worker.place) is worker:
            del self._ready[worker.place]
            self._update_substitutes()
        if worker.is_ready and not worker.is_stopping:
            log.error("%s %s; starting another", worker, worker.exit_status)

    def _update_substitutes(self) -> None:
        """Divide the places whose workers are not ready among the workers that are."""
        vacant = [place for place in range(len(self._listeners)) if place not in self._ready]
        for number, worker in enumerate(self._ready.values()):
            worker.substitute(vacant[number :: len(self._ready)])

    async def _replace_workers_at_sighup(self) -> None:
        while True:
            await self._hung_up.wait()
            self._hung_up.clear()
            for worker in list(self._ready.values()):
                worker.outdated.set()
                await worker.exited.wait()

    async def _kill_silent_workers(self) -> None:
        while True:
            await asyncio.sleep(1)
            for worker in self._ready.values():
                # Seconds are counted here, since both processes may have been suspended.
                worker.silent_seconds += 1
                if worker.silent_seconds == MAX_SILENT_SECONDS:
                    log.error("%s does not respond; killing it", worker)
                    worker.process.kill()

    async def _stop_workers(self) -> None:
        self._ready.clear()
        for listener in self._listeners:
            listener.close()
        for worker in self._running:
            worker.stop()
        for worker in list(self._running):
            await worker.exited.wait()


def _send(pair: socket.socket, message: str) -> None:
    with suppress(OSError):
        pair.send(f"{message}\n".encode())


def _receive(pair: socket.socket) -> list[str]:
    """Return the messages that have arrived; none if the peer has exited."""
    with suppress(OSError):
        return pair.recv(BUFFER_BYTES).decode().splitlines()
    return []


def _run(target: WorkerTarget, channel: Channel) -> None:
    """Run a worker: the main function of its process."""
    setproctitle("flowql worker")
    channel.pair.settimeout(0)
    exit_with_parent()
    try:
        target(channel)
    except OperatorError as error:
        channel.report(str(error))
        sys.exit(1)
