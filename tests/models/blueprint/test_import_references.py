"""An import resolves the references between entries, and to rows of the database."""

from collections.abc import Callable
from pathlib import Path

import pytest

from models.errors import BlueprintError
from support.blueprints import (
    BASE,
    BINDING,
    BINDING_PK,
    FLOW_PK,
    OTHER_PK,
    POLICY_PK,
    STAGE_PK,
    BlueprintDatabase,
    count_entries,
    read_content,
    write_blueprint,
)


def test_stage_binding_refers_to_flow_and_stage_by_key_or_find(
    base_database: BlueprintDatabase, tmp_path: Path
) -> None:
    """A reference is a key in any notation, or a !Find by key or by fields."""
    flows = [
        FLOW_PK,
        FLOW_PK.upper(),
        "!Find [authentik_flows.flow, [slug, base]]",
        "!Find [Authentik_Flows.Flow, [name, Base], [designation, recovery]]",
        f"!Find [authentik_flows.flow, [pk, {FLOW_PK}]]",
    ]
    stages = [
        STAGE_PK,
        f"!!str {STAGE_PK.replace('-', '')}",
        "!Find [authentik_stages_dummy.dummystage, [name, base-stage]]",
        "!Find [authentik_flows.stage, [name, base-stage]]",
        f"!Find [authentik_flows.stage, [pk, {STAGE_PK}]]",
    ]
    entries = [
        f"- model: authentik_flows.flowstagebinding\n"
        f"  identifiers: {{order: {order}, target: {flow}, stage: {stage}}}\n"
        for order, (flow, stage) in enumerate(zip(flows, stages, strict=True))
    ]
    report = base_database.load(write_blueprint(tmp_path / "more.yaml", "".join(entries)))
    assert report.created == len(entries)
    assert {(row.target_id, row.stage_id) for row in read_content(base_database).bindings} == {
        (FLOW_PK, STAGE_PK)
    }


def test_target_of_a_policy_binding_is_the_parent_row(
    base_database: BlueprintDatabase, tmp_path: Path
) -> None:
    """A reference to a flow or a stage binding resolves to its policybindingmodel row."""
    before = read_content(base_database)
    flow, binding = before.flows[0], before.bindings[0]
    flow_targets = [
        flow.policybindingmodel_ptr_id,
        FLOW_PK,
        "!Find [authentik_flows.flow, [slug, base]]",
    ]
    find = "!Find [authentik_flows.flowstagebinding, "
    binding_targets = [
        binding.policybindingmodel_ptr_id,
        BINDING_PK,
        f"{find}[pk, {BINDING_PK}]]",
        f"{find}[target__slug, base], [order, -1]]",
        f"{find}[stage__name, base-stage], [target, !Find [authentik_flows.flow, [slug, base]]]]",
        f"{find}[target, {FLOW_PK}], [stage, {STAGE_PK}], [evaluate_on_plan, false]]",
    ]
    policies = [
        POLICY_PK,
        "!Find [authentik_policies_dummy.dummypolicy, [name, base-policy]]",
        "!Find [authentik_policies.policy, [name, base-policy]]",
    ]
    entries = [
        f"- model: authentik_policies.policybinding\n"
        f"  identifiers: {{order: {order}, target: {target}, policy: {policies[order % 3]}}}\n"
        for order, target in enumerate(flow_targets + binding_targets)
    ]
    base_database.load(write_blueprint(tmp_path / "more.yaml", "".join(entries)))
    policy_bindings = read_content(base_database).policy_bindings
    assert {row.policy_id for row in policy_bindings} == {POLICY_PK}
    assert [row.target_id for row in policy_bindings] == [
        *[flow.policybindingmodel_ptr_id] * len(flow_targets),
        *[binding.policybindingmodel_ptr_id] * len(binding_targets),
    ]


def test_key_of_refers_to_earlier_and_later_entries(
    blueprint_database: BlueprintDatabase, tmp_path: Path
) -> None:
    """!KeyOf refers to an entry of the same file, before or after it."""
    entries = [
        (
            "- {model: authentik_flows.flow, id: f, identifiers: {slug: new},"
            " attrs: {name: New, title: New, designation: recovery}}\n"
        ),
        "- {model: authentik_stages_dummy.dummystage, id: 7, identifiers: {name: stage}}\n",
        "- {model: authentik_policies_dummy.dummypolicy, id: p, identifiers: {name: policy}}\n",
        (
            "- {model: authentik_flows.flowstagebinding, id: b,"
            " identifiers: {target: !KeyOf f, stage: !KeyOf 7, order: 0}}\n"
        ),
        (
            "- {model: authentik_policies.policybinding,"
            " identifiers: {target: !KeyOf b, policy: !KeyOf p, order: 1}}\n"
        ),
        (
            "- {model: authentik_policies.policybinding,"
            " identifiers: {target: !KeyOf f, policy: !KeyOf p, order: 2}}\n"
        ),
    ]
    backwards = write_blueprint(tmp_path / "backwards.yaml", "".join(reversed(entries)))
    assert count_entries(blueprint_database.load(backwards)) == (6, 0, 0)
    forwards = write_blueprint(tmp_path / "forwards.yaml", "".join(entries))
    assert count_entries(blueprint_database.load(forwards)) == (0, 0, 6)
    assert read_content(blueprint_database).describe_flows()["new"][4:] == (
        [(0, "stage", "authentik_stages_dummy.dummystage")],
        [
            ("new", 2, "policy", "authentik_policies_dummy.dummypolicy"),
            ("stage", 1, "policy", "authentik_policies_dummy.dummypolicy"),
        ],
    )


def test_files_refer_to_each_other_in_any_order(
    new_database: Callable[[], BlueprintDatabase], tmp_path: Path
) -> None:
    """An import stores all flows, stages and policies before the bindings."""
    base = write_blueprint(tmp_path / "base.yaml", BASE)
    more = write_blueprint(tmp_path / "more.yaml", f"{BINDING}target: {FLOW_PK}, order: 1}}\n")
    for paths in ((base, more), (more, base)):
        blueprint_database = new_database()
        assert count_entries(blueprint_database.load(*paths)) == (5, 0, 0)


def test_key_of_does_not_refer_to_other_files(
    blueprint_database: BlueprintDatabase, tmp_path: Path
) -> None:
    """The error names the file and the line of the reference."""
    stage = "- {model: authentik_stages_dummy.dummystage, id: s, identifiers: {name: s}}\n"
    other = write_blueprint(tmp_path / "a.yaml", BASE + stage)
    entry = "- model: authentik_flows.flowstagebinding\n  identifiers: "
    file = write_blueprint(
        tmp_path / "b.yaml", f"{entry}{{target: {FLOW_PK}, stage: !KeyOf s, order: 0}}\n"
    )
    with pytest.raises(
        BlueprintError, match=r"b\.yaml:3: 'stage' refers to !KeyOf s, but this file"
    ):
        blueprint_database.load(other, file)


def test_bindings_that_cannot_be_stored_are_omitted_with_a_message(
    base_database: BlueprintDatabase, tmp_path: Path
) -> None:
    """Such bindings have a missing group or user, or a target that FlowQL does not store."""
    entry = "- model: authentik_policies.policybinding\n  identifiers: "
    bindings = [
        f"{{group: !Find [authentik_core.group, [name, x]], target: {FLOW_PK}, order: 0}}",
        f"{{group: {OTHER_PK}, target: {FLOW_PK}, order: 0}}",
        f"{{user: !Find [authentik_core.user, [username, x]], target: {FLOW_PK}, order: 0}}",
        f"{{user: 4, target: {FLOW_PK}, order: 0}}",
        f"{{user: !Find [authentik_core.user, [pk, 4]], target: {FLOW_PK}, order: 0}}",
        f"{{policy: {POLICY_PK}, target: !KeyOf app, order: 0}}",
        f"{{policy: {POLICY_PK}, target: !Find [authentik_core.application, [slug, x]], order: 0}}",
        f"{{policy: {POLICY_PK}, target: {OTHER_PK}, order: 0}}",
    ]
    app = f"- {{model: authentik_core.application, id: app, identifiers: {{pk: {OTHER_PK}}}}}\n"
    file = write_blueprint(
        tmp_path / "bound.yaml", "".join(f"{entry}{line}\n" for line in bindings) + app
    )
    report = base_database.load(file)
    group, user = "its group is not in this database", "its user is not in this database"
    target = "its target is of authentik_core.application, which FlowQL does not store"
    assert report.omissions == [
        f"{file}:{line}: omitted: {reason}"
        for line, reason in zip(
            range(3, 19, 2), [group] * 2 + [user] * 3 + [target] * 3, strict=True
        )
    ]
    assert count_entries(report) == (0, 0, 0)


def test_existing_groups_and_users_are_bound(
    base_database: BlueprintDatabase, tmp_path: Path
) -> None:
    """A reference is a key, or a !Find by name or by key."""
    base_database.create_superuser_token()
    dump = base_database.dump()
    [group], [user] = dump["authentik_core_group"], dump["authentik_core_user"]
    entry = "- model: authentik_policies.policybinding\n  identifiers: "
    references = (
        f"group: {group.group_uuid}",
        f"group: !Find [authentik_core.group, [name, {group.name}]]",
        f"user: {user.id}",
        "user: !Find [authentik_core.user, [username, superuser]]",
        f"user: !Find [authentik_core.user, [pk, {user.id}]]",
    )
    bindings = "".join(
        f"{entry}{{{reference}, target: {FLOW_PK}, order: {order}}}\n"
        for order, reference in enumerate(references)
    )
    base_database.load(write_blueprint(tmp_path / "bound.yaml", bindings))
    assert [(row.group_id, row.user_id) for row in read_content(base_database).policy_bindings] == [
        *[(group.group_uuid, None)] * 2,
        *[(None, user.id)] * 3,
    ]
