"""Pages between cursors: all flows once, in their order, whichever way and whatever happens meanwhile."""

import base64
import json
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gql.errors import BadUserInputError
from gql.resolvers import cursors
from gql.resolvers.connections import (
    ConnectionQuery,
    ConnectionSelection,
    FlowConnectionData,
    connect_flows,
)
from gql.resolvers.flows import FlowSelection, list_flows
from models.queries.conditions import Matches, Operator, Where
from models.queries.flows import BY_SLUG, COLUMNS, ORDERINGS, FlowQuery, Ordering, complete_ordering
from models.queries.viewer import FlowAccess, Viewer
from models.tables.flow import FlowDesignation
from models.tables.metadata import METADATA
from support.databases import OpenDatabase, fill_ours_typed, open_for_test
from support.edge_case_data import FLOW_COUNT, ROWS, identifier
from support.postgres import PostgresServer
from support.sql_recorder import record_statements

EVERYBODY = Viewer(1, FlowAccess.ALL)
# Reads with the roles that may see some flows.
SOMEBODY = Viewer(6, FlowAccess.SOME)
NOBODY = Viewer(1, FlowAccess.NONE)
WAYS = [Ordering(name, descending) for name in ORDERINGS for descending in (False, True)]
SLUGS = ConnectionSelection(columns=("slug",))
NO_MORE = ConnectionSelection(
    columns=None, cursors=False, has_next=False, has_previous=False, total_count=False
)
RECOVERY = Where(
    Matches("designation", Operator.EQUALS, "w0"), {"w0": FlowDesignation.RECOVERY.value}
)
NO_FLOW = Where(Matches("slug", Operator.EQUALS, "w0"), {"w0": "nope"})


@pytest.fixture(scope="module")
def databases(
    sqlite_url: str, postgresql_url: str, authentik_url: str
) -> Iterator[Mapping[str, OpenDatabase]]:
    """A database of each kind, all with the same data."""
    with (
        open_for_test(sqlite_url) as on_sqlite,
        open_for_test(postgresql_url) as on_postgresql,
        open_for_test(authentik_url) as on_authentik,
    ):
        yield {"sqlite": on_sqlite, "postgresql": on_postgresql, "authentik": on_authentik}


@pytest.fixture(params=["sqlite", "postgresql", "authentik"])
def on(request: pytest.FixtureRequest, databases: Mapping[str, OpenDatabase]) -> OpenDatabase:
    """Each of them in turn."""
    return databases[request.param]


def asked(
    on: OpenDatabase,
    viewer: Viewer = EVERYBODY,
    wanted: ConnectionSelection = SLUGS,
    **query: Any,
) -> FlowConnectionData:
    """One page."""
    return on.run(connect_flows(on.database, viewer, ConnectionQuery(**query), wanted))


def slugs_of(page: FlowConnectionData) -> list[str]:
    """The slugs of a page."""
    return list(page.flows.columns.get("slug", ()))


def cursors_of(page: FlowConnectionData) -> Sequence[str]:
    """The cursors of a page that has been asked for them."""
    assert page.cursors is not None
    return page.cursors


def in_order(
    on: OpenDatabase, ordering: tuple[Ordering, ...], viewer: Viewer = EVERYBODY
) -> list[str]:
    """All slugs, as the pages by number have them."""
    slugs: list[str] = []
    query = FlowQuery(ordering=ordering, page_size=100)
    for number in range(1, 3 if viewer is EVERYBODY else 2):
        asked_for = query._replace(page=number)
        selection = FlowSelection(("slug",), pagination=False)
        page = on.run(list_flows(on.database, viewer, asked_for, selection))
        slugs += page.flows.columns["slug"]
    return slugs


def forwards(on: OpenDatabase, size: int, viewer: Viewer = EVERYBODY, **query: Any) -> list[str]:
    """All slugs, from the first page to the last."""
    slugs: list[str] = []
    page = asked(on, viewer, first=size, **query)
    assert not page.has_previous
    while True:
        slugs += slugs_of(page)
        if not page.has_next:
            return slugs
        assert len(cursors_of(page)) == size
        page = asked(on, viewer, first=size, after=cursors_of(page)[-1], **query)
        assert page.has_previous


def backwards(on: OpenDatabase, size: int, viewer: Viewer = EVERYBODY, **query: Any) -> list[str]:
    """The same from the last page to the first."""
    slugs: list[str] = []
    page = asked(on, viewer, last=size, **query)
    assert not page.has_next
    while True:
        slugs = slugs_of(page) + slugs
        if not page.has_previous:
            return slugs
        assert len(cursors_of(page)) == size
        page = asked(on, viewer, last=size, before=cursors_of(page)[0], **query)
        assert page.has_next


@pytest.mark.parametrize("size", [3, 7, 100])
@pytest.mark.parametrize("way", WAYS)
def test_pages_have_all_flows_in_order(on: OpenDatabase, way: Ordering, size: int) -> None:
    """By any name, in both directions, forwards as backwards."""
    expected = in_order(on, (way,))
    assert len(expected) == FLOW_COUNT
    assert forwards(on, size, ordering=(way,)) == expected
    assert backwards(on, size, ordering=(way,)) == expected


@pytest.mark.parametrize("way", WAYS)
def test_pages_may_have_one_flow(on: OpenDatabase, way: Ordering) -> None:
    """And a viewer who sees some flows goes through these alone."""
    expected = in_order(on, (way,), SOMEBODY)
    assert 0 < len(expected) < FLOW_COUNT
    assert forwards(on, 1, SOMEBODY, ordering=(way,)) == expected
    assert backwards(on, 1, SOMEBODY, ordering=(way,)) == expected


@given(
    ordering=st.lists(st.sampled_from(WAYS), min_size=2, max_size=5).map(tuple),
    size=st.sampled_from((5, 7, 50)),
    viewer=st.sampled_from((EVERYBODY, SOMEBODY)),
    wanted=st.builds(
        SLUGS._replace,
        columns=st.sampled_from((("slug",), ("slug", "title"), tuple(COLUMNS))),
        total_count=st.booleans(),
    ),
)
def test_pages_of_random_orders_have_all_flows(
    databases: Mapping[str, OpenDatabase],
    ordering: tuple[Ordering, ...],
    size: int,
    viewer: Viewer,
    wanted: ConnectionSelection,
) -> None:
    """However many terms there are, in whatever directions."""
    for on in databases.values():
        expected = in_order(on, ordering, viewer)
        after = before = None
        for start in range(0, len(expected), size):
            page = asked(on, viewer, wanted, ordering=ordering, first=size, after=after)
            assert slugs_of(page) == expected[start : start + size]
            assert page.total_count == (len(expected) if wanted.total_count else None)
            assert (page.has_previous, page.has_next) == (start > 0, start + size < len(expected))
            after = cursors_of(page)[-1]
        for end in range(len(expected), 0, -size):
            page = asked(on, viewer, wanted, ordering=ordering, last=size, before=before)
            assert slugs_of(page) == expected[max(end - size, 0) : end]
            assert (page.has_previous, page.has_next) == (end > size, end < len(expected))
            before = cursors_of(page)[0]


@pytest.mark.parametrize("columns", [("slug",), ("slug", *COLUMNS)])
@pytest.mark.parametrize("where", [Where(), RECOVERY])
@pytest.mark.parametrize(
    "ordering", [(BY_SLUG,), (Ordering("designation", descending=True), Ordering("name"))]
)
def test_both_cursors_bound_a_page(
    on: OpenDatabase, columns: tuple[str, ...], where: Where, ordering: tuple[Ordering, ...]
) -> None:
    """`first` with `before` and `last` with `after` stay between them, and the count is of all."""
    wanted = ConnectionSelection(tuple(dict.fromkeys(columns)))
    everything = asked(on, wanted=wanted, where=where, ordering=ordering, first=100)
    all_, places = slugs_of(everything), cursors_of(everything)
    between: dict[str, Any] = {
        "where": where,
        "ordering": ordering,
        "after": places[2],
        "before": places[10],
    }
    for size in (0, 3, 7, 8, 50):
        first = asked(on, wanted=wanted, first=size, **between)
        last = asked(on, wanted=wanted, last=size, **between)
        assert slugs_of(first) == all_[3:10][:size]
        assert slugs_of(last) == all_[3:10][max(7 - size, 0) :]
        assert (first.has_next, first.has_previous) == (size < 7, True)
        assert (last.has_next, last.has_previous) == (True, size < 7)
        assert first.total_count == last.total_count == everything.total_count


def test_cursors_need_no_flow(on: OpenDatabase) -> None:
    """Between two that follow each other is nothing, nor behind the last; what else is told is right."""
    page = asked(on, first=100)
    two: dict[str, Any] = {"after": cursors_of(page)[4], "before": cursors_of(page)[5]}
    assert asked(on, first=5, **two) == FlowConnectionData(
        page.flows._replace(columns={}, size=0),
        [],
        has_next=False,
        has_previous=True,
        total_count=160,
    )
    assert asked(on, last=5, **two) == FlowConnectionData(
        page.flows._replace(columns={}, size=0),
        [],
        has_next=True,
        has_previous=False,
        total_count=160,
    )
    end = cursors_of(asked(on, last=1))[0]
    behind = asked(on, first=5, after=end)
    assert (slugs_of(behind), behind.has_next, behind.has_previous) == ([], False, True)


def test_the_default_is_the_first_twenty(on: OpenDatabase) -> None:
    """Where neither `first` nor `last` is given, behind a cursor as well."""
    expected = in_order(on, (BY_SLUG,))
    page = asked(on)
    assert slugs_of(page) == expected[:20]
    assert slugs_of(asked(on, after=cursors_of(page)[-1])) == expected[20:40]


@pytest.mark.parametrize("viewer", [EVERYBODY, NOBODY])
@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ({"first": -1}, "first is -1, not from 0 to 100."),
        ({"first": 101}, "first is 101, not from 0 to 100."),
        ({"last": -1}, "last is -1, not from 0 to 100."),
        ({"last": 101}, "last is 101, not from 0 to 100."),
        ({"first": 1, "last": 1}, "first and last are both given: only one of them can be."),
        ({"before": "a"}, "before is given without first or last, which tell how many."),
    ],
)
def test_sizes_that_cannot_be(
    on: OpenDatabase, viewer: Viewer, query: dict[str, Any], reason: str
) -> None:
    """Are refused before anything is read, and to those who see nothing as well."""
    with record_statements() as recorded, pytest.raises(BadUserInputError) as refused:
        asked(on, viewer, **query)
    assert str(refused.value) == reason
    assert recorded == []


def test_who_sees_nothing_gets_an_empty_connection(on: OpenDatabase) -> None:
    """Without a statement."""
    cursor = cursors_of(asked(on, first=1))[0]
    with record_statements() as recorded:
        page = asked(on, NOBODY, first=5, after=cursor)
    assert (page.flows.size, *page[1:]) == (0, [], False, False, 0)
    assert recorded == []


def wanting(**wanted: Any) -> ConnectionSelection:
    """What is selected, and nothing else."""
    return NO_MORE._replace(**wanted)


@pytest.mark.parametrize(
    ("wanted", "query", "expected"),
    [
        (SLUGS, {}, 1),
        (ConnectionSelection(), {"first": 100}, 1),
        (ConnectionSelection(), {"last": 100, "where": RECOVERY}, 1),
        (SLUGS, {"where": NO_FLOW}, 1),
        (SLUGS, {"after": "last"}, 2),
        (SLUGS, {"after": "last", "where": RECOVERY}, 2),
        (SLUGS, {"after": "first"}, 1),
        (SLUGS, {"after": "first", "where": RECOVERY}, 1),
        (SLUGS._replace(total_count=False), {"after": "last"}, 2),
        (SLUGS._replace(total_count=False, has_previous=False), {"after": "last"}, 1),
        (SLUGS._replace(total_count=False), {"last": 3, "before": "first"}, 2),
        (SLUGS._replace(total_count=False, has_next=False), {"last": 3, "before": "first"}, 1),
        (NO_MORE, {}, 0),
        (wanting(columns=()), {}, 1),
        (wanting(columns=()), {"first": 0}, 0),
        (wanting(cursors=True), {}, 1),
        (wanting(cursors=True), {"first": 0}, 0),
        (wanting(total_count=True), {}, 1),
        (wanting(total_count=True), {"first": 0, "after": "first"}, 1),
        (wanting(has_next=True), {"first": 0}, 1),
        (wanting(has_previous=True), {"first": 0}, 0),
        (wanting(has_previous=True), {"after": "first"}, 1),
        (wanting(has_next=True), {"last": 5}, 0),
        (wanting(has_previous=True), {"last": 5}, 1),
    ],
)
def test_statements(
    on: OpenDatabase, wanted: ConnectionSelection, query: dict[str, Any], expected: int
) -> None:
    """One, if anything has to be read; a second where there is no flow, and a cursor is given."""
    ends = {"first": cursors_of(asked(on, first=1))[0], "last": cursors_of(asked(on, last=1))[0]}
    given: dict[str, Any] = {
        name: ends[value] if name in {"after", "before"} else value for name, value in query.items()
    }
    with record_statements() as recorded:
        asked(on, wanted=wanted, **given)
    assert len(recorded) == expected


def test_nothing_is_counted_or_looked_for_that_is_not_selected(on: OpenDatabase) -> None:
    """A count and a look back are in the statement only where they are wanted."""
    after = cursors_of(asked(on, first=1))[0]
    for counted, looks_back in ((False, False), (True, False), (False, True), (True, True)):
        wanted = SLUGS._replace(total_count=counted, has_previous=looks_back)
        with record_statements() as recorded:
            page = asked(on, wanted=wanted, after=after)
        assert ("count(" in recorded[0].text, "EXISTS" in recorded[0].text) == (counted, looks_back)
        assert (page.total_count, page.has_previous) == (160 if counted else None, looks_back)


@pytest.mark.parametrize("where", [Where(), RECOVERY])
def test_a_statement_is_compiled_once(on: OpenDatabase, where: Where) -> None:
    """For any cursor and size."""
    first = asked(on, first=3, where=where)
    with record_statements() as recorded:
        for size, cursor in zip((1, 3, 50), cursors_of(first), strict=True):
            asked(on, first=size, after=cursor, where=where)
    assert len({id(statement) for statement in recorded}) == 1


# What happens between two pages -------------------------------------------------------------------


@contextmanager
def own(kind: str, postgres: PostgresServer, folder: Any) -> Generator[OpenDatabase]:
    """A database that may be written."""
    url = f"sqlite:///{folder / 'own.db'}"
    if kind == "postgresql":
        url = postgres.create_database("keyset_own")
    with open_for_test(fill_ours_typed(url), writable=True) as on:
        yield on


def flow(slug: str, name: str) -> dict[str, Any]:
    """A flow that nothing is bound to."""
    row = dict(ROWS["authentik_flows_flow"][0])
    return {
        **row,
        "slug": slug,
        "name": name,
        "flow_uuid": identifier("flow", slug),
        "policybindingmodel_ptr_id": identifier("flow target", slug),
    }


async def insert(on: OpenDatabase, *flows: Mapping[str, Any]) -> None:
    """Store flows."""
    tables = METADATA.tables
    async with on.database.transaction() as connection:
        for row in flows:
            target = {"pbm_uuid": row["policybindingmodel_ptr_id"], "policy_engine_mode": "any"}
            targets = tables["authentik_policies_policybindingmodel"]
            await connection.execute(targets.insert(), target)
            await connection.execute(tables["authentik_flows_flow"].insert(), dict(row))


async def delete(on: OpenDatabase, *slugs: str) -> None:
    """Delete flows that nothing is bound to."""
    table = METADATA.tables["authentik_flows_flow"]
    async with on.database.transaction() as connection:
        await connection.execute(table.delete().where(table.c.slug.in_(slugs)))


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_what_changes_between_pages_is_neither_repeated_nor_lost(
    kind: str, postgres: PostgresServer, tmp_path: Any
) -> None:
    """Flows come and go before the cursor, behind it, and at it: all others are told once."""
    ordering = (Ordering("name", descending=True),)
    with own(kind, postgres, tmp_path) as on:
        on.run(insert(on, *(flow(f"new-{letter}", f"m {letter}") for letter in "abcdef")))
        after = encoded([1, "-name,slug", "m e", "new-e"])
        page = asked(on, ordering=ordering, first=1, after=after)
        assert slugs_of(page) == ["new-d"]
        cursor = cursors_of(page)[0]
        on.run(delete(on, "new-e", "new-d", "new-b"))
        on.run(insert(on, flow("later-e", "m e"), flow("later-c", "m c"), flow("later-d", "m d")))
        ahead = asked(on, ordering=ordering, first=4, after=cursor)
        back = asked(on, ordering=ordering, last=3, before=cursor)
        # Of one name, new-d would stand behind later-d.
        assert slugs_of(ahead)[:3] == ["later-c", "new-c", "new-a"]
        assert slugs_of(back) == ["new-f", "later-e", "later-d"]
        assert ahead.has_previous
        assert back.has_next


# Cursors ------------------------------------------------------------------------------------------

BY_NAME = complete_ordering((Ordering("name", descending=True),))
BY_MODE = complete_ordering((Ordering("compatibility_mode"), Ordering("pk")))


def encoded(told: list[Any]) -> str:
    """A cursor of this content."""
    text = json.dumps(told, separators=(",", ":"), ensure_ascii=False)
    return base64.urlsafe_b64encode(text.encode()).decode()


GOOD = encoded([1, "-name,slug", "ü?>", "a-flow"])
PK = identifier("flow", 1)


def test_a_cursor_reads_as_it_was_written() -> None:
    """Letters, booleans and uuids alike."""
    assert cursors.decode_cursor("after", GOOD, BY_NAME) == ["ü?>", "a-flow"]
    mode = encoded([1, "compatibility_mode,pk", True, PK])
    assert cursors.decode_cursor("after", mode, BY_MODE) == [True, PK]


@pytest.mark.parametrize("argument", ["after", "before"])
@pytest.mark.parametrize(
    ("ordering", "cursor"),
    [
        (BY_NAME, ""),
        (BY_NAME, "a"),
        (BY_NAME, "===="),
        (BY_NAME, "ü"),
        (BY_NAME, "\ud800"),
        (BY_NAME, f"{GOOD}\n"),
        (BY_NAME, f" {GOOD}"),
        (BY_NAME, GOOD.rstrip("=")),
        (BY_NAME, f"{GOOD}="),
        (BY_NAME, GOOD[:-4]),
        (BY_NAME, GOOD.replace("-", "+").replace("_", "/")),
        (BY_NAME, base64.urlsafe_b64encode(b"\xff\xfe").decode()),
        (BY_NAME, base64.urlsafe_b64encode(b'[1, "-name,slug", "a", "b"]').decode()),
        (BY_NAME, base64.urlsafe_b64encode(b'[1,"-name,slug","\\u0061","b"]').decode()),
        (BY_NAME, base64.urlsafe_b64encode(b'[1,"-name,slug","\\ud800","b"]').decode()),
        (BY_NAME, base64.urlsafe_b64encode(b'[1.0,"-name,slug","a","b"]').decode()),
        (BY_NAME, base64.urlsafe_b64encode(b"[" * 50_000).decode()),
        (BY_NAME, base64.urlsafe_b64encode(b'{"1":2}').decode()),
        (BY_NAME, base64.urlsafe_b64encode(b'"12345678"').decode()),
        (BY_NAME, base64.urlsafe_b64encode(b"null").decode()),
        (BY_NAME, encoded([])),
        (BY_NAME, encoded([0, "-name,slug", "a", "b"])),
        (BY_NAME, encoded([2, "-name,slug", "a", "b"])),
        (BY_NAME, encoded(["1", "-name,slug", "a", "b"])),
        (BY_NAME, encoded([True, "-name,slug", "a", "b"])),
        (BY_NAME, encoded([1, "name,slug", "a", "b"])),
        (BY_NAME, encoded([1, "-title,slug", "a", "b"])),
        (BY_NAME, encoded([1, "-name", "a", "b"])),
        (BY_NAME, encoded([1, None, "a", "b"])),
        (BY_NAME, encoded([1, "-name,slug", "a"])),
        (BY_NAME, encoded([1, "-name,slug", "a", "b", "c"])),
        (BY_NAME, encoded([1, "-name,slug", "a", None])),
        (BY_NAME, encoded([1, "-name,slug", 1, "b"])),
        (BY_NAME, encoded([1, "-name,slug", ["a"], "b"])),
        (BY_NAME, encoded([1, "-name,slug", "a", {}])),
        (BY_NAME, encoded([1, "-name,slug", True, "b"])),
        (BY_NAME, encoded([1, "-name,slug", "a\0", "b"])),
        (BY_MODE, GOOD),
        (BY_MODE, encoded([1, "compatibility_mode,pk", 1, PK])),
        (BY_MODE, encoded([1, "compatibility_mode,pk", "true", PK])),
        (BY_MODE, encoded([1, "compatibility_mode,pk", None, PK])),
        (BY_MODE, encoded([1, "compatibility_mode,pk", True, "x"])),
        (BY_MODE, encoded([1, "compatibility_mode,pk", True, PK.upper()])),
        (BY_MODE, encoded([1, "compatibility_mode,pk", True, PK.replace("-", "")])),
        (BY_MODE, encoded([1, "compatibility_mode,pk", True, f"{PK}\n"])),
    ],
)
def test_what_is_no_cursor_is_refused(
    argument: str, ordering: tuple[Ordering, ...], cursor: str
) -> None:
    """Bad, foreign and outdated ones alike, with one error that names the argument."""
    with pytest.raises(BadUserInputError) as refused:
        cursors.decode_cursor(argument, cursor, ordering)
    assert str(refused.value) == (
        f"{argument} is no cursor of this list in this order: take one that the list has given"
        " for the same orderBy."
    )


@given(
    text=st.one_of(
        st.text(),
        st.text("ABCDabcd0189-_="),
        st.binary().map(lambda some: base64.urlsafe_b64encode(some).decode()),
        st.integers(0, len(GOOD) - 1).map(lambda at: GOOD[:at] + "A" + GOOD[at + 1 :]),
    )
)
def test_any_text_is_a_cursor_or_refused(text: str) -> None:
    """What is read was written here, letter by letter."""
    try:
        values = cursors.decode_cursor("after", text, BY_NAME)
    except BadUserInputError:
        return
    assert encoded([1, "-name,slug", *values]) == text


LENGTH = 1_000_000


@pytest.mark.parametrize(
    "cursor",
    [
        "A" * LENGTH,
        base64.urlsafe_b64encode(b"[" * LENGTH).decode(),
        base64.urlsafe_b64encode(b"[1" + b"0" * LENGTH + b"]").decode(),
        encoded([1, "-name,slug", *["a"] * LENGTH]),
        encoded([1, "-name,slug", "ü" * LENGTH, "b"]),
    ],
    ids=["letters", "lists", "number", "values", "text"],
)
def test_a_long_cursor_is_judged_quickly(cursor: str) -> None:
    """Ten times as long as a request may be."""
    start = time.perf_counter()
    with suppress(BadUserInputError):
        cursors.decode_cursor("after", cursor, BY_NAME)
    assert time.perf_counter() - start < 1


def test_a_cursor_may_name_what_is_not_there(on: OpenDatabase) -> None:
    """A flow is behind it by its values alone, however odd they are."""
    ordering = (Ordering("name", descending=True),)
    expected = in_order(on, ordering)
    behind_all = encoded([1, "-name,slug", "\U0010ffff" * 50_000, ""])
    assert slugs_of(asked(on, ordering=ordering, first=5, after=behind_all)) == expected[:5]
