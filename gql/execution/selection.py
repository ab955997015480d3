"""Which fields a GraphQL operation selects below a field."""

from collections.abc import Iterable, Iterator
from typing import Any, cast

import strawberry
from graphql import (
    FieldNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLResolveInfo,
    InlineFragmentNode,
    is_abstract_type,
)

from gql.execution.declarations import (
    Column,
    Computed,
    Joined,
    Relation,
    declaration_of,
    is_nullable,
    type_of,
)

ResolveInfo = GraphQLResolveInfo[Any]
# Strawberry has no public name for what graphql-core says of a resolved field.
RAW_INFO = "_raw_info"
Node = FieldNode | FragmentSpreadNode | InlineFragmentNode


def selected_columns(info: strawberry.Info[Any, Any], *path: str) -> tuple[str, ...] | None:
    """The columns that the fields selected below the resolved field, at the end of `path`, are told from.

    Below a field of an abstract type the path begins with the name of a type. None where the path is
    not selected. A field under @skip or @include counts as selected.
    """
    # Strawberry's own view of the selection opens a fragment again wherever it is spread.
    raw = cast(ResolveInfo, getattr(info, RAW_INFO))
    kind = type_of(raw.parent_type.fields[raw.field_name])
    if is_abstract_type(kind):
        kind = cast(GraphQLNamedType, raw.schema.get_type(path[0]))
        path = path[1:]
    selection = Selection(kind, tuple(raw.field_nodes), raw)
    for name in path:
        selection = selection.at(name)
        if selection is None:
            return None
    return tuple(sorted(set(selection.columns())))


class Selection:
    """What is selected below fields of one object type."""

    def __init__(
        self, kind: GraphQLNamedType, nodes: Iterable[FieldNode], info: ResolveInfo
    ) -> None:
        self._fields = cast(GraphQLObjectType, kind).fields
        self._info = info
        self._nodes = list(self._below(nodes))

    def at(self, column: str) -> "Selection | None":
        """What is selected below the fields that are told from a column; None if none is."""
        nodes = [node for node in self._nodes if column in self._column(node)]
        return self._under(nodes) if nodes else None

    def columns(self) -> Iterator[str]:
        """The columns that its fields are told from."""
        for node in self._nodes:
            yield from self._column(node)
            known = declaration_of(self._field(node)) if node.name.value in self._fields else None
            if isinstance(known, Joined):
                yield from map(known.column_name, self._under([node]).columns())

    def _under(self, nodes: list[FieldNode]) -> "Selection":
        return Selection(type_of(self._field(nodes[0])), nodes, self._info)

    def _field(self, node: FieldNode) -> GraphQLField:
        return self._fields[node.name.value]

    def _column(self, node: FieldNode) -> tuple[str, ...]:
        """The columns of a field, but for those of an object in the row."""
        field = self._fields.get(node.name.value)
        match declaration_of(field) if field else None:
            case Column(name):
                return (name,)
            case Relation(key):
                return (key,)
            case Computed(columns):
                return columns
            case Joined() as embedding if field and is_nullable(field):
                return (embedding.key_column,)
            case _:
                return ()

    def _below(self, fields: Iterable[FieldNode]) -> Iterator[FieldNode]:
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
                pending.extend(_selections(self._info.fragments[node.name.value]))


def _selections(node: Any) -> list[Node]:
    return cast(list[Node], node.selection_set.selections)
