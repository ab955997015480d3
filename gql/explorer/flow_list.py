"""The list of flows on the front page: searched, filtered, page by page."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple
from urllib.parse import urlencode

from gql.context import Context
from gql.errors import BadUserInputError, InvalidPageError, LimitExceededError
from gql.limits import Limits
from gql.resolvers import flows as resolvers
from gql.resolvers.flows import FlowSelection, PaginationData
from gql.schema.arguments import require_no_nul
from models.batch import Batch
from models.queries.flows import BY_SLUG, MAX_PAGE_SIZE, FlowQuery, Ordering
from models.tables.flow import FlowDesignation

LISTED_FIELDS = FlowSelection(("slug", "name", "designation", "stages"))
BY_DESIGNATION = (Ordering("designation"), BY_SLUG)
DESIGNATIONS = tuple(designation.value for designation in FlowDesignation)
INVALID_PAGE_NUMBER = 0


class FlowListRequest(NamedTuple):
    """The filters and the page that the address selects, and the error of an invalid filter."""

    search: str = ""
    designation: str = ""
    page: int = 1
    terms: tuple[str, ...] = ()
    error: str | None = None

    @classmethod
    def parse(cls, parameters: Mapping[str, str], limits: Limits) -> "FlowListRequest":
        """Parse the parameters of the address. An invalid filter matches all flows."""
        search, designation = parameters.get("search", ""), parameters.get("designation", "")
        page = _parse_page_number(parameters.get("page", "1"))
        error = None
        if designation and designation not in DESIGNATIONS:
            designation, error = "", f"Unknown designation {designation!r}."
        try:
            require_no_nul("search", search)
            return cls(search, designation, page, limits.split_search(search), error)
        except (BadUserInputError, LimitExceededError) as search_error:
            return cls("", designation, error=str(search_error))

    @property
    def query(self) -> FlowQuery:
        """The query of the flows."""
        return FlowQuery(
            designation=self.designation or None,
            search=self.terms,
            ordering=BY_DESIGNATION,
            page=self.page,
            page_size=MAX_PAGE_SIZE,
        )

    @property
    def filters(self) -> dict[str, str]:
        """The parameters of the address that filter."""
        filters = {"search": self.search, "designation": self.designation}
        return {name: value for name, value in filters.items() if value}


class FlowGroup(NamedTuple):
    """The flows of one designation."""

    designation: str
    flows: Sequence[Mapping[str, Any]]


class FlowList(NamedTuple):
    """A page of flows, grouped by designation. `error` says why it is not the requested one."""

    request: FlowListRequest
    pagination: PaginationData | None
    groups: Sequence[FlowGroup]
    error: str | None = None
    status: int = 200

    def build_query_string(self, **parameters: str | int) -> str:
        """Return the query string of this list with other parameters, such as a selected flow."""
        page = {"page": self.request.page} if self.request.page > 1 else {}
        return urlencode({**self.request.filters, **page, **parameters})


async def load_flow_list(context: Context, request: FlowListRequest) -> FlowList:
    """Load the requested page of flows; the first one if there is no such page."""
    session, viewer = context.session, context.viewer
    error, status = request.error, 400 if request.error else 200
    try:
        data = await resolvers.list_flows(session, viewer, request.query, LISTED_FIELDS)
    except InvalidPageError as invalid_page:
        error, status, request = str(invalid_page), 404, request._replace(page=1)
        data = await resolvers.list_flows(session, viewer, request.query, LISTED_FIELDS)
    return FlowList(
        request, data.pagination, list(_group_by_designation(data.flows)), error, status
    )


def _group_by_designation(flows: Batch) -> Iterator[FlowGroup]:
    for designation, rows in groupby(flows.rows(), itemgetter("designation")):
        yield FlowGroup(str(designation), list(rows))


def _parse_page_number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        return INVALID_PAGE_NUMBER
