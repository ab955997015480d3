"""Pages for browsers: the front page, the GraphiQL page and their static files."""

import gzip
import json
import re
import shutil
from collections.abc import Iterator, Mapping
from importlib.metadata import metadata
from pathlib import Path
from typing import Any

import pytest

from gql.explorer.graphiql import read_examples
from support.app_client import AppClient
from support.edge_case_data import KEYS
from support.pages import BROWSER, Page, visit
from support.paths import ROOT
from support.server_process import RunningServer, run_server, send_request

ROOT_PATH = "/flows"
PAGES = ("/", "/graphql", "/graphql/", "/openapi")


@pytest.fixture
def client_at_root_path(sqlite_url: str) -> Iterator[AppClient]:
    """A client of an application with a root path."""
    with AppClient(sqlite_url, root_path=ROOT_PATH) as client:
        yield client


@pytest.mark.parametrize("path", PAGES)
def test_pages_use_only_local_files(sqlite_client: AppClient, path: str) -> None:
    """The CSP forbids other hosts and inline scripts, and the page uses neither."""
    response = visit(sqlite_client, path)
    policy = response.headers["content-security-policy"]
    page = Page(response)
    names = {name for _, attributes in page.elements for name in attributes}

    assert response.status == 200
    assert policy.startswith("default-src 'none'; script-src 'self'; ")
    assert "frame-ancestors 'none'" in policy
    assert "form-action 'none'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"https?:|\*", policy)
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["referrer-policy"] == "no-referrer"
    assert response.headers["cache-control"] == "no-store"
    assert not {name for name in names if name == "style" or name.startswith("on")}
    assert all(url.startswith("/") for url in page.values("src", "href") if url[0] != "#")
    assert all(attributes.get("src") for tag, attributes in page.elements if tag == "script")


@pytest.mark.parametrize("root", ["", ROOT_PATH])
def test_links_in_pages_work(
    sqlite_client: AppClient, client_at_root_path: AppClient, root: str
) -> None:
    """All URLs in a page exist, also with a root path."""
    client = client_at_root_path if root else sqlite_client
    for path in PAGES:
        for url in Page(visit(client, f"{root}{path}")).values("src", "href"):
            if url.startswith("/"):
                assert url.startswith(f"{root}/"), url
                assert visit(client, url).status == 200, url


def test_files_are_cached_permanently(sqlite_client: AppClient) -> None:
    """URLs of files contain digests. Files are compressed if the client accepts gzip."""
    urls = {
        url
        for path in PAGES
        for url in Page(visit(sqlite_client, path)).values("src", "href")
        if url.startswith("/explorer/")
    }
    assert {url.split(".")[-1] for url in urls} == {"css", "js", "svg"}
    for url in urls:
        plain = sqlite_client.get(url)
        compressed = sqlite_client.request("GET", url, {"accept-encoding": "br, gzip"})

        assert plain.status == compressed.status == 200
        assert gzip.decompress(compressed.body) == plain.body
        assert compressed.headers["content-encoding"] == "gzip"
        assert "content-encoding" not in plain.headers
        assert plain.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert compressed.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"
        assert compressed.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "path", ["page.css", "page.0000000000000000.css", "..%2fpages.py", "%00", "vendor/react.js", ""]
)
def test_other_files_are_not_found(sqlite_client: AppClient, path: str) -> None:
    """Only a URL with the digest of a file leads to it."""
    assert sqlite_client.get(f"/explorer/{path}").status == 404


@pytest.mark.parametrize("path", ["/", "/graphql", "/schema.graphql", "/api/v3/schema/"])
def test_pages_and_documents_are_compressed(sqlite_client: AppClient, path: str) -> None:
    """Repeated requests get the same compressed content."""
    for _ in range(2):
        compressed = visit(sqlite_client, path, **{"accept-encoding": "gzip"})
        assert compressed.headers["content-encoding"] == "gzip"
        assert remove_nonce(gzip.decompress(compressed.body)) == remove_nonce(
            visit(sqlite_client, path).body
        )


def remove_nonce(page: bytes) -> bytes:
    """Return a page without the nonce, which differs in each response."""
    return re.sub(rb'data-style-nonce="[^"]+"', b"", page)


def test_index(sqlite_client: AppClient) -> None:
    """A client that does not accept HTML gets the endpoints as JSON."""
    index = sqlite_client.get("/").json

    assert index == {
        "name": "FlowQL",
        "version": index["version"],
        "description": metadata("flowql")["Summary"],
        "graphql": "/graphql",
        "graphiql": "/graphql",
        "schema": "/schema.graphql",
        "rest_api": "/openapi",
        "rest": "/flows/instances/",
        "rest_v3": "/api/v3/flows/instances/",
        "openapi": "/api/v3/schema/",
        "openapi_documented": "/schema/",
        "live": "/-/health/live/",
        "ready": "/-/health/ready/",
        "authenticated": False,
    }


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("superuser", {"authenticated": True, "viewer": "superuser"}),
        ("unknown", {"authenticated": False, "detail": "Token invalid/expired"}),
        (
            "none",
            {
                "authenticated": False,
                "detail": "You do not have permission to perform this action.",
            },
        ),
    ],
)
def test_index_reports_authentication(
    client: AppClient, key: str, expected: dict[str, object]
) -> None:
    """With an invalid token, the status is 200 and the index has the reason."""
    response = client.get("/", KEYS[key])

    assert response.status == 200
    assert expected.items() <= response.json.items()


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_front_page_is_read_only(sqlite_client: AppClient, method: str) -> None:
    """Only GET and HEAD are allowed."""
    response = sqlite_client.request(method, "/")

    assert response.status == 405
    assert sorted(response.headers["allow"].split(", ")) == ["GET", "HEAD"]


def test_root_path_may_be_removed_by_a_proxy(client_at_root_path: AppClient) -> None:
    """All paths work with and without the root path. One path starts with `/flows` itself."""
    key = KEYS["superuser"]
    for path in ("/schema.graphql", "/flows/instances/?page_size=1", "/api/v3/schema/", "/"):
        assert client_at_root_path.get(path, key) == client_at_root_path.get(
            f"{ROOT_PATH}{path}", key
        ), path
        assert client_at_root_path.get(path, key).status == 200
    assert client_at_root_path.get(ROOT_PATH).json["graphql"] == f"{ROOT_PATH}/graphql"
    assert client_at_root_path.get(f"{ROOT_PATH}/-/health/ready/").status == 200
    assert client_at_root_path.get("/flowsgraphql").status == 404


def test_query_box_replaces_missing_graphiql(sqlite_url: str, tmp_path: Path) -> None:
    """The query box says how to install GraphiQL."""
    for package in ("gql", "models"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("vendor"))
    with run_server(sqlite_url, env={"PYTHONPATH": str(tmp_path)}) as (url, _):
        page = Page(send_request(url, "/graphql", accept=BROWSER))

        assert "flowql explorer install" in page.text
        assert [tag for tag, _ in page.elements].count("textarea") == 2
        for path in page.values("src"):
            assert send_request(url, path).status == 200


@pytest.mark.parametrize("path", PAGES)
def test_pages_with_a_token_are_local(sqlite_url: str, path: str) -> None:
    """Pages with a token reject other Host headers to prevent DNS rebinding.

    Without the setting, pages contain no token.
    """
    with AppClient(sqlite_url, token=KEYS["superuser"]) as client:
        for host in ("127.0.0.1:8000", "localhost", "LOCALHOST:80"):
            response = visit(client, path, host=host)
            assert response.status == 200, host
            assert Page(response).values("data-token") == [KEYS["superuser"]]
        for host in ("evil.example:8000", "127.0.0.1.evil.example", ""):
            response = visit(client, path, host=host)
            assert (response.status, response.body) == (400, b"Invalid host header"), host
    with AppClient(sqlite_url) as client:
        assert Page(visit(client, path)).values("data-token") == []


@pytest.mark.parametrize(
    ("setting", "name", "url"),
    [("graphiql", "graphiql", "/graphql"), ("introspection", "schema", "/schema.graphql")],
)
def test_disabled_endpoints_are_not_linked(
    sqlite_url: str, setting: str, name: str, url: str
) -> None:
    """Pages and the index contain no links to disabled endpoints."""
    settings: Mapping[str, Any] = {setting: False}
    with AppClient(sqlite_url, **settings) as client:
        front, index = visit(client), client.get("/").json
        graphiql = visit(client, "/graphql")

    assert front.status == 200
    assert graphiql.status == (200 if name == "schema" else 401)
    assert url not in Page(front).values("href")
    assert url not in Page(graphiql).values("href")
    assert name not in index


@pytest.mark.parametrize(
    "example", list(read_examples()), ids=lambda example: example["query"][2:30]
)
def test_examples_are_valid(sample_server: RunningServer, example: dict[str, str]) -> None:
    """Each of GraphiQL's initial tabs returns data of the sample flows."""
    variables = json.loads(example["variables"] or "null")
    body = {"query": example["query"], "variables": variables}
    response = send_request(sample_server.url, "/graphql", sample_server.token, body).json

    assert "errors" not in response
    assert "default-" in str(response["data"])
