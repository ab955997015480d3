"""The front page, as HTML: the list of flows, the selected flow, and errors."""

import json
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from gql.explorer.flow_details import MAX_INLINE_OBJECTS, FlowDetails
from support.app_client import AppClient, Response, bearer_headers
from support.command import run_flowql
from support.edge_case_data import KEYS
from support.pages import Page, visit

KEY = KEYS["superuser"]
FLOW = "default-authentication-flow"


def list_slugs(response: Response) -> list[str]:
    """Return the slugs of the list, which the links of the list select."""
    elements = Page(response).elements
    links = [element for tag, element in elements if tag == "a" and element.get("data-in-place")]
    slugs = [parse_qs(urlsplit(link["href"] or "").query).get("flow") for link in links]
    return [slug[0] for slug in slugs if slug]


def list_slugs_by_rest(client: AppClient, query: str) -> list[str]:
    """Return the slugs of REST's first page of 100 flows."""
    target = f"/api/v3/flows/instances/?page_size=100&ordering=designation,slug&{query}"
    return [flow["slug"] for flow in client.get(target, KEY).json["results"]]


def test_flows_require_a_valid_token(sqlite_client: AppClient) -> None:
    """Without a valid token, the front page shows no flows."""
    anonymous, invalid = visit(sqlite_client), visit(sqlite_client, "/", KEYS["unknown"])
    with_flow = visit(sqlite_client, "/?flow=default-authentication-flow", KEYS["unknown"])

    assert "default-authentication-flow" not in anonymous.body.decode()
    assert [anonymous.status, invalid.status, with_flow.status] == [200, 200, 200]
    assert "Token invalid/expired" in invalid.body.decode()
    assert with_flow.body == invalid.body


def test_flows_are_listed_by_designation(client: AppClient) -> None:
    """All pages together list each flow once, sorted by designation and slug."""
    slugs = [
        slug for number in (1, 2) for slug in list_slugs(visit(client, f"/?page={number}", KEY))
    ]
    query = "{ flows(ordering: [DESIGNATION_ASC], pageSize: 100, page: %d) { results { slug } } }"
    pages = [client.graphql(query % number, KEYS["superuser"]).json for number in (1, 2)]

    assert slugs == [flow["slug"] for page in pages for flow in page["data"]["flows"]["results"]]
    assert len(slugs) == 160


def test_selected_flow_has_a_diagram(client: AppClient) -> None:
    """The page contains the SVG and the Mermaid source that REST returns."""
    [(slug, title)] = [
        (flow["slug"], flow["name"])
        for flow in client.get("/flows/instances/?page_size=1", KEYS["superuser"]).json["results"]
    ]
    page = visit(client, f"/?flow={slug}", KEYS["superuser"]).body.decode()
    mermaid = client.get(f"/flows/instances/{slug}/diagram/", KEYS["superuser"])
    svg = client.request(
        "GET",
        f"/flows/instances/{slug}/diagram/",
        {**bearer_headers(KEYS["superuser"]), "accept": "image/svg+xml"},
    )
    parsed = Page(Response(200, {}, page.encode()))

    assert svg.body.decode().removeprefix('<?xml version="1.0" encoding="utf-8"?>\n') in page
    assert mermaid.json["diagram"] in parsed.text
    assert title in parsed.text


@pytest.mark.parametrize("key", ["superuser", "object_role"])
@pytest.mark.parametrize("query", ["flow=no-such-flow", "flow=a%00b", "flow=%ff", "flow=a/b"])
def test_unknown_flow(client: AppClient, key: str, query: str) -> None:
    """With an unknown or invalid slug, the status is 404 and the page has a message."""
    response = visit(client, f"/?{query}", KEYS[key])

    assert response.status == 404
    assert "not found. It does not exist, or you do not have permission" in response.body.decode()


def test_hidden_flow_looks_like_an_unknown_flow(client: AppClient) -> None:
    """A user with access to some flows sees only those."""
    key = KEYS["object_role"]
    visible = {
        flow["slug"] for flow in client.get("/flows/instances/?page_size=100", key).json["results"]
    }
    listed = list_slugs(visit(client, "/", key))
    flows = client.get("/flows/instances/?page_size=100", KEYS["superuser"]).json["results"]
    hidden = next(flow["slug"] for flow in flows if flow["slug"] not in visible)
    response = visit(client, f"/?flow={hidden}", key)

    assert set(listed) == visible
    assert response.status == 404
    assert response.body == visit(client, "/?flow=xyz", key).body.replace(b"xyz", hidden.encode())


@pytest.mark.parametrize("page", ["0", "3", "-1", "x", "9" * 5000, "1e3", "%00"])
def test_unknown_page(sqlite_client: AppClient, page: str) -> None:
    """With an unknown or invalid page number, the status is 404 and the page has a message."""
    response = visit(sqlite_client, f"/?page={page}", KEYS["superuser"])

    assert response.status == 404
    assert "does not exist" in response.body.decode()


def test_parameters_are_escaped(sqlite_client: AppClient) -> None:
    """A slug from the URL is never interpreted as HTML."""
    slug = "%22%3E%3Cscript%3Ealert(1)%3C/script%3E"
    page = visit(sqlite_client, f"/?flow={slug}", KEYS["superuser"])

    assert b"<script>alert" not in page.body
    assert "<script>alert(1)</script>" in Page(page).text


@pytest.mark.parametrize(
    "query",
    ["search=flow", "search=no-such-flow", "search=%22Gr%C3%B6%C3%9Fe%22%20a", "search=%25"]
    + [f"designation={name}" for name in ("authentication", "recovery", "stage_configuration")]
    + ["search=default&designation=authorization", "search=&designation="],
)
def test_list_is_that_of_rest(client: AppClient, query: str) -> None:
    """`search` and `designation` match the same flows as REST's parameters."""
    response = visit(client, f"/?{query}", KEY)

    assert response.status == 200
    assert list_slugs(response) == list_slugs_by_rest(client, query)


def test_links_keep_the_filters(sqlite_client: AppClient) -> None:
    """A link to a flow or to another page keeps the search, the designation and the page."""
    page = Page(visit(sqlite_client, "/?search=e&page=2", KEY))
    queries = [parse_qs(urlsplit(url).query) for url in page.values("href") if "search=" in url]

    assert {"search": ["e"], "page": ["1"]} in queries
    assert all(query["search"] == ["e"] for query in queries)
    assert {tuple(query["page"]) for query in queries if "flow" in query} == {("2",)}


@pytest.mark.parametrize(
    ("query", "status", "message"),
    [
        ("page=3", 404, "Page 3 does not exist. The last page is 2."),
        ("page=x", 404, "does not exist"),
        ("designation=unknown", 400, "Unknown designation 'unknown'."),
        ("search=%00", 400, "'search' must not contain NUL characters."),
        (f"search={'a%20' * 101}", 400, "The search has 101 terms: the limit is 100."),
        ("flow=no-such-flow", 404, "Flow 'no-such-flow' not found."),
        ("flow=no-such-flow&search=default", 404, "Flow 'no-such-flow' not found."),
    ],
)
def test_errors_keep_the_list(
    sqlite_client: AppClient, query: str, status: int, message: str
) -> None:
    """The page says what is wrong, beside a list of flows."""
    response = visit(sqlite_client, f"/?{query}", KEY)

    assert response.status == status
    assert message in Page(response).text
    assert list_slugs(response)


def test_paging_keeps_the_selected_flow(sqlite_client: AppClient) -> None:
    """The links to other pages of the list select the same flow."""
    slug = list_slugs(visit(sqlite_client, "/", KEY))[0]
    page = Page(visit(sqlite_client, f"/?flow={slug}", KEY))

    assert f"/?page=2&flow={slug}" in page.values("href")


@pytest.mark.parametrize(
    ("invalid", "valid"),
    [("search=%00", "designation=recovery"), ("designation=x", "search=default")],
)
def test_an_invalid_filter_keeps_the_others(
    sqlite_client: AppClient, invalid: str, valid: str
) -> None:
    """Only the invalid filter matches all flows."""
    response = visit(sqlite_client, f"/?{invalid}&{valid}", KEY)

    assert response.status == 400
    assert list_slugs(response) == list_slugs_by_rest(sqlite_client, valid)


def test_operations_are_not_linked_with_trusted_documents_only(
    sqlite_url: str, tmp_path: Path
) -> None:
    """The server would reject them."""
    (tmp_path / "a.graphql").write_text("{ __typename }")
    with AppClient(sqlite_url, trusted_documents=tmp_path, trusted_only=True) as client:
        slug = list_slugs(visit(client, "/", KEY))[0]
        page = Page(visit(client, f"/?flow={slug}", KEY))

    assert not [url for url in page.values("href") if "query=" in url]
    assert "/graphql" in page.values("href")


@pytest.mark.parametrize(
    ("objects", "is_large"), [(MAX_INLINE_OBJECTS, False), (MAX_INLINE_OBJECTS + 1, True)]
)
def test_flows_with_many_objects_are_large(objects: int, *, is_large: bool) -> None:
    """A thread renders them, also if the diagram has few nodes because bindings are disabled."""
    assert FlowDetails("a-flow", objects=objects).is_large is is_large


def test_selected_flow_is_the_result_of_the_linked_query(client: AppClient) -> None:
    """The link to GraphiQL has the query whose result the page shows."""
    for slug in list_slugs(visit(client, "/", KEY))[:20]:
        page = Page(visit(client, f"/?flow={slug}", KEY))
        [link] = [url for url in page.values("href") if url.startswith("/graphql?")]
        parameters = parse_qs(urlsplit(link).query)
        variables = json.loads(parameters["variables"][0])
        result = client.graphql(parameters["query"][0], KEY, variables).json
        flow = result["data"]["flow"]

        assert flow["slug"] == slug
        assert all(error["message"] in page.text for error in result.get("errors", []))
        for binding in flow["stageBindings"]:
            assert binding["stage"]["name"].strip() in page.text
            for use in binding["stage"]["flows"][:5]:
                assert use["slug"] in page.text


def test_missing_permissions_are_named(sample_url: str) -> None:
    """A viewer with `view_flow` alone sees the flow, and which permission the rest requires."""
    token = run_flowql("token", "create", "flows", "--flows-only", "--database", sample_url)
    with AppClient(sample_url) as client:
        response = visit(client, f"/?flow={FLOW}", token.stdout.strip())
    page = Page(response)

    assert response.status == 200
    for permission in ("view_flowstagebinding", "view_policybinding"):
        assert permission in page.text
    assert "default-authentication-password" not in page.text


def test_flow_above_the_limit_of_objects(sqlite_url: str) -> None:
    """The page says that the flow is too large, and still shows its diagram and the list."""
    with AppClient(sqlite_url, max_objects=1) as client:
        flows = client.get("/flows/instances/?page_size=100", KEY).json["results"]
        slug = next(flow["slug"] for flow in flows if len(set(flow["stages"])) > 1)
        response = visit(client, f"/?flow={slug}", KEY)

    assert response.status == 400
    assert "too many objects: the limit is 1." in Page(response).text
    assert b"<svg" in response.body
    assert list_slugs(response)


def test_unknown_addresses(client: AppClient) -> None:
    """Browsers get a page with links, programs JSON."""
    for path in ("/nope", "/api/v3/nope/", "/flows/instances", "/explorer/nope.js", "/%3Cb%3E"):
        page, program = visit(client, path), client.get(path)

        assert (page.status, program.status) == (404, 404)
        assert f"There is nothing at {unquote(path)}." in Page(page).text
        assert b"<b>" not in page.body
        assert program.json == {"detail": "Not found."}
    assert client.request("POST", "/nope").json == {"detail": "Not found."}


def test_rest_errors_stay_json(client: AppClient) -> None:
    """REST is for programs, whatever they accept."""
    response = visit(client, "/flows/instances/no-such-flow/", KEY)

    assert (response.status, response.json) == (404, {"detail": "No Flow matches the given query."})
