"""The drift from the baseline, as far as a viewer may see it."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from gql import background
from gql.context import Context
from gql.resolvers import bindings, settings
from gql.resolvers.flows import find_matching_flows
from gql.resolvers.prompts import can_read_prompts
from gql.resolvers.visible_changes import Sight, VisibleChange, filter_changes
from models.batch import NO_ROWS, Batch
from models.blueprint.authentik.kinds import (
    FLOW,
    POLICY,
    POLICY_BINDING,
    PROMPT,
    STAGE,
    STAGE_BINDING,
)
from models.database import Session
from models.diff.changes import Change
from models.queries.components import Component
from models.queries.conditions import NO_CONDITION, WhereClause
from models.queries.prompts import PromptsByPk
from models.queries.rights import ALL_RIGHTS, Access, Permission, Rights
from models.queries.viewer import Viewer

PERMISSIONS: Mapping[str, Permission] = {
    FLOW.name: Permission.VIEW_FLOW,
    STAGE_BINDING.name: Permission.VIEW_STAGE_BINDING,
    STAGE.name: Permission.VIEW_STAGE,
    POLICY_BINDING.name: Permission.VIEW_POLICY_BINDING,
    POLICY.name: Permission.VIEW_POLICY,
    PROMPT.name: Permission.VIEW_PROMPT,
}
COMPONENT_KINDS = {STAGE.name: Component.STAGE, POLICY.name: Component.POLICY}
FINDERS = {
    STAGE_BINDING.name: bindings.find_stage_bindings,
    POLICY_BINDING.name: bindings.find_policy_bindings,
    STAGE.name: partial(bindings.find_components, Component.STAGE),
    POLICY.name: partial(bindings.find_components, Component.POLICY),
}
FLOW_KEYS = ("pk", "slug")
COLUMNS = (
    *("path", "kind", "object_kind", "object", "attribute"),
    *("before", "after", "is_redacted", "flows"),
)
# Filtering this number of changes takes some milliseconds.
MAX_INLINE_CHANGES = 1000
NO_KEYS: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class DriftData:
    """The drift as a viewer may see it. `baseline` is its name, for viewers of all flows."""

    baseline: str | None
    changes: Sequence[VisibleChange]

    @property
    def count(self) -> int:
        """The number of changes that make the data different."""
        return sum(change.is_counted for change in self.changes)


async def load_drift(context: Context, where: WhereClause = NO_CONDITION) -> DriftData | None:
    """Return the changes that the viewer may see, None without a baseline.

    With a condition, only changes that concern matching flows. Raises DriftUnavailableError.
    """
    if context.drift is None:
        return None
    context.session.note_other_source()
    # It can take long, and no statement has taken a connection yet.
    changes = (await context.drift.read()).changes
    sight = await _Observer(context.session, context.viewer).observe(changes, where)
    is_long = len(changes) > MAX_INLINE_CHANGES
    visible = await background.call(filter_changes, changes, sight, is_long=is_long)
    return DriftData(context.drift.name if _has_all_flows(context.viewer) else None, visible)


def build_batch(changes: Sequence[VisibleChange]) -> Batch:
    """Return changes as rows with the columns of the graph."""
    columns = zip(*map(_build_row, changes), strict=True)
    return Batch(dict(zip(COLUMNS, columns, strict=True)), len(changes)) if changes else NO_ROWS


def _build_row(visible: VisibleChange) -> tuple[Any, ...]:
    change = visible.change
    return (
        *(change.path, change.kind.value, change.object_kind, change.object, change.attribute),
        *(_dump(change.before), _dump(change.after), visible.is_redacted, sorted(change.flows)),
    )


def _dump(value: Any) -> str | None:
    if value is None:
        return None
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _has_all_flows(viewer: Viewer) -> bool:
    return viewer.rights.view_flow is Access.ALL


def _is_complete(rights: Rights) -> bool:
    # An export has permissions of its own.
    return rights._replace(export_flow=Access.ALL) == ALL_RIGHTS


@dataclass(frozen=True, slots=True)
class _Observer:
    """Finds out what a viewer may see of changes, in at most eight statements."""

    session: Session
    viewer: Viewer

    async def observe(self, changes: Sequence[Change], where: WhereClause) -> Sight:
        matching = None if where == NO_CONDITION else await self._find_slugs(where)
        if _is_complete(self.viewer.rights):
            return Sight(is_complete=True, matching=matching)
        keys = _list_keys(changes)
        return Sight(
            await self._find_flows(),
            {kind: await self._find_objects(kind, pks) for kind, pks in keys.items()},
            await self._find_settings(changes),
            frozenset(self._list_complete_kinds()),
            has_all_settings=self.viewer.rights.view_settings is Access.ALL,
            has_stage_bindings=self.viewer.rights.view_flowstagebinding is Access.ALL,
            matching=matching,
        )

    async def _find_slugs(self, where: WhereClause) -> frozenset[str]:
        flows = await find_matching_flows(self.session, self.viewer, where, FLOW_KEYS)
        return frozenset(flows.columns.get("slug", ()))

    async def _find_flows(self) -> Mapping[str, str]:
        flows = await find_matching_flows(self.session, self.viewer, NO_CONDITION, FLOW_KEYS)
        return dict(flows.tuples(FLOW_KEYS))

    async def _find_objects(self, kind: str, pks: Sequence[str]) -> frozenset[str]:
        """Return which objects of a kind are visible, by primary key."""
        permission = PERMISSIONS.get(kind)
        if permission is None or self.viewer.rights.access(permission) is Access.NONE or not pks:
            return NO_KEYS
        if kind == PROMPT.name:
            return await self._find_prompts(pks)
        if kind not in FINDERS:
            return NO_KEYS
        groups = await FINDERS[kind](self.session, self.viewer, pks, ("pk",))
        return frozenset(groups.batch.columns.get("pk", ()))

    async def _find_prompts(self, pks: Sequence[str]) -> frozenset[str]:
        """Return which prompts are visible. All stages have to be: any of them may show a prompt."""
        if self.viewer.rights.view_stage is not Access.ALL or not can_read_prompts(self.session):
            return NO_KEYS
        query = PromptsByPk(("pk",), self.viewer.rights)
        rows = await self.session.read(query, {**self.viewer.parameters, "pks": pks})
        return frozenset(pk for (pk,) in rows)

    async def _find_settings(self, changes: Iterable[Change]) -> frozenset[str]:
        """Return the stages and policies whose settings are visible, by primary key."""
        if self.viewer.rights.view_settings is Access.ALL:
            return NO_KEYS
        visible: set[str] = set()
        for kind, component in COMPONENT_KINDS.items():
            pks = _list_component_keys(changes, kind)
            rendered = await settings.render_settings(component, self.session, self.viewer, pks)
            visible |= {pk for pk, item in zip(pks, rendered, strict=True) if isinstance(item, str)}
        return frozenset(visible)

    def _list_complete_kinds(self) -> Iterable[str]:
        if not _has_all_flows(self.viewer):
            return ()
        rights = self.viewer.rights
        return (kind for kind, item in PERMISSIONS.items() if rights.access(item) is Access.ALL)


def _list_keys(changes: Iterable[Change]) -> Mapping[str, Sequence[str]]:
    """Return the primary keys of the served objects that changes are of, or name, by kind."""
    keys: dict[str, dict[str, None]] = {}
    for change in changes:
        if change.right:
            keys.setdefault(change.object_kind, {})[change.right.pk] = None
        for named in change.names:
            if named.pk:
                keys.setdefault(named.kind, {})[named.pk] = None
    return {kind: list(pks) for kind, pks in keys.items() if kind != FLOW.name}


def _list_component_keys(changes: Iterable[Change], kind: str) -> Sequence[str]:
    """Return the primary keys of the stages or policies whose settings changes contain."""
    components = (change for change in changes if change.object_kind == kind)
    return list(dict.fromkeys(change.right.pk for change in components if change.right))
