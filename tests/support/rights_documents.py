"""GraphQL documents of tests of rights, with the data and errors expected for a viewer.

The text of a document is always the same, since only its variables are random: FlowQL compiles it
once.
"""

import json
import random
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from support.edge_case_data import identifier
from support.graphql_from_rest import EVERY_PAGINATION_FIELD
from support.rights_conditions import Where, is_permitted, matches, matches_component
from support.rights_content import FLOW_VALUES
from support.rights_data import CONTENT
from support.rights_model import View
from support.rights_objects import (
    FORBIDDEN,
    WHOLE_BINDINGS,
    WHOLE_COMPONENTS,
    WHOLE_FLOW,
    Graph,
    slug_of,
)
from support.rights_tables import (
    FLOWS,
    KEYS,
    POLICIES,
    POLICY_BINDINGS,
    STAGE_BINDINGS,
    STAGES,
    Row,
)
from support.stored_values import global_id

Expect = Callable[[View], object]

SLUGS = (*FLOW_VALUES, "unknown")
MISSING = identifier("rights", "missing")
PAGE_SIZE = 2
# The number of random keys for each field that looks up objects.
LOOKUPS_PER_FIELD = 2
# The types of variables by the first letter of their names.
VARIABLE_TYPES = {
    "s": "String!",
    "c": "String!",
    "w": "FlowWhere",
    "x": "StageWhere",
    "y": "PolicyWhere",
    "n": "ID!",
    "k": "UUID!",
}


class Root(NamedTuple):
    """A root field and its value for a viewer. The value may contain errors."""

    field: str
    expect: Expect


class Document(NamedTuple):
    """A document with the values of its variables, and its root fields by alias."""

    query: str
    variables: Mapping[str, object]
    roots: Mapping[str, Root]

    @property
    def body(self) -> bytes:
        """The body of the request."""
        return json.dumps({"query": self.query, "variables": self.variables}).encode()

    def expect(self, view: View) -> Mapping[str, object]:
        """Return the data for a viewer, with errors in place of the fields that have them."""
        return {alias: root.expect(view) for alias, root in self.roots.items()}


def build_lists_document(rng: random.Random, conditions: Sequence[Where]) -> Document:
    """Build the document of all lists of flows, with everything below the flows."""
    slug = rng.choice(SLUGS)
    roots = [
        *_page_roots(),
        Root("flow(slug: $s) { slug }", partial(_find_slug, slug)),
        Root(f"flowConnection {CONNECTION}", _all_flows),
        Root(f"flowConnection(first: 1, after: $c) {CONNECTION}", partial(_page_after, slug)),
        Root(f"flowConnection(last: 1, before: $c) {CONNECTION}", partial(_page_before, slug)),
    ]
    variables: dict[str, object] = {"s": slug, "c": _encode_cursor(slug)}
    for number, where in enumerate(conditions):
        variables[f"w{number}"] = where
        arguments = f"first: {PAGE_SIZE}, where: $w{number}"
        roots.append(Root(f"flowConnection({arguments}) {CONNECTION}", partial(_matching, where)))
    return _build_document(roots, (WHOLE_FLOW, WHOLE_BINDINGS), variables)


def build_lookups_document(rng: random.Random) -> Document:
    """Build the document that looks up random objects, some of which do not exist."""
    roots: list[Root] = []
    variables: dict[str, object] = {}
    nodes: dict[str, Expect] = {}
    for name, lookup in LOOKUPS.items():
        for number, pk in enumerate(rng.sample(lookup.keys, LOOKUPS_PER_FIELD)):
            variable, expect = f"{name}{number}", partial(lookup.find, pk)
            variables[variable] = lookup.encode(pk)
            roots.append(Root(lookup.field.format(f"${variable}"), expect))
            if VARIABLE_TYPES[name[0]] == "ID!":
                nodes[variable] = expect
    ids = ", ".join(f"${variable}" for variable in (*nodes, *nodes))
    expects = [*nodes.values(), *nodes.values()]
    roots.append(Root(f"nodes(ids: [{ids}]) {NODE.format()}", partial(_find_each, expects)))
    return _build_document(roots, (WHOLE_BINDINGS, WHOLE_COMPONENTS), variables)


def _find_each(expects: Sequence[Expect], view: View) -> object:
    return [expect(view) for expect in expects]


def build_components_document(
    rng: random.Random, stage_where: Where, policy_where: Where
) -> Document:
    """Build the document of the lists of stages and policies, with the flows that use them."""
    stage, policy = rng.choice(CONTENT[STAGES]), rng.choice(CONTENT[POLICIES])
    roots = [
        *_component_roots(STAGE_LIST, stage, stage_where),
        *_component_roots(POLICY_LIST, policy, policy_where),
    ]
    variables = {
        "cs": STAGE_LIST.encode_cursor(stage),
        "cp": POLICY_LIST.encode_cursor(policy),
        "xs": stage_where,
        "yp": policy_where,
    }
    return _build_document(roots, (WHOLE_COMPONENTS,), variables)


def _build_document(
    roots: Iterable[Root], fragments: Sequence[str], variables: Mapping[str, object]
) -> Document:
    by_alias = {f"f{number}": root for number, root in enumerate(roots)}
    fields = "\n".join(f"{alias}: {root.field}" for alias, root in by_alias.items())
    declarations = ", ".join(f"${name}: {VARIABLE_TYPES[name[0]]}" for name in variables)
    query = "\n".join((f"query ({declarations}) {{", fields, "}", *fragments))
    return Document(query, variables, by_alias)


# Pages of flows -----------------------------------------------------------------------------------


def _page_roots() -> Iterator[Root]:
    pagination = f"pagination {{ {EVERY_PAGINATION_FIELD} }}"
    yield Root(f"flows(pageSize: 100) {{ {pagination} results {{ ...WholeFlow }} }}", _whole_page)
    page = f"pageSize: {PAGE_SIZE}) {{ {pagination} results {{ slug }} }}"
    yield Root(f"flows(ordering: [NAME_DESC], {page}", _ordered_page)
    yield Root(f'flows(search: "welcome", {page}', _searched_page)


def _whole_page(view: View) -> object:
    return _page(list(map(Graph(view).flow, view.flows)), len(view.flows), 100)


def _ordered_page(view: View) -> object:
    return _slug_page(sorted(view.flows, key=lambda row: row["name"], reverse=True))


def _searched_page(view: View) -> object:
    return _slug_page([row for row in view.flows if row["name"] == "Welcome!"])


def _slug_page(flows: Sequence[Row]) -> object:
    return _page(list(map(slug_of, flows[:PAGE_SIZE])), len(flows), PAGE_SIZE)


def _page(results: Sequence[object], count: int, size: int) -> object:
    pages = max(1, -(-count // size))
    pagination = {
        "next": 2 if pages > 1 else 0,
        "previous": 0,
        "count": count,
        "current": 1,
        "totalPages": pages,
        "startIndex": 1 if count else 0,
        "endIndex": min(count, size),
    }
    return {"pagination": pagination, "results": results}


def _find_slug(slug: str, view: View) -> object:
    flow = view.find_flow(slug)
    return flow and slug_of(flow)


# Connections --------------------------------------------------------------------------------------

PAGE_INFO = "pageInfo { hasNextPage hasPreviousPage startCursor endCursor }"
CONNECTION = f"{{ totalCount nodes {{ slug }} edges {{ cursor node {{ slug }} }} {PAGE_INFO} }}"


class _Sides(NamedTuple):
    """The existence of flows on the sides of a page."""

    has_next: bool = False
    has_previous: bool = False


NO_SIDES = _Sides()


def _all_flows(view: View) -> object:
    return _connection(view.flows, view.flows)


def _encode_cursor(slug: str) -> str:
    return _encode([1, "slug", slug])


def _encode(content: Sequence[object]) -> str:
    return urlsafe_b64encode(json.dumps(content, separators=(",", ":")).encode()).decode()


def _page_after(slug: str, view: View) -> object:
    flows = [row for row in view.flows if row["slug"] > slug]
    sides = _Sides(has_next=len(flows) > 1, has_previous=len(flows) < len(view.flows))
    return _connection(view.flows, flows[:1], sides)


def _page_before(slug: str, view: View) -> object:
    flows = [row for row in view.flows if row["slug"] < slug]
    sides = _Sides(has_next=len(flows) < len(view.flows), has_previous=len(flows) > 1)
    return _connection(view.flows, flows[-1:], sides)


def _matching(where: Where, view: View) -> object:
    if not is_permitted(where, view):
        return FORBIDDEN
    flows = [row for row in view.flows if matches(where, view, row)]
    return _connection(flows, flows[:PAGE_SIZE], _Sides(has_next=len(flows) > PAGE_SIZE))


def _connection(flows: Sequence[Row], page: Sequence[Row], sides: _Sides = NO_SIDES) -> object:
    """Return a page of these flows, as CONNECTION selects it."""
    nodes = list(map(slug_of, page))
    edges = [{"cursor": _encode_cursor(node["slug"]), "node": node} for node in nodes]
    return _build_connection(len(flows), nodes, edges, sides)


def _build_connection(
    count: int, nodes: Sequence[object], edges: Sequence[Mapping[str, object]], sides: _Sides
) -> object:
    return {
        "totalCount": count,
        "nodes": nodes,
        "edges": edges,
        "pageInfo": {
            "hasNextPage": sides.has_next,
            "hasPreviousPage": sides.has_previous,
            "startCursor": edges[0]["cursor"] if edges else None,
            "endCursor": edges[-1]["cursor"] if edges else None,
        },
    }


# Lists of components ------------------------------------------------------------------------------


class ComponentList(NamedTuple):
    """A list of components: its field, and the names of its cursor and its condition."""

    field: str
    component: str
    cursor: str
    where: str
    find: Callable[[str, View], object]

    @property
    def selection(self) -> str:
        """The selection set of the connection."""
        nodes = f"nodes {{ ...Whole{self.component.title()} }}"
        return f"{{ totalCount {nodes} edges {{ cursor node {{ name }} }} {PAGE_INFO} }}"

    def encode_cursor(self, row: Row) -> str:
        """Return the cursor of a row."""
        return _encode([1, f"{self.component}:name,pk", row["name"], self.key_of(row)])

    def key_of(self, row: Row) -> str:
        """Return the primary key of a row."""
        return row[f"{self.component}_uuid"]

    def rows(self, view: View) -> Sequence[Row]:
        """Return the components in the list of a viewer, in order."""
        is_stage = self.component == "stage"
        rows = view.stages if is_stage else view.policies
        list_flows = view.list_flows_with_stage if is_stage else view.list_flows_with_policy
        used = [row for row in rows if list_flows(self.key_of(row))]
        return sorted(used, key=lambda row: row["name"])

    def connection(
        self, view: View, rows: Sequence[Row], page: Sequence[Row], sides: _Sides = NO_SIDES
    ) -> object:
        """Return a page of these rows, as `selection` selects it."""
        nodes = [self.find(self.key_of(row), view) for row in page]
        edges = [{"cursor": self.encode_cursor(row), "node": {"name": row["name"]}} for row in page]
        return _build_connection(len(rows), nodes, edges, sides)


def _component_roots(list_: ComponentList, row: Row, where: Where) -> Iterator[Root]:
    arguments = {
        "": _all_components,
        f"(first: 1, after: {list_.cursor})": partial(_components_after, row),
        f"(last: 1, before: {list_.cursor})": partial(_components_before, row),
        f"(first: {PAGE_SIZE}, where: {list_.where})": partial(_matching_components, where),
    }
    for text, expect in arguments.items():
        yield Root(f"{list_.field}{text} {list_.selection}", partial(_if_permitted, list_, expect))


def _if_permitted(
    list_: ComponentList, expect: Callable[[ComponentList, View], object], view: View
) -> object:
    is_permitted = view.rights.has_any(f"view_{list_.component}")
    return expect(list_, view) if is_permitted else FORBIDDEN


def _all_components(list_: ComponentList, view: View) -> object:
    rows = list_.rows(view)
    return list_.connection(view, rows, rows)


def _components_after(row: Row, list_: ComponentList, view: View) -> object:
    rows = list_.rows(view)
    after = [other for other in rows if other["name"] > row["name"]]
    sides = _Sides(has_next=len(after) > 1, has_previous=len(after) < len(rows))
    return list_.connection(view, rows, after[:1], sides)


def _components_before(row: Row, list_: ComponentList, view: View) -> object:
    rows = list_.rows(view)
    before = [other for other in rows if other["name"] < row["name"]]
    sides = _Sides(has_next=len(before) < len(rows), has_previous=len(before) > 1)
    return list_.connection(view, rows, before[-1:], sides)


def _matching_components(where: Where, list_: ComponentList, view: View) -> object:
    rows = [row for row in list_.rows(view) if matches_component(where, list_.component, view, row)]
    sides = _Sides(has_next=len(rows) > PAGE_SIZE)
    return list_.connection(view, rows, rows[:PAGE_SIZE], sides)


# Lookups ------------------------------------------------------------------------------------------


def _find_flow(pk: str, view: View) -> object:
    rows = (row for row in view.flows if row["flow_uuid"] == pk)
    return next(map(Graph(view).flow_with_bindings, rows), None)


def _find_stage_binding(pk: str, view: View) -> object:
    if not view.rights.has_any("view_flowstagebinding"):
        return FORBIDDEN
    rows = (row for row in view.stage_bindings if row["fsb_uuid"] == pk)
    return next(map(Graph(view).stage_binding, rows), None)


def _find_policy_binding(pk: str, view: View) -> object:
    if not view.rights.has_any("view_policybinding"):
        return FORBIDDEN
    rows = (row for row in view.policy_bindings if row["policy_binding_uuid"] == pk)
    return next(map(Graph(view).policy_binding, rows), None)


def _find_stage(pk: str, view: View) -> object:
    return Graph(view).stage(pk) if view.rights.has_any("view_stage") else FORBIDDEN


def _find_policy(pk: str, view: View) -> object:
    return Graph(view).policy(pk) if view.rights.has_any("view_policy") else FORBIDDEN


STAGE_LIST = ComponentList("stages", "stage", "$cs", "$xs", _find_stage)
POLICY_LIST = ComponentList("policies", "policy", "$cp", "$yp", _find_policy)


class Lookup(NamedTuple):
    """A field that returns an object by its key.

    `field` has a place for the variable, and `encode` returns the value of the variable.
    """

    field: str
    keys: Sequence[str]
    encode: Callable[[str], str]
    find: Callable[[str, View], object]


def _node_lookup(type_: str, table: str, find: Callable[[str, View], object]) -> Lookup:
    return Lookup(f"node(id: {{}}) {NODE}", _keys(table), partial(global_id, type_), find)


def _keys(table: str) -> Sequence[str]:
    return [*(row[KEYS[table][0]] for row in CONTENT[table]), MISSING]


# All types of nodes in one selection set.
NODE = "{{ ...FlowWithBindings ...WholeStageBinding ...WholePolicyBinding ...WholeStage ...WholePolicy }}"
# The fields by the prefix of the names of their variables.
LOOKUPS: Mapping[str, Lookup] = {
    "nf": _node_lookup("Flow", FLOWS, _find_flow),
    "nsb": _node_lookup("FlowStageBinding", STAGE_BINDINGS, _find_stage_binding),
    "npb": _node_lookup("PolicyBinding", POLICY_BINDINGS, _find_policy_binding),
    "ns": _node_lookup("Stage", STAGES, _find_stage),
    "np": _node_lookup("Policy", POLICIES, _find_policy),
    "ks": Lookup("stage(pk: {}) {{ ...WholeStage }}", _keys(STAGES), str, _find_stage),
    "kp": Lookup("policy(pk: {}) {{ ...WholePolicy }}", _keys(POLICIES), str, _find_policy),
}
