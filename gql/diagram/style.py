"""What a diagram's colours and letters are, in light and in dark."""

import base64
import hashlib
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from gql.diagram.flow import NodeKind

ROOT = "flowql-diagram"
PAPER = "paper"


class Paint(NamedTuple):
    """The colours of a node: its surface, its outline, its name, and what is said of it."""

    surface: str
    outline: str
    name: str
    note: str


class Palette(NamedTuple):
    """The colours of a picture: what it lies on, lines, their labels, and nodes."""

    paper: str
    line: str
    label: str
    refusal: str
    nodes: Mapping[NodeKind, Paint]


LIGHT = Palette(
    "#ffffff",
    "#6b7690",
    "#47516b",
    "#c23b2e",
    {
        NodeKind.START: Paint("#2f3e8f", "#2f3e8f", "#ffffff", "#d5dbf7"),
        NodeKind.DECISION: Paint("#fff7e8", "#c98a1b", "#3b2a06", "#6d5215"),
        NodeKind.STAGE: Paint("#f2f5fe", "#4a6bd0", "#16213f", "#46547a"),
        NodeKind.END: Paint("#e9f6ef", "#2e8b5e", "#11492e", "#2a5c43"),
        NodeKind.DENIED: Paint("#fdefed", "#c23b2e", "#7a1b12", "#80332b"),
    },
)
DARK = Palette(
    "#10141d",
    "#7f8ba8",
    "#b7c1da",
    "#e2766b",
    {
        NodeKind.START: Paint("#4458b8", "#8ea1f5", "#ffffff", "#e3e8ff"),
        NodeKind.DECISION: Paint("#2b2312", "#d29f3f", "#fbeecd", "#d8c391"),
        NodeKind.STAGE: Paint("#1a2338", "#6f90ec", "#ebf0fd", "#aab7d8"),
        NodeKind.END: Paint("#12291e", "#4fb483", "#d0f4e0", "#9fd3b8"),
        NodeKind.DENIED: Paint("#331714", "#e2766b", "#ffdcd7", "#efb1aa"),
    },
)


def _rules(palette: Palette) -> Iterator[str]:
    yield f".{PAPER}{{fill:{palette.paper}}}"
    yield f".edge{{stroke:{palette.line}}}"
    yield f".arrow{{fill:{palette.line}}}"
    yield f".label{{fill:{palette.label}}}"
    yield f".edge.denied{{stroke:{palette.refusal}}}"
    yield f".arrow.denied{{fill:{palette.refusal}}}"
    for kind, paint in palette.nodes.items():
        yield f".{kind.value} .box{{fill:{paint.surface};stroke:{paint.outline}}}"
        yield f".{kind.value} .name{{fill:{paint.name}}}"
        yield f".{kind.value} .note{{fill:{paint.note}}}"
    stage = palette.nodes[NodeKind.STAGE]
    yield f".badge{{fill:{stage.outline};stroke:{palette.paper}}}"
    yield f".number{{fill:{palette.paper}}}"


def _scoped(rules: Iterator[str]) -> str:
    """Rules for what is in a diagram, and nowhere else on the page that holds it."""
    return "".join(f".{ROOT} {rule}\n" for rule in rules)


SHAPES = f"""\
.{ROOT}{{max-width:100%;height:auto;color-scheme:light dark;\
font-family:system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif}}
.{ROOT} text{{text-anchor:middle;unicode-bidi:plaintext}}
.{ROOT} .name{{font-size:15px;font-weight:600}}
.{ROOT} .note{{font-size:12px}}
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
# The same in every diagram; no character of it is written otherwise in XML or in HTML.
STYLE = (
    f"\n{SHAPES}{_scoped(_rules(LIGHT))}"
    f"@media (prefers-color-scheme:dark){{\n{_scoped(_rules(DARK))}}}\n"
)


def source_of(style: str) -> str:
    """What a Content-Security-Policy calls the style element of that text."""
    digest = hashlib.sha256(style.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
