"""The reads of a plan: a log of SELECTs, which can be compared with another state of the database."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, Select


class Read(NamedTuple):
    """A SELECT, with its values, and the digest of its result."""

    select: Select[Any]
    digest: bytes


@dataclass(frozen=True, slots=True)
class Reads:
    """The SELECTs on a connection. The log does not keep their rows."""

    connection: Connection
    _log: list[Read] = field(default_factory=list[Read])

    def fetch(self, select: Select[Any]) -> Sequence[Row[Any]]:
        """Return the rows of a SELECT, whose values must not change afterwards."""
        rows = self.connection.execute(select).all()
        self._log.append(Read(select, _digest(rows)))
        return rows

    def is_equal_on(self, connection: Connection) -> bool:
        """Return whether all SELECTs have the same results on another connection."""
        return all(
            _digest(connection.execute(select).all()) == digest for select, digest in self._log
        )


def _digest(rows: Sequence[Row[Any]]) -> bytes:
    """Return a digest of the rows in any order, which can differ from one execution to the next."""
    digest = hashlib.blake2b(digest_size=16)
    # The representation of a row, unlike that of a tuple, shortens long values.
    for row in sorted(repr(tuple(row)) for row in rows):
        digest.update(f"{row}\n".encode())
    return digest.digest()
