"""Random requests to compare two implementations with: typical, unusual and hostile ones."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from random import Random
from urllib.parse import quote, quote_plus
from uuid import UUID

from support.edge_case_data import (
    AUTHORIZED_KEYS,
    DENIED_ACTIONS,
    DESIGNATIONS,
    FLOW_COUNT,
    KEYS,
    NAMES,
    ROWS,
    TITLES,
    flow_uuid,
)

FLOWS = ROWS["authentik_flows_flow"]
DOCUMENTED = "/flows/instances/"
CURRENT = "/api/v3/flows/instances/"
# The mounts of the generations of authentik's API, from the first on.
GENERATIONS = tuple(
    f"/{version}{CURRENT}" for version in ("2025.6", "2025.10", "2025.12.0", "2026.8")
)
MOUNTS = (DOCUMENTED, CURRENT, *GENERATIONS)
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
ORDERING_NAMES = (
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
class RandomRequest:
    """A method, a raw target and headers in Latin-1."""

    method: str
    target: str
    headers: Mapping[str, str]


def draw_requests(seed: int, count: int) -> Iterator[RandomRequest]:
    """Yield `count` requests, determined by the seed. Two of three return some flows."""
    random = Random(seed)
    for _ in range(count):
        yield _draw_request(random)


def _draw_request(random: Random) -> RandomRequest:
    draw = random.random()
    if draw < 0.6:
        return RandomRequest(
            "GET",
            _draw_list_target(random, _draw_typical_query(random)),
            _draw_typical_headers(random),
        )
    if draw < 0.78:
        return RandomRequest(
            "GET",
            _draw_list_target(random, _draw_unusual_query(random)),
            _draw_typical_headers(random),
        )
    if draw < 0.85:
        return RandomRequest("GET", _draw_target(random), _draw_typical_headers(random))
    if draw < 0.93:
        return RandomRequest(
            "GET",
            _draw_list_target(random, _draw_typical_query(random)),
            _draw_unusual_headers(random),
        )
    return RandomRequest(random.choice(METHODS), _draw_target(random), _draw_some_headers(random))


# Targets ------------------------------------------------------------------------------------------


def _draw_list_target(random: Random, query: str) -> str:
    path = random.choice(MOUNTS)
    return f"{path}?{query}" if query or random.random() < 0.1 else path


def _draw_target(random: Random) -> str:
    mount = random.choice(MOUNTS)
    last = random.choice(("", "", "/", "/", "/", "/", "/export/", "/export", "//", "/%0A", "/x/"))
    path = mount + (_draw_slug(random) + last if random.random() < 0.8 else "")
    make_query = random.choice(
        (_draw_no_query, _draw_no_query, _draw_typical_query, _draw_unusual_query)
    )
    query = make_query(random)
    return f"{path}?{query}" if query else path


def _draw_slug(random: Random) -> str:
    if random.random() < 0.7:
        return str(random.choice(FLOWS)["slug"])
    slugs = ("nope", "%C3%BC", "a.b", "a%20b", "a%2Fb", "a%00", "%FF", "A-FLOW", "%61-flow", "a+b")
    return random.choice(slugs)


def _draw_no_query(_: Random) -> str:
    return ""


def _draw_typical_query(random: Random) -> str:
    """Return parameters that match some flows: at most one of them is a filter."""
    pairs: list[tuple[str, str]] = []
    if random.random() < 0.65:
        name = random.choice(("search", "search", "search", *TYPICAL_VALUES))
        pairs.append((name, TYPICAL_VALUES[name](random)))
    if random.random() < 0.5:
        pairs.append(("ordering", _draw_typical_ordering(random)))
    if random.random() < 0.5:
        pairs.append(("page_size", str(random.choice((1, 2, 3, 5, 7, 20, 50, 100, 1000)))))
    if random.random() < 0.25:
        pairs.append(("page", random.choice(("1", "1", "2", "3", "last"))))
    random.shuffle(pairs)
    return "&".join(f"{name}={_encode(random, value)}" for name, value in pairs)


def _draw_unusual_query(random: Random) -> str:
    parameters = [
        _draw_unusual_parameter(random) for _ in range(random.choice((1, 1, 1, 2, 2, 3, 4)))
    ]
    if random.random() < 0.3:
        parameters.append(_draw_typical_query(random))
    if random.random() < 0.2:
        parameters.append(random.choice(parameters))
    return random.choice(("&", "&", "&", "&", "&", "&&")).join(parameters)


def _draw_unusual_parameter(random: Random) -> str:
    draw = random.random()
    if draw < 0.1:
        return f"{quote(random.choice(UNKNOWN_NAMES))}={random.choice(('x', '1', ''))}"
    name = random.choice(tuple(UNUSUAL_VALUES))
    if draw < 0.17:
        return f"{name}{random.choice(('', '=', '=%20', '=+', '=='))}"
    if draw < 0.3:
        return f"{name}={random.choice(HOSTILE)}"
    make = UNUSUAL_VALUES[name] if draw < 0.8 else TYPICAL_VALUES.get(name, UNUSUAL_VALUES[name])
    return f"{name}={_encode(random, make(random))}"


def _encode(random: Random, value: str) -> str:
    if random.random() < 0.5:
        return quote_plus(value)
    if random.random() < 0.2:
        return "".join(f"%{byte:02x}" for byte in value.encode())
    return quote(value, safe=",'\"/:*!")


# Values -------------------------------------------------------------------------------------------


def _draw_stored_value(column: str) -> Callable[[Random], str]:
    return lambda random: str(random.choice(FLOWS)[column])


def _draw_typical_search(random: Random) -> str:
    terms = [_draw_term(random)]
    if random.random() < 0.3:
        # Two terms from the same flow match at least that flow.
        flow = random.choice(FLOWS)
        terms = [_draw_part(random, str(flow["name"])), _draw_part(random, str(flow["title"]))]
    return random.choice((" ", ",", ", ", "\t", "\n")).join(terms)


def _draw_term(random: Random) -> str:
    draw = random.random()
    if draw < 0.2:
        return random.choice((*DESIGNATIONS, *DENIED_ACTIONS, "enrol", "message_", "flow", "e"))
    if draw < 0.35:
        return _draw_slug_part(random)
    return _change_case(random, _draw_part(random, random.choice((*NAMES, *TITLES))))


def _draw_slug_part(random: Random) -> str:
    return _draw_part(random, str(random.choice(FLOWS)["slug"]))


def _draw_part(random: Random, text: str) -> str:
    start = random.randrange(len(text) + 1)
    return text[start : start + random.choice((1, 2, 3, 4, 8))]


def _change_case(random: Random, text: str) -> str:
    change = random.choice((str, str, str.upper, str.lower, str.casefold, str.swapcase, str.title))
    return change(text)


def _draw_unusual_search(random: Random) -> str:
    """Return terms joined by separators, quotes and escapes."""
    separators = (
        *WHITE_SPACE,
        *",,\"'\"'\\%_",
        '""',
        "''",
        '\\"',
        ' "',
        '" ',
        ',"',
        '",',
        "\\\\",
        "",
    )
    count = random.choice((1, 1, 2, 3, 4))
    parts = [random.choice(separators) + _draw_term(random) for _ in range(count)]
    if random.random() < 0.4:
        quote_mark = random.choice("\"'")
        parts = [f"{quote_mark}{part}{quote_mark}" for part in parts]
    if random.random() < 0.2:
        return "".join(random.choice(separators) for _ in range(count))
    return "".join(parts) + random.choice((*separators, "", "", ""))


def _draw_typical_ordering(random: Random) -> str:
    terms = random.sample(ORDERING_NAMES, random.choice((1, 1, 1, 2, 3)))
    return ",".join(random.choice(("", "-")) + term for term in terms)


def _draw_unusual_ordering(random: Random) -> str:
    names = ("stages", "cache_count", "flow_uuid", "Slug", "pbm_uuid", "?", "-", "", " ", "name\0")
    terms = [random.choice((*names, *ORDERING_NAMES)) for _ in range(4)]
    decorated = [
        random.choice(("", "", "-", "--", "- ", " -", "+", "\t")) + term + random.choice(("", " "))
        for term in terms
    ]
    return random.choice((",", ",", " , ", ",,", ";")).join(decorated[: random.randrange(1, 5)])


def _draw_typical_uuid(random: Random) -> str:
    return flow_uuid(random.randrange(FLOW_COUNT))


def _draw_unusual_uuid(random: Random) -> str:
    uuid = UUID(flow_uuid(random.randrange(FLOW_COUNT + 1)))
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
    return random.choice(spellings)


def _draw_unusual_text(column: str) -> Callable[[Random], str]:
    def make(random: Random) -> str:
        value = str(random.choice(FLOWS)[column])
        around = random.choice(("", *WHITE_SPACE))
        changed = _change_case(random, value)
        return random.choice((value, f"{around}{value}{around}", changed, value + "x", value[:-1]))

    return make


def _draw_unusual_choice(*choices: str) -> Callable[[Random], str]:
    def make(random: Random) -> str:
        choice = random.choice(choices)
        values = (
            choice.upper(),
            f" {choice}",
            f"{choice},",
            "null",
            "None",
            "device_code",
            "ü<&>\"'",
        )
        return random.choice((choice, choice, *values, "\u2028", "---------", "%s"))

    return make


def _draw_unusual_number(random: Random) -> str:
    return random.choice((*NUMBERS, str(random.randrange(-1, 200))))


def _draw_format(random: Random) -> str:
    return random.choice(
        ("json", "json", "json", "", "JSON", " json", "api", "xml", "yaml", "html")
    )


TYPICAL_VALUES: dict[str, Callable[[Random], str]] = {
    "flow_uuid": _draw_typical_uuid,
    "name": _draw_stored_value("name"),
    "slug": _draw_stored_value("slug"),
    "designation": lambda random: random.choice(DESIGNATIONS),
    "denied_action": lambda random: random.choice(DENIED_ACTIONS),
    "search": _draw_typical_search,
}
UNUSUAL_VALUES: dict[str, Callable[[Random], str]] = {
    "flow_uuid": _draw_unusual_uuid,
    "name": _draw_unusual_text("name"),
    "slug": _draw_unusual_text("slug"),
    "designation": _draw_unusual_choice(*DESIGNATIONS),
    "denied_action": _draw_unusual_choice(*DENIED_ACTIONS),
    "search": _draw_unusual_search,
    "ordering": _draw_unusual_ordering,
    "page": _draw_unusual_number,
    "page_size": _draw_unusual_number,
    "format": _draw_format,
}


# Headers ------------------------------------------------------------------------------------------


def _draw_typical_headers(random: Random) -> dict[str, str]:
    kind = random.choice(("superuser", "superuser", "model_role", "object_role", *AUTHORIZED_KEYS))
    headers = {"Authorization": f"Bearer {KEYS[kind]}"}
    if random.random() < 0.3:
        headers["Accept"] = random.choice(("*/*", "application/json", "text/html, */*;q=0.1"))
    return headers


def _draw_unusual_headers(random: Random) -> dict[str, str]:
    headers: dict[str, str] = {}
    draw = random.random()
    if draw < 0.75:
        scheme = random.choice(("Bearer", "bearer", "BEARER", "bEaReR"))
        headers["Authorization"] = f"{scheme} {KEYS[random.choice(tuple(KEYS))]}"
    elif draw < 0.95:
        headers["Authorization"] = random.choice(AUTHORIZATIONS)
    if random.random() < 0.5:
        headers["Accept"] = random.choice(ACCEPTS)
    return headers


def _draw_some_headers(random: Random) -> dict[str, str]:
    return _draw_typical_headers(random) if random.random() < 0.7 else _draw_unusual_headers(random)
