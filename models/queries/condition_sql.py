"""The SQL of conditions on flows and on components."""

from collections.abc import Iterator
from functools import partial

from sqlalchemy import ColumnElement, and_, false, or_, true

from models.queries.comparisons import ColumnSource, compare, compile_tree
from models.queries.components import ChildTables, Component
from models.queries.conditions import (
    UNIQUE_FLOW_COLUMNS,
    And,
    Comparison,
    Condition,
    Or,
    UsesComponent,
    is_selective,
)
from models.queries.uses import Search, compare_component, select_types, uses_to_sql


def to_sql(condition: Condition, columns: ColumnSource) -> ColumnElement[bool]:
    """Compile a condition to SQL on `Flow`. The result is never NULL."""
    if not is_selective(condition):
        return _to_sql(condition, columns, Search.ALL)
    match condition:
        case And(conditions):
            return and_(true(), *_start_with_one(conditions, columns))
        case Or(conditions):
            return or_(false(), *(to_sql(child, columns) for child in conditions))
        case _:
            return _to_sql(condition, columns, Search.FIRST)


def _start_with_one(
    conditions: tuple[Condition, ...], columns: ColumnSource
) -> Iterator[ColumnElement[bool]]:
    """Compile conditions of which one selects few flows. The others are looked up for these."""
    first = min(filter(is_selective, conditions), key=_rank)
    for condition in conditions:
        if condition is first:
            yield to_sql(condition, columns)
        else:
            yield _to_sql(condition, columns, Search.EACH)


def _rank(condition: Condition) -> int:
    """Return how slowly the database finds the flows that satisfy a selective condition."""
    if not isinstance(condition, Comparison):
        return 1
    return 0 if condition.column in UNIQUE_FLOW_COLUMNS else 2


def component_to_sql(
    condition: Condition, component: Component, child_tables: ChildTables, columns: ColumnSource
) -> ColumnElement[bool]:
    """Compile a condition to SQL on the sort columns of a component. The result is never NULL."""
    types = select_types(component, child_tables, is_inlined=True)
    return compile_tree(condition, partial(compare_component, columns, types))


def _to_sql(condition: Condition, columns: ColumnSource, search: Search) -> ColumnElement[bool]:
    def compile_leaf(leaf: Comparison | UsesComponent) -> ColumnElement[bool]:
        if isinstance(leaf, Comparison):
            return compare(columns[leaf.column], leaf)
        return uses_to_sql(leaf, search)

    return compile_tree(condition, compile_leaf)
