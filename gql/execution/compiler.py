"""From an operation to a plan.

graphql-core itself collects the fields: fragments are opened, repeated fields merged, @skip and
@include judged as it does, so that a plan is of what it would execute. What is left is to look up,
for each field, how its type declares it.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLLeafType,
    GraphQLObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    is_abstract_type,
    is_leaf_type,
)
from graphql.execution.collect_fields import (
    FieldDetailsList as Group,
)
from graphql.execution.collect_fields import (
    FragmentDetails,
    collect_fields,
    collect_subfields,
)
from graphql.execution.values import VariableValues
from strawberry import Schema
from strawberry.types.arguments import convert_argument
from strawberry.types.field import StrawberryField

from gql.execution.declarations import (
    Column,
    Embedding,
    Known,
    Making,
    Read,
    Relation,
    declared,
    definition_of,
    graph_of,
    has_nullable_items,
    is_list,
    is_nullable,
    resolver_of,
    type_of,
)
from gql.execution.plan import (
    Answer,
    Argument,
    Call,
    Embedded,
    Field,
    Made,
    Named,
    Nested,
    Paths,
    Plan,
    Related,
    Root,
    Shape,
    Stored,
    Told,
    Typename,
)

TYPENAME = "__typename"
# What a column of the right type is told as, without a look at it.
PLAIN = frozenset({"Boolean", "Int", "String"})
LOADING = (Nested, Embedded, Related, Made)


class UnplannedError(Exception):
    """An operation has a field that no plan can tell, such as those of introspection."""


@dataclass(frozen=True, slots=True)
class Compilation:
    """One operation, and the values of its variables, of which @skip and @include are judged."""

    schema: Schema
    fragments: dict[str, FragmentDetails]
    operation: OperationDefinitionNode
    variables: VariableValues
    # A fragment's fields are one shape, wherever it is spread: a plan is no larger than its document.
    shapes: dict[tuple[Any, ...], Shape] = field(default_factory=dict[tuple[Any, ...], Shape])

    @property
    def graph(self) -> GraphQLSchema:
        """The schema as graphql-core has it."""
        return graph_of(self.schema)

    def plan(self) -> Plan:
        """The plan; raises UnplannedError."""
        query = self.graph.query_type
        if query is None or self.operation.operation is not OperationType.QUERY:
            raise UnplannedError
        found = collect_fields(self.graph, self.fragments, self.variables, query, self.operation)
        groups = found.grouped_field_set
        return Plan({key: self._root(query, key, group) for key, group in groups.items()})

    def _root(self, query: GraphQLObjectType, key: str, group: Group) -> Root | Typename:
        if _name(group) == TYPENAME:
            return Typename(query.name)
        asked = query.fields.get(_name(group))
        definition = definition_of(asked) if asked else None
        resolve = resolver_of(definition) if definition else None
        if asked is None or resolve is None or has_nullable_items(asked):
            raise UnplannedError
        answer = self._answer(query, asked, key, group)
        kinds = {
            kind.name: Nested("", answer, self._shape(kind, group)) for kind in self._kinds(asked)
        }
        is_told = is_abstract_type(type_of(asked))
        return Root(answer, kinds, resolve, self._call(asked), _paths(kinds, is_told=is_told))

    def _kinds(self, field: GraphQLField) -> Sequence[GraphQLObjectType]:
        """The types of which a field's objects may be."""
        kind = type_of(field)
        if isinstance(kind, GraphQLObjectType):
            return (kind,)
        if is_abstract_type(kind) and not is_list(field):
            return self.graph.get_possible_types(kind)
        raise UnplannedError

    def _call(self, field: GraphQLField) -> Call:
        """How the resolver of one of Strawberry's fields is called."""
        definition = cast(StrawberryField, definition_of(field))
        return Call(field, tuple(self._arguments(field, definition)))

    def _arguments(self, field: GraphQLField, definition: StrawberryField) -> Iterator[Argument]:
        """How Strawberry makes Python values of what graphql-core has coerced."""
        config = self.schema.config
        registry = self.schema.schema_converter.scalar_registry
        for argument in definition.arguments:
            name = config.name_converter.from_argument(argument)
            convert = partial(
                convert_argument, type_=argument.type, scalar_registry=registry, config=config
            )
            asked = field.args[name]
            is_leaf = is_leaf_type(type_of(asked)) and not is_list(asked)
            yield Argument(name, argument.python_name, None if is_leaf else convert)

    def _shape(self, type_: GraphQLObjectType, group: Group) -> Shape:
        found = collect_subfields(
            self.graph, self.fragments, self.variables, self.operation, type_, group
        )
        groups = found.grouped_field_set
        nodes = (id(details.node) for same in groups.values() for details in same)
        known = (type_.name, *nodes)
        if known not in self.shapes:
            fields = tuple(self._field(type_, key, same) for key, same in groups.items())
            loading = tuple(one for one in fields if isinstance(one, LOADING) and one.slots)
            self.shapes[known] = Shape(tuple(groups), fields, _columns(fields), loading)
        return self.shapes[known]

    def _field(self, type_: GraphQLObjectType, key: str, group: Group) -> Field:
        if _name(group) == TYPENAME:
            return Typename(type_.name)
        field = type_.fields[_name(group)]
        known = declared(field)
        answer = self._answer(type_, field, key, group)
        if isinstance(known, Column) and is_leaf_type(type_of(field)):
            return _leaf(known, field, answer)
        if isinstance(known, Making) and _is_plain(field) and not is_list(field):
            return Made(known.columns, answer, known.make)
        kind = type_of(field)
        if not isinstance(kind, GraphQLObjectType) or has_nullable_items(field):
            raise UnplannedError
        shape = self._shape(kind, group)
        match known:
            case Column(name):
                return Nested(name, answer, shape)
            case Embedding():
                columns = {name: known.inside(name) for name in shape.columns[()]}
                return Embedded(known.key, answer, shape, columns)
            case Relation(column, _, load):
                return Related(column, answer, shape, load, self._call(field))
            case _:
                raise UnplannedError

    def _answer(
        self, type_: GraphQLObjectType, field: GraphQLField, key: str, group: Group
    ) -> Answer:
        nodes = [details.node for details in group]
        return Answer(f"{type_.name}.{_name(group)}", key, nodes, is_nullable(field))


def _is_plain(field: GraphQLField) -> bool:
    type_ = cast(GraphQLLeafType, type_of(field))
    # A text that is written by str() is one already.
    return type_.name in PLAIN or type_.serialize is str


def _leaf(column: Column, field: GraphQLField, answer: Answer) -> Field:
    type_ = cast(GraphQLLeafType, type_of(field))
    is_plain = _is_plain(field)
    if is_list(field) and (has_nullable_items(field) or not is_plain):
        raise UnplannedError
    if is_plain and column.read is None:
        return Stored(column.name, answer)
    read = column.read if is_plain else partial(_serialized, column.read, type_)
    told = Told(column.name, answer, cast(Read, read))
    if isinstance(type_, GraphQLEnumType) and isinstance(column.read, Known):
        members = column.read.enum
        return Named({member.value: type_.serialize(member) for member in members}, told)
    return told


def _serialized(read: Read | None, type_: GraphQLLeafType, value: Any, context: Any) -> Any:
    """What is read, as the type writes it."""
    found = read(value, context) if read else value
    return None if found is None else type_.serialize(found)


def _name(group: Group) -> str:
    return group[0].node.name.value


def _paths(kinds: Mapping[str, Nested], *, is_told: bool) -> Paths:
    """The columns by path, which begins with the name of the type if that is to be told."""
    return {
        (name, *path) if is_told else path: columns
        for name, nested in kinds.items()
        for path, columns in nested.shape.columns.items()
    }


def _columns(fields: Iterable[Field]) -> Paths:
    """The columns that the fields of a shape are told from, and by its path those below each."""
    found: defaultdict[tuple[str, ...], set[str]] = defaultdict(set, {(): set()})
    for one in fields:
        found[()].update(one.reads)
        if isinstance(one, Nested):
            for path, columns in one.shape.columns.items():
                found[one.column, *path].update(columns)
    return {path: tuple(sorted(columns)) for path, columns in found.items()}
