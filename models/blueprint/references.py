"""What an entry's references mean: rows of this database."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session
from sqlmodel import col

from models.blueprint import values
from models.blueprint.document import Entry, Find, KeyOf, OtherTag
from models.blueprint.kinds import FLOW, POLICY, STAGE, STAGE_BINDING, Field, Kind, kind_of
from models.blueprint.values import ValueProblemError
from models.tables.access import Group, User
from models.tables.columns import Table
from models.tables.flow import Flow, FlowStageBinding, PolicyBindingModel
from models.tables.policy import Policy
from models.tables.stage import Stage

GROUP = Kind(Group, "group_uuid", {"name": Field("name")})
USER = Kind(User, "id", {"username": Field("username"), "name": Field("name")})
PARENT = Kind(PolicyBindingModel, "pbm_uuid", {})
# The models that references name without naming a type, or that no entry can be of.
ABSTRACT: Mapping[str, Kind] = {
    "authentik_flows.stage": STAGE,
    "authentik_policies.policy": POLICY,
    "authentik_core.group": GROUP,
    "authentik_core.user": USER,
}
MODELS: Mapping[type[Table], str] = {
    Flow: "authentik_flows.flow",
    Stage: "authentik_flows.stage",
    Policy: "authentik_policies.policy",
    Group: "authentik_core.group",
    User: "authentik_core.user",
}
READERS: Mapping[type[Table], str] = {Group: "group", User: "user"}
# How a key is read that is no uuid.
PK_CHECKS: Mapping[type[Table], values.Check] = {User: values.integer}
PKS = {kind.table: kind.pk for kind in (FLOW, STAGE, POLICY, STAGE_BINDING, GROUP, USER, PARENT)}


class SkippedEntryError(Exception):
    """A reference to something that FlowQL does not import, so that its entry is left out."""


@dataclass(frozen=True, slots=True)
class References:
    """The rows that references can mean: those of earlier entries, and all by value.

    `foreign` are the models of entries that are not imported, by file and by id or key.
    """

    session: Session
    foreign: Mapping[tuple[Path, str], str]
    by_id: dict[tuple[Path, str], Table] = field(default_factory=dict)
    by_given_pk: dict[tuple[type[Table], str], Table] = field(default_factory=dict)

    def remember(self, entry: Entry, row: Table) -> None:
        """Let references find the row by the entry's id, and by the key that the entry gives.

        The row may have another key: it was found by its name, and keeps its own.
        """
        if entry.id is not None:
            self.by_id.setdefault((entry.path, entry.id), row)
        if "pk" in entry.identifiers:
            self.by_given_pk[type(row), values.pk(entry.identifiers["pk"])] = row

    def resolve(self, entry: Entry, value: Any, target: type[Table]) -> Any:
        """The key of the row of `target` that a value refers to, None for none.

        Raises ValueProblemError, or LeftOutError where no such row is ever imported.
        """
        if value is None:
            return None
        row = self._row(entry, value, target)
        if target is PolicyBindingModel and isinstance(row, Flow | FlowStageBinding):
            return row.policybindingmodel_ptr_id
        if row is None:
            raise self._missing(entry, value, target)
        if not isinstance(row, target):
            raise ValueProblemError(f"refers to a {type(row).__name__}, not a {target.__name__}")
        return getattr(row, PKS[target])

    def _row(self, entry: Entry, value: Any, target: type[Table]) -> Table | None:
        if isinstance(value, KeyOf):
            return self.by_id.get((entry.path, value.id))
        if isinstance(value, Find):
            return self._find(entry, value)
        if isinstance(value, OtherTag):
            raise ValueProblemError(f"has the tag {value.name}, which is not supported")
        return self._by_pk(value, target)

    def _by_pk(self, value: Any, target: type[Table]) -> Table | None:
        key = PK_CHECKS.get(target, values.pk)(value)
        # An export has the flow's or the binding's own key where authentik reads the parent's.
        is_parent = target is PolicyBindingModel
        tables = (PolicyBindingModel, Flow, FlowStageBinding) if is_parent else (target,)
        found = (
            self.session.get(table, key) or self.by_given_pk.get((table, key)) for table in tables
        )
        return next((row for row in found if row), None)

    def _find(self, entry: Entry, wanted: Find) -> Table | None:
        kind = _findable(wanted.model)
        if kind is None:
            return None
        conditions = [
            self._condition(entry, kind, name, value) for name, value in wanted.conditions
        ]
        if kind.type_table and wanted.model not in ABSTRACT:
            types = select(col(kind.type_table.ptr_id)).where(
                col(kind.type_table.model) == wanted.model
            )
            conditions.append(getattr(kind.table, kind.pk).in_(types))
        return self.session.scalars(select(kind.table).where(*conditions).limit(1)).first()

    def _condition(self, entry: Entry, kind: Kind, name: str, value: Any) -> ColumnElement[bool]:
        if name == "pk":
            return getattr(kind.table, kind.pk) == PK_CHECKS.get(kind.table, values.pk)(value)
        own, _, of_target = name.partition("__")
        known = kind.fields.get(own)
        if known is None or (of_target and known.target not in MODELS):
            raise ValueProblemError(f"finds by {name!r}, which FlowQL does not support")
        column = getattr(kind.table, known.column)
        if known.target is None:
            return column == known.check(value)
        if of_target:
            value = Find(MODELS[known.target], [(of_target, value)])
        return column == self.resolve(entry, value, known.target)

    def _missing(self, entry: Entry, value: Any, target: type[Table]) -> Exception:
        if target in READERS:
            return SkippedEntryError(f"its {READERS[target]} is not in this database")
        foreign = self._foreign_model(entry, value)
        if foreign is not None and target is PolicyBindingModel:
            return SkippedEntryError(f"it is bound to {foreign}, which FlowQL does not store")
        if foreign is not None:
            return ValueProblemError(f"refers to {foreign}, which FlowQL does not store")
        return ValueProblemError(_not_found(value))

    def _foreign_model(self, entry: Entry, value: Any) -> str | None:
        """The model that a reference means, if it is one that FlowQL does not store."""
        if isinstance(value, Find):
            return None if _findable(value.model) else value.model
        return self.foreign.get((entry.path, value.id if isinstance(value, KeyOf) else str(value)))


def foreign_models(entries: Iterable[Entry]) -> Mapping[tuple[Path, str], str]:
    """The models of these entries by file and by id or key, as far as references can name them."""
    named = ((entry, (entry.id, entry.identifiers.get("pk"))) for entry in entries)
    return {
        (entry.path, name): entry.model
        for entry, names in named
        for name in names
        if isinstance(name, str)
    }


def _findable(model: str) -> Kind | None:
    return kind_of(model) or ABSTRACT.get(model)


def _not_found(value: Any) -> str:
    if isinstance(value, KeyOf):
        return f"refers to !KeyOf {value.id}, which is no such entry of the file"
    if isinstance(value, Find):
        wanted = ", ".join(f"{name} = {found!r}" for name, found in value.conditions)
        return f"finds no {value.model} with {wanted}"
    return f"refers to {value!r}, which is not in this database"
