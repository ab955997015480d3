"""Lists of components: stages or policies by their primary keys, and those that match a condition.

They contain only visible components that a visible flow uses.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Select,
    Text,
    cast,
    func,
    literal_column,
    select,
)

from models.queries.arrays import InSubquery
from models.queries.components import Component, TypeLookup, join_types, table_of
from models.queries.conditions import ColumnSource, Condition, component_to_sql
from models.queries.flows import Ordering
from models.queries.rights import Access, Rights

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
        access = (self.rights.view_flow, self.rights.access(self._component.permission))
        return self.where is not None or access != (Access.ALL, Access.ALL)

    @property
    def sorts_in_place(self) -> bool:
        """True if all columns are from the component's own row."""
        return "type" not in self.columns

    def select(self) -> Select[*tuple[Any, ...]]:
        """Return the SELECT of the matching components, without their types."""
        component = self._component
        rows = _select_columns(self.columns, component.columns(self.rights))
        return rows.select_from(component.table).where(*self._conditions())

    def select_by_key(self, keys: Select[str]) -> Select[*tuple[Any, ...]]:
        """Return the SELECT of the components with these keys, all of which match."""
        return _select_by_key(self.types, self.columns, self.rights, keys)

    def select_matches(self, ordering: Sequence[Ordering]) -> Select[*tuple[Any, ...]]:
        """Return the SELECT of the sort columns of the matching components."""
        columns: list[Any] = [self.sort_columns[term.name].label(term.name) for term in ordering]
        return select(*columns).select_from(self._component.table).where(*self._conditions())

    def select_count(self) -> Select[int]:
        """Return the SELECT of the number of matching components."""
        rows = select(func.count()).select_from(self._component.table)
        return rows.where(*self._conditions())

    @property
    def _component(self) -> Component:
        return self.types.component

    def _conditions(self) -> Iterator[ColumnElement[bool]]:
        yield from self._component.conditions(self.rights)
        if self.where is not None:
            yield component_to_sql(self.where, self._component, self.types.child_tables)


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
