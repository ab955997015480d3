"""Tests that no blueprint blocks an import, crashes it, or is imported in part."""

import multiprocessing.pool
import resource
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import hypothesis
import pytest
from hypothesis import given

from support.blueprint_mutations import SEEDS, mutate_bytes, mutate_structure
from support.blueprints import BlueprintDatabase, create_blueprint_database
from support.command import run_in_process
from support.forked_commands import CONTEXT
from support.imports import INCOMPLETE, INVALID, describe_content, split_messages
from support.postgres import PostgresServer

# 12 by default, and 250 in the full profile, for each database and kind of mutation.
EXAMPLES = hypothesis.settings(max_examples=hypothesis.settings().max_examples // 8)
# Five times the time that such an import may take.
LIMIT_SECONDS = 5 * 2
LIMIT_BYTES = 2 << 30
BOTH = pytest.mark.parametrize("target", ["sqlite", "postgresql"], indirect=True)


def limit_memory() -> None:
    """Let allocations beyond the limit fail in this process and in those that it starts."""
    resource.setrlimit(resource.RLIMIT_AS, (LIMIT_BYTES, LIMIT_BYTES))


@dataclass(frozen=True, slots=True)
class Target:
    """A database, the file to import, and a process that imports it."""

    database: BlueprintDatabase
    path: Path
    pool: multiprocessing.pool.Pool

    def run(self) -> CompletedProcess[str]:
        """Import the file; fails if this takes too long, or if the process dies."""
        arguments = ("import", str(self.path), "--database", self.database.url)
        return self.pool.apply_async(run_in_process, arguments).get(LIMIT_SECONDS)

    def check(self, document: bytes) -> None:
        """Import a document; check the messages, and that the database is consistent."""
        self.path.write_bytes(document)
        before = self.database.dump()
        process = self.run()
        assert process.returncode in {0, INVALID, INCOMPLETE}, process
        messages = split_messages(process.stderr)
        assert messages
        assert all(message.isprintable() for message in messages)
        check_state(process, before, self.database.dump())


def check_state(
    process: CompletedProcess[str],
    before: Mapping[str, Sequence[Any]],
    after: Mapping[str, Sequence[Any]],
) -> None:
    """Check that an error changes nothing, and that all references are valid after an import."""
    if process.returncode == INVALID:
        assert after == before, process
    content = describe_content(after)
    assert all("model" in row for row in (*content.stages.values(), *content.policies.values()))


@pytest.fixture(scope="module")
def target(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Target]:
    """A database of the kind of the parameter, filled with a valid file."""
    folder = tmp_path_factory.mktemp("mutated")
    if request.param == "sqlite":
        url = f"sqlite:///{folder / 'flowql.db'}"
    else:
        server: PostgresServer = request.getfixturevalue("postgres")
        url = server.create_database("mutated")
    with CONTEXT.Pool(1, limit_memory) as pool:
        target = Target(create_blueprint_database(url), folder / "mutated.yaml", pool)
        for seed in SEEDS[1:3]:
            target.path.write_text(seed)
            process = target.run()
            assert process.returncode == 0, process
        yield target


@BOTH
@EXAMPLES
@given(document=mutate_bytes())
def test_mutated_bytes(target: Target, document: bytes) -> None:
    """Bytes are inserted, removed and moved."""
    target.check(document)


@BOTH
@EXAMPLES
@given(document=mutate_structure())
def test_mutated_structures(target: Target, document: bytes) -> None:
    """Values, keys, tags and entries are replaced, removed, renamed, nested and moved."""
    target.check(document)
