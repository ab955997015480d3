"""GraphQL queries of every shape, each with what it must say, given what REST says."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, repeat
from random import Random
from typing import Any
from urllib.parse import quote

from support.edge_case_data import DENIED_ACTIONS, DESIGNATIONS, FLOW_COUNT, KEYS, ROWS, flow_uuid
from support.graph import FIELDS, PAGINATION, value
from support.reference.requests import GOOD, ODD, ORDERABLE

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

MOST_ALIASES = 30
MOST_DIRECTIVES = 50

Path = list[str | int]


@dataclass(frozen=True, slots=True)
class Node:
    """A selected field, or a fragment in its place; what is skipped says so in its directive."""

    head: str
    included: bool
    directive: str = ""
    key: str = ""
    name: str = ""
    fragment: str = ""
    children: tuple["Node", ...] = ()

    def __str__(self) -> str:
        """The node in GraphQL's language."""
        return f"{self.head}{self.directive}{_block(self.children)}"


@dataclass(frozen=True, slots=True)
class Root:
    """A root field, and the REST request that it stands for; None where nothing can be found."""

    node: Node
    target: str | None
    is_bad: bool


@dataclass(frozen=True, slots=True)
class Query:
    """An operation, who asks it, and its roots."""

    text: str
    variables: Mapping[str, Any]
    key: str
    roots: Sequence[Root]
    fragments: Mapping[str, tuple[Node, ...]]


@dataclass(slots=True)
class Expectation:
    """Data, and the paths of its nulls; `bad` are the roots that cannot be answered."""

    data: dict[str, Any] = field(default_factory=dict[str, Any])
    unknown: list[Path] = field(default_factory=list[Path])
    bad: set[str] = field(default_factory=set[str])


def expected(query: Query, ask: Callable[[str], Any]) -> Expectation:
    """What a query must say; `ask` gives REST's JSON for a target, None for its 404."""
    expectation = Expectation()
    for root in query.roots:
        key, asked = root.node.key, root.target and ask(root.target)
        if root.is_bad or (root.node.name == "flows" and asked is None):
            expectation.bad.add(key)
        elif asked is None:
            expectation.data[key] = None
        else:
            evaluation = _Evaluation(query.fragments, expectation.unknown)
            kind = "FlowPage" if root.node.name == "flows" else "Flow"
            expectation.data[key] = evaluation.told(kind, asked, root.node.children, [key])
    return expectation


@dataclass(frozen=True, slots=True)
class _Evaluation:
    fragments: Mapping[str, tuple[Node, ...]]
    unknown: list[Path]

    def told(self, kind: str, source: Any, nodes: Iterable[Node], path: Path) -> Any:
        told: dict[str, Any] = {}
        for key, same in self._collected(nodes, set()).items():
            below = [child for node in same for child in node.children]
            told[key] = self._field(kind, source, same[0].name, below, [*path, key])
        return told

    def _collected(self, nodes: Iterable[Node], opened: set[str]) -> dict[str, list[Node]]:
        found: dict[str, list[Node]] = {}
        for node in nodes:
            if not node.included or node.fragment in opened:
                continue
            if node.name:
                found.setdefault(node.key, []).append(node)
                continue
            if node.fragment:
                opened.add(node.fragment)
            inside = self.fragments[node.fragment] if node.fragment else node.children
            for key, same in self._collected(inside, opened).items():
                found.setdefault(key, []).extend(same)
        return found

    def _field(self, kind: str, source: Any, name: str, below: list[Node], path: Path) -> Any:
        if name == "__typename":
            return kind
        if kind == "Flow":
            answer = value(name, source)
            if answer is None:
                self.unknown.append(path)
            return answer
        if kind == "Pagination":
            return source[PAGINATION[name]]
        if name == "pagination":
            return self.told("Pagination", source["pagination"], below, path)
        flows = enumerate(source["results"])
        return [self.told("Flow", flow, below, [*path, number]) for number, flow in flows]


def random_queries(seed: int, count: int) -> Iterator[Query]:
    """Yield `count` queries, the same for the same seed."""
    chance = Random(seed)
    made = (_Maker(chance).query() for _ in repeat(None))
    yield from islice(filter(_is_allowed, made), count)


def _is_allowed(query: Query) -> bool:
    """Whether a query has no more aliases and directives, fragments opened, than anybody may ask."""
    aliases = directives = 0
    pending = [root.node for root in query.roots]
    while pending:
        node = pending.pop()
        aliases += node.key != node.name
        directives += bool(node.directive)
        pending += query.fragments.get(node.fragment, node.children)
    return aliases <= MOST_ALIASES and directives <= MOST_DIRECTIVES


class _Maker:
    """Makes one query; what it declares on the way comes out at the end."""

    def __init__(self, chance: Random) -> None:
        self.chance = chance
        self.declared: list[str] = []
        self.variables: dict[str, Any] = {}
        self.fragments: dict[str, tuple[Node, ...]] = {}
        self.definitions: list[str] = []

    def query(self) -> Query:
        count = self.chance.choice((1, 1, 2, 3))
        roots = [self._root(number, aliased=count > 1) for number in range(count)]
        declared = f"({', '.join(self.declared)})" if self.declared else ""
        name = f"query {self.chance.choice(('', 'Q'))}{declared} "
        operation = name + _block(tuple(root.node for root in roots))
        document = [operation, *self.definitions]
        self.chance.shuffle(document)
        key = KEYS[self.chance.choice(READERS)]
        return Query("\n".join(document), self.variables, key, roots, self.fragments)

    # Selections -----------------------------------------------------------------------------------

    def _root(self, number: int, *, aliased: bool) -> Root:
        if self.chance.random() < 0.15:
            return self._flow(f"flow{number}")
        arguments = _Arguments(self)
        head = "flows" + arguments.text()
        key = f"flows{number}" if aliased or self.chance.random() < 0.3 else "flows"
        head = head if key == "flows" else f"{key}: {head}"
        nodes = self._page()
        return Root(
            Node(head, included=True, key=key, name="flows", children=nodes),
            arguments.target(),
            arguments.is_bad,
        )

    def _flow(self, key: str) -> Root:
        slug = self.chance.choice((NOTHING, "", "a b", str(self.chance.choice(FLOWS)["slug"])))
        head = f"{key}: flow(slug: {self.given('String!', slug, json.dumps(slug))})"
        node = Node(head, included=True, key=key, name="flow", children=self._some(FIELDS, "Flow"))
        exists = slug not in ("", "a b")
        return Root(node, f"{MOUNT}{slug}/" if exists else None, is_bad=False)

    def _page(self) -> tuple[Node, ...]:
        make = {
            "pagination": lambda: self._some(PAGINATION, "Pagination"),
            "results": lambda: self._some(FIELDS, "Flow"),
        }
        wanted = self.chance.choice((["results"], ["pagination"], ["pagination", "results"] * 2))
        self.chance.shuffle(wanted)
        nodes = tuple(self._field(name, make[name]()) for name in wanted)
        return self._wrapped(nodes, "FlowPage")

    def _some(self, names: Iterable[str], kind: str) -> tuple[Node, ...]:
        known = [*names, "__typename"]
        chosen = self.chance.choices(known, k=self.chance.choice((1, 2, 5, 16)))
        return self._wrapped(tuple(self._field(name) for name in chosen), kind)

    def _field(self, name: str, children: tuple[Node, ...] = ()) -> Node:
        # The same key is always the same field, so that all selections can be merged.
        key = self.chance.choice((name, name, f"{name}Again", f"a_{name.strip('_')}"))
        head = name if key == name else f"{key}: {name}"
        directive, included = self._directive()
        return Node(head, included, directive, key, name, children=children)

    def _wrapped(self, nodes: tuple[Node, ...], kind: str) -> tuple[Node, ...]:
        """The nodes, some of them in fragments, some of those in fragments."""
        if self.chance.random() < 0.5:
            return self._kept(nodes)
        middle = self.chance.randrange(len(nodes))
        inner = self._wrapped(nodes[middle:], kind)
        directive, included = self._directive()
        if self.chance.random() < 0.5:
            head = self.chance.choice(("...", f"... on {kind}"))
            wrap = Node(head, included, directive, children=inner)
            return self._kept((*nodes[:middle], wrap))
        name = f"F{len(self.fragments)}"
        self.fragments[name] = inner
        self.definitions.append(f"fragment {name} on {kind} {_block(inner)}")
        spread = Node(f"...{name}", included, directive, fragment=name)
        again = (Node(f"...{name}", included=True, fragment=name),)
        return self._kept((*nodes[:middle], spread, *again * self.chance.randrange(2)))

    def _kept(self, nodes: tuple[Node, ...]) -> tuple[Node, ...]:
        # An object of which nothing is selected would tell nothing.
        return (
            nodes if any(node.included for node in nodes) else (*nodes, self._field("__typename"))
        )

    def _directive(self) -> tuple[str, bool]:
        if self.chance.random() < 0.75:
            return "", True
        name = self.chance.choice(("skip", "include"))
        condition = self.chance.random() < 0.5
        given = self.given("Boolean!", condition, json.dumps(condition))
        return f" @{name}(if: {given})", condition == (name == "include")

    # Values ---------------------------------------------------------------------------------------

    def given(self, kind: str, value: Any, literal: str) -> str:
        """A literal, or a variable that has this value, given or by default."""
        way = self.chance.random()
        if way < 0.6:
            return literal
        name = f"v{len(self.declared)}"
        if way < 0.8:
            self.declared.append(f"${name}: {kind}")
            self.variables[name] = value
        elif way < 0.9:
            self.declared.append(f"${name}: {kind} = {literal}")
        else:
            other = {"Boolean!": "false", "Int!": "1", "String!": '""'}.get(kind, "null")
            self.declared.append(f"${name}: {kind} = {other}")
            self.variables[name] = value
        return f"${name}"

    def unset(self, kind: str) -> str:
        """A variable without a value, which is as if its argument were not there."""
        name = f"v{len(self.declared)}"
        self.declared.append(f"${name}: {kind}")
        return f"${name}"


class _Arguments:
    """The arguments of one `flows`, and what they are to REST."""

    def __init__(self, maker: _Maker) -> None:
        self.maker = maker
        self.chance = maker.chance
        self.parameters: dict[str, str] = {}
        self.is_bad = False

    def text(self) -> str:
        makers = dict(ARGUMENTS)
        narrow = ("designation", "search", "deniedAction", "name", "slug", "pk")
        names = [name for name in narrow if self.chance.random() < 0.15]
        names += [name for name in ("ordering", "page") if self.chance.random() < 0.4]
        names += ["pageSize"] if self.chance.random() < 0.8 else []
        self.chance.shuffle(names)
        parts = [f"{name}: {self._argument(name, *makers[name])}" for name in names]
        return f"({', '.join(parts)})" if parts else ""

    def target(self) -> str:
        pairs = (f"{name}={quote(value)}" for name, value in self.parameters.items())
        return f"{MOUNT}?{'&'.join(pairs)}"

    def _argument(self, name: str, kind: str, make: "Make") -> str:
        way = self.chance.random()
        if way < 0.1:
            return self.maker.unset(kind.rstrip("!"))
        if way < 0.2 and not kind.endswith("!"):
            return self.maker.given(kind, None, "null")
        value, literal, parameters = make(self.chance)
        self.parameters |= parameters
        self.is_bad |= name == "pageSize" and not 1 <= value <= 100
        return self.maker.given(kind, value, literal)


Made = tuple[Any, str, dict[str, str]]
Make = Callable[[Random], Made]


def _enum(parameter: str, choices: Sequence[str]) -> Make:
    def make(chance: Random) -> Made:
        choice = chance.choice(choices)
        return choice.upper(), choice.upper(), {parameter: choice}

    return make


def _search(chance: Random) -> Made:
    text = chance.choice((GOOD, ODD))["search"](chance)
    return text, json.dumps(text, ensure_ascii=chance.random() < 0.5), {"search": text}


def _stored(column: str) -> Make:
    def make(chance: Random) -> Made:
        # REST trims, and takes what is empty for no filter.
        text = str(chance.choice(FLOWS)[column]).strip()
        text = chance.choice((*[text] * 8, text.swapcase(), ""))
        return text, json.dumps(text), {column: text or NOTHING}

    return make


def _ordering(chance: Random) -> Made:
    names = chance.choices(ORDERABLE, k=chance.choice((0, 1, 1, 2, 3)))
    terms = [(name, chance.choice(("ASC", "DESC"))) for name in names]
    value = [f"{name.upper()}_{way}" for name, way in terms]
    literal = value[0] if len(value) == 1 and chance.random() < 0.3 else f"[{' '.join(value)}]"
    ordering = ",".join(f"{'-' * (way == 'DESC')}{name}" for name, way in terms)
    return value, literal, {"ordering": ordering}


def _number(parameter: str, numbers: Sequence[int]) -> Make:
    def make(chance: Random) -> Made:
        number = chance.choice(numbers)
        return number, str(number), {parameter: str(number)}

    return make


def _pk(chance: Random) -> Made:
    pk = flow_uuid(chance.randrange(FLOW_COUNT + 1))
    spelling = chance.choice((pk, pk.upper(), pk.replace("-", ""), f"{{{pk}}}"))
    return spelling, json.dumps(spelling), {"flow_uuid": pk}


ARGUMENTS: Mapping[str, tuple[str, Make]] = {
    "designation": ("FlowDesignation", _enum("designation", DESIGNATIONS)),
    "search": ("String", _search),
    "ordering": ("[FlowOrdering!]", _ordering),
    "page": ("Int!", _number("page", (*[1] * 12, *[2] * 5, 3, 0, 2**31 - 1))),
    "pageSize": ("Int!", _number("page_size", (*[1, 2, 3, 4, 5, 6, 7] * 4, 50, 100, 0, 101))),
    "deniedAction": ("FlowDeniedAction", _enum("denied_action", DENIED_ACTIONS)),
    "name": ("String", _stored("name")),
    "slug": ("String", _stored("slug")),
    "pk": ("UUID", _pk),
}


def _block(nodes: Sequence[Node]) -> str:
    return f" {{{' '.join(map(str, nodes))}}}" if nodes else ""
