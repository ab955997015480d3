"""Applications with trusted documents."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.app_client import AppClient
from support.graphql_http import FLOW_FILE, TYPENAME_FILE


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with two trusted documents, one in a subfolder, and another file."""
    folder = tmp_path_factory.mktemp("trusted")
    (folder / "typename.graphql").write_bytes(TYPENAME_FILE.encode())
    (folder / "of" / "flows").mkdir(parents=True)
    (folder / "of" / "flows" / "one.graphql").write_bytes(FLOW_FILE.encode())
    (folder / "README.md").write_text("{ nope")
    return folder


@pytest.fixture(scope="module")
def client_with_trusted_documents(sqlite_url: str, folder: Path) -> Iterator[AppClient]:
    """Run FlowQL with trusted documents; others are allowed too."""
    with AppClient(sqlite_url, trusted_documents=folder) as client:
        yield client


@pytest.fixture(scope="module")
def trusted_only_client(sqlite_url: str, folder: Path) -> Iterator[AppClient]:
    """Run FlowQL with only trusted documents allowed."""
    with AppClient(sqlite_url, trusted_documents=folder, trusted_only=True) as client:
        yield client
