"""Tests of the query parameters: search, filters, ordering and pages."""

import json
import unicodedata
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote

import psycopg
import pytest

from models.search_terms import fold
from support.app_client import AppClient
from support.edge_case_data import FLOW_COUNT, KEYS, flow_uuid
from support.folding import fold_by_contract
from support.reference.requests import CURRENT, DOCUMENTED, FLOWS, GENERATIONS, MOUNTS
from support.reference.responses import INVALID_PAGE, NUL, format_choice_error, parse_ordered

SLUGS = sorted(str(flow["slug"]) for flow in FLOWS)
SUPERUSER = KEYS["superuser"]
INVALID_UUID = "Enter a valid UUID."


def list_slugs(client: AppClient, parameters: str, mount: str = DOCUMENTED) -> list[str]:
    """Return the slugs of the first 100 flows that match a query string."""
    response = client.get(f"{mount}?page_size=100&{parameters}", SUPERUSER)
    assert response.status == 200, response
    return [flow["slug"] for flow in response.json["results"]]


def list_slugs_except(condition: Callable[[dict[str, Any]], bool]) -> list[str]:
    """Return the sorted slugs of all flows except those that meet the condition."""
    return sorted(str(flow["slug"]) for flow in FLOWS if not condition(flow))


# Search -------------------------------------------------------------------------------------------


def search_slugs(terms: Sequence[str]) -> list[str]:
    """Return the sorted slugs of the flows that have each term in one of the fields."""
    fields = ("name", "slug", "designation", "title", "denied_action")
    return list_slugs_except(
        lambda flow: any(
            all(fold_by_contract(term) not in fold_by_contract(flow[field]) for field in fields)
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
    """The search is split into terms, and each term must appear in one of the fields."""
    assert search_slugs(terms)[:100] == list_slugs(client, f"search={quote(search)}")


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
    """Search is case-insensitive. A letter does not match the several letters it folds to."""
    flows = client.get(f"{DOCUMENTED}?search={quote(search)}", SUPERUSER).json["results"]
    assert {flow["name"] for flow in flows if "mir" not in flow["title"]} == names


def test_sqlite_folds_every_character_like_postgresql(authentik_url: str) -> None:
    """SQLite's search and PostgreSQL fold all characters that both know to the same character."""
    query = (
        'SELECT chr(point), upper(chr(point) COLLATE "default") FROM generate_series(1, 1114111)'
        " AS point WHERE point NOT BETWEEN 55296 AND 57343 AND unicode_assigned(chr(point))"
    )
    with psycopg.connect(authentik_url) as connection:
        folded: dict[str, str] = dict(connection.execute(query).fetchall())
    shared = {character for character in folded if unicodedata.category(character) != "Cn"}
    assert len(shared) > 280_000
    different = {
        character: folded[character]
        for character in shared
        if folded[character] != fold(character) and {folded[character], fold(character)} <= shared
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
    """Empty filters, unknown parameters and filters repeated with an empty value are ignored."""
    assert SLUGS[:100] == list_slugs(client, quote(parameters, safe="=&%[]"))


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
    """Filters are exact, trimmed and combined with AND. The last of repeated filters is used."""
    assert [FLOWS[number]["slug"] for number in numbers] == list_slugs(client, parameters)


@pytest.mark.parametrize(
    ("parameters", "messages"),
    [
        ("search=%00", [NUL]),
        ("search=%00&designation=x", [NUL]),
        ("flow_uuid=x", {"flow_uuid": [INVALID_UUID]}),
        ("flow_uuid=%00", {"flow_uuid": [INVALID_UUID]}),
        ("name=a%00", {"name": [NUL]}),
        ("slug=%00", {"slug": [NUL]}),
        ("designation=xxx", {"designation": format_choice_error("xxx")}),
        ("designation=Recovery", {"designation": format_choice_error("Recovery")}),
        ("designation=%20recovery", {"designation": format_choice_error(" recovery")}),
        ("designation=device_code", {"designation": format_choice_error("device_code")}),
        ("designation=%3Cb%3E", {"designation": format_choice_error("<b>")}),
        ("denied_action=MESSAGE", {"denied_action": format_choice_error("MESSAGE")}),
        ("designation=recovery&designation=x&page=99", {"designation": format_choice_error("x")}),
        (
            "denied_action=x&designation=x&slug=%00&name=%00&flow_uuid=x",
            {
                "flow_uuid": [INVALID_UUID],
                "name": [NUL],
                "slug": [NUL],
                "designation": format_choice_error("x"),
                "denied_action": format_choice_error("x"),
            },
        ),
    ],
)
@pytest.mark.parametrize("path", [DOCUMENTED, f"{CURRENT}a-flow/", f"{CURRENT}nope/"])
def test_invalid_filters(client: AppClient, path: str, parameters: str, messages: object) -> None:
    """Invalid filters return 400 with all messages in one order, for the list and the detail."""
    response = client.get(f"{path}?{parameters}", SUPERUSER)
    assert (response.status, parse_ordered(response.body)) == (
        400,
        parse_ordered(json.dumps(messages).encode()),
    )


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
        (ignored, lambda flow: flow["slug"])
        for ignored in ("stages", "cache_count", "flow_uuid", "--name", "Name", "-", ",", "name%00")
    ),
]


@pytest.mark.parametrize("mount", MOUNTS)
@pytest.mark.parametrize(("ordering", "key"), ORDERED)
def test_ordering(
    client: AppClient, mount: str, ordering: str, key: Callable[[dict[str, Any]], Any]
) -> None:
    """Strings are sorted by code point and ties by slug. Unknown terms are ignored."""
    expected = [flow["slug"] for flow in sorted(FLOWS, key=key)]
    assert expected[:100] == list_slugs(client, f"ordering={ordering}", mount)


def test_ordering_by_background(client: AppClient) -> None:
    """Only the dialects with the stored background sort by it."""
    expected = sorted(FLOWS, key=lambda flow: (str(flow["background"]), str(flow["slug"])))
    for mount in (DOCUMENTED, *GENERATIONS[:2]):
        assert list_slugs(client, "ordering=background", mount) == SLUGS[:100]
    for mount in (CURRENT, *GENERATIONS[2:]):
        by_background = list_slugs(client, "ordering=background", mount)
        assert by_background == [flow["slug"] for flow in expected[:100]]


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        *(("1", 1), ("100", 100), ("101", 100), ("99999999999999999999", 100), ("%207%20", 7)),
        *(("1_0", 10), ("%D9%A2", 2), ("%2B3", 3), ("007", 7)),
        *(
            (invalid, 20)
            for invalid in ("", "0", "-1", "abc", "5.0", "1e1", "0x1", "%00", "_1", "%C2%B2")
        ),
    ],
)
def test_page_size(client: AppClient, size: str, expected: int) -> None:
    """The page size is parsed by int() and limited to 100. Invalid sizes are ignored."""
    response = client.get(f"{DOCUMENTED}?page_size={size}", SUPERUSER).json
    assert len(response["results"]) == response["pagination"]["end_index"] == expected


@pytest.mark.parametrize(
    ("page", "pagination"),
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
def test_page(client: AppClient, page: str, pagination: list[int]) -> None:
    """The response has the position of the page in the list."""
    response = client.get(f"{DOCUMENTED}?page_size=70&page={page}", SUPERUSER).json
    assert list(response["pagination"].values()) == pagination
    assert [flow["slug"] for flow in response["results"]] == SLUGS[
        pagination[5] - 1 : pagination[6]
    ]


@pytest.mark.parametrize(
    "page", ["0", "-1", "abc", "1.0", "LAST", "%20last", "4", "9" * 5000, "%00", "1e0", "%20"]
)
def test_invalid_page(client: AppClient, page: str) -> None:
    """An invalid page number or a page after the last one returns 404."""
    response = client.get(f"{DOCUMENTED}?page_size=70&page={page}", SUPERUSER)
    assert (response.status, response.json) == (404, INVALID_PAGE)


@pytest.mark.parametrize("page", ["", "1", "last"])
def test_an_empty_set_has_one_page(client: AppClient, page: str) -> None:
    """A list without flows has one empty page."""
    response = client.get(f"{CURRENT}?slug=nope&page={page}", SUPERUSER)
    pagination = {
        "next": 0,
        "previous": 0,
        "count": 0,
        "current": 1,
        "total_pages": 1,
        "start_index": 0,
        "end_index": 0,
    }
    assert response.status == 200
    assert response.json == {"pagination": pagination, "results": [], "autocomplete": {}}
    assert client.get(f"{CURRENT}?slug=nope&page=2", SUPERUSER).json == INVALID_PAGE
