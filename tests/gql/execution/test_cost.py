"""The cost of operations, compared with naive counting."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import pytest
from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    parse,
)
from hypothesis import given
from hypothesis import strategies as st

from gql import schema
from gql.execution.cost import Cost, CostAnalyzer
from gql.execution.graphql_core import core_schema
from support.limits_schema import GRAPH, WIDE, assert_rejected, execute, is_successful

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
    # Unknown fields and types have a cost too.
    ("{unknown {branches {name}}}", 3),
    ("{...A} fragment A on Unknown {branches {name}}", 2),
    ("{...A} fragment A on Query {tree {branches {name}} ...A}", 2 + 10),
    ("mutation {tree {name}}", 2),
]


@pytest.mark.parametrize(("text", "cost"), COSTS)
def test_cost(text: str, cost: int) -> None:
    """A field costs 1 times the size of each list above it."""
    result = execute(text, limits=replace(WIDE, cost=cost))
    assert "cost" not in str(result.errors)
    expected = f"The operation has a cost of {cost}: the limit is {cost - 1}."
    if cost > 1:
        assert_rejected(text, replace(WIDE, cost=cost - 1), expected)


def test_cost_of_a_diagram() -> None:
    """A diagram costs as much as its stage bindings with their policy bindings.

    The fields of a graph come on top.
    """
    costs = [
        CostAnalyzer(core_schema(schema.build_schema()), {}).analyze(operation).cost
        for selected in (
            "diagram",
            "stageBindings { policyBindings { pk } }",
            "diagramGraph { nodes { id label } edges { label } }",
        )
        for operation in parse(
            f"{{ flows(pageSize: 7) {{ results {{ {selected} }} }} }}"
        ).definitions
        if isinstance(operation, OperationDefinitionNode)
    ]
    assert [(cost.cost, cost.depth) for cost in costs] == [
        (2 + 7 * 111, 3),
        (2 + 7 * 111, 5),
        (2 + 7 * (111 + 21 + 11), 5),
    ]


@pytest.mark.parametrize(
    ("text", "values", "cost"),
    [
        ("{nodes(ids: []) {id}}", {}, 1 + 1),
        ('{nodes(ids: "a") {id}}', {}, 1 + 1),
        ("{nodes(ids: 5) {id}}", {}, 1 + 1),
        ('{nodes(ids: ["a", "a", "b"]) {id ... on Flow {stageBindings {pk}}}}', {}, 1 + 3 * 12),
        ("query ($i: ID!) {nodes(ids: [$i, $i]) {id}}", {"i": "a"}, 1 + 2),
        ("query ($i: [ID!]!) {nodes(ids: $i) {id}}", {"i": ["a"] * 7}, 1 + 7),
        ("query ($i: [ID!]!) {nodes(ids: $i) {id}}", {"i": ["a"] * 700}, 1 + 100),
        ("query ($i: [ID!]!) {nodes(ids: $i) {id}}", {}, 1 + 20),
    ],
)
def test_cost_of_nodes(text: str, values: Mapping[str, Any], cost: int) -> None:
    """The number of IDs, up to the maximum, multiplies the fields of nodes."""
    analyzer = CostAnalyzer(core_schema(schema.build_schema()), {}, values)
    [operation] = parse(text).definitions
    analysis = analyzer.analyze(cast(OperationDefinitionNode, operation))
    assert (analysis.cost.cost, analysis.invalid_argument) == (cost, None)
    assert analysis.cost_variables == ({"i"} if "ids: $i" in text else set())


def test_cost_of_other_operations() -> None:
    """Every operation of a document must be within the limits."""
    expected = "The operation has a cost of 12: the limit is 11."
    text = "query A {tree {branches {name}}} query B {find}"
    assert_rejected(text, replace(WIDE, cost=11), expected)


def test_introspection_cost() -> None:
    """Introspection has its own limit, whatever the cost; a list counts as 10 items."""
    text = "{__schema {types {fields {name}}} find}"
    cost = 1 + 1 + 10 * (1 + 10)
    assert is_successful(execute(text, limits=replace(WIDE, cost=1, introspection_cost=cost)))
    expected = f"The operation has an introspection cost of {cost}: the limit is {cost - 1}."
    assert_rejected(text, replace(WIDE, introspection_cost=cost - 1), expected)


def test_introspection_depth() -> None:
    """Introspection has no limit of depth."""
    limits = replace(WIDE, depth=2)
    assert is_successful(
        execute("{__schema {types {fields {type {name}}}} tree {name}}", limits=limits)
    )
    assert is_successful(execute('{__type(name: "Tree") {fields {type {name}}}}', limits=limits))


LEAVES: Mapping[str, Sequence[str]] = {
    "Query": ("find", "__typename", "find(where: {both: [{}]})"),
    "Tree": ("name", "__typename"),
    "Connection": ("total",),
    "Edge": ("__typename",),
}
# The fields that return objects. Each has a type and one of these:
# - "": the field is not a list.
# - "own": the field is a list, and its argument is the size.
# - "lists": the argument is the size of the lists below the field.
# - "none": the field is a list without a size.
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
FRAGMENTS_PER_TYPE = 3


@st.composite
def selections(draw: st.DrawFn, kind: str, number: int, levels: int = 3) -> str:
    """Draw a selection set on a type; it may spread fragments from a number on."""
    selected: list[str] = []
    for _ in range(draw(st.integers(1, 3))):
        form = draw(st.sampled_from(("leaf", "object", "inline", "spread"))) if levels else "leaf"
        directive = draw(st.sampled_from(("", "", "@skip(if: false)")))
        if form == "spread" and number < FRAGMENTS_PER_TYPE:
            after = draw(st.integers(number, FRAGMENTS_PER_TYPE - 1))
            selected.append(f"...F{after}{kind} {directive}")
        elif form == "inline":
            inside = draw(selections(kind, number, levels - 1))
            selected.append(f"... on {kind} {directive} {inside}")
        elif form == "object":
            field = draw(st.sampled_from(sorted(OBJECTS[kind])))
            below = draw(selections(OBJECTS[kind][field][0], number, levels - 1))
            alias = draw(st.sampled_from(("", "a: ")))
            selected.append(f"{alias}{field} {directive} {below}")
        else:
            selected.append(draw(st.sampled_from(LEAVES[kind])) + directive)
    return "{" + " ".join(selected) + "}"


@st.composite
def random_documents(draw: st.DrawFn) -> str:
    """Draw a document with fragments on each type."""
    fragments = [
        f"fragment F{number}{kind} on {kind} {draw(selections(kind, number + 1, 1))}"
        for number in range(FRAGMENTS_PER_TYPE)
        for kind in KINDS
    ]
    return " ".join([draw(selections("Query", 0)), *fragments])


class NaiveCounter:
    """Counts fields, and expands every fragment at each spread."""

    def __init__(self, document: DocumentNode) -> None:
        self.fragments = {
            node.name.value: node
            for node in document.definitions
            if isinstance(node, FragmentDefinitionNode)
        }
        self.counts = dict.fromkeys(("fields", "depth", "aliases", "directives", "cost"), 0)

    def count(self, node: Any, kind: str, around: tuple[int, ...], size: int | None) -> None:
        """Count the fields of a selection set inside lists of these sizes."""
        for selection in node.selection_set.selections:
            self.counts["directives"] += len(selection.directives or ())
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
        self.counts["cost"] += product
        self.counts["depth"] = max(self.counts["depth"], len(around) + 1)
        self.counts["fields"] += not around
        self.counts["aliases"] += node.alias is not None
        if node.selection_set:
            values = (int(cast(Any, argument.value).value) for argument in node.arguments or ())
            argument = next(values, 20)
            type_name, sized = next(
                entry
                for field, entry in OBJECTS[kind].items()
                if field.partition("(")[0] == node.name.value
            )
            items = {"": 1, "lists": 1, "own": argument, "none": size or 10}[sized]
            self.count(node, type_name, (*around, items), argument if sized == "lists" else None)


@given(random_documents())
def test_cost_equals_naive_counting(text: str) -> None:
    """Analyzing each fragment once gives the same counts as expanding every spread."""
    document = parse(text)
    [operation] = [
        node for node in document.definitions if isinstance(node, OperationDefinitionNode)
    ]
    counter = NaiveCounter(document)
    counter.count(operation, "Query", (), None)
    cost = CostAnalyzer(GRAPH, counter.fragments).analyze(operation).cost
    assert counter.counts == {name: getattr(cost, name) for name in counter.counts}
    assert cost.nesting == 2 * bool(cost.objects)
    assert isinstance(cost, Cost)
