"""Errors of connecting to PostgreSQL name the host, file or parameter, and contain no secret."""

import asyncio
import os
import re
import warnings
from pathlib import Path

import pytest

from models.database import open_database
from models.database.address import parse_address
from models.database.libpq_files import describe_certificate_error
from models.database.statement import RawSQL
from models.errors import DatabaseError
from support.postgres import HOST, PASSWORD, PostgresServer
from support.seed import create_authentik
from support.server_process import find_free_port
from support.tls_server import CERTIFICATES, serve_tls

CERTIFICATE, KEY = CERTIFICATES / "localhost.pem", CERTIFICATES / "localhost.key"
OTHER_CERTIFICATE, OTHER_KEY = CERTIFICATES / "other.pem", CERTIFICATES / "other.key"
VERIFY = "sslmode=verify-full&sslrootcert"
NO_ROOT = (
    "sslmode=verify-ca requires sslrootcert, the file with the certificate of the server's"
    " authority: {folder}/.postgresql/root.crt does not exist"
)
ATTRIBUTES = "any, primary, standby, prefer-standby, read-write, read-only"
VARIABLES = ("PGPASSFILE", "PGPASSWORD", "PGSERVICE", "PGSERVICEFILE", "PGSYSCONFDIR", "PGHOST")
AUTHENTICATION = 'password authentication failed for user "{}"'


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home directory, without libpq's variables in the environment."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    return tmp_path


@pytest.fixture(scope="module")
def authentik_tables(postgres: PostgresServer) -> str:
    """Authentik's tables, without rows."""
    return create_authentik(postgres.create_database("connecting"))


@pytest.fixture
def url(authentik_tables: str) -> str:
    """The URL of authentik's database without the password."""
    return authentik_tables.replace(f":{PASSWORD}@", "@")


async def _open(url: str, query: str) -> object:
    database = await open_database(url)
    try:
        [(value,)] = await database.read(RawSQL(query))
        return value
    finally:
        await database.close()


def open_and_read(url: str, query: str = "SELECT 1") -> object:
    """Open a database like `serve`, and return one value."""
    return asyncio.run(_open(url, query))


def open_error(url: str) -> str:
    """Return the error of a database that cannot be opened; it is one line without a secret."""
    with pytest.raises(DatabaseError) as raised:
        open_and_read(url)
    error = str(raised.value)
    assert PASSWORD not in error
    assert len(error.splitlines()) == 1
    return error


def connect_error(url: str) -> str:
    """Return the reason of an error, which follows the location of the database."""
    location, _, reason = open_error(url).partition(": ")
    assert location.startswith("cannot open PostgreSQL database at ")
    return reason


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "sqlite"])
@pytest.mark.parametrize("driver", ["asyncpg", "psycopg2", "aiosqlite"])
def test_a_driver_in_the_scheme_is_an_error(scheme: str, driver: str) -> None:
    """SQLAlchemy's URLs name a driver; the error says to leave it out."""
    expected = f"unsupported database URL scheme '{scheme}+{driver}': leave out '+{driver}'"
    assert open_error(f"{scheme}+{driver}://flowql:{PASSWORD}@localhost/name") == expected


@pytest.mark.parametrize(
    "url",
    [
        f"host=localhost password={PASSWORD} dbname=authentik",
        f"user:{PASSWORD}@localhost/name",
        f"password={PASSWORD}://localhost",
        f"{PASSWORD}:name",
        "a" * 41 + "://localhost",
        "authentik",
    ],
)
def test_a_string_that_is_not_a_url_is_not_shown(url: str) -> None:
    """A connection string of libpq may contain a password anywhere."""
    expected = (
        "the database URL has no valid scheme: use sqlite:///path or postgresql://user@host/name"
    )
    assert open_error(url) == expected


def test_an_sqlite_url_with_a_host_is_not_shown() -> None:
    """It may contain a password as well."""
    error = open_error(f"sqlite://flowql:{PASSWORD}@localhost/name")
    assert error.startswith(
        "the database URL does not name a file: use sqlite:///relative/path or "
    )


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ("{verify}={folder}/nowhere", "sslrootcert={folder}/nowhere: No such file or directory"),
        ("{verify}={folder}", "sslrootcert={folder}: Is a directory"),
        ("{verify}={key}", "sslrootcert={key}: the file contains no valid certificate"),
        (
            "sslmode=verify-ca",
            NO_ROOT,
        ),
        (
            "{verify}={certificate}&sslcrl={folder}/nowhere",
            "sslcrl={folder}/nowhere: No such file or directory",
        ),
        (
            "sslmode=require&sslcrl={certificate}.pub",
            "sslcrl={certificate}.pub: No such file or directory",
        ),
        (
            "sslmode=require&sslcrl={key}",
            "sslcrl={key}: the file contains no valid revocation list",
        ),
        ("sslcert={folder}/nowhere", "sslcert={folder}/nowhere: No such file or directory"),
        ("sslcert={key}&sslkey={key}", "sslcert={key}: the file contains no valid certificate"),
        (
            "sslcert={certificate}",
            "sslcert={certificate}: the file contains no valid private key, and sslkey is not set",
        ),
        (
            "sslcert={certificate}&sslkey={folder}/nowhere",
            "sslkey={folder}/nowhere: No such file or directory",
        ),
        (
            "sslcert={certificate}&sslkey={other_key}",
            "sslkey={other_key}: the file contains no valid private key of sslcert={certificate}",
        ),
    ],
)
def test_an_invalid_certificate_file_is_named(
    parameters: str, reason: str, home: Path, authentik_tables: str
) -> None:
    """The error has the parameter, the path, and what is wrong with the file."""
    names = {
        "verify": VERIFY,
        "folder": home,
        "certificate": CERTIFICATE,
        "key": KEY,
        "other_key": OTHER_KEY,
    }
    url = f"{authentik_tables}?{parameters.format(**names)}"
    assert connect_error(url) == reason.format(**names)


def test_a_certificate_file_of_the_environment_is_named(
    authentik_tables: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error has the name of the variable."""
    monkeypatch.setenv("PGSSLMODE", "require")
    monkeypatch.setenv("PGSSLROOTCERT", "/nowhere")
    expected = "PGSSLROOTCERT=/nowhere: No such file or directory"
    assert connect_error(authentik_tables) == expected


def test_a_default_certificate_file_is_named(home: Path, authentik_tables: str) -> None:
    """The driver reads the client's certificate in the home directory, as libpq does."""
    file = home / ".postgresql" / "postgresql.crt"
    file.parent.mkdir()
    file.write_bytes(KEY.read_bytes())
    assert connect_error(authentik_tables) == f"{file}: the file contains no valid certificate"


def test_a_home_directory_that_cannot_be_searched_is_named(
    authentik_tables: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The driver needs its certificates unless TLS is disabled, and ignores its password file."""
    # Its name is too long: unlike permissions, this also stops root.
    home = Path("/", "h" * 300)
    monkeypatch.setenv("HOME", str(home))
    file = home / ".postgresql" / "postgresql.crt"
    assert connect_error(authentik_tables) == f"{file}: File name too long"
    assert open_and_read(f"{authentik_tables}?sslmode=disable") == 1
    failure = connect_error(f"{url}?sslmode=disable")
    ignored = f"password file {home}/.pgpass: File name too long"
    assert failure == f"{AUTHENTICATION.format('postgres')}; {ignored}"


def test_a_certificate_in_a_pipe_is_not_read_again(home: Path) -> None:
    """The error of a connection is that of the driver, and nothing waits for another writer."""
    os.mkfifo(home / "pipe")
    parameters = {"sslmode": "require", "sslcrl": f"{home}/pipe"}
    assert describe_certificate_error(parameters) is None


@pytest.mark.parametrize("mode", ["disable", "prefer"])
def test_a_file_that_is_not_used_is_no_error(mode: str, authentik_tables: str) -> None:
    """The certificates of authorities do not matter unless TLS is required."""
    assert open_and_read(f"{authentik_tables}?sslmode={mode}&sslrootcert=/nowhere") == 1


@pytest.mark.parametrize(
    ("host", "root", "reason"),
    [
        ("localhost", OTHER_CERTIFICATE, "self-signed certificate"),
        ("127.0.0.1", CERTIFICATE, "IP address mismatch, certificate is not valid for '127.0.0.1'"),
    ],
)
def test_a_certificate_that_is_not_trusted_is_explained(host: str, root: Path, reason: str) -> None:
    """The error has the host and the file of the authorities."""
    with serve_tls() as port:
        error = open_error(f"postgresql://somebody@{host}:{port}/name?{VERIFY}={root}")
    assert error.startswith(
        f"cannot open PostgreSQL database at {host}:{port}/name: cannot verify the server's"
        f" certificate with sslrootcert={root}: {reason}"
    )


def test_another_error_of_tls_is_that_of_the_driver() -> None:
    """The server closes the connection."""
    with serve_tls() as port:
        error = open_error(f"postgresql://somebody@localhost:{port}/name?{VERIFY}={CERTIFICATE}")
    assert error.startswith(f"cannot open PostgreSQL database at localhost:{port}/name: ")


def test_a_server_without_tls_is_named(authentik_tables: str, postgres: PostgresServer) -> None:
    """The error says that sslmode requires TLS."""
    assert connect_error(f"{authentik_tables}?sslmode=require") == (
        f'PostgreSQL server at "{HOST}:{postgres.port}" rejected SSL upgrade: it does not support'
        " TLS, which sslmode requires"
    )


def test_unreachable_servers_are_named() -> None:
    """The error has the host, the port and the reason."""
    port = find_free_port()
    refused = open_error(f"postgresql://somebody:{PASSWORD}@127.0.0.1:{port}/name")
    location = f"cannot open PostgreSQL database at 127.0.0.1:{port}/name: "
    assert re.fullmatch(f"{location}(Connect call failed .*|Connection refused)", refused)
    unknown = open_error(f"postgresql://somebody:{PASSWORD}@nowhere.invalid/name")
    assert unknown.startswith("cannot open PostgreSQL database at nowhere.invalid/name: ")
    assert "Errno" not in refused + unknown


def test_the_host_of_the_environment_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The driver connects to PGHOST if the URL has no host."""
    monkeypatch.setenv("PGHOST", "nowhere.invalid")
    error = open_error(f"postgresql://somebody:{PASSWORD}@/name")
    assert error.startswith("cannot open PostgreSQL database at nowhere.invalid/name: ")


def test_rejected_users_and_databases_are_named(
    authentik_tables: str, postgres: PostgresServer
) -> None:
    """The reason is PostgreSQL's."""
    for user, password in (("nobody", PASSWORD), ("postgres", "wrong")):
        url = postgres.dsn("connecting", user, password)
        assert connect_error(url) == AUTHENTICATION.format(user)
    assert connect_error(f"{authentik_tables}_") == 'database "connecting_" does not exist'


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        (
            "target_session_attrs=secondary",
            f"target_session_attrs must be one of {ATTRIBUTES}",
        ),
        (
            "ssl_min_protocol_version=SSLv3",
            "ssl_min_protocol_version must be one of TLSv1, TLSv1.1, TLSv1.2, TLSv1.3",
        ),
    ],
)
def test_invalid_values_are_errors_that_list_the_valid_ones(
    parameters: str, reason: str, authentik_tables: str
) -> None:
    """The value, which may be misplaced, is not in the message."""
    assert open_error(f"{authentik_tables}?{parameters}") == reason


def test_a_server_of_another_kind_is_an_error(authentik_tables: str) -> None:
    """The error has the parameter that requires another kind."""
    error = connect_error(f"{authentik_tables}?target_session_attrs=standby")
    assert error == "no host is of the kind that target_session_attrs requires"


@pytest.mark.parametrize("hosts", ["127.0.0.1", "127.0.0.1,127.0.0.1"])
def test_the_port_may_be_a_parameter(hosts: str, postgres: PostgresServer, url: str) -> None:
    """As in libpq, it applies to hosts without a port."""
    user = f"postgres:{PASSWORD}"
    for ports in {str(postgres.port), ",".join([str(postgres.port)] * len(hosts.split(",")))}:
        assert open_and_read(f"postgresql://{user}@{hosts}/connecting?port={ports}") == 1
    port = find_free_port()
    error = open_error(f"postgresql://{user}@{hosts}/connecting?port={port}")
    assert f"127.0.0.1:{port}/connecting: " in error
    assert open_and_read(f"{url.replace('@', f':{PASSWORD}@')}?port={port}") == 1


# Password files -------------------------------------------------------------------------------------


def write_password_file(file: Path, postgres: PostgresServer, password: str = PASSWORD) -> Path:
    """Write a password file that only its owner can read."""
    file.write_text(f"# comment\n{HOST}:{postgres.port}:connecting:postgres:{password}\n")
    file.chmod(0o600)
    return file


def test_the_password_may_be_in_a_file(
    url: str, home: Path, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A parameter, a variable or the home directory names it, in this order."""
    assert connect_error(url) == AUTHENTICATION.format("postgres")
    write_password_file(home / ".pgpass", postgres)
    assert open_and_read(url) == 1
    monkeypatch.setenv("PGPASSFILE", str(write_password_file(home / "wrong", postgres, "wrong")))
    assert connect_error(url) == AUTHENTICATION.format("postgres")
    monkeypatch.setenv("PGPASSFILE", str(write_password_file(home / "right", postgres)))
    assert open_and_read(url) == 1
    assert connect_error(f"{url}?passfile={home}/wrong") == AUTHENTICATION.format("postgres")
    monkeypatch.delenv("PGPASSFILE")
    assert open_and_read(f"{url}?passfile={home}/right") == 1


def test_a_password_file_that_is_ignored_is_named(
    url: str, authentik_tables: str, home: Path, postgres: PostgresServer
) -> None:
    """The error of the server is followed by the file and the reason."""
    failure = AUTHENTICATION.format("postgres")
    file = write_password_file(home / ".pgpass", postgres)
    for mode in (0o640, 0o604, 0o666):
        file.chmod(mode)
        ignored = f"password file {file} is ignored, because others can access it: chmod 600"
        assert connect_error(url) == f"{failure}; {ignored}"
    # A password takes precedence over the file.
    assert open_and_read(authentik_tables) == 1
    assert connect_error(authentik_tables.replace(PASSWORD, "wrong")) == failure
    missing = connect_error(f"{url}?passfile={home}/missing")
    assert missing == f"{failure}; password file passfile={home}/missing: No such file or directory"
    folder = connect_error(f"{url}?passfile={home}")
    assert folder == f"{failure}; password file passfile={home}: Is a directory"


def test_a_password_file_that_is_a_pipe_is_not_read(url: str, home: Path) -> None:
    """Nothing waits for a writer."""
    os.mkfifo(home / "pipe", 0o600)
    failure = AUTHENTICATION.format("postgres")
    assert connect_error(f"{url}?passfile={home}/pipe") == (
        f"{failure}; password file passfile={home}/pipe is ignored, because it is not a regular file"
    )


def test_the_null_device_is_no_password_file(
    url: str, home: Path, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It turns off the file in the home directory, so the error has no advice about it."""
    write_password_file(home / ".pgpass", postgres)
    monkeypatch.setenv("PGPASSFILE", "/dev/null")
    assert connect_error(url) == AUTHENTICATION.format("postgres")


def test_filters_of_warnings_do_not_change(url: str, home: Path) -> None:
    """Connections that overlap would restore each other's filters."""
    (home / ".pgpass").touch(0o644)

    async def fail() -> None:
        with pytest.raises(DatabaseError):
            await open_database(url)

    async def watch() -> bool:
        filters = list(warnings.filters)
        connecting = asyncio.gather(fail(), fail())
        is_same = True
        while not connecting.done():
            is_same &= list(warnings.filters) == filters
            await asyncio.sleep(0)
        await connecting
        return is_same and list(warnings.filters) == filters

    assert asyncio.run(watch())


def test_an_account_may_have_no_home_directory(
    authentik_tables: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Containers run with such accounts; files can still be named."""

    def fail(_: type[Path]) -> Path:
        raise RuntimeError

    monkeypatch.setattr(Path, "home", classmethod(fail))
    assert open_and_read(authentik_tables) == 1
    assert connect_error(url) == AUTHENTICATION.format("postgres")


# Service files --------------------------------------------------------------------------------------


SERVICE = """
# comment
[other]
host=nowhere.invalid

[authentik]
host={host}
port={port}
dbname=connecting
user=postgres
password={password}
options=-c statement_timeout=1234
connect_timeout=7
"""


def write_service_file(file: Path, postgres: PostgresServer) -> Path:
    """Write a service file."""
    file.write_text(SERVICE.format(host=HOST, port=postgres.port, password=PASSWORD))
    return file


@pytest.mark.parametrize("url", ["postgresql://", "postgresql:///", "postgres:///connecting"])
def test_a_service_has_the_parameters(
    url: str, authentik_tables: str, home: Path, postgres: PostgresServer
) -> None:
    """A parameter of the URL takes precedence over one of the service."""
    assert authentik_tables
    write_service_file(home / ".pg_service.conf", postgres)
    timeout = "SHOW statement_timeout"
    assert open_and_read(f"{url}?service=authentik", timeout) == "1234ms"
    options = "options=-c%20statement_timeout%3D2345"
    assert open_and_read(f"{url}?service=authentik&{options}", timeout) == "2345ms"
    address = parse_address(f"{url}?service=authentik")
    assert str(address) == f"PostgreSQL database at {HOST}/connecting"
    assert getattr(address, "connect_timeout", None) == 7
    error = open_error(f"{url}?service=authentik&password=wrong")
    assert error.endswith(AUTHENTICATION.format("postgres"))


def test_the_service_file_is_named_as_in_libpq(
    authentik_tables: str, home: Path, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a parameter, a variable, the home directory or the system's folder."""
    assert authentik_tables
    file = write_service_file(home / "pg_service.conf", postgres)
    assert open_and_read(f"postgresql://?service=authentik&servicefile={file}") == 1
    for variable, value in (("PGSERVICEFILE", file), ("PGSYSCONFDIR", home)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(variable, str(value))
            assert open_and_read("postgresql://?service=authentik") == 1
            patch.setenv("PGSERVICE", "authentik")
            assert open_and_read("postgresql://") == 1
    monkeypatch.setenv("PGSYSCONFDIR", "/nowhere")
    assert open_error("postgresql://?service=authentik") == (
        f"service 'authentik' not found in {home}/.pg_service.conf or /nowhere/pg_service.conf: set"
        " servicefile or PGSERVICEFILE to the file that contains it"
    )


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("password=only-on-loopback", "is not valid: expected [service] and parameter=value lines"),
        ("[authentik]\nonly-on-loopback", "is not valid: expected [service] and parameter=value"),
        (
            "[authentik]\npassword=\xff",
            "is not valid: expected [service] and parameter=value lines",
        ),
    ],
)
def test_an_invalid_service_file_is_named(content: str, reason: str, home: Path) -> None:
    """Its lines, which may contain passwords, are not in the error."""
    file = home / ".pg_service.conf"
    file.write_text(content, "latin-1")
    assert open_error("postgresql://?service=authentik").startswith(f"service file {file} {reason}")


def test_lines_of_a_service_file_may_be_indented(
    authentik_tables: str, home: Path, postgres: PostgresServer
) -> None:
    """As in libpq, an indented line does not continue the value of the line before it."""
    assert authentik_tables
    file = write_service_file(home / ".pg_service.conf", postgres)
    indented = re.sub("^(?!host)", "\t ", file.read_text(), flags=re.MULTILINE)
    file.write_text(indented)
    assert open_and_read("postgresql://?service=authentik") == 1
    file.write_text(indented.replace(HOST, "nowhere.invalid"))
    error = open_error("postgresql://?service=authentik")
    assert error.startswith("cannot open PostgreSQL database at nowhere.invalid/connecting: ")


def test_a_home_that_is_not_a_folder_has_no_service_file(
    authentik_tables: str, home: Path, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Accounts of services often have /dev/null; the system's folder is searched next."""
    assert authentik_tables
    write_service_file(home / "pg_service.conf", postgres)
    monkeypatch.setenv("HOME", "/dev/null")
    monkeypatch.setenv("PGSYSCONFDIR", str(home))
    assert open_and_read("postgresql://?service=authentik") == 1


def test_a_service_file_that_is_not_readable_is_named(home: Path) -> None:
    """The reason is that of the system."""
    error = open_error(f"postgresql://?service=authentik&servicefile={home}")
    assert error == f"service file {home}: Is a directory"


def test_an_unsupported_value_of_a_service_is_named(home: Path) -> None:
    """The message says where it may be."""
    (home / ".pg_service.conf").write_text("[authentik]\ngssencmode=require\n")
    error = open_error("postgresql://?service=authentik")
    expected = "gssencmode=require is not supported: remove it from the database URL or its service"
    assert error == expected


def test_an_unknown_parameter_of_a_service_is_named(home: Path) -> None:
    """It is an error as in the URL."""
    (home / ".pg_service.conf").write_text("[authentik]\nbogus=only-on-loopback\n")
    error = open_error("postgresql://?service=authentik")
    assert error == "unknown parameter 'bogus' in the database URL or its service"
