"""A flow and what is bound to it, as nodes and edges."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import count
from typing import NamedTuple

from gql.diagram import labels as names
from models.queries.bindings import PolicyBindingRow, StageBindingRow

ANY = "any"
UNNAMED = "(no name)"
RESULTS, ANSWERS = ("passes", "fails"), ("yes", "no")


class NodeKind(Enum):
    """What a node is; the value is its name in what is drawn."""

    START = "start"
    DECISION = "decision"
    STAGE = "stage"
    END = "end"
    DENIED = "denied"


class EdgeKind(Enum):
    """Where an edge leads."""

    NEXT = "next"
    """To the node behind its own."""
    EARLY = "early"
    """Past further decisions, where one is enough."""
    SKIP = "skip"
    """Past a stage."""
    DENIED = "denied"
    """Out of the flow."""


class FlowSummary(NamedTuple):
    """What a diagram tells of the flow itself, by the names of its columns."""

    pk: str
    policybindingmodel_ptr_id: str
    name: str
    title: str
    designation: str
    policy_engine_mode: str
    denied_action: str
    authentication: str


@dataclass(frozen=True, slots=True)
class Node:
    """One thing in the picture: its name, what it is, and what else there is to say; plain text.

    Stages have a number, from 1 on; it is 0 for what is none.
    """

    kind: NodeKind
    text: str
    subtitle: str = ""
    caption: str = ""
    number: int = 0


@dataclass(frozen=True, slots=True)
class Edge:
    """A way from one node to another, by their places; a label where there is a choice."""

    source: int
    target: int
    label: str = ""
    kind: EdgeKind = EdgeKind.NEXT


@dataclass(frozen=True, slots=True)
class Diagram:
    """A flow, whose primary key is `pk`, as a picture: its nodes from top to bottom, its edges by source.

    Where somebody may be denied, the last node tells of that; it is beside the others.
    """

    pk: str
    name: str
    nodes: Sequence[Node]
    edges: Sequence[Edge]


class _Decision(NamedTuple):
    """A node that asks, and what leads on and what does not."""

    node: Node
    passes: str
    fails: str


def build_diagram(
    flow: FlowSummary,
    stages: Sequence[StageBindingRow],
    policies: Mapping[str, Sequence[PolicyBindingRow]],
) -> Diagram:
    """The diagram of a flow with its stages in their order, and policies by what they are bound to."""
    asked = _decisions(policies, flow.policybindingmodel_ptr_id)
    start = Node(
        NodeKind.START,
        _named(flow.title if flow.title.strip() else flow.name),
        names.DESIGNATIONS.get(flow.designation, flow.designation),
        names.AUTHENTICATIONS.get(flow.authentication, flow.authentication),
    )
    nodes = [start, *(decision.node for decision in asked)]
    edges = [Edge(0, 1)]
    gates = [_Gate(1, asked, flow.policy_engine_mode)]
    for number, stage in enumerate(stages, 1):
        asked = _decisions(policies, stage.policybindingmodel_ptr_id)
        gate = _Gate(len(nodes), asked, stage.policy_engine_mode)
        nodes += [*(decision.node for decision in asked), _stage(stage, number)]
        gates.append(gate)
    nodes.append(Node(NodeKind.END, "End"))
    first, *others = gates
    edges += first.edges(len(nodes), EdgeKind.DENIED)
    for gate in others:
        edges += [*gate.edges(gate.behind + 1, EdgeKind.SKIP), Edge(gate.behind, gate.behind + 1)]
    if first.asked:
        nodes.append(_denied(flow))
    return Diagram(flow.pk, _named(flow.name), nodes, edges)


@dataclass(frozen=True, slots=True)
class _Gate:
    """Decisions in a row, the first of which is the node `first`."""

    first: int
    asked: Sequence[_Decision]
    mode: str

    @property
    def behind(self) -> int:
        """The node that who passes comes to."""
        return self.first + len(self.asked)

    def edges(self, otherwise: int, way: EdgeKind) -> Iterator[Edge]:
        """The ways out of the decisions; who fails goes the way to the node `otherwise`."""
        for place, (_, passes, fails) in zip(count(self.first), self.asked, strict=False):
            if self.mode == ANY and place + 1 < self.behind:
                yield Edge(place, place + 1, fails)
                yield Edge(place, self.behind, passes, EdgeKind.EARLY)
            else:
                yield Edge(place, place + 1, passes)
                yield Edge(place, otherwise, fails, way)


def _decisions(
    policies: Mapping[str, Sequence[PolicyBindingRow]], target: str
) -> Sequence[_Decision]:
    return [_decision(row) for row in policies.get(target, ()) if row.enabled]


def _decision(row: PolicyBindingRow) -> _Decision:
    node, (passes, fails) = _question(row)
    return _Decision(node, fails, passes) if row.negate else _Decision(node, passes, fails)


def _question(row: PolicyBindingRow) -> tuple[Node, tuple[str, str]]:
    """What is asked, and what its two answers are called."""
    if row.policy is not None:
        about = names.policy_type_name(row.policy_model)
        return Node(NodeKind.DECISION, _named(row.policy_name), about), RESULTS
    if row.group_name is not None:
        return Node(NodeKind.DECISION, f"in group {_named(row.group_name)}", "Group"), ANSWERS
    if row.username is not None:
        return Node(NodeKind.DECISION, f"is {_named(row.username)}", "User"), ANSWERS
    # authentik lets a binding be empty; it is asked, and never passes.
    return Node(NodeKind.DECISION, "nothing", "Empty binding"), RESULTS


def _stage(row: StageBindingRow, number: int) -> Node:
    action = row.invalid_response_action
    note = names.INVALID_RESPONSE_ACTIONS.get(action, f"Answered wrongly: {action}")
    about = names.type_name(row.stage_model)
    return Node(NodeKind.STAGE, _named(row.stage_name), about, note, number)


def _denied(flow: FlowSummary) -> Node:
    action = flow.denied_action
    return Node(NodeKind.DENIED, "Denied", caption=names.DENIED_ACTIONS.get(action, action))


def _named(name: str | None) -> str:
    return name if name and name.strip() else UNNAMED
