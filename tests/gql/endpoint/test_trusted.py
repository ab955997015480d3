"""Trusted documents: the operator provides them in a folder."""

from pathlib import Path
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


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"query {\n nonesuch }", "2: Cannot query field 'nonesuch' on type 'Query'."),
        (b"query {", "1: Syntax Error: Expected Name, found <EOF>."),
        (b"", "1: Syntax Error: Unexpected <EOF>."),
        (b"\xff", " not valid UTF-8"),
    ],
)
def test_invalid_file(content: bytes, reason: str, sqlite_url: str, tmp_path: Path) -> None:
    """The server names the file and the reason, and does not start."""
    (tmp_path / "bad.graphql").write_bytes(content)
    options = ["--database", sqlite_url, "--port", "0", "--trusted-documents", str(tmp_path)]
    line = run_failing_in_process("serve", *options)
    assert line == " ".join(f"{tmp_path / 'bad.graphql'}:{reason}".split())


def test_missing_folder(sqlite_url: str, tmp_path: Path) -> None:
    """The server does not start without the folder."""
    missing = tmp_path / "missing"
    options = ["--database", sqlite_url, "--port", "0", "--trusted-documents", str(missing)]
    assert (
        run_failing_in_process("serve", *options)
        == f"folder of trusted documents not found: {missing}"
    )


def test_trusted_only_without_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server could not execute anything; an empty variable is not a folder."""
    monkeypatch.setenv("FLOWQL_TRUSTED_DOCUMENTS", "")
    assert run_failing_in_process("serve", "--trusted-only") == (
        "--trusted-only: requires --trusted-documents or FLOWQL_TRUSTED_DOCUMENTS"
    )
