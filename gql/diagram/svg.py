"""A diagram as an SVG that may stand alone, or inline in a page.

It has no script, no link and no style but the constant STYLE, whose source in a
Content-Security-Policy is STYLE_SOURCE.
"""

from xml.etree import ElementTree as ET

from gql.diagram import alt_text as words
from gql.diagram import style
from gql.diagram.flow import Diagram, Edge, NodeKind
from gql.diagram.layout import BADGE, MARGIN, SLANT, Box, Layout, lay_out, line_of, tip_of
from gql.diagram.text import replace_unreadable

NAMESPACE = "http://www.w3.org/2000/svg"
ROUND = 10
STYLE = style.STYLE
STYLE_SOURCE = style.source_of(STYLE)


def render(diagram: Diagram) -> str:
    """The text of the SVG, with no XML declaration."""
    layout = lay_out(diagram)
    root = _root(diagram, layout)
    _add(root, "style").text = STYLE
    size = {"width": layout.width, "height": layout.height}
    _add(root, "rect", style.PAPER, rx=MARGIN // 2, **size)
    for edge in diagram.edges:
        _draw_edge(root, edge, layout)
    for box in layout.boxes:
        _draw_box(root, box)
    return ET.tostring(root, encoding="unicode")


def _root(diagram: Diagram, layout: Layout) -> ET.Element:
    """The SVG's element, with its text alternative."""
    title, description = (f"{style.ROOT}-{part}-{diagram.pk}" for part in ("title", "desc"))
    root = ET.Element(
        "svg",
        {
            "xmlns": NAMESPACE,
            "class": style.ROOT,
            "viewBox": f"0 0 {layout.width} {layout.height}",
            "width": str(layout.width),
            "height": str(layout.height),
            "role": "img",
            "aria-labelledby": f"{title} {description}",
        },
    )
    _write(_add(root, "title", id=title), diagram.name)
    _write(_add(root, "desc", id=description), words.describe(diagram))
    return root


def _draw_edge(root: ET.Element, edge: Edge, layout: Layout) -> None:
    way = edge.kind.value
    path, (x, y) = line_of(edge, layout.boxes)
    _add(root, "path", f"edge {way}", d=path)
    tip = tip_of(edge, layout.boxes)
    if tip:
        _add(root, "path", f"arrow {way}", d=tip)
    if edge.label:
        _write(_add(root, "text", f"label {way}", x=x, y=y), edge.label)


def _draw_box(root: ET.Element, box: Box) -> None:
    node = box.node
    group = _add(root, "g", node.kind.value)
    _write(_add(group, "title"), node.text)
    _draw_shape(group, box)
    for line in box.lines:
        _write(_add(group, "text", line.of, x=box.x, y=box.top + line.baseline), line.text)
    if node.number:
        _add(group, "circle", "badge", cx=box.left, cy=box.middle, r=BADGE)
        _write(_add(group, "text", "number", x=box.left, y=box.middle + 4), str(node.number))


def _draw_shape(group: ET.Element, box: Box) -> None:
    if box.node.kind is NodeKind.DECISION:
        _add(group, "path", "box", d=_hexagon(box))
        return
    radius = ROUND if box.node.kind in (NodeKind.STAGE, NodeKind.DENIED) else box.height // 2
    size = {"width": box.width, "height": box.height}
    _add(group, "rect", "box", x=box.left, y=box.top, rx=radius, **size)


def _hexagon(box: Box) -> str:
    inner = f"M{box.left} {box.middle}L{box.left + SLANT} {box.top}H{box.right - SLANT}"
    return f"{inner}L{box.right} {box.middle}L{box.right - SLANT} {box.bottom}H{box.left + SLANT}Z"


def _add(parent: ET.Element, tag: str, of: str = "", **attributes: str | int) -> ET.Element:
    """A new last child, of these classes."""
    classes = {"class": of} if of else {}
    values = {name: str(value) for name, value in attributes.items()}
    return ET.SubElement(parent, tag, classes | values)


def _write(element: ET.Element, text: str) -> None:
    element.text = replace_unreadable(text)
