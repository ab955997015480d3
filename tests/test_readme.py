"""What the README shows works as it is shown."""

import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from support.app_client import AppClient
from support.paths import BENCHMARKS, README, SAMPLES
from support.processes import (
    FLOWQL,
    RunningServer,
    environment,
    free_port,
    run_process,
    wait_until_live,
)

TEXT = README.read_text()


def blocks(language: str, start: str) -> list[str]:
    """The fenced blocks of a language whose text begins so."""
    return re.findall(rf"```{language}\n({re.escape(start)}.*?)```", TEXT, re.DOTALL)


def commands(block: str) -> list[str]:
    """The commands of a console block, those in several lines whole."""
    return [line.strip() for line in block.replace("\\\n", " ").split("$ ") if line.strip()]


def run(command: str, cwd: Path, **variables: str) -> str:
    """What a command prints, run by a shell that finds this environment's flowql."""
    path = f"{FLOWQL.parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(  # noqa: S602 - the README's own commands
        command,
        shell=True,
        cwd=cwd,
        env=environment({"PATH": path, **variables}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, (command, done.stderr)
    return done.stdout


def test_the_graphql_examples_are_answered(sample_url: str, served: RunningServer) -> None:
    """The README's operations give data and no error."""
    with AppClient(sample_url) as client:
        pages, connection = (
            client.graphql(example, served.token).json for example in blocks("graphql", "query")
        )
    assert pages["data"]["flow"]["name"] == "Change Password"
    assert pages["data"]["flows"]["pagination"] == {"count": 2, "totalPages": 1, "next": 0}
    found = connection["data"]["flowConnection"]
    assert [flow["slug"] for flow in found["nodes"]] == ["default-authentication-flow"]
    assert not {"errors"} & (pages.keys() | connection.keys())


def test_the_curl_examples_are_answered(served: RunningServer, tmp_path: Path) -> None:
    """The README's two questions give flows."""
    [block] = blocks("console", "$ curl")
    for command in commands(block):
        asked = command.replace("localhost:8000", served.url)
        assert '"slug":"default-' in run(asked, tmp_path, TOKEN=served.token)


def test_a_database_of_ones_own_is_four_commands(tmp_path: Path) -> None:
    """After the README's commands, the token's bearer sees the imported flows."""
    [block] = blocks("console", "$ flowql migrate")
    *before, serve = commands(block.replace("path/to/blueprints", str(SAMPLES)))
    key = [run(command, tmp_path) for command in before][-1].strip()
    port = free_port()
    with run_process(serve.split()[1:], cwd=tmp_path, env={"FLOWQL_PORT": str(port)}) as process:
        url = f"http://127.0.0.1:{port}"
        wait_until_live(url, process)
        curl = f"curl -s {url}/flows/instances/ -H 'Authorization: Bearer {key}'"
        assert '"count":17' in run(curl, tmp_path)


def test_the_figures_are_those_that_were_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """The README's table is made of the raw figures in the repository."""
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
    figures, report = import_module("figures"), import_module("report")
    assert report.summary(figures.load("latest")) in TEXT
