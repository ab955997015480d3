"""Two complete systems: objects of one side, moves and renames."""

from dataclasses import replace

import pytest

from models.diff.changes import Change, ChangeKind, Difference
from models.diff.sides import SystemSide
from support.diff_sides import Sides, describe, diff, shuffle

FLOW = """
- model: authentik_flows.flow
  id: login
  identifiers: {slug: login}
  attrs: {name: Login, title: Welcome, designation: authentication}
"""
STAGES = """
- model: authentik_stages_password.passwordstage
  id: password
  identifiers: {name: password}
  attrs: {backends: [authentik.core.auth.InbuiltBackend]}
- model: authentik_stages_identification.identificationstage
  id: identify
  identifiers: {name: identify}
  attrs: {password_stage: !KeyOf password, user_fields: [email]}
- model: authentik_policies_expression.expressionpolicy
  id: check
  identifiers: {name: check}
  attrs: {expression: return True}
"""
BINDINGS = """
- model: authentik_flows.flowstagebinding
  id: step
  identifiers: {target: !KeyOf login, stage: !KeyOf identify, order: 10}
- model: authentik_policies.policybinding
  identifiers: {target: !KeyOf step, policy: !KeyOf check, order: 0}
"""
SYSTEM = FLOW + STAGES + BINDINGS
GROUP_BINDING = """
- model: authentik_policies.policybinding
  identifiers: {pk: PK}
  attrs: {target: !KeyOf login, group: !Find [authentik_core.group, [name, staff]], order: 5}
"""


def paths(difference: Difference) -> list[tuple[str, str]]:
    """Return path and kind of each change."""
    return [(change.path, change.kind.value) for change in difference.changes]


def only(difference: Difference) -> Change:
    """Return the only change."""
    [change] = difference.changes
    return change


def test_objects_of_one_side(sides: Sides) -> None:
    """Each is one change, with its attributes."""
    difference = diff(sides.import_(FLOW), sides.import_(SYSTEM))
    assert paths(difference) == [
        ("flow/login/stage/10/identify", "added"),
        ("flow/login/stage/10/identify/policy/0/check", "added"),
        ("policy/check", "added"),
        ("stage/identify", "added"),
        ("stage/password", "added"),
    ]
    by_path = {change.path: change for change in difference.changes}
    assert by_path["stage/identify"].before is None
    assert by_path["stage/identify"].after == {
        "name": "identify",
        "model": "authentik_stages_identification.identificationstage",
        "password_stage": "password",
        "user_fields": ["email"],
    }
    assert by_path["flow/login/stage/10/identify"].after["target"] == "login"


def test_removed_objects(sides: Sides) -> None:
    """The other direction."""
    difference = diff(sides.import_(SYSTEM), sides.import_(FLOW))
    assert {change.kind for change in difference.changes} == {ChangeKind.REMOVED}
    assert all(change.after is None for change in difference.changes)


def test_moved_binding(sides: Sides) -> None:
    """What is bound to it does not change."""
    moved = sides.import_(SYSTEM.replace("order: 10", "order: 20"))
    change = only(diff(sides.import_(SYSTEM), moved))
    assert describe([change]) == [("flow/login/stage/10/identify.order", "moved", 10, 20)]


def test_renamed_stage(sides: Sides) -> None:
    """References and bindings follow the name."""
    renamed = sides.import_(SYSTEM.replace("name: password}", "name: secret}"))
    change = only(diff(sides.import_(SYSTEM), renamed))
    assert describe([change]) == [("stage/password.name", "renamed", "password", "secret")]


def test_renamed_flow(sides: Sides) -> None:
    """Its bindings are not reported."""
    renamed = sides.import_(SYSTEM.replace("slug: login", "slug: signin"))
    change = only(diff(sides.import_(SYSTEM), renamed))
    assert describe([change]) == [("flow/login.slug", "renamed", "login", "signin")]
    assert change.flows == {"login", "signin"}


def test_rename_with_other_settings(sides: Sides) -> None:
    """Then it is another stage."""
    text = SYSTEM.replace("name: identify}", "name: other}").replace("[email]", "[username]")
    difference = diff(sides.import_(SYSTEM), sides.import_(text))
    assert ("stage/identify", "removed") in paths(difference)
    assert ("stage/other", "added") in paths(difference)


def test_rename_at_another_place(sides: Sides) -> None:
    """Then it is another policy."""
    text = SYSTEM.replace("name: check}", "name: other}").replace(
        "target: !KeyOf step, policy", "target: !KeyOf login, policy"
    )
    difference = diff(sides.import_(SYSTEM), sides.import_(text))
    assert ("policy/check", "removed") in paths(difference)
    assert ("policy/other", "added") in paths(difference)


def test_equal_bindings_are_counted(sides: Sides) -> None:
    """Two equal bindings are not one."""
    one, two = (
        GROUP_BINDING.replace("PK", f"10000000-0000-4000-8000-00000000000{number}")
        for number in (1, 2)
    )
    single, double = sides.import_(FLOW + one), sides.import_(FLOW + one + two)
    assert paths(diff(single, double)) == [("flow/login/group/5/staff", "added")]
    shuffled = replace(double, content=shuffle(double.content, 3))
    assert diff(double, shuffled).changes == []


def test_flows_of_a_change(sides: Sides) -> None:
    """Those that use the object, directly or through settings."""
    text = SYSTEM.replace("InbuiltBackend", "TokenBackend")
    difference = diff(sides.import_(SYSTEM), sides.import_(text))
    assert only(difference).flows == {"login"}
    assert only(difference).object == "stage/password"


def test_snapshot(sides: Sides) -> None:
    """It has all flows, and the stages and policies that these use."""
    system = sides.import_(SYSTEM)
    snapshot = replace(system, is_snapshot=True)
    unused = "- {model: authentik_stages_deny.denystage, identifiers: {name: unused}}\n"
    flow = "- {model: authentik_flows.flow, identifiers: {slug: new}, attrs: {name: N, title: N,"
    later = sides.import_(f"{SYSTEM}{unused}{flow} designation: recovery}}}}\n")
    assert paths(diff(snapshot, later)) == [("flow/new", "added"), ("stage/unused", "extra")]
    assert paths(diff(later, snapshot)) == [("flow/new", "removed"), ("stage/unused", "extra")]


def test_places_have_primary_keys(sides: Sides) -> None:
    """Those of each side, for the rights of a viewer."""
    left, right = sides.import_(SYSTEM), sides.import_(SYSTEM.replace("Welcome", "Hello"))
    shuffled = SystemSide("shuffled", shuffle(right.content, 1))
    change = only(diff(left, shuffled))
    assert change.left is not None
    assert change.right is not None
    assert change.left.pk == left.content.records["flow"][0].pk
    assert change.right.pk == shuffled.content.records["flow"][0].pk
    assert change.right.flows == {change.right.pk}


def test_names_in_values(sides: Sides) -> None:
    """They have the primary keys of the right side, if the objects exist there."""
    left = sides.import_(SYSTEM)
    right = sides.import_(SYSTEM.replace("{password_stage: !KeyOf password, ", "{"))
    change = only(diff(left, right))
    assert (change.before, change.after) == ("password", None)
    [named] = change.names
    [pk] = [item.pk for item in right.content.records["stage"] if item.values == ("password",)]
    assert (named.kind, named.name, named.pk) == ("stage", "password", pk)


def test_dependent_renames(sides: Sides) -> None:
    """A flow, a stage and a policy at the same time."""
    text = SYSTEM.replace("slug: login", "slug: signin").replace("name: check}", "name: verify}")
    renamed = sides.import_(text.replace("name: identify}", "name: identification}"))
    assert paths(diff(sides.import_(SYSTEM), renamed)) == [
        ("flow/login.slug", "renamed"),
        ("policy/check.name", "renamed"),
        ("stage/identify.name", "renamed"),
    ]


def test_bound_object_of_another_kind(sides: Sides) -> None:
    """One change, whose values have the kind."""
    text = SYSTEM.replace(
        "policy: !KeyOf check", "group: !Find [authentik_core.group, [name, staff]]"
    )
    change = only(diff(sides.import_(SYSTEM), sides.import_(text)))
    path = "flow/login/stage/10/identify/policy/0/check.bound"
    assert describe([change]) == [(path, "changed", {"policy": "check"}, {"group": "staff"})]


def test_patterns(sides: Sides) -> None:
    """Only `*` is special."""
    left = sides.import_(SYSTEM.replace("name: password}", 'name: "s[1]?"}'))
    right = sides.import_(
        SYSTEM.replace("name: password}", 'name: "s[1]?"}').replace("Inbuilt", "Token")
    )
    difference = diff(left, right)
    assert difference.select([], ["stage/s[1]?*"]).changes == []
    assert difference.select([], ["stage/s1*", "stage/s[1]."]).changes == difference.changes


@pytest.mark.parametrize("state", ["unbound", "bound"])
def test_many_similar_objects(sides: Sides, state: str) -> None:
    """The time grows with their number, not with its square: the test would take minutes."""
    count = 3_000
    stages = "".join(
        f"- {{model: authentik_stages_dummy.dummystage, identifiers: {{name: SIDE-{number}}},"
        f" attrs: {{throw_error: false, number: SIDE{number}}}}}\n"
        for number in range(count)
    )
    bindings = "".join(
        f"- {{model: authentik_policies.policybinding, identifiers: {{pk:"
        f" 10000000-0000-4000-8000-{number:012}}}, attrs: {{target: !KeyOf login, timeout: TIME{number},"
        " group: !Find [authentik_core.group, [name, staff]], order: 5}}\n"
        for number in range(count)
    )
    text = stages if state == "unbound" else FLOW + bindings
    left, right = (
        sides.import_(text.replace("SIDE", side).replace("TIME", time))
        for side, time in (("a", "1"), ("b", "2"))
    )
    kinds = {"unbound": {"added", "removed"}, "bound": {"changed"}}
    difference = diff(left, right)
    assert {change.kind.value for change in difference.changes} == kinds[state]
