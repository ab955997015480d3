"""Documents that requests name by a hash: trusted by the operator, or persisted by clients."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from gql.endpoint.trusted import (
    SHA256_PREFIX,
    Validate,
    normalize_id,
    read_trusted_documents,
    sha256_id,
)
from gql.errors import (
    BadUserInputError,
    PersistedQueryNotFoundError,
    UntrustedDocumentError,
)
from gql.execution.request import GraphQLRequest
from models.cache import SegmentedLRU

# In characters of persisted documents and their hashes.
CAPACITY = 1_000_000


@dataclass(slots=True)
class PersistedDocuments:
    """Trusted documents by ID, and persisted documents by the SHA-256 hash of their text.

    With `trusts_only`, documents that are not trusted are neither executed nor cached.
    """

    trusts_only: bool = False
    trusted: Mapping[str, str] = field(default_factory=dict[str, str])
    persisted: SegmentedLRU[str, str] = field(
        default_factory=lambda: SegmentedLRU[str, str](CAPACITY)
    )

    def load_trusted(self, path: Path, validate: Validate) -> None:
        """Read the trusted documents from a file or a folder; raises TrustedDocumentError."""
        self.trusted = read_trusted_documents(path, validate)

    def resolve(self, request: GraphQLRequest) -> GraphQLRequest:
        """Return the request with the text of its document.

        Raises PersistedQueryNotFoundError, UntrustedDocumentError, or BadUserInputError if the hash
        is not that of the text.
        """
        if request.document_id is not None:
            return replace(request, query=self._find_trusted(request.document_id))
        if not request.query:
            return replace(request, query=self._find_persisted(request.sha256 or ""))
        # Apollo's clients send the ID of a manifest in place of the hash.
        if request.sha256 is not None and self.trusted.get(request.sha256) != request.query:
            self._persist(request.sha256.lower(), request.query)
        if self.trusts_only and sha256_id(request.query) not in self.trusted:
            raise UntrustedDocumentError
        return request

    def _find_trusted(self, document_id: str) -> str:
        text = self.trusted.get(normalize_id(document_id))
        if text is None:
            raise PersistedQueryNotFoundError
        return text

    def _find_persisted(self, sha256: str) -> str:
        digits = sha256.lower()
        trusted = self.trusted.get(sha256) or self.trusted.get(f"{SHA256_PREFIX}{digits}")
        text = trusted or self.persisted.get(digits)
        if text is None:
            raise PersistedQueryNotFoundError
        return text

    def _persist(self, sha256: str, text: str) -> None:
        if f"{SHA256_PREFIX}{sha256}" != sha256_id(text):
            raise BadUserInputError("'persistedQuery.sha256Hash' is not the SHA-256 of 'query'.")
        if not self.trusts_only and self.persisted.get(sha256) is None:
            self.persisted.put(sha256, text, len(text) + len(sha256))
