"""An import resolves the references between entries, and to rows of the database."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from models.errors import BlueprintError
from support.blueprints import (
    BASE,
    BINDING,
    BINDING_PK,
    FLOW_PK,
    OTHER_PK,
    POLICY_BINDING,
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
    """The error names the file and the place of the reference."""
    stage = "- {model: authentik_stages_dummy.dummystage, id: s, identifiers: {name: s}}\n"
    other = write_blueprint(tmp_path / "a.yaml", BASE + stage)
    entry = "- model: authentik_flows.flowstagebinding\n  identifiers: "
    file = write_blueprint(
        tmp_path / "b.yaml", f"{entry}{{target: {FLOW_PK}, stage: !KeyOf s, order: 0}}\n"
    )
    with pytest.raises(
        BlueprintError, match=r"b\.yaml:4:\d+: 'stage' refers to !KeyOf s, but this file"
    ):
        blueprint_database.load(other, file)


def test_bindings_that_cannot_be_stored_are_omitted_with_a_message(
    base_database: BlueprintDatabase, tmp_path: Path
) -> None:
    """Such a binding has a group or user of unknown name. Keys of users differ everywhere."""
    base_database.create_superuser_token()
    [user] = base_database.dump()["authentik_core_user"]
    references = (
        f"group: {OTHER_PK}",
        f"group: !Find [authentik_core.group, [pk, {OTHER_PK}]]",
        "group: !Find [authentik_core.group, [name__startswith, x]]",
        f"user: {user.id}",
        f"user: !Find [authentik_core.user, [pk, {user.id}]]",
        "user: !Find [authentik_core.user, [name, x]]",
        f"user: !Find [authentik_core.user, [username, {user.username}]]",
    )
    file = write_blueprint(tmp_path / "bound.yaml", build_bindings(references))
    report = base_database.load(file)
    group, other = (
        "its group matches no authentik_core.group",
        "its user matches no authentik_core.user",
    )
    reasons = [
        f"its group refers to '{OTHER_PK}', which is not in this database",
        f"{group} with pk = {OTHER_PK}",
        f"{group} with name__startswith = x",
        f"its user refers to '{user.id}', which is not in this database",
        f"{other} with pk = {user.id}",
        f"{other} with name = x",
        "the name of its user is reserved",
    ]
    assert report.omissions == [
        f"{file}:{line}:3: left out: {reason}"
        for line, reason in zip(range(3, 17, 2), reasons, strict=True)
    ]
    assert count_entries(report) == (0, 0, 0)


def build_bindings(references: Sequence[str]) -> str:
    """Return policy bindings of the base flow, each of two lines, in this order."""
    return "".join(
        "- model: authentik_policies.policybinding\n"
        f"  identifiers: {{{reference}, target: {FLOW_PK}, order: {order}}}\n"
        for order, reference in enumerate(references)
    )


def test_bindings_of_other_targets_are_skipped(
    base_database: BlueprintDatabase, tmp_path: Path
) -> None:
    """FlowQL does not store their targets, such as applications."""
    app = f"- {{model: authentik_core.application, id: app, identifiers: {{pk: {OTHER_PK}}}}}\n"
    targets = ("!KeyOf app", OTHER_PK, "!Find [authentik_core.application, [slug, x]]")
    bindings = "".join(f"{POLICY_BINDING}target: {target}, order: 0}}\n" for target in targets)
    report = base_database.load(write_blueprint(tmp_path / "bound.yaml", bindings + app))
    assert report.skipped == {
        "authentik_policies.policybinding": 3,
        "authentik_core.application": 1,
    }
    assert (report.omissions, count_entries(report)) == ([], (0, 0, 0))


def test_existing_groups_and_users_are_bound(
    base_database: BlueprintDatabase, tmp_path: Path
) -> None:
    """A reference is a !Find by name or, for groups, a key."""
    users = "- {model: authentik_core.user, identifiers: {username: ann}}\n"
    groups = f"- {{model: authentik_core.group, identifiers: {{pk: {OTHER_PK}, name: staff}}}}\n"
    base_database.load(write_blueprint(tmp_path / "viewers.yaml", users + groups))
    [user] = base_database.dump()["authentik_core_user"]
    references = (
        f"group: {OTHER_PK}",
        "group: !Find [authentik_core.group, [name, staff]]",
        f"group: !Find [authentik_core.group, [pk, {OTHER_PK}]]",
        "user: !Find [authentik_core.user, [username, ann]]",
        "user: !Find [authentik_core.user, [username__iexact, ANN]]",
    )
    report = base_database.load(write_blueprint(tmp_path / "b.yaml", build_bindings(references)))
    assert [(row.group_id, row.user_id) for row in read_content(base_database).policy_bindings] == [
        *[(OTHER_PK, None)] * 3,
        *[(None, user.id)] * 2,
    ]
    assert report.placeholders == []
