"""Batches: query results stored by column."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple


class Batch(NamedTuple):
    """Rows stored by column: `columns[name][index]`, with `index` below `size`."""

    columns: Mapping[str, Sequence[Any]]
    size: int

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "Batch":
        """Return a batch of one row."""
        return cls({name: (value,) for name, value in row.items()}, 1)

    def row(self, index: int) -> "Batch":
        """Return a batch of the row at an index."""
        return self.slice(index, index + 1)

    def slice(self, start: int, stop: int) -> "Batch":
        """Return a batch of the rows from `start` to `stop`, exclusive."""
        columns = {name: values[start:stop] for name, values in self.columns.items()}
        return Batch(columns, stop - start)

    def take(self, indexes: Sequence[int]) -> "Batch":
        """Return a batch of the rows at these indexes, in their order."""
        columns = {name: [values[i] for i in indexes] for name, values in self.columns.items()}
        return Batch(columns, len(indexes))

    def tuples(self, names: Iterable[str]) -> Iterator[tuple[Any, ...]]:
        """Iterate over the rows as tuples of these columns."""
        return zip(*(self.columns[name] for name in names), strict=True) if self.size else iter(())

    def rows(self) -> Iterator[Mapping[str, Any]]:
        """Iterate over the rows as mappings of all columns."""
        for index in range(self.size):
            yield {name: values[index] for name, values in self.columns.items()}


NO_ROWS = Batch({}, 0)
EMPTY_SPAN = (0, 0)


class GroupedRows(NamedTuple):
    """Rows grouped by the key of their parent; a span is the start and stop index of a group."""

    batch: Batch
    spans: Mapping[str, tuple[int, int]]

    @classmethod
    def from_sorted(cls, keys: Sequence[str], batch: Batch) -> "GroupedRows":
        """Group rows that are sorted by these keys, one key per row."""
        spans: dict[str, tuple[int, int]] = {}
        stop = 0
        for key, group in groupby(keys):
            start, stop = stop, stop + sum(1 for _ in group)
            spans[key] = start, stop
        return cls(batch, spans)

    def span(self, key: str) -> tuple[int, int]:
        """Return the span of a key, empty if the key has no rows."""
        return self.spans.get(key, EMPTY_SPAN)

    def group(self, key: str) -> Batch:
        """Return the rows of a key."""
        return self.batch.slice(*self.span(key))


NO_GROUPS = GroupedRows(NO_ROWS, {})
