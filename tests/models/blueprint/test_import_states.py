"""The state of an entry decides whether an import creates, changes or deletes its object."""

from itertools import permutations
from typing import Any

import pytest

from support.imports import Content, Store, find_summary

OBJECTS = """\
- {model: authentik_flows.flow, id: door, identifiers: {slug: door}, attrs: {name: Door, title: Door, designation: recovery}}
- {model: authentik_flows.flow, identifiers: {slug: other}, attrs: {name: Other, title: Other, designation: recovery}}
- {model: authentik_stages_dummy.dummystage, id: bell, identifiers: {name: bell}, attrs: {throw_error: true}}
- {model: authentik_policies_dummy.dummypolicy, id: rule, identifiers: {name: rule}, attrs: {result: true}}
- {model: authentik_stages_prompt.prompt, identifiers: {name: field}, attrs: {field_key: f, label: F, type: text}}
- {model: authentik_core.group, id: staff, identifiers: {name: staff}}
- {model: authentik_core.user, id: ann, identifiers: {username: ann}, attrs: {name: Ann}}
- {model: authentik_flows.flowstagebinding, id: ring, identifiers: {target: !KeyOf door, stage: !KeyOf bell, order: 0}}
- {model: authentik_policies.policybinding, identifiers: {target: !KeyOf ring, order: 1}, attrs: {policy: !KeyOf rule}}
- {model: authentik_policies.policybinding, identifiers: {target: !KeyOf ring, order: 2}, attrs: {group: !KeyOf staff}}
- {model: authentik_policies.policybinding, identifiers: {target: !KeyOf door, order: 3}, attrs: {policy: !KeyOf rule}}
- {model: authentik_policies.policybinding, identifiers: {target: !KeyOf door, order: 4}, attrs: {user: !KeyOf ann}}
"""
NUMBERS = "1.0e+300, -1.0e+25, 1.5e-10, 0.1, 1.0, 1, -0.0, 123456789012345678901234567890, 1.0e+16"
FIND_DOOR = "!Find [authentik_flows.flow, [slug, door]]"
FIND_BELL = "!Find [authentik_flows.stage, [name, bell]]"
# The model and the identifiers of one object of each kind, and the policy bindings that go with it.
OBJECT_OF_KIND = {
    "flow": ("authentik_flows.flow", "slug: door", (1, 2, 3, 4)),
    "stage": ("authentik_stages_dummy.dummystage", "name: bell", (1, 2)),
    "policy": ("authentik_policies_dummy.dummypolicy", "name: rule", (1, 3)),
    "prompt": ("authentik_stages_prompt.prompt", "name: field", ()),
    "group": ("authentik_core.group", "name: staff", (2,)),
    "user": ("authentik_core.user", "username: ann", (4,)),
    "stage binding": (
        "authentik_flows.flowstagebinding",
        f"target: {FIND_DOOR}, stage: {FIND_BELL}, order: 0",
        (1, 2),
    ),
    "policy binding": ("authentik_policies.policybinding", f"target: {FIND_DOOR}, order: 3", (3,)),
}


def delete(kind: str, attrs: str = "{}") -> str:
    """Return the entry that deletes the object of a kind."""
    model, identifiers, _ = OBJECT_OF_KIND[kind]
    return f"- {{model: {model}, state: absent, identifiers: {{{identifiers}}}, attrs: {attrs}}}\n"


def list_objects(content: Content) -> dict[str, Any]:
    """Return objects by kind and name, stage bindings and policy bindings."""
    return {
        "flow": content.flows,
        "stage": content.stages,
        "policy": content.policies,
        "prompt": content.prompts,
        "group": content.groups,
        "user": content.users,
        "steps": content.steps,
        "gates": content.gates,
    }


def expect_without(content: Content, kind: str) -> dict[str, Any]:
    """Return the content that remains without the object of a kind."""
    objects = list_objects(content)
    _, identifiers, orders = OBJECT_OF_KIND[kind]
    if kind in objects:
        name = identifiers.partition(": ")[2]
        objects[kind] = {key: row for key, row in objects[kind].items() if key != name}
    if kind in {"flow", "stage", "stage binding"}:
        objects["steps"] = []
    objects["gates"] = [gate for gate in content.gates if gate[1] not in orders]
    return objects


@pytest.mark.parametrize("kind", OBJECT_OF_KIND)
def test_absent_deletes_the_object_and_what_depends_on_it(store: Store, kind: str) -> None:
    """Bindings go with what they bind. The second time, the entry is unchanged."""
    store.load(OBJECTS)
    content = store.read()
    store.load(delete(kind))
    assert list_objects(store.read()) == expect_without(content, kind)
    report = find_summary(store.load(delete(kind)))
    assert report.startswith("0 created, 0 updated, 1 unchanged, 0 deleted, ")
    store.load(OBJECTS)
    assert store.read() == content


def test_absent_deletes_in_each_database(each_store: Store) -> None:
    """One run deletes objects of all kinds, in any order."""
    each_store.load(OBJECTS)
    each_store.load("".join(delete(kind) for kind in OBJECT_OF_KIND))
    content = each_store.read()
    assert (list(content.flows), content.stages, content.policies) == (["other"], {}, {})
    assert (content.prompts, content.groups, content.users) == ({}, {}, {})
    assert (content.steps, content.gates) == ([], [])


@pytest.mark.parametrize("kind", ["flow", "prompt", "stage binding"])
def test_absent_does_not_need_valid_attributes(store: Store, kind: str) -> None:
    """Values that nothing needs are not judged."""
    store.load(OBJECTS)
    content = store.read()
    store.load(delete(kind, "{designation: burglary, order: many, type: !KeyOf nobody}"))
    assert list_objects(store.read()) == expect_without(content, kind)


NOTHING_TO_DELETE = (
    "authentik_flows.flowstagebinding, target: !KeyOf nobody, stage: !KeyOf bell, order: 0",
    "authentik_flows.flowstagebinding, target: !KeyOf gone, stage: !KeyOf bell, order: 0",
    f"authentik_flows.flowstagebinding, target: {FIND_DOOR.replace('door', 'x')}, order: 0",
    "authentik_flows.flowstagebinding, target: 00000000-0000-4000-8000-00000000000f, order: 0",
    "authentik_policies.policybinding, target: !KeyOf app, order: 3",
    "authentik_policies.policybinding, target: !KeyOf ring, policy: !KeyOf nobody, order: 1",
    "authentik_policies.policybinding, target: !Find [authentik_core.application, [slug, x]]",
    "authentik_flows.flow, slug: nowhere",
    "authentik_stages_email.emailstage, name: bell",
    "authentik_core.application, slug: wiki",
)


@pytest.mark.parametrize("entry", NOTHING_TO_DELETE)
def test_absent_of_nothing_does_nothing(store: Store, entry: str) -> None:
    """References that cannot be resolved, and objects that do not exist, are no errors."""
    model, _, identifiers = entry.partition(", ")
    others = (
        "- {model: authentik_core.application, id: app, identifiers: {slug: wiki}}\n"
        "- {model: authentik_flows.flow, id: gone, state: absent, identifiers: {slug: gone}}\n"
    )
    store.load(OBJECTS)
    content = store.read()
    store.load(
        f"{OBJECTS}{others}- {{model: {model}, state: absent, identifiers: {{{identifiers}}}}}\n"
    )
    assert store.read() == content


FLOW = (
    "- {model: authentik_flows.flow, id: door, STATE, identifiers: {slug: door},"
    " attrs: {name: TITLE, title: TITLE, designation: recovery}}\n"
)
BINDING = (
    "- {model: authentik_stages_dummy.dummystage, id: bell, identifiers: {name: bell}}\n"
    "- {model: authentik_flows.flowstagebinding,"
    " identifiers: {target: !KeyOf door, stage: !KeyOf bell, order: 0}}\n"
)


def flow(title: str, state: str) -> str:
    """Return the entry of the flow `door` with a title and a state."""
    return FLOW.replace("TITLE", title).replace("STATE", f"state: {state}")


def test_created_is_written_once(each_store: Store) -> None:
    """Later imports leave the object alone, and can refer to it."""
    each_store.load(flow("First", "created"))
    report = find_summary(each_store.load(flow("Second", "created") + BINDING))
    assert report.startswith("2 created, 0 updated, 1 unchanged, 0 deleted, ")
    content = each_store.read()
    assert content.flows["door"]["title"] == "First"
    assert content.steps == [("door", 0, "bell")]
    each_store.load(flow("Third", "present"))
    assert each_store.read().flows["door"]["title"] == "Third"


def test_created_does_not_judge_what_it_does_not_write(store: Store) -> None:
    """A required attribute is needed to create an object only."""
    entry = "- {model: authentik_flows.flow, state: created, identifiers: {slug: door}}\n"
    store.refuse(entry)
    store.load(flow("First", "present"))
    store.load(entry)
    assert store.read().flows["door"]["title"] == "First"


def test_must_created_refuses_an_existing_object(each_store: Store) -> None:
    """The first import creates it; the second one is an error with the place and the id."""
    each_store.load(flow("First", "must_created") + BINDING)
    [message, *_] = each_store.refuse(flow("Second", "must_created"))
    assert message.startswith(f"{each_store.folder / '1.yaml'}:3:")
    assert "door" in message
    assert "must_created" in message


def test_entries_are_applied_in_order(each_store: Store) -> None:
    """An object can be deleted and created again, created and deleted, and renamed, in one run."""
    each_store.load(OBJECTS)
    each_store.load(flow("Old", "absent") + flow("New", "present"))
    content = each_store.read()
    assert content.flows["door"]["title"] == "New"
    assert (content.steps, content.gates) == ([], [])
    each_store.load(flow("New", "present") + BINDING + delete("stage"))
    content = each_store.read()
    assert (content.stages, content.steps) == ({}, [])
    each_store.load(flow("Old", "absent") + flow("Newer", "must_created"))
    assert each_store.read().flows["door"]["title"] == "Newer"


@pytest.mark.parametrize("state", ["gone", "PRESENT", "''", "5", "!Context nothing"])
def test_unknown_states_are_invalid(store: Store, state: str) -> None:
    """The error has the place, and lists the states."""
    [message, *_] = store.refuse(flow("First", state))
    assert message.startswith(f"{store.folder / '1.yaml'}:3:")
    assert "must_created" in message


def test_states_of_skipped_entries_are_ignored(store: Store) -> None:
    """Entries of other models, and entries whose conditions are false, are counted."""
    messages = store.load(
        "- {model: authentik_core.application, state: absent, identifiers: {slug: x}}\n"
        "- {model: authentik_core.application, state: gone, identifiers: {slug: x}}\n"
        "- {model: authentik_flows.flow, state: gone, conditions: [false]}\n"
    )
    report = find_summary(messages)
    assert report.startswith("0 created, 0 updated, 0 unchanged, 0 deleted, 3 skipped")


def test_numbers_are_compared_as_json(each_store: Store) -> None:
    """A second import is unchanged, however the database writes large and small numbers."""
    entry = "- {model: authentik_stages_x.xstage, identifiers: {name: x}, attrs: {numbers: [%s]}}\n"
    each_store.load(entry % NUMBERS)
    assert "1 unchanged" in find_summary(each_store.load(entry % NUMBERS))
    assert "1 updated" in find_summary(each_store.load(entry % NUMBERS.replace("0.1", "0.2")))


RULE = "- {model: authentik_policies_dummy.dummypolicy, id: rule, identifiers: {name: rule}}\n"
# The policy, with a gate of a flow of another file.
GATE = f"""\
{RULE}- {{model: authentik_policies.policybinding, identifiers: {{target: {FIND_DOOR}, order: 3}}, attrs: {{policy: !KeyOf rule}}}}
"""


@pytest.mark.parametrize("names", list(permutations(("gate", "deletion", "flow"))), ids="-".join)
def test_deletions_wait_for_references(store: Store, names: tuple[str, ...]) -> None:
    """Only the order of the policy and its deletion matters, not that of the flow."""
    files = {"gate": GATE, "deletion": delete("policy"), "flow": flow("First", "present")}
    store.load(*(files[name] for name in names))
    content = store.read()
    is_deleted = names.index("gate") < names.index("deletion")
    assert list(content.policies) == ([] if is_deleted else ["rule"])
    assert content.gates == ([] if is_deleted else [("door", 3, "policy rule")])


POLICY_REFERENCES = (
    "!KeyOf rule",
    "!Find [authentik_policies.policy, [name, rule]]",
    "!Find [authentik_policies.policy, [name__startswith, ru]]",
    "00000000-0000-4000-8000-00000000000f",
)


@pytest.mark.parametrize("reference", POLICY_REFERENCES)
def test_gates_of_replaced_objects(store: Store, reference: str) -> None:
    """A gate after the deletion of a policy binds the next one, though a deletion may wait."""
    key = "pk: 00000000-0000-4000-8000-00000000000f, name: rule"
    rule = RULE.replace("name: rule", key)
    waiting = GATE.replace("door", "late").replace("rule", "other")
    gate = GATE.removeprefix(RULE).replace("!KeyOf rule", reference)
    store.load(rule)
    store.load(
        waiting,
        delete("policy") + rule + flow("First", "present") + gate,
        flow("Late", "present").replace("door", "late"),
    )
    assert store.read().gates == [("door", 3, "policy rule"), ("late", 3, "policy other")]


@pytest.mark.parametrize("state", ["present", "absent"])
def test_key_of_deleted_objects(store: Store, state: str) -> None:
    """`!KeyOf` cannot refer to an object that an entry before it deletes, nor to a deletion."""
    rule = RULE if state == "present" else ""
    deletion = delete("policy").replace("state", "id: rule, state")
    gate = GATE.removeprefix(RULE)
    [message, *_] = store.refuse(flow("First", "present") + rule + deletion + gate)
    assert "!KeyOf rule" in message
    assert ("deleted" if rule else "absent") in message


def test_what_a_run_creates_and_deletes_is_not_counted(store: Store) -> None:
    """The report has the changes of the database."""
    gates = "".join(GATE.removeprefix(RULE).replace("3", str(order)) for order in range(3, 6))
    entries = flow("First", "present") + RULE + gates + delete("policy binding")
    report = find_summary(store.load(entries))
    assert report.startswith("4 created, 0 updated, 2 unchanged, 0 deleted, 0 skipped")
    assert [order for _, order, _ in store.read().gates] == [4, 5]
    report = find_summary(store.load(entries.replace("title: First", "title: Last")))
    assert report.startswith("0 created, 1 updated, 5 unchanged, 0 deleted, 0 skipped")
