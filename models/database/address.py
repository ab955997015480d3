"""Where a database is: the URL that a user writes, read as SQLite and libpq read it."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, quote, urlencode, urlsplit

from models.errors import DatabaseError

# libpq's parameters that change nothing for a driver of our own, whatever their value.
WITHOUT_EFFECT = frozenset(
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
# libpq's parameters that the driver, or the server at the start of a session, understands.
UNDERSTOOD = frozenset(
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
        "service",
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
# libpq's parameters that must not be passed over in silence, with the values that ask for nothing.
HARMLESS_VALUES = {
    "channel_binding": {"disable", "prefer"},
    "gssencmode": {"disable", "prefer"},
    "client_encoding": {"auto", "utf8", "utf-8"},
    "load_balance_hosts": {"disable"},
    "requirepeer": {""},
    "require_auth": {""},
}
DEFAULT_CONNECT_TIMEOUT = 10
NO_TIMEOUT = 24 * 60 * 60
# A host of a list, with its port; an address of IPv6 stands in brackets.
HOST = re.compile(r"(\[[^][@]+]|[^][@:]*)(:[0-9]*)?")


@dataclass(frozen=True, slots=True)
class SQLiteFile:
    """An embedded database in a file."""

    path: Path

    def __str__(self) -> str:
        """The file, for messages."""
        return str(self.path)


@dataclass(frozen=True, slots=True)
class PostgreSQLServer:
    """A database on a server; `dsn` may hold a password and stays out of every message."""

    dsn: str = field(repr=False)
    place: str
    connect_timeout: int

    def __str__(self) -> str:
        """Host and database, for messages."""
        return f"PostgreSQL at {self.place}"


Address = SQLiteFile | PostgreSQLServer


def parse_address(url: str) -> Address:
    """The address in a URL; raises DatabaseError without ever quoting a password."""
    scheme = url.partition(":")[0]
    if scheme == "sqlite":
        return _sqlite(url)
    if scheme in ("postgresql", "postgres"):
        return _postgresql(url)
    known = "sqlite:///path and postgresql://user@host/name are known"
    raise DatabaseError(f"the database URL starts with {scheme[:20]!r}; {known}")


def _sqlite(url: str) -> SQLiteFile:
    path = url.removeprefix("sqlite:///")
    if path in (url, "", ":memory:"):
        raise DatabaseError(
            f"{url!r} names no file: write sqlite:///relative/path or sqlite:////path"
        )
    if "?" in path:
        raise DatabaseError("a sqlite:/// URL takes no parameters after a '?'")
    return SQLiteFile(Path(path).expanduser())


def _postgresql(url: str) -> PostgreSQLServer:
    try:
        parts = _split(url)
        # A plus is no space to libpq.
        query = parts.query.replace("+", "%2B")
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
    except ValueError:
        raise DatabaseError(
            "the database URL cannot be read: is a character not escaped?"
        ) from None
    parameters = dict(pairs)
    timeout = _connect_timeout(parameters.pop("connect_timeout", ""))
    passed_on = {name: value for name, value in parameters.items() if _is_passed_on(name, value)}
    dsn = parts._replace(query=urlencode(passed_on)).geturl()
    hosts = parts.netloc.rpartition("@")[2] or parameters.get("host") or "the local socket"
    return PostgreSQLServer(dsn, hosts + parts.path.rstrip("/"), timeout)


def _split(url: str) -> SplitResult:
    """The URL's parts; raises ValueError.

    As to libpq, user and password end at the first '@' and may have a '?' or '#'; a '/' must be escaped.
    """
    scheme, slashes, rest = url.partition("://")
    user, at, place = rest.partition("@")
    if at and "/" not in user:
        rest = quote(user, safe=":%") + at + place
    parts = urlsplit(scheme + slashes + rest.replace("#", "%23"))
    hosts = parts.netloc.rpartition("@")[2].split(",")
    unescaped = parts.netloc.count("@") > 1 or "@" in parts.path
    if not slashes or unescaped or not all(HOST.fullmatch(host) for host in hosts):
        raise ValueError
    return parts


def _is_passed_on(name: str, value: str) -> bool:
    if name == "sslrootcert" and value == "system":
        raise DatabaseError("sslrootcert=system is not supported: name the file of certificates")
    if name in UNDERSTOOD:
        return True
    if name in WITHOUT_EFFECT or value.lower() in HARMLESS_VALUES.get(name, ()):
        return False
    if name in HARMLESS_VALUES:
        raise DatabaseError(f"the database URL asks for {name}={value}, which is not supported")
    raise DatabaseError(f"the database URL has an unknown parameter {name!r}")


def _connect_timeout(text: str) -> int:
    """Seconds; 0 or less is no limit to libpq."""
    try:
        seconds = int(text) if text else DEFAULT_CONNECT_TIMEOUT
    except ValueError:
        raise DatabaseError(f"connect_timeout={text} is not a number of seconds") from None
    return seconds if seconds > 0 else NO_TIMEOUT
