"""The entries of an export, in authentik's order: objects precede references to them."""

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from models.authentik.natural_keys import NATURAL_KEYS
from models.blueprint.authentik.kinds import (
    FLOW,
    GROUP,
    POLICY_BINDING,
    PROMPT,
    STAGE_BINDING,
    USER,
)
from models.blueprint.exporting.content import POLICY, STAGE, ExportContent, NaturalName
from models.blueprint.exporting.placeholders import Placeholders
from models.blueprint.exporting.selection import ComponentCopy, Selection
from models.blueprint.exporting.values import SettingsRenderer
from models.blueprint.format.entry import Tag
from models.queries.bindings import PolicyBindingRow, StageBindingRow
from models.queries.flows import FlowRow
from models.queries.prompts import PROMPT_ROW, PromptRow

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


class ExportDocument(NamedTuple):
    """The entries of an export, the comments at its start, and the name in its metadata.

    A snapshot is an export of all flows as they are.
    """

    items: Sequence[Item]
    comments: Sequence[str]
    name: str
    is_snapshot: bool = False


def build_document(content: ExportContent, selection: Selection) -> ExportDocument:
    """Return the document of what is selected from the content."""
    builder = _Builder(content, selection)
    items = list(builder.build())
    names = [flow.name for flow in selection.flows]
    name = names[0] if len(names) == 1 else "FlowQL export"
    return ExportDocument(items, list(builder.list_comments(items)), name)


class _Builder:
    """Builds the entries, and collects the placeholders and references that comments list."""

    def __init__(self, content: ExportContent, selection: Selection) -> None:
        self._content = content
        self._selection = selection
        self._placeholders = Placeholders()
        self._outside: set[NaturalName] = set()
        self._written: set[ComponentCopy] = set()
        self._prompts = {prompt.pk: prompt for prompt in selection.prompts}

    def build(self) -> Iterator[Item]:
        """Yield the entries."""
        flows, components = self._selection.flows, self._selection.components
        deferred: list[Item] = []
        yield from map(self._build_flow, flows)
        yield from map(_build_prompt, self._selection.prompts)
        for kind in (POLICY, STAGE):
            for copy in components:
                if copy.kind == kind:
                    yield self._build_component(copy, deferred)
        yield from deferred
        for flow in flows:
            yield from self._build_stage_bindings(flow)
        for flow in flows:
            yield from self._build_policy_bindings(flow)

    def list_comments(self, items: Iterable[Item]) -> Iterator[str]:
        """Yield the comments at the start: what the export lacks, and its placeholders."""
        omissions = [item for item in items if isinstance(item, str)]
        models = {
            (copy.kind, self._selection.component_of(copy).model)
            for copy in self._selection.components
        }
        notes = [note.text for note in self._content.notes if (note.kind, note.model) in models]
        if omissions or notes:
            yield "This blueprint is incomplete. It lacks these parts of the flow:"
            yield from omissions
            yield from notes
        yield from self._placeholders.list_comments()
        if self._outside:
            yield "Settings refer to these objects, which this file does not contain:"
            yield from (f"- {model} {_quote(name)}" for model, name in sorted(self._outside))

    # Entries -------------------------------------------------------------------------------------

    def _build_flow(self, flow: FlowRow) -> Item:
        slug = self._selection.slug_of(flow)
        attrs = {name: getattr(flow, name) for name in FLOW_ATTRIBUTES}
        return _build_entry(FLOW.model, _flow_id(slug), {"slug": slug}, attrs)

    def _build_component(self, copy: ComponentCopy, deferred: list[Item]) -> Item:
        """Return the entry of a stage or policy.

        Its references to later ones are set by another entry, when all exist.
        """
        component, name = self._selection.component_of(copy), self._selection.name_of(copy)
        if component.model is None:
            return f"omitted: the {copy.kind} {_quote(component.name)}, whose model is unknown"
        renderer = self._build_renderer(copy)
        late = [
            item for item, value in component.settings.items() if self._refers_to_later(copy, value)
        ]
        self._written.add(copy)
        settings = {
            item: renderer.render(item, value)
            for item, value in component.settings.items()
            if item not in late
        }
        if late:
            values = {item: renderer.render(item, component.settings[item]) for item in late}
            deferred.append(_build_entry(component.model, None, {"name": name}, values))
        logging = {} if copy.kind == STAGE else {"execution_logging": component.execution_logging}
        id_ = _component_id(copy.kind, name)
        return _build_entry(component.model, id_, {"name": name}, {**logging, **settings})

    def _refers_to_later(self, copy: ComponentCopy, value: Any) -> bool:
        """Return whether a setting refers to a stage or policy without an earlier entry."""
        return any(
            item not in self._written and self._selection.component_of(item).model
            for item in self._selection.find_references(copy, value)
        )

    def _build_stage_bindings(self, flow: FlowRow) -> Iterator[Item]:
        for row in self._content.list_stage_bindings(flow):
            if self._content.components[STAGE][row.stage].model is None:
                yield f"omitted: the binding of the stage {_quote(row.stage_name)}"
                continue
            attrs = {name: getattr(row, name) for name in STAGE_BINDING_ATTRIBUTES}
            yield _build_entry(
                STAGE_BINDING.model,
                self._binding_id(flow, row),
                {
                    "target": _key_of(_flow_id(self._selection.slug_of(flow))),
                    "stage": _key_of(_component_id(STAGE, self._name_stage(flow, row))),
                    "order": row.order,
                },
                attrs,
            )

    def _build_policy_bindings(self, flow: FlowRow) -> Iterator[Item]:
        target = _flow_id(self._selection.slug_of(flow))
        bindings = self._content.list_policy_bindings
        yield from self._build_bindings_of(target, bindings(flow.policybindingmodel_ptr_id))
        for row in self._content.list_stage_bindings(flow):
            policies = bindings(row.policybindingmodel_ptr_id)
            is_omitted = self._content.components[STAGE][row.stage].model is None
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
            yield _build_entry(POLICY_BINDING.model, None, identifiers, attrs)

    def _build_bound_object(self, row: PolicyBindingRow) -> Mapping[str, Any]:
        """Return a reference to the policy, group or user, or nothing if there is none."""
        if row.policy:
            policy = self._content.components[POLICY][row.policy]
            return {"policy": _key_of(_component_id(POLICY, policy.name))} if policy.model else {}
        if row.group_name is not None:
            return {"group": _find(GROUP.model, "name", row.group_name)}
        if row.username is not None:
            return {"user": _find(USER.model, "username", row.username)}
        return {}

    # References ----------------------------------------------------------------------------------

    def _build_renderer(self, copy: ComponentCopy) -> SettingsRenderer:
        def refer(pk: str, target: str | None) -> Tag | None:
            return self._refer(pk, target, copy)

        owner = f"{copy.kind} {_quote(self._selection.name_of(copy))}"
        component = self._selection.component_of(copy)
        return SettingsRenderer(
            component, owner, refer, self._placeholders, self._outside, self._content.hidden
        )

    def _refer(self, pk: str, target: str | None, copy: ComponentCopy) -> Tag | None:
        """Return a reference from a setting of a stage or policy."""
        id_ = self._find_id(pk, copy)
        if id_:
            return _key_of(id_)
        name = self._content.names.get(pk)
        if name is None:
            return None
        model = target or name.model
        self._outside.add(NaturalName(model, name.name))
        return _find(model, NATURAL_KEYS[name.model].field, name.name)

    def _find_id(self, pk: str, copy: ComponentCopy) -> str | None:
        """Return the id of the entry to which a setting refers, None if there is none."""
        flow = self._selection.find_flow(pk, copy)
        if flow:
            return _flow_id(self._selection.slug_of(flow))
        component = self._selection.find_component(pk, copy.flow)
        if component and self._selection.component_of(component).model:
            return _component_id(component.kind, self._selection.name_of(component))
        return _prompt_id(self._prompts[pk].name) if pk in self._prompts else None

    def _name_stage(self, flow: FlowRow, row: StageBindingRow) -> str:
        copy = self._selection.find_component(row.stage, flow.pk)
        return self._selection.name_of(copy) if copy else row.stage_name

    def _binding_id(self, flow: FlowRow, row: StageBindingRow) -> str:
        slug = self._selection.slug_of(flow)
        return f"binding/{slug}/{row.order}/{self._name_stage(flow, row)}"


def _build_prompt(prompt: PromptRow) -> Item:
    attrs = {name: getattr(prompt, name) for name in PROMPT_ROW if name not in ("pk", "name")}
    return _build_entry(PROMPT.model, _prompt_id(prompt.name), {"name": prompt.name}, attrs)


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


def _component_id(kind: str, name: str) -> str:
    return f"{kind}/{name}"


def _prompt_id(name: str) -> str:
    return f"prompt/{name}"


def _key_of(id_: str) -> Tag:
    return Tag("!KeyOf", id_)


def _find(model: str, field_: str, value: str) -> Tag:
    return Tag("!Find", [model, [field_, value]])


def _quote(name: str | None) -> str:
    # Escaped ASCII on one line cannot end the comment.
    return json.dumps(name)
