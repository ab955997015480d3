"""The catalog of a database: its tables, with their columns and models."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from models.authentik.natural_keys import NATURAL_KEYS
from models.database.statement import RawSQL
from models.tables.access import API_TOKEN, ContentType, Token
from models.tables.cached_plan import CacheEntry, PlanKeys
from models.tables.child_table import CHILD_KEYS, ChildTable, build_table_name, guess_model
from models.tables.metadata import METADATA
from models.tables.settings_table import SettingsTable

VERSION_TABLE = "alembic_version"
FLOWQL_PREFIX = "flowql_"
CACHE_TABLE: str = CacheEntry.__tablename__
CONTENT_TYPE_TABLE: str = ContentType.__tablename__
FLOW_TABLE = "authentik_flows_flow"

SQLITE_COLUMNS = RawSQL(
    "SELECT master.name, info.name, 1 FROM sqlite_master AS master"
    " JOIN pragma_table_info(master.name) AS info"
    " WHERE master.type = 'table'"
)
# information_schema omits columns that the role may not read. NULL marks the columns of a view of
# tokens whose owner may not read all tokens: another role could create one with tokens of its own.
POSTGRESQL_COLUMNS = RawSQL(
    "SELECT relname::text, attname::text,"
    " CASE WHEN relname <> 'flowql_token' OR has_table_privilege(relowner, ("
    "SELECT oid FROM pg_catalog.pg_class AS tokens WHERE tokens.relname = 'authentik_core_token'"
    " AND tokens.relnamespace = class.relnamespace), 'SELECT')"
    " THEN has_column_privilege(class.oid, attnum, 'SELECT') END"
    " FROM pg_catalog.pg_class AS class"
    " JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = relnamespace"
    " JOIN pg_catalog.pg_attribute ON attrelid = class.oid"
    " WHERE nspname = :schema AND relkind IN ('r', 'p', 'v', 'm', 'f')"
    " AND attnum > 0 AND NOT attisdropped"
)
CONTENT_TYPES = RawSQL("SELECT app_label, model FROM django_content_type")

# (an index of the cache's keys compares bytes, an index is a pattern index, an index has the default
# collation of the database). Every builtin collation compares bytes, and so do these of the C library:
# its C.UTF-8 sorts by code point, like UTF-8's bytes. to_jsonb() reads a column that older versions of
# PostgreSQL do not have.
KEY_INDEXES = RawSQL(
    "SELECT coalesce(bool_or(opcname IN ('text_ops', 'varchar_ops')"
    " AND indcollation[0] = attcollation"
    " AND (provider = 'b' OR provider = 'c' AND locale ~* '^(C|POSIX|C[.]UTF-?8)$')), false),"
    " coalesce(bool_or(opcname IN ('text_pattern_ops', 'varchar_pattern_ops')), false),"
    " coalesce(bool_or(opcname IN ('text_ops', 'varchar_ops')"
    " AND indcollation[0] = attcollation AND collprovider = 'd'), false)"
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
    """The columns of each table with their readability, and the access path to cached plans.

    A column that must not be read is None, whatever the privileges. `has_usage` is False if the role
    lacks USAGE on the schema. `models` are authentik's models by the names of their tables, and
    `settings` the settings in child tables by the names of these.
    """

    tables: Mapping[str, Mapping[str, bool | None]]
    plan_keys: PlanKeys
    has_usage: bool = True
    models: Mapping[str, str] = field(default_factory=dict[str, str])
    settings: Mapping[str, SettingsTable] = field(default_factory=dict[str, SettingsTable])

    @property
    def is_flowql(self) -> bool:
        """True if FlowQL's migrations created the tables."""
        return VERSION_TABLE in self.tables and any(
            name.startswith(FLOWQL_PREFIX) for name in self.tables if name != API_TOKEN.name
        )

    @property
    def is_authentik(self) -> bool:
        """True if authentik created the tables."""
        return FLOW_TABLE in self.tables and not self.is_flowql

    @property
    def has_api_token_view(self) -> bool:
        """True if authentik's operator has created a view of the API tokens that is readable."""
        columns = self.tables.get(API_TOKEN.name, {})
        return self.is_authentik and all(columns.get(column.name) for column in API_TOKEN.columns)

    @property
    def has_cached_plans(self) -> bool:
        return CACHE_TABLE in self.tables

    @property
    def has_readable_content_types(self) -> bool:
        """True if these are authentik's tables, and its content types can be read."""
        columns = self.tables.get(CONTENT_TYPE_TABLE, {})
        can_read = self.has_usage and columns.get("app_label") and columns.get("model")
        return self.is_authentik and bool(can_read)

    def child_tables(self, key: str) -> tuple[ChildTable, ...]:
        """Return the tables with a readable column `key`, sorted by name.

        A table whose model is unknown has the model that its name suggests.
        """
        return tuple(child for child in self.all_child_tables(key) if self.tables[child.name][key])

    def all_child_tables(self, key: str) -> Sequence[ChildTable]:
        """Return the tables with a column `key`, readable or not, sorted by name."""
        names = sorted(name for name, columns in self.tables.items() if key in columns)
        return [ChildTable(name, key, self.models.get(name) or guess_model(name)) for name in names]

    def settings_tables(self, key: str) -> tuple[SettingsTable, ...]:
        """Return the settings of the child tables with a readable column `key`, sorted by name."""
        children = self.child_tables(key)
        return tuple(self.settings[child.name] for child in children if child.name in self.settings)

    def list_relations(self) -> Sequence[str]:
        """Return the tables and views that requests may read, sorted."""
        children = (child.name for key in CHILD_KEYS.values() for child in self.child_tables(key))
        lists = (item.table for settings in self.settings.values() for item in settings.lists)
        named = (natural.table for natural in NATURAL_KEYS.values())
        # The view of tokens is read in place of their table.
        unread = Token.__tablename__ if self.has_api_token_view else API_TOKEN.name
        names = {*METADATA.tables, API_TOKEN.name, *children, *lists, *named}
        return sorted(self.tables.keys() & names - {unread})

    def can_read(self, table: str, *columns: str) -> bool:
        """Return whether the role may read these columns of a table."""
        return all(self.tables.get(table, {}).get(column) for column in columns)

    def unreadable_tables(self, key: str) -> Sequence[str]:
        """Return the tables with a column `key` that is not readable, sorted."""
        return sorted(name for name, columns in self.tables.items() if columns.get(key) is False)


def build_catalog(
    rows: Iterable[Any], indexes: Sequence[Any] = (), *, has_usage: bool = True
) -> Catalog:
    """Build a catalog from rows of (table, column, is readable) and the rows of KEY_INDEXES."""
    tables: dict[str, dict[str, bool | None]] = {}
    for table, column, is_readable in rows:
        tables.setdefault(table, {})[column] = None if is_readable is None else bool(is_readable)
    plan_keys = _find_plan_keys(indexes) if CACHE_TABLE in tables else PlanKeys.ABSENT
    return Catalog(tables, plan_keys, has_usage)


def map_models(content_types: Iterable[Any]) -> Mapping[str, str]:
    """Return the blueprint models by the names of their tables, except those that share a name.

    `content_types` are rows of (application, model).
    """
    names = [build_table_name(*content_type) for content_type in content_types]
    counts = Counter(names)
    return {
        name: ".".join(content_type)
        for name, content_type in zip(names, content_types, strict=True)
        if counts[name] == 1
    }


def _find_plan_keys(indexes: Sequence[Any]) -> PlanKeys:
    # There are no rows for SQLite, whose index compares bytes.
    for compares_bytes, has_pattern_index, has_default_collation in indexes:
        if has_pattern_index:
            return PlanKeys.IN_PATTERN_INDEX
        if not compares_bytes:
            return PlanKeys.IN_LINGUISTIC_INDEX if has_default_collation else PlanKeys.UNINDEXED
    return PlanKeys.IN_KEY_INDEX
