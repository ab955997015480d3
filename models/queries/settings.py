"""The settings of stages and policies, as JSON."""

from collections.abc import Iterator
from functools import cache, reduce
from itertools import chain
from typing import Any, NamedTuple

from sqlalchemy import (
    CTE,
    ColumnElement,
    FromClause,
    Select,
    Subquery,
    TableClause,
    Text,
    case,
    cast,
    column,
    func,
    literal,
    literal_column,
    or_,
    select,
    table,
    true,
    union_all,
)
from sqlalchemy.dialects.postgresql import JSONB, aggregate_order_by
from sqlmodel import col

from models.authentik.secrets import SECRET_JSON
from models.queries.arrays import VALUE_COLUMN, InUuidArray, UuidArray
from models.queries.components import Component
from models.queries.rights import ROLES, Access, has_grant
from models.queries.subselects import InHashedSubquery, InSubquery, exists_by_index, materialize
from models.tables.access import ContentType, Permission, RoleModelPermission
from models.tables.columns import TEXT, UUID
from models.tables.settings_table import SettingList, SettingsTable

# A function of PostgreSQL has at most 100 arguments: a name and a value for each of these.
MAX_PAIRS = 50
Pair = tuple[ColumnElement[str], ColumnElement[Any]]


class ComponentSettings(NamedTuple):
    """SELECT the settings of the components `pks` whose type is known.

    The columns are the primary key, the blueprint model, whether the viewer may view the settings of
    this model, and the settings, which are NULL otherwise. A component in several child tables has a
    row for each. `tables` is None in FlowQL's own database. `access` is ALL if the viewer may view
    the settings of all types; otherwise, the viewer needs authentik's permission for the type.
    Parameters: `pks`, and `roles` unless `access` is ALL.
    """

    component: Component
    tables: tuple[SettingsTable, ...] | None
    access: Access

    def select(self) -> Select[*tuple[Any, ...]]:
        """Return the SELECT, without an order."""
        rows = self._select_rows()
        if self.access is Access.ALL:
            return select(cast(rows.c.pk, Text), rows.c.model, true(), rows.c.settings)
        # The permission is searched once for each component.
        guarded = materialize(select(*rows.c, _has_permission(rows).label("is_visible"))).c
        settings = case((guarded.is_visible, guarded.settings))
        return select(cast(guarded.pk, Text), guarded.model, guarded.is_visible, settings)

    def _select_rows(self) -> Subquery:
        if self.tables is None:
            types = self.component.types
            columns: list[Any] = [
                types.c.ptr_id.label("pk"),
                types.c.model.label("model"),
                cast(types.c.settings, Text).label("settings"),
            ]
            rows = select(*columns).where(InUuidArray(types.c.ptr_id, "pks"))
            return rows.subquery("components")
        keys = select(UuidArray("pks").as_table().c[VALUE_COLUMN]).cte("component_keys")
        selects = (_select_table(settings, keys) for settings in self.tables)
        return union_all(*selects).subquery("components")


def _select_table(settings: SettingsTable, keys: CTE) -> Select[*tuple[Any, ...]]:
    child = settings.child
    key: ColumnElement[str] = column(child.key, UUID)
    others: list[Any] = [column(item.column) for item in settings.columns]
    source = table(child.name, key, *others)
    columns: list[Any] = [
        source.c[child.key].label("pk"),
        cast(literal(child.model, TEXT), TEXT).label("model"),
        cast(_build_object(settings, source), Text).label("settings"),
    ]
    # PostgreSQL would parse the array for each row of a table that it scans.
    return select(*columns).where(InSubquery(source.c[child.key], select(*keys.c)))


def _build_object(settings: SettingsTable, source: TableClause) -> ColumnElement[Any]:
    pairs = list(_list_pairs(settings, source))
    parts = [
        func.jsonb_build_object(*chain.from_iterable(pairs[start : start + MAX_PAIRS]))
        for start in range(0, len(pairs), MAX_PAIRS)
    ]
    return reduce(lambda left, right: left.op("||")(right), parts or [func.jsonb_build_object()])


def _list_pairs(settings: SettingsTable, source: TableClause) -> Iterator[Pair]:
    """Yield the names and the values of settings. The columns of secrets are not selected."""
    for item in settings.columns:
        yield _quote(item.name), source.c[item.column]
    for item in settings.lists:
        yield _quote(item.name), _select_items(item, source.c[settings.child.key])
    for name in settings.secrets:
        yield _quote(name), cast(literal_column(_quote_text(SECRET_JSON)), JSONB)


def _quote(name: str) -> ColumnElement[str]:
    # A parameter would have no type.
    return literal_column(_quote_text(name), TEXT)


def _quote_text(text: str) -> str:
    escaped = text.replace("'", "''")
    return f"'{escaped}'"


def _select_items(item: SettingList, key: ColumnElement[str]) -> ColumnElement[Any]:
    """SELECT a list, sorted: authentik's lists have no order, but equal ones are to be equal."""
    columns: tuple[ColumnElement[Any], ...] = (column(item.owner), column(item.item))
    items = table(item.table, *columns)
    value = items.c[item.item]
    empty = literal_column("'[]'::jsonb", JSONB)
    values = func.coalesce(func.jsonb_agg(aggregate_order_by(value, value)), empty)
    return select(values).where(items.c[item.owner] == key).scalar_subquery()


def _has_permission(rows: FromClause) -> ColumnElement[bool]:
    """Return the condition that roles of the viewer may view objects of the type, or this object."""
    permissions = _select_view_permissions()
    models = select(permissions.c.model).where(
        InUuidArray(col(RoleModelPermission.role_id), ROLES),
        col(RoleModelPermission.permission_id) == permissions.c.permission,
        col(RoleModelPermission.content_type_id) == permissions.c.content_type,
    )
    objects = select(true()).where(
        permissions.c.model == rows.c.model,
        has_grant(permissions.c.permission, permissions.c.content_type, rows.c.pk),
    )
    return or_(InHashedSubquery(rows.c.model, models), exists_by_index(objects.correlate(rows)))


@cache
def _select_view_permissions() -> CTE:
    """Return the permissions to view objects (model, permission, content type), by model.

    It is cached, because a statement evaluates the same CTE object only once.
    """
    model = col(ContentType.app_label) + literal_column("'.'", TEXT) + col(ContentType.model)
    codename = literal_column("'view_'", TEXT) + col(ContentType.model)
    columns: list[Any] = [
        model.label("model"),
        col(Permission.id).label("permission"),
        col(ContentType.id).label("content_type"),
    ]
    permissions = (
        select(*columns)
        .join_from(ContentType, Permission, col(Permission.content_type_id) == col(ContentType.id))
        .where(col(Permission.codename) == codename)
    )
    return materialize(permissions)
