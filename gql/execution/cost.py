"""What an operation asks for: how deep it is, how wide, and how dear.

This is found out before a document is known to be valid: what the schema does not know is counted as
far as it can be.
"""

from collections.abc import Generator, Iterable, Mapping
from typing import Any, NamedTuple, TypeAlias, cast

from graphql import (
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
    SelectionSetNode,
    VariableNode,
    is_composite_type,
)
from graphql.utilities.coerce_input_value import coerce_default_value

from gql.errors import BadUserInputError
from gql.execution.declarations import Computed, declaration_of, is_list, type_of

Values = Mapping[str, Any]
NO_VALUES: Values = {}
# The arguments that say how many items there are: in a list, or in the lists of an object.
SIZE_ARGUMENTS = frozenset({"first", "last", "pageSize"})
MAX_ITEMS = 100
# What is told below the root to be no page size. A root field does so itself; below it there are many
# parents, and which of several errors came first would be a matter of time.
NESTED_SIZE_ARGUMENTS = frozenset({"first", "last"})
# How many items are expected where nothing says it, and where a page's size could have been said.
LIST_ITEMS = 10
PAGE_ITEMS = 20
# What is made, a flow's diagram, is one field to read, but it takes a list of things and a list in each,
# and its text is as long as they are: it is counted as if they were told, with a field each.
COMPUTED_COST = 1 + LIST_ITEMS * (1 + LIST_ITEMS)
INTROSPECTION_FIELDS = frozenset({"__schema", "__type"})
# Nothing is counted further: fragments that double each other make numbers of hundreds of digits.
MAX_COUNT = 1_000_000_000
# A text of so many characters is no 32-bit number, as validation tells.
MAX_DIGITS = 12


class Cost(NamedTuple):
    """What a selection asks for, with its fragments opened."""

    fields: int = 0
    """Its own, without those below them."""
    depth: int = 0
    aliases: int = 0
    directives: int = 0
    objects: int = 0
    """Input objects."""
    nesting: int = 0
    """How many input objects are in each other."""
    cost: int = 0
    per_item: int = 0
    """What comes to the cost for each item of a page, where the object around it says its size."""
    introspection_cost: int = 0
    """A cost of its own."""

    def add(self, other: "Cost") -> "Cost":
        """What both ask for together."""
        depth, nesting = max(self.depth, other.depth), max(self.nesting, other.nesting)
        return Cost(*map(int.__add__, self, other))._replace(depth=depth, nesting=nesting)

    def capped(self) -> "Cost":
        """The same, as far as anything is counted."""
        return Cost(*(min(number, MAX_COUNT) for number in self))

    def cost_of(self, items: int) -> int:
        """The cost with so many items on a page."""
        return self.cost + self.per_item * items


NO_COST = Cost()
# Yields what measures a part of it, and is sent the measure: so nothing is nested too deeply.
Analysis: TypeAlias = "Generator[Analysis, Cost, Cost]"


class CostAnalyzer:
    """Measures operations of one document; a fragment once, and it counts wherever it is spread.

    `variables` are those that say the size of a page: `values` has their values, as far as they are
    known. `odd` is what is wrong with the first size of a page below the root that can be none.
    `places` tells of variables how many input objects are around them.
    """

    def __init__(
        self,
        schema: GraphQLSchema,
        fragments: Mapping[str, FragmentDefinitionNode],
        values: Values = NO_VALUES,
    ) -> None:
        self.variables: set[str] = set()
        self.invalid_size: GraphQLError | None = None
        self.variable_depth: dict[str, int] = {}
        self._schema = schema
        self._fragments = fragments
        self._values = values
        self._measured: dict[str, Cost] = {}

    def analyze(self, operation: OperationDefinitionNode) -> Cost:
        """What an operation asks for."""
        return _run(self._operation(operation)).capped()

    def _operation(self, node: OperationDefinitionNode) -> Analysis:
        found = self._annotations(node)
        for definition in node.variable_definitions or ():
            found = found.add(self._annotations(definition))
            found = found.add(self._literals([definition.default_value]))
        root = self._schema.get_root_type(node.operation)
        inside = yield self._selections(node.selection_set, root)
        return found.add(inside)._replace(cost=inside.cost_of(LIST_ITEMS))

    def _selections(
        self, node: SelectionSetNode | None, type_: GraphQLNamedType | None
    ) -> Analysis:
        found = NO_COST
        for selection in node.selections if node else ():
            if isinstance(selection, FieldNode):
                inside = yield self._field(selection, type_)
            elif isinstance(selection, InlineFragmentNode):
                inside = yield self._fragment(selection, type_)
            else:
                inside = yield self._spread(cast(FragmentSpreadNode, selection))
            found = found.add(inside)
            if selection.directives:
                found = found.add(self._annotations(selection))
        return found

    def _fragment(
        self, node: InlineFragmentNode | FragmentDefinitionNode, type_: GraphQLNamedType | None
    ) -> Analysis:
        condition = node.type_condition
        known = self._schema.get_type(condition.name.value) if condition else type_
        return self._selections(node.selection_set, known)

    def _spread(self, node: FragmentSpreadNode) -> Analysis:
        name = node.name.value
        fragment = self._fragments.get(name)
        if fragment and name not in self._measured:
            # One that is spread in itself counts nothing there; validation tells of it.
            self._measured[name] = NO_COST
            inside = yield self._fragment(fragment, None)
            self._measured[name] = inside.add(self._annotations(fragment)).capped()
        return self._measured.get(name, NO_COST)

    def _field(self, node: FieldNode, type_: GraphQLNamedType | None) -> Analysis:
        name = node.name.value
        field = self._find_field(name, type_)
        inside = NO_COST
        if node.selection_set:
            inside = yield self._selections(node.selection_set, type_of(field) if field else None)
        found = inside._replace(fields=1, aliases=inside.aliases + bool(node.alias))
        if node.arguments:
            found = found.add(self._literals(given.value for given in node.arguments))
        if name in INTROSPECTION_FIELDS:
            dear = inside.introspection_cost + 1 + inside.cost_of(LIST_ITEMS)
            return found._replace(depth=0, cost=0, per_item=0, introspection_cost=dear)
        if field and isinstance(declaration_of(field), Computed):
            return found._replace(depth=1, cost=COMPUTED_COST)
        items = self._items(node, field, is_root=type_ is self._schema.query_type)
        if field is None or not is_list(field):
            cost, paged = 1 + inside.cost_of(items or LIST_ITEMS), 0
        elif items is None:
            cost, paged = 1, inside.cost_of(LIST_ITEMS)
        else:
            cost, paged = 1 + items * inside.cost_of(LIST_ITEMS), 0
        return found._replace(depth=inside.depth + 1, cost=cost, per_item=paged)

    def _find_field(self, name: str, type_: GraphQLNamedType | None) -> GraphQLField | None:
        if not is_composite_type(type_):
            return None
        return self._schema.get_field(type_, name)

    def _items(self, node: FieldNode, field: GraphQLField | None, *, is_root: bool) -> int | None:
        """How many items the field's own arguments ask for; None where it has no such."""
        sizes = SIZE_ARGUMENTS & field.args.keys() if field else None
        if not field or not sizes:
            return None
        given: list[int] = []
        for argument in node.arguments or ():
            name = argument.name.value
            number = self._number(argument.value) if name in sizes else None
            if number is not None:
                given.append(number)
                if name in NESTED_SIZE_ARGUMENTS and not (is_root or 0 <= number <= MAX_ITEMS):
                    self._note_invalid_size(node, name, number)
        sized = given or [number for name in sizes if (number := _default(field, name))]
        return min(max(1, *sized), MAX_ITEMS) if sized else PAGE_ITEMS

    def _number(self, node: Any) -> int | None:
        if isinstance(node, VariableNode):
            self.variables.add(node.name.value)
            return integer_or_none(self._values.get(node.name.value))
        return (
            int(node.value)
            if isinstance(node, IntValueNode) and len(node.value) < MAX_DIGITS
            else None
        )

    def _annotations(self, node: Any) -> Cost:
        """What the directives of a node ask for."""
        found = Cost(directives=len(node.directives or ()))
        for directive in node.directives or ():
            found = found.add(self._literals(given.value for given in directive.arguments or ()))
        return found

    def _literals(self, values: Iterable[Any]) -> Cost:
        """The input objects that are written out in values."""
        count = nesting = 0
        pending = [(value, 0) for value in values]
        while pending:
            value, around = pending.pop()
            if isinstance(value, VariableNode):
                name = value.name.value
                self.variable_depth[name] = max(around, self.variable_depth.get(name, 0))
            elif isinstance(value, ListValueNode):
                pending.extend((item, around) for item in value.values)
            elif isinstance(value, ObjectValueNode):
                count, nesting = count + 1, max(nesting, around + 1)
                pending.extend((field.value, around + 1) for field in value.fields)
        return Cost(objects=count, nesting=nesting)

    def _note_invalid_size(self, node: FieldNode, name: str, number: int) -> None:
        told = f"{name} is {number}, not from 0 to {MAX_ITEMS}."
        error = BadUserInputError(told)
        self.invalid_size = self.invalid_size or GraphQLError(told, node, original_error=error)


def _run(measuring: Analysis) -> Cost:
    """What is measured in the end."""
    pending, found = [measuring], None
    while pending:
        try:
            pending.append(pending[-1].send(cast(Any, found)))
            found = None
        except StopIteration as done:
            pending.pop()
            found = done.value
    return cast(Cost, found)


def _default(field: GraphQLField, name: str) -> int | None:
    """What an argument is, where it is not given."""
    return integer_or_none(coerce_default_value(field.args[name]))


def integer_or_none(value: Any) -> int | None:
    """The value, if it is a whole number."""
    return value if type(value) is int else None
