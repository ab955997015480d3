"""Where a diagram's nodes and edges are, in pixels.

Nodes stand in one column; what denies stands beside the last decision that leads there. Ways past
nodes run on a rail at either side. A way past a stage ends where the next one may begin, and a way
past decisions at their stage, so that one rail at a side is enough, however many there are.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from gql.diagram.flow import Diagram, Edge, EdgeKind, Node, NodeKind
from gql.diagram.text_layout import TextStyle

MARGIN = 28
GAP = 46
WIDTH, DENIED_WIDTH = 336, 210
INDENT, SLANT, BADGE = 24, 24, 13
# How far rails, and what denies, are from the column.
EARLY_RAIL, SKIP_RAIL, ASIDE = 64, 56, 76
FAR = ASIDE + DENIED_WIDTH // 2
# How far to the right of the column a way takes.
REACH = {
    EdgeKind.NEXT: 0,
    EdgeKind.EARLY: 0,
    EdgeKind.SKIP: SKIP_RAIL,
    EdgeKind.DENIED: ASIDE + DENIED_WIDTH,
}
# How long an arrowhead is, and how round a corner.
TIP, BEND = 6, 10
PADDING = 13
NOTE = TextStyle(12, 17, 2)
NAME = TextStyle(15, 21, 3)
# There is nothing beside a refusal that would be kept waiting by a few lines more.
ASIDE_NOTE = TextStyle(12, 17, 4)


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text: its class, its baseline below the top of its node, and the text."""

    of: str
    baseline: int
    text: str


@dataclass(frozen=True, slots=True)
class Box:
    """A node's place: the middle of its top, its size, and its lines of text."""

    node: Node
    x: int
    top: int
    width: int
    height: int
    lines: Sequence[Line]

    def below(self, top: int) -> "Box":
        """The same with its top there."""
        return replace(self, top=top)

    @property
    def middle(self) -> int:
        """Its middle from top to bottom."""
        return self.top + self.height // 2

    @property
    def bottom(self) -> int:
        """Its lower end."""
        return self.top + self.height

    @property
    def left(self) -> int:
        """Its left end."""
        return self.x - self.width // 2

    @property
    def right(self) -> int:
        """Its right end."""
        return self.x + self.width // 2


@dataclass(frozen=True, slots=True)
class Layout:
    """The size of a picture, and the places of its nodes."""

    width: int
    height: int
    boxes: Sequence[Box]


def lay_out(diagram: Diagram) -> Layout:
    """The layout of a diagram."""
    ways = {edge.kind for edge in diagram.edges}
    x = MARGIN + WIDTH // 2 + (EARLY_RAIL if EdgeKind.EARLY in ways else BADGE)
    is_aside = diagram.nodes[-1].kind is NodeKind.DENIED
    column = diagram.nodes[:-1] if is_aside else diagram.nodes
    beside = {
        edge.source: diagram.nodes[-1] for edge in diagram.edges if edge.kind is EdgeKind.DENIED
    }
    # Beside all decisions that lead there stands the last, where it says what is denied.
    last = max(beside, default=None)
    boxes: list[Box] = []
    aside: list[Box] = []
    top = MARGIN
    for place, node in enumerate(column):
        row = [_measure(node, x, WIDTH)]
        if place == last:
            row.append(_measure(diagram.nodes[-1], x + WIDTH // 2 + FAR, DENIED_WIDTH))
        height = max(box.height for box in row)
        found, *others = (box.below(top + (height - box.height) // 2) for box in row)
        boxes.append(found)
        aside += others
        top += height + GAP
    right = x + WIDTH // 2 + max(REACH[way] for way in ways)
    return Layout(right + MARGIN, top - GAP + MARGIN, [*boxes, *aside])


def _measure(node: Node, x: int, width: int) -> Box:
    """The box of a node, as high as what is told in it."""
    room = width - 2 * (SLANT if node.kind is NodeKind.DECISION else INDENT)
    lines: list[Line] = []
    height = PADDING
    for of, lettering, text in _texts(node):
        for line in lettering.lines_of(text, room):
            lines.append(Line(of, height + lettering.baseline, line))
            height += lettering.height
    return Box(node, x, 0, width, height + PADDING, lines)


def _texts(node: Node) -> Iterator[tuple[str, TextStyle, str]]:
    """What is told in a node: what it is, its name, and what else there is to say."""
    yield "note", NOTE, node.subtitle
    yield "name", NAME, node.text
    yield "note", ASIDE_NOTE if node.kind is NodeKind.DENIED else NOTE, node.caption


def line_of(edge: Edge, boxes: Sequence[Box]) -> tuple[str, tuple[int, int]]:
    """The path of an edge, and where its label is."""
    source, target = boxes[edge.source], boxes[edge.target]
    match edge.kind:
        case EdgeKind.NEXT:
            path = f"M{source.x} {source.bottom}V{target.top - TIP}"
            return path, (source.x + 9, source.bottom + 17)
        case EdgeKind.EARLY:
            rail = source.left - EARLY_RAIL + 8
            return _by_rail(source.left, source, rail, target), (source.left - 7, source.middle - 7)
        case EdgeKind.SKIP:
            rail = source.right + SKIP_RAIL
            path = _by_rail(source.right, source, rail, target)
        case EdgeKind.DENIED:
            path = _aside(source, target)
    return path, (source.right + 8, source.middle - 7)


def _by_rail(start: int, source: Box, rail: int, target: Box) -> str:
    """From the side of a node along a rail, and back into the way above another."""
    turn = BEND if rail > start else -BEND
    join = target.top - GAP // 2
    return (
        f"M{start} {source.middle}H{rail - turn}Q{rail} {source.middle} {rail} {source.middle + BEND}"
        f"V{join - BEND}Q{rail} {join} {rail - turn} {join}"
        f"H{target.x + turn}Q{target.x} {join} {target.x} {join + BEND}"
    )


def _aside(source: Box, target: Box) -> str:
    """From the right of a decision to what is beside it, or beside one further down."""
    start = f"M{source.right} {source.middle}"
    if source.middle == target.middle:
        return f"{start}H{target.left - TIP}"
    bend = f"Q{target.x} {source.middle} {target.x} {source.middle + BEND}"
    return f"{start}H{target.x - BEND}{bend}V{target.top - TIP}"


def tip_of(edge: Edge, boxes: Sequence[Box]) -> str | None:
    """The path of an edge's arrowhead; None where it joins a way that has one."""
    source, target = boxes[edge.source], boxes[edge.target]
    if edge.kind is EdgeKind.DENIED and source.middle == target.middle:
        return f"M{target.left - 9} {target.middle - 5}L{target.left - 1} {target.middle}l-8 5Z"
    if edge.kind in (EdgeKind.NEXT, EdgeKind.DENIED):
        return f"M{target.x - 5} {target.top - 9}L{target.x} {target.top - 1}l5 -8Z"
    return None
