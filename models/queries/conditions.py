"""What must hold for a flow: a tree without the values, which becomes one condition in SQL.

Trees are equal where their SQL is; the values travel as parameters that the tree names.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from functools import cache, partial
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias, cast

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
from models.queries.components import Component, select_models
from models.tables.child_table import ChildTable
from models.tables.columns import TEXT, UUID
from models.tables.flow import Flow, FlowStageBinding
from models.tables.policy import Policy, PolicyBinding
from models.tables.stage import Stage

Columns: TypeAlias = (
    Mapping[str, SQLColumnExpression[Any]] | ReadOnlyColumnCollection[str, ColumnElement[Any]]
)


class Operator(Enum):
    """How a column's value must be to what is given."""

    EQUALS = auto()
    # What is given is a list, of texts or of uuids.
    IN = auto()
    # These two are exact, and nothing in what is given stands for anything else.
    CONTAINS = auto()
    STARTS_WITH = auto()


@dataclass(frozen=True, slots=True)
class And:
    """All of these hold; so they do where there is none."""

    conditions: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Any of these holds; so it does not where there is none."""

    conditions: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class Not:
    """This does not hold."""

    condition: "Condition"


@dataclass(frozen=True, slots=True)
class Matches:
    """A column's value is so to that of a parameter.

    The columns are those that flows are sorted by; of a stage or a policy pk, name and type.
    """

    column: str
    operator: Operator
    parameter: str


@dataclass(frozen=True, slots=True)
class Uses:
    """The flow uses a stage, or a policy, for which this holds.

    `children` are authentik's tables of its types, None in FlowQL's own database.
    """

    component: Component
    condition: "Condition"
    child_tables: tuple[ChildTable, ...] | None


Condition: TypeAlias = And | Or | Not | Matches | Uses
Matcher: TypeAlias = Callable[[Matches], ColumnElement[bool]]


class Where(NamedTuple):
    """What must hold for flows, and the values of its parameters; None holds for all."""

    condition: Condition | None = None
    values: Mapping[str, Any] = MappingProxyType({})


NO_CONDITION = Where()


def to_sql(condition: Condition, columns: Columns) -> ColumnElement[bool]:
    """The condition on `Flow` in SQL, which is never NULL."""
    return _to_sql(condition, partial(_matches, columns))


def _to_sql(condition: Condition, leaf: Matcher) -> ColumnElement[bool]:
    match condition:
        case And(conditions):
            return and_(true(), *(_to_sql(one, leaf) for one in conditions))
        case Or(conditions):
            return or_(false(), *(_to_sql(one, leaf) for one in conditions))
        case Not(denied):
            return not_(_to_sql(denied, leaf))
        case Matches():
            return leaf(condition)
        case Uses():
            return USES[condition.component](condition)


def _matches(columns: Columns, leaf: Matches) -> ColumnElement[bool]:
    return _compared(columns[leaf.column], leaf)


def _compared(column: SQLColumnExpression[Any], leaf: Matches) -> ColumnElement[bool]:
    match leaf.operator:
        case Operator.EQUALS:
            return column == column_parameter(leaf.parameter, column)
        case Operator.IN:
            is_any = InUuidArray if _type(column) is UUID else InTextArray
            return is_any(column, leaf.parameter)
        case Operator.CONTAINS:
            return Contains(column, bindparam(leaf.parameter, type_=TEXT))
        case Operator.STARTS_WITH:
            return StartsWith(column, bindparam(leaf.parameter, type_=TEXT))


def column_parameter(name: str, column: SQLColumnExpression[Any]) -> BindParameter[Any]:
    """A parameter of the type of a column, so that an index of that can find its value."""
    return bindparam(name, type_=_type(column))


def _type(column: SQLColumnExpression[Any]) -> TypeEngine[Any]:
    # Of an attribute of a table, SQLAlchemy's annotations do not tell.
    return cast(ColumnElement[Any], column).type


def _uses_stage(uses: Uses) -> ColumnElement[bool]:
    bound = select(col(FlowStageBinding.target_id)).where(
        _is_such(uses, col(FlowStageBinding.stage_id), col(Stage.stage_uuid), col(Stage.name))
    )
    return SemiJoin(col(Flow.flow_uuid), bound)


def _uses_policy(uses: Uses) -> ColumnElement[bool]:
    bound = select(col(PolicyBinding.target_id)).where(
        _is_such(uses, col(PolicyBinding.policy_id), col(Policy.policy_uuid), col(Policy.name))
    )
    to_stages = select(col(FlowStageBinding.target_id)).where(
        SemiJoin(col(FlowStageBinding.policybindingmodel_ptr_id), bound)
    )
    return or_(
        SemiJoin(col(Flow.policybindingmodel_ptr_id), bound),
        SemiJoin(col(Flow.flow_uuid), to_stages),
    )


USES: Mapping[Component, Callable[[Uses], ColumnElement[bool]]] = {
    Component.STAGE: _uses_stage,
    Component.POLICY: _uses_policy,
}


def _is_such(
    uses: Uses,
    bound: SQLColumnExpression[Any],
    pk: SQLColumnExpression[Any],
    name: SQLColumnExpression[Any],
) -> ColumnElement[bool]:
    """The condition that what is bound, by its key, is as it must be."""
    if uses.condition == And(()):
        return bound.is_not(None)
    leaf = partial(_of_part, uses, {"pk": pk, "name": name})
    # Found first: there are far fewer of them than bindings.
    return SemiJoin(bound, select(pk).where(_to_sql(uses.condition, leaf)))


def _of_part(uses: Uses, columns: Columns, leaf: Matches) -> ColumnElement[bool]:
    if leaf.column != "type":
        return _matches(columns, leaf)
    # What is of an unknown type is in no table of types.
    if uses.child_tables == ():
        return false()
    types = _types(uses.component, uses.child_tables)
    known = select(types.c.ptr_id).where(_compared(types.c.model, leaf))
    return SemiJoin(columns["pk"], known)


@cache
def _types(part: Component, children: tuple[ChildTable, ...] | None) -> FromClause:
    """The blueprint models by `ptr_id`; the same object each time, so that a statement has it once."""
    if children is None:
        return part.types
    return union_all(*map(select_models, children)).cte(f"types_by_{part.value}")


class SemiJoin(FunctionElement[bool]):
    """The condition that a value is one of those that a SELECT finds, none of them NULL."""

    inherit_cache = True

    def __init__(self, column: SQLColumnExpression[Any], rows: Select[Any]) -> None:
        # By a name, as SQLite's parser cannot open many brackets; planned as if in its place.
        named = rows.cte().prefix_with("NOT MATERIALIZED", dialect="postgresql")
        super().__init__(column, select(named).scalar_subquery())


class Contains(FunctionElement[bool]):
    """The condition that a text has another one in it."""

    inherit_cache = True


class StartsWith(FunctionElement[bool]):
    """The condition that a text starts with another one."""

    inherit_cache = True


@compiles(SemiJoin, "postgresql")
def _exists(element: SemiJoin, compiler: SQLCompiler, **options: Any) -> str:
    # What IN finds, under NOT or OR, PostgreSQL goes through for every row, if it is too much to be
    # hashed. This it may look up instead, and does so as IN else.
    column, rows = compile_clauses(element, compiler, options)
    return f"EXISTS (SELECT FROM {rows} AS found (value) WHERE found.value = {column})"


@compiles(SemiJoin, "sqlite")
def _in(element: SemiJoin, compiler: SQLCompiler, **options: Any) -> str:
    column, rows = compile_clauses(element, compiler, options)
    return f"{column} IN {rows}"


@compiles(Contains, "postgresql")
def _strpos(element: Contains, compiler: SQLCompiler, **options: Any) -> str:
    text, part = compile_clauses(element, compiler, options)
    return f"strpos({text}, {part}) > 0"


@compiles(Contains, "sqlite")
def _instr(element: Contains, compiler: SQLCompiler, **options: Any) -> str:
    text, part = compile_clauses(element, compiler, options)
    return f"instr({text}, {part}) > 0"


@compiles(StartsWith, "postgresql")
def _starts_with(element: StartsWith, compiler: SQLCompiler, **options: Any) -> str:
    text, start = compile_clauses(element, compiler, options)
    return f"starts_with({text}, {start})"


@compiles(StartsWith, "sqlite")
def _instr_first(element: StartsWith, compiler: SQLCompiler, **options: Any) -> str:
    text, start = compile_clauses(element, compiler, options)
    return f"instr({text}, {start}) = 1"
