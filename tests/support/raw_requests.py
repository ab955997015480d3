"""Strategies of HTTP requests as bytes: valid ones, invalid parts, and damaged requests."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from graphql import build_schema
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from support.edge_case_data import KEYS
from support.operations import SIZE, draw_request
from support.paths import SCHEMA as SCHEMA_FILE

SCHEMA = build_schema(SCHEMA_FILE.read_text())
SUPERUSER = f"Bearer {KEYS['superuser']}".encode()
VALID_BODY = b'{"query": "{ flows(pageSize: 1) { results { slug } } }"}'
MAX_SIZE = 3

Header = tuple[bytes, bytes]


@dataclass(frozen=True, slots=True)
class RawRequest:
    """An HTTP request by its parts, which may be invalid."""

    body: bytes = VALID_BODY
    authorization: bytes = SUPERUSER
    method: bytes = b"POST"
    target: bytes = b"/graphql"
    version: bytes = b"HTTP/1.1"
    content_type: bytes = b"application/json"
    length: bytes | None = None
    extra_headers: Sequence[Header] = ()
    connection: bytes = b"close"

    @property
    def data(self) -> bytes:
        """The bytes to send.

        Content-Length is that of the body unless `length` is set, and left out if it is empty.
        """
        length = str(len(self.body)).encode() if self.length is None else self.length
        headers = [
            (b"Host", b"localhost"),
            (b"Connection", self.connection),
            (b"Authorization", self.authorization),
            (b"Content-Type", self.content_type),
            *([(b"Content-Length", length)] if length else []),
            *self.extra_headers,
        ]
        lines = [b" ".join((self.method, self.target, self.version))]
        lines += [name + b": " + value for name, value in headers]
        return b"\r\n".join(lines) + b"\r\n\r\n" + self.body


# Damage ----------------------------------------------------------------------------------------

UNUSUAL_BYTES = st.one_of(
    st.binary(max_size=8),
    st.sampled_from(
        [
            b"\0",
            b"\r\n",
            b"\r\n\r\n",
            b"\n",
            b"\xff\xfe",
            b"\xed\xa0\x80",
            b'"',
            b"{",
            b"]",
            b"\\u0000",
        ]
    ),
)
EDITS = st.lists(
    st.tuples(st.floats(0, 1), st.integers(0, 12), UNUSUAL_BYTES), min_size=1, max_size=MAX_SIZE
)


def damage(data: bytes, edits: Sequence[tuple[float, int, bytes]]) -> bytes:
    """Replace bytes. An edit is a position as a fraction, a number of bytes and the new bytes."""
    for fraction, count, replacement in edits:
        start = int(fraction * len(data))
        data = data[:start] + replacement + data[start + count :]
    return data


def split_packets(data: bytes, split_points: Sequence[float]) -> list[bytes]:
    """Split bytes at positions that are fractions of their length."""
    positions = [0, *sorted(int(fraction * len(data)) for fraction in split_points), len(data)]
    return [data[start:end] for start, end in pairwise(positions) if start < end]


SPLIT_POINTS = st.lists(st.floats(0, 1), max_size=MAX_SIZE)

# Bodies ----------------------------------------------------------------------------------------

JSON_VALUES: SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=MAX_SIZE)
        | st.dictionaries(st.text(max_size=8), inner, max_size=MAX_SIZE)
    ),
    max_leaves=8,
)
OPERATIONS = st.binary(max_size=SIZE).map(lambda data: draw_request(SCHEMA, data))
DOCUMENTS = OPERATIONS.map(lambda request: request.query)
BODIES = OPERATIONS.map(lambda request: request.body)
TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|\.\.\.|\w+|[^\w\s]')


@st.composite
def draw_shuffled_documents(draw: st.DrawFn) -> str:
    """Draw documents with valid tokens, some of which replace others."""
    tokens = TOKEN.findall(draw(DOCUMENTS)) or ["{"]
    for _ in range(draw(st.integers(1, MAX_SIZE))):
        source, target = (draw(st.integers(0, len(tokens) - 1)) for _ in range(2))
        tokens[target] = tokens[source]
    return " ".join(tokens)


HASH = "ecf4edb46db40b5132295c0291d62fb65d6759a9eedfa4d5d612dd5ec54a6b38"
EXTENSIONS = st.sampled_from(
    [
        {"persistedQuery": {"version": 1, "sha256Hash": HASH}},
        {"persistedQuery": {"version": 2, "sha256Hash": None}},
        {"persistedQuery": [HASH]},
        {"persistedQuery": {"version": 1, "sha256Hash": "\0"}},
    ]
)
REQUESTS = st.fixed_dictionaries(
    {},
    optional={
        "query": DOCUMENTS | draw_shuffled_documents() | JSON_VALUES,
        "variables": st.dictionaries(st.text(max_size=8), JSON_VALUES, max_size=MAX_SIZE)
        | JSON_VALUES,
        "operationName": st.text(max_size=8) | JSON_VALUES,
        "extensions": EXTENSIONS | JSON_VALUES,
        "documentId": st.just(f"sha256:{HASH}") | JSON_VALUES,
        "id": JSON_VALUES,
    },
)
UNUSUAL_BODIES = st.sampled_from(
    [
        *(b"", b"1", b"null", b"[]", b"{}", b'""', b"NaN", b"{", b"\0", b"\xff", b"\xef\xbb\xbf{}"),
        *(b"[" * 50_000, b'{"a":' * 20_000, b"[" * 5_000 + b"]" * 5_000, b" " * 99_000),
        *(b'{"query": ' + number + b"}" for number in (b"1e999999", b"-0", b"9" * 5_000)),
        *(VALID_BODY.decode().encode(name) for name in ("utf-16", "utf-32-le")),
        *(VALID_BODY * 2, b"[" + VALID_BODY + b"]", VALID_BODY[:-1] + b', "query": 1}'),
        b'{"query": "' + b"{a" * 20_000 + b'"}',
        b'{"query": "' + b"#" * 200_000 + b'"}',
        b'{"query": "{ flow(slug: \\"\\u0000\\") { slug } }"}',
        b'{"query": "{ flow(slug: \\"\\ud800\\") { slug } }"}',
        b'{"query": "query($s: String!) { flow(slug: $s) { pk } }", "variables": {"s": "\\ud800"}}',
    ]
)
ANY_BODIES = st.one_of(
    BODIES,
    REQUESTS.map(lambda request: json.dumps(request).encode()),
    st.builds(damage, BODIES, EDITS),
    UNUSUAL_BODIES,
    st.binary(max_size=200),
)

# Headers and targets ---------------------------------------------------------------------------

AUTHORIZATIONS = st.one_of(
    st.sampled_from(
        [b"", b"Bearer", b"Bearer ", b"Basic Zm86bw==", b"Bearer a b", b"bearer\t\xff"]
    ),
    st.builds(damage, st.just(SUPERUSER), EDITS),
    st.sampled_from(list(KEYS.values())).map(lambda key: b"Bearer " + key.encode()),
)
METHODS = st.sampled_from(
    [
        b"GET",
        b"POST",
        b"PUT",
        b"DELETE",
        b"OPTIONS",
        b"PATCH",
        b"TRACE",
        b"CONNECT",
        b"QUERY",
        b"get",
        b"\0",
    ]
)
TARGETS = st.one_of(
    st.sampled_from(
        [
            *(
                b"/graphql",
                b"/graphql/",
                b"*",
                b"/",
                b"//",
                b"/graphql?",
                b"http://localhost/graphql",
            ),
            *(b"/schema.graphql", b"/-/health/ready/", b"/%00", b"/%ff", b"/graphql%2f", b"/\xff"),
            *(
                b"/graphql?query=%7B__typename%7D",
                b"/graphql?query=%ff",
                b"/graphql?query=a&query=b",
            ),
            *(
                b"/graphql?query={a}&variables=1",
                b"/graphql?variables=%00",
                b"/graphql?extensions=[",
            ),
            *(
                b"/flows/instances/?page=%00",
                b"/api/v3/flows/instances/%00/",
                b"/flows/instances/?pk=x",
            ),
            *(b"/flows/instances/?page=" + b"9" * 5_000, b"/flows/instances/?ordering=%ff,-"),
            b"/graphql?query=" + b"%7B" * 20_000,
        ]
    ),
    st.builds(damage, st.just(b"/graphql?query=%7Bflows%7Bresults%7Bslug%7D%7D%7D"), EDITS),
    st.builds(damage, st.just(b"/api/v3/flows/instances/?page=1&ordering=-name&search=a"), EDITS),
)
UNUSUAL_HEADERS: SearchStrategy[Header] = st.one_of(
    st.sampled_from(
        [
            *(
                (b"Accept", value)
                for value in (b"", b"text/html", b"a/b;q=x", b"*/*;q=9" * 500, b"\xff")
            ),
            *((b"Content-Encoding", value) for value in (b"gzip", b"identity", b"\xff")),
            *((b"Transfer-Encoding", value) for value in (b"chunked", b"gzip, chunked", b"x", b"")),
            *((b"Content-Length", value) for value in (b"0", b"7", b"-1", b"1e3", b"9" * 40, b"")),
            *((b"Host", value) for value in (b"", b"\xff", b"a b", b"localhost:99999999")),
            *((b"Origin", value) for value in (b"null", b"\xff", b"http://" + b"a" * 9_000)),
            (b"Expect", b"100-continue"),
            (b"Upgrade", b"websocket"),
            (b"Content-Type", b"multipart/form-data; boundary="),
            (b"Cookie", b"a=b; " * 2_000),
            (b"X-Long", b"a" * 70_000),
            (b"X-Long" * 12_000, b"a"),
            (b"X-Nul", b"a\0b"),
            (b"", b"no name"),
            (b"X Y", b"\tz"),
            (b"X-Folded", b"a\r\n b"),
        ]
    ),
    st.tuples(st.binary(max_size=8), st.binary(max_size=8)),
)
CONTENT_TYPES = st.one_of(
    st.sampled_from(
        [
            *(
                b"",
                b"text/plain",
                b"application/json; charset=utf-16",
                b"application/json; charset=\xff",
            ),
            *(
                b"application/graphql",
                b"multipart/form-data; boundary=x",
                b"application/json;;;=\0",
            ),
            *(
                b"application/x-www-form-urlencoded",
                b"APPLICATION/JSON",
                b"application/json,application/json",
            ),
        ]
    ),
    st.binary(max_size=20),
)
LENGTHS = st.one_of(
    st.integers(0, 300).map(lambda length: str(length).encode()),
    st.sampled_from([b"-1", b"0x10", b"1 1", b"100001", b"9" * 25, b"+5", b"5, 5"]),
)


def encode_chunks(body: bytes, split_points: Sequence[float]) -> bytes:
    """Encode a body with chunked transfer encoding."""
    chunks = [b"%x\r\n%b\r\n" % (len(part), part) for part in split_packets(body, split_points)]
    return b"".join(chunks) + b"0\r\n\r\n"


CHUNKED = st.builds(encode_chunks, BODIES, SPLIT_POINTS)

# Requests of the tests -------------------------------------------------------------------------

VALID_TOKENS = st.builds(RawRequest, body=ANY_BODIES)
UNUSUAL_TOKENS = st.builds(RawRequest, body=ANY_BODIES, authorization=AUTHORIZATIONS)
UNUSUAL_HEADS = st.builds(
    RawRequest,
    body=BODIES | st.just(b""),
    method=st.just(b"POST") | METHODS,
    target=st.just(b"/graphql") | TARGETS,
    content_type=st.just(b"application/json") | CONTENT_TYPES,
    extra_headers=st.just([]) | st.lists(UNUSUAL_HEADERS, max_size=MAX_SIZE),
)
UNUSUAL_LENGTHS = st.builds(RawRequest, body=BODIES, length=LENGTHS)
VALID_REQUESTS = st.builds(RawRequest, body=BODIES) | st.builds(
    RawRequest,
    body=CHUNKED.map(lambda body: body.removesuffix(b"\r\n") + b"Trailer: value\r\n\r\n"),
    length=st.just(b""),
    extra_headers=st.just([(b"Transfer-Encoding", b"chunked")]),
)
CHUNKED_REQUESTS = st.builds(
    RawRequest,
    body=st.one_of(CHUNKED, st.builds(damage, CHUNKED, EDITS)),
    length=st.just(b""),
    extra_headers=st.just([(b"Transfer-Encoding", b"chunked")]),
)
DAMAGED_REQUESTS = st.builds(damage, BODIES.map(lambda body: RawRequest(body).data), EDITS)


def build_pipeline(requests: Sequence[RawRequest]) -> bytes:
    """Return pipelined requests. The last one closes the connection."""
    *first, last = requests
    kept_alive = [replace(request, connection=b"keep-alive") for request in first]
    return b"".join(request.data for request in (*kept_alive, last))
