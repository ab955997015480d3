"""Who sends a request, and the context that its resolvers receive."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from gql.limits import ResponseSize
from models.database import Database, Session, Version
from models.diff.changes import Difference
from models.queries.viewer import Viewer


class Identity(NamedTuple):
    """The viewer of a request, with the database that it was read from.

    `version` is the version of the data under which the viewer was read. It was the present one when
    the request had arrived, or it is None.
    """

    database: Database
    viewer: Viewer
    version: Version | None = None


class DriftReader(Protocol):
    """Reads what differs between a baseline and the data that is served."""

    @property
    def name(self) -> str:
        """The name of the baseline."""
        ...

    async def read(self) -> Difference:
        """Return the difference of the present data. Raises DriftUnavailableError."""
        ...


@dataclass(frozen=True, slots=True)
class Context:
    """The session and the viewer of an operation, and the root path of the server.

    `drift` is None without a baseline.
    """

    session: Session
    viewer: Viewer
    size: ResponseSize = field(default_factory=ResponseSize)
    root_path: str = ""
    drift: DriftReader | None = None
    # Data loaders for graphql-core; a plan needs none.
    loaders: dict[Any, Any] = field(default_factory=dict[Any, Any])
