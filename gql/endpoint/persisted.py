"""Documents that are known by an id: those that an operator trusts, and those that clients persist."""

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
# In characters of documents that clients persist.
CAPACITY = 1_000_000

# Finds what is wrong with a document, None if nothing is.
Validate = Callable[[str], GraphQLError | None]


class TrustedDocumentError(OperatorError):
    """A file of the folder of trusted documents cannot be trusted; names it, and the reason."""


@dataclass(frozen=True, slots=True)
class PersistedDocuments:
    """Documents by the sha256 of their texts, in hexadecimal digits of lower case.

    Where `trusts_only` is set no others than the trusted ones are executed, or remembered.
    """

    trusted: Mapping[str, str] = field(default_factory=dict[str, str])
    trusts_only: bool = False
    persisted: SegmentedLRU[str, str] = field(
        default_factory=lambda: SegmentedLRU[str, str](CAPACITY)
    )

    def resolve(self, request: GraphQLRequest) -> GraphQLRequest:
        """Return the request with the text of its document.

        Raises PersistedQueryNotFoundError, UntrustedDocumentError, and BadUserInputError where the
        hash is another document's.
        """
        if request.document_id is not None:
            return replace(request, query=self._find_trusted(request.document_id))
        if not request.query:
            return replace(request, query=self._find_persisted(request.sha256 or ""))
        if request.sha256 is not None:
            self._persist(request.sha256.lower(), request.query)
        if self.trusts_only and _digest(request.query) not in self.trusted:
            raise UntrustedDocumentError
        return request

    def _find_trusted(self, document_id: str) -> str:
        prefix, digest = document_id[: len(PREFIX)], document_id[len(PREFIX) :]
        text = self.trusted.get(digest.lower()) if prefix == PREFIX else None
        if text is None:
            raise PersistedQueryNotFoundError
        return text

    def _find_persisted(self, sha256: str) -> str:
        text = self.trusted.get(sha256.lower()) or self.persisted.get(sha256.lower())
        if text is None:
            raise PersistedQueryNotFoundError
        return text

    def _persist(self, sha256: str, text: str) -> None:
        if sha256 != _digest(text):
            raise BadUserInputError("The sha256Hash is not that of the query.")
        if not self.trusts_only and self.persisted.get(sha256) is None:
            self.persisted.put(sha256, text, len(text) + len(sha256))


def load_trusted(folder: Path, judge: Validate) -> Mapping[str, str]:
    """The documents in the files of a folder, and of those in it, by their hashes.

    Raises TrustedDocumentError where a file cannot be read, or the judge finds something wrong.
    """
    if not folder.is_dir():
        raise TrustedDocumentError(f"there is no folder {folder} of trusted documents")
    texts = [_read(path, judge) for path in sorted(folder.rglob(PATTERN)) if path.is_file()]
    return {_digest(text): text for text in texts}


def _read(path: Path, judge: Validate) -> str:
    try:
        # Not as text, which would change the ends of its lines.
        text = path.read_bytes().decode()
    except OSError as error:
        raise TrustedDocumentError(f"{path}: {error.strerror}") from error
    except UnicodeError as error:
        raise TrustedDocumentError(f"{path}: it is not UTF-8") from error
    wrong = judge(text)
    if wrong is not None:
        line = wrong.locations[0].line if wrong.locations else 1
        raise TrustedDocumentError(f"{path}:{line}: {wrong.message}")
    return text


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
