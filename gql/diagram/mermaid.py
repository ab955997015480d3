"""A diagram as the text of a Mermaid flowchart."""

import re
from collections.abc import Iterator

from gql.diagram.flow import Diagram, Edge, Node, NodeKind
from gql.diagram.text import replace_unreadable

SHAPES = {
    NodeKind.START: '(["{}"])',
    NodeKind.DECISION: '{{{{"{}"}}}}',
    NodeKind.STAGE: '["{}"]',
    NodeKind.END: '(["{}"])',
    NodeKind.DENIED: '(["{}"])',
}
# What may mean something to Mermaid, or to the Markdown that it reads in labels: all but letters,
# digits, commas, single blanks, and dashes within words. ﬂ and ¶ are what Mermaid writes entities with.
ODD = re.compile(r"(?<![^\W_])[-_]|[-_](?![^\W_])|[^\w ,\-]|[ﬂ¶]")
BLANKS = re.compile(r"\s+")


def render(diagram: Diagram) -> str:
    """The text, a line for each node and each edge."""
    return "".join(f"{line}\n" for line in _lines(diagram))


def _lines(diagram: Diagram) -> Iterator[str]:
    yield "flowchart TD"
    for place, node in enumerate(diagram.nodes):
        yield f"    n{place}{SHAPES[node.kind].format(_label(node))}"
    for edge in diagram.edges:
        yield f"    n{edge.source} {_arrow(edge)} n{edge.target}"


def _arrow(edge: Edge) -> str:
    return f'-->|"{edge.label}"|' if edge.label else "-->"


def _label(node: Node) -> str:
    """The name, and below it what else there is to say."""
    return "<br/>".join(escape(text) for text in (node.text, node.subtitle, node.caption) if text)


def escape(text: str) -> str:
    """A text that means nothing but itself in a label; blanks are told as one."""
    return ODD.sub(_entity, BLANKS.sub(" ", replace_unreadable(text)).strip())


def _entity(found: re.Match[str]) -> str:
    return f"#{ord(found[0])};"
