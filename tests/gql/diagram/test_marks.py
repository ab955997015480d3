"""Marks in diagrams: what a flow has in addition to the baseline, and what it lacks."""

from collections.abc import Sequence
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from gql.diagram import alt_text, mermaid, svg
from gql.diagram.flow import Diagram, Mark, NodeKind, build_diagram
from gql.diagram.marks import DiagramMarks, RemovedBinding, mark_diagram
from gql.diagram.style import render_page_style
from models.queries.bindings import PolicyBindingRow, StageBindingRow
from support.diagrams import UNUSUAL_NAMES, make_flow, make_policy, make_stage

STAGES = {"identification": 10, "password": 20, "login": 30}


def make_stages() -> Sequence[StageBindingRow]:
    """Return three stages with different orders."""
    return [replace(make_stage(name), order=order) for name, order in STAGES.items()]


def make_policies() -> dict[str, Sequence[PolicyBindingRow]]:
    """Return policies of the flow and of a stage, with different orders."""
    flow = [replace(make_policy(f"flow {order}"), order=order) for order in (1, 5)]
    return {"flow": flow, "password": [replace(make_policy("gate"), order=3)]}


DIAGRAM = build_diagram(make_flow(), make_stages(), make_policies())


def remove_stage(name: str, order: int) -> RemovedBinding:
    """Return a stage that only the baseline has."""
    return RemovedBinding(name, NodeKind.STAGE, name, "Captcha", order)


def remove_policy(name: str, order: int, target: str | None = None) -> RemovedBinding:
    """Return a decision that only the baseline has."""
    return RemovedBinding(name, NodeKind.DECISION, name, "Policy", order, target)


def mark(*removed: RemovedBinding, added: Sequence[str] = ()) -> Diagram:
    """Return the diagram with marks."""
    return mark_diagram(DIAGRAM, DiagramMarks(frozenset(added), removed))


def list_texts(diagram: Diagram) -> list[str]:
    """Return the names of the nodes below the start."""
    return [node.text for node in diagram.nodes[1:]]


def test_no_marks() -> None:
    """Without marks, nothing changes."""
    assert mark() == DIAGRAM
    assert svg.render(mark()) == svg.render(DIAGRAM)
    assert mermaid.render(mark()) == mermaid.render(DIAGRAM)


def test_added_nodes() -> None:
    """Added stages and decisions have a mark, and nothing else changes."""
    diagram = mark(added=["password", "flow 5"])
    marked = {node.text for node in diagram.nodes if node.mark is Mark.ADDED}
    assert marked == {"password", "flow 5"}
    assert [replace(node, mark=None) for node in diagram.nodes] == DIAGRAM.nodes
    assert diagram.edges == DIAGRAM.edges


def test_added_flow() -> None:
    """The start of a flow that the baseline lacks has a mark."""
    diagram = mark_diagram(DIAGRAM, DiagramMarks(is_added=True))
    assert [node.kind for node in diagram.nodes if node.mark] == [NodeKind.START]


@pytest.mark.parametrize(
    ("order", "following"),
    [(5, "identification"), (10, "identification"), (15, "gate"), (25, "login"), (99, "End")],
)
def test_place_of_removed_stage(order: int, following: str) -> None:
    """A removed stage comes before the next stage with its decisions, by order."""
    texts = list_texts(mark(remove_stage("captcha", order)))
    assert texts[texts.index("captcha") + 1] == following


@pytest.mark.parametrize(
    ("order", "target", "following"),
    [
        (0, None, "flow 1"),
        (3, None, "flow 5"),
        (9, None, "identification"),
        (0, "password", "gate"),
        (9, "password", "password"),
        (0, "login", "login"),
    ],
)
def test_place_of_removed_decision(order: int, target: str | None, following: str) -> None:
    """A removed decision is among those on its target, by order."""
    texts = list_texts(mark(remove_policy("old", order, target)))
    assert texts[texts.index("old") + 1] == following


def test_decision_on_removed_stage() -> None:
    """The decisions on a removed stage come before it, in order."""
    stage, other = remove_stage("captcha", 15), remove_stage("consent", 15)
    policies = [remove_policy(name, order, "captcha") for name, order in (("b", 2), ("a", 1))]
    texts = list_texts(mark(*policies, other, stage))
    start = texts.index("a")
    assert texts[start : start + 4] == ["a", "b", "captcha", "consent"]


def test_decision_without_place() -> None:
    """A removed decision on a stage that the diagram lacks is left out."""
    assert mark(remove_policy("old", 0, "unknown")) == DIAGRAM


def test_edges_keep_ends() -> None:
    """Edges connect the same nodes as before, and none a removed one."""
    diagram = mark(remove_stage("captcha", 15), remove_policy("old", 3), remove_stage("x", 99))
    assert list_edges(diagram) == list_edges(DIAGRAM)
    assert len(diagram.nodes) == len(DIAGRAM.nodes) + 3


def list_edges(diagram: Diagram) -> list[tuple[str, str, str]]:
    """Return the identifiers of the nodes of each edge, and its label."""
    names = [node.identifier for node in diagram.nodes]
    return [(names[edge.source], names[edge.target], edge.label) for edge in diagram.edges]


def test_denied_stays_last() -> None:
    """The denied node is drawn beside the others, so it stays the last one."""
    assert mark(remove_stage("captcha", 99)).nodes[-1].kind is NodeKind.DENIED


def test_svg_has_signs() -> None:
    """In the SVG, marked nodes have a sign and a word, and removed ones dashes."""
    root = ET.fromstring(svg.render(mark(remove_stage("captcha", 15), added=["login"])))  # noqa: S314 - our own
    texts = [element.text for element in root.iter() if element.get("class") == "sign"]
    assert texts == ["\u2212 Removed", "+ Added"]
    dashed = [element for element in root.iter() if element.get("stroke-dasharray")]
    assert [element.get("class") for element in dashed] == ["box"]


def test_alternative_names_marks() -> None:
    """The text alternative names what is added and removed."""
    text = alt_text.describe(
        mark(remove_stage("captcha", 15), remove_policy("old", 0), added=["login"])
    )
    assert "Removed stage: captcha (Captcha). Only in the baseline." in text
    assert "Removed decision: old (Policy). Only in the baseline." in text
    assert "Stage 3: login (Prompt). Not in the baseline." in text


def test_mermaid_marks() -> None:
    """In Mermaid, marked nodes have a sign, a word and a style; removed ones have no arrows."""
    text = mermaid.render(mark(remove_stage("captcha", 99), added=["login"]))
    assert '["#43; Added<br/>login<br/>Prompt"]:::added' in text
    [removed] = [line.split("[")[0].strip() for line in text.splitlines() if "captcha" in line]
    links = [line.strip() for line in text.splitlines() if removed in line.split()]
    assert links == [f"n6 -.- {removed}", f"{removed} -.- n8"]
    assert "classDef removed stroke-dasharray:6 4" in text


@pytest.mark.parametrize("name", UNUSUAL_NAMES)
def test_unusual_names(name: str) -> None:
    """Names of removed bindings are escaped like those of others."""
    diagram = mark(remove_stage(name, 15))
    ET.fromstring(svg.render(diagram))  # noqa: S314 - our own
    [line] = [line for line in mermaid.render(diagram).splitlines() if line.endswith(":::removed")]
    assert mermaid.escape(name) in line


def test_style_stays() -> None:
    """The rules of marks are only in the stylesheet of pages: the CSP has the hash of the other."""
    assert ".removed" not in svg.STYLE
    assert ".removed .box" in render_page_style()
