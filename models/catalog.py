"""What stands in a database: its tables and columns, held against the ones FlowQL reads."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, TextClause, text

from models.cached_plan import CacheEntry
from models.errors import DatabaseError
from models.policy import PolicyBinding
from models.tables import METADATA

VERSION_TABLE = "alembic_version"
OUR_PREFIX = "flowql_"
CACHE_TABLE: str = CacheEntry.__tablename__
# Since 2026.8, and read nowhere.
OPTIONAL_COLUMNS = {(PolicyBinding.__tablename__, name) for name in ("expires", "expiring")}

ON_SQLITE = text(
    "SELECT master.name, info.name, 1 FROM sqlite_master AS master"
    " JOIN pragma_table_info(master.name) AS info"
    " WHERE master.type = 'table'"
)
# Not information_schema, which is silent about columns that the role may not read.
ON_POSTGRESQL = text(
    "SELECT relname::text, attname::text, has_column_privilege(class.oid, attnum, 'SELECT')"
    " FROM pg_catalog.pg_class AS class"
    " JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = relnamespace"
    " JOIN pg_catalog.pg_attribute ON attrelid = class.oid"
    " WHERE nspname = :schema AND relkind IN ('r', 'p', 'v', 'm', 'f')"
    " AND attnum > 0 AND NOT attisdropped"
)


@dataclass(frozen=True, slots=True)
class ChildTable:
    """One of authentik's tables for a type of stage or policy, keyed by `key`."""

    name: str
    key: str

    @property
    def model(self) -> str:
        """The type's blueprint model: the application and the model, split at the last `_`."""
        return ".".join(self.name.rsplit("_", 1))


@dataclass(frozen=True, slots=True)
class Catalog:
    """Tables, their columns, and whether each may be read."""

    tables: Mapping[str, Mapping[str, bool]]

    @property
    def is_ours(self) -> bool:
        """Whether FlowQL's own migrations made these tables."""
        return VERSION_TABLE in self.tables and any(
            name.startswith(OUR_PREFIX) for name in self.tables
        )

    @property
    def is_authentiks(self) -> bool:
        """Whether authentik made these tables."""
        return "authentik_flows_flow" in self.tables and not self.is_ours

    @property
    def has_cached_plans(self) -> bool:
        """Whether authentik's cache is in the database."""
        return CACHE_TABLE in self.tables

    def children(self, key: str) -> tuple[ChildTable, ...]:
        """The tables of stage or policy types that may be read, by name."""
        named = sorted(self.tables.items())
        return tuple(ChildTable(name, key) for name, columns in named if columns.get(key))

    def check_authentik(self) -> None:
        """Raise DatabaseError that names the first table or column that is not as authentik has it."""
        for table in METADATA.sorted_tables:
            if table.name == CACHE_TABLE and not self.has_cached_plans:
                continue
            if not table.name.startswith(OUR_PREFIX):
                self._check(table.name, table.columns)

    def _check(self, table: str, columns: Iterable[Column[Any]]) -> None:
        if table not in self.tables:
            raise DatabaseError(f"authentik's table {table} is missing")
        for column in columns:
            readable = self.tables[table].get(column.name)
            if readable is None and (table, column.name) not in OPTIONAL_COLUMNS:
                raise DatabaseError(f"authentik's column {table}.{column.name} is missing")
            if readable is False and not column.info.get("unread"):
                raise DatabaseError(
                    f"the role may not read {table}.{column.name}: GRANT SELECT on it"
                )


def query(dialect: str, schema: str) -> TextClause:
    """The statement whose rows `from_rows` takes."""
    return ON_SQLITE if dialect == "sqlite" else ON_POSTGRESQL.bindparams(schema=schema)


def from_rows(rows: Iterable[Any]) -> Catalog:
    """The catalog in rows of (table, column, may be read)."""
    tables: dict[str, dict[str, bool]] = {}
    for table, column, readable in rows:
        tables.setdefault(table, {})[column] = bool(readable)
    return Catalog(tables)
