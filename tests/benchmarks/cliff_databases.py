"""Servers, databases and rows for the benchmark of statements."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import psycopg
from machine import MachineError
from psycopg import sql

from models.database import migrate
from support.postgres import ACCOUNT_FOR_ROOT, HOST, USER, PostgresServer
from support.seed import create_authentik

ROWS = Path(__file__).with_name("cliff_rows")
DEBIAN_BINARIES = Path("/usr/lib/postgresql/15/bin")
AUTHENTIK, OWN = "authentik", "FlowQL"
COLLATIONS = ("C", "C.UTF-8", "en_US.UTF-8")
# The optional indexes of authentik's tables, in groups that are missing together.
CACHE = "django_postgres_cache_cacheentry"
GRANTS = "guardian_roleobjectpermission"
INDEXES: Mapping[str, Sequence[str]] = {
    "keys of plans": (f"{CACHE}_cache_key_like",),
    "patterns of slugs": ("authentik_flows_flow_slug_like",),
    "grants": tuple(f"{GRANTS}_{name}_id" for name in ("role", "permission", "content_type")),
    "token keys": ("authentik_core_token_key",),
    "parents of groups": ("authentik_core_groupparentage_child_id",),
}
EVERY_INDEX, NO_INDEX = "all", "none"
# The options of Debian's server, like those of PostgresServer.
OPTIONS = (
    *("listen_addresses=127.0.0.1", "unix_socket_directories=", "autovacuum=off", "timezone=UTC"),
    *("fsync=off", "full_page_writes=off", "synchronous_commit=off"),
)
# The server listens on this port if it is free, or on one of the next.
FIRST_PORT, PORT_COUNT = 54_815, 50


class Cell(NamedTuple):
    """The state of a database. `indexes` says which of the optional indexes exist."""

    server: str
    tables: str
    collation: str
    indexes: str
    is_analyzed: bool

    @property
    def label(self) -> str:
        """The parts of the cell in one line."""
        statistics = "analyzed" if self.is_analyzed else "never analyzed"
        return f"{self.server}, {self.tables}, {self.collation}, {self.indexes}, {statistics}"


@dataclass(frozen=True, slots=True)
class Cluster:
    """A running server."""

    name: str
    dsn: str

    def url(self, database: str) -> str:
        """Return the URL of a database."""
        return f"{self.dsn.rpartition('/')[0]}/{database}"

    def execute(self, *statements: sql.Composed) -> None:
        """Execute statements on databases."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)

    def create_database(self, name: str, collation: str) -> str:
        """Create an empty database with a collation of the C library, and return its URL."""
        create = (
            "CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER libc LOCALE {}"
        )
        self.execute(sql.SQL(create).format(sql.Identifier(name), sql.Literal(collation)))
        return self.url(name)

    def copy_database(self, name: str, source: str) -> str:
        """Copy a database, and return the URL of the copy."""
        copy = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        self.execute(copy.format(sql.Identifier(name), sql.Identifier(source)))
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """Drop a database."""
        self.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@contextmanager
def run_cluster(version: str) -> Generator[Cluster]:
    """Run a server of this version, with all collations."""
    with TemporaryDirectory(prefix="flowql-locales-") as folder:
        _build_locales(Path(folder))
        os.environ["LOCPATH"] = folder
        try:
            with _run_pypi() if version == "18" else _run_debian() as dsn:
                yield Cluster(f"PostgreSQL {version}", dsn)
        finally:
            del os.environ["LOCPATH"]


def list_index_states() -> Sequence[str]:
    """Return the states of the optional indexes: all, none, and all but one group."""
    return [EVERY_INDEX, *(f"no {name}" for name in INDEXES), NO_INDEX]


def drop_indexes(url: str, state: str) -> None:
    """Drop the indexes that a database in this state lacks."""
    missing = [
        index
        for name, indexes in INDEXES.items()
        if state in (NO_INDEX, f"no {name}")
        for index in indexes
    ]
    with psycopg.connect(url, autocommit=True) as connection:
        for index in missing:
            connection.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(index)))


def analyze(url: str) -> None:
    """Collect statistics, as autovacuum does."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM (ANALYZE)")


def fill(url: str, tables: str, flow_count: int) -> None:
    """Create tables with rows, which are never analyzed."""
    counts = count_rows(flow_count)
    if tables == AUTHENTIK:
        create_authentik(url)
        _execute_files(url, counts, "authentik_tables", "common", "authentik")
    else:
        asyncio.run(migrate(url))
        _execute_files(url, counts | {"has_digests": True}, "common", "flowql")


def count_rows(flow_count: int) -> dict[str, int]:
    """Return the numbers of rows that belong to a number of flows."""
    return {
        "flows": flow_count,
        "stages": flow_count * 3 // 10,
        "policies": flow_count // 10,
        "prompts": flow_count // 5,
        "users": 1000,
        "groups": 100,
        "roles": 100,
        "grants": flow_count * 2,
        "has_digests": False,
    }


def _execute_files(url: str, counts: Mapping[str, int], *names: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for name in names:
            text = (ROWS / f"{name}.sql").read_text()
            connection.execute((text.format(**counts) if "{" in text else text).encode())


def _build_locales(folder: Path) -> None:
    """Compile the locales, which a system may lack."""
    folder.chmod(0o755)
    for source, name in (("en_US", "en_US.UTF-8"), ("C", "C.UTF-8")):
        command = ["localedef", "-i", source, "-f", "UTF-8", str(folder / name)]
        try:
            subprocess.run(command, check=True, capture_output=True, text=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise MachineError(
                f"cannot compile the locale {name}: install Debian's package locales"
            ) from error


@contextmanager
def _run_pypi() -> Generator[str]:
    """Run the PostgreSQL 18 of the tests, and yield its URL."""
    with PostgresServer() as server:
        yield server.dsn()


@contextmanager
def _run_debian() -> Generator[str]:
    """Run Debian's PostgreSQL 15 in a temporary folder, and yield its URL."""
    if not DEBIAN_BINARIES.is_dir():
        raise MachineError("install Debian's package postgresql-15")
    with TemporaryDirectory(prefix="flowql-postgres-") as folder:
        if os.geteuid() == 0:
            shutil.chown(folder, ACCOUNT_FOR_ROOT)
        data, account = Path(folder) / "data", ACCOUNT_FOR_ROOT if os.geteuid() == 0 else None
        _control(account, "initdb", f"--pgdata={data}", f"--username={USER}", "--auth=trust", "-N")
        port = _start(account, data)
        try:
            yield f"postgresql://{USER}@{HOST}:{port}/postgres"
        finally:
            _control(account, "pg_ctl", "stop", f"--pgdata={data}", "--mode=immediate", "--wait")


def _start(account: str | None, data: Path) -> int:
    options = " ".join(f"-c {option}" for option in OPTIONS)
    for port in range(FIRST_PORT, FIRST_PORT + PORT_COUNT):
        try:
            _control(
                account,
                "pg_ctl",
                "start",
                f"--pgdata={data}",
                "--wait",
                f"--log={data}.log",
                f"--options={options} -p {port}",
            )
        except MachineError:
            continue
        return port
    raise MachineError(f"PostgreSQL 15 does not start:\n{Path(f'{data}.log').read_text()}")


def _control(account: str | None, program: str, *arguments: str) -> None:
    process = subprocess.run(
        [DEBIAN_BINARIES / program, *arguments],
        user=account,
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    if process.returncode:
        raise MachineError(f"{program} failed with status {process.returncode}")
