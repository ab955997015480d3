"""Requests to authentik: retries, limits, TLS, proxies and redirects."""

import asyncio
import socket
import ssl
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from threading import Thread

import pytest

from models.errors import SyncError
from models.sync.failures import parse_retry_after
from models.sync.reader import read_system
from models.sync.source import INVALID_URL, ApiSource
from support.authentik_server import PlayedAuthentik, serve_authentik
from support.synced_objects import build_many, build_objects
from support.syncs import LIMITS, build_source, read, read_failing
from support.tls_server import CERTIFICATES

FLOWS = "flows/instances/"
REJECTED = (
    "authentik rejects the token: it is invalid or has expired. Create one with the intent API"
)
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.mark.parametrize("kind", ["500", "502", "503", "408", "429", "cut", "json", "html"])
def test_passing_failures_are_retried(authentik: PlayedAuthentik, kind: str) -> None:
    """The content is as if nothing had happened."""
    expected = read(authentik).records
    for path in (FLOWS, "flows/bindings/", "stages/captcha/", "policies/all/"):
        authentik.fail(kind, path, times=2)
    assert read(authentik).records == expected
    assert not authentik.faults


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("500", "returned HTTP 500"),
        ("429", "returned HTTP 429"),
        ("cut", "lost the connection"),
        ("json", "returned invalid JSON"),
        ("html", "returned HTML, such as that of a proxy,"),
    ],
)
def test_lasting_failures_are_errors(authentik: PlayedAuthentik, kind: str, reason: str) -> None:
    """The error names the path and the reason, after a limited number of attempts."""
    authentik.fail(kind, FLOWS, times=LIMITS.attempts)
    assert read_failing(authentik) == f"{FLOWS} {reason} (6 attempts): try again later"
    assert not authentik.faults


def test_unreachable_server_is_an_error(authentik: PlayedAuthentik) -> None:
    """The error does not name the host."""
    authentik.url = "http://127.0.0.1:1"
    assert "cannot be reached (6 attempts): try again later" in read_failing(authentik)


@pytest.mark.parametrize("status", ["400", "402", "405", "410"])
def test_other_statuses_are_not_retried(authentik: PlayedAuthentik, status: str) -> None:
    """Another attempt would fail in the same way."""
    authentik.fail(status, FLOWS)
    assert f"{FLOWS} returned HTTP {status}" in read_failing(authentik)


def test_wrong_path_is_an_error(authentik: PlayedAuthentik) -> None:
    """The URL is not that of authentik."""
    authentik.url += "/elsewhere"
    assert "is not found: check the URL of authentik" in read_failing(authentik)


@pytest.mark.parametrize("token", ["another", "ünknown", "a b", "a\nb"])
def test_invalid_token_is_not_shown(authentik: PlayedAuthentik, token: str) -> None:
    """Whatever characters it has."""
    authentik.token = token
    with serve_authentik() as other:
        other.token = "expected"
        authentik.url = other.url
        assert "the token" in read_failing(authentik)


def test_expired_token_is_an_error(authentik: PlayedAuthentik) -> None:
    """It is not a missing permission."""
    source = build_source(authentik)
    authentik.token = "renewed"
    played = replace(authentik, token=source.token)
    assert read_failing(played) == REJECTED


def test_unauthorized_is_an_error(authentik: PlayedAuthentik) -> None:
    """A proxy can answer with 401."""
    authentik.fail("401", FLOWS)
    assert read_failing(authentik) == REJECTED


def test_empty_token_is_an_error(authentik: PlayedAuthentik) -> None:
    """No request is sent."""
    with pytest.raises(SyncError, match="the token is empty"):
        asyncio.run(read_system(ApiSource(authentik.url, " "), None, LIMITS))
    assert not authentik.requests


def test_token_that_expires_midway_is_an_error(authentik: PlayedAuthentik) -> None:
    """Nothing that was read before is used."""

    def expire(path: str, _page: int) -> None:
        if path.startswith("stages/captcha"):
            authentik.token = "renewed"

    played = replace(authentik)
    authentik.before = expire
    assert read_failing(played) == REJECTED


def test_retry_after_is_respected(authentik: PlayedAuthentik) -> None:
    """The request is not sent again before."""
    authentik.fail("429", FLOWS, retry_after="1")
    started = time.monotonic()
    read(authentik)
    assert time.monotonic() - started >= 1


def test_retry_after_is_bounded(authentik: PlayedAuthentik) -> None:
    """A server cannot stop the sync for a day."""
    authentik.fail("503", FLOWS, retry_after="86400")
    started = time.monotonic()
    read(authentik, replace(LIMITS, max_wait_seconds=0.1))
    assert time.monotonic() - started < 10


def test_retry_after_can_be_a_date() -> None:
    """Both forms of the header give seconds; invalid ones are ignored."""
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    assert 85 < parse_retry_after(later) <= 90
    assert parse_retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    assert [parse_retry_after(value) for value in ("7", None, "", "soon", "-1")] == [7, 0, 0, 0, 0]


@pytest.mark.parametrize(
    "date",
    [
        f"Mon, 01 Jan {'9' * 20} 00:00:00 GMT",
        f"Mon, 01 Jan 2029 00:00:00 +{'9' * 20}",
        f"Mon, {'9' * 20} Jan 2029 00:00:00 GMT",
        "Mon, 01 Jan 9999 23:59:59 -2359",
        "Mon, 01 Jan 0001 00:00:00 +2359",
        "Mon, 01 Jan 2029 00:00:00 +9999",
        "Mon, 99 Foo 2029",
        f"{'9' * 5000}",
    ],
)
def test_retry_after_can_be_out_of_range(date: str) -> None:
    """No calendar has these dates, or only that of Python."""
    assert parse_retry_after(date) >= 0


def test_slow_request_is_sent_again(authentik: PlayedAuthentik) -> None:
    """Each request has a time limit."""
    authentik.fail("hang", FLOWS)
    started = time.monotonic()
    assert len(read(authentik, replace(LIMITS, request_seconds=0.5)).records["flow"]) == 4
    assert time.monotonic() - started < 10


def test_round_has_a_time_limit(authentik: PlayedAuthentik) -> None:
    """It ends while requests wait."""
    authentik.fail("hang", times=100)
    limits = replace(LIMITS, request_seconds=60, total_seconds=0.5)
    expected = "authentik was not read within 0.5 seconds: raise --timeout"
    assert read_failing(authentik, limits) == expected


def test_large_response_is_an_error(authentik: PlayedAuthentik) -> None:
    """It does not fill the memory."""
    authentik.find("authentik_flows.flow", slug="login")["title"] = "x" * 50_000
    limits = replace(LIMITS, max_response_bytes=40_000)
    assert read_failing(authentik, limits) == f"{FLOWS} returned more than 40,000 bytes"


def test_number_of_requests_at_once_is_limited() -> None:
    """Many pages wait for each other."""
    with serve_authentik(build_many(60)) as authentik:
        authentik.max_page_size = 5
        authentik.delay = 0.01
        read(authentik, replace(LIMITS, concurrency=3))
        assert authentik.most_at_once == 3


@pytest.fixture
def tls_authentik() -> Iterator[PlayedAuthentik]:
    """An authentik with a certificate of its own authority."""
    files = (CERTIFICATES / "localhost.pem", CERTIFICATES / "localhost.key")
    with serve_authentik(build_objects(), certificate=files) as played:
        yield played


def test_unknown_certificate_is_an_error(tls_authentik: PlayedAuthentik) -> None:
    """The token is not sent, and the error names the option."""
    message = read_failing(tls_authentik)
    assert message.startswith("the certificate of authentik is not trusted (")
    assert message.endswith("name the file of its certificate authority with --ca-file")
    assert not tls_authentik.requests


def test_certificate_of_the_file_is_trusted(tls_authentik: PlayedAuthentik) -> None:
    """`--ca-file` names it."""
    assert count_flows(tls_authentik, CERTIFICATES / "localhost.pem") == 4


def test_other_certificates_are_not_trusted(tls_authentik: PlayedAuthentik) -> None:
    """The file replaces the certificates of the system."""
    with pytest.raises(SyncError, match="is not trusted"):
        count_flows(tls_authentik, CERTIFICATES / "other.pem")


def test_certificate_for_another_name_is_an_error(tls_authentik: PlayedAuthentik) -> None:
    """The error does not show the address, which OpenSSL's message contains."""
    tls_authentik.url = tls_authentik.url.replace("localhost", "127.0.0.1")
    with pytest.raises(SyncError) as error:
        count_flows(tls_authentik, CERTIFICATES / "localhost.pem")
    assert str(error.value) == (
        "authentik is not trusted: its certificate is for another name. Check the URL of authentik"
    )


def test_certificate_for_another_host_is_an_error() -> None:
    """The error does not show the host, which OpenSSL's message contains."""
    files = (CERTIFICATES / "other.pem", CERTIFICATES / "other.key")
    with serve_authentik(certificate=files) as played, pytest.raises(SyncError) as error:
        count_flows(played, CERTIFICATES / "other.pem")
    assert "its certificate is for another name" in str(error.value)
    assert "localhost" not in str(error.value)


@pytest.mark.parametrize("requires_certificate", [True, False])
def test_error_of_tls_loses_the_connection(
    authentik: PlayedAuthentik, *, requires_certificate: bool
) -> None:
    """After the handshake: a client without a certificate, or an invalid record."""
    with (
        break_tls(requires_certificate=requires_certificate) as authentik.url,
        pytest.raises(SyncError) as error,
    ):
        count_flows(authentik, CERTIFICATES / "localhost.pem")
    assert str(error.value) == f"{FLOWS} lost the connection (6 attempts): try again later"


@pytest.mark.parametrize("content", [None, "", "no certificate"])
def test_invalid_file_of_certificates_is_an_error(
    tls_authentik: PlayedAuthentik, tmp_path: Path, content: str | None
) -> None:
    """The error names the file, but not where all can read it."""
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    with pytest.raises(SyncError, match=f"cannot read the certificates in {file}: ") as error:
        count_flows(tls_authentik, file)
    assert error.value.public.startswith("cannot read the file of the certificates to trust: ")
    assert str(file) not in error.value.public


def test_invalid_file_of_keys_is_an_error(
    authentik: PlayedAuthentik, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenSSL writes the keys of connections to it."""
    monkeypatch.setenv("SSLKEYLOGFILE", "/nonexistent/x")
    expected = "cannot write to the file that SSLKEYLOGFILE names: No such file or directory"
    assert read_failing(authentik) == expected


@pytest.mark.parametrize(
    "url",
    [
        *("http://ⓐ.example", "http://a\x01b.example", "http://example/a\x7fb", "http://a\0b"),
        *("http://\udcff", "http://[::g]", "http://authentik.example/\x1b"),
        f"http://{'é' * 80}.example",
    ],
)
def test_invalid_url_is_an_error(authentik: PlayedAuthentik, url: str) -> None:
    """Neither the proxy nor the network is blamed."""
    authentik.url = url
    assert read_failing(authentik) == INVALID_URL


def test_proxy_of_the_environment_is_used(
    authentik: PlayedAuthentik, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The played authentik is also the proxy to a host that does not exist."""
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("HTTP_PROXY", authentik.url)
    authentik.url = "http://authentik.invalid"
    assert len(read(authentik).records["flow"]) == 4


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1", "ftp://x", "http://a:b:c"])
def test_invalid_proxy_is_an_error(
    authentik: PlayedAuthentik, monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    """The error does not show it, since it can contain a password."""
    monkeypatch.setenv("ALL_PROXY", proxy)
    assert read_failing(authentik).startswith("the environment names an invalid proxy: ")


def test_redirect_to_another_host_is_not_followed(authentik: PlayedAuthentik) -> None:
    """The token stays with authentik."""
    with serve_authentik(build_objects()) as other:
        authentik.fail("302", FLOWS, location=f"{other.url}/api/v3/{FLOWS}")
        message = read_failing(authentik)
        assert message == f"{FLOWS} redirects to another server: check the URL of authentik"
        assert not other.requests


def test_redirect_on_the_same_host_is_followed(authentik: PlayedAuthentik) -> None:
    """Such as that to a path with a slash; a circle ends."""
    path = f"/api/v3/{FLOWS}?page=1&page_size=100&ordering=pk"
    authentik.fail("307", FLOWS, location=path)
    assert len(read(authentik).records["flow"]) == 4
    authentik.fail("307", FLOWS, times=10, location=path)
    assert read_failing(authentik) == f"{FLOWS} redirects too often: check the URL of authentik"


def count_flows(authentik: PlayedAuthentik, ca_file: Path) -> int:
    """Return the number of flows, read with certificates."""
    source = ApiSource(authentik.url, authentik.token, ca_file)
    return len(asyncio.run(read_system(source, None, LIMITS)).records["flow"])


@contextmanager
def break_tls(*, requires_certificate: bool) -> Generator[str]:
    """Run a server with TLS that refuses clients, or sends invalid records; yields its URL."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(CERTIFICATES / "localhost.pem", CERTIFICATES / "localhost.key")
    context.load_verify_locations(CERTIFICATES / "other.pem")
    context.verify_mode = ssl.CERT_REQUIRED if requires_certificate else ssl.CERT_NONE
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = Thread(target=accept_and_break, args=(listener, context))
        thread.start()
        yield f"https://localhost:{listener.getsockname()[1]}"
        # A blocked accept() does not end when the socket is closed.
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


def accept_and_break(listener: socket.socket, context: ssl.SSLContext) -> None:
    """Answer each request with bytes that are no record of TLS."""
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        with client, suppress(OSError):
            copy = client.dup()
            with copy, context.wrap_socket(client, server_side=True) as connection:
                connection.recv(1000)
                copy.sendall(b"no record of TLS")
                copy.recv(1000)
