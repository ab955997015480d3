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
from support.rights_conditions import Where, is_permitted, matches
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
VARIABLE_TYPES = {"s": "String!", "c": "String!", "w": "FlowWhere", "n": "ID!", "k": "UUID!"}


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
    for name, lookup in LOOKUPS.items():
        for number, pk in enumerate(rng.sample(lookup.keys, LOOKUPS_PER_FIELD)):
            variable = f"{name}{number}"
            variables[variable] = lookup.encode(pk)
            roots.append(Root(lookup.field.format(f"${variable}"), partial(lookup.find, pk)))
    return _build_document(roots, (WHOLE_BINDINGS, WHOLE_COMPONENTS), variables)


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
    content = json.dumps([1, "slug", slug], separators=(",", ":"))
    return urlsafe_b64encode(content.encode()).decode()


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
    cursors = [_encode_cursor(row["slug"]) for row in page]
    nodes = list(map(slug_of, page))
    return {
        "totalCount": len(flows),
        "nodes": nodes,
        "edges": [
            {"cursor": cursor, "node": node} for cursor, node in zip(cursors, nodes, strict=True)
        ],
        "pageInfo": {
            "hasNextPage": sides.has_next,
            "hasPreviousPage": sides.has_previous,
            "startCursor": cursors[0] if cursors else None,
            "endCursor": cursors[-1] if cursors else None,
        },
    }


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
