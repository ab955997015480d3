"""The server process: how it starts, what it says, and how it ends."""

import json
import os
import re
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from socket import create_connection, create_server
from subprocess import Popen
from threading import Thread
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import httpx2
import psycopg
import pytest

from support.edge_case_data import KEYS, ROWS
from support.paths import SAMPLES
from support.postgres import PostgresServer
from support.processes import (
    PATIENCE_SECONDS,
    RunningServer,
    free_port,
    run_process,
    wait_until_live,
)
from support.seed import fill_ours
from support.server_process import (
    LIMIT_SECONDS,
    ask,
    run_failing,
    run_server,
    stop_server,
    wait_until,
)

SLUGS = sorted(path.stem for path in SAMPLES.glob("*.yaml"))
QUESTION = {"query": "{ flows { results { slug } } }"}
WHOLE = b"GET /-/health/live/ HTTP/1.1\r\nHost: localhost\r\n\r\n"
HEAD = (
    b"POST /graphql HTTP/1.1\r\nHost: localhost\r\n"
    b"Authorization: Bearer {key}\r\nContent-Type: application/json\r\n"
)


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody else listens on, the next one being free."""
    for _ in range(100):
        with ExitStack() as stack:
            listening = stack.enter_context(create_server(("127.0.0.1", 0)))
            port = listening.getsockname()[1]
            try:
                create_server(("127.0.0.1", port + 1)).close()
            except OSError:
                continue
            yield port
            return


def printed_by(process: Popen[str]) -> list[str]:
    """What the demo prints until its second command."""
    assert process.stdout is not None
    lines: list[str] = []
    while sum(line.startswith("curl ") for line in lines) < 2:
        line = process.stdout.readline()
        assert line, process.communicate()
        lines.append(line.rstrip("\n"))
    return lines


def run_in_a_shell(command: str) -> Any:
    """What a person sees who pastes the line."""
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, check=True)
    return json.loads(done.stdout)


def slugs_in(answer: Any) -> list[str]:
    """The slugs of all flows in an answer of GraphQL or of REST."""
    found = answer["data"]["flows"] if "data" in answer else answer
    return sorted(flow["slug"] for flow in found["results"])


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT], ids=lambda end: end.name)
def test_the_demo_works_as_printed_and_leaves_nothing(
    end: signal.Signals, taken: int, tmp_path: Path
) -> None:
    """Both commands name all sample flows, on the next free port; then its folder is gone."""
    variables = {"TMPDIR": str(tmp_path), "COLUMNS": "40"}
    with run_process(["demo", "--port", str(taken)], cwd=tmp_path, env=variables) as process:
        lines = printed_by(process)
        commands = [line for line in lines if line.startswith("curl ")]
        for command in commands:
            assert f"http://127.0.0.1:{taken + 1}/" in command
            assert "slug" in command
            assert slugs_in(run_in_a_shell(command)) == SLUGS
        assert "/graphql" in commands[0]
        assert "/flows/instances/" in commands[1]
        [address] = re.findall(r"^  GraphQL +(\S+)", "\n".join(lines), re.MULTILINE)
        assert address == f"http://127.0.0.1:{taken + 1}/graphql"
        assert [path.name[:12] for path in tmp_path.iterdir()] == ["flowql-demo-"]
        process.send_signal(end)
        _, told = process.communicate(timeout=LIMIT_SECONDS)
    assert (process.returncode, told) == ({signal.SIGTERM: 0, signal.SIGINT: 130}[end], "")
    assert list(tmp_path.iterdir()) == []


def test_it_answers_within_5_seconds_from_any_folder(sample_url: str) -> None:
    """From / as from anywhere; what it says is where it listens, on standard error."""
    started = monotonic()
    with run_server(sample_url, cwd=Path("/")) as (url, process):
        assert monotonic() - started < LIMIT_SECONDS
        assert ask(url, "/-/health/live/").body == b"live"
        assert ask(url, "/-/health/ready/").body == b"ready"
        assert stop_server(process) == ("", f"flowql: FlowQL listens on {url}\n")


def test_a_relative_path_is_one_from_the_folder_that_it_starts_in(sample_url: str) -> None:
    """`sqlite:///flowql.db`, the default, is found in the folder."""
    folder = Path(sample_url.removeprefix("sqlite:///")).parent
    port = free_port()
    with run_process(["serve", "--port", str(port)], cwd=folder) as process:
        url = f"http://127.0.0.1:{port}"
        wait_until_live(url, process)
        assert ask(url, "/-/health/ready/").status == 200


def test_every_option_can_be_set_in_the_environment(sample_url: str) -> None:
    """Where it listens, what it serves, and whether it logs."""
    port = free_port()
    settings = {
        "FLOWQL_PORT": str(port),
        "FLOWQL_HOST": "localhost",
        "FLOWQL_DATABASE_URL": sample_url,
        "FLOWQL_SCHEMA": "any",
        "FLOWQL_WORKERS": "1",
        "FLOWQL_ACCESS_LOG": "true",
    }
    with run_process(["serve"], cwd=Path(tempfile.gettempdir()), env=settings) as process:
        wait_until_live(f"http://localhost:{port}", process)
        assert '"GET /-/health/live/ HTTP/1.1" 200' in stop_server(process)[1]


def test_one_worker_serves_in_the_process_that_was_started(sample_url: str) -> None:
    """It has no children."""
    with run_server(sample_url) as (_, process):
        assert process.pid not in {parent for _, parent in parents()}


def parents() -> Iterator[tuple[int, int]]:
    """Every process, with its parent."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it ended meanwhile
            yield int(stat.parent.name), int(stat.read_text().rpartition(")")[2].split()[1])


def test_two_workers_serve_and_end_together(sample_url: str, served: RunningServer) -> None:
    """Both answer on the one port, and SIGTERM ends both."""
    with run_server(sample_url, "--workers", "2") as (url, process):
        for _ in range(8):
            answer = ask(url, "/graphql", served.token, QUESTION)
            assert slugs_in(answer.json) == SLUGS
        printed, told = stop_server(process)
        assert (printed, told) == ("", f"flowql: FlowQL listens on {url}\n")
        with pytest.raises(ConnectionRefusedError):
            ask(url, "/-/health/live/")


def test_workers_serve_as_they_are_told(
    sample_url: str, served: RunningServer, tmp_path: Path
) -> None:
    """Options reach both of them: limits, sites, trusted documents, and what is turned off."""
    (tmp_path / "hello.graphql").write_text("{ __typename }")
    switches = ["--trusted-only", "--no-introspection", "--no-graphiql", "--no-suggestions"]
    given = ["--max-body", "99", "--cors-origin", "https://a.example,https://b.example"]
    folder = ["--trusted-documents", str(tmp_path)]
    with run_server(sample_url, "--workers", "2", *switches, *given, *folder) as (url, _):
        for _ in range(8):
            assert ask(url, "/schema.graphql").status == 404
            hello = ask(url, "/graphql", served.token, {"query": "{ __typename }"})
            assert hello.json == {"data": {"__typename": "Query"}}
            assert ask(url, "/graphql", served.token, {"query": "{ a: __typename }"}).status == 403
            assert ask(url, "/graphql", served.token, {"query": "#" * 99}).status == 413
            assert shared_with(url) == ["https://a.example", "https://b.example"]


def shared_with(url: str) -> list[str]:
    """Which of three sites may read the server's answers."""
    sites = [f"https://{name}.example" for name in "abc"]
    asked = [httpx2.get(f"{url}/-/health/live/", headers={"Origin": site}) for site in sites]
    told = [answer.headers.get("Access-Control-Allow-Origin") for answer in asked]
    return [site for site in told if site]


def test_a_worker_that_cannot_start_ends_the_server(tmp_path: Path) -> None:
    """Where the database is gone, a killed worker is not started again and again."""
    path = tmp_path / "flowql.db"
    with run_server(fill_ours(f"sqlite:///{path}"), "--workers", "2") as (_, process):
        path.rename(tmp_path / "elsewhere.db")
        workers = [pid for pid, parent in parents() if parent == process.pid]
        os.kill(max(workers), signal.SIGKILL)
        _, told = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 2
    assert told.endswith("flowql: a worker could not start, for the reason logged above\n")


def test_there_is_no_access_log_unless_asked(sample_url: str, served: RunningServer) -> None:
    """Without --access-log nothing is written; with it, requests are, and no key."""
    with run_server(sample_url, "--access-log") as (url, process):
        assert ask(url, "/flows/instances/?page=1", served.token).status == 200
        printed, told = stop_server(process)
    assert printed == ""
    assert '"GET /flows/instances/?page=1 HTTP/1.1" 200' in told
    assert served.token not in told


def test_it_listens_on_ipv6(sample_url: str) -> None:
    """`--host ::1` stands in brackets in the address; without IPv6 it says that it cannot."""
    port = free_port()
    options = ["serve", "--host", "::1", "--port", str(port), "--database", sample_url]
    if not has_ipv6():
        assert run_failing(*options).startswith("cannot listen on ::1")
        return
    with run_process(options) as process:
        wait_until_live(f"http://[::1]:{port}", process)
        assert stop_server(process)[1] == f"flowql: FlowQL listens on http://[::1]:{port}\n"


def has_ipv6() -> bool:
    """Whether this machine has a loopback address of IPv6."""
    try:
        with create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


def test_sigterm_ends_it_with_connections_open(sample_url: str, served: RunningServer) -> None:
    """Silent, kept alive, in the middle of a head or of a body: it ends within 5 seconds."""
    half_a_body = HEAD.replace(b"{key}", served.token.encode()) + b"Content-Length: 100\r\n\r\n{"
    with ExitStack() as stack, run_server(sample_url) as (url, process):
        place = ("127.0.0.1", urlsplit(url).port or 0)
        for sent in (b"", HEAD[:-5], half_a_body, WHOLE):
            connection = stack.enter_context(closing(create_connection(place)))
            connection.sendall(sent)
        # The last of them is answered, so all have been taken.
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")
        _, told = stop_server(process)
    assert "Traceback" not in told


def test_sigterm_ends_it_with_a_query_in_flight(postgres: PostgresServer) -> None:
    """A table that somebody locked keeps a request waiting, and not the server."""
    database_url = fill_ours(postgres.create_database("locked"))
    with run_server(database_url) as (url, process), psycopg.connect(database_url) as locking:
        locking.execute("LOCK TABLE authentik_flows_flow")
        asking = Thread(target=ask_in_vain, args=(url,))
        asking.start()
        waiting = "SELECT 1 FROM pg_locks WHERE NOT granted AND pid <> pg_backend_pid()"
        wait_until(lambda: locking.execute(waiting).fetchone() is not None)
        _, told = stop_server(process)
        locking.rollback()
        asking.join()
    assert KEYS["superuser"] not in told
    assert "Traceback" not in told


def test_sigterm_ends_it_with_slow_searches_on_sqlite(tmp_path: Path) -> None:
    """Searches that would take minutes do not keep it, whatever becomes of their threads."""
    flows = ROWS["authentik_flows_flow"]
    rows = {**ROWS, "authentik_flows_flow": [{**row, "title": "ß" * 200_000} for row in flows]}
    with run_server(fill_ours(f"sqlite:///{tmp_path / 'slow.db'}", rows)) as (url, process):
        before = cpu_ticks(process.pid)
        asking = [Thread(target=ask_in_vain, args=(url, "?search=absent")) for _ in range(8)]
        for thread in asking:
            thread.start()
        wait_until(lambda: cpu_ticks(process.pid) > before + os.sysconf("SC_CLK_TCK") // 2)
        stop_server(process)
        for thread in asking:
            thread.join()


def cpu_ticks(pid: int) -> int:
    """How long a process has been at work."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def ask_in_vain(url: str, query: str = "") -> None:
    """Ask for flows, and get no answer or one that says so."""
    try:
        assert ask(url, f"/flows/instances/{query}", KEYS["superuser"]).status == 503
    except (ConnectionError, OSError):
        return
