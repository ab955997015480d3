"""The stylesheet of diagrams: colors and fonts, in light and dark."""

import base64
import hashlib
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from gql.diagram.flow import NodeKind

ROOT = "flowql-diagram"
BACKGROUND = "paper"


class NodeColors(NamedTuple):
    """The colors of a node: its background, its outline, its name and its captions."""

    background: str
    outline: str
    name: str
    caption: str


class Palette(NamedTuple):
    """The colors of a diagram: its background, its edges with their labels, and its nodes."""

    background: str
    edge: str
    label: str
    denied: str
    nodes: Mapping[NodeKind, NodeColors]


LIGHT = Palette(
    "#ffffff",
    "#6b7690",
    "#47516b",
    "#c23b2e",
    {
        NodeKind.START: NodeColors("#2f3e8f", "#2f3e8f", "#ffffff", "#d5dbf7"),
        NodeKind.DECISION: NodeColors("#fff7e8", "#c98a1b", "#3b2a06", "#6d5215"),
        NodeKind.STAGE: NodeColors("#f2f5fe", "#4a6bd0", "#16213f", "#46547a"),
        NodeKind.END: NodeColors("#e9f6ef", "#2e8b5e", "#11492e", "#2a5c43"),
        NodeKind.DENIED: NodeColors("#fdefed", "#c23b2e", "#7a1b12", "#80332b"),
    },
)
DARK = Palette(
    "#10141d",
    "#7f8ba8",
    "#b7c1da",
    "#e2766b",
    {
        NodeKind.START: NodeColors("#4458b8", "#8ea1f5", "#ffffff", "#e3e8ff"),
        NodeKind.DECISION: NodeColors("#2b2312", "#d29f3f", "#fbeecd", "#d8c391"),
        NodeKind.STAGE: NodeColors("#1a2338", "#6f90ec", "#ebf0fd", "#aab7d8"),
        NodeKind.END: NodeColors("#12291e", "#4fb483", "#d0f4e0", "#9fd3b8"),
        NodeKind.DENIED: NodeColors("#331714", "#e2766b", "#ffdcd7", "#efb1aa"),
    },
)


def _build_foreground_rules(palette: Palette) -> Iterator[str]:
    yield f".edge{{stroke:{palette.edge}}}"
    yield f".arrow{{fill:{palette.edge}}}"
    yield f".label{{fill:{palette.label}}}"
    yield f".edge.denied{{stroke:{palette.denied}}}"
    yield f".arrow.denied{{fill:{palette.denied}}}"
    for kind, colors in palette.nodes.items():
        yield f".{kind.value} .box{{fill:{colors.background};stroke:{colors.outline}}}"
        yield f".{kind.value} .name{{fill:{colors.name}}}"
        yield f".{kind.value} .note{{fill:{colors.caption}}}"
    stage = palette.nodes[NodeKind.STAGE]
    yield f".badge{{fill:{stage.outline};stroke:{palette.background}}}"
    yield f".number{{fill:{palette.background}}}"


def _scope(rules: Iterator[str], parent: str = "") -> str:
    """Restrict rules to diagrams, because a page that embeds one has its own styles."""
    return "".join(f"{parent}.{ROOT} {rule}\n" for rule in rules)


COMMON_RULES = f"""\
.{ROOT}{{max-width:100%;height:auto;color-scheme:light dark;\
font-family:system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif}}
.{ROOT} text{{text-anchor:middle;unicode-bidi:plaintext}}
.{ROOT} .name{{font-size:15px;font-weight:600}}
.{ROOT} .note{{font-size:12px}}
.{ROOT} .notice{{font-weight:700}}
.{ROOT} .label{{font-size:12px}}
.{ROOT} .label.next{{text-anchor:start}}
.{ROOT} .label.skip{{text-anchor:start}}
.{ROOT} .label.denied{{text-anchor:start}}
.{ROOT} .label.early{{text-anchor:end}}
.{ROOT} .number{{font-size:12px;font-weight:700}}
.{ROOT} .box{{stroke-width:1.5;stroke-linejoin:round}}
.{ROOT} .badge{{stroke-width:2}}
.{ROOT} .edge{{fill:none;stroke-width:1.5;stroke-linejoin:round}}
"""


def _build_palette_rules(palette: Palette) -> Iterator[str]:
    yield f".{BACKGROUND}{{fill:{palette.background}}}"
    yield from _build_foreground_rules(palette)


# The marks of drift, which only pages show. The selectors outweigh those of kinds and themes.
MARK_RULES = {
    ".added .box": "stroke:light-dark(#1a7f37,#57ab5a);stroke-width:3",
    ".added .tag": "fill:light-dark(#1a7f37,#57ab5a)",
    ".removed .box": "fill:light-dark(#fbfbfd,#262f40);stroke:light-dark(#a5344f,#f08aa4)",
    ".removed .name": "fill:light-dark(#59404a,#e6c9d1);text-decoration:line-through",
    ".removed .note": "fill:light-dark(#6b5560,#c5aab3)",
    ".removed .tag": "fill:light-dark(#a5344f,#f08aa4)",
    ".sign": "fill:light-dark(#ffffff,#10141d);font-size:11.5px;font-weight:700",
}


def _build_mark_rules() -> Iterator[str]:
    for selector, declarations in MARK_RULES.items():
        yield f":root .{ROOT}.{ROOT} {selector}{{{declarations}}}\n"


# The CSP contains the hash, so this is constant and has no characters that XML or HTML escapes.
STYLE = (
    f"\n{COMMON_RULES}{_scope(_build_palette_rules(LIGHT))}"
    f"@media (prefers-color-scheme:dark){{\n{_scope(_build_palette_rules(DARK))}}}\n"
)


def compute_csp_source(style: str) -> str:
    """Return the CSP source expression that allows a style element with this content."""
    digest = hashlib.sha256(style.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def render_page_style() -> str:
    """Return the stylesheet of pages whose `data-theme` selects a palette, whatever the system's.

    The background is that of the page.
    """
    themes = (("light", LIGHT), ("dark", DARK))
    rules = (
        _scope(_build_foreground_rules(palette), f":root[data-theme={name}] ")
        for name, palette in themes
    )
    marks = "".join(_build_mark_rules())
    return f"{''.join(rules)}{marks}:root .{ROOT} .{BACKGROUND}{{fill:none}}\n"
