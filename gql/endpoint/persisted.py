"""Documents that requests name by a hash: trusted by the operator, or persisted by clients."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from graphql import GraphQLError

from gql.errors import (
    BadUserInputError,
    PersistedQueryNotFoundError,
    UntrustedDocumentError,
)
from gql.execution.request import GraphQLRequest
from models.cache import SegmentedLRU
from models.errors import OperatorError

PATTERN = "*.graphql"
PREFIX = "sha256:"
# In characters of persisted documents and their hashes.
CAPACITY = 1_000_000

# Returns the first error of a document, None if it is valid.
Validate = Callable[[str], GraphQLError | None]


class TrustedDocumentError(OperatorError):
    """A trusted document cannot be read or is invalid; the message names the file."""


@dataclass(slots=True)
class PersistedDocuments:
    """Documents by the SHA-256 hash of their text, in lower-case hexadecimal digits.

    With `trusts_only`, documents that are not trusted are neither executed nor cached.
    """

    trusts_only: bool = False
    trusted: Mapping[str, str] = field(default_factory=dict[str, str])
    persisted: SegmentedLRU[str, str] = field(
        default_factory=lambda: SegmentedLRU[str, str](CAPACITY)
    )

    def load_trusted(self, folder: Path, validate: Validate) -> None:
        """Read the trusted documents from the files in a folder and its subfolders.

        Raises TrustedDocumentError if a file cannot be read or is not a valid document.
        """
        if not folder.is_dir():
            raise TrustedDocumentError(f"folder of trusted documents not found: {folder}")
        paths = sorted(path for path in folder.rglob(PATTERN) if path.is_file())
        texts = [_read_document(path, validate) for path in paths]
        self.trusted = {_hash(text): text for text in texts}

    def resolve(self, request: GraphQLRequest) -> GraphQLRequest:
        """Return the request with the text of its document.

        Raises PersistedQueryNotFoundError, UntrustedDocumentError, or BadUserInputError if the hash
        is not that of the text.
        """
        if request.document_id is not None:
            return replace(request, query=self._find_trusted(request.document_id))
        if not request.query:
            return replace(request, query=self._find_persisted(request.sha256 or ""))
        if request.sha256 is not None:
            self._persist(request.sha256.lower(), request.query)
        if self.trusts_only and _hash(request.query) not in self.trusted:
            raise UntrustedDocumentError
        return request

    def _find_trusted(self, document_id: str) -> str:
        prefix, sha256 = document_id[: len(PREFIX)], document_id[len(PREFIX) :]
        text = self.trusted.get(sha256.lower()) if prefix == PREFIX else None
        if text is None:
            raise PersistedQueryNotFoundError
        return text

    def _find_persisted(self, sha256: str) -> str:
        text = self.trusted.get(sha256.lower()) or self.persisted.get(sha256.lower())
        if text is None:
            raise PersistedQueryNotFoundError
        return text

    def _persist(self, sha256: str, text: str) -> None:
        if sha256 != _hash(text):
            raise BadUserInputError("'persistedQuery.sha256Hash' is not the SHA-256 of 'query'.")
        if not self.trusts_only and self.persisted.get(sha256) is None:
            self.persisted.put(sha256, text, len(text) + len(sha256))


def _read_document(path: Path, validate: Validate) -> str:
    try:
        # Reading as text would translate line endings and change the hash.
        text = path.read_bytes().decode()
    except OSError as error:
        raise TrustedDocumentError(f"{path}: {error.strerror}") from error
    except UnicodeError as error:
        raise TrustedDocumentError(f"{path}: not valid UTF-8") from error
    error = validate(text)
    if error is not None:
        line = error.locations[0].line if error.locations else 1
        raise TrustedDocumentError(f"{path}:{line}: {error.message}")
    return text


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
