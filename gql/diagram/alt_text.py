"""The walk through a diagram in words, for who cannot see it."""

from collections.abc import Iterator

from gql.diagram.flow import Diagram, Edge, Node, NodeKind


def describe(diagram: Diagram) -> str:
    """A line for each node, in the order of the walk, and where each decision leads."""
    ways: dict[int, list[Edge]] = {}
    for edge in diagram.edges:
        if edge.label:
            ways.setdefault(edge.source, []).append(edge)
    return "\n".join(
        " ".join(_sentences(node, ways.get(place, []), diagram))
        for place, node in enumerate(diagram.nodes)
    )


def _sentences(node: Node, ways: list[Edge], diagram: Diagram) -> Iterator[str]:
    about = f" ({node.subtitle})" if node.subtitle else ""
    yield f"{_name(node)}{about}."
    if node.caption:
        yield f"{node.caption}."
    for edge in ways:
        yield f"{edge.label.capitalize()}: {_name(diagram.nodes[edge.target])}."


def _name(node: Node) -> str:
    match node.kind:
        case NodeKind.START:
            return f"Start: {node.text}"
        case NodeKind.STAGE:
            return f"Stage {node.number}: {node.text}"
        case NodeKind.DECISION:
            return f"Decision: {node.text}"
        case _:
            return node.text
