"""The one way to flow data, for GraphQL and for REST."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import starmap
from typing import Any, NamedTuple, TypedDict

from gql import cursors
from gql.errors import BadUserInputError, InvalidPageError
from models import keyset, listing
from models.batch import NO_ROWS, NOTHING, Batch, Grouped
from models.bindings import (
    POLICY_BINDING_ROW,
    STAGE_BINDING_ROW,
    Ask,
    FlowsUsing,
    Part,
    Parts,
    PolicyBindingRow,
    PolicyBindings,
    StageBindingRow,
    StageBindings,
    Types,
)
from models.blueprint import export
from models.cached_plan import plan_prefix
from models.database import Database
from models.keyset import Besides, End, KeysetPage
from models.listing import (
    BY_SLUG,
    COLUMNS,
    FLOW_ROW,
    MAX_PAGE_SIZE,
    Admitted,
    FlowQuery,
    FlowRow,
    Flows,
    Ordering,
    Page,
)
from models.viewer import Sight, Viewer
from models.where import EVERYTHING as ALL_FLOWS
from models.where import Where

# How many flows a connection has where nothing is said.
DEFAULT_SIZE = 20


class Selection(NamedTuple):
    """What is asked of flows; what is not is not read. None of columns is none of flows."""

    columns: tuple[str, ...] | None = COLUMNS
    pagination: bool = True


EVERYTHING = Selection()
# What belongs to others.
Related = StageBindings | PolicyBindings | Parts | FlowsUsing


class Pagination(TypedDict):
    """Where a page lies; pages and indexes count from 1, and 0 stands for none."""

    next: int
    previous: int
    count: int
    current: int
    total_pages: int
    start_index: int
    end_index: int


class FlowPage(NamedTuple):
    """A page of flows, and where it lies among all, as far as they were selected."""

    pagination: Pagination | None
    flows: Batch


async def list_flows(
    database: Database, viewer: Viewer, query: FlowQuery, selection: Selection = EVERYTHING
) -> FlowPage:
    """The page of flows that the query asks for; raises InvalidPageError.

    Takes one statement; two where no flow is found, or the last page is asked for.
    """
    reading = _Reading(database, viewer, query)
    offset = query.offset
    if selection.columns is None or offset is None:
        return await _count_first(reading, selection)
    flows, count = await reading.page(selection.columns, offset, is_counted=selection.pagination)
    if not flows.size and (selection.pagination or offset):
        count = await reading.count()
    return FlowPage(None if count is None else paginate(count, query), flows)


async def _count_first(reading: "_Reading", selection: Selection) -> FlowPage:
    query = reading.query
    if query.offset == 0 and not selection.pagination:
        return FlowPage(None, NO_ROWS)
    pagination = paginate(await reading.count(), query)
    if selection.columns is None or not pagination["count"]:
        return FlowPage(pagination, NO_ROWS)
    flows, _ = await reading.page(selection.columns, pagination["start_index"] - 1)
    return FlowPage(pagination, flows)


async def find_flow(
    database: Database, viewer: Viewer, query: FlowQuery, columns: tuple[str, ...] = COLUMNS
) -> Batch:
    """The flow that the query admits by its slug; no row if the viewer may see none such."""
    return await _Reading(database, viewer, query).all(columns)


async def find_flow_by_pk(
    database: Database, viewer: Viewer, pk: str, columns: tuple[str, ...]
) -> Batch:
    """The flow of this primary key; no row if the viewer may see none such."""
    return await find_flow(database, viewer, FlowQuery(pk=pk), columns)


async def find_stage_binding(
    database: Database, viewer: Viewer, pk: str, columns: tuple[str, ...]
) -> Batch:
    """The stage binding of this primary key; no row if it is of no flow that the viewer may see."""
    question = _stage_bindings(Ask.BY_PK, database, viewer, columns)
    return (await _related(database, viewer, question, {"pk": pk})).batch


async def find_policy_binding(
    database: Database, viewer: Viewer, pk: str, columns: tuple[str, ...]
) -> Batch:
    """The policy binding of this primary key; no row if it is of no flow that the viewer may see."""
    question = _policy_bindings(Ask.BY_PK, database, viewer, columns)
    return (await _related(database, viewer, question, {"pk": pk})).batch


async def find_part(
    part: Part, database: Database, viewer: Viewer, pk: str, columns: tuple[str, ...]
) -> Batch:
    """The stage or policy of this primary key; no row if a restricted viewer may see no flow that uses it."""
    types = _types(database, part, "type", columns)
    question = Parts(part, columns, types, viewer.is_restricted)
    return (await _related(database, viewer, question, {"pk": pk})).batch


async def stage_bindings(
    database: Database, viewer: Viewer, flows: Sequence[str], columns: tuple[str, ...]
) -> Grouped:
    """The stage bindings of flows that the viewer may see, in the order that they run."""
    question = _stage_bindings(Ask.OF_PARENTS, database, viewer, columns)
    return await _related(database, viewer, question, {"parents": flows})


async def policy_bindings(
    database: Database, viewer: Viewer, targets: Sequence[str], columns: tuple[str, ...]
) -> Grouped:
    """What is bound to flows and stage bindings that the viewer may see, in order."""
    question = _policy_bindings(Ask.OF_PARENTS, database, viewer, columns)
    return await _related(database, viewer, question, {"parents": targets})


async def flows_using(  # noqa: PLR0913, PLR0917 - what is asked, of what, for whom
    part: Part,
    database: Database,
    viewer: Viewer,
    parts: Sequence[str],
    columns: tuple[str, ...],
    first: int,
) -> Grouped:
    """The first flows, by slug, that use each of the stages or policies, and that the viewer may see.

    Raises BadUserInputError.
    """
    check_first(first)
    question = FlowsUsing(part, columns, database.catalog.plan_keys, viewer.is_restricted)
    return await _related(database, viewer, question, {"parents": parts, "first": first})


def check_first(first: int) -> None:
    """Raise BadUserInputError unless that is how many flows there may be."""
    if not 0 <= first <= MAX_PAGE_SIZE:
        raise BadUserInputError(f"first is {first}, not from 0 to {MAX_PAGE_SIZE}.")


def _stage_bindings(
    ask: Ask, database: Database, viewer: Viewer, columns: tuple[str, ...]
) -> StageBindings:
    types = _types(database, Part.STAGE, "stage.type", columns)
    restricted = viewer.is_restricted and ask is Ask.BY_PK
    return StageBindings(ask, columns, types, database.catalog.plan_keys, restricted)


def _policy_bindings(
    ask: Ask, database: Database, viewer: Viewer, columns: tuple[str, ...]
) -> PolicyBindings:
    types = _types(database, Part.POLICY, "policy.type", columns)
    return PolicyBindings(ask, columns, types, viewer.is_restricted and ask is Ask.BY_PK)


def _types(database: Database, part: Part, name: str, columns: tuple[str, ...]) -> Types | None:
    if name not in columns:
        return None
    return Types(part, None if database.is_ours else database.catalog.children(part.value))


async def _related(
    database: Database, viewer: Viewer, question: Related, values: Mapping[str, Any]
) -> Grouped:
    """The rows of a question whose first column is the key that they belong to."""
    if viewer.sight is Sight.NOTHING or not values.get("parents", True):
        return NOTHING
    scope = {"plans": plan_prefix(database.schema), "user_id": viewer.user_id}
    found = await database.columns(question, scope | dict(values))
    return (
        Grouped.by(
            found[0], Batch(dict(zip(question.columns, found[1:], strict=True)), len(found[0]))
        )
        if found
        else NOTHING
    )


async def export_flow(database: Database, viewer: Viewer, query: FlowQuery) -> str | None:
    """The flow that the query admits, as a blueprint; None if the viewer may see none such."""
    found = list((await find_flow(database, viewer, query, FLOW_ROW)).rows())
    if not found:
        return None
    flow = FlowRow(**found[0])
    bound = await stage_bindings(database, viewer, [flow.pk], STAGE_BINDING_ROW)
    stages = list(starmap(StageBindingRow, bound.batch.tuples(STAGE_BINDING_ROW)))
    targets = [flow.policybindingmodel_ptr_id, *(row.policybindingmodel_ptr_id for row in stages)]
    bound = await policy_bindings(database, viewer, targets, POLICY_BINDING_ROW)
    policies = list(starmap(PolicyBindingRow, bound.batch.tuples(POLICY_BINDING_ROW)))
    return export.written(export.document(flow, stages, policies))


def paginate(count: int, query: FlowQuery) -> Pagination:
    """Where the query's page lies among `count` flows; raises InvalidPageError."""
    total_pages = max(1, -(-count // query.page_size))
    page = total_pages if query.page == "last" else query.page
    if not 1 <= page <= total_pages:
        raise InvalidPageError(page, total_pages)
    start = (page - 1) * query.page_size
    return Pagination(
        next=page + 1 if page < total_pages else 0,
        previous=page - 1,
        count=count,
        current=page,
        total_pages=total_pages,
        start_index=start + 1 if count else 0,
        end_index=min(start + query.page_size, count),
    )


@dataclass(frozen=True, slots=True)
class _Reading:
    """What is read for one question of one viewer."""

    database: Database
    viewer: Viewer
    query: FlowQuery

    async def count(self) -> int:
        """How many flows are admitted."""
        if self._is_vain:
            return 0
        question = listing.admitted(self.query, self.viewer)
        [(count,)] = await self.database.read(question, self._values())
        return count

    async def all(self, columns: tuple[str, ...]) -> Batch:
        """All flows that are admitted, in no order."""
        if self._is_vain:
            return NO_ROWS
        found = await self.database.columns(self._flows(columns), self._values())
        return _batch(columns, found)

    async def page(
        self, columns: tuple[str, ...], offset: int, *, is_counted: bool = False
    ) -> tuple[Batch, int | None]:
        """The flows behind `offset`, and how many are admitted, if that is counted and any is found."""
        if self._is_vain:
            return NO_ROWS, None
        ordering = listing.complete(self.query.ordering)
        question = Page(self._flows(columns), ordering, is_counted)
        place = {"limit": self.query.page_size, "offset": offset}
        found = await self.database.columns(question, self._values() | place)
        return _batch(columns, found), found[-1][0] if found and is_counted else None

    def _flows(self, columns: tuple[str, ...]) -> Flows:
        admitted = listing.admitted(self.query, self.viewer)
        return Flows(admitted, columns, self.database.catalog.plan_keys)

    def _values(self) -> dict[str, Any]:
        values = listing.values(self.query, self.viewer)
        return {**values, "plans": plan_prefix(self.database.schema)}

    @property
    def _is_vain(self) -> bool:
        """Whether there is nothing to be found, whatever is stored."""
        return self.viewer.sight is Sight.NOTHING or "" in self.query.filters.values()


def _batch(columns: tuple[str, ...], found: Sequence[Sequence[Any]]) -> Batch:
    # Without a row there are no columns either, and a count is one more.
    return Batch(dict(zip(columns, found, strict=False)), len(found[0])) if found else NO_ROWS


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


class FlowConnection(NamedTuple):
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
) -> FlowConnection:
    """The first or the last flows between two cursors; raises BadUserInputError.

    Takes one statement, if that; two where no flow is found and a cursor is given.
    """
    connecting = _connecting(database, viewer, query, wanted)
    page = _NO_PAGE if viewer.sight is Sight.NOTHING else await connecting.page()
    ends = (page.has_more, page.is_beyond)
    has_next, has_previous = reversed(ends) if query.is_backward else ends
    ordering = connecting.question.ordering
    return FlowConnection(
        page.flows,
        cursors.written(ordering, page.flows) if wanted.cursors else None,
        has_next=has_next,
        has_previous=has_previous,
        total_count=page.total if wanted.total_count else None,
    )


class _ConnectedPage(NamedTuple):
    """Flows, whether there are more where they end, or any where they start, and the count of all."""

    flows: Batch
    has_more: bool
    is_beyond: bool
    total: int


_NO_PAGE = _ConnectedPage(NO_ROWS, has_more=False, is_beyond=False, total=0)


@dataclass(frozen=True, slots=True)
class _Connecting:
    """A page of a connection that is read; `limit` is more than `size` to tell whether there is more."""

    database: Database
    question: KeysetPage
    values: Mapping[str, Any]
    size: int
    limit: int

    async def page(self) -> _ConnectedPage:
        """The page, in the order that is asked for."""
        found = await self._read() if self.limit else []
        if not found:
            return self._told(NO_ROWS, await self._asides(), has_more=False)
        asides = [values[0] for values in found[len(self._columns) or 1 :]]
        return self._told(self._flows(found), asides, has_more=len(found[0]) > self.size)

    async def _read(self) -> list[Sequence[Any]]:
        return await self.database.columns(self.question, {**self.values, "limit": self.limit})

    async def _asides(self) -> Sequence[Any]:
        """What is told besides flows where there are none, by a statement of its own if need be."""
        question = self.question
        is_all_read = self.limit and not (question.has_after or question.has_before)
        if is_all_read or not (question.is_counted or question.tells_beyond):
            return [0]
        [asides] = await self.database.read(Besides(question), self.values)
        return asides

    def _told(self, flows: Batch, asides: Sequence[Any], *, has_more: bool) -> _ConnectedPage:
        question = self.question
        is_beyond = question.tells_beyond and bool(asides[-1])
        return _ConnectedPage(flows, has_more, is_beyond, asides[0] if question.is_counted else 0)

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


def _connecting(
    database: Database, viewer: Viewer, query: ConnectionQuery, wanted: ConnectionSelection
) -> _Connecting:
    size, ordering = query.size, listing.complete(query.ordering)
    tells_more = wanted.has_previous if query.is_backward else wanted.has_next
    is_read = tells_more or wanted.columns is not None or wanted.cursors
    values = {
        **query.where.values,
        **_place("after", query.after, ordering),
        **_place("before", query.before, ordering),
        "user_id": viewer.user_id,
        "plans": plan_prefix(database.schema),
    }
    question = _question(database, viewer, query, wanted)
    return _Connecting(database, question, values, size, size + tells_more if is_read else 0)


def _question(
    database: Database, viewer: Viewer, query: ConnectionQuery, wanted: ConnectionSelection
) -> KeysetPage:
    ordering = listing.complete(query.ordering)
    sorted_by = (term.name for term in ordering) if wanted.cursors else ()
    columns = tuple(dict.fromkeys((*(wanted.columns or ()), *sorted_by)))
    admitted = Admitted(
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
        tells_beyond=tells_beyond and query.start is not None,
    )


def _place(end: End, cursor: str | None, ordering: Sequence[Ordering]) -> Mapping[str, Any]:
    if cursor is None:
        return {}
    return keyset.parameters(end, cursors.read(end, cursor, ordering), ordering)
