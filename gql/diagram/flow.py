"""The nodes and edges of a flow's diagram."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import count
from typing import NamedTuple

from gql.diagram import labels
from models.queries.bindings import PolicyBindingRow, StageBindingRow

ANY = "any"
UNNAMED = "(no name)"
POLICY_OUTCOMES = ("passes", "fails")
MEMBERSHIP_OUTCOMES = ("yes", "no")
# The SVG of this number of nodes takes some milliseconds.
MAX_SMALL_NODES = 50


class NodeKind(Enum):
    """The kind of a node; the value is its CSS class in the SVG."""

    START = "start"
    DECISION = "decision"
    STAGE = "stage"
    END = "end"
    DENIED = "denied"


class EdgeKind(Enum):
    """The kind of an edge; the value is its CSS class in the SVG."""

    NEXT = "next"
    """Leads to the following node."""
    EARLY = "early"
    """Skips the remaining decisions, because one that passes is enough."""
    SKIP = "skip"
    """Skips a stage."""
    DENIED = "denied"
    """Leaves the flow."""


class FlowSummary(NamedTuple):
    """The columns of a flow that its diagram needs."""

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
    """A node with plain, unescaped texts. A notice is about the whole diagram.

    Stages are numbered from 1; the number of every other node is 0.
    """

    kind: NodeKind
    text: str
    subtitle: str = ""
    caption: str = ""
    number: int = 0
    notice: str = ""


@dataclass(frozen=True, slots=True)
class Edge:
    """An edge between two nodes, by their indexes; edges that leave a decision have a label."""

    source: int
    target: int
    label: str = ""
    kind: EdgeKind = EdgeKind.NEXT


@dataclass(frozen=True, slots=True)
class Diagram:
    """The diagram of the flow with primary key `pk`.

    Nodes are in execution order, edges are sorted by source. If policies are bound to the flow
    itself, the last node is the denied node, which is drawn beside the others.
    """

    pk: str
    name: str
    nodes: Sequence[Node]
    edges: Sequence[Edge]

    @property
    def is_large(self) -> bool:
        """True if rendering the diagram would delay other requests."""
        return len(self.nodes) > MAX_SMALL_NODES


class _Decision(NamedTuple):
    """A decision node and the labels of its two edges."""

    node: Node
    pass_label: str
    fail_label: str


def build_diagram(
    flow: FlowSummary,
    stages: Sequence[StageBindingRow],
    policies: Mapping[str, Sequence[PolicyBindingRow]],
    *,
    may_hide_bindings: bool = False,
) -> Diagram:
    """Build the diagram of a flow from its ordered stages and the policy bindings by target.

    If bindings may be hidden from the viewer, the start node has a notice.
    """
    decisions = _build_decisions(policies, flow.policybindingmodel_ptr_id)
    nodes = [
        _build_start(flow, may_hide_bindings=may_hide_bindings),
        *(decision.node for decision in decisions),
    ]
    edges = [Edge(0, 1)]
    gates = [_Gate(1, decisions, flow.policy_engine_mode)]
    for number, stage in enumerate(stages, 1):
        decisions = _build_decisions(policies, stage.policybindingmodel_ptr_id)
        gate = _Gate(len(nodes), decisions, stage.policy_engine_mode)
        nodes += [*(decision.node for decision in decisions), _build_stage(stage, number)]
        gates.append(gate)
    nodes.append(Node(NodeKind.END, "End"))
    flow_gate, *stage_gates = gates
    edges += flow_gate.edges(len(nodes), EdgeKind.DENIED)
    for gate in stage_gates:
        stage_index = gate.pass_target
        edges += [*gate.edges(stage_index + 1, EdgeKind.SKIP), Edge(stage_index, stage_index + 1)]
    if flow_gate.decisions:
        nodes.append(_build_denied(flow))
    return Diagram(flow.pk, _format_name(flow.name), nodes, edges)


@dataclass(frozen=True, slots=True)
class _Gate:
    """Consecutive decisions; `first` is the index of the first one's node."""

    first: int
    decisions: Sequence[_Decision]
    mode: str

    @property
    def pass_target(self) -> int:
        """The index of the node that follows the decisions."""
        return self.first + len(self.decisions)

    def edges(self, fail_target: int, fail_kind: EdgeKind) -> Iterator[Edge]:
        """Yield the edges that leave the decisions; those that fail lead to `fail_target`."""
        for index, decision in zip(count(self.first), self.decisions, strict=False):
            _, pass_label, fail_label = decision
            if self.mode == ANY and index + 1 < self.pass_target:
                yield Edge(index, index + 1, fail_label)
                yield Edge(index, self.pass_target, pass_label, EdgeKind.EARLY)
            else:
                yield Edge(index, index + 1, pass_label)
                yield Edge(index, fail_target, fail_label, fail_kind)


def _build_decisions(
    policies: Mapping[str, Sequence[PolicyBindingRow]], target: str
) -> Sequence[_Decision]:
    return [_build_decision(row) for row in policies.get(target, ()) if row.enabled]


def _build_decision(row: PolicyBindingRow) -> _Decision:
    node, (passes, fails) = _build_decision_node(row)
    return _Decision(node, fails, passes) if row.negate else _Decision(node, passes, fails)


def _build_decision_node(row: PolicyBindingRow) -> tuple[Node, tuple[str, str]]:
    """Return the node of a policy binding and the names of its two outcomes."""
    if row.policy is not None:
        subtitle = labels.format_policy_type(row.policy_model)
        return Node(NodeKind.DECISION, _format_name(row.policy_name), subtitle), POLICY_OUTCOMES
    if row.group_name is not None:
        text = f"in group {_format_name(row.group_name)}"
        return Node(NodeKind.DECISION, text, "Group"), MEMBERSHIP_OUTCOMES
    if row.username is not None:
        text = f"is {_format_name(row.username)}"
        return Node(NodeKind.DECISION, text, "User"), MEMBERSHIP_OUTCOMES
    # authentik evaluates a binding without a policy, group or user, and it never passes.
    return Node(NodeKind.DECISION, "never passes", "Empty binding"), POLICY_OUTCOMES


def _build_start(flow: FlowSummary, *, may_hide_bindings: bool) -> Node:
    return Node(
        NodeKind.START,
        _format_name(flow.title if flow.title.strip() else flow.name),
        labels.DESIGNATIONS.get(flow.designation, flow.designation),
        labels.AUTHENTICATIONS.get(flow.authentication, flow.authentication),
        notice=labels.HIDDEN_BINDINGS if may_hide_bindings else "",
    )


def _build_stage(row: StageBindingRow, number: int) -> Node:
    action = row.invalid_response_action
    caption = labels.INVALID_RESPONSE_ACTIONS.get(action, f"On an invalid response: {action}")
    subtitle = labels.format_type(row.stage_model)
    return Node(NodeKind.STAGE, _format_name(row.stage_name), subtitle, caption, number)


def _build_denied(flow: FlowSummary) -> Node:
    action = flow.denied_action
    return Node(NodeKind.DENIED, "Denied", caption=labels.DENIED_ACTIONS.get(action, action))


def _format_name(name: str | None) -> str:
    return name if name and name.strip() else UNNAMED
