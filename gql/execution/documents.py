"""Documents: parsed and validated once, and remembered within bounds."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    DirectiveNode,
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    VariableNode,
    Visitor,
    parse,
    visit,
)
from graphql.execution.collect_fields import FragmentDetails
from graphql.execution.values import VariableValues

from gql.errors import LimitExceededError
from gql.execution.limit_checks import Guard, Guards
from gql.execution.plan import Plan
from gql.execution.validation import Validation
from gql.execution.variables import Variables
from gql.limits import DEFAULTS, Limits, exceeded
from models.cache import Store

# In characters: a character of text makes some ninety bytes of a tree.
CAPACITY = 100_000
# What even the shortest document weighs.
LEAST = 50
# The plans of an operation, one for each way in which its @skip and @include fall out.
MAX_PLANS = 16
CONDITIONS = frozenset({"skip", "include"})
# What graphql-core says of either.
TOO_MANY = re.compile(r"Syntax Error: Document contains more than \d+ (tokens|comments)\.")


class NoOperationError(Exception):
    """A document has no operation of the name, or several and no name is given."""


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation and its plans, by the values of the variables that @skip and @include take."""

    node: OperationDefinitionNode
    variables: Variables
    conditions: tuple[str, ...]
    guard: Guard
    plans: dict[tuple[Any, ...], Plan | None] = field(default_factory=dict)

    def values(self, given: Mapping[str, Any]) -> VariableValues | list[GraphQLError]:
        """The values of its variables, or what is wrong with those that a client has given."""
        refused = self.guard.given(given)
        if refused:
            return [refused]
        values = self.variables.coerced(given)
        if isinstance(values, list):
            return values
        refused = self.guard.coerced(values.coerced)
        return [refused] if refused else values


@dataclass(frozen=True, slots=True)
class Document:
    """A valid document."""

    node: DocumentNode
    operations: tuple[Operation, ...]
    fragments: dict[str, FragmentDetails]

    def operation(self, name: str | None) -> Operation:
        """The operation of this name, or the only one; raises NoOperationError."""
        return self.operations[_chosen([_name(one.node) for one in self.operations], name)]


@dataclass(frozen=True, slots=True)
class InvalidDocument:
    """What is wrong with a document, and the names of its operations, if it could be parsed."""

    errors: tuple[GraphQLError, ...]
    names: tuple[str | None, ...] | None = None

    def check(self, name: str | None) -> None:
        """Raise NoOperationError where there is no such operation, which is said first."""
        if self.names is not None:
            _chosen(self.names, name)


class Documents:
    """The documents of one schema, by their texts."""

    def __init__(
        self,
        schema: GraphQLSchema,
        limits: Limits = DEFAULTS,
        *,
        hides_suggestions: bool = False,
        forbids_introspection: bool = False,
    ) -> None:
        self._schema = schema
        self._limits = limits
        self._hides_suggestions = hides_suggestions
        self._validation = Validation(
            schema,
            hides_suggestions=hides_suggestions,
            forbids_introspection=forbids_introspection,
        )
        self._remembered = Store[str, Document | InvalidDocument](CAPACITY)

    def document(self, text: str) -> Document | InvalidDocument:
        """The document that a text is: parsed, within the limits, and validated."""
        known = self._remembered.get(text)
        if known is None:
            known = self._read(text)
            self._remembered.put(text, known, len(text) + LEAST)
        return known

    def _read(self, text: str) -> Document | InvalidDocument:
        try:
            node = self._parsed(text)
            guards = self._guarded(node)
        except GraphQLError as error:
            return InvalidDocument((_without_nodes(error),))
        errors = tuple(map(_without_nodes, self._validation.errors(node)))
        if errors:
            return InvalidDocument(errors, tuple(_name(guard.node) for guard in guards))
        finder = ConditionFinder()
        visit(node, finder)
        return Document(
            node,
            tuple(self._operation(guard, finder.found) for guard in guards),
            {
                one.name.value: FragmentDetails(one)
                for one in node.definitions
                if isinstance(one, FragmentDefinitionNode)
            },
        )

    def _parsed(self, text: str) -> DocumentNode:
        most = self._limits.tokens
        try:
            return parse(text, max_lexical_tokens=most, max_comments=most)
        except GraphQLError as error:
            raise _counted(error, most) from None

    def _guarded(self, node: DocumentNode) -> Sequence[Guard]:
        guards = Guards(self._schema, node, self._limits)
        definitions = node.definitions
        operations = [one for one in definitions if isinstance(one, OperationDefinitionNode)]
        return [guards.guard(operation) for operation in operations]

    def _operation(self, guard: Guard, conditions: set[str]) -> Operation:
        definitions = guard.node.variable_definitions or ()
        names = (definition.variable.name.value for definition in definitions)
        variables = Variables(self._schema, definitions, hides_suggestions=self._hides_suggestions)
        conditional = tuple(name for name in names if name in conditions)
        return Operation(guard.node, variables, conditional, guard)


def _name(node: OperationDefinitionNode) -> str | None:
    return node.name.value if node.name else None


def _chosen(names: Sequence[str | None], name: str | None) -> int:
    found = [index for index, known in enumerate(names) if name in (None, known)]
    if not found or (name is None and len(found) > 1):
        raise NoOperationError
    return found[0]


def _counted(error: GraphQLError, most: int) -> GraphQLError:
    """What is wrong with a text; if there is too much of it, as a limit tells it."""
    found = TOO_MANY.match(error.message)
    if not found:
        return error
    message = f"The document has too many {found[1]}: the limit is {most}."
    return exceeded(message, source=error.source, positions=error.positions)


def _without_nodes(error: GraphQLError) -> GraphQLError:
    """The same to a client; what is remembered holds no syntax tree, and no frames."""
    cause = error.original_error
    return GraphQLError(
        error.message,
        source=error.source,
        positions=error.positions,
        original_error=cause if isinstance(cause, LimitExceededError) else None,
        extensions=error.extensions,
    )


class ConditionFinder(Visitor):
    """Finds the variables that @skip and @include take."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def enter_directive(self, node: DirectiveNode, *_: Any) -> None:
        """Note the variables of one."""
        if node.name.value in CONDITIONS:
            values = (argument.value for argument in node.arguments or ())
            self.found.update(
                value.name.value for value in values if isinstance(value, VariableNode)
            )
