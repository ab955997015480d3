"""Against a blueprint, only what it mentions is compared."""

import pytest

from models.diff.changes import ChangeKind
from models.diff.sides import EMPTY, SystemSide
from models.errors import BlueprintError
from support.diff_sides import Sides, describe, diff, import_over

FLOW = """
- model: authentik_flows.flow
  id: flow
  identifiers: {slug: login}
  attrs: {name: Login, title: Welcome, designation: authentication, layout: stacked}
"""
STAGES = """
- model: authentik_stages_dummy.dummystage
  id: dummy
  identifiers: {name: dummy}
  attrs: {throw_error: false}
- model: authentik_stages_deny.denystage
  id: deny
  identifiers: {name: deny}
"""
BINDINGS = """
- model: authentik_flows.flowstagebinding
  identifiers:
    target: !Find [authentik_flows.flow, [slug, login]]
    stage: !Find [authentik_stages_dummy.dummystage, [name, dummy]]
    order: 10
- model: authentik_policies.policybinding
  identifiers:
    target: !Find [authentik_flows.flow, [slug, login]]
    group: !Find [authentik_core.group, [name, staff]]
    order: 0
"""
SYSTEM = FLOW + STAGES + BINDINGS


def test_only_mentioned_attributes(sides: Sides) -> None:
    """Other attributes of a mentioned object are not compared."""
    blueprint = sides.read(
        "- {model: authentik_flows.flow, identifiers: {slug: login}, attrs: {title: Hello}}"
    )
    changes = diff(blueprint, sides.import_(FLOW)).changes
    assert describe(changes) == [("flow/login.title", "changed", "Hello", "Welcome")]


def test_attributes_that_a_system_changes_again(sides: Sides) -> None:
    """A change of an attribute that the blueprint leaves open is no drift."""
    blueprint = sides.read(
        "- {model: authentik_flows.flow, identifiers: {slug: login}, attrs: {title: Welcome}}"
    )
    changed = sides.import_(FLOW.replace("stacked", "sidebar_left"))
    assert diff(blueprint, changed).changes == []
    assert diff(changed, blueprint).changes == []


def test_extra_objects_do_not_count(sides: Sides) -> None:
    """They are listed, ordered by path."""
    difference = diff(sides.read(FLOW), sides.import_(SYSTEM))
    paths = [
        "flow/login/group/0/staff",
        "flow/login/stage/10/dummy",
        "stage/deny",
        "stage/dummy",
    ]
    assert [change.path for change in difference.changes] == paths
    assert {change.kind for change in difference.changes} == {ChangeKind.EXTRA}
    assert difference.counted == []


def test_exact_counts_extra_objects(sides: Sides) -> None:
    """They are added or removed, as for two systems."""
    left, right = sides.read(FLOW), sides.import_(SYSTEM)
    assert {change.kind for change in diff(left, right, exact=True).changes} == {ChangeKind.ADDED}
    assert {change.kind for change in diff(right, left, exact=True).changes} == {ChangeKind.REMOVED}


def test_missing_objects_count(sides: Sides) -> None:
    """The blueprint mentions objects that the system lacks."""
    changes = diff(sides.read(SYSTEM), sides.import_(FLOW + STAGES)).changes
    assert [(change.path, change.kind.value) for change in changes] == [
        ("flow/login/group/0/staff", "removed"),
        ("flow/login/stage/10/dummy", "removed"),
    ]


@pytest.mark.parametrize("state", ["created", "must_created"])
def test_created_is_compared_by_existence(sides: Sides, state: str) -> None:
    """The attributes may differ, the object must exist."""
    blueprint = sides.read(
        f"- {{model: authentik_flows.flow, state: {state}, identifiers: {{slug: login}},"
        " attrs: {name: x, title: x, designation: recovery}}"
    )
    assert diff(blueprint, sides.import_(FLOW)).changes == []
    [change] = diff(blueprint, sides.import_(STAGES)).counted
    assert (change.path, change.kind) == ("flow/login", ChangeKind.REMOVED)


def test_absent_is_compared_by_absence(sides: Sides) -> None:
    """An object that exists is a difference, on either side."""
    blueprint = sides.read(
        "- {model: authentik_stages_deny.denystage, state: absent, identifiers: {name: deny}}"
    )
    assert diff(blueprint, sides.import_(FLOW)).counted == []
    [change] = diff(blueprint, sides.import_(STAGES)).counted
    assert (change.path, change.kind) == ("stage/deny", ChangeKind.ADDED)
    [change] = diff(sides.import_(STAGES), blueprint).counted
    assert (change.path, change.kind) == ("stage/deny", ChangeKind.REMOVED)


def test_absent_against_another_blueprint(sides: Sides) -> None:
    """The other blueprint mentions the object."""
    blueprint = sides.read(
        "- {model: authentik_stages_deny.denystage, state: absent, identifiers: {name: deny}}"
    )
    [change] = diff(sides.read(STAGES), blueprint).counted
    assert (change.path, change.kind) == ("stage/deny", ChangeKind.REMOVED)
    assert diff(blueprint, blueprint).changes == []


def test_tags_are_evaluated(sides: Sides, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the context and of the environment."""
    monkeypatch.setenv("FLOW_TITLE", "Welcome")
    blueprint = sides.read(
        "- {model: authentik_flows.flow, identifiers: {slug: !Context slug}, attrs:"
        " {title: !Env FLOW_TITLE, layout: !If [!Context [wide, false], sidebar_left, stacked]}}",
        slug="login",
    )
    assert diff(blueprint, sides.import_(FLOW)).changes == []


def test_context_changes_values(sides: Sides) -> None:
    """Options override the context of the file."""
    text = (
        "- {model: authentik_flows.flow, identifiers: {slug: login},"
        " attrs: {layout: !If [!Context [wide, false], sidebar_left, stacked]}}"
    )
    changes = diff(sides.read(text, wide=True), sides.import_(FLOW)).changes
    assert describe(changes) == [("flow/login.layout", "changed", "sidebar_left", "stacked")]


def test_moved_binding_is_one_change(sides: Sides) -> None:
    """The order is an attribute."""
    blueprint = sides.read(SYSTEM)
    system = sides.import_(SYSTEM.replace("order: 10", "order: 20"))
    path = "flow/login/stage/10/dummy.order"
    assert describe(diff(blueprint, system).changes) == [(path, "moved", 10, 20)]


def test_reference_to_a_missing_object(sides: Sides) -> None:
    """The binding is missing; its flow is not an object that the blueprint mentions."""
    changes = diff(sides.read(BINDINGS), sides.import_(STAGES)).counted
    assert [(change.path, change.kind.value) for change in changes] == [
        ("flow/login/group/0/staff", "removed"),
        ("flow/login/stage/10/dummy", "removed"),
    ]


def test_changed_type(sides: Sides) -> None:
    """Settings of different types are not compared."""
    system = sides.import_(STAGES)
    blueprint = sides.read("- {model: authentik_stages_deny.denystage, identifiers: {name: dummy}}")
    [change] = diff(blueprint, system).counted
    assert describe([change]) == [
        (
            "stage/dummy.model",
            "changed",
            "authentik_stages_deny.denystage",
            "authentik_stages_dummy.dummystage",
        )
    ]


def test_secrets_are_never_compared(sides: Sides) -> None:
    """Neither are they shown."""
    text = (
        "- {{model: authentik_stages_captcha.captchastage, identifiers: {{name: c}},"
        " attrs: {{public_key: x, private_key: {}}}}}"
    )
    left, right = text.format("one"), text.format("other")
    assert diff(sides.read(left), sides.import_(right)).changes == []
    assert diff(sides.import_(left), sides.import_(right)).changes == []
    assert "other" not in repr(diff(sides.read(FLOW), sides.import_(right)))


def test_order_of_files_and_keys(sides: Sides) -> None:
    """Nor do white space and quotes matter."""
    reordered = """
version: 1
entries:
- attrs: {layout: stacked, designation: authentication,   title: "Welcome", name: 'Login'}
  identifiers: {slug: login}
  id: other
  model: authentik_flows.flow
"""
    assert diff(sides.read(FLOW), sides.read(reordered)).changes == []


def test_two_blueprints(sides: Sides) -> None:
    """Each describes a part: what both mention is compared."""
    left = sides.read(SYSTEM)
    right = sides.read(FLOW.replace("Welcome", "Hello") + STAGES.replace(", layout: stacked", ""))
    difference = diff(left, right)
    assert describe(difference.counted) == [("flow/login.title", "changed", "Welcome", "Hello")]
    assert {change.path for change in difference.changes if change.kind is ChangeKind.EXTRA} == {
        "flow/login/group/0/staff",
        "flow/login/stage/10/dummy",
    }


def test_invalid_blueprint(sides: Sides) -> None:
    """The error names the attribute."""
    blueprint = sides.read(
        "- {model: authentik_flows.flow, identifiers: {slug: login}, attrs: {layout: wide}}"
    )
    with pytest.raises(BlueprintError, match="layout"):
        diff(blueprint, sides.import_(FLOW))


def test_primary_keys_in_blueprints(sides: Sides) -> None:
    """A unique name identifies an object, whatever its primary key is."""
    blueprint = """
- model: authentik_flows.flow
  identifiers: {pk: 11111111-1111-4111-8111-111111111111}
  attrs: {slug: login, name: Login, title: Welcome, designation: authentication}
- model: authentik_stages_dummy.dummystage
  identifiers: {pk: 21111111-1111-4111-8111-111111111111}
  attrs: {name: dummy, throw_error: false}
- model: authentik_flows.flowstagebinding
  identifiers: {pk: 31111111-1111-4111-8111-111111111111}
  attrs: {target: 11111111-1111-4111-8111-111111111111, order: 10,
    stage: 21111111-1111-4111-8111-111111111111}
"""
    assert diff(sides.read(blueprint), sides.import_(SYSTEM)).counted == []


def test_changed_identifier(sides: Sides) -> None:
    """An identifier beside the name is an attribute."""
    blueprint = sides.read(
        "- {model: authentik_flows.flow, identifiers: {slug: login, title: Hello}}"
    )
    changes = diff(blueprint, sides.import_(FLOW)).changes
    assert describe(changes) == [("flow/login.title", "changed", "Hello", "Welcome")]


def test_rewired_binding(sides: Sides) -> None:
    """An entry that changes what is bound is one change."""
    system = sides.import_(SYSTEM)
    blueprint = sides.read(
        "- model: authentik_policies.policybinding\n"
        "  identifiers: {target: !Find [authentik_flows.flow, [slug, login]], order: 0}\n"
        "  attrs: {group: !Find [authentik_core.group, [name, guests]]}\n"
    )
    assert describe(diff(blueprint, system).counted) == [
        ("flow/login/group/0/guests.group", "changed", "guests", "staff")
    ]


def test_created_binding_of_another_order(sides: Sides) -> None:
    """The order identifies it."""
    blueprint = sides.read(
        "- model: authentik_flows.flowstagebinding\n"
        "  state: created\n"
        "  identifiers: {target: !Find [authentik_flows.flow, [slug, login]],"
        " stage: !Find [authentik_stages_dummy.dummystage, [name, dummy]], order: 7}\n"
    )
    changes = diff(blueprint, sides.import_(SYSTEM)).counted
    assert [(change.path, change.kind.value) for change in changes] == [
        ("flow/login/stage/7/dummy", "removed")
    ]


def test_absent_stage_of_another_type(sides: Sides) -> None:
    """An import would not delete it."""
    blueprint = sides.read(
        "- {model: authentik_stages_deny.denystage, state: absent, identifiers: {name: dummy}}"
    )
    assert diff(blueprint, sides.import_(STAGES)).counted == []


def test_setting_that_refers_to_a_missing_object(sides: Sides) -> None:
    """It is null in the system, as after an import."""
    text = (
        "- model: authentik_stages_password.passwordstage\n"
        "  identifiers: {name: password}\n"
        "  attrs: {backends: [authentik.core.auth.InbuiltBackend],"
        " configure_flow: !Find [authentik_flows.flow, [slug, missing]]}\n"
    )
    content = import_over(EMPTY, sides.read(text))
    assert content is not None
    assert diff(sides.read(text), SystemSide("imported", content)).changes == []


@pytest.mark.parametrize(
    "reference",
    [
        "!Find [authentik_sources_oauth.oauthsource, [name, GitHub]]",
        "!Find [authentik_core.source, [slug, github], [enabled, true]]",
        "!Find [authentik_core.token, [key, sekret]]",
    ],
)
def test_references_by_different_fields(sides: Sides, reference: str) -> None:
    """They cannot be compared."""
    text = (
        "- {{model: authentik_stages_identification.identificationstage, identifiers: {{name: i}},"
        " attrs: {{user_fields: [email], sources: [{}]}}}}"
    )
    system = sides.import_(text.format("!Find [authentik_core.source, [slug, github]]"))
    assert diff(sides.read(text.format(reference)), system).changes == []
    other = sides.import_(text.format("!Find [authentik_core.source, [slug, other]]"))
    assert len(diff(system, other).changes) == 1


def test_slug_of_a_flow_that_is_only_referred_to(sides: Sides) -> None:
    """It can be selected."""
    blueprint = sides.read(BINDINGS)
    assert diff(blueprint, blueprint).select(["login"], []).changes == []
