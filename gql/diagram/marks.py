"""Marks in a diagram: what its flow has in addition to the baseline, and what it lacks."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, chain

from gql.diagram.flow import Diagram, Edge, Mark, Node, NodeKind

POLICY_INFIX = "_policy_"
FLOW_PREFIX = "flow"


@dataclass(frozen=True, slots=True)
class RemovedBinding:
    """A binding of the flow that only the baseline has: a stage, or a decision.

    A decision is about the stage binding with the primary key `target`, or about the flow if it is
    None. The primary key `pk` and that of a removed target are those of the baseline.
    """

    pk: str
    kind: NodeKind
    text: str
    subtitle: str = ""
    order: int = 0
    target: str | None = None


@dataclass(frozen=True, slots=True)
class DiagramMarks:
    """The marks of one flow: the primary keys of added bindings, and the removed bindings.

    `is_added` is true if the baseline does not have the flow itself.
    """

    added: Collection[str] = frozenset()
    removed: Sequence[RemovedBinding] = ()
    is_added: bool = False


def mark_diagram(diagram: Diagram, marks: DiagramMarks) -> Diagram:
    """Return a diagram with marks; removed bindings are at the places that their orders give them."""
    nodes = [_mark_node(node, marks) for node in diagram.nodes]
    removed = _place_removed(nodes, marks.removed)
    # A node moves by the number of removed bindings before it.
    counts = accumulate(len(removed.get(index, ())) for index in range(len(nodes)))
    moved = [index + count for index, count in enumerate(counts)]
    rows = ([*removed.get(index, ()), node] for index, node in enumerate(nodes))
    edges = [replace(edge, **_move_edge(edge, moved)) for edge in diagram.edges]
    return replace(diagram, nodes=list(chain.from_iterable(rows)), edges=edges)


def find_target(diagram: Diagram, pk: str) -> str | None:
    """Return the stage binding that a policy binding decides about; None for the flow."""
    owners = {_owner(node) for node in diagram.nodes if node.bound.binding_pk == pk}
    stages = (node for node in diagram.nodes if node.kind is NodeKind.STAGE)
    return next((node.bound.binding_pk for node in stages if _owner(node) in owners), None)


def _move_edge(edge: Edge, moved: Sequence[int]) -> Mapping[str, int]:
    return {"source": moved[edge.source], "target": moved[edge.target]}


def _mark_node(node: Node, marks: DiagramMarks) -> Node:
    is_flow = node.kind is NodeKind.START and marks.is_added
    is_added = is_flow or (node.bound.binding_pk and node.bound.binding_pk in marks.added)
    return replace(node, mark=Mark.ADDED) if is_added else node


def _place_removed(
    nodes: Sequence[Node], removed: Sequence[RemovedBinding]
) -> Mapping[int, Sequence[Node]]:
    """Return the nodes of removed bindings by the index of the node that follows them.

    A decision about a stage binding that is not in the diagram has no place.
    """
    places: defaultdict[int, list[Node]] = defaultdict(list)
    stages = {binding.pk: binding for binding in removed if binding.kind is NodeKind.STAGE}
    targets = {None, *stages, *(node.bound.binding_pk for node in nodes)}
    placed = (binding for binding in removed if binding.target in targets)
    for index, binding in enumerate(sorted(placed, key=lambda item: _sort_key(item, stages))):
        node = Node(binding.kind, f"removed_{index}", binding.text, binding.subtitle)
        stage = stages.get(binding.target or "", binding)
        places[_find_place(nodes, stage)].append(replace(node, mark=Mark.REMOVED))
    return places


def _sort_key(
    binding: RemovedBinding, stages: Mapping[str, RemovedBinding]
) -> tuple[int, str, bool, int]:
    """Return the key by which the decisions on a removed stage come before it, in order."""
    stage = stages.get(binding.target or "", binding)
    return stage.order, stage.pk, binding.kind is NodeKind.STAGE, binding.order


def _find_place(nodes: Sequence[Node], binding: RemovedBinding) -> int:
    """Return the index of the node that follows a removed binding."""
    if binding.kind is NodeKind.STAGE:
        owner = next((_owner(node) for node in nodes if _follows(node, binding)), None)
        candidates = (i for i, node in enumerate(nodes) if owner and _owner(node) == owner)
        return next(candidates, _find_end(nodes))
    owner = _find_owner(nodes, binding.target)
    indexes = [i for i, node in enumerate(nodes) if _owner(node) == owner]
    decisions = (i for i in indexes if _follows(nodes[i], binding))
    return next(decisions, _find_last(nodes, indexes))


def _follows(node: Node, binding: RemovedBinding) -> bool:
    order = node.bound.binding_order
    return node.kind is binding.kind and order is not None and order >= binding.order


def _find_owner(nodes: Sequence[Node], target: str | None) -> str:
    """Return the owner of the decisions on a stage binding, or on the flow."""
    owners = (node.identifier for node in nodes if target and node.bound.binding_pk == target)
    return next(owners, FLOW_PREFIX)


def _find_last(nodes: Sequence[Node], indexes: Sequence[int]) -> int:
    """Return the index that follows the decisions of an owner: of its stage, if it has one."""
    if not indexes:
        return 1
    last = indexes[-1]
    return last if nodes[last].kind is NodeKind.STAGE else last + 1


def _find_end(nodes: Sequence[Node]) -> int:
    return next(i for i, node in enumerate(nodes) if node.kind is NodeKind.END)


def _owner(node: Node) -> str:
    """Return the identifier of the stage that a node belongs to, or that of the flow."""
    return node.identifier.partition(POLICY_INFIX)[0]
