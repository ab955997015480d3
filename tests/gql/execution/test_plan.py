"""What plans tell, and what is remembered, over a schema with more shapes than today's graph."""

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import Enum
from functools import partial
from itertools import product
from random import Random
from typing import Any, NewType, cast

import graphql
import orjson
import pytest
import strawberry
from graphql import GraphQLError, OperationDefinitionNode
from graphql.execution.values import VariableValues
from strawberry.permission import BasePermission
from strawberry.schema.config import StrawberryConfig

from gql import schema
from gql.execution import documents, validation
from gql.execution import plan as plans
from gql.execution.compiler import Compilation, NotPlannableError
from gql.execution.completion import ObjectField, SelectionSet
from gql.execution.declarations import (
    METADATA_KEY,
    EnumConverter,
    LoadRelation,
    Relation,
    RowList,
    RowObject,
)
from gql.execution.documents import CAPACITY, MAX_PLANS, Document, Documents
from gql.execution.executor import Executor
from gql.execution.fallback.executor import AllRootErrorsContext
from gql.execution.fallback.loaders import load_relation
from gql.execution.fallback.selection import selected_columns
from gql.execution.fields import column_field, computed_field, joined_field, relation_field
from gql.execution.graphql_core import core_schema
from gql.execution.plan import Plan
from gql.execution.request import GraphQLRequest
from gql.execution.variables import Variables
from gql.limits import Limits
from models.batch import Batch, Grouped
from support.operations import SIZE, drawn

Row = Mapping[str, Any]
Values = Mapping[str, Any]
NOTHING: Values = {}
Case = str | tuple[str, Values]


# A schema -------------------------------------------------------------------------------------


@strawberry.enum
class Genre(Enum):
    """What a book is."""

    NOVEL = "novel"
    POEM = "poem"


Day = NewType("Day", date)
DAY = strawberry.scalar(name="Day", serialize=date.isoformat, parse_value=date.fromisoformat)


@dataclass(slots=True)
class Context:
    """What resolvers know of a request, and what they have been told of selections."""

    greeting: str = "dear"
    barrier: asyncio.Barrier = field(default_factory=lambda: asyncio.Barrier(2))
    selected: list[Any] = field(default_factory=list[Any])
    # What loads for graphql-core, and what was loaded on either way.
    loaders: dict[Any, Any] = field(default_factory=dict[Any, Any])
    loads: list[Any] = field(default_factory=list[Any])


class Info(strawberry.Info[Context, None]):
    """What resolvers know, as in the graph."""

    def selected(self, *path: str) -> tuple[str, ...] | None:
        """The columns selected below a path."""
        return selected_columns(self, *path)


def careful(value: str | None, _context: Context) -> str | None:
    """The value, unless it is odd."""
    if value and "odd" in value:
        raise ValueError(f"{value} is odd.")
    return value


def greeted(value: str, context: Context) -> str:
    """The value, as the context has it."""
    return f"{context.greeting} {value}"


def half(value: float, _context: Context) -> float | None:
    """Half of it, null for nothing."""
    return value / 2 if value else None


def loading(kind: str) -> LoadRelation:
    """Loads who belongs to others."""

    async def found(
        context: Context, keys: Sequence[Any], columns: tuple[str, ...], **arguments: Any
    ) -> Grouped:
        await asyncio.sleep(0)
        told = [(name, str(value)) for name, value in sorted(arguments.items())]
        context.loads.append((kind, columns, told))
        return belonging(kind, keys, columns, arguments)

    return found


async def engraved(context: Context, rows: Sequence[Any]) -> Sequence[str]:
    """What is made of each row."""
    await asyncio.sleep(0)
    return [f"{context.greeting} {row}" for row in rows]


async def spoilt(_context: Context, rows: Sequence[Any]) -> Sequence[str]:
    """Nothing can be made."""
    raise ValueError(f"Nothing like {len(rows[0])} column can be made.")


async def reckoned(_context: Context, rows: Sequence[Any]) -> Sequence[date]:
    """What is no text."""
    return [date(2000, 1, len(row)) for row in rows]


SOME = Relation("pk", lambda: Member, loading("friends"))


async def _some(root: RowObject, info: Info, **arguments: Any) -> RowList[Any]:
    return await load_relation(SOME, root, info, arguments)


@strawberry.type
class Chapter(RowObject):
    """A leaf of the tree of objects."""

    title: str = column_field("title", "May be odd.", careful)
    note: str | None = column_field("note", "May be odd.", careful)


@strawberry.type
class Person(RowObject):
    """An object in objects."""

    name: str = column_field("name", "May be odd.", careful)
    letter: str = column_field("name", "Told from the same column as the name.", greeted)
    nick: str | None = column_field("nick", "May be null.")
    born: Day | None = column_field("born", "A scalar of ours.")


@strawberry.type
class Book(RowObject):
    """An object of every kind of field."""

    id: strawberry.ID = column_field("id", "A number, told as a text.")
    title: str = column_field("title", "May be odd.", careful)
    subtitle: str | None = column_field("subtitle", "May be odd.", careful)
    price: float = column_field("price", "May be a whole number.")
    discount: float | None = column_field("discount", "May be null.")
    half: float | None = column_field("price", "May be read as null.", half)
    genre: Genre | None = column_field("genre", "May be unknown.", EnumConverter(Genre))
    genres: list[Genre] = column_field("genres", "A list of leaves.")
    printed: Day | None = column_field("printed", "May be null.")
    reprinted: list[Day] = column_field("reprinted", "A list of leaves that are serialized.")
    tags: list[str] = column_field("tags", "A list of leaves as they are stored.")
    author: Person | None = column_field("author", "May be null.")
    publisher: Person = column_field("publisher", "Is never null.")
    chapters: list[Chapter] = column_field("chapters", "A list in a list.")
    appendices: list[Chapter] | None = column_field("appendices", "One that may be null.")
    loose: list[Chapter | None] = column_field("chapters", "One of objects that may be null.")

    @strawberry.field
    def length(self) -> int:
        """Of a resolver of its own."""
        return len(self.row["title"])


@strawberry.type
class Shelf(RowObject):
    """Objects in an object."""

    name: str = column_field("name", "As stored.")
    books: list[Book] = column_field("books", "All of them.")
    favourites: list[Book] | None = column_field("books", "The same, which may be null.")
    first: Book | None = column_field("first", "One of them.")


@strawberry.interface
class Titled(RowObject):
    """What has a title."""

    title: str = column_field("title", "May be odd.", careful)


@strawberry.type
class Club(Titled):
    """An object that stands in the rows of others, with an object that stands in its own."""

    title: str = column_field("title", "May be odd.", careful)
    motto: str | None = column_field("motto", "May be odd.", careful)
    genre: Genre | None = column_field("genre", "May be unknown.", EnumConverter(Genre))
    chapters: list[Chapter] = column_field("chapters", "Objects of an object in a row.")
    seat: "Club | None" = joined_field("seat", lambda: Club, "May be null.")
    members: list["Member"] = relation_field(
        "pk", lambda: Member, loading("members"), "Belong to an object in a row."
    )
    crest: str = computed_field(("pk", "motto"), engraved, "Made for an object in a row.")


@strawberry.type
class Member(Titled):
    """An object with others in its row, and others that belong to it."""

    title: str = column_field("title", "May be odd.", careful)
    note: str | None = column_field("note", "May be odd.", careful)
    club: Club | None = joined_field("club", lambda: Club, "May be null.")
    home: Club = joined_field("home", lambda: Club, "Is never null.")
    friends: list["Member"] = relation_field(
        "pk", lambda: Member, loading("friends"), "All of them."
    )
    rivals: list["Member"] | None = relation_field(
        "pk", lambda: Member, loading("rivals"), "All of them, which may be null."
    )
    heirs: list["Member"] = relation_field(
        "heir", lambda: Member, loading("friends"), "By a key that may be null."
    )
    lost: list["Member"] = relation_field("pk", lambda: Member, loading("lost"), "They fail.")
    missed: list["Member"] | None = relation_field(
        "pk", lambda: Member, loading("lost"), "They fail, and may be null."
    )
    badge: str = computed_field(("pk", "title"), engraved, "Made of two columns.")
    medal: str | None = computed_field(("heir",), engraved, "By a key that may be null.")
    ring: str = computed_field(("heir",), engraved, "The same, which may not.")
    stain: str | None = computed_field(("pk",), spoilt, "Fails, and may be null.")
    blot: str = computed_field(("pk",), spoilt, "Fails.")
    joined: Day = computed_field(("pk",), reckoned, "Is no text.")
    grid: list[list[Chapter]] = column_field("grid", "Lists in a list.")
    mentor: Titled = column_field("mentor", "Of any type with a title.")

    @strawberry.field(metadata={METADATA_KEY: SOME})
    async def some(
        self, info: Info, most: int = 2, genre: Genre | None = None, word: str | None = None
    ) -> list["Member"]:
        """The first friends, as they are asked for."""
        return cast(Any, await _some(self, info, most=most, genre=genre, word=word))

    @strawberry.field(metadata={METADATA_KEY: SOME})
    async def few(self, info: Info, most: int | None = None) -> list["Member"] | None:
        """The same, which may be null."""
        return cast(Any, await _some(self, info, most=most))


@strawberry.type
class Gathering(RowObject):
    """Objects in columns, to which others belong."""

    results: list[Member] = column_field("results", "A list of them.")
    host: Member | None = column_field("host", "One of them.")


@strawberry.input
class Filter:
    """What books are wanted."""

    genre: Genre | None = None
    title_words: list[str] = strawberry.field(default_factory=list[str])
    either: list["Filter"] | None = None


class Never(BasePermission):
    """Forbids."""

    message = "It is forbidden."

    def has_permission(self, *_: Any, **__: Any) -> bool:
        """No."""
        return False


def batch(*rows: Row) -> Batch:
    """Rows as they are read."""
    return Batch({name: [row[name] for row in rows] for name in rows[0]}, len(rows))


def chapter(title: str, note: str | None = "short") -> Row:
    """The row of a chapter."""
    return {"title": title, "note": note}


def person(name: str, nick: str | None = None) -> Row:
    """The row of a person."""
    return {"name": name, "nick": nick, "born": date(1919, 1, 1) if nick else None}


def book(number: int, title: str, **values: Any) -> Row:
    """The row of a book."""
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


WELL = (
    book(1, "First", discount=0.5),
    book(2, "Second", genre="poem", printed=None, author=None),
    book(3, "Third", price=0, chapters=RowList(Chapter, batch(chapter("three")))),
)
# What is odd in each stands behind what is odd in the next, field by field.
ILL = (
    book(1, "First", genre="play", publisher=Person(row=person("odd Bob"))),
    book(2, "Second", subtitle="odd two", author=Person(row=person("odd Ann"))),
    book(3, "Third", subtitle="odd three", chapters=RowList(Chapter, batch(chapter("odd one")))),
    book(4, "odd", appendices=RowList(Chapter, batch(chapter("a"), chapter("odd b", "odd c")))),
)
VOID = (book(1, "First"), book(2, "Second", publisher=None, tags=None, chapters=None))
SHELVES = {"well": WELL, "ill": ILL, "new": ILL[:3], "slight": ILL[:2], "void": VOID}


def club(title: str, **values: Any) -> Row:
    """The values of a club."""
    chapters = RowList(Chapter, batch(chapter("rules", f"{title} rules"), chapter("end", None)))
    row = {"pk": title, "title": title, "motto": "plain", "genre": "poem", "chapters": chapters}
    return row | values


def member(title: str, **values: Any) -> Row:
    """The values of a member."""
    row = {"pk": title, "title": title, "note": "plain", "club": None, "home": HOME, "heir": None}
    grid = [RowList(Chapter, batch(chapter("one"))), RowList(Chapter, Batch({}, 0))]
    return row | {"grid": grid, "mentor": Club(row=CHESS)} | values


HOME = club("home")
CHESS = club("chess", seat=club("hall", genre="barn", motto="odd hall"), genre="poem")
ODD = club("odd", motto="odd odd", seat=HOME)
FRINGE = club("fringe", genre="play", motto="odd fringe", seat=club("odd seat"))
MEMBERS: Mapping[str, Row] = {
    row["pk"]: row
    for row in (
        member("Ann", club=CHESS, heir="Bob"),
        member("Bob", heir="Bob"),
        member("Cid", club=FRINGE, note="odd Cid"),
        member("Dora", club=ODD, note=None),
        member("Eve", home=ODD, heir="Cid"),
        member("odd Flo", club=CHESS),
        member("Gil", home=FRINGE, club=HOME, note="odd Gil"),
    )
}
# Who belongs to whom, by kind; some to several, some to themselves, and some have none.
BELONGING: Mapping[str, Mapping[Any, Sequence[str]]] = {
    "friends": {
        "Ann": ("Bob", "Cid", "Dora", "Bob"),
        "Bob": ("Ann",),
        "Cid": ("Cid", "Gil"),
        "Gil": ("Eve", "Ann"),
        "Eve": ("Ann", "Bob"),
    },
    "rivals": {"Ann": ("Bob", "odd Flo"), "Bob": ("Ann", "Cid"), "Cid": ("odd Flo", "Gil")},
    "members": {"chess": ("Ann", "odd Flo"), "home": ("Bob", "Cid"), "hall": ("Ann",)},
}


def belonging(
    kind: str, keys: Sequence[Any], columns: tuple[str, ...], arguments: Values
) -> Grouped:
    """Who belongs to the keys, of each at most so many; raises ValueError."""
    most = arguments.get("most")
    if kind == "lost" or (most is not None and most < 0):
        raise ValueError(f"{kind} are lost with {most}.")
    known = BELONGING[kind]
    pairs = [(key, name) for key in dict.fromkeys(keys) for name in known.get(key, ())[:most]]
    return Grouped.from_sorted(
        [key for key, _ in pairs], rows_of([name for _, name in pairs], columns)
    )


def rows_of(names: Sequence[str], columns: Sequence[str]) -> Batch:
    """Members as they are read: of others in their rows, only what is asked for."""
    rows = [MEMBERS[name] for name in names]
    return Batch({name: [inside(row, name) for row in rows] for name in columns}, len(names))


def inside(row: Any, name: str) -> Any:
    """A value of a row, or of an object in it; None where there is no object."""
    for part in name.split("."):
        row = row.get(part) if row else None
    return row


def shelf_of(name: str) -> Shelf:
    """The shelf with these books."""
    rows = SHELVES[name]
    books = RowList(Book, batch(*rows))
    return Shelf(row={"name": name, "books": books, "first": Book(row=rows[0])})


@strawberry.type
class Query:
    """What can be asked."""

    @strawberry.field
    async def shelf(self, info: Info, name: str = "well") -> Shelf:
        """One that must be there."""
        info.context.selected.append({path: info.selected(*path) for path in PATHS})
        return shelf_of(name)

    @strawberry.field
    async def perhaps(self, info: Info, name: str | None = strawberry.UNSET) -> Shelf | None:
        """One that may be missing."""
        await asyncio.sleep(0)
        assert info.context
        return shelf_of(name) if name else None

    @strawberry.field
    async def books(
        self,
        info: Info,
        only: Filter | None = None,
        ids: list[int] | None = strawberry.UNSET,
        genres: list[Genre] | None = None,
    ) -> list[Book]:
        """A list at the root, which tells how it was asked for."""
        assert info.context
        told = [repr(only), repr(ids), repr(genres)]
        return cast(Any, RowList(Book, batch(book(1, "Asked", tags=told))))

    @strawberry.field
    async def members(self, info: Info, names: list[str]) -> list[Member]:
        """Those of these names."""
        return cast(Any, RowList(Member, rows_of(names, info.selected() or ())))

    @strawberry.field
    async def perhaps_members(self, info: Info, names: list[str]) -> list[Member] | None:
        """The same, which may be null."""
        return cast(Any, RowList(Member, rows_of(names, info.selected() or ())))

    @strawberry.field
    async def titled(self, info: Info, title: str) -> Titled | None:
        """A member or a club."""
        if title in MEMBERS:
            columns = info.selected("Member") or ()
            return Member(row=next(iter(rows_of([title], columns).rows())))
        columns = info.selected("Club") or ()
        known = {"chess": CHESS, "odd": ODD, "fringe": FRINGE}.get(title)
        return Club(row={name: inside(known, name) for name in columns}) if known else None

    @strawberry.field
    async def gathering(self, info: Info, names: list[str]) -> Gathering:
        """Members in columns; the first of them is the host."""
        results = RowList(Member, rows_of(names, info.selected("results") or ()))
        hosts = RowList(Member, rows_of(names[:1], info.selected("host") or ()))
        return Gathering(row={"results": results, "host": next(iter(hosts), None)})

    @strawberry.field
    async def nothing(self, info: Info) -> list[Book]:
        """No row, and so no column."""
        assert info.context
        return cast(Any, RowList(Book, Batch({}, 0)))

    @strawberry.field
    async def broken(self, info: Info, *, needed: bool = False) -> Shelf | None:
        """Fails, where null may be told."""
        raise ValueError(f"{info.context.greeting} me, {needed}")

    @strawberry.field
    async def fallen(self, info: Info) -> Shelf:
        """Fails, where null may not be told."""
        raise ValueError(f"{info.context.greeting} oh {info.context.greeting}")

    @strawberry.field
    async def meeting(self, info: Info) -> Shelf:
        """One that comes only together with another."""
        await asyncio.wait_for(info.context.barrier.wait(), 5)
        return shelf_of("well")

    @strawberry.field
    def at_once(self) -> Shelf:
        """Of a resolver that is not awaited, and asks for nothing."""
        return shelf_of("well")

    @strawberry.field
    async def unasked(self) -> Shelf:
        """Of a resolver that asks for nothing."""
        return shelf_of("well")

    @strawberry.field(permission_classes=[Never])
    async def forbidden(self, info: Info) -> Shelf | None:
        """What Strawberry's own extensions forbid."""
        assert info.context
        return shelf_of("well")

    @strawberry.field
    def count(self) -> int:
        """A leaf at the root."""
        return len(SHELVES)


LIBRARY = strawberry.Schema(
    Query,
    types=[Club, Member],
    config=StrawberryConfig(info_class=Info, scalar_map={Day: DAY}),
    execution_context_class=AllRootErrorsContext,
)
GRAPH = core_schema(LIBRARY)
# Room for documents that are larger than anybody may ask.
WIDE = Limits(aliases=10**6, root_fields=10**6, cost=10**7)
PATHS = ((), ("books",), ("books", "author"), ("books", "chapters"), ("first",), ("nonesuch",))

PLANNED: Mapping[str, Case] = {
    "leaves": "{shelf {name books {id title subtitle price tags}}}",
    "floats": "{shelf {books {price discount half}}}",
    "an enum": "{shelf {books {genre}}}",
    "a scalar": "{shelf {books {author {born} publisher {born}}}}",
    "a scalar that is null": "{shelf {books {printed}}}",
    "what the context tells": "{shelf {books {publisher {letter name nick}}}}",
    "objects in objects": "{shelf {first {author {name nick} publisher {name}}}}",
    "lists in lists": "{shelf {books {chapters {title note} appendices {title}}}}",
    "no row": "{nothing {id title genre author {name} chapters {title}}}",
    "type names": "{__typename shelf {__typename books {__typename author {t: __typename}}}}",
    "order": "{b: shelf {z: name a: name} a: shelf {books {title id}}}",
    "nothing at all": "{shelf @skip(if: true) {name}}",
    "nothing in objects": "{shelf {books {id @skip(if: true)}} perhaps {name @include(if: false)}}",
    "repeated fields": "{shelf {books {id}} shelf {name books {title}} shelf {name}}",
    "fragments": """{shelf {...S ... on Shelf {name} ... @include(if: true) {first {id}}}}
        fragment S on Shelf {books {...B} first {...B}}
        fragment B on Book {title author {name}}""",
    "null at the root": '{perhaps {name} other: perhaps(name: null) {name} a: perhaps(name: "") {name}}',
    "several roots": '{a: shelf {name} b: perhaps(name: "ill") {name} c: books {id} __typename}',
    "an unknown enum": '{perhaps(name: "ill") {books {genre}}}',
    "an odd leaf that may be null": '{shelf(name: "ill") {books {id subtitle}}}',
    "an odd leaf of one": '{shelf(name: "ill") {first {genre}}}',
    "an odd leaf that nulls its object": '{shelf(name: "slight") {books {author {nick name}}}}',
    "an odd leaf that nulls an object in a row": '{shelf(name: "ill") {first {publisher {name}}}}',
    "an odd leaf that nulls a list": '{shelf(name: "ill") {name favourites {title}}}',
    "an odd leaf that nulls the root": '{perhaps(name: "ill") {books {title}} shelf {name}}',
    "an odd leaf that nulls all": '{shelf(name: "ill") {books {title}} perhaps {name}}',
    "an odd leaf deep below": '{perhaps(name: "new") {books {chapters {title}}}}',
    "an odd leaf in a list that may be null": '{shelf(name: "ill") {books {appendices {title}}}}',
    "errors that are null beside one that is not": '{perhaps(name: "ill") {books {subtitle title}}}',
    "errors behind the one that nulls": """{shelf(name: "ill") {
        favourites {publisher {name} subtitle}}}""",
    "the row that fails first": '{perhaps(name: "ill") {books {title publisher {name}}}}',
    "the field that fails first": '{perhaps(name: "ill") {books {publisher {name} title}}}',
    "errors under what is nulled": """{perhaps(name: "ill") {
        books {subtitle author {name} chapters {title note}}}}""",
    "errors in what is nulled later": '{shelf(name: "ill") {books {appendices {note title}}}}',
    "errors of rows behind the one that nulls": """{shelf(name: "ill") {
        favourites {subtitle publisher {name}}}}""",
    "a leaf that is null and may not be": '{shelf(name: "void") {favourites {title tags}}}',
    "an object that is null and may not be": """{shelf(name: "void") {
        favourites {publisher {name}}}}""",
    "a list that is null and may not be": '{perhaps(name: "void") {books {chapters {title}}}}',
    "a root that fails": "{broken {name} b: broken(needed: true) {name} shelf {name}}",
    "a root that may not fail": "{fallen {name} broken {name}}",
    "two roots that may not fail": "{shelf {name} a: fallen {name} b: fallen {name}}",
    "an argument's defaults": "{books {tags}}",
    "an input object": """{books(only: {genre: POEM, titleWords: ["a", "b"],
        either: [{genre: NOVEL}, {titleWords: "c"}]}) {tags}}""",
    "an input object that is null": "{books(only: null, ids: null) {tags}}",
    "lists": "{books(ids: [1, 2], genres: [POEM, NOVEL]) {tags} a: books(ids: 3) {tags}}",
    "variables": (
        """query Q($only: Filter, $ids: [Int!], $title: String! = "t", $genre: Genre) {
            books(only: $only, ids: $ids) {tags}
            a: books(only: {titleWords: [$title], genre: $genre}) {tags}}""",
        {"only": {"titleWords": "x", "genre": "NOVEL"}, "ids": 7},
    ),
    "variables that are not given": (
        """query Q($only: Filter, $ids: [Int!], $name: String) {
            books(only: $only, ids: $ids) {tags} perhaps(name: $name) {name}}""",
        {},
    ),
    "no value where one must be": ("query Q($n: String!) {shelf(name: $n) {name}}", {}),
    "null where none may be": (
        'query Q($n: String = "ill") {shelf(name: $n) {name} perhaps {name}}',
        {"n": None},
    ),
    "conditions": (
        """query Q($s: Boolean!, $i: Boolean = true) {
            shelf @skip(if: $s) {name @include(if: $i)}
            perhaps {name} a: shelf {name @skip(if: $i) books @include(if: $i) {id}}}""",
        {"s": False},
    ),
}

RELATED: Mapping[str, Case] = {
    "objects in rows": "{members(names: WELL) {title home {title genre} club {title motto}}}",
    "objects in rows of which nothing is told": "{members(names: ALL) {club {__typename} home {__typename}}}",
    "objects in objects in rows": "{members(names: ALL) {title club {seat {genre seat {genre}}}}}",
    "columns of objects in rows": "{members(names: ALL) {home {chapters {note}} club {chapters {title}}}}",
    "only what is skipped": """{members(names: WELL) {club {title @skip(if: true)}
        friends {title @skip(if: true)} home {title @skip(if: true)}}}""",
    "an object in a row that fails": '{members(names: ["Eve"]) {home {title}} perhaps {name}}',
    "an object in a row that fails and may not": """{perhapsMembers(names: ALL) {
        note home {title} club {motto}}}""",
    "objects in rows that fail and may": "{members(names: ALL) {title: note club {title genre motto}}}",
    "errors in objects that are nulled": "{members(names: ALL) {club {motto genre title}}}",
    "errors in objects in objects": "{members(names: ALL) {club {seat {title genre} genre}}}",
    "errors in columns of objects": "{members(names: ALL) {club {chapters {note title}}}}",
    "lists": "{members(names: WELL) {title friends {title}}}",
    "lists of lists": "{members(names: WELL) {friends {title friends {title rivals {note}}}}}",
    "a list of which nothing is told": "{members(names: WELL) {friends {__typename}}}",
    "lists of nobody": "{members(names: []) {friends {title friends {title}}}}",
    "lists that are empty": '{members(names: ["Dora"]) {friends {friends {title}} rivals {title}}}',
    "the same parent twice": '{members(names: ["Ann", "Ann", "Bob", "Ann"]) {friends {title note}}}',
    "a key that may be null": "{members(names: SOMEWHAT) {title heirs {title heirs {title}}}}",
    "no key at all": '{members(names: ["Dora"]) {heirs {title}}}',
    "siblings": "{members(names: WELL) {friends {title} rivals {note} heirs {club {genre}}}}",
    "aliases": """{members(names: WELL) {
        a: some(most: 1) {title} b: some(most: 3) {title} c: some {note} d: few {title}
        e: few(most: 0) {title} f: some(most: 1) {title}}}""",
    "arguments": """{members(names: WELL) {a: some(genre: POEM, word: "x") {title}
        b: some(word: null, most: 1) {title}}}""",
    "arguments by variables": (
        """query Q($n: Int! = 1, $g: Genre, $w: String) {members(names: ["Ann"]) {
            some(most: $n, genre: $g, word: $w) {title some(most: $n) {title}}}}""",
        {"g": "NOVEL"},
    ),
    "an argument that is null": (
        """query Q($n: Int = 3) {perhapsMembers(names: ["Ann", "Bob"]) {
            few(most: $n) {some(most: $n) {title}}} gathering(names: []) {host {note}}}""",
        {"n": None},
    ),
    "an argument that fails": """{members(names: SOMEWHAT) {title few(most: -1) {title}
        friends {few(most: -2) {title} again: few(most: 1) {title}}}}""",
    "an argument that fails where null may not be": """{titled(title: "Ann") {
        ... on Member {some(most: -1) {title}}} shelf {name}}""",
    "loads that fail": "{members(names: SOMEWHAT) {title missed {title} friends {missed {note}}}}",
    "loads that fail below objects in rows": """{members(names: SOMEWHAT) {
        club {members {missed {title}} seat {members {title}}}}}""",
    "a load that fails where null may not be": '{perhapsMembers(names: ["Ann"]) {title lost {title}}}',
    "loads that fail where null may not be": "{perhapsMembers(names: SOMEWHAT) {title lost {title}}}",
    "loads that fail in lists that may be null": """{members(names: ["Ann", "Bob"]) {
        title rivals {home {genre} lost {title}}}}""",
    "errors in lists": "{members(names: ALL) {note friends {note rivals {note}}}}",
    "a list that an error nulls": "{members(names: ALL) {note rivals {title note}}}",
    "lists that an error nulls in lists": "{members(names: SOMEWHAT) {friends {note rivals {title}}}}",
    "a list that an error nulls with the root": "{perhapsMembers(names: ALL) {friends {home {title}}}}",
    "a list that an error nulls with all": "{members(names: ALL) {friends {home {title}}}}",
    "errors that are forgotten with what is nulled": """{members(names: SOMEWHAT) {
        rivals {note club {motto} title} friends {rivals {note club {genre} title}}}}""",
    "errors in objects of lists": "{members(names: ALL) {friends {club {title motto}}}}",
    "lists of objects in rows": """{members(names: ALL) {
        home {members {title: note}} club {members {note club {genre}}}}}""",
    "lists of objects in rows that fail": "{members(names: ALL) {note club {members {note title}}}}",
    "lists of objects in objects in rows": "{members(names: ALL) {club {seat {members {note}}}}}",
    "lists below columns": """{gathering(names: SOMEWHAT) {results {note friends {title}}
        host {friends {title} rivals {note club {members {note}}}}}}""",
    "lists below columns that fail": """{gathering(names: SOMEWHAT) {host {rivals {title} lost {note}}
        results {missed {title} rivals {title}}}}""",
    "no object in a column": "{gathering(names: []) {host {friends {title}} results {friends {title}}}}",
    "fragments": """{members(names: SOMEWHAT) {...M friends {...M friends {...M}} club {...C}}
        titled(title: "Ann") {...M ...C} gathering(names: WELL) {host {...M} results {...M}}}
        fragment M on Member {title note club {...C} home {...C} some(most: 2) {note}}
        fragment C on Club {genre seat {genre} members {note}}""",
    "repeated fields": """{members(names: WELL) {friends {title} friends {note friends {title}}
        friends {friends {note}} club {title} club {genre}}}""",
    "the same below other keys": """{members(names: WELL) {
        a: friends {x: friends {title}} b: friends {x: rivals {note}} club {x: members {note}}
        home {x: members {note} y: members {club {x: members {note}}}}}}""",
    "interfaces": """{a: titled(title: "Ann") {__typename title ... on Member {friends {title}}}
        b: titled(title: "chess") {__typename title ... on Club {genre members {note}}}
        c: titled(title: "none") {title}}""",
    "an interface by its own fields": '{titled(title: "Ann") {title} c: titled(title: "odd") {title}}',
    "interfaces with fragments on others": """{titled(title: "fringe") {... on Member {friends {title}}
        ... on Titled {... on Club {genre seat {title} motto}}}}""",
    "what is made": """{members(names: WELL) {badge again: badge medal
        friends {note badge} club {crest seat {crest}} home {title crest}}}""",
    "what is made of what may be null": "{members(names: SOMEWHAT) {title medal}}",
    "what is made of nothing where null may not be": '{perhapsMembers(names: ["Dora"]) {note ring}}',
    "what is made below columns": "{gathering(names: WELL) {host {badge} results {badge medal}}}",
    "what cannot be made": "{members(names: SOMEWHAT) {title stain friends {title note stain}}}",
    "what cannot be made where null may not be": "{perhapsMembers(names: SOMEWHAT) {title blot}}",
    "what cannot be made in lists that may be null": """{members(names: ["Ann", "Bob"]) {
        badge rivals {home {genre crest} blot}}}""",
    "what is made for nobody": '{members(names: []) {badge} titled(title: "chess") {...C}}'
    " fragment C on Club {crest}",
    "conditions": (
        """query Q($s: Boolean!) {members(names: ["Ann", "Cid"]) {
            friends @skip(if: $s) {title} club @include(if: $s) {title members {note}}}}""",
        {"s": True},
    ),
}
# Names of members, of whom nobody, some and all are odd in something.
WELL_MEANT, SOMEWHAT, ALL = (
    '["Ann", "Bob"]',
    '["Ann", "Cid", "Ann", "Eve"]',
    str([*MEMBERS]).replace("'", '"'),
)
BELOW: Mapping[str, Case] = {
    name: case.replace("WELL", WELL_MEANT).replace("SOMEWHAT", SOMEWHAT).replace("ALL", ALL)
    if isinstance(case, str)
    else case
    for name, case in RELATED.items()
}

UNPLANNED: Mapping[str, Case] = {
    "a field with a resolver": "{shelf {books {length}}}",
    "beside columns": "{shelf {name books {title length author {name}}} perhaps {name}}",
    "a list of an enum": "{shelf {books {genres}}}",
    "a list of a scalar": "{shelf {books {reprinted}}}",
    "what is made and no text": '{members(names: ["Ann"]) {title joined}}',
    "a list of lists": '{members(names: ["Ann"]) {grid {title}}}',
    "an interface below the root": '{members(names: ["Ann", "Bob"]) {mentor {title}}}',
    "beside lists": '{members(names: ["Ann", "Cid", "Eve"]) {grid {title} friends {title club {motto}}}}',
    "introspection beside lists": """{__schema {queryType {name}}
        members(names: ["Ann", "Cid"]) {friends {note club {members {note}}} some(most: 1) {title}}}""",
    "a list of what may be null": '{shelf(name: "ill") {books {loose {note title}}}}',
    "a leaf at the root": "{count}",
    "a leaf beside objects": "{count shelf {books {title}}}",
    "a resolver that is not awaited": "{atOnce {name}}",
    "a resolver that takes no info": "{unasked {name}}",
    "a field with permissions": "{forbidden {name} shelf {name}}",
    "introspection": "{__schema {queryType {name}} shelf {name}}",
}


@dataclass(frozen=True, slots=True)
class Counted:
    """A function, and how often it is called."""

    function: Callable[..., Any]
    calls: Counter[str]

    def __call__(self, *args: Any, **options: Any) -> Any:
        """Count, and pass on."""
        self.calls[self.function.__name__] += 1
        return self.function(*args, **options)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often plans and documents are made, and graphql-core asked."""
    found = Counter[str]()
    for module, name in ((documents, "parse"), (validation, "validate"), (graphql, "execute")):
        monkeypatch.setattr(module, name, Counted(getattr(module, name), found))
    compiled = Counted(Compilation.compile, found)
    monkeypatch.setattr(Compilation, "compile", property(lambda self: partial(compiled, self)))
    return found


def told(executor: Executor, text: str, variables: Values | None = None) -> bytes:
    """What an executor answers."""
    asked = GraphQLRequest(text, dict(variables or {}))
    return _written(asyncio.run(executor.execute(asked, Context())))


def judged(text: str, variables: Values | None = None) -> bytes:
    """What graphql-core answers, through Strawberry's public execute."""
    given = dict(variables or {})
    asked = LIBRARY.execute(text, variable_values=given, context_value=Context())
    return _written(asyncio.run(cast(Any, asked)))


def _written(result: Any) -> bytes:
    errors = sorted(result.errors or (), key=lambda error: error.path or [])
    answer = {"data": result.data, "errors": [error.formatted for error in errors]}
    return orjson.dumps(answer)


def cases(table: Mapping[str, Case]) -> list[Any]:
    """Texts with their variables, by their names."""
    return [
        pytest.param(case, NOTHING, id=name)
        if isinstance(case, str)
        else pytest.param(*case, id=name)
        for name, case in table.items()
    ]


def compilation(built: strawberry.Schema, asked: GraphQLRequest) -> Compilation | None:
    """What is to be compiled; None where nothing may be executed."""
    document = Documents(core_schema(built), WIDE).get(asked.query)
    if not isinstance(document, Document):
        return None
    operation = document.find_operation(asked.operation_name)
    variables = operation.variables.coerce(asked.variables)
    if isinstance(variables, list):
        return None
    return Compilation(built, document.fragments, operation.node, variables)


# What is told ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "variables"), cases({**PLANNED, **BELOW}))
def test_plans_tell_what_graphql_core_tells(
    calls: Counter[str], text: str, variables: Values
) -> None:
    """A plan's data, its keys in order, and its errors are those of graphql-core."""
    executor = Executor(LIBRARY, WIDE)
    expected = judged(text, variables)
    assert expected == told(executor, text, variables)
    assert expected == told(executor, text, variables)
    assert not calls["execute"]


@pytest.mark.parametrize(("text", "variables"), cases(UNPLANNED))
def test_what_is_not_planned_is_told_by_graphql_core(
    calls: Counter[str], text: str, variables: Values
) -> None:
    """A field that is no column makes its operation graphql-core's, each time."""
    executor = Executor(LIBRARY)
    expected = judged(text, variables)
    assert expected == told(executor, text, variables)
    assert expected == told(executor, text, variables)
    assert calls["execute"] == 2


def test_root_fields_run_side_by_side() -> None:
    """Two root fields that wait for each other are both answered."""
    expected = {"a": {"name": "well"}, "b": {"name": "well"}}
    asked = GraphQLRequest("{a: meeting {name} b: meeting {name}}")
    result = asyncio.run(Executor(LIBRARY).execute(asked, Context()))
    assert (expected, None) == (result.data, result.errors)


@pytest.mark.parametrize(
    "text",
    [
        "{shelf {name}}",
        "{shelf {books {__typename}}}",
        "{shelf {books {title price half author {name letter}}}}",
        "{shelf {a: books {title} b: books {id author {nick}} favourites {genre}}}",
        "{shelf {books {title}} shelf {books {id} first {publisher {name}}}}",
        "{a: shelf {first {id}} b: shelf {books {chapters {title note}}}}",
        """{shelf {...S ...S ... {first {chapters {note}}}}}
        fragment S on Shelf {books {...B} first {...B}}
        fragment B on Book {a: title b: title author {name} author {nick}}""",
    ],
)
def test_resolvers_are_told_the_same_selection_on_both_ways(text: str) -> None:
    """`info.selected` says to a plan's resolvers what it says to graphql-core's."""
    judge, context = Context(), Context()
    asyncio.run(cast(Any, LIBRARY.execute(text, context_value=judge)))
    asyncio.run(Executor(LIBRARY).execute(GraphQLRequest(text), context))
    assert judge.selected
    assert judge.selected == context.selected


@pytest.mark.parametrize(("text", "variables"), cases(BELOW))
def test_the_same_is_loaded_on_both_ways(text: str, variables: Values) -> None:
    """What belongs to others is loaded for the same arguments, and no column that graphql-core does without."""
    judge, context = Context(), Context()
    given = dict(variables)
    asyncio.run(cast(Any, LIBRARY.execute(text, variable_values=given, context_value=judge)))
    asyncio.run(Executor(LIBRARY, WIDE).execute(GraphQLRequest(text, given), context))
    for kind, columns, arguments in context.loads:
        assert any(
            (kind, arguments) == (other, same) and set(columns) <= set(more)
            for other, more, same in judge.loads
        )


# What is planned ------------------------------------------------------------------------------


def test_every_operation_over_the_graph_is_planned() -> None:
    """Whatever is valid, asks for no introspection and skips by no null has a plan."""
    built, chance, planned = schema.build_schema(), Random(2030), 0
    while planned < 300:
        request = drawn(core_schema(built), chance.randbytes(SIZE), "")
        asked = GraphQLRequest(
            request.query, dict(request.variables), request.operation_name or None
        )
        found = compilation(built, asked)
        if found and not re.search(r"\b__(schema|type)\b", request.query):
            planned += _is_planned(found)


def _is_planned(found: Compilation) -> bool:
    try:
        found.compile()
    except GraphQLError as error:
        # A nullable variable with a default may be given as null, which is told where it is met.
        if "Argument 'if' has invalid value" not in error.message:
            raise
        return False
    return True


@pytest.mark.parametrize(
    "text",
    ["{__schema {types {name}}}", '{flow(slug: "a") {name} ... {__type(name: "Flow") {name}}}'],
)
def test_introspection_is_not_planned(text: str) -> None:
    """Introspection, also beside other fields, has no plan."""
    found = compilation(schema.build_schema(), GraphQLRequest(text))
    assert found
    with pytest.raises(NotPlannableError):
        found.compile()


def test_a_plan_is_no_larger_than_its_document() -> None:
    """A fragment that is spread often, in one that is spread often, is compiled once."""
    leaves = " ".join(f"n{n}: name" for n in range(50))
    books = " ".join(f"b{n}: books {{author {{...P}}}}" for n in range(50))
    shelves = " ".join(f"s{n}: shelf {{...S}}" for n in range(50))
    text = f"{{{shelves}}} fragment S on Shelf {{{books}}} fragment P on Person {{{leaves}}}"
    found = compilation(LIBRARY, GraphQLRequest(text))
    assert found
    assert sum(len(shape.fields) for shape in _shapes(found.compile())) < len(text)


def _shapes(plan: Plan) -> Collection[SelectionSet]:
    """The shapes of a plan, each once."""
    roots = [root for root in plan.root_fields.values() if isinstance(root, plans.RootField)]
    pending = [nested.selection_set for root in roots for nested in root.fields_by_type.values()]
    found: dict[int, SelectionSet] = {}
    while pending:
        shape = pending.pop()
        if id(shape) not in found:
            found[id(shape)] = shape
            pending += [one.selection_set for one in shape.fields if isinstance(one, ObjectField)]
    return found.values()


# What is remembered ---------------------------------------------------------------------------


def test_a_document_is_read_once(calls: Counter[str]) -> None:
    """A document is parsed, validated and compiled the first time it is asked."""
    executor = Executor(LIBRARY)
    answers = {told(executor, "{shelf {books {title}}}") for _ in range(3)}
    assert len(answers) == 1
    assert calls == {"parse": 1, "validate": 1, "compile": 1}


@pytest.mark.parametrize("text", ["{", "{nonesuch}", "{shelf {name}} {perhaps {name}} {"])
def test_a_document_that_is_wrong_is_read_once(calls: Counter[str], text: str) -> None:
    """What is wrong with a document is remembered too."""
    executor = Executor(LIBRARY)
    answers = {told(executor, text) for _ in range(3)}
    assert answers == {judged(text)}
    assert calls["parse"] == 1
    assert calls["validate"] <= 1


CONDITIONS = "abcde"
CONDITIONAL = "query Q({}) {{shelf {{{}}}}}".format(
    ", ".join(f"${name}: Boolean = true" for name in CONDITIONS),
    " ".join(f"{name}: name @include(if: ${name})" for name in CONDITIONS),
)


def test_plans_are_kept_by_their_conditions(calls: Counter[str]) -> None:
    """A plan is compiled once for each way in which @skip and @include fall out."""
    executor = Executor(LIBRARY)
    for given in [{}, {"a": True}, {"a": False}, {"b": False}] * 3:
        assert judged(CONDITIONAL, given) == told(executor, CONDITIONAL, given)
    assert calls == {"parse": 1, "validate": 1, "compile": 3}


def test_plans_of_an_operation_are_bounded() -> None:
    """Whatever the variables, an operation keeps no more than so many plans."""
    executor = Executor(LIBRARY)
    store: Documents = getattr(executor, "_documents")  # noqa: B009 - it has no public name
    for values in product((True, False), repeat=len(CONDITIONS)):
        given = dict(zip(CONDITIONS, values, strict=True))
        assert judged(CONDITIONAL, given) == told(executor, CONDITIONAL, given)
        document = store.get(CONDITIONAL)
        assert isinstance(document, Document)
        assert len(document.find_operation(None).plans) <= MAX_PLANS


def test_documents_are_bounded_and_one_in_use_stays(calls: Counter[str]) -> None:
    """However many documents come once, their characters are bounded, and none drives out another."""
    store = Documents(GRAPH)
    warm = [store.get("{shelf {name}}") for _ in range(2)]
    texts = [f"{{a{number:06}: __typename {' ' * 200}}}" for number in range(1000)]
    for text in texts:
        store.get(text)
    assert len(getattr(store, "_cache")) * len(texts[0]) <= CAPACITY  # noqa: B009 - likewise
    assert warm == [store.get("{shelf {name}}")] * 2
    assert calls["parse"] == 1 + len(texts)


def test_introspection_is_answered_once(calls: Counter[str]) -> None:
    """Introspection is answered equally the second time, without graphql-core."""
    executor = Executor(LIBRARY)
    text = graphql.get_introspection_query()
    assert [judged(text)] * 3 == [told(executor, text) for _ in range(3)]
    assert calls["execute"] == 1


def test_introspection_with_variables_is_answered_each_time(calls: Counter[str]) -> None:
    """Introspection that variables decide is not remembered."""
    executor = Executor(LIBRARY)
    text = "query Q($n: String!) {__type(name: $n) {name}}"
    for name in ("Book", "Shelf", "Nonesuch"):
        assert judged(text, {"n": name}) == told(executor, text, {"n": name})
    assert calls["execute"] == 3


# Variables ------------------------------------------------------------------------------------


def nested(levels: int) -> Values:
    """A filter in so many others."""
    value: dict[str, Any] = {}
    for _ in range(levels):
        value = {"either": [value]}
    return {"v": value}


VARIABLES: Sequence[tuple[str, Values]] = [
    ("$v: String", {}),
    ("$v: String", {"v": None}),
    ("$v: String", {"v": "a", "w": "unknown"}),
    ("$v: String", {"v": 1}),
    ('$v: String = "d"', {}),
    ('$v: String = "d"', {"v": None}),
    ('$v: String! = "d"', {}),
    ('$v: String! = "d"', {"v": None}),
    ("$v: String!", {}),
    ("$v: String!", {"v": None}),
    ("$v: Int", {"v": 2**31}),
    ("$v: Int", {"v": True}),
    ("$v: Int", {"v": 1.0}),
    ("$v: Float! = 1", {}),
    ("$v: ID", {"v": 7}),
    ("$v: Day", {"v": "2020-01-02"}),
    ("$v: Day", {"v": "no day"}),
    ("$v: Genre = POEM", {}),
    ("$v: Genre", {"v": "NOVEL"}),
    ("$v: Genre", {"v": "novel"}),
    ("$v: [Int!]", {"v": 3}),
    ("$v: [Int!] = 3", {}),
    ("$v: [Int!]", {"v": [1, None, "x"]}),
    ("$v: [[Int]]! = [[1], null]", {}),
    ("$v: Filter", {"v": {"genre": "POEM", "either": {"titleWords": "a"}}}),
    ("$v: Filter = {genre: POEM}", {}),
    ("$v: Filter", {"v": {"nonesuch": 1, "genre": 2}}),
    ("$v: Filter", {"v": "text"}),
    ("$v: Filter", nested(3)),
    ("$v: Filter", nested(400)),
    ("$a: Int!, $b: Int! = 2, $c: Int, $d: Boolean!", {"a": "x", "c": 3}),
    ("$a: Int!, $b: Int! = 2, $c: Int", {"a": 1, "c": 3}),
    ("$v: [Int]", {"v": ["x"] * 60}),
]


@pytest.mark.parametrize(("definitions", "given"), VARIABLES, ids=lambda value: str(value)[:60])
def test_variables_are_coerced_as_graphql_core_coerces(definitions: str, given: Values) -> None:
    """Values, where they come from, and what is wrong with them are graphql-core's."""
    [node] = graphql.parse(f"query Q({definitions}) {{count}}").definitions
    declared = cast(OperationDefinitionNode, node).variable_definitions or ()
    expected = graphql.get_variable_values(GRAPH, declared, dict(given), max_errors=50)
    variables = Variables(GRAPH, declared)
    assert _comparable(expected) == _comparable(variables.coerce(given))
    assert _comparable(expected) == _comparable(variables.coerce(given))


def _comparable(found: VariableValues | list[GraphQLError]) -> Any:
    if isinstance(found, list):
        return [error.formatted for error in found]
    sources = {
        name: (source.value, str(cast(Any, source.signature).type))
        for name, source in found.sources.items()
    }
    return found.coerced, sources
