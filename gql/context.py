"""The context that resolvers receive with every request."""

from dataclasses import dataclass, field
from typing import Any

from models.database import Database
from models.queries.viewer import Viewer


@dataclass(frozen=True, slots=True)
class Context:
    """The database and the viewer of a request."""

    database: Database
    viewer: Viewer
    # Data loaders for graphql-core; a plan needs none.
    loaders: dict[Any, Any] = field(default_factory=dict[Any, Any])
