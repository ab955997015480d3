"""The fields of objects in authentik's API, checked."""

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Boolean, Integer

from models.blueprint.authentik.kinds import KINDS, MODE_COLUMN, REQUIRED, EntryField, Kind
from models.blueprint.authentik.values import MAXIMUM, MINIMUM
from models.blueprint.rows.row_table import get_table
from models.errors import SyncError

UNSTORABLE = re.compile("[\0\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class ItemReader:
    """Reads the fields of one object; errors name the list and the field."""

    path: str
    item: Mapping[str, Any]

    def read_uuid(self, name: str) -> str:
        """Return a UUID as 36 lower-case characters; raises SyncError."""
        value = self.item.get(name)
        try:
            return str(uuid.UUID(value if isinstance(value, str) else ""))
        except ValueError:
            raise self.build_error(name, "a UUID") from None

    def read_optional_uuid(self, name: str) -> str | None:
        """Return a UUID, None for null or if the field is missing; raises SyncError."""
        return None if self.item.get(name) is None else self.read_uuid(name)

    def read_integer(self, name: str, minimum: int = MINIMUM) -> int:
        """Return a 32-bit integer; raises SyncError."""
        value = self.item.get(name)
        if type(value) is not int or not minimum <= value <= MAXIMUM:
            raise self.build_error(name, "an integer of 32 bits")
        return value

    def read_string(self, name: str) -> str:
        """Return a string that databases can store; raises SyncError."""
        value = self.item.get(name)
        if not isinstance(value, str) or UNSTORABLE.search(value):
            raise self.build_error(name, "a string")
        return value

    def read_boolean(self, name: str) -> bool:
        """Return a boolean; raises SyncError."""
        value = self.item.get(name)
        if not isinstance(value, bool):
            raise self.build_error(name, "a boolean")
        return value

    def read_column(self, kind: Kind, name: str, field: EntryField) -> Any:
        """Return the value of a field that is no reference; raises SyncError.

        Older versions lack some fields, which have their defaults.
        """
        if self.item.get(name) is None and field.default is not REQUIRED:
            return field.default
        match _find_type(kind, field.column):
            case "boolean":
                return self.read_boolean(name)
            case "integer":
                return self.read_integer(name, 0 if field.column == "timeout" else MINIMUM)
            case _:
                return self.read_string(name)

    def build_error(self, name: str, expected: str) -> SyncError:
        """Return the error of an invalid field, without its value, which can be secret."""
        return SyncError(
            f"{self.path} returned an object whose field {name} is not {expected}: nothing was"
            " changed"
        )


def _find_type(kind: Kind, column: str) -> str:
    return _TYPES[kind.name, column]


def _build_types() -> Mapping[tuple[str, str], str]:
    types: dict[tuple[str, str], str] = {}
    for kind in KINDS.values():
        for column in kind.columns:
            stored = None if column == MODE_COLUMN else get_table(kind).c[column].type
            is_number = isinstance(stored, Integer)
            name = "boolean" if isinstance(stored, Boolean) else "integer" if is_number else "text"
            types[kind.name, column] = name
    return types


_TYPES = _build_types()
