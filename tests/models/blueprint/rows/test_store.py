"""Write planned changes to the database."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from random import Random
from typing import Any

import hypothesis
import pytest
from sqlalchemy import insert, update
from sqlalchemy.exc import IntegrityError

from models.blueprint.authentik.kinds import (
    FLOW,
    GROUP,
    KINDS,
    POLICY,
    POLICY_BINDING,
    STAGE,
    STAGE_BINDING,
    USER,
)
from models.blueprint.rows.bulk_insert import BATCH_SIZE
from models.blueprint.rows.working_set import WorkingSet
from models.tables.access import Group, GroupRole, Role, User, UserGroup
from models.tables.stage import Stage
from models.tokens import TokenScope, create_token, list_tokens
from support.blueprints import BlueprintDatabase
from support.planned_rows import (
    STAGE_MODEL,
    PlanDatabase,
    bind,
    bind_stage,
    create_flow,
    create_group,
    create_policy,
    create_stage,
    create_user,
)

SETTINGS: Mapping[str, Any] = {
    "text": "Ä\"'\\",
    "number": 1.5,
    "list": [None, True, {}],
    "secret": {"$secret": True},
}

NAMES = "abcdefgh"


@pytest.fixture
def database(blueprint_database: BlueprintDatabase) -> PlanDatabase:
    """An empty database, of each kind in turn."""
    return PlanDatabase(blueprint_database.url)


def read_all(rows: WorkingSet) -> Mapping[str, Sequence[Any]]:
    """Return key, parent's key and content of all rows by kind."""
    return {
        name: [(row.pk, row.parent, row.state) for row in rows.find(kind, {})]
        for name, kind in KINDS.items()
    }


def create_graph(rows: WorkingSet) -> None:
    """Plan a row of each kind, and bindings of each kind."""
    flow, stage = create_flow(rows, "a", title='Ä"%s'), create_stage(rows, "s", SETTINGS)
    policy, group, user = (
        create_policy(rows, "p", SETTINGS),
        create_group(rows, "g"),
        create_user(rows, "u"),
    )
    binding = bind_stage(rows, flow, stage, -1, "all")
    for order, row in enumerate((policy, group, user), -1):
        bind(rows, flow, row, order)
        bind(rows, binding, row, order)


def test_new_rows_are_written(database: PlanDatabase) -> None:
    """What is planned is in the database, apart from the keys of users."""

    def plan(rows: WorkingSet) -> Mapping[str, Sequence[Any]]:
        create_graph(rows)
        return read_all(rows)

    planned = database.write(plan)
    stored = database.plan(read_all)
    [(user_id, _, user)] = stored["user"]
    assert user_id > 0
    assert stored["policy binding"] != planned["policy binding"]
    assert [planned["user"][0][2]] == [user]
    unbound = {"user", "policy binding"}
    assert {key: planned[key] for key in planned.keys() - unbound} == {
        key: stored[key] for key in stored.keys() - unbound
    }
    assert database.plan(lambda rows: len(rows.find(POLICY_BINDING, {"user_id": user_id}))) == 2


def test_new_users_cannot_log_in(database: PlanDatabase) -> None:
    """They are inactive, without groups, and their password is unusable."""
    database.write(create_graph)
    dump = database.dump()
    [user] = dump["authentik_core_user"]
    assert user.password.startswith("!")
    assert (user.username, user.is_active, user.path, user.type) == (
        "u",
        False,
        "users",
        "internal",
    )
    assert not dump["authentik_core_user_groups"]


def test_new_groups_are_not_superusers(database: PlanDatabase) -> None:
    """FlowQL decides on its own who is a superuser."""
    database.write(create_graph)
    [group] = database.dump()["authentik_core_group"]
    assert (group.name, group.is_superuser, group.attributes) == ("g", False, {})


def test_columns_that_are_not_planned_stay(database: PlanDatabase) -> None:
    """The password of a user and the rights of a group do not change."""
    database.write(create_graph)
    database.execute(
        update(User).values(password="p", is_active=True, type="external"),
        update(Group).values(is_superuser=True, attributes={"a": 1}),
    )
    before = database.dump()

    def plan(rows: WorkingSet) -> None:
        rows.change(rows.find(USER, {})[0], {"name": "new"})
        rows.change(rows.find(GROUP, {})[0], {"name": "new"})

    database.write(plan)
    after = database.dump()
    for table in ("authentik_core_user", "authentik_core_group"):
        [old], [new] = before[table], after[table]
        assert new._asdict() == {**old._asdict(), "name": "new"}


def test_changed_rows_are_written(database: PlanDatabase) -> None:
    """Values, the mode of the parent row and settings change, and nothing else."""
    database.write(create_graph)
    before = database.plan(read_all)

    def plan(rows: WorkingSet) -> Mapping[str, Sequence[Any]]:
        flow, stage = rows.find(FLOW, {})[0], rows.find(STAGE, {})[0]
        rows.change(flow, {"title": "new", "policy_engine_mode": "all"})
        rows.change(stage, {}, None, {"text": "new", "more": 1})
        [binding] = rows.find(STAGE_BINDING, {})
        rows.change(binding, {"order": 7, "evaluate_on_plan": True})
        user = create_user(rows, "new")
        [policy_binding] = rows.find(POLICY_BINDING, {"target_id": flow.parent, "order": -1})
        rows.change(policy_binding, {"policy_id": None, "user_id": user.pk})
        return read_all(rows)

    planned = database.write(plan)
    stored = database.plan(read_all)
    for kind in ("flow", "stage", "stage binding", "policy", "group"):
        assert stored[kind] == planned[kind]
    assert stored["flow"] != before["flow"]
    new = database.plan(lambda rows: rows.find(USER, {"username": "new"})[0].pk)
    bindings = database.plan(lambda rows: rows.find(POLICY_BINDING, {"user_id": new}))
    assert [binding.get("order") for binding in bindings] == [-1]


def test_change_of_a_policy_updates_its_time(database: PlanDatabase) -> None:
    """Authentik's column last_updated is that of the last change."""
    database.write(create_graph)
    [before] = database.dump()["authentik_policies_policy"]
    database.write(lambda rows: rows.change(rows.find(POLICY, {})[0], {}, None, {"more": 1}))
    [after] = database.dump()["authentik_policies_policy"]
    assert after.created == before.created
    assert timedelta() < after.last_updated - before.last_updated < timedelta(minutes=1)


def test_types_of_old_rows_are_added(database: PlanDatabase) -> None:
    """Rows without a type get one."""
    pk = "00000000-0000-4000-8000-000000000001"
    database.execute(insert(Stage).values(stage_uuid=pk, name="s"))
    database.write(lambda rows: rows.change(rows.find(STAGE, {})[0], {"name": "t"}))
    assert not database.dump()["flowql_stagetype"]
    database.write(lambda rows: rows.change(rows.find(STAGE, {})[0], {}, STAGE_MODEL, {"a": 1}))
    database.write(lambda rows: rows.change(rows.find(STAGE, {})[0], {}, None, {"b": 1}))
    assert database.dump()["flowql_stagetype"] == [(pk, STAGE_MODEL, {"a": 1, "b": 1})]


def test_rows_can_exchange_their_unique_values(database: PlanDatabase) -> None:
    """The order of the changes does not matter, nor do deleted and new rows."""

    def create(rows: WorkingSet) -> None:
        flows = [create_flow(rows, slug) for slug in "abcd"]
        stage = create_stage(rows, "s")
        for order in range(3):
            bind_stage(rows, flows[0], stage, order)

    def change(rows: WorkingSet) -> None:
        flows = [rows.find(FLOW, {"slug": slug})[0] for slug in "abcd"]
        rows.delete(flows[3])
        for flow, slug in zip(flows, "bcd", strict=False):
            rows.change(flow, {"slug": slug})
        create_flow(rows, "a", title="new")
        for binding in rows.find(STAGE_BINDING, {}):
            rows.change(binding, {"order": 2 - binding.get("order")})
        assert len(rows.find(STAGE_BINDING, {"order": 1})) == 1

    database.write(create)
    database.write(change)
    flows = database.plan(lambda rows: rows.find(FLOW, {}))
    assert {flow.get("slug"): flow.get("title") for flow in flows} == {
        "a": "new",
        "b": "a",
        "c": "b",
        "d": "c",
    }
    orders = [
        binding.get("order") for binding in database.plan(lambda rows: rows.find(STAGE_BINDING, {}))
    ]
    assert orders == [2, 1, 0]


def test_new_users_can_have_the_old_names_of_others(database: PlanDatabase) -> None:
    """Users are renamed before new ones get their ids, and groups alike."""

    def create(rows: WorkingSet) -> None:
        create_user(rows, "a")
        create_group(rows, "a")

    def change(rows: WorkingSet) -> None:
        rows.change(rows.find(USER, {"username": "a"})[0], {"username": "b"})
        rows.change(rows.find(GROUP, {"name": "a"})[0], {"name": "b"})
        create(rows)

    database.write(create)
    database.write(change)
    names = database.plan(
        lambda rows: (
            [row.get("username") for row in rows.find(USER, {})],
            sorted(row.get("name") for row in rows.find(GROUP, {})),
        )
    )
    assert names == (["b", "a"], ["a", "b"])


def test_deleted_rows_are_written(database: PlanDatabase) -> None:
    """Nothing remains of deleted rows: no parent, type, or membership."""
    empty = database.dump()
    database.write(create_graph)

    def find_keys(rows: WorkingSet) -> Any:
        return rows.find(GROUP, {})[0].pk, rows.find(USER, {})[0].pk

    group_pk, user_pk = database.plan(find_keys)
    role = "00000000-0000-4000-8000-000000000009"
    database.execute(
        insert(UserGroup).values(user_id=user_pk, group_id=group_pk),
        insert(Role).values(uuid=role, name="r"),
        insert(GroupRole).values(group_id=group_pk, role_id=role),
    )

    def plan(rows: WorkingSet) -> None:
        for kind in (FLOW, STAGE, POLICY, GROUP, USER):
            rows.delete(rows.find(kind, {})[0])

    database.write(plan)
    assert {**database.dump(), "authentik_rbac_role": []} == empty


def test_deleted_flow_leaves_the_scope_of_tokens(database: PlanDatabase) -> None:
    """A token for a flow has no access after its deletion, even if the flow is created again."""
    database.write(create_graph)
    scope = TokenScope(flow_slugs=("a",))
    database.run(lambda opened: create_token(opened, "t", scope, None))

    def plan(rows: WorkingSet) -> None:
        [flow] = rows.find(FLOW, {})
        rows.delete(flow)
        create_flow(rows, "a", str(flow.pk))

    database.write(plan)
    [token] = database.run(list_tokens)
    assert token.scope is None


def change_randomly(rows: WorkingSet, random: Random) -> Mapping[str, Sequence[Any]]:
    """Plan changes of flows, stages and bindings that violate no constraint."""
    for _ in range(50):
        random.choice((create_randomly, rename_randomly, bind_randomly, delete_randomly))(
            rows, random
        )
    check_indexes(rows)
    return read_all(rows)


def create_randomly(rows: WorkingSet, random: Random) -> None:
    """Plan a flow or a stage with a name that is free, perhaps since a planned change."""
    name = random.choice(NAMES)
    if not rows.find(FLOW, {"slug": name}):
        create_flow(rows, name)
    elif not rows.find(STAGE, {"name": name}):
        create_stage(rows, name, {"a": random.random()})


def rename_randomly(rows: WorkingSet, random: Random) -> None:
    """Plan that two flows exchange their slugs, and that one stage takes another name."""
    flows, stages, free = rows.find(FLOW, {}), rows.find(STAGE, {}), str(random.random())
    if flows and stages:
        one, other = random.choice(flows), random.choice(flows)
        slugs = one.get("slug"), other.get("slug")
        for flow, slug in zip((one, other, one), (free, *slugs), strict=True):
            rows.change(flow, {"slug": slug, "policy_engine_mode": random.choice(("all", "any"))})
        rows.change(random.choice(stages), {"name": free}, None, {"b": random.random()})


def bind_randomly(rows: WorkingSet, random: Random) -> None:
    """Plan bindings of a stage in a flow, at the first order that is free."""
    flows, stages = rows.find(FLOW, {}), rows.find(STAGE, {})
    if flows and stages:
        flow, stage = random.choice(flows), random.choice(stages)
        keys = {"target_id": flow.pk, "stage_id": stage.pk}
        orders = {binding.get("order") for binding in rows.find(STAGE_BINDING, keys)}
        binding = bind_stage(rows, flow, stage, min(set(range(len(orders) + 1)) - orders))
        bind(rows, binding, create_policy(rows, str(binding)))


def delete_randomly(rows: WorkingSet, random: Random) -> None:
    """Plan to delete a row of some kind."""
    candidates = rows.find(random.choice((FLOW, STAGE, POLICY, STAGE_BINDING)), {})
    if candidates:
        rows.delete(random.choice(candidates))


def check_indexes(rows: WorkingSet) -> None:
    """Check that rows are found by the values that they have."""
    for row in (row for kind in (FLOW, STAGE, STAGE_BINDING) for row in rows.find(kind, {})):
        conditions = {column: row.get(column) for column in row.kind.unique}
        assert rows.find(row.kind, conditions) == [row]
        assert rows.get(row.kind, row.pk) is row


def test_random_changes_are_written(database: PlanDatabase) -> None:
    """The database contains what is planned, whatever the order of the changes."""
    random = Random(16)
    for _ in range(hypothesis.settings().max_examples // 20):
        planned = database.write(lambda rows: change_randomly(rows, random))
        assert database.plan(read_all) == planned


def test_many_rows_are_reported_while_they_are_written(database: PlanDatabase) -> None:
    """The numbers of rows add up to that of all planned changes."""
    numbers: list[int] = []
    database.write(create_graph)

    def plan(rows: WorkingSet) -> int:
        rows.delete(rows.find(FLOW, {})[0])
        rows.change(rows.find(STAGE, {})[0], {"name": "new"})
        for number in range(BATCH_SIZE + 1):
            create_stage(rows, str(number))
        create_user(rows, "new")
        changes = rows.changes()
        return len(changes.created) + len(changes.changed) + len(changes.deleted)

    total = database.write(plan, numbers.append)
    assert sum(numbers) == total == BATCH_SIZE + 11
    assert BATCH_SIZE in numbers
    assert len(database.plan(lambda rows: rows.find(STAGE, {}))) == BATCH_SIZE + 2


def test_duplicate_rows_are_refused(database: PlanDatabase) -> None:
    """Nothing is written of changes with a duplicate key."""
    database.write(create_graph)
    before = database.dump()

    def duplicate(rows: WorkingSet) -> None:
        create_stage(rows, "new")
        create_flow(rows, "new")
        create_flow(rows, "new")

    def rename(rows: WorkingSet) -> None:
        create_flow(rows, "b")
        rows.change(rows.find(FLOW, {"slug": "a"})[0], {"slug": "b"})

    for plan in (duplicate, rename):
        with pytest.raises(IntegrityError):
            database.write(plan)
    assert database.dump() == before
