"""The catalog of a database: its tables and columns, compared with those that FlowQL reads."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column

from models.database.statement import RawSQL
from models.errors import DatabaseError
from models.tables.access import API_TOKEN, Token
from models.tables.cached_plan import CacheEntry, PlanKeys
from models.tables.child_table import ChildTable
from models.tables.metadata import METADATA
from models.tables.policy import PolicyBinding

VERSION_TABLE = "alembic_version"
FLOWQL_PREFIX = "flowql_"
CACHE_TABLE: str = CacheEntry.__tablename__
# Added in authentik 2026.8. FlowQL does not read them.
OPTIONAL_COLUMNS = {(PolicyBinding.__tablename__, name) for name in ("expires", "expiring")}

SQLITE_COLUMNS = RawSQL(
    "SELECT master.name, info.name, 1 FROM sqlite_master AS master"
    " JOIN pragma_table_info(master.name) AS info"
    " WHERE master.type = 'table'"
)
# information_schema omits columns that the role may not read. A view of tokens is only readable if
# its owner may read all tokens: another role could create one with tokens of its own.
POSTGRESQL_COLUMNS = RawSQL(
    "SELECT relname::text, attname::text, has_column_privilege(class.oid, attnum, 'SELECT')"
    " AND (relname <> 'flowql_token' OR has_table_privilege(relowner,"
    " to_regclass(quote_ident(nspname) || '.authentik_core_token'), 'SELECT'))"
    " FROM pg_catalog.pg_class AS class"
    " JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = relnamespace"
    " JOIN pg_catalog.pg_attribute ON attrelid = class.oid"
    " WHERE nspname = :schema AND relkind IN ('r', 'p', 'v', 'm', 'f')"
    " AND attnum > 0 AND NOT attisdropped"
)

# (an index of the cache's keys compares bytes, an index is a pattern index). Every builtin collation
# compares bytes, and so do these of the C library: its C.UTF-8 sorts by code point, like UTF-8's
# bytes. to_jsonb() reads a column that older versions of PostgreSQL do not have.
KEY_INDEXES = RawSQL(
    "SELECT coalesce(bool_or(opcname IN ('text_ops', 'varchar_ops')"
    " AND indcollation[0] = attcollation"
    " AND (provider = 'b' OR provider = 'c' AND locale ~* '^(C|POSIX|C[.]UTF-?8)$')), false),"
    " coalesce(bool_or(opcname IN ('text_pattern_ops', 'varchar_pattern_ops')), false)"
    " FROM pg_catalog.pg_attribute"
    " JOIN pg_catalog.pg_index ON indrelid = attrelid AND indkey[0] = attnum"
    " JOIN pg_catalog.pg_opclass AS operators ON operators.oid = indclass[0]"
    " JOIN pg_catalog.pg_am AS method ON method.oid = opcmethod"
    " JOIN pg_catalog.pg_collation AS class ON class.oid = attcollation"
    " JOIN pg_catalog.pg_database AS base ON datname = current_database()"
    " CROSS JOIN LATERAL (SELECT"
    " CASE collprovider WHEN 'd' THEN coalesce(to_jsonb(base) ->> 'datlocprovider', 'c')"
    " ELSE collprovider::text END,"
    " CASE collprovider WHEN 'd' THEN datcollate ELSE collcollate END) AS sorting (provider, locale)"
    " WHERE attrelid = to_regclass(:cache) AND attname = 'cache_key'"
    " AND amname = 'btree' AND indisvalid AND indpred IS NULL"
)


@dataclass(frozen=True, slots=True)
class Catalog:
    """The columns of each table with their readability, and the access path to cached plans."""

    tables: Mapping[str, Mapping[str, bool]]
    plan_keys: PlanKeys

    @property
    def is_flowql(self) -> bool:
        """True if FlowQL's migrations created the tables."""
        return VERSION_TABLE in self.tables and any(
            name.startswith(FLOWQL_PREFIX) for name in self.tables if name != API_TOKEN.name
        )

    @property
    def is_authentik(self) -> bool:
        """True if authentik created the tables."""
        return "authentik_flows_flow" in self.tables and not self.is_flowql

    @property
    def has_api_token_view(self) -> bool:
        """True if authentik's operator has created a view of the API tokens that is readable."""
        columns = self.tables.get(API_TOKEN.name, {})
        return self.is_authentik and all(columns.get(column.name) for column in API_TOKEN.columns)

    @property
    def has_cached_plans(self) -> bool:
        return CACHE_TABLE in self.tables

    def child_tables(self, key: str) -> tuple[ChildTable, ...]:
        """Return the tables with a readable column `key`, sorted by name."""
        tables = sorted(self.tables.items())
        return tuple(ChildTable(name, key) for name, columns in tables if columns.get(key))

    def unreadable_tables(self, key: str) -> tuple[str, ...]:
        """Return the tables with a column `key` that is not readable, sorted."""
        return tuple(
            sorted(name for name, columns in self.tables.items() if columns.get(key) is False)
        )

    def check_authentik(self) -> None:
        """Raise DatabaseError if a table or column of authentik is missing or not readable."""
        for table in METADATA.sorted_tables:
            if table.name == CACHE_TABLE and not self.has_cached_plans:
                continue
            if not table.name.startswith(FLOWQL_PREFIX):
                self._check_table(table.name, table.columns)

    def _check_table(self, table: str, columns: Iterable[Column[Any]]) -> None:
        if table not in self.tables:
            raise DatabaseError(f"authentik's table {table} is missing")
        for column in columns:
            is_readable = self.tables[table].get(column.name)
            if is_readable is None and (table, column.name) not in OPTIONAL_COLUMNS:
                raise DatabaseError(f"authentik's column {table}.{column.name} is missing")
            if is_readable is False and self._is_read(column):
                raise DatabaseError(
                    f"permission denied for column {table}.{column.name}: GRANT SELECT on it"
                )

    def _is_read(self, column: Column[Any]) -> bool:
        is_replaced = column.table.name == Token.__tablename__ and self.has_api_token_view
        return not (column.info.get("unread") or is_replaced)


def build_catalog(rows: Iterable[Any], indexes: Sequence[Any]) -> Catalog:
    """Build a catalog from rows of (table, column, is readable) and the rows of KEY_INDEXES."""
    tables: dict[str, dict[str, bool]] = {}
    for table, column, is_readable in rows:
        tables.setdefault(table, {})[column] = bool(is_readable)
    return Catalog(tables, _find_plan_keys(indexes) if CACHE_TABLE in tables else PlanKeys.ABSENT)


def _find_plan_keys(indexes: Sequence[Any]) -> PlanKeys:
    # There are no rows for SQLite, whose index compares bytes.
    for compares_bytes, has_pattern_index in indexes:
        if has_pattern_index:
            return PlanKeys.IN_PATTERN_INDEX
        if not compares_bytes:
            return PlanKeys.UNINDEXED
    return PlanKeys.IN_KEY_INDEX
