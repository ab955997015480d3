"""Rows that are read together, kept column by column."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple


class Batch(NamedTuple):
    """Rows by their columns: `columns[name][index]`, with `index` below `size`."""

    columns: Mapping[str, Sequence[Any]]
    size: int

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "Batch":
        """A batch of this one row."""
        return cls({name: (value,) for name, value in row.items()}, 1)

    def row(self, index: int) -> "Batch":
        """A batch of just the row at that index."""
        return self.slice(index, index + 1)

    def slice(self, start: int, stop: int) -> "Batch":
        """A batch of the rows from `start` up to, and without, `stop`."""
        columns = {name: values[start:stop] for name, values in self.columns.items()}
        return Batch(columns, stop - start)

    def take(self, indexes: Sequence[int]) -> "Batch":
        """A batch of the rows at these indexes, in their order."""
        columns = {name: [values[i] for i in indexes] for name, values in self.columns.items()}
        return Batch(columns, len(indexes))

    def tuples(self, names: Iterable[str]) -> Iterator[tuple[Any, ...]]:
        """The values of these columns, row by row."""
        return zip(*(self.columns[name] for name in names), strict=True) if self.size else iter(())

    def rows(self) -> Iterator[Mapping[str, Any]]:
        """The same, row by row."""
        for index in range(self.size):
            yield {name: values[index] for name, values in self.columns.items()}


NO_ROWS = Batch({}, 0)
EMPTY_SPAN = (0, 0)


class Grouped(NamedTuple):
    """Rows that belong to others: those of a key are where its span says, from and up to."""

    batch: Batch
    spans: Mapping[str, tuple[int, int]]

    @classmethod
    def from_sorted(cls, keys: Sequence[str], batch: Batch) -> "Grouped":
        """Rows that are sorted by the key of whom they belong to."""
        spans: dict[str, tuple[int, int]] = {}
        stop = 0
        for key, same in groupby(keys):
            start, stop = stop, stop + sum(1 for _ in same)
            spans[key] = start, stop
        return cls(batch, spans)

    def span(self, key: str) -> tuple[int, int]:
        """Where the rows of a key are."""
        return self.spans.get(key, EMPTY_SPAN)

    def rows_of(self, key: str) -> Batch:
        """The rows of a key."""
        return self.batch.slice(*self.span(key))


NO_GROUPS = Grouped(NO_ROWS, {})
