"""The reference implementation as a WSGI application that is called in process."""

from collections.abc import Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from itertools import count
from types import TracebackType
from typing import Any, Self, cast
from urllib.parse import unquote_to_bytes

import django
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.db import close_old_connections, connections
from django.http import HttpResponse
from psycopg.conninfo import conninfo_to_dict

from support.reference.tenant import Tenant, current

_numbers = count(1)


@dataclass(frozen=True, slots=True)
class ReferenceResponse:
    """A response of the reference; header names are in lower case."""

    status: int
    body: bytes
    headers: Mapping[str, str]


class Reference:
    """The reference implementation on one tenant's tables. Closing it closes the connection."""

    def __init__(self, dsn: str, schema: str = "public") -> None:
        set_up_django()
        self._tenant = Tenant(f"tenant{next(_numbers)}", schema)
        connections.settings[self._tenant.alias] = _connection_settings(dsn, schema)
        self._handler = WSGIHandler()
        # Django's connections belong to a thread, which must not run an event loop.
        self._thread = ThreadPoolExecutor(1)

    def request(self, method: str, target: str, headers: Mapping[str, str]) -> ReferenceResponse:
        """Send a request with a raw, percent-encoded target and headers in Latin-1.

        Raises the exception that a server would return as 500.
        """
        environment = _environment(method, target, headers)
        return self._thread.submit(self._respond, environment).result()

    def close(self) -> None:
        """Close the connection."""
        self._thread.submit(self._disconnect).result()
        self._thread.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _respond(self, environment: dict[str, Any]) -> ReferenceResponse:
        with self._use_tenant():
            # Django's signals do this in a server. A broken connection must not be used again.
            close_old_connections()
            # No view streams its response.
            response = cast("HttpResponse", self._handler.get_response(WSGIRequest(environment)))
            response.close()
        response_headers = {name.lower(): value for name, value in response.items()}
        # A server, not the application, removes the body of responses to HEAD.
        body = b"" if environment["REQUEST_METHOD"] == "HEAD" else response.content
        return ReferenceResponse(response.status_code, body, response_headers)

    @contextmanager
    def _use_tenant(self) -> Generator[None]:
        token = current.set(self._tenant)
        try:
            yield
        finally:
            current.reset(token)

    def _disconnect(self) -> None:
        connections[self._tenant.alias].close()


def set_up_django() -> None:
    """Configure Django for the reference, or for fields of Django REST framework alone."""
    if settings.configured:
        return
    settings.configure(
        ALLOWED_HOSTS=["*"],
        DATABASES={},
        DATABASE_ROUTERS=["support.reference.tenant.TenantRouter"],
        # An error of the reference implementation must fail the test with its traceback.
        DEBUG_PROPAGATE_EXCEPTIONS=True,
        INSTALLED_APPS=["rest_framework", "django_filters", "support.reference"],
        # The tests expect 4xx responses, which Django logs as warnings.
        LOGGING={
            "version": 1,
            "disable_existing_loggers": False,
            "loggers": {"django.request": {"level": "CRITICAL"}},
        },
        MIDDLEWARE=[],
        REST_FRAMEWORK={
            "DEFAULT_AUTHENTICATION_CLASSES": [],
            "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
            "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
            "UNAUTHENTICATED_USER": None,
        },
        ROOT_URLCONF="support.reference.urls",
        SECRET_KEY="nothing is signed",
        USE_I18N=False,
        USE_TZ=True,
    )
    django.setup()


def _connection_settings(dsn: str, schema: str) -> dict[str, Any]:
    parameters = conninfo_to_dict(dsn)
    connection = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parameters["dbname"],
        "HOST": parameters["host"],
        "PORT": parameters["port"],
        "USER": parameters["user"],
        "PASSWORD": parameters["password"],
        "OPTIONS": {"options": f"-c search_path={schema}"},
        "CONN_MAX_AGE": None,
    }
    return connections.configure_settings({"default": {}, "tenant": connection})["tenant"]


def _environment(method: str, target: str, headers: Mapping[str, str]) -> dict[str, Any]:
    path, _, query = target.partition("?")
    fields = {
        # Servers strip whitespace around header values.
        f"HTTP_{name.upper().replace('-', '_')}": text.strip(" \t")
        for name, text in headers.items()
    }
    return {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query,
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(),
        **fields,
    }
