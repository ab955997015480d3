"""What flows a condition finds: those of which it is true, whatever the database."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum
from functools import reduce
from typing import Any, TypeVar

import pytest
import strawberry
from hypothesis import given
from hypothesis import strategies as st

from gql.errors import BadUserInputError
from gql.resolvers.connections import ConnectionQuery, ConnectionSelection, connect_flows
from gql.schema import filters as asked
from gql.schema.filters import BooleanMatch, FlowWhere, Match, PolicyWhere, StageWhere, TextMatch
from gql.schema.types import UUID
from models.queries.viewer import FlowAccess, Viewer
from models.tables.flow import (
    FlowAuthentication,
    FlowDeniedAction,
    FlowDesignation,
    FlowLayout,
    PolicyEngineMode,
)
from support.databases import (
    POLICY_TYPES,
    STAGE_TYPES,
    OpenDatabase,
    fill_authentik_typed,
    fill_ours_typed,
    open_for_test,
)
from support.edge_case_data import (
    FLOW_COUNT,
    NAMES,
    POLICIES,
    ROWS,
    SLUGS,
    STAGES,
    TITLES,
    flow_uuid,
    identifier,
)
from support.postgres import PostgresServer
from support.sql_recorder import record_statements

T = TypeVar("T")
Row = Mapping[str, Any]

FLOWS = ROWS["authentik_flows_flow"]
COLUMNS = {
    "slug": "slug",
    "name": "name",
    "title": "title",
    "designation": "designation",
    "layout": "layout",
    "denied_action": "denied_action",
    "authentication": "authentication",
    "compatibility_mode": "compatibility_mode",
    "pk": "flow_uuid",
    "policy_engine_mode": "policy_engine_mode",
}
MODES = {
    row["pbm_uuid"]: row["policy_engine_mode"]
    for row in ROWS["authentik_policies_policybindingmodel"]
}
EVERYBODY = Viewer(1, FlowAccess.ALL)
SLUGS_ALONE = ConnectionSelection(columns=("slug",), has_previous=False)


@pytest.fixture(scope="module")
def databases(
    tmp_path_factory: pytest.TempPathFactory, postgres: PostgresServer
) -> Iterator[Sequence[OpenDatabase]]:
    """A database of each kind, all with the same data."""
    sqlite = f"sqlite:///{tmp_path_factory.mktemp('where') / 'flowql.db'}"
    with (
        open_for_test(fill_ours_typed(sqlite)) as on_sqlite,
        open_for_test(fill_ours_typed(postgres.create_database("where"))) as on_postgresql,
        open_for_test(
            fill_authentik_typed(postgres.create_database("where_authentik"))
        ) as on_authentik,
    ):
        yield (on_sqlite, on_postgresql, on_authentik)


def found(on: OpenDatabase, where: FlowWhere, viewer: Viewer = EVERYBODY) -> list[str]:
    """The slugs that a condition finds, page by page; their number is told right."""
    slugs: list[str] = []
    query = ConnectionQuery(asked.parse_where("where", where, on.database), first=100)
    while True:
        page = on.run(connect_flows(on.database, viewer, query, SLUGS_ALONE))
        slugs += page.flows.columns.get("slug", ())
        if not page.has_next:
            assert page.total_count == len(slugs)
            return slugs
        assert page.cursors
        query = query._replace(after=page.cursors[-1])


# What is true, in plain Python ------------------------------------------------------------------


def true_of(where: FlowWhere) -> list[str]:
    """The slugs of the flows that a condition is true of, in their order."""
    return sorted(str(flow["slug"]) for flow in FLOWS if is_true(where, flow))


def is_true(where: FlowWhere, flow: Row) -> bool:
    """Whether a condition is true of a flow."""
    values = {**flow, "policy_engine_mode": MODES[flow["policybindingmodel_ptr_id"]]}
    return (
        all(is_true(one, flow) for one in where.and_ or ())
        and (not is_given(where.or_) or any(is_true(one, flow) for one in where.or_ or ()))
        and not (where.not_ and is_true(where.not_, flow))
        and all(matches(getattr(where, name), values[column]) for name, column in COLUMNS.items())
        and uses(where.stage, "stage", STAGES_OF[flow["flow_uuid"]], STAGE_TYPES)
        and uses(where.policy, "policy", POLICIES_OF[flow["flow_uuid"]], POLICY_TYPES)
    )


def uses(
    where: StageWhere | PolicyWhere | None, kind: str, used: set[str], types: Mapping[str, str]
) -> bool:
    """Whether any of what is used, by its name, is as it must be."""
    return not where or any(
        matches(where.pk, identifier(kind, name))
        and matches(where.name, name)
        and matches(where.type, types.get(name))
        for name in used
    )


def matches(match: Any, value: Any) -> bool:
    """Whether a value is as it must be; None is as nothing must be."""
    equals, in_ = getattr(match, "equals", None), getattr(match, "in_", None)
    contains, starts = getattr(match, "contains", None), getattr(match, "starts_with", None)
    return not (
        (is_given(equals) and value != stored(equals))
        or (is_given(in_) and value not in map(stored, in_ or ()))
        or (is_given(contains) and (value is None or contains not in value))
        or (is_given(starts) and (value is None or not value.startswith(starts)))
    )


def is_given(value: object) -> bool:
    """Whether an optional field is neither null nor left out."""
    return value is not None and value is not strawberry.UNSET


def stored(value: Any) -> Any:
    """A value as it is stored."""
    return value.value if isinstance(value, Enum) else value


def _of_flows() -> tuple[dict[Any, set[str]], dict[Any, set[str]]]:
    stage_names = {identifier("stage", name): name for name in STAGES}
    policy_names = {identifier("policy", name): name for name in POLICIES}
    targets = {flow["policybindingmodel_ptr_id"]: flow["flow_uuid"] for flow in FLOWS}
    stages: dict[Any, set[str]] = {flow["flow_uuid"]: set() for flow in FLOWS}
    policies: dict[Any, set[str]] = {flow["flow_uuid"]: set() for flow in FLOWS}
    for binding in ROWS["authentik_flows_flowstagebinding"]:
        stages[binding["target_id"]].add(stage_names[str(binding["stage_id"])])
        targets[binding["policybindingmodel_ptr_id"]] = binding["target_id"]
    for binding in ROWS["authentik_policies_policybinding"]:
        # One of an application decides on no flow.
        if binding["policy_id"] and binding["target_id"] in targets:
            policies[targets[binding["target_id"]]].add(policy_names[str(binding["policy_id"])])
    return stages, policies


STAGES_OF, POLICIES_OF = _of_flows()


# Random conditions ------------------------------------------------------------------------------


def optional(strategy: st.SearchStrategy[T], often: int) -> st.SearchStrategy[Any]:
    """A value one time out of so many, else null or none."""
    return st.one_of(*[st.sampled_from((strawberry.UNSET, None))] * (often - 1), strategy)


def matching(match: Callable[..., T], values: st.SearchStrategy[Any]) -> st.SearchStrategy[T]:
    """A match of one of these values, or of some."""
    return st.builds(match, equals=optional(values, 2), in_=optional(st.lists(values), 2))


def part(text: str, start: int, size: int) -> str:
    """Some letters of a text, from even places in its own case."""
    found = text[start : start + size]
    return found if start % 2 == 0 else found.swapcase()


ODD = ("", "%", "_", "\\", "'", '"', "🚀", "ß", "SS", "nope")


def texts(known: Sequence[str]) -> st.SearchStrategy[TextMatch]:
    """A match of one of these texts, of some, or of a part of one."""
    whole = st.sampled_from(known)
    start, size = st.integers(0, 4), st.integers(0, 4)
    odd = st.one_of(st.builds(part, whole, start, size), st.sampled_from(ODD))
    any_text = st.one_of(whole, whole, odd)
    return st.builds(
        TextMatch,
        equals=optional(any_text, 4),
        in_=optional(st.lists(any_text), 3),
        contains=optional(odd, 3),
        starts_with=optional(odd, 3),
    )


def pks(kind: str, names: Sequence[object]) -> st.SearchStrategy[Match[UUID]]:
    """A match of a primary key, or of some."""
    return matching(Match[UUID], st.sampled_from([identifier(kind, name) for name in names]))


STAGE_WHERES = st.builds(
    StageWhere,
    pk=optional(pks("stage", STAGES), 4),
    name=optional(texts(STAGES), 3),
    type=optional(texts([*set(STAGE_TYPES.values()), "stage"]), 3),
)
POLICY_WHERES = st.builds(
    PolicyWhere,
    pk=optional(pks("policy", POLICIES), 4),
    name=optional(texts(POLICIES), 3),
    type=optional(texts([*set(POLICY_TYPES.values()), "policy"]), 3),
)
LEAVES: Mapping[str, st.SearchStrategy[Any]] = {
    "pk": pks("flow", range(FLOW_COUNT + 1)),
    "slug": texts([str(flow["slug"]) for flow in FLOWS]),
    "name": texts(NAMES),
    "title": texts(TITLES),
    "designation": matching(Match[FlowDesignation], st.sampled_from(FlowDesignation)),
    "layout": matching(Match[FlowLayout], st.sampled_from(FlowLayout)),
    "denied_action": matching(Match[FlowDeniedAction], st.sampled_from(FlowDeniedAction)),
    "authentication": matching(Match[FlowAuthentication], st.sampled_from(FlowAuthentication)),
    "policy_engine_mode": matching(Match[PolicyEngineMode], st.sampled_from(PolicyEngineMode)),
    "compatibility_mode": matching(BooleanMatch, st.booleans()),
    "stage": STAGE_WHERES,
    "policy": POLICY_WHERES,
}


@st.composite
def leaves(draw: st.DrawFn) -> FlowWhere:
    """One or two conditions on a flow."""
    names = draw(st.lists(st.sampled_from(sorted(LEAVES)), min_size=1, max_size=2, unique=True))
    return FlowWhere(**{name: draw(LEAVES[name]) for name in names})


def grown(wheres: st.SearchStrategy[FlowWhere]) -> st.SearchStrategy[FlowWhere]:
    """Conditions with such conditions in them."""
    lists = st.lists(wheres, max_size=3)
    return st.one_of(
        st.builds(FlowWhere, and_=lists),
        st.builds(FlowWhere, or_=lists),
        st.builds(FlowWhere, not_=wheres),
        st.builds(FlowWhere, and_=lists, or_=optional(lists, 2), not_=optional(wheres, 2)),
    )


WHERES = st.recursive(leaves(), grown, max_leaves=8)


@given(wheres=st.lists(WHERES, min_size=3, max_size=3))
def test_random_conditions_find_what_they_are_true_of(
    databases: Sequence[OpenDatabase], wheres: list[FlowWhere]
) -> None:
    """Trees of any shape, on each database, and their complements find the others."""
    for where in wheres:
        expected = true_of(where)
        for on in databases:
            assert found(on, where) == expected
    complement = FlowWhere(not_=wheres[0])
    others = sorted({str(flow["slug"]) for flow in FLOWS} - set(true_of(wheres[0])))
    assert [found(on, complement) for on in databases] == [others] * len(databases)


ALL = sorted(str(flow["slug"]) for flow in FLOWS)


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (FlowWhere(), ALL),
        (FlowWhere(and_=[]), ALL),
        (FlowWhere(or_=[]), []),
        (FlowWhere(not_=FlowWhere()), []),
        (FlowWhere(not_=FlowWhere(or_=[])), ALL),
        (FlowWhere(slug=TextMatch()), ALL),
        (FlowWhere(slug=TextMatch(equals=None, in_=None)), ALL),
        (FlowWhere(slug=TextMatch(in_=[])), []),
        (FlowWhere(slug=TextMatch(equals="")), []),
        (FlowWhere(slug=TextMatch(contains="")), ALL),
        (FlowWhere(slug=TextMatch(starts_with="")), ALL),
        (FlowWhere(slug=TextMatch(equals="A-flow")), ["A-flow"]),
        (
            FlowWhere(slug=TextMatch(in_=["A-flow", "nope", "a-flow", "a-flow"])),
            ["A-flow", "a-flow"],
        ),
        (FlowWhere(slug=TextMatch(contains="_flow")), ["A_flow", "a_flow"]),
        (FlowWhere(slug=TextMatch(starts_with="default-s")), ["default-source-enrollment"]),
        (FlowWhere(pk=Match(equals=UUID(flow_uuid(1)))), [SLUGS[1]]),
        (FlowWhere(pk=Match(in_=[])), []),
        (FlowWhere(compatibility_mode=BooleanMatch(in_=[])), []),
        (FlowWhere(compatibility_mode=BooleanMatch(in_=[True, False, True])), ALL),
        (FlowWhere(stage=StageWhere(name=TextMatch(equals="never bound"))), []),
        (FlowWhere(policy=PolicyWhere(name=TextMatch(equals="never bound"))), []),
    ],
)
def test_conditions(
    databases: Sequence[OpenDatabase], where: FlowWhere, expected: list[str]
) -> None:
    """Nothing in `and` is true, nothing in `or` is not; no text is in none, and letters count."""
    assert true_of(where) == expected
    assert [found(on, where) for on in databases] == [expected] * len(databases)


@pytest.mark.parametrize("type_", [TextMatch(contains=""), TextMatch(starts_with="authentik")])
def test_an_unknown_type_is_none(databases: Sequence[OpenDatabase], type_: TextMatch) -> None:
    """Not even an empty text is in it, but the opposite holds for who uses only such stages."""
    unknown: list[str] = sorted(set(STAGES) - set(STAGE_TYPES))
    of_unknown = StageWhere(type=type_, name=TextMatch(in_=[*unknown]))
    for on in databases:
        assert found(on, FlowWhere(stage=of_unknown)) == []
        assert found(on, FlowWhere(not_=FlowWhere(stage=of_unknown))) == ALL


def many(where: FlowWhere) -> FlowWhere:
    """The same a hundred times, any of which may hold."""
    return FlowWhere(or_=[where] * 100)


def deep(where: FlowWhere) -> FlowWhere:
    """The same twelve levels down, each level with one more condition."""
    slug = FlowWhere(slug=TextMatch(contains="a"))
    return reduce(lambda inner, _: FlowWhere(or_=[slug, FlowWhere(not_=inner)]), range(12), where)


def many_deep(where: FlowWhere) -> FlowWhere:
    """Both, which is more than the limits allow."""
    return many(deep(where))


OUT = FlowWhere(name=TextMatch(contains="out"))
LOGIN = FlowWhere(stage=StageWhere(type=TextMatch(contains="login")))
POLICY = PolicyWhere(name=TextMatch(contains="if"), type=TextMatch(contains="p"))


@pytest.mark.parametrize(
    ("make", "where"),
    [
        *(
            (make, where)
            for make in (many, deep)
            for where in (OUT, LOGIN, FlowWhere(policy=POLICY))
        ),
        (many_deep, LOGIN),
    ],
)
def test_conditions_may_be_many_and_deep(
    databases: Sequence[OpenDatabase], make: Callable[[FlowWhere], FlowWhere], where: FlowWhere
) -> None:
    """A hundred of them, and twelve levels, are no more than a database takes."""
    expected = true_of(make(where))
    assert [found(on, make(where)) for on in databases] == [expected] * len(databases)


def test_a_list_may_be_long(databases: Sequence[OpenDatabase]) -> None:
    """It is one parameter, whatever its length."""
    values = [f"no-{number}" for number in range(5000)]
    where = FlowWhere(slug=TextMatch(in_=[*values, "a-flow"]))
    assert [found(on, where) for on in databases] == [["a-flow"]] * len(databases)


def test_a_restricted_viewer_finds_no_other_flow(databases: Sequence[OpenDatabase]) -> None:
    """Whatever is asked for, and `not` of it: what is seen is split in two."""
    # Reads with the role that may see five flows.
    viewer = Viewer(7, FlowAccess.SOME)
    where = FlowWhere(stage=StageWhere())
    for on in databases:
        seen = found(on, FlowWhere(), viewer)
        halves = [found(on, where, viewer), found(on, FlowWhere(not_=where), viewer)]
        assert 0 < len(seen) < FLOW_COUNT
        assert sorted(halves[0] + halves[1]) == seen
        assert set(halves[0]) <= set(true_of(where))


def test_conditions_of_one_shape_share_a_statement(databases: Sequence[OpenDatabase]) -> None:
    """Values, and how many there are in a list, make no other SQL; nor does their order in the text."""
    first = FlowWhere(slug=TextMatch(in_=["a"]), stage=StageWhere(name=TextMatch(equals="b")))
    other = FlowWhere(slug=TextMatch(in_=[]), stage=StageWhere(name=TextMatch(equals="")))
    for on in databases:
        with record_statements() as recorded:
            found(on, first)
            found(on, other)
        assert recorded[0] is recorded[1]


NUL = "a\0b"


@pytest.mark.parametrize(
    ("where", "path"),
    [
        (FlowWhere(slug=TextMatch(equals=NUL)), "where.slug.equals"),
        (FlowWhere(title=TextMatch(starts_with=NUL)), "where.title.startsWith"),
        (FlowWhere(name=TextMatch(in_=["a", NUL])), "where.name.in.1"),
        (FlowWhere(or_=[FlowWhere(slug=TextMatch(contains=NUL))]), "where.or.0.slug.contains"),
        (
            FlowWhere(
                not_=FlowWhere(
                    and_=[FlowWhere(), FlowWhere(stage=StageWhere(type=TextMatch(equals=NUL)))]
                )
            ),
            "where.not.and.1.stage.type.equals",
        ),
        (FlowWhere(policy=PolicyWhere(name=TextMatch(equals=NUL))), "where.policy.name.equals"),
    ],
)
def test_a_nul_is_refused(databases: Sequence[OpenDatabase], where: FlowWhere, path: str) -> None:
    """The error says where it is."""
    with pytest.raises(BadUserInputError) as refused:
        asked.parse_where("where", where, databases[0].database)
    expected = f"{path} has a NUL character, which no text in a database has."
    assert str(refused.value) == expected
