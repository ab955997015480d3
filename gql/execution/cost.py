"""Cost analysis of operations: their depth, their width and their estimated cost.

Operations are analyzed before validation. Fields and arguments that the schema does not define are
counted as far as possible.
"""

from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias, cast

from graphql import (
    ArgumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLField,
    GraphQLNamedType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    StringValueNode,
    VariableNode,
    is_composite_type,
)
from graphql.utilities.coerce_input_value import coerce_default_value

from gql.errors import InvalidSizeError, LimitExceededError
from gql.execution.declarations import Computed, declaration_of
from gql.execution.graphql_core import AnySelectionNode, is_list, selections_of, type_of
from gql.limits import DEFAULTS, Limits
from models.queries.flows import DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE

Values = Mapping[str, Any]
NO_VALUES: Values = {}
# The arguments that set the number of items: of a list, or of the lists in an object. A list sets it
# by its length.
LIST_ARGUMENTS = frozenset({"ids"})
SIZE_ARGUMENTS = frozenset({"first", "last", "pageSize"}) | LIST_ARGUMENTS
# Size arguments that are checked before execution. A root field checks its own; below the root, a
# field resolves for many parents, and which error comes first would depend on timing.
NESTED_SIZE_ARGUMENTS = frozenset({"first", "last"})
SEARCH_ARGUMENT = "search"
# The expected number of items of a list without size arguments.
LIST_ITEMS = 10
# A computed field (a flow's diagram) is a single value, but reads a list of objects with a list in
# each, and its size grows with them. It costs as much as these lists with one field each, besides
# the fields that are selected on the value.
COMPUTED_COST = 1 + LIST_ITEMS * (1 + LIST_ITEMS)
INTROSPECTION_FIELDS = frozenset({"__schema", "__type"})
# Counts stop here: fragments that double each other would yield numbers with hundreds of digits.
MAX_COUNT = 1_000_000_000
# A literal with more digits is not a 32-bit integer; validation reports it.
MAX_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Cost:
    """The counts and the cost of a selection, including its fragments."""

    fields: int = 0
    """The fields of the selection itself, without those below them."""
    depth: int = 0
    aliases: int = 0
    directives: int = 0
    objects: int = 0
    """Input objects in literals."""
    nesting: int = 0
    """The depth of nested input objects."""
    cost: int = 0
    per_item: int = 0
    """The additional cost for each item of a page whose size the parent sets."""
    introspection_cost: int = 0
    """The cost of introspection, which has its own limit."""

    def __add__(self, other: "Cost") -> "Cost":
        """Return the cost of two selections on the same object."""
        return Cost(
            self.fields + other.fields,
            max(self.depth, other.depth),
            self.aliases + other.aliases,
            self.directives + other.directives,
            self.objects + other.objects,
            max(self.nesting, other.nesting),
            self.cost + other.cost,
            self.per_item + other.per_item,
            self.introspection_cost + other.introspection_cost,
        )

    def cap(self) -> "Cost":
        """Return the cost with all counts limited to MAX_COUNT."""
        return Cost(
            min(self.fields, MAX_COUNT),
            min(self.depth, MAX_COUNT),
            min(self.aliases, MAX_COUNT),
            min(self.directives, MAX_COUNT),
            min(self.objects, MAX_COUNT),
            min(self.nesting, MAX_COUNT),
            min(self.cost, MAX_COUNT),
            min(self.per_item, MAX_COUNT),
            min(self.introspection_cost, MAX_COUNT),
        )

    def cost_of(self, items: int) -> int:
        """Return the cost with a page of this many items."""
        return self.cost + self.per_item * items


NO_COST = Cost()


@dataclass(frozen=True, slots=True)
class Analysis:
    """The cost of a selection, and the variables that it depends on."""

    cost: Cost = NO_COST
    cost_variables: frozenset[str] = frozenset()
    """The variables that set the size of a page or the terms of a search."""
    variable_depths: frozenset[tuple[str, int]] = frozenset()
    """Pairs of a variable and the number of input objects around it."""
    invalid_argument: GraphQLError | None = None
    """The error of the first page below the root with an invalid size, or of the first search in a
    literal that exceeds a limit."""

    def __add__(self, other: "Analysis") -> "Analysis":
        """Return the analysis of two selections on the same object."""
        # Many parts are empty.
        if self is NO_ANALYSIS or other is NO_ANALYSIS:
            return other if self is NO_ANALYSIS else self
        return Analysis(
            self.cost + other.cost,
            self.cost_variables | other.cost_variables,
            self.variable_depths | other.variable_depths,
            self.invalid_argument or other.invalid_argument,
        )

    def cap(self) -> "Analysis":
        """Return the analysis with all counts limited to MAX_COUNT."""
        return replace(self, cost=self.cost.cap())


NO_ANALYSIS = Analysis()
# Steps yield the steps of a part, and receive the analysis of that part. They do not recurse, since
# a document may be nested to any depth.
Steps: TypeAlias = "Generator[Steps, Analysis, Analysis]"


@dataclass(frozen=True, slots=True)
class PageSize:
    """The number of items that a field's own arguments request, None without size arguments."""

    items: int | None = None
    variables: frozenset[str] = frozenset()
    error: GraphQLError | None = None


NO_PAGE = PageSize()


class CostAnalyzer:
    """Analyzes the operations of one document.

    Each fragment is analyzed once, and counts for each of its spreads. `values` are the values of
    variables, as far as they are known; unknown page sizes are estimated, and unknown searches have
    no terms. The searches in `values` must be within the limits.
    """

    def __init__(
        self,
        schema: GraphQLSchema,
        fragments: Mapping[str, FragmentDefinitionNode],
        values: Values = NO_VALUES,
        limits: Limits = DEFAULTS,
    ) -> None:
        self._schema = schema
        self._fragments = fragments
        self._values = values
        self._limits = limits
        self._analyses: dict[str, Analysis] = {}

    def analyze(self, operation: OperationDefinitionNode) -> Analysis:
        """Return the analysis of an operation."""
        return _run(self._analyze_operation(operation)).cap()

    def _analyze_operation(self, node: OperationDefinitionNode) -> Steps:
        analysis = _analyze_directives(node)
        for definition in node.variable_definitions or ():
            analysis += _analyze_directives(definition)
            analysis += _analyze_literals([definition.default_value])
        root = self._schema.get_root_type(node.operation)
        below = yield self._analyze_selections(selections_of(node), root)
        analysis += below
        return replace(analysis, cost=replace(analysis.cost, cost=below.cost.cost_of(LIST_ITEMS)))

    def _analyze_selections(
        self, selections: Iterable[AnySelectionNode], type_: GraphQLNamedType | None
    ) -> Steps:
        analysis = NO_ANALYSIS
        for selection in selections:
            if isinstance(selection, FieldNode):
                part = yield self._analyze_field(selection, type_)
            elif isinstance(selection, InlineFragmentNode):
                part = yield self._analyze_fragment(selection, type_)
            else:
                part = yield self._analyze_spread(selection)
            analysis += part
            if selection.directives:
                analysis += _analyze_directives(selection)
        return analysis

    def _analyze_fragment(
        self, node: InlineFragmentNode | FragmentDefinitionNode, type_: GraphQLNamedType | None
    ) -> Steps:
        condition = node.type_condition
        on_type = self._schema.get_type(condition.name.value) if condition else type_
        return self._analyze_selections(selections_of(node), on_type)

    def _analyze_spread(self, node: FragmentSpreadNode) -> Steps:
        name = node.name.value
        fragment = self._fragments.get(name)
        if fragment and name not in self._analyses:
            # A fragment that spreads itself counts as empty there; validation reports it.
            self._analyses[name] = NO_ANALYSIS
            analysis = yield self._analyze_fragment(fragment, None)
            self._analyses[name] = (analysis + _analyze_directives(fragment)).cap()
        return self._analyses.get(name, NO_ANALYSIS)

    def _analyze_field(self, node: FieldNode, type_: GraphQLNamedType | None) -> Steps:
        field = self._find_field(node.name.value, type_)
        below = NO_ANALYSIS
        if node.selection_set:
            below = yield self._analyze_selections(
                selections_of(node), type_of(field) if field else None
            )
        page = self._analyze_page_size(node, field, is_root=type_ is self._schema.query_type)
        analysis = Analysis(
            _field_cost(node, field, below.cost, page.items),
            below.cost_variables | page.variables,
            below.variable_depths,
            below.invalid_argument or page.error,
        )
        if node.arguments:
            analysis += _analyze_literals(argument.value for argument in node.arguments)
            if field and SEARCH_ARGUMENT in field.args:
                analysis += self._analyze_search(node)
        return analysis

    def _find_field(self, name: str, type_: GraphQLNamedType | None) -> GraphQLField | None:
        return self._schema.get_field(type_, name) if is_composite_type(type_) else None

    def _analyze_page_size(
        self, node: FieldNode, field: GraphQLField | None, *, is_root: bool
    ) -> PageSize:
        names = SIZE_ARGUMENTS & field.args.keys() if field else None
        if not field or not names:
            return NO_PAGE
        arguments = [item for item in node.arguments or () if item.name.value in names]
        sizes = list(self._known_sizes(arguments))
        defaults = (_default_size(field, name) for name in names)
        numbers = [size for _, size in sizes] or list(filter(None, defaults))
        return PageSize(
            min(max(1, *numbers), MAX_PAGE_SIZE) if numbers else DEFAULT_PAGE_SIZE,
            frozenset(
                item.value.name.value for item in arguments if isinstance(item.value, VariableNode)
            ),
            None if is_root else _invalid_size_error(node, sizes),
        )

    def _analyze_search(self, node: FieldNode) -> Analysis:
        """Return the cost of the terms of a field's search."""
        for argument in node.arguments or ():
            if argument.name.value == SEARCH_ARGUMENT:
                return self._analyze_terms(node, argument.value)
        return NO_ANALYSIS

    def _analyze_terms(self, node: FieldNode, value: Any) -> Analysis:
        names = (value.name.value,) if isinstance(value, VariableNode) else ()
        try:
            terms = self._limits.split_search(self._string_value(value))
        except LimitExceededError as error:
            return Analysis(invalid_argument=GraphQLError(str(error), node, original_error=error))
        return Analysis(Cost(cost=len(terms)), frozenset(names))

    def _known_sizes(self, arguments: Iterable[ArgumentNode]) -> Iterator[tuple[str, int]]:
        """Yield the names and sizes of the arguments whose sizes are known."""
        for argument in arguments:
            is_list_argument = argument.name.value in LIST_ARGUMENTS
            size = (self._length_of if is_list_argument else self._integer_value)(argument.value)
            if size is not None:
                yield argument.name.value, size

    def _length_of(self, node: Any) -> int | None:
        if isinstance(node, VariableNode):
            return find_size(self._values.get(node.name.value))
        # Another literal is coerced to a list of one item.
        return len(node.values) if isinstance(node, ListValueNode) else 1

    def _integer_value(self, node: Any) -> int | None:
        if isinstance(node, VariableNode):
            return integer_or_none(self._values.get(node.name.value))
        is_integer = isinstance(node, IntValueNode) and len(node.value) < MAX_DIGITS
        return int(node.value) if is_integer else None

    def _string_value(self, node: Any) -> str:
        """Return the value of an argument, an empty string if it is unknown or not a string."""
        if isinstance(node, VariableNode):
            value = self._values.get(node.name.value)
            return value if isinstance(value, str) else ""
        return node.value if isinstance(node, StringValueNode) else ""


def integer_or_none(value: Any) -> int | None:
    """Return the value if it is an integer, and not a boolean."""
    return value if type(value) is int else None


def find_size(value: Any) -> int | None:
    """Return an integer, or the length of a list; None for other values."""
    return len(cast(list[Any], value)) if isinstance(value, list) else integer_or_none(value)


def _run(steps: Steps) -> Analysis:
    """Run the steps and those that they yield, and return the analysis of the whole."""
    pending: list[Steps] = []
    analysis = NO_ANALYSIS
    started: Steps | None = steps
    while started or pending:
        try:
            if started:
                pending.append(started)
                started = next(started)
            else:
                started = pending[-1].send(analysis)
        except StopIteration as stop:
            pending.pop()
            analysis, started = stop.value, None
    return analysis


def _has_computed_lists(field: GraphQLField) -> bool:
    declaration = declaration_of(field)
    return isinstance(declaration, Computed) and not declaration.is_json


def _field_cost(
    node: FieldNode, field: GraphQLField | None, below: Cost, items: int | None
) -> Cost:
    """Return the cost of one field from that of its selection set and its number of items."""
    depth, cost, per_item = below.depth + 1, 0, 0
    introspection_cost = below.introspection_cost
    if node.name.value in INTROSPECTION_FIELDS:
        depth, introspection_cost = 0, introspection_cost + 1 + below.cost_of(LIST_ITEMS)
    elif field and _has_computed_lists(field):
        cost = COMPUTED_COST + below.cost_of(LIST_ITEMS)
    elif field is None or not is_list(field):
        cost = 1 + below.cost_of(items or LIST_ITEMS)
    elif items is None:
        cost, per_item = 1, below.cost_of(LIST_ITEMS)
    else:
        cost = 1 + items * below.cost_of(LIST_ITEMS)
    return Cost(
        fields=1,
        depth=depth,
        aliases=below.aliases + bool(node.alias),
        directives=below.directives,
        objects=below.objects,
        nesting=below.nesting,
        cost=cost,
        per_item=per_item,
        introspection_cost=introspection_cost,
    )


def _analyze_directives(node: Any) -> Analysis:
    """Return the number of a node's directives, and the analysis of their arguments."""
    directives = node.directives
    if not directives:
        return NO_ANALYSIS
    literals = (argument.value for item in directives for argument in item.arguments or ())
    return Analysis(Cost(directives=len(directives))) + _analyze_literals(literals)


def _analyze_literals(values: Iterable[Any]) -> Analysis:
    """Return the input objects and the variables in literal values."""
    objects = nesting = 0
    depths: set[tuple[str, int]] = set()
    pending = [(value, 0) for value in values]
    while pending:
        value, depth = pending.pop()
        if isinstance(value, VariableNode):
            depths.add((value.name.value, depth))
        elif isinstance(value, ListValueNode):
            pending.extend((item, depth) for item in value.values)
        elif isinstance(value, ObjectValueNode):
            objects, nesting = objects + 1, max(nesting, depth + 1)
            pending.extend((field.value, depth + 1) for field in value.fields)
    if not (objects or depths):
        return NO_ANALYSIS
    return Analysis(Cost(objects=objects, nesting=nesting), variable_depths=frozenset(depths))


def _invalid_size_error(node: FieldNode, sizes: Iterable[tuple[str, int]]) -> GraphQLError | None:
    """Return the error of the first invalid size, None if all are valid."""
    for name, size in sizes:
        if name in NESTED_SIZE_ARGUMENTS and not 0 <= size <= MAX_PAGE_SIZE:
            error = InvalidSizeError(name, size, minimum=0, maximum=MAX_PAGE_SIZE)
            return GraphQLError(str(error), node, original_error=error)
    return None


def _default_size(field: GraphQLField, name: str) -> int | None:
    """Return the default value of an argument if it is an integer."""
    return integer_or_none(coerce_default_value(field.args[name]))
