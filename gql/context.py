"""Who sends a request, and the context that its resolvers receive."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from gql.limits import ResponseSize
from models.database import Database, Session
from models.queries.viewer import Viewer


class Identity(NamedTuple):
    """The viewer of a request, with the database that it was read from."""

    database: Database
    viewer: Viewer


@dataclass(frozen=True, slots=True)
class Context:
    """The session and the viewer of an operation, and the root path of the server."""

    session: Session
    viewer: Viewer
    size: ResponseSize = field(default_factory=ResponseSize)
    root_path: str = ""
    # Data loaders for graphql-core; a plan needs none.
    loaders: dict[Any, Any] = field(default_factory=dict[Any, Any])
