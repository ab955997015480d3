"""Which flows, in which order, and what of them: a FlowQuery becomes a SELECT; no connection is in sight."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, NamedTuple, Self, TypeVarTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Integer,
    Select,
    SQLColumnExpression,
    Subquery,
    Text,
    bindparam,
    cast,
    func,
    literal_column,
    select,
)
from sqlmodel import col

from models.queries import search
from models.queries import subqueries as relations
from models.queries.arrays import InSubquery
from models.queries.conditions import Columns, Condition, to_sql
from models.queries.viewer import Viewer, is_granted
from models.tables.cached_plan import PlanKeys
from models.tables.columns import TEXT, UUID
from models.tables.flow import Flow

Ts = TypeVarTuple("Ts")

MAX_PAGE_SIZE = 100
# No database counts further.
MAX_PAGE = 2**63 // MAX_PAGE_SIZE
# Columns that are sorted at less than it takes to look them up afterwards.
MAX_SORTED_COLUMNS = 3

# What of a flow is in its own row, under the REST API's names.
STORED: dict[str, SQLColumnExpression[Any]] = {
    "pk": col(Flow.flow_uuid),
    "policybindingmodel_ptr_id": col(Flow.policybindingmodel_ptr_id),
    "name": col(Flow.name),
    "slug": col(Flow.slug),
    "title": col(Flow.title),
    "designation": col(Flow.designation),
    "background": col(Flow.background),
    "compatibility_mode": col(Flow.compatibility_mode),
    "layout": col(Flow.layout),
    "denied_action": col(Flow.denied_action),
    "authentication": col(Flow.authentication),
}
# What other tables tell of it.
RELATED: dict[str, SQLColumnExpression[Any]] = {
    "policy_engine_mode": relations.policy_engine_mode(col(Flow.policybindingmodel_ptr_id)),
    "stages": relations.stages(col(Flow.flow_uuid)),
    "policies": relations.policies(col(Flow.policybindingmodel_ptr_id)),
}
COLUMNS = (*STORED, *RELATED, "cache_count")
UUIDS = frozenset({"pk", "policybindingmodel_ptr_id"})
# What flows can be sorted by, in the REST API's order.
ORDERINGS = (
    "pk",
    "policybindingmodel_ptr_id",
    "name",
    "slug",
    "title",
    "designation",
    "policy_engine_mode",
    "compatibility_mode",
    "layout",
    "denied_action",
    "authentication",
    "background",
)
SORTABLE: Mapping[str, SQLColumnExpression[Any]] = {
    name: (STORED | RELATED)[name] for name in ORDERINGS
}
# What no two flows have alike.
UNIQUE = frozenset({"slug", *UUIDS})
FILTERS = {"pk": UUID, "name": TEXT, "slug": TEXT, "designation": TEXT, "denied_action": TEXT}


class Ordering(NamedTuple):
    """One term of an order: a name out of ORDERINGS, and which way."""

    name: str
    descending: bool = False

    @classmethod
    def parse(cls, term: str) -> Self:
        """The ordering of a term as REST has it: a name, with a dash in front to descend."""
        name = term.removeprefix("-")
        return cls(name, descending=name != term)


BY_SLUG = Ordering("slug")


class FlowQuery(NamedTuple):
    """What is asked of the flows; None is no filter, and all filters hold together.

    `search` are terms that must each be found; `page` counts from 1.
    """

    pk: str | None = None
    name: str | None = None
    slug: str | None = None
    designation: str | None = None
    denied_action: str | None = None
    search: tuple[str, ...] = ()
    ordering: tuple[Ordering, ...] = (BY_SLUG,)
    page: int | Literal["last"] = 1
    page_size: int = 20

    @property
    def filters(self) -> Mapping[str, str]:
        """The values that flows must have."""
        values = ((name, getattr(self, name)) for name in FILTERS)
        return {name: value for name, value in values if value is not None}

    @property
    def offset(self) -> int | None:
        """How many flows are before the page; None where a count must tell, or refuse the page."""
        if self.page == "last" or not 1 <= self.page <= MAX_PAGE:
            return None
        return (self.page - 1) * self.page_size


@dataclass(frozen=True, slots=True)
class FlowRow:
    """A flow as it is stored; uuids are 36 lower-case characters."""

    pk: str
    policybindingmodel_ptr_id: str
    name: str
    slug: str
    title: str
    designation: str
    background: str
    policy_engine_mode: str
    compatibility_mode: bool
    layout: str
    denied_action: str
    authentication: str


FLOW_ROW = tuple(FlowRow.__slots__)


class FlowFilter(NamedTuple):
    """How many flows are admitted, but for the values: one row.

    Its parameters have the names of `filters`, and those of a search, of `where` and of `user_id`.
    """

    filters: tuple[str, ...]
    is_searched: bool
    is_restricted: bool
    where: Condition | None = None

    @property
    def is_narrow(self) -> bool:
        """Whether not all flows are admitted."""
        is_asked_for = bool(self.filters) or self.is_searched or self.where is not None
        return is_asked_for or self.is_restricted

    def select(self) -> Select[int]:
        """Their number."""
        return select(func.count()).select_from(Flow).where(*self.conditions())

    def conditions(self) -> Iterator[ColumnElement[bool]]:
        """What holds for each of them."""
        if self.is_restricted:
            yield _is_granted()
        for name in self.filters:
            yield STORED[name] == bindparam(name, type_=FILTERS[name])
        if self.is_searched:
            yield search.contains_terms_condition(
                col(Flow.name),
                col(Flow.slug),
                col(Flow.designation),
                col(Flow.title),
                col(Flow.denied_action),
            )
        if self.where is not None:
            yield to_sql(self.where, SORTABLE)


class Flows(NamedTuple):
    """What is told of the admitted flows, out of COLUMNS, but for the values.

    Besides the parameters of Admitted there is `plans`, what the cache's keys of plans start with.
    """

    filter: FlowFilter
    columns: tuple[str, ...]
    plan_keys: PlanKeys

    @property
    def sorts_in_place(self) -> bool:
        """Whether a sort may carry all of it along: a few columns of the flow's own row."""
        return len(self.columns) <= MAX_SORTED_COLUMNS and STORED.keys() >= set(self.columns)

    def select(self) -> Select[*tuple[Any, ...]]:
        """All of them, in no order."""
        return self.select_all().where(*self.filter.conditions())

    def select_all(self) -> Select[*tuple[Any, ...]]:
        """What is told of every flow."""
        known = flow_columns(self.plan_keys)
        columns = [known[name] for name in self.columns]
        return select(*(columns or [literal_column("1")])).select_from(Flow)


class OffsetPage(NamedTuple):
    """What is told of a page of flows, but for the values.

    A row is that of `flows`, and behind it, if counted, how many are admitted. The ordering is
    `complete`. Besides the parameters of Flows there are `limit` and `offset`.
    """

    flows: Flows
    ordering: tuple[Ordering, ...]
    is_counted: bool

    def select(self) -> Select[*tuple[Any, ...]]:
        """The page, in its order."""
        if self.flows.sorts_in_place and not self._shares_matches:
            page, count = _cut(self.flows.select()), self.flows.filter.select()
        else:
            page, count = self._deferred_join()
        if self.is_counted:
            page = page.add_columns(count.correlate(None).scalar_subquery())
        return page.order_by(*order_by(self.ordering, SORTABLE))

    def _deferred_join(self) -> tuple[Select[*tuple[Any, ...]], Select[int]]:
        """The page, by its slugs, and the count.

        The slugs come out of an index where there is one, and only then is told what is told of their
        flows: so what OFFSET passes over is never told, and what is sorted is small.
        """
        admitted = self.flows.filter
        found, count = select_matches(admitted, self.ordering), admitted.select()
        if self._shares_matches:
            found = found.element.cte("hits").prefix_with("MATERIALIZED", dialect="postgresql")
            count = select(func.count()).select_from(found)
        slugs = _cut(select(found.c.slug).order_by(*order_by(self.ordering, found.c)))
        return self.flows.select_all().where(InSubquery(col(Flow.slug), slugs)), count

    @property
    def _shares_matches(self) -> bool:
        """Whether the page and the count are better found together."""
        return self.is_counted and self.flows.filter.is_narrow


def _cut(rows: Select[*Ts]) -> Select[*Ts]:
    """The rows of one page."""
    limit, offset = bindparam("limit", type_=Integer), bindparam("offset", type_=BigInteger)
    return rows.limit(limit).offset(offset)


def build_filter(query: FlowQuery, viewer: Viewer) -> FlowFilter:
    """Which flows the query and the viewer admit."""
    return FlowFilter(tuple(query.filters), bool(query.search), viewer.is_restricted)


def filter_values(query: FlowQuery, viewer: Viewer) -> dict[str, Any]:
    """The values of Admitted's parameters."""
    searched = search.search_values(query.search) if query.search else {}
    return {**query.filters, **searched, "user_id": viewer.user_id}


def complete_ordering(ordering: Sequence[Ordering]) -> tuple[Ordering, ...]:
    """The terms once each, up to the first that breaks all ties, at last the slug."""
    terms: dict[str, Ordering] = {}
    for term in (*ordering, BY_SLUG):
        terms.setdefault(term.name, term)
        if term.name in UNIQUE:
            break
    return tuple(terms.values())


def select_matches(admitted: FlowFilter, ordering: Sequence[Ordering]) -> Subquery:
    """The slugs of the admitted flows, and what it takes to sort them."""
    names = dict.fromkeys((*(term.name for term in ordering), BY_SLUG.name))
    columns: list[Any] = [SORTABLE[name].label(name) for name in names]
    return select(*columns).select_from(Flow).where(*admitted.conditions()).subquery("hits")


def order_by(
    ordering: Sequence[Ordering],
    columns: Columns,
) -> Iterator[ColumnElement[Any]]:
    """What sorts by the terms, which stand for these columns."""
    for term in ordering:
        column = columns[term.name]
        yield column.desc() if term.descending else column.asc()


@cache
def _is_granted() -> ColumnElement[bool]:
    # The same object each time, since a statement may have it twice, but what it names only once.
    return is_granted(bindparam("user_id", type_=Integer))


@cache
def flow_columns(plan_keys: PlanKeys) -> Mapping[str, SQLColumnExpression[Any]]:
    """What is selected of a flow, by the names of COLUMNS."""
    # The drivers' own uuids are no texts.
    stored = {
        name: cast(column, Text) if name in UUIDS else column for name, column in STORED.items()
    }
    plans = relations.cached_plan_count(col(Flow.flow_uuid), plan_keys)
    return {**stored, **RELATED, "cache_count": plans}
