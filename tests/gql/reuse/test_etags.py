"""Entity tags: 304 says that a client has exactly the bytes that 200 would have."""

import json
import random
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
from hypothesis import settings

from support.app_client import JSON_HEADERS, AppClient, Response, bearer_headers
from support.databases import KINDS
from support.graphql_http import GRAPHQL_RESPONSE, PLAIN
from support.postgres import PostgresServer
from support.reuse_data import KEYS, build_components
from support.reuse_databases import SmallDatabase, create_database, has_scopes
from support.reuse_requests import FLOWS, REQUESTS, SVG, ReuseRequest
from support.sql_recorder import record_statements

KEY = KEYS["superuser"]
QUERY = "{ flows { results { slug title } } }"
PAGE = f"/graphql?{urlencode({'query': QUERY})}"
DIAGRAM = f"{FLOWS}flow-1/diagram/"
TARGETS = {
    "GraphQL": PAGE,
    "list": FLOWS,
    "new list": f"/api/v3{FLOWS}",
    "empty list": f"{FLOWS}?slug=none",
    "instance": f"{FLOWS}flow-0/",
    "export": f"{FLOWS}flow-1/export/",
    "diagram": DIAGRAM,
    "SVG diagram": f"{DIAGRAM}?format=svg",
    "graph diagram": f"{DIAGRAM}?format=graph",
}
# 100 by default, 2,000 in the full profile.
CHANGES = settings().max_examples
OTHER = '"0123456789abcdef"'
# The forms of If-None-Match that name an entity tag.
MATCHING = ("{}", "W/{}", "*", f"{OTHER}, {{}}", f"{{}},{OTHER}", f"W/{OTHER} , W/{{}}", "\t{} ")
# The forms that do not name it.
DIFFERENT = (
    '"a,*,b"',
    '"a","b,*,c"',
    "W/*",
    '"a", *',
    "",
    OTHER,
    f"W/{OTHER}",
    f"{OTHER}, {OTHER}",
    '"*"',
    '""',
)
ERRORS = {
    "missing flow": ("GET", f"{FLOWS}nothing/", KEY, 404),
    "missing page": ("GET", f"{FLOWS}?page=99", KEY, 404),
    "invalid filter": ("GET", f"{FLOWS}?designation=none", KEY, 400),
    "unknown token": ("GET", FLOWS, "unknown", 403),
    "unknown token of GraphQL": ("GET", PAGE, "unknown", 401),
    "syntax error": ("GET", "/graphql?query={", KEY, 200),
    "invalid field": ("GET", "/graphql?query={nothing}", KEY, 200),
    "invalid argument": ("GET", "/graphql?query={flows(page:0){results{slug}}}", KEY, 200),
    "no query": ("GET", "/graphql", KEY, 400),
    "metadata": ("OPTIONS", FLOWS, KEY, 200),
    "other method": ("POST", FLOWS, KEY, 405),
}


@pytest.fixture(scope="module", params=KINDS)
def small_client(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    postgres: PostgresServer,
) -> Iterator[AppClient]:
    """FlowQL on a database of each kind, which no test changes."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('etags') / 'flowql.db'}"
    else:
        url = postgres.create_database(f"etags {request.param}")
    with AppClient(create_database(request.param, url)) as client:
        yield client


def fetch(
    client: AppClient, target: str, key: str | None = KEY, method: str = "GET", **headers: str
) -> Response:
    """Send a request with a token and headers."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.request(method, target, bearer_headers(key) | named)


def check_private(response: Response) -> None:
    """Check that caches keep a response for one token, and ask before they use it again."""
    assert response.headers["cache-control"] == "private, no-cache"
    assert response.headers["vary"] == "Authorization, Accept"


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_get_has_a_tag(small_client: AppClient, target: str) -> None:
    """The tag is strong, and equal for equal bytes."""
    responses = [fetch(small_client, target) for _ in range(2)]
    assert [response.status for response in responses] == [200, 200]
    assert responses[0] == responses[1]
    assert responses[0].headers["etag"].startswith('"')
    check_private(responses[0])


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
@pytest.mark.parametrize("form", MATCHING)
def test_client_has_the_bytes(small_client: AppClient, target: str, form: str) -> None:
    """304 has no body, no Content-Length, and the headers that a cache stores again."""
    stored = fetch(small_client, target)
    response = fetch(small_client, target, if_none_match=form.format(stored.headers["etag"]))
    assert (response.status, response.body) == (304, b"")
    assert response.headers["etag"] == stored.headers["etag"]
    assert not {"content-length", "content-type"} & response.headers.keys()
    check_private(response)


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_client_has_other_bytes(small_client: AppClient, target: str) -> None:
    """All other values of If-None-Match get the response without the header."""
    stored = fetch(small_client, target)
    etag = stored.headers["etag"]
    for condition in (*DIFFERENT, etag.strip('"'), f'{etag[:-2]}"', etag.swapcase().upper()):
        assert fetch(small_client, target, if_none_match=condition) == stored


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_a_match_is_not_executed(small_client: AppClient, target: str) -> None:
    """While the version holds, 304 needs no SELECT of rows."""
    etag = fetch(small_client, target).headers["etag"]
    with record_statements() as statements:
        assert fetch(small_client, target, if_none_match=etag).status == 304
    assert statements == []


@pytest.mark.parametrize("name", ERRORS)
def test_errors_have_no_tag(small_client: AppClient, name: str) -> None:
    """An error is never 304, even for any tag."""
    method, target, key, status = ERRORS[name]
    for _ in range(2):
        response = fetch(small_client, target, key, method, if_none_match="*")
        assert response.status == status
        assert "etag" not in response.headers


@pytest.mark.parametrize(
    "target", [target for name, target in TARGETS.items() if name != "GraphQL"]
)
def test_head_has_the_tag_of_get(small_client: AppClient, target: str) -> None:
    """REST responds to HEAD as to GET, but for the body, which the server leaves out."""
    stored = fetch(small_client, target)
    head = fetch(small_client, target, method="HEAD")
    assert (head.status, head.headers) == (stored.status, stored.headers)
    etag = stored.headers["etag"]
    assert fetch(small_client, target, method="HEAD", if_none_match=etag).status == 304


def test_post_has_no_tag(small_client: AppClient) -> None:
    """Caches do not store it, and a condition on it means nothing."""
    etag = fetch(small_client, PAGE).headers["etag"]
    body = json.dumps({"query": QUERY}).encode()
    for condition in (etag, "*"):
        headers = bearer_headers(KEY) | JSON_HEADERS | {"if-none-match": condition}
        response = small_client.request("POST", "/graphql", headers, body)
        assert response.status == 200
        assert "etag" not in response.headers
        assert response.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("target", "first", "second"),
    [(PAGE, PLAIN, GRAPHQL_RESPONSE), (DIAGRAM, PLAIN, SVG), (DIAGRAM, SVG, PLAIN)],
)
def test_media_types_have_tags_of_their_own(
    small_client: AppClient, target: str, first: str, second: str
) -> None:
    """A client that has one representation does not have the other."""
    tags = [fetch(small_client, target, accept=type_).headers["etag"] for type_ in (first, second)]
    assert tags[0] != tags[1]
    assert fetch(small_client, target, accept=second, if_none_match=tags[0]).status == 200
    assert fetch(small_client, target, accept=first, if_none_match=tags[0]).status == 304


@pytest.mark.parametrize("target", [PAGE, FLOWS])
def test_tokens_with_other_rights(small_client: AppClient, target: str) -> None:
    """The tag of one token's response does not match that of another with other rows."""
    tags = {token: fetch(small_client, target, key).headers["etag"] for token, key in KEYS.items()}
    assert len(set(tags.values())) == len(KEYS)
    for token, key in KEYS.items():
        for other, etag in tags.items():
            response = fetch(small_client, target, key, if_none_match=etag)
            assert response.status == (304 if other == token else 200)


def test_a_forbidden_token(database: SmallDatabase) -> None:
    """A token without rights gets an error, also for a tag that it had before."""
    with AppClient(database.url) as client:
        etag = fetch(client, FLOWS).headers["etag"]
        database.execute("DELETE FROM authentik_core_user_groups")
        assert fetch(client, FLOWS, if_none_match=etag).status == 403
        assert fetch(client, FLOWS, if_none_match="*").status == 403


def test_a_change_of_other_rows(database: SmallDatabase) -> None:
    """A new execution with the same bytes is 304 as well."""
    with AppClient(database.url) as client:
        etag = fetch(client, f"{FLOWS}flow-0/").headers["etag"]
        database.execute("UPDATE authentik_flows_flow SET title = 'x' WHERE slug = 'flow-1'")
        assert fetch(client, f"{FLOWS}flow-0/", if_none_match=etag).status == 304
        database.execute("UPDATE authentik_flows_flow SET title = 'x' WHERE slug = 'flow-0'")
        assert fetch(client, f"{FLOWS}flow-0/", if_none_match=etag).status == 200


class TagChecker:
    """Compares conditional requests with unconditional ones at the same state."""

    def __init__(self, client: AppClient) -> None:
        self.statuses: set[int] = set()
        self._client = client
        self._bodies: dict[str, bytes] = {}
        self._tags: dict[ReuseRequest, list[str]] = {}

    def check(self, request: ReuseRequest, key: str, rng: random.Random) -> None:
        """Send a request with a tag that it had before, or with any tag."""
        tag = rng.choice(["*", *self._tags.setdefault(request, [])])
        stored = fetch(self._client, request.target, key, accept=request.accept)
        response = fetch(
            self._client, request.target, key, accept=request.accept, if_none_match=tag
        )
        self.statuses.add(response.status)
        is_match = stored.status == 200 and tag in ("*", stored.headers.get("etag"))
        if is_match and "etag" in stored.headers:
            assert (response.status, response.body) == (304, b"")
            assert response.headers["etag"] == stored.headers["etag"]
        else:
            assert response == stored
        self._store(request, stored)

    def _store(self, request: ReuseRequest, response: Response) -> None:
        if tag := response.headers.get("etag"):
            assert self._bodies.setdefault(tag, response.body) == response.body
            self._tags[request].append(tag)


def test_never_304_where_bytes_differ(database: SmallDatabase) -> None:
    """After random changes, a tag matches if 200 has the same one, and never for other bytes."""
    rng = random.Random(7)
    components = build_components(has_scopes=has_scopes(database.kind))
    requests = [request for request in REQUESTS if request.method == "GET"]
    with AppClient(database.url) as client:
        checker = TagChecker(client)
        for _ in range(CHANGES):
            for statement in components[rng.choice("ABCDPR")](rng.randrange(4)):
                database.execute(statement)
            for request in rng.choices(requests, k=8):
                checker.check(request, rng.choice(list(KEYS.values())), rng)
    assert checker.statuses == {200, 304, 401, 403, 404}
