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
STAGE_BINDING_MODEL = "authentik_flows.flowstagebinding"
POLICY_BINDING_MODEL = "authentik_policies.policybinding"
GROUP_MODEL, USER_MODEL = "authentik_core.group", "authentik_core.user"
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


class Mark(Enum):
    """How a node differs from the baseline; the value is its CSS class in the SVG."""

    ADDED = "added"
    """The baseline does not have it."""
    REMOVED = "removed"
    """Only the baseline has it. No edge leads to it."""


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


class BoundObject(NamedTuple):
    """The object that a node shows, with its binding. Models have their names in blueprints."""

    model: str = ""
    pk: str = ""
    binding_model: str = ""
    binding_pk: str = ""
    binding_order: int | None = None


NOTHING = BoundObject()


@dataclass(frozen=True, slots=True)
class Node:
    """A node with plain, unescaped texts. A notice is about the whole diagram.

    The identifier is unique in the diagram. Stages are numbered from 1; the number of every other
    node is 0.
    """

    kind: NodeKind
    identifier: str
    text: str
    subtitle: str = ""
    caption: str = ""
    number: int = 0
    notice: str = ""
    bound: BoundObject = NOTHING
    mark: Mark | None = None


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
    decisions = _build_decisions(policies, flow.policybindingmodel_ptr_id, "flow")
    nodes = [
        _build_start(flow, may_hide_bindings=may_hide_bindings),
        *(decision.node for decision in decisions),
    ]
    edges = [Edge(0, 1)]
    gates = [_Gate(1, decisions, flow.policy_engine_mode)]
    for number, stage in enumerate(stages, 1):
        node = _build_stage(stage, number)
        decisions = _build_decisions(policies, stage.policybindingmodel_ptr_id, node.identifier)
        gate = _Gate(len(nodes), decisions, stage.policy_engine_mode)
        nodes += [*(decision.node for decision in decisions), node]
        gates.append(gate)
    nodes.append(Node(NodeKind.END, "done", "End"))
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
    policies: Mapping[str, Sequence[PolicyBindingRow]], target: str, prefix: str
) -> Sequence[_Decision]:
    """Return the decisions on a target; `prefix` is the start of their identifiers."""
    rows = [row for row in policies.get(target, ()) if row.enabled]
    return [_build_decision(row, f"{prefix}_policy_{index}") for index, row in enumerate(rows)]


def _build_decision(row: PolicyBindingRow, identifier: str) -> _Decision:
    node, (passes, fails) = _build_decision_node(row, identifier)
    return _Decision(node, fails, passes) if row.negate else _Decision(node, passes, fails)


def _build_decision_node(row: PolicyBindingRow, identifier: str) -> tuple[Node, tuple[str, str]]:
    """Return the node of a policy binding and the names of its two outcomes."""
    if row.policy is not None:
        text, subtitle = _format_name(row.policy_name), labels.format_policy_type(row.policy_model)
        model, pk, outcomes = row.policy_model or "", row.policy, POLICY_OUTCOMES
    elif row.group is not None:
        text, subtitle = f"in group {_format_name(row.group_name)}", "Group"
        model, pk, outcomes = GROUP_MODEL, row.group, MEMBERSHIP_OUTCOMES
    elif row.user is not None:
        text, subtitle = f"is {_format_name(row.username)}", "User"
        model, pk, outcomes = USER_MODEL, str(row.user), MEMBERSHIP_OUTCOMES
    else:
        # authentik evaluates a binding without a policy, group or user, and it never passes.
        text, subtitle = "never passes", "Empty binding"
        model, pk, outcomes = "", "", POLICY_OUTCOMES
    bound = BoundObject(model, pk, POLICY_BINDING_MODEL, row.pk, row.order)
    return Node(NodeKind.DECISION, identifier, text, subtitle, bound=bound), outcomes


def _build_start(flow: FlowSummary, *, may_hide_bindings: bool) -> Node:
    return Node(
        NodeKind.START,
        "flow_start",
        _format_name(flow.title if flow.title.strip() else flow.name),
        labels.DESIGNATIONS.get(flow.designation, flow.designation),
        labels.AUTHENTICATIONS.get(flow.authentication, flow.authentication),
        notice=labels.HIDDEN_BINDINGS if may_hide_bindings else "",
    )


def _build_stage(row: StageBindingRow, number: int) -> Node:
    action = row.invalid_response_action
    caption = labels.INVALID_RESPONSE_ACTIONS.get(action, f"On an invalid response: {action}")
    subtitle = labels.format_type(row.stage_model)
    return Node(
        NodeKind.STAGE,
        f"stage_{number - 1}",
        _format_name(row.stage_name),
        subtitle,
        caption,
        number,
        bound=BoundObject(row.stage_model or "", row.stage, STAGE_BINDING_MODEL, row.pk, row.order),
    )


def _build_denied(flow: FlowSummary) -> Node:
    action = flow.denied_action
    return Node(
        NodeKind.DENIED, "denied", "Denied", caption=labels.DENIED_ACTIONS.get(action, action)
    )


def _format_name(name: str | None) -> str:
    return name if name and name.strip() else UNNAMED
