"""Conditions on flows and components: a tree of parameter names.

`condition_sql.py` compiles it: equal trees to equal SQL. The values are bound at execution.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, IntEnum, auto
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias

from models.queries.components import ChildTables, Component
from models.queries.rights import Rights


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


class WhereClause(NamedTuple):
    """A condition and the values of its parameters; no condition matches everything."""

    condition: Condition | None = None
    values: Mapping[str, Any] = MappingProxyType({})


NO_CONDITION = WhereClause()

# Columns with an index that finds single flows.
UNIQUE_FLOW_COLUMNS = frozenset({"pk", "slug", "policybindingmodel_ptr_id"})
# Comparisons of these columns by these operators are true for few components.
SELECTIVE_COMPONENT_COLUMNS = frozenset({"pk", "name"})
# Operators that find single rows.
EQUATIONS = frozenset({Operator.EQUALS, Operator.IN})
SELECTIVE_OPERATORS = EQUATIONS | {Operator.STARTS_WITH, Operator.ENDS_WITH}


class Start(IntEnum):
    """Where the database starts to search flows, the fastest start first.

    It depends on the condition alone, not on the number of rows.
    """

    # With flows that have a value in a unique column.
    FLOWS = auto()
    # With the stages or policies that have a name or a primary key.
    COMPONENTS = auto()
    # With flows that have a name, which may have no index.
    NAMES = auto()
    # With all flows that the viewer may see.
    VISIBLE_FLOWS = auto()


STARTS = {**dict.fromkeys(UNIQUE_FLOW_COLUMNS, Start.FLOWS), "name": Start.NAMES}


def find_start(condition: Condition | None) -> Start:
    """Return where the database starts to search the flows that satisfy a condition."""
    match condition:
        case And(conditions):
            return min(map(find_start, conditions), default=Start.VISIBLE_FLOWS)
        case Or(conditions):
            return max(map(find_start, conditions), default=Start.VISIBLE_FLOWS)
        case UsesComponent() if _is_selective(condition.condition):
            return Start.COMPONENTS
        case Comparison(column, operator) if operator in EQUATIONS:
            return STARTS.get(column, Start.VISIBLE_FLOWS)
        case _:
            return Start.VISIBLE_FLOWS


def _is_selective(condition: Condition) -> bool:
    """Return True if few components satisfy a condition."""
    match condition:
        case And(conditions):
            return any(map(_is_selective, conditions))
        case Or(conditions):
            return bool(conditions) and all(map(_is_selective, conditions))
        case Comparison(column, operator):
            return column in SELECTIVE_COMPONENT_COLUMNS and operator in SELECTIVE_OPERATORS
        case _:
            return False
