"""The part of a difference that a viewer may see. Everything here is pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from models.blueprint.authentik.kinds import (
    FLOW,
    KINDS,
    POLICY,
    POLICY_BINDING,
    STAGE,
    STAGE_BINDING,
    USER,
)
from models.diff.changes import Change, ChangeKind, NamedObject

BINDINGS = (STAGE_BINDING.name, POLICY_BINDING.name)
COMPONENTS = (STAGE.name, POLICY.name)
# The attributes of bindings that name other objects.
TARGET = "target"
BOUND_ATTRIBUTES = (TARGET, "stage", "policy", "group", "user", "bound")
MODEL = "model"
# In the path of a policy binding that binds a user.
USER_SEGMENT = "/user/"
NO_KEYS: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Sight:
    """What a viewer may see, by primary keys of served objects.

    `flows` are the slugs of visible flows. `objects` are the other visible objects by kind, and
    `settings` the stages and policies with visible settings. `complete_kinds` are the kinds of which
    the viewer may see all objects, also those that only the baseline has: none for a viewer of some
    flows. With `matching`, the slugs of flows, only changes that concern these flows are included.
    """

    flows: Mapping[str, str] = field(default_factory=dict[str, str])
    objects: Mapping[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
    settings: frozenset[str] = NO_KEYS
    complete_kinds: frozenset[str] = NO_KEYS
    has_all_settings: bool = False
    has_stage_bindings: bool = False
    is_complete: bool = False
    matching: frozenset[str] | None = None

    def includes(self, change: Change) -> bool:
        """Return whether a change is of an object that the viewer may see."""
        if self.matching is not None and self.matching.isdisjoint(change.flows):
            return False
        return self.is_complete or (self._includes_object(change) and self._includes_value(change))

    def has_settings(self, change: Change) -> bool:
        """Return whether the viewer may see the settings of the object."""
        return self.has_all_settings or (
            change.right is not None and change.right.pk in self.settings
        )

    def names(self, named: NamedObject) -> bool:
        """Return whether the viewer may see the object that a value names."""
        return self._includes_key(named.kind, named.pk)

    def names_all(self, change: Change) -> bool:
        """Return whether the viewer may see all objects that the values of a change name."""
        return all(map(self.names, change.names))

    @property
    def has_all_flows(self) -> bool:
        """True if the viewer may see all flows."""
        return FLOW.name in self.complete_kinds

    @property
    def slugs(self) -> frozenset[str]:
        """The slugs of the visible flows."""
        return frozenset(self.flows.values())

    def _includes_object(self, change: Change) -> bool:
        return self._includes_key(change.object_kind, change.right.pk if change.right else None)

    def _includes_key(self, kind: str, pk: str | None) -> bool:
        if pk is None:
            return kind in self.complete_kinds
        return pk in (self.flows if kind == FLOW.name else self.objects.get(kind, NO_KEYS))

    def _includes_value(self, change: Change) -> bool:
        return not change.is_setting or self.has_settings(change)


class VisibleChange(NamedTuple):
    """A change as a viewer may see it. It is redacted if values name objects that are hidden."""

    change: Change
    is_redacted: bool = False

    @property
    def is_counted(self) -> bool:
        """True unless the object is one that the baseline does not mention."""
        return self.change.kind is not ChangeKind.EXTRA


def filter_changes(changes: Sequence[Change], sight: Sight) -> Sequence[VisibleChange]:
    """Return the changes that a viewer may see, without the names of hidden objects."""
    included = filter(sight.includes, changes)
    if sight.is_complete:
        return [VisibleChange(change) for change in included]
    redaction = _Redaction(sight, sight.slugs, frozenset(_find_unnamed_flows(changes, sight)))
    return [redaction.apply(change) for change in included]


def _find_unnamed_flows(changes: Iterable[Change], sight: Sight) -> Iterator[str]:
    """Yield the flows in which the paths of bindings may name objects that are hidden.

    A path has the names of the baseline: of the target of a binding, and of what it binds.
    """
    for change in changes:
        is_binding = change.object_kind in BINDINGS and change.attribute in BOUND_ATTRIBUTES
        if is_binding and change.right and not sight.names_all(change):
            yield from change.right.flows


@dataclass(frozen=True, slots=True)
class _Redaction:
    """Removes the names of hidden objects. `unnamed` are flows whose bindings have no names."""

    sight: Sight
    slugs: frozenset[str]
    unnamed: frozenset[str]

    def apply(self, change: Change) -> VisibleChange:
        redacted = self._redact_values(self._redact_path(change))
        is_redacted = redacted.before != change.before or redacted.after != change.after
        flows = change.flows if self.sight.has_all_flows else change.flows & self.slugs
        return VisibleChange(replace(redacted, flows=flows, names=()), is_redacted)

    def _redact_path(self, change: Change) -> Change:
        if change.object_kind not in BINDINGS or not change.right or self._has_safe_path(change):
            return change
        path = f"{change.object_kind}/{change.right.pk}"
        attribute = f".{change.attribute}" if change.attribute else ""
        return replace(change, object=path, path=path + attribute)

    def _has_safe_path(self, change: Change) -> bool:
        is_named = change.right is not None and self.unnamed.isdisjoint(change.right.flows)
        # The path of a policy binding can have the name of a stage.
        has_stages = self.sight.has_stage_bindings or change.object_kind == STAGE_BINDING.name
        # The graph shows names of users, but not their usernames.
        return is_named and has_stages and USER_SEGMENT not in change.object

    def _redact_values(self, change: Change) -> Change:
        if change.object_kind in BINDINGS:
            return self._redact_binding(change)
        if change.attribute is None and change.object_kind in COMPONENTS:
            return self._redact_component(change)
        return change if self.sight.names_all(change) else replace(change, before=None, after=None)

    def _redact_binding(self, change: Change) -> Change:
        """Remove what a binding named before: the viewer may see what it binds now."""
        if change.attribute is not None:
            has_user = any(named.kind == USER.name for named in change.names)
            after = None if has_user else change.after
            is_visible = self.sight.names_all(change)
            return change if is_visible else replace(change, before=None, after=after)
        is_hidden = any(
            named.kind in (FLOW.name, STAGE_BINDING.name) and not self.sight.names(named)
            for named in change.names
        )
        return _keep(change, lambda name: name != USER.name and not (is_hidden and name == TARGET))

    def _redact_component(self, change: Change) -> Change:
        """Remove settings that the viewer may not see, or that name hidden objects."""
        if self.sight.has_settings(change) and self.sight.names_all(change):
            return change
        own_names = (*KINDS[change.object_kind].fields, MODEL)
        return _keep(change, lambda name: name in own_names)


def _keep(change: Change, is_kept: Callable[[str], bool]) -> Change:
    """Return a change of a whole object with some of its attributes."""

    def keep(values: Any) -> Any:
        return values and {name: value for name, value in values.items() if is_kept(name)}

    return replace(change, before=keep(change.before), after=keep(change.after))
