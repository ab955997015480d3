"""Typed access to graphql-core and Strawberry.

Type checkers cannot follow graphql-core's generic types, and neither library has public names for
everything that execution needs. Casts to Any and private names of the libraries belong here.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from enum import Enum
from functools import partial
from inspect import isawaitable
from typing import Any, TypeAlias, cast

import graphql
import strawberry
from graphql import (
    DocumentNode,
    ExecutionResult,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLArgument,
    GraphQLField,
    GraphQLLeafType,
    GraphQLList,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLResolveInfo,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    Undefined,
    get_named_type,
    is_abstract_type,
    is_leaf_type,
)
from graphql.execution.get_variable_signature import GraphQLVariableSignature
from strawberry.types.enum import EnumValue
from strawberry.types.field import StrawberryField

ResolveInfo: TypeAlias = "GraphQLResolveInfo[Any]"
# graphql-core's SelectionNode is the open base class of these.
AnySelectionNode = FieldNode | FragmentSpreadNode | InlineFragmentNode
# Everything that has a type in graphql-core.
Typed = GraphQLField | GraphQLArgument | GraphQLVariableSignature

# The key of Strawberry's objects in the extensions of graphql-core's.
DEFINITION_KEY = "strawberry-definition"


def core_schema(schema: strawberry.Schema) -> GraphQLSchema:
    """Return graphql-core's schema of a Strawberry schema."""
    return cast(GraphQLSchema, getattr(schema, "_schema"))  # noqa: B009 - it has no public name


def type_of(typed: Typed) -> GraphQLNamedType:
    """Return the named type, without lists and non-null."""
    return cast(GraphQLNamedType, get_named_type(_wrapped_type(typed)))


def leaf_type_of(typed: Typed) -> GraphQLLeafType | None:
    """Return the named type if it is a scalar or an enum, whether in a list or not."""
    type_ = type_of(typed)
    return type_ if is_leaf_type(type_) else None


def is_nullable(typed: Typed) -> bool:
    """Return whether the type accepts null."""
    return not isinstance(_wrapped_type(typed), GraphQLNonNull)


def is_list(typed: Typed) -> bool:
    """Return whether the type is a list."""
    return isinstance(_strip_non_null(_wrapped_type(typed)), GraphQLList)


def has_nullable_items(typed: Typed) -> bool:
    """Return whether the type is a list with nullable items, or a list of lists."""
    items = _item_type_of(typed)
    if items is None:
        return False
    return not isinstance(items, GraphQLNonNull) or cast(Any, items).of_type is not type_of(typed)


def is_mixed_list(typed: Typed) -> bool:
    """Return whether the type is a list of nullable objects of several types."""
    type_ = type_of(typed)
    return is_abstract_type(type_) and _item_type_of(typed) is type_


def selections_of(
    node: FieldNode | InlineFragmentNode | FragmentDefinitionNode | OperationDefinitionNode,
) -> tuple[AnySelectionNode, ...]:
    """Return the selections of a node; none if it has no selection set."""
    return cast(Any, node.selection_set.selections) if node.selection_set else ()


def leaf_coercion_of(signature: GraphQLVariableSignature) -> Callable[[Any], Any]:
    """Return graphql-core's `coerce_input_value` for the type of a variable, leaves or lists of them.

    It looks at the type only once. The function returns Undefined if a value is invalid.
    """
    return _build_coercion(_wrapped_type(signature))


async def execute(schema: GraphQLSchema, document: DocumentNode, **options: Any) -> ExecutionResult:
    """Execute an operation with graphql-core."""
    result = cast(Any, graphql.execute)(schema, document, **options)
    return await result if isawaitable(result) else result


def make_field(resolve: Callable[..., Any], description: str, metadata: Mapping[str, Any]) -> Any:
    """Return a Strawberry field. It takes its type from the annotation of its attribute."""
    return strawberry.field(cast(Any, resolve), description=description, metadata=metadata)


def definition_of(field: GraphQLField) -> StrawberryField | None:
    """Return Strawberry's definition of a field, None for a field of graphql-core."""
    return field.extensions.get(DEFINITION_KEY)


def resolver_of(definition: StrawberryField) -> Callable[..., Awaitable[Any]] | None:
    """Return the function that Strawberry awaits for a field with a root and an `info`.

    None if Strawberry does more than that: it checks permissions and runs extensions itself.
    """
    resolver = cast(Any, definition).base_resolver
    if not resolver or definition.extensions or definition.permission_classes:
        return None
    has_expected_signature = (
        resolver.is_async and resolver.self_parameter and resolver.info_parameter
    )
    return resolver.wrapped_func if has_expected_signature else None


def resolve_info_of(info: strawberry.Info[Any, Any]) -> ResolveInfo:
    """Return graphql-core's info of a field that Strawberry resolves."""
    return cast(ResolveInfo, getattr(info, "_raw_info"))  # noqa: B009 - no public name


def type_name_of(value: object) -> str:
    """Return the GraphQL name of a Strawberry type, or of that of an instance."""
    return cast(Any, value).__strawberry_definition__.name


def enum_values_of(enum: type[Enum]) -> Sequence[EnumValue]:
    """Return Strawberry's definitions of the values of a registered enum."""
    return cast(Any, enum).__strawberry_definition__.values


def _build_coercion(type_: Any) -> Callable[[Any], Any]:
    if isinstance(type_, GraphQLNonNull):
        nullable = _build_coercion(cast(Any, type_).of_type)
        return lambda value: Undefined if value is None else nullable(value)
    if isinstance(type_, GraphQLList):
        return partial(_coerce_list, _build_coercion(cast(Any, type_).of_type))
    return partial(_coerce_leaf, type_.coerce_input_value)


def _coerce_list(coerce_item: Callable[[Any], Any], value: Any) -> Any:
    if value is None:
        return None
    # A list accepts a single value as a list of one.
    items = list(map(coerce_item, cast(list[Any], value) if isinstance(value, list) else [value]))
    return Undefined if any(item is Undefined for item in items) else items


def _coerce_leaf(coerce: Callable[[Any], Any], value: Any) -> Any:
    if value is None:
        return None
    try:
        return coerce(value)
    except Exception:  # noqa: BLE001 - every error makes the value invalid, as in graphql-core
        return Undefined


def _wrapped_type(typed: Typed) -> Any:
    return cast(Any, typed).type


def _item_type_of(typed: Typed) -> Any:
    """Return the type of the items of a list, None for other types."""
    list_ = _strip_non_null(_wrapped_type(typed))
    return cast(Any, list_).of_type if isinstance(list_, GraphQLList) else None


def _strip_non_null(type_: Any) -> Any:
    return cast(Any, type_).of_type if isinstance(type_, GraphQLNonNull) else type_
