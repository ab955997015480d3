"""The serializer of REST objects: the columns of a batch become one dict for each row."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any, Literal, NamedTuple

from models.batch import Batch


class UrlBase(NamedTuple):
    """The parts that the URLs of one server share.

    `root_path` is the start of FlowQL's own URLs. The database's `schema` is part of the URLs of
    images.
    """

    root_path: str
    schema: str


# Takes a value of the column and the root path or schema of the URLs.
Converter = Callable[[str, str], Any]


class Field(NamedTuple):
    """A field of a REST object: the column that it is read from, and its conversion, if any.

    `base` is the part of `UrlBase` that the conversion takes.
    """

    column: str
    convert: Converter | None = None
    base: Literal["root_path", "schema"] = "schema"

    def read(self, batch: Batch, base: UrlBase) -> Sequence[Any]:
        """Return the field's value in each row."""
        values = batch.columns[self.column]
        if self.convert is None:
            return values
        return list(map(self.convert, values, repeat(getattr(base, self.base))))


@dataclass(frozen=True, slots=True)
class Serializer:
    """A shape of REST objects: the fields by their keys, in the order of the response."""

    fields: Mapping[str, Field]

    def serialize(self, batch: Batch, base: UrlBase) -> list[dict[str, Any]]:
        """Return an object for each row of the batch."""
        if not batch.size:
            return []
        keys = tuple(self.fields)
        columns = (field.read(batch, base) for field in self.fields.values())
        return [dict(zip(keys, row, strict=True)) for row in zip(*columns, strict=True)]
