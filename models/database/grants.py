"""The privileges of FlowQL's role in authentik's database, as SQL statements."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy.dialects.postgresql import asyncpg

from models.errors import DatabaseError
from models.tables.access import API_TOKEN, Token

PREPARER = asyncpg.dialect().identifier_preparer
# SQLAlchemy's list of PostgreSQL's reserved words lacks some.
RESERVED_WORDS = PREPARER.reserved_words | {
    "collation",
    "concurrently",
    "lateral",
    "system_user",
    "tablesample",
}
UNQUOTED_NAME = re.compile("[a-z_][a-z0-9_]*")
# PostgreSQL truncates longer names.
MAX_NAME_BYTES = 63


@dataclass(frozen=True, slots=True)
class Grant:
    """The privilege to SELECT from a table, or only from these columns."""

    table: str
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Grantee:
    """A role that reads the tables of a schema."""

    role: str
    schema: str

    def create_role(self) -> Iterator[str]:
        """Yield a statement that creates the role, unless it exists."""
        yield "-- A role that may only read. Set its password with ALTER ROLE, or \\password in psql."
        create = f"BEGIN CREATE ROLE {quote(self.role)} LOGIN; "
        yield f"DO {_quote_literal(f'{create}EXCEPTION WHEN duplicate_object THEN NULL; END')};"

    def allow_login(self) -> str:
        """Return the statement that lets the role log in."""
        return f"ALTER ROLE {quote(self.role)} LOGIN;"

    def grant_connect(self, database: str) -> str:
        """Return the statement that lets the role connect to a database."""
        return f"GRANT CONNECT ON DATABASE {quote(database)} TO {quote(self.role)};"

    def grant_usage(self) -> str:
        """Return the statement that lets the role use the schema."""
        return f"GRANT USAGE ON SCHEMA {quote(self.schema)} TO {quote(self.role)};"

    def grant_select(self, grant: Grant) -> str:
        """Return the statement that lets the role read a table or its columns."""
        columns = f" ({', '.join(map(quote, grant.columns))})" if grant.columns else ""
        return f"GRANT SELECT{columns} ON {self._qualify(grant.table)} TO {quote(self.role)};"

    def grant_api_tokens(self, *, has_view: bool) -> Iterator[str]:
        """Yield the statements that let the role read API tokens through a view."""
        if not has_view:
            columns = ", ".join(column.name for column in API_TOKEN.columns)
            tokens = self._qualify(Token.__tablename__)
            view = f"CREATE OR REPLACE VIEW {self._qualify(API_TOKEN.name)} WITH (security_barrier)"
            yield f"{view} AS SELECT {columns} FROM {tokens} WHERE intent = 'api';"  # noqa: S608 - quoted names
        yield self.grant_select(Grant(API_TOKEN.name))

    def _qualify(self, table: str) -> str:
        return f"{quote(self.schema)}.{quote(table)}"


def check_name(kind: str, name: str) -> None:
    """Raise DatabaseError unless a role or a schema can have this name."""
    if "\0" in name or len(name.encode(errors="replace")) > MAX_NAME_BYTES:
        raise DatabaseError(
            f"{name!r} cannot be the name of a {kind}: names have up to {MAX_NAME_BYTES} bytes,"
            " none of which is NUL"
        )


def quote(identifier: str) -> str:
    """Return an identifier as SQL; a name that needs no quotes has none."""
    if UNQUOTED_NAME.fullmatch(identifier) and identifier not in RESERVED_WORDS:
        return identifier
    return PREPARER.quote_identifier(identifier)


def _quote_literal(value: str) -> str:
    """Return a string as SQL, whether the server reads a backslash as an escape or not."""
    escaped = value.replace("'", "''").replace("\\", "\\\\")
    return f"E'{escaped}'" if "\\" in escaped else f"'{escaped}'"
