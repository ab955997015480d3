"""Responses equal those of graphql-core, byte by byte."""

import json
from base64 import b64decode
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import islice
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
    is_leaf_type,
    parse,
    visit,
)
from hypothesis import given, note, settings
from hypothesis import strategies as st

from support.app_client import JSON_HEADERS, AppClient, bearer_headers
from support.databases import fill_flowql_with_settings
from support.edge_case_data import FLOW_COUNT, KEYS, ROWS, VISIBLE_FLOWS_BY_ROLE
from support.operation_flaws import FLAWS
from support.operation_generator import RandomGraphQLRequest
from support.operations import SIZE, draw_request
from support.oracle import Expected, Oracle
from support.paths import SAMPLES
from support.schema_fields import directives_at, fields_of, named_type_of, type_of

BYTES = st.binary(min_size=SIZE, max_size=SIZE)
# Viewers of some flows or none, with the roles that permit them.
RESTRICTED: Mapping[str, tuple[str, ...]] = {
    "object_role": ("some flows", "more flows"),
    "object_role_by_group": ("few flows",),
    "internal_service_account_object": ("more flows",),
    "internal_service_account_none": (),
    "none": (),
}
COUNTS = {"sqlite": 200, "postgresql": 80, "authentik": 80}
# A multiple of these counts, by Hypothesis profile.
SCALES = {"default": 1, "full": 6}
EXPORT = "/api/v3/flows/instances/"
# The least number of requests that reach each target, by Hypothesis profile.
MIN_COUNTS = {"default": 2, "full": 16}
MAX_DRAWS = 10_000
LOCATION_LABELS = {
    "FIELD": "a field",
    "FRAGMENT_SPREAD": "a spread",
    "INLINE_FRAGMENT": "an inline fragment",
}


@dataclass(frozen=True, slots=True)
class Comparison:
    """FlowQL and graphql-core on the same database, and a number of examples."""

    client: AppClient
    oracle: Oracle
    count: int

    @property
    def schema(self) -> GraphQLSchema:
        """The schema of both."""
        return self.oracle.schema

    def respond(self, request: RandomGraphQLRequest, viewer: str) -> Expected:
        """Return FlowQL's response to a viewer."""
        headers = bearer_headers(KEYS[viewer]) | JSON_HEADERS
        response = self.client.request("POST", "/graphql", headers, request.body)
        return Expected(response.status, response.body)

    def check(self, request: RandomGraphQLRequest, viewer: str = "superuser") -> Expected:
        """Assert that both responses are equal, and return the response."""
        expected = self.oracle.expect(request.body, KEYS[viewer])
        actual = self.respond(request, viewer)
        assert expected == actual, f"{viewer}: {request!r}"
        return actual


@pytest.fixture(params=COUNTS, scope="module")
def comparison(request: pytest.FixtureRequest) -> Iterator[Comparison]:
    """FlowQL and graphql-core on each kind of database."""
    with Oracle(request.getfixturevalue(f"{request.param}_url")) as oracle:
        client = request.getfixturevalue(f"{request.param}_client")
        yield Comparison(client, oracle, COUNTS[request.param])


@pytest.fixture(scope="module")
def sqlite_comparison(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Comparison]:
    """FlowQL and graphql-core on SQLite, with settings and prompts, and with a baseline."""
    folder, baseline = tmp_path_factory.mktemp("settings"), str(SAMPLES)
    url = fill_flowql_with_settings(f"sqlite:///{folder / 'flowql.db'}")
    with Oracle(url, baseline) as oracle, AppClient(url, baseline=baseline) as client:
        yield Comparison(client, oracle, COUNTS["sqlite"])


def test_responses_equal_those_of_graphql_core(comparison: Comparison) -> None:
    """Hundreds of valid and invalid requests have the responses of graphql-core."""

    def check(data: bytes) -> None:
        comparison.check(_report(draw_request(comparison.schema, data)))

    _run_examples(comparison.count, check, BYTES)


def test_responses_equal_those_of_graphql_core_for_restricted_viewers(
    comparison: Comparison,
) -> None:
    """A restricted viewer gets graphql-core's responses, and no slug or UUID of a hidden flow."""
    schema_strings = set(_strings(dict(introspection_from_schema(comparison.schema))))

    def check(data: bytes, viewer: str) -> None:
        response = comparison.check(_report(draw_request(comparison.schema, data)), viewer)
        strings = set(_strings(json.loads(response.body).get("data")))
        # Some strings of introspection equal a slug.
        assert not strings & _hidden_strings(viewer) - schema_strings, viewer

    _run_examples(comparison.count // 2, check, BYTES, st.sampled_from(sorted(RESTRICTED)))


def test_variables_of_one_request_do_not_change_the_next(comparison: Comparison) -> None:
    """The response to a cached document depends on its variables alone."""

    def check(data: bytes) -> None:
        request = _report(draw_request(comparison.schema, data, others=5))
        for variables in (request.variables, *request.others, request.variables):
            comparison.check(replace(request, variables=variables))

    _run_examples(comparison.count // 15, check, BYTES)


def test_concurrent_requests_are_independent(comparison: Comparison) -> None:
    """Eight concurrent requests of several viewers have the same responses as in sequence."""
    chance = Random(2028)
    viewers = ("superuser", *RESTRICTED)
    requests = [
        (draw_request(comparison.schema, chance.randbytes(SIZE)), chance.choice(viewers))
        for _ in range(comparison.count // 5)
    ]
    requests = chance.sample(requests * 2, k=len(requests) * 2)
    with ThreadPoolExecutor(8) as pool:
        responses = list(pool.map(comparison.respond, *zip(*requests, strict=True)))
    for (request, viewer), response in zip(requests, responses, strict=True):
        expected = comparison.oracle.expect(request.body, KEYS[viewer])
        assert expected == response, f"{viewer}: {request!r}"


def test_random_requests_reach_all_targets(
    sqlite_comparison: Comparison, record_property: Callable[[str, object], None]
) -> None:
    """At least 2 requests (16 in the full profile) reach each field, argument, directive and error."""
    chance = Random(2030)
    schema, min_count = sqlite_comparison.schema, MIN_COUNTS[_profile()]
    counts = Counter[str]()
    for flaw, type_name in islice(_draw_targets(schema, counts, min_count), MAX_DRAWS):
        request = draw_request(schema, chance.randbytes(SIZE), flaw, target=type_name)
        response = sqlite_comparison.check(request)
        counts.update(_find_reached(schema, request, json.loads(response.body)))
    table = {target: counts[target] for target in _targets(schema)}
    for target, count in table.items():
        record_property(target, count)
        print(f"{count:6} {target}")  # noqa: T201 - `pytest -s` shows the table
    rare = {target: count for target, count in table.items() if count < min_count}
    assert not rare


def _run_examples(
    count: int, check: Callable[..., None], *strategies: st.SearchStrategy[Any]
) -> None:
    """Check this many examples, or a multiple by the profile."""
    settings(max_examples=count * SCALES[_profile()])(given(*strategies)(check))()


def _profile() -> str:
    return settings.get_current_profile_name()


def _report(request: RandomGraphQLRequest) -> RandomGraphQLRequest:
    """Return the request; Hypothesis reports it if the test fails."""
    note(repr(request))
    return request


def _strings(value: Any) -> Iterator[str]:
    """Yield all strings in a response, and the contents of ids, cursors and URLs."""
    if isinstance(value, str):
        yield value
        yield value.removeprefix(EXPORT).removesuffix("/export/")
        yield from _decode(value)
    elif isinstance(value, list | dict):
        children = cast(Any, value.values() if isinstance(value, dict) else value)
        for child in children:
            yield from _strings(child)


def _decode(text: str) -> Iterator[str]:
    """Yield the values in an id or a cursor; none for other strings."""
    with suppress(ValueError):
        decoded = b64decode(text, b"-_", validate=True).decode()
        yield decoded.partition(":")[2]
        # A cursor starts with its version and its ordering.
        yield from map(str, json.loads(decoded)[2:] if decoded.startswith("[") else ())


@cache
def _hidden_strings(viewer: str) -> frozenset[str]:
    """Return the slugs and UUIDs of flows hidden from a viewer, except strings of visible flows."""
    visible = {number for role in RESTRICTED[viewer] for number in VISIBLE_FLOWS_BY_ROLE[role]}
    flows = ROWS["authentik_flows_flow"]
    columns = ("slug", "flow_uuid", "policybindingmodel_ptr_id")
    hidden = {str(flows[n][key]) for n in range(FLOW_COUNT) if n not in visible for key in columns}
    return frozenset(hidden - {str(value) for n in visible for value in flows[n].values()})


# Targets ---------------------------------------------------------------------------------------


def _draw_targets(
    schema: GraphQLSchema, counts: Counter[str], min_count: int
) -> Iterator[tuple[str, str]]:
    """Yield a flaw and a type, often empty, for each request, until every target is reached."""
    type_names = [type_.name for type_ in _object_types(schema)]
    yield from [("", "")] * 50 * min_count
    while rare := [target for target in _targets(schema) if counts[target] < min_count]:
        for target in rare:
            type_name = target.removeprefix("an error at ").partition(".")[0]
            flaw = target if target in FLAWS else ""
            yield flaw, type_name if type_name in type_names else ""


def _targets(schema: GraphQLSchema) -> Iterator[str]:
    """Yield the names of all targets."""
    for type_ in _object_types(schema):
        for name, definition in fields_of(schema, type_).items():
            yield f"{type_.name}.{name}"
            yield from (f"{type_.name}.{name}({argument}:)" for argument in definition.args)
            if not name.startswith("__") and _can_fail_with_null(definition):
                yield f"an error at {type_.name}.{name}"
    for location, label in LOCATION_LABELS.items():
        for directive in directives_at(schema, location):
            yield from (f"@{directive.name} by a {kind} on {label}" for kind in VALUE_KINDS)
    yield from FLAWS


VALUE_KINDS = ("literal", "variable")


def _object_types(schema: GraphQLSchema) -> Iterator[GraphQLObjectType]:
    for type_ in schema.type_map.values():
        if isinstance(type_, GraphQLObjectType) and not type_.name.startswith("__"):
            yield type_


def _can_fail_with_null(definition: GraphQLField) -> bool:
    """Return whether a nullable field can fail: by an unknown enum value or an invalid string."""
    if isinstance(type_of(definition), GraphQLNonNull):
        return False
    has_string = any(
        named_type_of(argument).name in {"ID", "String"} for argument in definition.args.values()
    )
    return is_enum_type(named_type_of(definition)) or has_string


def _find_reached(
    schema: GraphQLSchema, request: RandomGraphQLRequest, response: Mapping[str, Any]
) -> set[str]:
    """Return the targets that a request reached; only its flaw if it was not executed."""
    reached = {request.flaw}
    if "data" in response:
        operation = _ExecutedOperation(schema)
        operation.visit(request)
        query = cast(GraphQLNamedType, schema.query_type)
        reached |= operation.targets
        reached.update(operation.fields_in(query, response["data"]))
        reached.update(
            f"an error at {operation.field_of(error)}" for error in response.get("errors", ())
        )
    return reached


@dataclass(slots=True)
class _ExecutedOperation:
    """The targets in an executed operation, and its fields by type name and response key."""

    schema: GraphQLSchema
    targets: set[str] = field(default_factory=set[str])
    fields: dict[tuple[str, str], tuple[str, GraphQLField]] = field(
        default_factory=dict[tuple[str, str], tuple[str, GraphQLField]]
    )

    def visit(self, request: RandomGraphQLRequest) -> None:
        """Visit the executed operation and its fragments."""
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

    def fields_in(self, type_: GraphQLNamedType, value: Any) -> Iterator[str]:
        """Yield the names of the fields in a response."""
        if isinstance(value, list):
            for item in cast(list[Any], value):
                yield from self.fields_in(type_, item)
        elif isinstance(value, dict) and not is_leaf_type(type_):
            for key, child in cast(dict[str, Any], value).items():
                name, definition = self._field(type_, key)
                yield name
                yield from self.fields_in(named_type_of(definition), child)

    def field_of(self, error: Mapping[str, Any]) -> str:
        """Return the name of the field of an error."""
        type_, name = cast(GraphQLNamedType, self.schema.query_type), "no path"
        for key in error.get("path", ()):
            if isinstance(key, str):
                name, definition = self._field(type_, key)
                type_ = named_type_of(definition)
        return name

    def _field(self, type_: GraphQLNamedType, key: str) -> tuple[str, GraphQLField]:
        names = [type_.name, *(other.name for other in _related_types(self.schema, type_))]
        return next(self.fields[name, key] for name in names if (name, key) in self.fields)


def _related_types(schema: GraphQLSchema, type_: GraphQLNamedType) -> Iterable[GraphQLNamedType]:
    """Return the possible types of an abstract type, or the interfaces of an object type."""
    if is_abstract_type(type_):
        return schema.get_possible_types(type_)
    return type_.interfaces if isinstance(type_, GraphQLObjectType) else ()


class _SelectionVisitor(Visitor):
    def __init__(self, operation: _ExecutedOperation, types: TypeInfo) -> None:
        super().__init__()
        self.operation = operation
        self.types = types
        self.spread: set[str] = set()

    def enter_field(self, node: FieldNode, *_: Any) -> None:
        type_, definition = self.types.get_parent_type(), self.types.get_field_def()
        assert type_ is not None
        assert definition is not None
        name = f"{type_.name}.{node.name.value}"
        key = node.alias.value if node.alias else node.name.value
        self.operation.fields[type_.name, key] = name, definition
        self.operation.targets.update(
            f"{name}({argument.name.value}:)" for argument in node.arguments or ()
        )
        self._add_directives(node, "FIELD")

    def enter_fragment_spread(self, node: FragmentSpreadNode, *_: Any) -> None:
        self.spread.add(node.name.value)
        self._add_directives(node, "FRAGMENT_SPREAD")

    def enter_inline_fragment(self, node: InlineFragmentNode, *_: Any) -> None:
        self._add_directives(node, "INLINE_FRAGMENT")

    def _add_directives(self, node: Any, location: str) -> None:
        for directive in node.directives or ():
            for argument in directive.arguments or ():
                kind = VALUE_KINDS[isinstance(argument.value, VariableNode)]
                name = directive.name.value
                self.operation.targets.add(f"@{name} by a {kind} on {LOCATION_LABELS[location]}")
