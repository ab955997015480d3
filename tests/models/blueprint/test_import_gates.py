"""An import keeps the groups and users that bindings name, apart from the users of tokens."""

from collections.abc import Callable
from typing import Any

import pytest

from models.tokens import SUPERUSERS
from support.app_client import AppClient
from support.blueprints import BlueprintDatabase
from support.command import create_token, run_in_process
from support.imports import INCOMPLETE, Store, find_summary

DOOR = (
    "- {model: authentik_flows.flow, id: door, identifiers: {slug: door},"
    " attrs: {name: Door, title: Door, designation: authentication}}\n"
)
GATE = "- {model: authentik_policies.policybinding, identifiers: {target: !KeyOf door, order: 0}, "
ANN = "- {model: authentik_core.user, id: ann, identifiers: {username: ann}, attrs: {name: Ann}}\n"
FIND_ANN = "!Find [authentik_core.user, [username, ann]]"
FIND_STAFF = "!Find [authentik_core.group, [name, staff]]"
GATES = f"""\
- {{model: authentik_core.group, id: staff, identifiers: {{name: staff}}}}
{ANN}{DOOR}\
- {{model: authentik_stages_authenticator_validate.authenticatorvalidatestage, id: mfa, identifiers: {{name: second}}}}
- {{model: authentik_policies_expression.expressionpolicy, id: away, identifiers: {{name: away}}, attrs: {{expression: return True}}}}
- {{model: authentik_flows.flowstagebinding, id: step, identifiers: {{target: !KeyOf door, stage: !KeyOf mfa, order: 10}}, attrs: {{policy_engine_mode: all}}}}
- {{model: authentik_policies.policybinding, identifiers: {{target: !KeyOf step, order: 0}}, attrs: {{group: !KeyOf staff, negate: 'yes'}}}}
- {{model: authentik_policies.policybinding, identifiers: {{target: !KeyOf step, order: 1}}, attrs: {{policy: !KeyOf away, timeout: '5'}}}}
- {{model: authentik_policies.policybinding, identifiers: {{target: !KeyOf door, order: 0}}, attrs: {{user: !KeyOf ann}}}}
"""
BOUND = "order negate timeout policy { name type } group { name } user { name }"
QUERY = f"""{{ flow(slug: "door") {{
    policyBindings {{ {BOUND} }}
    stageBindings {{ order policyEngineMode stage {{ name type }} policyBindings {{ {BOUND} }} }}
}} }}"""


def query(store: Store, key: str) -> Any:
    """Return the flow `door` as the graph shows it to a token."""
    with AppClient(store.database.url) as client:
        response = client.graphql(QUERY, key)
    return response.json["data"]["flow"] if response.status == 200 else response.status


def expect_binding(order: int = 0, timeout: int = 30, *, negate: bool = False, **bound: Any) -> Any:
    """Return a policy binding as the graph shows it."""
    nothing = {"policy": None, "group": None, "user": None}
    return {"order": order, "negate": negate, "timeout": timeout, **nothing, **bound}


def test_graph_shows_all_gates(each_store: Store) -> None:
    """Policies, groups and users of a flow and of its stages are in `policyBindings`."""
    each_store.load(GATES)
    key = create_token(each_store.database.url, "reader", "--superuser")
    policy = {"name": "away", "type": "authentik_policies_expression.expressionpolicy"}
    stage_type = "authentik_stages_authenticator_validate.authenticatorvalidatestage"
    assert query(each_store, key) == {
        "policyBindings": [expect_binding(user={"name": "Ann"})],
        "stageBindings": [
            {
                "order": 10,
                "policyEngineMode": "ALL",
                "stage": {"name": "second", "type": stage_type},
                "policyBindings": [
                    expect_binding(negate=True, group={"name": "staff"}),
                    expect_binding(1, 5, policy=policy),
                ],
            }
        ],
    }


@pytest.mark.parametrize(
    ("bound", "gate"), [(f"user: {FIND_ANN}", "user ann"), (f"group: {FIND_STAFF}", "group staff")]
)
def test_groups_and_users_that_are_only_referred_to(
    each_store: Store, bound: str, gate: str
) -> None:
    """They become placeholders of that name, which the report names, and which can be completed."""
    messages = each_store.load(f"{DOOR}{GATE}attrs: {{{bound}}}}}\n")
    assert gate.split()[1] in "".join(messages[-2:])
    content = each_store.read()
    assert content.gates == [("door", 0, gate)]
    each_store.load(GATES.replace("target: !KeyOf door, order: 0", "target: !KeyOf door, order: 1"))
    completed = each_store.read()
    assert completed.users == {"ann": {"name": "Ann", "is_active": False}}
    assert completed.groups == {"staff": {"is_superuser": False}}
    assert ("door", 0, gate) in completed.gates


def test_placeholders_without_rights(store: Store) -> None:
    """Placeholders are inactive users, and groups that do not make superusers."""
    store.load(
        f"{DOOR}{GATE}attrs: {{group: {FIND_STAFF}}}}}\n"
        f"{GATE.replace('order: 0', 'order: 1')}attrs: {{user: {FIND_ANN}}}}}\n"
    )
    content = store.read()
    assert content.users["ann"]["is_active"] is False
    assert content.groups == {"staff": {"is_superuser": False}}
    dump = store.database.dump()
    assert (dump["authentik_core_user_groups"], dump["authentik_core_user_roles"]) == ([], [])


def test_entries_are_found_before_placeholders(store: Store) -> None:
    """A group or user that a later entry or file creates is no placeholder."""
    gate = f"{DOOR}{GATE}attrs: {{user: {FIND_ANN}}}}}\n"
    messages = store.load(gate, ANN)
    assert not any("ann" in message for message in messages)
    assert store.read().users == {"ann": {"name": "Ann", "is_active": False}}


def test_rights_in_blueprints_are_ignored_and_counted(store: Store) -> None:
    """Memberships, roles, tokens and superusers are not imported."""
    messages = store.load(
        "- {model: authentik_core.group, id: admins, identifiers: {name: admins},"
        " attrs: {is_superuser: true, users: [1, !KeyOf eve], roles: [!KeyOf role],"
        " parent: !Find [authentik_core.group, [name, x]], attributes: {a: 1}}}\n"
        "- {model: authentik_core.user, id: eve, identifiers: {username: eve}, attrs: {name: Eve,"
        " is_active: true, groups: [!KeyOf admins], roles: [x], type: service_account,"
        " password: hunter2, email: eve@example.com}}\n"
        "- {model: authentik_rbac.role, id: role, identifiers: {name: role}}\n"
        "- {model: authentik_core.token, identifiers: {identifier: t}, attrs: {key: hunter2,"
        " user: !KeyOf eve, intent: api}}\n"
    )
    report = "\n".join(messages)
    content = store.read()
    assert content.groups == {"admins": {"is_superuser": False}}
    assert content.users == {"eve": {"name": "Eve", "is_active": False}}
    dump = store.database.dump()
    for table in ("core_user_groups", "core_user_roles", "core_group_roles", "core_groupparentage"):
        assert dump[f"authentik_{table}"] == [], table
    assert (dump["authentik_core_token"], dump["authentik_rbac_role"]) == ([], [])
    for word in ("authentik_core.token", "authentik_rbac.role", "groups", "users", "roles"):
        assert word in report
    assert "hunter2" not in report


CHANGES_OF_SUPERUSERS = {
    "an update": f"- {{model: authentik_core.group, identifiers: {{name: {SUPERUSERS}}}, attrs: {{is_superuser: false, users: []}}}}\n",
    "a deletion": f"- {{model: authentik_core.group, state: absent, identifiers: {{name: {SUPERUSERS}}}}}\n",
}


@pytest.mark.parametrize("name", CHANGES_OF_SUPERUSERS)
def test_superusers_stay_superusers(store: Store, name: str) -> None:
    """An import never changes the group of the tokens of superusers."""
    key = create_token(store.database.url, "admin", "--superuser")
    before = store.database.dump()
    store.run(*store.write(CHANGES_OF_SUPERUSERS[name]))
    after = store.database.dump()
    for table in ("authentik_core_group", "authentik_core_user_groups", "authentik_core_user"):
        assert after[table] == before[table]
    store.load(DOOR)
    assert query(store, key) == {"policyBindings": [], "stageBindings": []}


def test_gate_of_superusers(store: Store) -> None:
    """The group can be bound if it exists; an import does not create it."""
    gate = f"{DOOR}{GATE}attrs: {{group: !Find [authentik_core.group, [name, {SUPERUSERS}]]}}}}\n"
    store.load(gate, code=INCOMPLETE)
    assert store.read().groups == {}
    key = create_token(store.database.url, "admin", "--superuser")
    store.load(gate)
    [binding] = query(store, key)["policyBindings"]
    assert binding == expect_binding(group={"name": SUPERUSERS})


TOKEN_USERS = {
    "an entry": f"{ANN}{DOOR}{GATE}attrs: {{user: !KeyOf ann}}}}\n",
    "a reference": f"{DOOR}{GATE}attrs: {{user: {FIND_ANN}}}}}\n",
}


@pytest.mark.parametrize("name", TOKEN_USERS)
def test_tokens_and_imported_users_never_meet(each_store: Store, name: str) -> None:
    """A token and a user of the same name are independent: the token can be revoked."""
    url = each_store.database.url
    key = create_token(url, "ann", "--superuser")
    each_store.load(TOKEN_USERS[name])
    assert each_store.read().gates == [("door", 0, "user ann")]
    assert len(query(each_store, key)["policyBindings"]) == 1
    assert run_in_process("token", "revoke", "ann", "--database", url).returncode == 0
    assert query(each_store, key) == 401
    assert each_store.read().gates == [("door", 0, "user ann")]
    later = create_token(url, "ann", "--superuser")
    assert len(query(each_store, later)["policyBindings"]) == 1


def list_token_users(store: Store) -> list[str]:
    """Return the names of the users of tokens."""
    dump = store.database.dump()
    owners = {row.user_id for row in dump["authentik_core_token"]}
    return [row.username for row in dump["authentik_core_user"] if row.id in owners]


@pytest.mark.parametrize("state", ["absent", "present"])
def test_reserved_names(store: Store, state: str) -> None:
    """An entry with the name of a token's user does not reach it."""
    url = store.database.url
    key = create_token(url, "admin", "--superuser")
    store.load(DOOR)
    [name] = list_token_users(store)
    [user] = store.database.dump()["authentik_core_user"]
    store.run(
        *store.write(
            f"- {{model: authentik_core.user, state: {state}, identifiers: {{username: '{name}'}},"
            f" attrs: {{name: Eve, username: eve}}}}\n{DOOR}{GATE}"
            f"attrs: {{user: !Find [authentik_core.user, [username, '{name}']]}}}}\n"
        )
    )
    assert user in store.database.dump()["authentik_core_user"]
    assert query(store, key) is not None
    assert run_in_process("token", "revoke", "admin", "--database", url).returncode == 0
    assert query(store, key) == 401


def test_users_of_tokens_cannot_be_bound_by_key(store: Store) -> None:
    """A number stands for no user of a token, so that revoking works."""
    url = store.database.url
    create_token(url, "admin", "--superuser")
    [user] = store.database.dump()["authentik_core_user"]
    store.run(*store.write(f"{DOOR}{GATE}attrs: {{user: {user.id}}}}}\n"))
    assert run_in_process("token", "revoke", "admin", "--database", url).returncode == 0


LEFT_OUT = (
    "attrs: {group: 00000000-0000-4000-8000-00000000000f}",
    "attrs: {user: 4711}",
    "attrs: {user: !Find [authentik_core.user, [pk, 4711]]}",
    "attrs: {group: !Find [authentik_core.group, [pk, 00000000-0000-4000-8000-00000000000f]]}",
)


@pytest.mark.parametrize("attrs", LEFT_OUT)
def test_gate_without_a_name_is_left_out(store: Store, attrs: str) -> None:
    """The exit code is 3, a message has its place, and everything else is imported."""
    messages = store.load(f"{DOOR}{ANN}{GATE}{attrs}}}\n", code=INCOMPLETE)
    assert any(message.startswith(f"{store.folder / '1.yaml'}:5:") for message in messages)
    content = store.read()
    assert (list(content.flows), content.gates) == (["door"], [])


INVALID_GATES = (
    "attrs: {enabled: true}",
    f"attrs: {{user: {FIND_ANN}, group: {FIND_STAFF}}}",
    "attrs: {policy: !Find [authentik_policies.policy, [name, missing]]}",
    "attrs: {policy: null, group: null}",
)


@pytest.mark.parametrize("attrs", INVALID_GATES)
def test_gates_bind_exactly_one_object(store: Store, attrs: str) -> None:
    """A gate that binds nothing or several objects never disappears silently."""
    store.write(f"{DOOR}{GATE}{attrs}}}\n")
    assert store.run(store.folder).returncode in {2, INCOMPLETE}
    assert store.read().gates == []


BOUND_ELSEWHERE = (
    "policy: !Find [authentik_policies.policy, [name, missing]]",
    f"user: {FIND_ANN}",
    f"group: {FIND_STAFF}",
    "group: !KeyOf nobody",
)


def test_gates_of_other_targets_are_not_judged(store: Store) -> None:
    """A gate of an application is skipped, whatever it binds, and needs no placeholder."""
    gates = [
        "- {model: authentik_policies.policybinding,"
        f" identifiers: {{order: 0, {bound}{separator}target: !KeyOf app}}}}\n"
        for bound in BOUND_ELSEWHERE
        for separator in (", ", "}, attrs: {")
    ]
    app = "- {model: authentik_core.application, id: app, identifiers: {slug: wiki}}\n"
    [report] = store.load(app + "".join(gates))
    assert report.startswith("0 created, 0 updated, 0 unchanged, 0 deleted, 9 skipped")
    content = store.read()
    assert (content.groups, content.users, content.gates) == ({}, {}, [])


STEPS = f"""\
{DOOR}\
- {{model: authentik_stages_dummy.dummystage, id: bell, identifiers: {{name: bell}}}}
- {{model: authentik_stages_dummy.dummystage, id: knock, identifiers: {{name: knock}}}}
- {{model: authentik_flows.flowstagebinding, identifiers: {{target: !KeyOf door, stage: !KeyOf bell, order: 20}}}}
- {{model: authentik_flows.flowstagebinding, id: step, identifiers: {{target: !KeyOf door, stage: !KeyOf knock, order: 10}}}}
"""
# Targets by the key of the table that flows and stage bindings have in common, and by other fields.
TARGETS = {
    "!Find [authentik_policies.policybindingmodel, [pbm_uuid, !KeyOf step]]": "door/knock/10",
    "!Find [authentik_policies.policybindingmodel, [pk, !KeyOf door]]": "door",
    "!AtIndex [!FindObject [authentik_flows.flow, [slug, door]], policybindingmodel_ptr_id]": "door",
    "!AtIndex [!FindObject [authentik_flows.flowstagebinding, [order, 10]], policybindingmodel_ptr_id]": "door/knock/10",
    # The first stage binding is that of the lowest order.
    "!Find [authentik_flows.flowstagebinding, [target, !KeyOf door]]": "door/knock/10",
    "!Find [authentik_flows.flowstagebinding]": "door/knock/10",
}


@pytest.mark.parametrize("is_first", [False, True])
def test_references_to_targets(store: Store, is_first: bool) -> None:  # noqa: FBT001 - a parameter
    """References that authentik resolves to a flow or a stage binding are targets of gates."""
    gates = "".join(
        GATE.replace("!KeyOf door, order: 0", f"{target}, order: {order}")
        + f"attrs: {{user: {FIND_ANN}}}}}\n"
        for order, target in enumerate(TARGETS)
    )
    store.load(gates + STEPS if is_first else STEPS + gates)
    expected = [(target, order, "user ann") for order, target in enumerate(TARGETS.values())]
    assert store.read().gates == sorted(expected)


def test_gates_of_unknown_targets_are_left_out(store: Store) -> None:
    """A target that may be a flow never disappears silently."""
    conditions = ("pbm_uuid, 00000000-0000-4000-8000-00000000000f", "flow__slug, door", "pk, null")
    gates = (
        GATE.replace("!KeyOf door", f"!Find [authentik_policies.policybindingmodel, [{condition}]]")
        for condition in conditions
    )
    user = f"attrs: {{user: {FIND_ANN}}}}}\n"
    *messages, _ = store.load(DOOR + "".join(gate + user for gate in gates), code=INCOMPLETE)
    for line, message in enumerate(messages, 4):
        assert message.startswith(f"{store.folder / '1.yaml'}:{line}:")
        assert "policybindingmodel" in message
    assert (len(messages), store.read().gates) == (3, [])


def test_gate_can_change_what_it_binds(each_store: Store) -> None:
    """A group in place of the user: the user is no longer bound."""
    each_store.load(f"{DOOR}{GATE}attrs: {{user: {FIND_ANN}}}}}\n")
    each_store.load(f"{DOOR}{GATE}attrs: {{group: {FIND_STAFF}, user: null}}}}\n")
    assert each_store.read().gates == [("door", 0, "group staff")]


def test_content_is_equal_in_all_databases(
    new_database: Callable[[], BlueprintDatabase], store: Store
) -> None:
    """PostgreSQL and SQLite store the same, and a second import changes nothing."""
    store.load(GATES)
    other = Store(new_database(), store.folder)
    other.load(GATES)
    assert other.read() == store.read()
    report = find_summary(other.load(GATES))
    assert report.startswith("0 created, 0 updated, 9 unchanged, 0 deleted, 0 skipped")
