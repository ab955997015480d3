"""The `where` argument matches the same flows on every database as in plain Python."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum
from functools import partial, reduce
from itertools import count
from typing import Any, NamedTuple, TypeVar
from zlib import crc32

import psycopg
import pytest
import strawberry
from hypothesis import given
from hypothesis import strategies as st

from gql.context import Context
from gql.errors import BadUserInputError
from gql.resolvers.connections import ConnectionQuery, ConnectionSelection, load_flow_connection
from gql.schema.filters import (
    BooleanMatch,
    FlowWhere,
    Match,
    PolicyWhere,
    StageWhere,
    TextMatch,
    parse_where,
)
from gql.schema.types import UUID
from models.queries.rights import ALL_RIGHTS, ROLES, Access, Permission, Rights
from models.queries.viewer import Viewer
from models.tables.flow import (
    FlowAuthentication,
    FlowDeniedAction,
    FlowDesignation,
    FlowLayout,
    PolicyEngineMode,
)
from support.app_client import AppClient
from support.databases import (
    POLICY_TYPES,
    STAGE_TYPES,
    OpenDatabase,
    fill_authentik_with_types,
    fill_flowql_with_types,
    open_for_test,
)
from support.edge_case_data import (
    BELOW_FLOWS,
    DENIED_ACTIONS,
    DESIGNATIONS,
    FLOW_COUNT,
    MODEL_PERMISSION,
    NAMES,
    PERMISSIONS,
    POLICIES,
    ROWS,
    SLUGS,
    STAGES,
    TITLES,
    flow_uuid,
    identifier,
)
from support.expected_graph import MODES, SUPERUSER, execute
from support.folding import fold_by_contract
from support.postgres import PostgresServer
from support.sql_recorder import record_statements
from support.viewers import ALL_VIEWER, build_restricted_viewer

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


class Uses(NamedTuple):
    """The names of the stages and of the policies that each flow uses."""

    stages: Mapping[Any, set[str]]
    policies: Mapping[Any, set[str]]


SLUG_COLUMN = ConnectionSelection(columns=("slug",), needs_previous=False)


@pytest.fixture(scope="module")
def databases(
    tmp_path_factory: pytest.TempPathFactory, postgres: PostgresServer
) -> Iterator[Sequence[OpenDatabase]]:
    """One database of each kind, with equal data."""
    sqlite_url = f"sqlite:///{tmp_path_factory.mktemp('where') / 'flowql.db'}"
    with (
        open_for_test(fill_flowql_with_types(sqlite_url)) as sqlite,
        open_for_test(fill_flowql_with_types(postgres.create_database("where"))) as postgresql,
        open_for_test(
            fill_authentik_with_types(postgres.create_database("where_authentik"))
        ) as authentik,
    ):
        yield (sqlite, postgresql, authentik)


@pytest.fixture(scope="module")
def restricted(postgres: PostgresServer) -> Iterator[tuple[OpenDatabase, Mapping[str, Any]]]:
    """Open authentik's database with the parameters of a viewer who may see a part of each table."""
    url = fill_authentik_with_types(postgres.create_database("where_restricted"))
    parameters = add_grants(url)
    with open_for_test(url) as database:
        yield database, parameters


def find_slugs(database: OpenDatabase, where: FlowWhere, viewer: Viewer = ALL_VIEWER) -> list[str]:
    """Return the slugs of all pages of matching flows, and check the total count."""
    slugs: list[str] = []
    query = ConnectionQuery(
        parse_where("where", where, Context(database.open_session(), viewer)), first=100
    )
    while True:
        page = database.read(
            partial(load_flow_connection, viewer=viewer, query=query, selection=SLUG_COLUMN)
        )
        slugs += page.rows.columns.get("slug", ())
        if not page.has_next:
            assert page.total_count == len(slugs)
            return slugs
        assert page.cursors
        query = query._replace(after=page.cursors[-1])


# Expected matches, in plain Python ----------------------------------------------------------------


def expected_slugs(where: FlowWhere) -> list[str]:
    """Return the sorted slugs of the flows that match a condition."""
    return sorted(str(flow["slug"]) for flow in FLOWS if is_match(where, flow))


def is_match(where: FlowWhere, flow: Row, uses: Uses | None = None) -> bool:
    """Return whether a flow matches a condition, with the visible uses of stages and policies."""
    uses = uses or ALL_USES
    values = {**flow, "policy_engine_mode": MODES[flow["policybindingmodel_ptr_id"]]}
    return (
        all(is_match(condition, flow, uses) for condition in where.and_ or ())
        and (
            not is_set(where.or_)
            or any(is_match(condition, flow, uses) for condition in where.or_ or ())
        )
        and not (where.not_ and is_match(where.not_, flow, uses))
        and all(matches(getattr(where, name), values[column]) for name, column in COLUMNS.items())
        and has_component(where.stage, "stage", uses.stages[flow["flow_uuid"]], STAGE_TYPES)
        and has_component(where.policy, "policy", uses.policies[flow["flow_uuid"]], POLICY_TYPES)
    )


def has_component(
    where: StageWhere | PolicyWhere | None, kind: str, names: set[str], types: Mapping[str, str]
) -> bool:
    """Return whether one of a flow's components, found by their names, matches a condition."""
    return not where or any(
        matches(where.pk, identifier(kind, name))
        and matches(where.name, name)
        and matches(where.type, types.get(name))
        for name in names
    )


def matches(match: Any, value: Any) -> bool:
    """Return whether a value matches; None matches only an empty condition."""
    return all(
        is_operator_match(value, operand)
        for operator, is_operator_match in OPERATORS.items()
        if is_set(operand := getattr(match, operator, None))
    )


# The operators of match inputs: whether a value matches an operand.
OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "equals": lambda value, operand: value == to_stored(operand),
    "in_": lambda value, operands: value in map(to_stored, operands),
    "contains": lambda value, part: value is not None and part in value,
    "contains_insensitive": lambda value, part: (
        value is not None and fold_by_contract(part) in fold_by_contract(value)
    ),
    "starts_with": lambda value, part: value is not None and value.startswith(part),
    "ends_with": lambda value, part: value is not None and value.endswith(part),
}


def is_set(value: object) -> bool:
    """Return whether an optional field is neither null nor omitted."""
    return value is not None and value is not strawberry.UNSET


def to_stored(value: Any) -> Any:
    """Return a value as the database stores it."""
    return value.value if isinstance(value, Enum) else value


def group_uses(is_visible: Callable[[object], bool]) -> Uses:
    """Return the uses by visible bindings of visible components, whose keys are given."""
    stage_names = {identifier("stage", name): name for name in STAGES}
    policy_names = {identifier("policy", name): name for name in POLICIES}
    targets = {flow["policybindingmodel_ptr_id"]: flow["flow_uuid"] for flow in FLOWS}
    stages: dict[Any, set[str]] = {flow["flow_uuid"]: set() for flow in FLOWS}
    policies: dict[Any, set[str]] = {flow["flow_uuid"]: set() for flow in FLOWS}
    for binding in ROWS["authentik_flows_flowstagebinding"]:
        if is_visible(binding["fsb_uuid"]):
            targets[binding["policybindingmodel_ptr_id"]] = binding["target_id"]
            if is_visible(binding["stage_id"]):
                stages[binding["target_id"]].add(stage_names[str(binding["stage_id"])])
    for binding in ROWS["authentik_policies_policybinding"]:
        # The other targets are applications, and hidden stage bindings.
        if (
            binding["policy_id"]
            and binding["target_id"] in targets
            and is_visible(binding["policy_binding_uuid"])
            and is_visible(binding["policy_id"])
        ):
            policies[targets[binding["target_id"]]].add(policy_names[str(binding["policy_id"])])
    return Uses(stages, policies)


ALL_USES = group_uses(lambda _: True)


# A viewer with permissions for single objects of each type -----------------------------------------


def is_granted(key: object) -> bool:
    """Return whether a role has the permission to view an object: two thirds of them."""
    return crc32(str(key).encode()) % 3 > 0


VISIBLE_FLOWS = [flow for flow in FLOWS if is_granted(flow["flow_uuid"])]
VISIBLE_USES = group_uses(is_granted)
OBJECTS = {
    Permission.VIEW_FLOW: (FLOWS, "flow_uuid"),
    Permission.VIEW_STAGE_BINDING: (ROWS["authentik_flows_flowstagebinding"], "fsb_uuid"),
    Permission.VIEW_STAGE: (ROWS["authentik_flows_stage"], "stage_uuid"),
    Permission.VIEW_POLICY_BINDING: (
        ROWS["authentik_policies_policybinding"],
        "policy_binding_uuid",
    ),
    Permission.VIEW_POLICY: (ROWS["authentik_policies_policy"], "policy_uuid"),
}
ADD_GRANT = """INSERT INTO guardian_roleobjectpermission
    (id, object_pk, content_type_id, permission_id, role_id)
    SELECT %s, %s, %s, %s, uuid FROM authentik_rbac_role WHERE name = 'wrong permission'"""


def add_grants(url: str) -> Mapping[str, Any]:
    """Add permissions for single objects to a database, and return the parameters of their viewer."""
    parameters: dict[str, Any] = {ROLES: [identifier("role", "wrong permission")]}
    ids = count(1_000_000)
    with psycopg.connect(url) as connection:
        for permission, (rows, key) in OBJECTS.items():
            [(number, type_)] = [
                (number, type_)
                for number, (type_, codename) in PERMISSIONS.items()
                if codename == permission.codename and number in (MODEL_PERMISSION, *BELOW_FLOWS)
            ]
            parameters |= zip(permission.parameters, (number, type_), strict=True)
            for row in rows:
                if is_granted(row[key]):
                    connection.execute(ADD_GRANT, (next(ids), str(row[key]), type_, number))
    return parameters


SOME_RIGHTS = Rights(*(Access.SOME for _ in Rights._fields))


# Random conditions ------------------------------------------------------------------------------


def optional(strategy: st.SearchStrategy[T], often: int) -> st.SearchStrategy[Any]:
    """Generate a value in one of `often` cases, otherwise null or an omitted field."""
    return st.one_of(*[st.sampled_from((strawberry.UNSET, None))] * (often - 1), strategy)


def build_matches(match: Callable[..., T], values: st.SearchStrategy[Any]) -> st.SearchStrategy[T]:
    """Generate conditions on these values."""
    return st.builds(match, equals=optional(values, 2), in_=optional(st.lists(values), 2))


def take_part(text: str, start: int, size: int) -> str:
    """Return a part of a string. Swaps the case for every other `start`."""
    part = text[start:][:size]
    return part if start % 2 == 0 else part.swapcase()


SPECIAL_STRINGS = (
    *("", "%", "_", "\\", "'", '"', "🚀", "nope", "x" * 299, "X" * 301),
    # Characters that fold to others, and that other foldings and normalizations would change.
    *(
        "ß",
        "SS",
        "ẞ",
        "İ",
        "i\u0307",
        "\u0131",
        "\u017f",
        "\u212a",
        "µ",
        "μ",
        "ς",
        "ŉ",
        "ﬁ",
        "FI",
        "ǅ",
        "𐐀",
    ),
    *("é", "É", "e\u0301", "\u0301", "\u200d", "\ufeff"),
)


def text_matches(stored: Sequence[str]) -> st.SearchStrategy[TextMatch]:
    """Generate conditions on stored strings, on parts of them and on special characters."""
    whole = st.sampled_from(stored)
    # Negative starts count from the end.
    start, size = st.integers(-4, 4), st.integers(0, 4)
    partial_strings = st.one_of(
        st.builds(take_part, whole, start, size), st.sampled_from(SPECIAL_STRINGS)
    )
    any_text = st.one_of(whole, whole, partial_strings)
    return st.builds(
        TextMatch,
        equals=optional(any_text, 4),
        in_=optional(st.lists(any_text), 3),
        contains=optional(partial_strings, 3),
        contains_insensitive=optional(partial_strings, 3),
        starts_with=optional(partial_strings, 3),
        ends_with=optional(partial_strings, 3),
    )


def key_matches(kind: str, names: Sequence[object]) -> st.SearchStrategy[Match[UUID]]:
    """Generate conditions on primary keys."""
    return build_matches(Match[UUID], st.sampled_from([identifier(kind, name) for name in names]))


STAGE_WHERES = st.builds(
    StageWhere,
    pk=optional(key_matches("stage", STAGES), 4),
    name=optional(text_matches(STAGES), 3),
    type=optional(text_matches([*set(STAGE_TYPES.values()), "stage"]), 3),
)
POLICY_WHERES = st.builds(
    PolicyWhere,
    pk=optional(key_matches("policy", POLICIES), 4),
    name=optional(text_matches(POLICIES), 3),
    type=optional(text_matches([*set(POLICY_TYPES.values()), "policy"]), 3),
)
LEAVES: Mapping[str, st.SearchStrategy[Any]] = {
    "pk": key_matches("flow", range(FLOW_COUNT + 1)),
    "slug": text_matches([str(flow["slug"]) for flow in FLOWS]),
    "name": text_matches(NAMES),
    "title": text_matches(TITLES),
    "designation": build_matches(Match[FlowDesignation], st.sampled_from(FlowDesignation)),
    "layout": build_matches(Match[FlowLayout], st.sampled_from(FlowLayout)),
    "denied_action": build_matches(Match[FlowDeniedAction], st.sampled_from(FlowDeniedAction)),
    "authentication": build_matches(Match[FlowAuthentication], st.sampled_from(FlowAuthentication)),
    "policy_engine_mode": build_matches(Match[PolicyEngineMode], st.sampled_from(PolicyEngineMode)),
    "compatibility_mode": build_matches(BooleanMatch, st.booleans()),
    "stage": STAGE_WHERES,
    "policy": POLICY_WHERES,
}


@st.composite
def leaves(draw: st.DrawFn) -> FlowWhere:
    """Generate one or two conditions on fields of a flow."""
    names = draw(st.lists(st.sampled_from(sorted(LEAVES)), min_size=1, max_size=2, unique=True))
    return FlowWhere(**{name: draw(LEAVES[name]) for name in names})


def nest(wheres: st.SearchStrategy[FlowWhere]) -> st.SearchStrategy[FlowWhere]:
    """Generate conditions that contain these conditions."""
    lists = st.lists(wheres, max_size=3)
    return st.one_of(
        st.builds(FlowWhere, and_=lists),
        st.builds(FlowWhere, or_=lists),
        st.builds(FlowWhere, not_=wheres),
        st.builds(FlowWhere, and_=lists, or_=optional(lists, 2), not_=optional(wheres, 2)),
    )


WHERES = st.recursive(leaves(), nest, max_leaves=8)


@given(wheres=st.lists(WHERES, min_size=3, max_size=3))
def test_random_conditions(databases: Sequence[OpenDatabase], wheres: list[FlowWhere]) -> None:
    """Condition trees of any shape match the expected flows, and their negations all others."""
    for where in wheres:
        expected = expected_slugs(where)
        for database in databases:
            assert find_slugs(database, where) == expected
    complement = FlowWhere(not_=wheres[0])
    others = sorted({str(flow["slug"]) for flow in FLOWS} - set(expected_slugs(wheres[0])))
    assert [find_slugs(database, complement) for database in databases] == [others] * len(databases)


FLOWS_ONLY = ALL_RIGHTS._replace(view_flow=Access.SOME)
RESTRICTIONS = {
    "everything": (SOME_RIGHTS, VISIBLE_FLOWS, VISIBLE_USES),
    "flows": (FLOWS_ONLY, VISIBLE_FLOWS, ALL_USES),
    "all but flows": (SOME_RIGHTS._replace(view_flow=Access.ALL), FLOWS, VISIBLE_USES),
}


@pytest.mark.parametrize("restriction", RESTRICTIONS)
@given(where=WHERES)
def test_random_conditions_of_restricted_viewers(
    restricted: tuple[OpenDatabase, Mapping[str, Any]], restriction: str, where: FlowWhere
) -> None:
    """Conditions match by visible bindings and components, if each object is visible or hidden."""
    database, parameters = restricted
    rights, flows, uses = RESTRICTIONS[restriction]
    viewer = Viewer(rights, parameters)
    expected = [flow["slug"] for flow in flows if is_match(where, flow, uses)]
    assert find_slugs(database, where, viewer) == sorted(map(str, expected))
    others = [flow["slug"] for flow in flows if not is_match(where, flow, uses)]
    assert find_slugs(database, FlowWhere(not_=where), viewer) == sorted(map(str, others))


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
        (FlowWhere(slug=TextMatch(ends_with="")), ALL),
        (FlowWhere(slug=TextMatch(contains_insensitive="")), ALL),
        (FlowWhere(slug=TextMatch(equals="A-flow")), ["A-flow"]),
        (
            FlowWhere(slug=TextMatch(in_=["A-flow", "nope", "a-flow", "a-flow"])),
            ["A-flow", "a-flow"],
        ),
        (FlowWhere(slug=TextMatch(contains="_flow")), ["A_flow", "a_flow"]),
        (FlowWhere(slug=TextMatch(starts_with="default-s")), ["default-source-enrollment"]),
        (FlowWhere(slug=TextMatch(ends_with="e-enrollment")), ["default-source-enrollment"]),
        (FlowWhere(slug=TextMatch(ends_with="E-ENROLLMENT")), []),
        (FlowWhere(slug=TextMatch(ends_with="-default-source-enrollment")), []),
        (
            FlowWhere(slug=TextMatch(contains_insensitive="_FLOW")),
            ["A_flow", "a_flow"],
        ),
        (
            FlowWhere(slug=TextMatch(contains="flow", contains_insensitive="A_", ends_with="w")),
            ["A_flow", "a_flow"],
        ),
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
    """Empty lists and objects, empty strings, case and wildcard characters match as documented."""
    assert expected_slugs(where) == expected
    assert [find_slugs(database, where) for database in databases] == [expected] * len(databases)


@pytest.mark.parametrize(
    "type_",
    [
        TextMatch(contains=""),
        TextMatch(starts_with="authentik"),
        TextMatch(contains_insensitive=""),
    ],
)
def test_unknown_types(databases: Sequence[OpenDatabase], type_: TextMatch) -> None:
    """A stage of unknown type matches no condition on the type; the negation matches all flows."""
    names: list[str] = sorted(set(STAGES) - set(STAGE_TYPES))
    of_unknown = StageWhere(type=type_, name=TextMatch(in_=[*names]))
    for database in databases:
        assert find_slugs(database, FlowWhere(stage=of_unknown)) == []
        assert find_slugs(database, FlowWhere(not_=FlowWhere(stage=of_unknown))) == ALL


@pytest.mark.parametrize("text", [*NAMES, *SPECIAL_STRINGS])
def test_parts_of_strings(databases: Sequence[OpenDatabase], text: str) -> None:
    """Every string matches as in Python: in any case, at the end, and without its first character."""
    wheres = [
        FlowWhere(name=TextMatch(contains_insensitive=text.swapcase())),
        FlowWhere(title=TextMatch(contains_insensitive=text[1:])),
        FlowWhere(name=TextMatch(ends_with=text[1:])),
        FlowWhere(name=TextMatch(ends_with=f"_{text}")),
    ]
    for where in wheres:
        expected = expected_slugs(where)
        assert [find_slugs(database, where) for database in databases] == [expected] * 3


COMPARE_WITH_SEARCH = """query ($search: String!, $text: String!) {
    searched: flows(search: $search, pageSize: 100) { results { slug } }
    matched: flowConnection(first: 100, where: {or: [
        {name: {containsInsensitive: $text}}
        {slug: {containsInsensitive: $text}}
        {title: {containsInsensitive: $text}}]}) { results: nodes { slug } } }"""
# The columns that only a search reads.
ENUM_VALUES = fold_by_contract(" ".join((*DESIGNATIONS, *DENIED_ACTIONS)))


def test_case_is_ignored_as_in_searches(client: AppClient) -> None:
    """`containsInsensitive` on the searched columns finds the flows that a search finds."""
    for text in (*NAMES, *SPECIAL_STRINGS):
        if fold_by_contract(text) not in ENUM_VALUES:
            variables = {"search": quote_phrase(text), "text": text}
            data = execute(client, COMPARE_WITH_SEARCH, **variables)
            assert data["searched"] == data["matched"], text


def quote_phrase(text: str) -> str:
    """Return a search for a string as one term."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def repeat_condition(where: FlowWhere) -> FlowWhere:
    """Return a disjunction of a hundred equal conditions."""
    return FlowWhere(or_=[where] * 100)


def nest_condition(where: FlowWhere) -> FlowWhere:
    """Return the condition nested twelve levels deep, with another condition at each level."""
    slug = FlowWhere(slug=TextMatch(contains="a"))
    return reduce(lambda inner, _: FlowWhere(or_=[slug, FlowWhere(not_=inner)]), range(12), where)


def repeat_nested_condition(where: FlowWhere) -> FlowWhere:
    """Return a hundred nested conditions, which exceeds the limits of the API."""
    return repeat_condition(nest_condition(where))


OUT = FlowWhere(name=TextMatch(contains="out"))
FOLDED = FlowWhere(name=TextMatch(contains_insensitive="OUT", ends_with="t"))
LOGIN = FlowWhere(stage=StageWhere(type=TextMatch(contains="login")))
POLICY = PolicyWhere(name=TextMatch(contains="if"), type=TextMatch(contains="p"))


@pytest.mark.parametrize(
    ("make", "where"),
    [
        *(
            (make, where)
            for make in (repeat_condition, nest_condition)
            for where in (OUT, FOLDED, LOGIN, FlowWhere(policy=POLICY))
        ),
        (repeat_nested_condition, LOGIN),
    ],
)
def test_large_conditions(
    databases: Sequence[OpenDatabase], make: Callable[[FlowWhere], FlowWhere], where: FlowWhere
) -> None:
    """Every database accepts a hundred conditions and twelve levels."""
    expected = expected_slugs(make(where))
    assert [find_slugs(database, make(where)) for database in databases] == [expected] * len(
        databases
    )


def test_long_lists(databases: Sequence[OpenDatabase]) -> None:
    """A list is a single parameter of any length."""
    values = [f"no-{number}" for number in range(5000)]
    where = FlowWhere(slug=TextMatch(in_=[*values, "a-flow"]))
    assert [find_slugs(database, where) for database in databases] == [["a-flow"]] * len(databases)


def test_restricted_viewers(databases: Sequence[OpenDatabase]) -> None:
    """A condition and its negation divide the flows that the viewer may see."""
    viewer = build_restricted_viewer(["few flows"])
    where = FlowWhere(stage=StageWhere())
    for database in databases:
        visible = find_slugs(database, FlowWhere(), viewer)
        halves = [
            find_slugs(database, where, viewer),
            find_slugs(database, FlowWhere(not_=where), viewer),
        ]
        assert 0 < len(visible) < FLOW_COUNT
        assert sorted(halves[0] + halves[1]) == visible
        assert set(halves[0]) <= set(expected_slugs(where))


def test_conditions_of_one_shape_share_a_statement(databases: Sequence[OpenDatabase]) -> None:
    """The SQL does not depend on the values, nor on the length of a list."""
    first = FlowWhere(slug=TextMatch(in_=["a"]), stage=StageWhere(name=TextMatch(equals="b")))
    other = FlowWhere(slug=TextMatch(in_=[]), stage=StageWhere(name=TextMatch(equals="")))
    for database in databases:
        with record_statements() as recorded:
            find_slugs(database, first)
            find_slugs(database, other)
        assert recorded[0] is recorded[1]


NUL = "a\0b"


@pytest.mark.parametrize(
    ("where", "path"),
    [
        (FlowWhere(slug=TextMatch(equals=NUL)), "where.slug.equals"),
        (FlowWhere(title=TextMatch(starts_with=NUL)), "where.title.startsWith"),
        (FlowWhere(title=TextMatch(ends_with=NUL)), "where.title.endsWith"),
        (
            FlowWhere(title=TextMatch(contains_insensitive=NUL)),
            "where.title.containsInsensitive",
        ),
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
def test_nul_characters_are_invalid(
    databases: Sequence[OpenDatabase], where: FlowWhere, path: str
) -> None:
    """The error names the path of the string."""
    with pytest.raises(BadUserInputError) as error:
        parse_where("where", where, Context(databases[0].open_session(), ALL_VIEWER))
    assert str(error.value) == f"'{path}' must not contain NUL characters."


@pytest.mark.parametrize("operator", ["contains", "containsInsensitive", "startsWith", "endsWith"])
def test_surrogates(sqlite_client: AppClient, operator: str) -> None:
    """A surrogate is invalid, as a literal and in a variable."""
    query = "query ($name: TextMatch) { flowConnection(where: {name: $name}) { totalCount } }"
    literal = query.replace("$name}", f'{{{operator}: "\\ud83d"}}}}').replace(
        "($name: TextMatch)", ""
    )
    responses = [
        sqlite_client.graphql(literal, SUPERUSER),
        sqlite_client.graphql(query, SUPERUSER, {"name": {operator: "\ud83d"}}),
    ]
    assert [(item.status, list(item.json)) for item in responses] == [
        (200, ["errors"]),
        (400, ["errors"]),
    ]
