"""Database URLs, parsed like SQLAlchemy's for SQLite and like libpq's for PostgreSQL."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, quote, urlencode, urlsplit

from models.database.libpq_files import read_service
from models.errors import DatabaseError

# libpq's parameters that have no effect with asyncpg, for any value.
IGNORED_PARAMETERS = frozenset(
    {
        "fallback_application_name",
        "gssdelegation",
        "keepalives",
        "keepalives_count",
        "keepalives_idle",
        "keepalives_interval",
        "sslcompression",
        "sslsni",
        "tcp_user_timeout",
    }
)
# libpq's parameters that asyncpg or the server supports.
SUPPORTED_PARAMETERS = frozenset(
    {
        "application_name",
        "database",
        "dbname",
        "gsslib",
        "host",
        "krbsrvname",
        "options",
        "passfile",
        "password",
        "port",
        "ssl_max_protocol_version",
        "ssl_min_protocol_version",
        "sslcert",
        "sslcrl",
        "sslkey",
        "sslmode",
        "sslnegotiation",
        "sslpassword",
        "sslrootcert",
        "target_session_attrs",
        "user",
    }
)
# These name a service, whose parameters replace them.
SERVICE_PARAMETERS = frozenset({"service", "servicefile"})
# libpq's parameters that asyncpg does not support, with the values that require nothing.
HARMLESS_VALUES = {
    "channel_binding": {"disable", "prefer"},
    "gssencmode": {"disable", "prefer"},
    "client_encoding": {"auto", "utf8", "utf-8"},
    "load_balance_hosts": {"disable"},
    "requirepeer": {""},
    "require_auth": {""},
}
POSTGRESQL_SCHEMES = ("postgresql", "postgres")
# As in SQLAlchemy's URLs.
SCHEME_WITH_DRIVER = re.compile(r"(?:sqlite|postgres|postgresql)([+]\w{1,20})")
# Other text before the first ':' may contain a password.
SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9_+.-]{0,39}")
URL_FORMS = "use sqlite:///path or postgresql://user@host/name"
TLS_VERSIONS = ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
# Other values are errors whose message does not name the parameter, or not its values.
VALID_VALUES = {
    "ssl_max_protocol_version": TLS_VERSIONS,
    "ssl_min_protocol_version": TLS_VERSIONS,
    "target_session_attrs": (
        "any",
        "primary",
        "standby",
        "prefer-standby",
        "read-write",
        "read-only",
    ),
}
DEFAULT_CONNECT_TIMEOUT = 5
NO_TIMEOUT = 24 * 60 * 60
# A host with an optional port; an IPv6 address is in brackets.
HOST = re.compile(r"(\[[^][@]+]|[^][@:]*)(:[0-9]*)?")
INVALID_URL = (
    "invalid database URL: percent-encode special characters in user, password and database name"
)
EMPTY_HOST = "invalid database URL: the list of hosts contains an empty host"


@dataclass(frozen=True, slots=True)
class SQLiteFile:
    """An SQLite database in a file."""

    path: Path

    def __str__(self) -> str:
        return f"SQLite database {self.path}"

    @property
    def url(self) -> str:
        """The URL of the file."""
        return f"sqlite:///{self.path}"


@dataclass(frozen=True, slots=True)
class PostgreSQLServer:
    """A PostgreSQL database.

    `parameters` are those after the `?`, and the password before the host. No message contains it.
    `url` has no user information and no parameters.
    """

    dsn: str = field(repr=False)
    location: str
    url: str
    connect_timeout: int
    parameters: Mapping[str, str] = field(repr=False)

    def __str__(self) -> str:
        return f"PostgreSQL database at {self.location}"


Address = SQLiteFile | PostgreSQLServer


def parse_address(url: str) -> Address:
    """Parse a database URL; raises DatabaseError, whose message never contains a password."""
    scheme = url.partition(":")[0]
    if scheme == "sqlite":
        return _parse_sqlite(url)
    if scheme in POSTGRESQL_SCHEMES:
        return _parse_postgresql(url)
    if not (url.startswith(f"{scheme}://") and SCHEME.fullmatch(scheme)):
        raise DatabaseError(f"the database URL has no valid scheme: {URL_FORMS}")
    driver = SCHEME_WITH_DRIVER.fullmatch(scheme)
    advice = f"leave out {driver[1]!r}" if driver else URL_FORMS
    raise DatabaseError(f"unsupported database URL scheme {scheme!r}: {advice}")


def _parse_sqlite(url: str) -> SQLiteFile:
    path = url.removeprefix("sqlite:///")
    if path in (url, "", ":memory:"):
        raise DatabaseError(
            "the database URL does not name a file: use sqlite:///relative/path or"
            " sqlite:////absolute/path"
        )
    if "?" in path:
        raise DatabaseError("a sqlite:/// URL must not contain '?': parameters are not supported")
    return SQLiteFile(Path(path).expanduser())


def _parse_postgresql(url: str) -> PostgreSQLServer:
    try:
        parts = _split(url)
        parameters = _parse_query(parts.query)
    except ValueError:
        raise DatabaseError(INVALID_URL) from None
    parameters = {**read_service(parameters), **parameters}
    timeout = _parse_connect_timeout(parameters.pop("connect_timeout", ""))
    dsn_parameters = {
        name: value for name, value in parameters.items() if _is_passed_on(name, value)
    }
    parts = parts._replace(
        netloc=_add_ports(parts.netloc, parameters.get("port", "")),
        # An empty name in the path would take precedence over a parameter.
        path=parts.path.rstrip("/"),
        query=urlencode(dsn_parameters),
    )
    hosts, path = _find_hosts(parts, parameters), _find_path(parts, parameters)
    location, public_url = (hosts or "the local socket") + path, _build_url(hosts, path, parameters)
    if parts.password:
        dsn_parameters = {**dsn_parameters, "password": parts.password}
    return PostgreSQLServer(parts.geturl(), location, public_url, timeout, dsn_parameters)


def _add_ports(netloc: str, port: str) -> str:
    """Add the ports of a parameter to hosts without one, for which asyncpg ignores it."""
    user, at, location = netloc.rpartition("@")
    hosts, ports = location.split(","), port.split(",")
    has_port = any(re.search(":[0-9]*$", host) for host in hosts)
    if not (port and location) or has_port or len(ports) not in (1, len(hosts)):
        return netloc
    pairs = zip(hosts, ports * (len(hosts) // len(ports)), strict=True)
    return user + at + ",".join(f"{host}:{number}" for host, number in pairs)


def _find_hosts(parts: SplitResult, parameters: Mapping[str, str]) -> str:
    """Return the hosts, an empty string for the local socket. Raises DatabaseError if one is empty."""
    hosts = parts.netloc.rpartition("@")[2] or parameters.get("host") or os.environ.get("PGHOST")
    if hosts and not all(hosts.split(",")):
        raise DatabaseError(EMPTY_HOST)
    return hosts or ""


def _find_path(parts: SplitResult, parameters: Mapping[str, str]) -> str:
    """Return a slash and the name of the database, an empty string for the default one."""
    name = parameters.get("dbname") or parameters.get("database")
    return parts.path or (f"/{name}" if name else "")


def _build_url(hosts: str, path: str, parameters: Mapping[str, str]) -> str:
    """Return a URL without user information and parameters. A folder of sockets is no host."""
    location = "" if hosts.startswith("/") else _add_ports(hosts, parameters.get("port", ""))
    return f"postgresql://{location}{quote(path, safe='/%')}"


def _split(url: str) -> SplitResult:
    """Split a URL like libpq; raises ValueError.

    The first '@' ends the user information, which may contain '?' and '#' but no '/'.
    """
    scheme, separator, rest = url.partition("://")
    user, at, location = rest.partition("@")
    if at and "/" not in user:
        rest = quote(user, safe=":%") + at + location
    parts = urlsplit(scheme + separator + rest.replace("#", "%23"))
    hosts = parts.netloc.rpartition("@")[2].split(",")
    has_unescaped = parts.netloc.count("@") > 1 or "@" in parts.path
    if not separator or has_unescaped or not all(HOST.fullmatch(host) for host in hosts):
        raise ValueError
    return parts


def _parse_query(query: str) -> dict[str, str]:
    # '+' is not an encoded space in libpq.
    pairs = query.replace("+", "%2B")
    return dict(parse_qsl(pairs, keep_blank_values=True, strict_parsing=bool(pairs)))


def _is_passed_on(name: str, value: str) -> bool:
    if name == "sslrootcert" and value == "system":
        raise DatabaseError(
            "sslrootcert=system is not supported: use the path of a certificate file"
        )
    if value not in VALID_VALUES.get(name, (value,)):
        raise DatabaseError(f"{name} must be one of {', '.join(VALID_VALUES[name])}")
    if name in SUPPORTED_PARAMETERS:
        return True
    if (
        name in SERVICE_PARAMETERS
        or name in IGNORED_PARAMETERS
        or value.lower() in HARMLESS_VALUES.get(name, ())
    ):
        return False
    if name in HARMLESS_VALUES:
        raise DatabaseError(
            f"{name}={value} is not supported: remove it from the database URL or its service"
        )
    raise DatabaseError(f"unknown parameter {name!r} in the database URL or its service")


def _parse_connect_timeout(text: str) -> int:
    """Return the timeout in seconds. In libpq, 0 and negative numbers disable it."""
    try:
        seconds = int(text) if text else DEFAULT_CONNECT_TIMEOUT
    except ValueError:
        raise DatabaseError(f"connect_timeout={text} is not a number of seconds") from None
    return seconds if seconds > 0 else NO_TIMEOUT
