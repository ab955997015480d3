"""A stored flow as a blueprint that authentik and FlowQL import."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import yaml

from models.blueprint.document import VERSION, Find, KeyOf
from models.queries.bindings import PolicyBindingRow, StageBindingRow
from models.queries.flows import FlowRow

Entry = Mapping[str, Any]
LINE_BREAKS = frozenset("\n\x85\u2028\u2029")
# An entry, or the text of a comment that stands in its place.
Line = Entry | str


class Dumper(yaml.SafeDumper):
    """PyYAML's safe dumper, with blueprints' tags."""


def _represent_key_of(dumper: yaml.SafeDumper, value: KeyOf) -> yaml.Node:
    return cast(Any, dumper).represent_scalar("!KeyOf", value.id)


def _represent_find(dumper: yaml.SafeDumper, value: Find) -> yaml.Node:
    parts = [value.model, *([name, found] for name, found in value.conditions)]
    return dumper.represent_sequence("!Find", parts, flow_style=True)


def _represent_text(dumper: yaml.SafeDumper, value: str) -> yaml.Node:
    """Line breaks are escaped: PyYAML would write some that it then reads as a blank."""
    style = None if LINE_BREAKS.isdisjoint(value) else '"'
    return cast(Any, dumper).represent_scalar("tag:yaml.org,2002:str", value, style)


Dumper.add_representer(str, _represent_text)
Dumper.add_representer(KeyOf, _represent_key_of)
Dumper.add_representer(Find, _represent_find)


def build_document(
    flow: FlowRow, stages: Sequence[StageBindingRow], policies: Sequence[PolicyBindingRow]
) -> Sequence[Line]:
    """The entries of a flow with all that is bound to it, what is referred to first.

    What has no known model is left out, together with what refers to it; a comment names each.
    """
    targets = {flow.policybindingmodel_ptr_id: flow.pk}
    targets |= {row.policybindingmodel_ptr_id: row.pk for row in stages if row.stage_model}
    policies = sorted(policies, key=lambda row: (row.order, row.pk))
    return [
        _flow(flow),
        *_stages(stages),
        *_policies([row for row in policies if row.target in targets]),
        *(_stage_binding(flow, row) for row in stages),
        *(_policy_binding(row, targets) for row in policies),
    ]


def dump(lines: Sequence[Line]) -> str:
    """The YAML text of a blueprint with these entries."""
    name = next(line["attrs"]["name"] for line in lines if not isinstance(line, str))
    head = _yaml({"version": VERSION, "metadata": {"name": name}})
    entries = (f"# {line}\n" if isinstance(line, str) else _yaml([dict(line)]) for line in lines)
    return f"{head}entries:\n{''.join(entries)}"


def _yaml(value: object) -> str:
    return yaml.dump(value, Dumper=Dumper, sort_keys=False, allow_unicode=True)


def _flow(row: FlowRow) -> Entry:
    return _entry(
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


def _stages(rows: Sequence[StageBindingRow]) -> Iterator[Line]:
    """Each stage once, however often it is bound."""
    for pk, row in {row.stage: row for row in rows}.items():
        if row.stage_model:
            yield _entry(row.stage_model, pk, {"name": row.stage_name}, {})
        else:
            yield f"left out: the stage {_quoted(row.stage_name)} ({pk}), whose model is unknown"


def _policies(rows: Sequence[PolicyBindingRow]) -> Iterator[Line]:
    """Each policy once, however often it is bound."""
    for pk, row in {row.policy: row for row in rows if row.policy}.items():
        if row.policy_model:
            attrs = {"execution_logging": row.execution_logging}
            yield _entry(row.policy_model, pk, {"name": row.policy_name}, attrs)
        else:
            yield f"left out: the policy {_quoted(row.policy_name)} ({pk}), whose model is unknown"


def _stage_binding(flow: FlowRow, row: StageBindingRow) -> Line:
    if not row.stage_model:
        return f"left out: the binding of the stage {_quoted(row.stage_name)} ({row.pk})"
    return _entry(
        "authentik_flows.flowstagebinding",
        row.pk,
        {"target": KeyOf(flow.pk), "stage": KeyOf(row.stage), "order": row.order},
        {
            "evaluate_on_plan": row.evaluate_on_plan,
            "re_evaluate_policies": row.re_evaluate_policies,
            "invalid_response_action": row.invalid_response_action,
            "policy_engine_mode": row.policy_engine_mode,
        },
    )


def _policy_binding(row: PolicyBindingRow, targets: Mapping[str, str]) -> Line:
    bound = _bound(row)
    if row.target not in targets or not bound or (row.policy and not row.policy_model):
        name = row.policy_name or row.group_name or row.username
        return f"left out: the binding of {_quoted(name)} ({row.pk})"
    return _entry(
        "authentik_policies.policybinding",
        row.pk,
        {"target": KeyOf(targets[row.target]), **bound, "order": row.order},
        {
            "enabled": row.enabled,
            "negate": row.negate,
            "timeout": row.timeout,
            "failure_result": row.failure_result,
        },
    )


def _bound(row: PolicyBindingRow) -> Mapping[str, Any]:
    """The policy, group or user that is bound; empty where authentik's row has none."""
    if row.policy:
        return {"policy": KeyOf(row.policy)}
    if row.group_name is not None:
        return {"group": Find("authentik_core.group", [("name", row.group_name)])}
    if row.username is not None:
        return {"user": Find("authentik_core.user", [("username", row.username)])}
    return {}


def _entry(model: str, pk: str, identifiers: Entry, attrs: Entry) -> Entry:
    """An entry whose id is its primary key, which no other entry has."""
    whole = {"model": model, "id": pk, "identifiers": {"pk": pk, **identifiers}}
    return {**whole, "attrs": dict(attrs)} if attrs else whole


def _quoted(name: str | None) -> str:
    """The name in one line of ASCII, so that it cannot end the comment."""
    return json.dumps(name)
