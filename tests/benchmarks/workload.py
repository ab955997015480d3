"""What is asked: five documents over GraphQL, and two lists over REST."""

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
from support.graph import EVERY_FIELD, EVERY_PLACE

SETS = 200

# GraphQL's terms by REST's.
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

ARGUMENTS = (
    "$page: Int!, $pageSize: Int!, $ordering: [FlowOrdering!], $designation: FlowDesignation,"
    " $search: String"
)
GIVEN = (
    "page: $page, pageSize: $pageSize, ordering: $ordering, designation: $designation,"
    " search: $search"
)
TWO_FIELDS = f"""query TwoFields({ARGUMENTS}) {{
  flows({GIVEN}) {{ pagination {{ count }} results {{ slug name }} }}
}}"""
PAGE = f"""query Page({ARGUMENTS}) {{
  flows({GIVEN}) {{
    pagination {{ {EVERY_PLACE} }}
    results {{ {EVERY_FIELD} }}
  }}
}}"""
ONE_FLOW = f"query OneFlow($slug: String!) {{ flow(slug: $slug) {{ {EVERY_FIELD} }} }}"

# All flows by slug, 20 at a time, with what they are made of.
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


class Form(Enum):
    """How flows are asked for; not every server can be asked in every form."""

    FLAT = "over GraphQL, without what belongs to them"
    NESTED = "over GraphQL, with what they are made of"
    LISTED = "over REST"


@dataclass(frozen=True, slots=True)
class Question:
    """A request as it is sent, without the headers that say who asks."""

    method: str
    target: str
    body: str = ""


@dataclass(frozen=True, slots=True)
class Workload:
    """The questions of one kind, which servers are asked that know their form."""

    name: str
    told: str
    questions: Sequence[Question]
    form: Form = Form.FLAT


@dataclass(frozen=True, slots=True)
class PageAsked:
    """One page of flows, in REST's words."""

    page: int
    page_size: int
    ordering: str
    designation: str | None = None
    search: str | None = None

    @property
    def variables(self) -> Mapping[str, Any]:
        """What GraphQL is asked it with; what is not wanted is not sent."""
        return {
            "page": self.page,
            "pageSize": self.page_size,
            "ordering": ORDERINGS[self.ordering].split(),
            **({"designation": self.designation.upper()} if self.designation else {}),
            **({"search": self.search} if self.search else {}),
        }

    @property
    def query_string(self) -> str:
        """What REST is asked it with."""
        given = {
            "page": self.page,
            "page_size": self.page_size,
            "ordering": self.ordering,
            "designation": self.designation,
            "search": self.search,
        }
        return urlencode({name: value for name, value in given.items() if value})


@cache
def workloads() -> Sequence[Workload]:
    """All that is measured, in the order it is reported."""
    pages, large, searched = plain_pages(20), plain_pages(100), tuple(_searched_pages())
    return (
        Workload("two_fields", "two fields of 20 rows, and the count", _asked(TWO_FIELDS, pages)),
        Workload("page_20", "16 fields of 20 rows", _asked(PAGE, pages)),
        Workload("page_100", "16 fields of 100 rows", _asked(PAGE, large)),
        Workload("searched", "16 fields of 20 rows, filtered and searched", _asked(PAGE, searched)),
        Workload("one_flow", "16 fields of one flow", tuple(_single_flows())),
        Workload("nested", "20 rows with what they are made of", _made_of(), Form.NESTED),
        Workload("rest_20", "REST, 20 rows", _listed(pages), Form.LISTED),
        Workload("rest_100", "REST, 100 rows", _listed(large), Form.LISTED),
    )


@cache
def plain_pages(page_size: int) -> Sequence[PageAsked]:
    """200 pages of all flows and of those of one designation; each of them exists."""
    chance = random.Random(f"pages of {page_size}")
    possible = [
        PageAsked(page, page_size, ordering, designation)
        for designation in (None, None, *DESIGNATIONS)
        for ordering in ORDERINGS
        for page in range(1, _page_count(_designated(designation), page_size) + 1)
    ]
    distinct = sorted(set(possible), key=str)
    return tuple(chance.sample(distinct, SETS))


def _asked(document: str, pages: Sequence[PageAsked]) -> Sequence[Question]:
    return tuple(_posted(document, page.variables) for page in pages)


def _listed(pages: Sequence[PageAsked]) -> Sequence[Question]:
    return tuple(Question("GET", f"{REST}?{page.query_string}") for page in pages)


def _made_of() -> Sequence[Question]:
    """All pages, in no order."""
    numbers = range(1, _page_count(_flows(), 20) + 1)
    shuffled = random.Random("nested pages").sample(numbers, len(numbers))
    return tuple(_posted(NESTED, {"page": number}) for number in shuffled)


def _posted(document: str, variables: Mapping[str, Any]) -> Question:
    return Question("POST", GRAPHQL, json.dumps({"query": document, "variables": variables}))


def _flows() -> Sequence[Row]:
    return all_rows()["authentik_flows_flow"]


def _page_count(flows: Sequence[Row], page_size: int) -> int:
    return -(-len(flows) // page_size)


def _designated(designation: str | None) -> Sequence[Row]:
    return [flow for flow in _flows() if designation in (None, flow["designation"])]


def _searched_pages() -> Iterator[PageAsked]:
    """Pages of searches that find something, by one term and by two."""
    chance = random.Random("searches")
    seen: set[PageAsked] = set()
    while len(seen) < SETS:
        designation = chance.choice((None, *DESIGNATIONS))
        search = _search(chance)
        found = [flow for flow in _designated(designation) if _contains(flow, search)]
        page = chance.randint(1, max(1, _page_count(found, 20)))
        asked = PageAsked(page, 20, chance.choice(list(ORDERINGS)), designation, search)
        if found and asked not in seen:
            seen.add(asked)
            yield asked


def _search(chance: random.Random) -> str:
    """A text of one or two terms, in upper or lower case, that flows have in different fields."""
    second = chance.choice(("", "guest", "welcome", "CONTINUE", str(chance.randrange(50)), "recov"))
    first = chance.choice(SUBJECTS)
    return f"{chance.choice((first, first.upper(), first[1:5]))} {second}".strip()


def _contains(flow: Row, search: str) -> bool:
    fields = ("name", "slug", "designation", "title", "denied_action")
    return all(
        any(term in flow[field].upper() for field in fields) for term in search.upper().split()
    )


def _single_flows() -> Iterator[Question]:
    for flow in random.Random("single flows").sample(_flows(), SETS):
        yield _posted(ONE_FLOW, {"slug": flow["slug"]})
