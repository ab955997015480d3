"""Workers are replaced, share the connections, and exit with their supervisor."""

import asyncio
import os
import random
import re
import signal
import sys
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from socket import create_connection, create_server, socket
from subprocess import DEVNULL, PIPE, Popen
from time import sleep
from urllib.parse import urlsplit

import psycopg
import pytest
from hypothesis import settings

from gql import workers
from gql.workers import Supervisor, WorkerTarget
from support.command import run_failing
from support.edge_case_data import KEYS
from support.paths import ROOT
from support.postgres import PASSWORD, PostgresServer
from support.seed import fill_flowql
from support.server_process import (
    LIMIT_SECONDS,
    collect_log,
    find_free_port,
    list_processes,
    list_workers,
    read_command_line,
    run_server,
    send_request,
    start_flowql,
    wait_until,
    wait_until_live,
)
from support.threads import repeat_in_thread
from support.worker_targets import fail, fail_with_statements, report_once

WORKERS = 3
CONNECTIONS = 300
# 5 by default, 100 in the full profile.
KILLS = settings().max_examples // 20
# A worker exits with code 0 at SIGTERM, unless it is still starting.
SIGNALS = (signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT, signal.SIGTERM)
REQUEST = b"GET /-/health/live/ HTTP/1.1\r\nHost: localhost\r\n\r\n"
FLOWS = "/flows/instances/?page_size=5"
ESTABLISHED = "01"


@dataclass(frozen=True, slots=True)
class WorkersServer:
    """A server with three workers, its process, and the lines that it has logged."""

    url: str
    process: Popen[str]
    log: list[str]

    @property
    def address(self) -> tuple[str, int]:
        parts = urlsplit(self.url)
        return str(parts.hostname), int(parts.port or 0)

    @property
    def workers(self) -> list[int]:
        return list_workers(self.process)

    def count_lines(self, pattern: str) -> int:
        """Return the number of log lines that contain a pattern."""
        return sum(bool(re.search(pattern, line)) for line in self.log)

    def wait_until_ready(self) -> None:
        """Return when all workers take connections."""
        wait_until(lambda: len(count_connections(self, 10 * WORKERS)) == WORKERS)


@pytest.fixture(scope="module")
def database_url(postgres: PostgresServer) -> str:
    """FlowQL's own PostgreSQL database."""
    return fill_flowql(postgres.create_database("workers"))


@pytest.fixture(scope="module")
def module_server(
    database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[WorkersServer]:
    """Serve the database, whose URL is in a file, with three workers."""
    file = tmp_path_factory.mktemp("workers") / "url"
    file.write_text(f"{database_url}\n")
    options = ["--port", str(port := find_free_port()), "--workers", str(WORKERS)]
    with (
        start_flowql(["serve", *options], env={"FLOWQL_DATABASE_URL_FILE": str(file)}) as process,
        collect_log(process) as log,
    ):
        url = f"http://127.0.0.1:{port}"
        wait_until_live(url, process)
        yield WorkersServer(url, process, log)


@pytest.fixture
def server(module_server: WorkersServer) -> WorkersServer:
    """The server with three workers that are ready."""
    module_server.wait_until_ready()
    module_server.log.clear()
    return module_server


def count_connections(server: WorkersServer, count: int) -> Counter[int]:
    """Open connections, and return how many each worker has."""
    with ExitStack() as stack:
        connections = [stack.enter_context(create_connection(server.address)) for _ in range(count)]
        for connection in connections:
            connection.sendall(REQUEST)
        for connection in connections:
            assert connection.recv(4096).startswith(b"HTTP/1.1 200")
        return Counter(find_owners(server, connections))


def find_owners(server: WorkersServer, connections: list[socket]) -> Iterator[int]:
    """Yield the worker of each connection."""
    ports = {connection.getsockname()[1] for connection in connections}
    lines = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
    inodes = {
        fields[9]
        for fields in lines
        if fields[3] == ESTABLISHED
        and read_port(fields[1]) == server.address[1]
        and read_port(fields[2]) in ports
    }
    for pid in server.workers:
        yield from (pid for _ in list_sockets(pid) & inodes)


def list_sockets(pid: int) -> set[str]:
    """Return the inodes of the sockets of a process."""
    sockets: set[str] = set()
    with suppress(OSError):  # it exited
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):  # it was closed
                sockets.add(str(descriptor.readlink()).strip("socket:[]"))
    return sockets


def read_port(address: str) -> int:
    """Return the port of an address in /proc/net/tcp."""
    return int(address.partition(":")[2], 16)


@contextmanager
def send_requests(server: WorkersServer) -> Generator[Counter[str]]:
    """Send requests until the block ends, each over a new connection; yields their results."""
    results: Counter[str] = Counter()

    def send() -> None:
        try:
            response = send_request(server.url, FLOWS, KEYS["superuser"])
            assert len(response.json["results"]) == 5
            results[str(response.status)] += 1
        except Exception as error:  # noqa: BLE001 - the test compares it
            results[type(error).__name__] += 1

    with repeat_in_thread(send):
        yield results


@pytest.mark.parametrize("_number", range(max(1, settings().max_examples // 100)))
def test_workers_share_the_connections(_number: int, server: WorkersServer) -> None:
    """No worker has more than twice its share, nor less than half of it."""
    counts = count_connections(server, CONNECTIONS)
    assert sum(counts.values()) == CONNECTIONS
    share = CONNECTIONS // WORKERS
    assert [count for count in counts.values() if share / 2 <= count <= share * 2] == list(
        counts.values()
    )
    assert len(counts) == WORKERS


@pytest.mark.parametrize("workers", ["1", "2"])
def test_another_server_cannot_share_the_port(workers: str, server: WorkersServer) -> None:
    """Only the sockets of one server's workers share a port."""
    port = str(server.address[1])
    line = run_failing("serve", "--port", port, "--workers", workers)
    assert line == f"cannot listen on 127.0.0.1 port {port}: Address already in use"


def test_killed_workers_are_replaced(server: WorkersServer) -> None:
    """Each is logged with its signal or exit code; at most its present request has no response."""
    with send_requests(server) as results:
        for _ in range(KILLS):
            kill_a_worker(server, random.choice(SIGNALS))
        server.wait_until_ready()
    assert server.count_lines("starting another|retrying") == KILLS == len(server.log)
    lost = results.total() - results["200"]
    assert results["200"] > KILLS >= lost, results


def kill_a_worker(server: WorkersServer, number: signal.Signals) -> None:
    """Kill a worker, which may be starting, and wait for the line in the log."""
    pid = random.choice(server.workers)
    os.kill(pid, number)
    line = rf"worker {pid} (cannot start: )?(was killed by {number.name}|exited with code 0); "
    wait_until(lambda: server.count_lines(line) == 1)
    wait_until(lambda: bool(server.workers))


def test_a_worker_that_cannot_start_is_retried(
    server: WorkersServer, postgres: PostgresServer
) -> None:
    """The others serve meanwhile; each attempt is one line, with the reason and no password."""
    reason = 'database "workers" is not currently accepting connections'
    with psycopg.connect(postgres.dsn(), autocommit=True) as connection:
        connection.execute("ALTER DATABASE workers ALLOW_CONNECTIONS false")
        os.kill(server.workers[0], signal.SIGKILL)
        wait_until(lambda: server.count_lines("was killed by SIGKILL") == 1)
        with send_requests(server) as results:
            wait_until(lambda: server.count_lines("retrying in 1 s") == 1)
        connection.execute("ALTER DATABASE workers ALLOW_CONNECTIONS true")
    assert set(results) == {"200"}
    server.wait_until_ready()
    killed, *attempts = server.log
    assert "was killed by SIGKILL" in killed
    for line in attempts:
        assert re.search(rf"ERROR flowql: worker \d+ cannot start: .*{reason}; retrying in", line)
        assert PASSWORD not in line


def test_sighup_replaces_all_workers(server: WorkersServer) -> None:
    """A replacement is ready before a worker ends, so that every request is served."""
    before = set(server.workers)
    with send_requests(server) as results:
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: not before & set(server.workers))
    assert results["200"] > 0
    server.wait_until_ready()
    assert server.log == []


def test_workers_have_no_secrets_in_their_environment(server: WorkersServer) -> None:
    """Neither their environment nor their command line contains the URL of the database."""
    for pid in server.workers:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
        assert PASSWORD.encode() not in environment + read_command_line(pid)


def test_a_terminal_s_signals_do_not_end_workers(server: WorkersServer) -> None:
    """The supervisor alone handles SIGINT and SIGHUP of a terminal."""
    before = server.workers
    for pid in before:
        os.kill(pid, signal.SIGINT)
        os.kill(pid, signal.SIGHUP)
    server.wait_until_ready()
    assert server.workers == before


def test_workers_exit_if_their_supervisor_is_killed(database_url: str) -> None:
    """They serve requests when it is killed, exit in time, and the port is free."""
    with (
        run_server(database_url, "--workers", "2") as (url, process),
        collect_log(process) as log,
    ):
        server = WorkersServer(url, process, log)
        with send_requests(server) as results:
            wait_until(lambda: results["200"] > 0)
            pids = server.workers
            kill_supervisor(process, pids, server.address[1])
    assert log == [f"flowql: FlowQL listens on {url}\n"]


def kill_supervisor(process: Popen[str], pids: list[int], port: int) -> None:
    """Kill a supervisor, and wait until its workers have exited and its port is free."""
    process.kill()
    process.wait()
    wait_until(lambda: not any(map(read_command_line, pids)) and is_free(port), LIMIT_SECONDS)


def is_free(port: int) -> bool:
    """Return whether a process can listen on a port."""
    try:
        create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize("_number", range(KILLS))
def test_workers_exit_at_whatever_moment_the_supervisor_is_killed(_number: int) -> None:
    """They may be starting."""
    port = find_free_port()
    script = f"from support.worker_targets import supervise; supervise({port})"
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
    command = [sys.executable, "-c", script]
    with Popen(command, env=environment, stdout=PIPE, stderr=DEVNULL, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        sleep(random.uniform(0, 0.5))
        pids = [pid for pid, parent in list_processes() if parent == process.pid]
        kill_supervisor(process, pids, port)


def test_a_silent_worker_is_killed_and_replaced(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A worker whose event loop does not run sends no reports."""
    monkeypatch.setattr(workers, "MAX_SILENT_SECONDS", 1)
    supervise_until(report_once, caplog, "does not respond", 2)
    assert "was killed by SIGKILL; starting another" in caplog.text


def test_the_pause_after_each_failure_is_longer(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Each line has the reason; the last pause is repeated."""
    assert workers.PAUSES_SECONDS == (1, 2, 4, 8, 16, 30)
    monkeypatch.setattr(workers, "PAUSES_SECONDS", (0, 0.01))
    supervise_until(fail, caplog, "retrying", 4)
    lines = [re.sub(r"\d+", "N", message, count=1) for message in caplog.messages]
    pauses = [f"worker N cannot start: no reason; retrying in {pause:g} s" for pause in (0, 0.01)]
    assert lines[:4] == [pauses[0], *[pauses[1]] * 3]


def test_statements_follow_the_reason_of_a_failure(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Each is on lines of its own, so that it can be copied from the log."""
    monkeypatch.setattr(workers, "PAUSES_SECONDS", (0,))
    supervise_until(fail_with_statements, caplog, "retrying", 1)
    summary, *statements = caplog.messages[0].split("\n")
    assert re.fullmatch(r"worker \d+ cannot start: no privilege:; retrying in 0 s", summary)
    assert statements == ["GRANT a TO b;", "GRANT 'c", "' TO d;"]


def supervise_until(
    target: WorkerTarget, caplog: pytest.LogCaptureFixture, event: str, count: int
) -> None:
    """Supervise one worker in this process until the log contains an event as often as that."""

    async def main() -> None:
        with create_server(("127.0.0.1", 0)) as listener:
            supervisor = asyncio.create_task(Supervisor([listener], target).run())
            while caplog.text.count(event) < count:  # noqa: ASYNC110 - a log has no event
                await asyncio.sleep(0.05)
            os.kill(os.getpid(), signal.SIGTERM)
            await supervisor

    asyncio.run(asyncio.wait_for(main(), LIMIT_SECONDS))
