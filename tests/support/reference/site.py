"""The reference, asked in process."""

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
class Answer:
    """A response, its header names in lower case."""

    status: int
    body: bytes
    headers: Mapping[str, str]


class Reference:
    """The endpoint over one tenant's tables; close it, or leave it, to give the connection back."""

    def __init__(self, dsn: str, schema: str = "public") -> None:
        _set_up_django()
        self._tenant = Tenant(f"tenant{next(_numbers)}", schema)
        connections.settings[self._tenant.alias] = _connection_settings(dsn, schema)
        self._handler = WSGIHandler()
        # Django binds a connection to its thread, and refuses one that an event loop runs in.
        self._thread = ThreadPoolExecutor(1)

    def ask(self, method: str, target: str, headers: Mapping[str, str]) -> Answer:
        """Answer a request for that raw path and query, as percent-encoded as on the wire.

        Headers are text in latin-1, as HTTP has them. What would be a 500 is raised instead.
        """
        environment = _environment(method, target, headers)
        return self._thread.submit(self._answer, environment).result()

    def close(self) -> None:
        """Give the connection back."""
        self._thread.submit(self._disconnect).result()
        self._thread.shutdown()

    def __enter__(self) -> Self:
        """Return itself, ready since it was made."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give the connection back."""
        self.close()

    def _answer(self, environment: dict[str, Any]) -> Answer:
        with self._as_tenant():
            # As a server's signal would: an outage must not outlive itself.
            close_old_connections()
            # None of the views streams.
            response = cast("HttpResponse", self._handler.get_response(WSGIRequest(environment)))
            response.close()
        fields = {name.lower(): value for name, value in response.items()}
        # A server, not the application, is what leaves the body of HEAD away.
        body = b"" if environment["REQUEST_METHOD"] == "HEAD" else response.content
        return Answer(response.status_code, body, fields)

    @contextmanager
    def _as_tenant(self) -> Generator[None]:
        token = current.set(self._tenant)
        try:
            yield
        finally:
            current.reset(token)

    def _disconnect(self) -> None:
        connections[self._tenant.alias].close()


def _set_up_django() -> None:
    if settings.configured:
        return
    settings.configure(
        ALLOWED_HOSTS=["*"],
        DATABASES={},
        DATABASE_ROUTERS=["support.reference.tenant.TenantRouter"],
        # An oracle that fails says so loudest with its traceback.
        DEBUG_PROPAGATE_EXCEPTIONS=True,
        INSTALLED_APPS=["rest_framework", "django_filters", "support.reference"],
        # Refusals are what it is asked about, so they are not worth a warning each.
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
    where = conninfo_to_dict(dsn)
    connection = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": where["dbname"],
        "HOST": where["host"],
        "PORT": where["port"],
        "USER": where["user"],
        "PASSWORD": where["password"],
        "OPTIONS": {"options": f"-c search_path={schema}"},
        "CONN_MAX_AGE": None,
    }
    return connections.configure_settings({"default": {}, "it": connection})["it"]


def _environment(method: str, target: str, headers: Mapping[str, str]) -> dict[str, Any]:
    path, _, query = target.partition("?")
    fields = {
        # White space around a value is no part of it, as any server knows.
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
