"""The drift on the front page: of all flows, of one flow, and the marks in its diagram."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from gql.context import Context
from gql.diagram import labels
from gql.diagram.flow import Diagram, NodeKind
from gql.diagram.marks import DiagramMarks, RemovedBinding, find_target
from gql.errors import DriftUnavailableError
from gql.resolvers.drift import DriftData, load_drift
from gql.resolvers.visible_changes import VisibleChange
from models.blueprint.authentik.kinds import FLOW, POLICY_BINDING, STAGE, STAGE_BINDING
from models.diff.changes import Change, ChangeKind

MAX_SHOWN_CHANGES = 100
MAX_VALUE_LENGTH = 400
# A sign and a word for each kind, as `flowql diff` prints them.
LABELS = {
    ChangeKind.ADDED: "+ Added",
    ChangeKind.REMOVED: "\u2212 Removed",
    ChangeKind.CHANGED: "~ Changed",
    ChangeKind.MOVED: "> Moved",
    ChangeKind.RENAMED: "= Renamed",
    ChangeKind.EXTRA: "? Extra",
}
# What a binding can bind, with the text of a node and its type.
BOUND_TEXTS = {
    "policy": ("{}", "Policy"),
    "group": ("in group {}", "Group"),
    "user": ("is {}", "User"),
}
NEW_KINDS = (ChangeKind.ADDED, ChangeKind.EXTRA)
# A binding by its order and the name of its stage.
BindingKey = tuple[int | None, str]


class ShownChange(NamedTuple):
    """A change as the page shows it. `name` is its path without the flow that is selected."""

    name: str
    change: Change
    is_redacted: bool

    @property
    def label(self) -> str:
        """The kind, with a sign."""
        return LABELS[self.change.kind]

    @property
    def css_class(self) -> str:
        """The class that selects the color."""
        return self.change.kind.value

    @property
    def is_whole(self) -> bool:
        """True if the change is of a whole object, and not of an attribute."""
        return self.change.attribute is None

    @property
    def before(self) -> str:
        """The value in the baseline."""
        return _render_value(self.change.before)

    @property
    def after(self) -> str:
        """The value in the data."""
        return _render_value(self.change.after)


@dataclass(frozen=True, slots=True)
class ChangeList:
    """The first changes, and the number of all of them."""

    shown: Sequence[ShownChange]
    count: int

    @property
    def hidden_count(self) -> int:
        """The number of changes that are not shown."""
        return self.count - len(self.shown)


class FlowDrift(NamedTuple):
    """The changes of one flow: those that count, and objects that the baseline does not mention.

    `is_unknown` is set if the baseline does not mention the flow itself.
    """

    changes: ChangeList
    extra: ChangeList
    is_unknown: bool


class DriftView:
    """The drift as a viewer sees it, or the error that says why it is unavailable."""

    def __init__(self, data: DriftData | None, error: str | None = None) -> None:
        self._data = data
        self.error = error

    @property
    def baseline(self) -> str | None:
        """The name of the baseline, if the viewer may see it."""
        return self._data.baseline if self._data else None

    @cached_property
    def counted(self) -> ChangeList:
        """The changes that count."""
        return _build_list(filter(_is_counted, self._changes), "")

    @cached_property
    def counts(self) -> Mapping[str, int]:
        """The number of changes by the slugs of flows."""
        slugs = (change.change.flows for change in self._changes if change.is_counted)
        return Counter(slug for flows in slugs for slug in flows)

    def select(self, slug: str) -> FlowDrift:
        """Return the changes of a flow."""
        changes = self.list_changes(slug)
        return FlowDrift(
            _build_list(filter(_is_counted, changes), slug),
            _build_list((change for change in changes if not _is_counted(change)), slug),
            any(_is_unknown_flow(change.change, slug) for change in changes),
        )

    def list_changes(self, slug: str) -> Sequence[VisibleChange]:
        """Return all changes that concern a flow."""
        return [change for change in self._changes if slug in change.change.flows]

    @property
    def _changes(self) -> Sequence[VisibleChange]:
        return self._data.changes if self._data else ()


async def load_drift_view(context: Context) -> DriftView | None:
    """Return the drift as the viewer sees it, None without a baseline."""
    try:
        data = await load_drift(context)
    except DriftUnavailableError as error:
        return DriftView(None, str(error))
    return DriftView(data) if data else None


def build_marks(diagram: Diagram, slug: str, changes: Sequence[VisibleChange]) -> DiagramMarks:
    """Return the marks for the diagram of a flow; none if the baseline does not mention it."""
    own = [visible.change for visible in changes]
    if any(_is_unknown_flow(change, slug) for change in own):
        return DiagramMarks()
    return DiagramMarks(
        frozenset(_list_added(own)),
        list(_list_removed(diagram, own)),
        any(_is_flow(change, slug) and change.kind is ChangeKind.ADDED for change in own),
    )


def _list_added(changes: Iterable[Change]) -> Iterator[str]:
    """Yield the primary keys of bindings that are new, or new in their flow, or bind another object."""
    for change in changes:
        is_new = change.kind in NEW_KINDS or change.attribute in ("target", "stage", *BOUND_TEXTS)
        if (
            change.right
            and is_new
            and change.object_kind in (STAGE_BINDING.name, POLICY_BINDING.name)
        ):
            yield change.right.pk


def _list_removed(diagram: Diagram, changes: Sequence[Change]) -> Iterator[RemovedBinding]:
    """Yield the bindings that only the baseline has, and what bindings bound there."""
    stages = [
        stage
        for change in changes
        if change.object_kind == STAGE_BINDING.name
        and (stage := _build_removed_stage(diagram, change, _find_models(changes)))
    ]
    yield from stages
    targets = {**_find_bindings(diagram), **{(item.order, item.text): item.pk for item in stages}}
    for change in changes:
        if change.object_kind == POLICY_BINDING.name:
            yield from _build_removed_decision(diagram, change, targets)


def _find_models(changes: Iterable[Change]) -> Mapping[str, str]:
    """Return the types of removed stages by name."""
    removed = (change for change in changes if change.object_kind == STAGE.name)
    values = [change.before for change in removed if change.kind is ChangeKind.REMOVED]
    return {item["name"]: item.get("model", "") for item in values if item and "name" in item}


def _find_bindings(diagram: Diagram) -> Mapping[BindingKey, str]:
    """Return the primary keys of the stage bindings in a diagram."""
    stages = (node for node in diagram.nodes if node.kind is NodeKind.STAGE)
    return {(node.bound.binding_order, node.text): node.bound.binding_pk for node in stages}


def _build_removed_stage(
    diagram: Diagram, change: Change, models: Mapping[str, str]
) -> RemovedBinding | None:
    values = _find_previous(diagram, change)
    name = values.get("stage")
    if not isinstance(name, str):
        return None
    subtitle = labels.format_type(models.get(name))
    return RemovedBinding(_key(change), NodeKind.STAGE, name, subtitle, values.get("order") or 0)


def _build_removed_decision(
    diagram: Diagram, change: Change, targets: Mapping[BindingKey, str]
) -> Iterator[RemovedBinding]:
    values = _find_previous(diagram, change)
    for name, (text, subtitle) in BOUND_TEXTS.items():
        if isinstance(values.get(name), str):
            yield RemovedBinding(
                _key(change),
                NodeKind.DECISION,
                text.format(values[name]),
                subtitle,
                values.get("order") or 0,
                _find_target(diagram, change, targets),
            )


def _find_previous(diagram: Diagram, change: Change) -> Mapping[str, Any]:
    """Return the attributes of a binding that is gone, or what another one bound before."""
    if change.kind is ChangeKind.REMOVED:
        return change.before or {}
    if change.kind is not ChangeKind.CHANGED or change.right is None:
        return {}
    nodes = (node for node in diagram.nodes if node.bound.binding_pk == change.right.pk)
    orders = (node.bound.binding_order for node in nodes)
    return {str(change.attribute): change.before, "order": next(orders, 0)}


def _find_target(diagram: Diagram, change: Change, targets: Mapping[BindingKey, str]) -> str | None:
    """Return the primary key of the stage binding that a decision is about, None for the flow."""
    if change.right:
        return find_target(diagram, change.right.pk)
    before: Mapping[str, Any] = change.before or {}
    match str(before.get("target", "")).split("/", 3):
        case [_, _, order, stage] if order.lstrip("-").isdigit():
            # No node has an empty key.
            return targets.get((int(order), stage), "")
        case _:
            return None


def _key(change: Change) -> str:
    place = change.left or change.right
    return place.pk if place else ""


def _is_counted(change: VisibleChange) -> bool:
    return change.is_counted


def _is_flow(change: Change, slug: str) -> bool:
    return change.object_kind == FLOW.name and change.flows == frozenset((slug,))


def _is_unknown_flow(change: Change, slug: str) -> bool:
    return change.kind is ChangeKind.EXTRA and _is_flow(change, slug)


def _build_list(changes: Iterable[VisibleChange], slug: str) -> ChangeList:
    items = list(changes)
    shown = [
        ShownChange(_shorten_path(item.change.path, slug), *item)
        for item in items[:MAX_SHOWN_CHANGES]
    ]
    return ChangeList(shown, len(items))


def _shorten_path(path: str, slug: str) -> str:
    prefix = f"{FLOW.name}/{slug}"
    is_below = slug and path.startswith((f"{prefix}/", f"{prefix}."))
    return path[len(prefix) + 1 :] if is_below else path


def _render_value(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)
    return text if len(text) <= MAX_VALUE_LENGTH else f"{text[:MAX_VALUE_LENGTH]}\u2026"
