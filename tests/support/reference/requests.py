"""Requests to compare two endpoints by: mostly sensible, often odd, sometimes hostile."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from random import Random
from urllib.parse import quote, quote_plus
from uuid import UUID

from support.edge_case_data import (
    DENIED_ACTIONS,
    DESIGNATIONS,
    FLOW_COUNT,
    KEYS,
    NAMES,
    READING_KEYS,
    ROWS,
    TITLES,
    flow_uuid,
)

FLOWS = ROWS["authentik_flows_flow"]
DOCUMENTED = "/flows/instances/"
CURRENT = "/api/v3/flows/instances/"
MOUNTS = (DOCUMENTED, CURRENT)
WHITE_SPACE = (" ", "  ", "\t", "\n", "\r\n", "\x0b", "\x1c", "\x85", "\u00a0", "\u2003", "\u3000")
HOSTILE = (
    "%00",
    "a%00b",
    "%FF",
    "%C3%28",
    "%ED%A0%80",
    "%F4%90%80%80",
    "%",
    "%zz",
    "%u0041",
    "A" * 3000,
    "%27%20OR%201=1--",
    "1;DROP%20TABLE%20authentik_flows_flow",
    "%27%7C%7Cpg_sleep(5)%7C%7C%27",
    "%3Cscript%3Ealert(1)%3C/script%3E",
    "..%2F..%2Fetc%2Fpasswd",
    "%24%7B7*7%7D%7B%7B7*7%7D%7D",
    "%0D%0ASet-Cookie:%20a=b",
    "%F0%9F%92%A9",
)
NUMBERS = (
    "0",
    "-1",
    "-0",
    " 2 ",
    "\u00a02\n",
    "1_0",
    "_1",
    "1__0",
    "٢",
    "1\u0660",
    "²",
    "+1",
    "+ 1",
    "01",
    "LAST",
    "Last",
    " last",
    "last",
    "1.0",
    "1e1",
    "0x1",
    "abc",
    "true",
    "",
    " ",
    "99999999999999999999",
    "9" * 5000,
    "1" + "0" * 400,
    "NaN",
    "Infinity",
)
ACCEPTS = (
    "*/*",
    "application/json",
    "application/JSON",
    "text/html",
    "application/*",
    "*",
    "",
    ",",
    "*/json",
    "json",
    "/",
    "text/*",
    "application/json;q=0",
    "*/*;q=0",
    "application/json; charset=utf-8",
    "application/json;version=1",
    "application/json; indent=4",
    "application/json;",
    "application/json;q",
    ";q=1",
    "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "text/html, application/json",
    "application/xml;q=1, application/*;q=0.1",
    "application/vnd.goauthentik+json",
    "application/json, " + "text/x-" + "y" * 300,
    "text/x-" + "y" * 300,
    ", ".join(f"text/x-{number}" for number in range(70)) + ", application/json",
)
AUTHORIZATIONS = (
    "",
    "Bearer",
    "Bearer ",
    "Bearer  key-of-superuser",
    "Bearer key-of-superuser and more",
    "Bearer KEY-OF-SUPERUSER",
    "Bearer key-of-superuse%",
    "Bearer key_of_superuser",
    "Bearer \u00e4\u00f6\u00fc",
    "Bearer \u00c3\u00bc",
    "Bearer \u00ff\u00fe",
    "Bearer '; SELECT 1; --",
    "Bearer " + "k" * 3000,
    "Basic a2V5LW9mLXN1cGVydXNlcjo=",
    "Token key-of-superuser",
    "key-of-superuser",
    "B\u00e4rer key-of-superuser",
    "Bearer,key-of-superuser",
)
ORDERABLE = (
    "pk",
    "policybindingmodel_ptr_id",
    "name",
    "slug",
    "title",
    "designation",
    "policy_engine_mode",
    "compatibility_mode",
    "layout",
    "denied_action",
    "authentication",
    "background",
)
METHODS = ("OPTIONS", "OPTIONS", "HEAD", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW")
UNKNOWN_NAMES = (
    "designation[]",
    "Designation",
    "name__icontains",
    "slug__in",
    "title",
    "limit",
    "offset",
    "pk",
    "",
    "page[size]",
    "sea rch",
    "stages",
)


@dataclass(frozen=True, slots=True)
class Request:
    """A method, a raw target and headers whose text is latin-1."""

    method: str
    target: str
    headers: Mapping[str, str]


def random_requests(seed: int, count: int) -> Iterator[Request]:
    """Yield `count` requests, the same for the same seed; two in three list some flows."""
    chance = Random(seed)
    for _ in range(count):
        yield _request(chance)


def _request(chance: Random) -> Request:
    kind = chance.random()
    if kind < 0.6:
        return Request("GET", _list(chance, _good_query(chance)), _good_headers(chance))
    if kind < 0.78:
        return Request("GET", _list(chance, _odd_query(chance)), _good_headers(chance))
    if kind < 0.85:
        return Request("GET", _path(chance), _good_headers(chance))
    if kind < 0.93:
        return Request("GET", _list(chance, _good_query(chance)), _odd_headers(chance))
    return Request(chance.choice(METHODS), _path(chance), _some_headers(chance))


# Targets ------------------------------------------------------------------------------------------


def _list(chance: Random, query: str) -> str:
    path = chance.choice(MOUNTS)
    return f"{path}?{query}" if query or chance.random() < 0.1 else path


def _path(chance: Random) -> str:
    mount = chance.choice(MOUNTS)
    last = chance.choice(("", "", "/", "/", "/", "/", "/export/", "/export", "//", "/%0A", "/x/"))
    path = mount + (_slug(chance) + last if chance.random() < 0.8 else "")
    make_query = chance.choice((_no_query, _no_query, _good_query, _odd_query))
    query = make_query(chance)
    return f"{path}?{query}" if query else path


def _slug(chance: Random) -> str:
    if chance.random() < 0.7:
        return str(chance.choice(FLOWS)["slug"])
    odd = ("nope", "%C3%BC", "a.b", "a%20b", "a%2Fb", "a%00", "%FF", "A-FLOW", "%61-flow", "a+b")
    return chance.choice(odd)


def _no_query(_: Random) -> str:
    return ""


def _good_query(chance: Random) -> str:
    """Return parameters that rarely leave nothing: at most one narrows by much."""
    pairs: list[tuple[str, str]] = []
    if chance.random() < 0.65:
        name = chance.choice(("search", "search", "search", *GOOD))
        pairs.append((name, GOOD[name](chance)))
    if chance.random() < 0.5:
        pairs.append(("ordering", _good_ordering(chance)))
    if chance.random() < 0.5:
        pairs.append(("page_size", str(chance.choice((1, 2, 3, 5, 7, 20, 50, 100, 1000)))))
    if chance.random() < 0.25:
        pairs.append(("page", chance.choice(("1", "1", "2", "3", "last"))))
    chance.shuffle(pairs)
    return "&".join(f"{name}={_encoded(chance, value)}" for name, value in pairs)


def _odd_query(chance: Random) -> str:
    pieces = [_odd_piece(chance) for _ in range(chance.choice((1, 1, 1, 2, 2, 3, 4)))]
    if chance.random() < 0.3:
        pieces.append(_good_query(chance))
    if chance.random() < 0.2:
        pieces.append(chance.choice(pieces))
    return chance.choice(("&", "&", "&", "&", "&", "&&")).join(pieces)


def _odd_piece(chance: Random) -> str:
    kind = chance.random()
    if kind < 0.1:
        return f"{quote(chance.choice(UNKNOWN_NAMES))}={chance.choice(('x', '1', ''))}"
    name = chance.choice(tuple(ODD))
    if kind < 0.17:
        return f"{name}{chance.choice(('', '=', '=%20', '=+', '=='))}"
    if kind < 0.3:
        return f"{name}={chance.choice(HOSTILE)}"
    make = ODD[name] if kind < 0.8 else GOOD.get(name, ODD[name])
    return f"{name}={_encoded(chance, make(chance))}"


def _encoded(chance: Random, value: str) -> str:
    if chance.random() < 0.5:
        return quote_plus(value)
    if chance.random() < 0.2:
        return "".join(f"%{byte:02x}" for byte in value.encode())
    return quote(value, safe=",'\"/:*!")


# Values -------------------------------------------------------------------------------------------


def _of_a_flow(column: str) -> Callable[[Random], str]:
    return lambda chance: str(chance.choice(FLOWS)[column])


def _good_search(chance: Random) -> str:
    terms = [_term(chance)]
    if chance.random() < 0.3:
        # What is found elsewhere in the same flow leaves something to find.
        flow = chance.choice(FLOWS)
        terms = [_part(chance, str(flow["name"])), _part(chance, str(flow["title"]))]
    return chance.choice((" ", ",", ", ", "\t", "\n")).join(terms)


def _term(chance: Random) -> str:
    kind = chance.random()
    if kind < 0.2:
        return chance.choice((*DESIGNATIONS, *DENIED_ACTIONS, "enrol", "message_", "flow", "e"))
    if kind < 0.35:
        return _slug_part(chance)
    return _recased(chance, _part(chance, chance.choice((*NAMES, *TITLES))))


def _slug_part(chance: Random) -> str:
    return _part(chance, str(chance.choice(FLOWS)["slug"]))


def _part(chance: Random, text: str) -> str:
    start = chance.randrange(len(text) + 1)
    return text[start : start + chance.choice((1, 2, 3, 4, 8))]


def _recased(chance: Random, text: str) -> str:
    change = chance.choice((str, str, str.upper, str.lower, str.casefold, str.swapcase, str.title))
    return change(text)


def _odd_search(chance: Random) -> str:
    """Return terms glued together from what splits, quotes and escapes."""
    glue = (*WHITE_SPACE, *",,\"'\"'\\%_", '""', "''", '\\"', ' "', '" ', ',"', '",', "\\\\", "")
    count = chance.choice((1, 1, 2, 3, 4))
    parts = [chance.choice(glue) + _term(chance) for _ in range(count)]
    if chance.random() < 0.4:
        quote_mark = chance.choice("\"'")
        parts = [f"{quote_mark}{part}{quote_mark}" for part in parts]
    if chance.random() < 0.2:
        return "".join(chance.choice(glue) for _ in range(count))
    return "".join(parts) + chance.choice((*glue, "", "", ""))


def _good_ordering(chance: Random) -> str:
    terms = chance.sample(ORDERABLE, chance.choice((1, 1, 1, 2, 3)))
    return ",".join(chance.choice(("", "-")) + term for term in terms)


def _odd_ordering(chance: Random) -> str:
    odd = ("stages", "cache_count", "flow_uuid", "Slug", "pbm_uuid", "?", "-", "", " ", "name\0")
    terms = [chance.choice((*odd, *ORDERABLE)) for _ in range(4)]
    decorated = [
        chance.choice(("", "", "-", "--", "- ", " -", "+", "\t")) + term + chance.choice(("", " "))
        for term in terms
    ]
    return chance.choice((",", ",", " , ", ",,", ";")).join(decorated[: chance.randrange(1, 5)])


def _good_uuid(chance: Random) -> str:
    return flow_uuid(chance.randrange(FLOW_COUNT))


def _odd_uuid(chance: Random) -> str:
    uuid = UUID(flow_uuid(chance.randrange(FLOW_COUNT + 1)))
    plain = uuid.hex
    spellings = (
        plain,
        plain.upper(),
        str(uuid).upper(),
        f"{{{uuid}}}",
        f"{{{{{plain}",
        uuid.urn,
        uuid.urn.upper(),
        f"uuid:{plain}",
        f"urn:{uuid}",
        f" {uuid}\t",
        f"\u00a0{plain}\u2003",
        f"-{plain}-",
        "-".join(plain),
        f"{plain[:8]}-urn:{plain[8:]}",
        f"0x{plain[2:]}",
        f"+{plain[1:]}",
        f" {plain[1:]}",
        f"{plain[:5]}_{plain[6:]}",
        f"_{plain[1:]}",
        f"{plain[:5]}٣{plain[6:]}",
        f"{plain[:5]} {plain[6:]}",
        plain[:-1],
        f"{plain}0",
        f"{plain[:-1]}g",
        str(uuid.int),
        "not a uuid",
        "00000000-0000-0000-0000-000000000000",
    )
    return chance.choice(spellings)


def _odd_text(column: str) -> Callable[[Random], str]:
    def make(chance: Random) -> str:
        value = str(chance.choice(FLOWS)[column])
        around = chance.choice(("", *WHITE_SPACE))
        changed = _recased(chance, value)
        return chance.choice((value, f"{around}{value}{around}", changed, value + "x", value[:-1]))

    return make


def _odd_choice(*choices: str) -> Callable[[Random], str]:
    def make(chance: Random) -> str:
        choice = chance.choice(choices)
        odd = (choice.upper(), f" {choice}", f"{choice},", "null", "None", "device_code", "ü<&>\"'")
        return chance.choice((choice, choice, *odd, "\u2028", "---------", "%s"))

    return make


def _odd_number(chance: Random) -> str:
    return chance.choice((*NUMBERS, str(chance.randrange(-1, 200))))


def _format(chance: Random) -> str:
    return chance.choice(
        ("json", "json", "json", "", "JSON", " json", "api", "xml", "yaml", "html")
    )


GOOD: dict[str, Callable[[Random], str]] = {
    "flow_uuid": _good_uuid,
    "name": _of_a_flow("name"),
    "slug": _of_a_flow("slug"),
    "designation": lambda chance: chance.choice(DESIGNATIONS),
    "denied_action": lambda chance: chance.choice(DENIED_ACTIONS),
    "search": _good_search,
}
ODD: dict[str, Callable[[Random], str]] = {
    "flow_uuid": _odd_uuid,
    "name": _odd_text("name"),
    "slug": _odd_text("slug"),
    "designation": _odd_choice(*DESIGNATIONS),
    "denied_action": _odd_choice(*DENIED_ACTIONS),
    "search": _odd_search,
    "ordering": _odd_ordering,
    "page": _odd_number,
    "page_size": _odd_number,
    "format": _format,
}


# Headers ------------------------------------------------------------------------------------------


def _good_headers(chance: Random) -> dict[str, str]:
    kind = chance.choice(("superuser", "superuser", "model_role", "object_role", *READING_KEYS))
    headers = {"Authorization": f"Bearer {KEYS[kind]}"}
    if chance.random() < 0.3:
        headers["Accept"] = chance.choice(("*/*", "application/json", "text/html, */*;q=0.1"))
    return headers


def _odd_headers(chance: Random) -> dict[str, str]:
    headers: dict[str, str] = {}
    kind = chance.random()
    if kind < 0.75:
        scheme = chance.choice(("Bearer", "bearer", "BEARER", "bEaReR"))
        headers["Authorization"] = f"{scheme} {KEYS[chance.choice(tuple(KEYS))]}"
    elif kind < 0.95:
        headers["Authorization"] = chance.choice(AUTHORIZATIONS)
    if chance.random() < 0.5:
        headers["Accept"] = chance.choice(ACCEPTS)
    return headers


def _some_headers(chance: Random) -> dict[str, str]:
    return _good_headers(chance) if chance.random() < 0.7 else _odd_headers(chance)
