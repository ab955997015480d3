"""The columns that a GraphQL operation selects below a field, from graphql-core's info."""

from collections.abc import Iterable, Iterator
from typing import Any, cast

import strawberry
from graphql import (
    FieldNode,
    GraphQLField,
    GraphQLNamedType,
    GraphQLObjectType,
    InlineFragmentNode,
    is_abstract_type,
)

from gql.execution.declarations import Column, Computed, Joined, Relation, declaration_of
from gql.execution.graphql_core import (
    ResolveInfo,
    is_nullable,
    resolve_info_of,
    selections_of,
    type_of,
)


def selected_columns(info: strawberry.Info[Any, Any], *path: str) -> tuple[str, ...] | None:
    """Return the source columns of the fields selected at a path below the resolved field.

    Below a field of an abstract type the path starts with a type name. None if nothing is selected
    at the path. A field with @skip or @include counts as selected.
    """
    # Strawberry's `info.selected_fields` expands a fragment again for each spread.
    core_info = resolve_info_of(info)
    type_ = type_of(core_info.parent_type.fields[core_info.field_name])
    if is_abstract_type(type_):
        type_ = cast(GraphQLNamedType, core_info.schema.get_type(path[0]))
        path = path[1:]
    selection = Selection(type_, core_info.field_nodes, core_info)
    for name in path:
        selection = selection.descend(name)
        if selection is None:
            return None
    return tuple(sorted(set(selection.columns())))


class Selection:
    """The fields selected below fields of one object type."""

    def __init__(
        self, type_: GraphQLNamedType, nodes: Iterable[FieldNode], info: ResolveInfo
    ) -> None:
        self._fields = cast(GraphQLObjectType, type_).fields
        self._info = info
        self._nodes = list(self._expand(nodes))

    def descend(self, column: str) -> "Selection | None":
        """Return the selection below the fields with a source column, None if there are none."""
        nodes = [node for node in self._nodes if column in self._source_columns(node)]
        return self._select_below(nodes) if nodes else None

    def columns(self) -> Iterator[str]:
        """Yield the source columns of the selected fields."""
        for node in self._nodes:
            yield from self._source_columns(node)
            field = self._fields.get(node.name.value)
            declaration = declaration_of(field) if field else None
            if isinstance(declaration, Joined):
                yield from map(declaration.column_name, self._select_below([node]).columns())

    def _select_below(self, nodes: list[FieldNode]) -> "Selection":
        return Selection(type_of(self._field(nodes[0])), nodes, self._info)

    def _field(self, node: FieldNode) -> GraphQLField:
        return self._fields[node.name.value]

    def _source_columns(self, node: FieldNode) -> tuple[str, ...]:
        """Return the columns of a field, except those of a joined object."""
        field = self._fields.get(node.name.value)
        match declaration_of(field) if field else None:
            case Column(name):
                return (name,)
            case Relation(key):
                return (key,)
            case Computed(columns):
                return columns
            case Joined() as joined if field and is_nullable(field):
                return (joined.key_column,)
            case _:
                return ()

    def _expand(self, nodes: Iterable[FieldNode]) -> Iterator[FieldNode]:
        """Yield the fields below nodes; each fragment is expanded once."""
        expanded: set[str] = set()
        pending = [selection for node in nodes for selection in selections_of(node)]
        while pending:
            node = pending.pop()
            if isinstance(node, FieldNode):
                yield node
            elif isinstance(node, InlineFragmentNode):
                pending.extend(selections_of(node))
            elif node.name.value not in expanded:
                expanded.add(node.name.value)
                pending.extend(selections_of(self._info.fragments[node.name.value]))
