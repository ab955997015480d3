"""The requests of each workload: six over GraphQL, and two over REST."""

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Any
from urllib.parse import urlencode

from data import SUBJECTS, Row, all_rows

from support.edge_case_data import DESIGNATIONS
from support.graphql_from_rest import EVERY_FLOW_FIELD, EVERY_PAGINATION_FIELD

REQUEST_COUNT = 200

# GraphQL's orderings by REST's.
ORDERINGS: Mapping[str, str] = {
    "slug": "SLUG_ASC",
    "-slug": "SLUG_DESC",
    "name": "NAME_ASC",
    "-name": "NAME_DESC",
    "title": "TITLE_ASC",
    "-title": "TITLE_DESC",
    "designation,-name": "DESIGNATION_ASC NAME_DESC",
    "layout": "LAYOUT_ASC",
    "-authentication,name": "AUTHENTICATION_DESC NAME_ASC",
}

VARIABLE_DEFINITIONS = (
    "$page: Int!, $pageSize: Int!, $ordering: [FlowOrdering!], $designation: FlowDesignation,"
    " $search: String"
)
ARGUMENTS = (
    "page: $page, pageSize: $pageSize, ordering: $ordering, designation: $designation,"
    " search: $search"
)
TWO_FIELDS = f"""query TwoFields({VARIABLE_DEFINITIONS}) {{
  flows({ARGUMENTS}) {{ pagination {{ count }} results {{ slug name }} }}
}}"""
PAGE = f"""query Page({VARIABLE_DEFINITIONS}) {{
  flows({ARGUMENTS}) {{
    pagination {{ {EVERY_PAGINATION_FIELD} }}
    results {{ {EVERY_FLOW_FIELD} }}
  }}
}}"""
ONE_FLOW = f"query OneFlow($slug: String!) {{ flow(slug: $slug) {{ {EVERY_FLOW_FIELD} }} }}"

# All flows by slug, 20 per page, with their bindings, stages and policies.
NESTED = """query Nested($page: Int!) {
  flows(page: $page, pageSize: 20) {
    results {
      slug name designation
      stageBindings {
        order evaluateOnPlan reEvaluatePolicies invalidResponseAction
        stage { name }
        policyBindings { order policy { name } }
      }
      policyBindings {
        order enabled negate timeout failureResult
        policy { name executionLogging }
      }
    }
  }
}"""

GRAPHQL = "/graphql"
REST = "/flows/instances/"


class Api(Enum):
    """A kind of request; each server supports some of them."""

    FLAT = "GraphQL without nested objects"
    NESTED = "GraphQL with nested objects"
    REST = "REST"


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """An HTTP request without headers."""

    method: str
    target: str
    body: str = ""


@dataclass(frozen=True, slots=True)
class Workload:
    """The requests of one kind, which go to the servers that support their API."""

    name: str
    description: str
    requests: Sequence[HttpRequest]
    api: Api = Api.FLAT


@dataclass(frozen=True, slots=True)
class PageRequest:
    """A page of flows, in REST's terms."""

    page: int
    page_size: int
    ordering: str
    designation: str | None = None
    search: str | None = None

    @property
    def variables(self) -> Mapping[str, Any]:
        """The GraphQL variables, without absent filters."""
        return {
            "page": self.page,
            "pageSize": self.page_size,
            "ordering": ORDERINGS[self.ordering].split(),
            **({"designation": self.designation.upper()} if self.designation else {}),
            **({"search": self.search} if self.search else {}),
        }

    @property
    def query_string(self) -> str:
        """The REST query string."""
        parameters = {
            "page": self.page,
            "page_size": self.page_size,
            "ordering": self.ordering,
            "designation": self.designation,
            "search": self.search,
        }
        return urlencode({name: value for name, value in parameters.items() if value})


@cache
def workloads() -> Sequence[Workload]:
    """Return all workloads in the order of the report."""
    pages, large, searched = plain_pages(20), plain_pages(100), tuple(_searched_pages())
    return (
        Workload(
            "two_fields",
            "two fields of 20 rows, and the count",
            _graphql_requests(TWO_FIELDS, pages),
        ),
        Workload("page_20", "16 fields of 20 rows", _graphql_requests(PAGE, pages)),
        Workload("page_100", "16 fields of 100 rows", _graphql_requests(PAGE, large)),
        Workload(
            "searched",
            "16 fields of 20 rows, filtered and searched",
            _graphql_requests(PAGE, searched),
        ),
        Workload("one_flow", "16 fields of one flow", tuple(_single_flow_requests())),
        Workload(
            "nested", "20 rows with bindings, stages and policies", _nested_requests(), Api.NESTED
        ),
        Workload("rest_20", "REST, 20 rows", _rest_requests(pages), Api.REST),
        Workload("rest_100", "REST, 100 rows", _rest_requests(large), Api.REST),
    )


@cache
def plain_pages(page_size: int) -> Sequence[PageRequest]:
    """Return 200 existing pages of all flows or of one designation."""
    rng = random.Random(f"pages of {page_size}")
    possible = [
        PageRequest(page, page_size, ordering, designation)
        for designation in (None, None, *DESIGNATIONS)
        for ordering in ORDERINGS
        for page in range(1, _page_count(_flows_with(designation), page_size) + 1)
    ]
    distinct = sorted(set(possible), key=str)
    return tuple(rng.sample(distinct, REQUEST_COUNT))


def _graphql_requests(document: str, pages: Sequence[PageRequest]) -> Sequence[HttpRequest]:
    return tuple(_graphql_request(document, page.variables) for page in pages)


def _rest_requests(pages: Sequence[PageRequest]) -> Sequence[HttpRequest]:
    return tuple(HttpRequest("GET", f"{REST}?{page.query_string}") for page in pages)


def _nested_requests() -> Sequence[HttpRequest]:
    """Return all pages in random order."""
    numbers = range(1, _page_count(_flow_rows(), 20) + 1)
    shuffled = random.Random("nested pages").sample(numbers, len(numbers))
    return tuple(_graphql_request(NESTED, {"page": number}) for number in shuffled)


def _graphql_request(document: str, variables: Mapping[str, Any]) -> HttpRequest:
    return HttpRequest("POST", GRAPHQL, json.dumps({"query": document, "variables": variables}))


def _flow_rows() -> Sequence[Row]:
    return all_rows()["authentik_flows_flow"]


def _page_count(flows: Sequence[Row], page_size: int) -> int:
    return -(-len(flows) // page_size)


def _flows_with(designation: str | None) -> Sequence[Row]:
    return [flow for flow in _flow_rows() if designation in (None, flow["designation"])]


def _searched_pages() -> Iterator[PageRequest]:
    """Yield pages of searches with matches, by one term or two."""
    rng = random.Random("searches")
    seen: set[PageRequest] = set()
    while len(seen) < REQUEST_COUNT:
        designation = rng.choice((None, *DESIGNATIONS))
        search = _search_terms(rng)
        matches = [flow for flow in _flows_with(designation) if _contains(flow, search)]
        page = rng.randint(1, max(1, _page_count(matches, 20)))
        ordering = rng.choice(list(ORDERINGS))
        request = PageRequest(page, 20, ordering, designation, search)
        if matches and request not in seen:
            seen.add(request)
            yield request


def _search_terms(rng: random.Random) -> str:
    """Return one or two search terms in either case that occur in different fields."""
    second = rng.choice(("", "guest", "welcome", "CONTINUE", str(rng.randrange(50)), "recov"))
    first = rng.choice(SUBJECTS)
    return f"{rng.choice((first, first.upper(), first[1:5]))} {second}".strip()


def _contains(flow: Row, search: str) -> bool:
    fields = ("name", "slug", "designation", "title", "denied_action")
    return all(
        any(term in flow[field].upper() for field in fields) for term in search.upper().split()
    )


def _single_flow_requests() -> Iterator[HttpRequest]:
    for flow in random.Random("single flows").sample(_flow_rows(), REQUEST_COUNT):
        yield _graphql_request(ONE_FLOW, {"slug": flow["slug"]})
