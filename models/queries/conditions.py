"""Conditions on flows and components: a tree of parameter names.

`condition_sql.py` compiles it: equal trees to equal SQL. The values are bound at execution.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
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
# Columns and operators that few rows satisfy, as PostgreSQL assumes too.
NAMING_FLOW_COLUMNS = UNIQUE_FLOW_COLUMNS | {"name"}
NAMING_COMPONENT_COLUMNS = frozenset({"pk", "name"})
EQUATIONS = frozenset({Operator.EQUALS, Operator.IN})
NAMING_OPERATORS = EQUATIONS | {Operator.STARTS_WITH, Operator.ENDS_WITH}


def is_selective(condition: Condition) -> bool:
    """Return True if few flows satisfy a condition, so that the database should start with them.

    These are flows with a name, and flows that use a component with a name. It depends on the
    condition alone, not on the number of rows.
    """
    match condition:
        case And(conditions):
            return any(map(is_selective, conditions))
        case Or(conditions):
            return bool(conditions) and all(map(is_selective, conditions))
        case UsesComponent():
            return _names_components(condition.condition)
        case Comparison(column, operator):
            return column in NAMING_FLOW_COLUMNS and operator in EQUATIONS
        case Not():
            return False


def _names_components(condition: Condition) -> bool:
    match condition:
        case And(conditions):
            return any(map(_names_components, conditions))
        case Or(conditions):
            return bool(conditions) and all(map(_names_components, conditions))
        case Comparison(column, operator):
            return column in NAMING_COMPONENT_COLUMNS and operator in NAMING_OPERATORS
        case _:
            return False
