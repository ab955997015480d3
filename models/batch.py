"""Rows that are read together, kept column by column."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple


class Batch(NamedTuple):
    """Rows by their columns: `columns[name][index]`, with `index` below `size`."""

    columns: Mapping[str, Sequence[Any]]
    size: int

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "Batch":
        """A batch of this one row."""
        return cls({name: (value,) for name, value in row.items()}, 1)

    def rows(self) -> Iterator[Mapping[str, Any]]:
        """The same, row by row."""
        for index in range(self.size):
            yield {name: values[index] for name, values in self.columns.items()}


NO_ROWS = Batch({}, 0)
