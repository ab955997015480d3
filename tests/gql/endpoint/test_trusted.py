"""Trusted documents: the operator provides them in files and manifests."""

import hashlib
import json
from pathlib import Path
from socket import AF_UNIX, socket
from typing import Any

import pytest

from support.app_client import AppClient
from support.command import run_failing_in_process
from support.graphql_http import (
    BAD_INPUT,
    FLOW_FILE,
    GRAPHQL_RESPONSE,
    NOT_FOUND,
    PLAIN,
    TYPENAME,
    TYPENAME_DATA,
    TYPENAME_FILE,
    code,
    data,
    get,
    media_type,
    message,
    persisted,
    post,
    sha256,
)

TYPENAME_ID = "TypeName"


@pytest.mark.parametrize("kind", ["client_with_trusted_documents", "trusted_only_client"])
def test_document_id(kind: str, request: pytest.FixtureRequest) -> None:
    """GET and POST accept the ID, which is the hash of the bytes of the file."""
    client: AppClient = request.getfixturevalue(kind)
    typename, flow = f"sha256:{sha256(TYPENAME_FILE)}", f"sha256:{sha256(FLOW_FILE)}"
    assert data(post(client, {"documentId": typename})) == TYPENAME_DATA
    upper_case = typename.upper().replace("SHA", "sha")
    assert data(get(client, documentId=upper_case)) == TYPENAME_DATA
    body = {"documentId": flow, "variables": {"slug": "a-flow"}, "operationName": "Flow"}
    assert data(post(client, body)) == {"flow": {"slug": "a-flow"}}


@pytest.mark.parametrize("kind", ["client_with_trusted_documents", "trusted_only_client"])
def test_hash_or_text_of_a_trusted_document(kind: str, request: pytest.FixtureRequest) -> None:
    """A trusted document is known by its hash without registration, and by its text."""
    client: AppClient = request.getfixturevalue(kind)
    bodies = [
        persisted(TYPENAME_FILE),
        persisted(TYPENAME_FILE, TYPENAME_FILE),
        {"query": TYPENAME_FILE},
    ]
    for body in bodies:
        assert data(post(client, body)) == TYPENAME_DATA


@pytest.mark.parametrize(
    "kind", ["sqlite_client", "client_with_trusted_documents", "trusted_only_client"]
)
@pytest.mark.parametrize(
    "document_id", ["", "x", "sha256:", "sha256:" + "0" * 64, sha256(TYPENAME_FILE), "md5:x", "\0"]
)
def test_unknown_document_id(kind: str, document_id: str, request: pytest.FixtureRequest) -> None:
    """Any unknown ID is not found, also without trusted documents."""
    response = post(request.getfixturevalue(kind), {"documentId": document_id}, GRAPHQL_RESPONSE)
    assert (response.status, response.json) == (400, {"errors": [NOT_FOUND]})


@pytest.mark.parametrize("accept", [PLAIN, GRAPHQL_RESPONSE])
@pytest.mark.parametrize(
    ("other", "name"),
    [
        ({"query": TYPENAME_FILE}, "query"),
        (persisted(TYPENAME_FILE), "extensions.persistedQuery"),
        (persisted(TYPENAME_FILE, TYPENAME_FILE), "query"),
    ],
)
def test_document_id_and_query(
    client_with_trusted_documents: AppClient, accept: str, other: dict[str, Any], name: str
) -> None:
    """A document ID and another document are 400, even if they are the same."""
    body = {"documentId": f"sha256:{sha256(TYPENAME_FILE)}", **other}
    response = post(client_with_trusted_documents, body, accept)
    assert (response.status, code(response)) == (400, BAD_INPUT)
    assert message(response) == f"Send either 'documentId' or '{name}', not both."


def test_other_documents_are_executed(client_with_trusted_documents: AppClient) -> None:
    """A folder of trusted documents does not forbid others."""
    assert data(post(client_with_trusted_documents, {"query": TYPENAME})) == TYPENAME_DATA


@pytest.mark.parametrize("accept", [PLAIN, GRAPHQL_RESPONSE])
@pytest.mark.parametrize(
    "body", [{"query": TYPENAME}, persisted(TYPENAME, TYPENAME), {"query": "{"}], ids=str
)
def test_trusted_only(trusted_only_client: AppClient, body: object, accept: str) -> None:
    """Other documents are 403 with a reason, and are not persisted."""
    response = post(trusted_only_client, body, accept)
    assert (response.status, code(response), media_type(response)) == (403, "FORBIDDEN", accept)
    assert message(response) == (
        "This server executes only trusted documents. Send the documentId of a trusted document."
    )
    assert post(trusted_only_client, persisted(TYPENAME)).json == {"errors": [NOT_FOUND]}


# Manifests as clients generate them, by file name, with the IDs of the documents.
ALIASED = "query Aliased { a: __typename }"
PREFIXED = f"sha256:{sha256(ALIASED)}"
SHA1 = hashlib.sha1(ALIASED.encode()).hexdigest()  # noqa: S324 - the default of codegen
MD5 = hashlib.md5(ALIASED.encode()).hexdigest()  # noqa: S324 - the default of Relay
APOLLO = {
    "format": "apollo-persisted-query-manifest",
    "version": 1,
    "operations": [
        {"id": sha256(ALIASED), "name": "Aliased", "type": "query", "body": ALIASED},
        {
            "id": "Custom/1",
            "name": "Aliased",
            "type": "query",
            "body": ALIASED,
            "clientName": "web",
        },
    ],
}
MANIFESTS: list[tuple[object, list[str]]] = [
    ({SHA1: ALIASED, TYPENAME_ID: TYPENAME_FILE}, [SHA1, TYPENAME_ID]),
    ({f"sha256:{sha256(ALIASED).upper()}": ALIASED}, []),
    ({f"sha1:{SHA1}": ALIASED}, [f"sha1:{SHA1}"]),
    ({MD5: ALIASED}, [MD5]),
    ({"format": ALIASED}, ["format"]),
    (APOLLO, [sha256(ALIASED), "Custom/1"]),
]


@pytest.mark.parametrize("is_folder", [True, False])
@pytest.mark.parametrize(("manifest", "ids"), MANIFESTS)
def test_manifest(
    manifest: object, ids: list[str], sqlite_url: str, tmp_path: Path, *, is_folder: bool
) -> None:
    """A document can be requested by the ID of the manifest, and by its hash, in every way."""
    file = tmp_path / "of" / "web" / "persisted-documents.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(manifest))
    path = tmp_path if is_folder else file
    prefixed = [PREFIXED, f"sha256:{sha256(ALIASED).upper()}"]
    with AppClient(sqlite_url, trusted_documents=path, trusted_only=True) as client:
        for document_id in [*ids, *prefixed]:
            expected = TYPENAME_DATA if document_id == TYPENAME_ID else {"a": "Query"}
            assert data(post(client, {"documentId": document_id})) == expected
            assert data(get(client, documentId=document_id)) == expected
        for document_id in [*ids, sha256(ALIASED), sha256(ALIASED).upper()]:
            expected = TYPENAME_DATA if document_id == TYPENAME_ID else {"a": "Query"}
            extension = {"persistedQuery": {"version": 1, "sha256Hash": document_id}}
            assert data(post(client, {"extensions": extension})) == expected
        for document_id in ids:
            query = TYPENAME_FILE if document_id == TYPENAME_ID else ALIASED
            extension = {"persistedQuery": {"version": 1, "sha256Hash": document_id}}
            assert "data" in post(client, {"query": query, "extensions": extension}).json
            assert code(post(client, {"query": TYPENAME, "extensions": extension})) == BAD_INPUT
        assert data(post(client, {"query": ALIASED})) == {"a": "Query"}
        assert code(post(client, {"query": TYPENAME})) == "FORBIDDEN"
        for unknown in ("custom/1", SHA1.upper(), "x", ""):
            assert code(post(client, {"documentId": unknown})) == "PERSISTED_QUERY_NOT_FOUND"


def test_files_and_manifests_in_one_folder(sqlite_url: str, tmp_path: Path) -> None:
    """The same document, and the same ID of the same document, may occur several times."""
    for name, content in (
        ("a.graphql", ALIASED),
        ("b.graphql", ALIASED),
        ("c.json", json.dumps({"x": ALIASED, "y": ALIASED})),
        ("d.json", json.dumps(APOLLO)),
        ("e.json", "{}"),
        ("f.json", f'{{"x": {json.dumps(ALIASED)}, "x": {json.dumps(ALIASED)}}}'),
        ("g.txt", "{"),
    ):
        (tmp_path / name).write_text(content)
    with AppClient(sqlite_url, trusted_documents=tmp_path, trusted_only=True) as client:
        for document_id in ("x", "y", "Custom/1", PREFIXED):
            assert data(post(client, {"documentId": document_id})) == {"a": "Query"}


def serve_failing(sqlite_url: str, path: Path) -> str:
    """Run `flowql serve` with these trusted documents, which fails, and return its error message."""
    options = ["--database", sqlite_url, "--port", "0", "--trusted-documents", str(path)]
    return run_failing_in_process("serve", *options)


@pytest.mark.parametrize("is_folder", [True, False])
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"query {\n unknown }", "2: Cannot query field 'unknown' on type 'Query'."),
        (b"query {", "1: Syntax Error: Expected Name, found <EOF>."),
        (b"", "1: Syntax Error: Unexpected <EOF>."),
        (b"\xff", " not valid UTF-8"),
    ],
)
def test_invalid_file(
    content: bytes, reason: str, sqlite_url: str, tmp_path: Path, *, is_folder: bool
) -> None:
    """The server names the file and the reason, and does not start."""
    file = tmp_path / "bad.graphql"
    file.write_bytes(content)
    line = serve_failing(sqlite_url, tmp_path if is_folder else file)
    assert line == " ".join(f"{file}:{reason}".split())


FORMATS = (
    'expected the manifest of GraphQL Code Generator or of Relay, {"ID": "document", ...}, or of'
    ' Apollo, {"format": "apollo-persisted-query-manifest", "version": 1, "operations": [...]}'
)
STRINGS = f"the ID and the document must be strings; {FORMATS}"
BODY = json.dumps(ALIASED)


def apollo(operations: str, version: str = "1") -> str:
    """Return a manifest of Apollo."""
    start = f'{{"format": "apollo-persisted-query-manifest", "version": {version}'
    return f'{start}, "operations": {operations}}}'


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "invalid JSON: Expecting value: line 1 column 1 (char 0)"),
        ("[" * 100_000, "invalid JSON: maximum recursion depth exceeded"),
        ("null", FORMATS),
        (f"[{BODY}]", FORMATS),
        ('{"name": "web", "private": true}', f"entry 'private': {STRINGS}"),
        (f'{{"a": {BODY}, "b": {{"body": {BODY}}}}}', f"entry 'b': {STRINGS}"),
        (f'{{"": {BODY}}}', f"entry '': {STRINGS}"),
        ('{"format": "other", "version": 1}', f"entry 'version': {STRINGS}"),
        (apollo("[]", version="2"), FORMATS),
        (apollo("{}"), FORMATS),
        (apollo("null"), FORMATS),
        (apollo(f'[{{"id": "a", "body": {BODY}}}, "b"]'), f"operations[1]: {STRINGS}"),
        (apollo(f'[{{"body": {BODY}}}]'), f"operations[0]: {STRINGS}"),
        (apollo(f'[{{"id": 1, "body": {BODY}}}]'), f"operations[0]: {STRINGS}"),
        (apollo('[{"id": "a"}]'), f"operations[0]: {STRINGS}"),
        (apollo('[{"id": "a", "body": null}]'), f"operations[0]: {STRINGS}"),
        (
            apollo('[{"id": "a", "body": "query {\\n unknown }"}]'),
            "operations[0]:2: Cannot query field 'unknown' on type 'Query'.",
        ),
        (f'{{"a": {BODY}, "b": "{{"}}', "entry 'b':1: Syntax Error: Expected Name, found <EOF>."),
        ('{"a": "{ a } # \\ud800"}', "entry 'a':1: Syntax Error: Invalid character: U+D800."),
        (f'{{"a": {BODY}, "a": "{{ a }}"}}', "invalid JSON: two values for the key 'a'"),
        (
            apollo(f'[{{"id": "a", "body": {BODY}}}, {{"id": "a", "body": "{TYPENAME}"}}]'),
            "operations[1]: {file}: operations[0] has the same ID, 'a'",
        ),
        (
            f'{{"a": {BODY}, "{PREFIXED}": "{TYPENAME}"}}',
            f"entry '{PREFIXED}': {{file}}: entry 'a' has the same ID, '{PREFIXED}'",
        ),
    ],
)
def test_invalid_manifest(content: str, reason: str, sqlite_url: str, tmp_path: Path) -> None:
    """The server names the file, the entry and the reason, and does not start."""
    file = tmp_path / "manifest.json"
    file.write_text(content)
    line = serve_failing(sqlite_url, tmp_path)
    start = f"{file}: {reason.replace('{file}', str(file))}"
    assert line.startswith(start)
    assert serve_failing(sqlite_url, file) == line


def test_ids_with_two_documents_in_two_files(sqlite_url: str, tmp_path: Path) -> None:
    """The error names both files and the ID."""
    (tmp_path / "a.json").write_text(json.dumps({"x": ALIASED}))
    (tmp_path / "b.json").write_text(json.dumps({"x": TYPENAME}))
    assert serve_failing(sqlite_url, tmp_path) == (
        f"{tmp_path}/b.json: entry 'x': {tmp_path}/a.json: entry 'x' has the same ID, 'x'"
    )


@pytest.mark.parametrize("name", ["", "README.md", "empty.json", "apollo.json"])
def test_no_document(name: str, sqlite_url: str, tmp_path: Path) -> None:
    """A folder, or a manifest, without a document is probably a mistake."""
    content = {"empty.json": "{}", "apollo.json": apollo("[]")}
    if name:
        (tmp_path / name).write_text(content.get(name, "{"))
    expected = f"no trusted documents in {tmp_path}: expected *.graphql files and *.json manifests"
    assert serve_failing(sqlite_url, tmp_path) == expected
    if name in content:
        file = tmp_path / name
        line = serve_failing(sqlite_url, file)
        assert line == expected.replace(str(tmp_path), str(file))


def test_file_that_cannot_be_read(sqlite_url: str, tmp_path: Path) -> None:
    """A file that is neither a document nor a manifest, and a socket, are errors."""
    (tmp_path / "README.md").write_text("#")
    assert serve_failing(sqlite_url, tmp_path / "README.md") == (
        f"{tmp_path}/README.md: invalid JSON: Expecting value: line 1 column 1 (char 0)"
    )
    with socket(AF_UNIX) as listener:
        listener.bind(str(tmp_path / "a.graphql"))
        line = serve_failing(sqlite_url, tmp_path / "a.graphql")
    assert line == f"{tmp_path}/a.graphql: No such device or address"


def test_missing_folder(sqlite_url: str, tmp_path: Path) -> None:
    """The server does not start without the folder."""
    missing = tmp_path / "missing"
    assert serve_failing(sqlite_url, missing) == f"trusted documents not found: {missing}"


def test_trusted_only_without_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server could not execute anything; an empty variable is not a folder."""
    monkeypatch.setenv("FLOWQL_TRUSTED_DOCUMENTS", "")
    assert run_failing_in_process("serve", "--trusted-only") == (
        "--trusted-only: requires --trusted-documents or FLOWQL_TRUSTED_DOCUMENTS"
    )
