"""Documents: parsed and validated once, and remembered within bounds."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    DirectiveNode,
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSchema,
    NoSchemaIntrospectionCustomRule,
    OperationDefinitionNode,
    VariableNode,
    Visitor,
    parse,
    specified_rules,
    validate,
    visit,
)
from graphql.execution.collect_fields import FragmentDetails

from gql.execution.plan import Plan
from gql.execution.variables import Variables
from models.store import Store

# In characters: a character of text makes some ninety bytes of a tree.
CAPACITY = 100_000
# What even the shortest document weighs.
LEAST = 50
# The plans of an operation, one for each way in which its @skip and @include fall out.
MAX_PLANS = 16
CONDITIONS = frozenset({"skip", "include"})


class NoOperationError(Exception):
    """A document has no operation of the name, or several and no name is given."""


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation and its plans, by the values of the variables that @skip and @include take."""

    node: OperationDefinitionNode
    variables: Variables
    conditions: tuple[str, ...]
    plans: dict[tuple[Any, ...], Plan | None] = field(default_factory=dict)


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
        *,
        hides_suggestions: bool = False,
        forbids_introspection: bool = False,
    ) -> None:
        self._schema = schema
        self._hides_suggestions = hides_suggestions
        self._rules = [
            *specified_rules,
            *([NoSchemaIntrospectionCustomRule] * forbids_introspection),
        ]
        self._remembered = Store[str, Document | InvalidDocument](CAPACITY)

    def document(self, text: str) -> Document | InvalidDocument:
        """The document that a text is, parsed and validated."""
        known = self._remembered.get(text)
        if known is None:
            known = self._read(text)
            self._remembered.put(text, known, len(text) + LEAST)
        return known

    def _read(self, text: str) -> Document | InvalidDocument:
        try:
            node = parse(text)
        except GraphQLError as error:
            return InvalidDocument((_without_nodes(error),))
        definitions = node.definitions
        operations = [one for one in definitions if isinstance(one, OperationDefinitionNode)]
        found = validate(self._schema, node, self._rules, hide_suggestions=self._hides_suggestions)
        errors = tuple(map(_without_nodes, found))
        if errors:
            return InvalidDocument(errors, tuple(map(_name, operations)))
        finder = ConditionFinder()
        visit(node, finder)
        return Document(
            node,
            tuple(self._operation(operation, finder.found) for operation in operations),
            {
                one.name.value: FragmentDetails(one)
                for one in definitions
                if isinstance(one, FragmentDefinitionNode)
            },
        )

    def _operation(self, node: OperationDefinitionNode, conditions: set[str]) -> Operation:
        definitions = node.variable_definitions or ()
        names = (definition.variable.name.value for definition in definitions)
        variables = Variables(self._schema, definitions, hides_suggestions=self._hides_suggestions)
        return Operation(node, variables, tuple(name for name in names if name in conditions))


def _name(node: OperationDefinitionNode) -> str | None:
    return node.name.value if node.name else None


def _chosen(names: Sequence[str | None], name: str | None) -> int:
    found = [index for index, known in enumerate(names) if name in (None, known)]
    if not found or (name is None and len(found) > 1):
        raise NoOperationError
    return found[0]


def _without_nodes(error: GraphQLError) -> GraphQLError:
    """The same to a client; what is remembered holds no syntax tree, and no frames."""
    return GraphQLError(
        error.message,
        source=error.source,
        positions=error.positions,
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
