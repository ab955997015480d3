"""Queries for flows: filters, orderings, counts and offset pages."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, NamedTuple, Self, TypeVarTuple

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    FromClause,
    Integer,
    Select,
    SQLColumnExpression,
    Text,
    bindparam,
    cast,
    func,
    literal_column,
    select,
)
from sqlmodel import col

from models.queries import search, subqueries
from models.queries.arrays import InUuidArray
from models.queries.comparisons import ColumnSource
from models.queries.condition_sql import to_sql
from models.queries.conditions import UNIQUE_FLOW_COLUMNS, Condition, Start, find_start
from models.queries.rights import Access, Permission, Rights
from models.queries.subselects import InSubquery
from models.queries.viewer import Viewer
from models.tables.cached_plan import PlanKeys
from models.tables.columns import TEXT, UUID
from models.tables.flow import Flow

Ts = TypeVarTuple("Ts")

DEFAULT_PAGE_SIZE = 20
MAX_PAGE_SIZE = 100
# The name of the rows that match a filter, in SQL.
MATCHES = "matches"
# The largest page number whose offset fits in 64 bits.
MAX_PAGE = 2**63 // MAX_PAGE_SIZE
# Up to this number of columns, sorting whole rows is faster than looking them up afterwards.
MAX_SORTED_COLUMNS = 3

# The columns of a flow's own row, by their names in the REST API.
OWN_COLUMNS: dict[str, SQLColumnExpression[Any]] = {
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
# The columns from other tables.
RELATED_COLUMNS: dict[str, SQLColumnExpression[Any]] = {
    "policy_engine_mode": subqueries.select_policy_engine_mode(col(Flow.policybindingmodel_ptr_id)),
    "stages": subqueries.select_stages(col(Flow.flow_uuid)),
    "policies": subqueries.select_policies(col(Flow.policybindingmodel_ptr_id)),
}
COLUMNS = (*OWN_COLUMNS, *RELATED_COLUMNS, "cache_count")
UUID_COLUMNS = frozenset({"pk", "policybindingmodel_ptr_id"})
# The columns that flows can be sorted by, in the order of the REST API.
ORDERING_FIELDS = (
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
SORT_COLUMNS: Mapping[str, SQLColumnExpression[Any]] = {
    name: (OWN_COLUMNS | RELATED_COLUMNS)[name] for name in ORDERING_FIELDS
}
FILTER_TYPES = {"pk": UUID, "name": TEXT, "slug": TEXT, "designation": TEXT, "denied_action": TEXT}


class Ordering(NamedTuple):
    """A term of an ordering: a sortable column and the direction."""

    name: str
    descending: bool = False

    @classmethod
    def parse(cls, term: str) -> Self:
        """Parse a term of the REST API: a name, with a leading dash for descending order."""
        name = term.removeprefix("-")
        return cls(name, descending=name != term)


BY_SLUG = Ordering("slug")


class FlowQuery(NamedTuple):
    """A query for a page of flows. A flow must match all filters; None is not a filter.

    `search` is a tuple of terms that a flow must contain; `page` counts from 1.
    """

    pk: str | None = None
    name: str | None = None
    slug: str | None = None
    designation: str | None = None
    denied_action: str | None = None
    search: tuple[str, ...] = ()
    ordering: tuple[Ordering, ...] = (BY_SLUG,)
    page: int | Literal["last"] = 1
    page_size: int = DEFAULT_PAGE_SIZE

    @property
    def filters(self) -> Mapping[str, str]:
        """The required values by column."""
        values = ((name, getattr(self, name)) for name in FILTER_TYPES)
        return {name: value for name, value in values if value is not None}

    @property
    def offset(self) -> int | None:
        """The number of flows before the page; None if it depends on the count, or is invalid."""
        if self.page == "last" or not 1 <= self.page <= MAX_PAGE:
            return None
        return (self.page - 1) * self.page_size


@dataclass(frozen=True, slots=True)
class FlowRow:
    """A stored flow; UUIDs are strings of 36 lower-case characters."""

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
    """The conditions on visible flows, without values.

    Each filter has a parameter of its name. The search, `where` and `rights` add theirs.
    """

    filters: tuple[str, ...]
    is_searched: bool
    rights: Rights
    where: Condition | None = None

    @property
    def has_conditions(self) -> bool:
        """True unless the filter matches all flows."""
        has_filters = bool(self.filters) or self.is_searched or self.where is not None
        return has_filters or self.rights.view_flow is not Access.ALL

    def conditions(self) -> Iterator[ColumnElement[bool]]:
        """Iterate over the conditions on `Flow`, which must all be true."""
        yield from self._visibility()
        for name in self.filters:
            yield OWN_COLUMNS[name] == bindparam(name, type_=FILTER_TYPES[name])
        if self.is_searched:
            yield search.contains_terms_condition(
                col(Flow.name),
                col(Flow.slug),
                col(Flow.designation),
                col(Flow.title),
                col(Flow.denied_action),
            )
        if self.where is not None:
            yield to_sql(self.where, SORT_COLUMNS)

    def _visibility(self) -> Iterator[ColumnElement[bool]]:
        find_conditions = {
            Start.FLOWS: self.rights.conditions,
            Start.NAMES: self.rights.conditions,
            Start.COMPONENTS: self.rights.join_conditions,
            Start.VISIBLE_FLOWS: self.rights.list_conditions,
        }
        return find_conditions[self._start](Permission.VIEW_FLOW, col(Flow.flow_uuid))

    @property
    def is_selective(self) -> bool:
        """True if few flows match, so that they should be selected before they are sorted."""
        return self._start is not Start.VISIBLE_FLOWS

    @property
    def _start(self) -> Start:
        has_unique = not UNIQUE_FLOW_COLUMNS.isdisjoint(self.filters)
        return Start.FLOWS if has_unique else find_start(self.where)


class FlowCount(NamedTuple):
    """SELECT the number of flows that match the filter. Parameters: those of the filter."""

    filter: FlowFilter

    def select(self) -> Select[int]:
        """Return the SELECT, with one row."""
        return select(func.count()).select_from(Flow).where(*self.filter.conditions())


class Flows(NamedTuple):
    """SELECT the flows that match the filter, without an order.

    Parameters: those of the filter, and `plans`, the prefix of the cache keys of plans.
    """

    filter: FlowFilter
    columns: tuple[str, ...]
    plan_keys: PlanKeys

    @property
    def cursor_prefix(self) -> str:
        """The start of the ordering in cursors; empty, as in the cursors of earlier versions."""
        return ""

    @property
    def sort_columns(self) -> ColumnSource:
        """The expressions of the columns that flows can be sorted by."""
        return SORT_COLUMNS

    @property
    def key(self) -> str:
        """The unique column that identifies the flows of a page."""
        return BY_SLUG.name

    @property
    def has_conditions(self) -> bool:
        """True unless the filter matches all flows."""
        return self.filter.has_conditions

    @property
    def is_selective(self) -> bool:
        """True if the matches should be selected before they are sorted."""
        return self.filter.is_selective

    @property
    def sorts_in_place(self) -> bool:
        """True if whole rows are sorted: they have few columns, all from the flow's own row."""
        is_small = len(self.columns) <= MAX_SORTED_COLUMNS
        return is_small and OWN_COLUMNS.keys() >= set(self.columns)

    def select(self) -> Select[*tuple[Any, ...]]:
        """Return the SELECT of the matching flows."""
        return self._select_all().where(*self.filter.conditions())

    def select_by_key(self, slugs: Select[str]) -> Select[*tuple[Any, ...]]:
        """Return the SELECT of the flows with these slugs, without the filter."""
        return self._select_all().where(InSubquery(col(Flow.slug), slugs))

    def select_matches(self, ordering: Sequence[Ordering]) -> Select[*tuple[Any, ...]]:
        """Return the SELECT of the slugs and the sort columns of the matching flows."""
        names = dict.fromkeys((*(term.name for term in ordering), self.key))
        columns: list[Any] = [SORT_COLUMNS[name].label(name) for name in names]
        return select(*columns).select_from(Flow).where(*self.filter.conditions())

    def select_count(self) -> Select[int]:
        """Return the SELECT of the number of matching flows."""
        return FlowCount(self.filter).select()

    def _select_all(self) -> Select[*tuple[Any, ...]]:
        expressions = flow_columns(self.plan_keys)
        columns = [expressions[name] for name in self.columns]
        return select(*(columns or [literal_column("1")])).select_from(Flow)


class FlowsByPk(NamedTuple):
    """SELECT the visible flows with the primary keys `pks`; the first column is the key.

    Parameters: `pks`, `plans` for the number of cached plans, and those of `rights`.
    """

    columns: tuple[str, ...]
    plan_keys: PlanKeys
    rights: Rights

    def select(self) -> Select[*tuple[Any, ...]]:
        """Return the SELECT, without an order."""
        key, expressions = col(Flow.flow_uuid), flow_columns(self.plan_keys)
        rows = select(cast(key, Text), *(expressions[name] for name in self.columns))
        is_visible = self.rights.conditions(Permission.VIEW_FLOW, key)
        return rows.select_from(Flow).where(InUuidArray(key, "pks"), *is_visible)


class ExportableFlows(NamedTuple):
    """SELECT those of the flows `pks` that the viewer has the permission to export.

    Parameters: `pks`, and those of `rights`.
    """

    rights: Rights

    def select(self) -> Select[str]:
        """Return the SELECT of primary keys."""
        key = col(Flow.flow_uuid)
        return select(cast(key, Text)).where(
            InUuidArray(key, "pks"), *self.rights.conditions(Permission.EXPORT_FLOW, key)
        )


class OffsetPage(NamedTuple):
    """SELECT a page of flows; if counted, the last column is the number of matching flows.

    The ordering must be complete. Parameters: those of `flows`, `limit` and `offset`.
    """

    flows: Flows
    ordering: tuple[Ordering, ...]
    is_counted: bool

    def select(self) -> Select[*tuple[Any, ...]]:
        """Return the SELECT of the page, in its order."""
        if self.flows.sorts_in_place and not self._shares_matches:
            page, count = _limit_to_page(self.flows.select()), self.flows.select_count()
        else:
            page, count = self._deferred_join()
        if self.is_counted:
            page = page.add_columns(count.correlate(None).scalar_subquery())
        return page.order_by(*order_by(self.ordering, SORT_COLUMNS))

    def _deferred_join(self) -> tuple[Select[*tuple[Any, ...]], Select[int]]:
        """Return the SELECT of the page and the SELECT of the count.

        The slugs of the page are selected first, from an index if possible. The other columns are
        read only for the flows of the page, not for those that OFFSET skips.
        """
        rows = self.flows.select_matches(self.ordering)
        if self._shares_matches:
            matches: FromClause = share_matches(rows)
            count = select(func.count()).select_from(matches)
        else:
            matches, count = rows.subquery(MATCHES), self.flows.select_count()
        slugs = _limit_to_page(select(matches.c.slug).order_by(*order_by(self.ordering, matches.c)))
        return self.flows.select_by_key(slugs), count

    @property
    def _shares_matches(self) -> bool:
        """True if the filter is evaluated once, before the page is sorted and counted."""
        return self.flows.is_selective or (self.is_counted and self.flows.has_conditions)


def _limit_to_page(rows: Select[*Ts]) -> Select[*Ts]:
    limit, offset = bindparam("limit", type_=Integer), bindparam("offset", type_=BigInteger)
    return rows.limit(limit).offset(offset)


def build_filter(query: FlowQuery, viewer: Viewer) -> FlowFilter:
    """Build the filter of a query for a viewer."""
    return FlowFilter(tuple(query.filters), bool(query.search), viewer.rights)


def filter_values(query: FlowQuery, viewer: Viewer) -> dict[str, Any]:
    """Return the parameters of the filter of a query for a viewer."""
    search_values = search.search_values(query.search) if query.search else {}
    return {**query.filters, **search_values, **viewer.parameters}


def complete_ordering(ordering: Sequence[Ordering]) -> tuple[Ordering, ...]:
    """Return a total ordering: each term once, up to the first unique column, or slug at last."""
    terms: dict[str, Ordering] = {}
    for term in (*ordering, BY_SLUG):
        terms.setdefault(term.name, term)
        if term.name in UNIQUE_FLOW_COLUMNS:
            break
    return tuple(terms.values())


def share_matches(rows: Select[*tuple[Any, ...]]) -> CTE:
    """Return a CTE of matching rows, which the page and the count evaluate only once."""
    return rows.cte(MATCHES).prefix_with("MATERIALIZED", dialect="postgresql")


def order_by(
    ordering: Sequence[Ordering],
    columns: ColumnSource,
) -> Iterator[ColumnElement[Any]]:
    """Iterate over the terms of ORDER BY for these columns."""
    for term in ordering:
        column = columns[term.name]
        yield column.desc() if term.descending else column.asc()


@cache
def flow_columns(plan_keys: PlanKeys) -> Mapping[str, SQLColumnExpression[Any]]:
    """Return the expression of each of COLUMNS."""
    # Drivers return a uuid as an object, not as a string.
    own_columns = {
        name: cast(column, Text) if name in UUID_COLUMNS else column
        for name, column in OWN_COLUMNS.items()
    }
    cache_count = subqueries.count_cached_plans(col(Flow.flow_uuid), plan_keys)
    return {**own_columns, **RELATED_COLUMNS, "cache_count": cache_count}
