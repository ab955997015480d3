"""The serializer of REST objects: the columns of a batch become one dict for each row."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from models.batch import Batch


class UrlBase(NamedTuple):
    """The parts that the URLs of one server share.

    `root_path` is the start of FlowQL's own URLs. The database's `schema` is part of the URLs of
    images.
    """

    root_path: str
    schema: str


Converter = Callable[[str, UrlBase], Any]


class Field(NamedTuple):
    """A field of a REST object: the column that it is read from, and its conversion, if any."""

    column: str
    convert: Converter | None = None

    def read(self, batch: Batch, base: UrlBase) -> Sequence[Any]:
        """Return the field's value in each row."""
        values, convert = batch.columns[self.column], self.convert
        return values if convert is None else [convert(value, base) for value in values]


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
