"""A row as an import plans it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from models.blueprint.kinds import KINDS, Kind

# The key of the parent row of a flow or stage binding, to which policy bindings refer.
PARENT = "parent"
COLUMNS = {kind.name: kind.columns for kind in KINDS.values()}
_POSITIONS = {
    name: {column: position for position, column in enumerate(columns)}
    for name, columns in COLUMNS.items()
}


class State(NamedTuple):
    """The content of a row. `values` are in the order of the kind's columns."""

    values: tuple[Any, ...]
    model: str | None = None
    settings: Mapping[str, Any] | None = None


@dataclass(slots=True, eq=False)
class Row:
    """A planned row, with its parent row and its type. Compared by identity.

    `parent` is the key of the parent row. `model` and `settings` are the type of a stage or policy.
    `original` is the state in the database, None for a new row.
    """

    kind: Kind
    pk: str | int
    parent: str | None
    values: tuple[Any, ...]
    model: str | None = None
    settings: Mapping[str, Any] | None = None
    original: State | None = None
    is_deleted: bool = False

    def __str__(self) -> str:
        return str(self.pk)

    @property
    def is_new(self) -> bool:
        """True if the database does not contain the row."""
        return self.original is None

    @property
    def is_changed(self) -> bool:
        """True if the database contains the row in another state."""
        state = State(self.values, self.model, self.settings)
        return self.original is not None and not is_equal(state, self.original)

    def get(self, column: str) -> Any:
        """Return the value of a column, which can be the primary key or `parent`."""
        if column == PARENT:
            return self.parent
        if column == self.kind.pk:
            return self.pk
        return self.values[_POSITIONS[self.kind.name][column]]


def is_equal(left: Any, right: Any) -> bool:
    """Return whether two values are equal as JSON: true and 1 are not."""
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(is_equal(left[key], right[key]) for key in left)
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return len(left) == len(right) and all(map(is_equal, left, right))
    return left == right and isinstance(left, bool) == isinstance(right, bool)
