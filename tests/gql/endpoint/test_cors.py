"""Cross-origin requests (CORS)."""

from collections.abc import Iterator

import pytest

from support.app_client import AppClient, Response, bearer_headers
from support.command import run_failing_in_process
from support.graphql_http import KEY, ORIGIN, TYPENAME_BODY, post


@pytest.fixture(scope="module")
def cors_client(sqlite_url: str) -> Iterator[AppClient]:
    """Run FlowQL with two allowed origins."""
    origins = f" {ORIGIN.upper()} ,http://localhost:3000"
    with AppClient(sqlite_url, cors_origins=origins) as client:
        yield client


def preflight(client: AppClient, origin: str, method: str = "POST") -> Response:
    """Send the preflight request of a browser."""
    headers = {
        "origin": origin,
        "access-control-request-method": method,
        "access-control-request-headers": "authorization, content-type, apollo-require-preflight",
    }
    return client.request("OPTIONS", "/graphql", headers)


@pytest.mark.parametrize("origin", [ORIGIN, "http://localhost:3000"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_preflight_of_allowed_origins(cors_client: AppClient, origin: str, method: str) -> None:
    """Any header is allowed, without cookies, and for an hour."""
    response = preflight(cors_client, origin, method)
    cors_headers = {
        name.removeprefix("access-control-"): value
        for name, value in response.headers.items()
        if name.startswith("access-control-")
    }
    assert (response.status, cors_headers) == (
        200,
        {
            "allow-origin": origin,
            "allow-methods": "GET, POST",
            "allow-headers": "authorization, content-type, apollo-require-preflight",
            "max-age": "3600",
        },
    )


@pytest.mark.parametrize("origin", ["https://evil.example", f"{ORIGIN}.evil.example", "null", ""])
def test_other_origins(cors_client: AppClient, origin: str) -> None:
    """Neither the preflight nor the response allows another origin."""
    responses = [preflight(cors_client, origin), post(cors_client, TYPENAME_BODY, origin=origin)]
    assert [response.status for response in responses] == [400, 200]
    assert not any("access-control-allow-origin" in response.headers for response in responses)


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/graphql?query=%7B__typename%7D", bearer_headers(KEY), 200),
        ("/graphql?query=%7B__typename%7D", {}, 401),
        ("/graphql", bearer_headers(KEY), 400),
        ("/schema.graphql", {}, 200),
        ("/nowhere", {}, 404),
    ],
)
def test_allowed_origins_can_read_all_responses(
    cors_client: AppClient, path: str, headers: dict[str, str], status: int
) -> None:
    """Responses and errors allow the origin, and vary by it."""
    response = cors_client.request("GET", path, headers | {"origin": ORIGIN})
    assert (response.status, response.headers["access-control-allow-origin"]) == (status, ORIGIN)
    assert "origin" in response.headers["vary"].lower()
    assert response.headers["access-control-expose-headers"] == "X-Request-ID"
    assert "access-control-allow-credentials" not in response.headers


def test_all_origins(sqlite_url: str) -> None:
    """A star allows all origins: no cookie carries credentials."""
    with AppClient(sqlite_url, cors_origins="*") as client:
        responses = [preflight(client, ORIGIN), post(client, TYPENAME_BODY, origin=ORIGIN)]
    assert [response.status for response in responses] == [200, 200]
    assert {response.headers["access-control-allow-origin"] for response in responses} == {"*"}


def test_no_cors_headers_by_default(sqlite_client: AppClient) -> None:
    """Without allowed origins, a preflight is an ordinary OPTIONS request."""
    responses = [
        preflight(sqlite_client, ORIGIN),
        post(sqlite_client, TYPENAME_BODY, origin=ORIGIN),
    ]
    assert [response.status for response in responses] == [204, 200]
    names = [name for response in responses for name in response.headers]
    assert not any(name.startswith("access-control") for name in names)


@pytest.mark.parametrize(
    "origin",
    [
        *("app.example", "https://app.example/", "https://app.example/path", "https://"),
        *("https://app.example:443", "http://app.example:80", "https://app.example:x", "null"),
        *("https://*.app.example", "https://a b", "https://ü.example", "//app.example"),
        *("https://user@app.example", "https://app.example?x"),
    ],
)
def test_invalid_origins(origin: str) -> None:
    """The server names the invalid origin and does not start."""
    line = run_failing_in_process("serve", "--cors-origin", f"{ORIGIN},{origin},x://y")
    assert line == (f"--cors-origin: invalid origin {origin!r}: expected https://app.example, or *")
