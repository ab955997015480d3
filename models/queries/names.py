"""The natural keys of objects: how blueprints refer to an object of which the primary key is known."""

from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Select,
    SQLColumnExpression,
    Text,
    and_,
    case,
    cast,
    column,
    literal,
    select,
    table,
    true,
    union_all,
)

from models.authentik.natural_keys import NATURAL_KEYS
from models.queries.arrays import InUuidArray
from models.queries.components import Component
from models.queries.rights import Access, Permission, Rights
from models.queries.subselects import InSubquery
from models.tables.columns import TEXT, UUID

FLOW = "authentik_flows.flow"
COMPONENTS = {
    "authentik_flows.stage": Component.STAGE,
    "authentik_policies.policy": Component.POLICY,
}


class NaturalKeysByPk(NamedTuple):
    """SELECT the model, the primary key and the natural key of the objects `pks`.

    The natural key of an object that the viewer may not see is NULL. Only a viewer of all flows sees
    stages and policies that no flow uses. `models` are keys of NATURAL_KEYS. Parameters: `pks`, and
    those of `rights`.
    """

    models: tuple[str, ...]
    rights: Rights

    def select(self) -> Any:
        """Return the SELECT, without an order."""
        return union_all(*map(self._select_model, self.models))

    def _select_model(self, model: str) -> Select[*tuple[Any, ...]]:
        natural = NATURAL_KEYS[model]
        pk: SQLColumnExpression[str] = column(natural.pk, UUID)
        name: ColumnElement[str] = column(natural.column, TEXT)
        objects = table(natural.table, pk, name)
        columns: list[Any] = [
            cast(literal(model, TEXT), TEXT),
            cast(objects.c[natural.pk], Text),
            case((self._is_visible(model, objects.c[natural.pk]), objects.c[natural.column])),
        ]
        is_selected = InUuidArray(objects.c[natural.pk], "pks")
        return select(*columns).select_from(objects).where(is_selected)

    def _is_visible(self, model: str, key: ColumnElement[str]) -> ColumnElement[bool]:
        if model == FLOW:
            return and_(true(), *self.rights.conditions(Permission.VIEW_FLOW, key))
        if model in COMPONENTS and self.rights.view_flow is not Access.ALL:
            return InSubquery(key, COMPONENTS[model].select_visible("pks", self.rights))
        return true()
