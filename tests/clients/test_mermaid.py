"""npm's mermaid parses the flowcharts that FlowQL renders."""

import json
from pathlib import Path

import pytest

from gql.diagram import mermaid
from gql.diagram.flow import UNNAMED, Diagram, build_diagram
from gql.diagram.text import replace_unreadable
from support.client_environments import check_tool, install_npm_client, node_path
from support.diagrams import UNUSUAL_NAMES, make_binding, make_flow, make_policy, make_stage

SCRIPT = Path(__file__).parent / "parse_mermaid.mjs"


def diagram_of(name: str) -> Diagram:
    """Build the diagram of a flow in which everything has the same name."""
    bound = {
        name: [make_policy(name), make_binding(group=name, negate=True)],
        "flow": [make_binding(user=name)],
    }
    return build_diagram(
        make_flow(name, "any"), [make_stage(name, mode="any", action=f"x{name}")], bound
    )


def label_text(text: str) -> str:
    """Return a string as labels show it, with whitespace collapsed."""
    return " ".join(replace_unreadable(text).split())


@pytest.mark.npm
def test_edge_case_names_are_only_labels(tmp_path: Path) -> None:
    """Mermaid parses exactly the intended nodes, labels and edges for every name."""
    diagrams = list(map(diagram_of, UNUSUAL_NAMES))
    flowcharts = tmp_path / "flowcharts.json"
    flowcharts.write_text(json.dumps(list(map(mermaid.render, diagrams))))
    charts = json.loads(
        check_tool([node_path(), str(SCRIPT), str(flowcharts)], install_npm_client("mermaid"))
    )
    for diagram, chart in zip(diagrams, charts, strict=True):
        labels = [(each.text, each.subtitle, each.caption) for each in diagram.nodes]
        assert chart == {
            "labels": [
                [f"n{number}", [label_text(text) for text in texts if text]]
                for number, texts in enumerate(labels)
            ],
            "edges": [[f"n{edge.source}", f"n{edge.target}", edge.label] for edge in diagram.edges],
            "extras": [],
        }
    assert UNNAMED in {diagram.name for diagram in diagrams}
