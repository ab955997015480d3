"""The REST shim says what Django REST framework says."""

import json
import unicodedata
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote

import hypothesis
import psycopg
import pytest

from models.search_terms import fold
from support.app_client import JSON, AppClient, bearer
from support.edge_case_data import FLOW_COUNT, KEYS, ROWS, flow_uuid
from support.reference.requests import random_requests
from support.reference.site import Reference

FLOWS = ROWS["authentik_flows_flow"]
SLUGS = sorted(str(flow["slug"]) for flow in FLOWS)
SUPERUSER = KEYS["superuser"]
DOCUMENTED = "/flows/instances/"
CURRENT = "/api/v3/flows/instances/"
MOUNTS = (DOCUMENTED, CURRENT)
NOT_FOUND = {"detail": "Not found."}
NO_FLOW = {"detail": "No Flow matches the given query."}
INVALID_PAGE = {"detail": "Invalid page."}
NOT_ACCEPTABLE = {"detail": "Could not satisfy the request Accept header."}
MISSING = {"detail": "Authentication credentials were not provided."}
INVALID = {"detail": "Token invalid/expired"}
REFUSED = {"detail": "You do not have permission to perform this action."}
NUL = "Null characters are not allowed."
FULL = hypothesis.settings.get_current_profile_name() == "full"


@pytest.mark.parametrize("seed", range(2026, 2030 if FULL else 2027))
def test_random_requests_get_the_reference_s_answers(
    on_authentik: AppClient, reference: Reference, seed: int
) -> None:
    """Status and JSON of 1,500 requests, key order included, are Django REST framework's."""
    for request in random_requests(seed, count=1500):
        expected = reference.ask(request.method, request.target, request.headers)
        actual = on_authentik.ask(request.method, request.target, request.headers)
        assert (request, expected.status) == (request, actual.status)
        if "/export/" not in request.target and request.method != "HEAD":
            assert pairs(expected.body) == pairs(actual.body), request


def pairs(body: bytes) -> object:
    """JSON with its objects as lists of pairs, so that the order of keys counts."""
    return json.loads(body, object_pairs_hook=list)


def slugs(client: AppClient, parameters: str, mount: str = DOCUMENTED) -> list[str]:
    """The slugs of the first 100 flows that a query string asks for."""
    answer = client.get(f"{mount}?page_size=100&{parameters}", SUPERUSER)
    assert answer.status == 200, answer
    return [flow["slug"] for flow in answer.json["results"]]


def everything_but(condition: Callable[[dict[str, Any]], bool]) -> list[str]:
    """The sorted slugs of all flows but those that a condition holds for."""
    return sorted(str(flow["slug"]) for flow in FLOWS if not condition(flow))


# The answer ---------------------------------------------------------------------------------------


PAGINATION_KEYS = [
    "next",
    "previous",
    "count",
    "current",
    "total_pages",
    "start_index",
    "end_index",
]
FIRST_KEYS = [
    "pk",
    "policybindingmodel_ptr_id",
    "name",
    "slug",
    "title",
    "designation",
    "background",
]
CURRENT_KEYS = ["background_url", "background_themed_urls"]
LAST_KEYS = [
    "stages",
    "policies",
    "cache_count",
    "policy_engine_mode",
    "compatibility_mode",
    "export_url",
    "layout",
    "denied_action",
    "authentication",
]


@pytest.mark.parametrize(
    ("mount", "keys", "flow_keys"),
    [
        (DOCUMENTED, ["pagination", "results"], FIRST_KEYS + LAST_KEYS),
        (
            CURRENT,
            ["pagination", "results", "autocomplete"],
            FIRST_KEYS + CURRENT_KEYS + LAST_KEYS,
        ),
    ],
)
def test_keys(client: AppClient, mount: str, keys: list[str], flow_keys: list[str]) -> None:
    """Each dialect has its keys in its order, in the list as in the detail."""
    answer = client.get(mount, SUPERUSER)
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS"
    assert list(answer.json) == keys
    assert answer.json.get("autocomplete", {}) == {}
    assert list(answer.json["pagination"]) == PAGINATION_KEYS
    assert [list(flow) for flow in answer.json["results"]] == [flow_keys] * 20
    detail = client.get(f"{mount}{SLUGS[0]}/", SUPERUSER)
    assert pairs(detail.body) == pairs(json.dumps(answer.json["results"][0]).encode())


def _stored(background: str) -> str:
    return next(str(flow["slug"]) for flow in FLOWS if flow["background"] == background)


@pytest.mark.parametrize(
    ("background", "url", "themed"),
    [
        ("", "/static/dist/assets/images/flow_background.jpg", None),
        ("flow-backgrounds/über.png", "/media/public/flow-backgrounds/über.png", None),
        ("httpdocs.png", "httpdocs.png", None),
        ("HTTPS://EXAMPLE.COM/upper.png", "/media/public/HTTPS://EXAMPLE.COM/upper.png", None),
        ("static/relative.png", "/media/public/static/relative.png", None),
        ("%(theme)", "/media/public/%(theme)", None),
        (
            "/static/custom-%(theme)s.svg",
            "/static/custom-%(theme)s.svg",
            {"light": "/static/custom-light.svg", "dark": "/static/custom-dark.svg"},
        ),
        (
            "flow-backgrounds/%(theme)s/%(theme)s.jpg",
            "/media/public/flow-backgrounds/%(theme)s/%(theme)s.jpg",
            {
                "light": "/media/public/flow-backgrounds/light/light.jpg",
                "dark": "/media/public/flow-backgrounds/dark/dark.jpg",
            },
        ),
    ],
)
def test_backgrounds(client: AppClient, background: str, url: str, themed: object) -> None:
    """One dialect has the URL, the other what is stored, its URL, and one URL for each theme."""
    slug = _stored(background)
    assert client.get(f"{DOCUMENTED}{slug}/", SUPERUSER).json["background"] == url
    flow = client.get(f"{CURRENT}{slug}/", SUPERUSER).json
    assert [flow[key] for key in ("background", *CURRENT_KEYS)] == [background, url, themed]


def test_unknown_enum_values_are_passed_through(client: AppClient) -> None:
    """A value of a newer authentik is told as it is stored."""
    flow = client.get(f"{DOCUMENTED}{FLOWS[5]['slug']}/", SUPERUSER).json
    assert (flow["designation"], flow["denied_action"]) == ("device_code", "redirect")


# Search -------------------------------------------------------------------------------------------


def contract_fold(text: str) -> str:
    """Case folded as the contract has it, one character to one."""
    candidates = ((c.upper(), c.title(), c) for c in text)
    return "".join(next(c for c in folded if len(c) == 1) for folded in candidates)


def found(terms: Sequence[str]) -> list[str]:
    """The sorted slugs of all flows that have each term in one of the fields."""
    fields = ("name", "slug", "designation", "title", "denied_action")
    return everything_but(
        lambda flow: any(
            all(contract_fold(term) not in contract_fold(flow[field]) for field in fields)
            for term in terms
        )
    )


@pytest.mark.parametrize(
    ("search", "terms"),
    [
        ("one two", ["one", "two"]),
        ("one,two", ["one", "two"]),
        ("one, two", ["one", "two"]),
        ("one\ttwo\n", ["one", "two"]),
        ('"one two" o', ["one two", "o"]),
        ("'one two' o", ["one two", "o"]),
        ('"one,two"', ["one,two"]),
        (",logout,", ["logout"]),
        (" ,", []),
        ("", []),
        ('"', [""]),
        ('""', [""]),
        ('"hello', ['"hello']),
        ('say,"hello world"', ["say", '"hello world"']),
        ('"say \\"hello world\\""', ['say "hello world"']),
        ("it's", ["it's"]),
        ("ÜBER", ["über"]),
        ("über uns", ["ÜBER", "UNS"]),
        ("STRASSE", ["strasse"]),
        ("fine", ["FINE"]),
        ("istanbul", ["istanbul"]),
        ("ΟΔΥΣΣΕΎΣ", ["οδυσσεύς"]),
        ("message", ["message"]),
        ("enrollment", ["enrollment"]),
        ("%", ["%"]),
        ("_", ["_"]),
        ("\\", ["\\"]),
        ("100%", ["100%"]),
        ("a_b", ["a_b"]),
        ("'; DROP TABLE", ["';", "DROP", "TABLE"]),
    ],
)
def test_search(client: AppClient, search: str, terms: Sequence[str]) -> None:
    """A search is split into its terms, each of which is somewhere in the flow."""
    assert found(terms)[:100] == slugs(client, f"search={quote(search)}")


@pytest.mark.parametrize(
    ("search", "names"),
    [
        ("ÜBER", {"über uns", "ÜBER UNS"}),
        ("straße", {"Straße"}),
        ("ﬁNE", {"ﬁne print"}),
        ("İ", {"İstanbul"}),
        ("100%", {"100%"}),
        ("a\\\\b", {"a\\\\b"}),
    ],
)
def test_search_folds_one_character_to_one(client: AppClient, search: str, names: set[str]) -> None:
    """Case does not count; letters that only expand to each other are different ones."""
    flows = client.get(f"{DOCUMENTED}?search={quote(search)}", SUPERUSER).json["results"]
    assert {flow["name"] for flow in flows if "mir" not in flow["title"]} == names


def test_every_character_is_folded_as_postgresql_folds_it(authentik_url: str) -> None:
    """SQLite's search folds as PostgreSQL does all characters that the Unicode of both has."""
    query = (
        'SELECT chr(point), upper(chr(point) COLLATE "default") FROM generate_series(1, 1114111)'
        " AS point WHERE point NOT BETWEEN 55296 AND 57343 AND unicode_assigned(chr(point))"
    )
    with psycopg.connect(authentik_url) as connection:
        folded: dict[str, str] = dict(connection.execute(query).fetchall())
    known = {character for character in folded if unicodedata.category(character) != "Cn"}
    assert len(known) > 280_000
    different = {
        character: folded[character]
        for character in known
        if folded[character] != fold(character) and {folded[character], fold(character)} <= known
    }
    assert different == {}


# Filters ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "parameters",
    [
        "",
        "designation=",
        "designation",
        "name=%20",
        "name=%09%0A",
        "slug=",
        "flow_uuid=",
        "flow_uuid=%20",
        "denied_action=",
        "designation=recovery&designation=",
        "slug=a-flow&slug",
        "designation[]=recovery",
        "Designation=recovery",
        "title=Straße",
        "pk=1",
        "limit=1&offset=7",
        "search=&ordering=&page=",
        "format=json",
        "format=",
    ],
)
def test_no_filter(client: AppClient, parameters: str) -> None:
    """What is empty, unknown, or overruled by an empty last one filters nothing."""
    assert SLUGS[:100] == slugs(client, quote(parameters, safe="=&%[]"))


@pytest.mark.parametrize(
    ("parameters", "numbers"),
    [
        (f"flow_uuid={flow_uuid(7)}", [7]),
        (f"flow_uuid=%20{flow_uuid(7)}%09", [7]),
        (f"flow_uuid={flow_uuid(7).upper()}", [7]),
        (f"flow_uuid={flow_uuid(7).replace('-', '')}", [7]),
        (f"flow_uuid=%7B{flow_uuid(7)}%7D", [7]),
        (f"flow_uuid=urn:uuid:{flow_uuid(7)}", [7]),
        (f"flow_uuid={flow_uuid(FLOW_COUNT)}", []),
        ("slug=a-flow", [1]),
        ("slug=%20a-flow%20", [1]),
        ("slug=A-FLOW", []),
        ("slug=%C3%BC", []),
        ("slug=a-flow&slug=A-flow", [0]),
        ("slug=a-flow&designation=recovery", [1]),
        ("slug=a-flow&designation=enrollment", []),
    ],
)
def test_filters(client: AppClient, parameters: str, numbers: list[int]) -> None:
    """A filter is exact, trimmed, and of repeated ones the last; all hold together."""
    assert [FLOWS[number]["slug"] for number in numbers] == slugs(client, parameters)


def _choice(value: str) -> list[str]:
    return [f"Select a valid choice. {value} is not one of the available choices."]


@pytest.mark.parametrize(
    ("parameters", "problems"),
    [
        ("search=%00", [NUL]),
        ("search=%00&designation=x", [NUL]),
        ("flow_uuid=x", {"flow_uuid": ["Enter a valid UUID."]}),
        ("flow_uuid=%00", {"flow_uuid": ["Enter a valid UUID."]}),
        ("name=a%00", {"name": [NUL]}),
        ("slug=%00", {"slug": [NUL]}),
        ("designation=xxx", {"designation": _choice("xxx")}),
        ("designation=Recovery", {"designation": _choice("Recovery")}),
        ("designation=%20recovery", {"designation": _choice(" recovery")}),
        ("designation=device_code", {"designation": _choice("device_code")}),
        ("designation=%3Cb%3E", {"designation": _choice("<b>")}),
        ("denied_action=MESSAGE", {"denied_action": _choice("MESSAGE")}),
        ("designation=recovery&designation=x&page=99", {"designation": _choice("x")}),
        (
            "denied_action=x&designation=x&slug=%00&name=%00&flow_uuid=x",
            {
                "flow_uuid": ["Enter a valid UUID."],
                "name": [NUL],
                "slug": [NUL],
                "designation": _choice("x"),
                "denied_action": _choice("x"),
            },
        ),
    ],
)
@pytest.mark.parametrize("path", [DOCUMENTED, f"{CURRENT}a-flow/", f"{CURRENT}nope/"])
def test_bad_filters(client: AppClient, path: str, parameters: str, problems: object) -> None:
    """Bad values are 400, all at once, in one order; in the detail as in the list."""
    answer = client.get(f"{path}?{parameters}", SUPERUSER)
    assert (answer.status, pairs(answer.body)) == (400, pairs(json.dumps(problems).encode()))


# Ordering and pages -------------------------------------------------------------------------------


ORDERED: Sequence[tuple[str, Callable[[dict[str, Any]], Any]]] = [
    ("", lambda flow: flow["slug"]),
    ("pk", lambda flow: flow["flow_uuid"]),
    ("policybindingmodel_ptr_id", lambda flow: flow["policybindingmodel_ptr_id"]),
    ("name", lambda flow: (flow["name"], flow["slug"])),
    ("%20name%20", lambda flow: (flow["name"], flow["slug"])),
    ("title,slug", lambda flow: (flow["title"], flow["slug"])),
    ("designation,title", lambda flow: (flow["designation"], flow["title"], flow["slug"])),
    ("-compatibility_mode", lambda flow: (not flow["compatibility_mode"], flow["slug"])),
    ("layout,-layout", lambda flow: (flow["layout"], flow["slug"])),
    ("denied_action", lambda flow: (flow["denied_action"], flow["slug"])),
    ("authentication", lambda flow: (flow["authentication"], flow["slug"])),
    ("nope,stages,authentication", lambda flow: (flow["authentication"], flow["slug"])),
    *(
        (odd, lambda flow: flow["slug"])
        for odd in ("stages", "cache_count", "flow_uuid", "--name", "Name", "-", ",", "name%00")
    ),
]


@pytest.mark.parametrize("mount", MOUNTS)
@pytest.mark.parametrize(("ordering", "key"), ORDERED)
def test_ordering(
    client: AppClient, mount: str, ordering: str, key: Callable[[dict[str, Any]], Any]
) -> None:
    """Known terms sort, character by character, with ties by slug; others are dropped."""
    expected = [flow["slug"] for flow in sorted(FLOWS, key=key)]
    assert expected[:100] == slugs(client, f"ordering={ordering}", mount)


def test_ordering_by_background(client: AppClient) -> None:
    """Only the current dialect can sort by the background."""
    expected = sorted(FLOWS, key=lambda flow: (str(flow["background"]), str(flow["slug"])))
    assert slugs(client, "ordering=background", DOCUMENTED) == SLUGS[:100]
    by_background = slugs(client, "ordering=background", CURRENT)
    assert by_background == [flow["slug"] for flow in expected[:100]]


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        *(("1", 1), ("100", 100), ("101", 100), ("99999999999999999999", 100), ("%207%20", 7)),
        *(("1_0", 10), ("%D9%A2", 2), ("%2B3", 3), ("007", 7)),
        *((odd, 20) for odd in ("", "0", "-1", "abc", "5.0", "1e1", "0x1", "%00", "_1", "%C2%B2")),
    ],
)
def test_page_size(client: AppClient, size: str, expected: int) -> None:
    """A size is what Python's int() reads, at most 100; what it does not read is no size."""
    answer = client.get(f"{DOCUMENTED}?page_size={size}", SUPERUSER).json
    assert len(answer["results"]) == answer["pagination"]["end_index"] == expected


@pytest.mark.parametrize(
    ("page", "place"),
    [
        ("1", [2, 0, 160, 1, 3, 1, 70]),
        ("", [2, 0, 160, 1, 3, 1, 70]),
        ("2", [3, 1, 160, 2, 3, 71, 140]),
        ("%202%20", [3, 1, 160, 2, 3, 71, 140]),
        ("%D9%A2", [3, 1, 160, 2, 3, 71, 140]),
        ("3", [0, 2, 160, 3, 3, 141, 160]),
        ("last", [0, 2, 160, 3, 3, 141, 160]),
    ],
)
def test_page(client: AppClient, page: str, place: list[int]) -> None:
    """A page tells its place among all."""
    answer = client.get(f"{DOCUMENTED}?page_size=70&page={page}", SUPERUSER).json
    assert list(answer["pagination"].values()) == place
    assert [flow["slug"] for flow in answer["results"]] == SLUGS[place[5] - 1 : place[6]]


@pytest.mark.parametrize(
    "page", ["0", "-1", "abc", "1.0", "LAST", "%20last", "4", "9" * 5000, "%00", "1e0", "%20"]
)
def test_no_such_page(client: AppClient, page: str) -> None:
    """What is no page's number, or past the end, is 404."""
    answer = client.get(f"{DOCUMENTED}?page_size=70&page={page}", SUPERUSER)
    assert (answer.status, answer.json) == (404, INVALID_PAGE)


@pytest.mark.parametrize("page", ["", "1", "last"])
def test_an_empty_set_has_one_page(client: AppClient, page: str) -> None:
    """Nothing found is a page without flows, and no error."""
    answer = client.get(f"{CURRENT}?slug=nope&page={page}", SUPERUSER)
    pagination = dict(zip(PAGINATION_KEYS, [0, 0, 0, 1, 1, 0, 0], strict=True))
    assert answer.status == 200
    assert answer.json == {"pagination": pagination, "results": [], "autocomplete": {}}
    assert client.get(f"{CURRENT}?slug=nope&page=2", SUPERUSER).json == INVALID_PAGE


# Addresses, methods, and the order of checks ------------------------------------------------------


@pytest.mark.parametrize("mount", MOUNTS)
@pytest.mark.parametrize(
    "path",
    [
        *("a-flow", "a-flow/export", "a-flow/x/", "a-flow//", "a.b/", "%C3%BC/", "a%20b/"),
        *("a-flow/%0A", "a%2Fb/", "a%00/", "%FF/", "a.b/export/"),
    ],
)
def test_no_such_address(client: AppClient, mount: str, path: str) -> None:
    """A path without its last slash, or with a slug that none can be, is 404 before all else."""
    for key in (None, SUPERUSER):
        answer = client.get(mount + path, key)
        assert (answer.status, answer.json) == (404, NOT_FOUND)
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
def test_nothing_there(client: AppClient, path: str, status: int, body: object) -> None:
    """A flow that is not there, or that the filters exclude, is 404; so is another format."""
    answer = client.get(DOCUMENTED + path, SUPERUSER)
    assert (answer.status, answer.json) == (status, body)


def test_hidden_flows_are_as_missing_ones(client: AppClient) -> None:
    """A reader of some flows cannot tell a hidden one from none."""
    for path in ("A-flow/", "A-flow/export/", "nope/"):
        answer = client.get(CURRENT + path, KEYS["object_role_by_group"])
        assert (answer.status, answer.json) == (404, NO_FLOW)
    assert client.get(f"{CURRENT}a-flow/", KEYS["object_role_by_group"]).status == 200


@pytest.mark.parametrize("mount", MOUNTS)
@pytest.mark.parametrize("accept", ["*/*", "text/html", "application/yaml"])
def test_export(client: AppClient, mount: str, accept: str) -> None:
    """An export is an attachment, whatever is accepted, at the address that the flow tells."""
    address = client.get(f"{mount}a-flow/", SUPERUSER).json["export_url"]
    assert address == f"{CURRENT}a-flow/export/"
    headers = bearer(SUPERUSER) | {"accept": accept}
    answer = client.ask("GET", f"{mount}a-flow/export/", headers)
    assert answer.status == 200
    assert answer.headers["content-disposition"] == 'attachment; filename="a-flow.yaml"'
    assert b"slug: a-flow" in answer.body


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        *(("*/*", 200), ("application/*", 200), ("application/json", 200), ("text/html,*/*", 200)),
        *(("application/json;q=0", 200), ("APPLICATION/JSON; indent=4", 200)),
        *(("text/html", 406), ("", 406), ("application/xml", 406), ("application/vnd.x+json", 406)),
        # Only so much of a header counts.
        ("text/html," * 900 + "application/json", 406),
    ],
)
def test_accept(client: AppClient, accept: str, status: int) -> None:
    """Who takes no JSON is told 406, and 404 for another format; even before who asks."""
    answer = client.ask("GET", DOCUMENTED, bearer(SUPERUSER) | {"accept": accept})
    assert answer.status == status
    if status == 406:
        assert answer.json == NOT_ACCEPTABLE
        assert client.ask("GET", DOCUMENTED, {"accept": accept}).json == NOT_ACCEPTABLE
        unknown_format = f"{DOCUMENTED}?format=xml"
        assert client.ask("GET", unknown_format, {"accept": accept}).json == NOT_FOUND


@pytest.mark.parametrize("path", ["", "a-flow/", "a-flow/export/", "nope/"])
def test_head(client: AppClient, path: str) -> None:
    """HEAD has the status and the headers of GET."""
    get, head = (
        client.ask(method, DOCUMENTED + path, bearer(SUPERUSER)) for method in ("GET", "HEAD")
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
    """OPTIONS tells what is there, to whoever is logged in."""
    media_types = ["application/json"]
    expected = {
        "name": name,
        "description": description,
        "renders": media_types,
        "parses": media_types,
    }
    for mount in MOUNTS:
        answer = client.ask("OPTIONS", f"{mount}{path}?designation=x", bearer(KEYS["none"]))
        assert (answer.status, answer.headers["allow"]) == (200, "GET, HEAD, OPTIONS")
        assert pairs(answer.body) == pairs(json.dumps(expected).encode())


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW"])
@pytest.mark.parametrize("path", ["", "a-flow/", "a-flow/export/"])
def test_other_methods(client: AppClient, path: str, method: str) -> None:
    """Nothing can be changed here: 405, and what is allowed."""
    headers = bearer(SUPERUSER) | JSON
    answer = client.ask(method, f"{CURRENT}{path}?search=%00", headers, b"{}")
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    assert answer.json == {"detail": f'Method "{method}" not allowed.'}


@pytest.mark.parametrize(
    ("method", "parameters", "key", "status", "body"),
    [
        ("POST", "format=xml&search=%00", None, 404, NOT_FOUND),
        ("POST", "search=%00&designation=x", None, 403, MISSING),
        ("POST", "search=%00&designation=x", "nope", 403, INVALID),
        ("POST", "search=%00", KEYS["none"], 405, {"detail": 'Method "POST" not allowed.'}),
        ("GET", "search=%00&designation=x", KEYS["none"], 400, [NUL]),
        ("GET", "designation=x&page=0", KEYS["none"], 403, REFUSED),
        ("GET", "designation=x&page=0", SUPERUSER, 400, {"designation": _choice("x")}),
        ("GET", "ordering=x&page=0", SUPERUSER, 404, INVALID_PAGE),
    ],
)
@pytest.mark.parametrize("mount", MOUNTS)
def test_order_of_checks(  # noqa: PLR0913, PLR0917 - a row of the contract's table
    client: AppClient,
    mount: str,
    method: str,
    parameters: str,
    key: str | None,
    status: int,
    body: object,
) -> None:
    """The first check that fails is the one that answers."""
    answer = client.ask(method, f"{mount}?{parameters}", bearer(key))
    assert (answer.status, answer.json) == (status, body)


def test_a_query_that_is_not_utf_8(client: AppClient) -> None:
    """Bytes that are no UTF-8 are read as Latin-1, as Django reads them."""
    found = client.get(f"{DOCUMENTED}?search=%C3%BCber", SUPERUSER).json
    assert client.get(f"{DOCUMENTED}?search=\udcfcber", SUPERUSER).json == found
    assert found["pagination"]["count"] > 0


# Readers ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("authorization", "body"),
    [
        *((None, MISSING), ("", MISSING), ("Bearer", MISSING), ("Bearer ", MISSING)),
        *((f"Basic {SUPERUSER}", MISSING), (SUPERUSER, MISSING)),
        *(
            (f"Bearer {KEYS[name]}", INVALID)
            for name in ("unknown", "expired", "inactive", "intent_app_password")
        ),
        *((f"Bearer {SUPERUSER.upper()}", INVALID), ("Bearer \xff\xfe", INVALID)),
        ("Bearer a\0b", INVALID),
        *((f"Bearer  {SUPERUSER}", INVALID), ("Bearer sha256$" + "0" * 64, INVALID)),
        *((f"Bearer {KEYS[name]}", REFUSED) for name in ("none", "no_groups", "dangling")),
        (f"Bearer {KEYS['wrong_permission']}", REFUSED),
    ],
)
def test_refusals(client: AppClient, authorization: str | None, body: object) -> None:
    """Every refusal is 403, and says why."""
    headers = {} if authorization is None else {"authorization": authorization}
    for path in (DOCUMENTED, f"{CURRENT}a-flow/", f"{CURRENT}nope/export/"):
        answer = client.ask("GET", path, headers)
        assert (answer.status, answer.json) == (403, body)
        assert "www-authenticate" not in answer.headers


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR"])
def test_the_scheme_has_no_case(client: AppClient, scheme: str) -> None:
    """The scheme of a key is the same in any case."""
    answer = client.ask("GET", DOCUMENTED, {"authorization": f"{scheme} {SUPERUSER}"})
    assert answer.status == 200


def test_internal_service_accounts_get_an_empty_list(client: AppClient) -> None:
    """An internal service account that may see nothing is not refused."""
    answer = client.get(DOCUMENTED, KEYS["internal_service_account_none"])
    assert (answer.status, answer.json["results"]) == (200, [])
    assert answer.json["pagination"]["count"] == 0
