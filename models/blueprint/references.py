"""References of entries, which resolve to rows of the database."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session
from sqlmodel import col

from models.blueprint import values
from models.blueprint.document import Entry, Find, KeyOf, UnsupportedTag
from models.blueprint.kinds import FLOW, POLICY, STAGE, STAGE_BINDING, EntryField, Kind, find_kind
from models.blueprint.values import InvalidValueError
from models.tables.access import Group, User
from models.tables.columns import Table
from models.tables.flow import Flow, FlowStageBinding, PolicyBindingModel
from models.tables.policy import Policy
from models.tables.stage import Stage

GROUP = Kind(Group, "group_uuid", {"name": EntryField("name")})
USER = Kind(User, "id", {"username": EntryField("username"), "name": EntryField("name")})
PARENT = Kind(PolicyBindingModel, "pbm_uuid", {})
# Models that only references use: base models of all types, and models without entries.
REFERENCE_KINDS: Mapping[str, Kind] = {
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
# An import does not create groups and users.
NOT_IMPORTED: Mapping[type[Table], str] = {Group: "group", User: "user"}
# Primary keys that are not UUIDs.
PK_CHECKS: Mapping[type[Table], values.Check] = {User: values.check_integer}
PKS = {kind.table: kind.pk for kind in (FLOW, STAGE, POLICY, STAGE_BINDING, GROUP, USER, PARENT)}


class OmittedEntryError(Exception):
    """An entry is omitted, because it refers to something that FlowQL does not import."""


@dataclass(frozen=True, slots=True)
class References:
    """Resolves references to the rows of earlier entries, and by value to all rows.

    `unsupported` are the models of entries that are not imported, by file and by id or key.
    """

    session: Session
    unsupported: Mapping[tuple[Path, str], str]
    by_id: dict[tuple[Path, str], Table] = field(default_factory=dict)
    by_entry_pk: dict[tuple[type[Table], str], Table] = field(default_factory=dict)

    def add(self, entry: Entry, row: Table) -> None:
        """Register the row under the entry's id and under the primary key in the entry.

        The row may have another primary key: a row that matches by name keeps its own.
        """
        if entry.id is not None:
            self.by_id.setdefault((entry.path, entry.id), row)
        if "pk" in entry.identifiers:
            self.by_entry_pk[type(row), values.check_uuid(entry.identifiers["pk"])] = row

    def resolve(self, entry: Entry, value: Any, target: type[Table]) -> Any:
        """Return the primary key of the row of `target` that a value refers to, or None for null.

        Raises InvalidValueError, or OmittedEntryError if FlowQL never imports such a row.
        """
        if value is None:
            return None
        row = self._find_row(entry, value, target)
        if target is PolicyBindingModel and isinstance(row, Flow | FlowStageBinding):
            return row.policybindingmodel_ptr_id
        if row is None:
            raise self._build_missing_error(entry, value, target)
        if not isinstance(row, target):
            raise InvalidValueError(
                f"refers to a {type(row).__name__}; expected a {target.__name__}"
            )
        return getattr(row, PKS[target])

    def _find_row(self, entry: Entry, value: Any, target: type[Table]) -> Table | None:
        if isinstance(value, KeyOf):
            return self.by_id.get((entry.path, value.id))
        if isinstance(value, Find):
            return self._find_by_conditions(entry, value)
        if isinstance(value, UnsupportedTag):
            raise InvalidValueError(f"uses the tag {value.name}, which is not supported")
        return self._find_by_pk(value, target)

    def _find_by_pk(self, value: Any, target: type[Table]) -> Table | None:
        key = PK_CHECKS.get(target, values.check_uuid)(value)
        # Exports contain the key of a flow or binding where authentik expects the parent's key.
        is_parent = target is PolicyBindingModel
        tables = (PolicyBindingModel, Flow, FlowStageBinding) if is_parent else (target,)
        rows = (
            self.session.get(table, key) or self.by_entry_pk.get((table, key)) for table in tables
        )
        return next((row for row in rows if row), None)

    def _find_by_conditions(self, entry: Entry, find: Find) -> Table | None:
        kind = _find_reference_kind(find.model)
        if kind is None:
            return None
        conditions = [
            self._build_condition(entry, kind, name, value) for name, value in find.conditions
        ]
        if kind.type_table and find.model not in REFERENCE_KINDS:
            keys_of_type = select(col(kind.type_table.ptr_id)).where(
                col(kind.type_table.model) == find.model
            )
            conditions.append(getattr(kind.table, kind.pk).in_(keys_of_type))
        return self.session.scalars(select(kind.table).where(*conditions).limit(1)).first()

    def _build_condition(
        self, entry: Entry, kind: Kind, name: str, value: Any
    ) -> ColumnElement[bool]:
        if name == "pk":
            check = PK_CHECKS.get(kind.table, values.check_uuid)
            return getattr(kind.table, kind.pk) == check(value)
        field_name, _, target_field = name.partition("__")
        definition = kind.fields.get(field_name)
        if definition is None or (target_field and definition.target not in MODELS):
            raise InvalidValueError(f"uses !Find with the field {name!r}, which is not supported")
        column = getattr(kind.table, definition.column)
        if definition.target is None:
            return column == definition.check(value)
        if target_field:
            value = Find(MODELS[definition.target], [(target_field, value)])
        return column == self.resolve(entry, value, definition.target)

    def _build_missing_error(self, entry: Entry, value: Any, target: type[Table]) -> Exception:
        if target in NOT_IMPORTED:
            return OmittedEntryError(f"its {NOT_IMPORTED[target]} is not in this database")
        model = self._find_unsupported_model(entry, value)
        if model is not None and target is PolicyBindingModel:
            return OmittedEntryError(f"its target is of {model}, which FlowQL does not store")
        if model is not None:
            return InvalidValueError(f"refers to {model}, which FlowQL does not store")
        return InvalidValueError(_describe_missing(value))

    def _find_unsupported_model(self, entry: Entry, value: Any) -> str | None:
        """Return the model that a reference names if FlowQL does not store it."""
        if isinstance(value, Find):
            return None if _find_reference_kind(value.model) else value.model
        name = value.id if isinstance(value, KeyOf) else str(value)
        return self.unsupported.get((entry.path, name))


def map_models(entries: Iterable[Entry]) -> Mapping[tuple[Path, str], str]:
    """Return the models of the entries by file and by each name that a reference can use.

    These names are the id and the primary key of an entry.
    """
    entry_names = ((entry, (entry.id, entry.identifiers.get("pk"))) for entry in entries)
    return {
        (entry.path, name): entry.model
        for entry, names in entry_names
        for name in names
        if isinstance(name, str)
    }


def _find_reference_kind(model: str) -> Kind | None:
    return find_kind(model) or REFERENCE_KINDS.get(model)


def _describe_missing(value: Any) -> str:
    if isinstance(value, KeyOf):
        return f"refers to !KeyOf {value.id}, but this file has no such entry"
    if isinstance(value, Find):
        conditions = ", ".join(f"{name} = {item!r}" for name, item in value.conditions)
        return f"matches no {value.model} with {conditions}"
    return f"refers to {value!r}, which is not in this database"
