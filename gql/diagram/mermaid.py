"""The source of a Mermaid flowchart for a diagram."""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from gql.diagram import labels
from gql.diagram.flow import Diagram, Edge, Mark, Node, NodeKind
from gql.diagram.text import replace_unreadable

SHAPES = {
    NodeKind.START: '(["{}"])',
    NodeKind.DECISION: '{{{{"{}"}}}}',
    NodeKind.STAGE: '["{}"]',
    NodeKind.END: '(["{}"])',
    NodeKind.DENIED: '(["{}"])',
}
# Characters that Mermaid, or the Markdown in its labels, may interpret: all except letters, digits,
# commas, spaces, and dashes within words. ﬂ and ¶ delimit entities inside Mermaid.
SPECIAL_CHARACTERS = re.compile(r"(?<![^\W_])[-_]|[-_](?![^\W_])|[^\w ,\-]|[ﬂ¶]")
WHITESPACE = re.compile(r"\s+")
# The styles of marked nodes, whose colors are those of the theme.
STYLES = {Mark.ADDED: "stroke-width:4px", Mark.REMOVED: "stroke-dasharray:6 4"}


def render(diagram: Diagram) -> str:
    """Return the source, with one line per node and per edge."""
    return "".join(f"{line}\n" for line in _render_lines(diagram))


def _render_lines(diagram: Diagram) -> Iterator[str]:
    yield "flowchart TD"
    for index, node in enumerate(diagram.nodes):
        yield f"    n{index}{SHAPES[node.kind].format(_render_label(node))}{_render_class(node)}"
    for edge in diagram.edges:
        yield f"    n{edge.source} {_render_arrow(edge)} n{edge.target}"
    yield from _render_removed_links(diagram.nodes)
    for mark in sorted({node.mark.value for node in diagram.nodes if node.mark}):
        yield f"    classDef {mark} {STYLES[Mark(mark)]}"


def _render_class(node: Node) -> str:
    return f":::{node.mark.value}" if node.mark else ""


def _render_removed_links(nodes: Sequence[Node]) -> Iterator[str]:
    """Yield links that keep removed nodes in their places, between their neighbors."""
    for index, (node, following) in enumerate(pairwise(nodes)):
        if Mark.REMOVED in (node.mark, following.mark):
            yield f"    n{index} -.- n{index + 1}"


def _render_arrow(edge: Edge) -> str:
    return f'-->|"{edge.label}"|' if edge.label else "-->"


def _render_label(node: Node) -> str:
    """Return the name of a node, followed by its other texts on further lines."""
    mark = labels.MARKS[node.mark.value] if node.mark else ""
    texts = (mark, node.text, node.subtitle, node.caption, node.notice)
    return "<br/>".join(escape(text) for text in texts if text)


def escape(text: str) -> str:
    """Escape a string for a label and collapse its whitespace."""
    return SPECIAL_CHARACTERS.sub(
        _render_entity, WHITESPACE.sub(" ", replace_unreadable(text)).strip()
    )


def _render_entity(match: re.Match[str]) -> str:
    return f"#{ord(match[0])};"
