"""The export of a flow as a blueprint, which authentik and FlowQL can import."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import yaml

from models.blueprint.format.entry import VERSION, Tag
from models.queries.bindings import PolicyBindingRow, StageBindingRow
from models.queries.flows import FlowRow

EntryMapping = Mapping[str, Any]
LINE_BREAKS = frozenset("\n\x85\u2028\u2029")
INCOMPLETE = "This blueprint is incomplete. It lacks these parts of the flow:"
# An entry, or a comment about an entry that is omitted.
Item = EntryMapping | str


class Dumper(yaml.SafeDumper):
    """PyYAML's safe dumper, with the tags of blueprints."""


def _represent_tag(dumper: yaml.SafeDumper, tag: Tag) -> yaml.Node:
    if isinstance(tag.value, str):
        return cast(Any, dumper).represent_scalar(tag.name, tag.value)
    return dumper.represent_sequence(tag.name, tag.value, flow_style=True)


def _represent_string(dumper: yaml.SafeDumper, value: str) -> yaml.Node:
    # Quotes escape line breaks: PyYAML writes some of them plain but reads them as spaces.
    style = None if LINE_BREAKS.isdisjoint(value) else '"'
    return cast(Any, dumper).represent_scalar("tag:yaml.org,2002:str", value, style)


Dumper.add_representer(str, _represent_string)
Dumper.add_representer(Tag, _represent_tag)


def build_document(
    flow: FlowRow, stages: Sequence[StageBindingRow], policies: Sequence[PolicyBindingRow]
) -> Sequence[Item]:
    """Return the entries of a flow, its stages, policies and bindings; targets precede references.

    Stages and policies of unknown model are omitted with their bindings. A comment replaces each
    omitted entry.
    """
    targets = {flow.policybindingmodel_ptr_id: flow.pk}
    targets |= {row.policybindingmodel_ptr_id: row.pk for row in stages if row.stage_model}
    policies = sorted(policies, key=lambda row: (row.order, row.pk))
    return [
        _build_flow(flow),
        *_build_stages(stages),
        *_build_policies([row for row in policies if row.target in targets]),
        *(_build_stage_binding(flow, row) for row in stages),
        *(_build_policy_binding(row, targets) for row in policies),
    ]


def dump(items: Sequence[Item], causes: Sequence[str] = ()) -> str:
    """Return a blueprint with these entries and comments as YAML.

    If entries are omitted, the comments are also at the start, with the causes.
    """
    name = next(item["attrs"]["name"] for item in items if not isinstance(item, str))
    header = _dump_yaml({"version": VERSION, "metadata": {"name": name}})
    entries = (
        _dump_comment(item) if isinstance(item, str) else _dump_entry(item) for item in items
    )
    return f"{_dump_omissions(items, causes)}{header}entries:\n{''.join(entries)}"


def find_untyped(
    stages: Sequence[StageBindingRow], policies: Sequence[PolicyBindingRow]
) -> Iterator[str]:
    """Yield `stages` and `policies` if an export omits one because its model is unknown."""
    if not all(row.stage_model for row in stages):
        yield "stages"
    if not all(row.policy_model for row in policies if row.policy):
        yield "policies"


def _dump_omissions(items: Sequence[Item], causes: Sequence[str]) -> str:
    omissions = [item for item in items if isinstance(item, str)]
    if not omissions:
        return ""
    return "".join(map(_dump_comment, [INCOMPLETE, *omissions, *causes]))


def _dump_comment(comment: str) -> str:
    return f"# {comment}\n"


def _dump_entry(entry: EntryMapping) -> str:
    return _dump_yaml([dict(entry)])


def _dump_yaml(value: object) -> str:
    return yaml.dump(value, Dumper=Dumper, sort_keys=False, allow_unicode=True)


def _build_flow(row: FlowRow) -> EntryMapping:
    return _build_entry(
        "authentik_flows.flow",
        row.pk,
        {"slug": row.slug},
        {
            "name": row.name,
            "title": row.title,
            "designation": row.designation,
            "background": row.background,
            "policy_engine_mode": row.policy_engine_mode,
            "compatibility_mode": row.compatibility_mode,
            "layout": row.layout,
            "denied_action": row.denied_action,
            "authentication": row.authentication,
        },
    )


def _build_stages(rows: Sequence[StageBindingRow]) -> Iterator[Item]:
    """Yield each stage once, even if it is bound several times."""
    for pk, row in {row.stage: row for row in rows}.items():
        if row.stage_model:
            yield _build_entry(row.stage_model, pk, {"name": row.stage_name}, {})
        else:
            yield f"omitted: the stage {_quote(row.stage_name)} ({pk}), whose model is unknown"


def _build_policies(rows: Sequence[PolicyBindingRow]) -> Iterator[Item]:
    """Yield each policy once, even if it is bound several times."""
    for pk, row in {row.policy: row for row in rows if row.policy}.items():
        if row.policy_model:
            attrs = {"execution_logging": row.execution_logging}
            yield _build_entry(row.policy_model, pk, {"name": row.policy_name}, attrs)
        else:
            yield f"omitted: the policy {_quote(row.policy_name)} ({pk}), whose model is unknown"


def _build_stage_binding(flow: FlowRow, row: StageBindingRow) -> Item:
    if not row.stage_model:
        return f"omitted: the binding of the stage {_quote(row.stage_name)} ({row.pk})"
    return _build_entry(
        "authentik_flows.flowstagebinding",
        row.pk,
        {"target": _refer_to(flow.pk), "stage": _refer_to(row.stage), "order": row.order},
        {
            "evaluate_on_plan": row.evaluate_on_plan,
            "re_evaluate_policies": row.re_evaluate_policies,
            "invalid_response_action": row.invalid_response_action,
            "policy_engine_mode": row.policy_engine_mode,
        },
    )


def _build_policy_binding(row: PolicyBindingRow, targets: Mapping[str, str]) -> Item:
    reference = _build_bound_object(row)
    if row.target not in targets or not reference or (row.policy and not row.policy_model):
        name = row.policy_name or row.group_name or row.username
        return f"omitted: the binding of {_quote(name)} ({row.pk})"
    return _build_entry(
        "authentik_policies.policybinding",
        row.pk,
        {"target": _refer_to(targets[row.target]), **reference, "order": row.order},
        {
            "enabled": row.enabled,
            "negate": row.negate,
            "timeout": row.timeout,
            "failure_result": row.failure_result,
        },
    )


def _build_bound_object(row: PolicyBindingRow) -> Mapping[str, Any]:
    """Return a reference to the policy, group or user, or nothing if authentik's row has none."""
    if row.policy:
        return {"policy": _refer_to(row.policy)}
    if row.group_name is not None:
        return {"group": _find("authentik_core.group", "name", row.group_name)}
    if row.username is not None:
        return {"user": _find("authentik_core.user", "username", row.username)}
    return {}


def _build_entry(
    model: str, pk: str, identifiers: EntryMapping, attrs: EntryMapping
) -> EntryMapping:
    # The primary key is a unique id.
    entry = {"model": model, "id": pk, "identifiers": {"pk": pk, **identifiers}}
    return {**entry, "attrs": dict(attrs)} if attrs else entry


def _refer_to(pk: str) -> Tag:
    return Tag("!KeyOf", pk)


def _find(model: str, field: str, value: str) -> Tag:
    return Tag("!Find", [model, [field, value]])


def _quote(name: str | None) -> str:
    # Escaped ASCII on one line cannot end the comment.
    return json.dumps(name)
