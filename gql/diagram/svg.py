"""An SVG of a diagram, as a document of its own or inline in a page.

It contains no scripts and no links, and its only style is the constant STYLE. STYLE_SOURCE is the
source expression that allows this style in a Content-Security-Policy.
"""

from xml.etree import ElementTree as ET

from gql.diagram import alt_text, labels, style
from gql.diagram.flow import Diagram, Edge, Mark, Node, NodeKind
from gql.diagram.layout import (
    BADGE_RADIUS,
    MARGIN,
    SLANT,
    Box,
    Layout,
    build_arrowhead_path,
    build_edge_path,
    lay_out,
)
from gql.diagram.text import replace_unreadable

NAMESPACE = "http://www.w3.org/2000/svg"
CORNER_RADIUS = 10
STYLE = style.STYLE
STYLE_SOURCE = style.compute_csp_source(STYLE)
# The tag of a marked node, on its upper edge.
TAG_HEIGHT, TAG_INSET = 18, 34
TAG_WIDTHS = {Mark.ADDED: 70, Mark.REMOVED: 88}


def render(diagram: Diagram) -> str:
    """Return the SVG, without an XML declaration."""
    layout = lay_out(diagram)
    root = _build_root(diagram, layout)
    _add(root, "style").text = STYLE
    size = {"width": layout.width, "height": layout.height}
    _add(root, "rect", style.BACKGROUND, rx=MARGIN // 2, **size)
    for edge in diagram.edges:
        _draw_edge(root, edge, layout)
    for box in layout.boxes:
        _draw_box(root, box)
    return ET.tostring(root, encoding="unicode")


def _build_root(diagram: Diagram, layout: Layout) -> ET.Element:
    """Return the svg element with its text alternative."""
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
    _set_text(_add(root, "title", id=title), diagram.name)
    _set_text(_add(root, "desc", id=description), alt_text.describe(diagram))
    return root


def _draw_edge(root: ET.Element, edge: Edge, layout: Layout) -> None:
    kind = edge.kind.value
    path, (x, y) = build_edge_path(edge, layout.boxes)
    _add(root, "path", f"edge {kind}", d=path)
    arrowhead = build_arrowhead_path(edge, layout.boxes)
    if arrowhead:
        _add(root, "path", f"arrow {kind}", d=arrowhead)
    if edge.label:
        _set_text(_add(root, "text", f"label {kind}", x=x, y=y), edge.label)


def _draw_box(root: ET.Element, box: Box) -> None:
    node = box.node
    group = _add(root, "g", _build_classes(node))
    _set_text(_add(group, "title"), node.text)
    _draw_shape(group, box)
    for line in box.lines:
        _set_text(
            _add(group, "text", line.css_class, x=box.x, y=box.top + line.baseline), line.text
        )
    if node.number:
        _add(group, "circle", "badge", cx=box.left, cy=box.middle, r=BADGE_RADIUS)
        _set_text(_add(group, "text", "number", x=box.left, y=box.middle + 4), str(node.number))
    if node.mark:
        _draw_tag(group, box, node.mark)


def _build_classes(node: Node) -> str:
    """Return the CSS classes of a node. A removed one has the colors of no kind."""
    match node.mark:
        case None:
            return node.kind.value
        case Mark.REMOVED:
            return node.mark.value
        case _:
            return f"{node.kind.value} {node.mark.value}"


def _draw_tag(group: ET.Element, box: Box, mark: Mark) -> None:
    width = TAG_WIDTHS[mark]
    x, y = box.right - TAG_INSET - width, box.top - TAG_HEIGHT // 2
    size = {"width": width, "height": TAG_HEIGHT}
    _add(group, "rect", "tag", x=x, y=y, rx=TAG_HEIGHT // 2, **size)
    label = _add(group, "text", "sign", x=x + width // 2, y=y + 13)
    _set_text(label, labels.MARKS[mark.value])


def _draw_shape(group: ET.Element, box: Box) -> None:
    dash = {"stroke-dasharray": "7 5"} if box.node.mark is Mark.REMOVED else {}
    if box.node.kind is NodeKind.DECISION:
        _add(group, "path", "box", d=_build_hexagon_path(box), **dash)
        return
    radius = (
        CORNER_RADIUS if box.node.kind in (NodeKind.STAGE, NodeKind.DENIED) else box.height // 2
    )
    size = {"width": box.width, "height": box.height}
    _add(group, "rect", "box", x=box.left, y=box.top, rx=radius, **size, **dash)


def _build_hexagon_path(box: Box) -> str:
    upper = f"M{box.left} {box.middle}L{box.left + SLANT} {box.top}H{box.right - SLANT}"
    return f"{upper}L{box.right} {box.middle}L{box.right - SLANT} {box.bottom}H{box.left + SLANT}Z"


def _add(parent: ET.Element, tag: str, css_class: str = "", **attributes: str | int) -> ET.Element:
    """Append a child element; `css_class` may hold several classes."""
    classes = {"class": css_class} if css_class else {}
    values = {name: str(value) for name, value in attributes.items()}
    return ET.SubElement(parent, tag, classes | values)


def _set_text(element: ET.Element, text: str) -> None:
    element.text = replace_unreadable(text)
