"""Random GraphQL queries, and the data expected for them, computed from REST responses."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, repeat
from random import Random
from typing import Any
from urllib.parse import quote

from support.edge_case_data import DENIED_ACTIONS, DESIGNATIONS, FLOW_COUNT, KEYS, ROWS, flow_uuid
from support.graphql_from_rest import FIELDS, PAGINATION, graphql_value
from support.reference.requests import ORDERING_NAMES, TYPICAL_VALUES, UNUSUAL_VALUES

MOUNT = "/api/v3/flows/instances/"
FLOWS = ROWS["authentik_flows_flow"]
READERS = (
    "superuser",
    "model_role",
    "object_role",
    "object_role_by_group",
    "internal_service_account_object",
    "internal_service_account_none",
)
NOTHING = "no-flow-has-this"

# The limits of the API.
MAX_ALIASES = 30
MAX_DIRECTIVES = 50

Path = list[str | int]


@dataclass(frozen=True, slots=True)
class Node:
    """A selected field or fragment. `included` is False if its directive skips it."""

    head: str
    included: bool
    directive: str = ""
    key: str = ""
    name: str = ""
    fragment: str = ""
    children: tuple["Node", ...] = ()

    def __str__(self) -> str:
        return f"{self.head}{self.directive}{_render_block(self.children)}"


@dataclass(frozen=True, slots=True)
class Root:
    """A root field with the target of the equivalent REST request; None if nothing can match."""

    node: Node
    target: str | None
    is_invalid: bool


@dataclass(frozen=True, slots=True)
class Query:
    """An operation, the token key of its viewer, and its root fields."""

    text: str
    variables: Mapping[str, Any]
    key: str
    roots: Sequence[Root]
    fragments: Mapping[str, tuple[Node, ...]]


@dataclass(slots=True)
class Expectation:
    """Data, and the paths of unknown enum values and of invalid root fields."""

    data: dict[str, Any] = field(default_factory=dict[str, Any])
    unknown_paths: list[Path] = field(default_factory=list[Path])
    invalid_paths: list[Path] = field(default_factory=list[Path])


def build_expectation(query: Query, get: Callable[[str], Any]) -> Expectation:
    """Return the data and errors of a query.

    `get` returns the JSON of the REST response to a target, or None if it is 404.
    """
    expectation = Expectation()
    for root in query.roots:
        key, source = root.node.key, root.target and get(root.target)
        is_invalid = root.is_invalid or (root.node.name == "flows" and source is None)
        if is_invalid:
            expectation.invalid_paths.append([key])
        if is_invalid or source is None:
            expectation.data[key] = None
        else:
            evaluation = _Evaluation(query.fragments, expectation.unknown_paths)
            type_ = "FlowPage" if root.node.name == "flows" else "Flow"
            expectation.data[key] = evaluation.complete(type_, source, root.node.children, [key])
    return expectation


@dataclass(frozen=True, slots=True)
class _Evaluation:
    """GraphQL execution on REST responses. Appends the paths of unknown values."""

    fragments: Mapping[str, tuple[Node, ...]]
    unknown_paths: list[Path]

    def complete(self, type_: str, source: Any, nodes: Iterable[Node], path: Path) -> Any:
        data: dict[str, Any] = {}
        for key, fields in self._collect_fields(nodes, set()).items():
            children = [child for node in fields for child in node.children]
            data[key] = self._complete_field(type_, source, fields[0].name, children, [*path, key])
        return data

    def _collect_fields(self, nodes: Iterable[Node], visited: set[str]) -> dict[str, list[Node]]:
        groups: dict[str, list[Node]] = {}
        for node in nodes:
            if not node.included or node.fragment in visited:
                continue
            if node.name:
                groups.setdefault(node.key, []).append(node)
                continue
            if node.fragment:
                visited.add(node.fragment)
            children = self.fragments[node.fragment] if node.fragment else node.children
            for key, fields in self._collect_fields(children, visited).items():
                groups.setdefault(key, []).extend(fields)
        return groups

    def _complete_field(
        self, type_: str, source: Any, name: str, children: list[Node], path: Path
    ) -> Any:
        if name == "__typename":
            return type_
        if type_ == "Flow":
            field_value = graphql_value(name, source)
            if field_value is None:
                self.unknown_paths.append(path)
            return field_value
        if type_ == "Pagination":
            return source[PAGINATION[name]]
        if name == "pagination":
            return self.complete("Pagination", source["pagination"], children, path)
        flows = enumerate(source["results"])
        return [self.complete("Flow", flow, children, [*path, number]) for number, flow in flows]


def random_queries(seed: int, count: int) -> Iterator[Query]:
    """Yield `count` queries. Equal seeds yield equal queries."""
    chance = Random(seed)
    queries = (_QueryGenerator(chance).generate() for _ in repeat(None))
    yield from islice(filter(_is_within_limits, queries), count)


def _is_within_limits(query: Query) -> bool:
    aliases = directives = 0
    pending = [root.node for root in query.roots]
    while pending:
        node = pending.pop()
        aliases += node.key != node.name
        directives += bool(node.directive)
        pending += query.fragments.get(node.fragment, node.children)
    return aliases <= MAX_ALIASES and directives <= MAX_DIRECTIVES


class _QueryGenerator:
    """Generator of one query. Collects the variables and fragments of its selections."""

    def __init__(self, chance: Random) -> None:
        self.chance = chance
        self.declared: list[str] = []
        self.variables: dict[str, Any] = {}
        self.fragments: dict[str, tuple[Node, ...]] = {}
        self.definitions: list[str] = []

    def generate(self) -> Query:
        count = self.chance.choice((1, 1, 2, 3))
        roots = [self._generate_root(number, aliased=count > 1) for number in range(count)]
        declared = f"({', '.join(self.declared)})" if self.declared else ""
        name = f"query {self.chance.choice(('', 'Q'))}{declared} "
        operation = name + _render_block(tuple(root.node for root in roots))
        document = [operation, *self.definitions]
        self.chance.shuffle(document)
        key = KEYS[self.chance.choice(READERS)]
        return Query("\n".join(document), self.variables, key, roots, self.fragments)

    # Selections -----------------------------------------------------------------------------------

    def _generate_root(self, number: int, *, aliased: bool) -> Root:
        if self.chance.random() < 0.15:
            return self._generate_flow(f"flow{number}")
        arguments = _Arguments(self)
        head = "flows" + arguments.render()
        key = f"flows{number}" if aliased or self.chance.random() < 0.3 else "flows"
        head = head if key == "flows" else f"{key}: {head}"
        nodes = self._select_page()
        return Root(
            Node(head, included=True, key=key, name="flows", children=nodes),
            arguments.rest_target(),
            arguments.is_invalid,
        )

    def _generate_flow(self, key: str) -> Root:
        slug = self.chance.choice((NOTHING, "", "a b", str(self.chance.choice(FLOWS)["slug"])))
        head = f"{key}: flow(slug: {self.render_value('String!', slug, json.dumps(slug))})"
        node = Node(
            head, included=True, key=key, name="flow", children=self._select_fields(FIELDS, "Flow")
        )
        exists = slug not in ("", "a b")
        return Root(node, f"{MOUNT}{slug}/" if exists else None, is_invalid=False)

    def _select_page(self) -> tuple[Node, ...]:
        select = {
            "pagination": lambda: self._select_fields(PAGINATION, "Pagination"),
            "results": lambda: self._select_fields(FIELDS, "Flow"),
        }
        names = self.chance.choice((["results"], ["pagination"], ["pagination", "results"] * 2))
        self.chance.shuffle(names)
        nodes = tuple(self._select_field(name, select[name]()) for name in names)
        return self._wrap(nodes, "FlowPage")

    def _select_fields(self, names: Iterable[str], type_: str) -> tuple[Node, ...]:
        chosen = self.chance.choices([*names, "__typename"], k=self.chance.choice((1, 2, 5, 16)))
        return self._wrap(tuple(self._select_field(name) for name in chosen), type_)

    def _select_field(self, name: str, children: tuple[Node, ...] = ()) -> Node:
        # A response key always belongs to the same field, so all selections can be merged.
        key = self.chance.choice((name, name, f"{name}Again", f"a_{name.strip('_')}"))
        head = name if key == name else f"{key}: {name}"
        directive, included = self._generate_directive()
        return Node(head, included, directive, key, name, children=children)

    def _wrap(self, nodes: tuple[Node, ...], type_: str) -> tuple[Node, ...]:
        """Move some of the nodes into fragments, which may be nested."""
        if self.chance.random() < 0.5:
            return self._ensure_field(nodes)
        middle = self.chance.randrange(len(nodes))
        inner = self._wrap(nodes[middle:], type_)
        directive, included = self._generate_directive()
        if self.chance.random() < 0.5:
            head = self.chance.choice(("...", f"... on {type_}"))
            wrap = Node(head, included, directive, children=inner)
            return self._ensure_field((*nodes[:middle], wrap))
        name = f"F{len(self.fragments)}"
        self.fragments[name] = inner
        self.definitions.append(f"fragment {name} on {type_} {_render_block(inner)}")
        spread = Node(f"...{name}", included, directive, fragment=name)
        again = (Node(f"...{name}", included=True, fragment=name),)
        return self._ensure_field((*nodes[:middle], spread, *again * self.chance.randrange(2)))

    def _ensure_field(self, nodes: tuple[Node, ...]) -> tuple[Node, ...]:
        # If all nodes are skipped, the object has no fields.
        return (
            nodes
            if any(node.included for node in nodes)
            else (*nodes, self._select_field("__typename"))
        )

    def _generate_directive(self) -> tuple[str, bool]:
        if self.chance.random() < 0.75:
            return "", True
        name = self.chance.choice(("skip", "include"))
        condition = self.chance.random() < 0.5
        argument = self.render_value("Boolean!", condition, json.dumps(condition))
        return f" @{name}(if: {argument})", condition == (name == "include")

    # Values ---------------------------------------------------------------------------------------

    def render_value(self, type_: str, value: Any, literal: str) -> str:
        """Return the literal, or a variable whose value or default is this value."""
        chance = self.chance.random()
        if chance < 0.6:
            return literal
        name = f"v{len(self.declared)}"
        if chance < 0.8:
            self.declared.append(f"${name}: {type_}")
            self.variables[name] = value
        elif chance < 0.9:
            self.declared.append(f"${name}: {type_} = {literal}")
        else:
            other = {"Boolean!": "false", "Int!": "1", "String!": '""'}.get(type_, "null")
            self.declared.append(f"${name}: {type_} = {other}")
            self.variables[name] = value
        return f"${name}"

    def declare_unset(self, type_: str) -> str:
        """Declare a variable without a value, so its argument counts as omitted."""
        name = f"v{len(self.declared)}"
        self.declared.append(f"${name}: {type_}")
        return f"${name}"


class _Arguments:
    """Random arguments of `flows`, and the equivalent REST parameters."""

    def __init__(self, generator: _QueryGenerator) -> None:
        self.generator = generator
        self.chance = generator.chance
        self.parameters: dict[str, str] = {}
        self.is_invalid = False

    def render(self) -> str:
        filters = ("designation", "search", "deniedAction", "name", "slug", "pk")
        names = [name for name in filters if self.chance.random() < 0.15]
        names += [name for name in ("ordering", "page") if self.chance.random() < 0.4]
        names += ["pageSize"] if self.chance.random() < 0.8 else []
        self.chance.shuffle(names)
        parts = [f"{name}: {self._generate_argument(name, *ARGUMENTS[name])}" for name in names]
        return f"({', '.join(parts)})" if parts else ""

    def rest_target(self) -> str:
        pairs = (f"{name}={quote(value)}" for name, value in self.parameters.items())
        return f"{MOUNT}?{'&'.join(pairs)}"

    def _generate_argument(self, name: str, type_: str, generate: "GenerateArgument") -> str:
        chance = self.chance.random()
        if chance < 0.1:
            return self.generator.declare_unset(type_.rstrip("!"))
        if chance < 0.2 and not type_.endswith("!"):
            return self.generator.render_value(type_, None, "null")
        value, literal, parameters = generate(self.chance)
        self.parameters |= parameters
        self.is_invalid |= name == "pageSize" and not 1 <= value <= 100
        return self.generator.render_value(type_, value, literal)


# A JSON value, the equivalent literal, and the equivalent REST parameters.
Argument = tuple[Any, str, dict[str, str]]
GenerateArgument = Callable[[Random], Argument]


def _enum_argument(parameter: str, choices: Sequence[str]) -> GenerateArgument:
    def generate(chance: Random) -> Argument:
        choice = chance.choice(choices)
        return choice.upper(), choice.upper(), {parameter: choice}

    return generate


def _generate_search(chance: Random) -> Argument:
    text = chance.choice((TYPICAL_VALUES, UNUSUAL_VALUES))["search"](chance)
    return text, json.dumps(text, ensure_ascii=chance.random() < 0.5), {"search": text}


def _stored_argument(column: str) -> GenerateArgument:
    def generate(chance: Random) -> Argument:
        # REST strips values and ignores empty filters.
        text = str(chance.choice(FLOWS)[column]).strip()
        text = chance.choice((*[text] * 8, text.swapcase(), ""))
        return text, json.dumps(text), {column: text or NOTHING}

    return generate


def _generate_ordering(chance: Random) -> Argument:
    names = chance.choices(ORDERING_NAMES, k=chance.choice((0, 1, 1, 2, 3)))
    terms = [(name, chance.choice(("ASC", "DESC"))) for name in names]
    value = [f"{name.upper()}_{direction}" for name, direction in terms]
    literal = value[0] if len(value) == 1 and chance.random() < 0.3 else f"[{' '.join(value)}]"
    ordering = ",".join(f"{'-' * (direction == 'DESC')}{name}" for name, direction in terms)
    return value, literal, {"ordering": ordering}


def _number_argument(parameter: str, numbers: Sequence[int]) -> GenerateArgument:
    def generate(chance: Random) -> Argument:
        number = chance.choice(numbers)
        return number, str(number), {parameter: str(number)}

    return generate


def _generate_pk(chance: Random) -> Argument:
    pk = flow_uuid(chance.randrange(FLOW_COUNT + 1))
    spelling = chance.choice((pk, pk.upper(), pk.replace("-", ""), f"{{{pk}}}"))
    return spelling, json.dumps(spelling), {"flow_uuid": pk}


ARGUMENTS: Mapping[str, tuple[str, GenerateArgument]] = {
    "designation": ("FlowDesignation", _enum_argument("designation", DESIGNATIONS)),
    "search": ("String", _generate_search),
    "ordering": ("[FlowOrdering!]", _generate_ordering),
    "page": ("Int!", _number_argument("page", (*[1] * 12, *[2] * 5, 3, 0, 2**31 - 1))),
    "pageSize": (
        "Int!",
        _number_argument("page_size", (*[1, 2, 3, 4, 5, 6, 7] * 4, 50, 100, 0, 101)),
    ),
    "deniedAction": ("FlowDeniedAction", _enum_argument("denied_action", DENIED_ACTIONS)),
    "name": ("String", _stored_argument("name")),
    "slug": ("String", _stored_argument("slug")),
    "pk": ("UUID", _generate_pk),
}


def _render_block(nodes: Sequence[Node]) -> str:
    return f" {{{' '.join(map(str, nodes))}}}" if nodes else ""
