"""Trusted documents, read from `*.graphql` files and from the manifests that clients generate."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, cast

from graphql import GraphQLError

from models.errors import OperatorError

DOCUMENT_SUFFIX, MANIFEST_SUFFIX = ".graphql", ".json"
SHA256_PREFIX = "sha256:"
APOLLO_FORMAT, APOLLO_VERSION = "apollo-persisted-query-manifest", 1
MANIFESTS = (
    'expected the manifest of GraphQL Code Generator or of Relay, {"ID": "document", ...}, or of'
    f' Apollo, {{"format": "{APOLLO_FORMAT}", "version": {APOLLO_VERSION}, "operations": [...]}}'
)

# Returns the first error of a document, None if it is valid.
Validate = Callable[[str], GraphQLError | None]


class TrustedDocumentError(OperatorError):
    """Trusted documents cannot be read or are invalid; the message names the file."""


class TrustedDocument(NamedTuple):
    """A document, its ID in a manifest, if it has one, and its place for error messages."""

    text: str
    id: str | None
    place: str


def read_trusted_documents(path: Path, validate: Validate) -> Mapping[str, str]:
    """Return the documents in a file, or in a folder and its subfolders, by ID.

    Each document has the ID `sha256:` and the hash of its text in lower-case hexadecimal digits. A
    document in a manifest also has the ID that the manifest gives it.

    Raises TrustedDocumentError if a file cannot be read or is not valid, if there is no document, or
    if an ID has two documents.
    """
    documents = [document for file in _list_files(path) for document in _read_file(file)]
    if not documents:
        suffixes = f"*{DOCUMENT_SUFFIX} files and *{MANIFEST_SUFFIX} manifests"
        raise TrustedDocumentError(f"no trusted documents in {path}: expected {suffixes}")
    for document in documents:
        _check(document, validate)
    return _index(documents)


def sha256_id(text: str) -> str:
    """Return the ID that every trusted document with this text has."""
    return f"{SHA256_PREFIX}{hashlib.sha256(text.encode()).hexdigest()}"


def normalize_id(document_id: str) -> str:
    """Return the ID with the digits of a SHA-256 hash in lower case."""
    return document_id.lower() if document_id.startswith(SHA256_PREFIX) else document_id


def _list_files(path: Path) -> Iterable[Path]:
    if path.is_dir():
        suffixes = (DOCUMENT_SUFFIX, MANIFEST_SUFFIX)
        return sorted(
            file for file in path.rglob("*") if file.suffix in suffixes and file.is_file()
        )
    if not path.exists():
        raise TrustedDocumentError(f"trusted documents not found: {path}")
    return [path]


def _read_file(file: Path) -> Iterable[TrustedDocument]:
    try:
        # Reading as text would translate line endings and change the hash.
        text = file.read_bytes().decode()
    except OSError as error:
        raise TrustedDocumentError(f"{file}: {error.strerror}") from error
    except UnicodeError as error:
        raise TrustedDocumentError(f"{file}: not valid UTF-8") from error
    if file.suffix == DOCUMENT_SUFFIX:
        return [TrustedDocument(text, None, str(file))]
    return _read_manifest(file, text)


def _read_manifest(file: Path, text: str) -> Iterator[TrustedDocument]:
    for name, document_id, document in _list_entries(file, text):
        if not (isinstance(document_id, str) and document_id and isinstance(document, str)):
            raise TrustedDocumentError(
                f"{file}: {name}: the ID and the document must be strings; {MANIFESTS}"
            )
        yield TrustedDocument(document, document_id, f"{file}: {name}")


def _list_entries(file: Path, text: str) -> Iterator[tuple[str, Any, Any]]:
    """Yield the name, the ID and the document of each entry."""
    manifest = _parse_json(file, text)
    if not isinstance(manifest, dict):
        raise TrustedDocumentError(f"{file}: {MANIFESTS}")
    entries = cast(dict[str, Any], manifest)
    if entries.get("format") == APOLLO_FORMAT:
        yield from _list_operations(file, entries)
        return
    for document_id, document in entries.items():
        yield f"entry {document_id!r}", document_id, document


def _list_operations(file: Path, manifest: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    operations = manifest.get("operations")
    if manifest.get("version") != APOLLO_VERSION or not isinstance(operations, list):
        raise TrustedDocumentError(f"{file}: {MANIFESTS}")
    for index, entry in enumerate(cast(list[Any], operations)):
        operation = cast(dict[str, Any], entry if isinstance(entry, dict) else {})
        yield f"operations[{index}]", operation.get("id"), operation.get("body")


def _parse_json(file: Path, text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_build_object)
    except (ValueError, RecursionError) as error:
        raise TrustedDocumentError(f"{file}: invalid JSON: {error}") from None


def _build_object(pairs: Iterable[tuple[str, Any]]) -> Mapping[str, Any]:
    """Return an object; raises ValueError if a key has two values."""
    values: dict[str, Any] = {}
    for key, value in pairs:
        if values.setdefault(key, value) != value:
            raise ValueError(f"two values for the key {key!r}")
    return values


def _check(document: TrustedDocument, validate: Validate) -> None:
    error = validate(document.text)
    if error is not None:
        line = error.locations[0].line if error.locations else 1
        raise TrustedDocumentError(f"{document.place}:{line}: {error.message}")


def _index(documents: Iterable[TrustedDocument]) -> Mapping[str, str]:
    """Return the texts by ID."""
    by_id: dict[str, TrustedDocument] = {}
    for document in documents:
        for document_id in _list_ids(document):
            other = by_id.setdefault(document_id, document)
            if other.text != document.text:
                raise TrustedDocumentError(
                    f"{document.place}: {other.place} has the same ID, {document_id!r}"
                )
    return {document_id: document.text for document_id, document in by_id.items()}


def _list_ids(document: TrustedDocument) -> Iterator[str]:
    yield sha256_id(document.text)
    if document.id is not None:
        yield normalize_id(document.id)
