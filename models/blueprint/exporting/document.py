"""The entries of an export, in authentik's order: objects precede references to them."""

import json
import uuid
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from models.authentik.natural_keys import NATURAL_KEYS
from models.blueprint.exporting.content import Component, ExportContent, NaturalName
from models.blueprint.exporting.placeholders import Placeholders
from models.blueprint.exporting.values import SettingsRenderer, find_keys
from models.blueprint.format.entry import Tag
from models.errors import ExportError
from models.queries.bindings import PolicyBindingRow, StageBindingRow
from models.queries.flows import FlowRow
from models.queries.prompts import PROMPT_ROW, PromptRow
from models.tables.flow import SLUG

FLOW = "authentik_flows.flow"
STAGE_BINDING = "authentik_flows.flowstagebinding"
POLICY_BINDING = "authentik_policies.policybinding"
PROMPT = "authentik_stages_prompt.prompt"
FLOW_ATTRIBUTES = (
    *("name", "title", "designation", "background", "policy_engine_mode", "compatibility_mode"),
    *("layout", "denied_action", "authentication"),
)
STAGE_BINDING_ATTRIBUTES = (
    *("evaluate_on_plan", "re_evaluate_policies", "invalid_response_action", "policy_engine_mode"),
)
POLICY_BINDING_ATTRIBUTES = ("enabled", "negate", "timeout", "failure_result")
# For the primary keys of policy bindings that only a primary key distinguishes.
NAMESPACE = uuid.UUID("6f3f2f4e-9a51-5d0c-8f0b-0b8e4a3d7c11")

EntryMapping = Mapping[str, Any]
# An entry, or a comment about an entry that is omitted.
Item = EntryMapping | str


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """New slugs by slug, and whether the stages of these flows are copied or shared."""

    renames: Mapping[str, str] = field(default_factory=dict[str, str])
    copies_stages: bool = False

    def check(self, slugs: Collection[str]) -> None:
        """Raise ExportError unless flows with these slugs can have the new slugs."""
        for old, new in self.renames.items():
            if old not in slugs:
                raise ExportError(f"cannot rename {old!r}, which is not exported")
            if not SLUG.fullmatch(new):
                raise ExportError(
                    f"invalid slug {new!r}: expected letters, digits, '-' and '_' only"
                )
        renamed = Counter(self.renames.get(slug, slug) for slug in slugs)
        for slug, count in renamed.items():
            if count > 1:
                raise ExportError(f"{count} flows would have the slug {slug!r}: choose another one")


class Document(NamedTuple):
    """The entries of an export, the comments at its start, and the name in its metadata."""

    items: Sequence[Item]
    comments: Sequence[str]
    name: str


class _StageCopy(NamedTuple):
    """A stage of the export: the original, or the copy for the flow with this primary key."""

    pk: str
    flow: str | None


def build_document(
    content: ExportContent, flows: Sequence[FlowRow], options: ExportOptions | None = None
) -> Document:
    """Return the document of these flows, which `content` contains, with all that they use."""
    builder = _Builder(content, flows, options or ExportOptions())
    items = list(builder.build())
    return Document(items, list(builder.list_comments(items)), builder.name)


class _Builder:
    def __init__(
        self, content: ExportContent, flows: Sequence[FlowRow], options: ExportOptions
    ) -> None:
        self._content = content
        self._flows = {flow.pk: flow for flow in flows}
        self._options = options
        self._placeholders = Placeholders()
        self._outside: set[NaturalName] = set()
        # What the settings of exported stages refer to.
        self._policies: dict[str, Component] = {}
        self._prompts: set[str] = set()
        self._exported_stages: set[_StageCopy] = set()
        self._bound_stages = {
            flow.pk: {row.stage for row in content.list_stage_bindings(flow)} for flow in flows
        }
        self._prompts_by_pk = {prompt.pk: prompt for prompt in content.prompts}

    @property
    def name(self) -> str:
        """The name of the document: that of its flow, if there is one."""
        names = [flow.name for flow in self._flows.values()]
        return names[0] if len(names) == 1 else "FlowQL export"

    def build(self) -> Iterator[Item]:
        """Yield the entries."""
        flows = sorted(self._flows.values(), key=lambda flow: flow.slug)
        stages = self._order_stages(self._list_bound_stages(flows))
        self._find_used(flows, stages)
        yield from map(self._build_flow, flows)
        prompts = [self._prompts_by_pk[pk] for pk in self._prompts]
        yield from map(_build_prompt, sorted(prompts, key=lambda prompt: prompt.name))
        policies = sorted(self._policies.values(), key=lambda policy: policy.name)
        yield from map(self._build_policy, policies)
        yield from self._build_stages(stages)
        for flow in flows:
            yield from self._build_stage_bindings(flow)
        for flow in flows:
            yield from self._build_policy_bindings(flow)

    def list_comments(self, items: Iterable[Item]) -> Iterator[str]:
        """Yield the comments at the start: what the export lacks, and its placeholders."""
        omissions = [item for item in items if isinstance(item, str)]
        if omissions or self._content.notes:
            yield "This blueprint is incomplete. It lacks these parts of the flow:"
            yield from omissions
            yield from self._content.notes
        yield from self._placeholders.list_comments()
        if self._outside:
            yield "Settings refer to these objects, which this file does not contain:"
            yield from (f"- {model} {_quote(name)}" for model, name in sorted(self._outside))

    # The objects of the export -------------------------------------------------------------------

    def _list_bound_stages(self, flows: Sequence[FlowRow]) -> Iterator[_StageCopy]:
        for flow in flows:
            for row in self._content.list_stage_bindings(flow):
                yield self._stage_of(flow.pk, row.stage)

    def _stage_of(self, flow: str | None, pk: str) -> _StageCopy:
        """Return the stage that a flow, or a stage copied for it, uses under this primary key."""
        is_copied = flow is not None and pk in self._bound_stages.get(flow, ())
        return _StageCopy(pk, flow if is_copied and self._is_copied(flow) else None)

    def _is_copied(self, flow: str | None) -> bool:
        row = self._flows.get(flow or "")
        return bool(self._options.copies_stages and row and row.slug in self._options.renames)

    def _order_stages(self, bound: Iterable[_StageCopy]) -> Sequence[_StageCopy]:
        """Return stages, and those that they refer to, which come first unless there is a circle."""
        ordered: dict[_StageCopy, None] = {}
        started: set[_StageCopy] = set()
        for first in sorted(set(bound), key=self._stage_key):
            pending = [first]
            while pending:
                stage = pending[-1]
                referenced = () if stage in started else self._list_referenced_stages(stage)
                started.add(stage)
                pending += [item for item in referenced if item not in started]
                if pending[-1] is stage:
                    ordered[pending.pop()] = None
        return list(ordered)

    def _list_referenced_stages(self, stage: _StageCopy) -> Sequence[_StageCopy]:
        keys = find_keys(dict(self._content.stages[stage.pk].settings))
        stages = {self._stage_of(stage.flow, key) for key in keys if key in self._content.stages}
        return sorted(stages, key=self._stage_key, reverse=True)

    def _stage_key(self, stage: _StageCopy) -> str:
        return self._name_stage(stage)

    def _find_used(self, flows: Sequence[FlowRow], stages: Sequence[_StageCopy]) -> None:
        pending = [self._content.stages[stage.pk] for stage in stages]
        for flow in flows:
            for row in self._content.list_all_policy_bindings(flow):
                if row.policy:
                    pending += self._use_policy(row.policy)
        while pending:
            for key in find_keys(dict(pending.pop().settings)):
                if key in self._prompts_by_pk:
                    self._prompts.add(key)
                pending += self._use_policy(key)

    def _use_policy(self, pk: str) -> Sequence[Component]:
        """Export a policy, and return it if it is new."""
        policy = self._content.policies.get(pk)
        if policy is None or pk in self._policies:
            return ()
        self._policies[pk] = policy
        return (policy,)

    # Entries -------------------------------------------------------------------------------------

    def _build_flow(self, flow: FlowRow) -> Item:
        slug = self._slug_of(flow)
        attrs = {name: getattr(flow, name) for name in FLOW_ATTRIBUTES}
        return _build_entry(FLOW, _flow_id(slug), {"slug": slug}, attrs)

    def _build_policy(self, policy: Component) -> Item:
        if policy.model is None:
            return f"omitted: the policy {_quote(policy.name)}, whose model is unknown"
        attrs: dict[str, Any] = {"execution_logging": policy.execution_logging}
        renderer = self._build_renderer(policy, f"policy {_quote(policy.name)}", None)
        attrs |= {name: renderer.render(name, value) for name, value in policy.settings.items()}
        return _build_entry(policy.model, _policy_id(policy.name), {"name": policy.name}, attrs)

    def _build_stages(self, stages: Sequence[_StageCopy]) -> Iterator[Item]:
        """Yield stages. References in circles are set by another entry, when all stages exist."""
        deferred: list[Item] = []
        for copy in stages:
            stage, name = self._content.stages[copy.pk], self._name_stage(copy)
            if stage.model is None:
                yield f"omitted: the stage {_quote(stage.name)}, whose model is unknown"
                continue
            renderer = self._build_renderer(stage, f"stage {_quote(name)}", copy.flow)
            late = [item for item in stage.settings if self._is_early(copy, stage.settings[item])]
            self._exported_stages.add(copy)
            attrs = {item: value for item, value in stage.settings.items() if item not in late}
            rendered = {item: renderer.render(item, value) for item, value in attrs.items()}
            yield _build_entry(stage.model, _stage_id(name), {"name": name}, rendered)
            if late:
                rendered = {item: renderer.render(item, stage.settings[item]) for item in late}
                deferred.append(_build_entry(stage.model, None, {"name": name}, rendered))
        yield from deferred

    def _is_early(self, copy: _StageCopy, value: Any) -> bool:
        """Return whether a setting refers to a stage that comes later, or to its own stage."""
        stages = (
            self._stage_of(copy.flow, key)
            for key in find_keys(value)
            if key in self._content.stages
        )
        typed = (stage for stage in stages if self._content.stages[stage.pk].model)
        return any(stage not in self._exported_stages for stage in typed)

    def _build_stage_bindings(self, flow: FlowRow) -> Iterator[Item]:
        for row in self._content.list_stage_bindings(flow):
            if self._content.stages[row.stage].model is None:
                yield f"omitted: the binding of the stage {_quote(row.stage_name)}"
                continue
            attrs = {name: getattr(row, name) for name in STAGE_BINDING_ATTRIBUTES}
            yield _build_entry(
                STAGE_BINDING,
                self._binding_id(flow, row),
                {
                    "target": _key_of(_flow_id(self._slug_of(flow))),
                    "stage": _key_of(
                        _stage_id(self._name_stage(self._stage_of(flow.pk, row.stage)))
                    ),
                    "order": row.order,
                },
                attrs,
            )

    def _build_policy_bindings(self, flow: FlowRow) -> Iterator[Item]:
        target = _flow_id(self._slug_of(flow))
        bindings = self._content.list_policy_bindings
        yield from self._build_bindings_of(target, bindings(flow.policybindingmodel_ptr_id))
        for row in self._content.list_stage_bindings(flow):
            policies = bindings(row.policybindingmodel_ptr_id)
            is_omitted = self._content.stages[row.stage].model is None
            target = None if is_omitted else self._binding_id(flow, row)
            yield from self._build_bindings_of(target, policies)

    def _build_bindings_of(
        self, target: str | None, rows: Sequence[PolicyBindingRow]
    ) -> Iterator[Item]:
        previous: dict[tuple[Any, ...], int] = {}
        for row in rows:
            reference = self._build_bound_object(row)
            if target is None or not reference:
                name = row.policy_name or row.group_name or row.username
                yield f"omitted: the binding of {_quote(name)}"
                continue
            identity = (row.policy, row.group, row.user, row.order)
            number = previous[identity] = previous.get(identity, -1) + 1
            identifiers = {"target": _key_of(target), **reference, "order": row.order}
            attrs = {name: getattr(row, name) for name in POLICY_BINDING_ATTRIBUTES}
            if number:
                # A group or a user can be bound several times: the others have keys of their own.
                name = json.dumps([target, row.group_name, row.username, row.order, number])
                attrs = {**identifiers, **attrs}
                identifiers = {"pk": str(uuid.uuid5(NAMESPACE, name))}
            yield _build_entry(POLICY_BINDING, None, identifiers, attrs)

    def _build_bound_object(self, row: PolicyBindingRow) -> Mapping[str, Any]:
        """Return a reference to the policy, group or user, or nothing if there is none."""
        if row.policy:
            policy = self._policies.get(row.policy)
            return {"policy": _key_of(_policy_id(policy.name))} if policy and policy.model else {}
        if row.group_name is not None:
            return {"group": _find("authentik_core.group", "name", row.group_name)}
        if row.username is not None:
            return {"user": _find("authentik_core.user", "username", row.username)}
        return {}

    # References ----------------------------------------------------------------------------------

    def _build_renderer(
        self, component: Component, owner: str, flow: str | None
    ) -> SettingsRenderer:
        def refer(pk: str, target: str | None) -> Tag | None:
            return self._refer(pk, target, flow)

        return SettingsRenderer(component, owner, refer, self._placeholders, self._outside)

    def _refer(self, pk: str, target: str | None, flow: str | None) -> Tag | None:
        """Return a reference from a setting; `flow` is that for which its stage is copied."""
        id_ = self._find_id(pk, flow)
        if id_:
            return _key_of(id_)
        name = self._content.names.get(pk)
        if name is None:
            return None
        model = target or name.model
        self._outside.add(NaturalName(model, name.name))
        return _find(model, NATURAL_KEYS[name.model].field, name.name)

    def _find_id(self, pk: str, flow: str | None) -> str | None:
        """Return the id of the entry to which a setting refers, None if there is none."""
        stage, policy = self._content.stages.get(pk), self._policies.get(pk)
        if pk in self._flows:
            # The copy of a flow does not replace the flow in the settings of shared stages.
            row = self._flows[pk]
            is_meant = row.slug not in self._options.renames or pk == flow
            return _flow_id(self._slug_of(row)) if is_meant else None
        if stage and stage.model:
            return _stage_id(self._name_stage(self._stage_of(flow, pk)))
        if policy and policy.model:
            return _policy_id(policy.name)
        return _prompt_id(self._prompts_by_pk[pk].name) if pk in self._prompts else None

    def _slug_of(self, flow: FlowRow) -> str:
        return self._options.renames.get(flow.slug, flow.slug)

    def _name_stage(self, stage: _StageCopy) -> str:
        name = self._content.stages[stage.pk].name
        return f"{name} ({self._slug_of(self._flows[stage.flow])})" if stage.flow else name

    def _binding_id(self, flow: FlowRow, row: StageBindingRow) -> str:
        name = self._name_stage(self._stage_of(flow.pk, row.stage))
        return f"binding/{self._slug_of(flow)}/{row.order}/{name}"


def _build_prompt(prompt: PromptRow) -> Item:
    attrs = {name: getattr(prompt, name) for name in PROMPT_ROW if name not in ("pk", "name")}
    return _build_entry(PROMPT, _prompt_id(prompt.name), {"name": prompt.name}, attrs)


def _build_entry(
    model: str, id_: str | None, identifiers: EntryMapping, attrs: EntryMapping
) -> EntryMapping:
    entry: dict[str, Any] = {"model": model}
    if id_ is not None:
        entry["id"] = id_
    entry["identifiers"] = dict(identifiers)
    if attrs:
        entry["attrs"] = dict(attrs)
    return entry


def _flow_id(slug: str) -> str:
    return f"flow/{slug}"


def _stage_id(name: str) -> str:
    return f"stage/{name}"


def _policy_id(name: str) -> str:
    return f"policy/{name}"


def _prompt_id(name: str) -> str:
    return f"prompt/{name}"


def _key_of(id_: str) -> Tag:
    return Tag("!KeyOf", id_)


def _find(model: str, field_: str, value: str) -> Tag:
    return Tag("!Find", [model, [field_, value]])


def _quote(name: str | None) -> str:
    # Escaped ASCII on one line cannot end the comment.
    return json.dumps(name)
