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
from operations import SIZE, drawn
from strawberry.permission import BasePermission
from strawberry.schema.config import StrawberryConfig

from gql import schema
from gql.execution import documents, selection
from gql.execution import plan as plans
from gql.execution.compiler import Compilation, UnplannedError
from gql.execution.documents import CAPACITY, MAX_PLANS, Document, Documents
from gql.execution.executor import Asked, Executor
from gql.execution.fields import Known, Object, Objects, column, graph_of
from gql.execution.plan import Nested, Plan, Shape
from gql.execution.variables import Variables
from gql.execution.walk import EveryRoot
from gql.limits import Limits
from models.batch import Batch

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


class Info(strawberry.Info[Context, None]):
    """What resolvers know, as in the graph."""

    def selected(self, *path: str) -> tuple[str, ...] | None:
        """The columns selected below a path."""
        return selection.selected(self, *path)


def careful(value: str, _context: Context) -> str:
    """The value, unless it is odd."""
    if "odd" in value:
        raise ValueError(f"{value} is odd.")
    return value


def greeted(value: str, context: Context) -> str:
    """The value, as the context has it."""
    return f"{context.greeting} {value}"


def half(value: float, _context: Context) -> float | None:
    """Half of it, null for nothing."""
    return value / 2 if value else None


@strawberry.type
class Chapter(Object):
    """A leaf of the tree of objects."""

    title: str = column("title", "May be odd.", careful)
    note: str | None = column("note", "May be odd.", careful)


@strawberry.type
class Person(Object):
    """An object in objects."""

    name: str = column("name", "May be odd.", careful)
    letter: str = column("name", "Told from the same column as the name.", greeted)
    nick: str | None = column("nick", "May be null.")
    born: Day | None = column("born", "A scalar of ours.")


@strawberry.type
class Book(Object):
    """An object of every kind of field."""

    id: strawberry.ID = column("id", "A number, told as a text.")
    title: str = column("title", "May be odd.", careful)
    subtitle: str | None = column("subtitle", "May be odd.", careful)
    price: float = column("price", "May be a whole number.")
    discount: float | None = column("discount", "May be null.")
    half: float | None = column("price", "May be read as null.", half)
    genre: Genre | None = column("genre", "May be unknown.", Known(Genre))
    genres: list[Genre] = column("genres", "A list of leaves.")
    printed: Day | None = column("printed", "May be null.")
    reprinted: list[Day] = column("reprinted", "A list of leaves that are serialized.")
    tags: list[str] = column("tags", "A list of leaves as they are stored.")
    author: Person | None = column("author", "May be null.")
    publisher: Person = column("publisher", "Is never null.")
    chapters: list[Chapter] = column("chapters", "A list in a list.")
    appendices: list[Chapter] | None = column("appendices", "One that may be null.")
    loose: list[Chapter | None] = column("chapters", "One of objects that may be null.")

    @strawberry.field
    def length(self) -> int:
        """Of a resolver of its own."""
        return len(self.row["title"])


@strawberry.type
class Shelf(Object):
    """Objects in an object."""

    name: str = column("name", "As stored.")
    books: list[Book] = column("books", "All of them.")
    favourites: list[Book] | None = column("books", "The same, which may be null.")
    first: Book | None = column("first", "One of them.")


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
        "chapters": Objects(Chapter, batch(chapter("one"), chapter("two"))),
        "appendices": None,
    }
    return row | values


WELL = (
    book(1, "First", discount=0.5),
    book(2, "Second", genre="poem", printed=None, author=None),
    book(3, "Third", price=0, chapters=Objects(Chapter, batch(chapter("three")))),
)
# What is odd in each stands behind what is odd in the next, field by field.
ILL = (
    book(1, "First", genre="play", publisher=Person(row=person("odd Bob"))),
    book(2, "Second", subtitle="odd two", author=Person(row=person("odd Ann"))),
    book(3, "Third", subtitle="odd three", chapters=Objects(Chapter, batch(chapter("odd one")))),
    book(4, "odd", appendices=Objects(Chapter, batch(chapter("a"), chapter("odd b", "odd c")))),
)
VOID = (book(1, "First"), book(2, "Second", publisher=None, tags=None, chapters=None))
SHELVES = {"well": WELL, "ill": ILL, "new": ILL[:3], "slight": ILL[:2], "void": VOID}


def shelf_of(name: str) -> Shelf:
    """The shelf with these books."""
    rows = SHELVES[name]
    books = Objects(Book, batch(*rows))
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
        return cast(Any, Objects(Book, batch(book(1, "Asked", tags=told))))

    @strawberry.field
    async def nothing(self, info: Info) -> list[Book]:
        """No row, and so no column."""
        assert info.context
        return cast(Any, Objects(Book, Batch({}, 0)))

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
    config=StrawberryConfig(info_class=Info, scalar_map={Day: DAY}),
    execution_context_class=EveryRoot,
)
GRAPH = graph_of(LIBRARY)
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

UNPLANNED: Mapping[str, Case] = {
    "a field with a resolver": "{shelf {books {length}}}",
    "beside columns": "{shelf {name books {title length author {name}}} perhaps {name}}",
    "a list of an enum": "{shelf {books {genres}}}",
    "a list of a scalar": "{shelf {books {reprinted}}}",
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
    for module, name in ((documents, "parse"), (documents, "validate"), (graphql, "execute")):
        monkeypatch.setattr(module, name, Counted(getattr(module, name), found))
    compiled = Counted(Compilation.plan, found)
    monkeypatch.setattr(Compilation, "plan", property(lambda self: partial(compiled, self)))
    return found


def told(executor: Executor, text: str, variables: Values | None = None) -> bytes:
    """What an executor answers."""
    asked = Asked(text, dict(variables or {}))
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


def compilation(built: strawberry.Schema, asked: Asked) -> Compilation | None:
    """What is to be compiled; None where nothing may be executed."""
    document = Documents(graph_of(built), WIDE).document(asked.query)
    if not isinstance(document, Document):
        return None
    operation = document.operation(asked.operation_name)
    variables = operation.variables.coerced(asked.variables)
    if isinstance(variables, list):
        return None
    return Compilation(built, document.fragments, operation.node, variables)


# What is told ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "variables"), cases(PLANNED))
def test_plans_tell_what_graphql_core_tells(
    calls: Counter[str], text: str, variables: Values
) -> None:
    """A plan's data, its keys in order, and its errors are those of graphql-core."""
    executor = Executor(LIBRARY)
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
    asked = Asked("{a: meeting {name} b: meeting {name}}")
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
    asyncio.run(Executor(LIBRARY).execute(Asked(text), context))
    assert judge.selected
    assert judge.selected == context.selected


# What is planned ------------------------------------------------------------------------------


def test_every_operation_over_the_graph_is_planned() -> None:
    """Whatever is valid and asks for no introspection has a plan."""
    built, chance, planned = schema.build(), Random(2030), 0
    while planned < 300:
        request = drawn(graph_of(built), chance.randbytes(SIZE), "")
        asked = Asked(request.query, dict(request.variables), request.operation_name or None)
        found = compilation(built, asked)
        if found and not re.search(r"\b__(schema|type)\b", request.query):
            assert isinstance(found.plan(), Plan), request
            planned += 1


@pytest.mark.parametrize(
    "text",
    ["{__schema {types {name}}}", '{flow(slug: "a") {name} ... {__type(name: "Flow") {name}}}'],
)
def test_introspection_is_not_planned(text: str) -> None:
    """Introspection, also beside other fields, has no plan."""
    found = compilation(schema.build(), Asked(text))
    assert found
    with pytest.raises(UnplannedError):
        found.plan()


def test_a_plan_is_no_larger_than_its_document() -> None:
    """A fragment that is spread often, in one that is spread often, is compiled once."""
    leaves = " ".join(f"n{n}: name" for n in range(50))
    books = " ".join(f"b{n}: books {{author {{...P}}}}" for n in range(50))
    shelves = " ".join(f"s{n}: shelf {{...S}}" for n in range(50))
    text = f"{{{shelves}}} fragment S on Shelf {{{books}}} fragment P on Person {{{leaves}}}"
    found = compilation(LIBRARY, Asked(text))
    assert found
    assert sum(len(shape.fields) for shape in _shapes(found.plan())) < len(text)


def _shapes(plan: Plan) -> Collection[Shape]:
    """The shapes of a plan, each once."""
    roots = [root for root in plan.roots.values() if isinstance(root, plans.Root)]
    pending = [nested.shape for root in roots for nested in root.kinds.values()]
    found: dict[int, Shape] = {}
    while pending:
        shape = pending.pop()
        if id(shape) not in found:
            found[id(shape)] = shape
            pending += [one.shape for one in shape.fields if isinstance(one, Nested)]
    return found.values()


# What is remembered ---------------------------------------------------------------------------


def test_a_document_is_read_once(calls: Counter[str]) -> None:
    """A document is parsed, validated and compiled the first time it is asked."""
    executor = Executor(LIBRARY)
    answers = {told(executor, "{shelf {books {title}}}") for _ in range(3)}
    assert len(answers) == 1
    assert calls == {"parse": 1, "validate": 1, "plan": 1}


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
    assert calls == {"parse": 1, "validate": 1, "plan": 3}


def test_plans_of_an_operation_are_bounded() -> None:
    """Whatever the variables, an operation keeps no more than so many plans."""
    executor = Executor(LIBRARY)
    store: Documents = getattr(executor, "_documents")  # noqa: B009 - it has no public name
    for values in product((True, False), repeat=len(CONDITIONS)):
        given = dict(zip(CONDITIONS, values, strict=True))
        assert judged(CONDITIONAL, given) == told(executor, CONDITIONAL, given)
        document = store.document(CONDITIONAL)
        assert isinstance(document, Document)
        assert len(document.operation(None).plans) <= MAX_PLANS


def test_documents_are_bounded_and_one_in_use_stays(calls: Counter[str]) -> None:
    """However many documents come once, their characters are bounded, and none drives out another."""
    store = Documents(GRAPH)
    warm = [store.document("{shelf {name}}") for _ in range(2)]
    texts = [f"{{a{number:06}: __typename {' ' * 200}}}" for number in range(1000)]
    for text in texts:
        store.document(text)
    assert len(getattr(store, "_remembered")) * len(texts[0]) <= CAPACITY  # noqa: B009 - likewise
    assert warm == [store.document("{shelf {name}}")] * 2
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
    assert _comparable(expected) == _comparable(variables.coerced(given))
    assert _comparable(expected) == _comparable(variables.coerced(given))


def _comparable(found: VariableValues | list[GraphQLError]) -> Any:
    if isinstance(found, list):
        return [error.formatted for error in found]
    sources = {
        name: (source.value, str(cast(Any, source.signature).type))
        for name, source in found.sources.items()
    }
    return found.coerced, sources
