"""The SQL of conditions on flows and on components."""

from collections.abc import Iterator
from functools import partial

from sqlalchemy import ColumnElement, and_, false, or_, true

from models.queries.comparisons import ColumnSource, compare, compile_tree
from models.queries.components import ChildTables, Component
from models.queries.conditions import (
    And,
    Comparison,
    Condition,
    Or,
    Start,
    UsesComponent,
    find_start,
)
from models.queries.uses import Strategy, compare_component, select_types, uses_to_sql


def to_sql(condition: Condition, columns: ColumnSource) -> ColumnElement[bool]:
    """Compile a condition to SQL on `Flow`. The result is never NULL."""
    start = find_start(condition)
    match condition:
        case And(conditions) if start is not Start.VISIBLE_FLOWS:
            return and_(true(), *_start_with_one(conditions, columns))
        # Each part of the disjunction has an index.
        case Or(conditions) if start <= Start.COMPONENTS:
            return or_(false(), *(to_sql(child, columns) for child in conditions))
        case UsesComponent() if start is Start.COMPONENTS:
            return uses_to_sql(condition, Strategy.FROM_COMPONENTS)
        case _:
            return _to_sql(condition, columns, Strategy.ALL)


def _start_with_one(
    conditions: tuple[Condition, ...], columns: ColumnSource
) -> Iterator[ColumnElement[bool]]:
    """Compile conditions, the first of which selects flows. The others are looked up for these."""
    first, *others = sorted(conditions, key=find_start)
    yield to_sql(first, columns)
    for condition in others:
        yield _to_sql(condition, columns, Strategy.FROM_FLOWS)


def component_to_sql(
    condition: Condition, component: Component, child_tables: ChildTables, columns: ColumnSource
) -> ColumnElement[bool]:
    """Compile a condition to SQL on the sort columns of a component. The result is never NULL."""
    types = select_types(component, child_tables, is_inlined=True)
    # FlowQL's own database has one table of types, with an index. PostgreSQL would join all of it.
    compare_leaf = partial(compare_component, columns, types, looks_up_types=child_tables is None)
    return compile_tree(condition, compare_leaf)


def _to_sql(condition: Condition, columns: ColumnSource, strategy: Strategy) -> ColumnElement[bool]:
    def compile_leaf(leaf: Comparison | UsesComponent) -> ColumnElement[bool]:
        if isinstance(leaf, Comparison):
            return compare(columns[leaf.column], leaf)
        return uses_to_sql(leaf, strategy)

    return compile_tree(condition, compile_leaf)
