"""libpq's files, which a database URL or the environment names: service, password, certificates."""

import errno
import os
import ssl
import stat
from collections.abc import Callable, Iterator, Mapping
from configparser import Error as ParserError
from configparser import RawConfigParser
from pathlib import Path
from typing import NamedTuple

from models.errors import DatabaseError

SERVICE_FILE = "pg_service.conf"
# The values of sslmode with which the driver reads certificates, and with which it needs a root.
TLS_MODES = ("allow", "prefer", "require", "verify-ca", "verify-full")
CHECKING_MODES = ("require", "verify-ca", "verify-full")
VERIFYING_MODES = ("verify-ca", "verify-full")
SHARED_MODE = 0o077

ConnectionParameters = Mapping[str, str]


class NamedFile(NamedTuple):
    """A file, and how it is named in messages: with the parameter or variable that contains it."""

    label: str
    path: Path


def read_service(parameters: ConnectionParameters) -> ConnectionParameters:
    """Return the parameters of the service that is named; raises DatabaseError."""
    service = parameters.get("service") or os.environ.get("PGSERVICE")
    if not service:
        return {}
    path = parameters.get("servicefile") or os.environ.get("PGSERVICEFILE")
    files = [Path(path) if path else _home_path(f".{SERVICE_FILE}")]
    if folder := os.environ.get("PGSYSCONFDIR"):
        files.append(Path(folder, SERVICE_FILE))
    for file in files:
        services = _read_services(file)
        if services.has_section(service):
            return dict(services[service])
    names = " or ".join(map(str, files))
    raise DatabaseError(
        f"service {service!r} not found in {names}: set servicefile or PGSERVICEFILE to the file"
        " that contains it"
    )


def find_password_file(parameters: ConnectionParameters) -> NamedFile | None:
    """Return the password file, None if there is none or a password takes precedence."""
    if parameters.get("password") or os.environ.get("PGPASSWORD"):
        return None
    file = _find_file(parameters, "passfile", "PGPASSFILE", _home_path(".pgpass"))
    # This value means that there is no file.
    return None if file and file.path == Path(os.devnull) else file


def describe_password_file_error(file: NamedFile) -> str | None:
    """Return why a password file is ignored, None if the driver reads it."""
    if reason := _describe_read_error(file.path):
        return f"password file {file.label}: {reason}"
    mode = file.path.stat().st_mode
    if not stat.S_ISREG(mode):
        return f"password file {file.label} is ignored, because it is not a regular file"
    if mode & SHARED_MODE:
        return f"password file {file.label} is ignored, because others can access it: chmod 600"
    return None


def describe_certificate_error(parameters: ConnectionParameters) -> str | None:
    """Return what is wrong with the first of the certificate files that the driver cannot load."""
    mode = _find_ssl_mode(parameters)
    checks = (_check_authorities, _check_client_certificate)
    errors = (error for check in checks for error in check(parameters, mode))
    return next(errors, None)


def describe_authorities(parameters: ConnectionParameters) -> str:
    """Return the name of the file with the certificates of authorities."""
    file = _find_root(parameters)
    return file.label if file else "sslrootcert"


def _read_services(file: Path) -> RawConfigParser:
    parser = RawConfigParser(
        delimiters=("=",), comment_prefixes=("#",), default_section="", strict=False
    )
    try:
        # Without its indentation, no line continues the value before it.
        parser.read_file(map(str.strip, file.read_text().split("\n")))
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:
        raise DatabaseError(f"service file {file}: {error.strerror}") from error
    except (ParserError, UnicodeDecodeError):
        # The message of the parser contains a line, which may contain a password.
        raise DatabaseError(
            f"service file {file} is not valid: expected [service] and parameter=value lines"
        ) from None
    return parser


def _find_ssl_mode(parameters: ConnectionParameters) -> str:
    return parameters.get("sslmode") or os.environ.get("PGSSLMODE") or "prefer"


def _find_root(parameters: ConnectionParameters) -> NamedFile | None:
    return _find_file(parameters, "sslrootcert", "PGSSLROOTCERT", _default_path("root.crt"))


def _find_file(
    parameters: ConnectionParameters, name: str, variable: str, default: Path
) -> NamedFile | None:
    """Return the file that a parameter or a variable names, or the default file if it exists."""
    for label, value in ((name, parameters.get(name)), (variable, os.environ.get(variable))):
        if value:
            return NamedFile(f"{label}={value}", Path(value))
    return None if _is_absent(default) else NamedFile(str(default), default)


def _is_absent(path: Path) -> bool:
    """Return whether there is no file; False if its folder may not be searched."""
    try:
        path.stat()
    except OSError as error:
        return isinstance(error, FileNotFoundError | NotADirectoryError)
    return False


def _default_path(name: str) -> Path:
    return _home_path(".postgresql", name)


def _home_path(*parts: str) -> Path:
    """Return a path below the home directory, which an account in a container may not have."""
    try:
        return Path.home().joinpath(*parts)
    except RuntimeError:
        return Path("~", *parts)


def _check_authorities(parameters: ConnectionParameters, mode: str) -> Iterator[str]:
    if mode not in CHECKING_MODES:
        return
    root = _find_root(parameters)
    if root is None and mode in VERIFYING_MODES:
        yield (
            f"sslmode={mode} requires sslrootcert, the file with the certificate of the server's"
            f" authority: {_default_path('root.crt')} does not exist"
        )
    revocations = _find_file(parameters, "sslcrl", "PGSSLCRL", _default_path("root.crl"))
    for file, content in ((root, "certificate"), (revocations, "revocation list")):
        if file:
            yield from _check_file(file, content, _new_context().load_verify_locations)


def _check_client_certificate(parameters: ConnectionParameters, mode: str) -> Iterator[str]:
    if mode not in TLS_MODES:
        return
    certificate = _find_file(parameters, "sslcert", "PGSSLCERT", _default_path("postgresql.crt"))
    if certificate is None:
        return
    yield from _check_file(certificate, "certificate", _new_context().load_verify_locations)
    key = _find_file(parameters, "sslkey", "PGSSLKEY", _default_path("postgresql.key"))
    password = parameters.get("sslpassword", "")

    def load(path: Path) -> None:
        _new_context().load_cert_chain(certificate.path, path, lambda: password)

    if key is None:
        yield from _check_file(certificate, "private key, and sslkey is not set", load)
    else:
        yield from _check_file(key, f"private key of {certificate.label}", load)


def _check_file(file: NamedFile, content: str, load: Callable[[Path], None]) -> Iterator[str]:
    if reason := _describe_read_error(file.path):
        yield f"{file.label}: {reason}"
    elif file.path.is_file():
        # The content of a pipe can be read only once.
        try:
            load(file.path)
        except ssl.SSLError:
            yield f"{file.label}: the file contains no valid {content}"


def _describe_read_error(path: Path) -> str | None:
    """Return why a file cannot be read, without reading it."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        return error.strerror
    if stat.S_ISDIR(mode):
        return os.strerror(errno.EISDIR)
    return None if os.access(path, os.R_OK) else os.strerror(errno.EACCES)


def _new_context() -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
