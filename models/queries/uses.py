"""The SQL of the condition that a flow uses a stage or a policy, which satisfies another condition.

A visible binding must bind a visible component. Values of a request are compared with visible
components only: the time does not depend on the names of hidden ones.
"""

from collections.abc import Callable, Iterable, Mapping
from enum import Enum, auto
from functools import cache, partial
from typing import Any, cast

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    SQLColumnExpression,
    and_,
    case,
    exists,
    false,
    or_,
    select,
    true,
    union_all,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlmodel import col

from models.queries.comparisons import ColumnSource, compare, compile_tree
from models.queries.components import ChildTables, Component, select_models
from models.queries.conditions import And, Comparison, UsesComponent
from models.queries.rights import ALL_RIGHTS, Permission, Rights
from models.queries.subselects import InHashedSubquery, InSubquery, SemiJoin, materialize
from models.tables.flow import Flow, FlowStageBinding
from models.tables.policy import PolicyBinding

STAGE_BINDING = (Permission.VIEW_STAGE_BINDING, col(FlowStageBinding.fsb_uuid))
POLICY_BINDING = (Permission.VIEW_POLICY_BINDING, col(PolicyBinding.policy_binding_uuid))


class Search(Enum):
    """How PostgreSQL finds the flows that use a component. SQLite has one way."""

    # It selects these flows first, from component to flow, with an index for each step.
    FIRST = auto()
    # It looks up the bindings of each flow that another condition selects.
    EACH = auto()
    # It compares all components, and all bindings with the result.
    ALL = auto()


class ByDialect(FunctionElement[bool]):
    """A condition for PostgreSQL, and the same condition for SQLite."""

    inherit_cache = True

    def __init__(self, *, postgresql: ColumnElement[bool], sqlite: ColumnElement[bool]) -> None:
        super().__init__(postgresql, sqlite)


@compiles(ByDialect, "postgresql")
def _postgresql_condition(element: ByDialect, compiler: SQLCompiler, **options: Any) -> str:
    condition, _ = element.clauses
    return f"({compiler.process(condition, **options)})"


@compiles(ByDialect, "sqlite")
def _sqlite_condition(element: ByDialect, compiler: SQLCompiler, **options: Any) -> str:
    _, condition = element.clauses
    return f"({compiler.process(condition, **options)})"


def uses_to_sql(uses: UsesComponent, search: Search) -> ColumnElement[bool]:
    """Compile the condition to SQL on `Flow`. The result is never NULL."""
    every = COMPILE[uses.component, Search.ALL](uses)
    if search is Search.ALL:
        return every
    return ByDialect(postgresql=COMPILE[uses.component, search](uses), sqlite=every)


def _find_by_stages(uses: UsesComponent) -> ColumnElement[bool]:
    flows = select(col(FlowStageBinding.target_id)).where(
        *uses.rights.conditions(*STAGE_BINDING),
        InSubquery(col(FlowStageBinding.stage_id), _select_named(uses)),
    )
    return InSubquery(col(Flow.flow_uuid), flows)


def _find_by_policies(uses: UsesComponent) -> ColumnElement[bool]:
    bindings = select(col(PolicyBinding.target_id)).where(
        *uses.rights.conditions(*POLICY_BINDING),
        InSubquery(col(PolicyBinding.policy_id), _select_named(uses)),
    )
    targets = select(*materialize(bindings).c)
    flows = select(col(Flow.flow_uuid)).where(
        InSubquery(col(Flow.policybindingmodel_ptr_id), targets)
    )
    flows_by_stage_binding = select(col(FlowStageBinding.target_id)).where(
        *uses.rights.conditions(*STAGE_BINDING),
        InSubquery(col(FlowStageBinding.policybindingmodel_ptr_id), targets),
    )
    # The SELECTs have tables of their own.
    rows = union_all(flows.correlate(None), flows_by_stage_binding.correlate(None))
    return InSubquery(col(Flow.flow_uuid), rows)


def _select_named(uses: UsesComponent) -> Select[Any]:
    """SELECT the visible components that satisfy a condition. Their types are looked up for each."""
    types = select_types(uses.component, uses.child_tables, is_inlined=True)
    columns = _select_visible_columns(uses.component, uses.rights)
    condition = compile_tree(uses.condition, partial(_look_up, columns, types))
    return select(columns["pk"]).where(condition).correlate(None)


def _look_up_stage(uses: UsesComponent) -> ColumnElement[bool]:
    is_match = _look_up_component(uses, col(FlowStageBinding.stage_id))
    is_use = _guard(uses.rights.conditions(*STAGE_BINDING), is_match)
    return _has_row(col(FlowStageBinding.target_id), col(Flow.flow_uuid), is_use)


def _look_up_policy(uses: UsesComponent) -> ColumnElement[bool]:
    is_match = _look_up_component(uses, col(PolicyBinding.policy_id))
    is_use = _guard(uses.rights.conditions(*POLICY_BINDING), is_match)
    target, by_stage = col(PolicyBinding.target_id), col(FlowStageBinding.policybindingmodel_ptr_id)
    is_use_by_stage = _guard(
        uses.rights.conditions(*STAGE_BINDING), _has_row(target, by_stage, is_use)
    )
    return or_(
        _has_row(target, col(Flow.policybindingmodel_ptr_id), is_use),
        _has_row(col(FlowStageBinding.target_id), col(Flow.flow_uuid), is_use_by_stage),
    )


def _look_up_component(
    uses: UsesComponent, bound_key: SQLColumnExpression[Any]
) -> ColumnElement[bool]:
    component = uses.component
    is_visible = uses.rights.conditions(component.permission, bound_key)
    if uses.condition == And(()):
        return and_(bound_key.is_not(None), *is_visible)
    types = select_types(component, uses.child_tables, is_inlined=True)
    columns = component.sort_columns
    condition = compile_tree(uses.condition, partial(_look_up, columns, types))
    return _guard(is_visible, _has_row(component.key, bound_key, condition))


def _has_row(
    key: SQLColumnExpression[Any],
    value: SQLColumnExpression[Any],
    condition: ColumnElement[bool],
) -> ColumnElement[bool]:
    """Return the condition that a row with a key satisfies a condition.

    A range and IS TRUE have one plan: a search of the index for each value.
    """
    table = cast(ColumnElement[Any], key).table
    row = select(true()).select_from(table).where(key.between(value, value), condition)
    return exists(row.correlate_except(table)).is_(true())


def _guard(
    is_visible: Iterable[ColumnElement[bool]], condition: ColumnElement[bool]
) -> ColumnElement[bool]:
    """Return a condition that is evaluated for visible rows only."""
    conditions = list(is_visible)
    return case((and_(*conditions), condition), else_=false()) if conditions else condition


def _look_up(
    columns: ColumnSource, types: FromClause | None, leaf: Comparison | UsesComponent
) -> ColumnElement[bool]:
    comparison = cast(Comparison, leaf)
    if comparison.column != "type":
        return compare(columns[comparison.column], comparison)
    # An unknown type matches nothing.
    if types is None:
        return false()
    row = select(true()).select_from(types)
    row = row.where(types.c.ptr_id == columns["pk"], compare(types.c.model, comparison))
    return exists(row.correlate_except(types)).is_(true())


def _compare_stages(uses: UsesComponent) -> ColumnElement[bool]:
    flows = select(col(FlowStageBinding.target_id)).where(
        *uses.rights.list_conditions(*STAGE_BINDING),
        _is_match(uses, col(FlowStageBinding.stage_id)),
    )
    return _is_in(uses, col(Flow.flow_uuid), flows)


def _compare_policies(uses: UsesComponent) -> ColumnElement[bool]:
    targets = select(col(PolicyBinding.target_id)).where(
        *uses.rights.list_conditions(*POLICY_BINDING),
        _is_match(uses, col(PolicyBinding.policy_id)),
    )
    targets = _share(uses, targets)
    flows_by_stage_binding = select(col(FlowStageBinding.target_id)).where(
        *uses.rights.list_conditions(*STAGE_BINDING),
        _is_in(uses, col(FlowStageBinding.policybindingmodel_ptr_id), targets),
    )
    return or_(
        _is_in(uses, col(Flow.policybindingmodel_ptr_id), targets),
        _is_in(uses, col(Flow.flow_uuid), flows_by_stage_binding),
    )


def _is_match(uses: UsesComponent, bound_key: SQLColumnExpression[Any]) -> ColumnElement[bool]:
    """Return the condition that the component with the bound key satisfies `uses.condition`."""
    component, rights = uses.component, uses.rights
    if uses.condition == And(()):
        is_visible = rights.join_conditions(component.permission, bound_key)
        return and_(bound_key.is_not(None), *is_visible)
    types = select_types(component, uses.child_tables)
    columns = _select_visible_columns(component, rights)
    # Components are selected before their bindings, because there are far fewer of them.
    components = select(columns["pk"]).where(
        compile_tree(uses.condition, partial(compare_component, columns, types))
    )
    return _is_in(uses, bound_key, components)


def _is_in(
    uses: UsesComponent, column: SQLColumnExpression[Any], rows: Select[Any]
) -> ColumnElement[bool]:
    """Return the condition that a column has one of the values.

    If the viewer sees everything, the first flows of a list may satisfy the condition: PostgreSQL
    decides by its statistics whether to start with flows. Other viewers' flows are selected first.
    """
    membership = SemiJoin if uses.rights == ALL_RIGHTS else InHashedSubquery
    return membership(column, rows)


def _share(uses: UsesComponent, rows: Select[Any]) -> Select[Any]:
    """Return a SELECT that is evaluated once, unless PostgreSQL plans joins with it."""
    return rows if uses.rights == ALL_RIGHTS else select(*materialize(rows).c)


COMPILE: Mapping[tuple[Component, Search], Callable[[UsesComponent], ColumnElement[bool]]] = {
    (Component.STAGE, Search.FIRST): _find_by_stages,
    (Component.STAGE, Search.EACH): _look_up_stage,
    (Component.STAGE, Search.ALL): _compare_stages,
    (Component.POLICY, Search.FIRST): _find_by_policies,
    (Component.POLICY, Search.EACH): _look_up_policy,
    (Component.POLICY, Search.ALL): _compare_policies,
}


def _select_visible_columns(component: Component, rights: Rights) -> ColumnSource:
    """Return the sort columns of the visible components, which are selected before conditions."""
    is_visible = list(rights.list_conditions(component.permission, component.key))
    if not is_visible:
        return component.sort_columns
    return materialize(component.select_sort_columns().where(*is_visible)).c


def compare_component(
    columns: ColumnSource, types: FromClause | None, leaf: Comparison | UsesComponent
) -> ColumnElement[bool]:
    """Compile a comparison of a component, which suits lists of components."""
    # A condition on components has no other leaves.
    comparison = cast(Comparison, leaf)
    if comparison.column != "type":
        return compare(columns[comparison.column], comparison)
    # An unknown type matches nothing.
    if types is None:
        return false()
    keys = select(types.c.ptr_id).where(compare(types.c.model, comparison))
    return SemiJoin(columns["pk"], keys)


@cache
def select_types(
    component: Component, child_tables: ChildTables, *, is_inlined: bool = False
) -> FromClause | None:
    """Return (ptr_id, model) of all components, None without tables of types.

    PostgreSQL reads only the tables of matching types if it inlines the CTE in each condition. The
    result is cached, because a statement renders the same CTE object only once.
    """
    if child_tables is None:
        return component.types
    if not child_tables:
        return None
    types = union_all(*map(select_models, child_tables)).cte(f"types_by_{component.value}")
    return types.prefix_with("NOT MATERIALIZED", dialect="postgresql") if is_inlined else types
