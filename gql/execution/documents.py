"""GraphQL documents, parsed and validated once, and cached within bounds."""

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

# In characters of documents; the syntax tree takes some 90 bytes for each.
CAPACITY = 100_000
# The weight of a document in the cache in addition to its characters.
MIN_WEIGHT = 50
# The cached plans of an operation, one for each combination of its @skip and @include.
MAX_PLANS = 16
CONDITIONS = frozenset({"skip", "include"})
# graphql-core's message for both limits of its lexer.
TOO_MANY_TOKENS = re.compile(r"Syntax Error: Document contains more than \d+ (tokens|comments)\.")


class NotAQueryError(Exception):
    """The requested operation is a mutation or a subscription, which only POST may execute."""

    def __init__(self, type_: OperationType) -> None:
        super().__init__(type_.value)
        self.type = type_


class UnknownOperationError(Exception):
    """The document has no operation of this name, or several and the request names none."""


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation of a valid document.

    `conditions` are the variables of its @skip and @include. `plans` are by the values of these; an
    operation without a plan has None.
    """

    node: OperationDefinitionNode
    variables: Variables
    conditions: tuple[str, ...]
    limits: OperationLimits
    plans: dict[tuple[Any, ...], Plan | None] = field(default_factory=dict)

    def coerce_variables(
        self, raw_values: Mapping[str, Any]
    ) -> VariableValues | list[GraphQLError]:
        """Return the coerced variables of a request, or their errors."""
        error = self.limits.check_input(raw_values)
        if error:
            return [error]
        values = self.variables.coerce(raw_values)
        if isinstance(values, list):
            return values
        error = self.limits.check_sizes(values.coerced)
        return [error] if error else values


class OperationSummary(NamedTuple):
    """The name of an operation, None if it is anonymous, and its type."""

    name: str | None
    type: OperationType


@dataclass(frozen=True, slots=True)
class Document:
    """A valid document."""

    node: DocumentNode
    operations: tuple[Operation, ...]
    fragments: dict[str, FragmentDetails]

    def find_operation(self, name: str | None) -> Operation:
        """Return the operation with a name, or the only one. Raises UnknownOperationError."""
        names = [_name(operation.node) for operation in self.operations]
        return self.operations[_find_operation_index(names, name)]

    def operation_type(self, name: str | None) -> OperationType | None:
        """Return the type of the operation with a name, or of the only one; None without it."""
        return _find_operation_type(_summarize(self.node), name)


@dataclass(frozen=True, slots=True)
class InvalidDocument:
    """The errors of a document, and its operations if it could be parsed.

    An unknown operation is reported before validation errors, but after exceeded limits.
    """

    errors: tuple[GraphQLError, ...]
    operations: tuple[OperationSummary, ...] = ()
    is_within_limits: bool = False

    def require_operation(self, name: str | None) -> None:
        """Raise UnknownOperationError if the document has no such operation."""
        if self.is_within_limits:
            _find_operation_index([operation.name for operation in self.operations], name)

    def operation_type(self, name: str | None) -> OperationType | None:
        """Return the type of the operation with a name, or of the only one; None without it."""
        return _find_operation_type(self.operations, name)


class Documents:
    """A cache of documents, parsed and validated against one schema."""

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
        """Return the document with a text: parsed, checked against the limits and validated."""
        document = self._cache.get(text)
        if document is None:
            document = self._build(text)
            self._cache.put(text, document, len(text) + MIN_WEIGHT)
        return document

    def _build(self, text: str) -> Document | InvalidDocument:
        operations: tuple[OperationSummary, ...] = ()
        try:
            node = self._parse(text)
            operations = _summarize(node)
            operation_limits = self._check_limits(node)
        except GraphQLError as error:
            return InvalidDocument((_copy_without_nodes(error),), operations)
        errors = tuple(map(_copy_without_nodes, self._validation.validate(node)))
        if errors:
            return InvalidDocument(errors, operations, is_within_limits=True)
        finder = ConditionFinder()
        visit(node, finder)
        return Document(
            node,
            tuple(self._build_operation(limits, finder.variables) for limits in operation_limits),
            {
                definition.name.value: FragmentDetails(definition)
                for definition in node.definitions
                if isinstance(definition, FragmentDefinitionNode)
            },
        )

    def _parse(self, text: str) -> DocumentNode:
        max_tokens = self._limits.tokens
        try:
            return parse(text, max_lexical_tokens=max_tokens, max_comments=max_tokens)
        except GraphQLError as error:
            raise _convert_limit_error(error, max_tokens) from None

    def _check_limits(self, node: DocumentNode) -> Sequence[OperationLimits]:
        document_limits = DocumentLimits(self._schema, node, self._limits)
        return [document_limits.check_operation(operation) for operation in _operations_of(node)]

    def _build_operation(self, limits: OperationLimits, conditions: set[str]) -> Operation:
        definitions = limits.node.variable_definitions or ()
        names = (definition.variable.name.value for definition in definitions)
        variables = Variables(self._schema, definitions, hides_suggestions=self._hides_suggestions)
        conditional = tuple(name for name in names if name in conditions)
        return Operation(limits.node, variables, conditional, limits)


def _operations_of(document: DocumentNode) -> list[OperationDefinitionNode]:
    return [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]


def _summarize(document: DocumentNode) -> tuple[OperationSummary, ...]:
    operations = _operations_of(document)
    return tuple(OperationSummary(_name(node), node.operation) for node in operations)


def _name(node: OperationDefinitionNode) -> str | None:
    return node.name.value if node.name else None


def _find_operation_type(
    operations: Sequence[OperationSummary], name: str | None
) -> OperationType | None:
    types = [operation.type for operation in operations if name in (None, operation.name)]
    return types[0] if len(types) == 1 else None


def _find_operation_index(names: Sequence[str | None], name: str | None) -> int:
    indexes = [index for index, candidate in enumerate(names) if name in (None, candidate)]
    if not indexes:
        message = f"Unknown operation {name!r}." if name else "The document has no operation."
        raise UnknownOperationError(message)
    if name is None and len(indexes) > 1:
        raise UnknownOperationError(
            "Must provide operationName: the document has several operations."
        )
    return indexes[0]


def _convert_limit_error(error: GraphQLError, max_tokens: int) -> GraphQLError:
    """Return the error of the lexer's limit as a limit error; return other errors unchanged."""
    match = TOO_MANY_TOKENS.match(error.message)
    if not match:
        return error
    message = f"The document has too many {match[1]}: the limit is {max_tokens}."
    return build_limit_error(message, source=error.source, positions=error.positions)


def _copy_without_nodes(error: GraphQLError) -> GraphQLError:
    """Return an equal error for the cache, without references to syntax trees and frames."""
    cause = error.original_error
    return GraphQLError(
        error.message,
        source=error.source,
        positions=error.positions,
        original_error=cause if isinstance(cause, LimitExceededError) else None,
        extensions=error.extensions,
    )


class ConditionFinder(Visitor):
    """Finds the variables in the arguments of @skip and @include."""

    def __init__(self) -> None:
        super().__init__()
        self.variables: set[str] = set()

    def enter_directive(self, node: DirectiveNode, *_: Any) -> None:
        """Collect the variables of a directive."""
        if node.name.value in CONDITIONS:
            values = (argument.value for argument in node.arguments or ())
            self.variables.update(
                value.name.value for value in values if isinstance(value, VariableNode)
            )
