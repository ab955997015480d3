"""Each limit holds at its number and refuses one more, however a document is written."""

import asyncio
import json
import sqlite3
import uuid
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import psycopg
import pytest
import strawberry
from graphql import (
    DocumentNode,
    ExecutionResult,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    OperationDefinitionNode,
    get_introspection_query,
    parse,
)
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from gql import schema
from gql.auth import Authenticator
from gql.context import Context
from gql.execution.cost import Cost, CostAnalyzer
from gql.execution.documents import Documents, InvalidDocument, UnknownOperationError
from gql.execution.executor import Executor
from gql.execution.graphql_core import core_schema
from gql.execution.request import GraphQLRequest
from gql.limits import Limits
from models.database import Database, open_database
from support.app_client import AppClient, bearer
from support.edge_case_data import KEYS

SUPERUSER = KEYS["superuser"]
Values = Mapping[str, Any]
# As wide as can be: what a test is about is narrowed.
WIDE = Limits(
    tokens=10**6, depth=10**6, aliases=10**6, directives=10**6, root_fields=10**6, cost=10**6
)


# A schema of every kind of list ---------------------------------------------------------------


@strawberry.input
class Where:
    """A condition."""

    name: str | None = None
    both: list["Where"] | None = None
    neither: "Where | None" = None


@strawberry.type
class Edge:
    """A place in a connection."""

    @strawberry.field
    def node(self) -> "Tree":
        """What is there."""
        return Tree()


@strawberry.type
class Connection:
    """A page that somebody around it says the size of."""

    @strawberry.field
    def nodes(self) -> list["Tree"]:
        """What is on it."""
        return [Tree()]

    @strawberry.field
    def edges(self) -> list[Edge]:
        """The same."""
        return [Edge()]

    @strawberry.field
    def total(self) -> int:
        """A leaf."""
        return 1


@strawberry.type
class Tree:
    """What is made of itself."""

    @strawberry.field
    def name(self) -> str:
        """A leaf."""
        return "oak"

    @strawberry.field
    def tree(self) -> "Tree":
        """An object."""
        return self

    @strawberry.field
    def branches(self) -> list["Tree"]:
        """A list that says no size."""
        return [self]

    @strawberry.field
    def some(self, first: int = 20) -> list["Tree"]:
        """A list that says its own."""
        return [self] * min(first, 1)

    @strawberry.field
    def connection(self, first: int | None = None, last: int | None = None) -> Connection:
        """An object that says the size of its lists."""
        assert 0 <= (first or last or 0) <= 100
        return Connection()


@strawberry.type
class Query:
    """What can be asked."""

    @strawberry.field
    def tree(self) -> Tree:
        """An object."""
        return Tree()

    @strawberry.field
    def trees(self, page_size: int = 20) -> Connection:
        """A page."""
        assert page_size
        return Connection()

    @strawberry.field
    def connection(self, first: int | None = None, last: int | None = None) -> Connection:
        """A page at the root."""
        assert first or last
        return Connection()

    @strawberry.field
    def find(self, where: Where | None = None, name: str | None = None) -> str:
        """A leaf, of conditions."""
        return repr((where, name))[:10]


FOREST = strawberry.Schema(Query)
GRAPH = core_schema(FOREST)


def asked(text: str, variables: Values | None = None, limits: Limits = WIDE) -> ExecutionResult:
    """What is answered within these limits."""
    executor = Executor(FOREST, limits)
    return asyncio.run(executor.execute(GraphQLRequest(text, dict(variables or {})), None))


def errors_of(result: ExecutionResult) -> list[GraphQLError]:
    """What is wrong with a request."""
    return result.errors or []


def message(result: ExecutionResult, code: str = "LIMIT_EXCEEDED") -> str:
    """The only error, of a request that was not executed."""
    [error] = errors_of(result)
    assert (result.data, error.path, error.extensions) == (None, None, {"code": code})
    return error.message


def is_answered(result: ExecutionResult) -> bool:
    """Whether there is nothing but data."""
    return result.errors is None and result.data is not None


def is_refused(text: str, limits: Limits, said: str, variables: Values | None = None) -> bool:
    """Whether a request is refused, the first time as the second, with this message."""
    executor = Executor(FOREST, limits)
    for _ in range(2):
        result = asyncio.run(executor.execute(GraphQLRequest(text, dict(variables or {})), None))
        assert message(result) == said
    return True


# Limits ---------------------------------------------------------------------------------------


def test_the_defaults() -> None:
    """What may be asked, if nobody says otherwise."""
    assert repr(Limits()) == (
        "Limits(body=100000, tokens=2000, depth=12, aliases=30, directives=50, root_fields=20,"
        " cost=10000, seconds=10, conditions=100)"
    )


@pytest.mark.parametrize("value", [0, -1, 0.5, float("nan")])
def test_a_limit_is_at_least_one(value: Any) -> None:
    """A limit that nothing is within is none."""
    with pytest.raises(ValueError, match=r"^seconds is .*: a limit is at least 1\.$"):
        Limits(seconds=value)
    with pytest.raises(ValueError, match=r"^tokens is .*: a limit is at least 1\.$"):
        Limits(tokens=value)


# What each is about: so many of it, however they are written.
Write = Callable[[int], str]


def _repeated(text: str, count: int) -> str:
    return " ".join(text.format(n) for n in range(count))


def _halves(kind: str, text: str, count: int) -> str:
    """Half of it in a fragment that is spread in a fragment that is spread twice."""
    quarter, rest = divmod(count, 2)
    return (
        f"{{...A ...A {_repeated(text, rest)}}} fragment A on {kind} {{...B}}"
        f" fragment B on {kind} {{{_repeated(text, quarter)}}}"
    )


def _forms(text: str) -> dict[str, Write]:
    """So many of a field of the root: plain, in inline fragments, in fragments in fragments."""
    return {
        "plain": lambda n: f"{{{_repeated(text, n)}}}",
        "inline": lambda n: f"{{... {{... on Query {{{_repeated(text, n)}}}}}}}",
        "spread": lambda n: f"{{...A}} fragment A on Query {{{_repeated(text, n)}}}",
        "twice": lambda n: _halves("Query", text, n),
        "beside": lambda n: f"query A {{tree {{name}}}} query B {{{_repeated(text, n)}}}",
    }


def _deep(count: int) -> str:
    return "tree {" * (count - 1) + "name" + "}" * (count - 1)


FORMS: Mapping[str, tuple[str, Mapping[str, Write]]] = {
    "aliases": ("The operation has {} aliases: the limit is {}.", _forms("a{}: __typename")),
    "root_fields": ("The operation has {} root fields: the limit is {}.", _forms("__typename")),
    "directives": (
        "The operation has {} directives: the limit is {}.",
        _forms("__typename @skip(if: false)"),
    ),
    "depth": (
        "The operation has a depth of {} fields: the limit is {}.",
        {
            "plain": lambda n: f"{{{_deep(n)}}}",
            "inline": lambda n: f"{{tree {{... {{... on Tree {{{_deep(n - 1)}}}}}}}}}",
            "spread": lambda n: f"{{tree {{...A}}}} fragment A on Tree {{{_deep(n - 1)}}}",
            "spreads": lambda n: (
                f"{{tree {{...A}}}} fragment A on Tree {{tree {{...B}}}}"
                f" fragment B on Tree {{{_deep(n - 2)}}}"
            ),
            "beside": lambda n: f"query A {{tree {{name}}}} query B {{{_deep(n)}}}",
            "type names": lambda n: "{" + _deep(n).replace("name", "__typename") + "}",
        },
    ),
    "conditions": (
        "The request has {} input objects: the limit of conditions is {}.",
        {
            "plain": lambda n: f"{{find(where: {{both: [{_repeated('{{}}', n - 1)}]}})}}",
            "spread": lambda n: (
                f"{{...A}} fragment A on Query {{find(where: {{both: [{_repeated('{{}}', n - 1)}]}})}}"
            ),
            "fields": lambda n: "{" + _repeated("a{}: find(where: {{}})", n) + "}",
            "defaults": lambda n: (
                f"query($w: Where = {{both: [{_repeated('{{}}', n - 1)}]}}) {{find(where: $w)}}"
            ),
        },
    ),
}


@pytest.mark.parametrize(
    ("limit", "form"), [(limit, form) for limit, (_, forms) in FORMS.items() for form in forms]
)
def test_a_limit_holds_however_it_is_written(limit: str, form: str) -> None:
    """At the number a request is answered, at one above it is refused: literally, or by fragments."""
    said, forms = FORMS[limit]
    for most in (5, 12):
        limits = replace(WIDE, **{limit: most})
        text = forms[form](most)
        name = "B" if form == "beside" else None
        executor = Executor(FOREST, limits)
        assert is_answered(asyncio.run(executor.execute(GraphQLRequest(text, {}, name), None)))
        assert is_refused(forms[form](most + 1), limits, said.format(most + 1, most))


def test_directives_count_wherever_they_are() -> None:
    """On operations and variables' values, fields, spreads, fragments and inline fragments."""
    text = """query ($v: Boolean = true) {... @include(if: $v) {...A @skip(if: false)} ...A}
        fragment A on Query {tree @skip(if: false) {name @include(if: true) @skip(if: false)}}"""
    assert is_answered(asked(text, limits=replace(WIDE, directives=8)))
    said = "The operation has 8 directives: the limit is 7."
    assert is_refused(text, replace(WIDE, directives=7), said)
    text = "query Q($v: Int @b) @c {...F ...F} fragment F on Query @d {find}"
    said = "The operation has 4 directives: the limit is 3."
    assert is_refused(text, replace(WIDE, directives=3), said)


def test_tokens() -> None:
    """Tokens count as the lexer counts them: neither commas nor comments are any."""
    for text in ("{a b}", "{a,,,,b,,}", "# one\n{a b} # two", "{a}}"):
        said = "The document has too many tokens: the limit is 3."
        assert is_refused(text, Limits(tokens=3), said)
    assert is_answered(asked("{find}", limits=Limits(tokens=3)))
    assert is_answered(asked("#\n#\n#\n{find}", limits=Limits(tokens=3)))


def test_comments() -> None:
    """There may be as many comments as tokens."""
    said = "The document has too many comments: the limit is 3."
    assert is_refused("#\n#\n#\n#\n{find}", Limits(tokens=3), said)


def test_where_the_error_is() -> None:
    """A refusal tells where the operation stands."""
    result = asked("query A {find}\n  query B {a: find b: find}", limits=replace(WIDE, aliases=1))
    [error] = errors_of(result)
    assert error.formatted["locations"] == [{"line": 2, "column": 3}]  # pyright: ignore[reportTypedDictNotRequiredAccess]


# Cost -----------------------------------------------------------------------------------------


COSTS: Sequence[tuple[str, int]] = [
    ("{find}", 1),
    ("{find find a: find __typename}", 4),
    ("{tree {name tree {name}}}", 4),
    ("{tree {branches {name}}}", 2 + 10),
    ("{tree {branches {name branches {name}}}}", 2 + 10 * (2 + 10)),
    ("{tree {some {name}}}", 2 + 20),
    ("{tree {some(first: 3) {name branches {name}}}}", 2 + 3 * (2 + 10)),
    ("{tree {some(first: 0) {name}}}", 2 + 1),
    ("{tree {some(first: 3) {some(first: 4) {name}}}}", 2 + 3 * (1 + 4)),
    ("{trees {total nodes {name}}}", 3 + 20),
    ("{trees(pageSize: 7) {nodes {name} edges {node {name}}}}", 3 + 7 + 7 * 2),
    ("{trees(pageSize: 1000) {nodes {name}}}", 2 + 100),
    ("{trees(pageSize: -1) {nodes {name}}}", 2 + 1),
    ("{trees(pageSize: 7) {nodes {branches {name}}}}", 2 + 7 * (1 + 10)),
    ("{connection {nodes {name}}}", 2 + 20),
    ("{connection(first: 5) {nodes {name}}}", 2 + 5),
    ("{connection(last: 6) {nodes {name}}}", 2 + 6),
    ("{connection(first: null, last: 6) {nodes {name}}}", 2 + 6),
    ("{connection(first: 3, last: 6) {nodes {name}}}", 2 + 6),
    ("{trees(pageSize: 7) {...A}} fragment A on Connection {nodes {name}}", 2 + 7),
    (
        """{a: trees(pageSize: 7) {...A} b: trees(pageSize: 9) {...A}}
        fragment A on Connection {...B} fragment B on Connection {nodes {name}}""",
        4 + 7 + 9,
    ),
    ("{trees(pageSize: 7) {... on Connection {... {nodes {name}}}}}", 2 + 7),
    ("{tree {... @skip(if: true) {branches {name}}}}", 2 + 10),
    # What nobody knows costs something as well.
    ("{unknown {branches {name}}}", 3),
    ("{...A} fragment A on Unknown {branches {name}}", 2),
    ("{...A} fragment A on Query {tree {branches {name}} ...A}", 2 + 10),
    ("mutation {tree {name}}", 2),
]


@pytest.mark.parametrize(("text", "cost"), COSTS)
def test_cost(text: str, cost: int) -> None:
    """A field costs 1, times the size of each list above it."""
    within = asked(text, limits=replace(WIDE, cost=cost))
    assert "cost" not in str(within.errors)
    said = f"The operation has a cost of {cost}: the limit is {cost - 1}."
    if cost > 1:
        assert is_refused(text, replace(WIDE, cost=cost - 1), said)


def test_a_picture_costs_what_is_drawn_in_it() -> None:
    """As much as a list of stages with what decides on each, and is itself one field."""
    costs = [
        CostAnalyzer(core_schema(schema.build_schema()), {}).analyze(operation).cost
        for selected in ("diagram", "stageBindings { policyBindings { pk } }")
        for operation in parse(
            f"{{ flows(pageSize: 7) {{ results {{ {selected} }} }} }}"
        ).definitions
        if isinstance(operation, OperationDefinitionNode)
    ]
    assert [(found.cost, found.depth) for found in costs] == [(2 + 7 * 111, 3), (2 + 7 * 111, 5)]


def test_cost_of_other_operations() -> None:
    """Each operation of a document is held to the limits, whichever is to be executed."""
    said = "The operation has a cost of 12: the limit is 11."
    text = "query A {tree {branches {name}}} query B {find}"
    assert is_refused(text, replace(WIDE, cost=11), said)


SIZED = "query ($n: Int! = 7, $m: Int) {trees(pageSize: $n) {nodes {name}} connection(last: $m) {nodes {name}}}"


@pytest.mark.parametrize(
    ("given", "cost"),
    [
        ({}, 4 + 7 + 20),
        ({"n": 3}, 4 + 3 + 20),
        ({"n": 3, "m": 9}, 4 + 3 + 9),
        ({"n": 3, "m": None}, 4 + 3 + 20),
        ({"n": 3.0, "m": 1000}, 4 + 3 + 100),
    ],
)
def test_cost_by_variables(given: Values, cost: int) -> None:
    """A size that a variable says is what is given, else its default, else the argument's."""
    assert "cost" not in str(asked(SIZED, given, replace(WIDE, cost=cost)).errors)
    said = f"The operation has a cost of {cost}: the limit is {cost - 1}."
    assert is_refused(SIZED, replace(WIDE, cost=cost - 1), said, given)


def test_verdicts_of_one_operation() -> None:
    """However many sizes are asked for, each is judged by itself."""
    executor = Executor(FOREST, replace(WIDE, cost=2 + 50))
    text = "query ($n: Int!) {trees(pageSize: $n) {nodes {name}}}"
    for n in [*range(1, 120), *range(120, 0, -1)]:
        result = asyncio.run(executor.execute(GraphQLRequest(text, {"n": n}), None))
        assert is_answered(result) == (n <= 50), n


def test_variables_of_other_operations() -> None:
    """A variable that says a size in one operation may be anything in another."""
    text = """query A($v: Int!) {trees(pageSize: $v) {total}}
        query B($v: [Where!]) {find(where: {both: $v})}"""
    executor = Executor(FOREST, WIDE)
    for name, value in (("A", 3), ("B", [{"name": "a"}]), ("B", None)):
        assert is_answered(
            asyncio.run(executor.execute(GraphQLRequest(text, {"v": value}, name), None))
        )


# Sizes below the root -------------------------------------------------------------------------


ODD_SIZES = "{} is {}, not from 0 to 100."


@pytest.mark.parametrize(
    ("field", "argument", "value"),
    [
        ("some(first: {}) {{name}}", "first", 101),
        ("some(first: {}) {{name}}", "first", -1),
        ("connection(last: {}) {{total}}", "last", 2**31 - 1),
        ("connection(first: 1, last: {}) {{total}}", "last", 101),
        ("some(first: {}) @skip(if: true) {{name}}", "first", 101),
        ("... {{...A}} }}}} fragment A on Tree {{some(first: {}) {{name}}", "first", 101),
    ],
)
def test_sizes_below_the_root(field: str, argument: str, value: int) -> None:
    """One that cannot be is told before anything is executed, written out or by a variable."""
    said = ODD_SIZES.format(argument, value)
    closing_ = "}" if "fragment" in field else "}}"
    literal = f"{{tree {{{field.format(value)}{closing_}"
    variable = f"query ($v: Int!) {{tree {{{field.format('$v')}{closing_}"
    assert said == message(asked(literal), "BAD_USER_INPUT")
    assert said == message(asked(variable, {"v": value}), "BAD_USER_INPUT")
    assert is_answered(asked(variable, {"v": 100}))
    assert is_answered(asked(variable, {"v": 0}))


def test_where_the_odd_size_is() -> None:
    """The error tells which field it is at."""
    for text in (
        "query ($v: Int!) {find(name: $v) tree {\n some(first: 101) {name}}}",
        "query ($v: Int!) {tree {\n some(first: $v) {name}}}",
    ):
        [error] = errors_of(asked(text, {"v": 101}))
        assert [(place.line, place.column) for place in error.locations or ()] == [(2, 2)]


def test_sizes_of_the_root() -> None:
    """A root field tells of its own size itself, where it stands."""
    result = asked("{trees(pageSize: 0) {total}}")
    [error] = errors_of(result)
    assert (result.data, error.path) == (None, ["trees"])


def test_sizes_of_what_is_not_executed() -> None:
    """Another operation's variables are no matter."""
    text = "query A($v: Int!) {tree {some(first: $v) {name}}} query B($v: Int!) {trees(pageSize: $v) {total}}"
    executor = Executor(FOREST, WIDE)
    run = (GraphQLRequest(text, {"v": 101}, name) for name in ("B", "A"))
    first, second = (asyncio.run(executor.execute(one, None)) for one in run)
    assert is_answered(first)
    assert message(second, "BAD_USER_INPUT") == ODD_SIZES.format("first", 101)


# Conditions -----------------------------------------------------------------------------------


def test_conditions_in_variables() -> None:
    """Input objects in variables and in the document count together."""
    text = "query ($w: Where!) {find(where: {both: [{}, $w]}) a: find(where: $w)}"
    limits = replace(WIDE, conditions=6)
    both: list[Values] = [{}, {"neither": {}}]
    assert is_answered(asked(text, {"w": {"name": "a", "both": both}}, limits))
    said = "The request has 7 input objects: the limit of conditions is 6."
    assert is_refused(text, limits, said, {"w": {"name": "a", "both": [*both, {}]}})


def test_conditions_of_other_variables() -> None:
    """What is given for no variable at all counts as well."""
    said = "The request has 3 input objects: the limit of conditions is 2."
    assert is_refused("{find}", replace(WIDE, conditions=2), said, {"x": [{}, [[{}], {}]]})


def _nested(levels: int) -> Values:
    """So many input objects in each other."""
    value: Values = {}
    for _ in range(levels - 1):
        value = {"both": [value]}
    return value


def test_conditions_in_each_other() -> None:
    """They may be as deep as fields, and lists do not count."""
    said = "The request has input objects at a depth of 13: the limit is 12."
    text = "query ($w: Where) {find(where: $w)}"
    limits = Limits(conditions=10**6)
    assert is_answered(asked(text, {"w": _nested(12)}, limits))
    assert is_refused(text, limits, said, {"w": _nested(13)})
    for levels, is_within in ((12, True), (13, False)):
        written = json.dumps(_nested(levels)).replace('"', "")
        literal = f"{{find(where: {written})}}"
        assert (
            is_answered(asked(literal, limits=limits))
            if is_within
            else is_refused(literal, limits, said)
        )


def test_conditions_around_variables() -> None:
    """Those in a variable are in those around it."""
    text = "query ($w: Where!) {find(where: {neither: {both: [{}, $w]}})}"
    limits = Limits()
    assert is_answered(asked(text, {"w": _nested(10)}, limits))
    said = "The request has input objects at a depth of 13: the limit is 12."
    assert is_refused(text, limits, said, {"w": _nested(11)})


def test_conditions_as_deep_as_json() -> None:
    """As deep as JSON may be they are refused, and nothing fails."""
    said = "The request has input objects at a depth of 1000: the limit is 12."
    text = "query ($w: Where) {find(where: $w)}"
    assert is_refused(text, Limits(conditions=10**6), said, {"w": _nested(1000)})


# Introspection --------------------------------------------------------------------------------


FULL = get_introspection_query(
    specified_by_url=True,
    directive_is_repeatable=True,
    schema_description=True,
    input_value_deprecation=True,
)


@pytest.mark.parametrize("text", [FULL, get_introspection_query()])
def test_introspection_of_real_tools(client: AppClient, text: str) -> None:
    """What GraphiQL and code generators ask is answered."""
    answer = client.graphql(text, SUPERUSER).json
    assert list(answer) == ["data"]
    assert answer["data"]["__schema"]["queryType"]["name"] == "Query"


def test_introspection_has_a_budget_of_its_own() -> None:
    """It costs nothing of what others cost, and has ten times as much, by 10 items a list."""
    text = "{__schema {types {fields {name}}} find}"
    cost = 1 + 1 + 10 * (1 + 10)
    assert is_answered(asked(text, limits=replace(WIDE, cost=12)))
    said = f"The operation has an introspection cost of {cost}: the limit is 110."
    assert is_refused(text, replace(WIDE, cost=11), said)


def test_introspection_is_as_deep_as_it_likes() -> None:
    """Depth is that of what is not introspection."""
    limits = replace(WIDE, depth=2)
    assert is_answered(
        asked("{__schema {types {fields {type {name}}}} tree {name}}", limits=limits)
    )
    assert is_answered(asked('{__type(name: "Tree") {fields {type {name}}}}', limits=limits))


# Over HTTP ------------------------------------------------------------------------------------


def _page(fields: int, beside: int) -> str:
    """A page of 100 flows with so many fields, and so many fields of one flow."""
    slugs, more = "slug " * fields, "slug " * beside
    return f'{{flows(pageSize: 100) {{results {{{slugs}}}}} flow(slug: "a-flow") {{{more}}}}}'


def _descent(levels: int) -> str:
    """A field with so many levels, of which few are lists of ten."""
    down = ("flowConnection(first: 1)", "nodes", *("stageBindings", "stage", "flows(first: 1)") * 4)
    return " {".join((*down[: levels - 1], "__typename")) + "}" * (levels - 1)


OVER_HTTP: Mapping[str, tuple[Write, int, str]] = {
    "aliases": (
        lambda n: f'{{flow(slug: "a-flow") {{{_repeated("a{}: slug", n)}}}}}',
        30,
        "The operation has 31 aliases: the limit is 30.",
    ),
    "root fields": (
        lambda n: "{" + "__typename " * n + "}",
        20,
        "The operation has 21 root fields: the limit is 20.",
    ),
    "directives": (
        lambda n: '{flow(slug: "a-flow") {' + "slug @skip(if: false) " * n + "}}",
        50,
        "The operation has 51 directives: the limit is 50.",
    ),
    "cost": (
        lambda n: _page(99, n - 9903),
        10_000,
        "The operation has a cost of 10001: the limit is 10000.",
    ),
    "depth": (
        lambda n: "{" + _descent(n) + "}",
        12,
        "The operation has a depth of 13 fields: the limit is 12.",
    ),
    "tokens": (
        lambda n: f"{{flows(ordering: [{'NAME_ASC,' * (n - 15)}]) {{results {{slug}}}}}}",
        2_000,
        "The document has too many tokens: the limit is 2000.",
    ),
}


@pytest.mark.parametrize(("write", "most", "said"), OVER_HTTP.values(), ids=OVER_HTTP)
def test_limits_over_http(client: AppClient, write: Write, most: int, said: str) -> None:
    """At each limit a request is answered; at one above it is a request error that says so."""
    answer = client.graphql(write(most), SUPERUSER).json
    assert list(answer) == ["data"]
    refused = client.graphql(write(most + 1), SUPERUSER).json
    assert len(refused["errors"][0].pop("locations")) == 1
    assert refused == {"errors": [{"message": said, "extensions": {"code": "LIMIT_EXCEEDED"}}]}


@pytest.mark.parametrize(("literal", "given"), [("101", {}), ("$v", {"v": 101}), ("-1", {})])
def test_sizes_below_the_root_over_http(client: AppClient, literal: str, given: Values) -> None:
    """The flows of a stage are asked for in a size that can be, whether there is a stage or not."""
    head = "query ($v: Int!)" if given else ""
    stage = f'stage(pk: "{uuid.UUID(int=0)}")'
    text = f"{head} {{{stage} {{flows(first: {literal}) {{slug}}}}}}"
    answer = client.graphql(text, SUPERUSER, given).json
    [error] = answer["errors"]
    said = ODD_SIZES.format("first", given.get("v", literal))
    assert (error["message"], error["extensions"]) == (said, {"code": "BAD_USER_INPUT"})
    assert error["locations"] == [{"line": 1, "column": text.index("flows") + 1}]
    assert list(answer) == ["errors"]


# Seconds --------------------------------------------------------------------------------------

QUESTION = "{__typename flows {results {slug}}}"
WALKED = "{__schema {queryType {name}} flows {results {slug}}}"
SLOWLY = "Execution exceeded the limit of 1 seconds."
# What anything here may take.
PATIENCE_SECONDS = 20


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run the test itself, with an end."""
    asyncio.run(asyncio.wait_for(main, PATIENCE_SECONDS))


@asynccontextmanager
async def asking(url: str) -> AsyncGenerator[Callable[[str], Coroutine[Any, Any, ExecutionResult]]]:
    """What asks a database, as a superuser who waits for a second."""
    database: Database = await open_database(url)
    try:
        viewer = await Authenticator(database, ttl=0).authenticate(Headers(bearer(SUPERUSER)))
        executor = Executor(schema.build_schema(), Limits(seconds=1))
        yield lambda text: executor.execute(GraphQLRequest(text), Context(database, viewer))
    finally:
        await database.close()


RUNNING = """
SELECT count(*) FROM pg_stat_activity WHERE application_name = 'impatient' AND state = 'active'
"""


async def until(count: int, watching: psycopg.Connection[Any]) -> None:
    """Return when so many statements of the impatient are running."""
    while watching.execute(RUNNING).fetchone() != (count,):  # noqa: ASYNC110 - PostgreSQL sends no event
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("text", [QUESTION, WALKED])
def test_seconds_on_postgresql(authentik_url: str, text: str) -> None:
    """What waits behind a lock is cancelled in PostgreSQL too; the next request is answered."""

    async def main() -> None:
        with (
            psycopg.connect(authentik_url, autocommit=True) as watching,
            psycopg.connect(authentik_url) as locking,
        ):
            async with asking(f"{authentik_url}?application_name=impatient") as ask:
                assert is_answered(await ask(text))
                locking.execute("LOCK TABLE authentik_flows_flow IN ACCESS EXCLUSIVE MODE")
                request = asyncio.create_task(ask(text))
                await until(1, watching)
                assert message(await request) == SLOWLY
                await until(0, watching)
                locking.rollback()
                assert is_answered(await ask(text))

    run(main())


SLOW_VIEW = """
CREATE VIEW authentik_flows_flow AS SELECT stored.* FROM stored, (
    WITH RECURSIVE counted (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < 1000000000)
    SELECT max(n) FROM counted
)
"""


@pytest.fixture
def changing(sqlite_url: str, tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A connection to a copy at `tmp_path / "copy.db"`, whose writers wait until nobody reads."""
    path = tmp_path / "copy.db"
    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as original:
        original.execute("VACUUM INTO ?", (str(path),))
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        # Else what refers to the table would follow its name.
        connection.execute("PRAGMA legacy_alter_table = ON")
        yield connection


@pytest.mark.parametrize("text", [QUESTION, WALKED])
def test_seconds_on_sqlite(changing: sqlite3.Connection, tmp_path: Path, text: str) -> None:
    """What counts for minutes ends in SQLite too: a writer gets its turn, and the next request."""

    async def main() -> None:
        async with asking(f"sqlite:///{tmp_path / 'copy.db'}") as ask:
            assert is_answered(await ask(text))
            changing.execute("ALTER TABLE authentik_flows_flow RENAME TO stored")
            changing.execute(SLOW_VIEW)
            assert message(await ask(text)) == SLOWLY
            changing.execute("DROP VIEW authentik_flows_flow")
            changing.execute("ALTER TABLE stored RENAME TO authentik_flows_flow")
            assert is_answered(await ask(text))

    run(main())


@strawberry.type
class Impatient:
    """What gives up by itself."""

    @strawberry.field
    async def waits(self) -> str | None:
        """Long, for what does not come."""
        async with asyncio.timeout(0.01):
            await asyncio.sleep(60)
        return None


def test_a_timeout_inside_is_none_of_the_limit() -> None:
    """A resolver that gives up has failed, and is told so where it stands."""
    executor = Executor(strawberry.Schema(Impatient))
    result = asyncio.run(executor.execute(GraphQLRequest("{waits}"), None))
    [error] = errors_of(result)
    assert (result.data, error.path) == ({"waits": None}, ["waits"])
    assert isinstance(error.original_error, TimeoutError)


# Attacks --------------------------------------------------------------------------------------


def _doubling(first: str, name: str, kind: str, each: str) -> str:
    chain = " ".join(
        f"fragment F{n} on {kind} {{{each} ...F{n + 1} ...F{n + 1}}}" for n in range(30)
    )
    return f"{first} {chain} fragment F30 on {kind} {{{name}}}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            _doubling("{...F0}", "__typename", "Query", ""),
            "The operation has 1000000000 or more root fields: the limit is 20.",
        ),
        (
            _doubling("{tree {...F0}}", "name", "Tree", "a: name"),
            "The operation has 1000000000 or more aliases: the limit is 30.",
        ),
        (
            _doubling("{tree {...F0}}", "name", "Tree", "name @skip(if: true)"),
            "The operation has 1000000000 or more directives: the limit is 50.",
        ),
        (
            _doubling("{tree {...F0}}", "name", "Tree", ""),
            "The operation has a cost of 1000000000 or more: the limit is 10000.",
        ),
    ],
)
def test_doubling_fragments(text: str, said: str) -> None:
    """Thirty fragments that spread the next one twice are counted, not opened."""
    assert is_refused(text, Limits(), said)


def test_numbers_of_any_length() -> None:
    """However often fragments double, nothing is counted beyond what can be told."""
    chain = " ".join(f"fragment F{n} on Query {{...F{n + 1} ...F{n + 1}}}" for n in range(3_000))
    text = f"{{...F0}} {chain} fragment F3000 on Query {{find}}"
    said = "The operation has 1000000000 or more root fields: the limit is 20."
    assert is_refused(text, Limits(tokens=10**6), said)


@pytest.mark.parametrize(
    "text",
    [
        "{tree" * 100_000,
        "{" + "...{" * 600 + "find" + "}" * 601,
        "{...F0} " + " ".join(f"fragment F{n} on Query {{...F{n + 1}}}" for n in range(3_000)),
        "{...F} fragment F on Query {...F ...G} fragment G on Query {...F}",
        "{find(where: " + "[" * 20_000,
    ],
)
def test_whatever_is_nested_is_refused(text: str) -> None:
    """Fragments in fragments and cycles, however long, are told to be wrong."""
    for limits in (Limits(), Limits(tokens=10**6), WIDE):
        result = asked(text, limits=limits)
        assert result.data is None
        assert result.errors
        assert all(type(error.original_error) is not RecursionError for error in result.errors)


ENTANGLED = (
    "The document has too many fields with the same response key to compare:"
    " the limit is 20000 steps."
)


@pytest.mark.parametrize(
    "text",
    [
        "{tree {" + "tree {name} " * 280 + "}}",
        "{tree {" + "name " * 500 + "}}",
        "{tree {" + "... on Tree {name} " * 300 + "}}",
        "{tree {"
        + _repeated("...F{}", 110)
        + "}} "
        + _repeated("fragment F{} on Tree {{name tree {{name}}}}", 110),
    ],
)
def test_fields_of_one_name(text: str) -> None:
    """More than can be compared in some tens of milliseconds are refused."""
    assert is_refused(text, Limits(), ENTANGLED)


def test_a_hundred_fields_of_one_name() -> None:
    """So many are no trouble."""
    assert is_answered(asked("{tree {" + "name " * 100 + "}}", limits=Limits()))


def test_only_so_many_errors() -> None:
    """Of many that are in one document, twenty are told."""
    result = asked("{tree {" + _repeated("nam{}", 200) + "}}", limits=Limits())
    messages = [error.message for error in result.errors or ()]
    assert len(messages) == 21
    assert messages[-1].startswith("Too many validation errors")
    conflicts = asked("{tree {" + "a: name a: __typename " * 10 + "}}", limits=Limits())
    assert len(conflicts.errors or ()) == 21


def test_what_is_refused_is_remembered_as_a_text() -> None:
    """Nothing is kept of a document that is over a limit but its text and the error."""
    store = Documents(GRAPH, Limits(aliases=1))
    text = "{a: find b: find}"
    refused = store.get(text)
    assert refused is store.get(text)
    assert isinstance(refused, InvalidDocument)
    [error] = refused.errors
    assert (error.nodes, error.__traceback__, error.__context__) == (None, None, None)


# The measure itself ---------------------------------------------------------------------------


LEAVES: Mapping[str, Sequence[str]] = {
    "Query": ("find", "__typename", "find(where: {both: [{}]})"),
    "Tree": ("name", "__typename"),
    "Connection": ("total",),
    "Edge": ("__typename",),
}
# Of each field of objects: its type, and what it says of sizes; "own" of its list, "lists" of those
# in it.
OBJECTS: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "Query": {
        "tree": ("Tree", ""),
        "trees": ("Connection", "lists"),
        "trees(pageSize: 3)": ("Connection", "lists"),
        "connection(last: 4)": ("Connection", "lists"),
    },
    "Tree": {
        "tree": ("Tree", ""),
        "branches": ("Tree", "none"),
        "some(first: 2)": ("Tree", "own"),
        "some": ("Tree", "own"),
        "connection": ("Connection", "lists"),
        "connection(first: 5)": ("Connection", "lists"),
    },
    "Connection": {"nodes": ("Tree", "none"), "edges": ("Edge", "none")},
    "Edge": {"node": ("Tree", "")},
}
KINDS = sorted(OBJECTS)


@st.composite
def selections(draw: st.DrawFn, kind: str, number: int, levels: int = 3) -> str:
    """A selection on a type, which may spread fragments that come after a number."""
    parts: list[str] = []
    for _ in range(draw(st.integers(1, 3))):
        way = draw(st.sampled_from(("leaf", "object", "inline", "spread"))) if levels else "leaf"
        directive = draw(st.sampled_from(("", "", "@skip(if: false)")))
        if way == "spread" and number < MOST_FRAGMENTS:
            after = draw(st.integers(number, MOST_FRAGMENTS - 1))
            parts.append(f"...F{after}{kind} {directive}")
        elif way == "inline":
            inside = draw(selections(kind, number, levels - 1))
            parts.append(f"... on {kind} {directive} {inside}")
        elif way == "object":
            field = draw(st.sampled_from(sorted(OBJECTS[kind])))
            below = draw(selections(OBJECTS[kind][field][0], number, levels - 1))
            alias = draw(st.sampled_from(("", "a: ")))
            parts.append(f"{alias}{field} {directive} {below}")
        else:
            parts.append(draw(st.sampled_from(LEAVES[kind])) + directive)
    return "{" + " ".join(parts) + "}"


MOST_FRAGMENTS = 3


@st.composite
def texts(draw: st.DrawFn) -> str:
    """A document, with each fragment on each type."""
    fragments = [
        f"fragment F{number}{kind} on {kind} {draw(selections(kind, number + 1, 1))}"
        for number in range(MOST_FRAGMENTS)
        for kind in KINDS
    ]
    return " ".join([draw(selections("Query", 0)), *fragments])


class Naive:
    """Opens every fragment wherever it is spread, and counts."""

    def __init__(self, document: DocumentNode) -> None:
        self.fragments = {
            node.name.value: node
            for node in document.definitions
            if isinstance(node, FragmentDefinitionNode)
        }
        self.found = dict.fromkeys(("fields", "depth", "aliases", "directives", "cost"), 0)

    def count(self, node: Any, kind: str, around: tuple[int, ...], size: int | None) -> None:
        """Count what is in a selection, in lists of these sizes."""
        for selection in node.selection_set.selections:
            self.found["directives"] += len(selection.directives or ())
            if isinstance(selection, FieldNode):
                self._field(selection, kind, around, size)
            elif isinstance(selection, InlineFragmentNode):
                self.count(selection, kind, around, size)
            else:
                name = cast(FragmentSpreadNode, selection).name.value
                self.count(self.fragments[name], kind, around, size)

    def _field(self, node: FieldNode, kind: str, around: tuple[int, ...], size: int | None) -> None:
        product = 1
        for items in around:
            product *= items
        self.found["cost"] += product
        self.found["depth"] = max(self.found["depth"], len(around) + 1)
        self.found["fields"] += not around
        self.found["aliases"] += node.alias is not None
        if node.selection_set:
            given = next((int(cast(Any, one.value).value) for one in node.arguments or ()), 20)
            below, said = next(
                told
                for field, told in OBJECTS[kind].items()
                if field.partition("(")[0] == node.name.value
            )
            items = {"": 1, "lists": 1, "own": given, "none": size or 10}[said]
            self.count(node, below, (*around, items), given if said == "lists" else None)


@given(texts())
def test_the_measure_is_that_of_naive_counting(text: str) -> None:
    """A fragment that is measured once counts as one that is opened wherever it is spread."""
    document = parse(text)
    [operation] = [one for one in document.definitions if isinstance(one, OperationDefinitionNode)]
    naive = Naive(document)
    naive.count(operation, "Query", (), None)
    measure = CostAnalyzer(GRAPH, naive.fragments).analyze(operation).cost
    assert naive.found == {name: getattr(measure, name) for name in naive.found}
    assert measure.nesting == 2 * bool(measure.objects)
    assert isinstance(measure, Cost)


@given(st.lists(st.sampled_from([*"{}()[]:$@!=abF1", "...", " on ", "fragment ", "query "])))
def test_no_document_breaks_the_limits(parts: Sequence[str]) -> None:
    """Whatever is sent is answered or refused."""
    with suppress(UnknownOperationError):
        result = asked(" ".join(parts) + " {...F} fragment F on Query {...F nope {nope}}")
        assert result.errors
        assert all(isinstance(error, GraphQLError) for error in result.errors)
