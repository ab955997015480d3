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

from gql.execution.cost import UNCOUNTED, Measure, Meter, Values, integer
from gql.limits import Limits, exceeded

# Introspection reads nothing that is stored, and validation bounds how deep its lists are.
CHEAPER = 10
# The verdicts on an operation, one for each way in which variables say the sizes of its pages.
MAX_VERDICTS = 100
OBJECTS = "The request has {} input objects: the limit of conditions is {}."
NESTING = "The request has input objects at a depth of {}: the limit is {}."


@dataclass(frozen=True, slots=True)
class Guard:
    """Holds requests for one operation to the limits, as far as values decide what they ask for.

    `sizes` are the variables that may say the size of a page.
    """

    guards: "Guards"
    node: OperationDefinitionNode
    measure: Measure
    sizes: tuple[str, ...]
    verdicts: dict[tuple[int | None, ...], GraphQLError | None] = field(
        default_factory=dict[tuple[int | None, ...], GraphQLError | None]
    )

    def given(self, values: Values) -> GraphQLError | None:
        """What is over a limit in the JSON that a client has given for variables."""
        if any(isinstance(value, dict | list) for value in values.values()):
            return self._objects(values)
        return None

    def coerced(self, values: Values) -> GraphQLError | None:
        """What is over a limit with these values of variables, or is no size of a page."""
        if not self.sizes:
            return None
        case = tuple(integer(values.get(name)) for name in self.sizes)
        if case not in self.verdicts:
            if len(self.verdicts) == MAX_VERDICTS:
                self.verdicts.clear()
            self.verdicts[case] = self.guards.verdict(self.node, values)
        return self.verdicts[case]

    def _objects(self, values: Values) -> GraphQLError | None:
        limits, places = self.guards.limits, self.guards.meter.places
        count, nesting = self.measure.objects, 0
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
            return exceeded(OBJECTS.format(count, limits.conditions), self.node)
        if nesting > limits.depth:
            return exceeded(NESTING.format(nesting, limits.depth), self.node)
        return None


class Guards:
    """Holds the operations of one document to the limits."""

    def __init__(self, schema: GraphQLSchema, document: DocumentNode, limits: Limits) -> None:
        self.limits = limits
        self._schema = schema
        self._fragments = {
            one.name.value: one
            for one in document.definitions
            if isinstance(one, FragmentDefinitionNode)
        }
        self.meter = Meter(schema, self._fragments)

    def guard(self, node: OperationDefinitionNode) -> Guard:
        """What guards an operation; raises a GraphQLError where it is over a limit itself."""
        measure = self.meter.measure(node)
        declared = (one.variable.name.value for one in node.variable_definitions or ())
        guard = Guard(
            self, node, measure, tuple(name for name in declared if name in self.meter.variables)
        )
        for message in _excesses(measure, self.limits, is_priced=not guard.sizes):
            raise exceeded(message, node)
        if self.meter.odd:
            raise self.meter.odd
        return guard

    def verdict(self, node: OperationDefinitionNode, values: Values) -> GraphQLError | None:
        """What is wrong with an operation, with these values of its variables."""
        meter = Meter(self._schema, self._fragments, values)
        measure = meter.measure(node)
        for message in _excesses(measure, self.limits):
            return exceeded(message, node)
        return meter.odd


def _excesses(measure: Measure, limits: Limits, *, is_priced: bool = True) -> Iterator[str]:
    told = (
        ("The operation has a depth of {} fields: the limit is {}.", measure.depth, limits.depth),
        ("The operation has {} root fields: the limit is {}.", measure.fields, limits.root_fields),
        ("The operation has {} aliases: the limit is {}.", measure.aliases, limits.aliases),
        (
            "The operation has {} directives: the limit is {}.",
            measure.directives,
            limits.directives,
        ),
        (OBJECTS, measure.objects, limits.conditions),
        (NESTING, measure.nesting, limits.depth),
        (
            "The operation has an introspection cost of {}: the limit is {}.",
            measure.introspection,
            limits.cost * CHEAPER,
        ),
        ("The operation has a cost of {}: the limit is {}.", is_priced * measure.cost, limits.cost),
    )
    for text, count, limit in told:
        if count > limit:
            yield text.format(count if count < UNCOUNTED else f"{UNCOUNTED} or more", limit)
