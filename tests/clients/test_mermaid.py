"""The package that everybody draws Mermaid's flowcharts with reads ours."""

import json
from pathlib import Path

import pytest

from gql.diagram import mermaid
from gql.diagram.flow import UNNAMED, Diagram, build_diagram
from gql.diagram.text import replace_unreadable
from support.client_environments import client_modules, finish, node
from support.diagrams import ODD_NAMES, binding, flow, policy, stage

SCRIPT = Path(__file__).parent / "parse_mermaid.mjs"


def called(name: str) -> Diagram:
    """A flow in which everything has that name."""
    bound = {name: [policy(name), binding(group=name, negate=True)], "flow": [binding(user=name)]}
    return build_diagram(flow(name, "any"), [stage(name, mode="any", action=f"x{name}")], bound)


def shown(text: str) -> str:
    """A text as a label shows it, with its blanks as one."""
    return " ".join(replace_unreadable(text).split())


@pytest.mark.npm
def test_odd_names_are_labels_and_nothing_else(tmp_path: Path) -> None:
    """Mermaid reads just the nodes, labels and edges that are meant, whatever things are called."""
    diagrams = list(map(called, ODD_NAMES))
    asked = tmp_path / "texts.json"
    asked.write_text(json.dumps(list(map(mermaid.render, diagrams))))
    charts = json.loads(finish([node(), str(SCRIPT), str(asked)], client_modules("mermaid")))
    for diagram, chart in zip(diagrams, charts, strict=True):
        texts = [(each.text, each.subtitle, each.caption) for each in diagram.nodes]
        assert chart == {
            "labels": [
                [f"n{place}", [shown(text) for text in told if text]]
                for place, told in enumerate(texts)
            ],
            "edges": [[f"n{edge.source}", f"n{edge.target}", edge.label] for edge in diagram.edges],
            "extras": [],
        }
    assert UNNAMED in {diagram.name for diagram in diagrams}
