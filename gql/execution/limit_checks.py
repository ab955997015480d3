"""Holds requests to the limits: documents before they are validated, values before execution."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, cast

from graphql import (
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
)

from gql.execution.cost import MAX_COUNT, Cost, CostAnalyzer, Values, integer_or_none
from gql.limits import Limits, build_limit_error

# Introspection reads nothing that is stored, and validation bounds how deep its lists are.
INTROSPECTION_FACTOR = 10
# The verdicts on an operation, one for each way in which variables say the sizes of its pages.
MAX_RESULTS = 100
OBJECTS_MESSAGE = "The request has {} input objects: the limit of conditions is {}."
NESTING_MESSAGE = "The request has input objects at a depth of {}: the limit is {}."


@dataclass(frozen=True, slots=True)
class OperationLimits:
    """Holds requests for one operation to the limits, as far as values decide what they ask for.

    `sizes` are the variables that may say the size of a page.
    """

    document: "DocumentLimits"
    node: OperationDefinitionNode
    cost: Cost
    size_variables: tuple[str, ...]
    results: dict[tuple[int | None, ...], GraphQLError | None] = field(
        default_factory=dict[tuple[int | None, ...], GraphQLError | None]
    )

    def check_input(self, values: Values) -> GraphQLError | None:
        """What is over a limit in the JSON that a client has given for variables."""
        if any(isinstance(value, dict | list) for value in values.values()):
            return self._check_objects(values)
        return None

    def check_sizes(self, values: Values) -> GraphQLError | None:
        """What is over a limit with these values of variables, or is no size of a page."""
        if not self.size_variables:
            return None
        case = tuple(integer_or_none(values.get(name)) for name in self.size_variables)
        if case not in self.results:
            if len(self.results) == MAX_RESULTS:
                self.results.clear()
            self.results[case] = self.document.check(self.node, values)
        return self.results[case]

    def _check_objects(self, values: Values) -> GraphQLError | None:
        limits, places = self.document.limits, self.document.analyzer.variable_depth
        count, nesting = self.cost.objects, 0
        pending = [(value, places.get(name, 0)) for name, value in values.items()]
        while pending:
            value, around = pending.pop()
            inside: Iterable[Any] = cast(list[Any], value) if isinstance(value, list) else ()
            if isinstance(value, dict):
                inside = cast(dict[str, Any], value).values()
                count, around = count + 1, around + 1
                nesting = max(nesting, around)
            pending += [(one, around) for one in inside if isinstance(one, dict | list)]
        if count > limits.conditions:
            return build_limit_error(OBJECTS_MESSAGE.format(count, limits.conditions), self.node)
        if nesting > limits.depth:
            return build_limit_error(NESTING_MESSAGE.format(nesting, limits.depth), self.node)
        return None


class DocumentLimits:
    """Holds the operations of one document to the limits."""

    def __init__(self, schema: GraphQLSchema, document: DocumentNode, limits: Limits) -> None:
        self.limits = limits
        self._schema = schema
        self._fragments = {
            one.name.value: one
            for one in document.definitions
            if isinstance(one, FragmentDefinitionNode)
        }
        self.analyzer = CostAnalyzer(schema, self._fragments)

    def check_operation(self, node: OperationDefinitionNode) -> OperationLimits:
        """What guards an operation; raises a GraphQLError where it is over a limit itself."""
        measure = self.analyzer.analyze(node)
        declared = (one.variable.name.value for one in node.variable_definitions or ())
        guard = OperationLimits(
            self, node, measure, tuple(name for name in declared if name in self.analyzer.variables)
        )
        for message in _violations(measure, self.limits, is_priced=not guard.size_variables):
            raise build_limit_error(message, node)
        if self.analyzer.invalid_size:
            raise self.analyzer.invalid_size
        return guard

    def check(self, node: OperationDefinitionNode, values: Values) -> GraphQLError | None:
        """What is wrong with an operation, with these values of its variables."""
        meter = CostAnalyzer(self._schema, self._fragments, values)
        measure = meter.analyze(node)
        for message in _violations(measure, self.limits):
            return build_limit_error(message, node)
        return meter.invalid_size


def _violations(measure: Cost, limits: Limits, *, is_priced: bool = True) -> Iterator[str]:
    told = (
        ("The operation has a depth of {} fields: the limit is {}.", measure.depth, limits.depth),
        ("The operation has {} root fields: the limit is {}.", measure.fields, limits.root_fields),
        ("The operation has {} aliases: the limit is {}.", measure.aliases, limits.aliases),
        (
            "The operation has {} directives: the limit is {}.",
            measure.directives,
            limits.directives,
        ),
        (OBJECTS_MESSAGE, measure.objects, limits.conditions),
        (NESTING_MESSAGE, measure.nesting, limits.depth),
        (
            "The operation has an introspection cost of {}: the limit is {}.",
            measure.introspection_cost,
            limits.cost * INTROSPECTION_FACTOR,
        ),
        ("The operation has a cost of {}: the limit is {}.", is_priced * measure.cost, limits.cost),
    )
    for text, count, limit in told:
        if count > limit:
            yield text.format(count if count < MAX_COUNT else f"{MAX_COUNT} or more", limit)
