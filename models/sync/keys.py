"""Changes of primary keys: rows take those of authentik."""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

from sqlalchemy import Column, Connection, bindparam, text, update

from models.blueprint.authentik.kinds import KINDS, USER
from models.blueprint.rows.row_table import get_table
from models.tables.metadata import METADATA

PARENT = "parent"
OLD, NEW = "old_key", "new_key"
# The columns that contain the keys of a kind, or of the parent rows, beside those of kinds.
REFERENCES: Mapping[str, Sequence[str]] = {
    "flow": ("authentik_flows_flowstagebinding.target_id", "flowql_tokenflow.flow_id"),
    "stage": ("authentik_flows_flowstagebinding.stage_id", "flowql_stagetype.ptr_id"),
    "policy": ("authentik_policies_policybinding.policy_id", "flowql_policytype.ptr_id"),
    "group": (
        "authentik_policies_policybinding.group_id",
        "authentik_core_user_groups.group_id",
        "authentik_core_group_roles.group_id",
        "authentik_core_groupparentage.child_id",
        "authentik_core_groupparentage.parent_id",
    ),
    "user": (
        "authentik_policies_policybinding.user_id",
        "authentik_core_user_groups.user_id",
        "authentik_core_user_roles.user_id",
        "authentik_core_token.user_id",
    ),
    PARENT: (
        "authentik_policies_policybindingmodel.pbm_uuid",
        "authentik_flows_flow.policybindingmodel_ptr_id",
        "authentik_flows_flowstagebinding.policybindingmodel_ptr_id",
        "authentik_policies_policybinding.target_id",
    ),
}
OBJECT_PERMISSIONS = "guardian_roleobjectpermission.object_pk"
# PostgreSQL would give these IDs again.
SKIP_IDS = (
    "SELECT setval(name, greatest(nextval(name), (SELECT max(id) FROM authentik_core_user)))"
    " FROM pg_get_serial_sequence('authentik_core_user', 'id') AS name"
)


class Key(NamedTuple):
    """A key: the name of its kind, or PARENT, and its value."""

    kind: str
    value: Any


@dataclass(frozen=True, slots=True)
class KeyChanges:
    """The new keys by the old ones."""

    new: dict[Key, Any] = field(default_factory=dict[Key, Any])

    def add(self, kind: str, old: Any, new: Any) -> None:
        """Add a change, if the keys differ."""
        if old != new:
            self.new[Key(kind, old)] = new

    def has(self, kind: str) -> bool:
        """Return whether keys of this kind change."""
        return any(key.kind == kind for key in self.new)

    def find(self, kind: str, old: Any) -> Any:
        """Return the new key, or the old one if it does not change."""
        return self.new.get(Key(kind, old), old)

    def replace_in(self, settings: Any) -> Any:
        """Return settings with the new keys."""
        by_value = {old.value: new for old, new in self.new.items() if old.kind != USER.name}
        return _replace(settings, by_value) if by_value else settings

    def write(self, connection: Connection) -> None:
        """Change the keys in the database, with the references to them."""
        for name in (*KINDS, PARENT):
            pairs = [(old.value, new) for old, new in self.new.items() if old.kind == name]
            for columns in _split(name, pairs):
                for column in _list_columns(name):
                    _update(connection, column, columns)


def skip_taken_ids(connection: Connection) -> None:
    """Let the database generate no ID of a user that a row has taken."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(SKIP_IDS))


def _split(name: str, pairs: Sequence[tuple[Any, Any]]) -> Sequence[Sequence[tuple[Any, Any]]]:
    """Return steps, in none of which a row takes the key of another one."""
    if {new for _, new in pairs}.isdisjoint(old for old, _ in pairs):
        return [pairs]
    temporary = [
        -number if name == USER.name else str(uuid.uuid4()) for number in range(1, len(pairs) + 1)
    ]
    olds, news = zip(*pairs, strict=True)
    return [list(zip(olds, temporary, strict=True)), list(zip(temporary, news, strict=True))]


def _list_columns(name: str) -> Iterable[Column[Any]]:
    if name != PARENT:
        yield get_table(KINDS[name]).c[KINDS[name].pk]
    references = REFERENCES.get(name, ())
    permissions = () if name in (USER.name, PARENT) else (OBJECT_PERMISSIONS,)
    for reference in (*references, *permissions):
        table, _, column = reference.partition(".")
        yield METADATA.tables[table].c[column]


def _update(connection: Connection, column: Column[Any], pairs: Iterable[tuple[Any, Any]]) -> None:
    values = [{OLD: old, NEW: new} for old, new in pairs]
    if values:
        statement = update(column.table).where(column == bindparam(OLD))
        connection.execute(statement.values({column: bindparam(NEW)}), values)


def _replace(value: Any, keys: Mapping[Any, Any]) -> Any:
    if isinstance(value, str):
        return keys.get(value, value)
    if isinstance(value, list):
        return [_replace(item, keys) for item in cast(list[Any], value)]
    if isinstance(value, dict):
        items = cast(dict[str, Any], value).items()
        return {name: _replace(item, keys) for name, item in items}
    return value
