"""Limit checks: of documents before validation, and of variables before execution."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

from graphql import (
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
)

from gql.errors import LimitExceededError
from gql.execution.cost import MAX_COUNT, Cost, CostAnalyzer, Values, find_size
from gql.limits import Limits, build_limit_error

# The cached results of an operation, one for each combination of page sizes and numbers of search
# terms in variables.
MAX_RESULTS = 100
OBJECTS_MESSAGE = "The request has {} input objects: the limit of conditions is {}."
NESTING_MESSAGE = "The request has input objects at a depth of {}: the limit is {}."


CacheKey = tuple[int | None, ...]


class CostCheck(NamedTuple):
    """The cost of an operation, and the first error of its values."""

    cost: int
    error: GraphQLError | None


@dataclass(frozen=True, slots=True)
class OperationLimits:
    """The checks of one operation that depend on the values of variables.

    `cost_variables` are the variables that set page sizes or search terms, `variable_depth` the
    greatest numbers of input objects around variables.
    """

    document: "DocumentLimits"
    node: OperationDefinitionNode
    cost: Cost
    cost_variables: tuple[str, ...]
    variable_depth: Mapping[str, int]
    results: dict[CacheKey, CostCheck] = field(default_factory=dict[CacheKey, CostCheck])

    def check_input(self, values: Values) -> GraphQLError | None:
        """Return the error of a limit that the raw values of variables exceed."""
        if any(map(_may_contain_objects, values.values())):
            return self._check_objects(values)
        return None

    def check_sizes(self, values: Values) -> GraphQLError | None:
        """Return the first exceeded limit or invalid page size for these coerced variables."""
        if not self.cost_variables:
            return None
        try:
            return self._check_cost(values).error
        except LimitExceededError as error:
            return GraphQLError(str(error), self.node, original_error=error)

    def find_cost(self, values: Values) -> int:
        """Return the cost for valid coerced variables."""
        return self._check_cost(values).cost if self.cost_variables else self.cost.cost

    def _check_cost(self, values: Values) -> CostCheck:
        cache_key = tuple(self._measure(values.get(name)) for name in self.cost_variables)
        if cache_key not in self.results:
            if len(self.results) == MAX_RESULTS:
                self.results.clear()
            self.results[cache_key] = self.document.check(self.node, values)
        return self.results[cache_key]

    def _measure(self, value: Any) -> int | None:
        """Return the number of terms of a search, or of items. Raises LimitExceededError."""
        if isinstance(value, str):
            return len(self.document.limits.split_search(value))
        return find_size(value)

    def _check_objects(self, values: Values) -> GraphQLError | None:
        limits = self.document.limits
        count, nesting = self.cost.objects, 0
        pending = [(value, self.variable_depth.get(name, 0)) for name, value in values.items()]
        while pending:
            value, depth = pending.pop()
            children: Iterable[Any] = cast(list[Any], value) if isinstance(value, list) else ()
            if isinstance(value, dict):
                children = cast(dict[str, Any], value).values()
                count, depth = count + 1, depth + 1
                nesting = max(nesting, depth)
            pending += [(child, depth) for child in children if isinstance(child, dict | list)]
        if count > limits.conditions:
            return build_limit_error(OBJECTS_MESSAGE.format(count, limits.conditions), self.node)
        if nesting > limits.depth:
            return build_limit_error(NESTING_MESSAGE.format(nesting, limits.depth), self.node)
        return None


class DocumentLimits:
    """The limit checks of the operations of one document."""

    def __init__(self, schema: GraphQLSchema, document: DocumentNode, limits: Limits) -> None:
        self.limits = limits
        self._schema = schema
        self._fragments = {
            node.name.value: node
            for node in document.definitions
            if isinstance(node, FragmentDefinitionNode)
        }
        self._analyzer = CostAnalyzer(schema, self._fragments, limits=limits)

    def check_operation(self, node: OperationDefinitionNode) -> OperationLimits:
        """Return the checks of an operation. Raises GraphQLError if it exceeds a limit itself.

        Its cost is checked later if variables set page sizes or search terms.
        """
        analysis = self._analyzer.analyze(node)
        names = (definition.variable.name.value for definition in node.variable_definitions or ())
        cost_variables = tuple(name for name in names if name in analysis.cost_variables)
        for message in _violations(analysis.cost, self.limits, checks_cost=not cost_variables):
            raise build_limit_error(message, node)
        if analysis.invalid_argument:
            raise analysis.invalid_argument
        # Of several depths of one variable the greatest comes last.
        variable_depth = dict(sorted(analysis.variable_depths))
        return OperationLimits(self, node, analysis.cost, cost_variables, variable_depth)

    def check(self, node: OperationDefinitionNode, values: Values) -> CostCheck:
        """Return the cost of an operation with these values of its variables, and its first error."""
        analyzer = CostAnalyzer(self._schema, self._fragments, values, self.limits)
        analysis = analyzer.analyze(node)
        errors = (build_limit_error(text, node) for text in _violations(analysis.cost, self.limits))
        return CostCheck(analysis.cost.cost, next(errors, analysis.invalid_argument))


def _may_contain_objects(value: Any) -> bool:
    if isinstance(value, list):
        return any(isinstance(item, dict | list) for item in cast(list[Any], value))
    return isinstance(value, dict)


def _violations(cost: Cost, limits: Limits, *, checks_cost: bool = True) -> Iterator[str]:
    """Yield the message of each exceeded limit, except of the cost without `checks_cost`."""
    counts = (
        ("The operation has a depth of {} fields: the limit is {}.", cost.depth, limits.depth),
        ("The operation has {} root fields: the limit is {}.", cost.fields, limits.root_fields),
        ("The operation has {} aliases: the limit is {}.", cost.aliases, limits.aliases),
        ("The operation has {} directives: the limit is {}.", cost.directives, limits.directives),
        (OBJECTS_MESSAGE, cost.objects, limits.conditions),
        (NESTING_MESSAGE, cost.nesting, limits.depth),
        (
            "The operation has an introspection cost of {}: the limit is {}.",
            cost.introspection_cost,
            limits.introspection_cost,
        ),
        ("The operation has a cost of {}: the limit is {}.", checks_cost * cost.cost, limits.cost),
    )
    for message, count, limit in counts:
        if count > limit:
            yield message.format(count if count < MAX_COUNT else f"{MAX_COUNT} or more", limit)
