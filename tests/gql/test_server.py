"""The server process starts, prints its address, serves, and exits in time."""

import json
import os
import re
import signal
import socket
import subprocess
import tempfile
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
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

from support.app_client import Response
from support.command import FLOWQL, clean_environment, run_failing
from support.edge_case_data import KEYS, ROWS
from support.paths import SAMPLES
from support.postgres import PASSWORD, PostgresServer
from support.raw_connections import exchange
from support.seed import fill_flowql
from support.server_process import (
    LIMIT_SECONDS,
    RunningServer,
    find_free_port,
    list_processes,
    list_workers,
    read_command_line,
    run_server,
    send_request,
    start_flowql,
    stop_server,
    wait_until,
    wait_until_live,
)

SLUGS = sorted(path.stem for path in SAMPLES.glob("*.yaml"))
# The names before the URL of GraphQL and the token in the output of a demo.
NAMES = ("GraphQL", "Token")
QUERY = {"query": "{ flows { results { slug } } }"}
REQUEST = b"GET /-/health/live/ HTTP/1.1\r\nHost: localhost\r\n\r\n"
HEAD = (
    b"POST /graphql HTTP/1.1\r\nHost: localhost\r\n"
    b"Authorization: Bearer {key}\r\nContent-Type: application/json\r\n"
)


def has_ipv6() -> bool:
    """Return whether this machine has an IPv6 loopback address."""
    try:
        with create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


def read_lines(process: Popen[str]) -> list[str]:
    """Return the lines that the demo prints up to its second command."""
    assert process.stdout is not None
    lines: list[str] = []
    while sum(line.startswith("curl ") for line in lines) < 2:
        line = process.stdout.readline()
        assert line, process.communicate()
        lines.append(line.rstrip("\n"))
    return lines


def run_in_shell(command: str) -> Any:
    """Run a command in a shell, and return its output parsed as JSON."""
    process = subprocess.run(["/bin/sh", "-c", command], capture_output=True, check=True)
    return json.loads(process.stdout)


def read_slugs(body: Any) -> list[str]:
    """Return the slugs of the flows in a GraphQL or REST response, sorted."""
    flows = body["data"]["flows"] if "data" in body else body
    return sorted(flow["slug"] for flow in flows["results"])


@pytest.mark.parametrize(
    "signal_number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name
)
def test_demo_commands_work_and_no_files_remain(
    signal_number: signal.Signals, tmp_path: Path
) -> None:
    """Both printed commands return all sample flows."""
    port = find_free_port()
    variables = {"TMPDIR": str(tmp_path), "COLUMNS": "40"}
    with start_flowql(["demo", "--port", str(port)], cwd=tmp_path, env=variables) as process:
        lines = read_lines(process)
        commands = [line for line in lines if line.startswith("curl ")]
        for command in commands:
            assert f"http://127.0.0.1:{port}/" in command
            assert "slug" in command
            assert read_slugs(run_in_shell(command)) == SLUGS
        assert "/graphql" in commands[0]
        assert "/flows/instances/" in commands[1]
        [address] = re.findall(r"^  GraphQL +(\S+)", "\n".join(lines), re.MULTILINE)
        assert address == f"http://127.0.0.1:{port}/graphql"
        assert [path.name[:12] for path in tmp_path.iterdir()] == ["flowql-demo-"]
        process.send_signal(signal_number)
        _, errors = process.communicate(timeout=LIMIT_SECONDS)
    exit_codes = {signal.SIGTERM: 0, signal.SIGINT: 130}
    assert (process.returncode, errors) == (exit_codes[signal_number], "")
    assert list(tmp_path.iterdir()) == []


def test_demo_takes_the_next_free_port() -> None:
    """Without the setting, the port is 8000, unless it is in use."""
    with ExitStack() as stack:
        with suppress(OSError):
            stack.enter_context(create_server(("127.0.0.1", 8000)))
        with start_flowql(["demo"]) as process:
            port = urlsplit(read_demo(process).url).port
            assert port is not None
            assert 8000 < port < 8100


@dataclass(frozen=True, slots=True)
class Demo:
    """The output of a demo, and the URL and the token in it."""

    url: str
    token: str
    output: str


def read_demo(process: Popen[str]) -> Demo:
    """Return what a demo prints."""
    output = "\n".join(read_lines(process))
    url, token = (re.findall(rf"^  {name} +(\S+)", output, re.MULTILINE) for name in NAMES)
    return Demo(url[0].removesuffix("/graphql"), token[0], output)


def get_page(demo: Demo, host: str | None = None) -> Response:
    """Return the front page of a demo, requested by another host name if one is given."""
    headers = {"Accept": "text/html", **({"Host": host} if host else {})}
    response = httpx2.get(f"{demo.url}/", headers=headers, timeout=LIMIT_SECONDS)
    return Response(response.status_code, dict(response.headers), response.content)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "127.0.0.2", *(["::1"] if has_ipv6() else [])]
)
def test_pages_of_a_demo_on_a_loopback_address_are_signed_in(host: str) -> None:
    """They contain the token, and reject the host names of other sites (DNS rebinding)."""
    options = ["demo", "--port", "0", "--host", host]
    with start_flowql(options) as process:
        demo = read_demo(process)
        assert "you are signed in on both" in demo.output
        for name in (None, "localhost", "LOCALHOST:1"):
            page = get_page(demo, name)
            assert (page.status, demo.token in page.body.decode()) == (200, True)
        for name in ("rebound.example", "localhost.example", "192.0.2.1", "["):
            page = get_page(demo, name)
            assert (page.status, demo.token in page.body.decode()) == (400, False)


@pytest.mark.parametrize("source", ["option", "environment", "file"])
def test_pages_of_a_demo_beyond_loopback_contain_no_token(source: str, tmp_path: Path) -> None:
    """Other machines can read the pages. The demo prints the token, and it is valid."""
    port = find_free_port()
    settings = {"FLOWQL_HOST": "0.0.0.0", "FLOWQL_PORT": str(port)}  # noqa: S104 - the fact
    if source == "file":
        lines = [f"{name}={value}" for name, value in settings.items()]
        (tmp_path / ".env").write_text("\n".join(lines))
    options = ["--host", settings["FLOWQL_HOST"], "--port", str(port)]
    arguments = ["demo", *(options if source == "option" else [])]
    env = settings if source == "environment" else None
    with start_flowql(arguments, cwd=tmp_path, env=env) as process:
        demo = read_demo(process)
        assert demo.url == f"http://0.0.0.0:{port}"
        assert "both ask for the token" in demo.output
        for path in ("/", "/graphql"):
            page = send_request(demo.url, path, accept="text/html")
            assert (page.status, demo.token in page.body.decode()) == (200, False)
        assert get_page(demo, "demo.example").status == 200
        response = send_request(demo.url, "/graphql", demo.token, QUERY)
        assert read_slugs(response.json) == SLUGS


@pytest.mark.parametrize("lines", [0, 1, 10])
def test_demo_ends_quietly_with_the_reader_of_its_output(lines: int, tmp_path: Path) -> None:
    """`flowql demo | head` prints the first lines; the server stops and leaves no files."""
    script = f'"$0" demo --port 0 | head -n {lines}'
    process = subprocess.run(
        ["/bin/sh", "-c", script, FLOWQL],
        env=clean_environment({"TMPDIR": str(tmp_path)}),
        capture_output=True,
        timeout=LIMIT_SECONDS,
        check=True,
    )
    assert (len(process.stdout.splitlines()), process.stderr) == (lines, b"")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("workers", ["1", "2"])
def test_server_continues_if_nobody_reads_its_log(workers: str, sample_url: str) -> None:
    """A request is more important than its line in the access log."""
    port = find_free_port()
    options = ["--port", str(port), "--database", sample_url, "--workers", workers, "--access-log"]
    with start_flowql(["serve", *options]) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == f"flowql: FlowQL listens on http://127.0.0.1:{port}\n"
        process.stderr.close()
        url = f"http://127.0.0.1:{port}"
        wait_until_live(url, process)
        for _ in range(200):
            assert send_request(url, "/-/health/live/").status == 200
        process.terminate()
        assert process.wait(LIMIT_SECONDS) == 0


def test_server_starts_in_time_in_any_folder(sample_url: str) -> None:
    """The working directory can be `/`. The only output is the address, on standard error."""
    started = monotonic()
    with run_server(sample_url, cwd=Path("/")) as (url, process):
        assert monotonic() - started < LIMIT_SECONDS
        assert send_request(url, "/-/health/live/").body == b"live"
        assert send_request(url, "/-/health/ready/").body == b"ready"
        assert stop_server(process) == ("", f"flowql: FlowQL listens on {url}\n")


def test_relative_path_is_relative_to_the_working_directory(sample_url: str) -> None:
    """The default `sqlite:///flowql.db` is a file in the working directory."""
    folder = Path(sample_url.removeprefix("sqlite:///")).parent
    port = find_free_port()
    with start_flowql(["serve", "--port", str(port)], cwd=folder) as process:
        url = f"http://127.0.0.1:{port}"
        wait_until_live(url, process)
        assert send_request(url, "/-/health/ready/").status == 200


def test_options_can_be_set_in_the_environment(sample_url: str) -> None:
    """The environment can set the address, the database, the workers and the access log."""
    port = find_free_port()
    settings = {
        "FLOWQL_PORT": str(port),
        "FLOWQL_HOST": "localhost",
        "FLOWQL_DATABASE_URL": sample_url,
        "FLOWQL_SCHEMA": "any",
        "FLOWQL_WORKERS": "1",
        "FLOWQL_ACCESS_LOG": "true",
    }
    with start_flowql(["serve"], cwd=Path(tempfile.gettempdir()), env=settings) as process:
        wait_until_live(f"http://localhost:{port}", process)
        assert '"GET /-/health/live/ HTTP/1.1" 200' in stop_server(process)[1]


def test_one_worker_starts_no_other_process(sample_url: str) -> None:
    """The server process has no children."""
    with run_server(sample_url) as (_, process):
        assert process.pid not in {parent for _, parent in list_processes()}


def test_two_workers_serve_and_exit_together(sample_url: str, sample_server: RunningServer) -> None:
    """Both workers serve requests on the same port, and SIGTERM stops both."""
    with run_server(sample_url, "--workers", "2") as (url, process):
        for _ in range(8):
            response = send_request(url, "/graphql", sample_server.token, QUERY)
            assert read_slugs(response.json) == SLUGS
        workers = list_workers(process)
        output, errors = stop_server(process)
        assert (output, errors) == ("", f"flowql: FlowQL listens on {url}\n")
        assert not any(map(read_command_line, workers))
        with pytest.raises(ConnectionRefusedError):
            send_request(url, "/-/health/live/")


def test_workers_do_not_start_if_the_database_is_missing(tmp_path: Path) -> None:
    """The error is one line, as for a single worker."""
    line = run_failing("serve", "--workers", "2", "--port", "0", cwd=tmp_path)
    assert line == "SQLite database flowql.db not found: create it with 'flowql migrate'"


@pytest.mark.parametrize("workers", [1, 2])
def test_a_low_introspection_cost_is_an_error(sample_url: str, workers: int) -> None:
    """The server does not start; the error names the setting, the minimum and the alternative."""
    options = ["--workers", str(workers), "--port", "0", "--database", sample_url]
    line = run_failing("serve", *options, env={"FLOWQL_MAX_INTROSPECTION_COST": "50000"})
    assert line == (
        "--max-introspection-cost (FLOWQL_MAX_INTROSPECTION_COST) is 50000, but the introspection"
        " query of GraphQL tools requires 51863: raise it, or turn introspection off with"
        " --no-introspection"
    )


@pytest.mark.parametrize("workers", [1, 2])
def test_a_low_limit_is_one_warning(sample_url: str, workers: int) -> None:
    """The server starts, and warns once that tools cannot introspect the schema."""
    options = ["--workers", str(workers), "--max-tokens", "100", "--max-cost", "1"]
    with run_server(sample_url, *options) as (url, process):
        _, errors = stop_server(process)
    warning, ready = errors.splitlines()
    assert "WARNING flowql: --max-tokens (FLOWQL_MAX_TOKENS) is 100, but" in warning
    assert ready == f"flowql: FlowQL listens on {url}"


def test_sigint_stops_workers_during_a_query(postgres: PostgresServer) -> None:
    """A locked table blocks requests, but not the exit of the server."""
    database_url = fill_flowql(postgres.create_database("locked_workers"))
    with (
        run_server(database_url, "--workers", "2") as (url, process),
        psycopg.connect(database_url) as connection,
    ):
        connection.execute("LOCK TABLE authentik_flows_flow")
        clients = [Thread(target=request_until_stopped, args=(url,)) for _ in range(4)]
        for client in clients:
            client.start()
        # Requests that look up the same token wait for one statement.
        waiting = "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted"
        wait_until(lambda: connection.execute(waiting).fetchone() == (True,))
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=LIMIT_SECONDS)
        connection.rollback()
        for client in clients:
            client.join()
    assert process.returncode == 0
    assert "Traceback" not in errors


def test_the_list_of_processes_contains_no_password(postgresql_url: str) -> None:
    """The title of the process is the command with a masked password."""
    url = f"{postgresql_url}?application_name=a@b&sslpassword={PASSWORD}"
    with run_server(url) as (_, process):
        title = read_command_line(process.pid).decode()
    assert title.startswith("flowql serve --port ")
    assert title.endswith("--database postgresql://postgres:***@b&sslpassword=***")


def test_options_apply_to_all_workers(
    sample_url: str, sample_server: RunningServer, tmp_path: Path
) -> None:
    """The options are a limit, CORS origins, trusted documents, and disabled features."""
    (tmp_path / "hello.graphql").write_text("{ __typename }")
    switches = ["--trusted-only", "--no-introspection", "--no-graphiql", "--no-suggestions"]
    values = ["--max-body", "99", "--cors-origin", "https://a.example,https://b.example"]
    folder = ["--trusted-documents", str(tmp_path)]
    with run_server(sample_url, "--workers", "2", *switches, *values, *folder) as (url, _):
        for _ in range(8):
            assert send_request(url, "/schema.graphql").status == 404
            response = send_request(
                url, "/graphql", sample_server.token, {"query": "{ __typename }"}
            )
            assert response.json == {"data": {"__typename": "Query"}}
            assert (
                send_request(
                    url, "/graphql", sample_server.token, {"query": "{ a: __typename }"}
                ).status
                == 403
            )
            assert (
                send_request(url, "/graphql", sample_server.token, {"query": "#" * 99}).status
                == 413
            )
            assert read_allowed_origins(url) == ["https://a.example", "https://b.example"]


def read_allowed_origins(url: str) -> list[str]:
    """Return those of three origins that the server allows."""
    origins = [f"https://{name}.example" for name in "abc"]
    responses = [
        httpx2.get(f"{url}/-/health/live/", headers={"Origin": origin}) for origin in origins
    ]
    allowed = [response.headers.get("Access-Control-Allow-Origin") for response in responses]
    return [origin for origin in allowed if origin]


@pytest.mark.parametrize(("options", "query"), [([], ""), (["--access-log-queries"], "?page=1")])
def test_access_log_contains_requests_and_no_tokens(
    options: list[str], query: str, sample_url: str, sample_server: RunningServer
) -> None:
    """The log is on standard error, without query strings by default, and with rejected requests."""
    with run_server(sample_url, "--access-log", *options) as (url, process):
        assert send_request(url, "/flows/instances/?page=1", sample_server.token).status == 200
        exchange(url, b"GET /?page=2 HTTP/1.1\r\n\r\n")
        output, errors = stop_server(process)
    assert output == ""
    assert " - 400 The request has no Host header.\n" in errors
    assert f'"GET /flows/instances/{query} HTTP/1.1" 200' in errors
    assert sample_server.token not in errors


@pytest.mark.parametrize(
    ("options", "client"),
    [
        ([], "192.0.2.1"),
        (["--forwarded-allow-ips", "*"], "192.0.2.1"),
        (["--forwarded-allow-ips", "10.0.0.0/8"], "127.0.0.1"),
    ],
)
def test_forwarded_address_is_that_of_a_trusted_proxy(
    options: list[str], client: str, sample_url: str
) -> None:
    """The access log shows the client's address as the proxy forwards it; the option decides."""
    request = b"GET / HTTP/1.0\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n"
    untrusted = {"FORWARDED_ALLOW_IPS": "*"}
    with run_server(sample_url, "--access-log", *options, env=untrusted) as (url, process):
        exchange(url, request)
        errors = stop_server(process)[1]
    [line] = [line for line in errors.splitlines() if '"GET / HTTP/1.0" 200' in line]
    assert f" {client}:" in line


def test_server_listens_on_ipv6(sample_url: str) -> None:
    """`--host ::1` is in brackets in the URL; a machine without IPv6 prints an error."""
    port = find_free_port()
    options = ["serve", "--host", "::1", "--port", str(port), "--database", sample_url]
    if not has_ipv6():
        assert run_failing(*options).startswith("cannot listen on ::1")
        return
    with start_flowql(options) as process:
        wait_until_live(f"http://[::1]:{port}", process)
        assert stop_server(process)[1] == f"flowql: FlowQL listens on http://[::1]:{port}\n"


def test_sigterm_stops_the_server_with_open_connections(
    sample_url: str, sample_server: RunningServer
) -> None:
    """Connections can be idle, kept alive, or in the middle of a request."""
    partial_request = (
        HEAD.replace(b"{key}", sample_server.token.encode()) + b"Content-Length: 100\r\n\r\n{"
    )
    with ExitStack() as stack, run_server(sample_url) as (url, process):
        address = ("127.0.0.1", urlsplit(url).port or 0)
        for data in (b"", HEAD[:-5], partial_request, REQUEST):
            connection = stack.enter_context(closing(create_connection(address)))
            connection.sendall(data)
        # The response to the last connection shows that the server accepted all of them.
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")
        _, errors = stop_server(process)
    assert "Traceback" not in errors


def test_sigterm_stops_the_server_during_a_query(postgres: PostgresServer) -> None:
    """A locked table blocks a request, but not the exit of the server."""
    database_url = fill_flowql(postgres.create_database("locked"))
    with run_server(database_url) as (url, process), psycopg.connect(database_url) as connection:
        connection.execute("LOCK TABLE authentik_flows_flow")
        client = Thread(target=request_until_stopped, args=(url,))
        client.start()
        waiting = "SELECT 1 FROM pg_locks WHERE NOT granted AND pid <> pg_backend_pid()"
        wait_until(lambda: connection.execute(waiting).fetchone() is not None)
        _, errors = stop_server(process)
        connection.rollback()
        client.join()
    assert KEYS["superuser"] not in errors
    assert "Traceback" not in errors


def test_sigterm_stops_the_server_during_slow_searches_on_sqlite(tmp_path: Path) -> None:
    """The server exits although threads still run searches that take minutes."""
    flows = ROWS["authentik_flows_flow"]
    rows = {**ROWS, "authentik_flows_flow": [{**row, "title": "ß" * 200_000} for row in flows]}
    with run_server(fill_flowql(f"sqlite:///{tmp_path / 'slow.db'}", rows)) as (url, process):
        before = read_cpu_ticks(process.pid)
        clients = [
            # Equal requests would share one execution.
            Thread(target=request_until_stopped, args=(url, f"?search=absent-{number}"))
            for number in range(8)
        ]
        for thread in clients:
            thread.start()
        wait_until(lambda: read_cpu_ticks(process.pid) > before + os.sysconf("SC_CLK_TCK") // 2)
        stop_server(process)
        for thread in clients:
            thread.join()


def read_cpu_ticks(pid: int) -> int:
    """Return the CPU time of a process in clock ticks."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def request_until_stopped(url: str, query: str = "") -> None:
    """Request flows, and expect a closed connection or a 503."""
    try:
        assert send_request(url, f"/flows/instances/{query}", KEYS["superuser"]).status == 503
    except (ConnectionError, OSError):
        return
