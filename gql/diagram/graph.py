"""The nodes and edges of a diagram as rows, and in the shape of authentik's API.

authentik sends its own diagrams in this shape after version 2026.8. It has no nodes for groups,
users and denial: these are policies and ends of the flow here, so that its clients can read them.
"""

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any

from gql.diagram.flow import (
    MEMBERSHIP_OUTCOMES,
    POLICY_OUTCOMES,
    Diagram,
    Edge,
    Node,
    NodeKind,
)
from models.batch import Batch


class FlowDiagramNodeType(Enum):
    """The type of a node; the value is authentik's."""

    FLOW_START = "flow-start"
    STAGE = "stage"
    POLICY = "policy"
    FLOW_END = "flow-end"


class FlowDiagramEdgeType(Enum):
    """The type of an edge; the value is authentik's."""

    PROCEED = "proceed"
    POLICY_PASSED = "policy-passed"
    POLICY_DENIED = "policy-denied"


NODE_TYPES = {
    NodeKind.START: FlowDiagramNodeType.FLOW_START,
    NodeKind.STAGE: FlowDiagramNodeType.STAGE,
    NodeKind.DECISION: FlowDiagramNodeType.POLICY,
    NodeKind.END: FlowDiagramNodeType.FLOW_END,
    NodeKind.DENIED: FlowDiagramNodeType.FLOW_END,
}
# The types by label. The label is the outcome of the policy itself, before negation.
EDGE_TYPES = {
    "": FlowDiagramEdgeType.PROCEED,
    POLICY_OUTCOMES[0]: FlowDiagramEdgeType.POLICY_PASSED,
    POLICY_OUTCOMES[1]: FlowDiagramEdgeType.POLICY_DENIED,
    MEMBERSHIP_OUTCOMES[0]: FlowDiagramEdgeType.POLICY_PASSED,
    MEMBERSHIP_OUTCOMES[1]: FlowDiagramEdgeType.POLICY_DENIED,
}
# The keys of authentik's API, in its order.
NODE_KEYS = (
    *("identifier", "type", "name", "verbose_name", "model", "pk", "component"),
    *("binding_model", "binding_pk", "binding_order"),
)
EDGE_KEYS = ("origin", "target", "type")


def build_document(diagram: Diagram) -> Mapping[str, Sequence[Mapping[str, Any]] | str]:
    """Return the graph as authentik's API does, and the notice if the diagram has one."""
    graph = {
        "nodes": _build_objects(NODE_KEYS, build_nodes(diagram)),
        "edges": _build_objects(EDGE_KEYS, build_edges(diagram)),
    }
    notice = find_notice(diagram)
    return {**graph, "notice": notice} if notice else graph


def find_notice(diagram: Diagram) -> str:
    """Return the notice of a diagram, an empty string if it has none."""
    return next((node.notice for node in diagram.nodes if node.notice), "")


def build_nodes(diagram: Diagram) -> Batch:
    """Return a row for each node. The `id` is unique among the nodes of all diagrams."""
    return _build_batch([_build_node(node, diagram) for node in diagram.nodes])


def build_edges(diagram: Diagram) -> Batch:
    """Return a row for each edge, with the identifiers and the ids of its two nodes."""
    return _build_batch([_build_edge(edge, diagram) for edge in diagram.edges])


def _build_node(node: Node, diagram: Diagram) -> Mapping[str, Any]:
    bound = node.bound
    return {
        "id": _build_id(node, diagram),
        "identifier": node.identifier,
        "type": NODE_TYPES[node.kind].value,
        "name": node.text,
        "verbose_name": node.subtitle,
        "caption": node.caption,
        "model": bound.model,
        "pk": bound.pk,
        # The names of the web components that edit an object are in authentik's code only.
        "component": "",
        "binding_model": bound.binding_model,
        "binding_pk": bound.binding_pk,
        "binding_order": bound.binding_order,
    }


def _build_edge(edge: Edge, diagram: Diagram) -> Mapping[str, Any]:
    source, target = diagram.nodes[edge.source], diagram.nodes[edge.target]
    return {
        "origin": source.identifier,
        "target": target.identifier,
        "source_id": _build_id(source, diagram),
        "target_id": _build_id(target, diagram),
        "type": EDGE_TYPES[edge.label].value,
        "label": edge.label,
    }


def _build_id(node: Node, diagram: Diagram) -> str:
    return f"{diagram.pk}/{node.identifier}"


def _build_batch(rows: Sequence[Mapping[str, Any]]) -> Batch:
    """Return the batch of one row or more."""
    return Batch({name: [row[name] for row in rows] for name in rows[0]}, len(rows))


def _build_objects(keys: Sequence[str], batch: Batch) -> Sequence[Mapping[str, Any]]:
    return [dict(zip(keys, row, strict=True)) for row in batch.tuples(keys)]
