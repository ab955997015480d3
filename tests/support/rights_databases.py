"""Databases for tests of rights: created once, then changed within milliseconds."""

import hashlib
import json
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Self

import psycopg
from psycopg import sql

from support.rights_content import POLICY_MODELS, STAGE_MODELS
from support.rights_tables import KEYS, POLICY_TYPES, SCOPES, STAGE_TYPES, TOKENS, Row, Rows
from support.seed import create_authentik, fill_flowql

Key = tuple[Any, ...]
# The key column of authentik's tables of types, by the table of types of FlowQL's own database.
CHILD_KEYS = {STAGE_TYPES: "stage_ptr_id", POLICY_TYPES: "policy_ptr_id"}
CHILD_MODELS = {
    table: sorted({model for model in models.values() if model})
    for table, models in ((STAGE_TYPES, STAGE_MODELS), (POLICY_TYPES, POLICY_MODELS))
}


DELETE = sql.SQL(
    "DELETE FROM {table} WHERE ({columns}) IN"
    " (SELECT {columns} FROM json_populate_recordset(NULL::{table}, %s))"
)
INSERT = sql.SQL(
    "INSERT INTO {table} ({columns})"
    " SELECT {columns} FROM json_populate_recordset(NULL::{table}, %s)"
)


class RightsDatabase(ABC):
    """A database whose tables contain exactly the rows that were written last.

    Foreign keys are not checked, so one row can be replaced without the rows that refer to it.
    """

    has_scopes: ClassVar[bool] = True

    def __init__(self, url: str) -> None:
        self.url = url
        self._tables: dict[str, dict[Key, Row]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def write(self, rows: Rows) -> None:
        """Replace the rows of these tables in one transaction; unchanged rows are not written."""
        removed: dict[str, list[Key]] = {}
        added: dict[str, list[Row]] = {}
        for table, stored in self.convert(rows).items():
            before = self._tables.get(table, {})
            after = {tuple(row[name] for name in self.keys(table)): row for row in stored}
            removed[table] = [key for key, row in before.items() if after.get(key) != row]
            added[table] = [row for key, row in after.items() if before.get(key) != row]
            self._tables[table] = after
        # Unique values can move from one row to another, so all rows are removed first.
        self.apply(_drop_empty(removed), _drop_empty(added))

    def keys(self, table: str) -> Sequence[str]:
        """Return the columns of the primary key."""
        return KEYS[table]

    def convert(self, rows: Rows) -> Rows:
        """Return the rows as stored. FlowQL's own database stores digests of token keys."""
        tokens = [{**row, "key": _digest(row["key"])} for row in rows.get(TOKENS, ())]
        return {**rows, TOKENS: tokens} if TOKENS in rows else rows

    @abstractmethod
    def apply(
        self, removed: Mapping[str, Sequence[Key]], added: Mapping[str, Sequence[Row]]
    ) -> None:
        """Delete rows, then insert rows, in one transaction."""

    @abstractmethod
    def close(self) -> None:
        """Close the connection."""

    def clean(self) -> None:  # noqa: B027 - most databases need nothing
        """Remove the traces of deleted rows, which slow down reads."""


def _drop_empty(rows: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
    return {table: items for table, items in rows.items() if items}


def _digest(key: str) -> str:
    return f"sha256${hashlib.sha256(key.encode()).hexdigest()}"


class SQLiteRights(RightsDatabase):
    """FlowQL's own SQLite database."""

    def __init__(self, url: str) -> None:
        super().__init__(fill_flowql(url, {}))
        self._connection = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
        self._connection.execute("PRAGMA synchronous = OFF")

    def apply(
        self, removed: Mapping[str, Sequence[Key]], added: Mapping[str, Sequence[Row]]
    ) -> None:
        execute = self._connection.executemany
        self._connection.execute("BEGIN IMMEDIATE")
        for table, keys in removed.items():
            condition = " AND ".join(f'"{name}" = ?' for name in self.keys(table))
            execute(f'DELETE FROM "{table}" WHERE {condition}', keys)  # noqa: S608 - constants
        for table, rows in added.items():
            columns = ", ".join(f'"{name}"' for name in rows[0])
            marks = ", ".join("?" for _ in rows[0])
            insert = f'INSERT INTO "{table}" ({columns}) VALUES ({marks})'  # noqa: S608 - constants
            execute(insert, [[_encode(value) for value in row.values()] for row in rows])
        self._connection.execute("COMMIT")

    def close(self) -> None:
        self._connection.close()


def _encode(value: object) -> object:
    return json.dumps(value) if isinstance(value, dict) else value


class PostgreSQLRights(RightsDatabase):
    """FlowQL's own PostgreSQL database."""

    def __init__(self, url: str) -> None:
        super().__init__(self.create(url))
        self._connection = psycopg.connect(url, autocommit=True)
        # Turns foreign keys off.
        self._connection.execute("SET session_replication_role = replica")

    def create(self, url: str) -> str:
        """Create the tables and return the URL."""
        return fill_flowql(url, {})

    def apply(
        self, removed: Mapping[str, Sequence[Key]], added: Mapping[str, Sequence[Row]]
    ) -> None:
        with self._connection.pipeline(), self._connection.transaction():
            for table, keys in removed.items():
                names = self.keys(table)
                records = json.dumps([dict(zip(names, key, strict=True)) for key in keys])
                self._execute(DELETE, table, names, records)
            for table, rows in added.items():
                self._execute(INSERT, table, list(rows[0]), json.dumps(rows))

    def _execute(self, text: sql.SQL, table: str, names: Sequence[str], records: str) -> None:
        """Execute a statement with columns of a table, and their values as a JSON list."""
        columns = sql.SQL(", ").join(map(sql.Identifier, names))
        statement = text.format(table=sql.Identifier(table), columns=columns)
        self._connection.execute(statement, [records])

    def clean(self) -> None:
        for table in self._tables:
            self._connection.execute(sql.SQL("VACUUM ANALYZE {}").format(sql.Identifier(table)))

    def close(self) -> None:
        self._connection.close()


class AuthentikRights(PostgreSQLRights):
    """Authentik's tables, which have no scopes of tokens, and a table for each type."""

    has_scopes = False

    def create(self, url: str) -> str:
        create_authentik(url)
        with psycopg.connect(url) as connection:
            for table, models in CHILD_MODELS.items():
                for model in models:
                    create = sql.SQL("CREATE TABLE {} ({} uuid PRIMARY KEY)")
                    name, key = _child_table(model), CHILD_KEYS[table]
                    connection.execute(create.format(sql.Identifier(name), sql.Identifier(key)))
        return url

    def keys(self, table: str) -> Sequence[str]:
        if table in KEYS:
            return KEYS[table]
        return (CHILD_KEYS[STAGE_TYPES if "_stages_" in table else POLICY_TYPES],)

    def convert(self, rows: Rows) -> Rows:
        own = {table: rows[table] for table in rows if table not in {*CHILD_KEYS, SCOPES}}
        return own | dict(_split_types(rows))


def _split_types(rows: Rows) -> Iterator[tuple[str, list[Row]]]:
    """Yield the rows of authentik's tables of types."""
    for table in CHILD_KEYS.keys() & rows.keys():
        for model in CHILD_MODELS[table]:
            keys = [row["ptr_id"] for row in rows[table] if row["model"] == model]
            yield _child_table(model), [{CHILD_KEYS[table]: key} for key in keys]


def _child_table(model: str) -> str:
    return model.replace(".", "_")


RIGHTS_DATABASES: Mapping[str, type[RightsDatabase]] = {
    "sqlite": SQLiteRights,
    "postgresql": PostgreSQLRights,
    "authentik": AuthentikRights,
}
