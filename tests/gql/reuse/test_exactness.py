"""No response is older than its request, while other connections change what it contains."""

import sqlite3
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import settings

from support.postgres import PostgresServer
from support.reuse_data import build_components
from support.reuse_databases import create_database, has_scopes
from support.reuse_history import History
from support.reuse_readers import Recorder, read_answers, run_readers
from support.reuse_writers import (
    Writer,
    maintain,
    open_connection,
    open_writers,
    run_writers,
    write_elsewhere,
)
from support.server_process import run_server

# 5,000 by default, 100,000 in the full profile.
RESPONSES = settings().max_examples * 50
READERS = 4
# A run has far more commits, and far more responses with a stored body.
MIN_COMMITS = MIN_UNCHANGED = 50
KINDS = ("authentik", "postgresql", "sqlite, WAL", "sqlite, DELETE")
WITHOUT_REUSE = {"FLOWQL_REUSE_BYTES": "0", "FLOWQL_VIEWER_TTL": "0"}


@dataclass(frozen=True, slots=True)
class Site:
    """A database with a writer for each component, and other connections that write."""

    url: str
    writers: dict[str, Writer]
    others: list[Callable[[], None]]
    history: History = field(default_factory=History)


@pytest.fixture(params=KINDS)
def site(
    request: pytest.FixtureRequest, tmp_path: Path, postgres: PostgresServer
) -> Iterator[Site]:
    """A database of each kind, at transaction 0 of each component."""
    kind, _, mode = request.param.partition(", ")
    url = (
        f"sqlite:///{tmp_path / 'flowql.db'}" if mode else postgres.create_database(f"exact {kind}")
    )
    create_database(kind, url)
    elsewhere = url if mode else postgres.create_database(f"elsewhere {kind}")
    if mode:
        set_journal_mode(url, mode)
    history = History()
    with ExitStack() as stack:
        components = build_components(has_scopes=has_scopes(kind))
        writers = stack.enter_context(open_writers(url, components, history.timelines))
        others = [write_elsewhere(stack.enter_context(open_connection(elsewhere)))]
        if mode:
            others.append(maintain(stack.enter_context(open_connection(url))))
        for writer in writers:
            writer.set(0)
        yield Site(url, {writer.component: writer for writer in writers}, others, history)


def set_journal_mode(url: str, mode: str) -> None:
    """Set how SQLite keeps transactions apart."""
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
        assert connection.execute(f"PRAGMA journal_mode = {mode}").fetchone() == (mode.lower(),)


@contextmanager
def record_responses(site: Site) -> Generator[Recorder]:
    """Ask a server without reuse for the answers of all phases; yields a recorder with them."""
    with run_server(site.url, env=WITHOUT_REUSE) as (url, _):
        answers = read_answers(url, site.writers["R"].set, site.writers["P"].set)
    for component in "RP":
        site.writers[component].set(0)
    yield Recorder(answers, RESPONSES)


def test_no_response_is_stale(site: Site) -> None:
    """Each response is that of an execution between the request and the response."""
    with record_responses(site) as recorder, run_server(site.url) as (url, _):
        functions = [writer.write for writer in site.writers.values()]
        with run_writers([*functions, *site.others]) as errors:
            run_readers(url, recorder, READERS)
    assert errors == []
    assert recorder.errors == []
    stale = [
        f"{response.name}: {error}"
        for response in recorder.observations
        if (error := site.history.find_error(response))
    ]
    assert stale[:5] == []
    assert len(recorder.observations) == RESPONSES
    assert site.history.size > MIN_COMMITS
    assert recorder.statuses[304] > MIN_UNCHANGED
