"""The commands, operations, links and figures of the documentation are valid."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import pytest

from support.app_client import AppClient
from support.command import FLOWQL, clean_environment
from support.paths import BENCHMARKS, README, ROOT, SAMPLES
from support.server_process import RunningServer, find_free_port, start_flowql, wait_until_live

TEXT = README.read_text()
DOCUMENTS = [
    path
    for folder in (ROOT, ROOT / ".github", ROOT / "gql", ROOT / "models", ROOT / "tests")
    for path in sorted(folder.glob("*.md"))
]
# Each console block is run by one of the tests below.
TESTED_BLOCKS = ("$ make run", "$ curl", "$ flowql serve", "$ flowql migrate")


def code_blocks(language: str, start: str) -> list[str]:
    """Return the fenced blocks of a language that start with a string."""
    return re.findall(rf"```{language}\n({re.escape(start)}.*?)```", TEXT, re.DOTALL)


def split_commands(block: str) -> list[str]:
    """Return the commands of a console block; continued lines are joined."""
    lines = block.replace("\\\n", " ").split("$ ")
    return [line.partition("  #")[0].strip() for line in lines if line.strip()]


def run(command: str, cwd: Path, **variables: str) -> str:
    """Run a shell command that finds this environment's flowql, and return its output."""
    path = f"{FLOWQL.parent}{os.pathsep}{os.environ['PATH']}"
    completed = subprocess.run(  # noqa: S602 - the README's own commands
        command,
        shell=True,
        cwd=cwd,
        env=clean_environment({"PATH": path, **variables}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert completed.returncode == 0, (command, completed.stderr)
    return completed.stdout


@contextmanager
def run_make(*arguments: str) -> Generator[subprocess.Popen[str]]:
    """Run make in the checkout until the block ends."""
    variables = {name: value for name, value in clean_environment().items() if "MAKE" not in name}
    with subprocess.Popen(
        ["make", *arguments],  # noqa: S607 - make is a requirement of the project
        cwd=ROOT,
        env=variables,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            os.killpg(process.pid, signal.SIGINT)


def test_make_run_serves_the_sample_flows(tmp_path: Path) -> None:
    """`make run` prints two curl commands, and both return flows."""
    port = find_free_port()
    curls: list[str] = []
    with run_make("run", f"ARGS=--port {port}") as process:
        assert process.stdout is not None
        for line in process.stdout:
            curls += [line] if line.startswith("curl") else []
            if len(curls) == 2:
                break
        wait_until_live(f"http://127.0.0.1:{port}", process)
        for curl in curls:
            assert '"slug":"default-' in run(curl, tmp_path)


def test_the_graphql_examples_are_valid(sample_url: str, sample_server: RunningServer) -> None:
    """The operations return data and no errors."""
    with AppClient(sample_url) as client:
        pages, connection = (
            client.graphql(example, sample_server.token).json
            for example in code_blocks("graphql", "query")
        )
    assert pages["data"]["flow"]["name"] == "Change Password"
    assert pages["data"]["flows"]["pagination"] == {"count": 2, "totalPages": 1, "next": 0}
    nodes = connection["data"]["flowConnection"]["nodes"]
    assert [flow["slug"] for flow in nodes] == ["default-authentication-flow"]
    assert not {"errors"} & (pages.keys() | connection.keys())


def test_the_curl_examples_return_flows(sample_server: RunningServer, tmp_path: Path) -> None:
    """Both requests return flows."""
    [block] = code_blocks("console", "$ curl")
    for command in split_commands(block):
        curl = command.replace("localhost:8000", sample_server.url)
        assert '"slug":"default-' in run(curl, tmp_path, TOKEN=sample_server.token)


def test_the_commands_for_an_own_database(tmp_path: Path) -> None:
    """The four commands serve imported flows to the new token."""
    [block] = code_blocks("console", "$ flowql migrate")
    *setup, serve = split_commands(block.replace("path/to/blueprints", str(SAMPLES)))
    key = [run(command, tmp_path) for command in setup][-1].strip()
    port = find_free_port()
    with start_flowql(serve.split()[1:], cwd=tmp_path, env={"FLOWQL_PORT": str(port)}) as process:
        url = f"http://127.0.0.1:{port}"
        wait_until_live(url, process)
        curl = f"curl -s {url}/flows/instances/ -H 'Authorization: Bearer {key}'"
        assert '"count":17' in run(curl, tmp_path)


def test_the_command_for_the_database_of_authentik(authentik_url: str, tmp_path: Path) -> None:
    """The command serves authentik's tables at another URL."""
    [block] = code_blocks("console", "$ flowql serve")
    [command] = split_commands(block)
    _, subcommand, option, _ = command.split()
    port = find_free_port()
    arguments = [subcommand, option, authentik_url, "--port", str(port)]
    with start_flowql(arguments, cwd=tmp_path) as process:
        wait_until_live(f"http://127.0.0.1:{port}", process)


def test_every_console_block_is_tested() -> None:
    """Each console block of the README is one that a test runs."""
    blocks = re.findall(r"```console\n(.*?)```", TEXT, re.DOTALL)
    assert [block for block in blocks if not block.startswith(TESTED_BLOCKS)] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_and_targets_exist(document: Path) -> None:
    """Each relative link leads to a file, and each `make` command names a target."""
    text = document.read_text()
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", text)
    assert [link for link in links if not (document.parent / link).exists()] == []
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    commands = re.findall(r"(?:`|\$ )make ([a-z-]+)", text)
    assert set(commands) <= targets


@pytest.mark.parametrize("package", ["gql", "models"])
def test_package_documents_name_each_module(package: str) -> None:
    """README.md of a package names the modules that exist, and no others."""
    folder = ROOT / package
    modules = {path.name for path in folder.rglob("*.py") if "migrations" not in path.parts}
    names = set(re.findall(r"`(?:[\w/]+/)?(\w+\.py)`", (folder / "README.md").read_text()))
    assert modules - names == {"__init__.py"} - names
    assert names <= modules


def test_the_tables_show_the_recorded_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """The performance tables are rendered from the raw results in the repository."""
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
    figures, report = import_module("figures"), import_module("report")
    assert report.summary(figures.load("latest")) in TEXT
