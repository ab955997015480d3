"""Which fields a GraphQL operation selects below a field."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

import strawberry
from graphql import (
    FieldNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLObjectType,
    GraphQLResolveInfo,
    InlineFragmentNode,
)

from gql.execution.fields import declared, type_of

ResolveInfo = GraphQLResolveInfo[Any]
# Strawberry has no public name for what graphql-core says of a resolved field.
RAW_INFO = "_raw_info"
Fields = Mapping[str, GraphQLField]
Node = FieldNode | FragmentSpreadNode | InlineFragmentNode


def selected(info: strawberry.Info[Any, Any], *path: str) -> tuple[str, ...] | None:
    """The columns that the fields selected below the resolved field, at the end of `path`, are told from.

    None where the path is not selected. A field under @skip or @include counts as selected.
    """
    # Strawberry's own view of the selection opens a fragment again wherever it is spread.
    raw = cast(ResolveInfo, getattr(info, RAW_INFO))
    nodes = list(raw.field_nodes)
    fields = _fields_of(raw.parent_type.fields[raw.field_name])
    for name in path:
        nodes = [node for node in _below(nodes, raw) if _column(fields, node) == name]
        if not nodes:
            return None
        fields = _fields_of(fields[nodes[0].name.value])
    columns = {_column(fields, node) for node in _below(nodes, raw)}
    return tuple(sorted(column for column in columns if column))


def _fields_of(field: GraphQLField) -> Fields:
    return cast(GraphQLObjectType, type_of(field)).fields


def _column(fields: Fields, node: FieldNode) -> str | None:
    field = fields.get(node.name.value)
    column = declared(field) if field else None
    return column.name if column else None


def _below(fields: Iterable[FieldNode], info: ResolveInfo) -> Iterator[FieldNode]:
    """The fields below, with fragments opened, each fragment once."""
    opened: set[str] = set()
    pending = [node for field in fields if field.selection_set for node in _selections(field)]
    while pending:
        node = pending.pop()
        if isinstance(node, FieldNode):
            yield node
        elif isinstance(node, InlineFragmentNode):
            pending.extend(_selections(node))
        elif node.name.value not in opened:
            opened.add(node.name.value)
            pending.extend(_selections(info.fragments[node.name.value]))


def _selections(node: Any) -> list[Node]:
    return cast(list[Node], node.selection_set.selections)
