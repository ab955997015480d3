"""The command `flowql`, run to its end as a process or in this process."""

import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from gql.cli import main

FLOWQL = Path(sys.executable).with_name("flowql")
PATIENCE_SECONDS = 30


def clean_environment(changes: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return this process's environment with the changes and without FlowQL's settings."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("FLOWQL_")}
    return {**others, **(changes or {})}


def run_flowql(
    *arguments: str, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> CompletedProcess[str]:
    """Run `flowql` as a process and return its exit status and output."""
    return subprocess.run(
        [FLOWQL, *arguments],
        cwd=cwd,
        env=clean_environment(env),
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


def run_in_process(*arguments: str) -> CompletedProcess[str]:
    """Run `flowql` in this process, which saves the start of an interpreter."""
    stderr, stdout = StringIO(), StringIO()
    with redirect_stderr(stderr), redirect_stdout(stdout), pytest.raises(SystemExit) as end:
        main(arguments)
    code = end.value.code
    assert isinstance(code, int)
    return CompletedProcess(arguments, code, stdout.getvalue(), stderr.getvalue())


def run_failing(
    *arguments: str, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> str:
    """Run `flowql` as a process, check that it fails, and return its error message."""
    return _error_message(run_flowql(*arguments, cwd=cwd, env=env))


def run_failing_in_process(*arguments: str) -> str:
    """Run `flowql` in this process, check that it fails, and return its error message."""
    return _error_message(run_in_process(*arguments))


def create_token(url: str, *arguments: str) -> str:
    """Create a token in the database at the URL, and return its key."""
    process = run_in_process("token", "create", *arguments, "--database", url)
    assert process.returncode == 0, process
    return process.stdout.strip()


def _error_message(process: CompletedProcess[str]) -> str:
    assert (process.returncode, process.stdout) == (2, ""), process
    [line] = process.stderr.splitlines()
    assert line.startswith("flowql: ")
    return line.removeprefix("flowql: ")
