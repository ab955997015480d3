"""The SQL of the condition that a flow uses a stage or a policy, which satisfies another condition.

A visible binding must bind a visible component. Values of a request are compared with visible
components only: the time does not depend on the names of hidden ones.
"""

from collections.abc import Callable, Mapping
from enum import Enum, auto
from functools import cache, partial
from typing import Any, NamedTuple, TypeAlias, cast

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    SQLColumnExpression,
    and_,
    case,
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
from models.queries.rights import Access, Permission, Rights
from models.queries.subselects import (
    InHashedSubquery,
    InSubquery,
    SemiJoin,
    exists_by_index,
    materialize,
)
from models.tables.flow import Flow, FlowStageBinding
from models.tables.policy import PolicyBinding

# A permission, and the key of the object that it is for.
KeyRight: TypeAlias = tuple[Permission, SQLColumnExpression[Any]]
# Compiles the condition that the component with the bound key matches.
CompileMatch: TypeAlias = Callable[[UsesComponent, SQLColumnExpression[Any]], ColumnElement[bool]]

FLOW_RIGHT: KeyRight = (Permission.VIEW_FLOW, col(Flow.flow_uuid))
STAGE_BINDING_RIGHT: KeyRight = (Permission.VIEW_STAGE_BINDING, col(FlowStageBinding.fsb_uuid))
POLICY_BINDING_RIGHT: KeyRight = (
    Permission.VIEW_POLICY_BINDING,
    col(PolicyBinding.policy_binding_uuid),
)

# The permissions to view the uses of components.
STAGE_USE = (Permission.VIEW_FLOW, Permission.VIEW_STAGE_BINDING)
USE_PERMISSIONS = {
    Component.STAGE: STAGE_USE,
    Component.POLICY: (*STAGE_USE, Permission.VIEW_POLICY_BINDING),
}


class Strategy(Enum):
    """How PostgreSQL finds the flows that use a component. SQLite has one way."""

    # It starts with components that have a name, and searches an index for each step to the flows.
    FROM_COMPONENTS = auto()
    # It looks up the bindings and components of flows that another condition selects.
    FROM_FLOWS = auto()
    # It compares all components, and then the bindings of all flows that the viewer may see.
    ALL = auto()


class ByDialect(FunctionElement[bool]):
    """A condition for PostgreSQL, and the same condition for SQLite.

    Only one of them is compiled, because compilation adds its CTEs to the statement.
    """

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


def uses_to_sql(uses: UsesComponent, strategy: Strategy) -> ColumnElement[bool]:
    """Compile the condition to SQL on `Flow`. The result is never NULL."""
    compare_all, find, look_up = FUNCTIONS[uses.component]
    has_all_flows = uses.rights.view_flow is Access.ALL
    match strategy:
        case Strategy.FROM_COMPONENTS:
            condition = find(uses)
        case Strategy.FROM_FLOWS:
            condition = _guard(uses.rights, FLOW_RIGHT, look_up(uses, _look_up_component))
        case Strategy.ALL if has_all_flows:
            return compare_all(uses)
        case Strategy.ALL:
            condition = look_up(uses, _is_match)
    return ByDialect(postgresql=condition, sqlite=compare_all(uses))


def _find_by_stages(uses: UsesComponent) -> ColumnElement[bool]:
    flows = select(col(FlowStageBinding.target_id)).where(
        *uses.rights.join_conditions(*STAGE_BINDING_RIGHT),
        InSubquery(col(FlowStageBinding.stage_id), _select_named(uses)),
    )
    return InSubquery(col(Flow.flow_uuid), flows)


def _find_by_policies(uses: UsesComponent) -> ColumnElement[bool]:
    bindings = select(col(PolicyBinding.target_id)).where(
        *uses.rights.join_conditions(*POLICY_BINDING_RIGHT),
        InSubquery(col(PolicyBinding.policy_id), _select_named(uses)),
    )
    targets = select(*materialize(bindings).c)
    flows = select(col(Flow.flow_uuid)).where(
        InSubquery(col(Flow.policybindingmodel_ptr_id), targets)
    )
    flows_by_stage_binding = select(col(FlowStageBinding.target_id)).where(
        *uses.rights.join_conditions(*STAGE_BINDING_RIGHT),
        InSubquery(col(FlowStageBinding.policybindingmodel_ptr_id), targets),
    )
    # The SELECTs have tables of their own.
    rows = union_all(flows.correlate(None), flows_by_stage_binding.correlate(None))
    return InSubquery(col(Flow.flow_uuid), rows)


def _select_named(uses: UsesComponent) -> Select[Any]:
    """SELECT the visible components that satisfy a condition. Their types are looked up for each."""
    types = select_types(uses.component, uses.child_tables, is_inlined=True)
    columns = _select_visible_columns(uses.component, uses.rights)
    condition = compile_tree(
        uses.condition, partial(compare_component, columns, types, looks_up_types=True)
    )
    return select(columns["pk"]).where(condition).correlate(None)


def _look_up_stage(uses: UsesComponent, compile_match: CompileMatch) -> ColumnElement[bool]:
    is_use = _guard(
        uses.rights, STAGE_BINDING_RIGHT, compile_match(uses, col(FlowStageBinding.stage_id))
    )
    return _has_row(col(FlowStageBinding.target_id), col(Flow.flow_uuid), is_use)


def _look_up_policy(uses: UsesComponent, compile_match: CompileMatch) -> ColumnElement[bool]:
    is_use = _guard(
        uses.rights, POLICY_BINDING_RIGHT, compile_match(uses, col(PolicyBinding.policy_id))
    )
    target, by_stage = col(PolicyBinding.target_id), col(FlowStageBinding.policybindingmodel_ptr_id)
    is_use_by_stage = _guard(uses.rights, STAGE_BINDING_RIGHT, _has_row(target, by_stage, is_use))
    return or_(
        _has_row(target, col(Flow.policybindingmodel_ptr_id), is_use),
        _has_row(col(FlowStageBinding.target_id), col(Flow.flow_uuid), is_use_by_stage),
    )


def _look_up_component(
    uses: UsesComponent, bound_key: SQLColumnExpression[Any]
) -> ColumnElement[bool]:
    right = (uses.component.permission, bound_key)
    if uses.condition == And(()):
        return and_(bound_key.is_not(None), *uses.rights.conditions(*right))
    types = select_types(uses.component, uses.child_tables, is_inlined=True)
    columns = uses.component.sort_columns
    condition = compile_tree(
        uses.condition, partial(compare_component, columns, types, looks_up_types=True)
    )
    return _guard(uses.rights, right, _has_row(uses.component.key, bound_key, condition))


def _has_row(
    key: SQLColumnExpression[Any],
    value: SQLColumnExpression[Any],
    condition: ColumnElement[bool],
) -> ColumnElement[bool]:
    """Return the condition that a row with a key satisfies a condition."""
    table = cast(ColumnElement[Any], key).table
    row = select(true()).select_from(table).where(key == value, condition)
    return exists_by_index(row.correlate_except(table))


def _guard(rights: Rights, right: KeyRight, condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """Return a condition that is evaluated for visible rows only."""
    is_visible = list(rights.conditions(*right))
    return case((and_(*is_visible), condition), else_=false()) if is_visible else condition


def _compare_stages(uses: UsesComponent) -> ColumnElement[bool]:
    flows = select(col(FlowStageBinding.target_id)).where(
        *uses.rights.list_conditions(*STAGE_BINDING_RIGHT),
        _is_match(uses, col(FlowStageBinding.stage_id)),
    )
    return _is_in(uses, col(Flow.flow_uuid), flows)


def _compare_policies(uses: UsesComponent) -> ColumnElement[bool]:
    targets = select(col(PolicyBinding.target_id)).where(
        *uses.rights.list_conditions(*POLICY_BINDING_RIGHT),
        _is_match(uses, col(PolicyBinding.policy_id)),
    )
    targets = _share(uses, targets)
    flows_by_stage_binding = select(col(FlowStageBinding.target_id)).where(
        *uses.rights.list_conditions(*STAGE_BINDING_RIGHT),
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

    If the viewer sees all uses, the first flows of a list may satisfy the condition: PostgreSQL
    decides by its statistics whether to start with flows.
    """
    membership = SemiJoin if _has_all(uses) else InHashedSubquery
    return membership(column, rows)


def _share(uses: UsesComponent, rows: Select[Any]) -> Select[Any]:
    """Return a SELECT that is evaluated once, unless PostgreSQL plans joins with it."""
    return rows if _has_all(uses) else select(*materialize(rows).c)


def _has_all(uses: UsesComponent) -> bool:
    """Return True if the viewer sees all uses of components of one kind."""
    permissions = (*USE_PERMISSIONS[uses.component], uses.component.permission)
    return all(uses.rights.access(permission) is Access.ALL for permission in permissions)


class Functions(NamedTuple):
    """The functions that compile a condition on one kind of component."""

    compare_all: Callable[[UsesComponent], ColumnElement[bool]]
    find: Callable[[UsesComponent], ColumnElement[bool]]
    look_up: Callable[[UsesComponent, CompileMatch], ColumnElement[bool]]


FUNCTIONS: Mapping[Component, Functions] = {
    Component.STAGE: Functions(_compare_stages, _find_by_stages, _look_up_stage),
    Component.POLICY: Functions(_compare_policies, _find_by_policies, _look_up_policy),
}


def _select_visible_columns(component: Component, rights: Rights) -> ColumnSource:
    """Return the sort columns of the visible components, which are selected before conditions."""
    is_visible = list(rights.list_conditions(component.permission, component.key))
    if not is_visible:
        return component.sort_columns
    return materialize(component.select_sort_columns().where(*is_visible)).c


def compare_component(
    columns: ColumnSource,
    types: FromClause | None,
    leaf: Comparison | UsesComponent,
    *,
    looks_up_types: bool = False,
) -> ColumnElement[bool]:
    """Compile a comparison of a component, whose type is joined, or looked up for each component."""
    # A condition on components has no other leaves.
    comparison = cast(Comparison, leaf)
    if comparison.column != "type":
        return compare(columns[comparison.column], comparison)
    # An unknown type matches nothing.
    if types is None:
        return false()
    is_match = compare(types.c.model, comparison)
    if not looks_up_types:
        return SemiJoin(columns["pk"], select(types.c.ptr_id).where(is_match))
    row = select(true()).select_from(types).where(types.c.ptr_id == columns["pk"], is_match)
    return exists_by_index(row.correlate_except(types))


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
