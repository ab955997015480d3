"""Whatever is asked, the answer is graphql-core's, to the byte."""

import json
from base64 import b64decode
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from random import Random
from typing import Any, cast

import pytest
from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    Node,
    TypeInfo,
    TypeInfoVisitor,
    VariableNode,
    Visitor,
    get_operation_ast,
    introspection_from_schema,
    is_abstract_type,
    is_enum_type,
    parse,
    visit,
)
from hypothesis import given, note, settings
from hypothesis import strategies as st

from support.app_client import JSON, AppClient, bearer
from support.edge_case_data import FLOW_COUNT, KEYS, ROWS, SEEN_BY_ROLE
from support.operations import FLAWS, SIZE, Request, directives_at, drawn, fields_of, named, type_of
from support.oracle import Expected, Oracle

BYTES = st.binary(min_size=SIZE, max_size=SIZE)
# Who may see some flows or none, and the roles that let them.
RESTRICTED: Mapping[str, tuple[str, ...]] = {
    "object_role": ("some flows", "more flows"),
    "object_role_by_group": ("few flows",),
    "internal_service_account_object": ("more flows",),
    "internal_service_account_none": (),
    "none": (),
}
COUNTS = {"sqlite": 500, "postgresql": 200, "authentik": 200}
EXPORT = "/api/v3/flows/instances/"
ENOUGH = 4
# Of which there is more to be reached, or less stored.
RARE = [
    *["Flow", "FlowStageBinding", "Group", "User"] * 15,
    *["FlowEdge", "PageInfo", "FlowConnection", "FlowPage"] * 6,
]
PLACES = {
    "FIELD": "a field",
    "FRAGMENT_SPREAD": "a spread",
    "INLINE_FRAGMENT": "an inline fragment",
}


@dataclass(frozen=True, slots=True)
class Sides:
    """The client and the judge, on the same database."""

    client: AppClient
    judge: Oracle
    count: int

    @property
    def schema(self) -> GraphQLSchema:
        """What both answer by."""
        return self.judge.schema

    def answer(self, request: Request, reader: str) -> Expected:
        """What the client answers to a reader."""
        headers = bearer(KEYS[reader]) | JSON
        answer = self.client.ask("POST", "/graphql", headers, request.body)
        return Expected(answer.status, answer.body)

    def agreed(self, request: Request, reader: str = "superuser") -> Expected:
        """The answer on which both agree."""
        expected = self.judge.verdict(request.body, KEYS[reader])
        actual = self.answer(request, reader)
        assert expected == actual, f"{reader}: {request!r}"
        return actual


@pytest.fixture(params=COUNTS, scope="module")
def sides(request: pytest.FixtureRequest) -> Iterator[Sides]:
    """Both sides, on each kind of database in turn."""
    with Oracle(request.getfixturevalue(f"{request.param}_url")) as judge:
        client = request.getfixturevalue(f"on_{request.param}")
        yield Sides(client, judge, COUNTS[request.param])


@pytest.fixture(scope="module")
def on_file(on_sqlite: AppClient, sqlite_url: str) -> Iterator[Sides]:
    """Both sides, on SQLite alone."""
    with Oracle(sqlite_url) as judge:
        yield Sides(on_sqlite, judge, COUNTS["sqlite"])


def test_answers_are_those_of_graphql_core(sides: Sides) -> None:
    """Hundreds of requests, right and wrong, are answered as graphql-core answers them."""

    def check(data: bytes) -> None:
        sides.agreed(_noted(drawn(sides.schema, data)))

    _for_examples(sides.count, check, BYTES)


def test_answers_are_those_of_graphql_core_to_who_may_not_see_all(sides: Sides) -> None:
    """A restricted reader gets graphql-core's answers, and no slug or uuid of a hidden flow."""
    words = set(_texts(dict(introspection_from_schema(sides.schema))))

    def check(data: bytes, reader: str) -> None:
        verdict = sides.agreed(_noted(drawn(sides.schema, data)), reader)
        told = set(_texts(json.loads(verdict.body).get("data")))
        # Introspection tells words that are somebody's slug.
        assert not told & _hidden(reader) - words, reader

    _for_examples(sides.count // 2, check, BYTES, st.sampled_from(sorted(RESTRICTED)))


def test_variables_of_one_request_do_not_change_the_next(sides: Sides) -> None:
    """A document is answered by its variables alone, the first time and every other time."""

    def check(data: bytes) -> None:
        request = _noted(drawn(sides.schema, data, others=5))
        for variables in (request.variables, *request.others, request.variables):
            sides.agreed(replace(request, variables=variables))

    _for_examples(sides.count // 15, check, BYTES)


def test_requests_in_flight_do_not_touch_each_other(sides: Sides) -> None:
    """Eight at once, of several readers, are answered as one after the other."""
    chance = Random(2028)
    readers = ("superuser", *RESTRICTED)
    asked = [
        (drawn(sides.schema, chance.randbytes(SIZE)), chance.choice(readers))
        for _ in range(sides.count // 5)
    ]
    asked = chance.sample(asked * 2, k=len(asked) * 2)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(sides.answer, *zip(*asked, strict=True)))
    for (request, reader), answer in zip(asked, answers, strict=True):
        assert sides.judge.verdict(request.body, KEYS[reader]) == answer, f"{reader}: {request!r}"


def test_requests_reach_everything(
    on_file: Sides, record_property: Callable[[str, object], None]
) -> None:
    """Fields, arguments, directives, flaws and errors each occur in 4 of the drawn requests, or 16."""
    chance = Random(2030)
    enough = ENOUGH * _scale()
    reached = Counter[str]()
    kinds = [kind.name for kind in _object_types(on_file.schema)]
    wanted = [*[("", "")] * 50 * enough, *((flaw, "") for flaw in FLAWS * (enough + 1))]
    wanted += [("", kind) for kind in (kinds + RARE) * 3 * enough]
    for flaw, toward in wanted:
        request = drawn(on_file.schema, chance.randbytes(SIZE), flaw, toward=toward)
        verdict = on_file.agreed(request)
        reached.update(_reached(on_file.schema, request, json.loads(verdict.body)))
    table = {what: reached[what] for what in _wanted(on_file.schema)}
    for what, count in table.items():
        record_property(what, count)
        print(f"{count:6} {what}")  # noqa: T201 - the table that `pytest -s` shows
    rare = {what: count for what, count in table.items() if count < enough}
    assert not rare


def _for_examples(
    count: int, check: Callable[..., None], *strategies: st.SearchStrategy[Any]
) -> None:
    """Check so many examples, and four times as many in the profile that has 20 times more."""
    settings(max_examples=count * _scale())(given(*strategies)(check))()


def _scale() -> int:
    return int((settings().max_examples / 100) ** 0.5) or 1


def _noted(request: Request) -> Request:
    """The request, which is told where it fails a test."""
    note(repr(request))
    return request


def _texts(value: Any) -> Iterator[str]:
    """All texts in an answer, and what stands in ids, cursors and URLs."""
    if isinstance(value, str):
        yield value
        yield value.removeprefix(EXPORT).removesuffix("/export/")
        yield from _opened(value)
    elif isinstance(value, list | dict):
        inside = cast(Any, value.values() if isinstance(value, dict) else value)
        for each in inside:
            yield from _texts(each)


def _opened(text: str) -> Iterator[str]:
    """What is behind an id or a cursor; nothing, if it is neither."""
    with suppress(ValueError):
        inside = b64decode(text, b"-_", validate=True).decode()
        yield inside.partition(":")[2]
        # Behind the version and the order.
        yield from map(str, json.loads(inside)[2:] if inside.startswith("[") else ())


@cache
def _hidden(reader: str) -> frozenset[str]:
    """The slugs and uuids of flows that a reader may not see, but for texts of those it may."""
    seen = {number for role in RESTRICTED[reader] for number in SEEN_BY_ROLE[role]}
    flows = ROWS["authentik_flows_flow"]
    columns = ("slug", "flow_uuid", "policybindingmodel_ptr_id")
    hidden = {str(flows[n][key]) for n in range(FLOW_COUNT) if n not in seen for key in columns}
    return frozenset(hidden - {str(value) for n in seen for value in flows[n].values()})


# What is to be reached -------------------------------------------------------------------------


def _wanted(schema: GraphQLSchema) -> Iterator[str]:
    for kind in _object_types(schema):
        for name, called in fields_of(schema, kind).items():
            yield f"{kind.name}.{name}"
            yield from (f"{kind.name}.{name}({argument}:)" for argument in called.args)
            if not name.startswith("__") and _can_be_null_with_an_error(called):
                yield f"an error at {kind.name}.{name}"
    yield "an error at data"
    for location, place in PLACES.items():
        for directive in directives_at(schema, location):
            yield from (f"@{directive.name} by a {how} on {place}" for how in HOW)
    yield from FLAWS


HOW = ("literal", "variable")


def _object_types(schema: GraphQLSchema) -> Iterator[GraphQLObjectType]:
    for kind in schema.type_map.values():
        if isinstance(kind, GraphQLObjectType) and not kind.name.startswith("__"):
            yield kind


def _can_be_null_with_an_error(called: GraphQLField) -> bool:
    """Enums may have unknown values, and texts be unusable."""
    if isinstance(type_of(called), GraphQLNonNull):
        return False
    judged = (named(argument).name in {"ID", "String"} for argument in called.args.values())
    return is_enum_type(named(called)) or any(judged)


def _reached(schema: GraphQLSchema, request: Request, answer: Mapping[str, Any]) -> set[str]:
    """What a request reached; of one that was not executed, that is just its flaw."""
    reached = {request.flaw}
    if "data" in answer:
        seen = _Seen(schema)
        seen.visit(request)
        reached |= seen.things
        reached.update(seen.fields_in(cast(GraphQLNamedType, schema.query_type), answer["data"]))
        reached.update(f"an error at {seen.place(e)}" for e in answer.get("errors", ()))
        reached |= {"an error at data"} if answer["data"] is None else set()
    return reached


@dataclass(slots=True)
class _Seen:
    """Fields by their types and keys, and what else an executed operation holds."""

    schema: GraphQLSchema
    things: set[str] = field(default_factory=set[str])
    fields: dict[tuple[str, str], tuple[str, GraphQLField]] = field(
        default_factory=dict[tuple[str, str], tuple[str, GraphQLField]]
    )

    def visit(self, request: Request) -> None:
        """See the operation that was executed, and the fragments that it spreads."""
        document = parse(request.query)
        fragments = {
            node.name.value: node
            for node in document.definitions
            if isinstance(node, FragmentDefinitionNode)
        }
        types = TypeInfo(self.schema)
        visitor = _SelectionVisitor(self, types)
        pending = [cast(Node, get_operation_ast(document, request.operation_name or None))]
        while pending:
            visit(pending.pop(), TypeInfoVisitor(types, visitor))
            pending += [fragments.pop(name) for name in visitor.spread & set(fragments)]

    def fields_in(self, kind: GraphQLNamedType, value: Any) -> Iterator[str]:
        """The fields that an answer holds."""
        if isinstance(value, list):
            for each in cast(list[Any], value):
                yield from self.fields_in(kind, each)
        elif isinstance(value, dict):
            for key, inside in cast(dict[str, Any], value).items():
                name, called = self._field(kind, key)
                yield name
                yield from self.fields_in(named(called), inside)

    def place(self, error: Mapping[str, Any]) -> str:
        """The field at which an error is told."""
        kind, name = cast(GraphQLNamedType, self.schema.query_type), "no path"
        for key in error.get("path", ()):
            if isinstance(key, str):
                name, called = self._field(kind, key)
                kind = named(called)
        return name

    def _field(self, kind: GraphQLNamedType, key: str) -> tuple[str, GraphQLField]:
        names = [kind.name, *(one.name for one in _related(self.schema, kind))]
        return next(self.fields[name, key] for name in names if (name, key) in self.fields)


def _related(schema: GraphQLSchema, kind: GraphQLNamedType) -> Iterable[GraphQLNamedType]:
    if is_abstract_type(kind):
        return schema.get_possible_types(kind)
    return kind.interfaces if isinstance(kind, GraphQLObjectType) else ()


class _SelectionVisitor(Visitor):
    def __init__(self, seen: _Seen, types: TypeInfo) -> None:
        super().__init__()
        self.seen = seen
        self.types = types
        self.spread: set[str] = set()

    def enter_field(self, node: FieldNode, *_: Any) -> None:
        kind, called = self.types.get_parent_type(), self.types.get_field_def()
        assert kind is not None
        assert called is not None
        name = f"{kind.name}.{node.name.value}"
        key = node.alias.value if node.alias else node.name.value
        self.seen.fields[kind.name, key] = name, called
        self.seen.things.update(f"{name}({given.name.value}:)" for given in node.arguments or ())
        self._see_directives(node, "FIELD")

    def enter_fragment_spread(self, node: FragmentSpreadNode, *_: Any) -> None:
        self.spread.add(node.name.value)
        self._see_directives(node, "FRAGMENT_SPREAD")

    def enter_inline_fragment(self, node: InlineFragmentNode, *_: Any) -> None:
        self._see_directives(node, "INLINE_FRAGMENT")

    def _see_directives(self, node: Any, location: str) -> None:
        for directive in node.directives or ():
            for given_value in directive.arguments or ():
                how = HOW[isinstance(given_value.value, VariableNode)]
                name = directive.name.value
                self.seen.things.add(f"@{name} by a {how} on {PLACES[location]}")
