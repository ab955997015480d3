"""Plan changes in a working set of rows."""

import itertools
from typing import Any

import pytest

from models.blueprint.authentik.kinds import (
    FLOW,
    GROUP,
    KINDS,
    POLICY,
    POLICY_BINDING,
    STAGE,
    STAGE_BINDING,
    USER,
    Kind,
)
from models.blueprint.format.entry import InvalidValueError
from models.blueprint.rows.row_table import MAX_INDEXES
from models.blueprint.rows.working_set import WorkingSet
from models.tables.access import RESERVED_PREFIX
from support.blueprints import BlueprintDatabase
from support.planned_rows import (
    POLICY_MODEL,
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

OTHER_PK = "00000000-0000-4000-8000-00000000000f"


def create_graph(rows: WorkingSet) -> None:
    """Plan a flow with two stages, a group, a user and a policy."""
    flow, stage, policy = create_flow(rows, "a"), create_stage(rows, "s"), create_policy(rows, "p")
    group, user = create_group(rows, "g"), create_user(rows, "u")
    binding = bind_stage(rows, flow, stage, 1)
    bind_stage(rows, flow, stage, 2)
    bind(rows, flow, policy)
    bind(rows, binding, policy)
    bind(rows, flow, group)
    bind(rows, binding, user)


def describe(rows: WorkingSet) -> dict[str, int]:
    """Return the number of rows of each kind that has rows."""
    counts = {name: len(rows.find(kind, {})) for name, kind in KINDS.items()}
    return {name: count for name, count in counts.items() if count}


@pytest.fixture
def database(blueprint_database: BlueprintDatabase) -> PlanDatabase:
    """An empty database, of each kind in turn."""
    return PlanDatabase(blueprint_database.url)


@pytest.fixture
def graph(database: PlanDatabase) -> PlanDatabase:
    """A database with a flow and a row of each other kind."""
    database.write(create_graph)
    return database


def test_rows_have_the_values_of_the_database(graph: PlanDatabase) -> None:
    """A row contains the mode of its parent row, the type and the settings."""

    def plan(rows: WorkingSet) -> Any:
        [flow] = rows.find(FLOW, {"slug": "a"})
        [stage] = rows.find(STAGE, {"name": "s"})
        [policy] = rows.find(POLICY, {"name": "p"})
        return (
            flow.get("title"),
            flow.get("policy_engine_mode"),
            rows.find_parent(flow.parent) is flow,
            rows.get(FLOW, flow.pk) is flow,
            str(flow) == flow.pk,
            (stage.model, stage.settings),
            (policy.model, policy.settings, policy.get("execution_logging")),
        )

    assert graph.plan(plan) == (
        *("a", "any", True, True, True),
        *((STAGE_MODEL, {}), (POLICY_MODEL, {}, False)),
    )


def test_rows_of_a_database_and_new_rows_are_found_alike(graph: PlanDatabase) -> None:
    """Any columns identify rows, which are ordered by primary key."""

    def plan(rows: WorkingSet) -> Any:
        flow = create_flow(rows, "b", title="a")
        stage = rows.find(STAGE, {"name": "s"})[0]
        bind_stage(rows, flow, stage, 1)
        return [
            [row.get("slug") for row in rows.find(FLOW, {"title": "a"})],
            [row.get("slug") for row in rows.find(FLOW, {"title": "a", "slug": "b"})],
            [row.get("slug") for row in rows.find(FLOW, {"compatibility_mode": False})],
            [row.get("order") for row in rows.find(STAGE_BINDING, {"stage_id": stage.pk})],
            len(rows.find(STAGE_BINDING, {"order": 1, "stage_id": stage.pk})),
            len(rows.find(STAGE, {})),
            len(rows.find(POLICY_BINDING, {"group_id": None})),
            rows.find_parent(flow.parent) is flow,
        ]

    assert graph.plan(plan) == [["a", "b"], ["b"], ["a", "b"], [1, 2, 1], 2, 1, 3, True]


def test_combinations_of_columns_identify_rows(graph: PlanDatabase) -> None:
    """Their number is limited, because each has an index in memory."""

    def plan(rows: WorkingSet) -> Any:
        new = create_flow(rows, "b", title="c")
        columns = [column for column in FLOW.columns if column != "slug"]
        combinations = list(itertools.combinations(columns, 3))
        conditions = [{name: new.get(name) for name in names} for names in combinations]
        for condition in conditions[:MAX_INDEXES]:
            is_distinct = not condition.keys().isdisjoint({"name", "title"})
            found = rows.find(FLOW, condition)
            assert found == [new] if is_distinct else len(found) == 2
        with pytest.raises(InvalidValueError):
            rows.find(FLOW, conditions[MAX_INDEXES])

    graph.plan(plan)


def test_each_row_is_read_once(graph: PlanDatabase) -> None:
    """Rows, and values without rows, are not read again."""

    def plan(rows: WorkingSet) -> None:
        rows.load(FLOW, "slug", ["a", "absent", "a"])
        for slug in ("a", "absent", "a"):
            rows.find(FLOW, {"slug": slug})
        rows.load(FLOW, "slug", ["absent", "a"])
        rows.find(GROUP, {})
        rows.find(GROUP, {})
        rows.find(GROUP, {"name": "absent"})

    graph.plan(plan)
    assert len(graph.selects) == 2


def test_many_keys_are_read_by_few_statements(graph: PlanDatabase) -> None:
    """A SELECT reads the rows of 500 keys."""
    graph.plan(lambda rows: rows.load(FLOW, "slug", [f"flow-{number}" for number in range(1001)]))
    assert len(graph.selects) == 3


def test_bindings_of_new_rows_are_not_read(graph: PlanDatabase) -> None:
    """The database cannot contain bindings of a row that it does not contain."""

    def plan(rows: WorkingSet) -> None:
        flow = create_flow(rows, "new")
        rows.load(STAGE_BINDING, "target_id", [flow.pk])
        assert not rows.find(STAGE_BINDING, {"target_id": flow.pk, "order": 0})
        assert not rows.find(POLICY_BINDING, {"target_id": flow.parent, "order": 0})

    graph.plan(plan)
    assert not graph.selects


@pytest.mark.parametrize(
    ("kind", "column", "value"),
    [
        (FLOW, "flow_uuid", "a"),
        (FLOW, "parent", 1),
        (FLOW, "slug", 1),
        (FLOW, "slug", ["a"]),
        (FLOW, "slug", "a\0"),
        (FLOW, "slug", "\ud800"),
        (FLOW, "compatibility_mode", 0),
        (USER, "id", 2**31),
        (USER, "id", True),
        (STAGE_BINDING, "order", 1.0),
        (STAGE_BINDING, "order", True),
    ],
)
def test_values_of_other_types_match_nothing(
    graph: PlanDatabase, kind: Kind, column: str, value: Any
) -> None:
    """PostgreSQL would refuse to compare them."""

    def plan(rows: WorkingSet) -> Any:
        if column == kind.pk:
            assert rows.get(kind, value) is None
        rows.load(kind, column, [value, None])
        return rows.find(kind, {column: value})

    assert graph.plan(plan) == []
    assert not graph.selects


def test_changed_rows_are_found_by_new_values(graph: PlanDatabase) -> None:
    """The old values no longer match."""

    def plan(rows: WorkingSet) -> Any:
        [flow] = rows.find(FLOW, {"slug": "a"})
        rows.change(flow, {"slug": "b", "policy_engine_mode": "all"})
        return [
            rows.find(FLOW, {"slug": "a"}),
            rows.find(FLOW, {"slug": "b"}) == [flow],
            rows.find(FLOW, {"policy_engine_mode": "all"}) == [flow],
        ]

    assert graph.plan(plan) == [[], True, True]


def test_equal_values_are_no_changes(graph: PlanDatabase) -> None:
    """As in JSON, true and 1 differ; other settings stay."""

    def plan(rows: WorkingSet) -> Any:
        [flow] = rows.find(FLOW, {"slug": "a"})
        [stage] = rows.find(STAGE, {"name": "s"})
        return [
            rows.change(flow, {"slug": "a", "title": "b", "policy_engine_mode": "all"}),
            rows.change(flow, {"title": "b"}),
            rows.change(stage, {"name": "s"}, STAGE_MODEL, {"a": 1, "b": [True]}),
            rows.change(stage, {}, None, {"a": True, "b": [True]}),
            stage.settings,
        ]

    assert graph.plan(plan) == [True, False, True, True, {"a": True, "b": [True]}]


def test_changes_leave_out_rows_that_end_as_they_were(graph: PlanDatabase) -> None:
    """A change that is undone, and a new row that is deleted, are not written."""

    def plan(rows: WorkingSet) -> Any:
        [flow] = rows.find(FLOW, {"slug": "a"})
        rows.change(flow, {"title": "b"})
        rows.change(flow, {"title": "a"})
        new = create_flow(rows, "new")
        rows.change(new, {"title": "b"})
        bind(rows, new, rows.find(POLICY, {})[0])
        rows.delete(new)
        changes = rows.changes()
        return changes.created, changes.changed, changes.deleted

    assert graph.plan(plan) == ([], [], [])


@pytest.mark.parametrize(
    ("kind", "deleted"),
    [
        (FLOW, ["flow", "stage binding", "stage binding", *["policy binding"] * 4]),
        (STAGE, ["stage", "stage binding", "stage binding", *["policy binding"] * 2]),
        (POLICY, ["policy", "policy binding", "policy binding"]),
        (GROUP, ["group", "policy binding"]),
        (USER, ["user", "policy binding"]),
        (POLICY_BINDING, ["policy binding"]),
    ],
)
def test_bindings_are_deleted_with_their_rows(
    graph: PlanDatabase, kind: Kind, deleted: list[str]
) -> None:
    """Authentik deletes the bindings of a row with it, in the database and in the plan."""

    def plan(rows: WorkingSet) -> Any:
        row = rows.find(kind, {})[0]
        rows.delete(row)
        affected = rows.changes().deleted
        assert affected[0] is row
        assert all(row.is_deleted for row in affected)
        return sorted(row.kind.name for row in affected), describe(rows)

    before = graph.plan(describe)
    names, after = graph.plan(plan)
    assert names == sorted(deleted)
    assert after == {
        name: count - names.count(name)
        for name, count in before.items()
        if count > names.count(name)
    }


def test_deleted_rows_can_be_planned_again(graph: PlanDatabase) -> None:
    """The row with the same keys is another one."""

    def plan(rows: WorkingSet) -> Any:
        [flow] = rows.find(FLOW, {"slug": "a"})
        rows.delete(flow)
        assert rows.get(FLOW, flow.pk) is None
        new = create_flow(rows, "a", str(flow.pk))
        return new.is_new, rows.get(FLOW, flow.pk) is new, rows.find(FLOW, {"slug": "a"}) == [new]

    assert graph.plan(plan) == (True, True, True)


def test_keys_of_new_rows_increase(database: PlanDatabase) -> None:
    """Keys are unique and ordered by creation; users have provisional ones."""

    def plan(rows: WorkingSet) -> Any:
        keys = [str(create_flow(rows, str(number)).pk) for number in range(100)]
        assert keys == sorted(set(keys))
        return [create_user(rows, name).pk for name in ("a", "b")]

    assert database.plan(plan) == [-1, -2]


def test_users_of_tokens_are_invisible(graph: PlanDatabase) -> None:
    """Imports neither find nor change them. Equal names without the prefix are no problem."""
    token_user = f"{RESERVED_PREFIX}x"
    similar = token_user.upper()

    def plan(rows: WorkingSet) -> Any:
        assert rows.find(USER, {"username": token_user}) == []
        return [row.get("username") for row in rows.find(USER, {})]

    for name in (token_user, similar):
        graph.write(lambda rows, name=name: create_user(rows, name))
    assert graph.plan(plan) == ["u", similar]
