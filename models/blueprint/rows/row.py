"""A row as an import plans it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

from models.blueprint.authentik.kinds import KINDS, Kind

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
    The database does not contain a row that `is_new`.
    """

    kind: Kind
    pk: str | int
    parent: str | None
    values: tuple[Any, ...]
    model: str | None = None
    settings: Mapping[str, Any] | None = None
    is_new: bool = True
    is_deleted: bool = False
    # Most rows do not change, and need no second state.
    _original: State | None = None

    def __str__(self) -> str:
        return str(self.pk)

    @property
    def state(self) -> State:
        """The planned content."""
        return State(self.values, self.model, self.settings)

    @property
    def original(self) -> State | None:
        """The content in the database, None for a new row."""
        return None if self.is_new else self._original or self.state

    @property
    def is_changed(self) -> bool:
        """True if the database contains the row with other content."""
        return self._original is not None and not is_equal(self._original, self.state)

    def replace(self, state: State) -> None:
        """Replace the planned content."""
        self._original = self.original
        self.values, self.model, self.settings = state

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
        one, other = cast(Mapping[str, Any], left), cast(Mapping[str, Any], right)
        return one.keys() == other.keys() and all(is_equal(one[key], other[key]) for key in one)
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        items, others = cast(Sequence[Any], left), cast(Sequence[Any], right)
        return len(items) == len(others) and all(map(is_equal, items, others))
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, int) and isinstance(right, float):
        # PostgreSQL returns the integer for 1e300, which is another number than the float.
        return _to_float(left) == right
    if isinstance(left, float) and isinstance(right, int):
        return is_equal(right, left)
    return left == right


def _to_float(number: int) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.inf
