"""Which flows, in which order: a FlowQuery becomes a SELECT; no connection is in sight."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

from sqlalchemy import ColumnElement, Select, SQLColumnExpression, false, func, select
from sqlmodel import col

from models.flow import Flow, PolicyBindingModel
from models.search import containing
from models.viewer import Viewer, visible_to

MAX_PAGE_SIZE = 100

# What flows can be sorted by, under the REST API's names, in its order.
ORDERINGS: Mapping[str, SQLColumnExpression[Any]] = {
    "pk": col(Flow.flow_uuid),
    "policybindingmodel_ptr_id": col(Flow.policybindingmodel_ptr_id),
    "name": col(Flow.name),
    "slug": col(Flow.slug),
    "title": col(Flow.title),
    "designation": col(Flow.designation),
    "policy_engine_mode": col(PolicyBindingModel.policy_engine_mode),
    "compatibility_mode": col(Flow.compatibility_mode),
    "layout": col(Flow.layout),
    "denied_action": col(Flow.denied_action),
    "authentication": col(Flow.authentication),
    "background": col(Flow.background),
}


@dataclass(frozen=True, slots=True)
class Ordering:
    """One term of an order: a name out of ORDERINGS, and which way."""

    name: str
    descending: bool = False

    @classmethod
    def of(cls, term: str) -> Self:
        """The ordering of a term as REST has it: a name, with a dash in front to descend."""
        name = term.removeprefix("-")
        return cls(name, descending=name != term)


BY_SLUG = Ordering("slug")


@dataclass(frozen=True, slots=True)
class FlowQuery:
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


def flows(query: FlowQuery, viewer: Viewer) -> Select[*tuple[Any, ...]]:
    """All flows that the query and the viewer admit, sorted, as the fields of a FlowRow."""
    return (
        _admitted(query, viewer, *(ORDERINGS[name] for name in FlowRow.__slots__))
        .join(
            PolicyBindingModel,
            col(Flow.policybindingmodel_ptr_id) == col(PolicyBindingModel.pbm_uuid),
        )
        .order_by(*_sorting(query.ordering))
    )


def page(query: FlowQuery, viewer: Viewer, offset: int) -> Select[*tuple[Any, ...]]:
    """One page of `flows`, behind `offset` rows."""
    return flows(query, viewer).limit(query.page_size).offset(offset)


def count(query: FlowQuery, viewer: Viewer) -> Select[*tuple[Any, ...]]:
    """How many flows the query and the viewer admit: one row."""
    return _admitted(query, viewer, func.count())


def _admitted(
    query: FlowQuery, viewer: Viewer, *columns: SQLColumnExpression[Any]
) -> Select[*tuple[Any, ...]]:
    conditions = (visible_to(viewer), *_filters(query), *_search(query.search))
    return select(*columns).select_from(Flow).where(*conditions)


def _filters(query: FlowQuery) -> Iterator[ColumnElement[bool]]:
    filters = {
        col(Flow.flow_uuid): query.pk,
        col(Flow.name): query.name,
        col(Flow.slug): query.slug,
        col(Flow.designation): query.designation,
        col(Flow.denied_action): query.denied_action,
    }
    for column, value in filters.items():
        if value is not None:
            yield column == value if value else false()


def _search(terms: tuple[str, ...]) -> Iterator[ColumnElement[bool]]:
    if terms:
        yield containing(
            terms,
            col(Flow.name),
            col(Flow.slug),
            col(Flow.designation),
            col(Flow.title),
            col(Flow.denied_action),
        )


def _sorting(ordering: Sequence[Ordering]) -> Iterator[ColumnElement[Any]]:
    """The terms once each, with the slug as the last, so that pages never overlap."""
    terms: dict[str, Ordering] = {}
    for term in (*ordering, BY_SLUG):
        terms.setdefault(term.name, term)
    for term in terms.values():
        column = ORDERINGS[term.name]
        yield column.desc() if term.descending else column.asc()
