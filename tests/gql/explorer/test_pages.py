"""What a browser gets: the front page, GraphiQL's page, and the files that they need."""

import gzip
import json
import re
import shutil
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from gql.explorer.graphiql import examples
from support.app_client import AppClient, Response, bearer
from support.edge_case_data import KEYS
from support.paths import ROOT
from support.processes import RunningServer
from support.server_process import ask, run_server

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
BELOW = "/flows"
PAGES = ("/", "/graphql", "/graphql/")


class Page(HTMLParser):
    """What stands in a page: each element's name with its attributes, and all text."""

    def __init__(self, answer: Response) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(answer.body.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep it."""
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        """Keep it."""
        self.text += data

    def values(self, *attributes: str) -> list[str]:
        """What these attributes of any element are."""
        found = (given.get(name) for _, given in self.elements for name in attributes)
        return [value for value in found if value]


def look(client: AppClient, target: str = "/", key: str | None = None, **headers: str) -> Response:
    """What a browser gets."""
    return client.ask("GET", target, {"accept": BROWSER, **bearer(key), **headers})


@pytest.fixture
def below_a_root(sqlite_url: str) -> Iterator[AppClient]:
    """FlowQL below a path."""
    with AppClient(sqlite_url, root_path=BELOW) as client:
        yield client


@pytest.mark.parametrize("path", PAGES)
def test_a_page_runs_nothing_but_files_of_ours(on_sqlite: AppClient, path: str) -> None:
    """The policy admits no other host and nothing unsafe, and nothing in the page needs more."""
    answer = look(on_sqlite, path)
    policy = answer.headers["content-security-policy"]
    page = Page(answer)
    names = {name for _, given in page.elements for name in given}

    assert answer.status == 200
    assert policy.startswith("default-src 'none'; script-src 'self'; ")
    assert "frame-ancestors 'none'" in policy
    assert "form-action 'none'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"https?:|\*", policy)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"
    assert not {name for name in names if name == "style" or name.startswith("on")}
    assert all(
        address.startswith("/") for address in page.values("src", "href") if address[0] != "#"
    )
    assert all(given.get("src") for tag, given in page.elements if tag == "script")


@pytest.mark.parametrize("root", ["", BELOW])
def test_every_address_in_a_page_leads_somewhere(
    on_sqlite: AppClient, below_a_root: AppClient, root: str
) -> None:
    """Whatever a page refers to is there, below a root path too."""
    client = below_a_root if root else on_sqlite
    for path in PAGES:
        for address in Page(look(client, f"{root}{path}")).values("src", "href"):
            if address.startswith("/"):
                assert address.startswith(f"{root}/"), address
                status = look(client, address).status
                # REST wants a token, and speaks JSON.
                assert status == (403 if "/instances/" in address else 200), address


def test_files_are_kept_for_good(on_sqlite: AppClient) -> None:
    """A file's address tells its content; it is compressed for who takes that, and the same."""
    addresses = {
        one
        for path in PAGES
        for one in Page(look(on_sqlite, path)).values("src", "href")
        if one.startswith("/explorer/")
    }
    assert {one.split(".")[-1] for one in addresses} == {"css", "js", "svg"}
    for address in addresses:
        plain = on_sqlite.get(address)
        packed = on_sqlite.ask("GET", address, {"accept-encoding": "br, gzip"})

        assert plain.status == packed.status == 200
        assert gzip.decompress(packed.body) == plain.body
        assert packed.headers["content-encoding"] == "gzip"
        assert "content-encoding" not in plain.headers
        assert plain.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert packed.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"
        assert packed.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "path", ["page.css", "page.0000000000000000.css", "..%2fpages.py", "%00", "vendor/react.js", ""]
)
def test_no_other_file_is_there(on_sqlite: AppClient, path: str) -> None:
    """What is no address of a file is not found, whatever lies in the folders."""
    assert on_sqlite.get(f"/explorer/{path}").status == 404


@pytest.mark.parametrize("path", ["/", "/graphql", "/schema.graphql", "/api/v3/schema/"])
def test_texts_are_compressed(on_sqlite: AppClient, path: str) -> None:
    """Pages and documents are compressed for who takes that, time and again."""
    for _ in range(2):
        packed = look(on_sqlite, path, **{"accept-encoding": "gzip"})
        assert packed.headers["content-encoding"] == "gzip"
        assert gzip.decompress(packed.body) == look(on_sqlite, path).body


def test_programs_get_an_index(on_sqlite: AppClient) -> None:
    """Who does not ask for HTML is told in JSON where everything is, and who asks."""
    index = on_sqlite.get("/").json

    assert index == {
        "name": "FlowQL",
        "version": index["version"],
        "description": "The GraphQL gateway over authentik's flow data, with the REST endpoint kept.",
        "graphql": "/graphql",
        "graphiql": "/graphql",
        "schema": "/schema.graphql",
        "rest": "/flows/instances/",
        "rest_v3": "/api/v3/flows/instances/",
        "openapi": "/api/v3/schema/",
        "openapi_documented": "/schema/",
        "live": "/-/health/live/",
        "ready": "/-/health/ready/",
        "authenticated": False,
    }


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("superuser", {"authenticated": True}),
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
def test_the_index_tells_whether_a_token_is_good(
    client: AppClient, key: str, told: dict[str, object]
) -> None:
    """A wrong token is told in words, with 200: asking is no failure."""
    answer = client.get("/", KEYS[key])

    assert answer.status == 200
    assert told.items() <= answer.json.items()


def test_nobody_sees_flows_who_is_not_signed_in(on_sqlite: AppClient) -> None:
    """The front page says what there is to everybody, and flows to who may see them."""
    stranger, wrong = look(on_sqlite), look(on_sqlite, "/", KEYS["unknown"])
    seen = look(on_sqlite, "/?flow=default-authentication-flow", KEYS["unknown"])

    assert "default-authentication-flow" not in stranger.body.decode()
    assert [stranger.status, wrong.status, seen.status] == [200, 200, 200]
    assert "Token invalid/expired" in wrong.body.decode()
    assert seen.body == wrong.body


def test_flows_are_listed_by_designation(client: AppClient) -> None:
    """Page by page, each flow once, below its designation and in the order of the slugs."""
    slugs: list[str] = []
    for number in (1, 2):
        page = Page(look(client, f"/?page={number}", KEYS["superuser"]))
        slugs += [link.split("flow=")[1] for link in page.values("href") if "flow=" in link]
    asked = "{ flows(ordering: [DESIGNATION_ASC], pageSize: 100, page: %d) { results { slug } } }"
    pages = [client.graphql(asked % number, KEYS["superuser"]).json for number in (1, 2)]

    assert slugs == [flow["slug"] for page in pages for flow in page["data"]["flows"]["results"]]
    assert len(slugs) == 160


def test_a_chosen_flow_is_drawn(client: AppClient) -> None:
    """The picture stands in the page as the REST view gives it, with Mermaid's text beside it."""
    [(slug, title)] = [
        (flow["slug"], flow["name"])
        for flow in client.get("/flows/instances/?page_size=1", KEYS["superuser"]).json["results"]
    ]
    page = look(client, f"/?flow={slug}", KEYS["superuser"]).body.decode()
    told = client.get(f"/flows/instances/{slug}/diagram/", KEYS["superuser"])
    drawn = client.ask(
        "GET",
        f"/flows/instances/{slug}/diagram/",
        {**bearer(KEYS["superuser"]), "accept": "image/svg+xml"},
    )
    parsed = Page(Response(200, {}, page.encode()))

    assert drawn.body.decode().removeprefix('<?xml version="1.0" encoding="utf-8"?>\n') in page
    assert told.json["diagram"] in parsed.text
    assert title in parsed.text


@pytest.mark.parametrize("key", ["superuser", "object_role"])
@pytest.mark.parametrize("query", ["flow=no-such-flow", "flow=a%00b", "flow=%ff", "flow=a/b"])
def test_a_flow_that_is_not_there_is_told(client: AppClient, key: str, query: str) -> None:
    """A slug of no flow, or none that can be, is told in the page, with 404."""
    answer = look(client, f"/?{query}", KEYS[key])

    assert answer.status == 404
    assert "There is no flow" in answer.body.decode()


def test_a_hidden_flow_is_as_if_it_were_not_there(client: AppClient) -> None:
    """Who may see some flows is shown these, and told of another what is told of none."""
    key = KEYS["object_role"]
    seen = {
        flow["slug"] for flow in client.get("/flows/instances/?page_size=100", key).json["results"]
    }
    listed = Page(look(client, "/", key)).values("href")
    page = client.get("/flows/instances/?page_size=100", KEYS["superuser"]).json["results"]
    hidden = next(flow["slug"] for flow in page if flow["slug"] not in seen)
    answer = look(client, f"/?flow={hidden}", key)

    assert {link.split("flow=")[1] for link in listed if "flow=" in link} == seen
    assert answer.status == 404
    assert answer.body == look(client, "/?flow=xyz", key).body.replace(b"xyz", hidden.encode())


@pytest.mark.parametrize("page", ["0", "3", "-1", "x", "9" * 5000, "1e3", "%00"])
def test_a_page_that_is_not_there_is_told(on_sqlite: AppClient, page: str) -> None:
    """A number of no page, or none at all, is told with 404."""
    answer = look(on_sqlite, f"/?page={page}", KEYS["superuser"])

    assert answer.status == 404
    assert "does not exist" in answer.body.decode()


def test_names_are_text_wherever_they_come_from(on_sqlite: AppClient) -> None:
    """What somebody calls a flow, and what somebody asks for, is never taken for markup."""
    odd = "%22%3E%3Cscript%3Ealert(1)%3C/script%3E"
    page = look(on_sqlite, f"/?flow={odd}", KEYS["superuser"])

    assert b"<script>alert" not in page.body
    assert "<script>alert(1)</script>" in Page(page).text


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_the_front_page_is_only_read(on_sqlite: AppClient, method: str) -> None:
    """Other methods are refused."""
    answer = on_sqlite.ask(method, "/")

    assert answer.status == 405
    assert sorted(answer.headers["allow"].split(", ")) == ["GET", "HEAD"]


def test_a_root_path_may_be_taken_off_by_a_proxy_or_not(below_a_root: AppClient) -> None:
    """Both ways all of FlowQL is there, though `/flows` begins an address of its own too."""
    key = KEYS["superuser"]
    for path in ("/schema.graphql", "/flows/instances/?page_size=1", "/api/v3/schema/", "/"):
        assert below_a_root.get(path, key) == below_a_root.get(f"{BELOW}{path}", key), path
        assert below_a_root.get(path, key).status == 200
    assert below_a_root.get(BELOW).json["graphql"] == f"{BELOW}/graphql"
    assert below_a_root.get(f"{BELOW}/-/health/ready/").status == 200
    assert below_a_root.get("/flowsgraphql").status == 404


def test_without_its_packages_a_page_says_how_to_get_them(sqlite_url: str, tmp_path: Path) -> None:
    """Where GraphiQL's files are missing there is a plain box to ask in."""
    for package in ("gql", "models"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("vendor"))
    with run_server(sqlite_url, env={"PYTHONPATH": str(tmp_path)}) as (url, _):
        page = Page(ask(url, "/graphql", accept=BROWSER))

        assert "flowql explorer install" in page.text
        assert [tag for tag, _ in page.elements].count("textarea") == 2
        for address in page.values("src"):
            assert ask(url, address).status == 200


@pytest.mark.parametrize("path", PAGES)
def test_pages_that_bring_a_token_are_for_this_machine(sqlite_url: str, path: str) -> None:
    """A site whose own name leads here is told nothing; no other page has a token in it."""
    with AppClient(sqlite_url, token=KEYS["superuser"]) as client:
        for host in ("127.0.0.1:8000", "localhost", "LOCALHOST:80"):
            answer = look(client, path, host=host)
            assert answer.status == 200, host
            assert Page(answer).values("data-token") == [KEYS["superuser"]]
        for host in ("evil.example:8000", "127.0.0.1.evil.example", ""):
            answer = look(client, path, host=host)
            assert (answer.status, answer.body) == (400, b"Invalid host header"), host
    with AppClient(sqlite_url) as client:
        assert Page(look(client, path)).values("data-token") == []


@pytest.mark.parametrize(
    ("switched_off", "gone", "link"),
    [("graphiql", "graphiql", "/graphql"), ("introspection", "schema", "/schema.graphql")],
)
def test_what_is_switched_off_is_not_linked(
    sqlite_url: str, switched_off: str, gone: str, link: str
) -> None:
    """The pages are there without it, and so is the index."""
    others: Mapping[str, Any] = {switched_off: False}
    with AppClient(sqlite_url, **others) as client:
        front, index = look(client), client.get("/").json
        graphiql = look(client, "/graphql")

    assert front.status == 200
    assert graphiql.status == (200 if gone == "schema" else 401)
    assert link not in Page(front).values("href")
    assert link not in Page(graphiql).values("href")
    assert gone not in index


@pytest.mark.parametrize("example", list(examples()), ids=lambda example: example["query"][2:30])
def test_the_examples_are_answered(served: RunningServer, example: dict[str, str]) -> None:
    """Each tab that GraphiQL opens with asks something that the sample flows answer."""
    variables = json.loads(example["variables"] or "null")
    body = {"query": example["query"], "variables": variables}
    answer = ask(served.url, "/graphql", served.token, body).json

    assert "errors" not in answer
    assert "default-" in str(answer["data"])
