"""The positions of a diagram's nodes and edges, in pixels.

All nodes are in one column, except the denied node: it is to the right of the last decision that
leads to it. Edges that skip nodes run along a rail on either side. One rail per side is enough:
an edge that skips a stage ends before the next edge of this kind starts, and an edge that skips
decisions ends at their stage.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from gql.diagram.flow import Diagram, Edge, EdgeKind, Node, NodeKind
from gql.diagram.text_layout import TextStyle

MARGIN = 28
ROW_GAP = 46
NODE_WIDTH, DENIED_WIDTH = 336, 210
TEXT_INDENT, SLANT, BADGE_RADIUS = 24, 24, 13
# The distances of the rails and of the denied node from the column.
EARLY_RAIL, SKIP_RAIL, DENIED_GAP = 64, 56, 76
DENIED_OFFSET = DENIED_GAP + DENIED_WIDTH // 2
# The space that each kind of edge takes to the right of the column.
RIGHT_EXTENT = {
    EdgeKind.NEXT: 0,
    EdgeKind.EARLY: 0,
    EdgeKind.SKIP: SKIP_RAIL,
    EdgeKind.DENIED: DENIED_GAP + DENIED_WIDTH,
}
ARROW_LENGTH, CORNER_RADIUS = 6, 10
PADDING = 13
CAPTION_STYLE = TextStyle(12, 17, 2)
NAME_STYLE = TextStyle(15, 21, 3)
# The denied node may be taller, because it shares its row with a decision only.
DENIED_CAPTION_STYLE = TextStyle(12, 17, 4)


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text with its CSS classes; `baseline` counts from the top of the node."""

    css_class: str
    baseline: int
    text: str


@dataclass(frozen=True, slots=True)
class Box:
    """The position, the size and the lines of text of a node; `x` is its horizontal center."""

    node: Node
    x: int
    top: int
    width: int
    height: int
    lines: Sequence[Line]

    @property
    def middle(self) -> int:
        """The vertical center."""
        return self.top + self.height // 2

    @property
    def bottom(self) -> int:
        """The lower edge."""
        return self.top + self.height

    @property
    def left(self) -> int:
        """The left edge."""
        return self.x - self.width // 2

    @property
    def right(self) -> int:
        """The right edge."""
        return self.x + self.width // 2


@dataclass(frozen=True, slots=True)
class Layout:
    """The size of a diagram and the boxes of its nodes, in the order of the nodes."""

    width: int
    height: int
    boxes: Sequence[Box]


def lay_out(diagram: Diagram) -> Layout:
    """Return the layout of a diagram."""
    kinds = {edge.kind for edge in diagram.edges}
    x = MARGIN + NODE_WIDTH // 2 + (EARLY_RAIL if EdgeKind.EARLY in kinds else BADGE_RADIUS)
    has_denied = diagram.nodes[-1].kind is NodeKind.DENIED
    column = diagram.nodes[:-1] if has_denied else diagram.nodes
    denied_row = max(
        (edge.source for edge in diagram.edges if edge.kind is EdgeKind.DENIED), default=None
    )
    boxes: list[Box] = []
    denied_boxes: list[Box] = []
    top = MARGIN
    for index, node in enumerate(column):
        row = [_measure(node, x, NODE_WIDTH)]
        if index == denied_row:
            denied_x = x + NODE_WIDTH // 2 + DENIED_OFFSET
            row.append(_measure(diagram.nodes[-1], denied_x, DENIED_WIDTH))
        height = max(box.height for box in row)
        box, *others = (replace(box, top=top + (height - box.height) // 2) for box in row)
        boxes.append(box)
        denied_boxes += others
        top += height + ROW_GAP
    right = x + NODE_WIDTH // 2 + max(RIGHT_EXTENT[kind] for kind in kinds)
    return Layout(right + MARGIN, top - ROW_GAP + MARGIN, [*boxes, *denied_boxes])


def _measure(node: Node, x: int, width: int) -> Box:
    """Return the box of a node at the top of the diagram, as high as its lines of text."""
    text_width = width - 2 * (SLANT if node.kind is NodeKind.DECISION else TEXT_INDENT)
    lines: list[Line] = []
    height = PADDING
    for css_class, style, text in _list_texts(node):
        for line in style.wrap(text, text_width):
            lines.append(Line(css_class, height + style.baseline, line))
            height += style.height
    return Box(node, x, 0, width, height + PADDING, lines)


def _list_texts(node: Node) -> Iterator[tuple[str, TextStyle, str]]:
    """Yield the texts of a node from top to bottom, each with its CSS class and style."""
    yield "note", CAPTION_STYLE, node.subtitle
    yield "name", NAME_STYLE, node.text
    caption_style = DENIED_CAPTION_STYLE if node.kind is NodeKind.DENIED else CAPTION_STYLE
    yield "note", caption_style, node.caption
    yield "note notice", CAPTION_STYLE, node.notice


def build_edge_path(edge: Edge, boxes: Sequence[Box]) -> tuple[str, tuple[int, int]]:
    """Return the SVG path of an edge and the position of its label."""
    source, target = boxes[edge.source], boxes[edge.target]
    match edge.kind:
        case EdgeKind.NEXT:
            path = f"M{source.x} {source.bottom}V{target.top - ARROW_LENGTH}"
            return path, (source.x + 9, source.bottom + 17)
        case EdgeKind.EARLY:
            rail = source.left - EARLY_RAIL + 8
            path = _build_rail_path(source.left, source, rail, target)
            return path, (source.left - 7, source.middle - 7)
        case EdgeKind.SKIP:
            rail = source.right + SKIP_RAIL
            path = _build_rail_path(source.right, source, rail, target)
        case EdgeKind.DENIED:
            path = _build_denied_path(source, target)
    return path, (source.right + 8, source.middle - 7)


def _build_rail_path(start: int, source: Box, rail: int, target: Box) -> str:
    """Return the path from the side of a node along a rail into the edge above the target."""
    turn = CORNER_RADIUS if rail > start else -CORNER_RADIUS
    join = target.top - ROW_GAP // 2
    rail_top = source.middle + CORNER_RADIUS
    return (
        f"M{start} {source.middle}H{rail - turn}Q{rail} {source.middle} {rail} {rail_top}"
        f"V{join - CORNER_RADIUS}Q{rail} {join} {rail - turn} {join}"
        f"H{target.x + turn}Q{target.x} {join} {target.x} {join + CORNER_RADIUS}"
    )


def _build_denied_path(source: Box, target: Box) -> str:
    """Return the path from the right of a decision to the denied node, beside it or below."""
    start = f"M{source.right} {source.middle}"
    if source.middle == target.middle:
        return f"{start}H{target.left - ARROW_LENGTH}"
    bend = f"Q{target.x} {source.middle} {target.x} {source.middle + CORNER_RADIUS}"
    return f"{start}H{target.x - CORNER_RADIUS}{bend}V{target.top - ARROW_LENGTH}"


def build_arrowhead_path(edge: Edge, boxes: Sequence[Box]) -> str | None:
    """Return the SVG path of an edge's arrowhead, or None if it joins an edge that has one."""
    source, target = boxes[edge.source], boxes[edge.target]
    if edge.kind is EdgeKind.DENIED and source.middle == target.middle:
        return f"M{target.left - 9} {target.middle - 5}L{target.left - 1} {target.middle}l-8 5Z"
    if edge.kind in (EdgeKind.NEXT, EdgeKind.DENIED):
        return f"M{target.x - 5} {target.top - 9}L{target.x} {target.top - 1}l5 -8Z"
    return None
