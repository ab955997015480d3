"""Tests of the REST endpoints: equality with Django REST framework, order of checks, access."""

import json

import hypothesis
import pytest

from support.app_client import JSON_HEADERS, AppClient, bearer_headers
from support.edge_case_data import KEYS
from support.reference.requests import CURRENT, DOCUMENTED, MOUNTS, draw_requests
from support.reference.responses import (
    FORBIDDEN,
    INVALID_PAGE,
    INVALID_TOKEN,
    MISSING_TOKEN,
    NO_FLOW,
    NOT_ACCEPTABLE,
    NOT_FOUND,
    NUL,
    format_choice_error,
    format_method_error,
    parse_ordered,
)
from support.reference.site import Reference

SUPERUSER = KEYS["superuser"]
FULL = hypothesis.settings.get_current_profile_name() == "full"


@pytest.mark.parametrize("seed", range(2026, 2030 if FULL else 2027))
def test_responses_equal_those_of_the_reference(
    authentik_client: AppClient, reference: Reference, seed: int
) -> None:
    """1,500 random requests get Django REST framework's status, JSON and order of keys.

    At an unknown address, a browser gets a page instead of the JSON.
    """
    for request in draw_requests(seed, count=1500 if FULL else 900):
        expected = reference.request(request.method, request.target, request.headers)
        actual = authentik_client.request(request.method, request.target, request.headers)
        assert (request, expected.status) == (request, actual.status)
        is_page = actual.status == 404 and actual.headers["content-type"].startswith("text/html")
        if "/export/" not in request.target and request.method != "HEAD" and not is_page:
            assert parse_ordered(expected.body) == parse_ordered(actual.body), request


# Paths, methods and the order of checks -----------------------------------------------------------


@pytest.mark.parametrize("mount", MOUNTS)
@pytest.mark.parametrize(
    "path",
    [
        *("a-flow", "a-flow/export", "a-flow/x/", "a-flow//", "a.b/", "%C3%BC/", "a%20b/"),
        *("a-flow/%0A", "a%2Fb/", "a%00/", "%FF/", "a.b/export/"),
    ],
)
def test_unknown_paths(client: AppClient, mount: str, path: str) -> None:
    """Paths without a trailing slash or with an invalid slug return 404 before any other check."""
    for key in (None, SUPERUSER):
        response = client.get(mount + path, key)
        assert (response.status, response.json) == (404, NOT_FOUND)
    assert client.get(mount.rstrip("/"), SUPERUSER).json == NOT_FOUND


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("nope/", 404, NO_FLOW),
        ("A-FLOW/", 404, NO_FLOW),
        ("nope/export/", 404, NO_FLOW),
        ("a-flow/?slug=A-flow", 404, NO_FLOW),
        ("a-flow/?search=nope-nope", 404, NO_FLOW),
        ("a-flow/?designation=enrollment", 404, NO_FLOW),
        ("a-flow/export/?designation=enrollment", 404, NO_FLOW),
        ("a-flow/?format=xml", 404, NOT_FOUND),
        ("?format=api", 404, NOT_FOUND),
        ("?format=JSON", 404, NOT_FOUND),
    ],
)
def test_unknown_flows_and_formats(client: AppClient, path: str, status: int, body: object) -> None:
    """Unknown flows, flows that the filters exclude, and unknown formats return 404."""
    response = client.get(DOCUMENTED + path, SUPERUSER)
    assert (response.status, response.json) == (status, body)


def test_hidden_flows_look_like_unknown_flows(client: AppClient) -> None:
    """A flow that the viewer may not see returns the same response as an unknown flow."""
    for path in ("A-flow/", "A-flow/export/", "nope/"):
        response = client.get(CURRENT + path, KEYS["object_role_by_group"])
        assert (response.status, response.json) == (404, NO_FLOW)
    assert client.get(f"{CURRENT}a-flow/", KEYS["object_role_by_group"]).status == 200


@pytest.mark.parametrize("mount", MOUNTS)
@pytest.mark.parametrize("accept", ["*/*", "text/html", "application/yaml"])
def test_export(client: AppClient, mount: str, accept: str) -> None:
    """The flow's export_url returns an attachment, whatever the Accept header is."""
    export_url = client.get(f"{mount}a-flow/", SUPERUSER).json["export_url"]
    assert export_url == f"{CURRENT}a-flow/export/"
    headers = bearer_headers(SUPERUSER) | {"accept": accept}
    response = client.request("GET", f"{mount}a-flow/export/", headers)
    assert response.status == 200
    assert response.headers["content-disposition"] == 'attachment; filename="a-flow.yaml"'
    assert b"slug: a-flow" in response.body


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        *(("*/*", 200), ("application/*", 200), ("application/json", 200), ("text/html,*/*", 200)),
        *(("application/json;q=0", 200), ("APPLICATION/JSON; indent=4", 200)),
        *(("text/html", 406), ("", 406), ("application/xml", 406), ("application/vnd.x+json", 406)),
        # Only the first 8,192 characters of the header are read.
        ("text/html," * 900 + "application/json", 406),
    ],
)
def test_accept(client: AppClient, accept: str, status: int) -> None:
    """An Accept header without JSON returns 406 before 403, but after 404 for an unknown format."""
    response = client.request("GET", DOCUMENTED, bearer_headers(SUPERUSER) | {"accept": accept})
    assert response.status == status
    if status == 406:
        assert response.json == NOT_ACCEPTABLE
        assert client.request("GET", DOCUMENTED, {"accept": accept}).json == NOT_ACCEPTABLE
        unknown_format = f"{DOCUMENTED}?format=xml"
        assert client.request("GET", unknown_format, {"accept": accept}).json == NOT_FOUND


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST"])
@pytest.mark.parametrize("key", [SUPERUSER, KEYS["none"], None])
@pytest.mark.parametrize(
    "path", ["", "a-flow/", "a-flow/export/", "a-flow/diagram/", "nope/", "?format=xml", "?page=x"]
)
def test_caches_do_not_share_responses(
    sqlite_client: AppClient, path: str, key: str | None, method: str
) -> None:
    """Responses and errors of all views are private, and vary by token and media type."""
    for mount in MOUNTS:
        response = sqlite_client.request(method, f"{mount}{path}", bearer_headers(key))
        assert response.headers["cache-control"] == "private, no-cache"
        assert response.headers["vary"] == "Authorization, Accept"


@pytest.mark.parametrize("path", ["", "a-flow/", "a-flow/export/", "nope/"])
def test_head(client: AppClient, path: str) -> None:
    """HEAD returns the status and the headers of GET."""
    get, head = (
        client.request(method, DOCUMENTED + path, bearer_headers(SUPERUSER))
        for method in ("GET", "HEAD")
    )
    assert (get.status, get.headers) == (head.status, head.headers)


@pytest.mark.parametrize(
    ("path", "name", "description"),
    [
        ("", "Flow List", "Flow Viewset"),
        ("a-flow/", "Flow Instance", "Flow Viewset"),
        ("nope/", "Flow Instance", "Flow Viewset"),
        ("a-flow/export/", "Export", "Export flow to .yaml file"),
    ],
)
def test_options(client: AppClient, path: str, name: str, description: str) -> None:
    """OPTIONS returns the metadata of the view to any authenticated user."""
    media_types = ["application/json"]
    expected = {
        "name": name,
        "description": description,
        "renders": media_types,
        "parses": media_types,
    }
    for mount in MOUNTS:
        response = client.request(
            "OPTIONS", f"{mount}{path}?designation=x", bearer_headers(KEYS["none"])
        )
        assert (response.status, response.headers["allow"]) == (200, "GET, HEAD, OPTIONS")
        assert parse_ordered(response.body) == parse_ordered(json.dumps(expected).encode())


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW"])
@pytest.mark.parametrize("path", ["", "a-flow/", "a-flow/export/"])
def test_other_methods(client: AppClient, path: str, method: str) -> None:
    """Other methods return 405 with the allowed methods."""
    headers = bearer_headers(SUPERUSER) | JSON_HEADERS
    response = client.request(method, f"{CURRENT}{path}?search=%00", headers, b"{}")
    assert (response.status, response.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    assert response.json == format_method_error(method)


@pytest.mark.parametrize(
    ("method", "parameters", "key", "status", "body"),
    [
        ("POST", "format=xml&search=%00", None, 404, NOT_FOUND),
        ("POST", "search=%00&designation=x", None, 403, MISSING_TOKEN),
        ("POST", "search=%00&designation=x", "nope", 403, INVALID_TOKEN),
        ("POST", "search=%00", KEYS["none"], 405, format_method_error("POST")),
        ("GET", "search=%00&designation=x", KEYS["none"], 400, [NUL]),
        ("GET", "designation=x&page=0", KEYS["none"], 403, FORBIDDEN),
        ("GET", "designation=x&page=0", SUPERUSER, 400, {"designation": format_choice_error("x")}),
        ("GET", "ordering=x&page=0", SUPERUSER, 404, INVALID_PAGE),
    ],
)
@pytest.mark.parametrize("mount", MOUNTS)
def test_order_of_checks(  # noqa: PLR0913, PLR0917 - one parameter for each column of the table
    client: AppClient,
    mount: str,
    method: str,
    parameters: str,
    key: str | None,
    status: int,
    body: object,
) -> None:
    """The first failed check determines the response."""
    response = client.request(method, f"{mount}?{parameters}", bearer_headers(key))
    assert (response.status, response.json) == (status, body)


def test_query_strings_that_are_not_utf_8(client: AppClient) -> None:
    """Query strings that are not UTF-8 are read as Latin-1, like Django does."""
    flows = client.get(f"{DOCUMENTED}?search=%C3%BCber", SUPERUSER).json
    assert client.get(f"{DOCUMENTED}?search=\udcfcber", SUPERUSER).json == flows
    assert flows["pagination"]["count"] > 0


# Access -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("authorization", "body"),
    [
        *(
            (None, MISSING_TOKEN),
            ("", MISSING_TOKEN),
            ("Bearer", MISSING_TOKEN),
            ("Bearer ", MISSING_TOKEN),
        ),
        *((f"Basic {SUPERUSER}", MISSING_TOKEN), (SUPERUSER, MISSING_TOKEN)),
        *(
            (f"Bearer {KEYS[name]}", INVALID_TOKEN)
            for name in ("unknown", "expired", "inactive", "intent_app_password")
        ),
        *((f"Bearer {SUPERUSER.upper()}", INVALID_TOKEN), ("Bearer \xff\xfe", INVALID_TOKEN)),
        ("Bearer a\0b", INVALID_TOKEN),
        *((f"Bearer  {SUPERUSER}", INVALID_TOKEN), ("Bearer sha256$" + "0" * 64, INVALID_TOKEN)),
        *((f"Bearer {KEYS[name]}", FORBIDDEN) for name in ("none", "no_groups", "dangling")),
        (f"Bearer {KEYS['wrong_permission']}", FORBIDDEN),
    ],
)
def test_access_errors(client: AppClient, authorization: str | None, body: object) -> None:
    """Authentication and permission errors return 403 with the reason."""
    headers = {} if authorization is None else {"authorization": authorization}
    for path in (DOCUMENTED, f"{CURRENT}a-flow/", f"{CURRENT}nope/export/"):
        response = client.request("GET", path, headers)
        assert (response.status, response.json) == (403, body)
        assert "www-authenticate" not in response.headers


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR"])
def test_the_scheme_is_case_insensitive(client: AppClient, scheme: str) -> None:
    """The scheme of the Authorization header is case-insensitive."""
    response = client.request("GET", DOCUMENTED, {"authorization": f"{scheme} {SUPERUSER}"})
    assert response.status == 200


def test_internal_service_accounts_get_an_empty_list(client: AppClient) -> None:
    """An internal service account that may not see any flow gets an empty list."""
    response = client.get(DOCUMENTED, KEYS["internal_service_account_none"])
    assert (response.status, response.json["results"]) == (200, [])
    assert response.json["pagination"]["count"] == 0
