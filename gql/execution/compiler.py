"""Compilation of operations to plans.

graphql-core collects the fields: it expands fragments, merges repeated fields and evaluates @skip
and @include. A plan therefore has exactly the fields that graphql-core would execute. The compiler
adds the declaration of each field.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLLeafType,
    GraphQLObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    is_abstract_type,
)
from graphql.execution.collect_fields import FieldDetailsList as FieldGroup
from graphql.execution.collect_fields import (
    FragmentDetails,
    collect_fields,
    collect_subfields,
)
from graphql.execution.values import VariableValues
from strawberry import Schema
from strawberry.types.arguments import convert_argument

from gql.execution.completion import (
    ComputedField,
    ComputedObjectField,
    ConvertedLeafField,
    EnumField,
    Field,
    FieldInfo,
    JoinedObjectField,
    LeafField,
    ObjectField,
    RelationField,
    SelectionSet,
    Typename,
)
from gql.execution.declarations import (
    Column,
    Computed,
    EnumConverter,
    FieldConverter,
    Joined,
    Relation,
    declaration_of,
)
from gql.execution.graphql_core import (
    core_schema,
    definition_of,
    has_nullable_items,
    is_list,
    is_mixed_list,
    is_nullable,
    leaf_type_of,
    resolver_of,
    type_of,
)
from gql.execution.plan import Plan, RootField
from gql.execution.resolver_call import Argument, ColumnPaths, ResolverCall, bind_arguments

TYPENAME = "__typename"
# The scalars whose columns already hold response values.
UNCONVERTED_TYPES = frozenset({"Boolean", "Int", "String"})
LOADED_FIELDS = (ObjectField, JoinedObjectField, RelationField, ComputedField)


class NotPlannableError(Exception):
    """An operation selects a field that no plan can execute, such as introspection."""


@dataclass(frozen=True, slots=True)
class Compilation:
    """The compilation of one operation for the variables of its @skip and @include."""

    schema: Schema
    fragments: dict[str, FragmentDetails]
    operation: OperationDefinitionNode
    variables: VariableValues
    # Spreads of a fragment share its selection sets: a plan is not larger than its document.
    selection_sets: dict[tuple[Any, ...], SelectionSet] = field(
        default_factory=dict[tuple[Any, ...], SelectionSet]
    )

    @property
    def core_schema(self) -> GraphQLSchema:
        """graphql-core's schema."""
        return core_schema(self.schema)

    def compile(self) -> Plan:
        """Return the plan. Raises NotPlannableError, or GraphQLError if a condition is null."""
        query = self.core_schema.query_type
        if query is None or self.operation.operation is not OperationType.QUERY:
            raise NotPlannableError
        groups = collect_fields(
            self.core_schema, self.fragments, self.variables, query, self.operation
        ).grouped_field_set
        return Plan(
            {key: self._compile_root_field(query, key, group) for key, group in groups.items()}
        )

    def _compile_root_field(
        self, query: GraphQLObjectType, key: str, group: FieldGroup
    ) -> RootField | Typename:
        if _field_name(group) == TYPENAME:
            return Typename(query.name)
        field = query.fields.get(_field_name(group))
        definition = definition_of(field) if field else None
        resolve = resolver_of(definition) if definition else None
        if field is None or resolve is None:
            raise NotPlannableError
        is_mixed = is_mixed_list(field)
        if has_nullable_items(field) and not is_mixed:
            raise NotPlannableError
        info = self._field_info(query, field, key, group)
        fields_by_type = {
            type_.name: ObjectField("", info, self._compile_selection_set(type_, group))
            for type_ in self._possible_types(field)
        }
        column_paths = _root_column_paths(
            fields_by_type, has_type_names=is_abstract_type(type_of(field))
        )
        call = self._compile_call(field, info)
        return RootField(info, fields_by_type, resolve, call, column_paths, is_mixed=is_mixed)

    def _possible_types(self, field: GraphQLField) -> Sequence[GraphQLObjectType]:
        """Return the types that objects of a field may have."""
        type_ = type_of(field)
        if isinstance(type_, GraphQLObjectType):
            return (type_,)
        if is_abstract_type(type_) and (not is_list(field) or is_mixed_list(field)):
            return self.core_schema.get_possible_types(type_)
        raise NotPlannableError

    def _compile_call(self, field: GraphQLField, info: FieldInfo) -> ResolverCall:
        node = info.nodes[0]
        arguments = tuple(self._compile_arguments(field))
        return ResolverCall(field, node, arguments, bind_arguments(field, node))

    def _compile_arguments(self, field: GraphQLField) -> Iterator[Argument]:
        """Yield the arguments of a field, with Strawberry's conversions to Python values."""
        config = self.schema.config
        registry = self.schema.schema_converter.scalar_registry
        definition = definition_of(field)
        for argument in definition.arguments if definition else ():
            name = config.name_converter.from_argument(argument)
            convert = partial(
                convert_argument, type_=argument.type, scalar_registry=registry, config=config
            )
            core_argument = field.args[name]
            # The values of leaves, also in lists, are Python values already.
            is_leaf = leaf_type_of(core_argument) is not None
            yield Argument(name, argument.python_name, None if is_leaf else convert)

    def _compile_selection_set(self, type_: GraphQLObjectType, group: FieldGroup) -> SelectionSet:
        groups = collect_subfields(
            self.core_schema, self.fragments, self.variables, self.operation, type_, group
        ).grouped_field_set
        node_ids = (id(details.node) for subgroup in groups.values() for details in subgroup)
        case = (type_.name, *node_ids)
        if case not in self.selection_sets:
            fields = tuple(
                self._compile_field(type_, key, subgroup) for key, subgroup in groups.items()
            )
            loaded_fields = tuple(
                field
                for field in fields
                if isinstance(field, LOADED_FIELDS) and field.loaded_columns
            )
            object_fields = tuple(field for field in fields if isinstance(field, ObjectField))
            self.selection_sets[case] = SelectionSet(
                tuple(groups), fields, _column_paths(fields), loaded_fields, object_fields
            )
        return self.selection_sets[case]

    def _compile_field(self, type_: GraphQLObjectType, key: str, group: FieldGroup) -> Field:
        if _field_name(group) == TYPENAME:
            return Typename(type_.name)
        field = type_.fields[_field_name(group)]
        info = self._field_info(type_, field, key, group)
        leaf_type = leaf_type_of(field)
        return (
            _compile_leaf_field(field, leaf_type, info)
            if leaf_type
            else self._compile_object_field(field, group, info)
        )

    def _compile_object_field(
        self, field: GraphQLField, group: FieldGroup, info: FieldInfo
    ) -> Field:
        type_ = type_of(field)
        if not isinstance(type_, GraphQLObjectType) or has_nullable_items(field):
            raise NotPlannableError
        selection_set = self._compile_selection_set(type_, group)
        match declaration_of(field):
            case Column(name):
                return ObjectField(name, info, selection_set)
            case Joined() as joined:
                columns = {name: joined.column_name(name) for name in selection_set.columns[()]}
                return JoinedObjectField(joined.key_column, info, selection_set, columns)
            case Relation() as relation:
                return RelationField(relation, info, selection_set, self._compile_call(field, info))
            case Computed(columns, compute):
                return ComputedObjectField(columns, info, compute, selection_set=selection_set)
            case _:
                raise NotPlannableError

    def _field_info(
        self, type_: GraphQLObjectType, field: GraphQLField, key: str, group: FieldGroup
    ) -> FieldInfo:
        nodes = [details.node for details in group]
        return FieldInfo(f"{type_.name}.{_field_name(group)}", key, nodes, is_nullable(field))


def _compile_leaf_field(field: GraphQLField, type_: GraphQLLeafType, info: FieldInfo) -> Field:
    # The result of serialize is the column's value if it is str, since such columns hold strings.
    is_unconverted = type_.name in UNCONVERTED_TYPES or type_.serialize is str
    if is_list(field) and (has_nullable_items(field) or not is_unconverted):
        raise NotPlannableError
    match declaration_of(field):
        case Column(name, None) if is_unconverted:
            return LeafField(name, info)
        case Column(name, convert) if convert and is_unconverted:
            return ConvertedLeafField(name, info, convert)
        case Column(name, convert):
            return _compile_serialized_field(name, convert, type_, info)
        case Computed(columns, compute, is_json=True):
            return ComputedField(columns, info, compute, type_.serialize)
        case Computed(columns, compute) if is_unconverted and not is_list(field):
            return ComputedField(columns, info, compute)
        case _:
            raise NotPlannableError


def _compile_serialized_field(
    column: str, convert: FieldConverter | None, type_: GraphQLLeafType, info: FieldInfo
) -> Field:
    field = ConvertedLeafField(column, info, partial(_serialize, convert, type_))
    if isinstance(type_, GraphQLEnumType) and isinstance(convert, EnumConverter):
        names = {member.value: type_.serialize(member) for member in convert.enum}
        return EnumField(names, field)
    return field


def _serialize(
    convert: FieldConverter | None, type_: GraphQLLeafType, value: Any, context: Any
) -> Any:
    """Return the response value of a stored value."""
    converted = convert(value, context) if convert else value
    return None if converted is None else type_.serialize(converted)


def _field_name(group: FieldGroup) -> str:
    return group[0].node.name.value


def _root_column_paths(
    fields_by_type: Mapping[str, ObjectField], *, has_type_names: bool
) -> ColumnPaths:
    """Return the columns by path; the paths start with a type name if `has_type_names`."""
    return {
        (name, *path) if has_type_names else path: columns
        for name, field in fields_by_type.items()
        for path, columns in field.selection_set.columns.items()
    }


def _column_paths(fields: Iterable[Field]) -> ColumnPaths:
    """Return the source columns of fields, and by path those of the fields below."""
    paths: defaultdict[tuple[str, ...], set[str]] = defaultdict(set, {(): set()})
    for item in fields:
        paths[()].update(item.source_columns)
        if isinstance(item, ObjectField):
            for path, columns in item.selection_set.columns.items():
                paths[item.column, *path].update(columns)
    return {path: tuple(sorted(columns)) for path, columns in paths.items()}
