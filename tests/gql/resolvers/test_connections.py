"""Paging by cursors returns every flow once and in order, in both directions."""

import base64
import json
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gql.errors import BadUserInputError
from gql.resolvers import cursors
from gql.resolvers.connections import (
    ConnectionData,
    ConnectionQuery,
    ConnectionSelection,
    load_flow_connection,
)
from gql.resolvers.flows import FlowSelection, list_flows
from models.queries.conditions import Comparison, Operator, WhereClause
from models.queries.flows import (
    BY_SLUG,
    COLUMNS,
    ORDERING_FIELDS,
    FlowQuery,
    Ordering,
    complete_ordering,
)
from models.queries.viewer import Viewer
from models.tables.flow import FlowDesignation
from models.tables.metadata import METADATA
from support.databases import OpenDatabase, fill_flowql_with_types, open_for_test
from support.edge_case_data import FLOW_COUNT, ROWS, identifier
from support.postgres import PostgresServer
from support.sql_recorder import record_statements
from support.viewers import ALL_VIEWER, NO_VIEWER, build_restricted_viewer

SOME_VIEWER = build_restricted_viewer(["some flows", "more flows"])
ORDERING_TERMS = [
    Ordering(name, descending) for name in ORDERING_FIELDS for descending in (False, True)
]
SLUGS = ConnectionSelection(columns=("slug",))
NOTHING = ConnectionSelection(
    columns=None,
    needs_cursors=False,
    needs_next=False,
    needs_previous=False,
    needs_total_count=False,
)
RECOVERY = WhereClause(
    Comparison("designation", Operator.EQUALS, "w0"), {"w0": FlowDesignation.RECOVERY.value}
)
NO_FLOW = WhereClause(Comparison("slug", Operator.EQUALS, "w0"), {"w0": "nope"})


@pytest.fixture(scope="module")
def databases(
    sqlite_url: str, postgresql_url: str, authentik_url: str
) -> Iterator[Mapping[str, OpenDatabase]]:
    """One database of each kind, with equal data."""
    with (
        open_for_test(sqlite_url) as sqlite,
        open_for_test(postgresql_url) as postgresql,
        open_for_test(authentik_url) as authentik,
    ):
        yield {"sqlite": sqlite, "postgresql": postgresql, "authentik": authentik}


@pytest.fixture(params=["sqlite", "postgresql", "authentik"])
def database(request: pytest.FixtureRequest, databases: Mapping[str, OpenDatabase]) -> OpenDatabase:
    """Each database in turn."""
    return databases[request.param]


def load_page(
    database: OpenDatabase,
    viewer: Viewer = ALL_VIEWER,
    selection: ConnectionSelection = SLUGS,
    **query: Any,
) -> ConnectionData:
    """Return one page."""
    return database.read(
        lambda session: load_flow_connection(session, viewer, ConnectionQuery(**query), selection)
    )


def slugs_of(page: ConnectionData) -> list[str]:
    """Return the slugs of a page."""
    return list(page.rows.columns.get("slug", ()))


def cursors_of(page: ConnectionData) -> Sequence[str]:
    """Return the cursors of a page, which were selected."""
    assert page.cursors is not None
    return page.cursors


def list_slugs(
    database: OpenDatabase, ordering: tuple[Ordering, ...], viewer: Viewer = ALL_VIEWER
) -> list[str]:
    """Return all slugs, read by page number."""
    slugs: list[str] = []
    query = FlowQuery(ordering=ordering, page_size=100)
    for number in range(1, 3 if viewer is ALL_VIEWER else 2):
        selection = FlowSelection(("slug",), pagination=False)
        page = database.read(
            partial(
                list_flows, viewer=viewer, query=query._replace(page=number), selection=selection
            )
        )
        slugs += page.flows.columns["slug"]
    return slugs


def page_forward(
    database: OpenDatabase, size: int, viewer: Viewer = ALL_VIEWER, **query: Any
) -> list[str]:
    """Return all slugs, read from the first page to the last."""
    slugs: list[str] = []
    page = load_page(database, viewer, first=size, **query)
    assert not page.has_previous
    while True:
        slugs += slugs_of(page)
        if not page.has_next:
            return slugs
        assert len(cursors_of(page)) == size
        page = load_page(database, viewer, first=size, after=cursors_of(page)[-1], **query)
        assert page.has_previous


def page_backward(
    database: OpenDatabase, size: int, viewer: Viewer = ALL_VIEWER, **query: Any
) -> list[str]:
    """Return all slugs in order, read from the last page to the first."""
    slugs: list[str] = []
    page = load_page(database, viewer, last=size, **query)
    assert not page.has_next
    while True:
        slugs = slugs_of(page) + slugs
        if not page.has_previous:
            return slugs
        assert len(cursors_of(page)) == size
        page = load_page(database, viewer, last=size, before=cursors_of(page)[0], **query)
        assert page.has_next


@pytest.mark.parametrize("size", [3, 7, 100])
@pytest.mark.parametrize("term", ORDERING_TERMS)
def test_pages_have_all_flows_in_order(database: OpenDatabase, term: Ordering, size: int) -> None:
    """Paging works for each ordering term and in both directions."""
    expected = list_slugs(database, (term,))
    assert len(expected) == FLOW_COUNT
    assert page_forward(database, size, ordering=(term,)) == expected
    assert page_backward(database, size, ordering=(term,)) == expected


@pytest.mark.parametrize("term", ORDERING_TERMS)
def test_pages_of_one_flow(database: OpenDatabase, term: Ordering) -> None:
    """A restricted viewer pages through the visible flows only."""
    expected = list_slugs(database, (term,), SOME_VIEWER)
    assert 0 < len(expected) < FLOW_COUNT
    assert page_forward(database, 1, SOME_VIEWER, ordering=(term,)) == expected
    assert page_backward(database, 1, SOME_VIEWER, ordering=(term,)) == expected


@given(
    ordering=st.lists(st.sampled_from(ORDERING_TERMS), min_size=2, max_size=5).map(tuple),
    size=st.sampled_from((5, 7, 50)),
    viewer=st.sampled_from((ALL_VIEWER, SOME_VIEWER)),
    selection=st.builds(
        SLUGS._replace,
        columns=st.sampled_from((("slug",), ("slug", "title"), tuple(COLUMNS))),
        needs_total_count=st.booleans(),
    ),
)
def test_pages_of_random_orderings(
    databases: Mapping[str, OpenDatabase],
    ordering: tuple[Ordering, ...],
    size: int,
    viewer: Viewer,
    selection: ConnectionSelection,
) -> None:
    """Orderings of several terms, ascending and descending, return all flows in order."""
    for database in databases.values():
        expected = list_slugs(database, ordering, viewer)
        after = before = None
        for start in range(0, len(expected), size):
            page = load_page(
                database, viewer, selection, ordering=ordering, first=size, after=after
            )
            assert slugs_of(page) == expected[start : start + size]
            assert page.total_count == (len(expected) if selection.needs_total_count else None)
            assert (page.has_previous, page.has_next) == (start > 0, start + size < len(expected))
            after = cursors_of(page)[-1]
        for end in range(len(expected), 0, -size):
            page = load_page(
                database, viewer, selection, ordering=ordering, last=size, before=before
            )
            assert slugs_of(page) == expected[max(end - size, 0) : end]
            assert (page.has_previous, page.has_next) == (end > size, end < len(expected))
            before = cursors_of(page)[0]


@pytest.mark.parametrize("columns", [("slug",), ("slug", *COLUMNS)])
@pytest.mark.parametrize("where", [WhereClause(), RECOVERY])
@pytest.mark.parametrize(
    "ordering", [(BY_SLUG,), (Ordering("designation", descending=True), Ordering("name"))]
)
def test_both_cursors_bound_a_page(
    database: OpenDatabase,
    columns: tuple[str, ...],
    where: WhereClause,
    ordering: tuple[Ordering, ...],
) -> None:
    """With both cursors a page stays between them; the count contains all matching flows."""
    selection = ConnectionSelection(tuple(dict.fromkeys(columns)))
    everything = load_page(database, selection=selection, where=where, ordering=ordering, first=100)
    all_slugs, all_cursors = slugs_of(everything), cursors_of(everything)
    between: dict[str, Any] = {
        "where": where,
        "ordering": ordering,
        "after": all_cursors[2],
        "before": all_cursors[10],
    }
    for size in (0, 3, 7, 8, 50):
        first = load_page(database, selection=selection, first=size, **between)
        last = load_page(database, selection=selection, last=size, **between)
        assert slugs_of(first) == all_slugs[3:10][:size]
        assert slugs_of(last) == all_slugs[3:10][max(7 - size, 0) :]
        assert (first.has_next, first.has_previous) == (size < 7, True)
        assert (last.has_next, last.has_previous) == (True, size < 7)
        assert first.total_count == last.total_count == everything.total_count


def test_empty_pages(database: OpenDatabase) -> None:
    """Pages between adjacent cursors or after the last one are empty, with correct page info."""
    page = load_page(database, first=100)
    adjacent: dict[str, Any] = {"after": cursors_of(page)[4], "before": cursors_of(page)[5]}
    assert load_page(database, first=5, **adjacent) == ConnectionData(
        page.rows._replace(columns={}, size=0),
        [],
        has_next=False,
        has_previous=True,
        total_count=160,
    )
    assert load_page(database, last=5, **adjacent) == ConnectionData(
        page.rows._replace(columns={}, size=0),
        [],
        has_next=True,
        has_previous=False,
        total_count=160,
    )
    end = cursors_of(load_page(database, last=1))[0]
    after_end = load_page(database, first=5, after=end)
    assert (slugs_of(after_end), after_end.has_next, after_end.has_previous) == ([], False, True)


def test_the_default_is_the_first_twenty(database: OpenDatabase) -> None:
    """The page size is 20 without `first` and `last`, also after a cursor."""
    expected = list_slugs(database, (BY_SLUG,))
    page = load_page(database)
    assert slugs_of(page) == expected[:20]
    assert slugs_of(load_page(database, after=cursors_of(page)[-1])) == expected[20:40]


@pytest.mark.parametrize("viewer", [ALL_VIEWER, NO_VIEWER])
@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"first": -1}, "'first' must be between 0 and 100, not -1."),
        ({"first": 101}, "'first' must be between 0 and 100, not 101."),
        ({"last": -1}, "'last' must be between 0 and 100, not -1."),
        ({"last": 101}, "'last' must be between 0 and 100, not 101."),
        ({"first": 1, "last": 1}, "Send either 'first' or 'last', not both."),
        ({"before": "a"}, "'before' requires 'first' or 'last'."),
    ],
)
def test_invalid_sizes(
    database: OpenDatabase, viewer: Viewer, query: dict[str, Any], message: str
) -> None:
    """Invalid sizes are errors without a statement, also for viewers without permissions."""
    with record_statements() as recorded, pytest.raises(BadUserInputError) as error:
        load_page(database, viewer, **query)
    assert str(error.value) == message
    assert recorded == []


def test_viewers_without_permissions_get_an_empty_connection(database: OpenDatabase) -> None:
    """The connection is empty, without a statement."""
    cursor = cursors_of(load_page(database, first=1))[0]
    with record_statements() as recorded:
        page = load_page(database, NO_VIEWER, first=5, after=cursor)
    assert (page.rows.size, *page[1:]) == (0, [], False, False, 0)
    assert recorded == []


def select_only(**parts: Any) -> ConnectionSelection:
    """Return a selection of these parts and nothing else."""
    return NOTHING._replace(**parts)


@pytest.mark.parametrize(
    ("selection", "query", "expected"),
    [
        (SLUGS, {}, 1),
        (ConnectionSelection(), {"first": 100}, 1),
        (ConnectionSelection(), {"last": 100, "where": RECOVERY}, 1),
        (SLUGS, {"where": NO_FLOW}, 1),
        (SLUGS, {"after": "last"}, 2),
        (SLUGS, {"after": "last", "where": RECOVERY}, 2),
        (SLUGS, {"after": "first"}, 1),
        (SLUGS, {"after": "first", "where": RECOVERY}, 1),
        (SLUGS._replace(needs_total_count=False), {"after": "last"}, 2),
        (SLUGS._replace(needs_total_count=False, needs_previous=False), {"after": "last"}, 1),
        (SLUGS._replace(needs_total_count=False), {"last": 3, "before": "first"}, 2),
        (
            SLUGS._replace(needs_total_count=False, needs_next=False),
            {"last": 3, "before": "first"},
            1,
        ),
        (NOTHING, {}, 0),
        (select_only(columns=()), {}, 1),
        (select_only(columns=()), {"first": 0}, 0),
        (select_only(needs_cursors=True), {}, 1),
        (select_only(needs_cursors=True), {"first": 0}, 0),
        (select_only(needs_total_count=True), {}, 1),
        (select_only(needs_total_count=True), {"first": 0, "after": "first"}, 1),
        (select_only(needs_next=True), {"first": 0}, 1),
        (select_only(needs_previous=True), {"first": 0}, 0),
        (select_only(needs_previous=True), {"after": "first"}, 1),
        (select_only(needs_next=True), {"last": 5}, 0),
        (select_only(needs_previous=True), {"last": 5}, 1),
    ],
)
def test_statements(
    database: OpenDatabase,
    selection: ConnectionSelection,
    query: dict[str, Any],
    expected: int,
) -> None:
    """A page takes at most one statement, or two if it is empty and has a cursor."""
    positions = {
        "first": cursors_of(load_page(database, first=1))[0],
        "last": cursors_of(load_page(database, last=1))[0],
    }
    arguments: dict[str, Any] = {
        name: positions[value] if name in {"after", "before"} else value
        for name, value in query.items()
    }
    with record_statements() as recorded:
        load_page(database, selection=selection, **arguments)
    assert len(recorded) == expected


def test_statements_contain_only_selected_parts(database: OpenDatabase) -> None:
    """The statement contains a count or an EXISTS only if the selection needs it."""
    after = cursors_of(load_page(database, first=1))[0]
    for is_counted, has_previous in ((False, False), (True, False), (False, True), (True, True)):
        selection = SLUGS._replace(needs_total_count=is_counted, needs_previous=has_previous)
        with record_statements() as recorded:
            page = load_page(database, selection=selection, after=after)
        sql = recorded[0].text
        assert ("count(" in sql, "EXISTS" in sql) == (is_counted, has_previous)
        assert (page.total_count, page.has_previous) == (160 if is_counted else None, has_previous)


@pytest.mark.parametrize("where", [WhereClause(), RECOVERY])
def test_a_statement_is_compiled_once(database: OpenDatabase, where: WhereClause) -> None:
    """The statement is the same for all cursors and sizes."""
    first = load_page(database, first=3, where=where)
    with record_statements() as recorded:
        for size, cursor in zip((1, 3, 50), cursors_of(first), strict=True):
            load_page(database, first=size, after=cursor, where=where)
    assert len({id(statement) for statement in recorded}) == 1


# Changes between two pages ------------------------------------------------------------------------


@contextmanager
def open_writable(kind: str, postgres: PostgresServer, folder: Any) -> Generator[OpenDatabase]:
    """Open a writable database."""
    url = f"sqlite:///{folder / 'writable.db'}"
    if kind == "postgresql":
        url = postgres.create_database("keyset_writable")
    with open_for_test(fill_flowql_with_types(url), writable=True) as database:
        yield database


def build_flow(slug: str, name: str) -> dict[str, Any]:
    """Build the row of a flow without bindings."""
    row = dict(ROWS["authentik_flows_flow"][0])
    return {
        **row,
        "slug": slug,
        "name": name,
        "flow_uuid": identifier("flow", slug),
        "policybindingmodel_ptr_id": identifier("flow target", slug),
    }


async def insert(database: OpenDatabase, *flows: Mapping[str, Any]) -> None:
    """Insert flows."""
    tables = METADATA.tables
    async with database.database.transaction() as connection:
        for row in flows:
            target = {"pbm_uuid": row["policybindingmodel_ptr_id"], "policy_engine_mode": "any"}
            targets = tables["authentik_policies_policybindingmodel"]
            await connection.execute(targets.insert(), target)
            await connection.execute(tables["authentik_flows_flow"].insert(), dict(row))


async def delete(database: OpenDatabase, *slugs: str) -> None:
    """Delete flows without bindings."""
    table = METADATA.tables["authentik_flows_flow"]
    async with database.database.transaction() as connection:
        await connection.execute(table.delete().where(table.c.slug.in_(slugs)))


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_changes_between_pages(kind: str, postgres: PostgresServer, tmp_path: Any) -> None:
    """Inserts and deletes before, at and after the cursor cause no duplicates or gaps."""
    ordering = (Ordering("name", descending=True),)
    with open_writable(kind, postgres, tmp_path) as database:
        database.run(
            insert(database, *(build_flow(f"new-{letter}", f"m {letter}") for letter in "abcdef"))
        )
        after = encode([1, "-name,slug", "m e", "new-e"])
        page = load_page(database, ordering=ordering, first=1, after=after)
        assert slugs_of(page) == ["new-d"]
        cursor = cursors_of(page)[0]
        database.run(delete(database, "new-e", "new-d", "new-b"))
        database.run(
            insert(
                database,
                build_flow("later-e", "m e"),
                build_flow("later-c", "m c"),
                build_flow("later-d", "m d"),
            )
        )
        ahead = load_page(database, ordering=ordering, first=4, after=cursor)
        back = load_page(database, ordering=ordering, last=3, before=cursor)
        # With the same name, later-d sorts before the deleted new-d.
        assert slugs_of(ahead)[:3] == ["later-c", "new-c", "new-a"]
        assert slugs_of(back) == ["new-f", "later-e", "later-d"]
        assert ahead.has_previous
        assert back.has_next


# Cursors ------------------------------------------------------------------------------------------

BY_NAME = complete_ordering((Ordering("name", descending=True),))
BY_MODE = complete_ordering((Ordering("compatibility_mode"), Ordering("pk")))


def encode(content: list[Any]) -> str:
    """Return the cursor with this content."""
    text = json.dumps(content, separators=(",", ":"), ensure_ascii=False)
    return base64.urlsafe_b64encode(text.encode()).decode()


VALID_CURSOR = encode([1, "-name,slug", "ü?>", "a-flow"])
PK = identifier("flow", 1)


def test_valid_cursors() -> None:
    """Cursors contain strings, booleans and UUIDs."""
    assert cursors.decode_cursor("after", VALID_CURSOR, "", BY_NAME) == ["ü?>", "a-flow"]
    mode = encode([1, "compatibility_mode,pk", True, PK])
    assert cursors.decode_cursor("after", mode, "", BY_MODE) == [True, PK]


@pytest.mark.parametrize("argument", ["after", "before"])
@pytest.mark.parametrize(
    ("ordering", "cursor"),
    [
        (BY_NAME, ""),
        (BY_NAME, "a"),
        (BY_NAME, "===="),
        (BY_NAME, "ü"),
        (BY_NAME, "\ud800"),
        (BY_NAME, f"{VALID_CURSOR}\n"),
        (BY_NAME, f" {VALID_CURSOR}"),
        (BY_NAME, VALID_CURSOR.rstrip("=")),
        (BY_NAME, f"{VALID_CURSOR}="),
        (BY_NAME, VALID_CURSOR[:-4]),
        (BY_NAME, VALID_CURSOR.replace("-", "+").replace("_", "/")),
        (BY_NAME, base64.urlsafe_b64encode(b"\xff\xfe").decode()),
        (BY_NAME, base64.urlsafe_b64encode(b'[1, "-name,slug", "a", "b"]').decode()),
        (BY_NAME, base64.urlsafe_b64encode(b'[1,"-name,slug","\\u0061","b"]').decode()),
        (BY_NAME, base64.urlsafe_b64encode(b'[1,"-name,slug","\\ud800","b"]').decode()),
        (BY_NAME, base64.urlsafe_b64encode(b'[1.0,"-name,slug","a","b"]').decode()),
        (BY_NAME, base64.urlsafe_b64encode(b"[" * 50_000).decode()),
        (BY_NAME, base64.urlsafe_b64encode(b'{"1":2}').decode()),
        (BY_NAME, base64.urlsafe_b64encode(b'"12345678"').decode()),
        (BY_NAME, base64.urlsafe_b64encode(b"null").decode()),
        (BY_NAME, encode([])),
        (BY_NAME, encode([0, "-name,slug", "a", "b"])),
        (BY_NAME, encode([2, "-name,slug", "a", "b"])),
        (BY_NAME, encode(["1", "-name,slug", "a", "b"])),
        (BY_NAME, encode([True, "-name,slug", "a", "b"])),
        (BY_NAME, encode([1, "name,slug", "a", "b"])),
        (BY_NAME, encode([1, "-title,slug", "a", "b"])),
        (BY_NAME, encode([1, "-name", "a", "b"])),
        (BY_NAME, encode([1, None, "a", "b"])),
        (BY_NAME, encode([1, "-name,slug", "a"])),
        (BY_NAME, encode([1, "-name,slug", "a", "b", "c"])),
        (BY_NAME, encode([1, "-name,slug", "a", None])),
        (BY_NAME, encode([1, "-name,slug", 1, "b"])),
        (BY_NAME, encode([1, "-name,slug", ["a"], "b"])),
        (BY_NAME, encode([1, "-name,slug", "a", {}])),
        (BY_NAME, encode([1, "-name,slug", True, "b"])),
        (BY_NAME, encode([1, "-name,slug", "a\0", "b"])),
        (BY_MODE, VALID_CURSOR),
        (BY_MODE, encode([1, "compatibility_mode,pk", 1, PK])),
        (BY_MODE, encode([1, "compatibility_mode,pk", "true", PK])),
        (BY_MODE, encode([1, "compatibility_mode,pk", None, PK])),
        (BY_MODE, encode([1, "compatibility_mode,pk", True, "x"])),
        (BY_MODE, encode([1, "compatibility_mode,pk", True, PK.upper()])),
        (BY_MODE, encode([1, "compatibility_mode,pk", True, PK.replace("-", "")])),
        (BY_MODE, encode([1, "compatibility_mode,pk", True, f"{PK}\n"])),
    ],
)
def test_invalid_cursors(argument: str, ordering: tuple[Ordering, ...], cursor: str) -> None:
    """Malformed cursors, and those of another ordering or version, are errors."""
    with pytest.raises(BadUserInputError) as error:
        cursors.decode_cursor(argument, cursor, "", ordering)
    assert str(error.value) == (
        f"'{argument}' is not a valid cursor for this list and its ordering."
        " Use a cursor that the same field returned with the same ordering."
    )


@given(
    text=st.one_of(
        st.text(),
        st.text("ABCDabcd0189-_="),
        st.binary().map(lambda data: base64.urlsafe_b64encode(data).decode()),
        st.integers(0, len(VALID_CURSOR) - 1).map(
            lambda index: VALID_CURSOR[:index] + "A" + VALID_CURSOR[index + 1 :]
        ),
    )
)
def test_cursors_have_one_encoding(text: str) -> None:
    """A string is either invalid or the canonical encoding of its values."""
    try:
        values = cursors.decode_cursor("after", text, "", BY_NAME)
    except BadUserInputError:
        return
    assert encode([1, "-name,slug", *values]) == text


LENGTH = 1_000_000


@pytest.mark.parametrize(
    "cursor",
    [
        "A" * LENGTH,
        base64.urlsafe_b64encode(b"[" * LENGTH).decode(),
        base64.urlsafe_b64encode(b"[1" + b"0" * LENGTH + b"]").decode(),
        encode([1, "-name,slug", *["a"] * LENGTH]),
        encode([1, "-name,slug", "ü" * LENGTH, "b"]),
    ],
    ids=["letters", "lists", "number", "values", "text"],
)
def test_long_cursors_are_decoded_quickly(cursor: str) -> None:
    """A cursor ten times as long as the largest request takes less than a second."""
    start = time.perf_counter()
    with suppress(BadUserInputError):
        cursors.decode_cursor("after", cursor, "", BY_NAME)
    assert time.perf_counter() - start < 1


def test_cursors_without_a_flow(database: OpenDatabase) -> None:
    """A cursor marks a position by its values; no flow needs to have them."""
    ordering = (Ordering("name", descending=True),)
    expected = list_slugs(database, ordering)
    after_all = encode([1, "-name,slug", "\U0010ffff" * 50_000, ""])
    assert (
        slugs_of(load_page(database, ordering=ordering, first=5, after=after_all)) == expected[:5]
    )
