"""The HTTP client for authentik's API."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import orjson

from models.errors import SyncError
from models.sync.failures import (
    ForbiddenError,
    InvalidListError,
    NotFoundError,
    TransientError,
    parse_retry_after,
    retry_requests,
)
from models.sync.limits import ApiLimits
from models.sync.source import INVALID_URL, ApiSource

# Django REST framework's details for a request without a valid token.
TOKEN_DETAILS = ("token", "credentials")
TOKEN_MESSAGE = (
    "authentik rejects the token: it is invalid or has expired. Create one with the intent API"  # noqa: S105 - a message
)
# OpenSSL's codes for a certificate that is valid, but not for the host or its address.
WRONG_NAME_CODES = (62, 64)
MAX_REDIRECTS = 3
TOO_MANY_REQUESTS, REQUEST_TIMEOUT, SERVER_ERROR = 429, 408, 500
UNAUTHORIZED, FORBIDDEN, NOT_FOUND = 401, 403, 404


class ApiClient:
    """Requests to authentik's API, with retries and limits."""

    def __init__(self, http: httpx2.AsyncClient, limits: ApiLimits) -> None:
        self.limits = limits
        self._http = http
        self._slots = asyncio.Semaphore(limits.concurrency)

    async def get(self, path: str, parameters: Mapping[str, str | int] | None = None) -> Any:
        """Return the JSON value at a path below `/api/v3/`.

        Raises ForbiddenError, NotFoundError, or SyncError if all attempts fail.
        """
        try:
            return await retry_requests(self.limits)(self._try, path, parameters or {})
        except TransientError as error:
            attempts = self.limits.attempts
            raise SyncError(f"{path} {error} ({attempts} attempts): try again later") from None

    async def _try(self, path: str, parameters: Mapping[str, str | int]) -> Any:
        try:
            async with self._slots, asyncio.timeout(self.limits.request_seconds):
                return await self._request(
                    path, self._http.build_request("GET", path, params=parameters)
                )
        except (TimeoutError, httpx2.TimeoutException):
            seconds = self.limits.request_seconds
            raise TransientError(f"did not respond within {seconds:g} seconds") from None
        except (httpx2.TransportError, httpx2.DecodingError, OSError) as error:
            # Errors of TLS after the handshake are OSErrors.
            raise _translate(path, error) from None

    async def _request(self, path: str, request: httpx2.Request) -> Any:
        for _ in range(MAX_REDIRECTS):
            response = await self._http.send(request, stream=True)
            try:
                if not response.has_redirect_location:
                    return _parse(path, response, await self._read(path, response))
                request = _follow(path, request, response)
            finally:
                await response.aclose()
        raise SyncError(f"{path} redirects too often: check the URL of authentik")

    async def _read(self, path: str, response: httpx2.Response) -> bytes:
        body = bytearray()
        async for part in response.aiter_bytes():
            body += part
            if len(body) > self.limits.max_response_bytes:
                raise SyncError(
                    f"{path} returned more than {self.limits.max_response_bytes:,} bytes"
                )
        return bytes(body)


@asynccontextmanager
async def open_client(source: ApiSource, limits: ApiLimits) -> AsyncGenerator[ApiClient]:
    """Open a client; raises SyncError if the URL, the token or the certificates are invalid.

    Proxies are those of the environment.
    """
    async with _build_client(source, limits) as http:
        yield ApiClient(http, limits)


def _build_client(source: ApiSource, limits: ApiLimits) -> httpx2.AsyncClient:
    authorization, url = f"Bearer {_check_token(source.token)}", _build_url(source)
    context = _build_ssl_context(source.ca_file)
    try:
        return httpx2.AsyncClient(
            base_url=url,
            headers={"Authorization": authorization, "Accept": "application/json"},
            verify=context,
            timeout=limits.request_seconds,
            limits=httpx2.Limits(max_connections=limits.concurrency),
            follow_redirects=False,
        )
    except (ImportError, ValueError, httpx2.InvalidURL):
        raise SyncError(
            "the environment names an invalid proxy: expected one like http://proxy.example:3128"
        ) from None


def _check_token(token: str) -> str:
    token = token.strip()
    if not token:
        raise SyncError("the token is empty")
    if not (token.isascii() and token.isprintable()) or " " in token:
        raise SyncError("the token has characters that no token has")
    return token


def _build_url(source: ApiSource) -> httpx2.URL:
    try:
        return httpx2.URL(source.base_url)
    except (ValueError, httpx2.InvalidURL):
        raise SyncError(INVALID_URL) from None


def _build_ssl_context(ca_file: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ValueError) as error:
        raise _build_file_error(ca_file, error) from None


def _build_file_error(ca_file: Path | None, error: OSError | ValueError) -> SyncError:
    reason = getattr(error, "strerror", None) or "it has no valid certificates"
    # Only errors of this file have its name.
    if getattr(error, "filename", None):
        return SyncError(f"cannot write to the file that SSLKEYLOGFILE names: {reason}")
    if ca_file is None:
        return SyncError(f"cannot read the certificates of the system: {reason}")
    public = f"cannot read the file of the certificates to trust: {reason}"
    return SyncError(f"cannot read the certificates in {ca_file}: {reason}", public=public)


def _follow(path: str, request: httpx2.Request, response: httpx2.Response) -> httpx2.Request:
    """Return the request to the address of a redirect. No other host may receive the token."""
    target = response.next_request
    if target is None or not _is_same_server(request.url, target.url):
        raise SyncError(f"{path} redirects to another server: check the URL of authentik")
    return target


def _is_same_server(url: httpx2.URL, other: httpx2.URL) -> bool:
    is_upgrade = url.scheme == "http" and other.scheme == "https"
    is_same = (url.scheme, url.port) == (other.scheme, other.port)
    return url.host == other.host and (is_same or is_upgrade)


def _parse(path: str, response: httpx2.Response, body: bytes) -> Any:
    """Return the JSON value of a response; raises the error that its status stands for."""
    status = response.status_code
    if status in (TOO_MANY_REQUESTS, REQUEST_TIMEOUT) or status >= SERVER_ERROR:
        retry_after = parse_retry_after(response.headers.get("Retry-After"))
        raise TransientError(f"returned HTTP {status}", retry_after)
    if not response.is_success:
        raise _build_client_error(path, status, body)
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        is_html = body.lstrip()[:1] == b"<"
        raise TransientError(
            "returned HTML, such as that of a proxy," if is_html else "returned invalid JSON"
        ) from None


def _build_client_error(path: str, status: int, body: bytes) -> Exception:
    detail = _read_detail(body)
    if status == UNAUTHORIZED:
        return SyncError(TOKEN_MESSAGE)
    if status == FORBIDDEN and detail:
        is_token = any(word in detail.lower() for word in TOKEN_DETAILS)
        return SyncError(TOKEN_MESSAGE) if is_token else ForbiddenError(path)
    if status == NOT_FOUND:
        return NotFoundError(path)
    return InvalidListError(
        f"{path} returned HTTP {status}: check the URL of authentik, and its proxy"
    )


def _read_detail(body: bytes) -> str:
    """Return the detail of an error of Django REST framework, an empty string without one."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return ""
    match value:
        case {"detail": str(detail)}:
            return detail
        case _:
            return ""


def _translate(path: str, error: Exception) -> Exception:
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLCertVerificationError):
        cause = cause.__cause__ or cause.__context__
    if cause is not None:
        return _build_certificate_error(cause)
    if isinstance(error, httpx2.UnsupportedProtocol | httpx2.LocalProtocolError):
        return SyncError(f"{path} cannot be requested: check the URL of authentik and the proxy")
    is_connecting = isinstance(error, httpx2.ConnectError | httpx2.ProxyError)
    return TransientError("cannot be reached" if is_connecting else "lost the connection")


def _build_certificate_error(error: ssl.SSLCertVerificationError) -> SyncError:
    """Return the error of a certificate, without the host that OpenSSL's message can name."""
    if error.verify_code in WRONG_NAME_CODES:
        return SyncError(
            "authentik is not trusted: its certificate is for another name. Check the URL of"
            " authentik"
        )
    return SyncError(
        f"the certificate of authentik is not trusted ({error.verify_message}): name the file of"
        " its certificate authority with --ca-file"
    )
