"""Plans complete values and report errors exactly as graphql-core does."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from typing import Any, cast

import pytest

from gql.execution.executor import Executor
from gql.execution.request import GraphQLRequest
from support.library_execution import (
    WIDE,
    Case,
    execute,
    execute_reference,
    execute_request,
    parameters,
)
from support.library_schema import LIBRARY, MEMBERS, Context, Values

COLUMN_CASES: Mapping[str, Case] = {
    "leaves": "{shelf {name books {id title subtitle price tags}}}",
    "floats": "{shelf {books {price discount half}}}",
    "an enum": "{shelf {books {genre}}}",
    "a scalar": "{shelf {books {author {born} publisher {born}}}}",
    "a scalar that is null": "{shelf {books {printed}}}",
    "converters that use the context": "{shelf {books {publisher {letter name nick}}}}",
    "objects in objects": "{shelf {first {author {name nick} publisher {name}}}}",
    "lists in lists": "{shelf {books {chapters {title note} appendices {title}}}}",
    "no rows": "{noBooks {id title genre author {name} chapters {title}}}",
    "type names": "{__typename shelf {__typename books {__typename author {t: __typename}}}}",
    "order of keys": "{b: shelf {z: name a: name} a: shelf {books {title id}}}",
    "no fields at all": "{shelf @skip(if: true) {name}}",
    "no fields in objects": "{shelf {books {id @skip(if: true)}} optionalShelf {name @include(if: false)}}",
    "repeated fields": "{shelf {books {id}} shelf {name books {title}} shelf {name}}",
    "fragments": """{shelf {...S ... on Shelf {name} ... @include(if: true) {first {id}}}}
        fragment S on Shelf {books {...B} first {...B}}
        fragment B on Book {title author {name}}""",
    "null at the root": '{optionalShelf {name} other: optionalShelf(name: null) {name} a: optionalShelf(name: "") {name}}',
    "several root fields": '{a: shelf {name} b: optionalShelf(name: "invalid") {name} c: books {id} __typename}',
    "an unknown enum": '{optionalShelf(name: "invalid") {books {genre}}}',
    "a failed nullable leaf": '{shelf(name: "invalid") {books {id subtitle}}}',
    "a failed leaf of a single object": '{shelf(name: "invalid") {first {genre}}}',
    "a failed leaf that makes its object null": '{shelf(name: "two") {books {author {nick name}}}}',
    "a failed leaf that makes a row null": '{shelf(name: "invalid") {first {publisher {name}}}}',
    "a failed leaf that makes a list null": '{shelf(name: "invalid") {name favourites {title}}}',
    "a failed leaf that makes a root field null": '{optionalShelf(name: "invalid") {books {title}} shelf {name}}',
    "a failed leaf that makes data null": '{shelf(name: "invalid") {books {title}} optionalShelf {name}}',
    "a failed leaf several levels down": '{optionalShelf(name: "three") {books {chapters {title}}}}',
    "a failed leaf in a nullable list": '{shelf(name: "invalid") {books {appendices {title}}}}',
    "errors of a nullable and a non-null field": '{optionalShelf(name: "invalid") {books {subtitle title}}}',
    "errors after a non-null error": """{shelf(name: "invalid") {
        favourites {publisher {name} subtitle}}}""",
    "the first row that fails": '{optionalShelf(name: "invalid") {books {title publisher {name}}}}',
    "the first field that fails": '{optionalShelf(name: "invalid") {books {publisher {name} title}}}',
    "errors below a value that becomes null": """{optionalShelf(name: "invalid") {
        books {subtitle author {name} chapters {title note}}}}""",
    "errors in a value that becomes null later": '{shelf(name: "invalid") {books {appendices {note title}}}}',
    "errors in rows after a non-null error": """{shelf(name: "invalid") {
        favourites {subtitle publisher {name}}}}""",
    "a null non-null leaf": '{shelf(name: "null") {favourites {title tags}}}',
    "a null non-null object": """{shelf(name: "null") {
        favourites {publisher {name}}}}""",
    "a null non-null list": '{optionalShelf(name: "null") {books {chapters {title}}}}',
    "a nullable root field that fails": "{broken {name} b: broken(needed: true) {name} shelf {name}}",
    "a non-null root field that fails": "{requiredBroken {name} broken {name}}",
    "two non-null root fields that fail": "{shelf {name} a: requiredBroken {name} b: requiredBroken {name}}",
    "default values of arguments": "{books {tags}}",
    "an input object": """{books(only: {genre: POEM, titleWords: ["a", "b"],
        either: [{genre: NOVEL}, {titleWords: "c"}]}) {tags}}""",
    "null as an input object": "{books(only: null, ids: null) {tags}}",
    "lists": "{books(ids: [1, 2], genres: [POEM, NOVEL]) {tags} a: books(ids: 3) {tags}}",
    "variables": (
        """query Q($only: Filter, $ids: [Int!], $title: String! = "t", $genre: Genre) {
            books(only: $only, ids: $ids) {tags}
            a: books(only: {titleWords: [$title], genre: $genre}) {tags}}""",
        {"only": {"titleWords": "x", "genre": "NOVEL"}, "ids": 7},
    ),
    "missing variables": (
        """query Q($only: Filter, $ids: [Int!], $name: String) {
            books(only: $only, ids: $ids) {tags} optionalShelf(name: $name) {name}}""",
        {},
    ),
    "a missing required variable": ("query Q($n: String!) {shelf(name: $n) {name}}", {}),
    "null for a non-null argument": (
        'query Q($n: String = "invalid") {shelf(name: $n) {name} optionalShelf {name}}',
        {"n": None},
    ),
    "conditions": (
        """query Q($s: Boolean!, $i: Boolean = true) {
            shelf @skip(if: $s) {name @include(if: $i)}
            optionalShelf {name} a: shelf {name @skip(if: $i) books @include(if: $i) {id}}}""",
        {"s": False},
    ),
}

RELATION_TEMPLATES: Mapping[str, Case] = {
    "joined objects": "{members(names: VALID_NAMES) {title home {title genre} club {title motto}}}",
    "joined objects without columns": "{members(names: ALL_NAMES) {club {__typename} home {__typename}}}",
    "joined objects in joined objects": "{members(names: ALL_NAMES) {title club {seat {genre seat {genre}}}}}",
    "object columns of joined objects": "{members(names: ALL_NAMES) {home {chapters {note}} club {chapters {title}}}}",
    "only skipped fields": """{members(names: VALID_NAMES) {club {title @skip(if: true)}
        friends {title @skip(if: true)} home {title @skip(if: true)}}}""",
    "a failed joined object": '{members(names: ["Eve"]) {home {title}} optionalShelf {name}}',
    "a failed non-null joined object": """{optionalMembers(names: ALL_NAMES) {
        note home {title} club {motto}}}""",
    "failed nullable joined objects": "{members(names: ALL_NAMES) {title: note club {title genre motto}}}",
    "errors in joined objects that become null": "{members(names: ALL_NAMES) {club {motto genre title}}}",
    "errors in joined objects of joined objects": "{members(names: ALL_NAMES) {club {seat {title genre} genre}}}",
    "errors in object columns of joined objects": "{members(names: ALL_NAMES) {club {chapters {note title}}}}",
    "relations": "{members(names: VALID_NAMES) {title friends {title}}}",
    "relations of relations": "{members(names: VALID_NAMES) {friends {title friends {title rivals {note}}}}}",
    "a relation without columns": "{members(names: VALID_NAMES) {friends {__typename}}}",
    "relations of no objects": "{members(names: []) {friends {title friends {title}}}}",
    "empty relations": '{members(names: ["Dora"]) {friends {friends {title}} rivals {title}}}',
    "the same parent twice": '{members(names: ["Ann", "Ann", "Bob", "Ann"]) {friends {title note}}}',
    "a nullable key": "{members(names: MIXED_NAMES) {title heirs {title heirs {title}}}}",
    "only null keys": '{members(names: ["Dora"]) {heirs {title}}}',
    "several relations": "{members(names: VALID_NAMES) {friends {title} rivals {note} heirs {club {genre}}}}",
    "aliases": """{members(names: VALID_NAMES) {
        a: firstFriends(limit: 1) {title} b: firstFriends(limit: 3) {title} c: firstFriends {note}
        d: optionalFriends {title} e: optionalFriends(limit: 0) {title} f: firstFriends(limit: 1) {title}}}""",
    "arguments": """{members(names: VALID_NAMES) {a: firstFriends(genre: POEM, word: "x") {title}
        b: firstFriends(word: null, limit: 1) {title}}}""",
    "arguments by variables": (
        """query Q($n: Int! = 1, $g: Genre, $w: String) {members(names: ["Ann"]) {
            firstFriends(limit: $n, genre: $g, word: $w) {title firstFriends(limit: $n) {title}}}}""",
        {"g": "NOVEL"},
    ),
    "null as an argument": (
        """query Q($n: Int = 3) {optionalMembers(names: ["Ann", "Bob"]) {
            optionalFriends(limit: $n) {firstFriends(limit: $n) {title}}} gathering(names: []) {host {note}}}""",
        {"n": None},
    ),
    "a failed argument": """{members(names: MIXED_NAMES) {title optionalFriends(limit: -1) {title}
        friends {optionalFriends(limit: -2) {title} again: optionalFriends(limit: 1) {title}}}}""",
    "a failed argument of a non-null relation": """{titled(title: "Ann") {
        ... on Member {firstFriends(limit: -1) {title}}} shelf {name}}""",
    "failed loads": "{members(names: MIXED_NAMES) {title optionalFailing {title} friends {optionalFailing {note}}}}",
    "failed loads below joined objects": """{members(names: MIXED_NAMES) {
        club {members {optionalFailing {title}} seat {members {title}}}}}""",
    "a failed load of a non-null relation": '{optionalMembers(names: ["Ann"]) {title failing {title}}}',
    "failed loads of a non-null relation": "{optionalMembers(names: MIXED_NAMES) {title failing {title}}}",
    "failed loads in nullable relations": """{members(names: ["Ann", "Bob"]) {
        title rivals {home {genre} failing {title}}}}""",
    "errors in relations": "{members(names: ALL_NAMES) {note friends {note rivals {note}}}}",
    "an error that makes a relation null": "{members(names: ALL_NAMES) {note rivals {title note}}}",
    "errors that make relations of relations null": "{members(names: MIXED_NAMES) {friends {note rivals {title}}}}",
    "an error that makes the root field null": "{optionalMembers(names: ALL_NAMES) {friends {home {title}}}}",
    "an error that makes data null": "{members(names: ALL_NAMES) {friends {home {title}}}}",
    "errors that are discarded with null values": """{members(names: MIXED_NAMES) {
        rivals {note club {motto} title} friends {rivals {note club {genre} title}}}}""",
    "errors in joined objects of relations": "{members(names: ALL_NAMES) {friends {club {title motto}}}}",
    "relations of joined objects": """{members(names: ALL_NAMES) {
        home {members {title: note}} club {members {note club {genre}}}}}""",
    "failed relations of joined objects": "{members(names: ALL_NAMES) {note club {members {note title}}}}",
    "relations of joined objects in joined objects": "{members(names: ALL_NAMES) {club {seat {members {note}}}}}",
    "relations below columns": """{gathering(names: MIXED_NAMES) {results {note friends {title}}
        host {friends {title} rivals {note club {members {note}}}}}}""",
    "failed relations below columns": """{gathering(names: MIXED_NAMES) {host {rivals {title} failing {note}}
        results {optionalFailing {title} rivals {title}}}}""",
    "null in a column of objects": "{gathering(names: []) {host {friends {title}} results {friends {title}}}}",
    "fragments with relations": """{members(names: MIXED_NAMES) {...M friends {...M friends {...M}} club {...C}}
        titled(title: "Ann") {...M ...C} gathering(names: VALID_NAMES) {host {...M} results {...M}}}
        fragment M on Member {title note club {...C} home {...C} firstFriends(limit: 2) {note}}
        fragment C on Club {genre seat {genre} members {note}}""",
    "repeated relations": """{members(names: VALID_NAMES) {friends {title} friends {note friends {title}}
        friends {friends {note}} club {title} club {genre}}}""",
    "the same relation below several keys": """{members(names: VALID_NAMES) {
        a: friends {x: friends {title}} b: friends {x: rivals {note}} club {x: members {note}}
        home {x: members {note} y: members {club {x: members {note}}}}}}""",
    "interfaces": """{a: titled(title: "Ann") {__typename title ... on Member {friends {title}}}
        b: titled(title: "chess") {__typename title ... on Club {genre members {note}}}
        c: titled(title: "none") {title}}""",
    "an interface by its own fields": '{titled(title: "Ann") {title} c: titled(title: "invalid") {title}}',
    "interfaces with fragments on others": """{titled(title: "fringe") {... on Member {friends {title}}
        ... on Titled {... on Club {genre seat {title} motto}}}}""",
    "a list of several types": """{allTitled(titles: ["Ann", "chess", "none", "Ann", "Bob", "chess", "why?"]) {
        __typename title ... on Member {note friends {title badge} club {genre}}
        ... on Club {genre members {note rivals {note}} crest}}}""",
    "a list of several types without columns": """{allTitled(titles: ["chess", "Ann", "why?"]) {
        ... on Member {__typename}}}""",
    "lists of one type": """{a: allTitled(titles: ["chess"]) {title} b: allTitled(titles: ["Bob"]) {title}
        c: allTitled(titles: ["none"]) {title} d: allTitled(titles: []) {title}}""",
    "errors in a list of several types": """{allTitled(titles: ["Gil", "invalid", "fringe", "invalid Flo", "Cid",
        "Ann", "chess", "invalid"]) {title ... on Member {note home {genre motto} rivals {note title}}
        ... on Club {motto seat {motto title} members {note}}}}""",
    "failed loads in a list of several types": """{allTitled(titles: ["Ann", "chess", "Bob"]) {title
        ... on Member {failing {title}} ... on Club {members {optionalFailing {title}}}} shelf {name}}""",
    "computed fields": """{members(names: VALID_NAMES) {badge again: badge medal
        friends {note badge} club {crest seat {crest}} home {title crest}}}""",
    "computed fields of a nullable column": "{members(names: MIXED_NAMES) {title medal}}",
    "a computed non-null field of a null column": '{optionalMembers(names: ["Dora"]) {note ring}}',
    "computed fields below columns": "{gathering(names: VALID_NAMES) {host {badge} results {badge medal}}}",
    "failed computed fields": "{members(names: MIXED_NAMES) {title stain friends {title note stain}}}",
    "failed computed non-null fields": "{optionalMembers(names: MIXED_NAMES) {title blot}}",
    "failed computed fields in nullable relations": """{members(names: ["Ann", "Bob"]) {
        badge rivals {home {genre crest} blot}}}""",
    "computed objects": """{members(names: VALID_NAMES) {portrait {caption chapters {title note}}
        again: portrait {caption} statue {chapters {title}} friends {statue {__typename}}}}""",
    "computed objects with errors": """{optionalMembers(names: ALL_NAMES) {note
        portrait {caption sketches {title note} chapters {note}}}}""",
    "computed objects with errors in non-null fields": """{optionalMembers(names: MIXED_NAMES) {
        portrait {chapters {title}} other: portrait {caption}}}""",
    "computed non-null objects with errors": """{optionalMembers(names: MIXED_NAMES) {
        statue {chapters {title}}}}""",
    "computed objects of a nullable column": "{members(names: MIXED_NAMES) {mask {caption}}}",
    "a computed non-null object of a null column": """{optionalMembers(names: ["Dora"]) {
        note bust {caption}}}""",
    "failed computed objects": """{members(names: MIXED_NAMES) {title fresco {caption}
        friends {title fresco {chapters {title}}}}}""",
    "failed computed non-null objects": "{optionalMembers(names: MIXED_NAMES) {mural {caption}}}",
    "computed fields of no objects": '{members(names: []) {badge} titled(title: "chess") {...C}}'
    " fragment C on Club {crest}",
    "conditions on relations": (
        """query Q($s: Boolean!) {members(names: ["Ann", "Cid"]) {
            friends @skip(if: $s) {title} club @include(if: $s) {title members {note}}}}""",
        {"s": True},
    ),
}
# Names of members: none, some and all of them have invalid values.
NAMES = {
    "VALID_NAMES": '["Ann", "Bob"]',
    "MIXED_NAMES": '["Ann", "Cid", "Ann", "Eve"]',
    "ALL_NAMES": str([*MEMBERS]).replace("'", '"'),
}


def fill_names(text: str) -> str:
    """Return the text with lists of names in place of their placeholders."""
    for placeholder, names in NAMES.items():
        text = text.replace(placeholder, names)
    return text


RELATION_CASES: Mapping[str, Case] = {
    name: fill_names(case) if isinstance(case, str) else case
    for name, case in RELATION_TEMPLATES.items()
}


@pytest.mark.parametrize(("text", "variables"), parameters({**COLUMN_CASES, **RELATION_CASES}))
def test_plans_return_the_response_of_graphql_core(
    calls: Counter[str], text: str, variables: Values
) -> None:
    """The data, the order of its keys and the errors are those of graphql-core."""
    executor = Executor(LIBRARY, WIDE)
    expected = execute_reference(text, variables)
    assert expected == execute(executor, text, variables)
    assert expected == execute(executor, text, variables)
    assert not calls["execute"]


@pytest.mark.parametrize(("text", "variables"), parameters(RELATION_CASES))
def test_plans_load_no_more_than_graphql_core(text: str, variables: Values) -> None:
    """Each load has the arguments of a load of graphql-core's execution, and none but its columns."""
    reference, context = Context(), Context()
    values = dict(variables)
    asyncio.run(cast(Any, LIBRARY.execute(text, variable_values=values, context_value=reference)))
    request = GraphQLRequest(text, values)
    asyncio.run(execute_request(Executor(LIBRARY, WIDE), request, context))
    for kind, columns, arguments in context.loads:
        assert any(
            (kind, arguments) == (reference_kind, reference_arguments)
            and set(columns) <= set(reference_columns)
            for reference_kind, reference_columns, reference_arguments in reference.loads
        )
