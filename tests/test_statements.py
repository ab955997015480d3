"""How many SQL statements an answer takes: as many for a hundred flows as for one."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import pytest
from gateway import Answer, Gateway
from graph import EVERY_FIELD
from odd_data import KEYS, READING_KEYS
from sqlalchemy import Engine, event

SUPERUSER = KEYS["superuser"]
# Who asks, the count, the flows, then stages, policies and cached plans of them all.
WHOLE_PAGE = 6


@contextmanager
def statements() -> Generator[list[str]]:
    """All SQL that goes to any database in the block."""
    sent: list[str] = []

    def listen(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        sent.append(statement)

    event.listen(Engine, "before_cursor_execute", listen)
    try:
        yield sent
    finally:
        event.remove(Engine, "before_cursor_execute", listen)


def count(ask: Callable[[], Answer], status: int = 200) -> int:
    """How many statements it takes to answer, with that status."""
    with statements() as sent:
        assert ask().status == status
    return len(sent)


def test_rest_pages_take_six_statements(gateway: Gateway) -> None:
    """A page takes as many statements for 1 flow as for 100."""
    for mount in ("/flows/instances/", "/api/v3/flows/instances/"):
        for size in (*range(1, 10), 50, 99, 100):
            target = f"{mount}?page_size={size}"
            assert count(lambda asked=target: gateway.get(asked, SUPERUSER)) == WHOLE_PAGE


@pytest.mark.parametrize("kind", READING_KEYS)
def test_every_reader_takes_as_many(gateway: Gateway, kind: str) -> None:
    """Rights are part of the statements, not statements of their own."""
    assert count(lambda: gateway.get("/flows/instances/", KEYS[kind])) == WHOLE_PAGE


@pytest.mark.parametrize(
    ("target", "key", "status", "expected"),
    [
        ("/flows/instances/a-flow/", SUPERUSER, 200, 5),
        ("/flows/instances/?search=a&ordering=-name&page=2&page_size=3", SUPERUSER, 200, 6),
        ("/flows/instances/?slug=nope", SUPERUSER, 200, 2),
        ("/flows/instances/?page=99", SUPERUSER, 404, 2),
        ("/flows/instances/nope/", SUPERUSER, 404, 2),
        ("/flows/instances/?designation=nope", SUPERUSER, 400, 1),
        ("/flows/instances/", KEYS["none"], 403, 1),
        ("/flows/instances/", "nope", 403, 1),
        ("/flows/instances/", None, 403, 0),
        ("/schema.graphql", None, 200, 0),
    ],
)
def test_rest(gateway: Gateway, target: str, key: str | None, status: int, expected: int) -> None:
    """What is not needed is not asked."""
    assert count(lambda: gateway.get(target, key), status) == expected


def test_exports_take_as_many_for_any_flow(gateway: Gateway) -> None:
    """An export takes as many statements for 39 stage bindings as for 2, and a missing one two."""
    counts = {
        slug: count(lambda asked=slug: gateway.get(f"/flows/instances/{asked}/export/", SUPERUSER))
        for slug in ("A-flow", "a-flow", "a_flow")
    }
    assert len(set(counts.values())) == 1, counts
    missing = "/flows/instances/nope/export/"
    assert count(lambda: gateway.get(missing, SUPERUSER), 404) == 2


def test_graphql_pages_take_six_statements(gateway: Gateway) -> None:
    """A page takes as many statements for 1 flow as for 100."""
    for size in (*range(1, 10), 50, 99, 100):
        query = f"{{ flows(pageSize: {size}) {{ pagination {{ count }} results {{ {EVERY_FIELD} }} }} }}"
        assert count(lambda asked=query: gateway.graphql(asked, SUPERUSER)) == WHOLE_PAGE


@pytest.mark.parametrize(
    ("selected", "expected"),
    [
        ("__typename", 1),
        ("flows { __typename }", 2),
        ("flows { pagination { count totalPages } }", 2),
        ("flows { results { pk slug designation background exportUrl } }", 3),
        ("flows { results { __typename } }", 3),
        ("flows { results { stages } }", 4),
        ("flows { results { policies } }", 4),
        ("flows { results { cacheCount } }", 4),
        ("flows { results { stages } results { again: stages policies } }", 5),
        ("flows { results { ... on Flow { stages ... { policies } } } }", 5),
        ("flows { ... { results { stages } } pagination { count } }", 4),
        ('flows(slug: "") { results { stages policies cacheCount } }', 2),
        ('flow(slug: "a-flow") { slug title }', 2),
        ('flow(slug: "a-flow") { stages policies cacheCount }', 5),
        ('flow(slug: "nope") { slug stages policies cacheCount }', 2),
        ('a: flow(slug: "a-flow") { slug } b: flow(slug: "A-flow") { slug }', 3),
        ("a: flows { pagination { count } } b: flows { results { stages } }", 5),
    ],
)
def test_graphql_asks_for_what_is_selected(gateway: Gateway, selected: str, expected: int) -> None:
    """A field that is not selected costs nothing, in whatever fragment the others are."""
    assert count(lambda: gateway.graphql(f"{{ {selected} }}", SUPERUSER)) == expected


def test_fragments_are_looked_into(gateway: Gateway) -> None:
    """A field that a named fragment selects is asked for, and no other."""
    query = "{ flows { ...P } } fragment P on FlowPage { results { ...F } }"
    query += " fragment F on Flow { stages }"
    assert count(lambda: gateway.graphql(query, SUPERUSER)) == 4


def test_only_selects_are_sent(gateway: Gateway) -> None:
    """Answering changes nothing in the database."""
    with statements() as sent:
        gateway.get("/flows/instances/a-flow/export/", SUPERUSER)
        gateway.graphql(f"{{ flows {{ results {{ {EVERY_FIELD} }} }} }}", SUPERUSER)
    assert {statement.split()[0] for statement in sent} <= {"SELECT", "WITH"}
