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
    Computed,
    EnumConverter,
    FieldConverter,
    Joined,
    Relation,
    core_schema,
    declaration_of,
    definition_of,
    has_nullable_items,
    is_list,
    is_nullable,
    resolver_of,
    type_of,
)
from gql.execution.plan import (
    Argument,
    ColumnPaths,
    ComputedField,
    ConvertedLeafField,
    EnumField,
    Field,
    FieldInfo,
    JoinedObjectField,
    LeafField,
    ObjectField,
    Plan,
    RelationField,
    ResolverCall,
    RootField,
    SelectionSet,
    Typename,
)

TYPENAME = "__typename"
# What a column of the right type is told as, without a look at it.
UNCONVERTED_TYPES = frozenset({"Boolean", "Int", "String"})
LOADED_FIELDS = (ObjectField, JoinedObjectField, RelationField, ComputedField)


class NotPlannableError(Exception):
    """An operation has a field that no plan can tell, such as those of introspection."""


@dataclass(frozen=True, slots=True)
class Compilation:
    """One operation, and the values of its variables, of which @skip and @include are judged."""

    schema: Schema
    fragments: dict[str, FragmentDetails]
    operation: OperationDefinitionNode
    variables: VariableValues
    # A fragment's fields are one shape, wherever it is spread: a plan is no larger than its document.
    selection_sets: dict[tuple[Any, ...], SelectionSet] = field(
        default_factory=dict[tuple[Any, ...], SelectionSet]
    )

    @property
    def core_schema(self) -> GraphQLSchema:
        """The schema as graphql-core has it."""
        return core_schema(self.schema)

    def plan(self) -> Plan:
        """The plan; raises UnplannedError."""
        query = self.core_schema.query_type
        if query is None or self.operation.operation is not OperationType.QUERY:
            raise NotPlannableError
        found = collect_fields(
            self.core_schema, self.fragments, self.variables, query, self.operation
        )
        groups = found.grouped_field_set
        return Plan({key: self._root_field(query, key, group) for key, group in groups.items()})

    def _root_field(self, query: GraphQLObjectType, key: str, group: Group) -> RootField | Typename:
        if _field_name(group) == TYPENAME:
            return Typename(query.name)
        asked = query.fields.get(_field_name(group))
        definition = definition_of(asked) if asked else None
        resolve = resolver_of(definition) if definition else None
        if asked is None or resolve is None or has_nullable_items(asked):
            raise NotPlannableError
        answer = self._field_info(query, asked, key, group)
        kinds = {
            kind.name: ObjectField("", answer, self._selection_set(kind, group))
            for kind in self._possible_types(asked)
        }
        is_told = is_abstract_type(type_of(asked))
        return RootField(
            answer,
            kinds,
            resolve,
            self._resolver_call(asked),
            _root_column_paths(kinds, is_told=is_told),
        )

    def _possible_types(self, field: GraphQLField) -> Sequence[GraphQLObjectType]:
        """The types of which a field's objects may be."""
        kind = type_of(field)
        if isinstance(kind, GraphQLObjectType):
            return (kind,)
        if is_abstract_type(kind) and not is_list(field):
            return self.core_schema.get_possible_types(kind)
        raise NotPlannableError

    def _resolver_call(self, field: GraphQLField) -> ResolverCall:
        """How the resolver of one of Strawberry's fields is called."""
        definition = cast(StrawberryField, definition_of(field))
        return ResolverCall(field, tuple(self._arguments(field, definition)))

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

    def _selection_set(self, type_: GraphQLObjectType, group: Group) -> SelectionSet:
        found = collect_subfields(
            self.core_schema, self.fragments, self.variables, self.operation, type_, group
        )
        groups = found.grouped_field_set
        nodes = (id(details.node) for same in groups.values() for details in same)
        known = (type_.name, *nodes)
        if known not in self.selection_sets:
            fields = tuple(self._field(type_, key, same) for key, same in groups.items())
            loading = tuple(
                one for one in fields if isinstance(one, LOADED_FIELDS) and one.loaded_columns
            )
            self.selection_sets[known] = SelectionSet(
                tuple(groups), fields, _column_paths(fields), loading
            )
        return self.selection_sets[known]

    def _field(self, type_: GraphQLObjectType, key: str, group: Group) -> Field:
        if _field_name(group) == TYPENAME:
            return Typename(type_.name)
        field = type_.fields[_field_name(group)]
        known = declaration_of(field)
        answer = self._field_info(type_, field, key, group)
        if isinstance(known, Column) and is_leaf_type(type_of(field)):
            return _leaf_field(known, field, answer)
        if isinstance(known, Computed) and _is_unconverted(field) and not is_list(field):
            return ComputedField(known.columns, answer, known.compute)
        kind = type_of(field)
        if not isinstance(kind, GraphQLObjectType) or has_nullable_items(field):
            raise NotPlannableError
        shape = self._selection_set(kind, group)
        match known:
            case Column(name):
                return ObjectField(name, answer, shape)
            case Joined():
                columns = {name: known.column_name(name) for name in shape.columns[()]}
                return JoinedObjectField(known.key_column, answer, shape, columns)
            case Relation(column, _, load):
                return RelationField(column, answer, shape, load, self._resolver_call(field))
            case _:
                raise NotPlannableError

    def _field_info(
        self, type_: GraphQLObjectType, field: GraphQLField, key: str, group: Group
    ) -> FieldInfo:
        nodes = [details.node for details in group]
        return FieldInfo(f"{type_.name}.{_field_name(group)}", key, nodes, is_nullable(field))


def _is_unconverted(field: GraphQLField) -> bool:
    type_ = cast(GraphQLLeafType, type_of(field))
    # A text that is written by str() is one already.
    return type_.name in UNCONVERTED_TYPES or type_.serialize is str


def _leaf_field(column: Column, field: GraphQLField, answer: FieldInfo) -> Field:
    type_ = cast(GraphQLLeafType, type_of(field))
    is_plain = _is_unconverted(field)
    if is_list(field) and (has_nullable_items(field) or not is_plain):
        raise NotPlannableError
    if is_plain and column.convert is None:
        return LeafField(column.name, answer)
    read = column.convert if is_plain else partial(_serialize, column.convert, type_)
    told = ConvertedLeafField(column.name, answer, cast(FieldConverter, read))
    if isinstance(type_, GraphQLEnumType) and isinstance(column.convert, EnumConverter):
        members = column.convert.enum
        return EnumField({member.value: type_.serialize(member) for member in members}, told)
    return told


def _serialize(
    read: FieldConverter | None, type_: GraphQLLeafType, value: Any, context: Any
) -> Any:
    """What is read, as the type writes it."""
    found = read(value, context) if read else value
    return None if found is None else type_.serialize(found)


def _field_name(group: Group) -> str:
    return group[0].node.name.value


def _root_column_paths(kinds: Mapping[str, ObjectField], *, is_told: bool) -> ColumnPaths:
    """The columns by path, which begins with the name of the type if that is to be told."""
    return {
        (name, *path) if is_told else path: columns
        for name, nested in kinds.items()
        for path, columns in nested.selection_set.columns.items()
    }


def _column_paths(fields: Iterable[Field]) -> ColumnPaths:
    """The columns that the fields of a shape are told from, and by its path those below each."""
    found: defaultdict[tuple[str, ...], set[str]] = defaultdict(set, {(): set()})
    for one in fields:
        found[()].update(one.source_columns)
        if isinstance(one, ObjectField):
            for path, columns in one.selection_set.columns.items():
                found[one.column, *path].update(columns)
    return {path: tuple(sorted(columns)) for path, columns in found.items()}
