"""Documents: parsed and validated once, and remembered within bounds."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from graphql import (
    DirectiveNode,
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    VariableNode,
    Visitor,
    parse,
    visit,
)
from graphql.execution.collect_fields import FragmentDetails
from graphql.execution.values import VariableValues

from gql.errors import LimitExceededError
from gql.execution.limit_checks import DocumentLimits, OperationLimits
from gql.execution.plan import Plan
from gql.execution.validation import Validator
from gql.execution.variables import Variables
from gql.limits import DEFAULTS, Limits, build_limit_error
from models.cache import SegmentedLRU

# In characters: a character of text makes some ninety bytes of a tree.
CAPACITY = 100_000
# What even the shortest document weighs.
MIN_WEIGHT = 50
# The plans of an operation, one for each way in which its @skip and @include fall out.
MAX_PLANS = 16
CONDITIONS = frozenset({"skip", "include"})
# What graphql-core says of either.
TOO_MANY_TOKENS = re.compile(r"Syntax Error: Document contains more than \d+ (tokens|comments)\.")


class UnknownOperationError(Exception):
    """The document has no operation of this name, or several and the request names none."""


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation and its plans, by the values of the variables that @skip and @include take."""

    node: OperationDefinitionNode
    variables: Variables
    conditions: tuple[str, ...]
    limits: OperationLimits
    plans: dict[tuple[Any, ...], Plan | None] = field(default_factory=dict)

    def coerce_variables(self, given: Mapping[str, Any]) -> VariableValues | list[GraphQLError]:
        """The values of its variables, or what is wrong with those that a client has given."""
        refused = self.limits.check_input(given)
        if refused:
            return [refused]
        values = self.variables.coerce(given)
        if isinstance(values, list):
            return values
        refused = self.limits.check_sizes(values.coerced)
        return [refused] if refused else values


class OperationSummary(NamedTuple):
    """The name of an operation, None if it has none, and its type."""

    name: str | None
    type: OperationType


@dataclass(frozen=True, slots=True)
class Document:
    """A valid document."""

    node: DocumentNode
    operations: tuple[Operation, ...]
    fragments: dict[str, FragmentDetails]

    def operation(self, name: str | None) -> Operation:
        """Return the operation of this name, or the only one; raises UnknownOperationError."""
        names = [_name(operation.node) for operation in self.operations]
        return self.operations[_index_of_operation(names, name)]

    def operation_type(self, name: str | None) -> OperationType | None:
        """Return the type of the operation of this name, or of the only one, None without it."""
        types = [
            operation.node.operation
            for operation in self.operations
            if name in (None, _name(operation.node))
        ]
        return types[0] if len(types) == 1 else None


@dataclass(frozen=True, slots=True)
class InvalidDocument:
    """The errors of a document, and its operations by name and type, if it could be parsed.

    An unknown operation is reported before validation errors, but after exceeded limits.
    """

    errors: tuple[GraphQLError, ...]
    operations: tuple[OperationSummary, ...] = ()
    is_within_limits: bool = False

    def require_operation(self, name: str | None) -> None:
        """Raise UnknownOperationError if the document has no such operation."""
        if self.is_within_limits:
            _index_of_operation([operation.name for operation in self.operations], name)

    def operation_type(self, name: str | None) -> OperationType | None:
        """Return the type of the operation of this name, or of the only one, None without it."""
        types = [operation.type for operation in self.operations if name in (None, operation.name)]
        return types[0] if len(types) == 1 else None


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
        self._validation = Validator(
            schema,
            hides_suggestions=hides_suggestions,
            forbids_introspection=forbids_introspection,
        )
        self._cache = SegmentedLRU[str, Document | InvalidDocument](CAPACITY)

    def get(self, text: str) -> Document | InvalidDocument:
        """The document that a text is: parsed, within the limits, and validated."""
        known = self._cache.get(text)
        if known is None:
            known = self._build(text)
            self._cache.put(text, known, len(text) + MIN_WEIGHT)
        return known

    def _build(self, text: str) -> Document | InvalidDocument:
        operations: tuple[OperationSummary, ...] = ()
        try:
            node = self._parse(text)
            operations = _summarize(node)
            guards = self._check_limits(node)
        except GraphQLError as error:
            return InvalidDocument((_without_nodes(error),), operations)
        errors = tuple(map(_without_nodes, self._validation.validate(node)))
        if errors:
            return InvalidDocument(errors, operations, is_within_limits=True)
        finder = ConditionFinder()
        visit(node, finder)
        return Document(
            node,
            tuple(self._operation(guard, finder.variables) for guard in guards),
            {
                one.name.value: FragmentDetails(one)
                for one in node.definitions
                if isinstance(one, FragmentDefinitionNode)
            },
        )

    def _parse(self, text: str) -> DocumentNode:
        most = self._limits.tokens
        try:
            return parse(text, max_lexical_tokens=most, max_comments=most)
        except GraphQLError as error:
            raise _limit_error(error, most) from None

    def _check_limits(self, node: DocumentNode) -> Sequence[OperationLimits]:
        guards = DocumentLimits(self._schema, node, self._limits)
        return [guards.check_operation(operation) for operation in _operations_of(node)]

    def _operation(self, guard: OperationLimits, conditions: set[str]) -> Operation:
        definitions = guard.node.variable_definitions or ()
        names = (definition.variable.name.value for definition in definitions)
        variables = Variables(self._schema, definitions, hides_suggestions=self._hides_suggestions)
        conditional = tuple(name for name in names if name in conditions)
        return Operation(guard.node, variables, conditional, guard)


def _operations_of(document: DocumentNode) -> list[OperationDefinitionNode]:
    return [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]


def _summarize(document: DocumentNode) -> tuple[OperationSummary, ...]:
    operations = _operations_of(document)
    return tuple(OperationSummary(_name(node), node.operation) for node in operations)


def _name(node: OperationDefinitionNode) -> str | None:
    return node.name.value if node.name else None


def _index_of_operation(names: Sequence[str | None], name: str | None) -> int:
    indexes = [index for index, known in enumerate(names) if name in (None, known)]
    if not indexes:
        missing = f"Unknown operation {name!r}." if name else "The document has no operation."
        raise UnknownOperationError(missing)
    if name is None and len(indexes) > 1:
        raise UnknownOperationError(
            "Must provide operationName: the document has several operations."
        )
    return indexes[0]


def _limit_error(error: GraphQLError, most: int) -> GraphQLError:
    """What is wrong with a text; if there is too much of it, as a limit tells it."""
    found = TOO_MANY_TOKENS.match(error.message)
    if not found:
        return error
    message = f"The document has too many {found[1]}: the limit is {most}."
    return build_limit_error(message, source=error.source, positions=error.positions)


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
        self.variables: set[str] = set()

    def enter_directive(self, node: DirectiveNode, *_: Any) -> None:
        """Note the variables of one."""
        if node.name.value in CONDITIONS:
            values = (argument.value for argument in node.arguments or ())
            self.variables.update(
                value.name.value for value in values if isinstance(value, VariableNode)
            )
