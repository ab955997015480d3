"""A recorder of the SELECT statements that any database receives."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from models.database.postgresql import PostgreSQLReader, PostgreSQLSnapshot
from models.database.sqlite import SQLiteLease, SQLiteReader
from models.database.statement import Rows, Statement

TOKENS = "authentik_core_token"


@contextmanager
def record_statements() -> Generator[list[Statement]]:
    """Record the statements that are executed in the block."""
    statements: list[Statement] = []
    with pytest.MonkeyPatch.context() as patch:
        for reads in (SQLiteReader, SQLiteLease, PostgreSQLReader, PostgreSQLSnapshot):
            patch.setattr(reads, "fetch", _record_into(reads.fetch, statements))
        yield statements


def is_of_viewer(statement: Statement) -> bool:
    """Return True if the statement selects the viewer."""
    return TOKENS in statement.text


def _record_into(fetch: Any, statements: list[Statement]) -> Any:
    async def record(
        reads: object, statement: Statement, arguments: Sequence[Any], *caller: Any
    ) -> Rows:
        statements.append(statement)
        return await fetch(reads, statement, arguments, *caller)

    return record
