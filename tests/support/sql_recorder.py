"""What is read from any database, recorded on its way."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from models.database.postgresql import PostgreSQLReader
from models.database.sqlite import SQLiteReader
from models.database.statement import Rows, Statement

TOKENS = "authentik_core_token"


@contextmanager
def record_statements() -> Generator[list[Statement]]:
    """All that any database is asked in the block."""
    asked: list[Statement] = []
    with pytest.MonkeyPatch.context() as patch:
        for reader in (SQLiteReader, PostgreSQLReader):
            patch.setattr(reader, "fetch", _recording(reader.fetch, asked))
        yield asked


def is_of_viewer(statement: Statement) -> bool:
    """Whether it asks who asks."""
    return TOKENS in statement.text


def _recording(fetch: Any, asked: list[Statement]) -> Any:
    async def recorded(reader: object, statement: Statement, arguments: Sequence[Any]) -> Rows:
        asked.append(statement)
        return await fetch(reader, statement, arguments)

    return recorded
