"""Connections: flows between two cursors, wherever these lie."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from gql.errors import BadUserInputError
from gql.resolvers import cursors
from models.batch import NO_ROWS, Batch
from models.database import Database
from models.queries import flows as listing
from models.queries import keyset
from models.queries.conditions import NO_CONDITION as ALL_FLOWS
from models.queries.conditions import Where
from models.queries.flows import (
    BY_SLUG,
    COLUMNS,
    MAX_PAGE_SIZE,
    FlowFilter,
    Flows,
    Ordering,
)
from models.queries.keyset import KeysetPage, PageInfoQuery, Side
from models.queries.viewer import FlowAccess, Viewer
from models.tables.cached_plan import plan_prefix

# How many flows a connection has where nothing is said.
DEFAULT_SIZE = 20


class ConnectionQuery(NamedTuple):
    """What is asked of a connection: the first flows behind a cursor, or the last before one."""

    where: Where = ALL_FLOWS
    ordering: tuple[Ordering, ...] = (BY_SLUG,)
    first: int | None = None
    after: str | None = None
    last: int | None = None
    before: str | None = None

    @property
    def is_backward(self) -> bool:
        """Whether the last flows are asked for."""
        return self.last is not None

    @property
    def start(self) -> str | None:
        """The cursor that the flows are counted from, if there is one."""
        return self.before if self.is_backward else self.after

    @property
    def size(self) -> int:
        """How many flows are asked for at most; raises BadUserInputError."""
        self._check()
        if self.last is not None:
            return self.last
        return DEFAULT_SIZE if self.first is None else self.first

    def _check(self) -> None:
        for argument, size in (("first", self.first), ("last", self.last)):
            if size is not None and not 0 <= size <= MAX_PAGE_SIZE:
                raise BadUserInputError(f"{argument} is {size}, not from 0 to {MAX_PAGE_SIZE}.")
        if self.first is not None and self.last is not None:
            raise BadUserInputError("first and last are both given: only one of them can be.")
        if self.before is not None and self.first is None and self.last is None:
            raise BadUserInputError("before is given without first or last, which tell how many.")


class ConnectionSelection(NamedTuple):
    """What is asked of a connection; what is not is not read. None of columns is none of flows."""

    columns: tuple[str, ...] | None = COLUMNS
    cursors: bool = True
    has_next: bool = True
    has_previous: bool = True
    total_count: bool = True


class FlowConnectionData(NamedTuple):
    """The flows of a connection, and what is selected of the rest; `cursors` are as many as flows.

    What is not selected is None, or false.
    """

    flows: Batch
    cursors: Sequence[str] | None
    has_next: bool
    has_previous: bool
    total_count: int | None


async def connect_flows(
    database: Database, viewer: Viewer, query: ConnectionQuery, wanted: ConnectionSelection
) -> FlowConnectionData:
    """The first or the last flows between two cursors; raises BadUserInputError.

    Takes one statement, if that; two where no flow is found and a cursor is given.
    """
    connecting = _page_reader(database, viewer, query, wanted)
    page = _NO_PAGE if viewer.access is FlowAccess.NONE else await connecting.page()
    ends = (page.has_more, page.is_beyond)
    has_next, has_previous = reversed(ends) if query.is_backward else ends
    ordering = connecting.question.ordering
    return FlowConnectionData(
        page.flows,
        cursors.encode_cursors(ordering, page.flows) if wanted.cursors else None,
        has_next=has_next,
        has_previous=has_previous,
        total_count=page.total if wanted.total_count else None,
    )


class _PageData(NamedTuple):
    """Flows, whether there are more where they end, or any where they start, and the count of all."""

    flows: Batch
    has_more: bool
    is_beyond: bool
    total: int


_NO_PAGE = _PageData(NO_ROWS, has_more=False, is_beyond=False, total=0)


@dataclass(frozen=True, slots=True)
class _PageReader:
    """A page of a connection that is read; `limit` is more than `size` to tell whether there is more."""

    database: Database
    question: KeysetPage
    values: Mapping[str, Any]
    size: int
    limit: int

    async def page(self) -> _PageData:
        """The page, in the order that is asked for."""
        found = await self._read() if self.limit else []
        if not found:
            return self._build_page(NO_ROWS, await self._read_page_info(), has_more=False)
        asides = [values[0] for values in found[len(self._columns) or 1 :]]
        return self._build_page(self._flows(found), asides, has_more=len(found[0]) > self.size)

    async def _read(self) -> list[Sequence[Any]]:
        return await self.database.columns(self.question, {**self.values, "limit": self.limit})

    async def _read_page_info(self) -> Sequence[Any]:
        """What is told besides flows where there are none, by a statement of its own if need be."""
        question = self.question
        is_all_read = self.limit and not (question.has_after or question.has_before)
        if is_all_read or not (question.is_counted or question.has_opposite_side):
            return [0]
        [asides] = await self.database.read(PageInfoQuery(question), self.values)
        return asides

    def _build_page(self, flows: Batch, asides: Sequence[Any], *, has_more: bool) -> _PageData:
        question = self.question
        is_beyond = question.has_opposite_side and bool(asides[-1])
        return _PageData(flows, has_more, is_beyond, asides[0] if question.is_counted else 0)

    def _flows(self, found: Sequence[Sequence[Any]]) -> Batch:
        size = min(len(found[0]), self.size)
        way = -1 if self.question.is_backward else 1
        columns = {
            name: values[:size][::way] for name, values in zip(self._columns, found, strict=False)
        }
        return Batch(columns, size)

    @property
    def _columns(self) -> tuple[str, ...]:
        return self.question.flows.columns


def _page_reader(
    database: Database, viewer: Viewer, query: ConnectionQuery, wanted: ConnectionSelection
) -> _PageReader:
    size, ordering = query.size, listing.complete_ordering(query.ordering)
    tells_more = wanted.has_previous if query.is_backward else wanted.has_next
    is_read = tells_more or wanted.columns is not None or wanted.cursors
    values = {
        **query.where.values,
        **_cursor_values("after", query.after, ordering),
        **_cursor_values("before", query.before, ordering),
        "user_id": viewer.user_id,
        "plans": plan_prefix(database.schema),
    }
    question = _keyset_page(database, viewer, query, wanted)
    return _PageReader(database, question, values, size, size + tells_more if is_read else 0)


def _keyset_page(
    database: Database, viewer: Viewer, query: ConnectionQuery, wanted: ConnectionSelection
) -> KeysetPage:
    ordering = listing.complete_ordering(query.ordering)
    sorted_by = (term.name for term in ordering) if wanted.cursors else ()
    columns = tuple(dict.fromkeys((*(wanted.columns or ()), *sorted_by)))
    admitted = FlowFilter(
        (), is_searched=False, is_restricted=viewer.is_restricted, where=query.where.condition
    )
    tells_beyond = wanted.has_next if query.is_backward else wanted.has_previous
    return KeysetPage(
        Flows(admitted, columns, database.catalog.plan_keys),
        ordering,
        query.is_backward,
        has_after=query.after is not None,
        has_before=query.before is not None,
        is_counted=wanted.total_count,
        has_opposite_side=tells_beyond and query.start is not None,
    )


def _cursor_values(
    end: Side, cursor: str | None, ordering: Sequence[Ordering]
) -> Mapping[str, Any]:
    if cursor is None:
        return {}
    return keyset.cursor_values(end, cursors.decode_cursor(end, cursor, ordering), ordering)
