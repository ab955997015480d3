"""The requests of tests of rights, with the responses expected for a viewer."""

import html
import random
import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

from gql.diagram import graph, mermaid, svg
from support.app_client import JSON_HEADERS, AppClient, Response, bearer_headers
from support.rights_conditions import CONDITIONS, POLICY_CONDITIONS, STAGE_CONDITIONS
from support.rights_data import RightsRows
from support.rights_diagrams import expected_diagram
from support.rights_documents import (
    SLUGS,
    Document,
    Expect,
    build_components_document,
    build_lists_document,
    build_lookups_document,
)
from support.rights_model import View
from support.rights_objects import list_errors, rest_flow, split_errors
from support.rights_tables import Row

FORBIDDEN_BODY = {"detail": "You do not have permission to perform this action."}
NOT_FOUND_BODY = {"detail": "No Flow matches the given query."}
FLOWS_PATH = "/api/v3/flows/instances/"
# The documents exceed the default limits.
LIMITS: Mapping[str, Any] = {
    f"max_{name}": 10**6 for name in ("aliases", "root_fields", "cost", "tokens", "conditions")
}
LISTED_SLUG = re.compile(r"<code>(\S+)</code>\s*<bdi>")
MERMAID_SOURCE = re.compile(r'<pre tabindex="0" id="mermaid">(.*?)</pre>', re.DOTALL)


class Case(NamedTuple):
    """A request, the part of its response that is compared, and that part for a viewer."""

    name: str
    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    observe: Callable[[Response], object]
    expect: Expect

    def send(self, client: AppClient, key: str) -> Response:
        """Send the request with a token."""
        headers = {**bearer_headers(key), **self.headers}
        return client.request(self.method, self.target, headers, self.body)


def build_cases(rights: RightsRows) -> Iterator[Case]:
    """Yield requests of all kinds, about random objects. They depend on the label of the rights."""
    rng = random.Random(rights.label)
    # A condition is part of a statement, which FlowQL compiles once for a group.
    group_rng = random.Random(rights.group)
    conditions = group_rng.sample(CONDITIONS, 2)
    stage_where, policy_where = map(group_rng.choice, (STAGE_CONDITIONS, POLICY_CONDITIONS))
    yield _graphql_case("lists", build_lists_document(rng, conditions))
    yield _graphql_case("components", build_components_document(rng, stage_where, policy_where))
    yield _graphql_case("lookups", build_lookups_document(rng))
    yield _get_case("list", FLOWS_PATH, _unless_forbidden(_rest_list), _observe_json)
    yield _instance_case(rng.choice(SLUGS))
    yield _export_case(rng.choice(SLUGS))
    build_diagram_case = rng.choice((_mermaid_case, _image_case, _graph_case))
    yield build_diagram_case(rng.choice(SLUGS))
    yield _page_case(rng.choice((None, *SLUGS)))


# GraphQL ------------------------------------------------------------------------------------------


def _graphql_case(name: str, document: Document) -> Case:
    expect = partial(_expect_graphql, document)
    return Case(name, "POST", "/graphql", JSON_HEADERS, document.body, _observe_graphql, expect)


def _expect_graphql(document: Document, view: View) -> object:
    if view.rights.is_forbidden:
        return 403, None, [((), "FORBIDDEN")]
    return 200, *split_errors(document.expect(view))


def _observe_graphql(response: Response) -> object:
    body = response.json
    return response.status, body.get("data"), list_errors(body)


# REST and the front page --------------------------------------------------------------------------


def _get_case(
    name: str,
    target: str,
    expect: Expect,
    observe: Callable[[Response], object],
    accept: str = "application/json",
) -> Case:
    return Case(name, "GET", target, {"accept": accept}, b"", observe, expect)


def _unless_forbidden(expect: Expect) -> Expect:
    return lambda view: (403, FORBIDDEN_BODY) if view.rights.is_forbidden else expect(view)


def _of_flow(slug: str, expect: Callable[[View, Row], object]) -> Expect:
    """Return the function that expects 404 if the flow is hidden or unknown."""

    def expect_flow(view: View) -> object:
        flow = view.find_flow(slug)
        return (404, NOT_FOUND_BODY) if flow is None else expect(view, flow)

    return _unless_forbidden(expect_flow)


def _observe_json(response: Response) -> object:
    return response.status, response.json


def _observe_text(response: Response) -> object:
    """Return the text of a successful response, or the JSON of an error."""
    is_successful = response.status == 200
    return response.status, response.body.decode() if is_successful else response.json


def _observe_export(response: Response) -> object:
    """Return the JSON of an error; another test compares blueprints."""
    return response.status, None if response.status == 200 else response.json


def _observe_page(response: Response) -> object:
    text = response.body.decode()
    source = MERMAID_SOURCE.search(text)
    return response.status, LISTED_SLUG.findall(text), source and html.unescape(source[1])


def _rest_list(view: View) -> object:
    count = len(view.flows)
    pagination = {
        "next": 0,
        "previous": 0,
        "count": count,
        "current": 1,
        "total_pages": 1,
        "start_index": 1 if count else 0,
        "end_index": count,
    }
    results = [rest_flow(view, row) for row in view.flows]
    return 200, {"pagination": pagination, "results": results, "autocomplete": {}}


def _export(view: View, flow: Row) -> object:
    may_export = view.rights.may_export and view.holds("export_flow", flow["flow_uuid"])
    return (200, None) if may_export else (403, FORBIDDEN_BODY)


def _page(slug: str | None, view: View) -> tuple[int, list[str], str | None]:
    """Return the slugs on the front page, and the diagram of the selected flow."""
    if view.rights.is_forbidden:
        return 200, [], None
    by_designation = sorted(view.flows, key=lambda row: row["designation"])
    slugs = [row["slug"] for row in by_designation]
    if slug is None:
        return 200, slugs, None
    flow = view.find_flow(slug)
    return (200, slugs, _source(view, flow)) if flow else (404, slugs, None)


def _source(view: View, flow: Row) -> str:
    return mermaid.render(expected_diagram(view, flow))


def _mermaid(view: View, flow: Row) -> object:
    return 200, {"diagram": _source(view, flow)}


def _image(view: View, flow: Row) -> object:
    return 200, svg.render(expected_diagram(view, flow))


def _graph(view: View, flow: Row) -> object:
    return 200, graph.build_document(expected_diagram(view, flow))


def _instance(view: View, flow: Row) -> object:
    return 200, rest_flow(view, flow)


def _instance_case(slug: str) -> Case:
    target = f"{FLOWS_PATH}{slug}/"
    return _get_case(f"flow {slug}", target, _of_flow(slug, _instance), _observe_json)


def _export_case(slug: str) -> Case:
    target = f"{FLOWS_PATH}{slug}/export/"
    return _get_case(f"export {slug}", target, _of_flow(slug, _export), _observe_export)


def _mermaid_case(slug: str) -> Case:
    target = f"{FLOWS_PATH}{slug}/diagram/"
    return _get_case(f"diagram {slug}", target, _of_flow(slug, _mermaid), _observe_json)


def _image_case(slug: str) -> Case:
    target = f"{FLOWS_PATH}{slug}/diagram/"
    accept = "image/svg+xml"
    return _get_case(f"image {slug}", target, _of_flow(slug, _image), _observe_text, accept)


def _graph_case(slug: str) -> Case:
    target = f"{FLOWS_PATH}{slug}/diagram/?format=graph"
    return _get_case(f"graph {slug}", target, _of_flow(slug, _graph), _observe_json)


def _page_case(slug: str | None) -> Case:
    target = "/" if slug is None else f"/?flow={slug}"
    return _get_case(f"page {slug}", target, partial(_page, slug), _observe_page, "text/html")
