"""Random imports, and what authentik's rules make of them, in plain Python."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from support.imports import Content

NAMES = ("a", "b")
# A `must_created` that is refused ends the run, so it is rare.
STATES = (*("present",) * 14, *("created",) * 8, *("absent",) * 8, "must_created")
# The model, and the name of the identifier, of objects with a name.
OBJECTS = {
    "flow": ("authentik_flows.flow", "slug"),
    "stage": ("authentik_stages_dummy.dummystage", "name"),
    "policy": ("authentik_policies_dummy.dummypolicy", "name"),
    "prompt": ("authentik_stages_prompt.prompt", "name"),
    "group": ("authentik_core.group", "name"),
    "user": ("authentik_core.user", "username"),
}
# What policy bindings bind.
BOUND = ("policy", "group", "user")
KINDS = (*OBJECTS, "step", "step", "gate", "gate", "gate")
# A step is the key of a stage binding: flow, stage and order.
Step = tuple[str, str, int]
# A target is a flow or a step.
Target = str | Step


@dataclass(frozen=True, slots=True)
class RandomEntry:
    """An entry: `key` identifies the object, and `number` determines its other values."""

    kind: str
    key: Any
    state: str
    number: int
    bound: tuple[str, str] | None = None

    def render(self) -> str:
        """Return the entry as YAML."""
        model, identifiers, attrs = _RENDERERS[self.kind](self)
        return (
            f"- {{model: {model}, state: {self.state}, identifiers: {{{identifiers}}},"
            f" attrs: {{{attrs}}}}}\n"
        )


class MustCreatedError(Exception):
    """An object exists that must not."""


@dataclass(slots=True)
class ImportModel:
    """The objects of a database: values by kind and key."""

    objects: dict[str, dict[Any, Any]] = field(
        default_factory=lambda: {kind: {} for kind in (*OBJECTS, "step", "gate")}
    )

    def apply(self, entries: list[RandomEntry]) -> bool:
        """Apply the entries of a run, or nothing: then return False."""
        before = deepcopy(self.objects)
        try:
            for entry in entries:
                self._apply(entry)
        except MustCreatedError:
            self.objects = before
            return False
        return True

    def is_possible(self, entry: RandomEntry) -> bool:
        """Return whether what the entry refers to exists, or does not matter."""
        return entry.state == "absent" or self.has_references(entry)

    def has_references(self, entry: RandomEntry) -> bool:
        """Return whether what the entry refers to exists."""
        return all(key in self.objects[kind] for kind, key in _list_references(entry))

    def copy(self) -> "ImportModel":
        """Return a copy that changes independently."""
        return ImportModel(deepcopy(self.objects))

    def _apply(self, entry: RandomEntry) -> None:
        objects = self.objects[entry.kind]
        if entry.state == "absent":
            self._delete(entry.kind, entry.key)
        elif entry.key not in objects:
            objects[entry.key] = _values(entry)
        elif entry.state == "must_created":
            raise MustCreatedError
        elif entry.state == "present":
            objects[entry.key] = _values(entry)

    def _delete(self, kind: str, key: Any) -> None:
        if self.objects[kind].pop(key, None) is None:
            return
        for step in list(self.objects["step"]):
            if (kind, key) in (("flow", step[0]), ("stage", step[1])):
                self._delete("step", step)
        for gate, (bound, _) in list(self.objects["gate"].items()):
            if (kind, key) == bound or (kind in {"flow", "step"} and gate[0] == key):
                self._delete("gate", gate)


def _values(entry: RandomEntry) -> Any:
    return (entry.bound, entry.number % 2 == 1) if entry.kind == "gate" else entry.number


def _list_references(entry: RandomEntry) -> list[tuple[str, Any]]:
    match entry.kind:
        case "step":
            flow, stage, _ = entry.key
            return [("flow", flow), ("stage", stage)]
        case "gate":
            target, _ = entry.key
            assert entry.bound
            return [("flow" if isinstance(target, str) else "step", target), entry.bound]
        case _:
            return []


def describe(content: Content) -> dict[str, Any]:
    """Return the objects of a database as a model has them."""
    steps = {
        f"{row['flow']}/{row['stage']}/{row['order']}": (row["flow"], row["stage"], row["order"])
        for row in content.stage_bindings
    }
    return {
        "flow": {slug: int(row["title"]) for slug, row in content.flows.items()},
        "stage": {name: row["settings"]["number"] for name, row in content.stages.items()},
        "policy": {name: row["settings"]["number"] for name, row in content.policies.items()},
        "prompt": {name: row["order"] for name, row in content.prompts.items()},
        "group": dict.fromkeys(content.groups, 0),
        "user": {name: int(row["name"]) for name, row in content.users.items()},
        "step": {
            (row["flow"], row["stage"], row["order"]): int(row["evaluate_on_plan"])
            for row in content.stage_bindings
        },
        "gate": {
            (steps.get(row["target"], row["target"]), row["order"]): (
                tuple(row["bound"].split()),
                row["negate"],
            )
            for row in content.policy_bindings
        },
    }


def _find(kind: str, key: Any) -> str:
    if kind == "step":
        flow, stage, order = key
        return (
            f"!Find [authentik_flows.flowstagebinding, [target__slug, {flow}],"
            f" [stage__name, {stage}], [order, {order}]]"
        )
    model, name = OBJECTS[kind]
    return f"!Find [{model}, [{name}, {key}]]"


def _render_object(entry: RandomEntry) -> tuple[str, str, str]:
    model, name = OBJECTS[entry.kind]
    attrs = {
        "flow": f"name: n, title: {entry.number}, designation: recovery",
        "stage": f"number: {entry.number}",
        "policy": f"number: {entry.number}",
        "prompt": f"field_key: f, label: l, type: text, order: {entry.number}",
        "group": "",
        "user": f"name: '{entry.number}'",
    }
    return model, f"{name}: {entry.key}", attrs[entry.kind]


def _render_step(entry: RandomEntry) -> tuple[str, str, str]:
    flow, stage, order = entry.key
    identifiers = f"target: {_find('flow', flow)}, stage: {_find('stage', stage)}, order: {order}"
    evaluate = str(entry.number == 1).lower()
    return "authentik_flows.flowstagebinding", identifiers, f"evaluate_on_plan: {evaluate}"


def _render_gate(entry: RandomEntry) -> tuple[str, str, str]:
    target, order = entry.key
    reference = _find("flow" if isinstance(target, str) else "step", target)
    assert entry.bound
    kind, name = entry.bound
    bound = dict.fromkeys(BOUND, "null") | {kind: _find(kind, name)}
    attrs = ", ".join(f"{other}: {value}" for other, value in bound.items())
    negate = str(entry.number % 2 == 1).lower()
    return (
        "authentik_policies.policybinding",
        f"target: {reference}, order: {order}",
        f"{attrs}, negate: {negate}",
    )


_RENDERERS: Mapping[str, Callable[[RandomEntry], tuple[str, str, str]]] = {
    **dict.fromkeys(OBJECTS, _render_object),
    "step": _render_step,
    "gate": _render_gate,
}
_STEPS = st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES), st.integers(0, 1))
_TARGETS: st.SearchStrategy[Target] = st.sampled_from(NAMES) | _STEPS


@st.composite
def entries(draw: st.DrawFn) -> RandomEntry:
    """Draw an entry of any kind."""
    kind = draw(st.sampled_from(KINDS))
    state = draw(st.sampled_from(STATES))
    match kind:
        case "step":
            return RandomEntry(kind, draw(_STEPS), state, draw(st.integers(0, 1)))
        case "gate":
            bound = draw(st.tuples(st.sampled_from(BOUND), st.sampled_from(NAMES)))
            key = draw(st.tuples(_TARGETS, st.integers(0, 1)))
            return RandomEntry(kind, key, state, draw(st.integers(0, 1)), bound)
        case _:
            number = 0 if kind == "group" else draw(st.integers(0, 9))
            return RandomEntry(kind, draw(st.sampled_from(NAMES)), state, number)


# The first run starts with objects of all kinds.
BASE = [RandomEntry(kind, name, "present", 0) for kind in OBJECTS for name in NAMES]
_LISTS = st.lists(entries(), min_size=5, max_size=40)
RUNS = st.lists(_LISTS, min_size=1, max_size=4).map(lambda runs: [BASE + runs[0], *runs[1:]])
