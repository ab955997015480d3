"""Lists of components: stages or policies by their primary keys, and those that match a condition.

They contain only visible components that a visible flow uses.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import (
    CTE,
    ColumnElement,
    CompoundSelect,
    Select,
    Text,
    cast,
    func,
    literal_column,
    select,
)
from sqlmodel import col

from models.queries.arrays import InTextArray, InUuidArray
from models.queries.comparisons import ColumnSource
from models.queries.components import Component, TypeLookup, join_types, table_of
from models.queries.condition_sql import component_to_sql
from models.queries.conditions import Condition
from models.queries.flows import Ordering
from models.queries.rights import ALL_RIGHTS, Rights
from models.queries.subselects import InSubquery, materialize
from models.tables.stage import Stage

# The order of lists.
BY_NAME = (Ordering("name"), Ordering("pk"))


class ComponentsByPk(NamedTuple):
    """SELECT the components with the primary keys `pks`; the first column is the key.

    Parameters: `pks`, and those of `rights`.
    """

    types: TypeLookup
    columns: tuple[str, ...]
    rights: Rights

    def select(self) -> Select[*tuple[Any, ...]]:
        """Return the SELECT, without an order."""
        component = self.types.component
        key: ColumnElement[Any] = cast(component.key, Text)
        keys = component.select_visible("pks", self.rights)
        return _select_by_key(self.types, self.columns, self.rights, keys, key)


class AnyComponentsByPk(NamedTuple):
    """SELECT the components with the primary keys `pks`, whether a flow uses them or not.

    Only an export reads them, for a viewer who may see all of them. Parameter: `pks`.
    """

    component: Component
    columns: tuple[str, ...]

    def select(self) -> Select[*tuple[Any, ...]]:
        """Return the SELECT, without an order."""
        columns = self.component.columns(ALL_RIGHTS)
        selected: list[Any] = [columns[name] for name in self.columns]
        return select(*selected).where(InUuidArray(self.component.key, "pks"))


class StagesByName(NamedTuple):
    """SELECT the names of stages among the list parameter `names`."""

    def select(self) -> Select[str]:
        """Return the SELECT."""
        name = col(Stage.name)
        return select(name).where(InTextArray(name, "names")).order_by(name)


class Components(NamedTuple):
    """SELECT the components that match a condition, without an order.

    Parameters: those of `where` and of `rights`.
    """

    types: TypeLookup
    columns: tuple[str, ...]
    rights: Rights
    where: Condition | None = None

    @property
    def cursor_prefix(self) -> str:
        """The start of the ordering in cursors."""
        return f"{self._component.name.lower()}:"

    @property
    def sort_columns(self) -> ColumnSource:
        """The expressions of the columns that components can be sorted by."""
        return self._component.sort_columns

    @property
    def key(self) -> str:
        """The unique column that identifies the components of a page."""
        return "pk"

    @property
    def has_conditions(self) -> bool:
        """True unless the list contains all components that flows use."""
        return self.where is not None or self._component.may_hide(self.rights)

    @property
    def is_selective(self) -> bool:
        """False: names of components are in an index."""
        return False

    @property
    def sorts_in_place(self) -> bool:
        """True if all components are visible, and all columns are from the component's own row."""
        return "type" not in self.columns and not self._component.may_hide(self.rights)

    def select(self) -> Select[*tuple[Any, ...]]:
        """Return the SELECT of the matching components, all visible, without their types."""
        component = self._component
        rows = _select_columns(self.columns, component.columns(self.rights))
        conditions = component.conditions(self.rights)
        return rows.select_from(component.table).where(
            *conditions, *self._matches(self.sort_columns)
        )

    def select_by_key(self, keys: Select[str]) -> Select[*tuple[Any, ...]]:
        """Return the SELECT of the components with these keys, all of which match."""
        return _select_by_key(self.types, self.columns, self.rights, keys)

    def select_matches(self, ordering: Sequence[Ordering]) -> Select[*tuple[Any, ...]]:
        """Return the SELECT of the sort columns of the matching components."""
        rows = self._select_matches()
        return rows.with_only_columns(*(rows.selected_columns[term.name] for term in ordering))

    def select_count(self) -> Select[int]:
        """Return the SELECT of the number of matching components."""
        return self._select_matches().with_only_columns(func.count(), maintain_column_froms=True)

    @property
    def _component(self) -> Component:
        return self.types.component

    def _select_matches(self) -> Select[*tuple[Any, ...]]:
        """SELECT the sort columns of the matching components.

        If components may be hidden, only the visible ones are compared with values of the request:
        the time does not depend on names of hidden components.
        """
        if self._component.may_hide(self.rights):
            visible = _materialize_visible(self._component, self.rights)
            return select(*visible.c).where(*self._matches(visible.c))
        rows = _select_visible(self._component, self.rights)
        return rows.where(*self._matches(self.sort_columns))

    def _matches(self, columns: ColumnSource) -> Iterator[ColumnElement[bool]]:
        if self.where is not None:
            component, child_tables = self._component, self.types.child_tables
            yield component_to_sql(self.where, component, child_tables, columns)


@cache
def _materialize_visible(component: Component, rights: Rights) -> CTE:
    """Return a CTE of the visible components.

    It is cached, because a statement evaluates the same CTE object only once.
    """
    return materialize(_select_visible(component, rights))


def _select_visible(component: Component, rights: Rights) -> Select[*tuple[Any, ...]]:
    return component.select_sort_columns().where(*component.conditions(rights))


def _select_by_key(
    types: TypeLookup,
    names: tuple[str, ...],
    rights: Rights,
    keys: Select[Any] | CompoundSelect[Any],
    *leading: ColumnElement[Any],
) -> Select[*tuple[Any, ...]]:
    component, selected = types.component, select(*keys.cte("page").c)
    columns, source = join_types(
        component.columns(rights),
        table_of(component.table),
        "",
        types if "type" in names else None,
        selected,
    )
    rows = _select_columns(names, columns, *leading).select_from(source)
    return rows.where(InSubquery(component.key, selected))


def _select_columns(
    names: tuple[str, ...], columns: Any, *leading: ColumnElement[Any]
) -> Select[*tuple[Any, ...]]:
    selected = [*leading, *(columns[name] for name in names)]
    return select(*(selected or [literal_column("1")]))
