"""Conditions on flows and components: a tree of parameter names, which compiles to one SQL condition.

Equal trees compile to equal SQL. The values are bound at execution.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from functools import cache, partial
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias, TypeVar, cast

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    FromClause,
    Select,
    SQLColumnExpression,
    and_,
    bindparam,
    false,
    not_,
    or_,
    select,
    true,
    union_all,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.base import ReadOnlyColumnCollection
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeEngine
from sqlmodel import col

from models.queries.arrays import InTextArray, InUuidArray, compile_clauses
from models.queries.components import ChildTables, Component, materialize, select_models
from models.queries.rights import Permission, Rights
from models.queries.search import Fold
from models.tables.columns import TEXT, UUID
from models.tables.flow import Flow, FlowStageBinding
from models.tables.policy import PolicyBinding

F = TypeVar("F", bound=type[FunctionElement[Any]])
ColumnSource: TypeAlias = (
    Mapping[str, SQLColumnExpression[Any]] | ReadOnlyColumnCollection[str, ColumnElement[Any]]
)


class Operator(Enum):
    """The comparison of a column with a parameter."""

    EQUALS = auto()
    # The parameter is a list of strings or UUIDs.
    IN = auto()
    # These have no wildcards.
    CONTAINS = auto()
    CONTAINS_INSENSITIVE = auto()
    STARTS_WITH = auto()
    ENDS_WITH = auto()


@dataclass(frozen=True, slots=True)
class And:
    """A conjunction; true if it is empty."""

    conditions: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class Or:
    """A disjunction; false if it is empty."""

    conditions: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class Not:
    """A negation."""

    condition: "Condition"


@dataclass(frozen=True, slots=True)
class Comparison:
    """A comparison of a column with a parameter.

    The columns of a flow are its orderings; those of a stage or a policy are pk, name and type.
    """

    column: str
    operator: Operator
    parameter: str


@dataclass(frozen=True, slots=True)
class UsesComponent:
    """The condition that a flow uses a stage or a policy that satisfies a condition.

    The use and the component must be visible. `child_tables` are authentik's tables of its types,
    None in FlowQL's own database.
    """

    component: Component
    condition: "Condition"
    child_tables: ChildTables
    rights: Rights


Condition: TypeAlias = And | Or | Not | Comparison | UsesComponent
CompileComparison: TypeAlias = Callable[[Comparison], ColumnElement[bool]]


class WhereClause(NamedTuple):
    """A condition and the values of its parameters; no condition matches everything."""

    condition: Condition | None = None
    values: Mapping[str, Any] = MappingProxyType({})


NO_CONDITION = WhereClause()


def to_sql(condition: Condition, columns: ColumnSource) -> ColumnElement[bool]:
    """Compile a condition to SQL on `Flow`. The result is never NULL."""
    return _to_sql(condition, partial(_compare_column, columns))


def component_to_sql(
    condition: Condition, component: Component, child_tables: ChildTables, columns: ColumnSource
) -> ColumnElement[bool]:
    """Compile a condition to SQL on the sort columns of a component. The result is never NULL."""
    types = _component_types(component, child_tables, is_inlined=True)
    return _to_sql(condition, partial(_compare_component, columns, types))


def _to_sql(condition: Condition, compile_comparison: CompileComparison) -> ColumnElement[bool]:
    match condition:
        case And(conditions):
            return and_(true(), *(_to_sql(child, compile_comparison) for child in conditions))
        case Or(conditions):
            return or_(false(), *(_to_sql(child, compile_comparison) for child in conditions))
        case Not(child):
            return not_(_to_sql(child, compile_comparison))
        case Comparison():
            return compile_comparison(condition)
        case UsesComponent():
            return COMPILE_USES[condition.component](condition)


def _compare_column(columns: ColumnSource, comparison: Comparison) -> ColumnElement[bool]:
    return _compare(columns[comparison.column], comparison)


def _compare(column: SQLColumnExpression[Any], comparison: Comparison) -> ColumnElement[bool]:
    part = bindparam(comparison.parameter, type_=TEXT)
    match comparison.operator:
        case Operator.EQUALS:
            return column == column_parameter(comparison.parameter, column)
        case Operator.IN:
            in_array = InUuidArray if _type_of(column) is UUID else InTextArray
            return in_array(column, comparison.parameter)
        case Operator.CONTAINS:
            return Contains(column, part)
        case Operator.CONTAINS_INSENSITIVE:
            # A subquery folds the parameter once, not for each row.
            return Contains(Fold(column), select(Fold(part)).scalar_subquery())
        case Operator.STARTS_WITH:
            return StartsWith(column, part)
        case Operator.ENDS_WITH:
            return EndsWith(column, part)


def column_parameter(name: str, column: SQLColumnExpression[Any]) -> BindParameter[Any]:
    """Return a parameter with the type of a column, so that the column's index is usable."""
    return bindparam(name, type_=_type_of(column))


def _type_of(column: SQLColumnExpression[Any]) -> TypeEngine[Any]:
    # SQLAlchemy's annotations omit the type of a mapped attribute.
    return cast(ColumnElement[Any], column).type


def _uses_stage(uses: UsesComponent) -> ColumnElement[bool]:
    flows = select(col(FlowStageBinding.target_id)).where(
        *uses.rights.join_conditions(Permission.VIEW_STAGE_BINDING, col(FlowStageBinding.fsb_uuid)),
        _is_matching(uses, col(FlowStageBinding.stage_id)),
    )
    return SemiJoin(col(Flow.flow_uuid), flows)


def _uses_policy(uses: UsesComponent) -> ColumnElement[bool]:
    rights = uses.rights
    targets = select(col(PolicyBinding.target_id)).where(
        *rights.join_conditions(
            Permission.VIEW_POLICY_BINDING, col(PolicyBinding.policy_binding_uuid)
        ),
        _is_matching(uses, col(PolicyBinding.policy_id)),
    )
    flows_by_stage_binding = select(col(FlowStageBinding.target_id)).where(
        *rights.join_conditions(Permission.VIEW_STAGE_BINDING, col(FlowStageBinding.fsb_uuid)),
        SemiJoin(col(FlowStageBinding.policybindingmodel_ptr_id), targets),
    )
    return or_(
        SemiJoin(col(Flow.policybindingmodel_ptr_id), targets),
        SemiJoin(col(Flow.flow_uuid), flows_by_stage_binding),
    )


COMPILE_USES: Mapping[Component, Callable[[UsesComponent], ColumnElement[bool]]] = {
    Component.STAGE: _uses_stage,
    Component.POLICY: _uses_policy,
}


def _is_matching(uses: UsesComponent, bound_key: SQLColumnExpression[Any]) -> ColumnElement[bool]:
    """Return the condition that the component with the bound key satisfies `uses.condition`."""
    component, rights = uses.component, uses.rights
    if uses.condition == And(()):
        is_visible = rights.join_conditions(component.permission, bound_key)
        return and_(bound_key.is_not(None), *is_visible)
    types = _component_types(component, uses.child_tables)
    columns = _select_visible_columns(component, rights)
    # Components are selected before their bindings, because there are far fewer of them.
    components = select(columns["pk"]).where(
        _to_sql(uses.condition, partial(_compare_component, columns, types))
    )
    return SemiJoin(bound_key, components)


def _select_visible_columns(component: Component, rights: Rights) -> ColumnSource:
    """Return the sort columns of the visible components, which are selected before conditions."""
    is_visible = list(rights.list_conditions(component.permission, component.key))
    if not is_visible:
        return component.sort_columns
    return materialize(component.select_sort_columns().where(*is_visible)).c


def _compare_component(
    columns: ColumnSource, types: FromClause | None, comparison: Comparison
) -> ColumnElement[bool]:
    if comparison.column != "type":
        return _compare_column(columns, comparison)
    # An unknown type matches nothing.
    if types is None:
        return false()
    keys = select(types.c.ptr_id).where(_compare(types.c.model, comparison))
    return SemiJoin(columns["pk"], keys)


@cache
def _component_types(
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


class SemiJoin(FunctionElement[bool]):
    """The condition that a value is a result of a SELECT, which has no NULLs."""

    inherit_cache = True

    def __init__(self, column: SQLColumnExpression[Any], rows: Select[Any]) -> None:
        # SQLite's parser limits the nesting of subqueries, so the SELECT is a CTE. PostgreSQL
        # inlines it.
        cte = rows.cte().prefix_with("NOT MATERIALIZED", dialect="postgresql")
        super().__init__(column, select(cte).scalar_subquery())


@compiles(SemiJoin, "postgresql")
def _postgresql_semi_join(element: SemiJoin, compiler: SQLCompiler, **options: Any) -> str:
    # Under NOT or OR, PostgreSQL scans the result of IN for each row unless a hash table of it fits
    # in memory. EXISTS can use an index there, and elsewhere has the same plan as IN.
    column, rows = compile_clauses(element, compiler, options)
    return f"EXISTS (SELECT FROM {rows} AS candidates (value) WHERE candidates.value = {column})"


@compiles(SemiJoin, "sqlite")
def _sqlite_semi_join(element: SemiJoin, compiler: SQLCompiler, **options: Any) -> str:
    column, rows = compile_clauses(element, compiler, options)
    return f"{column} IN {rows}"


def _compile_as(*, postgresql: str, sqlite: str) -> Callable[[F], F]:
    """Compile a function to the SQL of a template, which contains the arguments by number."""

    def register(function: F) -> F:
        for dialect, template in (("postgresql", postgresql), ("sqlite", sqlite)):
            compiles(function, dialect)(partial(_fill, template))
        return function

    return register


def _fill(
    template: str, element: FunctionElement[Any], compiler: SQLCompiler, **options: Any
) -> str:
    return template.format(*compile_clauses(element, compiler, options))


@_compile_as(postgresql="strpos({0}, {1}) > 0", sqlite="instr({0}, {1}) > 0")
class Contains(FunctionElement[bool]):
    """The condition that a string contains another one."""

    inherit_cache = True


@_compile_as(postgresql="starts_with({0}, {1})", sqlite="instr({0}, {1}) = 1")
class StartsWith(FunctionElement[bool]):
    """The condition that a string starts with another one."""

    inherit_cache = True


@_compile_as(
    postgresql="right({0}, length({1})) = {1}",
    sqlite="substr({0}, length({0}) - length({1}) + 1) = {1}",
)
class EndsWith(FunctionElement[bool]):
    """The condition that a string ends with another one."""

    inherit_cache = True
