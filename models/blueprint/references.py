"""What an entry's references mean: rows of this database."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session
from sqlmodel import col

from models.access import Group, User
from models.blueprint import values
from models.blueprint.document import Entry, Find, KeyOf, OtherTag
from models.blueprint.kinds import FLOW, POLICY, STAGE, STAGE_BINDING, Field, Kind, kind_of
from models.blueprint.values import ValueProblemError
from models.columns import Table
from models.flow import Flow, FlowStageBinding, PolicyBindingModel
from models.policy import Policy
from models.stage import Stage

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
PKS = {kind.table: kind.pk for kind in (FLOW, STAGE, POLICY, STAGE_BINDING, GROUP, USER, PARENT)}


class MissingReaderError(Exception):
    """A group or a user that is not here; FlowQL imports none."""


@dataclass(frozen=True, slots=True)
class References:
    """The rows that references can mean: those of earlier entries by id, and all by value."""

    session: Session
    by_id: dict[tuple[Path, str], Table] = field(default_factory=dict)

    def remember(self, entry: Entry, row: Table) -> None:
        """Let `!KeyOf` in the same file find the row."""
        if entry.id is not None:
            self.by_id[entry.path, entry.id] = row

    def resolve(self, entry: Entry, value: Any, target: type[Table]) -> Any:
        """The key of the row of `target` that a value refers to, None for none.

        Raises ValueProblemError, or MissingReaderError for a group or a user.
        """
        if value is None:
            return None
        row = self._row(entry, value, target)
        if target is PolicyBindingModel and isinstance(row, Flow | FlowStageBinding):
            return row.policybindingmodel_ptr_id
        if row is None or not isinstance(row, target):
            raise _missing(value, target)
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
        if target is User:
            return self.session.get(User, values.integer(value))
        key = values.pk(value)
        if target is not PolicyBindingModel:
            return self.session.get(target, key)
        # An export has the flow's or the binding's own key where authentik reads the parent's.
        candidates = (PolicyBindingModel, Flow, FlowStageBinding)
        found = (self.session.get(table, key) for table in candidates)
        return next((row for row in found if row is not None), None)

    def _find(self, entry: Entry, wanted: Find) -> Table | None:
        kind = kind_of(wanted.model) or ABSTRACT.get(wanted.model)
        if kind is None:
            raise ValueProblemError(f"finds a {wanted.model}, which FlowQL does not store")
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
            return getattr(kind.table, kind.pk) == (values.pk(value) if kind.pk != "id" else value)
        name, _, of_target = name.partition("__")
        known = kind.fields.get(name)
        if known is None:
            raise ValueProblemError(f"finds by {name!r}, which FlowQL does not store")
        column = getattr(kind.table, known.column)
        if known.target and of_target:
            value = Find(MODELS[known.target], [(of_target, value)])
        if known.target:
            return column == self.resolve(entry, value, known.target)
        return column == known.check(value)


def _missing(value: Any, target: type[Table]) -> Exception:
    kinds = {Group: "group", User: "user"}
    if target in kinds:
        return MissingReaderError(f"its {kinds[target]} is not in this database")
    if isinstance(value, KeyOf):
        return ValueProblemError(f"refers to !KeyOf {value.id}, which is no such entry of the file")
    if isinstance(value, Find):
        wanted = ", ".join(f"{name} = {found!r}" for name, found in value.conditions)
        return ValueProblemError(f"finds no {value.model} with {wanted}")
    return ValueProblemError(f"refers to {value!r}, which is not in this database")
