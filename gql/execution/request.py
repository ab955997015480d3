"""A GraphQL request: the document, its variables and the operation to execute."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class GraphQLRequest:
    """The parameters of a GraphQL request, as GraphQL over HTTP names them.

    `query` is empty if the request names its document by `document_id` (a trusted document) or by
    `sha256` (a persisted one). PersistedDocuments.resolve adds it before execution.
    """

    query: str
    variables: dict[str, Any] = field(default_factory=dict[str, Any])
    operation_name: str | None = None
    document_id: str | None = None
    sha256: str | None = None
