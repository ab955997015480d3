"""Documents: parsed and validated once, and remembered within bounds."""

from collections.abc import Mapping, Sequence
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
    OverlappingFieldsCanBeMergedRule,
    SelectionSetNode,
    ValidationContext,
    VariableNode,
    Visitor,
    parse,
    specified_rules,
    validate,
    visit,
)
from graphql.execution.collect_fields import FragmentDetails
from graphql.execution.values import VariableValues
from graphql.validation.validate import ValidationAbortedError

from gql.errors import FlowQLError, LimitExceededError
from gql.execution.guard import Guard, Guards
from gql.execution.plan import Plan
from gql.execution.variables import Variables
from gql.limits import DEFAULTS, Limits, exceeded
from models.store import Store

# In characters: a character of text makes some ninety bytes of a tree.
CAPACITY = 100_000
# What even the shortest document weighs.
LEAST = 50
# The plans of an operation, one for each way in which its @skip and @include fall out.
MAX_PLANS = 16
CONDITIONS = frozenset({"skip", "include"})


# How graphql-core begins what it says of either.
TOO_MANY = "Syntax Error: Document contains more than"
# Finding the names that somebody may have meant takes a millisecond or two for each error.
MAX_ERRORS = 20
# How much graphql-core may compare to find out whether fields of one name can be merged: two steps for
# two fields, each a microsecond or so. A hundred fields of one name are half of it.
MAX_COMPARED = 20_000
ENTANGLED = "The document has too many fields of one name to compare: the limit is {} steps."


class Merging(OverlappingFieldsCanBeMergedRule):
    """graphql-core's rule, with a smaller budget; else a hundred milliseconds are soon spent."""

    def __init__(self, context: ValidationContext) -> None:
        super().__init__(context)
        self.rule_context.remaining_complexity_budget = MAX_COMPARED

    def enter_selection_set(
        self, selection_set: SelectionSetNode, _key: Any, parent: Any, *_args: Any
    ) -> None:
        """Compare the fields of one; raises what ends the validation."""
        try:
            super().enter_selection_set(selection_set, _key, parent)
        except ValidationAbortedError:
            if self.rule_context.remaining_complexity_budget >= 0:
                # There are too many errors.
                raise
            error = LimitExceededError(ENTANGLED.format(MAX_COMPARED))
            raise ValidationAbortedError(str(error), original_error=error) from None


RULES = tuple(
    Merging if rule is OverlappingFieldsCanBeMergedRule else rule for rule in specified_rules
)


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
        self._rules = [*RULES, *([NoSchemaIntrospectionCustomRule] * forbids_introspection)]
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
        errors = tuple(map(_without_nodes, self._validated(node)))
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
            for what in ("tokens", "comments"):
                if error.message.startswith(f"{TOO_MANY} {most} {what}."):
                    raise exceeded(
                        f"The document has too many {what}: the limit is {most}."
                    ) from None
            raise

    def _guarded(self, node: DocumentNode) -> Sequence[Guard]:
        guards = Guards(self._schema, node, self._limits)
        definitions = node.definitions
        operations = [one for one in definitions if isinstance(one, OperationDefinitionNode)]
        return [guards.guard(operation) for operation in operations]

    def _validated(self, node: DocumentNode) -> Sequence[GraphQLError]:
        """What is not valid; if that took too long, just this."""
        errors = validate(
            self._schema, node, self._rules, MAX_ERRORS, hide_suggestions=self._hides_suggestions
        )
        refused = [one for one in errors if isinstance(one.original_error, LimitExceededError)]
        return refused or errors

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


def _without_nodes(error: GraphQLError) -> GraphQLError:
    """The same to a client; what is remembered holds no syntax tree, and no frames."""
    cause = error.original_error
    return GraphQLError(
        error.message,
        source=error.source,
        positions=error.positions,
        original_error=cause if isinstance(cause, FlowQLError) else None,
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
