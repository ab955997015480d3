"""Limits of documents: each accepts its maximum and rejects one more, in any form."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from graphql import GraphQLError
from hypothesis import given
from hypothesis import strategies as st

from gql.execution.documents import Documents, InvalidDocument, UnknownOperationError
from gql.execution.executor import Executor
from gql.limits import Limits
from support.limits_schema import (
    FOREST,
    GRAPH,
    WIDE,
    assert_rejected,
    errors_of,
    execute,
    execute_with,
    is_successful,
    repeat,
)


def test_defaults() -> None:
    """Limits without arguments are the default limits."""
    assert repr(Limits()) == (
        "Limits(body=100000, tokens=2000, depth=12, aliases=30, directives=50, root_fields=20,"
        " cost=10000, introspection_cost=100000, seconds=10, conditions=100, objects=100000,"
        " search_terms=100, search_length=1000)"
    )


@pytest.mark.parametrize("value", [0, -1, 0.5, float("nan")])
def test_limits_are_at_least_one(value: Any) -> None:
    """A limit below 1 would reject everything."""
    with pytest.raises(ValueError, match=r"^'seconds' must be at least 1, not .*\.$"):
        Limits(seconds=value)
    with pytest.raises(ValueError, match=r"^'tokens' must be at least 1, not .*\.$"):
        Limits(tokens=value)


# Returns a document with a number of aliases, fields or directives.
Write = Callable[[int], str]


def _halves(kind: str, text: str, count: int) -> str:
    """Write half of the fields in a fragment that is spread twice, by another fragment."""
    quarter, rest = divmod(count, 2)
    return (
        f"{{...A ...A {repeat(text, rest)}}} fragment A on {kind} {{...B}}"
        f" fragment B on {kind} {{{repeat(text, quarter)}}}"
    )


def _forms(text: str) -> dict[str, Write]:
    """Return the ways to write root fields: plain, in inline fragments and in nested fragments."""
    return {
        "plain": lambda n: f"{{{repeat(text, n)}}}",
        "inline": lambda n: f"{{... {{... on Query {{{repeat(text, n)}}}}}}}",
        "spread": lambda n: f"{{...A}} fragment A on Query {{{repeat(text, n)}}}",
        "twice": lambda n: _halves("Query", text, n),
        "other operation": lambda n: f"query A {{tree {{name}}}} query B {{{repeat(text, n)}}}",
    }


def _deep(count: int) -> str:
    return "tree {" * (count - 1) + "name" + "}" * (count - 1)


FORMS: Mapping[str, tuple[str, Mapping[str, Write]]] = {
    "aliases": ("The operation has {} aliases: the limit is {}.", _forms("a{}: __typename")),
    "root_fields": ("The operation has {} root fields: the limit is {}.", _forms("__typename")),
    "directives": (
        "The operation has {} directives: the limit is {}.",
        _forms("__typename @skip(if: false)"),
    ),
    "depth": (
        "The operation has a depth of {} fields: the limit is {}.",
        {
            "plain": lambda n: f"{{{_deep(n)}}}",
            "inline": lambda n: f"{{tree {{... {{... on Tree {{{_deep(n - 1)}}}}}}}}}",
            "spread": lambda n: f"{{tree {{...A}}}} fragment A on Tree {{{_deep(n - 1)}}}",
            "spreads": lambda n: (
                f"{{tree {{...A}}}} fragment A on Tree {{tree {{...B}}}}"
                f" fragment B on Tree {{{_deep(n - 2)}}}"
            ),
            "other operation": lambda n: f"query A {{tree {{name}}}} query B {{{_deep(n)}}}",
            "type names": lambda n: "{" + _deep(n).replace("name", "__typename") + "}",
        },
    ),
    "conditions": (
        "The request has {} input objects: the limit of conditions is {}.",
        {
            "plain": lambda n: f"{{find(where: {{both: [{repeat('{{}}', n - 1)}]}})}}",
            "spread": lambda n: (
                f"{{...A}} fragment A on Query {{find(where: {{both: [{repeat('{{}}', n - 1)}]}})}}"
            ),
            "fields": lambda n: "{" + repeat("a{}: find(where: {{}})", n) + "}",
            "defaults": lambda n: (
                f"query($w: Where = {{both: [{repeat('{{}}', n - 1)}]}}) {{find(where: $w)}}"
            ),
        },
    ),
}


@pytest.mark.parametrize(
    ("limit", "form"), [(limit, form) for limit, (_, forms) in FORMS.items() for form in forms]
)
def test_limits(limit: str, form: str) -> None:
    """Each limit accepts its maximum and rejects one more, in plain fields and in fragments."""
    expected, forms = FORMS[limit]
    write = forms[form]
    name = "B" if form == "other operation" else None
    for maximum in (5, 12):
        limits = replace(WIDE, **{limit: maximum})
        assert is_successful(execute_with(Executor(FOREST, limits), write(maximum), {}, name))
        assert_rejected(write(maximum + 1), limits, expected.format(maximum + 1, maximum))


def test_directives() -> None:
    """Directives count on operations, variables, fields, spreads and fragments."""
    text = """query ($v: Boolean = true) {... @include(if: $v) {...A @skip(if: false)} ...A}
        fragment A on Query {tree @skip(if: false) {name @include(if: true) @skip(if: false)}}"""
    assert is_successful(execute(text, limits=replace(WIDE, directives=8)))
    expected = "The operation has 8 directives: the limit is 7."
    assert_rejected(text, replace(WIDE, directives=7), expected)
    text = "query Q($v: Int @b) @c {...F ...F} fragment F on Query @d {find}"
    expected = "The operation has 4 directives: the limit is 3."
    assert_rejected(text, replace(WIDE, directives=3), expected)


def test_tokens() -> None:
    """Tokens count as the lexer counts them: commas and comments are not tokens."""
    for text in ("{a b}", "{a,,,,b,,}", "# one\n{a b} # two", "{a}}"):
        expected = "The document has too many tokens: the limit is 3."
        assert_rejected(text, Limits(tokens=3), expected)
    assert is_successful(execute("{find}", limits=Limits(tokens=3)))
    assert is_successful(execute("#\n#\n#\n{find}", limits=Limits(tokens=3)))


def test_comments() -> None:
    """The limit of comments is that of tokens."""
    expected = "The document has too many comments: the limit is 3."
    assert_rejected("#\n#\n#\n#\n{find}", Limits(tokens=3), expected)


def test_location() -> None:
    """The error has the location of the operation."""
    result = execute("query A {find}\n  query B {a: find b: find}", limits=replace(WIDE, aliases=1))
    [error] = errors_of(result)
    assert error.formatted["locations"] == [{"line": 2, "column": 3}]  # pyright: ignore[reportTypedDictNotRequiredAccess]


def _doubling(first: str, name: str, kind: str, each: str) -> str:
    """Write 30 fragments, each of which spreads the next one twice."""
    chain = " ".join(
        f"fragment F{n} on {kind} {{{each} ...F{n + 1} ...F{n + 1}}}" for n in range(30)
    )
    return f"{first} {chain} fragment F30 on {kind} {{{name}}}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            _doubling("{...F0}", "__typename", "Query", ""),
            "The operation has 1000000000 or more root fields: the limit is 20.",
        ),
        (
            _doubling("{tree {...F0}}", "name", "Tree", "a: name"),
            "The operation has 1000000000 or more aliases: the limit is 30.",
        ),
        (
            _doubling("{tree {...F0}}", "name", "Tree", "name @skip(if: true)"),
            "The operation has 1000000000 or more directives: the limit is 50.",
        ),
        (
            _doubling("{tree {...F0}}", "name", "Tree", ""),
            "The operation has a cost of 1000000000 or more: the limit is 10000.",
        ),
    ],
)
def test_doubling_fragments(text: str, expected: str) -> None:
    """Fragments are counted without expanding them."""
    assert_rejected(text, Limits(), expected)


def test_counts_are_bounded() -> None:
    """Counts stop at a billion."""
    chain = " ".join(f"fragment F{n} on Query {{...F{n + 1} ...F{n + 1}}}" for n in range(3_000))
    text = f"{{...F0}} {chain} fragment F3000 on Query {{find}}"
    expected = "The operation has 1000000000 or more root fields: the limit is 20."
    assert_rejected(text, Limits(tokens=10**6), expected)


@pytest.mark.parametrize(
    "text",
    [
        "{tree" * 100_000,
        "{" + "...{" * 600 + "find" + "}" * 601,
        "{...F0} " + " ".join(f"fragment F{n} on Query {{...F{n + 1}}}" for n in range(3_000)),
        "{...F} fragment F on Query {...F ...G} fragment G on Query {...F}",
        "{find(where: " + "[" * 20_000,
    ],
)
def test_nesting(text: str) -> None:
    """Deep nesting and fragment cycles are rejected, without a RecursionError."""
    for limits in (Limits(), Limits(tokens=10**6), WIDE):
        result = execute(text, limits=limits)
        assert result.data is None
        assert result.errors
        assert all(type(error.original_error) is not RecursionError for error in result.errors)


TOO_MANY_COMPARISONS = (
    "The document has too many fields with the same response key to compare:"
    " the limit is 20000 steps."
)


@pytest.mark.parametrize(
    "text",
    [
        "{tree {" + "tree {name} " * 280 + "}}",
        "{tree {" + "name " * 500 + "}}",
        "{tree {" + "... on Tree {name} " * 300 + "}}",
        "{tree {"
        + repeat("...F{}", 110)
        + "}} "
        + repeat("fragment F{} on Tree {{name tree {{name}}}}", 110),
    ],
)
def test_fields_with_one_response_key(text: str) -> None:
    """Documents that take more than some 10 ms to compare are rejected."""
    assert_rejected(text, Limits(), TOO_MANY_COMPARISONS)


def test_a_hundred_fields_with_one_response_key() -> None:
    """100 fields with one response key are accepted."""
    assert is_successful(execute("{tree {" + "name " * 100 + "}}", limits=Limits()))


def test_errors_are_bounded() -> None:
    """A response has at most 20 validation errors."""
    result = execute("{tree {" + repeat("nam{}", 200) + "}}", limits=Limits())
    messages = [error.message for error in result.errors or ()]
    assert len(messages) == 21
    assert messages[-1].startswith("Too many validation errors")
    conflicts = execute("{tree {" + "a: name a: __typename " * 10 + "}}", limits=Limits())
    assert len(conflicts.errors or ()) == 21


def test_cached_errors_hold_no_syntax_tree() -> None:
    """The cache keeps only the source and the error of an invalid document."""
    documents = Documents(GRAPH, Limits(aliases=1))
    text = "{a: find b: find}"
    document = documents.get(text)
    assert document is documents.get(text)
    assert isinstance(document, InvalidDocument)
    [error] = document.errors
    assert (error.nodes, error.__traceback__, error.__context__) == (None, None, None)


@given(st.lists(st.sampled_from([*"{}()[]:$@!=abF1", "...", " on ", "fragment ", "query "])))
def test_random_documents(parts: Sequence[str]) -> None:
    """Random documents return errors, and never fail the server."""
    with suppress(UnknownOperationError):
        result = execute(" ".join(parts) + " {...F} fragment F on Query {...F nope {nope}}")
        assert result.errors
        assert all(isinstance(error, GraphQLError) for error in result.errors)
