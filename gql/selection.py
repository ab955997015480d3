"""Which fields a GraphQL operation selects below a field."""

from collections.abc import Iterable, Iterator
from typing import Any, cast

import strawberry
from graphql import FieldNode, FragmentSpreadNode, GraphQLResolveInfo, InlineFragmentNode

ResolveInfo = GraphQLResolveInfo[Any]
# Strawberry has no public name for what graphql-core says of a resolved field.
RAW_INFO = "_raw_info"
Node = FieldNode | FragmentSpreadNode | InlineFragmentNode


def selected(info: strawberry.Info[Any, Any], *path: str) -> frozenset[str]:
    """The names of the fields selected below the resolved field, at the end of `path`.

    A field under @skip or @include counts as selected.
    """
    # Strawberry's own view of the selection opens a fragment again wherever it is spread.
    raw = cast(ResolveInfo, getattr(info, RAW_INFO))
    nodes = list(raw.field_nodes)
    for name in path:
        nodes = [node for node in _below(nodes, raw) if node.name.value == name]
    return frozenset(node.name.value for node in _below(nodes, raw))


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
