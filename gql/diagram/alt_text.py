"""The text alternative of a diagram, for screen readers."""

from collections.abc import Iterator

from gql.diagram.flow import Diagram, Edge, Mark, Node, NodeKind

MARKS = {Mark.ADDED: "Not in the baseline.", Mark.REMOVED: "Only in the baseline."}


def describe(diagram: Diagram) -> str:
    """Return one line per node, in execution order, with the targets of its labeled edges."""
    outcomes: dict[int, list[Edge]] = {}
    for edge in diagram.edges:
        if edge.label:
            outcomes.setdefault(edge.source, []).append(edge)
    return "\n".join(
        " ".join(_write_sentences(node, outcomes.get(index, []), diagram))
        for index, node in enumerate(diagram.nodes)
    )


def _write_sentences(node: Node, outcomes: list[Edge], diagram: Diagram) -> Iterator[str]:
    subtitle = f" ({node.subtitle})" if node.subtitle else ""
    yield f"{_format_name(node)}{subtitle}."
    for text in filter(None, (node.caption, node.notice)):
        yield f"{text}."
    if node.mark:
        yield MARKS[node.mark]
    for edge in outcomes:
        yield f"{edge.label.capitalize()}: {_format_name(diagram.nodes[edge.target])}."


def _format_name(node: Node) -> str:
    match node.kind:
        case NodeKind.STAGE if node.mark is Mark.REMOVED:
            return f"Removed stage: {node.text}"
        case NodeKind.DECISION if node.mark is Mark.REMOVED:
            return f"Removed decision: {node.text}"
        case NodeKind.START:
            return f"Start: {node.text}"
        case NodeKind.STAGE:
            return f"Stage {node.number}: {node.text}"
        case NodeKind.DECISION:
            return f"Decision: {node.text}"
        case _:
            return node.text
