"""The content of a system: all objects that FlowQL stores, wherever they were read."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple

from models.blueprint.rows.row_table import RowTable
from models.blueprint.rows.working_set import WorkingSet

# The name in `SystemContent.unknown` of all settings of a model.
ALL_SETTINGS = "*"


class Origin(Enum):
    """The kind of a source. FlowQL's own database only has the settings that were imported."""

    AUTHENTIK = "authentik"
    FLOWQL = "flowql"


class Record(NamedTuple):
    """One object. `values` are in the order of the columns of its kind.

    `parent` is the key of the parent row, for kinds that have one. `model` and `settings` are those
    of stages and policies, None if they are unknown; `settings` has the form in which imports store
    them: references to flows, stages, policies, prompts and groups are primary keys, references to
    other objects `{"$find": [model, [field, value]]}` if their names are known, and secrets are
    masked.
    """

    pk: str | int
    parent: str | None
    model: str | None
    settings: Mapping[str, Any] | None
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class SystemContent:
    """All objects of a system, by the names of their kinds.

    Users and groups are those that bindings and settings refer to, at least. `unknown` has the
    settings that could not be read, as pairs of a model and a name or ALL_SETTINGS, and `unknown_kinds` the kinds
    whose objects could not. `version` is that of authentik, if it is known.
    """

    origin: Origin
    records: Mapping[str, Sequence[Record]]
    unknown: Collection[tuple[str, str]] = ()
    version: str | None = None
    warnings: Sequence[str] = field(default_factory=tuple[str, ...])
    unknown_kinds: Collection[str] = ()

    def build_rows(self) -> WorkingSet:
        """Return the objects as the rows of a database, which an import can be planned on."""
        rows = WorkingSet(_fetch_nothing)
        for name, table in rows.tables.items():
            _fill(table, self.records.get(name, ()))
        return rows


def _fill(table: RowTable, records: Sequence[Record]) -> None:
    table.add_all(
        (pk, parent, model, settings, *values) for pk, parent, model, settings, values in records
    )


def _fetch_nothing(_select: Any) -> Sequence[Any]:
    raise AssertionError("all rows are known")
