"""A schema of books and members, with more kinds of fields than FlowQL's own schema.

Values that contain "invalid" cause field errors.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import Enum
from typing import Any, NewType, cast

import strawberry
from strawberry.permission import BasePermission
from strawberry.schema.config import StrawberryConfig

from gql.execution.declarations import (
    METADATA_KEY,
    EnumConverter,
    LoadRelation,
    MixedList,
    Relation,
    RowList,
    RowObject,
    TypedRows,
)
from gql.execution.fallback.executor import FallbackContext
from gql.execution.fallback.loaders import load_relation
from gql.execution.fallback.selection import selected_columns
from gql.execution.fields import column_field, computed_field, joined_field, relation_field
from gql.execution.graphql_core import core_schema
from gql.limits import ResponseSize
from models.batch import Batch, GroupedRows

Row = Mapping[str, Any]
Values = Mapping[str, Any]


# Types ----------------------------------------------------------------------------------------


@strawberry.enum
class Genre(Enum):
    """The genre of a book."""

    NOVEL = "novel"
    POEM = "poem"


Day = NewType("Day", date)
DAY = strawberry.scalar(name="Day", serialize=date.isoformat, parse_value=date.fromisoformat)


@dataclass(slots=True)
class Context:
    """The context of a request, which records selections and loads."""

    greeting: str = "dear"
    barrier: asyncio.Barrier = field(default_factory=lambda: asyncio.Barrier(2))
    selected: list[Any] = field(default_factory=list[Any])
    # The DataLoaders of graphql-core's execution.
    loaders: dict[Any, Any] = field(default_factory=dict[Any, Any])
    size: ResponseSize = field(default_factory=ResponseSize)
    # The loads of either execution.
    loads: list[Any] = field(default_factory=list[Any])


class Info(strawberry.Info[Context, None]):
    """The info of resolvers in graphql-core's execution."""

    def selected_columns(self, *path: str) -> tuple[str, ...] | None:
        """Return the columns selected at a path."""
        return selected_columns(self, *path)


def reject_invalid(value: str | None, _context: Context) -> str | None:
    """Return the value. Raises ValueError if it is invalid."""
    if value and "invalid" in value:
        raise ValueError(f"{value} is invalid.")
    return value


def greet(value: str, context: Context) -> str:
    """Return the value with the greeting of the context."""
    return f"{context.greeting} {value}"


def halve(value: float, _context: Context) -> float | None:
    """Return half of a value, None for 0."""
    return value / 2 if value else None


def loads_related(kind: str) -> LoadRelation:
    """Return a function that loads related members of a kind."""

    async def load(
        context: Context, keys: Sequence[Any], columns: tuple[str, ...], **arguments: Any
    ) -> GroupedRows:
        await asyncio.sleep(0)
        values = [(name, str(value)) for name, value in sorted(arguments.items())]
        context.loads.append((kind, columns, values))
        return find_related(kind, keys, columns, arguments)

    return load


async def engrave(context: Context, rows: Sequence[Any]) -> Sequence[str]:
    """Return a string for each row."""
    await asyncio.sleep(0)
    return [f"{context.greeting} {row}" for row in rows]


async def fail_to_engrave(_context: Context, rows: Sequence[Any]) -> Sequence[str]:
    """Raise ValueError."""
    raise ValueError(f"{len(rows[0])} column cannot be engraved.")


async def paint(_context: Context, rows: Sequence[Any]) -> Sequence["Portrait"]:
    """Return an object for each row, with the last column in its own fields and in its list."""
    return [
        Portrait(
            row={
                "caption": row[-1],
                "chapters": RowList(
                    Chapter, Batch({"title": ["frame", row[-1]], "note": [row[-1], None]}, 2)
                ),
            }
        )
        for row in rows
    ]


async def compute_days(_context: Context, rows: Sequence[Any]) -> Sequence[date]:
    """Return a date for each row, which is not a string."""
    return [date(2000, 1, len(row)) for row in rows]


FRIENDS = Relation("pk", lambda: Member, loads_related("friends"))


async def _load_friends(root: RowObject, info: Info, **arguments: Any) -> RowList[Any]:
    return await load_relation(FRIENDS, root, info, arguments)


@strawberry.type
class Chapter(RowObject):
    """An object with leaves only."""

    title: str = column_field("title", "May be invalid.", reject_invalid)
    note: str | None = column_field("note", "May be invalid.", reject_invalid)


@strawberry.type
class Person(RowObject):
    """An object in other objects."""

    name: str = column_field("name", "May be invalid.", reject_invalid)
    letter: str = column_field("name", "Has the same column as the name.", greet)
    nick: str | None = column_field("nick", "May be null.")
    born: Day | None = column_field("born", "A custom scalar.")


@strawberry.type
class Portrait(RowObject):
    """A computed object with a list of objects."""

    caption: str | None = column_field("caption", "May be invalid.", reject_invalid)
    chapters: list[Chapter] = column_field("chapters", "May be invalid.")
    sketches: list[Chapter] | None = column_field("chapters", "The same, nullable.")


@strawberry.type
class Book(RowObject):
    """An object with every kind of column."""

    id: strawberry.ID = column_field("id", "A number, serialized as a string.")
    title: str = column_field("title", "May be invalid.", reject_invalid)
    subtitle: str | None = column_field("subtitle", "May be invalid.", reject_invalid)
    price: float = column_field("price", "May be an integer.")
    discount: float | None = column_field("discount", "May be null.")
    half: float | None = column_field("price", "May be converted to null.", halve)
    genre: Genre | None = column_field("genre", "May be unknown.", EnumConverter(Genre))
    genres: list[Genre] = column_field("genres", "A list of leaves.")
    printed: Day | None = column_field("printed", "May be null.")
    reprinted: list[Day] = column_field("reprinted", "A list of leaves that are serialized.")
    tags: list[str] = column_field("tags", "A list of leaves as they are stored.")
    author: Person | None = column_field("author", "May be null.")
    publisher: Person = column_field("publisher", "Is never null.")
    chapters: list[Chapter] = column_field("chapters", "A list in a list.")
    appendices: list[Chapter] | None = column_field("appendices", "A nullable list in a list.")
    loose: list[Chapter | None] = column_field("chapters", "A list of nullable objects.")

    @strawberry.field
    def length(self) -> int:
        """A field with a resolver."""
        return len(self.row["title"])


@strawberry.type
class Shelf(RowObject):
    """An object with lists of objects."""

    name: str = column_field("name", "As stored.")
    books: list[Book] = column_field("books", "All books.")
    favourites: list[Book] | None = column_field("books", "The same, nullable.")
    first: Book | None = column_field("first", "One of the books.")


@strawberry.interface
class Titled(RowObject):
    """An object with a title."""

    title: str = column_field("title", "May be invalid.", reject_invalid)


@strawberry.type
class Club(Titled):
    """An object in the rows of members, with another object in its rows."""

    title: str = column_field("title", "May be invalid.", reject_invalid)
    motto: str | None = column_field("motto", "May be invalid.", reject_invalid)
    genre: Genre | None = column_field("genre", "May be unknown.", EnumConverter(Genre))
    chapters: list[Chapter] = column_field("chapters", "Objects of a joined object.")
    seat: "Club | None" = joined_field("seat", lambda: Club, "May be null.")
    members: list["Member"] = relation_field(
        "pk", lambda: Member, loads_related("members"), "Refer to a joined object."
    )
    crest: str = computed_field(("pk", "motto"), engrave, "Computed for a joined object.")


@strawberry.type
class Member(Titled):
    """An object with joined objects and relations."""

    title: str = column_field("title", "May be invalid.", reject_invalid)
    note: str | None = column_field("note", "May be invalid.", reject_invalid)
    club: Club | None = joined_field("club", lambda: Club, "May be null.")
    home: Club = joined_field("home", lambda: Club, "Is never null.")
    friends: list["Member"] = relation_field(
        "pk", lambda: Member, loads_related("friends"), "A relation."
    )
    rivals: list["Member"] | None = relation_field(
        "pk", lambda: Member, loads_related("rivals"), "A nullable relation."
    )
    heirs: list["Member"] = relation_field(
        "heir", lambda: Member, loads_related("friends"), "A relation by a nullable key."
    )
    failing: list["Member"] = relation_field(
        "pk", lambda: Member, loads_related("failing"), "A relation that fails."
    )
    optional_failing: list["Member"] | None = relation_field(
        "pk", lambda: Member, loads_related("failing"), "A nullable relation that fails."
    )
    badge: str = computed_field(("pk", "title"), engrave, "Computed from two columns.")
    medal: str | None = computed_field(("heir",), engrave, "Computed from a nullable column.")
    ring: str = computed_field(("heir",), engrave, "The same, non-null.")
    stain: str | None = computed_field(("pk",), fail_to_engrave, "Fails, nullable.")
    blot: str = computed_field(("pk",), fail_to_engrave, "Fails, non-null.")
    portrait: Portrait | None = computed_field(("pk", "title"), paint, "A computed object.")
    statue: Portrait = computed_field(("pk", "title"), paint, "The same, non-null.")
    mask: Portrait | None = computed_field(("heir",), paint, "Computed from a nullable column.")
    bust: Portrait = computed_field(("heir",), paint, "The same, non-null.")
    fresco: Portrait | None = computed_field(("pk",), fail_to_engrave, "Fails, nullable.")
    mural: Portrait = computed_field(("pk",), fail_to_engrave, "Fails, non-null.")
    joined: Day = computed_field(("pk",), compute_days, "A custom scalar.")
    grid: list[list[Chapter]] = column_field("grid", "A list of lists.")
    mentor: Titled = column_field("mentor", "An interface.")

    @strawberry.field(metadata={METADATA_KEY: FRIENDS})
    async def first_friends(
        self, info: Info, limit: int = 2, genre: Genre | None = None, word: str | None = None
    ) -> list["Member"]:
        """The first friends; arguments are recorded."""
        return cast(Any, await _load_friends(self, info, limit=limit, genre=genre, word=word))

    @strawberry.field(metadata={METADATA_KEY: FRIENDS})
    async def optional_friends(self, info: Info, limit: int | None = None) -> list["Member"] | None:
        """The same, nullable."""
        return cast(Any, await _load_friends(self, info, limit=limit))


@strawberry.type
class Gathering(RowObject):
    """Objects in columns, with relations."""

    results: list[Member] = column_field("results", "All members.")
    host: Member | None = column_field("host", "The first member.")


@strawberry.input
class Filter:
    """The arguments of a search for books."""

    genre: Genre | None = None
    title_words: list[str] = strawberry.field(default_factory=list[str])
    either: list["Filter"] | None = None


class Never(BasePermission):
    """A permission that nobody has."""

    message = "It is forbidden."

    def has_permission(self, *_: Any, **__: Any) -> bool:
        """Return False."""
        return False


# Rows -----------------------------------------------------------------------------------------


def batch(*rows: Row) -> Batch:
    """Return a batch of rows."""
    return Batch({name: [row[name] for row in rows] for name in rows[0]}, len(rows))


def chapter(title: str, note: str | None = "short") -> Row:
    """Return the row of a chapter."""
    return {"title": title, "note": note}


def person(name: str, nick: str | None = None) -> Row:
    """Return the row of a person."""
    return {"name": name, "nick": nick, "born": date(1919, 1, 1) if nick else None}


def book(number: int, title: str, **values: Any) -> Row:
    """Return the row of a book."""
    row: dict[str, Any] = {
        "id": number,
        "title": title,
        "subtitle": "plain",
        "price": number,
        "discount": None,
        "genre": "novel",
        "genres": [Genre.POEM, Genre.NOVEL],
        "printed": date(2000, 1, number),
        "reprinted": [date(2001, 1, 1), date(2002, 1, 1)],
        "tags": ["a", "b"],
        "author": Person(row=person("Ann", "A.")),
        "publisher": Person(row=person("Bob")),
        "chapters": RowList(Chapter, batch(chapter("one"), chapter("two"))),
        "appendices": None,
    }
    return row | values


VALID_BOOKS = (
    book(1, "First", discount=0.5),
    book(2, "Second", genre="poem", printed=None, author=None),
    book(3, "Third", price=0, chapters=RowList(Chapter, batch(chapter("three")))),
)
# The invalid field of each row comes after the invalid field of the next row.
INVALID_BOOKS = (
    book(1, "First", genre="play", publisher=Person(row=person("invalid Bob"))),
    book(2, "Second", subtitle="invalid two", author=Person(row=person("invalid Ann"))),
    book(
        3,
        "Third",
        subtitle="invalid three",
        chapters=RowList(Chapter, batch(chapter("invalid one"))),
    ),
    book(
        4,
        "invalid",
        appendices=RowList(Chapter, batch(chapter("a"), chapter("invalid b", "invalid c"))),
    ),
)
NULL_BOOKS = (
    book(1, "First"),
    book(2, "Second", publisher=None, tags=None, chapters=None),
)
SHELVES = {
    "valid": VALID_BOOKS,
    "invalid": INVALID_BOOKS,
    "three": INVALID_BOOKS[:3],
    "two": INVALID_BOOKS[:2],
    "null": NULL_BOOKS,
}


def club(title: str, **values: Any) -> Row:
    """Return the values of a club."""
    chapters = RowList(Chapter, batch(chapter("rules", f"{title} rules"), chapter("end", None)))
    row = {"pk": title, "title": title, "motto": "plain", "genre": "poem", "chapters": chapters}
    return row | values


def member(title: str, **values: Any) -> Row:
    """Return the values of a member."""
    row = {"pk": title, "title": title, "note": "plain", "club": None, "home": HOME, "heir": None}
    grid = [RowList(Chapter, batch(chapter("one"))), RowList(Chapter, Batch({}, 0))]
    return row | {"grid": grid, "mentor": Club(row=CHESS)} | values


HOME = club("home")
CHESS = club("chess", seat=club("hall", genre="barn", motto="invalid hall"), genre="poem")
INVALID_CLUB = club("invalid", motto="invalid invalid", seat=HOME)
FRINGE = club("fringe", genre="play", motto="invalid fringe", seat=club("invalid seat"))
CLUBS: Mapping[str, Row] = {"chess": CHESS, "invalid": INVALID_CLUB, "fringe": FRINGE}
MEMBERS: Mapping[str, Row] = {
    row["pk"]: row
    for row in (
        member("Ann", club=CHESS, heir="Bob"),
        member("Bob", heir="Bob"),
        member("Cid", club=FRINGE, note="invalid Cid"),
        member("Dora", club=INVALID_CLUB, note=None),
        member("Eve", home=INVALID_CLUB, heir="Cid"),
        member("invalid Flo", club=CHESS),
        member("Gil", home=FRINGE, club=HOME, note="invalid Gil"),
    )
}
# The related members by kind. Some belong to several, some to themselves, and some have none.
RELATIONS: Mapping[str, Mapping[Any, Sequence[str]]] = {
    "friends": {
        "Ann": ("Bob", "Cid", "Dora", "Bob"),
        "Bob": ("Ann",),
        "Cid": ("Cid", "Gil"),
        "Gil": ("Eve", "Ann"),
        "Eve": ("Ann", "Bob"),
    },
    "rivals": {"Ann": ("Bob", "invalid Flo"), "Bob": ("Ann", "Cid"), "Cid": ("invalid Flo", "Gil")},
    "members": {"chess": ("Ann", "invalid Flo"), "home": ("Bob", "Cid"), "hall": ("Ann",)},
}


def find_related(
    kind: str, keys: Sequence[Any], columns: tuple[str, ...], arguments: Values
) -> GroupedRows:
    """Return the related members of keys, at most `limit` of each. Raises ValueError."""
    limit = arguments.get("limit")
    if kind == "failing" or (limit is not None and limit < 0):
        raise ValueError(f"{kind} cannot be loaded with the limit {limit}.")
    related = RELATIONS[kind]
    pairs = [(key, name) for key in dict.fromkeys(keys) for name in related.get(key, ())[:limit]]
    return GroupedRows.from_sorted(
        [key for key, _ in pairs], select_members([name for _, name in pairs], columns)
    )


def select_members(names: Sequence[str], columns: Sequence[str]) -> Batch:
    """Return members with only these columns, also of joined objects."""
    rows = [MEMBERS[name] for name in names]
    return Batch({name: [joined_value(row, name) for row in rows] for name in columns}, len(names))


def _select_titled(
    type_: type[Titled], rows: Mapping[str, Row], titles: Sequence[str], columns: Sequence[str]
) -> TypedRows[Titled]:
    positions = [position for position, title in enumerate(titles) if title in rows]
    selected = [rows[titles[position]] for position in positions]
    values = {name: [joined_value(row, name) for row in selected] for name in columns}
    return TypedRows(RowList(type_, Batch(values, len(positions))), positions)


def joined_value(row: Any, name: str) -> Any:
    """Return a value of a row, or of an object in it; None if there is no object."""
    for part in name.split("."):
        row = row.get(part) if row else None
    return row


def find_shelf(name: str) -> Shelf:
    """Return the shelf with a name."""
    rows = SHELVES[name]
    books = RowList(Book, batch(*rows))
    return Shelf(row={"name": name, "books": books, "first": Book(row=rows[0])})


# Root fields ----------------------------------------------------------------------------------

# The paths whose selected columns `Query.shelf` records.
PATHS = ((), ("books",), ("books", "author"), ("books", "chapters"), ("first",), ("nonesuch",))


@strawberry.type
class Query:
    """The root query type."""

    @strawberry.field
    async def shelf(self, info: Info, name: str = "valid") -> Shelf:
        """A non-null object."""
        info.context.selected.append({path: info.selected_columns(*path) for path in PATHS})
        return find_shelf(name)

    @strawberry.field
    async def optional_shelf(self, info: Info, name: str | None = strawberry.UNSET) -> Shelf | None:
        """A nullable object."""
        await asyncio.sleep(0)
        assert info.context
        return find_shelf(name) if name else None

    @strawberry.field
    async def books(
        self,
        info: Info,
        only: Filter | None = None,
        ids: list[int] | None = strawberry.UNSET,
        genres: list[Genre] | None = None,
    ) -> list[Book]:
        """A list at the root, whose tags are the arguments."""
        assert info.context
        arguments = [repr(only), repr(ids), repr(genres)]
        return cast(Any, RowList(Book, batch(book(1, "Search result", tags=arguments))))

    @strawberry.field
    async def members(self, info: Info, names: list[str]) -> list[Member]:
        """The members with these names."""
        return cast(Any, RowList(Member, select_members(names, info.selected_columns() or ())))

    @strawberry.field
    async def optional_members(self, info: Info, names: list[str]) -> list[Member] | None:
        """The same, nullable."""
        return cast(Any, RowList(Member, select_members(names, info.selected_columns() or ())))

    @strawberry.field
    async def titled(self, info: Info, title: str) -> Titled | None:
        """A member or a club."""
        if title in MEMBERS:
            columns = info.selected_columns("Member") or ()
            return Member(row=next(iter(select_members([title], columns).rows())))
        columns = info.selected_columns("Club") or ()
        row = CLUBS.get(title)
        return Club(row={name: joined_value(row, name) for name in columns}) if row else None

    @strawberry.field
    async def all_titled(self, info: Info, titles: list[str]) -> list[Titled | None]:
        """Members and clubs; a title with a question mark is an error, and others are null."""
        rows = {Member: MEMBERS, Club: CLUBS}
        parts = [
            _select_titled(type_, rows, titles, info.selected_columns(type_.__name__) or ())
            for type_, rows in rows.items()
        ]
        errors = {n: ValueError(title) for n, title in enumerate(titles) if title.endswith("?")}
        return cast(Any, MixedList(len(titles), parts, errors))

    @strawberry.field
    async def gathering(self, info: Info, names: list[str]) -> Gathering:
        """Members in columns."""
        results = RowList(Member, select_members(names, info.selected_columns("results") or ()))
        hosts = RowList(Member, select_members(names[:1], info.selected_columns("host") or ()))
        return Gathering(row={"results": results, "host": next(iter(hosts), None)})

    @strawberry.field
    async def no_books(self, info: Info) -> list[Book]:
        """An empty list without columns."""
        assert info.context
        return cast(Any, RowList(Book, Batch({}, 0)))

    @strawberry.field
    async def broken(self, info: Info, *, needed: bool = False) -> Shelf | None:
        """A nullable field that fails."""
        raise ValueError(f"{info.context.greeting} me, {needed}")

    @strawberry.field
    async def required_broken(self, info: Info) -> Shelf:
        """A non-null field that fails."""
        raise ValueError(f"{info.context.greeting} oh {info.context.greeting}")

    @strawberry.field
    async def concurrent(self, info: Info) -> Shelf:
        """A field that waits until it is resolved twice."""
        await asyncio.wait_for(info.context.barrier.wait(), 5)
        return find_shelf("valid")

    @strawberry.field
    def sync(self) -> Shelf:
        """A field with a synchronous resolver."""
        return find_shelf("valid")

    @strawberry.field
    async def without_info(self) -> Shelf:
        """A field whose resolver takes no info."""
        return find_shelf("valid")

    @strawberry.field(permission_classes=[Never])
    async def forbidden(self, info: Info) -> Shelf | None:
        """A field with a permission, which Strawberry checks."""
        assert info.context
        return find_shelf("valid")

    @strawberry.field
    def count(self) -> int:
        """A leaf at the root."""
        return len(SHELVES)


LIBRARY = strawberry.Schema(
    Query,
    types=[Club, Member],
    config=StrawberryConfig(info_class=Info, scalar_map={Day: DAY}),
    execution_context_class=FallbackContext,
)
GRAPH = core_schema(LIBRARY)
